"""Keep or drop every barcode of one capture, with a reason, and never for being a plasma cell.

Limits stand on the part of the library that is not immunoglobulin (science 1.3).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from ..keys import MOST_AMBIENT_IG
from .ambient import Ambient, ambient_percent, passes_floors
from .blocks import Counts
from .coarse import T_NK, T_NK_ONLY, coarse_types, surely_t_nk
from .conflict import find_conflicts
from .doublets import call_doublets
from .droplets import judge_droplets, reduce_genes
from .genes import mito_mask
from .knee import knee
from .markers import PLASMA_CORE
from .metrics import Survey, survey
from .sample_checks import Y_GENES, check_sample, sex_genes
from .store import plain_facts

#: A group with fewer cells has no upper limit: a limit of other types would delete what is rare and large. [J]
MIN_GROUP = 30
#: Least SD of log library size within a type (science appendix A.5): the tail of a tight group is its
#: cycling cells, which are what must not be lost.
MIN_LOG_SD = 0.5
#: Dropped small barcodes from which the size of an empty droplet is read.
LEAST_EMPTY = 20
#: A droplet has no more than so many times the capture's median ambient UMIs. [J]
MOST_TIMES_SOUP = 2.0
#: 1 / Phi^-1(3/4): makes a MAD of a normal sample estimate its SD.
MAD_TO_SD = 1.4826


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
    counts: Counts,
    *,
    panel: pd.DataFrame,
    settings: Mapping[str, Any],
    seed: int,
    ambient: Ambient | None = None,
    lineages: pd.DataFrame | None = None,
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Decide for every barcode of one capture.

    Parameters
    ----------
    counts
        a counts file (:class:`marrowclone.cells.blocks.CountsFile`; see :mod:`marrowclone.cells.load`), or the same in
        memory. Four passes over it; what is kept are the genes that the steps ask for.
    panel
        ``resources/markers.tsv``.
    settings
        the rule's section of the configuration.
    seed
        for simulated doublets and droplets.
    ambient
        the capture's ambient profile; None: unknown.
    lineages
        ``resources/lineages.tsv``; None: no marker conflicts are looked for.

    Returns
    -------
    table
        a row per barcode: the columns of ``keys.TABLES["cells.qc"]``, then coarse_type, pct_ambient (%, NaN where
        unknown), p_ambient (of holding no cell, NaN where not tested), ambient_like, conflict (lineage or empty).
        ``reason`` is empty exactly where ``keep`` is true.
    facts
        what the sample looks like: counts, medians, limits, ambient_ig, knee, checks, warnings.
    """
    wanted = [*panel["symbol"], *T_NK_ONLY, *Y_GENES, "XIST", *([] if lineages is None else lineages["symbol"])]
    seen = survey(counts, wanted)
    table, chosen = seen.table, seen.chosen
    enough = passes_floors(table, settings)
    kinds = coarse_types(chosen, table, panel, enough)
    plasma_like = kinds["coarse"] == "plasma"
    most_mito = np.where(plasma_like, settings["max_pct_mito_plasma"], settings["max_pct_mito"])
    failed = pd.DataFrame(
        {
            "few non-Ig UMIs": table["n_umi_non_ig"] < settings["min_umi_non_ig"],
            "few non-Ig genes": table["n_genes_non_ig"] < settings["min_genes_non_ig"],
            "high mitochondrial share": table["pct_mito"] >= most_mito,
        }
    )
    soup = _soup(counts, seen, kinds, ambient, ~failed.any(axis=1).to_numpy(), settings, seed)
    failed["ambient profile"] = soup["ambient_like"]
    sound = ~failed.any(axis=1)
    limits = upper_limits(table.loc[sound], kinds["coarse"], settings["max_mads"])
    most_umi = kinds["coarse"].map(limits).fillna(np.inf)
    failed["many non-Ig UMIs for its type"] = sound & (table["n_umi_non_ig"] > most_umi)
    doublets, doublet_facts = call_doublets(counts, sound.to_numpy(), settings=settings, seed=seed)
    table = table.join(doublets)
    table["doublet"] = table["doublet"].astype("boolean").fillna(False).astype(bool)
    failed["doublet"] = table["doublet"]
    # a plasma cell that the guess takes for a T cell must not be dropped for its plasma genes
    sure = kinds["nearest"].where(surely_t_nk(chosen) | ~kinds["nearest"].isin(T_NK), "unsure")
    conflict = pd.Series("", index=table.index, dtype=object)
    if lineages is not None and sound.any():
        part = chosen[sound.to_numpy()]
        floating = _floating(table.loc[sound, "n_umi"], soup.loc[sound, "pct_ambient"], ambient, counts, lineages)
        size = table.loc[sound, "n_umi_non_ig"].to_numpy()
        conflict[sound] = find_conflicts(part, sure[sound], size, floating, lineages=lineages, settings=settings)
    failed["marker conflict"] = conflict != ""
    table["reason"] = _reasons(failed)
    table["keep"] = table["reason"] == ""
    table["coarse_type"] = kinds["coarse"]
    table = table.join(soup).assign(conflict=conflict)
    facts = _facts(table, kinds.assign(nearest=sure), failed, limits, settings, counts.var) | doublet_facts
    facts["ambient"] = dict(ambient.facts) if ambient is not None else None
    facts["conflicts"] = {str(k): int(v) for k, v in conflict[conflict != ""].value_counts().sort_index().items()}
    facts["sex_genes"] = sex_genes(chosen, table["keep"].to_numpy(), table["n_umi"].to_numpy())
    facts["knee"] = knee(table["n_umi"].to_numpy())
    facts["knee_raw"] = (ambient.facts if ambient else {}).get("knee")
    load = plain_facts(dict(counts.uns.get("load", {})))
    facts["checks"] = check_sample(facts, load, pd.Series(seen.gene_umi, index=counts.var_names))
    said = [c["text"] for c in facts["checks"] if c["verdict"] != "ok" and c["check"] != "loading"]
    facts["warnings"] = _warnings(facts, counts.var, load, panel) + said
    return table.rename_axis("cell").reset_index(), facts


