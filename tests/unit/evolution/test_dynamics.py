"""Growth and fitness: the worked vector of 4.4, invariants, therapy context."""

import numpy as np
import pandas as pd
import pytest

from marrowclone.evolution.assemble import patient_fractions
from marrowclone.evolution.dynamics import (
    doubling_months,
    estimate_dynamics,
    two_point_fitness,
    two_point_growth,
    visits,
)
from marrowclone.evolution.therapy import context_of, exposed_classes

NONE = {"covered": 0.9}


def test_worked_vector_of_4_4():
    """x1 6/400, m1 2e-5; x2 90/600, m2 1e-3; 8 months; 0.25 log10 error each."""
    rng, n = np.random.default_rng(1), 400_000
    p1, p2 = rng.beta(6.5, 394.5, n), rng.beta(90.5, 510.5, n)
    m1, m2 = (m * 10 ** rng.normal(0, 0.25, n) for m in (2e-5, 1e-3))
    growth = two_point_growth(m1 * p1, m2 * p2, months=8)
    assert np.quantile(growth, [0.05, 0.5, 0.95]) == pytest.approx([0.59, 0.776, 0.97], abs=0.0075)
    assert doubling_months(growth) == pytest.approx(0.89, abs=0.006)
    assert np.quantile(np.log(2) / growth, [0.05, 0.95]) == pytest.approx([0.72, 1.18], abs=0.0075)
    fitness = two_point_fitness(p1, p2, months=8)
    # .303 is the plug-in logit difference (2.45/8 = .306 at the counts); the posterior median is within .002 of it
    assert np.quantile(fitness, [0.05, 0.5, 0.95]) == pytest.approx([0.224, 0.303, 0.399], abs=0.006)


@pytest.mark.parametrize(("doubling", "months"), [(1, 13), (2, 27), (3, 40), (6, 80), (12, 160)])
def test_regrowth_times(doubling, months):
    # 4.4: 1e-6 -> 1e-2
    growth = two_point_growth(np.array([1e-6]), np.array([1e-2]), months=months)[0]
    assert np.log(2) / growth == pytest.approx(doubling, rel=0.03)


@pytest.fixture
def patient(cohort, clinical, defaults):
    def make(days=(0, 240), cells=None, samples=None, mrd=None):
        cells = cells or {"a": (2000, 100, {"c1": 300, "c2": 20}), "b": (2000, 100, {"c1": 20, "c2": 200})}
        samples = samples or {
            s: {"timepoint": "x", "day": d, "compartment": "BM", "sort": "none"}
            for s, d in zip(cells, days, strict=True)
        }
        out = patient_fractions(
            patient="P", samples=samples, **cohort(cells), healthy=[], mrd=clinical("mrd", mrd or []),
            response=clinical("response"), settings=defaults["estimate_fractions"], seed=4,
        )  # fmt: skip
        return out

    return make


def dynamics(out, therapy, **more):
    return estimate_dynamics(out.draws, out.fractions, therapy, patient="P", settings=NONE, **more)


def test_twice_the_days_half_the_growth(patient, clinical):
    one, two = (dynamics(patient(days), clinical("therapy")) for days in ((0, 240), (0, 480)))
    for column in ("growth_per_month", "lower", "upper", "relative_fitness", "lower90"):
        np.testing.assert_allclose(two[column], one[column] / 2, rtol=1e-9)
    np.testing.assert_array_equal(one["p_growing"], two["p_growing"])  # more time, same direction
    np.testing.assert_allclose(two["doubling_months"], 2 * one["doubling_months"])


def test_renaming_clones_renames_growth(patient, clinical):
    one = dynamics(patient(), clinical("therapy")).set_index("clone")
    cells = {"a": (2000, 100, {"x9": 300, "x1": 20}), "b": (2000, 100, {"x9": 20, "x1": 200})}
    two = dynamics(patient(cells=cells), clinical("therapy")).set_index("clone").rename({"x9": "c1", "x1": "c2"})
    pd.testing.assert_frame_equal(one, two.loc[one.index])


def test_known_growth(patient, clinical):
    frame = dynamics(patient(), clinical("therapy")).set_index("clone")
    assert frame.loc["c2", "growth_per_month"] == pytest.approx(np.log(10) / (240 / 30.4375), abs=0.06)
    assert frame.loc["c2", "p_growing"] > 0.9 and frame.loc["c1", "p_growing"] < 0.05
    assert frame.loc["c2", "doubling_months"] == pytest.approx(
        np.log(2) / frame.loc["c2", "growth_per_month"], rel=0.01
    )
    assert np.isnan(frame.loc["c1", "doubling_months"])  # it shrank
    assert (frame["lower"] < frame["lower90"]).all() and (frame["upper90"] < frame["upper"]).all()


