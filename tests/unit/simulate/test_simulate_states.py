from __future__ import annotations

import ast
import inspect

import numpy as np
import pandas as pd
import pytest

from marrowclone.simulate import simulate, states, true_response, true_tiers
from marrowclone.simulate.composition import draw_cells
from marrowclone.simulate.states import FAST, SLOW, clone_labels
from marrowclone.simulate.true_response import responses, serum
from unit.simulate.simulate_cases import one_patient

VRD = {"regimen": "VRd", "start": 10, "stop": 200, "line": 1, "classes": ["PI"]}


def cohort(*, clones, days, therapies=(VRD,), last_day=2000, **changes):
    samples = [
        {"timepoint": "diagnosis" if not i else "follow_up" if i == 1 else f"follow_up_{i}", "day": d, "cells": 100}
        for i, d in enumerate(days)
    ]
    clinical = {"last_day": last_day, **changes.pop("clinical", {})}
    return simulate(
        one_patient(clones=clones, samples=samples, therapies=list(therapies), clinical=clinical, **changes)
    )


def labels(table: pd.DataFrame, clone: str, day: int) -> set[str]:
    return set(table.loc[(table["clone"] == clone) & (table["day"] == day), "label"]) - {""}


def test_growth_is_the_set_rate_where_the_marrow_has_room():
    clones = {"A": {"fraction": 1.0, "growth": {"VRd": -1.0, "off": 0.2}}}
    table = cohort(clones=clones, days=[0, 300, 420], burden=0.01).truth()["labels"].set_index("day")
    # 200 days off therapy at 0.2 per month, with a burden far below the marrow's limit
    assert table.loc[420, "growth_per_month"] == pytest.approx(0.2, abs=0.001)
    assert table.loc[420, "interval"] == "off" and table.loc[300, "interval"] == "mixed"
    assert table.loc[420, "previous_day"] == 300 and table.loc[420, "burden_before"] == table.loc[300, "burden"]
    assert table.loc[0, "label"] == "first" and pd.isna(table.loc[0, "growth_per_month"])


@pytest.mark.parametrize(
    ("rate", "expected"),
    [(FAST * 1.05, {"expanding"}), (FAST * 0.95, set()), (-FAST * 1.05, {"contracting"}), (SLOW * 0.9, set())],
)
def test_a_doubling_within_a_year_is_the_border_of_expanding(rate, expected):
    clones = {"A": {"fraction": 1.0, "growth": {"off": rate}}}
    # .02 is no low-level disease, so nothing else can be said
    table = cohort(clones=clones, days=[0, 120], therapies=(), burden=0.02).truth()["labels"]
    assert labels(table, "A", 120) == expected
    assert len(table[table["day"] == 120]) == 1  # a day without a label keeps its row


def test_a_clone_that_rests_is_dormant_and_one_that_then_grows_reactivates():
    clones = {
        "A": {"fraction": 0.5, "growth": {"VRd": -1.0, "off": 0.0}},
        "B": {
            "parent": "A",
            "fraction": 0.5,
            "growth": {"VRd": -1.0, "off": 0.0, "reactivated": 0.3},
            "reactivation": 9,
        },
    }
    made = cohort(clones=clones, days=[0, 260, 500], burden=0.3)
    table = made.truth()["labels"]
    assert labels(table, "A", 500) == {"persistent low-level", "dormant-compatible"}
    # B woke within days of the therapy's end: it grew through both intervals, so it was never at rest
    assert made.courses["P"].reactivated["B"] < 260 and "dormant-compatible" not in labels(table, "B", 500)
    assert "expanding" in labels(table, "B", 500)


def test_reactivating_needs_a_persistent_day_before():
    days, deep, mixed = np.array([0, 300, 600, 900]), np.array([False, True, True, True]), np.zeros(4, dtype=bool)
    growth = np.array([np.nan, -0.4, 0.0, 0.2])
    rest = np.array([0.4, 1e-3, 1e-3, 7e-3])
    found = clone_labels(rest, growth, days, deep, mixed=mixed)
    assert found[2] == ["persistent low-level", "dormant-compatible"]
    assert "reactivating" in found[3] and "dormant-compatible" not in found[3]
    # never low-level for six months: a relapse, no reactivation
    found = clone_labels(rest * 100, growth, days, deep, mixed=mixed)
    assert found[3] == ["expanding"]


