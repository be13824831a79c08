"""The high-risk panel from arm states, segments and drivers."""

import math

import pandas as pd
import pytest

from marrowclone.copy_number import panel, states
from marrowclone.copy_number.arms import COLUMNS
from marrowclone.copy_number.segments import SEGMENT_COLUMNS
from marrowclone.keys import TABLES

SETTINGS = states.DEFAULTS
ARMS = [(f"chr{i}", a) for i in range(1, 23) for a in "pq" if not (a == "p" and i in (13, 14, 15, 21, 22))]
CELLS = pd.DataFrame({"clone": ["c1"] * 60 + ["c2"] * 20 + [""] * 20})


def tables(**clones):
    """Arms and whole-arm segments: clone -> {"1q": (state, call)}, all else two copies and neutral."""
    rows = []
    for clone, events in clones.items():
        for chromosome, arm in ARMS:
            state, call = events.get(chromosome.removeprefix("chr") + arm, (2, "neutral"))
            gain, loss = float(call == "gain") * 0.99, float(call == "loss") * 0.99
            amp = 0.99 if state >= 4 else 0.4 if call == "unsure" else 0.0
            gain, call = (0.99, "gain") if call == "unsure" else (gain, call)
            rows.append({
                "clone": clone, "group": clone, "chromosome": chromosome, "arm": arm, "state": state, "call": call,
                "posterior": 0.99, "log2_ratio": 0.1, "n_genes": 200, "n_cells": 50, "p_gain": gain, "p_loss": loss,
                "p_amp": amp, "start": 1, "end": 250_000_000, "whole_arm": True,
            })  # fmt: skip
    table = pd.DataFrame(rows)
    return table.reindex(columns=list(COLUMNS)), table[list(SEGMENT_COLUMNS)]


def drivers(tc_class="none", confidence="moderate"):
    return pd.DataFrame(
        {"group": ["tumour"], "tc_class": [tc_class], "tc_confidence": [confidence], "tc_reason": ["NSD2 300"]}
    )


def verdicts(arms, segments, *, clone="all", found=None, cells=CELLS):
    table = panel.high_risk_panel(
        arms, segments, cells, drivers() if found is None else found, patient="P", settings=SETTINGS
    )
    assert list(table.columns) == list(TABLES["copy_number.panel"])
    assert set(table["verdict"]) <= {"present", "absent", "indeterminate"}
    return table[table["clone"] == clone].set_index("finding")


def test_subclonal_event_names_its_clone_and_share():
    found = verdicts(*tables(all={}, c1={"13q": (1, "loss")}, c2={"13q": (1, "loss"), "17p": (1, "loss")}))
    assert found.loc["del(17p)", ["verdict", "clones"]].tolist() == ["present", "c2"]
    assert found.loc["del(17p)", "share"] == pytest.approx(0.25)  # 20 of the 80 cells that have a clone
    assert found.loc["del(13q)", "clones"] == "c1, c2" and found.loc["del(13q)", "share"] == 1
    assert found.loc["del(8p)", "verdict"] == "absent" and found.loc["del(8p)", "share"] == 0


def test_three_copies_are_a_gain_and_four_an_amplification():
    three = verdicts(*tables(all={}, c1={"1q": (3, "gain")}))
    four = verdicts(*tables(all={}, c1={"1q": (4, "gain")}))
    unsure = verdicts(*tables(all={}, c1={"1q": (3, "unsure")}))
    assert [t.loc["gain(1q)", "verdict"] for t in (three, four, unsure)] == ["present"] * 3
    assert [t.loc["amp(1q)", "verdict"] for t in (three, four, unsure)] == ["absent", "present", "indeterminate"]


@pytest.mark.parametrize(("n", "verdict"), [(0, "absent"), (2, "absent"), (3, "present"), (8, "present")])
def test_hyperdiploidy_counts_trisomies(n, verdict):
    odd = [f"{c}{a}" for c in panel.ODD_CHROMOSOMES[:n] for a in "pq"]
    found = verdicts(*tables(all={}, c1=dict.fromkeys(odd, (3, "gain"))))
    assert found.loc["hyperdiploidy", "verdict"] == verdict
    assert ("where 2 suffice" in found.loc["hyperdiploidy", "reason"]) == (n == 2)


def test_one_gained_arm_is_no_trisomy_and_unclear_ones_leave_it_open():
    arms_only = {"3q": (3, "gain"), "5q": (3, "gain"), "7q": (3, "gain")}
    assert verdicts(*tables(all={}, c1=arms_only)).loc["hyperdiploidy", "verdict"] == "absent"
    unclear = {f"{c}{a}": (3, "indeterminate") for c in ("3", "5", "7") for a in "pq"}
    assert verdicts(*tables(all={}, c1=unclear)).loc["hyperdiploidy", "verdict"] == "indeterminate"


def test_what_one_clone_leaves_open_is_not_absent():
    found = verdicts(*tables(all={}, c1={}, c2={"17p": (1, "indeterminate")}))
    assert found.loc["del(17p)", "verdict"] == "indeterminate" and math.isnan(found.loc["del(17p)", "share"])


def test_part_of_an_arm_counts_only_where_it_covers_the_region():
    arms, segments = tables(all={}, c1={})

    def broken(start):
        at = (segments["group"] == "c1") & (segments["chromosome"] == "chr13") & (segments["arm"] == "q")
        low = segments[at].assign(end=start - 1, whole_arm=False)
        high = segments[at].assign(start=start, state=1, call="loss", p_loss=0.99, whole_arm=False)
        return pd.concat([segments[~at], low, high], ignore_index=True)

    assert verdicts(arms, broken(35_000_000)).loc["del(13q)", "verdict"] == "present"
    assert verdicts(arms, broken(80_000_000)).loc["del(13q)", "verdict"] == "absent"  # 13q14 is kept


def test_what_expression_cannot_see_is_indeterminate():
    found = verdicts(*tables(all={}, c1={}))
    for finding in ("del(1p32)", "biallelic del(1p32)", "TP53 mutation"):
        assert found.loc[finding, "verdict"] == "indeterminate" and found.loc[finding, "reason"]
    assert verdicts(*tables(all={}, c1={"1p": (1, "loss")})).loc["del(1p32)", "verdict"] == "present"


def test_translocations_by_driver_genes():
    found = verdicts(*tables(all={}, c1={}), found=drivers("t(4;14)", "high"))
    assert found.loc["t(4;14)", "verdict"] == "present" and found.loc["t(11;14)", "verdict"] == "absent"
    for weak in (drivers("t(4;14)", "low"), drivers("not assessable", ""), drivers()[:0]):
        assert set(verdicts(*tables(all={}, c1={}), found=weak).loc[list(panel.TRANSLOCATIONS), "verdict"]) == {
            "indeterminate"
        }


def test_without_malignant_cells_nothing_is_absent():
    arms, segments = pd.DataFrame(columns=list(COLUMNS)), pd.DataFrame(columns=list(SEGMENT_COLUMNS))
    found = verdicts(arms, segments, found=drivers()[:0], cells=CELLS[:0])
    assert set(found["verdict"]) == {"indeterminate"} and len(found) >= 15
