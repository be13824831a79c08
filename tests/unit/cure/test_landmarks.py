"""Whole landmarks: tiers by rule, what missing input does, no look into the future."""

from functools import cache

import numpy as np
import pandas as pd
import pytest

from marrowclone import tables
from marrowclone.cure.inputs import read_patients
from marrowclone.cure.landmarks import EXTRA, landmark_days, score_landmark, score_landmarks
from marrowclone.cure.qol import score_qol
from marrowclone.keys import RESEARCH_USE_ONLY, TABLES
from unit.cure.cure_cases import (
    STEADY,
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
YEAR = 365
ORDER = ["", "T0", "T1", "T2", "T3", "T4", "T5"]
CLONES = {
    "counts": {0: {"c1": 200, "c2": 80}, 180: {"c1": 30, "c2": 10}},
    "burden": {0: {"c1": 0.3, "c2": 0.1}, 180: {"c1": 1e-4, "c2": 3e-5}},
}


def clones(**more):
    return evolution((0, 180), **CLONES, **more)


@cache
def whole(name):
    """Case, day and row of a named case, computed once."""
    case, day = CASES[name][0]()
    return case, day, score(case, day)


def score(case, day, **settings):
    return score_landmark(case, day, settings=SETTINGS | settings, seed=11)


def sustained(years, *, off_from=None, last=None, lod=1e-6, **more):
    """In CR and negative every year from day 200, treated until ``off_from``, imaged and asked at the end."""
    days = [200 + YEAR * i for i in range(years + 1)]
    end = days[-1] if last is None else last
    given = {
        "mrd": [negative(d, lod=lod) for d in days],
        "imaging": [imaging(d) for d in days],
        "response": [response(0, "", crab=True), response(180, "CR"), response(end, "CR")],
        "therapy": [therapy(5, pd.NA if off_from is None else off_from)],
        "cytogenetics": [{"patient": "P1", "day": 0, "event": "t(11;14)", "method": "FISH", "fraction": 0.9}],
        "pro": [form(end)],
        "evolution_tables": clones(),
    }
    return patient([("diagnosis", 0), ("post_induction", 180)], **(given | more)), end


def case_a():
    """Progressing."""
    tables = {
        "mrd": [mrd(0, "positive", value=0.3)], "imaging": [imaging(0, "positive")],
        "response": [response(0, "PD", crab=True, bm_pc_percent=60.0)], "therapy": [therapy(5)],
        "cytogenetics": [], "pro": [form(0, answer=2)],
    }  # fmt: skip
    return patient([("diagnosis", 0)], evolution_tables=clones(), **tables), 0


def case_h():
    """Resurgence off therapy."""
    return sustained(1, off_from=300, mrd=[negative(200), negative(565), mrd(900, "positive", value=3e-5, loq=5e-6)], last=900,
                     imaging=[imaging(900)])  # fmt: skip


def case_g():
    """Low, flat, positive, off therapy for years."""
    days = [800 + 300 * i for i in range(9)]
    return sustained(
        1, off_from=700, last=days[-1], imaging=[imaging(days[-1])],
        mrd=[mrd(d, "positive", events=2000, cells_analysed=1e7) for d in days],
        response=[response(d, "VGPR", m_protein=3.0, m_protein_unit="g/L") for d in [180, *days]],
    )  # fmt: skip


CASES = {
    "A": (case_a, "T0"),
    "C": (lambda: sustained(0, imaging=[]), "T2"),
    "H": (case_h, "T1"),
    "D": (lambda: sustained(1), "T3"),
    "G": (case_g, "T4b"),
    "E": (lambda: sustained(3, off_from=400), "T4a"),
    "F": (lambda: sustained(6, off_from=200), "T5+"),
    "F'": (lambda: sustained(6, off_from=200, pro=[form(200 + 6 * YEAR, answer=3)]), "T5+"),
    "F at 1e-5": (lambda: sustained(6, off_from=200, lod=1e-5), "T5"),
    "CAR-T": (lambda: sustained(6, therapy=[therapy(100, classes="BCMA-CART")]), "T5+"),
    "10y": (lambda: sustained(11, off_from=200), "T5+-10y"),
}


@pytest.mark.parametrize("name", CASES)
def test_patient_reaches_the_archetypes_tier(name):
    expected, row = CASES[name][1], whole(name)[2]
    assert row["tier_label"].rpartition("-Q")[0] == expected, row["reason"]
    assert row["tier"] == expected[:2]
    assert sum(row[f"p_t{k}"] for k in range(6)) == pytest.approx(1)
    assert row[f"p_t{expected[1]}"] > 0.5
    assert row["reason"].startswith(row["tier"]) and "Next: " in row["reason"]


def test_poor_quality_of_life_is_a_suffix_and_points_not_a_tier():
    """F' of the archetypes: F's tier, marked Q-, and the number far below."""
    poor, good = whole("F'")[2], whole("F")[2]
    assert poor["tier"] == good["tier"] == "T5"
    assert poor["tier_label"] == good["tier_label"].replace("Q+", "Q-")
    assert poor["css"] < good["css"] - 10


def test_vgpr_with_a_negative_assay_is_flagged():
    case, day = sustained(0, response=[response(180, "VGPR")])
    row = score(case, day)
    assert row["tier_label"].startswith("T2f") and "VGPR, not CR" in row["reason"]
    assert score(*sustained(0, response=[response(180, "PR")]))["tier"] == "T1"


def test_negative_at_1e4_stays_indeterminate_and_t1():
    row = score(*sustained(3, off_from=400, lod=1e-4))
    assert row["tier"] == "T1" and row["mrd_status"] == "insensitive"
    assert "indeterminate at 1e-5" in row["reason"] and "MRD-negative" not in row["reason"]


def test_positive_imaging_caps_at_t1_and_equivocal_at_t2():
    def build(word):
        return sustained(6, off_from=200, imaging=[imaging(200 + 6 * YEAR, word)])

    assert score(*build("positive"))["tier"] == "T1"  # marrow-negative, imaging-positive
    assert score(*build("equivocal"))["tier"] == "T2"


def test_conflicting_assays_take_the_worse():
    days = [200 + YEAR * i for i in range(3)]
    row = score(
        *sustained(2, off_from=300, mrd=[*map(negative, days), mrd(days[-1], "positive", assay="NGF", value=4e-6)])
    )
    assert row["tier"] == "T1" and "the worse counts" in row["reason"]


def test_an_old_test_leaves_t1_and_the_last_known_tier_is_shown():
    """A stale T5 is neither a fresh one nor a T4 that nobody has seen."""
    case, end = sustained(6, off_from=200)
    for late, tier in ((0, "T5"), (365, "T5"), (366, "T1")):
        assert score(case, end + late)["tier"] == tier
    rows = (
        [imaging(end + YEAR * k) for k in range(4)],
        [response(180, "CR"), *(response(end + YEAR * k, "CR") for k in range(4))],
    )
    fresh, _ = sustained(6, off_from=200, imaging=rows[0], response=rows[1])
    for late in (366, 731, 1096):
        row = score(fresh, end + late)
        assert (row["tier"], row["last_known_tier"]) == ("T1", "T5"), row["reason"]
        assert row["p_t1"] == 1 and row["p_t5"] == row["p_t4"] == 0
        assert "stale" in row["reason"] and row["tier_label"].startswith("T1-stale(T5)-")
        assert "T5 again needs a new MRD assay" in row["next"]


def test_the_state_ages_between_tests_and_faster_at_high_risk():
    """P(still negative) = exp(-hazard x months), science 8.7: D falls, its interval widens, until a test comes."""
    case, end = sustained(3)
    risky = [
        {"patient": "P1", "day": 0, "event": e, "method": "FISH", "fraction": 0.9} for e in ("del(17p)", "t(4;14)")
    ]
    rows = [score(case, end + late) for late in (0, 180, 360)]
    assert rows[0]["D"] > rows[1]["D"] > rows[2]["D"]
    assert rows[1]["D"] == pytest.approx(rows[0]["D"] * np.exp(-0.0073 * 180 / 30.4375), rel=0.01)
    width = [r["css_upper"] - r["css_lower"] for r in rows]
    assert width[0] < width[1] <= width[2]
    assert rows[0]["p_t3"] > rows[1]["p_t3"] > rows[2]["p_t3"]
    worse = score(sustained(3, cytogenetics=risky)[0], end + 180)
    assert worse["D"] == pytest.approx(rows[0]["D"] * np.exp(-0.0265 * 180 / 30.4375), rel=0.01)


def test_a_trace_counts_as_negative_at_1e5_and_is_said():
    days = [200 + YEAR * i for i in range(4)]
    low = [mrd(d, "positive", events=9, cells_analysed=3e6) for d in days]
    row = score(*sustained(3, off_from=400, mrd=low))
    assert row["tier"] == "T4" and row["mrd_status"] == "trace" and row["p_t4"] > 0.8
    assert "a clone is seen at 3e-6" in row["reason"] and "MRD-negative" not in row["reason"]
    clean = score(*sustained(3, off_from=400))
    assert row["D"] < clean["D"] and row["css"] < clean["css"]
    edge = score(*sustained(3, off_from=400, mrd=[*low[:-1], mrd(days[-1], "positive", events=29, cells_analysed=3e6)]))
    assert 0.2 < edge["p_t1"] < 0.8  # 9.7e-6: the assay cannot tell
    back = score(*sustained(3, off_from=400, mrd=[*map(negative, days[:3]), low[3]]))
    assert back["tier"] == "T1" and "resurgence" in back["reason"]
    seven = [mrd(200 + YEAR * i, "positive", events=9, cells_analysed=3e6) for i in range(7)]
    assert score(*sustained(6, off_from=200, mrd=seven))["tier_label"].startswith("T5-")  # not T5+: seen at 1e-6


def test_progression_counts_until_a_response_and_restarts_the_clock():
    rows = [response(180, "CR"), response(700, "PD"), response(900, "CR")]
    case, _ = sustained(
        1, response=rows, therapy=[therapy(5, 400), therapy(720)], mrd=[negative(910)], imaging=[imaging(910)]
    )
    assert score(case, 700)["tier"] == "T0"
    row = score(case, 910)
    assert row["tier"] == "T2" and row["months_progression_free"] == pytest.approx((910 - 720) / 30.4375)


def test_a_relapse_sample_after_the_last_response_is_active_disease():
    case, day = sustained(1)
    relapsed = type(case)("P1", [*case.samples, ("relapse_2", day + 30)], case.clinical, case.evolution)
    assert score(relapsed, day)["tier"] == "T3"  # the sample is still ahead
    assert score(relapsed, day + 30)["tier"] == "T0"


def between(day, what):
    """A patient with a negative before and after ``day``, 14 months apart, and ``what`` on that day."""
    rows = [response(200, "CR"), response(690, "CR")] + ([what] if isinstance(what, dict) else [])
    samples = [("diagnosis", 0)] + ([(what, day)] if isinstance(what, str) else [])
    return patient(
        samples, mrd=[negative(250), negative(690)], imaging=[imaging(680)], response=rows,
        therapy=[therapy(5, 200), therapy(405, 600)],
    )  # fmt: skip


@pytest.mark.parametrize(
    "what", [response(400, "PD"), response(400, "", emd=True), response(400, "", crab=True), "relapse", "refractory_2"]
)
def test_no_run_of_negatives_spans_a_relapse_however_it_is_recorded(what):
    calm, row = score(between(400, None), 700), score(between(400, what), 700)
    assert calm["tier"] == "T3" and row["tier"] == "T2"
    assert row["months_negative"] == 0 and row["D"] < calm["D"] and row["F"] < calm["F"]
    assert row["months_progression_free"] == pytest.approx((700 - 405) / 30.4375)
    before, then = score(between(400, what), 399), score(between(400, what), 400)
    assert before["tier"] == "T2" and then["tier"] == "T0" and np.isnan(then["D"])


def test_a_negative_from_before_a_progression_is_no_negative_after_it():
    rows = [response(300, "CR"), response(350, "PD"), response(450, "CR")]
    row = score(patient(mrd=[negative(300)], response=rows, imaging=[imaging(440)], therapy=[therapy(5, 200)]), 460)
    assert row["tier"] == "T1" and row["mrd_status"] == "unknown" and np.isnan(row["css"])
    assert "no MRD assay since the progression of day 350" in row["reason"]


def test_a_laboratory_row_does_not_end_organ_damage_but_a_visit_does():
    case, day = sustained(2)
    damaged = [response(180, "CR"), response(day - 20, "CR", crab=True)]
    for later, tier in (([], "T0"), ([response(day, "", m_protein=0.0)], "T0"), ([response(day, "CR")], "T2")):
        case, _ = sustained(2, response=[*damaged, *later])
        assert score(case, day)["tier"] == tier


def test_an_untreated_diagnosis_starts_no_clock():
    case = patient([("diagnosis", 0)], mrd=[negative(90)], response=[response(90, "SD")], therapy=[])
    assert score(case, 100)["months_progression_free"] == 0


# what is taken away -> which cases may be compared
INPUTS = ["mrd", "imaging", "response", "therapy", "cytogenetics", "pro", "clones"]
WIDTHS = (("css_lower", "css_upper"), ("css_total_lower", "css_total_upper"))


def without(case, name):
    if name == "clones":
        return type(case)(case.patient, case.samples, case.clinical, evolution())
    return type(case)(case.patient, case.samples, case.clinical | {name: None}, case.evolution)


@pytest.mark.parametrize("gone", INPUTS)
@pytest.mark.parametrize("name", ["C", "H", "D", "G", "E", "F"])
def test_a_missing_input_never_raises_the_tier_never_narrows_and_is_said(name, gone):
    case, day, full = whole(name)
    less = score(without(case, gone), day)
    assert ORDER.index(less["tier"]) <= ORDER.index(full["tier"])
    for low, high in WIDTHS:
        assert less[high] - less[low] >= full[high] - full[low] - 0.25  # Monte Carlo error of 1,000 draws
    assert less["coverage"] <= full["coverage"]
    said = "no clone was resolved" if gone == "clones" else f"no {gone} table"
    assert said in less["reason"] and said not in full["reason"]


def test_active_disease_without_one_input_is_never_above_t0_unless_its_own_evidence_is_gone():
    case, day = case_a()
    assert {score(without(case, gone), day)["tier"] for gone in INPUTS} == {"T0", ""}
    assert score(without(case, "response"), day)["tier"] == ""


def test_without_any_clinical_table_nothing_is_claimed():
    case = patient([("diagnosis", 0), ("mrd", 180)], evolution_tables=clones())
    table = score_landmarks([case], settings=SETTINGS, seed=1)
    assert table["day"].tolist() == [0, 180]
    assert (table["tier"] == "").all() and table["css"].isna().all() and table["p_t0"].isna().all()
    assert table["coverage"].tolist() == pytest.approx([0.2, 0.2])  # C alone
    for reason in table["reason"]:
        assert all(f"no {n} table" in reason for n in ("mrd", "imaging", "response", "therapy", "pro"))
        assert "MRD-negative" not in reason and "Score withheld" in reason


def test_a_patient_with_nothing_at_all_gives_rows_that_say_so():
    table = score_landmarks([patient([("follow_up", 3)])], settings=SETTINGS, seed=1)
    assert len(table) == 1 and table["coverage"][0] == 0 and table["css_lower"].isna()[0]
    assert score_landmarks([], settings=SETTINGS, seed=1).columns.tolist() == [*TABLES["cure.landmarks"], *EXTRA]


def future_rows(day):
    """A row after ``day`` for every table, each of a kind that would change something."""
    later = day + 1
    return {
        "mrd": mrd(later, "positive", value=0.1), "imaging": imaging(later, "positive"),
        "response": response(later, "PD", crab=True, emd=True), "therapy": therapy(later),
        "cytogenetics": {"patient": "P1", "day": later, "event": "del(17p)", "method": "FISH", "fraction": 0.9},
        "pro": form(later, answer=4, general=1),
    }  # fmt: skip


def with_future(case, day, what):
    """The case with one more row, dated the day after, in each of the tables ``what``."""
    clinical_, evolved, samples = dict(case.clinical), case.evolution, list(case.samples)
    for table, row in future_rows(day).items():
        if table in what:
            later = clinical(table, row)
            later = score_qol(later, settings=defaults("score_qol")) if table == "pro" else later
            clinical_[table] = pd.concat([clinical_[table], later], ignore_index=True)
    if "sample" in what:
        samples.append(("relapse", day + 1))
    if "evolution" in what:
        counts = CLONES["counts"] | {day + 1: {"c1": 500, "c2": 5, "c9": 90}}
        burden = CLONES["burden"] | {day + 1: {"c1": 0.5, "c2": 0.01, "c9": 0.4}}
        # a clone that only later cells show stands in the earlier rows too, with no cell
        burden = {d: {"c9": 1e-6} | b for d, b in burden.items()}
        evolved = evolution(
            sorted(counts),
            clones=("c1", "c2", "c9"),
            counts=counts,
            burden=burden,
            labels=[("c1", day + 1, "expanding", 1.0, "")],
            resistance=[("c1", day + 1, "PI", "growth", "phenotype", 1, 1, 1, "grew on drug", 0.9)],
        )
    return type(case)("P1", samples, clinical_, evolved)


TABLES_ = ["mrd", "imaging", "response", "therapy", "cytogenetics", "pro", "evolution", "sample"]


@pytest.mark.parametrize(("name", "what"), [*((n, tuple(TABLES_)) for n in "AHDGEF"), *(("E", (t,)) for t in TABLES_)])
def test_future_rows_change_nothing(name, what):
    case, day, before = whole(name)
    more = with_future(case, day, what)
    assert repr(before) == repr(score(more, day))  # exactly, every digit


def test_the_future_rows_would_have_changed_something():
    # or the test above could not fail
    case, day, _ = whole("E")
    for table in TABLES_:
        if table not in ("cytogenetics", "pro"):  # ageing starts later; quality is a suffix
            late, plain = score(with_future(case, day, (table,)), day + 1), score(case, day + 1)
            assert (late["tier"], late["C"]) != (plain["tier"], plain["C"]), table


def test_a_stop_in_the_future_is_not_known_yet():
    case, day = sustained(3, off_from=200 + 3 * YEAR + 1)
    open_end, _ = sustained(3)
    assert repr(score(case, day)) == repr(score(open_end, day))
    assert score(case, day)["months_treatment_free"] == 0 and score(case, day + 3)["months_treatment_free"] > 0


def test_other_patients_and_row_order_change_nothing():
    case, day = sustained(3, off_from=400)
    before = score(case, day)
    tables_ = {}
    for name, frame in case.clinical.items():
        other = frame.assign(patient="P2")
        tables_[name] = pd.concat([other, frame.iloc[::-1]], ignore_index=True)
    after = score(type(case)("P1", case.samples, tables_, case.evolution), day)
    assert repr(before) == repr(after)


def test_inputs_are_read_as_written(tmp_path):
    case, day = sustained(1)
    names = ("fractions", "labels", "resistance")
    files = {n: [tmp_path / f"P1.{n}.tsv"] for n in names} | {"draws": [tmp_path / "P1.draws.parquet"]}
    for n in names:
        tables.write_table(files[n][0], case.evolution[n], columns=list(case.evolution[n].columns))
    case.evolution["draws"].to_parquet(files["draws"][0])
    for n in ("mrd", "imaging", "response", "therapy"):
        files[n] = str(tmp_path / f"{n}.tsv")
        case.clinical[n].to_csv(files[n], sep="\t", index=False)
    files |= {"qol": tmp_path / "qol.tsv", "pro": "there", "cytogenetics": []}
    tables.write_table(files["qol"], case.clinical["pro"], columns=TABLES["cure.qol"])
    (read,) = read_patients(files, {"P1": [["diagnosis", 0], ["post_induction", 180]]})
    assert read.clinical["cytogenetics"] is None
    got, expected = score(read, day), score(without(case, "cytogenetics"), day)
    assert got["reason"] == expected["reason"] and got["tier_label"] == expected["tier_label"]
    assert got["css"] == pytest.approx(expected["css"], abs=0.01)  # scores are written with six digits


def test_landmarks_are_samples_assays_and_extra_days_once_each():
    case, _ = sustained(1)
    assert landmark_days(case, settings=SETTINGS | {"extra_landmark_days": [180, 50]}) == [0, 50, 180, 200, 565]


def test_table_is_writable_and_says_research_use_only(tmp_path):
    table = score_landmarks([case_a()[0]], settings=SETTINGS, seed=1)
    tables.write_table(tmp_path / "x.tsv", table, columns=TABLES["cure.landmarks"])
    again = tables.read_result(tmp_path / "x.tsv", text=("use", "tier_label", "next"))
    assert again["use"].tolist() == [RESEARCH_USE_ONLY] and again["tier"].tolist() == ["T0"]
    assert again["M"].isna().all()


def test_same_seed_same_row_other_seed_near_it():
    case, day = sustained(1)
    assert repr(score(case, day)) == repr(score(case, day))
    other = score_landmark(case, day, settings=SETTINGS, seed=12)
    assert other["css_total_lower"] != score(case, day)["css_total_lower"]
    assert other["css"] == pytest.approx(score(case, day)["css"], abs=1)


def test_quality_suffix_and_window():
    assert "Q+" in score(*sustained(1))["tier_suffix"]
    assert "Q-" in score(*sustained(1, pro=[form(565, answer=3)]))["tier_suffix"]  # every scale is a problem
    fallen = [form(300), form(565, q1=2, q2=3, q3=2, q8=2, q11=2, q17=2, q16=2, q6=3, q20=3)]
    row = score(*sustained(1, pro=fallen))
    assert row["tier_suffix"].startswith("Q-")
    # a key scale is missing, and with it the summary: neither "no problem" nor "some" is known
    assert score(*sustained(1, pro=[form(565, q9=np.nan, q19=np.nan)]))["tier_suffix"].startswith("Q?")
    # ... unless another key scale is a problem: then it is not Q+ whatever the missing one would say
    assert score(*sustained(1, pro=[form(565, q9=np.nan, q19=np.nan, q21=3, q22=3)]))["tier_suffix"].startswith("Q0")
    old = score(*sustained(1, pro=[form(530)]))  # 35 days before
    assert old["tier_suffix"].startswith("Q?") and np.isnan(old["Q"]) and "35 days old" in old["reason"]
    assert score(*sustained(1, pro=[form(565, proxy=True)]))["reason"].count("by proxy") == 1


def test_clone_suffix_and_shared_draws_with_the_assay():
    expanding = [("c2", 180, "expanding", 0.95, ""), ("c1", 180, "contracting", 0.9, "")]
    case = patient(
        [("diagnosis", 0), ("mrd", 180)], evolution_tables=clones(labels=expanding, source="NGS"),
        mrd=[mrd(180, "positive", value=1.3e-4)], response=[response(170, "VGPR")], therapy=[therapy(5)],
    )  # fmt: skip
    row = score(case, 180)
    assert row["tier_suffix"] == "Q?-C-" and "c2 expanding" in row["reason"] and row["c_bounded"] == "false"
    assert row["cor_dc"] > 0.3  # the clones' burden is the same assay's: deep disease is bad for both
    calm = patient(
        [("diagnosis", 0), ("mrd", 180)], evolution_tables=clones(labels=STEADY),
        mrd=[mrd(180, "positive", value=1.3e-4)], response=[response(170, "VGPR")], therapy=[therapy(5)],
    )  # fmt: skip
    assert score(calm, 180)["tier_suffix"] == "Q?-C+"
    assert score(calm, 180)["C"] > row["C"]
    assert abs(score(calm, 180)["cor_dc"]) < 0.15  # another source: independent draws


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        # growth was not assessed: that is no evidence of calm (not assessable is an answer)
        ((), "growth of c1, c2 not assessable"),
        ([(*r[:5], np.nan, r[6]) for r in STEADY], "growth of c1, c2 not assessable"),
        ([STEADY[0]], "growth of c2 not assessable"),
        # too little for the label, too much for its absence
        ([STEADY[0], (*STEADY[1][:5], 0.7, False)], "c2 expanding with probability 0.70"),
        # kill and regrowth may average to nothing (science 4.4)
        ([(*r[:6], True) for r in STEADY], "spans a change of treatment"),
        ([(*r[:6], pd.NA) for r in STEADY], "not known"),
    ],
)
def test_clones_are_called_calm_only_where_growth_was_assessed(labels, words):
    case = patient([("mrd", 180)], evolution_tables=clones(labels=labels), response=[response(170, "VGPR")])
    row = score(case, 180)
    assert row["tier_suffix"] == "Q?-C?" and words in row["reason"]


