"""What log1p of a diploid cell's counts is expected to be, at its depth and in its capture."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import pandas as pd
import scipy.sparse as sp
from scipy import stats

from . import kernels
from .baseline import Baseline
from .pseudobulk import gene_scale

#: Counts are scaled to this depth before log1p (CP10k, infercnvpy's tutorial and science 1.6).
TARGET = 1e4
#: Dispersion of counts among normal cells in the expectation of log1p (science 2.3).
DISPERSION = 0.5
#: Depths are grouped in steps of this many powers of two: a fixed grid, whatever the cells.
DEPTH_STEP = 0.5
#: Change (log2) over which the response of a gene's log1p to dosage is taken.
RESPONSE_STEP = 0.25


def winsorised_depth(counts: sp.csr_matrix, share: np.ndarray, used: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """UMI of the cells ``rows`` over the used genes, dominant genes held to 0.05% of UMI on average; at least 1."""
    depth = np.empty(len(rows))
    kernels.weighted_rows(counts.data, counts.indices, counts.indptr, rows, gene_scale(share, used) * used, depth)
    return np.maximum(depth, 1.0)


def expected_log1p(rate: np.ndarray, depth: float) -> np.ndarray:
    """Mean of ``log1p(TARGET * k / depth)`` for NB counts k with mean ``rate``; same shape as ``rate``.

    Exact sum for small rates, second-order expansion beyond 30 counts (joined without a step).
    """
    scale = TARGET / depth
    grid, table, top = _log1p_table(depth)

    def expansion(x: np.ndarray | float) -> np.ndarray:
        variance = x + DISPERSION * np.square(x)
        return np.log1p(scale * x) - 0.5 * variance * (scale / (1 + scale * x)) ** 2

    return np.where(rate <= grid[-1], np.interp(rate, grid, table), expansion(rate) + top - expansion(grid[-1]))


@lru_cache(maxsize=64)
def _log1p_table(depth: float) -> tuple[np.ndarray, np.ndarray, float]:
    """Rates 0..30 and the exact expectation at each, for one depth."""
    grid = np.concatenate([[0.0], np.logspace(-6, np.log10(30), 160)])
    k = np.arange(400)
    size = 1 / DISPERSION
    table = stats.nbinom.pmf(k[None, :], size, size / (size + grid[:, None])) @ np.log1p(TARGET / depth * k)
    return grid, table, float(table[-1])


def depth_groups(samples: Sequence[str] | np.ndarray, depth: np.ndarray) -> tuple[np.ndarray, list[tuple[str, float]]]:
    """Group of each cell by capture and depth, and (sample, depth) of each group."""
    if not len(depth):
        return np.zeros(0, dtype=np.int64), []
    level = np.round(np.log2(depth) / DEPTH_STEP).astype(int)
    pairs = pd.MultiIndex.from_arrays([np.asarray(samples, dtype=object), level])
    codes, unique = pd.factorize(pairs, sort=True)
    return codes, [(str(s), float(2 ** (b * DEPTH_STEP))) for s, b in unique]


def references(
    counts: sp.csr_matrix,
    rows: np.ndarray,
    scale: np.ndarray,
    groups: np.ndarray,
    keys: list[tuple[str, float]],
    is_reference: np.ndarray,
    categories: Sequence[str] | np.ndarray,
    baseline: Baseline,
    keep: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lower and upper bound of the expected log1p and its change per log2 unit; each groups x kept genes.

    ``rows`` are the cells' rows of ``counts``, ``scale`` has an entry per row of ``counts``; the rest is per cell.
    """
    category_of = np.asarray(categories, dtype=object)
    n_genes = int(keep.sum())
    column = np.where(keep, np.cumsum(keep) - 1, -1)
    low = np.full((len(keys), n_genes), np.inf)
    high = np.full((len(keys), n_genes), -np.inf)
    response = np.zeros((len(keys), n_genes))
    for name in baseline.profiles.columns:
        expected = np.empty((len(keys), n_genes))
        for i, (sample, depth) in enumerate(keys):
            share = baseline.profiles[name].to_numpy() * baseline.effects[sample].to_numpy()
            rate = depth * share[keep] / max(share[baseline.used].sum(), 1e-12)
            expected[i] = expected_log1p(rate, depth)
            up, down = (expected_log1p(rate * 2**h, depth) for h in (RESPONSE_STEP, -RESPONSE_STEP))
            response[i] += (up - down) / (2 * RESPONSE_STEP) / baseline.profiles.shape[1]
        cells = np.flatnonzero(is_reference & (category_of == name))
        if len(cells):
            # what the model of depth and capture leaves over: the reference itself is zero on average
            weight = np.bincount(groups[cells], minlength=len(keys)) / len(cells)
            sums = np.zeros((1, n_genes))
            kernels.gene_sums(
                counts.data, counts.indices, counts.indptr, rows[cells], scale,
                np.zeros(len(cells), dtype=np.int64), column, int(np.diff(counts.indptr).max(initial=0)), sums,
            )  # fmt: skip
            expected = np.maximum(expected + sums[0] / len(cells) - weight @ expected, 0.0)
        low = np.minimum(low, expected)
        high = np.maximum(high, expected)
    return low, high, response
