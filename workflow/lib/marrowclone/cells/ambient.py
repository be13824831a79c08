"""The ambient profile of one capture: what RNA floats in its droplets, and how that is known.

Best from droplets that hold no cell (the sheet's ``raw_path``, or an unfiltered file); else from barcodes of
the filtered matrix that look like a mixture of all cells and like no cell (:mod:`marrowclone.cells.droplets`);
else only what T and NK cells carry and cannot make: immunoglobulin and haemoglobin.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

from ..errors import UserError
from ..tables import read_result
from .blocks import Counts, blocks_of, sum_rows
from .coarse import IG_MAKERS, T_NK, T_NK_ONLY, coarse_types, surely_t_nk
from .droplets import MOST_MEDIAN_SIZE, MOST_ONE_LINEAGE, judge_droplets, reduce_genes
from .genes import hb_mask, ig_mask
from .metrics import Survey, survey

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
#: Share of the raw droplets' UMIs on genes of the counts: less is another genome or another kind of file. [J]
LEAST_SHARED = 0.5
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
        source, n_droplets, n_umi, pct_ig, pct_hb, top_genes; ``raw_unused`` (why raw droplets that were given are not
        the source) where that is so.
    """

    share: np.ndarray
    complete: bool
    facts: dict[str, Any]


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


class Droplets:
    """UMIs of the droplets with few of them, of blocks that are added: a profile without a matrix in memory.

    Parameters
    ----------
    var
        genes of the blocks.
    settings
        ``ambient_min_umi``, ``ambient_max_umi``: the droplets to use.
    called
        barcodes that are cells by the filtered matrix, and are left out, with or without the suffix ``-1``.
    place
        where they come from, for messages.
    """

    def __init__(
        self, var: pd.DataFrame, settings: Mapping[str, Any], called: Iterable[str] = (), *, place: str = "raw_path"
    ) -> None:
        self.var, self.place = var, place
        self._limits = (settings["ambient_min_umi"], settings["ambient_max_umi"])
        self._called = _bare(called)
        self._sizes = [np.empty(0, dtype=np.int64)]
        self._umi, self._n = np.zeros(len(var)), 0

    def add(self, block: sparse.csr_matrix, barcodes: np.ndarray | None = None) -> None:
        """Droplets x genes, and their barcodes where cells are to be left out."""
        size = np.asarray(block.sum(axis=1, dtype=np.int64)).ravel()
        used = (size >= self._limits[0]) & (size <= self._limits[1])
        if barcodes is not None and len(self._called):
            used &= ~_bare(barcodes).isin(self._called)
        self._sizes.append(size)
        self._umi += np.asarray(used.astype(np.float64) @ block).ravel()
        self._n += int(used.sum())

    def n_umi(self) -> np.ndarray:
        """UMIs of every droplet."""
        return np.concatenate(self._sizes)

    def too_little(self) -> str:
        """Why they give no profile; empty when they give one."""
        if self._umi.sum() >= LEAST_UMI and self._n >= LEAST_DROPLETS:
            return ""
        low, high = self._limits
        return (
            f"its droplets of {low} to {high} UMIs that are no called cells are {self._n} with {int(self._umi.sum())} "
            f"UMIs, expected {LEAST_DROPLETS} with {LEAST_UMI}"
        )

    def profile(self, source: str) -> Ambient | None:
        """What floats in them; None when they hold too few UMIs."""
        if self.too_little():
            return None
        share = self._umi / self._umi.sum()
        return Ambient(share, True, describe(share, self.var, source, self._n, self._umi.sum()))


def _bare(barcodes: Iterable[str]) -> pd.Index:
    """Barcodes without the suffix ``-1``: many tools cut it off one of a capture's two matrices."""
    return pd.Index([str(b).removesuffix("-1") for b in barcodes], dtype=object)


