"""Fractions: Dirichlet draws, doubtful assignments, bounds."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from marrowclone.evolution.fractions import clone_order, estimate_fractions, fraction_bounds, natural

SETTINGS = {"draws": 3000, "burn_in": 100, "thin": 1}


def cells(sizes, sample="s", posterior=1.0):
    rows = [(f"{sample}:{c}{i}", sample, c, posterior) for c, n in sizes.items() for i in range(n)]
    return pd.DataFrame(rows, columns=["cell", "sample", "clone", "posterior"])


def test_certain_assignments_are_the_dirichlet():
    clones, out = estimate_fractions(cells({"c1": 30, "c2": 10, "c3": 0}), samples=["s"], settings=SETTINGS, seed=1)
    assert clones == ["c1", "c2"]  # a clone with no cell anywhere has no name
    exact = stats.beta(30.5, 10.5)
    # quantiles of 3,000 draws have a standard error of about 0.003 here
    np.testing.assert_allclose(
        np.quantile(out["s"].draws[:, 0], [0.025, 0.5, 0.975]), exact.ppf([0.025, 0.5, 0.975]), atol=0.012
    )
    np.testing.assert_allclose(out["s"].draws.sum(axis=1), 1)
    assert out["s"].expected.tolist() == [30, 10]


def test_doubt_widens():
    sure = estimate_fractions(cells({"c1": 60, "c2": 40}), samples=["s"], settings=SETTINGS, seed=1)[1]["s"]
    unsure = estimate_fractions(cells({"c1": 60, "c2": 40}, posterior=0.8), samples=["s"], settings=SETTINGS, seed=1)[
        1
    ]["s"]
    assert unsure.draws[:, 0].std() > 1.2 * sure.draws[:, 0].std()
    assert unsure.draws[:, 0].mean() == pytest.approx(0.6, abs=0.06)  # equal doubt both ways: hardly moved


def test_misassignment_is_corrected():
    """1,000 cells that could be the other clone with 1%, and 10 that are said to be it, hardly more sure."""
    both = pd.concat([cells({"c1": 1000}, posterior=0.99), cells({"c2": 10}, posterior=0.6)])
    out = estimate_fractions(both, samples=["s"], settings=SETTINGS, seed=1)[1]["s"]
    hard = estimate_fractions(both.assign(posterior=1.0), samples=["s"], settings=SETTINGS, seed=1)[1]["s"]
    assert np.quantile(out.draws[:, 1], 0.975) - np.quantile(out.draws[:, 1], 0.025) > 1.3 * (
        np.quantile(hard.draws[:, 1], 0.975) - np.quantile(hard.draws[:, 1], 0.025)
    )


def test_posterior_recovers_truth_of_a_noisy_marker():
    """Cells with one Gaussian marker, posteriors from the true model: intervals cover the true fraction."""
    rng, covered = np.random.default_rng(5), 0
    for trial in range(40):
        true = rng.uniform(0.02, 0.5)
        member = rng.random(300) < true
        x = rng.normal(np.where(member, 1.25, -1.25), 1)  # d' = 2.5: 10% of cells on the wrong side
        weight = true  # the clone step estimates the sample's sizes well; here they are known
        p = 1 / (1 + (1 - weight) / weight * np.exp(-2.5 * x))
        own = np.where(p >= 0.5, "c2", "c1")
        frame = pd.DataFrame(
            {"cell": np.arange(300).astype(str), "sample": "s", "clone": own, "posterior": np.where(p >= 0.5, p, 1 - p)}
        )
        clones, out = estimate_fractions(
            frame, samples=["s"], settings={"draws": 400, "burn_in": 100, "thin": 1}, seed=trial
        )
        draws = out["s"].draws[:, clones.index("c2")]
        lower, upper = np.quantile(draws, [0.025, 0.975])
        covered += lower <= true <= upper
    # 95% nominal; fewer than 34 of 40 has a probability below 1%
    assert covered >= 34


def test_zero_cells_are_never_a_zero_width_bound():
    two = pd.concat([cells({"c1": 50, "c2": 50}, "a"), cells({"c1": 20}, "b")])
    _, out = estimate_fractions(two, samples=["a", "b", "none"], settings=SETTINGS, seed=1)
    share, lower, upper, bound = fraction_bounds(out["b"], 1)
    assert (share, lower) == (0, 0)
    assert upper >= bound == pytest.approx(1 - 0.05 ** (1 / 20))
    share, lower, upper, bound = fraction_bounds(out["none"], 0)
    assert np.isnan(share) and (lower, upper, bound) == (0, 1, 1)  # nothing seen says nothing
    assert out["none"].draws[:, 0].std() > 0.2
    share, lower, upper, _ = fraction_bounds(out["b"], 0)
    assert share == 1 and upper == 1 and lower < 0.9  # another clone may hide behind 20 cells


def test_doubt_makes_no_point_estimate_of_a_clone_without_cells():
    two = pd.concat([cells({"c1": 50, "c2": 50}, "a", 0.9), cells({"c1": 20}, "b", 0.9)])
    _, out = estimate_fractions(two, samples=["a", "b"], settings=SETTINGS, seed=1)
    share, lower, upper, bound = fraction_bounds(out["b"], 1)
    assert out["b"].expected[1] > 0.1  # doubt
    assert (share, lower) == (0, 0) and upper > bound  # 0 of 20, and wider than the exact bound for it


def test_unassigned_cells_are_not_counted():
    frame = pd.concat([cells({"c1": 5, "c2": 5}), cells({"": 90}, posterior=np.nan)])
    out = estimate_fractions(frame, samples=["s"], settings=SETTINGS, seed=1)[1]["s"]
    assert out.n_assigned == 10


def test_no_clone_at_all():
    clones, out = estimate_fractions(cells({}), samples=["s"], settings=SETTINGS, seed=1)
    assert clones == [] and out["s"].draws.shape == (3000, 0)


def test_renaming_clones_renames_results():
    """Exactly: the draws belong to sizes, not names. Doubtful cells included."""
    frame = pd.concat([cells({"c1": 30, "c2": 10}, "a", 0.9), cells({"c1": 3, "c2": 40}, "b", 0.8)])
    names = {"c1": "z", "c2": "b"}
    first, one = estimate_fractions(frame, samples=["a", "b"], settings=SETTINGS, seed=3)
    second, two = estimate_fractions(
        frame.assign(clone=frame["clone"].map(names)), samples=["a", "b"], settings=SETTINGS, seed=3
    )
    assert [names[c] for c in first] == second
    np.testing.assert_array_equal(one["b"].draws, two["b"].draws)


def test_order_of_cells_does_not_matter():
    frame = pd.concat([cells({"c1": 30, "c2": 10}, "a", 0.9), cells({"c1": 3, "c2": 40}, "a", 0.8)])
    _, one = estimate_fractions(frame, samples=["a"], settings=SETTINGS, seed=3)
    _, two = estimate_fractions(frame.sample(frac=1, random_state=2), samples=["a"], settings=SETTINGS, seed=3)
    np.testing.assert_array_equal(one["a"].draws, two["a"].draws)


def test_another_sample_changes_nothing():
    # a stream of its own per sample; clone order is kept here, as sizes stay in order
    frame = cells({"c1": 30, "c2": 10}, "a", 0.9)
    _, one = estimate_fractions(frame, samples=["a"], settings=SETTINGS, seed=3)
    _, two = estimate_fractions(
        pd.concat([frame, cells({"c1": 9}, "b")]), samples=["a", "b"], settings=SETTINGS, seed=3
    )
    np.testing.assert_array_equal(one["a"].draws, two["a"].draws)


def test_natural_order():
    assert sorted(["c10", "c2", "c1"], key=natural) == ["c1", "c2", "c10"]
    assert clone_order(cells({"c2": 5, "c10": 5, "c1": 9}), ["s"]) == ["c1", "c2", "c10"]


def test_cells_that_may_be_normal_count_for_that_share_only():
    """Three cells of a clone, each malignant with 0.9 only, beside 95 sure ones of another (science 4.5)."""
    few = pd.concat([cells({"c1": 95}).assign(p_malignant=1.0), cells({"c2": 3}).assign(p_malignant=0.9)])
    out = estimate_fractions(few, samples=["s"], settings=SETTINGS, seed=1)[1]["s"]
    sure = estimate_fractions(few.assign(p_malignant=1.0), samples=["s"], settings=SETTINGS, seed=1)[1]["s"]
    assert out.expected[1] == pytest.approx(2.7, abs=0.05) and out.expected[0] == 95
    assert out.counts.tolist() == [95, 3]
    # now and then only one or two of the three are there
    assert fraction_bounds(out, 1)[1] < 0.85 * fraction_bounds(sure, 1)[1]
    np.testing.assert_allclose(out.draws.sum(axis=1), 1)


def test_doubt_of_clone_and_of_malignancy_go_together():
    both = cells({"c1": 60, "c2": 40}, posterior=0.8).assign(p_malignant=0.5)
    out = estimate_fractions(both, samples=["s"], settings=SETTINGS, seed=1)[1]["s"]
    assert out.expected.sum() == pytest.approx(50, rel=0.02)  # half of the cells are malignant


@pytest.mark.parametrize("seed", range(5))
def test_random_samples_keep_the_laws_of_fractions(seed):
    rng = np.random.default_rng(seed)
    sizes = {f"c{k + 1}": int(n) for k, n in enumerate(rng.integers(0, 60, size=rng.integers(1, 6)))}
    frame = cells(sizes)
    frame = frame.assign(posterior=rng.uniform(0.5, 1, len(frame)), p_malignant=rng.uniform(0.9, 1, len(frame)))
    clones, out = estimate_fractions(frame, samples=["s"], settings=SETTINGS | {"draws": 500}, seed=seed)
    np.testing.assert_allclose(out["s"].draws.sum(axis=1), 1)
    for k in range(len(clones)):
        fraction, lower, upper, _ = fraction_bounds(out["s"], k)
        assert 0 <= lower <= fraction <= upper <= 1
    # four times the cells: narrower
    wide = np.ptp(np.quantile(out["s"].draws[:, 0], [0.025, 0.975]))
    more = pd.concat([frame.assign(cell=frame["cell"] + f"x{i}") for i in range(4)])
    narrow = np.ptp(np.quantile(estimate_fractions(more, samples=["s"], settings=SETTINGS, seed=seed)[1]["s"].draws[:, 0],
                                [0.025, 0.975]))  # fmt: skip
    assert narrow < wide or len(clones) == 1


def drawn(sizes, d_prime, *, sure=0.8, seed=3, prior=5.0, overall=None):
    """Cells of known clones with the posteriors that a model of clones ``d_prime`` SD apart gives them."""
    rng = np.random.default_rng(seed)
    k = len(sizes)
    own = np.repeat(np.arange(k), sizes)
    seen = rng.normal(np.eye(k)[own] * d_prime / np.sqrt(2), 1.0)
    likelihood = np.exp(seen * d_prime / np.sqrt(2))
    overall = np.full(k, 1 / k) if overall is None else overall
    weight = np.full(k, 1 / k)
    for _ in range(300):
        p = likelihood * weight
        p /= p.sum(axis=1, keepdims=True)
        weight = (p.sum(axis=0) + prior * overall) / (len(own) + prior)
    names = np.array([f"c{i + 1}" for i in range(k)], dtype=object)
    table = pd.DataFrame({"cell": [f"s:{i}" for i in range(len(own))], "sample": "s"})
    table["clone"] = np.where(p.max(axis=1) >= sure, names[p.argmax(axis=1)], "")
    return table.assign(posterior=p.max(axis=1), **{f"p_{n}": p[:, i] for i, n in enumerate(names)})


def test_cells_without_a_clone_speak_through_their_posterior():
    """With d' = 2 the smaller clone leaves more cells unassigned than the larger one: they are not missing at random."""
    held, beside = [], []
    for seed in range(12):
        table = drawn([700, 200, 100], 2.0, seed=seed, overall=np.array([0.7, 0.2, 0.1]))
        assert (table["clone"] == "").mean() > 0.1
        hard = table[table["clone"] != ""]["clone"].value_counts(normalize=True)["c1"]
        beside.append(hard)
        out = estimate_fractions(table, samples=["s"], settings=SETTINGS, seed=1, prior_cells=5.0)[1]["s"]
        lower, upper = np.quantile(out.draws[:, 0], [0.025, 0.975])
        held.append(lower <= 0.7 <= upper)
    assert np.mean(beside) > 0.74  # the assigned cells alone are wrong by more than 4 of 100
    assert sum(held) >= 10  # of 12 intervals of 95%; chance of fewer: 2%


