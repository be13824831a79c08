"""UMIs and genes per barcode, with and without immunoglobulin, of counts in memory or in a file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pandas as pd
from anndata.io import read_elem
from scipy import sparse

from .genes import hb_mask, ig_mask, mito_mask

#: Stored values looked at together.
BLOCK_VALUES = 1 << 22


def _masks(var: pd.DataFrame) -> np.ndarray:
    """genes x (all, Ig, mitochondrial, haemoglobin), 0 or 1."""
    sets = (np.ones(len(var), dtype=bool), ig_mask(var), mito_mask(var), hb_mask(var))
    return np.column_stack(sets).astype(np.int64)


def _ranges(indptr: np.ndarray) -> Iterator[tuple[int, int]]:
    """Ranges of rows with about :data:`BLOCK_VALUES` stored values."""
    start, n = 0, len(indptr) - 1
    while start < n:
        stop = int(np.searchsorted(indptr, int(indptr[start]) + BLOCK_VALUES, side="right")) - 1
        stop = min(max(stop, start + 1), n)
        yield start, stop
        start = stop


def _table(blocks: Iterable[sparse.csr_matrix], var: pd.DataFrame, cells: pd.Index) -> pd.DataFrame:
    masks = _masks(var)
    umis, genes = [np.empty((0, 4), dtype=np.int64)], [np.empty((0, 2), dtype=np.int64)]
    for block in blocks:
        umis.append(block @ masks)
        detected = sparse.csr_matrix((block.data > 0, block.indices, block.indptr), shape=block.shape)
        genes.append(detected.astype(np.int8) @ masks[:, :2])
    umi = np.concatenate(umis)
    gene = np.concatenate(genes)
    per_cent = 100 / np.maximum(umi[:, 0], 1)
    return pd.DataFrame(
        {
            "n_umi": umi[:, 0],
            "n_genes": gene[:, 0],
            "n_umi_non_ig": umi[:, 0] - umi[:, 1],
            "n_genes_non_ig": gene[:, 0] - gene[:, 1],
            "pct_mito": umi[:, 2] * per_cent,
            "pct_ig": umi[:, 1] * per_cent,
            "pct_hb": umi[:, 3] * per_cent,
        },
        index=cells,
    )


def metrics(counts: ad.AnnData) -> pd.DataFrame:
    """Counts per barcode, with and without immunoglobulin.

    Returns
    -------
    DataFrame, index cell: n_umi, n_genes, n_umi_non_ig, n_genes_non_ig (integers); pct_mito, pct_ig,
    pct_hb (% of all UMIs of the barcode; JCHAIN counts as Ig).
    """
    matrix = sparse.csr_matrix(counts.X)
    pieces = (matrix[start:stop] for start, stop in _ranges(matrix.indptr))
    return _table(pieces, counts.var, counts.obs_names)


def metrics_of_file(path: str | Path) -> pd.DataFrame:
    """The same of a counts file, read block by block: memory does not grow with the number of values."""
    with h5py.File(path, "r") as file:
        obs, var = read_elem(file["obs"]), read_elem(file["var"])
        group = file["X"]
        indptr = group["indptr"][()]

        def pieces() -> Iterator[sparse.csr_matrix]:
            for start, stop in _ranges(indptr):
                low, high = int(indptr[start]), int(indptr[stop])
                yield sparse.csr_matrix(
                    (group["data"][low:high], group["indices"][low:high], indptr[start : stop + 1] - indptr[start]),
                    shape=(stop - start, len(var)),
                )

        return _table(pieces(), var, obs.index)
