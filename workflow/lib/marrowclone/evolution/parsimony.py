"""Weighted parsimony over integer copy-number states: cost of a topology, its ancestral states.

A topology is a nested pair of clone indices, e.g. ``((0, 1), 2)``. Every arm is an ordered
character with states 0 to 5 copies, 2 at the root (a normal cell).
"""

from __future__ import annotations

import numpy as np

Topology = int | tuple["Topology", "Topology"]

N_STATES = 6
DIPLOID = 2


def transition_cost(*, event_cost: float, reversal_factor: float) -> np.ndarray:
    """Cost of a change of copies along a branch (parent state x child state).

    A step away from two copies costs ``event_cost``, a step back towards two
    ``reversal_factor`` as much (gained once, Dollo-like); what is wholly lost does not return.
    """
    cost = np.zeros((N_STATES, N_STATES))
    for a in range(N_STATES):
        for b in range(N_STATES):
            low, high = min(a, b), max(a, b)
            for s in range(low, high):
                away = s >= DIPLOID if b > a else s < DIPLOID
                cost[a, b] += event_cost * (1.0 if away else reversal_factor)
            if a == 0 and b > 0:
                cost[a, b] = np.inf
    return cost


def leaf_costs(states: np.ndarray, posteriors: np.ndarray) -> np.ndarray:
    """Cost of each true state given the called one: K x B x 6, natural log.

    A called state with posterior p speaks against each of its neighbours with log(2 p / (1 - p)),
    and against states further off that many times more; an uncalled one (NaN) against none.
    """
    p = np.clip(np.nan_to_num(posteriors, nan=0.5), 0.34, 0.999)
    against = np.log(2 * p / (1 - p))
    away = np.abs(np.arange(N_STATES)[None, None, :] - np.nan_to_num(states, nan=DIPLOID)[:, :, None])
    return np.where(np.isnan(states)[:, :, None], 0.0, away * against[:, :, None])


class Costs:
    """Costs of subtrees, each computed once (Sankoff 1975 SIAM J Appl Math 28:35)."""

    def __init__(self, leaves: np.ndarray, transition: np.ndarray) -> None:
        """``leaves``: K x B x 6 (:func:`leaf_costs`); ``transition``: 6 x 6 (:func:`transition_cost`)."""
        self.leaves = leaves
        self.transition = transition
        self._known: dict[Topology, np.ndarray] = {}

    def of(self, tree: Topology) -> np.ndarray:
        """Least cost of the subtree per arm and state of its top node (B x 6)."""
        if isinstance(tree, int):
            return self.leaves[tree]
        if tree not in self._known:
            self._known[tree] = self.below(tree[0]) + self.below(tree[1])
        return self._known[tree]

    def below(self, tree: Topology) -> np.ndarray:
        """The same with the branch above it, per state of the parent (B x 6)."""
        return (self.of(tree)[:, None, :] + self.transition[None, :, :]).min(axis=2)

    def total(self, tree: Topology) -> np.ndarray:
        """Cost per arm with a diploid root (B)."""
        return self.below(tree)[:, DIPLOID]

    def state(self, tree: Topology, parent: np.ndarray) -> np.ndarray:
        """State of the subtree's top node given its parent's (B); ties keep the parent's state."""
        options = self.of(tree) + self.transition[parent]
        keep = options[np.arange(len(parent)), parent]
        best = options.argmin(axis=1)
        return np.where(keep <= options.min(axis=1) + 1e-9, parent, best)


def canonical(a: Topology, b: Topology) -> Topology:
    """The pair in one fixed order, so that equal trees are equal values."""
    return (a, b) if min(members(a)) < min(members(b)) else (b, a)


def members(tree: Topology) -> frozenset[int]:
    """Clones below a node."""
    return frozenset([tree]) if isinstance(tree, int) else members(tree[0]) | members(tree[1])


def insertions(tree: Topology, leaf: int) -> list[Topology]:
    """All trees in which ``leaf`` hangs on one of the branches of ``tree``, the root's included."""
    found = [canonical(tree, leaf)]
    if not isinstance(tree, int):
        left, right = tree
        found += [canonical(t, right) for t in insertions(left, leaf)]
        found += [canonical(left, t) for t in insertions(right, leaf)]
    return found


def candidate_trees(costs: Costs, n_leaves: int, *, exhaustive_up_to: int, beam: int) -> list[Topology]:
    """All rooted trees of few clones; of many, those that stepwise insertion keeps.

    Returns
    -------
    topologies, best first. With more than ``exhaustive_up_to`` clones only the ``beam`` best are carried
    on from one insertion to the next: good trees, without a promise that they are the best.
    """
    trees: list[Topology] = [0]
    for leaf in range(1, n_leaves):
        trees = sorted({t for tree in trees for t in insertions(tree, leaf)}, key=str)
        if leaf + 1 > exhaustive_up_to:
            trees = sorted(trees, key=lambda t: (round(float(costs.total(t).sum()), 9), str(t)))[:beam]
    return sorted(trees, key=lambda t: (round(float(costs.total(t).sum()), 9), str(t)))


def node_states(costs: Costs, tree: Topology) -> list[tuple[Topology, np.ndarray, np.ndarray]]:
    """(subtree, its top state, its parent's state) for every node, parents first."""
    root = np.full(costs.leaves.shape[1], DIPLOID)
    todo, done = [(tree, root)], []
    while todo:
        node, parent = todo.pop(0)
        state = costs.state(node, parent)
        done.append((node, state, parent))
        if not isinstance(node, int):
            todo += [(node[0], state), (node[1], state)]
    return done
