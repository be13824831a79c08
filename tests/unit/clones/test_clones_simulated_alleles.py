"""The clone step on simulated allele counts: a copy-neutral loss is found with them, not without; noise makes no clone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import adjusted_rand_score

from marrowclone.clones.alleles import call_alleles
from marrowclone.clones.extra import Extra, called_cells, gather, other_cells
from marrowclone.clones.infer import Clones, infer_clones
from marrowclone.resources import gene_table
from marrowclone.simulate import simulate
from unit.clones.test_clones_extra import CALL
from unit.clones.test_clones_infer import SETTINGS

TRUNK = ["+9", "-13q"]


@dataclass
class Case:
    """What the clone step of the workflow is given, and the truth."""

    counts: object
    malignant: pd.DataFrame
    types: pd.DataFrame
    path: object
    clone: pd.Series
    rows: np.ndarray

    @property
    def ids(self) -> np.ndarray:
        return np.sort(self.malignant.loc[self.malignant["call"] == "malignant", "cell"].to_numpy(str))

    def extra(self) -> Extra:
        return gather(
            called_cells(self.malignant), alleles={"P_diagnosis": self.path}, mtdna={}, clonality=None,
            malignant=self.ids, others=other_cells(self.types, ["P_diagnosis"]), settings=SETTINGS,
        )  # fmt: skip

    def clones(self, extra: Extra | None) -> Clones:
        cells = pd.DataFrame({"cell": self.ids, "sample": "P_diagnosis"})
        genes = gene_table().set_index("symbol")
        return infer_clones(self.counts, cells, genes, pd.DataFrame(), settings=SETTINGS, seed=1, extra=extra)


def case(folder, events: list[str], *, seed: int) -> Case:
    clones = {"A": {"events": TRUNK, "fraction": 0.6}, "B": {"parent": "A", "events": events, "fraction": 0.4}}
    clones = clones if events else {"A": {"events": TRUNK, "fraction": 1.0}}
    sample = {
        "timepoint": "diagnosis", "day": 0, "cells": 420, "plasma_fraction": 0.75, "alleles": True,
        "capture": {"normal_plasma": 0.05},
    }  # fmt: skip
    patient = {"group": "relapse_linear", "burden": 0.4, "clones": clones, "samples": [sample]}
    cohort = simulate({"name": "x", "seed": seed, "patients": {"P": patient}})
    ((name, capture),) = cohort.captures()
    path = folder / f"{seed}.tsv"
    cohort.alleles(name, capture).to_csv(path, sep="\t", index=False)
    truth = capture.cells.assign(cell=f"{name}:" + capture.cells["barcode"], sample=name)
    truth["row"] = np.arange(len(truth))
    truth = truth[truth["quality"] == "good"].sort_values("cell")
    plasma = truth["cell_type"] == "plasma"
    call = np.where(truth["malignant"].astype(bool), "malignant", "normal")
    rows = truth.loc[truth["malignant"].astype(bool), "row"].to_numpy()
    return Case(
        capture.counts[rows], truth.assign(call=call)[plasma][["cell", "sample", "call"]],
        truth.assign(is_tumour_type=plasma)[["cell", "sample", "is_tumour_type"]], path,
        truth.set_index("cell")["clone"], rows,
    )  # fmt: skip


@pytest.fixture(scope="module")
def lost(tmp_path_factory) -> Case:
    return case(tmp_path_factory.mktemp("lost"), ["cnloh7", "cnloh1p"], seed=41)


@pytest.fixture(scope="module")
def found(lost: Case) -> Clones:
    return lost.clones(lost.extra())


def test_a_copy_neutral_loss_is_a_clone_with_alleles_and_none_without(lost: Case, found: Clones) -> None:
    assert list(lost.clones(None).summary["clone"]) == ["c1"]
    assert list(found.summary["clone"]) == ["c1", "c2"]
    sure = found.cells[found.cells["clone"] != ""]
    assert len(sure) > 0.6 * len(found.cells)
    assert adjusted_rand_score(lost.clone[sure["cell"]], sure["clone"]) > 0.8
    assert "evidence used: alleles (" in found.summary["note"][0]


def test_alleles_of_each_clone(lost: Case, found: Clones) -> None:
    arms = [(c, chromosome, a, 2, 1, 9) for c in ("c1", "c2") for chromosome in ("chr1", "chr7") for a in "pq"]
    profiles = pd.DataFrame(arms, columns=["clone", "chromosome", "arm", "state", "start", "end"])
    alleles = lost.extra().alleles
    table = call_alleles(alleles, found.cells, profiles, reading=SETTINGS, settings=CALL)
    calls = table.assign(arm=table["chromosome"].str.removeprefix("chr") + table["arm"]).pivot(
        index="arm", columns="clone", values="call"
    )
    assert set(calls.loc[["7p", "7q", "1p"], "c2"]) == {"copy-neutral LOH"}
    # about 800 reads an arm: one that leans by chance is left open, none is a loss
    assert set(calls.loc[["7p", "7q", "1p"], "c1"]) <= {"balanced", "not called"}
    assert (calls.loc[["7p", "7q", "1p"], "c1"] == "balanced").sum() >= 2
    # the whole tumour lost it: its heterozygous SNPs are known by genotype and by the other cells
    assert set(calls.loc["13q"]) == {"LOH"}
    even = calls.drop(["7p", "7q", "1p", "13q", "9p", "9q"])
    assert even.isin(["balanced", "not called"]).to_numpy().mean() > 0.93
    assert table["posterior"].between(0, 1).all() and (table["lower"] <= table["upper"]).all()


@pytest.mark.parametrize("seed", [51, 52])
def test_alleles_without_a_loss_make_no_clone(tmp_path, seed: int) -> None:
    one = case(tmp_path, [], seed=seed)
    clones = one.clones(one.extra())
    assert list(clones.summary["clone"]) == ["c1"]
    assert clones.cells.to_csv() == one.clones(None).cells.to_csv()


def test_cells_that_are_not_called_tell_nothing(lost: Case) -> None:
    """An unassigned plasma cell may be either: it neither shows heterozygous SNPs nor counts as normal."""
    unsure = lost.malignant["call"].eq("normal")
    less = Case(
        lost.counts, lost.malignant.assign(call=lost.malignant["call"].where(~unsure, "unassigned")), lost.types,
        lost.path, lost.clone, lost.rows,
    )  # fmt: skip
    gone = set(lost.malignant.loc[unsure, "cell"])
    assert gone and not gone & set(less.extra().alleles.counts["barcode"])
    assert gone & set(lost.extra().alleles.counts["barcode"])
