"""A cell type for every kept cell of the cohort."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import anndata as ad
import pandas as pd

from ..cells.markers import gene_z, log_normalised, panel_genes, type_scores
from ..keys import PLASMA, TABLES
from .cluster import clusters_and_map
from .panel import assign_types, plasma_evidence

CLUSTER_COLUMNS = ("cluster", "n_cells", "cell_type", "score", "margin", "runner_up", "confidence")


def type_cells(
    counts: ad.AnnData,
    kept: pd.DataFrame,
    latent: pd.DataFrame,
    *,
    panel: pd.DataFrame,
    samples: pd.DataFrame,
    measured: pd.DataFrame,
    labels: pd.Series,
    tumour_types: Sequence[str],
    settings: Mapping[str, Any],
    seed: int,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Type the cells.

    Parameters
    ----------
    counts
        X CSR counts of at least the panel's genes, rows as ``kept``; obs sample.
    kept
        index cell: n_umi_non_ig, pct_ig.
    latent
        index cell (the same cells): z1 ... zk.
    samples
        index sample: patient, timepoint, day.
    measured
        samples x at least the panel's genes: whether the sample's file measured the gene.
    labels
        the user's own, index cell: they override the panel, with confidence 1.
    tumour_types
        cell types that are the tumour's.

    Returns
    -------
    cells
        the columns of ``keys.TABLES["embedding.cells"]``, then type_rule, panel_type (what the
        panel said), score_plasma.
    clusters
        a row per cluster.
    """
    if not len(kept):
        empty = pd.DataFrame(columns=[*TABLES["embedding.cells"], "type_rule", "panel_type", "score_plasma"])
        return empty, pd.DataFrame(columns=list(CLUSTER_COLUMNS))
    genes = panel_genes(panel, measured.columns[measured.any(axis=0)])
    expression = log_normalised(counts, kept["n_umi_non_ig"].to_numpy(), genes)
    # not measured is not zero: a small panel in one capture takes no gene from the others
    expression = expression.where(measured.loc[counts.obs["sample"].astype(str), genes].to_numpy())
    scores = type_scores(gene_z(expression), panel)
    scores = scores.loc[:, scores.gt(float("-inf")).all(axis=0)]
    places = clusters_and_map(latent.loc[kept.index], settings=settings, seed=seed)
    evidence = plasma_evidence(expression, kept["pct_ig"])
    types, clusters = assign_types(scores, evidence, places["cluster"], settings)
    cells = places.join(types)
    cells["panel_type"] = cells["cell_type"]
    cells["score_plasma"] = scores[PLASMA] if PLASMA in scores else float("nan")
    mine = cells.index.isin(labels.index)
    cells["cell_type"] = labels.reindex(cells.index).where(mine, cells["cell_type"])
    cells["confidence"] = cells["confidence"].where(~mine, 1.0)
    cells["type_rule"] = cells["type_rule"].where(~mine, "user")
    cells["sample"] = counts.obs["sample"].astype(str).to_numpy()
    for column in ("patient", "timepoint", "day"):
        cells[column] = cells["sample"].map(samples[column])
    cells["is_plasma"] = (cells["cell_type"] == PLASMA).astype(bool)
    cells["is_tumour_type"] = cells["cell_type"].isin(list(tumour_types)).astype(bool)
    return cells.rename_axis("cell").reset_index(), clusters
