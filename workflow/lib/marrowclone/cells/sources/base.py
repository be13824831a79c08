"""What every reader of counts gives, and what every block of counts must pass."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from scipy import sparse

from ...errors import UserError, shown

GENE_EXPRESSION = "Gene Expression"
#: Stored values in one block: a block with its copies stays near 150 MB, whatever the depth of the cells.
BLOCK_VALUES = 1 << 22
RAW_HINT = "give raw UMI counts; normalised, log-transformed or corrected values cannot be turned back."
CUT_HINT = "the file may be cut off; compare its size and checksum with the original."


class OutOfOrderError(Exception):
    """A file that is read in one go turned out not to be sorted by barcode."""


class Blocks(Protocol):
    """Gives the blocks of a stream; ``spool`` asks for the way that needs no order in the file."""

    def __call__(self, spool: bool = False) -> Iterator[sparse.csr_matrix]:  # noqa: D102
        ...


@dataclass
class CountStream:
    """One capture as its file has it, read block by block.

    Attributes
    ----------
    path
        the file, for messages.
    barcodes, gene_ids, symbols
        strings; ids equal symbols where a file has one name only.
    blocks
        gives CSR int32 blocks, barcodes x features, in the order of ``barcodes``; together they are all of them.
    facts
        what was met on the way (plain numbers and strings); complete once the blocks are read.
    warnings
        what a person should know about the file.
    """

    path: Path
    barcodes: np.ndarray
    gene_ids: np.ndarray
    symbols: np.ndarray
    blocks: Blocks
    facts: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def consume(self, begin: Callable[[], Any], take: Callable[[Any, sparse.csr_matrix], None]) -> Any:
        """``take`` each block into what ``begin`` gave; both anew if the file proves unsorted."""
        for spool in (False, True):
            state = begin()
            repeated = 0
            try:
                for block in self.blocks(spool):
                    stored = block.nnz
                    block.sum_duplicates()
                    repeated += stored - block.nnz
                    block.eliminate_zeros()
                    take(state, block)
            except OutOfOrderError:
                continue
            if repeated:
                self.facts["n_repeated_entries"] = repeated
                self.warnings.append(f"{repeated} entries name a barcode and gene that had a count already: summed")
            return state
        raise AssertionError("a spooled file has no order to break")


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn what a broken file raises into words."""
    try:
        yield
    except (
        OSError, EOFError, zlib.error, zipfile.BadZipFile, ValueError, KeyError, IndexError, TypeError,
        AttributeError, RuntimeError,
    ) as error:  # fmt: skip
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"{shown(path)}: cannot be read as counts ({reason}).", hint=CUT_HINT) from None


def trouble(values: np.ndarray) -> str:
    """Why ``values`` are no counts, in words; empty when they are."""
    if not values.size or values.dtype == bool:
        return ""
    if np.issubdtype(values.dtype, np.floating):
        if not np.isfinite(values).all():
            return "values that are not finite"
        if (uneven := values != np.rint(values)).any():
            fraction = values[uneven]
            negative = fraction[fraction < 0]
            return (
                f"negative values ({negative[0]:g})" if negative.size else f"{fraction[0]:g}, which is no whole number"
            )
    if values.min() < 0:
        return f"negative values ({values.min():g})"
    if values.max() > np.iinfo(np.int32).max:
        return f"{values.max():g}, too large for a count"
    return ""


def checked(values: np.ndarray, path: Path, where: str) -> np.ndarray:
    """``values`` as int32.

    Raises
    ------
    UserError
        when they are not finite, negative, not whole or too large.
    """
    what = trouble(values)
    if what:
        raise UserError(f"{shown(path)}: {where} holds {what}.", hint=RAW_HINT)
    return values.astype(np.int32, copy=False)


def row_ranges(indptr: np.ndarray, most: int = BLOCK_VALUES) -> Iterator[tuple[int, int]]:
    """Ranges of rows with at most ``most`` stored values each (one row at least)."""
    start, n = 0, len(indptr) - 1
    while start < n:
        stop = int(np.searchsorted(indptr, indptr[start] + most, side="right")) - 1
        stop = min(max(stop, start + 1), n)
        yield start, stop
        start = stop


def check_indptr(indptr: np.ndarray, n_values: int, n_rows: int, path: Path) -> np.ndarray:
    """Row pointers as int64. UserError when they do not fit the matrix."""
    indptr = np.asarray(indptr).astype(np.int64)
    if len(indptr) != n_rows + 1 or indptr[0] != 0 or (np.diff(indptr) < 0).any() or indptr[-1] != n_values:
        raise UserError(
            f"{shown(path)}: the row pointers do not fit {n_rows} barcodes and {n_values} stored values.",
            hint=f"the file is damaged. {CUT_HINT}",
        )
    return indptr


def check_indices(indices: np.ndarray, size: int, path: Path, what: str) -> np.ndarray:
    """Indices that lie in 0 .. size - 1. UserError otherwise."""
    if indices.size and (indices.min() < 0 or indices.max() >= size):
        raise UserError(
            f"{shown(path)}: a {what} index lies outside the {size} there are.", hint="the file is damaged."
        )
    return indices


def remap(block: sparse.csr_matrix, column: np.ndarray, n_columns: int) -> sparse.csr_matrix:
    """Move each column to ``column[j]`` (several may share one; -1 drops it). Duplicates are not summed yet."""
    new = column[block.indices]
    data, indptr = block.data, block.indptr
    kept = new >= 0
    if not kept.all():
        indptr = np.concatenate([[0], np.cumsum(kept, dtype=np.int64)])[indptr]
        data, new = data[kept], new[kept]
    return sparse.csr_matrix((data, new, indptr), shape=(block.shape[0], n_columns))


def csr_blocks(group: Any, n_rows: int, n_columns: int, path: Path, where: str) -> Iterator[sparse.csr_matrix]:
    """Blocks of a stored CSR matrix (HDF5 or zarr group with data, indices, indptr)."""
    data, indices = group["data"], group["indices"]
    if data.shape != indices.shape:
        raise UserError(f"{shown(path)}: {data.shape[0]} values, but {indices.shape[0]} indices.", hint=CUT_HINT)
    indptr = check_indptr(group["indptr"][:], data.shape[0], n_rows, path)
    for start, stop in row_ranges(indptr):
        low, high = int(indptr[start]), int(indptr[stop])
        columns = check_indices(np.asarray(indices[low:high]), n_columns, path, "gene")
        values = checked(np.asarray(data[low:high]), path, where)
        yield sparse.csr_matrix((values, columns, indptr[start : stop + 1] - low), shape=(stop - start, n_columns))


def only_columns(blocks: Blocks, kept: np.ndarray) -> Blocks:
    """The same stream without the columns that ``kept`` (bool) leaves out."""
    column = np.where(kept, np.cumsum(kept) - 1, -1)
    n = int(kept.sum())

    def narrowed(spool: bool = False) -> Iterator[sparse.csr_matrix]:
        for block in blocks(spool):
            yield remap(block, column, n)

    return narrowed
