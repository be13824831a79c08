"""Fractions, growth, labels, trees and tiers, on small tables with the numbers worked out."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from marrowclone.errors import UserError
from marrowclone.keys import DAYS_PER_MONTH
from marrowclone.score import fractions, growth, labels, tiers, trees

MATCHED = {"a": "x", "b": "y"}
NAN = math.nan


def truth_fractions() -> pd.DataFrame:
    rows = [
        ("a", "s", 0, 0.6, 0.06), ("b", "s", 0, 0.3, 0.03), ("u", "s", 0, 0.1, 0.01),
        ("a", "t", 100, 1.0, 0.001), ("b", "t", 100, 0.0, 0.0), ("u", "t", 100, 0.0, 0.0),
        ("a", "z", 200, NAN, 0.0),
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["clone", "sample", "day", "fraction", "burden"])


def truth_cells() -> pd.DataFrame:
    """Sample s: 5 of a, 5 of b, none of u, 3 normal cells; sample t: normal cells only."""
    clone = ["a"] * 5 + ["b"] * 5 + [""] * 5
    return pd.DataFrame(
        {
            "cell": [f"c{i}" for i in range(15)], "sample": ["s"] * 13 + ["t"] * 2, "cell_type": "plasma",
            "malignant": [c != "" for c in clone], "clone": clone, "doublet": False,
        }
    )  # fmt: skip


def found_fractions() -> pd.DataFrame:
    rows = [("x", "s", 10, 0.5, 0.4, 0.62), ("y", "s", 10, 0.5, 0.4, 0.6), ("x", "t", 0, 0.9, 0.0, 1.0)]
    return pd.DataFrame(rows, columns=["clone", "sample", "n_malignant", "fraction", "lower", "upper"])


def test_fractions_of_the_marrow_and_of_the_capture() -> None:
    """s: a .5 for .6 (held), b .5 for .3 (not held), u not found. Captured: .5 and .5, both held."""
    table = fractions.fraction_table(found_fractions(), truth_fractions(), truth_cells(), matched=MATCHED)
    assert len(table) == 6, "z has no tumour cell, hence no fraction"
    m = fractions.fraction_metrics(table)
    assert m["error"] == pytest.approx(np.median([0.1, 0.2])) and m["error_sampled"] == 0
    assert (m["coverage"], m["coverage_n"], m["coverage_sampled"]) == (0.5, 2, 1.0)
    assert m["width"] == pytest.approx(0.21) and m["found"] == pytest.approx(2 / 6)
    u = table[(table["clone"] == "u") & (table["sample"] == "s")].iloc[0]
    assert u["estimated"] == "" and u["sampled"] == 0 and math.isnan(u["estimate"])
    assert table.loc[table["sample"] == "t", "sampled"].isna().all(), "no malignant cell was captured"
    assert table.loc[table["sample"] == "t", "estimate"].isna().all(), "an estimate from no cell says nothing"


def test_burden_in_powers_of_ten() -> None:
    """s: 1.0 for .1, one power, held; t: bound only, held; the source that is not used does not count."""
    found = pd.DataFrame(
        [("s", "aspirate", False, 0.1, 0.1, 0.1), ("s", "scRNA", True, 1.0, 0.05, 1.0), ("t", "NGS", True, NAN, NAN, 0.1)],
        columns=["sample", "source", "used", "burden", "burden_lower", "burden_upper"],
    )  # fmt: skip
    m = fractions.burden_metrics(fractions.burden_table(found, truth_fractions()))
    assert m["error"] == pytest.approx(1.0) and (m["coverage"], m["coverage_n"], m["n"]) == (1.0, 2, 2)


def dynamics() -> pd.DataFrame:
    rows = [
        ("x", 0, 100, -1.0, -1.3, -0.7, ""), ("x", 100, 200, NAN, NAN, -0.5, "upper"),
        ("y", 0, 100, NAN, NAN, 0.2, "upper"), ("w", 0, 100, 1.0, 0.9, 1.1, ""),
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["clone", "from_day", "to_day", "growth_per_month", "lower", "upper", "bound"])


def test_growth_by_hand() -> None:
    """a falls from .06 to .001 in 100 days: ln(1/60) / 3.2854 months; then to nothing: -inf, below any upper end."""
    table = growth.growth_table(dynamics(), truth_fractions(), matched=MATCHED)
    true = math.log(1 / 60) / (100 / DAYS_PER_MONTH)
    assert list(table["clone"]) == ["a", "a", "b"], "w has no partner"
    assert table["truth"].tolist() == [pytest.approx(true), -math.inf, -math.inf]
    m = growth.growth_metrics(table)
    assert m["error"] == pytest.approx(abs(-1.0 - true)) and m["n"] == 3
    assert (m["coverage"], m["coverage_n"]) == (1.0, 3)
    assert (m["coverage_both"], m["coverage_both_n"], m["coverage_upper_bound_n"]) == (1.0, 1, 2)
    assert math.isnan(m["coverage_lower_bound"]) and m["sign"] == 1.0
    assert (m["sign_decided"], m["sign_decided_n"]) == (1.0, 2), "the first, and the one below -.5"
    up = growth.growth_table(
        dynamics().assign(growth_per_month=1.0, lower=0.5, upper=2.0), truth_fractions(), matched=MATCHED
    )
    wrong = growth.growth_metrics(up)
    assert wrong["sign"] == 0 and wrong["coverage"] == 0 and wrong["sign_decided"] == 0


def test_bounds_have_no_error_and_signs_are_checked_both_ways() -> None:
    """Known at both ends: .3 for .1, -.2 for .2. A bound's estimate (.9 for .1) is no estimate of growth."""
    rows = [(0.1, 0.3, 0.2, 0.4, ""), (0.2, -0.2, -0.3, -0.1, ""), (0.1, 0.9, 0.05, NAN, "lower")]
    table = pd.DataFrame(rows, columns=["truth", "estimate", "lower", "upper", "bound"])
    m = growth.growth_metrics(table)
    assert m["error"] == pytest.approx((0.2 + 0.4) / 2)
    assert (m["sign"], m["sign_n"]) == (1 / 2, 2), "the second has the wrong sign"
    assert (m["sign_decided"], m["sign_decided_n"]) == (2 / 3, 3), "the second is sure and wrong; a bound can be sure"
    assert (m["coverage"], m["coverage_lower_bound"], m["coverage_both"]) == (1 / 3, 1, 0)


