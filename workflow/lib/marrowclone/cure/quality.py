"""Quality of life as of a landmark: which forms count, the suffix, what goes into Q."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from .components import quality_of_life
from .eq5d import EQ5D, INDEX
from .qlq import C30, MY20, SUMMARY
from .stream import gate_days

#: Scales whose freedom from problems the suffix Q+ asks for (science 8.2).
KEY_SCALES: tuple[str, ...] = ("PF2", "FA", "PA", "EF")


@dataclass(frozen=True)
class Quality:
    """Newest forms within the window before the landmark; NaN where there is none.

    ``problem_share``: problems per scored scale with a threshold; ``myeloma``: MY20's mean;
    ``index``: EQ-5D-5L; ``suffix``: ``Q+``, ``Q0``, ``Q-`` or ``Q?``.
    """

    day: float
    summary: float
    n_problems: int
    problem_share: float
    myeloma: float
    index: float
    proxy: bool
    suffix: str
    note: str

    @property
    def known(self) -> bool:
        """Whether Q can be computed."""
        return bool(np.isfinite(self.summary) or np.isfinite(self.index))


def _newest(rows: pd.DataFrame, instrument: str, day: int, window: int) -> pd.DataFrame:
    forms = rows[(rows["instrument"] == instrument) & (rows["day"] >= day - window)]
    return forms[forms["day"] == forms["day"].max()] if len(forms) else forms


def read_quality(rows: pd.DataFrame, day: int, *, settings: Mapping[str, Any]) -> Quality:
    """Scored forms (``cure/qol.tsv``) of one patient, cut at the landmark.

    Only forms of the last ``quality_window_days`` count, because quality of life is never
    carried forward and never imputed from disease status.
    """
    if rows.empty:
        return Quality(np.nan, np.nan, 0, np.nan, np.nan, np.nan, False, "Q?", "no quality-of-life form so far")
    window = settings["quality_window_days"]
    c30, my20, eq = (_newest(rows, name, day, window) for name in (C30, MY20, EQ5D))
    score = dict(zip(c30["scale"], c30["score"].astype(float), strict=True))
    flagged = c30[c30["problem"].astype(str).isin(["true", "false", "True", "False"])]
    problem = {s: str(p).lower() == "true" for s, p in zip(flagged["scale"], flagged["problem"], strict=True)}
    n_problems = sum(problem.values())
    summary = score.get(SUMMARY, np.nan)
    m = dict(zip(my20["scale"], my20["score"].astype(float), strict=True))
    parts = [(100 - m.get("DS", np.nan)) / 100, (100 - m.get("SE", np.nan)) / 100, m.get("FP", np.nan) / 100]
    index = eq.loc[eq["scale"] == INDEX, "score"].astype(float)
    year = rows[(rows["instrument"] == C30) & (rows["scale"] == SUMMARY) & (rows["day"] >= day - gate_days(12))]
    best = year["score"].astype(float).max() if len(year) else np.nan
    used = c30 if len(c30) else eq
    age = "" if len(used) else f"newest form is {day - int(rows['day'].max())} days old, more than {window}"
    return Quality(
        day=float(used["day"].iloc[0]) if len(used) else np.nan,
        summary=summary,
        n_problems=n_problems,
        problem_share=n_problems / len(problem) if problem else np.nan,
        myeloma=float(np.mean(parts)) if np.isfinite(parts).all() else np.nan,
        index=float(index.iloc[0]) if len(index) else np.nan,
        proxy=bool((used["proxy"].astype(str).str.lower() == "true").any()) if "proxy" in used else False,
        suffix=_suffix(score, problem, summary, best, settings) if len(c30) else "Q?",
        note=age or ("" if np.isfinite(summary) or len(index) else "a scale of the summary score is missing"),
    )


def _suffix(
    score: Mapping[str, float], problem: Mapping[str, bool], summary: float, best: float, settings: Mapping[str, Any]
) -> str:
    if sum(problem.values()) >= settings["suffix_problems"] or best - summary >= settings["suffix_drop"]:
        return "Q-"
    if any(problem.get(s, False) for s in KEY_SCALES) or summary < settings["suffix_summary"]:
        return "Q0"
    # a key scale or the summary score that is missing: neither Q+ nor Q0 is known
    return "Q+" if all(s in problem for s in KEY_SCALES) and np.isfinite(summary) else "Q?"


def draw_quality(
    quality: Quality,
    *,
    settings: Mapping[str, Any],
    noise: np.ndarray,
    summary_low: float | np.ndarray,
) -> np.ndarray:
    """Q per draw: the summary score with its measurement error, or the EQ-5D index with its own.

    ``noise``: standard normal draws. The C30 is used when its summary score exists.
    """
    if np.isfinite(quality.summary):
        return quality_of_life(
            np.clip(quality.summary + settings["summary_sd"] * noise, 0.0, 100.0),
            quality.problem_share,
            myeloma=None if np.isnan(quality.myeloma) else quality.myeloma,
            summary_low=summary_low,
            summary_span=settings["summary_span"],
        )
    return np.clip(quality.index + settings["eq5d_sd"] * noise, 0.0, 1.0)
