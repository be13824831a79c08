from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import yaml

from conftest import ROOT
from marrowclone.errors import UserError
from marrowclone.resources import gene_table
from marrowclone.simulate.events import arm_names
from marrowclone.simulate.impose import main, read_imposed
from marrowclone.simulate.imposed import Imposed, check_imposed
from marrowclone.simulate.profiles import gene_arms
from marrowclone.simulate.real_cells import RealCells, gate, read_real
from marrowclone.simulate.thinning import dosage_power, keep_probability, thin
from marrowclone.simulate.writers import write_counts

EXAMPLE = ROOT / "tests" / "cohorts" / "imposed.yaml"


def real_cells(n: int = 400, seed: int = 1) -> RealCells:
    """Poisson counts of 3,000 genes spread over the genome, as if they were diploid T cells."""
    rng = np.random.default_rng(seed)
    genes = np.sort(rng.choice(np.flatnonzero(gene_arms() >= 0), size=3000, replace=False))
    block = sp.csr_matrix(rng.poisson(1.5, size=(n, genes.size)).astype(np.int32))
    counts = sp.csr_matrix((block.data, genes[block.indices], block.indptr), shape=(n, len(gene_table())))
    types = np.array(["cd4_t"] * (n - 50) + ["cd8_t"] * 50)
    return RealCells(counts, np.array([f"cell{i:05d}" for i in range(n)]), types)


def spec(**changes) -> dict:
    patient = {
        "clones": {"A": {"events": ["-13q", "+1q"]}, "B": {"parent": "A", "events": ["amp11q", -8]}},
        "samples": [
            {"timepoint": "diagnosis", "day": 0, "cells": 250, "malignant": 0.8, "fractions": {"A": 0.5, "B": 0.5}}
        ],
    }
    return {"name": "x", "seed": 5, "donors": {"N1": 60}, "patients": {"P": patient}} | changes


def test_dosage_is_a_power_of_the_copies():
    # (3/2)^.8 = 1.383, (1/2)^.8 = .574: worked by hand
    assert dosage_power(np.array([0, 1, 2, 3, 4]), exponent=0.8) == pytest.approx(
        [0, 0.5743, 1, 1.3832, 1.7411], abs=1e-4
    )


def test_the_ceiling_includes_normal_cells():
    """Without a gain anywhere normal cells keep everything; with one they lose what the gain stands above."""
    keep = keep_probability(np.array([[1.0, 3.0, 2.0]]), exponent=1.0)
    assert keep[0] == pytest.approx([0.5, 1.0, 1.0])  # the clone: loss halves, gain is the ceiling
    assert keep[1] == pytest.approx([1.0, 2 / 3, 1.0])  # normal cells: only the gained gene is thinned


def test_thinning_takes_away_only_and_in_the_stated_share():
    rng = np.random.default_rng(0)
    counts = sp.csr_matrix(rng.poisson(4.0, size=(500, 40)).astype(np.int32))
    kind = np.repeat([0, 1], 250)
    keep = np.vstack([np.full(40, 0.6), np.ones(40)])
    thinned = thin(counts, kind, keep, np.random.default_rng(1))
    assert (thinned > counts).nnz == 0
    assert (thinned[250:] != counts[250:]).nnz == 0  # keep 1: byte for byte
    share = thinned[:250].sum() / counts[:250].sum()
    assert share == pytest.approx(0.6, abs=4 * np.sqrt(0.24 / counts[:250].sum()))  # 4 binomial SE


def test_clones_show_their_copies_against_normal_cells():
    """Independently of the code that thins: ratios of sums per arm against (c / 2)^.8 of the truth table."""
    cohort = Imposed(check_imposed(spec()), real_cells())
    (name, capture), *_ = cohort.captures()
    assert name == "P_diagnosis"
    tumour_type = (capture.cells["cell_type"] == "cd4_t").to_numpy()
    clone = capture.cells["clone"].to_numpy()
    arms = gene_arms()
    sums = {
        k: np.bincount(arms[arms >= 0], weights=np.asarray(capture.counts[rows].sum(axis=0)).ravel()[arms >= 0])
        / rows.sum()
        for k, rows in (("A", clone == "A"), ("B", clone == "B"), ("", (clone == "") & tumour_type))
    }
    truth = cohort.truth()["arms"]
    for k in ("A", "B"):
        mine = truth[truth["clone"] == k]
        state = dict(zip(mine["chromosome"].str[3:] + mine["arm"], mine["state"], strict=True))
        for i, arm in enumerate(arm_names()):
            n = sums[""][i] * (clone == "").sum()
            if i >= len(sums[k]) or n < 400:
                continue
            expected = (state[arm] / 2) ** 0.8
            error = 4 * np.sqrt(2 / n + 2 / max(sums[k][i] * (clone == k).sum(), 1))  # ratio of two sums, 4 SE
            assert sums[k][i] / sums[""][i] == pytest.approx(expected, rel=error), (k, arm)
    assert dict(zip(truth["chromosome"].str[3:] + truth["arm"], truth["state"], strict=True))["8p"] == 1  # of B, last


def test_donors_and_cohorts_without_gains_keep_their_counts():
    cells = real_cells()
    losses = spec()
    losses["patients"]["P"]["clones"] = {"A": {"events": ["-13q"]}}
    losses["patients"]["P"]["samples"][0]["fractions"] = {}
    captures = dict(Imposed(check_imposed(losses), cells).captures())
    row = {b: i for i, b in enumerate(cells.barcodes)}
    for capture in captures.values():
        normal = (capture.cells["clone"] == "").to_numpy()
        original = cells.counts[[row[b] for b in capture.cells["barcode"][normal]]]
        assert (capture.counts[np.flatnonzero(normal)] != original).nnz == 0


