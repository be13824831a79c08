"""Levels of log dosage that clones share: one scale for all clones, and few levels per arm."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np


def align_levels(
    mu: np.ndarray,
    info: np.ndarray,
    covariance: np.ndarray,
    *,
    n_cells: int,
    settings: Mapping[str, Any],
    fuse: bool = True,
) -> tuple[np.ndarray, int]:
    """Put clones on one scale and let them share segment levels.

    A composition has no scale of its own: each clone is shifted so that its weighted median
    difference from the largest clone is zero (most arms are the same in sister clones).

    Parameters
    ----------
    mu, info
        log dosage and its information (K x B each).
    covariance
        of the clones' estimates per segment, offsets' uncertainty included (B x K x K).

    Returns
    -------
    mu, n_free
        aligned log dosage (K x B) and the number of levels beyond one per segment.
    """
    k, n_segments = mu.shape
    largest = int(info.sum(axis=1).argmax())
    weight = info * info[largest] / np.maximum(info + info[largest], 1e-12)
    aligned = np.vstack([mu[j] - weighted_median(mu[j] - mu[largest], weight[j]) for j in range(k)])
    if not fuse or k == 1:
        return aligned, (k - 1) * n_segments
    penalty = 0.5 * np.log(max(n_cells, 2)) + np.log(max(n_segments, 2))
    n_free = 0
    # where all levels lie within one step they are one level, which is nearly everywhere
    near = np.ptp(aligned, axis=0) < float(settings["min_shift"])
    mass = np.maximum(info, 1e-9)
    aligned[:, near] = ((aligned * mass).sum(axis=0) / mass.sum(axis=0))[near]
    for b in np.flatnonzero(~near):
        aligned[:, b], n_levels = fuse_levels(
            aligned[:, b], info[:, b], covariance[b], penalty=penalty, min_shift=float(settings["min_shift"])
        )
        n_free += n_levels - 1
    return aligned, n_free


def fuse_levels(
    mu: np.ndarray, info: np.ndarray, covariance: np.ndarray, *, penalty: float, min_shift: float
) -> tuple[np.ndarray, int]:
    """Merge neighbouring levels of one segment until every step is believable.

    Two levels stay apart when they differ by ``min_shift`` (natural log) and when keeping them
    apart gains more log likelihood (half the squared difference over its variance) than ``penalty``.

    Parameters
    ----------
    mu, info
        each clone's level and its weight in a common level (K each).
    covariance
        of ``mu`` (K x K).

    Returns
    -------
    mu, n_levels
        the fused levels (K) and their number.
    """
    mass = np.maximum(info, 1e-9)
    # one row per level: how much each clone counts in it
    rows = [np.eye(len(mu))[j] * mass[j] for j in np.argsort(mu, kind="stable")]
    while len(rows) > 1:
        level = np.stack([r / r.sum() for r in rows])
        contrast = np.diff(level, axis=0)
        gap = contrast @ mu
        gain = 0.5 * gap**2 / np.maximum(np.einsum("ij,jk,ik->i", contrast, covariance, contrast), 1e-12)
        weak = np.flatnonzero((gap < min_shift) | (gain < penalty))
        if not len(weak):
            break
        i = int(weak[np.argmin(gain[weak])])
        rows[i : i + 2] = [rows[i] + rows[i + 1]]
    fused = np.empty_like(mu)
    for row in rows:
        fused[row > 0] = row @ mu / row.sum()
    return fused, len(rows)


def weighted_median(x: np.ndarray, w: np.ndarray) -> float:
    """The value at which half of the weight lies below."""
    order = np.argsort(x, kind="stable")
    c = np.cumsum(w[order])
    return float(x[order][np.searchsorted(c, 0.5 * c[-1])])
