"""Change between landmarks, change of quality of life, and sensitivity to judgement."""

import numpy as np
import pandas as pd
import pytest

from marrowclone.cure.changes import compare_landmarks
from marrowclone.cure.landmarks import score_landmarks
from marrowclone.cure.qol import score_qol
from marrowclone.cure.qol_change import completion, important_change, qol_changes
from marrowclone.cure.said import DEFAULT, DIRICHLET, SICKEST
from marrowclone.cure.sensitivity import vary_judgement
from marrowclone.keys import TABLES
from unit.cure.cure_cases import (
    clinical,
    defaults,
    evolution,
    form,
    imaging,
    mrd,
    negative,
    patient,
    response,
    therapy,
)

SETTINGS = defaults("score_landmarks", n_draws=1000)
LIMITS, QOL, HOW = defaults("compare_landmarks"), defaults("compare_qol"), defaults("vary_judgement")


def whole(**more):
    """Positive at 1e-3 on day 200, negative at 1e-6 on day 560 and 930; asked and imaged each time."""
    days = (200, 560, 930)
    given = {
        "mrd": [mrd(200, "positive", value=1e-3), negative(560), negative(930)],
        "imaging": [imaging(d) for d in days],
        "response": [response(0, "", crab=True), response(190, "VGPR"), response(550, "CR"), response(925, "CR")],
        "therapy": [therapy(5)],
        "pro": [form(d) for d in days],
    } | more
    return patient([("diagnosis", 0)], evolution_tables=evolution(), **given)


def changes(case, **settings):
    used = SETTINGS | settings
    table = compare_landmarks(
        [case], score_landmarks([case], settings=used, seed=5), settings=used, limits=LIMITS, seed=5
    )
    return table.set_index("to_day")


def test_going_negative_is_called_higher_and_says_what_moved():
    row = changes(whole()).loc[560]
    assert row["call"] == "higher" and row["delta"] > 5 and row["p_higher"] > 0.99
    assert (row["tier_from"], row["tier_to"], row["components"]) == ("T1", "T2", "DFQ")
    assert row["lower"] <= row["delta"] <= row["upper"]
    assert row["total_lower"] <= row["lower"] and row["upper"] <= row["total_upper"]
    assert "D 0.1" in row["reason"]


def test_nothing_new_is_no_change():
    """Two landmarks on one set of measurements: all errors are shared, so that nothing but time moves the score."""
    table = changes(whole(), extra_landmark_days=[931])
    row = table.loc[931]
    assert row["call"] == "no call"
    assert abs(row["delta"]) < 0.5 and row["upper"] - row["lower"] < 1.0
    single = score_landmarks([whole()], settings=SETTINGS, seed=5).set_index("day").loc[930]
    assert row["upper"] - row["lower"] < 0.5 * (single["css_upper"] - single["css_lower"])


def test_two_forms_err_on_their_own():
    """One answer worse on a second form: two independent errors, so that the direction stays open."""
    forms = [form(200, 2, 4), form(560, 2, 4), form(930, 2, 4), form(960, 2, 4, q20=3)]
    row = changes(whole(pro=forms), extra_landmark_days=[960]).loc[960]
    assert 0.2 < row["p_higher"] < 0.5 and row["call"] == "no call"
    shared = changes(whole(pro=forms[:3]), extra_landmark_days=[960]).loc[960]
    assert row["upper"] - row["lower"] > 3 * (shared["upper"] - shared["lower"])


def test_worsening_is_called_lower():
    case = whole(
        mrd=[negative(560), mrd(930, "positive", value=1e-3)], response=[response(550, "CR"), response(925, "PD")]
    )
    row = changes(case).loc[930]
    assert row["call"] == "lower" and row["delta"] < -5


def test_a_component_known_once_is_not_compared():
    """A first form is no change of the patient; and when too little is known at both, nothing is said."""
    known = changes(whole(pro=[form(930)])).loc[930]
    assert known["components"] == "DF" and np.isfinite(known["delta"])
    scarce = changes(whole(pro=[form(930)]), coverage_minimum=0.7).loc[930]
    assert scarce["call"] == "not comparable" and np.isnan(scarce["delta"]) and "DF" in scarce["reason"]


def test_without_assay_nothing_is_comparable():
    table = changes(whole(mrd=None), extra_landmark_days=[560, 930])
    assert set(table["call"]) == {"not comparable"} and table["delta"].isna().all()


def test_later_rows_change_no_earlier_pair():
    now = changes(whole())
    later = changes(whole(mrd=[mrd(200, "positive", value=1e-3), negative(560), negative(930), mrd(1300, "positive")]))
    columns = [c for c in now.columns if c != "use"]
    pd.testing.assert_frame_equal(now[columns], later.loc[now.index, columns])
    assert list(now.reset_index()[list(TABLES["cure.changes"])].columns) == list(TABLES["cure.changes"])


