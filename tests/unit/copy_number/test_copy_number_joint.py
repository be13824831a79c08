"""States of all arms of all clones together: integers with the patient's own response, and what is not told apart."""

import numpy as np
import pandas as pd
import pytest

from marrowclone.copy_number import arms, joint, states
from marrowclone.copy_number.ratios import RATIO_COLUMNS

SETTINGS = {**states.DEFAULTS, **joint.DEFAULTS}
ARMS = [(f"chr{i}", a) for i in range(1, 23) for a in "pq" if not (a == "p" and i in (13, 14, 15, 21, 22))]
HRD = {(f"chr{i}", a): 3 for i in (3, 5, 7, 9, 11, 15, 19, 21) for a in "pq"}


def measured(clones, *, response, seed=1, se=0.05, counting=0.03, shift=0.0, own=0.035):
    """Ratios of clones (name -> {arm: copies}) as the model has them: departures shared by clones, counting noise."""
    rng = np.random.default_rng(seed)
    mean = states.expected_log2_ratio(response)
    common = rng.normal(0, np.hypot(own, np.sqrt(se**2 - counting**2)), len(ARMS))
    rows = []
    for name, copies in clones.items():
        noise = rng.normal(0, counting, len(ARMS))
        for i, (chromosome, arm) in enumerate(ARMS):
            y = mean[copies.get((chromosome, arm), 2)] + common[i] + noise[i] + shift
            rows.append((name, chromosome, 1, 2, arm, y, se, counting, 200, 100))
    return pd.DataFrame(rows, columns=list(RATIO_COLUMNS))


def called(table, **settings):
    posterior, response = joint.joint_states(table, settings={**SETTINGS, **settings})
    frame = states.with_states(table, posterior, settings=SETTINGS)
    name = frame["group"] + ":" + frame["chromosome"].str.removeprefix("chr") + frame["arm"]
    return dict(zip(name, zip(frame["call"], frame["state"], strict=True), strict=True)), response, posterior


# farther from the prior five events do not tell 4 copies of a weak response from 3 of a strong one
@pytest.mark.parametrize("response", [0.65, 0.8, 1.0])
def test_response_is_learned_and_integers_are_right(response):
    events = {("chr1", "q"): 4, ("chr13", "q"): 1, ("chr11", "q"): 3, ("chr16", "q"): 1, ("chr8", "p"): 1}
    right = n = 0
    for seed in range(5):
        found, learned, _ = called(measured({"c1": events}, response=response, seed=seed), dosage=0.8)
        assert learned.dosage == pytest.approx(response, abs=0.12)
        for (chromosome, arm), copies in events.items():
            call, state = found[f"c1:{chromosome.removeprefix('chr')}{arm}"]
            right += call == ("gain" if copies > 2 else "loss") and state == copies
            n += 1
        assert not [k for k, (call, _) in found.items() if call in ("gain", "loss") and _event(k) not in events]
    assert right / n >= 0.9


def _event(key):
    name = key.split(":")[1]
    return f"chr{name[:-1]}", name[-1]


def test_without_events_the_response_is_the_prior_and_nothing_is_called():
    for seed in range(10):
        found, learned, _ = called(measured({"c1": {}, "c2": {}}, response=0.8, seed=seed))
        assert not {c for c, _ in found.values()} & {"gain", "loss"}
        lower, upper = learned.interval
        assert lower <= 0.6 and upper >= 1.0  # not identifiable: as wide as the prior
        assert learned.dosage == pytest.approx(0.8, abs=0.1)


def test_a_gain_alone_does_not_say_three_or_four():
    # one gain of log2 0.62 lies between 3 copies of a strong response (1.2: 0.68) and 4 of a weak one (0.55: 0.63)
    table = measured({"c1": {}}, response=0.8, own=0.03)
    at = (table["chromosome"] == "chr1") & (table["arm"] == "q")
    table.loc[at, "log2_ratio"] = 0.66
    found, _, posterior = called(table)
    assert found["c1:1q"][0] == "gain"
    three_four = posterior[np.flatnonzero(at)[0], 3:5]
    assert three_four.max() < 0.9 and three_four.min() > 0.05
    assert arms.credible_copies(posterior[at.to_numpy()], at_least=0.9) == ["3-4"]


# a weak response leaves an arm open now and then; none is called wrongly
@pytest.mark.parametrize(("response", "share"), [(0.55, 0.95), (0.8, 1.0)])
def test_hyperdiploid_tumour_gains_all_eight_and_loses_nothing(response, share):
    gained = n = 0
    for seed in range(5):
        found, learned, _ = called(measured({"c1": HRD}, response=response, seed=seed))
        assert learned.dosage == pytest.approx(response, abs=0.1)
        trisomic = {k for k in found if _event(k) in HRD}
        gained += sum(found[k] == ("gain", 3) for k in trisomic)
        n += len(trisomic)
        assert not [k for k in set(found) - trisomic if found[k][0] in ("gain", "loss")]
        assert {found[k][0] for k in trisomic} <= {"gain", "indeterminate"}
    assert gained / n >= share


def test_an_event_of_one_clone_is_seen_beside_the_departure_that_clones_share():
    # 8q departs by +0.2 in both clones (the tumour's own), 1q is gained in one
    table = measured({"c1": {("chr1", "q"): 3}, "c2": {}}, response=0.8, own=0.03)
    table.loc[(table["chromosome"] == "chr8") & (table["arm"] == "q"), "log2_ratio"] = 0.2
    found, _, _ = called(table)
    assert found["c1:1q"] == ("gain", 3) and found["c2:1q"][0] == "neutral"
    assert "gain" not in (found["c1:8q"][0], found["c2:8q"][0])


def test_a_wrong_diploid_level_is_found():
    _, learned, _ = called(measured({"c1": {("chr1", "q"): 3, ("chr13", "q"): 1}}, response=0.8, shift=0.08))
    assert learned.level == pytest.approx(0.08, abs=0.04)


def test_clones_do_not_depend_on_their_order_or_number_of_twins():
    clones = {"a": {("chr1", "q"): 3}, "b": {("chr1", "q"): 4, ("chr13", "q"): 1}}
    table = measured(clones, response=0.8)
    forward, _, p = called(table)
    backward, _, q = called(pd.concat([table[table["group"] == "b"], table[table["group"] == "a"]], ignore_index=True))
    assert forward == backward
    np.testing.assert_allclose(p, np.vstack([q[len(ARMS) :], q[: len(ARMS)]]), atol=1e-9)


def test_fixed_response_is_kept():
    _, learned, _ = called(measured({"c1": HRD}, response=0.6), dosage_sd=0.0)
    assert learned.dosage == pytest.approx(0.8)


def test_states_given_the_trunk_are_probabilities():
    given = joint.given_trunk(states.state_prior(0.8), departs=0.05)
    assert given.sum(axis=1) == pytest.approx(np.ones(6))
    assert np.diag(given) == pytest.approx(np.full(6, 0.95))
    assert given[3, 4] > given[3, 1]  # a gain grows rather than turning into a loss


def test_shortest_run_of_copies():
    posterior = np.array([[0, 0, 0.95, 0.05, 0, 0], [0, 0, 0.02, 0.6, 0.36, 0.02], [0.3, 0.3, 0.4, 0, 0, 0]])
    assert arms.credible_copies(posterior, at_least=0.9) == ["2", "3-4", "0-2"]
