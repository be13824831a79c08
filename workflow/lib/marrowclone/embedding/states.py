"""States within a cell type, and the probability that a cell cycles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from ..cells.markers import GUARD_WEIGHT, MOST_Z, gene_z
from ..keys import PLASMA

#: Share of a group's cells that shows a required gene, where the cell itself does not. [J]
GROUP_SHARE = 0.2
#: Size of the negative binomial of cycling-gene counts, resting and cycling. [J]
CYCLING_SIZE = 2.0
#: A cycling cell has at least so many times the resting rate of its type, and so many UMIs per 10,000. [J]
LEAST_FOLD, LEAST_CYCLING = 10.0, 5.0
#: Prior cells that cycle and that do not: a share of 5%, worth 20 cells. [J]
PRIOR = (1.0, 19.0)
#: A resting rate below this (UMIs per 10,000) is not believed. [J]
LEAST_RESTING = 0.02
#: Types of fewer cells are taken together.
MIN_CELLS = 50


def state_scores(z: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Mean z of a state's ``+`` and ``!`` genes less half the mean positive z of its ``-`` genes; -inf without any."""
    scores = {}
    for state, mine in rows.groupby("state", sort=False):
        wanted = [g for g in mine.loc[mine["direction"] != "-", "symbol"] if g in z.columns]
        guards = [g for g in mine.loc[mine["direction"] == "-", "symbol"] if g in z.columns]
        score = z[wanted].mean(axis=1).fillna(-MOST_Z) if wanted else pd.Series(-np.inf, index=z.index)
        if guards:
            score = score - GUARD_WEIGHT * z[guards].clip(lower=0).mean(axis=1).fillna(0.0)
        scores[str(state)] = score
    return pd.DataFrame(scores, index=z.index)


def required_seen(expression: pd.DataFrame, rows: pd.DataFrame, group: pd.Series) -> pd.DataFrame:
    """Per state: whether one of its ``!`` genes is seen in the cell, or in :data:`GROUP_SHARE` of its group's cells."""
    seen = {}
    for state, mine in rows.groupby("state", sort=False):
        named = list(mine.loc[mine["direction"] == "!", "symbol"])
        there = [g for g in named if g in expression.columns]
        own = (expression[there] > 0).any(axis=1) if named else pd.Series(True, index=expression.index)
        seen[str(state)] = own | (own.groupby(group.to_numpy()).transform("mean") >= GROUP_SHARE)
    return pd.DataFrame(seen, index=expression.index)


def assign_states(
    expression: pd.DataFrame,
    cell_type: pd.Series,
    part: pd.Series,
    panel: pd.DataFrame,
    cycling: pd.Series,
    settings: Mapping[str, Any],
) -> pd.Series:
    """The state of each cell within its type, empty where its genes do not tell.

    One cell's counts are few, so a state's score is half the cell's own and half the mean over the cells of its type
    in its part of the latent space. The best state wins with a score of ``min_score`` and ``min_margin`` over the next.
    Plasma cells are ``cycling`` (plasmablasts and cycling plasma cells are one in RNA) or ``resting``.

    Parameters
    ----------
    expression
        cells x genes, log1p per 10,000 non-Ig UMIs; NaN where the capture did not measure the gene.
    part
        part of the latent space that the cell lies in.
    panel
        ``resources/states.tsv``.
    cycling
        probability that the cell cycles; NaN unknown.
    """
    state = pd.Series("", index=cell_type.index, dtype=object)
    for name, rows in panel.groupby("cell_type", sort=False):
        mine = (cell_type == name).to_numpy()
        if not mine.any():
            continue
        values = expression.loc[mine, [g for g in dict.fromkeys(rows["symbol"]) if g in expression.columns]]
        group = part[mine]
        scores = state_scores(gene_z(values), rows).clip(lower=-MOST_Z)
        smooth = (scores + scores.groupby(group.to_numpy()).transform("mean")) / 2
        smooth = smooth.where(required_seen(values, rows, group), -MOST_Z)
        ranked = np.sort(smooth.to_numpy(), axis=1)
        second = ranked[:, -2] if ranked.shape[1] > 1 else np.zeros(len(ranked))
        clear = (ranked[:, -1] >= settings["min_score"]) & (ranked[:, -1] - second >= settings["min_margin"])
        state[mine] = np.where(clear, smooth.idxmax(axis=1), "")
    plasma = cell_type == PLASMA
    state[plasma & (cycling >= 0.5)] = "cycling"
    state[plasma & (cycling < 0.1)] = "resting"
    return state


def cycling_probability(umi: np.ndarray, exposure: np.ndarray, kind: np.ndarray, measured: np.ndarray) -> np.ndarray:
    """Probability that a cell cycles, from counted cycling genes, given how deep it was sequenced.

    Two negative binomials per cell type (resting, cycling) with rates per UMI and a share, found by expectation and
    maximisation: a shallow cell without a cycling gene keeps the share of its type instead of being called resting.

    Parameters
    ----------
    umi
        UMIs of ``resources/cycling.tsv`` per cell.
    exposure
        non-Ig UMIs per cell.
    kind
        cell type; types of fewer than :data:`MIN_CELLS` cells share a model.
    measured
        whether the cell's capture measured the genes; NaN where it did not.
    """
    result = np.full(len(umi), np.nan)
    kinds = pd.Series(kind).where(pd.Series(kind).map(pd.Series(kind).value_counts()) >= MIN_CELLS, "").to_numpy()
    for name in sorted(set(kinds)):
        mine = (kinds == name) & measured & (exposure > 0)
        if mine.any():
            result[mine] = _two_rates(umi[mine], exposure[mine] / 10_000.0)
    return result


def _two_rates(k: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Posterior of the higher of two rates; ``n`` in 10,000 UMIs."""
    low = max(float(np.median(k / n)), k.sum() / n.sum() / 5, LEAST_RESTING)
    high = max(LEAST_FOLD * low, 2 * LEAST_CYCLING)
    share = PRIOR[0] / sum(PRIOR)
    p = np.zeros(len(k))
    for _ in range(100):
        before = p
        odds = (
            np.log(share) - np.log1p(-share)
            + stats.nbinom.logpmf(k, CYCLING_SIZE, CYCLING_SIZE / (CYCLING_SIZE + high * n))
            - stats.nbinom.logpmf(k, CYCLING_SIZE, CYCLING_SIZE / (CYCLING_SIZE + low * n))
        )  # fmt: skip
        p = 1.0 / (1.0 + np.exp(-np.clip(odds, -50, 50)))
        share = (p.sum() + PRIOR[0]) / (len(p) + sum(PRIOR))
        low = max(((1 - p) * k).sum() / max(((1 - p) * n).sum(), 1e-9), LEAST_RESTING)
        high = max(((p * k).sum() + 2 * LEAST_CYCLING) / ((p * n).sum() + 1.0), LEAST_FOLD * low, LEAST_CYCLING)
        if np.abs(p - before).max() < 1e-6:
            break
    return p