@pytest.mark.parametrize(
    ("instrument", "scale", "gain", "verdict"),
    [
        ("QLQ-C30", "QL2", 8, "better"), ("QLQ-C30", "QL2", 7.9, "no important change"),
        ("QLQ-C30", "QL2", -11, "no important change"), ("QLQ-C30", "QL2", -12, "worse"),
        ("QLQ-C30", "PF2", 5.9, "no important change"), ("QLQ-C30", "PF2", 6.7, "possibly better"),
        ("QLQ-C30", "PF2", -16.9, "possibly worse"), ("QLQ-C30", "PF2", -17, "worse"),
        ("QLQ-MY20", "DS", 15, "no important change"), ("QLQ-MY20", "DS", 16, "better"),
        ("QLQ-MY20", "DS", -11, "worse"), ("QLQ-MY20", "SE", 6, "better"), ("QLQ-MY20", "SE", -8.9, "no important change"),
        ("QLQ-MY20", "FP", -11, "worse"), ("QLQ-MY20", "BI", 100 / 3, "better"),
        ("EQ-5D-5L", "INDEX", 0.08, "better"), ("EQ-5D-5L", "INDEX", -0.09, "no important change"),
        ("EQ-5D-5L", "VAS", 50, "not assessable"), ("QLQ-C30", "FA", np.nan, "not assessable"),
    ],
)  # fmt: skip
def test_important_changes_are_those_of_the_papers(instrument, scale, gain, verdict):
    assert important_change(instrument, scale, gain, settings=QOL) == verdict


def scored(*forms):
    return score_qol(clinical("pro", *forms), settings=defaults("score_qol"))


def test_symptoms_turn_the_direction_and_the_first_form_stays_the_reference():
    table = qol_changes(scored(form(0, answer=3), form(90, answer=2), form(180, answer=2)), settings=QOL)
    fatigue = table[table["scale"] == "FA"].set_index(["reference", "to_day"])
    assert fatigue.loc[("previous", 90), "change"] == pytest.approx(-100 / 3)
    assert fatigue.loc[("previous", 90), "verdict"] == "better"
    assert fatigue.loc[("previous", 180), "verdict"] == "no important change"
    assert fatigue.loc[("first", 180), "verdict"] == "better"
    assert (table[table["scale"] == "PF2"]["verdict"] != "worse").all()
    one = qol_changes(scored(form(0)), settings=QOL)
    assert one.empty and list(one.columns) == list(TABLES["cure.qol_change"])


def test_completion_counts_forms_known_in_time():
    qol = scored(form(0), form(85, q8=np.nan), form(400))
    marks = pd.DataFrame({"patient": "P1", "day": [-5, 0, 90, 200, 400]})
    table = completion(marks, qol, window=30).set_index("day")
    assert list(table["status"]) == ["missing", "complete", "partial", "stale", "complete"]
    assert table.loc[90, "items_answered"] == pytest.approx(29 / 30)
    assert list(table.reset_index()[list(TABLES["cure.completion"])].columns) == list(TABLES["cure.completion"])
    assert completion(marks, qol.iloc[:0], window=30).empty


@pytest.fixture(scope="module")
def varied():
    return vary_judgement([whole()], settings=SETTINGS, how=HOW | {"n_draws": 300}, seed=5)


def test_every_judged_constant_is_moved_alone_and_marked(varied):
    own = varied[(varied["patient"] == "P1") & (varied["day"] == 930)]
    tried = own[own["constant"] != DEFAULT]
    assert set(varied["mark"]) == {"[J]"}
    assert {"weight_d", "half_life_free", "stale_months", "exponent", "depth_start", DIRICHLET} <= set(
        tried["constant"]
    )
    assert (tried[tried["constant"] == "weight_m"]).empty
    by = tried.set_index(["constant", "value"])["change"]
    # a shorter half-life credits the same time more; a lower start of depth credits the same level less or the same
    assert by[("half_life_negative", 6.0)] > 0 > by[("half_life_negative", 24.0)]
    assert by[("exponent", 1.0)] > 0 > by[("exponent", -1.0)]


def test_weights_move_scores_not_tiers(varied):
    own = varied[(varied["patient"] == "P1") & varied["constant"].str.startswith(("weight", "exponent", "half_life"))]
    assert (own["tier_changes"] == "false").all()
    mixed = own[(own["constant"] == DIRICHLET) & (own["day"] == 930)].iloc[0]
    assert mixed["css_lower"] < mixed["css"] < mixed["css_upper"]


def test_the_cohort_has_rank_stability(varied):
    cohort = varied[varied["patient"] == ""]
    assert len(cohort) == cohort[["constant", "value"]].drop_duplicates().shape[0]
    assert cohort["tau"].dropna().between(-1, 1).all() and cohort["flips"].between(0, 1).all()


def test_a_missing_form_is_tried_as_that_of_the_sickest():
    """Science 8.4: Q missing not at random; the lower quartile of those who answered, where no form is."""
    forms = [form(200), form(930, answer=3)]
    table = vary_judgement([whole(pro=forms)], settings=SETTINGS, how=HOW | {"n_draws": 300}, seed=5)
    mine = table[(table["constant"] == SICKEST) & (table["patient"] == "P1")]
    assert mine["day"].tolist() == [560]  # the only scored landmark without a form
    row = mine.iloc[0]
    answered = [
        score_landmarks([whole(pro=forms)], settings=SETTINGS, seed=5).set_index("day").loc[d, "Q"] for d in (200, 930)
    ]
    assert row["value"] == pytest.approx(np.quantile(answered, 0.25), abs=0.02)
    assert row["change"] < 0 and row["tier_changes"] == "false"
    assert row["css_lower"] <= row["css"] <= row["css_upper"]
    nobody = vary_judgement([whole(pro=[])], settings=SETTINGS, how=HOW | {"n_draws": 100}, seed=5)
    assert (nobody["constant"] != SICKEST).all()