def test_clones_of_a_first_sampling_day_are_not_called_calm():
    first = evolution((0,), counts={0: {"c1": 200, "c2": 80}}, burden={0: {"c1": 0.2, "c2": 0.08}})
    assert score(patient([("diagnosis", 0)], evolution_tables=first), 0)["tier_suffix"] == "Q?-C?"


def test_a_clone_of_too_few_cells_does_not_threaten():
    # two cells: the label says "not assessable" (science 4.5), whatever probability stands beside it
    few = [STEADY[0], ("c2", 180, "not assessable", np.nan, "2 of 42 cells", 0.95, False)]
    counts = {0: {"c1": 200, "c2": 80}, 180: {"c1": 40, "c2": 2}}
    burden = {0: {"c1": 0.2, "c2": 0.08}, 180: {"c1": 1e-4, "c2": 3e-5}}
    tables = evolution((0, 180), counts=counts, burden=burden, labels=few)
    row = score(patient([("mrd", 180)], evolution_tables=tables, response=[response(170, "VGPR")]), 180)
    assert row["tier_suffix"].endswith("C+")


def test_unseen_clones_are_bounded_by_the_assay_and_the_suffix_says_unknown():
    row = score(*sustained(1))
    assert row["c_bounded"] == "true" and row["tier_suffix"].endswith("C?") and row["C"] > 0.9
    assert "C bounded, not observed" in row["reason"]


