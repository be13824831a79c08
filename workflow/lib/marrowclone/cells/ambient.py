"""The ambient profile of one capture: what RNA floats in its droplets, and how that is known.

Best from droplets that hold no cell (the sheet's ``raw_path``, or an unfiltered file); else from barcodes of
the filtered matrix that look like a mixture of all cells and like no cell (:mod:`marrowclone.cells.droplets`);
else only what T and NK cells carry and cannot make: immunoglobulin and haemoglobin.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

from .coarse import IG_MAKERS, T_NK, coarse_types, surely_t_nk
from .droplets import MOST_MEDIAN_SIZE, MOST_ONE_LINEAGE, judge_droplets
from .genes import hb_mask, ig_mask
from .metrics import metrics

#: A profile of fewer UMIs or droplets is noise. [J]
LEAST_UMI, LEAST_DROPLETS = 5_000, 10
#: Rounds of "profile from the barcodes that look ambient, then test all again". [J]
ROUNDS = 5
#: Share of the smallest barcodes to start from, where few fail the floors. [J]
SMALLEST = 0.1
#: Fewest T- and NK-like cells for the last resort.
LEAST_T_NK = 10
#: A profile tells nothing by genes that are less of it; expected UMIs that the capture's mean weighs. [J]
LEAST_SHARE, PRIOR_EXPECTED = 0.005, 5.0
SOURCES = {
    "raw": "raw droplets",
    "unfiltered": "droplets of the unfiltered file",
    "filtered": "barcodes of the matrix that hold no cell",
    "t_nk": "immunoglobulin and haemoglobin in T and NK cells; other genes unknown",
    "none": "unknown",
}


@dataclass(frozen=True)
class Ambient:
    """Ambient RNA of one capture.

    Attributes
    ----------
    share
        (genes of the counts file,): share of ambient UMIs; sums to 1 when ``complete``. Where it is not,
        genes other than Ig and haemoglobin are NaN, and the others are shares of a *cell's* UMIs (a lower
        bound of the ambient share).
    complete
        whether it covers all genes.
    facts
        source, n_droplets, n_umi, pct_ig, pct_hb, top_genes.
    """

    share: np.ndarray
    complete: bool
    facts: dict[str, Any]


def _sum(matrix: sparse.csr_matrix, rows: np.ndarray) -> np.ndarray:
    """UMIs per gene over some rows, as float."""
    summed: np.ndarray = np.asarray(rows.astype(np.float64) @ matrix).ravel()
    return summed


def describe(share: np.ndarray, var: pd.DataFrame, source: str, n_droplets: int, n_umi: float) -> dict[str, Any]:
    """Facts of a profile."""
    known = np.nan_to_num(share)
    top = np.argsort(-known, kind="stable")[:10]
    return {
        "source": source,
        "source_text": SOURCES[source],
        "n_droplets": int(n_droplets),
        "n_umi": int(n_umi),
        "pct_ig": None if source == "none" else round(100 * float(known[ig_mask(var)].sum()), 4),
        "pct_hb": None if source == "none" else round(100 * float(known[hb_mask(var)].sum()), 4),
        "top_genes": {str(var.index[i]): round(100 * float(known[i]), 4) for i in top if known[i] > 0},
    }


def from_droplets(
    matrix: sparse.csr_matrix, var: pd.DataFrame, called: np.ndarray, settings: Mapping[str, Any], source: str
) -> Ambient | None:
    """Profile of droplets with few UMIs.

    Parameters
    ----------
    matrix
        CSR, droplets x genes of ``var``.
    called
        bool per droplet: it is a cell by the filtered matrix, and left out.
    settings
        ``ambient_min_umi``, ``ambient_max_umi``: the droplets to use.

    Returns
    -------
    None when they hold too few UMIs.
    """
    total = np.asarray(matrix.sum(axis=1)).ravel()
    used = (total >= settings["ambient_min_umi"]) & (total <= settings["ambient_max_umi"]) & ~called
    umi = _sum(matrix, used)
    if umi.sum() < LEAST_UMI or used.sum() < LEAST_DROPLETS:
        return None
    share = umi / umi.sum()
    return Ambient(share, True, describe(share, var, source, int(used.sum()), umi.sum()))


def from_cells(counts: ad.AnnData, panel: pd.DataFrame, settings: Mapping[str, Any], seed: int) -> Ambient | None:
    """Profile of barcodes of a filtered matrix that hold no cell; None where there are none to be found.

    Starts at the barcodes under the floors (dying ones apart), or at the smallest tenth; keeps those that fit
    one mixture and are better explained by it than by any cell type of the capture; and again.
    """
    table = metrics(counts)
    matrix = sparse.csr_matrix(counts.X)
    sound = (table["pct_mito"] < settings["max_pct_mito"]).to_numpy()
    size = table["n_umi"].to_numpy()
    enough = passes_floors(table, settings)
    kinds = coarse_types(counts, table, panel, enough)["nearest"]
    members = sound & ~enough & (size >= settings["ambient_min_umi"])
    if members.sum() < LEAST_DROPLETS or size[members].sum() < LEAST_UMI:
        members = sound & (size <= np.quantile(size[sound], SMALLEST)) if sound.any() else members
    for _ in range(ROUNDS):
        if members.sum() < LEAST_DROPLETS or size[members].sum() < LEAST_UMI:
            return None
        test = judge_droplets(
            matrix, counts.var, _sum(matrix, members), members, kinds, enough & sound, settings=settings, seed=seed
        )
        members = test.ambient_like & sound
    if members.sum() < LEAST_DROPLETS or size[members].sum() < LEAST_UMI:
        return None
    small = np.median(size[members]) <= MOST_MEDIAN_SIZE * test.clear_size
    if not small or max(test.lineages.values()) > MOST_ONE_LINEAGE:
        return None
    umi = _sum(matrix, members)
    share = umi / umi.sum()
    facts = describe(share, counts.var, "filtered", int(members.sum()), umi.sum())
    return Ambient(share, True, facts | {"concentration": test.concentration})


def from_t_nk(counts: ad.AnnData, panel: pd.DataFrame, settings: Mapping[str, Any]) -> Ambient:
    """Immunoglobulin and haemoglobin in T- and NK-like cells, which make neither: a lower bound, or nothing."""
    table = metrics(counts)
    enough = passes_floors(table, settings)
    nearest = coarse_types(counts, table, panel, enough)["nearest"]
    rows = enough & nearest.isin(T_NK).to_numpy() & surely_t_nk(counts)
    share = np.full(counts.n_vars, np.nan)
    if rows.sum() < LEAST_T_NK:
        return Ambient(share, False, describe(share, counts.var, "none", 0, 0))
    umi = _sum(sparse.csr_matrix(counts.X), rows)
    known = ig_mask(counts.var) | hb_mask(counts.var)
    share[known] = umi[known] / umi.sum()
    return Ambient(share, False, describe(share, counts.var, "t_nk", int(rows.sum()), umi.sum()))


def passes_floors(table: pd.DataFrame, settings: Mapping[str, Any]) -> np.ndarray:
    """Barcodes with enough non-Ig UMIs and genes."""
    passed: np.ndarray = (
        (table["n_umi_non_ig"] >= settings["min_umi_non_ig"])
        & (table["n_genes_non_ig"] >= settings["min_genes_non_ig"])
    ).to_numpy()
    return passed


def profile_ambient(
    counts: ad.AnnData, raw: ad.AnnData | None, *, panel: pd.DataFrame, settings: Mapping[str, Any], seed: int
) -> Ambient:
    """Ambient profile from the best source that there is.

    Parameters
    ----------
    counts
        a counts file (see :mod:`marrowclone.cells.load`).
    raw
        the capture's unfiltered droplets in the reference gene space, or None.
    panel
        ``resources/markers.tsv``.
    settings
        floors and mitochondrial limit of ``qc_cells``, and the rule's own section.
    """
    if raw is not None:
        called = raw.obs["barcode"].isin(counts.obs["barcode"]).to_numpy()
        found = from_droplets(sparse.csr_matrix(raw.X), raw.var, called, settings, "raw")
        if found is not None:
            # both stand on the reference genes first; genes of one file alone are left out
            share = pd.Series(found.share, index=raw.var_names).reindex(counts.var_names).fillna(0.0).to_numpy()
            return Ambient(share / share.sum(), True, found.facts)
    matrix = sparse.csr_matrix(counts.X)
    none_called = np.zeros(counts.n_obs, dtype=bool)
    found = from_droplets(matrix, counts.var, none_called, settings, "unfiltered")
    if found is not None and found.facts["n_droplets"] >= settings["ambient_min_droplets"]:
        return found
    return from_cells(counts, panel, settings, seed) or from_t_nk(counts, panel, settings)


def ambient_table(ambient: Ambient, var: pd.DataFrame) -> pd.DataFrame:
    """Rows symbol, share of the genes with a known share above 0 (all the others have none, or are unknown)."""
    table = pd.DataFrame({"symbol": var.index.astype(str), "share": ambient.share})
    return table[table["share"] > 0].reset_index(drop=True)


def from_table(table: pd.DataFrame, facts: Mapping[str, Any], var_names: pd.Index) -> Ambient:
    """:class:`Ambient` as :func:`ambient_table` and its facts say it."""
    complete = facts["source"] not in ("t_nk", "none")
    share = table.set_index("symbol")["share"].reindex(var_names)
    return Ambient(share.fillna(0.0 if complete else np.nan).to_numpy(dtype=float), complete, dict(facts))


def ambient_percent(matrix: sparse.csr_matrix, var: pd.DataFrame, nearest: pd.Series, ambient: Ambient) -> np.ndarray:
    """Ambient share of each barcode in %, from genes that its kind of cell does not make.

    Immunoglobulin in cells that make none, and haemoglobin in all but erythroid ones, over their share of the
    profile; drawn to the capture's own mean with the weight of :data:`PRIOR_EXPECTED` expected UMIs, because a
    small droplet shows few. NaN where the profile is unknown or holds less than 0.5% of such genes.
    """
    share = np.full(matrix.shape[0], np.nan)
    if not ambient.complete:
        return share
    total = np.asarray(matrix.sum(axis=1)).ravel().astype(float)
    seen, expected = np.zeros(total.size), np.zeros(total.size)
    for mask, makers in ((ig_mask(var), (*IG_MAKERS, "hspc")), (hb_mask(var), ("erythroid",))):
        part = float(ambient.share[mask].sum())
        if part < LEAST_SHARE:
            continue
        free = ~nearest.isin(makers).to_numpy()
        seen += np.where(free, np.asarray(matrix @ mask.astype(np.int64)).ravel(), 0)
        expected += np.where(free, total * part, 0.0)
    told = expected > 0
    if not told.any():
        return share
    typical = float(np.median(seen[told] / expected[told]))
    share[told] = (seen[told] + PRIOR_EXPECTED * typical) / (expected[told] + PRIOR_EXPECTED)
    return 100 * np.clip(share, 0.0, 1.0)
