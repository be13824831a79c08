from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from marrowclone.simulate import simulate
from marrowclone.simulate.true_response import Serum
from marrowclone.simulate.true_tiers import Facts, tier_at, treatment_free
from unit.simulate.simulate_cases import one_patient

DAYS = 4000
DVRD = {"regimen": "D-VRd", "start": 10, "stop": 200, "line": 1, "classes": ["CD38"]}


def facts(tests, *, burden=0.0, scans=None, response="sCR", therapies=(DVRD,), m=0.0, flc=15.0) -> Facts:
    """A patient who is in one response from day 201 on; ``tests``: day -> result, all reaching 2e-6."""
    answers = np.full(DAYS, response, dtype=object)
    answers[:201] = "SD"
    level = np.broadcast_to(np.asarray(burden, dtype=float), (DAYS,))
    blood = Serum(*(np.broadcast_to(np.asarray(v, dtype=float), (DAYS,)) for v in (m, flc, 13.0, 1.0)))
    known = {d: r if isinstance(r, tuple) else (r, 2e-6) for d, r in tests.items()}
    return Facts(answers, level, blood, known, scans or {}, list(therapies))


def negatives(*days):
    return dict.fromkeys(days, "negative")


def yearly(first, last):
    return dict.fromkeys(range(first, last + 1, 365), False)


@pytest.mark.parametrize(
    ("case", "day", "tier"),
    [
        (facts({}, response="SD"), 400, "T0"),  # less than PR
        (facts({}, response="PD"), 400, "T0"),
        (facts(negatives(100)), 100, "T0"),  # negative, but no response yet
        (facts({}), 400, "T1"),  # nobody tested
        (facts({400: "positive"}), 400, "T1"),
        (facts({400: ("indeterminate", 1e-4)}), 400, "T1"),
        (facts(negatives(400)), 400, "T2"),
        (facts(negatives(400), response="VGPR"), 400, "T2"),
        (facts(negatives(400), response="PR"), 400, "T1"),
        (facts(negatives(400), scans={400: False}), 400, "T2"),
        (facts(negatives(400, 764), scans={764: False}), 764, "T2"),  # 364 days
        (facts(negatives(400, 765), scans={765: False}), 765, "T3"),
        (facts(negatives(400, 765), scans={400: False}), 765, "T3"),  # 365 days old, still within 12 months
        (facts(negatives(400, 765), scans={399: False}), 765, "T2"),
        (facts(negatives(400, 765)), 765, "T2"),  # sustained needs imaging
        (facts(negatives(400, 765, 1129), scans={1129: False}), 1129, "T3"),  # a run of 729 days
        (facts(negatives(400, 765, 1130), scans={1130: False}), 1130, "T4"),
        (facts(negatives(400, 765, 1130, 2025), scans={2025: False}), 2025, "T5"),  # stop at 200, 1826 days free
        (facts(negatives(400, 765, 1130, 2024), scans={2024: False}), 2024, "T4"),
        (facts(negatives(2025), scans={2025: False}), 2025, "T5"),  # T5 asks for one test
        (facts(negatives(400, 2025)), 2025, "T2"),  # and for imaging
    ],
)
def test_each_tier_and_its_border(case, day, tier):
    assert tier_at(case, day).tier == tier


def test_therapy_that_goes_on_keeps_a_sustained_response_at_t3():
    on = {"regimen": "R", "start": 201, "stop": 1200, "line": 1, "classes": ["IMiD"]}
    case = facts(negatives(400, 765, 1130, 1800), scans={1130: False, 1800: False}, therapies=(DVRD, on))
    assert tier_at(case, 1130).tier == "T3" and tier_at(case, 1800).tier == "T3"  # 600 days free
    later = facts(negatives(400, 765, 1130, 1930), scans={1930: False}, therapies=(DVRD, on))
    assert tier_at(later, 1930).tier == "T4"  # 730


