from __future__ import annotations

import numpy as np
import pytest

from marrowclone.keys import DAYS_PER_MONTH
from marrowclone.simulate import simulate
from marrowclone.simulate.dynamics import CAPACITY, FLOOR, epochs, run_course
from marrowclone.simulate.spec import check_spec
from unit.simulate.simulate_cases import one_patient


def course(**changes):
    spec = check_spec(one_patient(**changes))
    return run_course(spec["patients"]["P"], name="P", seed=1, last_day=1000)


def test_growth_at_low_burden_is_the_rate_that_was_set():
    c = course(burden=1e-5, clones={"A": {"fraction": 1.0, "growth": {"off": 0.3}}})
    observed = np.log(c.total()[90] / c.total()[30]) / (60 / DAYS_PER_MONTH)
    assert observed == pytest.approx(0.3, rel=1e-3)  # the marrow's limit does not matter at 1e-5


def test_the_marrow_limits_growth_but_not_fractions():
    clones = {
        "A": {"fraction": 0.5, "growth": {"off": 1.0}},
        "B": {"parent": "A", "fraction": 0.5, "growth": {"off": 0.5}},
    }
    c = course(burden=0.4, clones=clones)
    assert c.total()[0] == pytest.approx(0.4) and c.total().max() < CAPACITY
    p = c.at(61) / c.at(61).sum()
    assert np.log(p[0] / p[1]) == pytest.approx(0.5 * 61 / DAYS_PER_MONTH)  # logit difference = difference of rates


def test_a_clone_stays_above_the_floor_unless_the_patient_is_cured():
    clones = {"A": {"fraction": 1.0, "growth": {"off": -3.0}}}
    assert course(clones=clones).total()[-1] == pytest.approx(FLOOR, rel=1e-6)
    assert course(clones=clones, cured=True).total()[-1] == 0.0


def test_epochs_cover_every_day_once():
    therapies = [
        {"start": 10, "stop": 20, "effect_days": 10, "regimen": "x", "classes": []},
        {"start": 50, "stop": 50, "effect_days": 100, "regimen": "y", "classes": ["BCMA-CART"]},
    ]
    parts = epochs(therapies, 300)
    assert [(a, b, n) for a, b, n, _ in parts] == [
        (0, 10, "off"),
        (10, 20, "x"),
        (20, 50, "off"),
        (50, 150, "y"),
        (150, 301, "off"),
    ]


def test_drawn_rates_follow_the_phenotype():
    kinds = {"S": "sensitive", "R": "resistant", "D": "dormant", "E": "antigen_loss"}
    clones = {n: {"parent": "" if n == "S" else "S", "fraction": 0.25, "phenotype": k} for n, k in kinds.items()}
    therapies = [{"regimen": "cart", "start": 10, "stop": 10, "effect_days": 60, "classes": ["BCMA-CART"]}]
    rates = course(clones=clones, therapies=therapies).rates.set_index(["clone", "therapy"])["growth_per_month"]
    rates = rates[~rates.index.duplicated()]
    assert rates["S", "cart"] < 0 < rates["S", "off"]
    assert rates["D", "off"] == 0  # science A.4: infinite doubling time
    assert rates["E", "cart"] > rates["S", "cart"]  # blind to the drug


def test_truth_tables_agree_with_each_other(spec):
    cohort = simulate(spec)
    truth = cohort.truth()
    fractions = truth["fractions"]
    for (_, sample), rows in fractions.groupby(["patient", "sample"]):
        total = rows["burden"].sum()
        if sample == "T2_mrd":
            assert total == 0 and rows["fraction"].isna().all()  # cured: no share of nothing
        else:
            assert rows["fraction"].sum() == pytest.approx(1.0)
            assert np.allclose(rows["burden"], total * rows["fraction"])
    arms = truth["arms"].set_index(["patient", "clone", "chromosome", "arm"])["state"]
    assert arms["T1", "B", "chr1", "q"] == 3 and arms["T1", "A", "chr1", "q"] == 2
    assert arms["T1", "B", "chr9", "p"] == 3  # from its parent
    assert set(fractions["sample"]) <= set(cohort.sheet["sample"])
    assert truth["patients"].set_index("patient").loc["H1", "subtype"] == ""
