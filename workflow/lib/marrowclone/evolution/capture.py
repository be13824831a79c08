"""What a capture's own cells say about burden: limit of blank, Rogan-Gladen, clonal share.

False positives dominate a burden that is counted from single cells (science 5.4): the rate
at which normal plasma cells are called malignant comes from the cohort's healthy donors, on
top of a weak prior that alone is used when there are none. A tumour-type cell that could not
be called may be either: such cells widen what is said, and where no cell could be called
nothing is said.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy import special

from ..keys import HIDDEN_TUMOUR_CELLS, MALIGNANT, UNASSIGNED
from .burden import Reading, blur
from .fractions import stream
from .statistics import Array, clopper_pearson, jeffreys_draws

#: Healthy donors that an empirical limit of blank asks for (science 5.4).
DONORS_FOR_BLANK = 5


@dataclass(frozen=True)
class Capture:
    """Cells of one sample: all kept ones; of a tumour type; of these, called malignant, and unassigned.

    ``n_hidden`` are cells called normal that may yet be malignant, because no tumour was found in the patient
    and so few of them would not have been seen (:data:`~marrowclone.keys.HIDDEN_TUMOUR_CELLS`).
    """

    sample: str
    n_cells: int
    n_tumour_type: int
    n_malignant: int
    n_unassigned: int = 0
    n_hidden: int = 0

    @property
    def n_called(self) -> int:
        """Tumour-type cells called malignant or normal."""
        return self.n_tumour_type - self.n_unassigned

    @property
    def n_open(self) -> int:
        """Tumour-type cells that may be malignant or normal."""
        return self.n_unassigned + self.n_hidden


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
    """Counts per sample, from ``embedding/cells.tsv.gz`` and ``copy_number/*.malignant.tsv.gz``.

    A tumour-type cell that has no row among the calls was not examined: unassigned, too.
    """
    total = kept["sample"].value_counts()
    typed = malignant["sample"].value_counts()
    called = malignant.loc[malignant["call"] == MALIGNANT, "sample"].value_counts()
    unsure = malignant.loc[malignant["call"] == UNASSIGNED, "sample"].value_counts()
    if "is_tumour_type" in kept:
        found = kept.loc[kept["is_tumour_type"].eq(True) & ~kept["cell"].isin(malignant["cell"]), "sample"]
        typed, unsure = (n.add(found.value_counts(), fill_value=0) for n in (typed, unsure))
    return {s: Capture(s, *(int(n.get(s, 0)) for n in (total, typed, called, unsure))) for s in samples}


def allow_for_hidden(captures: Mapping[str, Capture]) -> dict[str, Capture]:
    """Captures of one patient, with the cells that a tumour too small to be found may hide.

    Where a tumour was found in any sample its profile finds single cells in the others: nothing is hidden.
    """
    if any(c.n_malignant for c in captures.values()):
        return dict(captures)
    return {s: replace(c, n_hidden=min(HIDDEN_TUMOUR_CELLS, c.n_called)) for s, c in captures.items()}


def error_rates(healthy: Sequence[Capture], *, settings: Mapping[str, Any], seed: int) -> ErrorRates:
    """False-positive rate and sensitivity of the malignant call, as draws.

    Parameters
    ----------
    healthy
        captures of healthy donors, one per donor (summed over a donor's samples).
    """
    rng = stream(seed, "error rates")
    mean, weight = settings["false_positive_rate"], settings["false_positive_weight"]
    called, seen = sum(h.n_malignant for h in healthy), sum(h.n_called for h in healthy)
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
    expected = capture.n_called * rates.false_positive
    count = np.arange(0, int(expected.max() + 6 * math.sqrt(expected.max()) + 10))
    cumulative = special.pdtr(count[:, None], expected[None, :]).mean(axis=1)
    return float(count[int(np.argmax(cumulative >= 0.95))] / capture.n_cells)


def clonal_share(capture: Capture, rates: ErrorRates, *, rng: np.random.Generator) -> Array:
    """Draws of the malignant share among plasma cells: Rogan-Gladen, ``(q - fp) / (se - fp)``.

    Where a draw is not above zero it is replaced by a Jeffreys draw of 0 of n: the share is
    then below what n cells can show, not zero. Both speak of the cells that could be called;
    of the unassigned and the hidden any share may be malignant, uniformly [J].
    """
    n, x, unclear = capture.n_called - capture.n_hidden, capture.n_malignant, capture.n_open
    draws = rates.false_positive.size
    apparent = jeffreys_draws(x, n, draws=draws, rng=rng)
    none = jeffreys_draws(0, n, draws=draws, rng=rng)
    corrected = (apparent - rates.false_positive) / np.maximum(rates.sensitivity - rates.false_positive, 1e-3)
    share = np.minimum(np.where(corrected > none, corrected, none), 1.0)
    if unclear:
        share = (share * n + rng.uniform(size=draws) * unclear) / (n + unclear)
    return np.clip(share, np.finfo(float).tiny, 1.0)


def capture_reading(
    capture: Capture, rates: ErrorRates, *, day: int, settings: Mapping[str, Any], seed: int
) -> Reading:
    """Burden from an unsorted marrow capture.

    Censored when no more cells were called malignant than the limit of blank; the bound is
    then the larger of that limit and of the exact one-sided bound with every unassigned or
    hidden cell counted as malignant (without such cells: that of zero cells). Without any cell that
    could be called there is no burden.
    """
    rng = stream(seed, "burden", "scRNA", capture.sample)
    counted = f"{capture.n_malignant} of {capture.n_cells} cells, {capture.n_tumour_type} of a tumour type"
    if capture.n_unassigned:
        counted += f", {capture.n_unassigned} of these unassigned"
    if capture.n_hidden:
        counted += f"; no tumour found in the patient, up to {capture.n_hidden} malignant cells may go unseen"
    if capture.n_cells == 0:
        return Reading(day, "scRNA unsorted", None, False, math.nan, "no cell was kept")
    n, typed = capture.n_cells, capture.n_tumour_type
    if typed > 0 and capture.n_called == 0:
        why = "not assessable: no tumour-type cell could be called"
        return Reading(day, "scRNA unsorted", None, False, math.nan, f"{counted}; {why}")
    if typed == 0:
        raw = jeffreys_draws(0, n, draws=settings["draws"], rng=rng)
    else:
        raw = clonal_share(capture, rates, rng=rng) * jeffreys_draws(typed, n, draws=settings["draws"], rng=rng)
    blank = limit_of_blank(capture, rates)
    limit = max(blank, clopper_pearson(capture.n_open, n, confidence=0.9)[1])
    censored = capture.n_malignant == 0 or capture.n_malignant / n <= blank
    note = f"{counted}; limit of blank {blank:.2g} ({rates.origin})"
    if censored:
        note += "; not above the blank: an upper bound, not a negative assay"
    error = math.hypot(settings["capture_log10_sd"], settings["spatial_log10_sd"])
    return Reading(day, "scRNA unsorted", blur(raw, log10_sd=error, rng=rng), censored, limit, note)
