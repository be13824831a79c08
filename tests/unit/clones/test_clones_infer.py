"""Clones: found when they are there, not found when they are not, whatever the order of cells."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.metrics import adjusted_rand_score

from marrowclone.clones.infer import (
    SELECTION_COLUMNS,
    SUMMARY_COLUMNS,
    Clones,
    calibrated_captures,
    infer_clones,
    malignant_cells,
)
from marrowclone.clones.select import LEAST, part_of
from unit.clones.clone_generator import Patient, make_patient

SCHEMA = Path(__file__).parents[3] / "workflow" / "schemas" / "clones.schema.yaml"
SETTINGS = {
    name: rule["default"]
    for name, rule in yaml.safe_load(SCHEMA.read_text())["properties"]["infer_clones"]["properties"].items()
}
TRUNK = {("chr13", "q"): 1, ("chr9", "p"): 3, ("chr9", "q"): 3}
EVENTS = {"a": TRUNK, "b": {**TRUNK, ("chr1", "q"): 3, ("chr16", "q"): 1}}


def run(p: Patient, *, rows: np.ndarray | None = None, **settings: object) -> Clones:
    rows = np.arange(len(p.cells)) if rows is None else rows
    return infer_clones(
        p.counts[rows],
        pd.DataFrame({"cell": p.cells[rows], "sample": p.samples[rows]}),
        p.genes,
        p.baseline,
        settings={**SETTINGS, **settings},
        seed=7,
    )


@pytest.fixture(scope="module")
def two() -> Patient:
    # the second clone is minor at diagnosis and dominates a sparse later sample
    return make_patient({"dx": {"a": 250, "b": 110}, "mrd": {"a": 3, "b": 12}}, EVENTS)


@pytest.fixture(scope="module")
def two_found(two: Patient) -> Clones:
    return run(two)


def truth(p: Patient, found: Clones) -> pd.Series:
    return pd.Series(p.clone, index=p.cells)[found.cells["cell"]]


def test_two_clones_are_found(two: Patient, two_found: Clones) -> None:
    cells = two_found.cells
    assert list(two_found.summary["clone"]) == ["c1", "c2"]
    # two arms at this depth: d' about 3.5, so that about 4% of cells must be wrong; the ARI of that is near 0.8
    assert adjusted_rand_score(truth(two, two_found), cells["best_clone"]) > 0.7
    sure = (cells["clone"] != "").to_numpy()
    assert adjusted_rand_score(truth(two, two_found)[sure], cells["clone"][sure]) > 0.85
    assert {e.split(":")[0] for e in two_found.summary["events"][1].split()} == {"1q", "16q"}


def test_c1_is_the_largest_clone(two: Patient, two_found: Clones) -> None:
    assert (truth(two, two_found)[(two_found.cells["clone"] == "c1").to_numpy()] == "a").mean() > 0.9
    assert two_found.summary["n_cells"].is_monotonic_decreasing


def test_sparse_timepoint_is_assigned_by_profiles_of_the_rich_one(two: Patient, two_found: Clones) -> None:
    cells = two_found.cells
    mrd = cells.loc[(cells["sample"] == "mrd") & (cells["clone"] != "")]
    expected = truth(two, two_found)[mrd["cell"]].map({"a": "c1", "b": "c2"}).to_numpy()
    assert len(mrd) >= 10  # 15 cells, of which d' 3.5 leaves few undecided
    assert (mrd["clone"].to_numpy() == expected).mean() >= 0.9


def test_posterior_is_a_distribution_and_unassigned_is_empty(two_found: Clones) -> None:
    cells = two_found.cells
    np.testing.assert_allclose(cells[["p_c1", "p_c2"]].sum(axis=1), 1, rtol=1e-9)
    assert ((cells["clone"] == "") == (cells["posterior"] < SETTINGS["min_posterior"])).all()
    assert (cells["clone"] == "").any()  # at d' 3.5 some cells lie between: saying so is the point


def test_order_of_cells_changes_nothing(two: Patient, two_found: Clones) -> None:
    again = run(two, rows=np.random.default_rng(3).permutation(len(two.cells)))
    pd.testing.assert_frame_equal(again.cells, two_found.cells)
    pd.testing.assert_frame_equal(again.selection, two_found.selection)


def test_posteriors_are_calibrated(two: Patient, two_found: Clones) -> None:
    cells = two_found.cells
    right = cells["best_clone"].to_numpy() == truth(two, two_found).map({"a": "c1", "b": "c2"}).to_numpy()
    # mean confidence and accuracy agree; 375 cells give the accuracy an SD of about 0.01
    assert abs(cells["posterior"].mean() - right.mean()) < 0.04


@pytest.mark.parametrize(
    ("batch", "arm_batch", "cycling", "seed"),
    [
        (0.0, 0.0, 0.05, 1),
        (0.3, 0.0, 0.05, 2),  # gene-wise capture effects that the baseline does not know
        (0.3, 0.15, 0.3, 3),  # whole arms shifted per capture, a third of cells cycling
    ],
)
def test_one_clone_stays_one(batch: float, arm_batch: float, cycling: float, seed: int) -> None:
    p = make_patient(
        {"dx": {"a": 200}, "relapse": {"a": 160}, "mrd": {"a": 12}},
        EVENTS,
        batch=batch,
        batch_known=False,
        arm_batch=arm_batch,
        cycling=cycling,
        seed=seed,
    )
    found = run(p)
    assert set(found.cells["clone"]) == {"c1"}  # timepoint = batch, and cycling, must not make clones
    assert found.selection.loc[found.selection["chosen"], "k"].tolist() == [1]


def test_sweep_between_two_timepoints_is_found_when_the_reference_is_trusted() -> None:
    p = make_patient({"dx": {"a": 200}, "relapse": {"b": 200}}, EVENTS)
    found = run(p)
    assert adjusted_rand_score(truth(p, found), found.cells["best_clone"]) > 0.9
    # nothing within a capture speaks for it: the table must say what it rests on
    assert found.summary["note"].str.contains("rests on the reference").all()


def test_selection_table_holds_evidence_for_each_k(two_found: Clones) -> None:
    table = two_found.selection
    assert list(table.columns) == list(SELECTION_COLUMNS)
    assert table["k"].tolist()[:2] == [1, 2]
    assert table["chosen"].sum() == 1 and table.loc[table["chosen"], "k"].item() == 2
    chosen = table.loc[table["chosen"], "bic"].item()
    assert chosen == table.loc[table["resolvable"], "bic"].min()
    assert (table.loc[~table["resolvable"], "note"] != "").all()


def test_clone_below_the_size_rule_is_merged_with_a_note() -> None:
    p = make_patient({"dx": {"a": 200, "b": 15}}, EVENTS, seed=5)
    found = run(p)
    assert set(found.cells["clone"]) == {"c1"}  # 15 < 20 cells (science 2.3)
    assert found.selection["note"].str.contains("fewer than the 20").any()


def test_single_weak_arm_is_not_a_clone() -> None:
    events = {"a": TRUNK, "b": {**TRUNK, ("chr21", "q"): 3}}
    p = make_patient({"dx": {"a": 200, "b": 200}}, events, seed=6)
    assert set(run(p).cells["clone"]) == {"c1"}  # one arm with d' < 4 (science 2.3)


def test_too_few_cells_are_one_clone_not_resolved(two: Patient) -> None:
    found = run(two, rows=np.arange(10))
    assert found.cells["clone"].tolist() == ["c1"] * 10
    assert "not resolved" in found.summary["note"].item()
    assert not found.selection["resolvable"].item()


def test_no_malignant_cells_give_headers_only(two: Patient) -> None:
    found = run(two, rows=np.arange(0))
    assert found.cells.empty and {"cell", "sample", "clone", "posterior"} <= set(found.cells.columns)
    assert found.selection.empty and list(found.selection.columns) == list(SELECTION_COLUMNS)
    assert found.summary.empty and list(found.summary.columns) == list(SUMMARY_COLUMNS)


def test_cells_without_counts_stay_unassigned(two: Patient) -> None:
    counts = two.counts.tolil()
    counts[0] = 0
    p = Patient(counts.tocsr(), two.cells, two.samples, two.clone, two.genes, two.baseline)
    cells = run(p, n_restarts=0, max_clones=2).cells.set_index("cell")
    assert cells.loc[two.cells[0], "clone"] == ""


def test_works_without_any_reference(two: Patient) -> None:
    p = Patient(two.counts, two.cells, two.samples, two.clone, two.genes, pd.DataFrame(index=two.genes.index))
    found = run(p, n_restarts=0, max_clones=3)
    # clones are contrasts within the patient: a reference is not needed to see them inside one capture
    assert adjusted_rand_score(truth(p, found), found.cells["best_clone"]) > 0.65


def test_malignant_cells_are_sorted_and_only_malignant() -> None:
    table = pd.DataFrame(
        {"cell": ["s:c", "s:a", "s:b"], "sample": "s", "call": ["malignant", "malignant", "normal"], "p_malignant": 1.0}
    )
    assert malignant_cells(table)["cell"].tolist() == ["s:a", "s:c"]


def test_captures_without_an_effect_of_their_own_are_dropped() -> None:
    reference = pd.Series([0.5, 0.3, 0.2], index=list("xyz"))
    expected = pd.DataFrame({"s1": [0.4, 0.4, 0.2], "s2": reference})
    assert list(calibrated_captures(expected, reference).columns) == ["s1"]
    # when no capture has one they are comparable with each other after all
    assert list(calibrated_captures(expected[["s2"]], reference).columns) == ["s2"]


def test_searched_on_a_part_the_clones_of_all_cells_are_the_same(two: Patient, two_found: Clones) -> None:
    found = run(two, search_cells=200)
    assert found.selection["note"].str.contains("of 375 cells").any(), "the search was not on a part"
    same = found.cells["best_clone"].to_numpy() == two_found.cells["best_clone"].to_numpy()
    assert same.mean() > 0.98
    assert len(found.cells) == len(two_found.cells)


def test_no_capture_is_left_out_of_a_part() -> None:
    sample = np.repeat([0, 1, 2], [3000, 700, 12])
    frame = SimpleNamespace(evidence=SimpleNamespace(sample=sample, samples=("a", "b", "c")))
    rows = part_of(frame, 1000, seed=3)
    assert list(np.bincount(sample[rows])) == [round(3000 * 1000 / 3712), LEAST, 12]
    assert (np.diff(rows) > 0).all()
    assert part_of(frame, 5000, seed=3) is None
