"""What single cells show by counted molecules: a type of their own, a second lineage, the cell cycle.

A score of mean z ranks types; it does not say whether three molecules of C1QC are more than soup. Here the UMIs
of a type's definer genes are set against what cells of the same sample and the same called type carry of them
on average, so that ambient RNA and depth are part of the expectation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse, stats

#: UMIs of a sample's background that weigh as much as the cohort's in a background rate: some twenty cells. [J]
SHRINK_UMI = 50_000.0
#: Size of the negative binomial of background counts: soup differs between droplets, programmes between cells. [J]
BACKGROUND_SIZE = 2.0
#: Least background rate per UMI: one molecule of a gene set in 1,000 cells of 5,000 UMIs. [J]
LEAST_RATE = 2e-7

#: Lineages that do not share a cell, with the types whose definers show them. HSPC, pDC and megakaryocytes are in none:
#: progenitors share genes with their offspring, platelets stick to other cells. B and plasma cells are one: t(11;14)
#: myelomas carry MS4A1 (science 1.5).
LINEAGES: dict[str, tuple[str, ...]] = {
    "b": ("plasma", "b_cell", "pre_b"),
    "t_nk": ("cd4_t", "cd8_t", "innate_t", "nk"),
    "myeloid": ("monocyte", "macrophage", "dendritic", "neutrophil"),
    "erythroid": ("erythroid",),
    "stroma": ("stromal", "osteoblast", "endothelial"),
}
LINEAGE_OF: dict[str, str] = {t: name for name, types in LINEAGES.items() for t in types}


@dataclass(frozen=True)
class Definers:
    """Counted definer genes.

    Attributes
    ----------
    umi, genes
        cells x types: UMIs of the type's definers; how many of them are seen.
    exposure
        non-Ig UMIs of each cell.
    """

    umi: pd.DataFrame
    genes: pd.DataFrame
    exposure: np.ndarray


def definers(panel: pd.DataFrame) -> dict[str, list[str]]:
    """The definer genes of each type of the panel (rows of ``resources/markers.tsv`` with definer ``yes``)."""
    rows = panel[panel["definer"] == "yes"] if "definer" in panel else panel.iloc[:0]
    return {str(t): list(dict.fromkeys(r["symbol"])) for t, r in rows.groupby("cell_type", sort=False)}


def count_sets(counts: ad.AnnData, sets: Mapping[str, list[str]], n_umi_non_ig: np.ndarray) -> Definers:
    """UMIs and genes seen of each set, per cell; genes that ``counts`` lacks are left out."""
    member = pd.DataFrame({name: counts.var_names.isin(genes) for name, genes in sets.items()}, index=counts.var_names)
    indicator = sparse.csr_matrix(member.to_numpy(dtype=np.float64))
    x = sparse.csr_matrix(counts.X)
    seen = sparse.csr_matrix((np.ones_like(x.data), x.indices, x.indptr), shape=x.shape)
    index, columns = counts.obs_names, list(sets)
    return Definers(
        pd.DataFrame((x @ indicator).toarray(), index=index, columns=columns),
        pd.DataFrame((seen @ indicator).toarray(), index=index, columns=columns),
        np.asarray(n_umi_non_ig, dtype=float),
    )


def background(
    umi: np.ndarray, exposure: np.ndarray, group: np.ndarray, sample: np.ndarray, use: np.ndarray
) -> np.ndarray:
    """Expected UMIs per cell: the rate of the cell's group in its sample, drawn towards the group's in the cohort.

    Parameters
    ----------
    umi, exposure
        counted UMIs of a set, and all non-Ig UMIs, per cell.
    group, sample
        the cell's called type; its sample.
    use
        cells that may speak for the background: not those that look like the type itself.
    """
    frame = pd.DataFrame({"k": np.where(use, umi, 0.0), "n": np.where(use, exposure, 0.0), "g": group, "s": sample})
    everywhere = frame["k"].sum() / max(frame["n"].sum(), 1.0)
    cohort = frame.groupby("g")[["k", "n"]].transform("sum")
    prior = (cohort["k"] + everywhere * SHRINK_UMI) / (cohort["n"] + SHRINK_UMI)
    here = frame.groupby(["g", "s"])[["k", "n"]].transform("sum")
    rate = (here["k"] + prior * SHRINK_UMI) / (here["n"] + SHRINK_UMI)
    expected: np.ndarray = rate.clip(lower=LEAST_RATE).to_numpy() * exposure
    return expected


def tail(umi: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """P(at least so many UMIs) under a negative binomial of mean ``expected`` and size :data:`BACKGROUND_SIZE`."""
    p: np.ndarray = stats.nbinom.sf(umi - 1, BACKGROUND_SIZE, BACKGROUND_SIZE / (BACKGROUND_SIZE + expected))
    return p


def own_type_p(found: Definers, scores: pd.DataFrame, called: pd.Series, sample: np.ndarray) -> pd.Series:
    """For each cell, how surprising its own best type's definers are among cells of the type it was given.

    Returns
    -------
    Series: P of :func:`tail`; 1 where the best type has no definers or is the called type.
    """
    best = scores.idxmax(axis=1).to_numpy()
    p = np.ones(len(scores))
    for kind in found.umi.columns.intersection(scores.columns):
        mine = best == kind
        if mine.any():
            umi = found.umi[kind].to_numpy()
            expected = background(umi, found.exposure, called.to_numpy(), sample, ~mine)
            p[mine] = tail(umi[mine], expected[mine])
    p[best == called.to_numpy()] = 1.0
    return pd.Series(p, index=scores.index)


def second_lineage(
    found: Definers, scores: pd.DataFrame, called: pd.Series, sample: np.ndarray, *, max_p: float, min_umi: int
) -> pd.Series:
    """The other lineage that a cell's counts show beside that of its called type; empty for most cells.

    A lineage is shown by at least ``min_umi`` UMIs and two genes of the definers of one of its types, with P at most
    ``max_p`` among cells of the called type in the sample. The cell must show its own lineage too, by one UMI: a
    cell that shows the other alone is mistyped, not a doublet.
    """
    best = scores.idxmax(axis=1).map(LINEAGE_OF)
    own = called.map(LINEAGE_OF)
    result = pd.Series("", index=scores.index, dtype=object)
    least = np.full(len(scores), max_p)
    own_seen = np.zeros(len(scores), dtype=bool)
    for lineage, types in LINEAGES.items():
        there = [t for t in types if t in found.umi.columns]
        if there:
            own_seen |= (own == lineage).to_numpy() & (found.umi[there].max(axis=1) > 0).to_numpy()
    for lineage, types in LINEAGES.items():
        for kind in (t for t in types if t in found.umi.columns):
            umi = found.umi[kind].to_numpy()
            expected = background(umi, found.exposure, called.to_numpy(), sample, (best != lineage).to_numpy())
            p = tail(umi, expected)
            shown = (
                own.notna().to_numpy() & (own != lineage).to_numpy() & own_seen
                & (umi >= min_umi) & (found.genes[kind] >= 2).to_numpy() & (p <= least)
            )  # fmt: skip
            result[shown] = lineage
            least = np.where(shown, p, least)
    return result
