"""UMIs and genes per barcode, with and without immunoglobulin, of counts in memory or in a file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

from .blocks import Counts, CountsFile, blocks_of, stack
from .genes import hb_mask, ig_mask, mito_mask


def _masks(var: pd.DataFrame) -> np.ndarray:
    """genes x (all, Ig, mitochondrial, haemoglobin), 0 or 1."""
    sets = (np.ones(len(var), dtype=bool), ig_mask(var), mito_mask(var), hb_mask(var))
    return np.column_stack(sets).astype(np.int64)


class _Tally:
    """UMIs and genes of the barcodes of the blocks that were added."""

    def __init__(self, var: pd.DataFrame) -> None:
        self._masks = _masks(var)
        self._umis = [np.empty((0, 4), dtype=np.int64)]
        self._genes = [np.empty((0, 2), dtype=np.int64)]

    def add(self, block: sparse.csr_matrix) -> None:
        self._umis.append(block @ self._masks)
        detected = sparse.csr_matrix((block.data > 0, block.indices, block.indptr), shape=block.shape)
        self._genes.append(detected.astype(np.int8) @ self._masks[:, :2])

    def umi(self) -> np.ndarray:
        """barcodes x (all, Ig, mitochondrial, haemoglobin)."""
        return np.concatenate(self._umis)

    def table(self, cells: pd.Index) -> pd.DataFrame:
        umi, gene = self.umi(), np.concatenate(self._genes)
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


def metrics(counts: Counts) -> pd.DataFrame:
    """Counts per barcode, with and without immunoglobulin.

    Returns
    -------
    DataFrame, index cell: n_umi, n_genes, n_umi_non_ig, n_genes_non_ig (integers); pct_mito, pct_ig,
    pct_hb (% of all UMIs of the barcode; JCHAIN counts as Ig).
    """
    tally = _Tally(counts.var)
    for _, block in blocks_of(counts):
        tally.add(block)
    return tally.table(counts.obs_names)


def metrics_of_file(path: str | Path) -> pd.DataFrame:
    """The same of a counts file, read block by block: memory does not grow with the number of values."""
    return metrics(CountsFile(path))


@dataclass(frozen=True)
class Survey:
    """What one pass over a capture's counts tells.

    Attributes
    ----------
    table
        as :func:`metrics`.
    ig_umi, hb_umi
        (barcodes,) UMIs of immunoglobulin, of haemoglobin.
    gene_umi
        (genes,) UMIs over all barcodes, as float.
    chosen
        AnnData of the genes that were asked for, all barcodes; X CSR int32.
    """

    table: pd.DataFrame
    ig_umi: np.ndarray
    hb_umi: np.ndarray
    gene_umi: np.ndarray
    chosen: ad.AnnData


def survey(
    counts: Counts, genes: Iterable[str], also: Callable[[slice, sparse.csr_matrix], None] | None = None
) -> Survey:
    """Go through the counts once.

    Parameters
    ----------
    genes
        symbols whose counts are kept; those that the capture lacks are passed over.
    also
        what else is done with each block.
    """
    columns = np.flatnonzero(counts.var_names.isin(set(genes)))
    tally, gene_umi = _Tally(counts.var), np.zeros(counts.n_vars)

    def parts() -> Iterator[sparse.csr_matrix]:
        for where, block in blocks_of(counts):
            tally.add(block)
            gene_umi[:] += np.asarray(block.sum(axis=0, dtype=np.float64)).ravel()
            if also is not None:
                also(where, block)
            yield block[:, columns]

    chosen = ad.AnnData(
        X=stack(parts(), len(columns)), obs=pd.DataFrame(index=counts.obs_names), var=counts.var.iloc[columns]
    )
    umi = tally.umi()
    return Survey(tally.table(counts.obs_names), umi[:, 1], umi[:, 3], gene_umi, chosen)
