"""The one way in which other chapters read counts.

Files are read in blocks of rows, and of each block only the cells and genes that are asked
for are kept: memory follows what is asked, not what lies on disk.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pandas as pd
from anndata.io import read_elem
from scipy import sparse

from ..resources import gene_table

#: Rows read at a time.
BLOCK = 4096
_VAR = ["gene_id", "chromosome", "start", "end", "arm", "locus"]


def _blocks(group: h5py.Group, rows: np.ndarray, columns: np.ndarray, n_columns: int) -> Iterator[sparse.csr_matrix]:
    """Blocks of ``rows`` (sorted) x ``columns`` of a stored CSR matrix; blocks without rows are not read."""
    indptr = group["indptr"][()]
    whole = np.array_equal(columns, np.arange(n_columns))
    for start in range(0, len(indptr) - 1, BLOCK):
        stop = min(start + BLOCK, len(indptr) - 1)
        wanted = rows[np.searchsorted(rows, start) : np.searchsorted(rows, stop)] - start
        if not wanted.size:
            continue
        low, high = indptr[start], indptr[stop]
        block = sparse.csr_matrix(
            (group["data"][low:high], group["indices"][low:high], indptr[start : stop + 1] - low),
            shape=(stop - start, n_columns),
        )
        block = block if wanted.size == stop - start else block[wanted]
        yield block if whole else block[:, columns]


def _read_one(path: str | Path, wanted: pd.Index | None, columns: np.ndarray) -> tuple[sparse.csr_matrix, pd.DataFrame]:
    """The wanted cells of one file, in the file's order."""
    with h5py.File(path, "r") as file:
        obs = read_elem(file["obs"])[["sample", "barcode"]].astype(str)
        rows = np.arange(len(obs)) if wanted is None else np.flatnonzero(obs.index.isin(wanted))
        n_columns = int(file["X"].attrs["shape"][1])
        parts = list(_blocks(file["X"], rows, columns, n_columns))
    empty = sparse.csr_matrix((0, len(columns)), dtype=np.int32)
    return (sparse.vstack(parts, format="csr") if parts else empty), obs.iloc[rows]


def measured_by_file(paths: Sequence[str | Path]) -> np.ndarray:
    """Which reference genes each file measured.

    Returns
    -------
    bool, files x rows of :func:`marrowclone.resources.gene_table`.
    """
    n = len(gene_table())
    measured = np.ones((len(paths), n), dtype=bool)
    for row, path in enumerate(paths):
        with h5py.File(path, "r") as file:
            measured[row] = np.asarray(read_elem(file["var/measured"]), dtype=bool)[:n]
    return measured


def measured_everywhere(paths: Sequence[str | Path]) -> np.ndarray:
    """Which reference genes every file measured.

    A gene that one file's annotation lacks is zero there for no biological reason.

    Returns
    -------
    bool array, one per row of :func:`marrowclone.resources.gene_table`; all true for no files.
    """
    measured: np.ndarray = np.all(measured_by_file(paths), axis=0)
    return measured


def read_cells(
    paths: Sequence[str | Path], cells: Sequence[str] | None = None, *, genes: Sequence[str] | None = None
) -> ad.AnnData:
    """Raw counts of cells from one or more ``counts.h5ad``, over the reference genes only.

    Parameters
    ----------
    paths
        files of :func:`marrowclone.cells.load.write_counts`.
    cells
        cell ids; the result has them in this order. None: all, file by file.
    genes
        reference symbols to restrict to, in the result's order. None: all, in genome order.

    Returns
    -------
    AnnData: X CSR int32; obs sample, barcode; var gene_id, chromosome, start, end, arm, locus, measured
    (in every file that was given).

    Raises
    ------
    KeyError
        for a cell or gene that is nowhere.
    """
    table = gene_table().set_index("symbol")[_VAR]
    columns = np.arange(len(table)) if genes is None else table.index.get_indexer(pd.Index(genes))
    if (columns < 0).any():
        raise KeyError(f"not in the gene table: {list(np.asarray(genes)[columns < 0][:3])}")
    wanted = None if cells is None else pd.Index(cells)
    if wanted is not None and not wanted.is_unique:
        raise KeyError("a cell is asked for twice")
    parts = [_read_one(path, wanted, columns) for path in paths]
    matrix = sparse.vstack([m for m, _ in parts] or [sparse.csr_matrix((0, len(columns)))], format="csr")
    obs = pd.concat([o for _, o in parts]) if parts else pd.DataFrame(columns=["sample", "barcode"], dtype=str)
    if wanted is not None:
        order = obs.index.get_indexer(wanted)
        if (order < 0).any():
            raise KeyError(f"cells that no file holds: {list(wanted[order < 0][:3])}")
        if not np.array_equal(order, np.arange(len(obs))):
            matrix, obs = matrix[order], obs.iloc[order]
    var = table.assign(measured=measured_everywhere(paths)).iloc[columns]
    matrix = matrix.astype(np.int32, copy=False)
    matrix.sort_indices()
    return ad.AnnData(X=matrix, obs=obs, var=var)


def with_genes_of(counts: ad.AnnData, paths: Sequence[str | Path], genes: Sequence[str]) -> ad.AnnData:
    """``counts`` of :func:`read_cells`, but with these genes as other counts files of the same cells have them."""
    genes = [gene for gene in genes if gene in counts.var_names]
    places = counts.var_names.get_indexer(pd.Index(genes))
    spread = sparse.csr_matrix(
        (np.ones(len(genes), np.int32), (np.arange(len(genes)), places)), shape=(len(genes), counts.n_vars)
    )
    keep = np.ones(counts.n_vars, dtype=np.int32)
    keep[places] = 0
    other = read_cells(paths, list(counts.obs_names), genes=genes).X @ spread
    matrix = (sparse.csr_matrix(counts.X) @ sparse.diags(keep, format="csr", dtype=np.int32) + other).tocsr()
    matrix.eliminate_zeros()
    matrix.sort_indices()
    return ad.AnnData(X=matrix.astype(np.int32), obs=counts.obs, var=counts.var)
