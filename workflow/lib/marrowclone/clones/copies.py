"""What copy number alone makes of each gene's expression in each clone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from .sums import Array, Sums


@dataclass(frozen=True)
class Copies:
    """Per gene (rows) and clone (columns): copies (NaN where not called) and measured log2 ratio of its segment."""

    clones: np.ndarray
    state: Array
    log2_ratio: Array


def gene_copies(profiles: pd.DataFrame, genes: pd.DataFrame, clones: Sequence[str]) -> Copies:
    """The segment of each clone's profile in which a gene's middle lies.

    Parameters
    ----------
    profiles
        ``clones/{patient}.profiles.tsv``: clone, chromosome, arm, start, end, state, log2_ratio, call.
    genes
        chromosome, arm, start, end; one row per gene.
    clones
        columns of the result, in this order.

    Notes
    -----
    A whole arm's segment speaks for all of the arm, its genes beyond the outermost measured one too.
    """
    shape = (len(genes), len(clones))
    state, ratio = np.full(shape, np.nan), np.full(shape, np.nan)
    place = (genes["chromosome"].astype(str) + genes["arm"].astype(str)).to_numpy()
    middle = ((genes["start"] + genes["end"]) / 2).to_numpy(dtype=float)
    column = {clone: i for i, clone in enumerate(clones)}
    mine = profiles[profiles["clone"].isin(list(clones))]
    mine = mine.assign(known=mine["call"] != "indeterminate")
    on_arm = {arm: np.flatnonzero(place == arm) for arm in np.unique(place)}
    for (clone, chromosome, arm), rows in mine.groupby(["clone", "chromosome", "arm"], sort=False):
        here = on_arm.get(f"{chromosome}{arm}", np.array([], dtype=int))
        if not here.size:
            continue
        rows = rows.sort_values("start")
        # between two parts the nearer one speaks
        ends = (rows["end"].to_numpy(dtype=float)[:-1] + rows["start"].to_numpy(dtype=float)[1:]) / 2
        segment = np.searchsorted(ends, middle[here])
        known = rows["known"].to_numpy(dtype=bool)  # a part that is not sure has no neighbour's copies
        state[here, column[str(clone)]] = np.where(known, rows["state"].to_numpy(dtype=float), np.nan)[segment]
        ratio[here, column[str(clone)]] = np.where(known, rows["log2_ratio"].to_numpy(dtype=float), np.nan)[segment]
    return Copies(np.asarray(list(clones), dtype=str), state, ratio)


def dosage_offset(copies: Copies, sums: Sums, clone: str, samples: Sequence[str]) -> Array:
    """Log2 ratio of ``clone`` over the others that their copies alone would give: captures x genes.

    Of each capture by itself, since the others' mixture changes. 0 where all have the same number of copies, whatever
    was measured (that difference is noise); NaN where a state is not known. Clones with the same state share the mean
    of their ratios by cells. ``samples`` are captures that hold the clone and others.
    """
    cells = np.array([sums.cells[sums.clone == c].sum() for c in copies.clones])
    own = int(np.flatnonzero(copies.clones == clone)[0])
    state, level = copies.state, copies.log2_ratio.copy()
    for value in np.unique(state[np.isfinite(state)]):
        same = state == value
        weight = np.where(same, cells, 0.0)
        mean = np.where(same, copies.log2_ratio, 0.0) @ cells / np.maximum(weight.sum(axis=1), 1e-12)
        level = np.where(same, mean[:, None], level)
    rows = []
    for sample in samples:
        here = sums.sample == sample
        depth = np.array([sums.depth[here & (sums.clone == c)].sum() for c in copies.clones])
        others = np.flatnonzero((depth > 0) & (copies.clones != clone))
        share = depth[others] / max(depth[others].sum(), 1e-12)
        offset = level[:, own] - np.log2(np.exp2(level[:, others]) @ share)
        equal = (state[:, others] == state[:, [own]]).all(axis=1)
        known = np.isfinite(state[:, [own, *others]]).all(axis=1)
        rows.append(np.where(~known, np.nan, np.where(equal, 0.0, offset)))
    return np.stack(rows)
