"""The same answer dealt at random: what every score says when nothing is known.

A score that stays good for a permuted answer measures something else than it claims. Each table keeps its values
and loses only which cell, clone, arm, row or landmark they belong to.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from .arms import judged_arms
from .cells import ANSWER, judged_cells

#: What moves together in each table; the other columns stay in place.
MOVES: dict[str, tuple[str, ...]] = {
    "cells": tuple(ANSWER),
    "arms": ("call", "state", "value", "posterior", "log2_ratio"),
    "fractions": ("fraction", "lower", "upper", "n_clone", "burden", "burden_lower", "burden_upper"),
    "burden": ("source", "used", "burden", "burden_lower", "burden_upper"),
    "tree": ("branch",),
    "dynamics": ("growth_per_month", "lower", "upper", "bound", "relative_fitness", "p_growing"),
    "labels": ("label", "probability", "evidence"),
    "tiers": ("tier", "p_t0", "p_t1", "p_t2", "p_t3", "p_t4", "p_t5"),
}


def dealt(table: pd.DataFrame, columns: tuple[str, ...], rng: np.random.Generator, among: np.ndarray) -> pd.DataFrame:
    """``table`` with ``columns`` (those that it has) exchanged, row for row together, between the rows ``among``."""
    out = table.reset_index(drop=True)
    rows = np.flatnonzero(among)
    source = rng.permutation(rows)
    for name in (c for c in columns if c in out.columns):
        values = out[name].to_numpy(copy=True)
        values[rows] = values[source]
        out[name] = values
    return out


def dealt_tree(tree: pd.DataFrame, rng: np.random.Generator, among: np.ndarray) -> pd.DataFrame:
    """The tree with the names of its nodes exchanged; its shape stays, and so it stays a tree."""
    names = tree["branch"].astype(str).to_numpy()
    new = names.copy()
    new[among] = rng.permutation(names[among])
    renamed = dict(zip(names, new, strict=True))
    return tree.assign(branch=new, parent=[renamed.get(str(p), p) for p in tree["parent"]])


def permute_answer(
    answer: Mapping[str, pd.DataFrame], truth: Mapping[str, pd.DataFrame], seed: int
) -> dict[str, pd.DataFrame]:
    """An answer that knows nothing, from one that may.

    Parameters
    ----------
    answer
        tables by name (:data:`MOVES`); any of them may be missing. ``tree`` as ``evolution.tree``, ``tiers`` as
        ``cure.landmarks``.
    truth
        ``cells``: only judged cells exchange values among each other, so that doublets and dying cells bring none in.
        ``tree``: optional, {clone} names in column ``branch`` that exchange places (inferred ancestors then stay);
        default all.
    seed
        each table has its own stream.
    """
    out = {}
    for name, table in answer.items():
        if name not in MOVES:
            raise ValueError(f"answer: found the table {name!r}, expected one of {', '.join(MOVES)}")
        rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
        among = _among(name, table, truth)
        move: Callable[..., pd.DataFrame] = dealt_tree if name == "tree" else dealt
        out[name] = move(table, rng, among) if name == "tree" else move(table, MOVES[name], rng, among)
    return out


def _among(name: str, table: pd.DataFrame, truth: Mapping[str, pd.DataFrame]) -> np.ndarray:
    """The rows that take part."""
    if name == "cells" and "cells" in truth:
        return table["cell"].isin(judged_cells(truth["cells"])["cell"]).to_numpy()
    if name == "arms":
        here = judged_arms(table.assign(row=np.arange(len(table))))["row"].to_numpy()
        return np.isin(np.arange(len(table)), here)
    if name == "tree" and "tree" in truth:
        return table["branch"].isin(truth["tree"]["branch"]).to_numpy()
    return np.ones(len(table), dtype=bool)
