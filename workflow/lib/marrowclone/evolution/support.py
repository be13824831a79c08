"""How sure a branch is: bootstrap over segments and over cells, and all trees of each sample by their likelihood."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from .characters import Characters, leaf_costs
from .likelihood import Model, Steps
from .nodes import Node, collapse, walk
from .topology import Topology

#: Samples that are looked at together.
CHUNK = 4
#: Trees of a sample that are looked at: those that hold this share of its likelihood, and at most so many.
SHARE, MOST_TREES = 0.98, 30


def add_support(
    top: Node,
    characters: Characters,
    steps: Steps,
    trees: Sequence[Topology],
    *,
    n_bootstrap: int,
    seed: int,
) -> None:
    """Share of bootstrap samples in which a branch's clones stand together on at least one event.

    A sample has other cells of the same clones (their ratios are drawn anew with the counting noise) and weighs the
    chromosomes anew (Exp(1): the Bayesian bootstrap, Rubin 1981 Ann Stat 9:130, which never leaves out a whole
    chromosome, so that one strong event can be enough). The trees of a sample share its vote by their likelihood.
    """
    votes: dict[frozenset[int], float] = {}
    n_units = len(characters.units)
    for model, weights in _samples(characters, steps, n_bootstrap, seed):
        score = np.stack([(model.score(t) * weights).sum(axis=0) for t in trees])  # trees x samples
        share = np.exp(score - score.max(axis=0))
        share /= share.sum(axis=0)
        for r in range(share.shape[1]):
            order = np.argsort(-share[:, r], kind="stable")[:MOST_TREES]
            order = order[: int(np.searchsorted(share[order, r].cumsum(), SHARE)) + 1]
            for t in order:
                part = share[t, r] / share[order, r].sum()
                for node, _ in walk(collapse(model, trees[t], n_units, r)):
                    if node.change.any():
                        votes[node.clades] = votes.get(node.clades, 0.0) + part
    for node, _ in walk(top):
        if node.change.any():
            node.support = min(votes.get(node.clades, 0.0) / n_bootstrap, 1.0)


def _samples(characters: Characters, steps: Steps, n: int, seed: int) -> Iterator[tuple[Model, np.ndarray]]:
    """Models of some samples each, and the weights of their chromosomes (C, samples)."""
    rng = np.random.default_rng(seed)
    for first in range(0, n, CHUNK):
        size = min(CHUNK, n - first)
        costs = leaf_costs(characters, characters.redrawn(rng, size))
        yield Model(steps, costs), rng.exponential(size=(len(steps.chromosomes), size))