def test_each_real_cell_is_used_once_and_a_seed_is_a_cohort():
    first = dict(Imposed(check_imposed(spec()), real_cells()).captures())
    again = dict(Imposed(check_imposed(spec()), real_cells()).captures())
    other = dict(Imposed(check_imposed(spec(seed=6)), real_cells()).captures())
    used = pd.concat([c.cells["barcode"] for c in first.values()])
    assert used.is_unique
    for name, capture in first.items():
        assert (capture.counts != again[name].counts).nnz == 0
        assert list(capture.cells["barcode"]) != list(other[name].cells["barcode"])


def test_too_few_cells_is_a_message_that_counts_them():
    many = spec(donors={"N1": 5000})
    with pytest.raises(UserError, match=r"ask for 5250 cells of cd4_t, and there are 350\. Hint: .*cd8_t"):
        _ = Imposed(check_imposed(many), real_cells()).rows


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": -1}, "seed: found '-1'"),
        ({"donors": {"P": 5}}, "donors.P: a patient has this name"),
        ({"patients": {"P": {"clones": {}, "samples": []}}}, "patients.P.clones: no clone is named"),
        ({"typo": 1}, "typo: unknown key"),
    ],
)
def test_problems_are_named_by_their_key(change, message):
    with pytest.raises(UserError, match=message):
        check_imposed(spec(**change))


def test_a_clone_that_is_its_own_ancestor_and_an_impossible_event_are_told():
    bad = spec()
    bad["patients"]["P"]["clones"] = {"A": {"parent": "B", "events": []}, "B": {"parent": "A", "events": ["+99"]}}
    with pytest.raises(UserError, match="chromosome from 1 to 22"):
        check_imposed(bad)
    bad["patients"]["P"]["clones"]["B"]["events"] = []
    with pytest.raises(UserError, match="its own ancestor"):
        check_imposed(bad)


def test_the_command_writes_a_folder_that_the_pipeline_accepts(tmp_path, capsys):
    cells = real_cells(300)
    genes = gene_table()[["gene_id", "symbol"]]
    write_counts(tmp_path / "c.h5ad", cells.counts, barcodes=list(cells.barcodes), genes=genes, format="h5ad")
    labels = pd.DataFrame({"barcode": cells.barcodes, "label": cells.types})
    labels.to_csv(tmp_path / "labels.tsv", sep="\t", index=False)
    wanted = spec(donors={"N1": 30})
    wanted["patients"]["P"]["samples"][0]["cells"] = 150
    (tmp_path / "spec.yaml").write_text(yaml.safe_dump(wanted))
    out = tmp_path / "out"
    call = [str(tmp_path / "spec.yaml"), "--counts", str(tmp_path / "c.h5ad"), "--labels", str(tmp_path / "labels.tsv")]
    assert main([*call, "--out", str(out)]) == 0
    assert main([*call, "--out", str(out)]) == 1  # what is there is left alone
    assert "is there already" in capsys.readouterr().err
    run = subprocess.run(
        [sys.executable, "-m", "snakemake", "-n", "-q", "--snakefile", str(ROOT / "Snakefile"), "--directory", str(out),
         "--configfile", str(out / "config" / "config.yaml")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr + run.stdout


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.h5ad", None, "no such file or folder"),
        ("rubbish.h5", b"not an h5 file", "not readable as 10x folder"),
    ],
)
def test_counts_that_cannot_be_read(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=message):
        read_real(tmp_path / name)


def test_the_gate_leaves_out_what_is_doubtful():
    place = {s: i for i, s in enumerate(gene_table()["symbol"])}
    dense = np.zeros((4, len(place)), dtype=np.int32)
    dense[0, [place["CD3D"], place["CD8A"]]] = 2
    dense[1, place["CD3E"]] = 1
    dense[2, [place["CD3D"], place["MS4A1"]]] = 1  # a T-B doublet, or ambient RNA
    dense[3, place["GAPDH"]] = 9
    assert list(gate(sp.csr_matrix(dense))) == ["cd8_t", "cd4_t", "", ""]


def test_real_t_cells_carry_the_imposed_events(data):
    """On real cells: arms with an event stand apart from those without, in the stated direction and size."""
    cohort = read_imposed(EXAMPLE, data / "malt")
    _, capture = next(cohort.captures())
    truth = cohort.truth()["arms"].query("clone == 'A'")
    arms = gene_arms()
    tumour_type = (capture.cells["cell_type"] == "cd4_t").to_numpy()
    clone = capture.cells["clone"].to_numpy()
    sums = [
        np.bincount(arms[arms >= 0], weights=np.asarray(capture.counts[rows].sum(axis=0)).ravel()[arms >= 0]) + 0.5
        for rows in (np.flatnonzero(clone == "A"), np.flatnonzero((clone == "") & tumour_type))
    ]
    ratio = dict(zip(arm_names(), np.log2((sums[0] / sums[0].sum()) / (sums[1] / sums[1].sum())), strict=False))
    state = dict(zip(truth["chromosome"].str[3:] + truth["arm"], truth["state"], strict=True))
    plain = [ratio[a] for a in arm_names() if state[a] == 2 and sums[1][arm_names().index(a)] > 1500]
    assert np.median(np.abs(plain)) < 0.15  # some 70 real cells against 48: real programmes move arms, but not so far
    # log2 of (1/2)^.8 = -.8 and of (3/2)^.8 = .47, beside the median of the arms that have no event
    assert ratio["13q"] - np.median(plain) == pytest.approx(-0.8, abs=0.25)
    assert ratio["1q"] - np.median(plain) == pytest.approx(0.47, abs=0.25)
