"""Droplets with genes of two lineages: doublets that scrublet cannot see, or cells in a broken neighbour's RNA.

Science 1.3 wants plasma-like cells with a high T, myeloid or erythroid score out. A percentile would always
remove 5%; here the UMIs of the other lineage are counted and held against what the soup, and cells of the
same kind, carry of it: a tumour that expresses such a gene as a whole is no conflict.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse, stats

from .coarse import T_NK

#: Kind of a cell -> nearest types that make it up. Others (progenitors, dendritic cells) share genes with
#: several lineages by nature, and are not judged.
HOSTS: dict[str, tuple[str, ...]] = {
    "plasma": ("plasma",), "t_nk": T_NK, "b": ("b_cell",), "monocyte": ("monocyte",), "macrophage": ("macrophage",),
    "erythroid": ("erythroid",),
}  # fmt: skip
#: Kind -> lineages that it cannot have. B cells and plasma cells are one lineage, and plasmablasts lie between:
#: of the two, B genes in plasma cells alone are judged. Macrophages eat red cells.
FOREIGN: dict[str, tuple[str, ...]] = {
    "plasma": ("t_nk", "myeloid", "erythroid", "b"), "t_nk": ("plasma", "myeloid", "erythroid", "b"),
    "b": ("t_nk", "myeloid", "erythroid"), "monocyte": ("t_nk", "plasma", "erythroid", "b"),
    "macrophage": ("t_nk", "plasma", "b"), "erythroid": ("t_nk", "plasma", "myeloid", "b"),
}  # fmt: skip
#: Times the expected UMIs at least; haemoglobin floats in clouds. [J]
LEAST_FOLD: dict[str, float] = {"erythroid": 10.0}
LEAST_FOLD_OTHERS = 3.0
#: Variance beyond chance of a lineage's UMIs between cells of one kind: var = mean + 0.5 mean^2. [J]
DISPERSION = 0.5
#: A rate is that of the cells that are not themselves conflicts; so often it is made anew.
ROUNDS = 4
#: With fewer cells of a kind there is no typical rate.
LEAST_CELLS = 10


def _tail(seen: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """P(as many UMIs or more) under a negative binomial."""
    size = 1 / DISPERSION
    p: np.ndarray = stats.nbinom.sf(seen - 1, size, size / (size + np.maximum(mean, 1e-9)))
    return p


def find_conflicts(
    counts: ad.AnnData,
    nearest: pd.Series,
    n_umi_non_ig: np.ndarray,
    floating: pd.DataFrame,
    *,
    lineages: pd.DataFrame,
    settings: Mapping[str, Any],
) -> pd.Series:
    """Which lineage a droplet shows beside its own.

    Parameters
    ----------
    counts
        barcodes that passed the other limits; X CSR counts.
    nearest
        nearest type of each barcode.
    n_umi_non_ig
        size of each barcode without Ig.
    floating
        (barcodes x symbols of ``lineages``) expected ambient UMIs; zeros where unknown.
    lineages
        ``resources/lineages.tsv``: lineage, symbol.
    settings
        ``conflict_p``, ``conflict_min_umi``, ``conflict_min_genes``.

    Returns
    -------
    Series of text: the lineage, or empty. Expected UMIs are the largest of: the droplet's ambient share; what
    cells of its kind carry per UMI of their size; what they carry per droplet (soup does not grow with a cell).
    """
    found = pd.Series("", index=counts.obs_names, dtype=object)
    best = np.ones(counts.n_obs)
    matrix = sparse.csr_matrix(counts.X)
    size = np.asarray(n_umi_non_ig, dtype=float)
    for lineage, rows in lineages.groupby("lineage", sort=True):
        genes = [g for g in rows["symbol"] if g in counts.var_names]
        part = matrix[:, counts.var_names.get_indexer(pd.Index(genes))]
        seen = np.asarray(part.sum(axis=1)).ravel()
        distinct = np.asarray((part > 0).sum(axis=1)).ravel()
        soup = floating.reindex(columns=genes).fillna(0.0).sum(axis=1).to_numpy()
        for kind, types in HOSTS.items():
            host = nearest.isin(types).to_numpy()
            if lineage not in FOREIGN[kind] or host.sum() < LEAST_CELLS:
                continue
            p, expected = _conflict_p(seen[host], size[host], soup[host], settings["conflict_p"])
            fold = LEAST_FOLD.get(str(lineage), LEAST_FOLD_OTHERS)
            strong = seen[host] >= fold * expected
            strong &= (seen[host] >= settings["conflict_min_umi"]) & (distinct[host] >= settings["conflict_min_genes"])
            where = np.flatnonzero(host)[strong & (p < settings["conflict_p"])]
            p_of = pd.Series(p, index=np.flatnonzero(host))[where].to_numpy()
            wins = p_of < best[where]
            best[where[wins]] = p_of[wins]
            found.iloc[where[wins]] = str(lineage)
    return found


def _conflict_p(seen: np.ndarray, size: np.ndarray, soup: np.ndarray, limit: float) -> tuple[np.ndarray, np.ndarray]:
    """p-value and expected UMIs of each cell of one kind, against the typical rate of those that are no conflict.

    Starts at medians: a kind of which a quarter are doublets has a mean that hides them.
    """
    per_umi, per_cell = float(np.median(seen / np.maximum(size, 1))), max(0.5, float(np.median(seen)))
    for _ in range(ROUNDS):
        expected = np.maximum.reduce([per_umi * size, np.full(seen.size, per_cell), soup])
        p = _tail(seen, expected)
        typical = p >= limit
        if not typical.any():
            break
        per_umi = seen[typical].sum() / max(size[typical].sum(), 1.0)
        per_cell = float(seen[typical].mean())
    return p, expected
