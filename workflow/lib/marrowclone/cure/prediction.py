"""The landmark model: P(progression-free at the horizon) by Cox, judged on patients left out, and mixture cure."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from lifelines import CoxPHFitter, KaplanMeierFitter
from lifelines.exceptions import ConvergenceError

from .mixture import fit_mixture_cure
from .survival import brier

#: Columns of every result: ``lower``, ``upper`` 90% by bootstrap over patients.
RESULT: tuple[str, ...] = ("measure", "landmark_month", "value", "lower", "upper", "n", "note")
BENCHMARKS = ("response", "single MRD", "sustained MRD")
Row = dict[str, Any]


def result(measure: str, month: int | float, value: float, lower: float, upper: float, n: int, note: str = "") -> Row:
    """One row of :data:`RESULT`."""
    return dict(zip(RESULT, (measure, month, value, lower, upper, n, note), strict=True))


def present(table: pd.DataFrame) -> list[str]:
    """Benchmarks that every patient has."""
    return [b for b in BENCHMARKS if table[b].notna().all()]


def free_at(time: np.ndarray | pd.Series, event: np.ndarray | pd.Series, at: float) -> float:
    """Kaplan-Meier estimate of the share progression-free at ``at`` (months)."""
    return float(KaplanMeierFitter().fit(time, event).predict(at))


def _cox(time: pd.Series, event: pd.Series, x: np.ndarray) -> CoxPHFitter:
    data = pd.DataFrame({"time": time.to_numpy(), "event": event.to_numpy(), "x": x})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a fit that is not to be trusted raises besides
        return CoxPHFitter().fit(data, "time", "event")


def predict_free(train: pd.DataFrame, test: pd.DataFrame, score: str | None, *, at: float) -> np.ndarray:
    """P(progression-free at ``at``) of ``test`` by Cox on ``train`` (None: Kaplan-Meier for everybody).

    So also where the score is the same for all, or Cox does not converge.
    """
    everybody = np.full(len(test), free_at(train["time"], train["event"], at))
    if score is None or train[score].nunique() < 2:
        return everybody
    middle, spread = train[score].mean(), train[score].std()
    try:
        fit = _cox(train["time"], train["event"], ((train[score] - middle) / spread).to_numpy())
    except (ConvergenceError, np.linalg.LinAlgError):
        return everybody
    asked = pd.DataFrame({"x": ((test[score] - middle) / spread).to_numpy()})
    return fit.predict_survival_function(asked, times=[at]).to_numpy()[0]


def prediction(table: pd.DataFrame, month: int, *, how: Mapping[str, Any]) -> tuple[list[Row], np.ndarray]:
    """The landmark model of P(progression-free at the horizon), judged on patients left out.

    Returns Brier scores (of Cox on the score, on each benchmark, and of Kaplan-Meier for everybody), calibration of
    the score's model, and its prediction of each patient by the folds that the patient is not in.
    """
    at, folds = float(how["horizon_months"]), how["folds"]
    fold = np.arange(len(table)) % folds
    rows: list[Row] = []
    foretold = np.full(len(table), np.nan)
    for score in (None, "css", *present(table)):
        free = np.empty(len(table))
        for k in range(folds):
            free[fold == k] = predict_free(table[fold != k], table[fold == k], score, at=at)
        value = brier(table["time"].to_numpy(), table["event"].to_numpy(), free, at=at)
        name = "Kaplan-Meier for everybody" if score is None else f"Cox on {score}"
        rows.append(result(f"Brier of {name}", month, value, np.nan, np.nan, len(table)))
        if score == "css":
            foretold = free
            rows += _calibration(table, free, month, at=at)
    return rows, foretold


def _calibration(table: pd.DataFrame, free: np.ndarray, month: int, *, at: float) -> list[Row]:
    """Slope of the complementary log-log of the prediction, overall ratio, and predicted beside observed by fifths."""
    held = np.clip(free, 1e-6, 1 - 1e-6)
    rows = []
    try:
        fit = _cox(table["time"], table["event"], np.log(-np.log(held)))
        slope, error = float(fit.params_.iloc[0]), float(fit.standard_errors_.iloc[0])
        ends = slope - 1.645 * error, slope + 1.645 * error
        rows.append(result("calibration slope", month, slope, *ends, len(table), "ideal 1"))
    except (ConvergenceError, np.linalg.LinAlgError):
        rows.append(result("calibration slope", month, np.nan, np.nan, np.nan, len(table), "did not converge"))
    seen = free_at(table["time"], table["event"], at)
    gap = float(seen - free.mean())
    rows.append(result("calibration in the large", month, gap, np.nan, np.nan, len(table), "observed - predicted"))
    fifth = pd.qcut(pd.Series(free).rank(method="first"), 5, labels=False).to_numpy()
    for k in range(5):
        mine = table[fifth == k]
        seen = free_at(mine["time"], mine["event"], at)
        said = f"predicted {free[fifth == k].mean():.2f}"
        rows.append(result(f"observed free at +{at:.0f}, fifth {k + 1}", month, seen, np.nan, np.nan, len(mine), said))
    return rows


def cure_fraction(table: pd.DataFrame, month: int) -> list[Row]:
    """Mixture cure with logit pi on the score: mean fraction, effect of 10 points, and what makes it doubtful."""
    x = ((table[["css"]] - 50.0) / 10.0).to_numpy()
    fit = fit_mixture_cure(table["time"].to_numpy(), table["event"].to_numpy(), x)
    said = "; ".join(fit.warnings) or "identifiable by the three checks"
    aic = f"AIC {fit.aic:.0f}, without cure {fit.aic_without_cure:.0f}"
    mean = float(fit.fraction(x).mean())
    return [
        result("long-term fraction (mixture cure)", month, mean, np.nan, np.nan, len(x), said),
        result("its log odds per 10 points of css", month, float(fit.coefficients[1]), np.nan, np.nan, len(x), aic),
    ]
