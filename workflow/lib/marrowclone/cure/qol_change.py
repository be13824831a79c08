"""Quality of life over time: minimal important changes, and how complete the forms are.

Thresholds are for one patient (science 7.4): MY20 by its responder definitions, the global scale by its
anchors; for the other C30 scales a change below 6 points hardly matters, from 17 points it does, between
it may. Every threshold is a setting.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from ..keys import RESEARCH_USE_ONLY, TABLES
from . import eq5d, qlq

BETTER, WORSE, SAME, UNKNOWN = "better", "worse", "no important change", "not assessable"
#: Scales of which a high score is bad.
SYMPTOMS = frozenset({s.code for s in qlq.C30_SCALES if s.kind == "symptom"} | {"DS", "SE"})


def important_change(instrument: str, scale: str, gain: float, *, settings: Mapping[str, Any]) -> str:
    """What a change amounts to; ``gain`` is positive for the better.

    ``possibly better`` and ``possibly worse`` lie between the C30's two limits. The level sum of
    the EQ-5D and its visual scale have no threshold: not assessable.
    """
    if np.isnan(gain):
        return UNKNOWN
    if (instrument, scale) == (eq5d.EQ5D, eq5d.INDEX):
        limits = settings["mic_eq5d_better"], settings["mic_eq5d_worse"]
    elif instrument == eq5d.EQ5D:
        return UNKNOWN
    elif instrument == qlq.MY20 or scale == "QL2":
        limits = settings[f"mic_{scale.lower()}_better"], settings[f"mic_{scale.lower()}_worse"]
    else:
        word = BETTER if gain > 0 else WORSE
        if abs(gain) >= settings["mic_c30_large"] - 1e-9:
            return word
        return f"possibly {word}" if abs(gain) >= settings["mic_c30_small"] - 1e-9 else SAME
    if gain >= limits[0] - 1e-9:
        return BETTER
    return WORSE if -gain >= limits[1] - 1e-9 else SAME


def qol_changes(qol: pd.DataFrame, *, settings: Mapping[str, Any]) -> pd.DataFrame:
    """Every scored scale against the form before and against the first one (contract ``cure.qol_change``).

    ``qol``: ``cure.qol``. The first form is the baseline of the patient's own record, which
    need not be the diagnosis. Forms of survivors who stayed well enough to answer are no random
    sample, and what a patient means by a word shifts with time: neither is corrected for.
    """
    rows = []
    for (patient, instrument, scale), group in qol.groupby(["patient", "instrument", "scale"], sort=False):
        forms = group.sort_values("day")
        days, scores = forms["day"].astype(int).to_numpy(), forms["score"].astype(float).to_numpy()
        for reference, steps in (("previous", list(pairwise(range(len(days))))), ("first", _against_first(len(days)))):
            for i, j in steps:
                change = scores[j] - scores[i]
                gain = -change if scale in SYMPTOMS or scale == eq5d.LEVEL_SUM else change
                verdict = important_change(str(instrument), str(scale), float(gain), settings=settings)
                rows.append(
                    (patient, days[i], days[j], reference, instrument, scale, scores[i], scores[j], change, verdict,
                     RESEARCH_USE_ONLY)
                )  # fmt: skip
    return pd.DataFrame(rows, columns=list(TABLES["cure.qol_change"]))


def _against_first(n: int) -> list[tuple[int, int]]:
    return [(0, j) for j in range(1, n)]


def completion(landmarks: pd.DataFrame, qol: pd.DataFrame, *, window: int) -> pd.DataFrame:
    """Whether each landmark had a form, per instrument that the cohort uses (contract ``cure.completion``).

    ``status``: complete (every scale scored), partial, stale (only older than ``window`` days before the
    landmark) or missing. A form after the landmark was not known then and does not count.
    """
    rows = []
    used = sorted({str(i) for i in qol["instrument"]}) if len(qol) else []
    for patient, day in landmarks[["patient", "day"]].itertuples(index=False):
        mine = qol[(qol["patient"] == patient) & (qol["day"] <= day)]
        for instrument in used:
            forms = mine[mine["instrument"] == instrument]
            if forms.empty:
                rows.append((patient, day, instrument, np.nan, "missing", np.nan, np.nan, "", RESEARCH_USE_ONLY))
                continue
            newest = forms[forms["day"] == forms["day"].max()]
            scored = _asked(instrument, newest)
            status = "complete" if scored["score"].notna().all() else "partial"
            age = int(day) - int(newest["day"].iloc[0])
            rows.append(
                (patient, day, instrument, int(newest["day"].iloc[0]), "stale" if age > window else status,
                 float(scored["score"].notna().mean()), _answered(scored), _proxy(newest), RESEARCH_USE_ONLY)
            )  # fmt: skip
    return pd.DataFrame(rows, columns=list(TABLES["cure.completion"]))


def _asked(instrument: str, form: pd.DataFrame) -> pd.DataFrame:
    """Scales that the patient answers by items; the EQ-5D index needs a value set besides and is not asked for."""
    derived = {qlq.SUMMARY} if instrument == qlq.C30 else {eq5d.INDEX} if instrument == eq5d.EQ5D else set()
    return form[~form["scale"].isin(derived)]


def _answered(scored: pd.DataFrame) -> float:
    return float(scored["n_answered"].astype(float).sum() / scored["n_items"].astype(float).sum())


def _proxy(form: pd.DataFrame) -> str:
    return "true" if any(str(v).lower() == "true" for v in form["proxy"]) else "false"


def rates(table: pd.DataFrame) -> Iterable[str]:
    """Completion in words, per instrument: the share of landmarks with a form in the window."""
    for instrument, rows in table.groupby("instrument"):
        there = int(rows["status"].isin(["complete", "partial"]).sum())
        yield f"{instrument}: {there} of {len(rows)} landmarks have a form in time"
