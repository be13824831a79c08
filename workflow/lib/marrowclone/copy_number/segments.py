"""Segments of equal copy state along the genome: whole arms, and parts of arms where the evidence suffices.

An arm without a break has the state that the joint model of all arms gives it (:mod:`.joint`). It is broken where
the hidden Markov model over bins of some forty expressed genes (:mod:`.hmm`) is sure of a break, and where each part
has enough genes: focal events are not called (science 2.3).
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from .hmm import Decoded, decode
from .joint import Response
from .states import GAIN, LOSS, with_states

#: Columns of :func:`copy_segments`.
SEGMENT_COLUMNS: tuple[str, ...] = (
    "group", "chromosome", "start", "end", "arm", "state", "posterior", "log2_ratio", "call", "n_genes", "n_cells",
    "p_gain", "p_loss", "p_amp", "whole_arm",
)  # fmt: skip
#: Bins that an arm needs to tell how its bins scatter.
SCATTER_BINS = 4
#: Median of chi-squared with one degree of freedom.
CHI2_MEDIAN = 0.4549364231195724
#: Bounds of the factor on the variance of bins [J].
SCATTER_LIMITS = (0.8, 4.0)


def copy_segments(
    bins: pd.DataFrame, arms: pd.DataFrame, response: Response, *, settings: Mapping[str, Any], breaks: bool
) -> pd.DataFrame:
    """Segments of every group.

    Parameters
    ----------
    bins
        :func:`.ratios.segment_ratios` over bins (:func:`.states.bin_segments`), not moved to the refined diploid level.
    arms
        the groups' arm states: group, chromosome, arm, start, end, state, posterior, log2_ratio, call, n_genes,
        n_cells, p_gain, p_loss, p_amp.
    response
        of the joint model: dosage, noise of arms, diploid level.
    settings
        min_posterior, min_genes, min_cells, prior_neutral.
    breaks
        False: whole arms only (a reference of other cell types has regional programmes of its own).

    Returns
    -------
    DataFrame
        :data:`SEGMENT_COLUMNS`, groups in the order of ``arms``, genome order; every arm is covered.
    """
    whole = arms.assign(whole_arm=True)[list(SEGMENT_COLUMNS)]
    if not breaks or bins.empty:
        return whole
    bins = bins.assign(log2_ratio=bins["log2_ratio"] - response.level)
    groups = list(dict.fromkeys(bins["group"]))
    first = bins[bins["group"] == groups[0]]
    shape = (len(groups), len(first))
    ratio = bins["log2_ratio"].to_numpy(dtype=float).reshape(shape)
    se = np.minimum(bins["se_genes"].to_numpy(dtype=float), 10.0).reshape(shape)
    arm_of_bin = (first["chromosome"] + first["arm"]).to_numpy(dtype=object)
    found = decode(
        ratio, se * np.sqrt(scatter(ratio, se, arm_of_bin)), first["chromosome"], first["arm"],
        dosage=response.dosage, arm_sd=response.tau, prior_neutral=settings["prior_neutral"],
    )  # fmt: skip
    parts = []
    for g, group in enumerate(groups):
        table = bins[bins["group"] == group].reset_index(drop=True)
        rows = whole[whole["group"] == group]
        broken = _broken(table, found, g, arm_of_bin, settings)
        names = rows["chromosome"] + rows["arm"]
        parts += [rows[~names.isin(list(broken))], *broken.values()]
    table = pd.concat(parts, ignore_index=True)
    order = pd.DataFrame(
        {
            "group": table["group"].map({g: i for i, g in enumerate(dict.fromkeys(arms["group"]))}),
            "chromosome": table["chromosome"].str.removeprefix("chr").astype(int),
            "start": table["start"],
        }
    ).sort_values(["group", "chromosome", "start"], kind="stable")
    return table.loc[order.index].reset_index(drop=True)


def scatter(ratio: np.ndarray, se: np.ndarray, arm: np.ndarray) -> float:
    """Factor by which bins of one arm vary beyond their standard errors, by the median over bins of all groups.

    Neighbouring genes vary together, which a standard error over genes does not know. The median does not see
    the few arms that hold a break.
    """
    squares = []
    for name in dict.fromkeys(arm):
        at = np.flatnonzero(arm == name)
        if len(at) < SCATTER_BINS:
            continue
        weight = np.where(np.isfinite(ratio[:, at]), 1 / se[:, at] ** 2, 0.0)
        values = np.nan_to_num(ratio[:, at])
        mean = (weight * values).sum(axis=1, keepdims=True) / np.maximum(weight.sum(axis=1, keepdims=True), 1e-12)
        # a bin takes part in its arm's mean: what is left of its variance is 1 - its share of the weight
        left = np.maximum(1 - weight / np.maximum(weight.sum(axis=1, keepdims=True), 1e-12), 0.1)
        squares.append(((values - mean) ** 2 * weight / left)[weight > 0])
    if not squares:
        return 1.0
    return float(np.clip(np.median(np.concatenate(squares)) / CHI2_MEDIAN, *SCATTER_LIMITS))


def _broken(
    bins: pd.DataFrame, found: Decoded, group: int, arm_of_bin: np.ndarray, settings: Mapping[str, Any]
) -> dict[str, pd.DataFrame]:
    """Parts of each arm of one group that is surely broken: arm -> rows of the segments."""
    broken = {}
    for i, name in enumerate(dict.fromkeys(arm_of_bin)):
        if 1 - found.unbroken[group, i] < settings["min_posterior"]:
            continue
        at = np.flatnonzero(arm_of_bin == name)
        runs = _runs(found.path[group, at], bins["n_genes"].to_numpy()[at], settings["min_genes"])
        if len(runs) > 1:
            rows = [_part(bins.iloc[at[a:b]], found.posterior[group, at[a:b]], s, settings) for a, b, s in runs]
            if any(r["call"] in (GAIN, LOSS) for r in rows) or len({r["state"] for r in rows}) > 1:
                broken[str(name)] = pd.DataFrame(rows, columns=list(SEGMENT_COLUMNS))
    return broken


def _runs(path: np.ndarray, n_genes: np.ndarray, min_genes: int) -> list[tuple[int, int, int]]:
    """(first bin, bin after the last, copies) of the path's runs; one of fewer genes joins its larger neighbour."""
    ends = [0, *(np.flatnonzero(np.diff(path)) + 1).tolist(), len(path)]
    runs = [(a, b, int(path[a])) for a, b in pairwise(ends)]
    while len(runs) > 1:
        sizes = [int(n_genes[a:b].sum()) for a, b, _ in runs]
        small = int(np.argmin(sizes))
        if sizes[small] >= min_genes:
            break
        beside = [j for j in (small - 1, small + 1) if 0 <= j < len(runs)]
        into = max(beside, key=lambda j: sizes[j])
        low, high = min(small, into), max(small, into)
        runs[low : high + 1] = [(runs[low][0], runs[high][1], runs[into][2])]
        joined = [runs[0]]
        for a, b, state in runs[1:]:  # neighbours that are alike now
            joined = [*joined[:-1], (joined[-1][0], b, state)] if joined[-1][2] == state else [*joined, (a, b, state)]
        runs = joined
    return runs


def _part(bins: pd.DataFrame, posterior: np.ndarray, state: int, settings: Mapping[str, Any]) -> dict[str, Any]:
    """One segment's row: posterior is the mean over its bins, weighted by genes."""
    weight = bins["n_genes"].to_numpy(dtype=float)
    mean = weight @ posterior / max(weight.sum(), 1.0)
    known = np.isfinite(bins["log2_ratio"].to_numpy(dtype=float))
    ratio = np.average(bins["log2_ratio"][known], weights=weight[known]) if known.any() else np.nan
    first = bins.iloc[0]
    row: dict[str, Any] = {
        "group": first["group"], "chromosome": first["chromosome"], "start": int(bins["start"].min()),
        "end": int(bins["end"].max()), "arm": first["arm"], "state": state, "posterior": float(mean[state]),
        "log2_ratio": float(ratio), "n_genes": int(weight.sum()), "n_cells": int(first["n_cells"]), "whole_arm": False,
    }  # fmt: skip
    # the path says the copies, the mean over its bins how sure they and the direction are
    called = with_states(pd.DataFrame([row]), mean[None], settings=settings).iloc[0]
    return {**{str(k): v for k, v in called.items()}, **row}
