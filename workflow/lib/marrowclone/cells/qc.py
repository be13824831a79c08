"""Keep or drop every barcode of one capture, with a reason, and never for being a plasma cell.

Limits stand on the part of the library that is not immunoglobulin (science 1.3).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd

from ..keys import MOST_AMBIENT_IG
from .doublets import call_doublets
from .markers import PLASMA_ANCHORS, PLASMA_CORE, gene_z, log_normalised, panel_genes, type_scores
from .metrics import metrics
from .store import plain_facts

#: Groups for upper limits: coarse, because typing comes later. Types that are not named: ``lymphoid``.
COARSE: dict[str, str] = {
    "plasma": "plasma", "erythroid": "erythroid", "megakaryocyte": "erythroid",
    "monocyte": "myeloid", "macrophage": "myeloid", "dendritic": "myeloid", "neutrophil": "myeloid",
    "eo_baso_mast": "myeloid", "hspc": "progenitor", "stromal": "stromal", "osteoblast": "stromal",
    "endothelial": "stromal",
}  # fmt: skip
#: A group with fewer cells has no upper limit: a limit of other types would delete what is rare and large. [J]
MIN_GROUP = 30
#: Least SD of log library size within a type (science appendix A.5): the tail of a tight group is its
#: cycling cells, which are what must not be lost.
MIN_LOG_SD = 0.5
#: 1 / Phi^-1(3/4): makes a MAD of a normal sample estimate its SD.
MAD_TO_SD = 1.4826
T_NK = ("cd4_t", "cd8_t", "nk", "innate_t")


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


def upper_limits(table: pd.DataFrame, coarse: pd.Series, n_mads: float) -> dict[str, float]:
    """Largest non-Ig UMI per coarse type of :data:`MIN_GROUP` cells or more: exp(median + n x 1.4826 MAD) of the log.

    There is no cap on genes: it would delete cycling plasma cells (science 1.3).
    """
    log = np.log(table["n_umi_non_ig"].clip(lower=1))

    limits = {}
    for group, values in log.groupby(coarse.loc[log.index]):
        if len(values) >= MIN_GROUP:
            middle = values.median()
            spread = max(MAD_TO_SD * (values - middle).abs().median(), MIN_LOG_SD)
            limits[str(group)] = float(np.exp(middle + n_mads * spread))
    return limits


def _reasons(failed: pd.DataFrame) -> pd.Series:
    """Names of the true columns per row, joined by ``'; '``."""
    text = pd.Series("", index=failed.index)
    for name in failed.columns:
        hit = failed[name].to_numpy(dtype=bool)
        text[hit] = text[hit].where(text[hit] == "", text[hit] + "; ") + name
    return text


def qc_cells(
    counts: ad.AnnData, *, panel: pd.DataFrame, settings: Mapping[str, Any], seed: int
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Decide for every barcode of one capture.

    Parameters
    ----------
    counts
        a counts file (see :mod:`marrowclone.cells.load`).
    panel
        ``resources/markers.tsv``.
    settings
        the rule's section of the configuration.
    seed
        for simulated doublets.

    Returns
    -------
    table
        a row per barcode: the columns of ``keys.TABLES["cells.qc"]``, then coarse_type. ``reason`` is empty
        exactly where ``keep`` is true.
    facts
        what the sample looks like: counts, medians, limits, ambient_ig, warnings.
    """
    table = metrics(counts)
    enough = (table["n_umi_non_ig"] >= settings["min_umi_non_ig"]).to_numpy()
    enough &= (table["n_genes_non_ig"] >= settings["min_genes_non_ig"]).to_numpy()
    kinds = coarse_types(counts, table, panel, enough)
    plasma_like = kinds["coarse"] == "plasma"
    most_mito = np.where(plasma_like, settings["max_pct_mito_plasma"], settings["max_pct_mito"])
    failed = pd.DataFrame(
        {
            "few non-Ig UMIs": table["n_umi_non_ig"] < settings["min_umi_non_ig"],
            "few non-Ig genes": table["n_genes_non_ig"] < settings["min_genes_non_ig"],
            "high mitochondrial share": table["pct_mito"] >= most_mito,
        }
    )
    sound = ~failed.any(axis=1)
    limits = upper_limits(table.loc[sound], kinds["coarse"], settings["max_mads"])
    most_umi = kinds["coarse"].map(limits).fillna(np.inf)
    failed["many non-Ig UMIs for its type"] = sound & (table["n_umi_non_ig"] > most_umi)
    doublets, doublet_facts = call_doublets(counts[sound.to_numpy()], settings=settings, seed=seed)
    table = table.join(doublets)
    table["doublet"] = table["doublet"].astype("boolean").fillna(False).astype(bool)
    failed["doublet"] = table["doublet"]
    table["reason"] = _reasons(failed)
    table["keep"] = table["reason"] == ""
    table["coarse_type"] = kinds["coarse"]
    facts = _facts(table, kinds, failed, limits, settings) | doublet_facts
    facts["warnings"] = _warnings(facts, counts, panel)
    return table.rename_axis("cell").reset_index(), facts


