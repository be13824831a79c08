"""How well the score foretells progression, beside plain benchmarks: of a simulated or of the user's own cohort."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from ..keys import DAYS_PER_MONTH
from .function import RANK
from .prediction import BENCHMARKS, RESULT, Row, cure_fraction, prediction, present, result
from .stream import gate_days
from .survival import auc_at, concordance

__all__ = ["BENCHMARKS", "RESULT", "at_landmark", "discrimination", "enough", "evaluate"]


def at_landmark(landmarks: pd.DataFrame, outcome: pd.DataFrame, month: int, *, window_days: int) -> pd.DataFrame:
    """Patients progression-free and followed at ``month`` after their day 0, with what was known then.

    Parameters
    ----------
    landmarks
        ``cure.landmarks`` with ``mrd_status`` and ``months_negative``; ``response`` (IMWG word) if there is one.
    outcome
        patient, pfs_day, pfs_event; patients without either are left out.
    window_days
        the newest landmark of a patient counts when it is not older than this at ``month``.

    Returns
    -------
    DataFrame
        patient, day (of the landmark), time (months from ``month``), event, css and :data:`BENCHMARKS` (higher is
        better), complete cases only, so that all are compared on the same patients.
    """
    day = round(month * DAYS_PER_MONTH)
    known = landmarks[(landmarks["day"] <= day) & (landmarks["day"] > day - window_days)]
    known = known.sort_values("day").groupby("patient").tail(1)
    followed = outcome.dropna(subset=["pfs_day", "pfs_event"])
    rows = known.merge(followed[["patient", "pfs_day", "pfs_event"]], on="patient")
    rows = rows[rows["pfs_day"].astype(float) > day]
    negative = rows["mrd_status"].isin(["negative", "trace"])  # at 1e-5, as the trials count
    # half a day for the six digits of a table
    sustained = rows["months_negative"].astype(float) * DAYS_PER_MONTH >= gate_days(12) - 0.5
    table = pd.DataFrame(
        {
            "patient": rows["patient"],
            "day": rows["day"].astype(int),
            "time": (rows["pfs_day"].astype(float) - day) / DAYS_PER_MONTH,
            "event": rows["pfs_event"].astype(bool),
            "css": rows["css"].astype(float),
            "single MRD": np.select([negative, rows["mrd_status"] == "positive"], [1.0, 0.0], 0.5),
            "sustained MRD": (negative & sustained).astype(float),
        }
    )
    table["response"] = rows["response"].map(RANK).astype(float) if "response" in rows else np.nan
    needed = [c for c in table.columns if c != "response" or table["response"].notna().any()]
    return table.dropna(subset=needed).sort_values("patient", ignore_index=True)


def with_response(landmarks: pd.DataFrame, response: pd.DataFrame | None) -> pd.DataFrame:
    """Landmarks with the column ``response``: the newest IMWG response on or before each; all empty without a table."""
    if response is None or response.empty or landmarks.empty:
        return landmarks.assign(response="")
    told = response[response["response"].isin(list(RANK))][["patient", "day", "response"]]
    told = told.astype({"day": "int64"}).sort_values("day")
    rows = landmarks.drop(columns="response", errors="ignore").reset_index(drop=True).rename_axis("row").reset_index()
    joined = pd.merge_asof(rows.astype({"day": "int64"}).sort_values("day"), told, on="day", by="patient")
    return joined.sort_values("row", ignore_index=True).drop(columns="row").fillna({"response": ""})


def enough(table: pd.DataFrame, how: Mapping[str, Any]) -> bool:
    """Whether there are patients and events enough to compare or to model anything."""
    return bool(len(table) >= how["least_patients"] and table["event"].sum() >= how["least_events"])


def _bootstrap(
    table: pd.DataFrame, measure: Callable[[pd.DataFrame], float], rng: np.random.Generator, n: int
) -> np.ndarray:
    draws = [measure(table.iloc[rng.integers(0, len(table), len(table))]) for _ in range(n)]
    return np.nanquantile(draws, [0.05, 0.95]) if np.isfinite(draws).any() else np.full(2, np.nan)


def _c(table: pd.DataFrame, score: str) -> float:
    return concordance(
        table["time"].to_numpy(), table["event"].to_numpy(), table[score].to_numpy(), until=float(table["time"].max())
    )


def _auc(table: pd.DataFrame, score: str, at: float) -> float:
    return auc_at(table["time"].to_numpy(), table["event"].to_numpy(), table[score].to_numpy(), at=at)


def _lead(table: pd.DataFrame, over: str) -> float:
    return _c(table, "css") - _c(table, over)


def concordance_row(table: pd.DataFrame, month: int, score: str, rng: np.random.Generator, *, n: int) -> Row:
    """Uno's C of one score with its 90% interval by ``n`` bootstraps."""
    lower, upper = _bootstrap(table, partial(_c, score=score), rng, n)
    return result(f"C of {score}", month, _c(table, score), lower, upper, len(table))


