"""The marker panel, and scores of cells against it.

Scores are made so that they mean the same in a sorted sample of plasma cells alone as in a
mixed marrow: each gene's z is taken against a background of which half is the cells at hand
and half is a cell that expresses none of the gene. A plain z-score over the cells would be
zero for every plasma cell of a CD138-sorted sample, and ambient haemoglobin would win.
"""

from __future__ import annotations

from collections.abc import Iterable

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

#: Library size after Ig genes are taken out, to which cells are scaled before log1p.
TARGET_UMI = 10_000.0
#: Least SD of a gene in log1p(per 10,000): keeps a few ambient molecules from becoming a large z. [J]
SD_FLOOR = 0.5
#: Largest |z| of a gene: a few cells of a rare type must not carry the mean of a whole cluster. [J]
MOST_Z = 3.0
#: Weight of a state's guard ("-") genes beside its positive ones. [J]
GUARD_WEIGHT = 0.5


def panel_genes(panel: pd.DataFrame, known: Iterable[str]) -> list[str]:
    """Symbols of the panel that are in ``known``, once each, in the panel's order."""
    there = set(known)
    return [g for g in dict.fromkeys(panel["symbol"]) if g in there]


def log_normalised(counts: ad.AnnData, n_umi_non_ig: np.ndarray, genes: list[str]) -> pd.DataFrame:
    """log1p of counts per 10,000 non-Ig UMIs, for some genes.

    Ig genes and JCHAIN are out of the size factor: otherwise a cell's Ig output shifts every
    other gene (science 1.3).

    Parameters
    ----------
    counts
        X CSR, cells x genes.
    n_umi_non_ig
        one per cell; cells with none get zeros.
    genes
        symbols of ``counts.var``.

    Returns
    -------
    DataFrame float32, cells x ``genes`` (dense: ask for a panel, not for all genes).
    """
    columns = counts.var_names.get_indexer(pd.Index(genes))
    values = log_per_umi(sparse.csr_matrix(counts.X)[:, columns], n_umi_non_ig)
    return pd.DataFrame(values, index=counts.obs_names, columns=genes)


def log_per_umi(counts: sparse.csr_matrix, n_umi_non_ig: np.ndarray) -> np.ndarray:
    """:func:`log_normalised` of a matrix of the genes alone: float32, dense."""
    values = counts.toarray().astype(np.float32)
    umi = np.asarray(n_umi_non_ig, dtype=np.float64)
    factor = np.divide(TARGET_UMI, umi, out=np.zeros_like(umi), where=umi > 0)
    values *= factor[:, None].astype(np.float32)
    logged: np.ndarray = np.log1p(values)
    return logged


def gene_z(expression: pd.DataFrame) -> pd.DataFrame:
    """z of each gene against a background that is half these cells, half a cell without the gene.

    With m the mean and q the mean square over cells, the background's mean is m/2 and its
    variance q/2 - m^2/4. Clipped at :data:`MOST_Z`.

    Parameters
    ----------
    expression
        cells x genes, log-normalised.
    """
    return z_against(expression, expression.mean(axis=0), (expression**2).mean(axis=0))


def z_against(expression: pd.DataFrame, mean: pd.Series, mean_square: pd.Series) -> pd.DataFrame:
    """:func:`gene_z` with each gene's mean and mean square over the cells of the background."""
    half = mean / 2
    variance = mean_square / 2 - half**2
    deviation = (variance.clip(lower=0) ** 0.5).clip(lower=SD_FLOOR)
    z: pd.DataFrame = (expression - half) / deviation
    return z.clip(lower=-MOST_Z, upper=MOST_Z)


def state_score(z: pd.DataFrame, wanted: Iterable[str], guards: Iterable[str]) -> pd.Series:
    """Mean z of the wanted genes less half the mean positive part of z of the guards, per cell.

    Genes that ``z`` lacks are left out; -inf without any wanted one. A gene that a cell's capture did not measure is
    NaN and left out for that cell; where it measured none, the cell gets the lowest possible z: nothing speaks for it.
    """
    there, against = ([g for g in genes if g in z.columns] for genes in (wanted, guards))
    if there:
        score = z[there].mean(axis=1).fillna(-MOST_Z)
    else:
        score = pd.Series(-np.inf, index=z.index)
    if against:
        score = score - GUARD_WEIGHT * z[against].clip(lower=0).mean(axis=1).fillna(0.0)
    return score


def type_scores(z: pd.DataFrame, panel: pd.DataFrame) -> pd.DataFrame:
    """Score of every cell for every type of the panel: that of the type's best state (:func:`state_score`).

    Returns
    -------
    DataFrame, cells x cell types (in the panel's order).
    """
    states: dict[str, list[np.ndarray]] = {}
    for (cell_type, _), rows in panel.groupby(["cell_type", "state"], sort=False):
        wanted, guards = (rows.loc[rows["direction"] == sign, "symbol"] for sign in "+-")
        states.setdefault(str(cell_type), []).append(state_score(z, wanted, guards).to_numpy())
    return pd.DataFrame({t: np.max(s, axis=0) for t, s in states.items()}, index=z.index)


#: Genes that plasma cells have beside their immunoglobulin (science 1.1).
PLASMA_CORE: tuple[str, ...] = (
    "SDC1", "TNFRSF17", "XBP1", "PRDM1", "MZB1", "DERL3", "FKBP11", "SEC11C", "TXNDC11", "SLAMF7",
)  # fmt: skip
#: Those that other marrow cells lack or have little of; one has to be seen.
PLASMA_ANCHORS: tuple[str, ...] = ("SDC1", "TNFRSF17", "MZB1", "DERL3")
#: What a doublet of a plasma cell, or another cell in plasma-cell soup, shows. Not LYZ: in a marrow full of
#: monocytes every droplet carries some.
PLASMA_CONFLICT: tuple[str, ...] = (
    "MS4A1", "CD3D", "CD3E", "LILRA4", "CLEC4C", "CD14", "NKG7", "EPCAM", "KRT8", "KRT19",
)  # fmt: skip
