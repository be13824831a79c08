"""Copy-number signal per cell: smoothed deviation from what a diploid cell would show.

The steps are infercnvpy's (log1p, difference to the reference, clipping, pyramidal running mean
per chromosome, centring, threshold), with four differences: the reference is the expectation
for a cell of this depth in this capture; centring uses anchor arms; the threshold is one number for
the whole matrix; and the result does not depend on cell order or chunks.

Sparse all through: a cell's clipped difference equals that of an empty cell plus a correction at
its non-zero counts. The empty cells (one per capture and depth) are smoothed once, the
corrections by one product with a banded matrix.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
import scipy.sparse as sp
from scipy import stats

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
#: Fewest genes of an arm whose level in one cell is read; fewer are never called (science 2.3).
MIN_ARM_GENES = 30


@dataclass(frozen=True)
class Signal:
    """Signal of n cells.

    Attributes
    ----------
    windows
        n x windows, float64, centred, before the threshold.
    window_table
        chromosome, start, end, arm per window.
    chr_pos
        first window of each chromosome (infercnvpy's ``uns["cnv"]["chr_pos"]``).
    arms
        n x arms: log2 ratio of each arm in each cell (centred, unbiased by depth, noisy).
    arm_names
        ``1p``, ``1q``, ...
    depth
        winsorised UMI over the genes that count, shape (n,).
    """

    windows: np.ndarray
    window_table: pd.DataFrame
    chr_pos: dict[str, int]
    arms: np.ndarray
    arm_names: list[str]
    depth: np.ndarray


def natural_order(names: Sequence[str]) -> list[str]:
    """``chr2`` before ``chr10``."""
    return sorted(names, key=lambda n: [int(p) if p.isdigit() else p for p in re.split("([0-9]+)", n)])


def smoothing_matrix(
    genes: pd.DataFrame, *, window: int, step: int
) -> tuple[sp.csc_matrix, pd.DataFrame, dict[str, int]]:
    """Pyramidal running means per chromosome as one banded matrix.

    Parameters
    ----------
    genes
        chromosome, start, end, arm of the genes (columns of what is smoothed), in any order.
    window, step
        genes per window, genes between windows. A chromosome with no more genes than ``window``
        is one window with equal weights (as in infercnvpy).

    Returns
    -------
    matrix (genes x windows, columns sum to 1), window table, first window of each chromosome
    """
    ramp = np.arange(1, window + 1)
    pyramid = np.minimum(ramp, ramp[::-1])
    pyramid = pyramid / pyramid.sum()
    rows: list[np.ndarray] = []
    columns: list[np.ndarray] = []
    values: list[np.ndarray] = []
    table: list[tuple[str, int, int, str]] = []
    chr_pos: dict[str, int] = {}
    for chromosome in natural_order(genes["chromosome"].unique().tolist()):
        index = np.flatnonzero((genes["chromosome"] == chromosome).to_numpy())
        index = index[np.argsort(genes["start"].to_numpy()[index], kind="stable")]
        chr_pos[chromosome] = len(table)
        if len(index) > window:
            starts, weights = range(0, len(index) - window + 1, step), pyramid
        else:
            starts, weights = range(1), np.full(len(index), 1 / len(index))
        for start in starts:
            inside = index[start : start + len(weights)]
            rows.append(inside)
            columns.append(np.full(len(inside), len(table)))
            values.append(weights)
            part = genes.iloc[inside]
            middle = part["arm"].iloc[len(part) // 2]
            table.append((chromosome, int(part["start"].iloc[0]), int(part["end"].max()), middle))
    windows = pd.DataFrame(table, columns=["chromosome", "start", "end", "arm"])
    if not rows:
        return sp.csc_matrix((len(genes), 0)), windows, chr_pos
    entries = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
    return sp.csc_matrix(entries, shape=(len(genes), len(windows))), windows, chr_pos


def difference(values: np.ndarray, low: np.ndarray, high: np.ndarray, clip: float) -> np.ndarray:
    """Clipped distance of ``values`` from the interval [low, high]; 0 inside (infercnvpy's bounded mode).

    With one reference low equals high and this is the plain difference.
    """
    return np.clip(np.maximum(values - high, 0) + np.minimum(values - low, 0), -clip, clip)


def smooth_differences(
    log_counts: sp.csr_matrix,
    groups: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    smoother: sp.spmatrix,
    *,
    clip: float,
    chunk: int = 2000,
) -> np.ndarray:
    """Smoothed clipped differences to a reference that depends on the cell's group.

    Parameters
    ----------
    log_counts
        n x genes, CSR.
    groups
        row of ``low`` and ``high`` for each cell.
    low, high
        groups x genes, bounds of the reference.
    smoother
        genes x windows.
    chunk
        cells at a time; the result does not depend on it.

    Returns
    -------
    n x windows, dense
    """
    empty = difference(np.zeros_like(low), low, high, clip)  # groups x genes
    base = np.asarray(sp.csr_matrix(empty) @ smoother.tocsr().toarray() if empty.size else empty @ smoother)
    result = np.empty((log_counts.shape[0], smoother.shape[1]))
    kernel = smoother.tocsr()
    for start in range(0, log_counts.shape[0], chunk):
        part = log_counts[start : start + chunk].tocsr(copy=True)
        which = groups[start : start + chunk]
        row = np.repeat(which, np.diff(part.indptr))
        at = part.indices
        part.data = difference(part.data, low[row, at], high[row, at], clip) - empty[row, at]
        result[start : start + chunk] = (part @ kernel).toarray() + base[which]
    return result


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


def infer_signal(
    counts: sp.csr_matrix,
    samples: Sequence[str] | np.ndarray,
    is_reference: np.ndarray,
    categories: Sequence[str] | np.ndarray,
    baseline: Baseline,
    *,
    window: int,
    step: int,
    clip: float,
    min_cpm: float,
    anchors: Sequence[str],
    chunk: int = 2000,
) -> Signal:
    """Copy-number signal of cells against a baseline.

    Parameters
    ----------
    counts
        raw counts, CSR, n cells x all genes of the baseline.
    samples
        capture of each cell (columns of ``baseline.effects``).
    is_reference
        reference cells: the expectation is shifted so that their mean difference is 0 per gene.
    categories
        reference category of each cell (columns of ``baseline.profiles``); read for reference cells.
    window, step, clip, min_cpm, anchors
        settings of ``infer_signal``.
    """
    share = baseline.reference
    keep = baseline.used & (share * 1e6 >= min_cpm)
    genes = baseline.genes[keep]
    depth = winsorised_depth(counts, share, baseline.used)
    log_counts = counts[:, np.flatnonzero(keep)].astype(np.float64)
    log_counts.data = np.log1p(log_counts.data * np.repeat(TARGET / depth, np.diff(log_counts.indptr)))
    groups, keys = depth_groups(samples, depth)
    low, high, response = _references(log_counts, groups, keys, is_reference, categories, baseline, keep)

    smoother, table, chr_pos = smoothing_matrix(genes, window=window, step=step)
    windows = smooth_differences(log_counts, groups, low, high, smoother, clip=clip, chunk=chunk)
    windows -= np.median(windows[:, _anchored(table, anchors)], axis=1, keepdims=True)

    arm_of = (genes["chromosome"].str.removeprefix("chr") + genes["arm"]).to_numpy(dtype=object)
    arm_names = _readable_arms(arm_of)
    membership = sp.csc_matrix((arm_of[:, None] == np.array(arm_names, dtype=object)[None, :]).astype(float))
    arms = smooth_differences(log_counts, groups, low, high, membership, clip=clip, chunk=chunk)
    arms /= np.maximum((response @ membership)[groups], 1e-9)  # log1p units to log2 ratio
    anchor_columns = [i for i, name in enumerate(arm_names) if name in set(anchors)] or list(range(len(arm_names)))
    arms -= np.median(arms[:, anchor_columns], axis=1, keepdims=True)
    return Signal(windows, table, chr_pos, arms, arm_names, depth)


def winsorised_depth(counts: sp.csr_matrix, share: np.ndarray, used: np.ndarray) -> np.ndarray:
    """UMI per cell over the used genes, dominant genes held to 0.05% of UMI on average; at least 1."""
    weight = gene_scale(share, used) * used
    return np.maximum(np.asarray(counts @ weight, dtype=float).ravel(), 1.0)


def depth_groups(samples: Sequence[str] | np.ndarray, depth: np.ndarray) -> tuple[np.ndarray, list[tuple[str, float]]]:
    """Group of each cell by capture and depth, and (sample, depth) of each group."""
    level = np.round(np.log2(depth) / DEPTH_STEP).astype(int)
    pairs = pd.MultiIndex.from_arrays([np.asarray(samples, dtype=object), level])
    codes, unique = pd.factorize(pairs, sort=True)
    return codes, [(str(s), float(2 ** (b * DEPTH_STEP))) for s, b in unique]


def apply_threshold(windows: np.ndarray, is_reference: np.ndarray, *, factor: float) -> sp.csr_matrix:
    """Entries below ``factor`` SDs of the reference cells' signal become 0; CSR float32.

    One SD for the whole matrix (infercnvpy takes one per chunk). All cells' SD when there is no reference.
    """
    noise = windows[is_reference] if is_reference.any() else windows
    limit = factor * float(np.std(noise)) if noise.size else 0.0
    return sp.csr_matrix(np.where(np.abs(windows) < limit, 0.0, windows).astype(np.float32))


def _references(
    log_counts: sp.csr_matrix,
    groups: np.ndarray,
    keys: list[tuple[str, float]],
    is_reference: np.ndarray,
    categories: Sequence[str] | np.ndarray,
    baseline: Baseline,
    keep: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lower and upper bound of the expected log1p and its change per log2 unit; each groups x kept genes."""
    category_of = np.asarray(categories, dtype=object)
    n_genes = int(keep.sum())
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
            observed = np.asarray(log_counts[cells].mean(axis=0)).ravel()
            expected = np.maximum(expected + observed - weight @ expected, 0.0)
        low = np.minimum(low, expected)
        high = np.maximum(high, expected)
    return low, high, response


def _readable_arms(arm_of: np.ndarray) -> list[str]:
    """Arms with at least :data:`MIN_ARM_GENES` of the genes; all arms when none has so many.

    On an arm with a handful of genes that are hardly expressed (21p, 22p) a single UMI is a hundredfold
    change: such a value says nothing of the arm and drowns every other arm of that cell.
    """
    names, n_genes = np.unique(arm_of.astype(str), return_counts=True)
    readable = names[n_genes >= MIN_ARM_GENES]
    return natural_order(sorted((readable if len(readable) else names).tolist()))


def _anchored(table: pd.DataFrame, anchors: Sequence[str]) -> np.ndarray:
    """Windows on the anchor arms; all windows when none is."""
    name = table["chromosome"].str.removeprefix("chr") + table["arm"]
    inside = name.isin(list(anchors)).to_numpy()
    return inside if inside.any() else np.ones(len(table), dtype=bool)
