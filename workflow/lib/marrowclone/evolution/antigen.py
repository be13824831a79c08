"""Is an antigen's mRNA gone, or was it only not sampled? The dropout-aware test of science 4.6."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .statistics import Array, cells_needed, silence

LOSS, NO_LOSS, NOT_ASSESSABLE = "loss", "no loss seen", "not assessable"


@dataclass(frozen=True)
class AntigenTest:
    """Outcome for one gene in one clone at one day.

    ``ratio`` observed over expected UMI with its 95% interval, ``p_silent`` the probability of
    seeing no UMI at all without any loss, ``n_needed`` cells from which on silence would mean
    something, ``call`` loss / no loss seen (never "intact": a mutated antigen keeps its mRNA)
    / not assessable.
    """

    ratio: float
    lower: float
    upper: float
    p_silent: float
    n_needed: float
    call: str


def not_assessable() -> AntigenTest:
    """No reference, or no cell."""
    return AntigenTest(math.nan, math.nan, math.nan, math.nan, math.nan, NOT_ASSESSABLE)


def loss_test(
    observed: int, depth: Array, *, reference_umi: int, reference_depth: Array, settings: Mapping[str, Any]
) -> AntigenTest:
    """Test the clone's cells against the rate of a reference.

    Parameters
    ----------
    observed
        the gene's UMI over all of the clone's cells.
    depth
        non-immunoglobulin UMI of each of the clone's cells.
    reference_umi, reference_depth
        the same in the reference.

    Notes
    -----
    Counts are negative binomial with dispersion ``phi``; a sum over cells has variance
    ``E c`` with ``c = 1 + phi sum(mu^2)/E``, and the ratio's interval is that of two such
    sums (gamma over gamma; exact Poisson ends for c = 1 and a large reference).
    """
    if depth.size == 0 or reference_umi < settings["min_reference_umi"] or reference_depth.sum() <= 0:
        return not_assessable()
    phi = settings["dispersion"]
    rate = reference_umi / reference_depth.sum()
    expected = depth * rate
    total = float(expected.sum())
    if total <= 0:
        return not_assessable()
    spread = 1 + phi * float((expected**2).sum()) / total
    spread_reference = 1 + phi * float(((reference_depth * rate) ** 2).sum()) / reference_umi
    shape, shape_reference = observed / spread, reference_umi / spread_reference
    scale = spread / spread_reference * reference_umi / total

    def quantile(a: float, level: float) -> float:
        from scipy import stats  # here: it is slow to load

        return float(stats.betaprime.ppf(level, a, shape_reference) * scale) if a > 0 else 0.0

    p_silent = silence(expected, phi=phi)
    needed = cells_needed(float(expected.mean()), phi=phi, p=settings["silence"])
    if p_silent >= settings["silence"] or depth.size < needed:
        call = NOT_ASSESSABLE
    elif observed == 0 or quantile(shape + 1, 0.95) < settings["loss_ratio"]:
        call = LOSS
    else:
        call = NO_LOSS
    return AntigenTest(
        observed / total, quantile(shape, 0.025), quantile(shape + 1, 0.975), p_silent, float(needed), call
    )


def pick_reference(counts: Array, groups: Mapping[str, Array], *, least: int) -> tuple[str, Array]:
    """The first group of cells (in the mapping's order) in which the gene has ``least`` UMI.

    ``counts`` is the gene's UMI per cell, each group a boolean mask. Empty name: none has.
    """
    for name, mask in groups.items():
        if counts[mask].sum() >= least:
            return name, mask
    return "", np.zeros(counts.size, dtype=bool)