def from_cells(
    counts: Counts, seen: Survey, kinds: pd.Series, settings: Mapping[str, Any], seed: int
) -> Ambient | None:
    """Profile of barcodes of a filtered matrix that hold no cell; None where there are none to be found.

    Starts at the barcodes under the floors (dying ones apart), or at the smallest tenth; keeps those that fit
    one mixture and are better explained by it than by any cell type of the capture; and again.
    """
    table = seen.table
    sound = (table["pct_mito"] < settings["max_pct_mito"]).to_numpy()
    size = table["n_umi"].to_numpy()
    enough = passes_floors(table, settings)
    members = sound & ~enough & (size >= settings["ambient_min_umi"])
    if members.sum() < LEAST_DROPLETS or size[members].sum() < LEAST_UMI:
        members = sound & (size <= np.quantile(size[sound], SMALLEST)) if sound.any() else members
    if members.sum() < LEAST_DROPLETS or size[members].sum() < LEAST_UMI:
        return None
    reduced = reduce_genes(counts, seen.gene_umi)
    for _ in range(ROUNDS):
        umi = sum_rows(reduced.counts, members)
        test = judge_droplets(reduced, umi, members, kinds, enough & sound, settings=settings, seed=seed)
        before, members = members, test.ambient_like & sound
        if members.sum() < LEAST_DROPLETS or size[members].sum() < LEAST_UMI:
            return None
        if (members == before).all():  # another round would give the same
            break
    small = np.median(size[members]) <= MOST_MEDIAN_SIZE * test.clear_size
    if not small or max(test.lineages.values()) > MOST_ONE_LINEAGE:
        return None
    umi = sum_rows(counts, members)
    share = umi / umi.sum()
    facts = describe(share, counts.var, "filtered", int(members.sum()), umi.sum())
    return Ambient(share, True, facts | {"concentration": test.concentration})


def from_t_nk(counts: Counts, seen: Survey, kinds: pd.Series, settings: Mapping[str, Any]) -> Ambient:
    """Immunoglobulin and haemoglobin in T- and NK-like cells, which make neither: a lower bound, or nothing."""
    rows = passes_floors(seen.table, settings) & kinds.isin(T_NK).to_numpy() & surely_t_nk(seen.chosen)
    share = np.full(counts.n_vars, np.nan)
    if rows.sum() < LEAST_T_NK:
        return Ambient(share, False, describe(share, counts.var, "none", 0, 0))
    umi = sum_rows(counts, rows)
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
    counts: Counts,
    raw: Droplets | ad.AnnData | None,
    *,
    panel: pd.DataFrame,
    settings: Mapping[str, Any],
    seed: int,
) -> Ambient:
    """Ambient profile from the best source that there is.

    Parameters
    ----------
    counts
        a counts file (:class:`marrowclone.cells.blocks.CountsFile`; see :mod:`marrowclone.cells.load`), or the same in
        memory. Three passes over it at most; what is kept are the panel's genes, and the 1,000 highest ones
        (:func:`marrowclone.cells.droplets.reduce_genes`).
    raw
        the capture's unfiltered droplets in the reference gene space: in memory, added up (:class:`Droplets`), or None.
    panel
        ``resources/markers.tsv``.
    settings
        floors and mitochondrial limit of ``qc_cells``, and the rule's own section.
    """
    if isinstance(raw, ad.AnnData):
        droplets = Droplets(raw.var, settings, counts.obs["barcode"])
        for where, block in blocks_of(raw):
            droplets.add(block, raw.obs["barcode"].iloc[where].to_numpy())
        raw = droplets
    found = None if raw is None else _from_raw(raw, counts.var_names)
    if found is not None:
        return found
    found = _from_counts(counts, panel, settings, seed)
    return found if raw is None else replace(found, facts=found.facts | {"raw_unused": raw.too_little()})


def _from_raw(raw: Droplets, var_names: pd.Index) -> Ambient | None:
    """Profile of a capture's unfiltered droplets on the genes of its counts; None when they hold too few UMIs."""
    found = raw.profile("raw")
    if found is None:
        return None
    # both stand on the reference genes first; genes of one file alone are left out
    share = pd.Series(found.share, index=raw.var.index).reindex(var_names).fillna(0.0).to_numpy()
    if share.sum() < LEAST_SHARED:
        raise UserError(
            f"{raw.place}: found {100 * share.sum():.1f}% of the droplets' UMIs on genes of the sample's counts, "
            f"expected {100 * LEAST_SHARED:g}% or more.",
            hint="raw_path must be the unfiltered matrix of the same run, with the same genes.",
        )
    return Ambient(share / share.sum(), True, found.facts)