def test_persistent_needs_six_months_a_deep_response_and_no_break():
    growth, still = np.array([np.nan, 0.0, 0.0]), np.zeros(3, dtype=bool)
    level, deep = np.full(3, 1e-3), np.array([False, False, True])

    def last(days, burden=level, deep=deep, mixed=still):
        return clone_labels(burden, growth, np.array(days), deep, mixed=mixed)[-1]

    both = ["persistent low-level", "dormant-compatible"]
    assert last([0, 100, 183]) == both  # six months are 182.6 days
    assert last([0, 100, 182]) == []
    assert last([0, 100, 400], deep=still) == []
    assert last([0, 300, 400], burden=np.array([1e-3, 2e-2, 1e-3])) == []  # 100 days since it was over 1e-2
    assert last([0, 100, 400], mixed=np.array([False, False, True])) == both[:1]  # killed, and back: not at rest


def test_lost_new_and_re_emergent_follow_presence():
    nan = np.full(5, np.nan)
    days, never = np.arange(5) * 100, np.zeros(5, dtype=bool)

    def said(burden):
        return clone_labels(np.array(burden), nan, days, never, mixed=never)

    lost = ["lost (below limit)"]
    # 1e-7 is the floor of a course and the lowest limit of any assay: a clone there is not seen by anything
    assert said([0.1, 1e-7, 1e-7, 1e-3, 1e-2]) == [["first"], lost, lost, ["re-emergent"], []]
    assert said([0.0, 0.0, 1e-4, 0.0, 0.0]) == [["first"], [], ["new"], lost, lost]
    assert said([1e-7, 5e-7, 1e-3, 1e-3, 1e-3])[1] == []  # fivefold of what might have been there is not new


def test_a_cured_clone_is_lost_and_has_no_growth():
    clones = {"A": {"fraction": 1.0, "growth": {"VRd": -6.0}}}
    table = cohort(clones=clones, days=[0, 300, 600], cured=True).truth()["labels"]
    assert labels(table, "A", 300) == {"contracting", "lost (below limit)"}
    assert labels(table, "A", 600) == {"lost (below limit)"}  # it stays so
    assert table.loc[table["day"] > 0, "growth_per_month"].isna().all()  # ln 0 is no rate


def test_expected_cells_are_those_that_captures_hold():
    clones = {"A": {"fraction": 0.8}, "B": {"parent": "A", "fraction": 0.2}}
    spec = cohort(clones=clones, days=[0, 100], burden=0.3).spec
    for sample in spec["patients"]["P"]["samples"]:
        sample.update(cells=10_000, plasma_fraction=0.5)
        sample["capture"].update(empty=0.2, dying=0.1, normal_plasma=0.1)
    made = simulate(spec)
    expected = made.truth()["labels"].drop_duplicates(["clone", "day"]).set_index(["day", "clone"])["expected_cells"]
    sample, burden = spec["patients"]["P"]["samples"][0], made.courses["P"].at(0)
    # 10,000 barcodes, of which 80% are cells, of which 90% do not die
    drawn = draw_cells(sample, burden=burden, clones=("A", "B"), n=7200, rng=np.random.default_rng(1))
    for clone in ("A", "B"):
        n = int((drawn["clone"] == clone).sum())
        assert abs(n - expected[(0, clone)]) < 4 * np.sqrt(expected[(0, clone)])  # multinomial: within 4 SD


def test_serum_without_noise_is_what_the_clinic_measures():
    clones = {"A": {"fraction": 1.0, "growth": {"VRd": -0.9, "off": 0.4}}}
    made = cohort(clones=clones, days=[0, 220], last_day=700, clinical={"response_every": 10})
    patient, course = made.spec["patients"]["P"], made.courses["P"]
    blood, read = serum(patient, course), made.clinical()["response"]
    seen = read[read["m_protein"] > 2]
    ratio = np.log(seen["m_protein"] / blood.m_protein[seen["day"]])
    assert len(seen) > 30 and abs(ratio.mean()) < 0.03 and 0.02 < ratio.std() < 0.08  # the clinic's error is 5%
    ratio = np.log(read["kappa_flc"] / blood.involved[read["day"]])
    assert abs(ratio.mean()) < 0.05
    true = responses(patient, course)
    # within a line the clinic may differ for its noise, but not in what it is all about
    clinic = read["response"].fillna("").to_numpy()
    assert (clinic == true[read["day"]]).mean() > 0.8
    first = int(np.flatnonzero(true == "PD")[0])
    assert abs(first - int(read.loc[read["response"] == "PD", "day"].iloc[0])) <= 40