def test_resurgence_is_t1_and_begins_the_run_anew():
    tests = negatives(400, 765) | {1000: "positive"} | negatives(1100, 1464)
    case = facts(tests, scans=yearly(400, 3000))
    assert tier_at(case, 765).tier == "T3"
    assert tier_at(case, 1000).tier == "T1" and "again" in tier_at(case, 1000).why
    assert tier_at(case, 1464).tier == "T2"  # 364 days since the first negative after it, 1064 since the very first
    # a test that could not reach 1e-5 neither breaks a run nor makes one
    shallow = facts(negatives(400, 765) | {600: ("indeterminate", 1e-4)}, scans={765: False})
    assert tier_at(shallow, 765).tier == "T3"


def test_a_progression_ends_the_run_of_negatives():
    case = facts(negatives(400, 900), scans={900: False})
    assert tier_at(case, 900).tier == "T3"
    case.response[600:650] = "PD"
    assert tier_at(case, 900).tier == "T2"


def test_imaging_caps_until_it_is_negative_again():
    tests = negatives(400, 765, 1130, 1495)
    case = facts(tests, scans={765: True, 1495: False})
    assert tier_at(case, 765).tier == "T1" and "imaging positive" in tier_at(case, 765).why
    assert tier_at(case, 1130).tier == "T1"  # nobody looked again
    assert tier_at(case, 1495).tier == "T4"
    before = facts(negatives(400), scans={0: True})  # a scan of the untreated tumour is no finding on the response
    assert tier_at(before, 400).tier == "T2"


def test_a_stale_test_leaves_mrd_unknown():
    case = facts(negatives(400, 765), scans=yearly(400, 3000))
    assert tier_at(case, 1130).tier == "T3"  # 365 days
    old = tier_at(case, 1131)
    assert (old.tier, old.last_known) == ("T1", "T3") and "day 765" in old.why
    # a new test that cannot reach 1e-5 does not freshen it
    shallow = facts({**case.tests, 1100: ("indeterminate", 1e-4)}, scans=yearly(400, 3000))
    assert tier_at(shallow, 1131).tier == "T1"


@pytest.mark.parametrize(
    ("burden", "changes", "tier"),
    [
        (1e-3, {}, "T4"),
        (2e-2, {}, "T1"),  # over 1e-2
        (1e-3 * np.exp(np.arange(DAYS) / 30.4375 * np.log(2) / 23), {}, "T1"),  # doubles in 23 months
        (1e-3 * np.exp(np.arange(DAYS) / 30.4375 * np.log(2) / 25), {}, "T4"),
        (1e-3, {"m": np.where(np.arange(DAYS) > 1000, 5.0, 3.9)}, "T1"),  # + 28%
        (1e-3, {"m": np.where(np.arange(DAYS) > 1000, 4.8, 3.9)}, "T4"),  # + 23%
        (1e-3, {"m": np.where(np.arange(DAYS) > 1000, 0.9, 0.2)}, "T4"),  # neither is seen by electrophoresis
        (1e-3, {"flc": np.where(np.arange(DAYS) > 1000, 30.0, 20.0)}, "T1"),
        (1e-3, {"scans": {1300: True}}, "T1"),
    ],
)
def test_stable_low_level_disease_is_t4b(burden, changes, tier):
    tests = dict.fromkeys((250, 615, 980, 1345), "positive")  # 1095 days, 1145 free of therapy
    assert tier_at(facts(tests, burden=burden, **changes), 1345).tier == tier


def test_t4b_takes_three_years_of_tests_and_of_freedom():
    tests = dict.fromkeys((251, 616, 981, 1345), "positive")
    assert tier_at(facts(tests, burden=1e-3), 1345).tier == "T1"  # 1094 days of tests
    late = {**DVRD, "stop": 251}
    tests = dict.fromkeys((250, 615, 980, 1345), "positive")
    assert tier_at(facts(tests, burden=1e-3, therapies=(late,)), 1345).tier == "T1"  # 1094 days free