def test_growth_of_nothing_is_unknown() -> None:
    m = growth.growth_metrics(growth.growth_table(dynamics()[:0], truth_fractions(), matched=MATCHED))
    assert m["n"] == 0 and math.isnan(m["error"]) and math.isnan(m["coverage"]) and math.isnan(m["sign"])


def test_labels_by_hand() -> None:
    """Places: a 0, a 9, b 0, b 9. Expanding is true at a 9 and b 9, called at a 9 and b 0."""
    truth = pd.DataFrame(
        [("a", 0, "first"), ("a", 9, "expanding"), ("b", 0, "first"), ("b", 9, "expanding"), ("u", 9, "expanding")],
        columns=["clone", "day", "label"],
    )
    found = pd.DataFrame(
        [("x", 0, "not assessable"), ("x", 9, "expanding"), ("x", 9, "new"), ("y", 0, "expanding"),
         ("y", 9, "dormant-compatible"), ("y", 99, "expanding"), ("w", 9, "expanding")],
        columns=["clone", "day", "label"],
    )  # fmt: skip
    table = labels.label_table(found, truth, matched=MATCHED)
    scores = labels.label_scores(table).set_index("label")
    assert tuple(scores.loc["expanding", ["hits", "called", "real", "n"]]) == (1, 2, 2, 4)
    assert scores.loc["new", "precision"] == 0 and math.isnan(scores.loc["new", "recall"])
    assert set(scores.index) == {"expanding", "new", "dormant-compatible"}, "no calls are no labels"
    m = labels.label_metrics(table)
    assert (m["false_dormant"], m["false_dormant_n"], m["n"]) == (0.5, 2, 4), "b 9 of a 9 and b 9"
    assert m["no_call"] == 0
    silent = labels.label_metrics(labels.label_table(found.assign(label="undecided"), truth, matched=MATCHED))
    assert silent["no_call"] == 1 and silent["false_dormant"] == 0


CHAIN = {"a": "", "b": "a", "c": "b"}
SAME = {"a": "x", "b": "y", "c": "z"}


def test_trees_that_are_equal_after_contraction() -> None:
    """The answer has a trunk above x and an ancestor a1 between y and z; names of its own do not mix with truth's."""
    answer = {"trunk": "normal", "x": "trunk", "y": "x", "a1": "y", "z": "a1"}
    got = trees.tree_metrics(CHAIN, answer, matched=SAME)
    assert (got["f1"], got["relation"], got["distance"], got["n"]) == (1, 1, 0, 3)
    assert math.isnan(got["lineage"]), "in a chain no two clones stand apart"
    swapped = trees.tree_metrics(CHAIN, {"b": "normal", "a": "b", "c": "a"}, matched={"a": "b", "b": "a", "c": "c"})
    assert swapped["f1"] == 1, "an estimated clone may bear the name of another true one"
    between = trees.tree_metrics(CHAIN, {"x": "normal", "c": "x", "y": "c", "z": "y"}, matched=SAME)
    assert between["f1"] == 1, "the answer's own c, without a partner, is not truth's c"


