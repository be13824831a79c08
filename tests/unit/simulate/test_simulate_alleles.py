"""Alleles and mitochondrial variants beside the counts: what each clone lost is what its reads show."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from marrowclone.errors import InputProblems
from marrowclone.simulate import simulate
from marrowclone.simulate.allele_counts import COLUMNS
from marrowclone.simulate.events import arm_states
from marrowclone.simulate.folder import write_cohort
from marrowclone.simulate.germline import genotype
from marrowclone.simulate.haplotypes import haplotype_copies
from marrowclone.simulate.mitochondria import variant_levels
from unit.simulate.simulate_cases import one_patient

CLONES = {
    "A": {"events": ["-13q", "+9"], "fraction": 0.5},
    "B": {"parent": "A", "events": ["cnloh7"], "fraction": 0.5},
}
CLEAN = {"normal_plasma": 0.2, "empty": 0, "dying": 0, "doublet_rate": 0, "ambient": [0, 0]}


def spec(**capture):
    sample = {"timepoint": "diagnosis", "day": 0, "cells": 240, "plasma_fraction": 1.0, "alleles": True, "mtdna": True}
    return one_patient(clones=CLONES, samples=[{**sample, "capture": {**CLEAN, **capture}}])


@pytest.fixture(scope="module")
def cohort():
    return simulate(spec())


@pytest.fixture(scope="module")
def capture(cohort):
    return dict(cohort.captures())["P_diagnosis"]


@pytest.fixture(scope="module")
def reads(cohort, capture):
    """Reads with the clone of their cell, and of the allele that lies on chromosome a."""
    table = cohort.alleles("P_diagnosis", capture)
    own = genotype("P", seed=3).set_index("snp")
    table = table.merge(capture.cells.rename(columns={"barcode": "cell"})[["cell", "clone", "malignant"]], on="cell")
    on_a, on_b = (table["snp_id"].map(own[c]).to_numpy(bool) for c in ("alt_on_a", "alt_on_b"))
    table = table.assign(a=np.where(on_a, table["AD"], table["DP"] - table["AD"]))
    return table[on_a != on_b]


def share(reads: pd.DataFrame, clone: str, chromosome: str) -> float:
    """Share of the chromosome that has more reads."""
    mine = reads[(reads["clone"] == clone) & (reads["CHROM"] == chromosome)]
    x = mine["a"].sum() / mine["DP"].sum()
    return float(max(x, 1 - x))


def test_clones_show_what_they_lost(reads):
    """About 2,000 reads per clone and chromosome, in bursts and uneven genes: SD about .03; LOH leaves misread bases."""
    assert share(reads, "B", "7") > 0.98
    assert share(reads, "A", "7") < 0.6
    assert share(reads, "A", "13") > 0.98 and share(reads, "B", "13") > 0.98
    assert 0.58 < share(reads, "A", "9") < 0.76  # two of three copies
    assert share(reads, "", "7") < 0.6 and share(reads, "", "13") < 0.62  # normal plasma cells


def test_soup_and_empty_droplets_bring_back_what_was_lost():
    cohort = simulate(spec(ambient=[0.3, 0.3], empty=0.2))
    (_, capture), *_ = cohort.captures()
    table = cohort.alleles("P_diagnosis", capture)
    empty = set(capture.cells.loc[capture.cells["quality"] == "empty", "barcode"])
    assert empty & set(table["cell"])
    b = set(capture.cells.loc[capture.cells["clone"] == "B", "barcode"])
    lost = table[table["cell"].isin(b) & (table["CHROM"] == "7")]
    minor = np.minimum(lost["AD"], lost["DP"] - lost["AD"]).sum() / lost["DP"].sum()
    assert minor > 0.03


def test_the_table_is_numbats_form_and_no_read_is_counted_twice(cohort, capture, reads):
    table = cohort.alleles("P_diagnosis", capture)
    assert tuple(table.columns) == COLUMNS
    assert not table.duplicated(["cell", "snp_id"]).any()
    assert ((table["AD"] >= 0) & (table["AD"] <= table["DP"]) & (table["DP"] > 0)).all()
    assert set(table["GT"]) == {"0|1", "1|0"}
    assert table["cell"].isin(set(capture.cells["barcode"])).all()
    # depth follows the counts: cells with more molecules have more reads
    depth = table.groupby("cell")["DP"].sum().reindex(capture.cells["barcode"]).fillna(0)
    assert np.corrcoef(depth, np.asarray(capture.counts.sum(axis=1)).ravel())[0, 1] > 0.7
    assert 100 < depth.median() < 800


def test_phase_switches_now_and_then(reads):
    """Phase by GT agrees with the truth along stretches: neighbours nearly always, across a chromosome by chance."""
    own = genotype("P", seed=3)
    own = own[own["alt_on_a"] != own["alt_on_b"]]
    as_a = (own["gt"] == "1|0") == own["alt_on_a"]
    near = own["position"].diff().between(0, 100_000).to_numpy()
    agree = (as_a == as_a.shift()).to_numpy()
    assert 0.95 < agree[near].mean() < 0.995
    assert 0.2 < as_a.mean() < 0.8


def test_haplotypes_add_up_to_the_arm_states_and_are_inherited():
    clones = {
        "A": {"parent": "", "events": ["+9", "amp1q", "-13q", "-17"]},
        "B": {"parent": "A", "events": ["cnloh9q", "-17p", "cnloh7"]},
        "C": {"parent": "B", "events": ["+7q", "-9q"]},
    }
    copies = haplotype_copies(clones, patient="P", seed=1)
    states = arm_states({c: v["events"] for c, v in clones.items()}, {c: v["parent"] for c, v in clones.items()})
    for name, table in copies.items():
        pd.testing.assert_series_equal(table.sum(axis=1), states.loc[name], check_names=False, check_dtype=False)
        assert (table.to_numpy() >= 0).all()
    assert sorted(copies["A"].loc["9p"]) == [1, 2] and sorted(copies["A"].loc["1q"]) == [1, 3]
    assert sorted(copies["B"].loc["9q"]) == [0, 3] and sorted(copies["B"].loc["7p"]) == [0, 2]
    # what is lost does not come back
    assert sorted(copies["C"].loc["7q"]) == [0, 3] and sorted(copies["C"].loc["9q"]) == [0, 2]
    assert copies["B"].loc["17p"].tolist() == [0, 0]


def test_truth_has_the_rarer_chromosome(cohort):
    arms = cohort.truth()["arms"].set_index(["clone", "chromosome", "arm"])
    assert arms.loc[("B", "chr7", "p"), ["state", "minor"]].tolist() == [2, 0]
    assert arms.loc[("A", "chr7", "p"), "minor"] == 1 and arms.loc[("A", "chr13", "q"), "minor"] == 0


def test_mitochondrial_variants_part_the_clones(cohort, capture):
    levels = variant_levels(cohort.spec["patients"]["P"]["clones"], patient="P", seed=3)
    new = levels.index[(levels["A"] < 0.01) & (levels["B"] > 0.1)]
    assert len(new) >= 1
    table = cohort.mtdna("P_diagnosis", capture).merge(capture.cells, left_on="cell", right_on="barcode")
    sums = table[table["variant"].isin(new)].groupby(["variant", "clone"])[["AD", "DP"]].sum()
    seen = (sums["AD"] / sums["DP"]).unstack("clone")
    assert (seen["A"] < 0.02).all() and (abs(seen["B"] - levels.loc[seen.index, "B"]) < 0.1).all()
    germline = levels.index[levels[""] > 0.9]
    mine = table[table["variant"].isin(germline)]
    assert mine["AD"].sum() / mine["DP"].sum() > 0.98


def test_files_are_written_the_same_and_named_in_the_sheet(cohort, tmp_path):
    for folder in ("one", "two"):
        write_cohort(cohort, tmp_path / folder)
    for name in ("data/P_diagnosis.alleles.tsv.gz", "data/P_diagnosis.mtdna.tsv.gz", "config/samples.tsv"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    sheet = pd.read_csv(tmp_path / "one/config/samples.tsv", sep="\t")
    assert sheet["alleles"].tolist() == ["data/P_diagnosis.alleles.tsv.gz"]


def test_alleles_change_no_count(cohort, capture):
    without = spec()
    without["patients"]["P"]["samples"][0] |= {"alleles": False, "mtdna": False}
    ((_, other),) = simulate(without).captures()
    assert (other.counts != capture.counts).nnz == 0


def test_an_event_that_is_none_is_refused():
    with pytest.raises(InputProblems, match=r"cnloh7p"):
        simulate(one_patient(clones={"A": {"events": ["loh7"], "fraction": 1.0}}))
