"""Likelihood of a topology: copies of whole chromosomes change along branches, by one event at a time.

A character is a chromosome with its arms (or their parts): a change that all of them share is one event, as in the
minimum-event distance of Schwarz 2014 PLoS Comput Biol 10:e1003535. States are summed out by pruning (Felsenstein 1981
J Mol Evol 17:368) for the tree, and maximised (Sankoff 1975 SIAM J Appl Math 28:35) for the events on its branches.
Some chromosomes change more often than others: two classes of rates (Yang 1994 J Mol Evol 39:306).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .characters import DIPLOID, Unit
from .topology import Topology

#: States (of all units of a chromosome together) that are looked at, and how unlikely one may be (nats).
MOST_STATES = 36
THRESHOLDS = (8.0, 6.0, 4.0, 2.0, 1.0, 0.5, 0.0)


@dataclass(frozen=True)
class Chromosome:
    """A character: its units (indices), and the joint states that any clone may have, shape (S, units)."""

    units: tuple[int, ...]
    states: np.ndarray

    @property
    def diploid(self) -> int:
        """Index of the state of a normal cell."""
        return int(np.flatnonzero((self.states == DIPLOID).all(axis=1))[0])


def chromosomes_of(units: Sequence[Unit], costs: np.ndarray) -> list[Chromosome]:
    """Characters of these units; ``costs``: of the leaves (K, B, 6). Each has at most :data:`MOST_STATES` states."""
    found = []
    for _, group in itertools.groupby(range(len(units)), key=lambda b: units[b].chromosome):
        at = tuple(group)
        for threshold in THRESHOLDS:
            options = []
            for b in at:
                likely = np.flatnonzero(costs[:, b].min(axis=0) <= threshold)
                options.append(range(min(DIPLOID, likely.min()), max(DIPLOID, likely.max()) + 1))
            if np.prod([len(o) for o in options]) <= MOST_STATES:
                break
        found.append(Chromosome(at, np.array(list(itertools.product(*options)))))
    return found


def n_events(change: np.ndarray) -> np.ndarray:
    """Fewest events, each one copy up or down of a run of neighbouring units, that make a change (..., units)."""
    up, down = np.maximum(change, 0), np.maximum(-change, 0)
    events: np.ndarray = sum(np.maximum(np.diff(x, axis=-1, prepend=0), 0).sum(axis=-1) for x in (up, down))
    return events


def transition_costs(states: np.ndarray, *, event_cost: float, reversal_factor: float) -> np.ndarray:
    """Cost (nats) of a change along a branch, parent (rows) to child (columns), shape (S, S).

    An event away from two copies costs ``event_cost``, one back ``reversal_factor`` times as much (gained once); what
    is wholly lost does not return.
    """
    before, after = states[:, None, :], states[None, :, :]
    change, way = after - before, DIPLOID - before
    back = np.where(np.sign(change) == np.sign(way), np.sign(way) * np.minimum(np.abs(change), np.abs(way)), 0)
    cost = event_cost * (n_events(change - back) + reversal_factor * n_events(back))
    return np.where(((before == 0) & (after > 0)).any(axis=-1), np.inf, cost)


@dataclass(frozen=True)
class Rates:
    """Costs of an event in the classes of rates, and the share of chromosomes in each."""

    event_costs: tuple[float, ...]
    shares: tuple[float, ...]
    reversal_factor: float


class Steps:
    """The characters of a patient and what a change in them costs; made once, for all sets of measurements.

    Attributes
    ----------
    cost
        nats, parent to child, shape (classes of rates, C, S, S); infinite where a character has fewer states.
    root
        state of a normal cell, shape (C,).
    """

    def __init__(self, chromosomes: Sequence[Chromosome], rates: Rates) -> None:
        self.chromosomes = tuple(chromosomes)
        self.size = max(len(c.states) for c in chromosomes)
        self.cost = np.full((len(rates.shares), len(chromosomes), self.size, self.size), np.inf)
        for i, c in enumerate(chromosomes):
            for j, event in enumerate(rates.event_costs):
                self.cost[j, i, : len(c.states), : len(c.states)] = transition_costs(
                    c.states, event_cost=event, reversal_factor=rates.reversal_factor
                )
        self.root = np.array([c.diploid for c in chromosomes])
        self.shares = np.array(rates.shares)
        self.weight = np.ascontiguousarray(np.swapaxes(np.exp(-self.cost), -1, -2))


class Model:
    """Likelihoods of trees for R sets of measurements at a time; ``costs``: of the leaves, shape (R, K, B, 6)."""

    def __init__(self, steps: Steps, costs: np.ndarray) -> None:
        self.steps = steps
        n_sets, n_clones = costs.shape[:2]
        self.leaves = np.full((n_clones, len(steps.chromosomes), n_sets, steps.size), np.inf)
        for i, c in enumerate(steps.chromosomes):
            own = sum(costs[:, :, b, c.states[:, u]] for u, b in enumerate(c.units))
            self.leaves[:, i, :, : len(c.states)] = np.swapaxes(own, 0, 1)
        # no product over the clones may vanish below what a float holds
        self._weights = np.exp(-np.minimum(self.leaves, 600.0 / (n_clones + 1)))
        self._weights[np.isinf(self.leaves)] = 0.0
        self._below: dict[Topology, np.ndarray] = {}

    def below(self, tree: Topology) -> np.ndarray:
        """Likelihood of what is below a branch per state of its upper end, shape (classes, C, R, S)."""
        if tree not in self._below:
            own = self._weights[tree][None] if isinstance(tree, int) else self.below(tree[0]) * self.below(tree[1])
            self._below[tree] = np.matmul(own, self.steps.weight)
        return self._below[tree]

    def per_class(self, tree: Topology) -> np.ndarray:
        """ln likelihood with a diploid root per class of rates, shape (classes, C, R)."""
        top = np.take_along_axis(self.below(tree), self.steps.root[None, :, None, None], axis=3)[..., 0]
        logged: np.ndarray = np.log(np.maximum(top, 1e-300)) + np.log(self.steps.shares)[:, None, None]
        return logged

    def score(self, tree: Topology) -> np.ndarray:
        """ln likelihood per character and set, shape (C, R)."""
        classes = self.per_class(tree)
        high = classes.max(axis=0)
        total: np.ndarray = high + np.log(np.exp(classes - high).sum(axis=0))
        return total

    def states(self, tree: Topology, which: int = 0) -> list[tuple[Topology, np.ndarray, np.ndarray]]:
        """(subtree, its top state, its parent's state) of every node, parents first; states index those of the
        characters, shape (C,). The most probable ones together; ties keep the parent's, so that events stand low."""
        classes = self.per_class(tree)[..., which].argmax(axis=0)
        rows = np.arange(len(self.steps.root))
        step = self.steps.cost[classes, rows]
        known: dict[Topology, np.ndarray] = {}

        def of(node: Topology) -> np.ndarray:
            if node not in known:
                known[node] = (
                    self.leaves[node][:, which] if isinstance(node, int)
                    else sum((of(t)[:, None, :] + step).min(axis=2) for t in node)
                )  # fmt: skip
            return known[node]

        todo, done = [(tree, self.steps.root)], []
        while todo:
            node, parent = todo.pop(0)
            options = of(node) + step[rows, parent]
            best = options.argmin(axis=1)
            keep = options[rows, parent] <= options[rows, best] + 1e-9
            state = np.where(keep, parent, best)
            done.append((node, state, parent))
            if not isinstance(node, int):
                todo += [(node[0], state), (node[1], state)]
        return done

    def copies(self, state: np.ndarray, n_units: int) -> np.ndarray:
        """Copies of every unit in these states of the characters, shape (B,)."""
        out = np.full(n_units, DIPLOID)
        for c, s in zip(self.steps.chromosomes, state, strict=True):
            out[list(c.units)] = c.states[s]
        return out
