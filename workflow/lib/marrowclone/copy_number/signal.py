"""Copy-number signal per cell: smoothed deviation from what a diploid cell would show.

The steps are infercnvpy's (log1p, difference to the reference, clipping, pyramidal running mean
per chromosome, centring, threshold), with four differences: the reference is the expectation
for a cell of this depth in this capture; centring uses anchor arms; the threshold is one number for
the whole matrix; and the result does not depend on cell order or chunks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy.sparse as sp

from . import engine
from .baseline import Baseline
from .expectation import TARGET, depth_groups, references, winsorised_depth
from .smoothing import natural_order, place_windows

#: Fewest genes of an arm whose level in one cell is read; fewer are never called (science 2.3).
MIN_ARM_GENES = 30


@dataclass(frozen=True)
class Signal:
    """Signal of n cells.

    Attributes
    ----------
    windows
        n x windows, CSR float32, centred; entries below ``limit`` are 0.
    window_table
        chromosome, start, end, arm per window.
    chr_pos
        first window of each chromosome (infercnvpy's ``uns["cnv"]["chr_pos"]``).
    arms
        n x arms: log2 ratio of each arm in each cell (centred, unbiased by depth, noisy, no threshold).
    arm_names
        ``1p``, ``1q``, ...
    depth
        winsorised UMI over the genes that count, shape (n,).
    limit
        the threshold, log1p units.
    """

    windows: sp.csr_matrix
    window_table: pd.DataFrame
    chr_pos: dict[str, int]
    arms: np.ndarray
    arm_names: list[str]
    depth: np.ndarray
    limit: float


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
    dynamic_threshold: float = 1.5,
    limit: float | None = None,
    rows: np.ndarray | None = None,
    block: int = engine.BLOCK,
    threads: int = 1,
    device: str = "cpu",
) -> Signal:
    """Copy-number signal of cells against a baseline.

    Parameters
    ----------
    counts
        raw counts, CSR, cells x all genes of the baseline. Read where they lie: nothing of that size is copied.
    samples
        capture of each of the n cells (columns of ``baseline.effects``).
    is_reference
        reference cells: the expectation is shifted so that their mean difference is 0 per gene.
    categories
        reference category of each cell (columns of ``baseline.profiles``); read for reference cells.
    window, step, clip, min_cpm, anchors, dynamic_threshold
        settings of ``infer_signal``. The threshold is in SDs of the reference cells' windows (all cells'
        without reference), one for the whole matrix; infercnvpy takes one per chunk.
    limit
        threshold in units of the windows, where other cells than these say what noise is.
    rows
        which rows of ``counts`` the n cells are; None: all, in order.
    block, threads
        cells that are dense at a time, and cores; no result depends on them.
    device
        ``cpu``, ``cuda``, or ``torch-cpu`` (what a GPU runs, on the CPU, for tests). They agree to 1e-4 at least;
        sums are float64 everywhere.
    """
    counts = sp.csr_matrix(counts)
    rows = np.arange(counts.shape[0]) if rows is None else np.asarray(rows, dtype=np.int64)
    share = baseline.reference
    keep = baseline.used & (share * 1e6 >= min_cpm)
    genes = baseline.genes[keep]
    depth = winsorised_depth(counts, share, baseline.used, rows)
    groups, keys = depth_groups(samples, depth)
    scale, group = np.ones(counts.shape[0]), np.zeros(counts.shape[0], dtype=np.int64)
    scale[rows], group[rows] = TARGET / depth, groups
    low, high, response = references(counts, rows, scale, groups, keys, is_reference, categories, baseline, keep)

    windows = place_windows(genes, window=window, step=step)
    arm_of = (genes["chromosome"].str.removeprefix("chr") + genes["arm"]).to_numpy(dtype=object)
    arm_names = readable_arms(arm_of)
    arm = pd.Index(arm_names).get_indexer(pd.Index(arm_of))
    plan = engine.make_plan(
        counts, low, high, windows, used=np.flatnonzero(keep), scale=scale, group=group,
        arm=arm, n_arms=len(arm_names), clip=clip, centre=np.flatnonzero(_anchored(windows.table, anchors)),
    )  # fmt: skip
    smooth, how = _backend(device, block=block, threads=threads)
    noisy = rows[is_reference] if is_reference.any() else rows
    if limit is None:
        limit = dynamic_threshold * engine.spread(plan, noisy, smooth=smooth, **how) if dynamic_threshold else 0.0
    kept, arms = engine.smooth_cells(plan, rows, limit, smooth=smooth, **how)

    total = np.zeros((len(keys), len(arm_names) + 1))
    np.add.at(total.T, np.where(arm < 0, len(arm_names), arm), response.T)
    arms /= np.maximum(total[groups, :-1], 1e-9)  # log1p units to log2 ratio
    anchor_columns = [i for i, name in enumerate(arm_names) if name in set(anchors)] or list(range(len(arm_names)))
    arms -= np.median(arms[:, anchor_columns], axis=1, keepdims=True)
    return Signal(kept, windows.table, windows.chr_pos, arms, arm_names, depth, limit)


def _backend(device: str, *, block: int, threads: int) -> tuple[engine.Smoother, dict[str, int]]:
    """How a block is smoothed, and its size and threads: torch takes larger ones, one at a time."""
    if device == "cpu":
        return engine.smooth_on_cpu, {"block": block, "threads": threads}
    from .engine_torch import BLOCK, smooth_on

    return smooth_on("cpu" if device == "torch-cpu" else device), {"block": max(block, BLOCK), "threads": 1}


def readable_arms(arm_of: np.ndarray) -> list[str]:
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
