"""Shares with their intervals, and the three numbers that follow from hits, called and real."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import beta

Share = dict[str, float]


def jeffreys(hits: float, n: float) -> tuple[float, float]:
    """Equal-tailed Jeffreys 95% interval of ``hits`` of ``n``, from Beta(hits + 1/2, n - hits + 1/2).

    The lower end is 0 without a hit and the upper end 1 without a miss, as is usual for this interval
    (Brown, Cai, DasGupta 2001). NaN when ``n`` is 0. Cells or rows are taken as independent.
    """
    if n == 0:
        return math.nan, math.nan
    lower = 0.0 if hits == 0 else float(beta.ppf(0.025, hits + 0.5, n - hits + 0.5))
    upper = 1.0 if hits == n else float(beta.ppf(0.975, hits + 0.5, n - hits + 0.5))
    return lower, upper


def ratio(part: float, whole: float) -> float:
    """``part / whole``; NaN when ``whole`` is 0."""
    return float(part / whole) if whole else math.nan


def share(hits: int, n: int) -> Share:
    """``value``, ``lower``, ``upper`` (Jeffreys 95%), ``hits``, ``n``; NaN when ``n`` is 0."""
    lower, upper = jeffreys(hits, n)
    return {"value": ratio(hits, n), "lower": lower, "upper": upper, "hits": int(hits), "n": int(n)}


def f_score(hits: float, called: float, real: float) -> dict[str, float]:
    """Precision ``hits / called``, recall ``hits / real`` and their harmonic mean F1 = 2 hits / (called + real).

    Each in [0, 1]. Precision is NaN when nothing was called, recall and F1 when nothing is real; F1 is 0 when
    something is real and nothing was called. Chance: precision = share real, recall = share called
    (:func:`chance_f1` for F1).
    """
    return {
        "precision": ratio(hits, called),
        "recall": ratio(hits, real),
        "f1": ratio(2 * hits, called + real) if real else math.nan,
        "hits": int(hits),
        "called": int(called),
        "real": int(real),
    }


def chance_f1(called: float, real: float, n: float) -> float:
    """F1 that is expected when ``called`` of ``n`` are called without a look: 2 called real / (n (called + real))."""
    return 2 * called * real / (n * (called + real)) if real and n else math.nan


def covers(truth: npt.ArrayLike, lower: npt.ArrayLike, upper: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Whether intervals hold the truth. A missing end is no bound on that side; a missing truth is never held."""
    value, low, high = (np.asarray(x, dtype=float) for x in (truth, lower, upper))
    with np.errstate(invalid="ignore"):
        return np.asarray((np.isnan(low) | (low <= value)) & (np.isnan(high) | (value <= high)) & ~np.isnan(value))


def coverage(truth: npt.ArrayLike, lower: npt.ArrayLike, upper: npt.ArrayLike) -> Share:
    """Share of intervals with the truth, with the Jeffreys interval of that share; ideal .95.

    Rows without any bound, or without truth, make no statement and do not count. Chance level: none in general
    (wide intervals hold everything); see :mod:`marrowclone.score.permute`.
    """
    value, low, high = (np.asarray(x, dtype=float) for x in (truth, lower, upper))
    counts = ~(np.isnan(low) & np.isnan(high)) & ~np.isnan(value)
    return share(int((covers(value, low, high) & counts).sum()), int(counts.sum()))


def median(values: npt.ArrayLike) -> float:
    """Median of what is finite; NaN when nothing is."""
    x = np.asarray(values, dtype=float)
    x = x[np.isfinite(x)]
    return float(np.median(x)) if len(x) else math.nan


def mean(values: npt.ArrayLike) -> float:
    """Mean of what is finite; NaN when nothing is."""
    x = np.asarray(values, dtype=float)
    x = x[np.isfinite(x)]
    return float(np.mean(x)) if len(x) else math.nan


def flat(prefix: str, values: dict[str, Any]) -> dict[str, Any]:
    """``{"value": v, "lower": l}`` as ``{prefix: v, prefix_lower: l}``, for dicts of one level."""
    return {prefix if k == "value" else f"{prefix}_{k}": v for k, v in values.items()}
