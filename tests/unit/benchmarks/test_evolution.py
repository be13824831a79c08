"""The benchmark of evolution: its patients are what they say, and its figures are those of the rows they count."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import evolution
from suite import evolution_cases as cases
from suite import evolution_judge as judge
from suite.evolution_run import infer
from suite.methods import defaults


def test_a_patient_is_the_same_for_the_same_numbers() -> None:
    one, two = cases.patient(7, 3), cases.patient(7, 3)
    assert one.kinds == two.kinds and one.days == two.days
    pd.testing.assert_frame_equal(one.tables["clone_cells"], two.tables["clone_cells"])
    assert cases.patient(7, 4).days != one.days


def test_courses_do_what_their_kind_says() -> None:
    rng = np.random.default_rng(1)
    days = [0, 200, 700, 1200, 1700]
    for _ in range(30):
        rest = cases.course(cases.DORMANT, 0.1, 180, days, rng)
        assert abs(rest[1700] - rest[200]) < np.log10(2) * 50 / 60 and rest[0] - rest[200] >= 0.3
        fast = cases.course(cases.FAST, 0.1, 180, days, rng)
        months = np.diff(fast[-30:]).mean() * cases.MONTH
        assert months > np.log10(2) / 3.01  # doubles within three months at the end
        assert cases.course(cases.LOST, 0.1, 180, days, rng)[-1] < np.log10(cases.ABSENT)
        assert cases.course(cases.CONTRACTING, 0.1, 180, days, rng)[-1] < -1.5
        back = cases.course(cases.RE_EMERGENT, 0.1, 180, days, rng)
        assert back[200] < -6 and back[-1] > -2.6


def test_posteriors_are_as_often_right_as_they_say() -> None:
    rng = np.random.default_rng(2)
    own = rng.choice(3, size=6000, p=[0.6, 0.3, 0.1])
    p = cases._posteriors(own, np.array([0.6, 0.3, 0.1]), 2.5, rng)
    right, top = p.argmax(axis=1) == own, p.max(axis=1)
    for low, high in ((0.5, 0.7), (0.7, 0.9), (0.9, 1.0)):
        bin_ = (top >= low) & (top < high)
        # three standard errors of a share of this many cells
        assert abs(right[bin_].mean() - top[bin_].mean()) < 3 * np.sqrt(0.25 / bin_.sum())
    np.testing.assert_allclose(p.mean(axis=0), [0.6, 0.3, 0.1], atol=0.03)


def test_patchiness_has_the_models_size_and_heavier_tails() -> None:
    draws = cases._site(np.random.default_rng(3), 200_000)
    assert draws.std() == pytest.approx(cases.SITE, rel=0.05)
    assert (np.abs(draws) > 3 * cases.SITE).mean() > 2 * 0.0027  # of a normal distribution: 0.27%


def test_a_patient_is_judged_from_end_to_end() -> None:
    settings = defaults("evolution")
    settings["estimate_fractions"]["draws"] = 200
    patient = cases.patient(7, 3)
    answer = infer(patient, settings=settings, seed=1, with_state=False)
    tables = {
        "fractions": judge.fraction_rows(patient, answer),
        "burden": judge.burden_rows(patient, answer),
        "growth": judge.growth_rows(patient, answer),
        "places": judge.place_rows(patient, answer, seed=1).assign(scenario=""),
        "cycling": pd.DataFrame({"scenario": [], "n_used": [], "share": [], "lower": [], "upper": []}),
    }
    found = evolution.figures(tables).set_index(["group", "what"])
    total = tables["fractions"].groupby("sample")["true_fraction"].sum()
    assert (total <= 1 + 1e-9).all() and (total > 0.5).all()  # a clone of which no cell was called has no row
    held = found.loc[("growth", "bound '': 95% interval holds truth")]
    assert held["n"] == (tables["growth"]["bound"] == "").sum() and 0 <= held["value"] <= 1


def places(rows: list[dict]) -> pd.DataFrame:
    base = {
        "scenario": "", "patient": "P", "clone": "c1", "kind": "", "cells": 50, "cells_before": 50, "knowable": True,
        "burden": 1e-3, "before": 1e-3, "lowest_before": 1e-3, "re_emergent": False, "rest_possible": 0.0,
        **{f"{o}_{d}": 0.0 for o in ("oracle", "protein", "exact") for d in ("up", "down")},
    }  # fmt: skip
    return pd.DataFrame([base | {"day": i} | row for i, row in enumerate(rows)])


def test_recall_ceiling_and_false_calls_are_counted_apart() -> None:
    up = {"truth": 0.5, "state": "fast (doubling < 3 months)", "oracle_up": 0.9}
    table = places(
        [
            up | {"labels": "expanding"}, up | {"labels": "undecided"}, up | {"labels": "not assessable", "cells": 2},
            up | {"labels": "dormant-compatible|persistent low-level", "oracle_up": 0.5},
            {"truth": 0.0, "state": "at rest, low", "labels": "expanding"},
            {"truth": 0.0, "state": "at rest, low", "labels": "dormant-compatible"},
        ]
    )  # fmt: skip
    rows = pd.DataFrame(evolution.label_figures(table)).set_index(["group", "what"])
    recall = rows.loc[("expanding", "recall, of these")]
    assert (recall["hits"], recall["n"]) == (1, 3)
    assert rows.loc[("expanding", "ceiling, same assays"), "hits"] == 2
    assert rows.loc[("expanding", "false, of those called"), "value"] == 0.5
    assert rows.loc[("dormancy", "dormant-compatible: precision"), "value"] == 0.5
    assert rows.loc[("dormancy", "fast clones ever called dormant while fast"), "value"] == 1.0  # one clone, once
