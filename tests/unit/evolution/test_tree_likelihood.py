"""Pruning and maximisation against sums over all states by hand; the cost of events; all topologies."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from marrowclone.evolution.characters import Characters, Unit, leaf_costs
from marrowclone.evolution.likelihood import Model, Rates, Steps, chromosomes_of, n_events, transition_costs
from marrowclone.evolution.nodes import count_events, events_of
from marrowclone.evolution.topology import candidate_trees

STATES = np.array(list(itertools.product(range(6), range(6))))
RATES = Rates((3.0, 1.2), (0.8, 0.2), 2.0)


@pytest.mark.parametrize(
    ("change", "events"), [((1, 1), 1), ((1, 0), 1), ((1, -1), 2), ((2, 1), 2), ((1, 0, 1), 2), ((-1, -1, -1), 1)]
)
def test_fewest_events(change: tuple[int, ...], events: int) -> None:
    assert n_events(np.array(change)) == events


def test_costs_of_events() -> None:
    cost = transition_costs(STATES, event_cost=3.0, reversal_factor=2.0)

    def of(a: tuple[int, int], b: tuple[int, int]) -> float:
        return float(cost[a[0] * 6 + a[1], b[0] * 6 + b[1]])

    assert of((2, 2), (3, 3)) == 3 and of((2, 2), (3, 2)) == 3 and of((2, 2), (3, 1)) == 6
    assert of((3, 3), (2, 2)) == 6 and of((1, 2), (3, 2)) == 6 + 3  # back to two, and one beyond
    assert of((2, 2), (0, 2)) == 6 and np.isinf(of((0, 2), (1, 2)))  # what is wholly lost does not return
    assert (np.diag(cost) == 0).all()


def test_pruning_is_the_sum_over_all_states() -> None:
    rng = np.random.default_rng(4)
    units = (Unit("1", "q"),)
    costs = rng.uniform(0, 7, size=(3, 1, 6))
    steps = Steps(chromosomes_of(units, costs), RATES)
    model = Model(steps, costs[None])
    want, best = 0.0, np.inf
    states = steps.chromosomes[0].states[:, 0]
    for j, share in enumerate(RATES.shares):
        step = np.exp(-steps.cost[j, 0])
        for top, inner, a, b, c in itertools.product(range(len(states)), repeat=5):
            part = share * step[steps.root[0], top] * step[top, inner] * step[inner, a] * step[inner, b] * step[top, c]
            part *= np.exp(-costs[0, 0, states[a]] - costs[1, 0, states[b]] - costs[2, 0, states[c]])
            want += part
            best = min(best, -np.log(part)) if part > 0 else best
    assert model.score(((0, 1), 2))[0, 0] == pytest.approx(np.log(want))
    found = {str(t): int(states[s[0]]) for t, s, _ in model.states(((0, 1), 2))}
    cost = min(
        steps.cost[j, 0][steps.root[0], k[str(((0, 1), 2))]]
        + steps.cost[j, 0][k[str(((0, 1), 2))], k["(0, 1)"]]
        + steps.cost[j, 0][k["(0, 1)"], k["0"]]
        + steps.cost[j, 0][k["(0, 1)"], k["1"]]
        + steps.cost[j, 0][k[str(((0, 1), 2))], k["2"]]
        + sum(costs[i, 0, found[str(i)]] for i in range(3))
        - np.log(RATES.shares[j])
        for j in range(2)
        for k in [{t: int(np.flatnonzero(states == s)[0]) for t, s in found.items()}]
    )
    assert cost == pytest.approx(best, abs=1.0)  # the class of rates is chosen by its sum, the states by their maximum


@pytest.mark.parametrize(("n", "expected"), [(1, 1), (2, 1), (3, 3), (4, 15), (5, 105)])
def test_every_rooted_tree_is_looked_at(n: int, expected: int) -> None:
    trees, scores = candidate_trees(lambda some: np.arange(len(some), dtype=float), n, exhaustive_up_to=6, beam=5)
    assert len(trees) == len(set(map(str, trees))) == expected  # (2n - 3)!!
    assert (np.diff(scores) <= 0).all()


def test_more_clones_than_can_be_looked_at_exhaustively() -> None:
    trees, _ = candidate_trees(lambda some: np.zeros(len(some)), 8, exhaustive_up_to=5, beam=4)
    assert len(trees) == 4


def test_likelihood_is_of_the_ratio_and_has_no_prior() -> None:
    """Half way between two and three copies, a single clone: both are as likely, though two copies are the rule."""
    mean = np.log2(1.4)
    one = Characters((Unit("1", "q"),), np.array([[mean / 2]]), np.array([[0.05]]), np.array([0.01]), 0.8)
    cost = leaf_costs(one)[0, 0]
    # an event's ratio is spread a little more than none's; the prior would put two copies 2.2 nats ahead
    assert -1.0 < cost[3] - cost[2] < 0.2 and cost[1] > 5
    blind = Characters(one.units, np.array([[np.nan]]), np.array([[np.nan]]), one.offset_sd, 0.8)
    assert leaf_costs(blind)[0, 0] == pytest.approx(np.zeros(6))


def test_other_clones_tell_the_offset_of_an_arm() -> None:
    """At +.2 alone, two copies are in doubt where arms are off by .15; four clones at +.2 say that the arm is off."""

    def cost(n: int) -> float:
        ratio, noise = np.full((n, 1), 0.2), np.full((n, 1), 0.03)
        ratio[0] += np.log2(1.4)
        costs = leaf_costs(Characters((Unit("1", "q"),), ratio, noise, np.array([0.15]), 0.8))[0, 0]
        return float(costs[4] - costs[3])  # the first clone: one copy more than the others, at an offset

    assert cost(5) > cost(1) + 1


def test_events_in_words() -> None:
    units = [Unit("1", "p", 1e6, 36e6), Unit("1", "p", 36e6, 120e6), Unit("1", "q"), Unit("13", "q")]
    assert events_of(np.array([-1, 0, 1, -1]), units) == ["+1q", "-1p:1-36", "-13q"]
    assert events_of(np.array([-1, -1, 0, 0]), units) == ["-1p"]
    assert events_of(np.array([1, 1, 2, -2]), units) == ["+1", "+1q", "--13q"]
    assert count_events(np.array([1, 1, 2, -2]), units) == 4