def test_treatment_free_time_counts_from_the_last_dose_or_the_infusion():
    car = {"regimen": "cilta-cel", "start": 300, "stop": 310, "line": 2, "classes": ["BCMA-CART"]}
    assert treatment_free([DVRD], 5) == 0 and treatment_free([DVRD], 150) == 0 and treatment_free([DVRD], 260) == 60
    assert treatment_free([DVRD, car], 400) == 100
    assert treatment_free([DVRD, {**car, "classes": ["BCMA-BsAb"]}], 400) == 90


def cured(**changes):
    clinical = {
        "last_day": 2600,
        "mrd": [{"day": d, "assay": "NGS", "cells": 3_000_000} for d in (400, 800, 1200, 2100)],
        "imaging": [{"day": d} for d in (0, 400, 800, 1200, 2100)],
        **changes,
    }
    return one_patient(
        clones={"A": {"fraction": 1.0, "growth": {"D-VRd": -6.0}}}, cured=True, therapies=[DVRD], clinical=clinical
    )


def test_a_cured_patient_rises_from_t0_to_t5():
    table = simulate(cured()).truth()["tiers"]
    assert dict(zip(table["day"], table["tier"], strict=True)) == {
        0: "T0",
        400: "T2",
        800: "T3",
        1200: "T4",
        2100: "T5",
    }
    assert table["relapse_day"].isna().all()
    assert table["why"].iloc[-1].startswith("T5+")  # 3,000,000 cells reach 1e-6, and there is nothing


def test_what_the_laboratory_said_and_a_test_too_shallow_are_told_apart():
    shallow = [{"day": 400, "assay": "NGF", "cells": 200_000}]  # 20 events of 200,000: 1e-4
    assert simulate(cured(mrd=shallow)).truth()["tiers"].set_index("day").loc[400, "tier"] == "T1"
    both = [{"day": 400, "assay": "NGS", "cells": 3_000_000}, *shallow]  # of one day the deeper test speaks
    for tests in (both, both[::-1]):
        assert simulate(cured(mrd=tests)).truth()["tiers"].set_index("day").loc[400, "tier"] == "T2"
    wrong = [{"day": 400, "assay": "NGS", "cells": 3_000_000, "events": 500}]  # contradicts the truth
    assert simulate(cured(mrd=wrong)).truth()["tiers"].set_index("day").loc[400, "tier"] == "T2"


def test_a_lesion_caps_a_negative_marrow_and_shows_only_when_it_is_looked_for():
    lesion = {"from": 700}
    table = simulate(cured(lesion=lesion)).truth()["tiers"].set_index("day")
    assert list(table["tier"]) == ["T0", "T2", "T1", "T1", "T1"]
    unseen = simulate(cured(lesion=lesion, imaging=[{"day": 400}])).truth()["tiers"].set_index("day")
    assert unseen.loc[800, "tier"] == "T2" and unseen.loc[1200, "tier"] == "T2"  # no scan: not known, not negative


def test_relapse_is_dated_by_the_course_and_not_after_death():
    clones = {"A": {"fraction": 1.0, "growth": {"D-VRd": -1.0, "off": 0.5}}}
    base = one_patient(
        clones=clones, therapies=[DVRD], clinical={"last_day": 1200, "mrd": [{"day": 220}], "response_every": 7}
    )
    made = simulate(base)
    table, seen = made.truth()["tiers"].set_index("day"), made.clinical()["outcome"].iloc[0]
    assert abs(table.loc[220, "relapse_day"] - seen["pfs_day"]) <= 30  # the clinic sees it through noise of 5%
    assert table.loc[0, "relapse_day"] == table.loc[220, "relapse_day"] > 220
    base["patients"]["P"]["clinical"] |= {"death_day": 250, "death_cause": "other"}
    assert simulate(base).truth()["tiers"]["relapse_day"].isna().all()


def test_healthy_donors_have_no_states(spec):
    truth = simulate(spec).truth()
    for name in ("labels", "tiers"):
        assert set(truth[name]["patient"]) == {"T1", "T2"}
    assert pd.api.types.is_integer_dtype(truth["tiers"]["relapse_day"])
