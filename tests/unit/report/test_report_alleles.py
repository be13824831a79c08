"""Alleles on the patient's page: which arms lost one, what it rests on, and which evidence the clones stand on."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pandas as pd
import pytest

import results_factory as factory
from marrowclone.keys import TABLES
from marrowclone.report.alleles import allele_note, allele_table, allele_words, evidence_note
from marrowclone.report.gather import EVIDENCE, Patient, read_patient
from marrowclone.report.sections import clones_section, copy_number_section


def row(clone: str, arm: str, call: str, share: float, posterior: float = 0.99) -> dict[str, object]:
    return {
        "clone": clone, "chromosome": f"chr{arm[:-1]}", "arm": arm[-1], "call": call, "posterior": posterior,
        "b_allele": share, "lower": share - 0.03, "upper": share + 0.03, "state": 2.0, "n_snps": 60, "n_reads": 900,
        "n_cells": 80,
    }  # fmt: skip


ALLELES = pd.DataFrame(
    [
        row("c1", "13q", "LOH", 0.96), row("c1", "7p", "balanced", 0.51), row("c1", "7q", "balanced", 0.51),
        row("c1", "9q", "imbalance", 0.66), row("c2", "13q", "LOH", 0.96), row("c2", "7q", "copy-neutral LOH", 0.95),
        row("c2", "7p", "copy-neutral LOH", 0.95), row("c2", "9q", "not called", 0.6, 0.55),
    ],
    columns=list(TABLES["clones.alleles"]),
)  # fmt: skip


def summary(note: str) -> pd.DataFrame:
    rows = [{"clone": "c1", "note": note}, {"clone": "c2", "evidence": "alleles 7p: 0.95 (nearest 0.50)", "note": ""}]
    return pd.DataFrame(rows, columns=list(EVIDENCE["summary"]))


def test_losses_are_named_by_clone_in_the_order_of_the_genome() -> None:
    assert allele_words(ALLELES, "c2") == "copy-neutral LOH 7p, 7q; LOH 13q"
    assert allele_words(ALLELES, "c1") == "LOH 13q; imbalance 9q"
    assert allele_words(ALLELES, "c3") == "–"
    assert allele_words(ALLELES[ALLELES["call"] == "balanced"], "c1") == "all balanced that were called"


def test_the_table_leaves_balanced_arms_out_and_counts_them() -> None:
    table = allele_table(ALLELES)
    assert [r[:3] for r in table.rows] == [
        ["c1", "9q", "imbalance"], ["c1", "13q", "LOH"], ["c2", "7p", "copy-neutral LOH"],
        ["c2", "7q", "copy-neutral LOH"], ["c2", "9q", "not called"], ["c2", "13q", "LOH"],
    ]  # fmt: skip
    assert {len(r) for r in table.rows} == {len(table.columns)}
    note = allele_note(ALLELES)
    assert "4 arms" in note and "2 calls balanced, 5 not, 1 not sure" in note and "simulated alleles only" in note


@pytest.mark.parametrize(
    ("note", "said"),
    [
        ("", "Evidence for the clones: copy number alone"),
        ("a group was merged: 5 cells", "Evidence for the clones: copy number alone"),
        (
            "a group was merged: 5 cells; evidence used: alleles (7p, 7q), mtDNA (nothing that parts the cells)",
            "copy number, and beside it alleles (7p, 7q), mtDNA (nothing that parts the cells).",
        ),
    ],
)
def test_the_evidence_that_was_used_is_said(note: str, said: str) -> None:
    samples = pd.DataFrame({"sample": ["P1_dx"], "timepoint": ["diagnosis"]})
    assert said in evidence_note(Patient(name="P1", samples=samples, summary=summary(note)))
    assert evidence_note(Patient(name="P1", samples=samples)) == ""


def test_the_page_shows_alleles_where_there_are_some_and_nothing_where_not(tmp_path: Path) -> None:
    results = factory.make_results(tmp_path)

    def patient() -> Patient:
        return read_patient(
            "P1", samples=results.records("P1"), qc=results.qc("P1"), paths=results.paths("P1"),
            clinical=results.clinical,
        )  # fmt: skip

    bare = copy_number_section(patient(), noun="plasma cell")
    events = next(t for t in bare.tables if "Events" in t.columns[1])
    assert list(events.columns) == ["Clone", "Events (arm × copies per cell)"]
    assert "nor copy-neutral losses" in bare.how and not any("Allele counts" in n for n in bare.notes)

    path = Path(results.paths("P1")["profiles"]).with_name("P1.alleles.tsv")
    ALLELES.to_csv(path, sep="\t", index=False)
    results_paths = {**results.paths("P1"), "alleles": str(path)}
    with_alleles = read_patient(
        "P1", samples=results.records("P1"), qc=results.qc("P1"), paths=results_paths, clinical=results.clinical
    )
    section = copy_number_section(with_alleles, noun="plasma cell")
    events = next(t for t in section.tables if "Events" in t.columns[1])
    assert events.columns[2] == "Alleles"
    assert {r[0]: r[2] for r in events.rows}["c2"] == "copy-neutral LOH 7p, 7q; LOH 13q"
    assert any(n.startswith("Allele counts: ") for n in section.notes)
    assert "nor copy-neutral losses" not in section.how
    told = clones_section(dataclasses.replace(with_alleles, summary=summary("")))
    assert any(n.startswith("Evidence for the clones: ") for n in told.notes)
    nearest = next(t for t in told.tables if "Nearest" in t.columns)
    assert [r[nearest.columns.index("Evidence")] for r in nearest.rows] == ["–", "alleles 7p: 0.95 (nearest 0.50)"]
