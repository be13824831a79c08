"""The inner loops of the signal, compiled: one pass over the non-zeros gives windows and arms.

Every cell is worked on by itself and in one order, so nothing depends on chunks or threads. No function
allocates more than a block of rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numba
import numpy as np

#: Whole counts below this have their log1p from a table that is made once per cell.
SMALL = 32
#: Bins in which a row's median is looked for.
BINS = 1024


def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compiled at its first call (some seconds for all of them), and kept on disk where a folder can be written.

    numba keeps it beside this file, else in the user's cache folder; a change of this file or another processor makes
    it anew. All kernels stand in this one file because numba looks at no other for changes.
    """
    try:
        return numba.njit(nogil=True, cache=True)(function)
    except RuntimeError:  # neither folder can be written
        return numba.njit(nogil=True)(function)


@_compiled
def _logged(values, by, logs, out):  # type: ignore[no-untyped-def]
    """log1p of one cell's counts scaled ``by``; the values themselves where ``by`` is 0. ``logs`` is scratch."""
    if by <= 0:
        for j in range(values.shape[0]):
            out[j] = values[j]
        return
    for k in range(SMALL):
        logs[k] = math.log1p(k * by)
    for j in range(values.shape[0]):
        x = np.float64(values[j])
        whole = int(x)
        if whole == x and 0 <= whole < SMALL:
            out[j] = logs[whole]
        else:
            out[j] = math.log1p(x * by)


@_compiled
def _to_windows(total, moment, level, slope, stride, segments, out):  # type: ignore[no-untyped-def]
    """Add a cell's blocks (sum and first moment of each) to its windows."""
    for s in range(segments.shape[0]):
        start, stop, block = int(segments[s, 0]), int(segments[s, 1]), int(segments[s, 2])
        if segments[s, 3] > 0:
            out[start] += total[block] * segments[s, 3]
            continue
        o = out[start:stop]
        for k in range(level.shape[0]):
            a, b = level[k], slope[k]
            t, m = total[block + k :], moment[block + k :]
            if stride == 1:
                for w in range(stop - start):
                    o[w] += a * t[w] + b * m[w]
            else:
                for w in range(stop - start):
                    o[w] += a * t[w * stride] + b * m[w * stride]


@_compiled
def smooth_dense(values, block, place, n_blocks, level, slope, stride, segments, arm, windows, arms):  # type: ignore[no-untyped-def]
    """Windows and arm sums of dense rows (rows x genes); ``windows`` and ``arms`` are zero before."""
    for i in range(values.shape[0]):
        total, moment = np.zeros(n_blocks), np.zeros(n_blocks)
        for c in range(values.shape[1]):
            total[block[c]] += values[i, c]
            moment[block[c]] += values[i, c] * place[c]
            arms[i, arm[c]] += values[i, c]
        _to_windows(total, moment, level, slope, stride, segments, windows[i])


@_compiled
def smooth_rows(  # type: ignore[no-untyped-def]
    data, indices, indptr, rows, scale, group, bounds, where, clip,
    n_blocks, level, slope, stride, segments, base, arm_base, longest, windows, arms,
):  # fmt: skip
    """Windows and arm sums of the cells ``rows`` of a CSR matrix.

    ``scale`` per cell: counts become ``log1p(scale * count)``; 0 for values that are logged already.
    ``bounds`` (groups x genes x 4): lower and upper reference, what an empty cell shows, place in the block;
    ``where`` (genes x 2): block (-1: the gene does not count) and arm. Side by side, for one fetch per gene.
    ``base`` and ``arm_base`` are the smoothed empty cells, ``longest`` the most non-zeros of a row.
    """
    total, moment = np.empty(n_blocks), np.empty(n_blocks)
    logs, values = np.empty(SMALL), np.empty(longest)
    for i in range(rows.shape[0]):
        row = rows[i]
        g = group[row]
        reference, sums = bounds[g], arms[i]
        windows[i, :] = base[g]
        sums[:] = arm_base[g]
        total[:] = 0.0
        moment[:] = 0.0
        first, last = indptr[row], indptr[row + 1]
        _logged(data[first:last], scale[row], logs, values)
        arm, of_arm = 0, 0.0  # neighbours mostly share an arm: added up before they are stored
        for j in range(first, last):
            gene = indices[j]
            block = where[gene, 0]
            if block < 0:
                continue
            x = values[j - first]
            d = max(x - reference[gene, 1], 0.0) + min(x - reference[gene, 0], 0.0)
            d = min(max(d, -clip), clip) - reference[gene, 2]
            total[block] += d
            moment[block] += d * reference[gene, 3]
            if where[gene, 1] != arm:
                sums[arm] += of_arm
                arm, of_arm = where[gene, 1], 0.0
            of_arm += d
        sums[arm] += of_arm
        _to_windows(total, moment, level, slope, stride, segments, windows[i])


