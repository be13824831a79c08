"""A light guess of each barcode's type, from markers alone: what limits and tests of one capture stand on."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

from .markers import PLASMA_ANCHORS, PLASMA_CORE, gene_z, log_normalised, panel_genes, type_scores

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
#: Types that make immunoglobulin.
IG_MAKERS = ("plasma", "b_cell", "pre_b", "pdc")


def coarse_types(counts: ad.AnnData, table: pd.DataFrame, panel: pd.DataFrame, scale_from: np.ndarray) -> pd.DataFrame:
    """A light guess of each barcode's type, from markers alone, for choosing its limits.

    A barcode is ``plasma`` when the plasma panel (no Ig gene in it) scores highest and three
    core genes are seen, one of them an anchor: soup alone does not make one.

    Returns
    -------
    DataFrame, index cell: nearest (best type of the panel), coarse (group).
    """
    genes = panel_genes(panel, counts.var_names)
    expression = log_normalised(counts, table["n_umi_non_ig"].to_numpy(), genes)
    scores = type_scores(gene_z(expression, scale_from), panel)
    nearest = scores.idxmax(axis=1)
    core = expression[[g for g in PLASMA_CORE if g in genes]].gt(0).sum(axis=1)
    anchor = expression[[g for g in PLASMA_ANCHORS if g in genes]].gt(0).any(axis=1)
    not_plasma = (nearest == "plasma") & ~((core >= 3) & anchor)
    if not_plasma.any() and scores.shape[1] > 1:
        nearest[not_plasma] = scores.loc[not_plasma].drop(columns="plasma").idxmax(axis=1)
    return pd.DataFrame({"nearest": nearest, "coarse": nearest.map(COARSE).fillna("lymphoid")})


def surely_t_nk(counts: ad.AnnData) -> np.ndarray:
    """Barcodes with two UMIs of genes that T and NK cells alone have.

    In a sorted sample the guess from markers calls some plasma cells T cells, and their Ig is no soup.
    """
    genes = counts.var_names.isin(T_NK_ONLY)
    found: np.ndarray = np.asarray(sparse.csr_matrix(counts.X) @ genes.astype(np.int64)).ravel() >= 2
    return found
