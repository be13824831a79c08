"""From a job's inputs to the tables of a patient: which of the files are whose."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from ..clinical import read_clinical
from .facts import versions
from .gather import Patient, read_patient
from .record import code_hashes

CLINICAL = ("mrd", "imaging", "response", "therapy", "cytogenetics", "pro", "outcome")
#: A patient's files by field of :class:`~marrowclone.report.gather.Patient`: what follows ``{patient}.``.
SUFFIXES: dict[str, str] = {
    "clonality": "clonality.tsv.gz",
    "groups": "groups.tsv",
    "drivers": "drivers.tsv",
    "identity": "identity.tsv",
    "reference": "reference.tsv",
    "malignant": "malignant.tsv.gz",
    "call_rates": "calls.tsv",
    "arms": "arms.tsv",
    "panel": "panel.tsv",
    "clone_cells": "cells.tsv.gz",
    "profiles": "profiles.tsv",
    "alleles": "alleles.tsv",
    "selection": "selection.tsv",
    "summary": "summary.tsv",
    "markers": "markers.tsv.gz",
    "tree": "tree.tsv",
    "fractions": "fractions.tsv",
    "burden": "burden.tsv",
    "dynamics": "dynamics.tsv",
    "latent": "latent.tsv",
    "course": "course.tsv",
    "state": "state.tsv",
    "labels": "labels.tsv",
    "trajectory": "trajectory.tsv",
    "resistance": "resistance.tsv",
}


def as_list(value: Any) -> list[str]:
    """One path, several or none, as a list."""
    return [] if value is None else [value] if isinstance(value, str) else [str(v) for v in value]


def files_of(name: str, inputs: Any) -> dict[str, str]:
    """The patient's files among a job's inputs (which may hold those of other patients too)."""
    found = {}
    for field, suffix in SUFFIXES.items():
        mine = [p for p in as_list(inputs.get(field)) if Path(p).name == f"{name}.{suffix}"]
        if mine:
            found[field] = mine[0]
    for field in ("cells", "microenvironment", "landmarks", "qol", "risk", "changes", "sensitivity"):
        shared = as_list(inputs.get(field))
        if shared:
            found[field] = shared[0]
    return found


def clinical_tables(inputs: Any) -> dict[str, pd.DataFrame]:
    """Every clinical table; empty where the user has none."""
    return {name: read_clinical(next(iter(as_list(inputs.get(name))), None), name) for name in CLINICAL}


def patient_of(name: str, inputs: Any, params: Any, clinical: Mapping[str, pd.DataFrame]) -> Patient:
    """One patient's tables from a job's inputs; ``params.samples`` are rows of the sample sheet."""
    samples = [s for s in params.samples if s["patient"] == name]
    own = {s["sample"] for s in samples}
    qc = [p for p in as_list(inputs.get("qc")) if Path(p).name.removesuffix(".qc.tsv.gz") in own]
    qc_facts = [p for p in as_list(inputs.get("qc_facts")) if Path(p).name.removesuffix(".qc.json") in own]
    return read_patient(
        name, samples=samples, qc=qc, qc_facts=qc_facts, paths=files_of(name, inputs), clinical=clinical
    )  # fmt: skip


def facts(config: Mapping[str, Any]) -> dict[str, Any]:
    """What a page says of the run: versions, settings, seed, code."""
    return {"versions": versions(), "settings": dict(config), "seed": config.get("seed"), "code": code_hashes()}
