"""Hard captures: chosen doublets, rare types, swapped tubes, hardly any cell."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import pandas as pd
import pytest

from marrowclone.simulate import simulate
from marrowclone.simulate.cohort import cell_truth
from marrowclone.simulate.transcriptome import at
from unit.simulate.simulate_cases import one_patient

CLEAN = {"empty": 0, "dying": 0, "doublet_rate": 0, "ambient": [0, 0]}


def only_capture(**sample):
    """The one capture of a patient whose sample has these keys."""
    base = {"timepoint": "diagnosis", "day": 0, "cells": 500, "plasma_fraction": 0.4, "capture": CLEAN}
    return next(simulate(one_patient(samples=[{**base, **sample}])).captures())[1]


def mean_of(capture, rows, *symbols) -> float:
    return float(capture.counts[np.flatnonzero(rows)][:, at(symbols)].sum(axis=1).mean())


def test_doublets_of_chosen_partners_carry_the_partners_genes_and_no_other_cell_does():
    chosen = {**CLEAN, "doublet_rate": 0.2, "doublet_of": "plasma", "doublet_partners": {"macrophage": 1.0}}
    capture = only_capture(composition={"macrophage": 0}, capture=chosen)
    cells = capture.cells
    assert (cells["doublet"].sum()) == pytest.approx(100, abs=30)  # 3 SD of 500 x .2
    assert set(cells.loc[cells["doublet"], "partner"]) == {"macrophage"}
    assert set(cells.loc[cells["doublet"], "cell_type"]) == {"plasma"}
    plasma = (cells["cell_type"] == "plasma").to_numpy()
    double = cells["doublet"].to_numpy()
    # science 4.5: macrophages in plasma-cell droplets look like the dormancy genes AXL and VCAM1
    assert mean_of(capture, double, "AXL", "VCAM1") > 2 > 20 * mean_of(capture, plasma & ~double, "AXL", "VCAM1")
    assert mean_of(capture, double, "C1QA", "C1QB", "C1QC") > 20  # by which a myeloid guard can see them


def test_more_doublets_than_cells_of_the_type_makes_all_of_them_doublets():
    capture = only_capture(
        plasma_fraction=0.1, cells=200, capture={**CLEAN, "doublet_rate": 0.9, "doublet_of": "plasma"}
    )
    plasma = capture.cells["cell_type"] == "plasma"
    assert capture.cells.loc[plasma, "doublet"].all() and not capture.cells.loc[~plasma, "doublet"].any()


def test_plasma_partners_are_of_the_tumour_and_of_the_normal_cells():
    """A T cell with a plasma cell: the truth speaks of the T cell, the contigs of the plasma cell."""
    chosen = {
        **CLEAN,
        "doublet_rate": 0.5,
        "doublet_of": "cd4_t",
        "doublet_partners": {"plasma": 1.0},
        "normal_plasma": 0.2,
    }
    capture = only_capture(plasma_fraction=0.0, composition={"b_cell": 0}, capture=chosen)
    assert not capture.cells["malignant"].any()
    clones = capture.receptors["clone"].value_counts()
    assert clones["A"] > 20 and clones[""] > 5  # burden .4, normal .2 x .6: three of four
    double = set(capture.cells.loc[capture.cells["doublet"], "barcode"])
    assert set(capture.receptors["barcode"]) == double


def test_stroma_and_megakaryocytes_are_there_when_asked_for_and_known_by_their_genes():
    rare = {"stromal": 3.0, "megakaryocyte": 3.0}
    capture = only_capture(cells=400, plasma_fraction=0.0, composition=rare)
    kind = capture.cells["cell_type"]
    for name, genes in {"stromal": ("CXCL12", "DCN", "LEPR"), "megakaryocyte": ("PF4", "PPBP", "ITGA2B")}.items():
        own = (kind == name).to_numpy()
        assert own.sum() > 40  # three of seven parts of the mixture
        assert mean_of(capture, own, *genes) > 10 * mean_of(capture, ~own & ~kind.isin(rare).to_numpy(), *genes)
    assert not only_capture(cells=400).cells["cell_type"].isin(list(rare)).any()  # else old cohorts would change


@pytest.mark.parametrize("setting", ["doublet_rate", "empty"])
def test_a_capture_that_is_nearly_all_doublets_or_nearly_all_empty_is_sound(setting):
    capture = only_capture(cells=500, capture={**CLEAN, setting: 0.95, "ambient": [0.02, 0.1]})
    hit = capture.cells["doublet"] if setting == "doublet_rate" else capture.cells["quality"] == "empty"
    assert hit.sum() == pytest.approx(475, abs=20)  # 4 SD of 500 x .95
    assert capture.counts.shape[0] == 500 and capture.counts.data.min() > 0 and (capture.counts.sum(axis=1) > 0).all()
    assert not (capture.cells["doublet"] & (capture.cells["quality"] == "empty")).any()


def two_patients(swaps) -> dict:
    spec = one_patient(subtype="t(4;14)")
    spec["patients"]["P"]["samples"][0]["cells"] = 60
    spec["patients"]["Q"] = {**deepcopy(spec["patients"]["P"]), "light_chain": "lambda"}
    return {**spec, "swaps": swaps}


def test_swapped_samples_hold_each_others_cells_under_the_sheets_names():
    plain = dict(simulate(two_patients([])).captures())
    cohort = simulate(two_patients([["Q_diagnosis", "P_diagnosis"]]))
    mixed = dict(cohort.captures())
    assert list(mixed) == list(cohort.sheet["sample"])  # the sheet knows nothing of it
    for sheet, source in (("P_diagnosis", "Q_diagnosis"), ("Q_diagnosis", "P_diagnosis")):
        assert cohort.origin(sheet) == source
        assert (mixed[sheet].counts != plain[source].counts).nnz == 0
        pd.testing.assert_frame_equal(mixed[sheet].cells, plain[source].cells)
    truth = cell_truth(mixed["P_diagnosis"], sample="P_diagnosis", patient="P", true_patient="Q")
    assert truth["cell"].str.startswith("P_diagnosis:").all()  # as the pipeline will call them
    assert set(truth["patient"]) == {"P"} and set(truth["true_patient"]) == {"Q"}
