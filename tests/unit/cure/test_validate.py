"""The validation: simulated courses are what they say, and the yardsticks can fail."""

import numpy as np
import pandas as pd
import pytest

from marrowclone.cure.evaluation import RESULT, at_landmark, discrimination, evaluate, with_response
from marrowclone.cure.outlook import fit_outlook
from marrowclone.cure.prediction import predict_free
from marrowclone.cure.said import NO_OUTCOME, verdict
from marrowclone.cure.simulated import CURED, PROGRESSION, simulate_cohort
from marrowclone.cure.validate import covered, default_settings, main, score_cohort, truth_rows
from marrowclone.keys import RESEARCH_USE_ONLY
from marrowclone.tables import read_result

CHAPTER = default_settings()
SETTINGS = CHAPTER["score_landmarks"] | {"n_draws": 200}
HOW = CHAPTER["fit_outlook"] | {"landmark_months": [12]}


@pytest.fixture(scope="module")
def cohort():
    return simulate_cohort(40, seed=3, settings_qol=CHAPTER["score_qol"])


def test_the_cured_never_progress_and_the_others_do_when_burden_says_so(cohort):
    for case in cohort:
        assert not (case.event and case.group == CURED)
        if case.event:
            assert case.burden[case.pfs_day] >= PROGRESSION > case.burden[270 : case.pfs_day].max()
    assert {c.group for c in cohort} >= {CURED, "regrows"}


def test_a_larger_cohort_begins_with_the_smaller(cohort):
    more = simulate_cohort(41, seed=3, settings_qol=CHAPTER["score_qol"])
    assert [c.pfs_day for c in more[:40]] == [c.pfs_day for c in cohort]


def test_no_t4_or_t5_before_a_relapse_and_burdens_are_covered(cohort):
    """The bounds of the specification, on a small cohort; docs/cure.md has the large one."""
    some = cohort[:8]
    landmarks = score_cohort(some, settings=SETTINGS, seed=3)
    table = pd.DataFrame(truth_rows(some, landmarks, settings=SETTINGS, seed=3), columns=list(RESULT))
    rows = table.set_index("measure")["value"]
    assert rows["T4 or T5 before a relapse within 5 years"] <= 0.02
    assert rows["tier at most one off"] > 0.8
    hits, n = covered(cohort, settings=SETTINGS, seed=3)
    assert n > 40 and 0.8 <= hits / n <= 0.99


def toy(n=200, effect=0.08, seed=1):
    """Landmarks at one year whose score bears on an exponential time by ``effect`` per point."""
    rng = np.random.default_rng(seed)
    css = rng.uniform(10, 90, n)
    time = rng.exponential(40 * np.exp(effect * (css - 50)))
    stop = rng.uniform(24, 120, n)
    names = [f"p{i:03d}" for i in range(n)]
    landmarks = pd.DataFrame(
        {"patient": names, "day": 365, "css": css, "months_negative": np.where(css > 60, 14.0, 0.0),
         "mrd_status": np.where(css > 45, "negative", "positive"), "response": "CR"}
    )  # fmt: skip
    days = 365 + np.ceil(np.minimum(time, stop) * 30.4375)
    return landmarks, pd.DataFrame({"patient": names, "pfs_day": days, "pfs_event": time <= stop})


def measured(table):
    return {r["measure"]: r for r in discrimination(table, 12, np.random.default_rng(0), how=HOW)}


def test_a_telling_score_beats_its_coarse_forms_and_chance_does_not():
    found = measured(at_landmark(*toy(), 12, window_days=60))
    assert found["C of css"]["value"] > 0.75
    assert found["lead of css over sustained MRD"]["note"] == "the score is better"
    assert found["C of css, outcomes permuted"]["value"] == pytest.approx(0.5, abs=0.02)


def test_a_score_that_does_not_beat_sustained_mrd_is_said_to_fail():
    found = measured(at_landmark(*toy(effect=0.0), 12, window_days=60))
    assert "DOES NOT BEAT SUSTAINED MRD" in found["lead of css over sustained MRD"]["note"]


def test_a_benchmark_that_is_the_same_for_all_is_no_rival():
    landmarks, outcome = toy()
    found = measured(at_landmark(landmarks.assign(months_negative=0.0), outcome, 12, window_days=60))[
        "lead of css over sustained MRD"
    ]
    assert np.isnan(found["value"]) and "not compared" in found["note"]


def test_only_patients_at_risk_and_known_then_are_compared():
    landmarks, outcome = toy(n=60)
    outcome.loc[0, "pfs_day"] = 300
    landmarks.loc[1, "css"] = np.nan
    landmarks.loc[2, "day"] = 366
    landmarks.loc[3, "day"] = 200
    outcome.loc[4, "pfs_event"] = pd.NA
    assert not {f"p00{i}" for i in range(5)} & set(at_landmark(landmarks, outcome, 12, window_days=60)["patient"])


