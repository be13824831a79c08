"""Risk stagings: published definitions, case by case, and what happens where an input lacks."""

import numpy as np
import pandas as pd
import pytest

from marrowclone.cure.genome import EVENTS, Event, read_events
from marrowclone.cure.risk import Facts, annotate_risk, hrca, ims_2025, iss, r2_iss, r_iss, stagings
from marrowclone.keys import TABLES
from unit.cure.cure_cases import clinical, defaults, response, therapy

SETTINGS = defaults("annotate_risk")
PANEL, FRACTIONS = list(TABLES["copy_number.panel"]), list(TABLES["evolution.fractions"])
NO_PANEL, NO_FRACTIONS = pd.DataFrame(columns=PANEL), pd.DataFrame(columns=FRACTIONS)
WELL = {"b2m": 3.0, "albumin": 40.0, "creatinine": 0.9, "ldh": 180.0, "ldh_uln": 250.0}


def facts(*found, unknown=(), size=0.6, **laboratory):
    """Everything tested; the events ``found`` are there, ``unknown`` ones not tested."""
    events = {e: Event(None) if e in unknown else Event(e in found, size if e in found else 0.0) for e in EVENTS}
    return Facts(WELL | laboratory, events)


@pytest.mark.parametrize(
    ("b2m", "albumin", "stage"),
    [(3.4, 35, "I"), (3.4, 34.9, "II"), (3.5, 40, "II"), (5.49, 20, "II"), (5.5, 40, "III"), (5.5, np.nan, "III")],
)
def test_iss_at_its_borders(b2m, albumin, stage):
    assert iss(facts(b2m=b2m, albumin=albumin)) == (stage, ())


def test_iss_names_what_lacks():
    assert iss(facts(albumin=np.nan)) == ("indeterminate", ("albumin",))
    assert iss(facts(b2m=np.nan))[0] == "indeterminate" and "b2m" in iss(facts(b2m=np.nan))[1]
    # b2m may only be below 5.5 or not: low albumin rules stage I out, not stage III
    assert iss(facts(b2m=np.nan, albumin=20))[0] == "indeterminate"


@pytest.mark.parametrize(
    ("case", "stage"),
    [
        (facts(), "I"),
        (facts("t(14;20)", "1q+"), "I"),  # neither is among the three of the R-ISS
        (facts("t(4;14)"), "II"),
        (facts(ldh=251.0), "II"),
        (facts(ldh=250.0), "I"),
        (facts(b2m=6.0), "II"),
        (facts("del(17p)", b2m=6.0), "III"),
        (facts(ldh=251.0, b2m=6.0), "III"),
        (facts(b2m=6.0, ldh=251.0, unknown=("t(4;14)", "t(14;16)", "del(17p)")), "III"),
        (facts(b2m=4.0, ldh=np.nan, unknown=("t(4;14)",)), "II"),  # ISS II: nothing else can matter
        (facts(b2m=6.0, unknown=("t(4;14)",)), "indeterminate"),
        (facts(ldh_uln=np.nan), "indeterminate"),
    ],
)
def test_r_iss(case, stage):
    assert r_iss(case)[0] == stage


@pytest.mark.parametrize(
    ("case", "group"),
    [
        (facts(), "low"),
        (facts("1q+"), "low-intermediate"),
        (facts(b2m=4.0), "low-intermediate"),
        (facts("1q+", b2m=4.0), "intermediate-high"),
        (facts("1q+", b2m=6.0), "intermediate-high"),
        (facts("del(17p)", "1q+", b2m=6.0), "high"),
        (facts("del(17p)", "t(4;14)", "1q+", b2m=6.0, ldh=900.0), "high"),
        (facts("del(17p)", "t(4;14)", b2m=6.0, ldh=900.0, unknown=("1q+",)), "high"),  # 4.5 or 5: high either way
        (facts(unknown=("1q+",)), "indeterminate"),
    ],
)
def test_r2_iss(case, group):
    assert r2_iss(case, settings=SETTINGS)[0] == group


@pytest.mark.parametrize(
    ("case", "group"),
    [
        (facts(), "standard"),
        (facts("del(17p)", size=0.21), "high"),
        (facts("del(17p)", size=0.20), "standard"),
        (facts("del(17p)", size=np.nan), "indeterminate"),
        (facts("mut(TP53)"), "high"),
        (facts("t(4;14)"), "standard"),
        (facts("t(4;14)", "1q+"), "high"),
        (facts("t(14;16)", "del(1p32)"), "high"),
        (facts("t(14;20)", "1q+", unknown=("mut(TP53)",)), "high"),
        (facts("1q+"), "standard"),
        (facts("del(1p32)", "1q+"), "high"),
        (facts("del(1p32)"), "indeterminate"),  # whether both copies are lost is on record nowhere
        (facts(b2m=5.5, creatinine=1.1), "high"),
        (facts(b2m=5.5, creatinine=1.2), "standard"),
        (facts(unknown=("mut(TP53)",)), "indeterminate"),
        (facts(unknown=("t(14;20)",)), "standard"),  # without 1q+ and del(1p32) no translocation decides
    ],
)
def test_consensus_of_2025(case, group):
    assert ims_2025(case, settings=SETTINGS)[0] == group


