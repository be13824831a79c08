"""Smoothing of many cells: sparse counts in, a sparse signal out, dense never beyond a block of rows.

A cell's clipped difference to its reference equals that of an empty cell plus a correction at its non-zero
counts. The empty cells (one per group of cells) are smoothed once, the corrections in one pass over the non-zeros.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import scipy.sparse as sp

from . import kernels
from .smoothing import Windows

#: Rows that one thread works on at a time: some 4 MB of windows, which stay in a core's cache.
BLOCK = 256


@dataclass(frozen=True)
class Plan:
    """All that smoothing needs to know, of n cells and the g genes that count.

    Attributes
    ----------
    counts
        CSR, n x all genes: raw counts, or logged values.
    scale
        per cell: counts become ``log1p(scale * count)``; 0 where ``counts`` are logged already.
    group
        per cell: its row of the reference.
    bounds, where
        per gene of ``counts``, as :func:`~marrowclone.copy_number.kernels.smooth_rows` takes them.
    clip
        differences of single genes are held to this.
    windows
        of the g genes that count.
    base, arm_base
        smoothed empty cells: groups x windows, groups x arms; the last arm gathers what belongs to none.
    longest
        most non-zeros of a cell.
    centre
        numbers of the windows whose median is a cell's zero.
    """

    counts: sp.csr_matrix
    scale: np.ndarray
    group: np.ndarray
    bounds: np.ndarray
    where: np.ndarray
    clip: float
    windows: Windows
    base: np.ndarray
    arm_base: np.ndarray
    centre: np.ndarray
    longest: int


@dataclass(frozen=True)
class Block:
    """Centred windows (rows x windows, float64) and arm sums of some rows, with each row's sum and sum of squares."""

    windows: np.ndarray
    arms: np.ndarray
    sums: np.ndarray
    squares: np.ndarray

    def kept(self, limit: float) -> sp.csr_matrix:
        """Entries that reach ``limit``, CSR float32."""
        n = np.empty(len(self.windows), dtype=np.int64)
        kernels.count_kept(self.windows, limit, n)
        indptr = np.concatenate([[0], np.cumsum(n)])
        indices, data = np.empty(indptr[-1], dtype=np.int32), np.empty(indptr[-1], dtype=np.float32)
        kernels.take_kept(self.windows, limit, indptr, indices, data)
        return sp.csr_matrix((data, indices, indptr), shape=self.windows.shape)


Smoother = Callable[[Plan, np.ndarray], Block]
S = TypeVar("S")
T = TypeVar("T")


def difference(values: np.ndarray, low: np.ndarray, high: np.ndarray, clip: float) -> np.ndarray:
    """Clipped distance of ``values`` from the interval [low, high]; 0 inside (infercnvpy's bounded mode).

    With one reference low equals high and this is the plain difference.
    """
    return np.clip(np.maximum(values - high, 0) + np.minimum(values - low, 0), -clip, clip)


def make_plan(
    counts: sp.csr_matrix,
    low: np.ndarray,
    high: np.ndarray,
    windows: Windows,
    *,
    used: np.ndarray,
    scale: np.ndarray,
    group: np.ndarray,
    arm: np.ndarray,
    n_arms: int,
    clip: float,
    centre: np.ndarray,
) -> Plan:
    """A :class:`Plan`.

    ``low`` and ``high`` are groups x g; ``used`` says which genes of ``counts`` the g are, ``arm`` is a number per g
    (-1: none).
    """
    w = windows
    empty = difference(np.zeros_like(low), low, high, clip)
    arm = np.where(arm < 0, n_arms, arm)
    base, arm_base = np.zeros((len(low), w.n)), np.zeros((len(low), n_arms + 1))
    kernels.smooth_dense(
        empty, w.block, w.place, w.n_blocks, w.level, w.slope, w.stride, w.segments, arm, base, arm_base
    )
    bounds = np.zeros((len(low), counts.shape[1], 4))
    for k, values in enumerate((low, high, empty, w.place)):
        bounds[:, used, k] = values
    where = np.full((counts.shape[1], 2), -1, dtype=np.int32)
    where[used, 0], where[used, 1] = w.block, arm
    return Plan(counts, scale, group, bounds, where, clip, w, base, arm_base, centre, longest_row(counts))


def longest_row(counts: sp.csr_matrix) -> int:
    """Most non-zeros of a row."""
    return int(np.diff(counts.indptr).max(initial=0))


