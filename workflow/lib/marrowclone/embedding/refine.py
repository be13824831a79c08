"""From clusters to cells: parts of clusters, single cells and doublets, after the clusters have their names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from ..keys import PLASMA, UNRESOLVED
from .evidence import LINEAGE_OF, Definers, own_type_p, second_lineage
from .panel import CELL_TEMPERATURE, expelled, label_clusters, rescued, softmax


def part_labels(
    scores: pd.DataFrame, evidence: pd.DataFrame, part: pd.Series, settings: Mapping[str, Any]
) -> pd.DataFrame:
    """Types of the parts of clusters that are large enough to be named; of :func:`panel.label_clusters`."""
    size = part.map(part.value_counts())
    large = (size >= settings["min_cells_part"]).to_numpy()
    if not large.any():
        return pd.DataFrame(columns=["cluster", "cell_type", "confidence"])
    return label_clusters(scores[large], evidence[large], part[large], settings)


def own_types(
    scores: pd.DataFrame,
    found: Definers,
    evidence: pd.DataFrame,
    called: pd.Series,
    sample: np.ndarray,
    settings: Mapping[str, Any],
) -> pd.Series:
    """Cells whose own molecules show another type than they were given.

    All of: the own best type scores at least ``rescue_score``, and ``rescue_margin`` above the given type and above
    every type of another lineage; ``own_min_umi`` UMIs and two genes of its definers; a count that cells of the
    given type in the sample have with probability ``own_max_p`` or less. Never to plasma (its rule is
    stricter), and from plasma only with fewer than two core genes.

    Returns
    -------
    Series of types, ``""`` where the cell stays.
    """
    values = scores.to_numpy()
    rows = np.arange(len(scores))
    position = values.argmax(axis=1)
    best = scores.columns.to_numpy()[position]
    top = values[rows, position]
    given = scores.columns.get_indexer(pd.Index(called))
    at_given = np.where(given >= 0, values[rows, np.maximum(given, 0)], -np.inf)
    lineage = np.array([LINEAGE_OF.get(t, t) for t in scores.columns], dtype=object)
    of_others = np.where(lineage[None, :] == lineage[position][:, None], -np.inf, values).max(axis=1)
    umi, genes = (
        frame.reindex(columns=scores.columns, fill_value=0).to_numpy()[rows, position]
        for frame in (found.umi, found.genes)
    )
    p = own_type_p(found, scores, called, sample).to_numpy()
    moves = (
        (best != called.to_numpy())
        & (best != PLASMA)
        & ((called != PLASMA).to_numpy() | (evidence["n_core"] < 2).to_numpy())
        & (top >= settings["rescue_score"])
        & (top - at_given >= settings["rescue_margin"])
        & (top - of_others >= settings["rescue_margin"])
        & (umi >= settings["own_min_umi"])
        & (genes >= 2)
        & (p <= settings["own_max_p"])
    )
    return pd.Series(np.where(moves, best, ""), index=scores.index, dtype=object)


def assign_types(
    scores: pd.DataFrame,
    evidence: pd.DataFrame,
    found: Definers,
    places: pd.DataFrame,
    sample: np.ndarray,
    settings: Mapping[str, Any],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Type, confidence and the rule that gave it, per cell; and the table of clusters.

    Confidence is the mean of two shares: the softmax over types of the cell's cluster or part of it at a temperature
    of one label margin (0.25), and the cell's own at 0.5. It orders cells; it is no probability.

    Parameters
    ----------
    places
        index cell: cluster, part (a cluster's part, named across clusters).

    Returns
    -------
    cells
        index cell: cell_type, confidence, type_rule (``cluster``, ``part``, ``own``, ``rescued``, ``expelled``,
        ``conflict``).
    clusters
        of :func:`panel.label_clusters`, and n_conflict.
    """
    cluster = places["cluster"]
    clusters = label_clusters(scores, evidence, cluster, settings)
    by_name = clusters.set_index("cluster")
    cell_type = cluster.map(by_name["cell_type"]).astype(object)
    group = cluster.map(by_name["confidence"]).astype(float)
    rule = pd.Series("cluster", index=scores.index, dtype=object)

    parts = part_labels(scores, evidence, places["part"], settings).set_index("cluster")
    of_part = places["part"].map(parts["cell_type"]).fillna(UNRESOLVED).astype(object)
    other = (of_part != UNRESOLVED) & (of_part != cell_type)
    cell_type[other], rule[other] = of_part[other], "part"
    group[other] = places["part"].map(parts["confidence"]).astype(float)[other]

    own_share = softmax(scores, CELL_TEMPERATURE)
    out = (cell_type == PLASMA) & expelled(scores, evidence, settings)
    into = (cell_type != PLASMA) & rescued(scores, evidence, settings)
    own = own_types(scores, found, evidence, cell_type, sample, settings)
    moved = (own != "") & ~into
    cell_type[out], rule[out] = UNRESOLVED, "expelled"
    cell_type[into], rule[into] = PLASMA, "rescued"
    cell_type[moved], rule[moved] = own[moved], "own"
    second = second_lineage(
        found, scores, cell_type, sample, max_p=settings["conflict_max_p"], min_umi=settings["conflict_min_umi"]
    )
    clash = second != ""
    cell_type[clash], rule[clash] = UNRESOLVED, "conflict"
    clusters["n_conflict"] = clusters["cluster"].map(clash.groupby(cluster).sum()).fillna(0).astype(int)

    position = own_share.columns.get_indexer(pd.Index(cell_type))
    share = np.where(position >= 0, own_share.to_numpy()[np.arange(len(scores)), np.maximum(position, 0)], 0.0)
    alone = rule.isin(["own", "rescued"]).to_numpy()
    confidence = np.where(cell_type == UNRESOLVED, 0.0, np.where(alone, share, (group + share) / 2))
    return pd.DataFrame({"cell_type": cell_type, "confidence": confidence, "type_rule": rule}), clusters
