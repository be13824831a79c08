"""Sums of clones' cells per capture: all that a comparison of their expression needs of the matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Sums:
    """Sums over the cells of each group (a clone in a capture); R genes or programmes, N groups.

    Attributes
    ----------
    clone, sample
        of each group.
    cells
        cells, (N,).
    depth, depth_squared
        sum of the cells' depths and of their squares, (N,).
    counts, squares, cross
        sum of x, of x^2 and of x times depth, (N, R).
    detected
        cells with a count, (N, R).
    """

    clone: np.ndarray
    sample: np.ndarray
    cells: Array
    depth: Array
    depth_squared: Array
    counts: Array
    squares: Array
    cross: Array
    detected: Array

    def __len__(self) -> int:
        return len(self.clone)


def sum_groups(
    counts: sparse.csr_matrix | Array,
    depth: Array,
    clones: Sequence[str] | np.ndarray,
    samples: Sequence[str] | np.ndarray,
) -> Sums:
    """One pass over the matrix.

    Parameters
    ----------
    counts
        cells x R, CSR or dense (R small).
    depth
        UMI of each cell that count as its depth.
    clones, samples
        of each cell; cells without a clone ("") take no part.
    """
    clone_of, sample_of = np.asarray(clones, dtype=str), np.asarray(samples, dtype=str)
    rows = np.flatnonzero(clone_of != "")
    pairs = sorted(set(zip(clone_of[rows].tolist(), sample_of[rows].tolist(), strict=True)))
    number = {pair: i for i, pair in enumerate(pairs)}
    of = np.array([number[pair] for pair in zip(clone_of[rows].tolist(), sample_of[rows].tolist(), strict=True)], int)
    member = sparse.csr_matrix((np.ones(len(rows)), (of, rows)), shape=(len(pairs), len(depth)))
    weighted = sparse.csr_matrix((depth[rows], (of, rows)), shape=member.shape)
    x: Any = counts.astype(np.float64)
    squared = x.power(2) if sparse.issparse(x) else x**2
    seen = (x > 0).astype(np.float64)
    return Sums(
        clone=np.array([c for c, _ in pairs], dtype=str),
        sample=np.array([s for _, s in pairs], dtype=str),
        cells=_dense(member.sum(axis=1)).ravel(),
        depth=_dense(weighted.sum(axis=1)).ravel(),
        depth_squared=_dense(weighted @ depth).ravel(),
        counts=_dense(member @ x),
        squares=_dense(member @ squared),
        cross=_dense(weighted @ x),
        detected=_dense(member @ seen),
    )


def _dense(matrix: Any) -> Array:
    return np.asarray(matrix.toarray() if sparse.issparse(matrix) else matrix, dtype=np.float64)


def dispersions(sums: Sums, poisson: Array | float = 1.0) -> Array:
    """Dispersion of each gene between cells of the same clone and capture: variance = p m + phi m^2.

    By moments over all groups, each with its own rate; ``poisson`` is p (1 for counts, larger or smaller for weighted
    sums of counts). Zero where cells vary less than counting does; NaN where there are no counts.
    """
    excess, information = moments(sums, np.ones(len(sums), dtype=bool), poisson)
    with np.errstate(invalid="ignore", divide="ignore"):
        found = excess / information
    return np.where(information > 0, np.maximum(found, 0.0), np.nan)


def moments(sums: Sums, groups: np.ndarray, poisson: Array | float = 1.0) -> tuple[Array, Array]:
    """What the cells of ``groups`` (mask) vary beyond counting, and sum m^2: their ratio is the dispersion, (R,)."""
    counts, d2 = sums.counts[groups], sums.depth_squared[groups][:, None]
    rate = counts / np.maximum(sums.depth[groups][:, None], 1e-12)
    excess = sums.squares[groups] - 2 * rate * sums.cross[groups] + rate**2 * d2 - poisson * counts
    # a group's own rate takes one degree of freedom
    freed = 1 - 1 / np.maximum(sums.cells[groups][:, None], 2.0)
    information = (rate**2 * d2 * freed).sum(axis=0)
    return (excess + poisson * counts * (1 - freed)).sum(axis=0), information


#: Genes of like level from which a gene's least dispersion is taken.
NEIGHBOURS = 200


def steadied(dispersion: Array, mean: Array) -> Array:
    """Dispersions of which none is below what is usual (the median) for genes of its level.

    Rare genes' own dispersion is mostly chance; one that came out low by chance would make differences surer than
    they are.
    """
    result = np.where(np.isfinite(dispersion), dispersion, 0.0)
    known = np.flatnonzero(np.isfinite(dispersion))
    if not known.size:
        return result
    order = known[np.argsort(mean[known], kind="stable")]
    parts = np.array_split(order, max(1, len(order) // NEIGHBOURS))
    for part in parts:
        result[part] = np.maximum(result[part], float(np.median(dispersion[part])))
    return result