def test_known_clones_without_any_burden_leave_c_missing():
    tables_ = evolution((0,), counts={0: {"c1": 200, "c2": 80}}, source="none: CD138-sorted")
    row = score(patient([("diagnosis", 0)], evolution_tables=tables_), 0)
    assert np.isnan(row["C"]) and "nothing gives their burden" in row["reason"]


def test_resistance_of_a_clone_lowers_control():
    rows = [("c1", 180, "PI", "growth", "phenotype", 1, 1, 1, "grew on drug", 0.8)]
    more = {"mrd": [mrd(180, "positive", value=1.3e-4)], "response": [response(170, "VGPR")], "therapy": [therapy(5)]}
    with_, without_ = (
        score(patient([("mrd", 180)], evolution_tables=clones(resistance=r), **more), 180)["C"] for r in (rows, ())
    )
    assert with_ < without_ - 0.1


def test_high_risk_cytogenetics_age_faster():
    events = [
        {"patient": "P1", "day": 0, "event": e, "method": "FISH", "fraction": 0.8} for e in ("del(17p)", "t(4;14)")
    ]
    gone = [{**events[0], "fraction": 0.0}, events[1]]
    calm, high = (score(sustained(1, cytogenetics=e)[0], 565 + 300)["D"] for e in (gone, events))
    assert high < calm * 0.9
    assert score(sustained(1, cytogenetics=gone)[0], 565)["high_risk_events"] == 1  # tested and not found