def discrimination(
    table: pd.DataFrame, month: int, rng: np.random.Generator, *, how: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Uno's C and the AUC at the horizon of the score and of each benchmark, and the score's lead over it.

    Permuted outcomes are the control.
    """
    rows: list[Row] = []
    n, horizon = how["bootstraps"], float(how["horizon_months"])
    there = ["css", *present(table)]
    rows += [concordance_row(table, month, name, rng, n=n) for name in there]
    for name in there:
        lower, upper = _bootstrap(table, partial(_auc, score=name, at=horizon), rng, n)
        said = f"of progression within {horizon:.0f} months"
        rows.append(result(f"AUC of {name}", month, _auc(table, name, horizon), lower, upper, len(table), said))
    for name in there[1:]:
        if table[name].nunique() < 2:  # no patient can have reached it yet, or all have
            said = f"not compared: {name} is the same for all patients here"
            rows.append(result(f"lead of css over {name}", month, np.nan, np.nan, np.nan, len(table), said))
            continue
        lower, upper = _bootstrap(table, partial(_lead, over=name), rng, n)
        said = "the score is better" if lower > 0 else f"THE SCORE DOES NOT BEAT {name.upper()}"
        lead = _lead(table, over=name)
        rows.append(result(f"lead of css over {name}", month, lead, lower, upper, len(table), said))
    shuffled = []
    for _ in range(n):
        order = rng.permutation(len(table))
        mixed = table.assign(time=table["time"].to_numpy()[order], event=table["event"].to_numpy()[order])
        shuffled.append(_c(mixed, "css"))
    lower, upper = np.quantile(shuffled, [0.05, 0.95])
    middle = float(np.mean(shuffled))
    rows.append(result("C of css, outcomes permuted", month, middle, lower, upper, len(table), "control: near 0.5"))
    return rows


def evaluate(
    landmarks: pd.DataFrame, outcome: pd.DataFrame, *, how: Mapping[str, Any], seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Everything at each landmark month, and what the landmark model foretold of each patient left out.

    Parameters
    ----------
    how
        settings of ``fit_outlook``.

    Returns
    -------
    tuple of DataFrame
        measures (columns :data:`RESULT`); and patient, landmark_month, day, p_free (:func:`.prediction.prediction`).
    """
    rows: list[Row] = []
    foretold = [pd.DataFrame(columns=["patient", "landmark_month", "day", "p_free"])]
    for month in how["landmark_months"]:
        table = at_landmark(landmarks, outcome, month, window_days=how["window_days"])
        if not enough(table, how):
            said = (
                f"too few: {len(table)} patients, {int(table['event'].sum())} events; "
                f"wanted {how['least_patients']} and {how['least_events']}"
            )
            rows.append(result("C of css", month, np.nan, np.nan, np.nan, len(table), said))
            continue
        rows += discrimination(table, month, np.random.default_rng([seed, month]), how=how)
        measured, free = prediction(table, month, how=how)
        rows += measured + cure_fraction(table, month)
        foretold.append(table[["patient", "day"]].assign(landmark_month=month, p_free=free))
    return pd.DataFrame(rows, columns=list(RESULT)), pd.concat(foretold[1:] or foretold, ignore_index=True)