def smooth_on_cpu(plan: Plan, rows: np.ndarray, windows: np.ndarray | None = None) -> Block:
    """The :class:`Block` of the cells ``rows``; ``windows`` (rows x windows) is written to where it is given."""
    if windows is None:
        windows = np.empty((len(rows), plan.windows.n))
    arms = np.empty((len(rows), plan.arm_base.shape[1]))
    counts = plan.counts
    w = plan.windows
    kernels.smooth_rows(
        counts.data, counts.indices, counts.indptr, rows, plan.scale, plan.group, plan.bounds, plan.where, plan.clip,
        w.n_blocks, w.level, w.slope, w.stride, w.segments, plan.base, plan.arm_base, plan.longest, windows, arms,
    )  # fmt: skip
    sums, squares = np.empty(len(rows)), np.empty(len(rows))
    kernels.centre_rows(windows, row_medians(windows, plan.centre), sums, squares)
    return Block(windows, arms, sums, squares)


def row_medians(windows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Median of each row over ``columns``; 0 without any."""
    medians = np.zeros(len(windows))
    if len(columns):
        kernels.row_medians(windows, columns, medians)
    return medians


def blocks(
    plan: Plan, rows: np.ndarray, smooth: Smoother, finish: Callable[[Block], T], *, block: int, threads: int
) -> Iterator[T]:
    """``finish`` of every block of ``rows``, in order; at most ``2 * threads`` blocks are in memory."""
    parts = [rows[i : i + block] for i in range(0, len(rows), block)]
    return in_order(parts, lambda part: finish(smooth(plan, part)), threads=threads)


def in_order(parts: Sequence[S], work: Callable[[S], T], *, threads: int) -> Iterator[T]:
    """``work`` of every part, in their order; at most ``2 * threads`` are under way or waiting to be taken."""
    if threads <= 1:
        yield from map(work, parts)
        return
    with ThreadPoolExecutor(threads) as pool:
        waiting = []
        for part in parts:
            waiting.append(pool.submit(work, part))
            if len(waiting) >= 2 * threads:
                yield waiting.pop(0).result()
        for future in waiting:
            yield future.result()


def spread(
    plan: Plan, rows: np.ndarray, *, smooth: Smoother = smooth_on_cpu, block: int = BLOCK, threads: int = 1
) -> float:
    """SD of all windows of ``rows``, whatever their order and the blocks: sums of rows are added without rounding."""
    parts = list(blocks(plan, rows, smooth, lambda b: (b.sums, b.squares), block=block, threads=threads))
    return standard_deviation([p[0] for p in parts], [p[1] for p in parts], plan.windows.n)


def standard_deviation(sums: list[np.ndarray], squares: list[np.ndarray], n_windows: int) -> float:
    """SD from each row's sum and sum of squares over ``n_windows`` entries; 0 without entries."""
    n = sum(len(s) for s in sums) * n_windows
    if not n:
        return 0.0
    total, square = (math.fsum(np.concatenate(part).tolist()) for part in (sums, squares))
    return math.sqrt(max(square / n - (total / n) ** 2, 0.0))


def smooth_cells(
    plan: Plan,
    rows: np.ndarray,
    limit: float,
    *,
    smooth: Smoother = smooth_on_cpu,
    block: int = BLOCK,
    threads: int = 1,
) -> tuple[sp.csr_matrix, np.ndarray]:
    """Windows that reach ``limit`` (CSR float32, rows x windows) and arm sums (float64, rows x arms)."""
    kept: list[sp.csr_matrix] = []
    arms = np.empty((len(rows), plan.arm_base.shape[1] - 1))
    done = 0
    for windows, sums in blocks(plan, rows, smooth, lambda b: (b.kept(limit), b.arms), block=block, threads=threads):
        kept.append(windows)
        arms[done : done + len(sums)] = sums[:, :-1]
        done += len(sums)
    return stack(kept, plan.windows.n), arms


def stack(parts: list[sp.csr_matrix], n_columns: int) -> sp.csr_matrix:
    """Rows of CSR parts together; ``parts`` is emptied as it is copied, so that hardly more than one copy is held."""
    n_kept = sum(p.nnz for p in parts)
    data, indices = np.empty(n_kept, dtype=np.float32), np.empty(n_kept, dtype=np.int32)
    pointers = [np.zeros(1, dtype=np.int64)]
    at = 0
    parts.reverse()
    while parts:
        part = parts.pop()
        data[at : at + part.nnz], indices[at : at + part.nnz] = part.data, part.indices
        pointers.append(part.indptr[1:].astype(np.int64) + at)
        at += part.nnz
    indptr = np.concatenate(pointers)
    if n_kept < np.iinfo(np.int32).max:
        indptr = indptr.astype(np.int32)
    return sp.csr_matrix((data, indices, indptr), shape=(len(indptr) - 1, n_columns))
