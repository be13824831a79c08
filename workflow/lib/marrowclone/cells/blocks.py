"""Going through a capture's counts block by block: of a counts file, memory follows a block and what is kept of it.

Every step of this chapter takes counts as an AnnData in memory or as a :class:`CountsFile`, and gives the same
for both: what it adds up are whole numbers, and what it keeps are rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import anndata as ad
import h5py
import numpy as np
import pandas as pd
from anndata.io import read_elem
from scipy import sparse

from .sources.base import row_ranges


class CountsFile:
    """A ``counts.h5ad`` whose tables are in memory and whose counts stay on disk.

    Attributes
    ----------
    obs, var, uns
        as AnnData has them.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        with h5py.File(path, "r") as file:
            self.obs: pd.DataFrame = read_elem(file["obs"])
            self.var: pd.DataFrame = read_elem(file["var"])
            self.uns: dict[str, Any] = read_elem(file["uns"])

    @property
    def obs_names(self) -> pd.Index:
        """Cells."""
        return self.obs.index

    @property
    def var_names(self) -> pd.Index:
        """Symbols."""
        return self.var.index

    @property
    def n_obs(self) -> int:
        """Number of barcodes."""
        return len(self.obs)

    @property
    def n_vars(self) -> int:
        """Number of genes."""
        return len(self.var)

    @property
    def shape(self) -> tuple[int, int]:
        """Barcodes, genes."""
        return self.n_obs, self.n_vars

    def blocks(self) -> Iterator[tuple[slice, sparse.csr_matrix]]:
        """As :func:`blocks_of`."""
        with h5py.File(self.path, "r") as file:
            group = file["X"]
            indptr = group["indptr"][()]
            for start, stop in row_ranges(indptr):
                low, high = int(indptr[start]), int(indptr[stop])
                yield (
                    slice(start, stop),
                    sparse.csr_matrix(
                        (group["data"][low:high], group["indices"][low:high], indptr[start : stop + 1] - indptr[start]),
                        shape=(stop - start, self.n_vars),
                    ),
                )


Counts: TypeAlias = ad.AnnData | CountsFile


def blocks_of(counts: Counts | sparse.csr_matrix) -> Iterator[tuple[slice, sparse.csr_matrix]]:
    """Rows and their CSR counts, in order; together all barcodes.

    Of a matrix in memory too: steps that need several numbers per value work on one block at a time.
    """
    if isinstance(counts, CountsFile):
        yield from counts.blocks()
        return
    matrix = sparse.csr_matrix(counts.X if isinstance(counts, ad.AnnData) else counts)
    for start, stop in row_ranges(matrix.indptr):
        yield slice(start, stop), matrix[start:stop]


def stack(blocks: Iterable[sparse.csr_matrix], n_columns: int, dtype: type = np.int32) -> sparse.csr_matrix:
    """Blocks of rows as one matrix.

    Unlike ``scipy.sparse.vstack`` it never holds all values twice: one of the two arrays is put together at a time.
    """
    data, indices, lengths = [], [], [np.zeros(1, dtype=np.int64)]
    for block in blocks:
        data.append(block.data.astype(dtype, copy=False))
        indices.append(block.indices.astype(np.int32, copy=False))
        lengths.append(np.diff(block.indptr).astype(np.int64))
    indptr = np.cumsum(np.concatenate(lengths))
    values = np.concatenate(data) if data else np.empty(0, dtype)
    data.clear()
    columns = np.concatenate(indices) if indices else np.empty(0, np.int32)
    indices.clear()
    if indptr[-1] <= np.iinfo(np.int32).max:
        indptr = indptr.astype(np.int32)
    return sparse.csr_matrix((values, columns, indptr), shape=(len(indptr) - 1, n_columns))


def collect(
    counts: Counts, columns: np.ndarray, rows: np.ndarray | None = None, *, dtype: type = np.int32
) -> sparse.csr_matrix:
    """Some genes (sorted columns) of some barcodes (bool; None: all), in one pass."""
    return stack(
        (part[:, columns] for part in _kept(counts, rows)),
        len(columns),
        dtype,
    )


def _kept(counts: Counts, rows: np.ndarray | None) -> Iterator[sparse.csr_matrix]:
    """Blocks without the rows that are not asked for."""
    for where, block in blocks_of(counts):
        if rows is None or rows[where].all():
            yield block
        elif rows[where].any():
            yield block[rows[where]]


def sum_rows(counts: Counts | sparse.csr_matrix, rows: np.ndarray) -> np.ndarray:
    """(columns,) UMIs over the barcodes for which ``rows`` (bool) is true, as float, in one pass."""
    total = np.zeros(counts.shape[1])
    for where, block in blocks_of(counts):
        if rows[where].any():
            total += np.asarray(rows[where].astype(np.float64) @ block).ravel()
    return total


def sum_groups(matrix: sparse.csr_matrix, member: sparse.csr_matrix) -> np.ndarray:
    """(groups x columns) UMIs; ``member``: groups x rows, 1 where a row is of the group."""
    total = np.zeros((member.shape[0], matrix.shape[1]))
    for where, block in blocks_of(matrix):
        total += (member[:, where] @ block).toarray()
    return total
