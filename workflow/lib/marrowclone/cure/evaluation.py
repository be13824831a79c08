"""How well the score foretells progression, beside plain benchmarks: of a simulated or of the user's own cohort."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from statsmodels.duration.hazard_regression import PHReg
from statsmodels.duration.survfunc import SurvfuncRight

from ..keys import DAYS_PER_MONTH
from .function import RANK
from .survival import brier, concordance, fit_mixture_cure

#: Columns of every result: ``lower``, ``upper`` 90% by bootstrap over patients.
RESULT: tuple[str, ...] = ("measure", "landmark_month", "value", "lower", "upper", "n", "note")
HORIZON, BOOTSTRAPS = 24.0, 200
BENCHMARKS = ("response", "single MRD", "sustained MRD")
#: Fewer patients or events than this are not modelled. [J]
LEAST_PATIENTS, LEAST_EVENTS = 40, 10


def at_landmark(landmarks: pd.DataFrame, outcome: pd.DataFrame, month: int, *, stale_days: int = 60) -> pd.DataFrame:
    """Patients progression-free and followed at ``month`` after their day 0, with what was known then.

    Parameters
    ----------
    landmarks
        ``cure.landmarks`` with ``mrd_status`` and ``months_negative``; ``response`` (IMWG word) if there is one.
    outcome
        patient, pfs_day, pfs_event; patients without either are left out.

    Returns
    -------
    DataFrame
        patient, time (months from the landmark), event, css and :data:`BENCHMARKS` (higher is better), complete
        cases only, so that all are compared on the same patients.
    """
    day = round(month * DAYS_PER_MONTH)
    known = landmarks[(landmarks["day"] <= day) & (landmarks["day"] > day - stale_days)]
    known = known.sort_values("day").groupby("patient").tail(1)
    followed = outcome.dropna(subset=["pfs_day", "pfs_event"])
    rows = known.merge(followed[["patient", "pfs_day", "pfs_event"]], on="patient")
    rows = rows[rows["pfs_day"].astype(float) > day]
    negative = rows["mrd_status"] == "negative"
    table = pd.DataFrame(
        {
            "patient": rows["patient"],
            "time": (rows["pfs_day"].astype(float) - day) / DAYS_PER_MONTH,
            "event": rows["pfs_event"].astype(bool),
            "css": rows["css"].astype(float),
            "single MRD": np.select([negative, rows["mrd_status"] == "positive"], [1.0, 0.0], 0.5),
            "sustained MRD": (negative & (rows["months_negative"].astype(float) >= 11.9)).astype(float),
        }
    )
    table["response"] = rows["response"].map(RANK).astype(float) if "response" in rows else np.nan
    needed = [c for c in table.columns if c != "response" or table["response"].notna().any()]
    return table.dropna(subset=needed).sort_values("patient", ignore_index=True)


def _bootstrap(table: pd.DataFrame, measure: Callable[[pd.DataFrame], float], rng: np.random.Generator) -> np.ndarray:
    draws = [measure(table.iloc[rng.integers(0, len(table), len(table))]) for _ in range(BOOTSTRAPS)]
    return np.nanquantile(draws, [0.05, 0.95])


def _c(table: pd.DataFrame, score: str) -> float:
    return concordance(
        table["time"].to_numpy(), table["event"].to_numpy(), table[score].to_numpy(), until=float(table["time"].max())
    )


def _lead(table: pd.DataFrame, over: str) -> float:
    return _c(table, "css") - _c(table, over)


def discrimination(table: pd.DataFrame, month: int, rng: np.random.Generator) -> list[dict[str, Any]]:
    """Uno's C of the score and of each benchmark, and the score's lead over it; permuted outcomes as a control."""
    rows = []
    there = ["css", *(b for b in BENCHMARKS if table[b].notna().all())]
    for name in there:
        lower, upper = _bootstrap(table, partial(_c, score=name), rng)
        rows.append(_result(f"C of {name}", month, _c(table, name), lower, upper, len(table)))
    for name in there[1:]:
        if table[name].nunique() < 2:  # no patient can have reached it yet, or all have
            said = f"not compared: {name} is the same for all patients here"
            rows.append(_result(f"lead of css over {name}", month, np.nan, np.nan, np.nan, len(table), said))
            continue
        lower, upper = _bootstrap(table, partial(_lead, over=name), rng)
        said = "the score is better" if lower > 0 else f"THE SCORE DOES NOT BEAT {name.upper()}"
        lead = _lead(table, over=name)
        rows.append(_result(f"lead of css over {name}", month, lead, lower, upper, len(table), said))
    shuffled = []
    for _ in range(BOOTSTRAPS):
        order = rng.permutation(len(table))
        mixed = table.assign(time=table["time"].to_numpy()[order], event=table["event"].to_numpy()[order])
        shuffled.append(_c(mixed, "css"))
    lower, upper = np.quantile(shuffled, [0.05, 0.95])
    middle = float(np.mean(shuffled))
    rows.append(_result("C of css, outcomes permuted", month, middle, lower, upper, len(table), "control: near 0.5"))
    return rows


def predict_free(train: pd.DataFrame, test: pd.DataFrame, score: str | None, *, at: float = HORIZON) -> np.ndarray:
    """P(progression-free at ``at``) of ``test`` by Cox on ``train`` (None: Kaplan-Meier for everybody)."""
    if score is None or train[score].nunique() < 2:  # a score that is the same for all tells nobody apart
        curve = SurvfuncRight(train["time"], train["event"].astype(int))
        before = curve.surv_prob[curve.surv_times <= at]
        return np.full(len(test), before[-1] if len(before) else 1.0)
    middle, spread = train[score].mean(), train[score].std()
    fit = PHReg(train["time"], ((train[[score]] - middle) / spread).to_numpy(), status=train["event"]).fit(disp=0)
    times, hazard, _ = fit.baseline_cumulative_hazard[0]
    at_horizon = np.interp(at, times, hazard)
    return np.exp(-at_horizon * np.exp(((test[score] - middle) / spread).to_numpy() * fit.params[0]))


def prediction(table: pd.DataFrame, month: int, *, folds: int = 5) -> list[dict[str, Any]]:
    """The landmark model of P(progression-free at +24 months): Brier score and calibration on patients left out."""
    if len(table) < LEAST_PATIENTS or table["event"].sum() < LEAST_EVENTS:
        said = f"not fitted: {len(table)} patients, {int(table['event'].sum())} events"
        return [_result("Brier of Cox on css", month, np.nan, np.nan, np.nan, len(table), said)]
    fold = np.arange(len(table)) % folds
    rows = []
    scores = [None, "css", *(b for b in BENCHMARKS if table[b].notna().all())]
    for score in scores:
        free = np.empty(len(table))
        for k in range(folds):
            free[fold == k] = predict_free(table[fold != k], table[fold == k], score)
        value = brier(table["time"].to_numpy(), table["event"].to_numpy(), free, at=HORIZON)
        name = "Kaplan-Meier for everybody" if score is None else f"Cox on {score}"
        rows.append(_result(f"Brier of {name}", month, value, np.nan, np.nan, len(table)))
        if score == "css":
            rows += _calibration(table, free, month)
    return rows


def _calibration(table: pd.DataFrame, free: np.ndarray, month: int) -> list[dict[str, Any]]:
    """Slope of the complementary log-log of the prediction, and predicted beside observed by fifths."""
    held = np.clip(free, 1e-6, 1 - 1e-6)
    fit = PHReg(table["time"], np.log(-np.log(held))[:, None], status=table["event"]).fit(disp=0)
    slope, error = float(fit.params[0]), float(fit.bse[0])
    rows = [
        _result("calibration slope", month, slope, slope - 1.645 * error, slope + 1.645 * error, len(table), "ideal 1")
    ]
    fifth = pd.qcut(pd.Series(free).rank(method="first"), 5, labels=False).to_numpy()
    for k in range(5):
        mine = table[fifth == k]
        seen = predict_free(mine, mine.iloc[:1], None)[0] if mine["event"].any() else 1.0
        said = f"predicted {free[fifth == k].mean():.2f}"
        rows.append(
            _result(f"observed free at +24, fifth {k + 1}", month, float(seen), np.nan, np.nan, len(mine), said)
        )
    return rows


def cure_fraction(table: pd.DataFrame, month: int) -> list[dict[str, Any]]:
    """Mixture cure with logit pi on the score: mean fraction, effect of 10 points, and what makes it doubtful."""
    if len(table) < LEAST_PATIENTS or table["event"].sum() < LEAST_EVENTS:
        return []
    x = ((table[["css"]] - 50.0) / 10.0).to_numpy()
    fit = fit_mixture_cure(table["time"].to_numpy(), table["event"].to_numpy(), x)
    said = "; ".join(fit.warnings) or "identifiable by the three checks"
    aic = f"AIC {fit.aic:.0f}, without cure {fit.aic_without_cure:.0f}"
    return [
        _result(
            "long-term fraction (mixture cure)", month, float(fit.fraction(x).mean()), np.nan, np.nan, len(x), said
        ),
        _result("its log odds per 10 points of css", month, float(fit.coefficients[1]), np.nan, np.nan, len(x), aic),
    ]


def evaluate(landmarks: pd.DataFrame, outcome: pd.DataFrame, months: tuple[int, ...], *, seed: int) -> pd.DataFrame:
    """Everything above at each landmark month; columns :data:`RESULT`."""
    rows: list[dict[str, Any]] = []
    for month in months:
        table = at_landmark(landmarks, outcome, month)
        if len(table) < LEAST_PATIENTS or table["event"].sum() < LEAST_EVENTS:
            said = f"too few: {len(table)} patients, {int(table['event'].sum())} events"
            rows.append(_result("C of css", month, np.nan, np.nan, np.nan, len(table), said))
            continue
        rows += discrimination(table, month, np.random.default_rng([seed, month]))
        rows += prediction(table, month) + cure_fraction(table, month)
    return pd.DataFrame(rows, columns=list(RESULT))


def _result(
    measure: str, month: int | float, value: float, lower: float, upper: float, n: int, note: str = ""
) -> dict[str, Any]:
    return dict(zip(RESULT, (measure, month, value, lower, upper, n, note), strict=True))