def ambient_ig(table: pd.DataFrame, nearest: pd.Series) -> float | None:
    """Median % of Ig UMIs in kept T and NK-like cells, which make none; None with fewer than 10 of them."""
    values = table.loc[table["keep"] & nearest.isin(T_NK), "pct_ig"]
    return round(float(values.median()), 4) if len(values) >= 10 else None


def _facts(
    table: pd.DataFrame,
    kinds: pd.DataFrame,
    failed: pd.DataFrame,
    limits: dict[str, float],
    settings: Mapping[str, Any],
) -> dict[str, Any]:
    kept = table[table["keep"]]
    columns = ["n_umi", "n_genes", "n_umi_non_ig", "n_genes_non_ig", "pct_mito", "pct_ig", "pct_hb"]
    return {
        "n_barcodes": len(table),
        "n_kept": len(kept),
        "n_plasma_like": int((kinds["coarse"] == "plasma").sum()),
        "n_plasma_like_kept": int((kinds.loc[kept.index, "coarse"] == "plasma").sum()),
        "n_failed": {name: int(failed[name].sum()) for name in failed.columns},
        "median": {c: round(float(kept[c].median()), 4) for c in columns} if len(kept) else {},
        "limits_umi_non_ig": {k: round(v, 1) for k, v in limits.items()},
        "floors": {k: settings[k] for k in ("min_umi_non_ig", "min_genes_non_ig")},
        "max_pct_mito": {"plasma": settings["max_pct_mito_plasma"], "other": settings["max_pct_mito"]},
        "ambient_ig": ambient_ig(table, kinds["nearest"]),
    }


def _warnings(facts: dict[str, Any], counts: ad.AnnData, panel: pd.DataFrame) -> list[str]:
    """What a person should know about the sample as a whole; what loading said comes last."""
    notes = []
    if not facts["n_kept"]:
        notes.append("no barcode passed: the sample gives nothing to later chapters")
    elif facts["n_kept"] < 0.2 * facts["n_barcodes"]:
        share = 100 * facts["n_kept"] / facts["n_barcodes"]
        notes.append(f"only {share:.0f}% of barcodes passed (an unfiltered matrix, or a failed capture)")
    if facts["ambient_ig"] is not None and facts["ambient_ig"] > MOST_AMBIENT_IG:
        notes.append(f"ambient immunoglobulin: {facts['ambient_ig']:.1f}% of UMIs in T and NK cells")
    measured = counts.var_names[counts.var["measured"].to_numpy(dtype=bool)]
    absent = sorted(set(PLASMA_CORE) - set(measured))
    if absent:
        notes.append(f"plasma-cell genes that the file lacks: {', '.join(absent)}")
    lost = set(panel["symbol"]) - set(measured)
    if len(lost) > 0.2 * panel["symbol"].nunique():
        notes.append(f"{len(lost)} of {panel['symbol'].nunique()} marker genes are not in the file")
    return [*notes, *plain_facts(dict(counts.uns.get("load", {}))).get("warnings", [])]
