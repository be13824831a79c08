"""Droplets with genes of two lineages: doublets that scrublet cannot see, or cells in a broken neighbour's RNA.

Science 1.3 wants plasma-like cells with a high T, myeloid or erythroid score out. A percentile would always
remove 5%; here the UMIs of the other lineage are counted and held against what the soup, and cells of the
same kind, carry of it: a tumour that expresses such a gene as a whole is no conflict.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
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
#: Kind -> its own lineage.
OWN: dict[str, str] = {
    "plasma": "plasma", "t_nk": "t_nk", "b": "b", "monocyte": "myeloid", "macrophage": "myeloid",
    "erythroid": "erythroid",
}  # fmt: skip
#: UMIs of its own lineage that a doublet shows, and how much weaker the evidence for them may be. [J]
LEAST_OWN_UMI, OWN_TIMES = 2, 10.0
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
    matrix = sparse.csr_matrix(counts.X)
    size = np.asarray(n_umi_non_ig, dtype=float)
    hosts = {kind: nearest.isin(types).to_numpy() for kind, types in HOSTS.items()}
    shown = {
        str(name): _Shown.of(counts, matrix, rows["symbol"], floating) for name, rows in lineages.groupby("lineage")
    }
    # what cells of a kind carry of a lineage, held against every droplet
    held = {
        (kind, name): _held(of, size, host, settings["conflict_p"])
        for kind, host in hosts.items()
        for name, of in shown.items()
        if host.sum() >= LEAST_CELLS
    }
    found = pd.Series("", index=counts.obs_names, dtype=object)
    best = np.ones(counts.n_obs)
    for (kind, name), (p, expected) in held.items():
        if name not in FOREIGN[kind]:
            continue
        of = shown[name]
        strong = (of.seen >= LEAST_FOLD.get(name, LEAST_FOLD_OTHERS) * expected) & (p < settings["conflict_p"])
        strong &= (of.seen >= settings["conflict_min_umi"]) & (of.distinct >= settings["conflict_min_genes"])
        strong &= hosts[kind] & _not_the_other(OWN[kind], name, shown, held, settings["conflict_p"])
        wins = strong & (p < best)
        best[wins] = p[wins]
        found[wins] = name
    return found


@dataclass(frozen=True)
class _Shown:
    """UMIs and distinct genes of one lineage in every droplet, and the UMIs that its soup brings."""

    seen: np.ndarray
    distinct: np.ndarray
    soup: np.ndarray

    @classmethod
    def of(cls, counts: ad.AnnData, matrix: sparse.csr_matrix, symbols: pd.Series, floating: pd.DataFrame) -> _Shown:
        genes = [g for g in symbols if g in counts.var_names]
        part = matrix[:, counts.var_names.get_indexer(pd.Index(genes))]
        soup = floating.reindex(columns=genes).fillna(0.0).sum(axis=1).to_numpy()
        return cls(np.asarray(part.sum(axis=1)).ravel(), np.asarray((part > 0).sum(axis=1)).ravel(), soup)


def _not_the_other(
    own: str,
    other: str,
    shown: Mapping[str, _Shown],
    held: Mapping[tuple[str, str], tuple[np.ndarray, np.ndarray]],
    limit: float,
) -> np.ndarray:
    """Droplets that show more of their own lineage than cells of the other one do.

    Without it, a cell that was taken for the wrong kind (a plasma cell of a sorted sample, say) would be a
    doublet of what it was taken for and what it is.
    """
    of = shown[own]
    sure: np.ndarray = of.seen >= LEAST_OWN_UMI
    for kind, lineage in OWN.items():
        if lineage == other and (kind, own) in held:
            sure &= held[kind, own][0] < OWN_TIMES * limit
    return sure


def _held(of: _Shown, size: np.ndarray, host: np.ndarray, limit: float) -> tuple[np.ndarray, np.ndarray]:
    """p-value and expected UMIs of every droplet, against the typical rate of ``host`` cells that are no conflict.

    Starts at medians: a kind of which a quarter are doublets has a mean that hides them.
    """
    mine, seen = size[host], of.seen[host]
    per_umi, per_cell = float(np.median(seen / np.maximum(mine, 1))), max(0.5, float(np.median(seen)))
    for _ in range(ROUNDS):
        expected = np.maximum.reduce([per_umi * size, np.full(size.size, per_cell), of.soup])
        p = _tail(of.seen, expected)
        typical = p[host] >= limit
        if not typical.any():
            break
        per_umi = seen[typical].sum() / max(mine[typical].sum(), 1.0)
        per_cell = float(seen[typical].mean())
    return p, expected
