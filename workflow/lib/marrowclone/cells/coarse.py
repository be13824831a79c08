"""A light guess of each barcode's type, from markers alone: what limits and tests of one capture stand on."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

from .markers import PLASMA_ANCHORS, PLASMA_CORE, log_per_umi, panel_genes, type_scores, z_against

#: Groups for upper limits: coarse, because typing comes later. Types that are not named: ``lymphoid``.
COARSE: dict[str, str] = {
    "plasma": "plasma", "erythroid": "erythroid", "megakaryocyte": "erythroid",
    "monocyte": "myeloid", "macrophage": "myeloid", "dendritic": "myeloid", "neutrophil": "myeloid",
    "eo_baso_mast": "myeloid", "hspc": "progenitor", "stromal": "stromal", "osteoblast": "stromal",
    "endothelial": "stromal",
}  # fmt: skip
T_NK = ("cd4_t", "cd8_t", "nk", "innate_t")
#: Genes of T and NK cells alone (science 1.1, and the T-cell receptor's constant genes).
T_NK_ONLY = ("CD3D", "CD3E", "CD3G", "TRAC", "TRBC1", "TRBC2", "NKG7", "GNLY", "KLRD1", "KLRF1")
#: Barcodes scored at a time: the dense tables of an unfiltered capture's barcodes would outgrow its counts. Not
#: the blocks of the file, so that those change nothing.
ROWS = 8192
#: Types that make immunoglobulin.
IG_MAKERS = ("plasma", "b_cell", "pre_b", "pdc")


def coarse_types(counts: ad.AnnData, table: pd.DataFrame, panel: pd.DataFrame, scale_from: np.ndarray) -> pd.DataFrame:
    """A light guess of each barcode's type, from markers alone, for choosing its limits.

    ``counts`` may be of the panel's genes alone (what :func:`marrowclone.cells.metrics.survey` chose).
    A barcode is ``plasma`` when the plasma panel (no Ig gene in it) scores highest and three
    core genes are seen, one of them an anchor: soup alone does not make one.

    Returns
    -------
    DataFrame, index cell: nearest (best type of the panel), coarse (group).
    """
    genes = panel_genes(panel, counts.var_names)
    matrix = sparse.csr_matrix(counts.X)[:, counts.var_names.get_indexer(pd.Index(genes))]
    umi = table["n_umi_non_ig"].to_numpy()
    mean, square = _background(matrix, umi, scale_from if scale_from.any() else np.ones_like(scale_from))
    found = [pd.Series([], dtype=object)]
    for start in range(0, matrix.shape[0], ROWS):
        rows = slice(start, start + ROWS)
        expression = pd.DataFrame(log_per_umi(matrix[rows], umi[rows]), index=table.index[rows], columns=genes)
        z = z_against(expression, pd.Series(mean, index=genes), pd.Series(square, index=genes))
        found.append(_nearest(expression, type_scores(z, panel)))
    nearest = pd.concat(found[1:]) if len(found) > 1 else found[0]
    return pd.DataFrame({"nearest": nearest, "coarse": nearest.map(COARSE).fillna("lymphoid")})


def _background(matrix: sparse.csr_matrix, umi: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and mean square of each gene over some rows: summed as float64, so that their order is of no account."""
    total, squares = np.zeros(matrix.shape[1]), np.zeros(matrix.shape[1])
    for start in range(0, matrix.shape[0], ROWS):
        here = rows[start : start + ROWS]
        values = log_per_umi(matrix[start : start + ROWS][here], umi[start : start + ROWS][here]).astype(np.float64)
        total += values.sum(axis=0)
        squares += (values**2).sum(axis=0)
    n = max(int(rows.sum()), 1)
    return (total / n).astype(np.float32), (squares / n).astype(np.float32)


def _nearest(expression: pd.DataFrame, scores: pd.DataFrame) -> pd.Series:
    """Best type of each barcode; plasma only with core genes."""
    nearest: pd.Series = scores.idxmax(axis=1)
    core = expression[[g for g in PLASMA_CORE if g in expression]].gt(0).sum(axis=1)
    anchor = expression[[g for g in PLASMA_ANCHORS if g in expression]].gt(0).any(axis=1)
    not_plasma = (nearest == "plasma") & ~((core >= 3) & anchor)
    if not_plasma.any() and scores.shape[1] > 1:
        nearest[not_plasma] = scores.loc[not_plasma].drop(columns="plasma").idxmax(axis=1)
    return nearest


def surely_t_nk(counts: ad.AnnData) -> np.ndarray:
    """Barcodes with two UMIs of genes that T and NK cells alone have.

    In a sorted sample the guess from markers calls some plasma cells T cells, and their Ig is no soup.
    """
    genes = np.flatnonzero(counts.var_names.isin(T_NK_ONLY))
    found: np.ndarray = np.asarray(sparse.csr_matrix(counts.X)[:, genes].sum(axis=1, dtype=np.int64)).ravel() >= 2
    return found
