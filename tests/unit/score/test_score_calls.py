"""Calls and calibration on tables whose numbers one can count by hand."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from marrowclone.errors import UserError
from marrowclone.score import calibration as cal
from marrowclone.score import calls
from marrowclone.score.cells import beside, examined, judged_cells
from marrowclone.score.shares import chance_f1, coverage, covers, f_score, jeffreys, share

KINDS = (
    "mmmmmnnnnt" + "h" + "dqe" + "n"
)  # malignant, normal plasma, T cell, healthy donor's plasma, doublet, dying, empty


def truth() -> pd.DataFrame:
    kind = pd.Series(list(KINDS))
    return pd.DataFrame(
        {
            "cell": [f"c{i}" for i in range(len(KINDS))],
            "sample": "s",
            "patient": np.where(kind == "h", "H", "P"),
            "cell_type": np.where(kind == "t", "cd4_t", "plasma"),
            "malignant": kind.isin(["m", "d", "q", "e"]),
            "clone": np.where(kind.isin(["m", "d", "q", "e"]), "a", ""),
            "doublet": kind == "d",
            "quality": kind.map({"q": "dying", "e": "empty"}).fillna("good"),
        }
    )


def answer() -> pd.DataFrame:
    """c4 (malignant) and c14 (normal) are not listed; c3 is unassigned; c5 (normal), c10 (healthy) and c9 (T cell) are called."""
    call = {
        0: "malignant", 1: "malignant", 2: "malignant", 3: "unassigned", 5: "malignant", 6: "normal", 7: "normal",
        8: "unassigned", 9: "malignant", 10: "malignant", 11: "normal", 12: "normal", 13: "normal",
    }  # fmt: skip
    score = {
        0: 0.9,
        1: 0.8,
        2: 0.4,
        3: math.nan,
        5: 0.8,
        6: 0.3,
        7: 0.2,
        8: 0.1,
        9: 0.5,
        10: 0.6,
        11: 0.0,
        12: 0,
        13: 0,
    }
    return pd.DataFrame({"cell": [f"c{i}" for i in call], "call": call.values(), "score": score.values()})


def test_cells_without_a_right_answer_do_not_count() -> None:
    kept = judged_cells(truth())
    assert list(kept["cell"]) == [*(f"c{i}" for i in range(11)), "c14"], "no doublet, no dying cell, no empty droplet"
    words = truth().assign(doublet=lambda t: t["doublet"].map({True: "true", False: "false"}))
    assert list(judged_cells(words)["cell"]) == list(kept["cell"]), "flags may be words, as in the file"
    assert len(judged_cells(truth().drop(columns="quality"))) == 14, "a truth without quality has no bad cells"


def test_calls_by_hand() -> None:
    m = calls.call_metrics(answer(), truth(), healthy=["H"])
    assert (m["hits"], m["called"], m["real"]) == (3, 6, 5)
    assert m["precision"] == 3 / 6, "c0 c1 c2 of c0 c1 c2 c5 c9 c10"
    assert m["recall"] == 3 / 5, "c3 is open and c4 is not listed: both are misses"
    assert m["f1"] == pytest.approx(2 * 3 / (6 + 5))
    assert (m["fpr"], m["fpr_n"]) == (1 / 4, 4), "c5 of c5-c8; the T cell is no plasma cell, c14 was not looked at"
    assert (m["fpr_lower"], m["fpr_upper"]) == jeffreys(1, 4)
    assert (m["fpr_healthy"], m["fpr_healthy_n"]) == (1.0, 1)
    assert m["unassigned"] == 2 / 10 and m["listed"] == 10 / 12 and m["scored"] == 9 / 12
    assert calls.call_metrics(answer(), examined(truth(), answer()))["recall"] == 3 / 4, "of cells examined"


def test_auc_by_hand() -> None:
    """Malignant .9 .8 .4 against .8 .3 .2 .1 .5 .6: 6 + 5.5 + 3 of 18 pairs."""
    assert calls.call_metrics(answer(), truth())["auc"] == pytest.approx(14.5 / 18)
    assert calls.auc([1, 2, 3, 4], [True, True, False, False]) == 0, "the wrong way round is 0, not 1"
    assert math.isnan(calls.auc([1, 2], [True, True])), "nothing to rank against"


def test_best_threshold_by_hand() -> None:
    """Thresholds .9: 2/6; .8 (tie taken whole): 4/8; .6: 4/9; .5: 4/10; .4: 6/11; .3 down: fewer. Best .4."""
    f1, threshold = calls.best_f1(answer()["score"][:10], [True] * 4 + [False] * 6)
    assert (f1, threshold) == (pytest.approx(6 / 10), 0.4), "2 x 3 / (6 called + 4 real)"
    m = calls.call_metrics(answer(), truth())
    assert m["best_f1"] == pytest.approx(6 / 11), "c4 is real too, without a score"


def test_a_tool_without_calls_has_no_call_scores() -> None:
    m = calls.call_metrics(answer().drop(columns="call"), truth(), healthy=["H"])
    assert all(math.isnan(m[k]) for k in ("precision", "recall", "f1", "fpr", "fpr_healthy", "unassigned"))
    assert m["auc"] == pytest.approx(14.5 / 18), "its score is judged all the same"


def test_a_tool_that_calls_nothing_missed_all() -> None:
    m = calls.call_metrics(answer().assign(call="normal"), truth())
    assert math.isnan(m["precision"]) and m["recall"] == 0 and m["f1"] == 0


def test_no_malignant_cell_no_recall() -> None:
    none = truth().assign(malignant=False)
    m = calls.call_metrics(answer(), none)
    assert math.isnan(m["recall"]) and math.isnan(m["f1"]) and math.isnan(m["auc"]) and math.isnan(m["best_f1"])
    assert m["precision"] == 0, "what was called is wrong"


def test_mistakes_in_an_answer_are_named() -> None:
    with pytest.raises(UserError, match="found 'c0' twice"):
        beside(pd.concat([answer(), answer()[:1]]), truth())
    with pytest.raises(UserError, match=r"expected also cell.*did you mean 'cells'"):
        beside(answer().rename(columns={"cell": "cells"}), truth())
    assert not beside(answer()[:0], truth())["listed"].any(), "an empty answer is an answer"


def test_reliability_by_hand() -> None:
    p, right = [0.05, 0.05, 0.95, 0.95, 0.55, math.nan], [False, True, True, True, False, True]
    table = cal.reliability(p, right, bins=10, by="width")
    assert list(table["n"]) == [2, 1, 2] and list(table["share"]) == [0.5, 0.0, 1.0]
    assert list(table["from"]) == [0.0, 0.5, 0.9], "empty bins have no row"
    assert (table["lower"][0], table["upper"][0]) == jeffreys(1, 2)
    # (2 x |.05 - .5| + 1 x |.55 - 0| + 2 x |.95 - 1|) / 5
    assert cal.expected_error(table) == pytest.approx((0.9 + 0.55 + 0.1) / 5)
    # (.05^2 + .95^2 + .05^2 + .05^2 + .55^2) / 5
    assert cal.brier(p, right) == pytest.approx((3 * 0.0025 + 0.9025 + 0.3025) / 5)


def test_equal_counts_do_not_part_equal_values() -> None:
    """Eight cells in two bins: four equal values at the border fall together."""
    table = cal.reliability([0.1, 0.2, 0.3, 0.5, 0.5, 0.5, 0.5, 0.9], [False] * 4 + [True] * 4, bins=2)
    assert list(table["n"]) == [3, 5] and list(table["from"]) == [0.1, 0.5]
    assert list(cal.reliability(np.linspace(0, 1, 100), np.ones(100), bins=4)["n"]) == [25] * 4
    assert list(cal.reliability([1.0, 0.0], [True, False], by="width")["n"]) == [1, 1], "p = 1 is in the last bin"
    with pytest.raises(ValueError, match="count or width"):
        cal.reliability([0.5], [True], by="size")


def test_calibration_of_nothing_is_unknown() -> None:
    got = cal.calibration([math.nan, math.nan], [True, False])
    assert got["n"] == 0 and all(math.isnan(got[k]) for k in ("ece_count", "ece_width", "brier"))


def test_calibrated_probabilities_have_a_small_error() -> None:
    """Drawn from themselves: .4 / sqrt(2000) per bin, and the error of half the confidence is large."""
    rng = np.random.default_rng(1)
    p = rng.random(20_000)
    right = rng.random(20_000) < p
    assert cal.calibration(p, right)["ece_count"] < 0.02
    assert cal.calibration(p**4, right)["ece_count"] > 0.2


def test_shares_by_hand() -> None:
    """Jeffreys 1 of 10: (.011, .381) and 0 of 10: upper .217 (Brown, Cai, DasGupta 2001, table 5)."""
    assert jeffreys(1, 10) == pytest.approx((0.011, 0.381), abs=5e-4)
    assert jeffreys(0, 10) == pytest.approx((0, 0.217), abs=5e-4)
    assert jeffreys(10, 10)[1] == 1.0 and all(map(math.isnan, jeffreys(0, 0)))
    assert math.isnan(share(0, 0)["value"]) and share(0, 4)["value"] == 0
    assert math.isnan(f_score(0, 0, 3)["precision"]) and f_score(0, 0, 3)["f1"] == 0
    assert chance_f1(50, 50, 100) == 0.5 and chance_f1(100, 50, 100) == pytest.approx(2 / 3), "all called: 2p / (1 + p)"


def test_intervals_that_say_nothing_do_not_count() -> None:
    nan = math.nan
    assert list(covers([1, 1, 1, nan], [0, nan, 2, 0], [2, 3, nan, 9])) == [True, True, False, False]
    got = coverage([1, 1, 1, nan, 1], [0, nan, 2, 0, nan], [2, 3, nan, 9, nan])
    assert (got["hits"], got["n"]) == (2, 3), "neither a missing truth nor a row without bounds"
