"""Exact scoring: the golden vectors of science 7.1 and 7.2, and what must be refused."""

import numpy as np
import pandas as pd
import pytest

from marrowclone.cure import eq5d, qlq
from marrowclone.cure.qol import EXTRA, score_qol
from marrowclone.errors import UserError
from marrowclone.keys import RESEARCH_USE_ONLY, TABLES
from unit.cure.cure_cases import clinical, defaults, form

V4 = [2, 3, 1, 1, 1, 2, 2, 1, 3, 2, 1, 2, 1, 1, 1, 2, 1, 3, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 5, 6]
V4_SCORES = {
    "QL2": 75, "PF2": 80, "RF2": 66.6667, "EF": 83.3333, "CF": 83.3333, "SF": 83.3333, "FA": 44.4444, "NV": 0,
    "PA": 50, "DY": 0, "SL": 0, "AP": 0, "CO": 33.3333, "DI": 0, "FI": 0, "SUM": 82.2222,
}  # fmt: skip
FUNCTIONS = ["PF2", "RF2", "EF", "CF", "SF"]
SYMPTOMS = ["FA", "NV", "PA", "DY", "SL", "AP", "CO", "DI", "FI"]


def flat(ql, function, symptom, total):
    return {"QL2": ql, **dict.fromkeys(FUNCTIONS, function), **dict.fromkeys(SYMPTOMS, symptom), "SUM": total}


def without(items, *numbers):
    return [np.nan if i + 1 in numbers else v for i, v in enumerate(items)]


VECTORS = {
    "V1": ([1] * 28 + [7, 7], flat(100, 100, 0, 100)),
    "V2": ([4] * 28 + [1, 1], flat(0, 0, 100, 0)),
    "V3": ([2] * 28 + [5, 4], flat(58.3333, 66.6667, 33.3333, 66.6667)),
    "V4": (V4, V4_SCORES),
    "V5": (
        without(V4, 3, 5, 18, 22, 24, 30),
        V4_SCORES | {"QL2": 66.6667, "PF2": 66.6667, "EF": 66.6667, "FA": 33.3333, "SUM": 80.7692},
    ),
    "V6": (
        without(V4, 3, 4, 5, 18, 22, 24, 30),
        V4_SCORES | {"QL2": 66.6667, "PF2": np.nan, "EF": 66.6667, "FA": 33.3333, "SUM": np.nan},
    ),
    "V7": (without(V4, 8), V4_SCORES | {"DY": np.nan, "SUM": np.nan}),
}


def scored(*rows, **settings):
    return score_qol(clinical("pro", *rows), settings=defaults("score_qol", **settings))


def by_scale(table):
    return dict(zip(table["scale"], table["score"].astype(float), strict=True))


@pytest.mark.parametrize("name", VECTORS)
def test_golden_vector_of_the_c30_is_exact(name):
    items, expected = VECTORS[name]
    row = {f"q{i + 1}": v for i, v in enumerate(items)}
    found = by_scale(scored({"patient": "P1", "day": 0, "instrument": "QLQ-C30", "version": "3.0"} | row))
    assert set(found) == set(expected)
    for scale, value in expected.items():
        # the science prints four decimals
        assert found[scale] == pytest.approx(value, abs=5e-5, nan_ok=True), scale


MY20 = [2, 1, 3, 1, 2, 1, 2, 1, 1, 1, 2, 1, 1, np.nan, 1, 3, 2, 3, 2, 2]


@pytest.mark.parametrize(
    ("gone", "expected"),
    [
        ((), {"DS": 22.2222, "SE": 14.8148, "BI": 66.6667, "FP": 55.5556}),
        ((31, 32, 33, 34, 48, 49), {"DS": np.nan, "SE": 14.8148, "BI": 66.6667, "FP": np.nan}),
    ],
)
def test_golden_vector_of_the_my20_is_exact(gone, expected):
    row = {f"q{i}": np.nan if i in gone else v for i, v in zip(range(31, 51), MY20, strict=True)}
    found = by_scale(scored({"patient": "P1", "day": 0, "instrument": "QLQ-MY20", "version": "1.0"} | row))
    assert set(found) == set(expected)  # four scales, and no total: there is none
    for scale, value in expected.items():
        assert found[scale] == pytest.approx(value, abs=5e-5, nan_ok=True), scale


