"""Groups of cells that look alike in copy-number space, and what each group is."""

from __future__ import annotations

import random
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from ..cells.light_chain import ChainTest, chain_test
from . import states

#: What a group of cells is.
TUMOUR, CLONAL, NOTHING, CONFLICT, UNCLEAR = "tumour", "clonal", "no evidence", "conflict", "unclear"


@dataclass(frozen=True)
class NoiseModel:
    """How the arms of reference cells scatter: ``variance = scale * (floor + slope / depth)``, correlated.

    Attributes
    ----------
    mean, scale
        per arm.
    floor, slope
        dependence on depth, common to all arms.
    whitener
        arms x arms; standardised residuals times it are uncorrelated with variance 1.
    """

    mean: np.ndarray
    scale: np.ndarray
    floor: float
    slope: float
    whitener: np.ndarray

    def whiten(self, arms: np.ndarray, depth: np.ndarray) -> np.ndarray:
        """Arms of cells in units in which normal cells are N(0, 1) on every axis; n x arms."""
        spread = np.sqrt(self.floor + self.slope / depth)[:, None] * np.sqrt(self.scale)[None, :]
        return ((arms - self.mean) / spread) @ self.whitener


def fit_noise(arms: np.ndarray, depth: np.ndarray) -> NoiseModel:
    """Noise of normal cells from reference cells (n x arms, winsorised UMI per cell).

    Extreme cells (doublets, mislabelled) are held to 4 robust SDs. With fewer than 10 cells the
    noise is taken from counting alone.
    """
    n_arms = arms.shape[1]
    if len(arms) < 10:
        return NoiseModel(np.zeros(n_arms), np.full(n_arms, 0.4), 0.1, 2000.0, np.eye(n_arms))
    mean = np.median(arms, axis=0)
    robust = 1.4826 * np.median(np.abs(arms - mean), axis=0) + 1e-6
    residual = np.clip(arms - mean, -4 * robust, 4 * robust)
    scale = (residual**2).mean(axis=0)
    # how the common level falls with depth: non-negative least squares on 1 and 1/depth
    level = (residual**2 / scale).mean(axis=1)
    inverse = 1 / depth
    slope = 0.0
    if inverse.std() > 0:
        slope = max(float(np.cov(inverse, level)[0, 1] / inverse.var(ddof=1)), 0.0)
    slope = min(slope, 0.95 / inverse.mean())
    floor = 1 - slope * inverse.mean()
    from sklearn.covariance import ledoit_wolf

    standard = residual / np.sqrt(scale) / np.sqrt(floor + slope * inverse)[:, None]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        covariance, _ = ledoit_wolf(standard, assume_centered=True)
    values, vectors = np.linalg.eigh(covariance)
    whitener = vectors @ np.diag(1 / np.sqrt(np.maximum(values, 0.05))) @ vectors.T
    return NoiseModel(mean, scale, floor, slope, whitener)


def cluster_cells(features: np.ndarray, *, n_components: int = 10, n_neighbours: int = 15, seed: int) -> np.ndarray:
    """Leiden clusters (igraph) of whitened arms; labels 0, 1, ... by size, shape (n,).

    Give the cells in a fixed order (sorted by id): the random choices then do not depend on
    the order in which they were read.
    """
    n = len(features)
    if n < 3 * n_neighbours:
        return np.zeros(n, dtype=int)
    import igraph  # it loads matplotlib when it finds it
    from sklearn.neighbors import NearestNeighbors

    centred = features - features.mean(axis=0)
    u, s, vt = np.linalg.svd(centred, full_matrices=False)
    sign = np.sign(vt[np.arange(len(vt)), np.abs(vt).argmax(axis=1)])
    components = (u * s * sign)[:, : min(n_components, len(s))]
    neighbours = NearestNeighbors(n_neighbors=n_neighbours).fit(components)
    graph = sp.coo_matrix(neighbours.kneighbors_graph(mode="connectivity"))
    edges = np.unique(np.sort(np.column_stack([graph.row, graph.col]), axis=1), axis=0)
    igraph.set_random_number_generator(random.Random(seed))
    found = igraph.Graph(n=n, edges=edges.tolist()).community_leiden(
        objective_function="modularity", resolution=1.0, n_iterations=10
    )
    labels = np.asarray(found.membership)
    order = pd.Series(labels).value_counts(sort=False)
    rank = order.sort_index().sort_values(ascending=False, kind="stable").index
    return pd.Index(rank).get_indexer(labels)


