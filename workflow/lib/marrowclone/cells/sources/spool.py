"""Turning entries that come in any order into blocks of rows, in bounded memory.

Entries are gone through twice: once to count them per row, once to put each into the part of
a temporary file that belongs to its group of rows. Then group after group is read back.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator

import numpy as np
from scipy import sparse

from .base import BLOCK_VALUES, row_ranges

#: rows, columns, values (int32), all of one length.
Entries = tuple[np.ndarray, np.ndarray, np.ndarray]


def by_rows(
    entries: Callable[[], Iterator[Entries]], shape: tuple[int, int], most: int = BLOCK_VALUES
) -> Iterator[sparse.csr_matrix]:
    """CSR blocks of rows from entries in any order.

    Parameters
    ----------
    entries
        starts anew at each call; its indices lie within ``shape``.
    most
        stored values per block (a row is never divided). The temporary file takes 12 bytes per entry.
    """
    n_rows, n_columns = shape
    counts = np.zeros(n_rows, dtype=np.int64)
    for rows, _, _ in entries():
        counts += np.bincount(rows, minlength=n_rows)
    indptr = np.concatenate([[0], np.cumsum(counts)])
    ranges = list(row_ranges(indptr, most))
    starts = np.array([start for start, _ in ranges], dtype=np.int64)
    filled = indptr[starts] if len(ranges) else starts
    with tempfile.TemporaryFile(prefix="marrowclone.") as file:
        for rows, columns, values in entries():
            group = np.searchsorted(starts, rows, side="right") - 1
            order = np.argsort(group, kind="stable")
            table = np.column_stack([rows, columns, values]).astype(np.int32)[order]
            present, first = np.unique(group[order], return_index=True)
            for g, part in zip(present, np.split(table, first[1:]), strict=True):
                file.seek(12 * int(filled[g]))
                file.write(part.tobytes())
                filled[g] += len(part)
        for start, stop in ranges:
            low, high = int(indptr[start]), int(indptr[stop])
            file.seek(12 * low)
            part = np.frombuffer(file.read(12 * (high - low)), dtype=np.int32).reshape(-1, 3)
            order = np.argsort(part[:, 0], kind="stable")
            yield sparse.csr_matrix(
                (part[order, 2], part[order, 1], indptr[start : stop + 1] - low), shape=(stop - start, n_columns)
            )