def test_what_lacks_is_named():
    assert ims_2025(facts(unknown=("mut(TP53)",)), settings=SETTINGS)[1] == ("mut(TP53)",)
    assert ims_2025(facts("del(17p)", size=np.nan), settings=SETTINGS)[1] == ("fraction of del(17p)",)


def test_events_are_counted_once_and_open_ones_give_a_range():
    assert hrca(facts("del(17p)", "mut(TP53)", "1q+"))[0] == "2"
    assert hrca(facts("del(17p)", unknown=("mut(TP53)",)))[0] == "1"
    assert hrca(facts("t(4;14)", unknown=("1q+", "t(14;20)"))) == ("1 to 3", ("t(14;20)", "1q+"))


@pytest.mark.parametrize("gone", [*EVENTS, *WELL])
def test_a_missing_input_only_ever_makes_an_answer_indeterminate(gone):
    """Property: what is still said without an input is what was said with it."""
    rng = np.random.default_rng(7)
    for _ in range(60):
        there = [e for e in EVENTS if rng.uniform() < 0.3]
        there += ["1q+"] if "amp(1q)" in there else []
        values = {
            "b2m": rng.choice([3.0, 4.0, 6.0]),
            "albumin": rng.choice([30.0, 40.0]),
            "ldh": rng.choice([1.0, 900.0]),
        }
        whole = stagings(facts(*there, **values), settings=SETTINGS)
        less = facts(*there, **(values | {gone: np.nan})) if gone in WELL else facts(*there, unknown=(gone,), **values)
        for system, (result, missing) in stagings(less, settings=SETTINGS).items():
            if result == "indeterminate":
                assert missing, system
            elif system != "HRCA":
                assert result == whole[system][0], (system, there, values)


def panel(*rows):
    return pd.DataFrame([("P1", *r, "") for r in rows], columns=PANEL)


def seen(*rows):
    table = pd.DataFrame(rows, columns=["clone", "sample", "day", "n_clone", "fraction"])
    return table.reindex(columns=FRACTIONS)


def test_the_clinical_table_speaks_before_rna_and_untested_is_not_absent():
    rows = clinical(
        "cytogenetics",
        {"patient": "P1", "day": 0, "event": "gain(1q21)", "method": "FISH", "fraction": 0.0},
        {"patient": "P1", "day": 0, "event": "del(17p)", "method": "FISH", "fraction": 0.1},
        {"patient": "P1", "day": 90, "event": "del(17p)", "method": "NGS", "fraction": 0.4},
    )
    rna = panel(("c1", "gain(1q)", "present", 0.99, "c1", 1.0), ("all", "t(4;14)", "absent", 0.01, "", np.nan))
    events = read_events(rows, rna, seen(("c1", "S0", 0, 50, 1.0)))
    assert events["1q+"].found is False and events["amp(1q)"].found is False
    assert events["del(17p)"].found and events["del(17p)"].fraction == 0.4
    assert events["t(4;14)"].found is False
    assert events["mut(TP53)"].found is None


def test_rna_speaks_of_clones_seen_by_then_only():
    rna = panel(("c1", "gain(1q)", "absent", 0.01, "", np.nan), ("c2", "gain(1q)", "present", 0.97, "c2", 0.5))
    early, late = ("c1", "S0", 0, 80, 1.0), ("c2", "S9", 900, 40, 0.5)
    empty = clinical("cytogenetics")
    assert read_events(empty, rna, seen(early))["1q+"].found is False
    event = read_events(empty, rna, seen(early, late))["1q+"]
    assert event.found and event.fraction == 0.5 and "0.97" in event.source
    assert read_events(empty, rna, seen())["1q+"].found is None


def annotate(day, *, events=(), visits=(), therapies=((5,),)):
    tables = {
        "response": clinical("response", *visits),
        "therapy": None if therapies is None else clinical("therapy", *[therapy(*t) for t in therapies]),
        "cytogenetics": clinical("cytogenetics", *events),
    }
    at = pd.DataFrame({"patient": ["P1"], "day": [day]})
    return annotate_risk(at, tables, {"P1": NO_PANEL}, {"P1": NO_FRACTIONS}, settings=SETTINGS)


def test_stages_are_of_the_untreated_disease():
    visits = [response(0, "", b2m=6.0, albumin=40.0), response(400, "CR", b2m=2.0, albumin=42.0)]
    table = annotate(500, visits=visits).set_index("system")
    assert table.loc["ISS", "result"] == "III"
    late = annotate(500, visits=visits[1:]).set_index("system")
    assert late.loc["ISS", "result"] == "indeterminate"
    assert "within 90 days" in late.loc["ISS", "missing"]
    unknown = annotate(500, visits=visits, therapies=None).set_index("system")
    assert unknown.loc["ISS", "result"] == "indeterminate" and "therapy" in unknown.loc["ISS", "missing"]


def test_later_rows_change_nothing():
    visits = [response(0, "", b2m=3.0, albumin=40.0)]
    event = {"patient": "P1", "day": 800, "event": "mut(TP53)", "method": "NGS", "fraction": 0.9}
    now = annotate(300, visits=visits)
    pd.testing.assert_frame_equal(now, annotate(300, visits=[*visits, response(301, "PD", b2m=9.0)], events=[event]))
    assert annotate(900, visits=visits, events=[event])["result"].iloc[0] == "high"
    assert list(now.columns) == list(TABLES["cure.risk"])
