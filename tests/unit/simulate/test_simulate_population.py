from __future__ import annotations

import numpy as np
import pytest

from marrowclone.errors import InputProblems
from marrowclone.simulate.cohort import Cohort
from marrowclone.simulate.events import arm_states, parse_event
from marrowclone.simulate.fields import POPULATION
from marrowclone.simulate.population import draw_patient
from marrowclone.simulate.spec import check_spec
from marrowclone.simulate.tumours import arm_frequencies, shares

DEFAULTS = {k: f.default for k, f in POPULATION.items()}
N = 1000


@pytest.fixture(scope="module")
def many():
    return [draw_patient(5, i, DEFAULTS) for i in range(1, N + 1)]


def within(count: int, n: int, p: float) -> bool:
    """Within 4 binomial SDs: of the some 80 comparisons here one in 300 runs would fail by chance, and the seed is fixed."""
    return abs(count - n * p) <= 4 * np.sqrt(n * p * (1 - p)) + 1e-9


@pytest.mark.parametrize(("kind", "key"), [("group", "group"), ("light_chain", "light_chain"), ("isotype", "isotype")])
def test_shares_of_patients_are_those_of_the_table(many, kind, key):
    for name, share in shares(kind).items():
        assert within(sum(p[key] == name for p in many), N, share), name


def test_subtypes_and_hyperdiploidy(many):
    names = shares("subtype")
    igh = sum(v for k, v in names.items() if k.startswith("t("))
    for name, share in names.items():
        if name.startswith("t("):  # a share of the tumours with both has this translocation too
            share += names["both"] * share / igh
        if name != "both":
            assert within(sum(p["subtype"] == name for p in many), N, share), name
    gains = [sum(e in shares("trisomy") for e in p["clones"]["A"]["events"]) for p in many]
    hyper = [g > 0 for g in gains]
    assert within(sum(hyper), N, names["HRD"] + names["both"])
    assert all(g >= 3 for g in gains if g)  # science 2.2: three trisomies make a tumour hyperdiploid


def test_trisomies_and_trunk_events_have_the_frequencies_of_their_subtype(many):
    hyper = [
        p["clones"]["A"]["events"] for p in many if any(e in shares("trisomy") for e in p["clones"]["A"]["events"])
    ]
    for event, share in shares("trisomy").items():
        # tumours with fewer than three are drawn again, which adds up to .02
        assert (
            abs(sum(event in t for t in hyper) / len(hyper) - share)
            < 4 * np.sqrt(share * (1 - share) / len(hyper)) + 0.02
        )
    for subtype in ("t(4;14)", "t(11;14)", "HRD"):
        trunks = [p["clones"]["A"]["events"] for p in many if p["subtype"] == subtype]
        for event in ("-13q", "-16q", "-14q", "-17p"):
            frequency, clonal = arm_frequencies(subtype)[event]
            assert within(sum(event in t for t in trunks), len(trunks), frequency * clonal), (subtype, event)
    # science 2.2: 1q gain is more frequent with t(4;14) than with t(11;14)
    share = {}
    for subtype in ("t(4;14)", "t(11;14)"):
        trunks = [p["clones"]["A"]["events"] for p in many if p["subtype"] == subtype]
        share[subtype] = np.mean([bool({"+1q", "amp1q"} & set(t)) for t in trunks])
    assert share["t(4;14)"] > 2 * share["t(11;14)"]


def test_clones_are_trees_of_two_to_six_without_impossible_or_repeated_events(many):
    for patient in many[:60]:
        clones = patient["clones"]
        assert 2 <= len(clones) <= 6  # science 3.1
        parents = {n: c["parent"] for n, c in clones.items()}
        states = arm_states({n: c["events"] for n, c in clones.items()}, parents)
        assert not states.duplicated().any()  # clones that no data could tell apart
        assert states.to_numpy().min() >= 1 and states.to_numpy().max() <= 4
        for name, clone in clones.items():
            assert name == "A" or 1 <= len(clone["events"]) <= 3  # science A.3
            line, at = [], name
            while at:
                line += [a for e in clones[at]["events"] for a in parse_event(e)[0] if a != "1q"]
                at = parents[at]
            assert len(line) == len(set(line))
        assert sum(c["fraction"] for c in clones.values()) == pytest.approx(1.0)
    sizes = np.array([len(p["clones"]) for p in many if p["group"] in ("cured_like", "mgus_like", "refractory")])
    k = np.arange(2, 7)
    pmf = 3.0**k / np.array([2, 6, 24, 120, 720])
    assert sizes.mean() == pytest.approx((k * pmf).sum() / pmf.sum(), abs=0.15)  # Poisson(3) cut to 2 ... 6