@_compiled
def row_medians(values, columns, medians):  # type: ignore[no-untyped-def]
    """Median of each row over ``columns`` (at least one), exactly; values are finite.

    The values are counted in equal bins of their range, and only the bin with the middle is sorted:
    less than half the time of a partition.
    """
    n = columns.shape[0]
    upper = n // 2
    part, inside = np.empty(n), np.empty(n)
    count = np.empty(BINS, dtype=np.int64)
    for i in range(values.shape[0]):
        low = high = values[i, columns[0]]
        for j in range(n):
            v = values[i, columns[j]]
            part[j] = v
            low, high = min(low, v), max(high, v)
        factor = BINS / (high - low) if high > low else 0.0
        if factor == 0.0 or not math.isfinite(factor):  # all alike, or too narrow to be divided
            ordered = np.sort(part)
            medians[i] = ordered[upper] if n % 2 else 0.5 * (ordered[upper - 1] + ordered[upper])
            continue
        count[:] = 0
        for j in range(n):
            count[min(int((part[j] - low) * factor), BINS - 1)] += 1
        below, middle = 0, 0
        while below + count[middle] <= upper:
            below += count[middle]
            middle += 1
        m, before = 0, low
        for j in range(n):
            k = min(int((part[j] - low) * factor), BINS - 1)
            if k == middle:
                inside[m] = part[j]
                m += 1
            elif k < middle:
                before = max(before, part[j])
        ordered = np.sort(inside[:m])
        medians[i] = ordered[upper - below]
        if n % 2 == 0:
            other = ordered[upper - below - 1] if upper > below else before
            medians[i] = 0.5 * (other + medians[i])


@_compiled
def centre_rows(windows, centre, sums, squares):  # type: ignore[no-untyped-def]
    """Subtract each row's centre in place; sum and sum of squares of each row."""
    for i in range(windows.shape[0]):
        s, q = 0.0, 0.0
        for w in range(windows.shape[1]):
            v = windows[i, w] - centre[i]
            windows[i, w] = v
            s += v
            q += v * v
        sums[i], squares[i] = s, q


@_compiled
def count_kept(windows, limit, kept):  # type: ignore[no-untyped-def]
    """Entries of each row that are neither below the limit nor 0."""
    for i in range(windows.shape[0]):
        n = 0
        for w in range(windows.shape[1]):
            v = abs(windows[i, w])
            n += v >= limit and np.float32(v) != 0
        kept[i] = n


@_compiled
def take_kept(windows, limit, indptr, indices, data):  # type: ignore[no-untyped-def]
    """Write the entries that :func:`count_kept` counted, as CSR float32."""
    for i in range(windows.shape[0]):
        j = indptr[i]
        for w in range(windows.shape[1]):
            v = windows[i, w]
            if abs(v) >= limit and np.float32(v) != 0:
                indices[j], data[j] = w, v
                j += 1


@_compiled
def gene_sums(data, indices, indptr, rows, scale, part, column, longest, sums):  # type: ignore[no-untyped-def]
    """Add the (logged) values of ``rows`` to ``sums`` (parts x genes), each to the part that ``part`` says.

    ``column`` is each gene's place in ``sums``, -1 for none.
    """
    logs, values = np.empty(SMALL), np.empty(longest)
    for i in range(rows.shape[0]):
        first, last = indptr[rows[i]], indptr[rows[i] + 1]
        _logged(data[first:last], scale[rows[i]], logs, values)
        for j in range(first, last):
            c = column[indices[j]]
            if c >= 0:
                sums[part[i], c] += values[j - first]


@_compiled
def weighted_rows(data, indices, indptr, rows, weight, sums):  # type: ignore[no-untyped-def]
    """Sum over each row's values times the genes' weights."""
    for i in range(rows.shape[0]):
        s = 0.0
        for j in range(indptr[rows[i]], indptr[rows[i] + 1]):
            s += data[j] * weight[indices[j]]
        sums[i] = s
