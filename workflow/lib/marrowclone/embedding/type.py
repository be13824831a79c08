"""A cell type for every kept cell of the cohort."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd

from ..cells.markers import gene_z, log_normalised, panel_genes, type_scores
from ..keys import PLASMA, TABLES, UNRESOLVED
from .cluster import clusters_and_map
from .evidence import count_sets, definers
from .model_labels import majority, our_types
from .panel import plasma_evidence
from .refine import assign_types
from .states import assign_states, cycling_probability

CLUSTER_COLUMNS = ("cluster", "n_cells", "cell_type", "score", "margin", "runner_up", "confidence")
#: Columns of ``embedding/cells.tsv.gz`` after the contract's.
FURTHER = ("type_rule", "cell_state", "cycling", "panel_type", "score_plasma", "part", "model_label")
#: Least share of the cycling genes that a capture has to measure.
CYCLING_MEASURED = 0.5


def genes_to_read(panels: Sequence[pd.DataFrame], known: pd.Index | pd.Series) -> list[str]:
    """Genes of all the tables, once each, that the reference has."""
    return panel_genes(pd.concat([p[["symbol"]] for p in panels]), known)


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
    states: pd.DataFrame | None = None,
    cycling: Sequence[str] = (),
    model: pd.DataFrame | None = None,
    model_names: pd.DataFrame | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Type the cells.

    Parameters
    ----------
    counts
        X CSR counts of at least the genes of the panel, the states and the cycle, rows as ``kept``; obs sample.
    kept
        index cell: n_umi_non_ig, pct_ig.
    latent
        index cell (the same cells): z1 ... zk.
    samples
        index sample: patient, timepoint, day.
    measured
        samples x at least the panel's genes: whether the sample's file measured the gene.
    labels
        the user's own, index cell: they override panel and model, with confidence 1.
    tumour_types
        cell types that are the tumour's.
    states
        ``resources/states.tsv``; None: no states.
    cycling
        genes counted for the cell cycle.
    model
        of :func:`model_labels.annotate`, index cell; its types replace the panel's. None: the panel's stand.
    model_names
        ``resources/celltypist_labels.tsv``.

    Returns
    -------
    cells
        the columns of ``keys.TABLES["embedding.cells"]``, then :data:`FURTHER`: type_rule, cell_state, cycling
        (probability), panel_type (what the panel said), score_plasma, part (of a cluster), model_label.
    clusters
        a row per cluster.
    """
    if not len(kept):
        empty = pd.DataFrame(columns=[*TABLES["embedding.cells"], *FURTHER])
        return empty, pd.DataFrame(columns=list(CLUSTER_COLUMNS))
    panels = [panel] if states is None else [panel, states]
    genes = genes_to_read(panels, measured.columns[measured.any(axis=0)])
    n_umi = kept["n_umi_non_ig"].to_numpy()
    sample = counts.obs["sample"].astype(str).to_numpy()
    expression = log_normalised(counts, n_umi, genes)
    # not measured is not zero: a small panel in one capture takes no gene from the others
    expression = expression.where(measured.loc[sample, genes].to_numpy())
    scores = type_scores(gene_z(expression[panel_genes(panel, genes)]), panel)
    scores = scores.loc[:, scores.gt(float("-inf")).all(axis=0)]
    places = clusters_and_map(latent.loc[kept.index], settings=settings, seed=seed)
    evidence = plasma_evidence(expression, kept["pct_ig"])
    found = count_sets(counts, definers(panel), n_umi)
    types, clusters = assign_types(scores, evidence, found, places, sample, settings)
    cells = places.join(types)
    cells["panel_type"] = cells["cell_type"]
    cells["score_plasma"] = scores[PLASMA] if PLASMA in scores else float("nan")
    cells["model_label"] = ""
    of_model = pd.Series("", index=cells.index, dtype=object)
    if model is not None:
        of_model = _by_model(cells, model.loc[cells.index], model_names, tumour_types, settings)
    mine = cells.index.isin(labels.index)
    cells["cell_type"] = labels.reindex(cells.index).where(mine, cells["cell_type"])
    cells["confidence"] = cells["confidence"].where(~mine, 1.0)
    cells["type_rule"] = cells["type_rule"].where(~mine, "user")
    cells["cycling"] = _cycling(counts, n_umi, cells["cell_type"], measured.loc[sample], list(cycling))
    cells["cell_state"] = of_model.where(~mine, "")
    if states is not None:
        ours = assign_states(expression, cells["cell_type"], cells["part"], states, cells["cycling"], settings)
        cells["cell_state"] = cells["cell_state"].where(cells["cell_state"] != "", ours)
    cells["sample"] = sample
    for column in ("patient", "timepoint", "day"):
        cells[column] = cells["sample"].map(samples[column])
    cells["is_plasma"] = (cells["cell_type"] == PLASMA).astype(bool)
    cells["is_tumour_type"] = cells["cell_type"].isin(list(tumour_types)).astype(bool)
    order = [c for c in cells.columns if c not in FURTHER]
    return cells[[*order, *FURTHER]].rename_axis("cell").reset_index(), clusters


def _by_model(
    cells: pd.DataFrame,
    model: pd.DataFrame,
    names: pd.DataFrame | None,
    tumour_types: Sequence[str],
    settings: Mapping[str, Any],
) -> pd.Series:
    """Put the model's types into ``cells``; returns the states that its labels name."""
    voted = majority(model["label"], cells["part"], min_share=settings["celltypist_min_share"])
    table = names if names is not None else pd.DataFrame(columns=["label", "cell_type", "state"], dtype=str)
    ours = our_types(voted, table, tumour_types)
    cells["model_label"] = voted
    cells["cell_type"] = ours["cell_type"]
    cells["confidence"] = np.where(ours["cell_type"] == UNRESOLVED, 0.0, model["probability"])
    cells["type_rule"] = "model"
    return ours["state"]


def _cycling(
    counts: ad.AnnData, n_umi: np.ndarray, cell_type: pd.Series, measured: pd.DataFrame, genes: list[str]
) -> np.ndarray:
    """Probability that each cell cycles; NaN where its capture measured too few of the genes."""
    there = [g for g in genes if g in counts.var_names]
    if not there:
        return np.full(counts.n_obs, np.nan)
    umi = count_sets(counts, {"cycling": there}, n_umi).umi["cycling"].to_numpy()
    enough = (measured[there].sum(axis=1) >= CYCLING_MEASURED * len(genes)).to_numpy()
    return cycling_probability(umi, n_umi, cell_type.to_numpy(), enough)