def test_many_plasma_cells_count_when_newer_than_the_assay():
    more = {"response": [response(180, "PD", bm_pc_percent=60.0)], "therapy": [therapy(5)]}
    assert score(patient([("relapse", 180)], mrd=[negative(100)], **more), 180)["D"] == 0
    low = {"response": [response(180, "CR", bm_pc_percent=2.0)], "therapy": [therapy(5)]}
    assert np.isnan(score(patient([("mrd", 180)], **low), 180)["D"])  # 2% may be normal plasma cells: no word on depth


def stable(chains):
    """MGUS-like: 2e-4 for six years off therapy, the light-chain difference as given."""
    days = [400 + YEAR * i for i in range(7)]
    return patient(
        [("diagnosis", 0)],
        mrd=[mrd(d, "positive", value=2e-4) for d in days],
        imaging=[imaging(d) for d in days],
        response=[
            response(0, "", crab=True),
            *[response(d, "CR", kappa_flc=12.0 + c, lambda_flc=12.0) for d, c in zip(days, chains, strict=True)],
        ],
        therapy=[therapy(5, 390)],
    ), days[-1]


def test_noise_of_normal_light_chains_is_no_growth_but_a_rise_is():
    """T4b: a difference of 1 to 4 mg/L between normal chains quadruples by chance; one that reaches 60 does not."""
    case, day = stable((1.0, 3.0, 0.5, 4.0, 2.0, 1.0, 3.0))
    assert score(case, day)["tier_label"].startswith("T4b")
    assert score(case, day, stable_flc_floor=0.0)["tier"] == "T1"
    case, day = stable((1.0, 5.0, 10.0, 20.0, 30.0, 45.0, 60.0))
    assert score(case, day)["tier"] == "T1"