def test_from_zero_is_a_lower_bound(patient, clinical):
    cells = {"a": (2000, 100, {"c1": 300}), "b": (2000, 100, {"c1": 20, "c2": 200})}
    frame = dynamics(patient(cells=cells), clinical("therapy")).set_index("clone")
    assert frame.loc["c2", "bound"] == "lower" and np.isnan(frame.loc["c2", "upper"]) and frame.loc["c2", "lower"] > 0
    assert np.isnan(frame.loc["c2", "doubling_months"])
    back = dynamics(
        patient(cells=dict(zip("ab", [cells["b"], cells["a"]], strict=True))), clinical("therapy")
    ).set_index("clone")
    assert back.loc["c2", "bound"] == "upper" and np.isnan(back.loc["c2", "lower"])


def test_zero_at_both_ends_says_nothing(patient, clinical):
    cells = {"a": (2000, 100, {"c1": 300}), "b": (2000, 100, {"c1": 20}), "c": (2000, 100, {"c1": 9, "c2": 90})}
    frame = dynamics(patient(days=(0, 100, 200), cells=cells), clinical("therapy"))
    none = frame[(frame["clone"] == "c2") & (frame["to_day"] == 100)].iloc[0]
    assert none["bound"] == "both" and np.isnan(none["growth_per_month"]) and np.isnan(none["p_growing"])


def test_sorted_sample_keeps_relative_fitness(patient, clinical):
    samples = {
        "a": {"timepoint": "x", "day": 0, "compartment": "BM", "sort": "none"},
        "b": {"timepoint": "y", "day": 240, "compartment": "BM", "sort": "CD138+"},
    }
    frame = dynamics(patient(samples=samples), clinical("therapy")).set_index("clone")
    assert frame["growth_per_month"].isna().all()
    # c2 against the rest: logit(200/220) - logit(20/320), over 240 days
    assert frame.loc["c2", "relative_fitness"] == pytest.approx((np.log(10) + np.log(15)) / (240 / 30.4375), abs=0.03)


def test_a_sample_split_in_two_says_the_same(patient, clinical):
    """Two captures of one marrow on one day: estimates stay where they were, and no tighter on burden."""
    whole = dynamics(patient(), clinical("therapy")).set_index("clone")
    cells = {
        "a": (2000, 100, {"c1": 300, "c2": 20}),
        "b1": (1000, 50, {"c1": 10, "c2": 100}),
        "b2": (1000, 50, {"c1": 10, "c2": 100}),
    }
    split = dynamics(patient(days=(0, 240, 240), cells=cells), clinical("therapy")).set_index("clone")
    assert len(split) == 2
    np.testing.assert_allclose(split["growth_per_month"], whole["growth_per_month"], atol=0.05)
    np.testing.assert_allclose(split["relative_fitness"], whole["relative_fitness"], atol=0.03)


def test_blood_does_not_mix_with_marrow(patient, clinical):
    cells = {
        "a": (2000, 100, {"c1": 300, "c2": 20}),
        "b": (2000, 100, {"c1": 20, "c2": 200}),
        "pb": (500, 0, {"c1": 90}),
    }
    samples = {
        s: {"timepoint": "x", "day": d, "compartment": k, "sort": "none"}
        for s, d, k in [("a", 0, "BM"), ("b", 240, "BM"), ("pb", 240, "PB")]
    }
    out = patient(cells=cells, samples=samples)
    assert visits(out.draws, out.fractions, blood=["pb"])[1].samples == ("b",)


def test_empty(patient, clinical):
    frame = dynamics(patient(cells={"a": (100, 0, {}), "b": (100, 0, {})}), clinical("therapy"))
    assert frame.empty and "therapy_context" in frame


THERAPY = [
    {"patient": "P", "start": 0, "stop": 120, "regimen": "D-VRd", "classes": "CD38;IMiD;PI"},
    {"patient": "P", "start": 130, "stop": 130, "regimen": "ASCT", "classes": "ASCT;alkylator"},
    {"patient": "P", "start": 180, "regimen": "R", "classes": "IMiD"},
]


@pytest.mark.parametrize(
    ("start", "end", "label", "throughout", "change"),
    [
        (0, 120, "on therapy", ("CD38", "IMiD", "PI"), False),
        (0, 240, "mixed", (), True),
        (200, 400, "on therapy", ("IMiD",), False),
        (131, 170, "off therapy", (), False),
    ],
)
def test_therapy_context(clinical, start, end, label, throughout, change):
    context = context_of(clinical("therapy", THERAPY), "P", start, end, settings=NONE)
    assert (context.label, context.throughout, context.change) == (label, throughout, change)


def test_therapy_unknown_and_future(clinical):
    table = clinical("therapy", THERAPY)
    assert context_of(table, "Q", 0, 100, settings=NONE).label == "unknown"
    assert exposed_classes(table, "P", 125) == ["CD38", "IMiD", "PI"]  # the transplant had not been given
    before = context_of(table.iloc[:1], "P", 0, 100, settings=NONE)
    assert context_of(table, "P", 0, 100, settings=NONE) == before
