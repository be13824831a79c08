"""Clonality, drivers and identity on a small simulated cohort: what benchmarks/clonality.py measures at size."""

import importlib.util
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def result(root: Path):
    spec = importlib.util.spec_from_file_location("clonality", root / "benchmarks/clonality.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    patient = {"group": "relapse_linear", "burden": 0.4, "clones": {"A": {"events": ["-13q"], "fraction": 1.0}}}
    visit = {"cells": 200, "plasma_fraction": 0.5, "vdj": True, "capture": {"normal_plasma": 0.1}}
    samples = [{"timepoint": "diagnosis", "day": 0, **visit}, {"timepoint": "relapse", "day": 400, **visit}]
    patients = {
        "A": {**patient, "subtype": "t(4;14)", "light_chain": "kappa", "sex": "male", "samples": samples},
        "B": {**patient, "subtype": "HRD", "light_chain": "lambda", "sex": "female", "samples": samples},
        "H": {"group": "healthy", "sex": "female",
              "samples": [{"timepoint": "healthy", "day": 0, "cells": 200, "plasma_fraction": 0.4}]},
    }  # fmt: skip
    return module.judge({"name": "small", "seed": 5, "patients": patients}, use_contigs=True)


def test_classes_chains_and_clonotypes_are_the_true_ones(result) -> None:
    table = result["patients"].set_index("patient")
    assert table.loc["A", "tc_class"] == "t(4;14)" and table.loc["B", "tc_class"] == "D1"
    assert table.loc["H", "tc_class"] == "not assessable"  # none is invented in a healthy donor
    assert (table.loc[["A", "B"], "chain_called"] == table.loc[["A", "B"], "light_chain"]).all()
    # a doublet of a normal cell with a tumour cell may carry the tumour's contigs
    assert (table.loc[["A", "B"], "dominant_precision"] >= 0.98).all()
    assert (table.loc[["A", "B"], "clonal_recall"] >= 0.95).all()


def test_nobody_is_accused(result) -> None:
    assert not result["identity"]["call"].isin(["mismatch", "differs"]).any()
