"""The patient's own few normal cells against many cells of others: pooled by how far each can be trusted.

What is peculiar to a person stays (the own cells tell it), what is chance in few cells is held to the donors' profile:
the posterior mean of each gene's factor, with the spread between people and the noise both learned from the cells.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy.sparse as sp

from .pseudobulk import pseudobulk

#: Spread (SD of the log) between people per gene, where it cannot be learned, and within which it is looked for [J,
#: science A.5: 0.25].
PERSON_SD = 0.25
PERSON_SD_RANGE = (0.05, 0.6)
#: Expected counts in each half of the own cells from which a gene tells how much people differ, and genes needed.
MIN_EXPECTED = 10.0
MIN_GENES = 100
#: A factor beyond this is held to it: no person's normal plasma cells differ by more [J].
MAX_FACTOR = 4.0
#: Single genes (cell states, a doublet) do not set the spread: this share at either end is held to the next value.
TRIM = 0.02


@dataclass(frozen=True)
class PersonFactor:
    """Factor per gene (own normal cells over the prior's), weight of the own cells (median over readable genes), SD."""

    factor: np.ndarray
    weight: float
    person_sd: float


def person_factor(
    counts: sp.csr_matrix,
    samples: np.ndarray,
    expected: pd.DataFrame,
    *,
    used: np.ndarray,
    prior_counts: np.ndarray,
    max_share: float = 0.0005,
) -> PersonFactor:
    """How the normal cells of one person differ from the prior profile, gene by gene.

    Parameters
    ----------
    counts, samples
        raw counts (CSR) and capture of the person's normal plasma cells, in a fixed order.
    expected
        genes x captures, shares that the prior (donors, another study) expects in each capture.
    used
        genes that count, bool.
    prior_counts
        UMI on which the prior's share of each gene stands.
    max_share
        dominant genes are held to this share of the depth.

    Notes
    -----
    The cells are dealt into two halves. What both halves show alike is the person, ``tau^2 = mean((r1 - 1)(r2 - 1))``
    with r = O/E; what they differ by is noise, ``mean(((r1 - r2)/2)^2)``, of which counting explains 1/E and cells that
    differ from each other explain the rest, psi. Factor: ``1 + w (O/E - 1)`` with
    ``w = (tau^2 + 1/P) / (tau^2 + 1/P + psi + 1/E)``: the gamma-Poisson posterior mean with psi = 0 and P large.
    """
    columns = expected.columns.get_indexer(pd.Index(samples))
    half = np.zeros(len(samples), dtype=int)
    for column in np.unique(columns):
        rows = np.flatnonzero(columns == column)
        half[rows] = np.arange(len(rows)) % 2
    share = expected.to_numpy(dtype=float)
    parts = [pseudobulk(counts, np.flatnonzero(half == h), columns, share, used, max_share=max_share) for h in (0, 1)]
    (o1, e1), (o2, e2) = parts
    observed, expect = o1 + o2, e1 + e2
    told = used & (np.minimum(e1, e2) >= MIN_EXPECTED)
    tau2, psi = PERSON_SD**2, 0.0
    if told.sum() >= MIN_GENES:
        r1, r2 = o1[told] / e1[told], o2[told] / e2[told]
        own_noise = trimmed_mean(((r1 - r2) / 2) ** 2 - 0.25 * (1 / e1[told] + 1 / e2[told]))
        alike = trimmed_mean((r1 - 1) * (r2 - 1) - 1 / np.maximum(prior_counts[told], 1.0))
        tau2 = float(np.clip(alike, PERSON_SD_RANGE[0] ** 2, PERSON_SD_RANGE[1] ** 2))
        psi = max(own_noise, 0.0)
    prior = tau2 + 1 / np.maximum(prior_counts, 1.0)
    weight = np.where(expect > 0, prior / (prior + psi + 1 / np.maximum(expect, 1e-9)), 0.0)
    ratio = np.divide(observed, expect, out=np.ones_like(expect), where=expect > 0)
    factor = np.clip(1 + weight * (ratio - 1), 1 / MAX_FACTOR, MAX_FACTOR)
    readable = used & (share.mean(axis=1) * 1e6 >= 2)
    return PersonFactor(
        np.where(used, factor, 1.0), float(np.median(weight[readable])) if readable.any() else 0.0, float(np.sqrt(tau2))
    )


def trimmed_mean(values: np.ndarray) -> float:
    """Mean with the outermost shares held to their quantiles."""
    low, high = np.quantile(values, [TRIM, 1 - TRIM])
    return float(np.clip(values, low, high).mean())
