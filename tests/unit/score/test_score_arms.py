"""Arm events counted by hand."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from marrowclone.score import arms


def truth() -> pd.DataFrame:
    """a: +1q -13q (and 13p, which does not count); b: the same and amp1q, -8p; never sampled: -17p."""
    rows = [
        ("a", "chr1", "q", 3), ("a", "chr13", "q", 1), ("a", "chr13", "p", 1), ("a", "chr8", "p", 2),
        ("b", "chr1", "q", 4), ("b", "chr13", "q", 1), ("b", "chr13", "p", 1), ("b", "chr8", "p", 1),
        ("u", "chr17", "p", 1),
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["clone", "chromosome", "arm", "state"])


def answer() -> pd.DataFrame:
    """x (= a): +1q right, +5q false, 13q indeterminate. y (= b): +1q with 3 copies, -8p. chrX and 21p never count."""
    rows = [
        ("x", "chr1", "q", "gain", 3), ("x", "chr5", "q", "gain", 3), ("x", "chr13", "q", "indeterminate", 1),
        ("x", "chrX", "q", "loss", 1), ("x", "chr21", "p", "gain", 3),
        ("y", "1", "q", "gain", 3), ("y", "chr8", "p", "loss", 1), ("y", "chr2", "p", "neutral", 2),
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["clone", "chromosome", "arm", "call", "state"])


MATCHED, SHARES = {"a": "x", "b": "y"}, {"a": 0.9, "b": 0.1}


def table(**more: object) -> pd.DataFrame:
    return arms.event_table(answer(), truth(), matched=MATCHED, shares=SHARES, **more)


def test_events_of_the_patient() -> None:
    """Real: +1q, -13q, -8p. Called: +1q, +5q, -8p."""
    got = arms.patient_events(answer(), truth(), clones=SHARES)
    assert (got["hits"], got["called"], got["real"]) == (2, 3, 3)
    assert got["f1"] == pytest.approx(2 / 3)
    assert arms.patient_events(answer(), truth(), clones=["a", "b", "u"])["real"] == 4, "had it been sampled"


def test_direction_counts() -> None:
    wrong = answer().assign(call=lambda t: t["call"].replace({"gain": "loss", "loss": "gain"}))
    assert arms.patient_events(wrong, truth(), clones=SHARES)["hits"] == 0


def test_state_speaks_where_no_call_is_made() -> None:
    assert arms.event_set(answer().assign(call="")) == {
        ("chr1", "q", "gain"), ("chr5", "q", "gain"), ("chr13", "q", "loss"), ("chr8", "p", "loss"),
    }  # fmt: skip
    assert arms.event_set(answer().drop(columns=["call", "state"])) == set()


def test_events_by_clone() -> None:
    """a: real +1q -13q, called +1q +5q. b: real +1q -13q -8p, called +1q -8p."""
    by = arms.scores_by(table(), "clone").set_index("clone")
    assert tuple(by.loc["a", ["hits", "called", "real"]]) == (1, 2, 2)
    assert tuple(by.loc["b", ["hits", "called", "real"]]) == (2, 2, 3)
    whole = arms.scores_by(table()).iloc[0]
    assert whole["f1"] == pytest.approx(2 * 3 / (4 + 5))


def test_a_clone_without_partner_has_nothing_found() -> None:
    alone = arms.event_table(answer(), truth(), matched={"a": "x"}, shares=SHARES)
    b = arms.scores_by(alone, "clone").set_index("clone").loc["b"]
    assert (b["hits"], b["called"], b["real"]) == (0, 0, 3) and b["f1"] == 0 and math.isnan(b["precision"])


def test_events_by_size_and_origin() -> None:
    """1q has 900 genes, 13q 250, 8p 99; 5q is not listed. Trunk: 1q and 13q; b's -8p and x's +5q are not."""
    sizes = {("chr1", "q"): 900, ("chr13", "q"): 250, ("chr8", "p"): 99}
    by = arms.scores_by(table(n_genes=sizes), "genes").set_index("genes")
    assert dict(by["real"]) == {"": 0, "<100 genes": 1, "100-250 genes": 2, ">250 genes": 2}
    assert by.loc[">250 genes", "recall"] == 1 and by.loc["100-250 genes", "recall"] == 0
    assert by.loc["", "called"] == 1 and math.isnan(by.loc["", "f1"])
    origin = arms.scores_by(table(), "origin").set_index("origin")
    assert tuple(origin.loc["trunk", ["hits", "called", "real"]]) == (2, 2, 4)
    assert tuple(origin.loc["subclonal", ["hits", "called", "real"]]) == (1, 2, 1)
    size = arms.scores_by(table(), "clone_size").set_index("clone_size")
    assert set(size.index) == {"10-30% of cells", ">30% of cells"}, "a tenth is no longer below 10%"


def test_copies_are_judged_where_the_event_was_called() -> None:
    """Found: a +1q (3, right), b +1q (3 for 4), b -8p (1, right)."""
    assert arms.state_accuracy(table()) == {"value": 2 / 3, "n": 3}
    silent = arms.event_table(answer().assign(state=math.nan), truth(), matched=MATCHED, shares=SHARES)
    assert math.isnan(arms.state_accuracy(silent)["value"])


def test_copies_are_judged_over_all_true_events() -> None:
    """Real: a +1q -13q, b +1q -13q -8p. Right: a +1q, b -8p; b +1q has 3 for 4, both -13q were missed."""
    assert arms.state_right(table()) == {"value": 2 / 5, "n": 5}
    assert math.isnan(arms.state_right(table()[:0])["value"])


def test_every_event_of_a_healthy_genome_is_false() -> None:
    one, none = answer(), answer()[:0]
    assert arms.diploid_events([one, none]) == {"value": 1.5, "most": 3, "n": 2}, "+1q +5q -8p and nothing"
    assert math.isnan(arms.diploid_events([])["value"])


def test_best_threshold_by_hand() -> None:
    """Real +1q -13q. By size: 1q .5 hit, 5q .4 miss, 13q -.3 hit, 2p -.1 miss.

    t .5: 2/3; .4: 2/4; .3: 4/5; .1: 4/6. Best .3, with F1 .8.
    """
    rows = [("x", "chr1", "q", 0.5), ("x", "chr5", "q", 0.4), ("x", "chr13", "q", -0.3), ("x", "chr2", "p", -0.1)]
    values = pd.DataFrame([*rows, ("x", "chr9", "p", math.nan)], columns=["clone", "chromosome", "arm", "value"])
    called, threshold = arms.threshold_events(values, truth(), clones=["a"])
    assert threshold == 0.3 and list(called["call"]) == ["gain", "gain", "loss", "neutral", "neutral"]
    assert arms.patient_events(called, truth(), clones=["a"])["f1"] == pytest.approx(0.8)
    none, nothing = arms.threshold_events(values, truth(), clones=[])
    assert math.isnan(nothing) and set(none["call"]) == {"neutral"}, "without a real event there is nothing to choose"
