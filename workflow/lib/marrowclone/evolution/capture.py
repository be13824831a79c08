"""What a capture's own cells say about burden: limit of blank, Rogan-Gladen, clonal share.

False positives dominate a burden that is counted from single cells (science 5.4): the rate
at which normal plasma cells are called malignant comes from the cohort's healthy donors, on
top of a weak prior that alone is used when there are none.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import poisson

from ..keys import MALIGNANT
from .burden import Reading, blur
from .fractions import stream
from .statistics import Array, jeffreys_draws, zero_of_n_upper

#: Healthy donors that an empirical limit of blank asks for (science 5.4).
DONORS_FOR_BLANK = 5


@dataclass(frozen=True)
class Capture:
    """Cells of one sample: all kept ones, those of a tumour type, those called malignant."""

    sample: str
    n_cells: int
    n_tumour_type: int
    n_malignant: int


@dataclass(frozen=True)
class ErrorRates:
    """Draws of the false-positive rate (per tumour-type cell) and of the sensitivity.

    ``blank`` is the healthy donors' 95th percentile of called/cells, NaN with fewer than five.
    """

    false_positive: Array
    sensitivity: Array
    blank: float
    origin: str


def count_cells(kept: pd.DataFrame, malignant: pd.DataFrame, samples: Sequence[str]) -> dict[str, Capture]:
    """Counts per sample, from ``embedding/cells.tsv.gz`` and ``copy_number/*.malignant.tsv.gz``."""
    total = kept["sample"].value_counts()
    typed = malignant["sample"].value_counts()
    called = malignant.loc[malignant["call"] == MALIGNANT, "sample"].value_counts()
    return {s: Capture(s, int(total.get(s, 0)), int(typed.get(s, 0)), int(called.get(s, 0))) for s in samples}


def error_rates(healthy: Sequence[Capture], *, settings: Mapping[str, Any], seed: int) -> ErrorRates:
    """False-positive rate and sensitivity of the malignant call, as draws.

    Parameters
    ----------
    healthy
        captures of healthy donors, one per donor (summed over a donor's samples).
    """
    rng = stream(seed, "error rates")
    mean, weight = settings["false_positive_rate"], settings["false_positive_weight"]
    called, seen = sum(h.n_malignant for h in healthy), sum(h.n_tumour_type for h in healthy)
    false_positive = rng.beta(mean * weight + called, (1 - mean) * weight + seen - called, size=settings["draws"])
    se, se_weight = settings["sensitivity"], settings["sensitivity_weight"]
    sensitivity = rng.beta(se * se_weight, (1 - se) * se_weight, size=settings["draws"])
    rates = [h.n_malignant / h.n_cells for h in healthy if h.n_cells > 0]
    blank = float(np.quantile(rates, 0.95)) if len(rates) >= DONORS_FOR_BLANK else math.nan
    origin = (
        f"{len(healthy)} healthy donors, {seen} cells" if healthy else "assumed false-positive rate, no healthy donor"
    )
    return ErrorRates(false_positive, sensitivity, blank, origin)


def limit_of_blank(capture: Capture, rates: ErrorRates) -> float:
    """Share of a capture's cells that normal plasma cells alone may reach (95%).

    From healthy donors when there are five; else the 95th percentile of the number of false
    calls that the assumed rate predicts among this capture's plasma cells.
    """
    if capture.n_cells == 0:
        return 1.0
    if not math.isnan(rates.blank):
        return rates.blank
    # mixture over the rate's draws: the count at which 95% of blank captures stay
    expected = capture.n_tumour_type * rates.false_positive
    count = np.arange(0, int(expected.max() + 6 * math.sqrt(expected.max()) + 10))
    cumulative = poisson.cdf(count[:, None], expected[None, :]).mean(axis=1)
    return float(count[int(np.argmax(cumulative >= 0.95))] / capture.n_cells)


def clonal_share(capture: Capture, rates: ErrorRates, *, rng: np.random.Generator) -> Array:
    """Draws of the malignant share among plasma cells: Rogan-Gladen, ``(q - fp) / (se - fp)``.

    Where a draw is not above zero it is replaced by a Jeffreys draw of 0 of n: the share is
    then below what n cells can show, not zero.
    """
    n, x = capture.n_tumour_type, capture.n_malignant
    draws = rates.false_positive.size
    apparent = jeffreys_draws(x, n, draws=draws, rng=rng)
    none = jeffreys_draws(0, n, draws=draws, rng=rng)
    corrected = (apparent - rates.false_positive) / np.maximum(rates.sensitivity - rates.false_positive, 1e-3)
    return np.clip(np.where(corrected > none, corrected, none), np.finfo(float).tiny, 1.0)


def capture_reading(
    capture: Capture, rates: ErrorRates, *, day: int, settings: Mapping[str, Any], seed: int
) -> Reading:
    """Burden from an unsorted marrow capture.

    Censored when no more cells were called malignant than the limit of blank; the bound is
    then the larger of that limit and of the exact bound for zero cells.
    """
    rng = stream(seed, "burden", "scRNA", capture.sample)
    counted = f"{capture.n_malignant} of {capture.n_cells} cells, {capture.n_tumour_type} of a tumour type"
    if capture.n_cells == 0:
        return Reading(day, "scRNA unsorted", None, False, math.nan, "no cell was kept")
    n, typed = capture.n_cells, capture.n_tumour_type
    if typed == 0:
        raw = jeffreys_draws(0, n, draws=settings["draws"], rng=rng)
    else:
        raw = clonal_share(capture, rates, rng=rng) * jeffreys_draws(typed, n, draws=settings["draws"], rng=rng)
    blank = limit_of_blank(capture, rates)
    limit = max(blank, zero_of_n_upper(n))
    censored = capture.n_malignant == 0 or capture.n_malignant / n <= blank
    note = f"{counted}; limit of blank {blank:.2g} ({rates.origin})"
    if censored:
        note += "; not above the blank: an upper bound, not a negative assay"
    error = math.hypot(settings["capture_log10_sd"], settings["spatial_log10_sd"])
    return Reading(day, "scRNA unsorted", blur(raw, log10_sd=error, rng=rng), censored, limit, note)