def _from_counts(counts: Counts, panel: pd.DataFrame, settings: Mapping[str, Any], seed: int) -> Ambient:
    """Profile from the counts themselves: droplets of an unfiltered file, barcodes without a cell, T and NK cells."""
    few = Droplets(counts.var, settings)
    seen = survey(counts, [*panel["symbol"], *T_NK_ONLY], lambda _, block: few.add(block))
    found = few.profile("unfiltered")
    if found is not None and found.facts["n_droplets"] >= settings["ambient_min_droplets"]:
        return found
    kinds = coarse_types(seen.chosen, seen.table, panel, passes_floors(seen.table, settings))["nearest"]
    return from_cells(counts, seen, kinds, settings, seed) or from_t_nk(counts, seen, kinds, settings)


def ambient_table(ambient: Ambient, var: pd.DataFrame) -> pd.DataFrame:
    """Rows symbol, share of the genes with a known share above 0 (all the others have none, or are unknown)."""
    table = pd.DataFrame({"symbol": var.index.astype(str), "share": ambient.share})
    return table[table["share"] > 0].reset_index(drop=True)


def from_table(table: pd.DataFrame, facts: Mapping[str, Any], var_names: pd.Index) -> Ambient:
    """:class:`Ambient` as :func:`ambient_table` and its facts say it."""
    complete = facts["source"] not in ("t_nk", "none")
    share = table.set_index("symbol")["share"].reindex(var_names)
    return Ambient(share.fillna(0.0 if complete else np.nan).to_numpy(dtype=float), complete, dict(facts))


def read_ambient(table: str | Path, facts: str | Path, var_names: pd.Index) -> Ambient:
    """:class:`Ambient` on the genes ``var_names`` from the two files that ``profile_ambient`` wrote."""
    return from_table(read_result(table), json.loads(Path(facts).read_text(encoding="utf-8")), var_names)


def ambient_percent(
    seen: Survey, nearest: pd.Series, ambient: Ambient, var: pd.DataFrame, cells: np.ndarray
) -> np.ndarray:
    """Ambient share of each barcode in %, from genes that its kind of cell does not make.

    Immunoglobulin in cells that make none, and haemoglobin in all but erythroid ones, over their share of the
    profile; drawn to the capture's own mean with the weight of :data:`PRIOR_EXPECTED` expected UMIs, because a
    small droplet shows few. NaN where the profile is unknown or holds less than 0.5% of such genes.

    Parameters
    ----------
    seen
        the capture.
    nearest
        nearest type of each barcode.
    ambient, var
        the profile, and its genes.
    cells
        bool per barcode: passes the floors. Only these make the mean: an empty droplet is all soup.
    """
    total = seen.table["n_umi"].to_numpy(dtype=float)
    share = np.full(total.size, np.nan)
    if not ambient.complete:
        return share
    found, expected = np.zeros(total.size), np.zeros(total.size)
    for mask, umi, makers in (
        (ig_mask(var), seen.ig_umi, (*IG_MAKERS, "hspc")),
        (hb_mask(var), seen.hb_umi, ("erythroid",)),
    ):
        part = float(ambient.share[mask].sum())
        if part < LEAST_SHARE:
            continue
        free = ~nearest.isin(makers).to_numpy()
        found += np.where(free, umi, 0)
        expected += np.where(free, total * part, 0.0)
    told = expected > 0
    if not told.any():
        return share
    typical_of = told & cells if (told & cells).any() else told
    typical = float(np.median(found[typical_of] / expected[typical_of]))
    share[told] = (found[told] + PRIOR_EXPECTED * typical) / (expected[told] + PRIOR_EXPECTED)
    return 100 * np.clip(share, 0.0, 1.0)
