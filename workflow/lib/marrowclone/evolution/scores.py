"""How far cells carry a programme, apart from depth, captures and macrophages in the droplets (science 4.5).

A cell's score is what it has of the programme's genes beyond expectation, in SDs of its own count. A clone is
compared with sets of as many of the patient's malignant cells, drawn without regard to clones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .statistics import Array

#: Sets drawn for the percentile.
SETS = 999


@dataclass(frozen=True)
class Guard:
    """Cells that may be asked (bool) and each cell's macrophage UMI per 10,000."""

    kept: np.ndarray
    level: Array


def myeloid_guard(macrophage: Array, depth: Array, sample: np.ndarray) -> Guard:
    """Cells whose macrophage share exceeds the 95th percentile of their capture's plasma cells are left out.

    Parameters
    ----------
    macrophage
        UMI of macrophage genes per plasma cell (malignant, normal and unassigned together).
    depth, sample
        non-immunoglobulin UMI and capture of each.
    """
    level = 1e4 * macrophage / np.maximum(depth, 1.0)
    kept = np.ones(len(level), dtype=bool)
    for name in np.unique(sample):
        here = sample == name
        kept[here] = level[here] <= np.quantile(level[here], 0.95)
    return Guard(kept, level)


def programme_scores(
    counts: np.ndarray,
    depth: Array,
    sample: np.ndarray,
    *,
    capture: dict[str, Array],
    normal: np.ndarray,
    guard: Guard,
    dispersion: float,
    min_normal: int,
) -> Array:
    """Score per cell: (observed - expected UMI of the programme) / its SD; NaN for cells that the guard leaves out.

    Parameters
    ----------
    counts
        UMI of the programme's genes, cells x genes.
    capture
        factor by which each capture reads each gene (genes), relative; captures that are missing read as written.
    normal
        normal plasma cells (bool): where a capture has ``min_normal``, their mean is its zero.
    dispersion
        of a gene's UMI per cell.

    Notes
    -----
    Expected is the gene's rate over all cells of the patient. What goes with the macrophage share of the cells that
    are left is taken out by regression: soup brings macrophage genes and adhesion genes together.
    """
    ones = np.ones(counts.shape[1])
    factor = np.stack([capture.get(str(s), ones) for s in sample]) if len(sample) else np.zeros(counts.shape)
    weight = depth[:, None] * factor
    rate = counts[guard.kept].sum(axis=0) / np.maximum(weight[guard.kept].sum(axis=0), 1e-9)
    expected = weight * rate
    variance = (expected + dispersion * expected**2).sum(axis=1)
    score = np.where(variance > 0, (counts - expected).sum(axis=1) / np.sqrt(np.maximum(variance, 1e-12)), 0.0)
    for name in np.unique(sample):
        own = (sample == name) & normal & guard.kept
        if own.sum() >= min_normal:
            score[sample == name] -= score[own].mean()
    x = guard.level - guard.level[guard.kept].mean() if guard.kept.any() else guard.level
    spread = float((x[guard.kept] ** 2).sum())
    if spread > 0:
        score = score - x * float((x[guard.kept] * score[guard.kept]).sum()) / spread
    return np.where(guard.kept, score, np.nan)


def percentile(score: Array, member: np.ndarray, among: np.ndarray, *, rng: np.random.Generator) -> float:
    """Share (0 to 100) of :data:`SETS` random sets whose mean score is below that of the members.

    Sets have as many cells, drawn from ``among`` (bool; the members are part of it). NaN without members or others.
    """
    pool = np.flatnonzero(among & np.isfinite(score))
    n = int((member & np.isfinite(score)).sum())
    if not 0 < n < len(pool):
        return float("nan")
    mean = float(score[member & np.isfinite(score)].mean())
    drawn = np.empty(SETS)
    for i in range(SETS):
        drawn[i] = score[rng.choice(pool, n, replace=False)].mean()
    return float(100 * ((drawn < mean).sum() + 0.5 * (drawn == mean).sum()) / SETS)
