"""Family trees over the clones that both truth and answer have.

A tree here is {node: parent}; nodes that are no matched clone (``normal``, ``trunk``, ``a1``, clones without a
partner) are contracted: only who stands above whom among matched clones is compared.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from ..errors import UserError
from .shares import f_score, ratio

Parents = dict[str, str]
Clade = frozenset[str]
SUPPORT_COLUMNS = ("branch", "clade", "support", "right")
METRICS = ("precision", "recall", "f1", "relation", "lineage", "distance")


def parents_of(table: pd.DataFrame, node: str) -> Parents:
    """{node: parent} from a table with the columns ``node`` (``clone`` or ``branch``) and ``parent``."""
    parent = table["parent"].fillna("").astype(str)
    return dict(zip(table[node].astype(str), parent, strict=True))


def renamed(tree: Mapping[str, str], names: Mapping[str, str]) -> Parents:
    """The tree with its nodes renamed; a node that has no new name keeps its own, marked so that it meets no other."""

    def new(node: str) -> str:
        return names.get(node, f"\N{MIDDLE DOT}{node}" if node else "")

    return {new(node): new(parent) for node, parent in tree.items()}


def ancestors(tree: Mapping[str, str], node: str) -> list[str]:
    """Nodes above ``node``, the nearest first."""
    path: list[str] = []
    above = tree.get(node, "")
    while above:
        if above == node or above in path:
            raise UserError(f"tree, branch {node!r}: found itself among its ancestors, expected a tree.")
        path.append(above)
        above = tree.get(above, "")
    return path


def ancestor_pairs(tree: Mapping[str, str], clones: Clade) -> set[tuple[str, str]]:
    """(ancestor, descendant) among ``clones``, at any depth."""
    return {(a, c) for c in clones for a in ancestors(tree, c) if a in clones}


def clades(tree: Mapping[str, str], clones: Clade) -> set[Clade]:
    """Sets of ``clones`` at or below a node: proper subsets only (all of them stand below the normal cell)."""
    below: dict[str, set[str]] = {}
    for clone in clones:
        for node in (clone, *ancestors(tree, clone)):
            below.setdefault(node, set()).add(clone)
    return {frozenset(s) for s in below.values() if len(s) < len(clones)}


def compared(true: Mapping[str, str], answer: Mapping[str, str], matched: Mapping[str, str]) -> tuple[Parents, Clade]:
    """The answer's tree in true names, and the clones that both trees have."""
    back = {e: t for t, e in matched.items()}
    tree = renamed(answer, back)
    return tree, frozenset(c for c in matched if c in true and c in tree)


def tree_metrics(true: Mapping[str, str], answer: Mapping[str, str], *, matched: Mapping[str, str]) -> dict[str, Any]:
    """How alike two rooted trees are.

    Parameters
    ----------
    true
        {clone: parent} (``truth/clones.tsv``; the founder's parent is ``""``).
    answer
        {branch: parent} (``evolution/{patient}.tree.tsv``).
    matched
        true clone -> branch.

    Returns
    -------
    dict
        precision, recall, f1, hits, called, real: ordered (ancestor, descendant) pairs; precision NaN when the answer
        has none, recall and f1 when truth has none. relation: share of unordered pairs whose relation (one above, the
        other above, neither) is right. lineage: of the pairs on different lineages in truth, the share on different
        lineages in the answer. distance: Robinson-Foulds on clades, |A xor B| / (|A| + |B|): 0 the same tree, 1
        nothing shared. n: clones compared; with fewer than two everything is NaN. Chance: :func:`tree_chance`.
    """
    tree, clones = compared(true, answer, matched)
    if len(clones) < 2:
        return dict.fromkeys(METRICS, math.nan) | {"hits": 0, "called": 0, "real": 0, "n": len(clones)}
    real, called = ancestor_pairs(true, clones), ancestor_pairs(tree, clones)
    out: dict[str, Any] = f_score(len(real & called), len(called), len(real))
    right = apart = both_apart = 0
    for a, b in itertools.combinations(sorted(clones), 2):
        here, there = (((a, b) in pairs) - ((b, a) in pairs) for pairs in (real, called))
        right += here == there
        apart += here == 0
        both_apart += here == 0 and there == 0
    mine, theirs = clades(true, clones), clades(tree, clones)
    return out | {
        "relation": ratio(right, math.comb(len(clones), 2)),
        "lineage": ratio(both_apart, apart),
        "distance": ratio(len(mine ^ theirs), len(mine) + len(theirs)),
        "n": len(clones),
    }


def tree_chance(
    true: Mapping[str, str], answer: Mapping[str, str], *, matched: Mapping[str, str], n: int = 500, seed: int = 0
) -> dict[str, dict[str, float]]:
    """Chance level of each of :data:`METRICS`: mean and sd over ``n`` random exchanges of the matched clones' names.

    The answer keeps its shape. Metrics that are NaN stay NaN.
    """
    rng = np.random.default_rng(seed)
    names = list(matched)
    draws = [
        tree_metrics(true, answer, matched=dict(zip(names, rng.permutation(list(matched.values())), strict=True)))
        for _ in range(n)
    ]
    table = pd.DataFrame(draws, columns=list(METRICS)).astype(float)
    return {m: {"mean": float(table[m].mean()), "sd": float(table[m].std())} for m in METRICS}


def support_table(true: Mapping[str, str], table: pd.DataFrame, *, matched: Mapping[str, str]) -> pd.DataFrame:
    """Whether the clade below each supported branch is a clade of the true tree.

    Parameters
    ----------
    table
        ``evolution.tree``: branch, parent, support (in [0, 1]; empty rows say nothing).

    Returns
    -------
    DataFrame
        branch, clade (true names, ``a b``), support, right; a row per branch with support whose clade is a proper
        subset of the compared clones. For :func:`.calibration.calibration` of ``support`` on ``right``, over the
        branches of many patients. Chance: share of random clades that are right.
    """
    answer = parents_of(table, "branch")
    tree, clones = compared(true, answer, matched)
    back = {e: t for t, e in matched.items()}
    real = clades(true, clones)
    rows = []
    for branch, support in zip(table["branch"].astype(str), table["support"].astype(float), strict=True):
        node = next(iter(renamed({branch: ""}, back)))
        below = frozenset(c for c in clones if c == node or node in ancestors(tree, c))
        if not math.isnan(support) and 0 < len(below) < len(clones):
            rows.append((branch, " ".join(sorted(below)), support, below in real))
    return pd.DataFrame(rows, columns=list(SUPPORT_COLUMNS))