def test_a_progression_lasts_until_the_next_therapy():
    clones = {"A": {"fraction": 1.0, "growth": {"VRd": -0.9, "off": 0.6, "KRd": -2.0}}}
    second = {"regimen": "KRd", "start": 600, "stop": 800, "line": 1, "classes": ["PI"]}
    made = cohort(clones=clones, days=[0, 220], therapies=(VRD, second), last_day=900)
    true = responses(made.spec["patients"]["P"], made.courses["P"])
    assert (true[:11] == "").all() and true[11] == "SD"  # the first day of therapy is the baseline
    pd_days = np.flatnonzero(true == "PD")
    assert (np.diff(pd_days) == 1).all() and pd_days[-1] == 600
    assert true[601] == "SD" and true[800] in ("VGPR", "CR", "sCR")  # against its own baseline, though line 1 still


def test_light_chain_disease_is_followed_by_its_light_chains():
    clones = {"A": {"fraction": 1.0, "growth": {"VRd": -1.5, "off": 0.5}}}
    made = cohort(clones=clones, days=[0, 220], last_day=900, isotype="light_chain_only", clinical={"m_protein": 0})
    patient, course = made.spec["patients"]["P"], made.courses["P"]
    true, blood = responses(patient, course), serum(patient, course)
    first = int(np.flatnonzero(true == "PD")[0])
    rise = (blood.involved - blood.other)[first] - np.maximum(blood.involved - blood.other, 0)[: first + 1].min()
    assert 100 <= rise < 110  # mg/L, the day on which the rise of 100 is reached


def test_a_ratio_of_light_chains_is_kappa_over_lambda():
    clones = {"A": {"fraction": 1.0, "growth": {"VRd": -1.5}}}
    light = {"isotype": "light_chain_only", "light_chain": "lambda", "clinical": {"m_protein": 0}}
    made = cohort(clones=clones, days=[0, 190], last_day=210, **light)
    patient, course = made.spec["patients"]["P"], made.courses["P"]
    first = int(np.flatnonzero(np.isin(responses(patient, course), ["CR", "sCR"]))[0])
    blood = serum(patient, course)
    # the normal ratio begins at .26 kappa to lambda, so 3.85 lambda to kappa, falling 5% a day
    assert 3.6 < blood.involved[first] / blood.other[first] <= 1 / 0.26


def test_a_clone_without_its_heavy_chain_progresses_in_the_light_chains():
    clones = {
        "A": {"fraction": 0.999, "growth": {"VRd": -2.0, "off": 0.0}},
        "B": {"parent": "A", "fraction": 0.001, "heavy": False, "growth": {"VRd": 0.0, "off": 0.6}},
    }
    made = cohort(clones=clones, days=[0, 220], last_day=900)
    patient, course = made.spec["patients"]["P"], made.courses["P"]
    first = int(np.flatnonzero(responses(patient, course) == "PD")[0])
    assert serum(patient, course).m_protein[first] < 1  # which electrophoresis does not see
    clones["B"].pop("heavy")  # the same course with its heavy chain is seen by its M-protein, at another day
    whole = cohort(clones=clones, days=[0, 220], last_day=900)
    assert first != int(np.flatnonzero(responses(whole.spec["patients"]["P"], whole.courses["P"]) == "PD")[0])


def test_an_m_protein_that_only_immunofixation_sees_is_a_very_good_response():
    clones = {"A": {"fraction": 1.0, "growth": {"VRd": -0.7, "off": 0.0, "KRd": 0.0}}}
    second = {"regimen": "KRd", "start": 300, "stop": 400, "line": 2, "classes": ["PI"]}
    made = cohort(clones=clones, days=[0, 220], therapies=(VRD, second), last_day=420)
    patient, course = made.spec["patients"]["P"], made.courses["P"]
    assert 0.3 < serum(patient, course).m_protein[301] < 1
    assert responses(patient, course)[301] == "VGPR"  # the new line's baseline is 0: no fall is left to be measured


@pytest.mark.parametrize("module", [states, true_response, true_tiers])
def test_truth_of_states_shares_nothing_with_the_chapters(module):
    names = {
        n.module for n in ast.walk(ast.parse(inspect.getsource(module))) if isinstance(n, ast.ImportFrom) if n.level
    }
    allowed = {"keys", "assays", "clinical", "dynamics", "immunoglobulin", "punctures", "states", "true_response"}
    assert names and names <= allowed  # a rule that both sides share would hide the defect of either
