"""Clones, on partitions that fit on a hand."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from marrowclone.score import clones


def truth(pattern: str, samples: str | None = None) -> pd.DataFrame:
    """A cell per letter; ``-`` is a normal plasma cell."""
    letters = list(pattern)
    return pd.DataFrame(
        {
            "cell": [f"c{i}" for i in range(len(letters))],
            "sample": list(samples or "s" * len(letters)),
            "cell_type": "plasma",
            "malignant": [x != "-" for x in letters],
            "clone": [x.strip("-") for x in letters],
            "doublet": False,
        }
    )


def answer(pattern: str, **columns: object) -> pd.DataFrame:
    """A cell per letter; ``.`` is not assigned, blank not listed."""
    table = pd.DataFrame({"cell": [f"c{i}" for i in range(len(pattern))], "clone": list(pattern)}).assign(**columns)
    table = table[table["clone"] != " "]
    return table.assign(clone=table["clone"].str.strip("."))


def test_matching_goes_by_overlap() -> None:
    """x: 4 of a, 2 of b; y: 1 of a, 3 of b."""
    assert clones.matching(answer("xxxxyxxyyy"), truth("aaaaabbbbb")) == {"a": "x", "b": "y"}
    assert clones.matching(answer("........"), truth("aaaabbbb")) == {}


def test_rand_index_by_hand() -> None:
    """a a a b b b against x x y y y y: pairs together in both 1 + 3 = 4, in truth 6, in the answer 7, of 15.

    Expected 6 x 7 / 15 = 2.8; (4 - 2.8) / ((6 + 7) / 2 - 2.8) = 1.2 / 3.7.
    """
    got = clones.clone_metrics(answer("xxyyyy"), truth("aaabbb"))
    assert got["ari"] == pytest.approx(1.2 / 3.7) and got["ari_assigned"] == got["ari"]
    assert got["assigned"] == 1 and math.isnan(got["ari_confident"]) and math.isnan(got["confident"])


def test_cells_without_a_clone_form_a_group() -> None:
    """aaaabb / xxxx.. : the open cells stand together and happen to be b; left out, nothing is left to part."""
    got = clones.clone_metrics(answer("xxxx.."), truth("aaaabb"))
    assert got["ari"] == 1 and math.isnan(got["ari_assigned"]) and got["assigned"] == pytest.approx(4 / 6)
    listed = clones.clone_metrics(answer("xx  yy"), truth("aaaabb"))
    assert listed["ari"] < 1 and listed["ari_assigned"] == 1, "cells that are not listed count as open"


def test_the_best_guess_stands_in() -> None:
    got = clones.clone_metrics(answer("xx.yy.", best_clone=list("xxxyyy")), truth("aaabbb"))
    assert got["ari"] == 1
    assert clones.clone_metrics(answer("xx.yy."), truth("aaabbb"))["ari"] < 1, "without it they stand together"


def test_one_true_clone_has_no_rand_index() -> None:
    """Against one group the index is 1 or 0 by form; the number of clones speaks instead."""
    got = clones.clone_metrics(answer("xxxy"), truth("aaaa"))
    assert math.isnan(got["ari"]) and (got["n_true"], got["n_found"]) == (1, 2)
    assert math.isnan(clones.clone_metrics(answer("...."), truth("aabb"))["ari"]), "no clone was named"


def test_posterior_is_right_where_the_matched_clone_is() -> None:
    """aaabbb / xxyyyy: c2 (a called y) is wrong. Posterior 1: (1 - 5/6) off; Brier 1/6."""
    got = clones.clone_metrics(answer("xxyyyy", posterior=1.0), truth("aaabbb"))
    assert got["ece_count"] == pytest.approx(1 / 6) and got["brier"] == pytest.approx(1 / 6)
    assert got["confident"] == 1 and got["n_posterior"] == 6
    sure = clones.clone_metrics(answer("xxyyyy", posterior=[1, 1, 0.5, 1, 1, 1]), truth("aaabbb"))
    assert sure["ari_confident"] == 1 and sure["confident"] == pytest.approx(5 / 6)


def test_each_clone_by_hand() -> None:
    """a: x holds 3 of its 4 and 1 normal cell. b: y holds 2 of 2, and 1 of a."""
    table = clones.per_clone(answer("xxxyyyzx"), truth("aaaabbc-")).set_index("clone")
    assert tuple(table.loc["a", ["estimated", "precision", "recall", "f1"]]) == ("x", 3 / 4, 3 / 4, 3 / 4)
    assert tuple(table.loc["b", ["estimated", "precision", "recall"]]) == ("y", 2 / 3, 1.0)
    merged = clones.per_clone(answer("xxxxxx"), truth("aaaabb")).set_index("clone")
    assert merged.loc["b", "estimated"] == "" and merged.loc["b", "f1"] == 0 and merged.loc["b", "recall"] == 0
    assert math.isnan(merged.loc["b", "precision"]) and merged.loc["b", "share"] == pytest.approx(2 / 6)


def test_smallest_detectable_by_hand() -> None:
    """.5 and .3 are found, .1 is not, .05 is by luck: the smallest is .3."""
    table = pd.DataFrame({"share": [0.5, 0.3, 0.1, 0.05], "f1": [0.9, 0.5, 0.49, 0.9]})
    assert clones.smallest_detectable(table) == 0.3
    assert clones.smallest_detectable(table.assign(f1=0.9)) == 0.05
    assert math.isnan(clones.smallest_detectable(table.assign(f1=0.1))), "not even the largest"
    assert math.isnan(clones.smallest_detectable(table[:0]))
    tied = pd.DataFrame({"share": [0.5, 0.3, 0.3], "f1": [0.9, 0.9, 0.1]})
    assert clones.smallest_detectable(tied) == 0.5, "of two clones as large one was missed"


def test_invented_clones_have_twenty_cells() -> None:
    """One true clone; x has 40 cells, y 20, z 19: y is invented, z too small to be held against it."""
    got = clones.clone_metrics(answer("x" * 40 + "y" * 20 + "z" * 19), truth("a" * 79))
    assert got["invented"] == 1 and got["n_found"] == 3
    assert clones.clone_metrics(answer("x" * 20), truth("a" * 10 + "b" * 10))["invented"] == 0, (
        "too few is not invented"
    )


def test_samples_that_pass_for_clones() -> None:
    """Clone a is split by sample (1), clone b is whole (0); 4 and 2 cells: 4/6. c is in one sample: no word."""
    both = truth("aaaabbcc", "ssttstss")
    assert clones.clone_metrics(answer("xxyyzzww"), both)["leakage"] == pytest.approx(4 / 6)
    assert math.isnan(clones.clone_metrics(answer("xxyy"), truth("aaaa"))["leakage"]), "one sample"


def test_doublets_are_no_cells_of_a_clone() -> None:
    table = truth("aaabbb").assign(doublet=[False] * 5 + [True])
    assert clones.clone_shares(table) == {"a": 3 / 5, "b": 2 / 5}