def _soup(
    counts: Counts,
    seen: Survey,
    kinds: pd.DataFrame,
    ambient: Ambient | None,
    eligible: np.ndarray,
    settings: Mapping[str, Any],
    seed: int,
) -> pd.DataFrame:
    """Columns pct_ambient, p_ambient, ambient_like; nothing is ambient-like without a profile of all genes."""
    found = pd.DataFrame({"pct_ambient": np.nan, "p_ambient": np.nan, "ambient_like": False}, index=counts.obs_names)
    if ambient is None or not ambient.complete:
        return found
    found["pct_ambient"] = ambient_percent(seen, kinds["nearest"], ambient, counts.var, eligible)
    reduced = reduce_genes(counts, seen.gene_umi)
    test = judge_droplets(
        reduced, (ambient.share * ambient.facts["n_umi"]) @ reduced.place, None, kinds["nearest"], eligible,
        settings=settings, seed=seed, concentration=ambient.facts.get("concentration"),
    )  # fmt: skip
    return found.assign(p_ambient=test.p_ambient, ambient_like=test.ambient_like)


def _floating(
    n_umi: pd.Series, pct_ambient: pd.Series, ambient: Ambient | None, counts: Counts, lineages: pd.DataFrame
) -> pd.DataFrame:
    """Expected ambient UMIs of the lineages' genes (barcodes x symbols); zeros where the share is unknown."""
    genes = [g for g in lineages["symbol"] if g in counts.var_names]
    known = pct_ambient.notna().to_numpy()
    amount = (n_umi * pct_ambient.fillna(0.0) / 100).to_numpy()
    # a T cell with a plasma cell in its droplet seems full of soup; soup does not depend on what the droplet holds
    amount = np.minimum(amount, MOST_TIMES_SOUP * np.median(amount[known])) if known.any() else amount
    share = np.zeros(len(genes))
    if ambient is not None and ambient.complete:
        share = ambient.share[counts.var_names.get_indexer(pd.Index(genes))]
    return pd.DataFrame(np.outer(amount, share), index=n_umi.index, columns=genes)


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
    var: pd.DataFrame,
) -> dict[str, Any]:
    kept = table[table["keep"]]
    # an unfiltered file has thousands of droplets with a few UMIs: they are no measure of an empty one's soup
    empty = table.loc[failed["few non-Ig UMIs"] & (table["n_umi_non_ig"] >= 20), "n_umi_non_ig"]
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
        "n_ambient_like": int(table["ambient_like"].sum()),
        "median_pct_ambient": _median(kept["pct_ambient"]),
        "n_doublet_or_conflict": int((failed["doublet"] | failed["marker conflict"]).sum()),
        "n_mito_genes": int((mito_mask(var) & var["measured"].to_numpy(dtype=bool)).sum()),
        "median_umi_non_ig_empty": _median(empty) if len(empty) >= LEAST_EMPTY else None,
    }


def _median(values: pd.Series) -> float | None:
    """Median, or None of nothing."""
    values = values.dropna()
    return round(float(values.median()), 4) if len(values) else None


def _warnings(facts: dict[str, Any], var: pd.DataFrame, load: dict[str, Any], panel: pd.DataFrame) -> list[str]:
    """What a person should know about the sample as a whole; what loading said comes last."""
    notes = []
    if not facts["n_kept"]:
        notes.append("no barcode passed: the sample gives nothing to later chapters")
    elif facts["n_kept"] < 0.2 * facts["n_barcodes"]:
        share = 100 * facts["n_kept"] / facts["n_barcodes"]
        notes.append(f"only {share:.0f}% of barcodes passed (an unfiltered matrix, or a failed capture)")
    if facts["ambient_ig"] is not None and facts["ambient_ig"] > MOST_AMBIENT_IG:
        notes.append(f"ambient immunoglobulin: {facts['ambient_ig']:.1f}% of UMIs in T and NK cells")
    if not facts["n_mito_genes"]:
        notes.append("no mitochondrial gene is in the file: dying cells cannot be told")
    measured = var.index[var["measured"].to_numpy(dtype=bool)]
    absent = sorted(set(PLASMA_CORE) - set(measured))
    if absent:
        notes.append(f"plasma-cell genes that the file lacks: {', '.join(absent)}")
    lost = set(panel["symbol"]) - set(measured)
    if len(lost) > 0.2 * panel["symbol"].nunique():
        notes.append(f"{len(lost)} of {panel['symbol'].nunique()} marker genes are not in the file")
    return [*notes, *load.get("warnings", [])]