@pytest.mark.parametrize("scale", [s for group in qlq.SCALES.values() for s in group], ids=lambda s: s.code)
def test_half_rule_of_every_scale(scale):
    need = -(-len(scale.items) // 2)
    for answered in range(len(scale.items) + 1):
        items = pd.DataFrame([{c: 1.0 if i < answered else np.nan for i, c in enumerate(scale.columns)}])
        assert qlq.score_scale(items, scale).notna()[0] == (answered >= need), answered


@pytest.mark.parametrize("version", ["1.0", "2.0", "3.1", ""])
def test_other_versions_of_the_c30_are_refused_by_patient_and_day(version):
    with pytest.raises(UserError, match=r"patient P1, day 12.*version"):
        scored(form(12, version=version))


@pytest.mark.parametrize(
    ("item", "value"), [("q5", 5), ("q5", 0), ("q29", 8), ("q30", 0), ("q7", 1.5), ("q28", 7), ("q1", np.inf)]
)
def test_answer_out_of_range_names_patient_day_and_item(item, value):
    with pytest.raises(UserError, match=rf"patient P1, day 12, item {item}:"):
        scored(form(12, **{item: value}))


def test_text_that_is_no_answer_is_refused_not_taken_as_missing():
    pro = clinical("pro", form(3)).astype({"q4": object})
    pro.loc[0, "q4"] = "often"
    with pytest.raises(UserError, match=r"day 3, item q4: found 'often'"):
        score_qol(pro, settings=defaults("score_qol"))


def test_two_forms_on_one_day_and_unknown_instruments_are_refused():
    with pytest.raises(UserError, match="two forms"):
        scored(form(3), form(3))
    with pytest.raises(UserError, match="instrument"):
        scored(form(3, instrument="FACT-G"))


def test_problem_is_strictly_beyond_the_threshold_and_empty_without_one():
    # PF2 80.0 is a problem and 86.67 is not (science 7.4); the summary and the global scale have no threshold
    row = dict(zip((f"q{i}" for i in range(1, 31)), V4, strict=True))
    table = scored(form(0, **row)).set_index("scale")["problem"]
    assert table["PF2"] == "true" and table["EF"] == "false" and table["PA"] == "true" and table["DY"] == "false"
    assert table["QL2"] == "" and table["SUM"] == ""
    at_the_limit = scored(form(0, **row), tci_pf2=80, tci_pa=50).set_index("scale")["problem"]
    assert at_the_limit["PF2"] == "false" and at_the_limit["PA"] == "false"
    assert scored(form(0, q8=np.nan)).set_index("scale").loc["DY", "problem"] == ""  # not scored: no word on it


def test_table_has_the_contract_counts_proxy_and_the_research_line():
    table = scored(form(5, q8=np.nan, proxy=True), form(1))
    assert list(table.columns) == [*TABLES["cure.qol"], *EXTRA]
    assert table["day"].is_monotonic_increasing
    late = table[table["day"] == 5].set_index("scale")
    assert (late.loc["SUM", "n_items"], late.loc["SUM", "n_answered"]) == (27, 26)  # 30 less QL2 (2) and FI (1)
    assert set(late["proxy"]) == {"true"} and set(table["use"]) == {RESEARCH_USE_ONLY}


def test_no_forms_give_a_header():
    table = score_qol(clinical("pro"), settings=defaults("score_qol"))
    assert table.empty and list(table.columns) == [*TABLES["cure.qol"], *EXTRA]


def eq(**more):
    levels = {
        "eq_mobility": 1,
        "eq_self_care": 1,
        "eq_usual_activities": 2,
        "eq_pain": 1,
        "eq_anxiety": 3,
        "eq_vas": 70,
    }
    return {"patient": "P1", "day": 0, "instrument": "EQ-5D-5L", "version": "1"} | levels | more


def test_eq5d_without_a_value_set_has_no_index():
    table = scored(eq(value_set="mine")).set_index("scale")
    assert np.isnan(table.loc["INDEX", "score"]) and table.loc["VAS", "score"] == 70
    assert table.loc["LSS", "score"] == 8 and table.loc["LSS", "state"] == "11213"


def test_eq5d_index_comes_from_the_users_value_set(tmp_path):
    path = tmp_path / "set.tsv"
    path.write_text("state\tindex\n11111\t1.0\n11213\t0.71\n55555\t-0.3\n")
    sets = {"mine": eq5d.read_value_set(path)}
    rows = clinical("pro", eq(value_set="mine"), eq(value_set="mine", day=1, eq_pain=np.nan))
    table = score_qol(rows, settings=defaults("score_qol"), value_sets=sets)
    index = table[table["scale"] == "INDEX"]["score"].tolist()
    assert index[0] == 0.71 and np.isnan(index[1])  # one dimension missing: no index


@pytest.mark.parametrize(
    "text",
    [
        "state\tvalue\n11111\t1\n",
        "state\tindex\n11116\t1\n",
        "state\tindex\n11111\t0.9\n",
        "state\tindex\n11111\t1\n11111\t1\n",
    ],
)
def test_bad_value_sets_are_refused(tmp_path, text):
    path = tmp_path / "set.tsv"
    path.write_text(text)
    with pytest.raises(UserError, match=r"set\.tsv"):
        eq5d.read_value_set(path)