def test_the_clone_steps_own_prior_is_taken_out():
    # one sample of 12 cells whose clones can hardly be told apart, in a patient that is 99% c1: the posterior says
    # "c1" because of the patient, and the sample itself says nothing, so neither may its fraction
    table = drawn([6, 6], 0.2, overall=np.array([0.99, 0.01]), prior=50.0, sure=0.5)
    other = pd.DataFrame(
        {
            "cell": [f"t:{i}" for i in range(1000)],
            "sample": "t",
            "clone": "c1",
            "posterior": 1.0,
            "p_c1": 1.0,
            "p_c2": 0.0,
        }
    )
    other.loc[:9, ["clone", "p_c1", "p_c2"]] = ["c2", 0.0, 1.0]
    cells_ = pd.concat([table, other], ignore_index=True)
    out = estimate_fractions(cells_, samples=["s", "t"], settings=SETTINGS, seed=1, prior_cells=50.0)[1]["s"]
    lower, upper = np.quantile(out.draws[:, 0], [0.025, 0.975])
    assert lower < 0.3 and upper > 0.9


def test_full_posteriors_of_certain_cells_are_the_dirichlet():
    table = cells({"c1": 30, "c2": 10}).assign(p_c1=lambda t: (t["clone"] == "c1") * 1.0, p_c2=lambda t: 1 - t["p_c1"])
    out = estimate_fractions(table, samples=["s"], settings=SETTINGS, seed=1, prior_cells=5.0)[1]["s"]
    exact = stats.beta(30.5, 10.5)
    np.testing.assert_allclose(np.quantile(out.draws[:, 0], [0.025, 0.975]), exact.ppf([0.025, 0.975]), atol=0.012)


def test_cells_of_which_nothing_is_known_say_nothing():
    table = cells({"c1": 30, "c2": 10}).assign(p_c1=lambda t: (t["clone"] == "c1") * 1.0, p_c2=lambda t: 1 - t["p_c1"])
    # one cell without any posterior, one that can only be of a clone no cell was given to
    blind = pd.DataFrame(
        {"cell": ["s:x", "s:y"], "sample": "s", "clone": "", "p_c1": [np.nan, 0.0], "p_c2": [np.nan, 0.0]}
    )
    both = [
        estimate_fractions(t, samples=["s"], settings=SETTINGS, seed=1, prior_cells=5.0)[1]["s"]
        for t in (table, pd.concat([table, blind], ignore_index=True))
    ]
    np.testing.assert_array_equal(both[0].draws, both[1].draws)
    assert both[1].expected.tolist() == [30, 10]
