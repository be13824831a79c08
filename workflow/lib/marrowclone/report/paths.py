"""Which files the report reads and the run's record lists, as patterns under the working directory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

#: Read for every sample.
PER_SAMPLE: dict[str, str] = {
    "qc": "results/cells/{sample}.qc.tsv.gz",
    "qc_facts": "results/cells/{sample}.qc.json",
}
#: The QC page of a sample.
SAMPLE_PAGE = "results/report/samples/{sample}.html"
#: Read for every patient.
PER_PATIENT: dict[str, str] = {
    "clonality": "results/embedding/{patient}.clonality.tsv.gz",
    "groups": "results/embedding/{patient}.groups.tsv",
    "drivers": "results/embedding/{patient}.drivers.tsv",
    "identity": "results/embedding/{patient}.identity.tsv",
    "reference": "results/copy_number/{patient}.reference.tsv",
    "malignant": "results/copy_number/{patient}.malignant.tsv.gz",
    "call_rates": "results/copy_number/{patient}.calls.tsv",
    "arms": "results/copy_number/{patient}.arms.tsv",
    "panel": "results/copy_number/{patient}.panel.tsv",
    "clone_cells": "results/clones/{patient}.cells.tsv.gz",
    "profiles": "results/clones/{patient}.profiles.tsv",
    "selection": "results/clones/{patient}.selection.tsv",
    "summary": "results/clones/{patient}.summary.tsv",
    "markers": "results/clones/{patient}.markers.tsv.gz",
    "tree": "results/evolution/{patient}.tree.tsv",
    "fractions": "results/evolution/{patient}.fractions.tsv",
    "burden": "results/evolution/{patient}.burden.tsv",
    "dynamics": "results/evolution/{patient}.dynamics.tsv",
    "latent": "results/evolution/{patient}.latent.tsv",
    "course": "results/evolution/{patient}.course.tsv",
    "state": "results/evolution/{patient}.state.tsv",
    "labels": "results/evolution/{patient}.labels.tsv",
    "trajectory": "results/evolution/{patient}.trajectory.tsv",
    "resistance": "results/evolution/{patient}.resistance.tsv",
}
#: Read once.
PER_COHORT: dict[str, str] = {
    "cells": "results/embedding/cells.tsv.gz",
    "microenvironment": "results/embedding/microenvironment.tsv",
    "landmarks": "results/cure/landmarks.tsv",
    "qol": "results/cure/qol.tsv",
    "risk": "results/cure/risk.tsv",
    "changes": "results/cure/changes.tsv",
    "sensitivity": "results/cure/sensitivity.tsv",
}
#: Read for the comparison with the truth.
COMPARED: tuple[str, ...] = ("malignant", "clone_cells", "arms", "fractions", "burden")
#: Contract files beside what the pages read.
UNREAD: tuple[str, ...] = (
    "results/cells/{sample}.counts.h5ad",
    "results/cells/{sample}.ambient.tsv.gz",
    "results/cells/{sample}.ambient.json",
    "results/embedding/latent.parquet",
    "results/embedding/training.tsv",
    "results/embedding/clusters.tsv",
    "results/embedding/integration.json",
    "results/copy_number/{patient}.signal.h5ad",
    "results/clones/{patient}.seg",
    "results/clones/{patient}.pseudobulk.tsv.gz",
    "results/evolution/{patient}.nwk",
    "results/evolution/{patient}.draws.parquet",
    "results/cure/qol_change.tsv",
    "results/cure/completion.tsv",
    "results/cure/outlook.tsv",
    "results/cure/foretold.tsv",
)
#: Files of the samples whose counts are freed of ambient RNA, where that option is on.
OF_DENOISED: tuple[str, ...] = ("results/cells/{sample}.denoised.h5ad", "results/cells/{sample}.denoised.json")
#: Files of the patients that have allele counts, by field of the report's patient.
OF_ALLELES: dict[str, str] = {"alleles": "results/clones/{patient}.alleles.tsv"}
#: Columns of the sample sheet that name files.
SHEET_PATHS = ("path", "raw_path", "vdj", "alleles", "mtdna", "cell_types")


def sample_link(sample: str) -> str:
    """Address of a sample's page, as the pages in ``report/`` link to it."""
    return f"samples/{quote(sample)}.html"


def patient_link(patient: str) -> str:
    """Address of a patient's page, as the cohort's page links to it."""
    return f"{quote(patient)}.html"


def fill(patterns: Iterable[str], samples: Sequence[str], patients: Sequence[str]) -> list[str]:
    """Every pattern for every sample or patient that it names; as it stands when it names none."""
    return [
        pattern.format(sample=sample, patient=patient)
        for pattern in patterns
        for sample in (samples if "{sample}" in pattern else [""])
        for patient in (patients if "{patient}" in pattern else [""])
    ]


def contract_outputs(
    samples: Sequence[str],
    patients: Sequence[str],
    denoised: Sequence[str] = (),
    with_alleles: Sequence[str] = (),
) -> list[str]:
    """Every file that others may read, but for the pages and the record of the run.

    ``denoised``: the samples that have :data:`OF_DENOISED`; ``with_alleles``: the patients with :data:`OF_ALLELES`.
    """
    always = [*PER_SAMPLE.values(), *PER_PATIENT.values(), *PER_COHORT.values(), *UNREAD]
    return (
        fill(always, samples, patients) + fill(OF_DENOISED, denoised, []) + fill(OF_ALLELES.values(), [], with_alleles)
    )


def sheet_rows(samples: Any) -> list[dict[str, Any]]:
    """The cohort's sample sheet (indexed by sample) as plain rows: Snakemake tracks no frames."""
    return [
        {str(k): int(v) if k == "day" else str(v) for k, v in row.items()}
        for row in samples.reset_index().to_dict("records")
    ]


def user_files(
    sheet: str, rows: Sequence[Mapping[str, Any]], clinical: Mapping[str, str | None], truth: Sequence[str]
) -> list[str]:
    """What the user gave: the sheet, the files that it names, the clinical tables, the truth."""
    named = [str(row[c]) for row in rows for c in SHEET_PATHS if row.get(c)]
    return sorted({sheet, *named, *truth, *(path for path in clinical.values() if path)})