@dataclass(frozen=True)
class GroupEvidence:
    """What is known of one group of cells: verdict (one of the constants above), events, light chain."""

    verdict: str
    events: tuple[str, ...]
    chain: ChainTest | None
    n_cells: int

    def words(self) -> str:
        """The evidence in words."""
        n = len(self.events)
        text = f"{n} arm event{'s' if n > 1 else ''} ({' '.join(self.events)})" if n else "no arm events"
        chain = f"; {self.chain.words()}" if self.chain is not None else ""
        return f"{self.verdict}: group of {self.n_cells} cell{'s' if self.n_cells != 1 else ''}, {text}{chain}"


def chain_limits(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What :func:`~marrowclone.cells.light_chain.chain_test` takes of the settings of ``call_malignant``."""
    return {
        "kappa_share": settings["kappa_share"],
        "min_cells": settings["min_chain_cells"],
        "min_llr": settings["min_llr"],
    }


def judge_group(
    arms: pd.DataFrame, chain: ChainTest | None, *, rung: str, settings: Mapping[str, Any]
) -> GroupEvidence:
    """Verdict on one group from its arm states (:func:`states.segment_states`) and its light chain.

    tumour: aneuploid (at least ``min_events`` arms gained or lost on at least two chromosomes; one
    chromosome suffices when the light chain is restricted too) and not polyclonal. clonal: restricted light
    chain without events. conflict: aneuploid and polyclonal. unclear: too few cells or too many
    arms without an answer. no evidence: looked at, and nothing found.
    """
    reportable = arms
    if rung == "R5":
        name = arms["chromosome"].str.removeprefix("chr") + arms["arm"]
        reportable = arms[~name.isin(states.UNREPORTABLE_R5)]
    if rung == "R4":
        reportable = arms.iloc[:0]  # the tumour against itself: no absolute gains or losses
    hit = reportable[reportable["call"].isin([states.GAIN, states.LOSS])]
    sign = hit["call"].map({states.GAIN: "+", states.LOSS: "-"})
    events = tuple((sign + hit["chromosome"].str.removeprefix("chr") + hit["arm"]).tolist())
    n_cells = int(arms["n_cells"].iloc[0]) if len(arms) else 0
    n_chromosomes = hit["chromosome"].nunique()
    restricted = chain is not None and chain.verdict == "restricted"
    polyclonal = chain is not None and chain.verdict == "polyclonal"
    aneuploid = len(events) >= settings["min_events"] and n_chromosomes >= 2
    if rung == "R5" and not restricted:
        aneuploid = aneuploid and n_chromosomes >= 3
    judged = reportable[reportable["call"] != states.INDETERMINATE]
    assessable = len(judged) >= 0.6 * max(len(reportable[reportable["n_genes"] >= settings["min_genes"]]), 1)
    if (aneuploid or (restricted and events)) and not polyclonal:
        verdict = TUMOUR
    elif aneuploid:
        verdict = CONFLICT
    elif restricted:
        verdict = CLONAL
    elif events or not assessable:
        verdict = NOTHING if polyclonal and len(events) <= 1 else UNCLEAR
    else:
        verdict = NOTHING
    return GroupEvidence(verdict, events, chain, n_cells)


def judge_groups(
    counts: sp.csr_matrix,
    samples: np.ndarray,
    labels: np.ndarray,
    chains: np.ndarray | None,
    expected: pd.DataFrame,
    genes: pd.DataFrame,
    *,
    rung: str,
    settings: Mapping[str, Any],
) -> dict[str, GroupEvidence]:
    """Evidence of every group named in ``labels`` (``""``: in none).

    ``expected`` and ``genes`` are those of the baseline; ``chains`` is None where the tumour is not made of
    plasma cells.
    """
    wide = max(states.SYSTEMATIC_SD_R5, settings["systematic_sd"]) if rung == "R5" else settings["systematic_sd"]
    table = states.segment_states(
        counts,
        pd.Series(labels),
        expected,
        states.arm_segments(genes[genes["used"]]),
        genes,
        settings={**settings, "systematic_sd": wide},
        samples=pd.Series(samples),
    )
    evidence = {}
    for name, arms in table.groupby("group", sort=True):
        chain = None
        if chains is not None:
            chain = chain_test(chains[labels == name], **chain_limits(settings))
        evidence[str(name)] = judge_group(arms, chain, rung=rung, settings=settings)
    return evidence
