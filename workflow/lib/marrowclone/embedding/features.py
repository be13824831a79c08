"""The cohort's kept cells, and the genes that shape their latent space."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd

from ..cells.genes import unwanted_for_latent
from ..cells.matrix import measured_by_file, read_cells
from ..tables import read_result

#: A batch with fewer cells does not rank genes on its own. [J]
MIN_BATCH = 50
#: A gene must be seen in this many cells to be ranked.
MIN_CELLS_PER_GENE = 3
#: A file with a smaller share of the median file's number of genes is a targeted panel. [J]
PANEL_SHARE = 0.5


def kept_cells(qc_paths: Sequence[str | Path]) -> pd.DataFrame:
    """Kept cells of all samples, sorted by id, so that the order of the sheet changes nothing.

    Returns
    -------
    DataFrame, index cell: n_umi_non_ig, pct_ig.
    """
    columns = ["cell", "keep", "n_umi_non_ig", "pct_ig"]
    tables = [read_result(path)[columns] for path in qc_paths]
    table = pd.concat(tables, ignore_index=True)
    kept = table[table["keep"].astype(bool)].drop(columns="keep")
    return kept.set_index("cell").sort_index()


def shared_genes(measured: np.ndarray) -> np.ndarray:
    """Genes for a latent space: those that every file measured, targeted panels apart.

    A file with less than :data:`PANEL_SHARE` of the genes of the median file has no say: else one
    capture with a panel of 500 genes would blind the whole cohort.

    Parameters
    ----------
    measured
        bool, files x genes.
    """
    n_genes = measured.sum(axis=1)
    whole = n_genes >= PANEL_SHARE * np.median(n_genes) if len(measured) else np.ones(0, dtype=bool)
    shared: np.ndarray = measured[whole].all(axis=0)
    return shared


def read_kept(paths: Sequence[str | Path], cells: pd.Index, batches: dict[str, str]) -> ad.AnnData:
    """Counts of the kept cells, over genes that every file measured and that may shape a latent space.

    Parameters
    ----------
    paths
        counts files.
    cells
        ids in the order wanted.
    batches
        sample -> batch; the result's ``obs["batch"]``.
    """
    counts = read_cells(paths, list(cells))
    usable = shared_genes(measured_by_file(paths)) & ~unwanted_for_latent(counts.var)
    counts = counts[:, usable].copy()
    counts.obs["batch"] = counts.obs["sample"].map(batches).astype(str)
    return counts


def variable_genes(counts: ad.AnnData, n_genes: int) -> np.ndarray:
    """The ``n_genes`` most variable genes by analytic Pearson residuals (Lause 2021, doi 10.1186/s13059-021-02451-7).

    Ranked within each batch of :data:`MIN_BATCH` cells or more, so that a difference between
    batches makes no gene variable; ranks are joined as scanpy does. Smaller batches are
    ranked together.

    Parameters
    ----------
    counts
        X CSR counts; obs batch.

    Returns
    -------
    bool array, one per gene of ``counts``.
    """
    import scanpy as sc

    seen = np.bincount(counts.X.indices, minlength=counts.n_vars) >= MIN_CELLS_PER_GENE
    if seen.sum() <= n_genes:
        return seen
    size = counts.obs["batch"].map(counts.obs["batch"].value_counts())
    small = (size < MIN_BATCH).to_numpy()
    group = counts.obs["batch"].astype(str).where(~small, " small")
    if small.sum() < MIN_BATCH and not small.all():  # too few even together: they go with the largest batch
        group = group.where(~small, group[~small].mode().iloc[0])
    data = ad.AnnData(X=counts.X[:, seen], obs=pd.DataFrame({"batch": group.astype("category")}))
    several = data.obs["batch"].nunique() > 1
    ranked = sc.experimental.pp.highly_variable_genes(
        data, flavor="pearson_residuals", n_top_genes=n_genes, batch_key="batch" if several else None, inplace=False
    )
    chosen = np.zeros(counts.n_vars, dtype=bool)
    chosen[np.flatnonzero(seen)[ranked["highly_variable"].to_numpy(dtype=bool)]] = True
    return chosen
