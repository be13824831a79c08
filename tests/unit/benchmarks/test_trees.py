"""The benchmark of trees: its ceiling is the truth, and its figures are those of the pairs it counts."""

from __future__ import annotations

import numpy as np
import pandas as pd

import trees

TRUTH = pd.DataFrame(
    {"clone": ["A", "B", "C"], "parent": ["", "A", "B"], "events": ["+9,-13q", "+1q,-16q", "-17p,-6q"]}
)
ARMS = ("1q", "6q", "9p", "9q", "13q", "16q", "17p")


def given() -> trees.Given:
    clones = list(TRUTH["clone"])
    arms = pd.DataFrame(
        [(c, f"chr{a[:-1]}", a[-1]) for c in clones for a in ARMS], columns=["clone", "chromosome", "arm"]
    )
    arms = arms.assign(n_cells=50, reference_rung="R2")
    cells = pd.DataFrame({"cell": [f"s:{i}" for i in range(30)], "sample": "s", "clone": np.repeat(clones, 10)})
    profiles = pd.DataFrame(columns=["clone", "log2_ratio"])
    return trees.Given(
        1, "P1", trees.TRUE, arms, profiles, cells, {"s": 0}, TRUTH, {c: c for c in clones}, dict.fromkeys(clones, 10)
    )


def test_true_copies_give_the_true_tree_and_all_of_its_pairs() -> None:
    case = trees.ceiling_of(given())
    table = trees.tree_of(case, settings={**trees.defaults("evolution")["build_tree"], "n_bootstrap": 5})
    assert dict(zip(table["branch"], table["parent"], strict=True)) == {"A": "normal", "B": "A", "C": "B"}
    result = trees.judge([case], [table])
    row = result["patients"].iloc[0]
    assert (row["hits"], row["real"], row["called"], row["pairs"], row["recall"]) == (3, 3, 3, 3, 1.0)
    assert row["chance_recall"] < 0.8 and result["support"]["right"].all()
    assert "3 of 3 found" in trees.summary(result)


def test_a_wrong_tree_is_counted_as_wrong() -> None:
    case = trees.ceiling_of(given())
    answer = pd.DataFrame(
        {"branch": ["A", "B", "C"], "parent": ["normal", "A", "A"], "support": [np.nan, 0.9, 0.4], "n_events": 1,
         "conflict": ["", "", "A"]}
    )  # fmt: skip
    result = trees.judge([case], [answer])
    row = result["patients"].iloc[0]
    assert (row["hits"], row["real"], row["called"], row["conflicts"]) == (2, 3, 2, 1)
    support = result["support"].set_index("branch")
    assert not support.loc["B", "right"] and support.loc["C", "right"]  # B's clade lacks C
