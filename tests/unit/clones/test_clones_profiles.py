"""Clone profiles: states where the copies are, joined segments, IGV's columns, empties."""

from __future__ import annotations

import numpy as np
import pandas as pd

from marrowclone.clones.profiles import PROFILE_COLUMNS, SEG_COLUMNS, merge_equal, profile_clones, seg_table
from unit.clones.clone_generator import Patient, make_patient

SETTINGS = {"genes_per_segment": 30}


def profiles(p: Patient, clone: np.ndarray) -> pd.DataFrame:
    genes = p.genes.assign(used=p.genes["locus"] == "")
    cells = pd.DataFrame({"cell": p.cells, "sample": p.samples, "clone": clone})
    return profile_clones(p.counts, cells, genes, p.baseline, settings=SETTINGS, state_settings={"min_genes": 10})


def patient() -> Patient:
    return make_patient(
        {"dx": {"a": 120, "b": 120}},
        {"a": {("chr13", "q"): 1}, "b": {("chr13", "q"): 1, ("chr1", "q"): 3}},
        cycling=0.0,
    )


def test_states_are_where_the_copies_are() -> None:
    p = patient()
    table = profiles(p, np.where(p.clone == "a", "c1", "c2"))
    assert list(table.columns) == list(PROFILE_COLUMNS)
    states = table.groupby(["clone", "chromosome", "arm"])["state"].agg(lambda s: set(s))
    assert states["c2", "chr1", "q"] == {3} and states["c1", "chr1", "q"] == {2}
    assert states["c1", "chr13", "q"] == states["c2", "chr13", "q"] == {1}


def test_unassigned_cells_take_no_part_and_empties_stay_empty() -> None:
    p = patient()
    table = profiles(p, np.where(p.clone == "a", "c1", ""))
    assert set(table["clone"]) == {"c1"} and (table["n_cells"] == 120).all()
    nothing = profiles(p, np.full(len(p.clone), ""))
    assert nothing.empty and list(nothing.columns) == list(PROFILE_COLUMNS)
    seg = seg_table(nothing, patient="P1")
    assert seg.empty and list(seg.columns) == list(SEG_COLUMNS)


def test_no_reference_gives_no_profile() -> None:
    p = patient()
    p.baseline = pd.DataFrame(index=p.genes.index)
    assert profiles(p, np.full(len(p.clone), "c1")).empty  # absolute copies need a reference


def test_neighbours_of_equal_state_are_joined_within_an_arm_only() -> None:
    states = pd.DataFrame(
        {
            "group": "c1",
            "chromosome": "chr1",
            "start": [1, 11, 21, 31],
            "end": [10, 20, 30, 40],
            "arm": ["p", "p", "p", "q"],
            "state": [2, 2, 3, 3],
            "posterior": [0.9, 0.6, 0.9, 0.9],
            "log2_ratio": [0.0, 0.3, 0.5, 0.5],
            "n_genes": [10, 20, 10, 10],
            "n_cells": 5,
        }
    )
    merged = merge_equal(states)
    assert merged[["start", "end", "state"]].to_numpy().tolist() == [[1, 20, 2], [21, 30, 3], [31, 40, 3]]
    assert merged["posterior"][0] == (0.9 * 10 + 0.6 * 20) / 30  # weighted by genes
    assert np.isclose(merged["log2_ratio"][0], 0.2) and merged["n_genes"][0] == 30
    seg = seg_table(merged, patient="P1")
    assert seg["ID"].tolist() == ["P1_c1"] * 3 and np.isclose(seg["seg.mean"][0], 0.2)