def test_chain_against_star() -> None:
    """True pairs ab ac bc; the star has ab ac. Clades {bc} {c} against {b} {c}: 2 of 4 unshared."""
    got = trees.tree_metrics(CHAIN, {"x": "normal", "y": "x", "z": "x"}, matched=SAME)
    assert (got["precision"], got["recall"]) == (1, 2 / 3)
    assert got["relation"] == pytest.approx(2 / 3) and got["distance"] == 0.5
    back = trees.tree_metrics({"a": "", "b": "a", "c": "a"}, {"x": "normal", "y": "x", "z": "y"}, matched=SAME)
    assert back["lineage"] == 0 and back["precision"] == pytest.approx(2 / 3)


def test_upside_down_shares_nothing() -> None:
    """a above b against b above a: clades {b} and {a}."""
    got = trees.tree_metrics({"a": "", "b": "a"}, {"y": "normal", "x": "y"}, matched=MATCHED)
    assert (got["f1"], got["relation"], got["distance"]) == (0, 0, 1)


def test_one_clone_has_no_tree() -> None:
    got = trees.tree_metrics({"a": "", "b": "a"}, {"x": "normal"}, matched={"a": "x"})
    assert got["n"] == 1 and math.isnan(got["f1"]) and math.isnan(got["distance"])
    assert trees.tree_metrics(CHAIN, {"x": "normal", "z": "x"}, matched=SAME)["n"] == 2, "y is in no branch"


def test_support_is_right_where_the_clade_is() -> None:
    """True: a above b and c, c above d. The answer groups b and d: its clade is no true one; {c} is not a leaf."""
    true = {"a": "", "b": "a", "c": "a", "d": "c"}
    matched = {k: k.upper() for k in true}
    table = pd.DataFrame(
        {
            "branch": ["A", "a1", "B", "D", "C"], "parent": ["normal", "A", "a1", "a1", "A"],
            "support": [1.0, 0.6, 0.9, NAN, 0.4],
        }
    )  # fmt: skip
    got = trees.support_table(true, table, matched=matched).set_index("branch")
    assert dict(got["right"]) == {"a1": False, "B": True, "C": False}
    assert got.loc["a1", "clade"] == "b d", "A holds all clones and says nothing; D has no support"


def test_a_ring_is_no_tree() -> None:
    with pytest.raises(UserError, match="among its ancestors"):
        trees.ancestors({"a": "b", "b": "a"}, "a")


def test_tiers_by_hand() -> None:
    """p: T3 right, T4 for T2 (relapses after 2 years), none for T1. q: T5 for T4; relapse only after 6 years."""
    truth = pd.DataFrame(
        [
            ("p", 0, "T3", NAN),
            ("p", 9, "T2", 9 + 730),
            ("p", 18, "T1", 739),
            ("q", 0, "T4", 6 * 365.25),
            ("q", 9, "T4", NAN),
        ],
        columns=["patient", "day", "tier", "relapse_day"],
    )
    found = pd.DataFrame(
        [("p", 0, "T3", 0.7), ("p", 9, "T4a", 0.1), ("p", 18, "", NAN), ("q", 0, "T5", 0.2), ("z", 0, "T5", 0.0)],
        columns=["patient", "day", "tier", "p_t3"],
    ).assign(p_t2=0.2, p_t4=0.3)  # fmt: skip
    table = tiers.tier_table(found, truth)
    m = tiers.tier_metrics(table)
    assert (m["exact"], m["within_one"], m["n"]) == (1 / 4, 2 / 4, 4), "q 9 is not in the answer"
    assert m["p_true"] == pytest.approx((0.7 + 0.2 + 0.3) / 3), "T1 was given no probability"
    assert (m["false_cure"], m["false_cure_n"], m["patients_at_risk"]) == (1 / 2, 2, 1)
    counts = tiers.confusion(table)
    assert counts.loc["T2", "T4"] == 1 and counts.loc["T1", "not assessable"] == 1 and counts.to_numpy().sum() == 4
    with pytest.raises(UserError, match="expected also relapse_day"):
        tiers.tier_table(found, truth.drop(columns="relapse_day"))


def test_no_landmark_no_agreement() -> None:
    empty = pd.DataFrame(columns=["patient", "day", "tier", "relapse_day"])
    m = tiers.tier_metrics(tiers.tier_table(empty[["patient", "day", "tier"]], empty))
    assert m["n"] == 0 and math.isnan(m["exact"]) and math.isnan(m["false_cure"])
