"""Results without a row, as a patient without a tumour has them: read from files, scored, and not known."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
import pytest

from marrowclone import tables
from marrowclone.keys import TABLES
from marrowclone.score import arms, calls, clones, fractions, growth, labels, permute, tiers, trees

MATCHED = {c: f"x_{c}" for c in "abcdef"}


@pytest.fixture
def empty(tmp_path: Path) -> dict[str, pd.DataFrame]:
    """Header-only tables through the reader, whose column types are then anything."""
    found = {}
    for name, columns in TABLES.items():
        tables.write_table(tmp_path / f"{name}.tsv", pd.DataFrame(columns=list(columns)), columns=columns)
        found[name] = tables.read_result(tmp_path / f"{name}.tsv")
    return found


def test_no_result_is_a_miss_or_unknown(empty: dict[str, pd.DataFrame], truth: dict[str, pd.DataFrame]) -> None:
    """What is real was missed (0); what was never said is NaN."""
    cells, fraction = truth["cells"], truth["fractions"]
    call = calls.call_metrics(empty["copy_number.malignant"], cells)
    assert math.isnan(call["precision"]) and math.isnan(call["auc"]) and call["listed"] == 0
    clone = clones.clone_metrics(empty["clones.cells"], cells)
    assert math.isnan(clone["ari"]) and clone["n_found"] == 0 and clone["n_true"] == 6
    assert (clones.per_clone(empty["clones.cells"], cells)["f1"] == 0).all()
    event = arms.patient_events(empty["copy_number.arms"], truth["arms"], clones="abcdef")
    assert event["f1"] == 0 and math.isnan(event["precision"])
    table = arms.event_table(
        empty["copy_number.arms"], truth["arms"], matched=MATCHED, shares=clones.clone_shares(cells)
    )
    assert arms.scores_by(table).iloc[0]["recall"] == 0 and math.isnan(arms.state_accuracy(table)["value"])
    assert arms.diploid_events([empty["copy_number.arms"]])["value"] == 0
    part = fractions.fraction_metrics(
        fractions.fraction_table(empty["evolution.fractions"], fraction, cells, matched=MATCHED)
    )
    assert part["found"] == 0 and math.isnan(part["error"]) and math.isnan(part["coverage"])
    assert fractions.burden_metrics(fractions.burden_table(empty["evolution.burden"], fraction))["n"] == 0
    assert growth.growth_metrics(growth.growth_table(empty["evolution.dynamics"], fraction, matched=MATCHED))["n"] == 0
    said = labels.label_table(empty["evolution.labels"], truth["labels"], matched=MATCHED)
    assert labels.label_metrics(said)["no_call"] == 1
    tree = trees.parents_of(empty["evolution.tree"], "branch")
    assert trees.tree_metrics(trees.parents_of(truth["clones"], "clone"), tree, matched=MATCHED)["n"] == 0
    assert tiers.tier_metrics(tiers.tier_table(empty["cure.landmarks"], truth["tiers"]))["n"] == 0


def test_no_truth_is_no_score(
    empty: dict[str, pd.DataFrame], truth: dict[str, pd.DataFrame], perfect: dict[str, pd.DataFrame]
) -> None:
    """A donor's truth has no clone: nothing to be right about, and nothing breaks."""
    none = {k: v[:0] for k, v in truth.items()}
    assert math.isnan(calls.call_metrics(perfect["cells"], none["cells"])["f1"])
    assert math.isnan(clones.clone_metrics(perfect["cells"], none["cells"])["ari"])
    assert math.isnan(clones.smallest_detectable(clones.per_clone(perfect["cells"], none["cells"])))
    assert fractions.fraction_metrics(
        fractions.fraction_table(perfect["fractions"], none["fractions"], none["cells"], matched={})
    )["n"] == 0  # fmt: skip
    assert growth.growth_metrics(growth.growth_table(perfect["dynamics"], none["fractions"], matched={}))["n"] == 0
    assert labels.label_metrics(labels.label_table(perfect["labels"], none["labels"], matched={}))["n"] == 0
    assert len(arms.scores_by(arms.event_table(perfect["arms"], none["arms"], matched={}, shares={}), "clone")) == 0
    assert permute.permute_answer({"cells": empty["clones.cells"]}, none, 0)["cells"].empty
