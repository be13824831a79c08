"""Clone profiles: states where the copies are, IGV's columns, empties."""

from __future__ import annotations

import numpy as np
import pandas as pd

from marrowclone.clones.profiles import PROFILE_COLUMNS, SEG_COLUMNS, profile_clones, seg_table
from unit.clones.clone_generator import Patient, make_patient

SETTINGS = {"genes_per_segment": 30}


def profiles(p: Patient, clone: np.ndarray) -> pd.DataFrame:
    genes = p.genes.assign(used=p.genes["locus"] == "")
    cells = pd.DataFrame({"cell": p.cells, "sample": p.samples, "clone": clone})
    return profile_clones(
        p.counts, cells, genes, p.baseline, rung="R2", settings=SETTINGS, state_settings={"min_genes": 10}
    )


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


def test_each_arm_is_covered_once_and_igv_gets_the_same_rows() -> None:
    p = patient()
    table = profiles(p, np.where(p.clone == "a", "c1", "c2"))
    for _, rows in table.groupby(["clone", "chromosome"]):
        assert (rows["start"].to_numpy()[1:] > rows["end"].to_numpy()[:-1]).all()
    assert table["whole_arm"].all()  # nothing is broken here
    seg = seg_table(table, patient="P1")
    assert len(seg) == len(table) and set(seg["ID"]) == {"P1_c1", "P1_c2"}
    assert seg["seg.mean"].tolist() == table["log2_ratio"].tolist()
