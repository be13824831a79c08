"""Rooted topologies of clones: nested pairs of clone indices, e.g. ``((0, 1), 2)``, and how to go through them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np

Topology = int | tuple["Topology", "Topology"]


@lru_cache(maxsize=200_000)
def members(tree: Topology) -> frozenset[int]:
    """Clones below a node."""
    return frozenset([tree]) if isinstance(tree, int) else members(tree[0]) | members(tree[1])


def canonical(a: Topology, b: Topology) -> Topology:
    """The pair in one fixed order, so that equal trees are equal values."""
    return (a, b) if min(members(a)) < min(members(b)) else (b, a)


def insertions(tree: Topology, leaf: int) -> list[Topology]:
    """All trees in which ``leaf`` hangs on one of the branches of ``tree``, the root's included."""
    found = [canonical(tree, leaf)]
    if not isinstance(tree, int):
        left, right = tree
        found += [canonical(t, right) for t in insertions(left, leaf)]
        found += [canonical(left, t) for t in insertions(right, leaf)]
    return found


def candidate_trees(
    score: Callable[[Sequence[Topology]], np.ndarray], n_leaves: int, *, exhaustive_up_to: int, beam: int
) -> tuple[list[Topology], np.ndarray]:
    """All rooted trees of few clones; of many, those that stepwise insertion keeps.

    Parameters
    ----------
    score
        log likelihood of each of some trees (of any of the clones), higher is better.

    Returns
    -------
    trees, scores
        best first. With more than ``exhaustive_up_to`` clones only the ``beam`` best are carried on from one
        insertion to the next: good trees, without a promise that they are the best.
    """
    trees: list[Topology] = [0]
    for leaf in range(1, n_leaves):
        trees = sorted({t for tree in trees for t in insertions(tree, leaf)}, key=str)
        if leaf + 1 > exhaustive_up_to and leaf + 1 < n_leaves:
            trees = _best_first(trees, score(trees))[0][:beam]
    trees, scores = _best_first(trees, score(trees))
    keep = len(trees) if n_leaves <= exhaustive_up_to else beam
    return trees[:keep], scores[:keep]


def _best_first(trees: Sequence[Topology], scores: np.ndarray) -> tuple[list[Topology], np.ndarray]:
    """Trees by score; equal scores (to 1e-9) in the order that they have."""
    order = sorted(range(len(trees)), key=lambda i: (-round(float(scores[i]), 9), i))
    return [trees[i] for i in order], scores[order]
