"""From panel scores to a cell type, cluster by cluster, with the plasma-cell guards.

Order of the rules: a cluster's best type, with a margin; a plasma cluster has to show
plasma-cell genes other than immunoglobulin; a part of a cluster that clearly is of another type gets that;
single cells whose counted molecules show another type get it (plasma cells by a rule of their own); single other
cells that lie in a plasma cluster are taken out of that; a cell that shows two lineages is unresolved.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from ..cells.markers import PLASMA_ANCHORS, PLASMA_CONFLICT, PLASMA_CORE
from ..keys import PLASMA, UNRESOLVED
from .evidence import LINEAGE_OF

#: z over which exp(difference) is taken for a confidence: one margin of the label rule.
CLUSTER_TEMPERATURE, CELL_TEMPERATURE = 0.25, 0.5


def softmax(scores: pd.DataFrame, temperature: float) -> pd.DataFrame:
    """Row-wise share of exp(score / temperature)."""
    values = np.exp((scores.to_numpy() - scores.to_numpy().max(axis=1, keepdims=True)) / temperature)
    return pd.DataFrame(values / values.sum(axis=1, keepdims=True), index=scores.index, columns=scores.columns)


def plasma_evidence(expression: pd.DataFrame, pct_ig: pd.Series) -> pd.DataFrame:
    """What each cell shows for and against being a plasma cell, immunoglobulin apart.

    Parameters
    ----------
    expression
        cells x genes, log1p per 10,000 non-Ig UMIs.

    Returns
    -------
    DataFrame, index cell: n_core (core genes seen), surface (SDC1 or TNFRSF17 seen), xbp1, anchor (any anchor seen),
    conflict (UMIs per 10,000 non-Ig UMIs of genes that plasma cells lack), pct_ig.
    """

    def seen(names: tuple[str, ...]) -> pd.DataFrame:
        return expression[[g for g in names if g in expression.columns]] > 0

    conflict = expression[[g for g in PLASMA_CONFLICT if g in expression.columns]]
    return pd.DataFrame(
        {
            "n_core": seen(PLASMA_CORE).sum(axis=1),
            "surface": seen(("SDC1", "TNFRSF17")).any(axis=1),
            "xbp1": seen(("XBP1",)).any(axis=1),
            "anchor": seen(PLASMA_ANCHORS).any(axis=1),
            "conflict": np.expm1(conflict).sum(axis=1),
            "pct_ig": pct_ig.to_numpy(),
        },
        index=expression.index,
    )


def label_clusters(
    scores: pd.DataFrame, evidence: pd.DataFrame, cluster: pd.Series, settings: Mapping[str, Any]
) -> pd.DataFrame:
    """A type per cluster: the highest mean score, with a margin over the runner-up.

    A cluster may be plasma only when enough of its cells show XBP1, and enough show SDC1 or
    TNFRSF17 (science 1.1: pDCs carry MZB1, DERL3 and JCHAIN too; soup carries Ig).

    Returns
    -------
    DataFrame, a row per cluster: cluster, n_cells, cell_type, score, margin, runner_up, confidence,
    share_xbp1, share_surface, median_pct_ig, note.
    """
    rows = []
    means = scores.groupby(cluster).mean()
    groups = evidence.groupby(cluster.to_numpy())
    for name in sorted(means.index, key=int):
        mine = groups.get_group(name)
        shares = mine[["xbp1", "surface"]].mean()
        ranked = means.loc[name].copy()
        note = ""
        guarded = PLASMA in ranked and bool(
            (shares["xbp1"] < settings["plasma_min_share_xbp1"])
            | (shares["surface"] < settings["plasma_min_share_surface"])
        )
        if guarded:
            if ranked.idxmax() == PLASMA:
                note = "plasma panel highest, but too few cells with XBP1 and with SDC1 or TNFRSF17"
            ranked = ranked.drop(PLASMA)
        ranked = ranked.sort_values(ascending=False, kind="stable")
        best, margin = ranked.iloc[0], ranked.iloc[0] - ranked.iloc[1]
        clear = best >= settings["min_score"] and margin >= settings["min_margin"]
        weight = softmax(ranked.to_frame().T, CLUSTER_TEMPERATURE).iloc[0, 0]
        if not clear and not note:
            note = _why_unclear(ranked, settings)
        rows.append(
            {
                "cluster": name,
                "n_cells": len(mine),
                "cell_type": ranked.index[0] if clear else UNRESOLVED,
                "score": best,
                "margin": margin,
                "best": ranked.index[0],
                "runner_up": ranked.index[1],
                "confidence": weight if clear else 0.0,
                "share_xbp1": shares["xbp1"],
                "share_surface": shares["surface"],
                "median_pct_ig": mine["pct_ig"].median(),
                "note": note,
            }
        )
    columns = (
        "cluster n_cells cell_type score margin best runner_up confidence share_xbp1 share_surface median_pct_ig note"
    )
    return pd.DataFrame(rows, columns=columns.split())


def _why_unclear(ranked: pd.Series, settings: Mapping[str, Any]) -> str:
    """What an unresolved cluster looks like, from its two best types."""
    first, second = str(ranked.index[0]), str(ranked.index[1])
    if ranked.iloc[0] < settings["min_score"]:
        return "no type's markers"
    apart = {LINEAGE_OF.get(first), LINEAGE_OF.get(second)}
    if ranked.iloc[1] >= settings["min_score"] and None not in apart and len(apart) == 2:
        return f"markers of two lineages ({first}, {second}): doublets or soup"
    return f"between {first} and {second}"


def rescued(scores: pd.DataFrame, evidence: pd.DataFrame, settings: Mapping[str, Any]) -> pd.Series:
    """Cells that are plasma cells by themselves, whatever their cluster is called.

    All of: own plasma score at least ``rescue_score`` and above every other type's by ``rescue_margin``;
    three core genes; SDC1 or TNFRSF17, or an Ig load that soup does not give together with another
    anchor; at most ``rescue_max_conflict`` UMIs per 10,000 of genes that plasma cells lack.
    """
    if PLASMA not in scores:
        return pd.Series(False, index=scores.index)
    own = scores[PLASMA]
    other = scores.drop(columns=PLASMA).max(axis=1)
    loaded = evidence["anchor"] & (evidence["pct_ig"] >= settings["rescue_pct_ig"])
    return (
        (own >= settings["rescue_score"])
        & (own - other >= settings["rescue_margin"])
        & (evidence["n_core"] >= 3)
        & (evidence["surface"] | loaded)
        & (evidence["conflict"] <= settings["rescue_max_conflict"])
    )


def expelled(scores: pd.DataFrame, evidence: pd.DataFrame, settings: Mapping[str, Any]) -> pd.Series:
    """Cells that lie in a plasma cluster but show another type and fewer than two core genes."""
    if PLASMA not in scores:
        return pd.Series(False, index=scores.index)
    other = scores.drop(columns=PLASMA).max(axis=1)
    return (other - scores[PLASMA] >= settings["rescue_margin"]) & (evidence["n_core"] < 2)
