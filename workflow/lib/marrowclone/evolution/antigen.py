"""Is an antigen's mRNA gone, or was it only not sampled? The dropout-aware test of science 4.6."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

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


#: Types that express none or few of the targets of plasma cells, by lineage; cells of one that a capture needs [J].
BYSTANDERS = {
    "cd4_t": "lymphoid", "cd8_t": "lymphoid", "nk": "lymphoid", "monocyte": "myeloid", "neutrophil": "myeloid",
    "erythroid": "erythroid",
}  # fmt: skip
LEAST_BYSTANDERS = 30
#: What soup alone would give at least in so many of a hundred captures is explained by it [J].
EXPLAINED = 0.05


def soup_per_cell(counts: pd.DataFrame, samples: pd.Series, types: pd.Series) -> pd.DataFrame:
    """UMI of each gene that a cell holds of its capture's soup (captures x genes); no row where nothing tells.

    Soup fills every droplet of a capture about alike, so a tumour cell holds of it what a cell shows that does not
    express the gene: of the :data:`BYSTANDERS` with enough cells the type with least, since some express some targets
    (NK cells SLAMF7 and CD38); cells of two lineages at least, or nothing is said.

    Parameters
    ----------
    counts
        UMI of the antigens, cells x genes.
    samples, types
        of each of these cells.
    """
    groups, told = _bystanders(counts, samples, types)
    return groups.mean().loc[told].groupby(level=0).min()


#: SD of a count of soup by which it may be more than was seen [J]; the bound is the score interval's (Rao).
BOUND_SD = 3.0


def most_soup(counts: pd.DataFrame, samples: pd.Series, types: pd.Series) -> pd.DataFrame:
    """What soup brings at most: as :func:`soup_per_cell`, of each type's upper bound.

    The smallest of several means lies below the truth; the smallest of their bounds (3 SD of the counts) does not.
    """
    groups, told = _bystanders(counts, samples, types)
    total, n = groups.sum().loc[told], groups.size().loc[told]
    return (total + BOUND_SD**2 / 2 + BOUND_SD * np.sqrt(total + BOUND_SD**2 / 4)).div(n, axis=0).groupby(level=0).min()


def _bystanders(counts: pd.DataFrame, samples: pd.Series, types: pd.Series) -> tuple[Any, list[tuple[str, str]]]:
    """Cells by capture and type, and the types that tell of a capture's soup."""
    groups = counts.groupby([samples.to_numpy(), types.to_numpy()])
    size = groups.size()
    enough = size[(size >= LEAST_BYSTANDERS) & size.index.isin(list(BYSTANDERS), level=1)].index
    lineages = pd.Series([BYSTANDERS[str(kind)] for _, kind in enough], index=[str(sample) for sample, _ in enough])
    return groups, [(sample, kind) for sample, kind in enough if lineages.loc[[str(sample)]].nunique() >= 2]


def loss_test(
    observed: int,
    depth: Array,
    *,
    reference_umi: int,
    reference_depth: Array,
    settings: Mapping[str, Any],
    soup: float = 0.0,
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
    soup
        the gene's UMI that soup alone would bring into all of the clone's cells. What it explains is no expression:
        a loss is called, too, where it explains all that was seen and so little would be as rare without a loss as
        total silence has to be.

    Notes
    -----
    Counts are negative binomial with dispersion ``phi``; a sum over cells at ratio r has variance
    ``r E c(r)`` with ``c(r) = 1 + phi r sum(mu^2)/E``, and the ratio's interval is that of two such
    sums (gamma over gamma; exact Poisson ends for c = 1 and a large reference), each end with the
    dispersion that counts would have at that end: few UMI of a lost gene (soup) scatter as counts do,
    not as the gene did before.
    """
    if depth.size == 0 or reference_umi < settings["min_reference_umi"] or reference_depth.sum() <= 0:
        return not_assessable()
    phi = settings["dispersion"]
    rate = reference_umi / reference_depth.sum()
    expected = depth * rate
    total = float(expected.sum())
    if total <= 0:
        return not_assessable()
    excess = phi * float((expected**2).sum()) / total
    spread_reference = 1 + phi * float(((reference_depth * rate) ** 2).sum()) / reference_umi
    shape_reference = reference_umi / spread_reference

    def end(level: float, more: float) -> float:
        """The ratio at which ``level`` is the quantile; ``more`` is 1 for upper ends."""
        from scipy import stats  # here: it is slow to load

        ratio = 1.0
        for _ in range(50):
            spread = 1 + excess * ratio
            shape = observed / spread + more
            scale = spread / spread_reference * reference_umi / total
            before, ratio = (
                ratio,
                float(stats.betaprime.ppf(level, shape, shape_reference) * scale) if shape > 0 else 0.0,
            )
            if abs(ratio - before) <= 1e-4 * ratio:
                return ratio
        return math.nan  # so few cells, or so uneven ones, that there is no such end

    p_silent = silence(expected, phi=phi)
    needed = cells_needed(float(expected.mean()), phi=phi, p=settings["silence"])
    if p_silent >= settings["silence"] or depth.size < needed:
        call = NOT_ASSESSABLE
    elif (
        observed == 0
        or end(0.95, 1) < settings["loss_ratio"]
        or _only_soup(observed, soup, total, excess, settings["silence"])
    ):
        call = LOSS
    else:
        call = NO_LOSS
    return AntigenTest(observed / total, end(0.025, 0), end(0.975, 1), p_silent, float(needed), call)


def _only_soup(observed: int, soup: float, total: float, excess: float, rare: float) -> bool:
    """Whether soup explains the count, and the gene at its usual rate, ``total``, would hardly ever give so little."""
    from scipy import stats  # here: it is slow to load

    if soup <= 0 or stats.poisson.sf(observed - 1, soup) < EXPLAINED:
        return False
    if stats.poisson.cdf(observed, soup) < EXPLAINED:
        return False  # less than this soup would give: it is not the soup that was thought
    # the reference's rate has soup in it already; where its captures had less, this asks for more than it must
    size = total / max(excess, 1e-9)
    return bool(stats.nbinom.cdf(observed, size, size / (size + total)) < rare)


def pick_reference(counts: Array, groups: Mapping[str, Array], *, least: int) -> tuple[str, Array]:
    """The first group of cells (in the mapping's order) in which the gene has ``least`` UMI.

    ``counts`` is the gene's UMI per cell, each group a boolean mask. Empty name: none has.
    """
    for name, mask in groups.items():
        if counts[mask].sum() >= least:
            return name, mask
    return "", np.zeros(counts.size, dtype=bool)
