"""State first: tier, trend, number; then what is apart from it, risk and outlook, on both kinds of page."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import results_factory as factory
from marrowclone.keys import RESEARCH_USE_ONLY
from marrowclone.report import gather, outlook, sentences, words
from marrowclone.report.cohort_page import patient_row
from unit.report.test_report_pages import cohort, page, patient, words_of


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return factory.make_results(tmp_path_factory.mktemp("outlook") / "results")


@pytest.fixture(scope="module")
def who(results):
    return patient(results, "P1")


def test_the_cohort_shows_change_and_risk_beside_the_tier(results: factory.Results, who) -> None:
    row = patient_row(who, noun="plasma cell")
    assert row["change"].startswith("▼ lower: −38 points since day 420")
    assert row["risk"] == ["IMS/IMWG: high", "high-risk events: 2"]
    unknown = who.risk.assign(
        result=who.risk["result"].where(~who.risk["system"].isin(["IMS_IMWG_2025", "HRCA"]), "indeterminate")
    )
    assert outlook.risk_words(unknown) == ["ISS: II"]  # what is not known is not said as a class
    text = words_of(cohort(results))
    assert "▼ lower: −38 points" in text and "IMS/IMWG: high" in text
    assert text.index("lower: −38 points") < text.index("IMS/IMWG: high")
    assert RESEARCH_USE_ONLY in text
    other = patient_row(patient(results, "P2"), noun="plasma cell")
    assert other["change"] == "" and other["risk"] == []
    nothing = who.risk.assign(result="indeterminate")
    assert outlook.risk_words(nothing) == ["not known"]


def test_the_trend_stands_before_the_number(who) -> None:
    text = words_of(page(who))
    assert text.index("further from cure than before") < text.index("Cure-spectrum score, 0 to 100")
    for said in ("90% interval, measurement alone", "weights and thresholds too", "Components, 0 to 1"):
        assert said in text


def test_a_change_is_called_only_where_it_is_sure(who) -> None:
    open_ = replace(who, changes=who.changes.assign(call="no call"))
    assert outlook.last_change(open_).startswith("no clear change: −38 points")
    gone = replace(who, changes=who.changes.assign(delta=np.nan, call="not comparable"))
    assert outlook.last_change(gone) == "not comparable since day 420"


def test_a_stale_tier_is_neither_fresh_nor_a_fall(who) -> None:
    rows = who.landmarks.assign(tier_label="", last_known_tier="", cor_dc=np.nan, c_bounded="")
    last = rows.index[-1]
    rows.loc[last, ["tier", "tier_label", "last_known_tier"]] = ["T1", "T1-stale(T5)-Q+-C?", "T5"]
    aged = replace(who, landmarks=rows)
    row = patient_row(aged, noun="plasma cell")
    assert row["tier"] == "T1" and row["stale"] == f"stale: last known T5, {words.TIERS['T5']}"
    direction, said = sentences.trend(rows)
    assert direction == "none" and said.startswith("stale: last known T5")
    assert words.stale_words(rows.iloc[0]) == ""


def test_what_d_and_c_share_is_reported(who) -> None:
    row = who.landmarks.iloc[-1]
    assert sentences.joint(row) == ""
    said = sentences.joint(pd.concat([row, pd.Series({"cor_dc": 0.41, "c_bounded": "true"})]))
    assert "0.41" in said and "bounded by an assay, not observed" in said


def test_the_outlook_says_what_the_score_does_not_beat(results: factory.Results) -> None:
    section = outlook.outlook_section(gather.read_one("cure.outlook", results.root / "cure/outlook.tsv"))
    assert section is not None
    assert "DOES NOT BEAT sustained MRD-negativity alone at 24 months (86 patients)" in section.notes[0]
    assert [r[1] for r in section.tables[0].rows].count("C of css") == 1  # the month with too few has no figure
    text = words_of(cohort(results))
    assert "apart from the state" in text and "DOES NOT BEAT" in text
    assert outlook.outlook_section(gather.empty("cure.outlook")) is None


def test_the_sensitivity_to_judgement_is_on_the_patients_page(who) -> None:
    table = outlook.sensitivity_table(who.sensitivity)
    assert table is not None and [r[0] for r in table.rows] == ["weight_q", "weights, all together"]  # widest first
    assert outlook.sensitivity_table(gather.empty("cure.sensitivity")) is None
    assert "Were our judgement another one" in words_of(page(who))