def test_a_population_passes_the_check_and_the_courses_are_those_of_their_groups():
    spec = check_spec({"name": "x", "seed": 11, "population": {"patients": 36, "donors": 2, "cells": 0.1}})
    assert check_spec(spec) == spec
    assert [n for n, p in spec["patients"].items() if p["group"] == "healthy"] == ["H1", "H2"]
    assert {p["group"] for p in list(spec["patients"].values())[:12]} >= set(
        shares("group")
    )  # each course in a small cohort
    for name, patient in spec["patients"].items():
        if patient["group"] == "healthy":
            continue
        course = Cohort({**spec, "patients": {name: patient}}).courses[name]
        first, last = (course.at(patient["samples"][i]["day"]) for i in (0, -1))
        share = last / max(last.sum(), 1e-300)
        if patient["group"] == "cured_like":
            assert last.sum() == 0 and patient["cured"]
        elif patient["group"] == "mgus_like":  # neither grows nor shrinks for years
            before = course.at(patient["samples"][-2]["day"]).sum()
            assert last.sum() == pytest.approx(before, rel=0.05) and 1e-7 < before < 0.1
        elif patient["group"] == "refractory":
            assert last.sum() > 0.1
        elif patient["samples"][-1]["timepoint"].startswith("relapse"):
            assert last.sum() > 0.1
            assert first[-1] / first.sum() < 0.2  # minor at diagnosis (science 3.2)
            if patient["group"] == "antigen_escape":
                assert share[-1] > 0.2
    relapsed = [
        p["samples"][-1]["timepoint"].startswith("relapse")
        for p in spec["patients"].values()
        if p["group"].startswith("relapse")
    ]
    assert np.mean(relapsed) > 0.9


def test_a_patient_does_not_depend_on_how_many_there_are():
    small = check_spec({"name": "x", "seed": 2, "population": {"patients": 3, "donors": 1}})
    large = check_spec({"name": "x", "seed": 2, "population": {"patients": 9, "donors": 4}})
    for name, patient in small["patients"].items():
        assert large["patients"][name] == patient
    other = check_spec({"name": "x", "seed": 3, "population": {"patients": 3, "donors": 1}})
    assert other["patients"]["P1"] != small["patients"]["P1"]


def test_written_patients_stand_beside_and_names_must_not_clash(spec):
    both = check_spec({**spec, "population": {"patients": 2, "donors": 0}})
    assert set(both["patients"]) == {*spec["patients"], "P1", "P2"}
    spec["patients"]["P1"] = spec["patients"].pop("T1")
    with pytest.raises(InputProblems, match=r"patients\.P1: the population has a patient of this name"):
        check_spec({**spec, "population": {"patients": 2, "donors": 0}})


@pytest.mark.parametrize(
    ("population", "expected"),
    [
        ({"patiens": 3}, "population.patiens: unknown key"),
        ({"patients": -1}, "population.patients: found '-1', expected a number from 0"),
        ({"groups": {"cured": 1}}, "population.groups.cured: unknown group, expected one of cured_like"),
        ({"groups": {"cured_like": -1}}, "population.groups.cured_like: found '-1', expected a weight of at least 0"),
        ({"groups": {"cured_like": 0}}, "population.groups: all weights are 0"),
    ],
)
def test_mistakes_in_a_population_are_named(population, expected):
    with pytest.raises(InputProblems) as error:
        check_spec({"name": "x", "seed": 1, "population": population})
    assert expected in str(error.value)