def test_prediction_follows_the_exponential_law():
    table = at_landmark(*toy(n=600, seed=5), 12, window_days=60)
    free = predict_free(table, pd.DataFrame({"css": [30.0, 50.0, 70.0]}), "css", at=24)
    assert free == pytest.approx(np.exp(-24 / (40 * np.exp(0.08 * np.array([-20, 0, 20])))), abs=0.07)
    same = predict_free(table, table.head(2), "response", at=24)
    assert same == pytest.approx(predict_free(table, table.head(2), None, at=24))


def test_too_few_patients_are_not_modelled():
    landmarks, outcome = toy(n=30)
    table, foretold = evaluate(landmarks, outcome, how=HOW, seed=1)
    assert foretold.empty
    assert len(table) == 1 and "too few" in table["note"][0] and np.isnan(table["value"][0])


def test_the_command_reads_a_users_cohort_and_writes_both_forms(tmp_path, capsys):
    landmarks, outcome = toy(n=80)
    landmarks.drop(columns="response").to_csv(tmp_path / "landmarks.tsv", sep="\t", index=False)
    outcome.astype({"pfs_day": int}).to_csv(tmp_path / "outcome.tsv", sep="\t", index=False)
    given = ["--landmarks", str(tmp_path / "landmarks.tsv"), "--outcome", str(tmp_path / "outcome.tsv")]
    assert main([*given, "--out", str(tmp_path / "out")]) == 0
    text = (tmp_path / "out/validation.md").read_text()
    assert "Research use only" in text and "sustained MRD" in text
    assert set(read_result(tmp_path / "out/validation.tsv").columns) == set(RESULT)
    assert main(given[:2]) == 1 and "belong together" in capsys.readouterr().err


def test_the_command_says_what_is_wrong_with_what_it_was_given(tmp_path, capsys):
    landmarks, outcome = toy(n=3)
    good, ends = tmp_path / "landmarks.tsv", tmp_path / "outcome.tsv"
    landmarks.to_csv(good, sep="\t", index=False)
    outcome = outcome.astype({"pfs_day": int})
    tables = {
        "no column css": (landmarks.drop(columns="css"), outcome),
        "more than one row of patient": (landmarks, pd.concat([outcome, outcome])),
        "no patient of": (landmarks, outcome.head(1).assign(patient="X")),
    }
    for words, (scored, found) in tables.items():
        scored.to_csv(good, sep="\t", index=False)
        found.to_csv(ends, sep="\t", index=False)
        assert main(["--landmarks", str(good), "--outcome", str(ends), "--out", str(tmp_path / "out")]) == 1
        said = capsys.readouterr().err
        assert words in said and "Hint:" in said
    assert main(["--landmarks", str(tmp_path), "--outcome", str(ends)]) == 1
    assert "a folder" in capsys.readouterr().err
    for wrong in (["--patients", "0"], ["--draws", "0"], ["--seed", "-1"]):
        assert main(wrong) == 1 and "expected a whole number" in capsys.readouterr().err


def test_the_outlook_of_a_cohort_foretells_those_left_out_and_says_what_it_beats():
    landmarks, outcome = toy(n=150)
    table, foretold = fit_outlook(landmarks, outcome, None, how=HOW, seed=3)
    measured = table.set_index("measure")
    assert set(table["use"]) == {RESEARCH_USE_ONLY} and measured.loc["AUC of css", "value"] > 0.75
    assert measured.loc["Brier of Cox on css", "value"] < measured.loc["Brier of Kaplan-Meier for everybody", "value"]
    assert 0.6 < measured.loc["calibration slope", "value"] < 1.5
    assert abs(measured.loc["calibration in the large", "value"]) < 0.1
    assert foretold["p_free"].between(0, 1).all() and foretold["patient"].is_unique
    assert "long-term fraction (mixture cure)" in measured.index
    (said,) = verdict(table)
    assert "beats sustained MRD" in said
    # no patient's own outcome goes into its forecast: turning one round leaves it as it was
    who = foretold["patient"][7]
    other = outcome.assign(pfs_event=outcome["pfs_event"] ^ (outcome["patient"] == who))
    again = fit_outlook(landmarks, other, None, how=HOW, seed=3)[1]
    assert again.set_index("patient").loc[who, "p_free"] == foretold.set_index("patient").loc[who, "p_free"]


def test_an_outlook_that_fails_or_cannot_be_fitted_says_so():
    assert "DOES NOT BEAT" in verdict(fit_outlook(*toy(effect=0.0), None, how=HOW, seed=3)[0])[0]
    table, foretold = fit_outlook(toy()[0], None, None, how=HOW, seed=3)
    assert verdict(table) == [f"Nothing was fitted: {NO_OUTCOME}"] and foretold.empty
    assert "too few: 30 patients" in verdict(fit_outlook(*toy(n=30), None, how=HOW, seed=3)[0])[0]


def test_a_landmark_takes_the_newest_response_before_it():
    marks = pd.DataFrame({"patient": ["b", "a", "a"], "day": [50, 400, 100]})
    given = pd.DataFrame(
        {"patient": ["a", "a", "a", "b"], "day": [90, 100, 401, 51], "response": ["PR", "CR", "PD", "CR"]}
    )
    assert with_response(marks, given)["response"].tolist() == ["", "CR", "CR"]
    assert with_response(marks, None)["response"].tolist() == ["", "", ""]
