"""Small patients, made inline."""

from pathlib import Path

import pandas as pd
import pytest
import yaml

from marrowclone.clinical import COLUMNS, read_clinical

SCHEMA = Path(__file__).resolve().parents[3] / "workflow" / "schemas" / "evolution.schema.yaml"


@pytest.fixture(scope="session")
def defaults():
    """Default settings of each rule, from the schema; fewer draws."""
    rules = yaml.safe_load(SCHEMA.read_text())["properties"]
    values = {rule: {k: v["default"] for k, v in s.get("properties", {}).items()} for rule, s in rules.items()}
    values["estimate_fractions"]["draws"] = 1000
    return values


@pytest.fixture
def clinical():
    """Make a clinical table: ``clinical("mrd", [{...}])``, typed as in a job."""

    def make(name, rows=()):
        empty = read_clinical(None, name)
        if not rows:
            return empty
        frame = pd.DataFrame([{c: row.get(c) for c in COLUMNS[name]} for row in rows])
        for column, kind in empty.dtypes.items():
            frame[column] = frame[column].fillna("") if kind == "object" else frame[column].astype(kind)
        return frame

    return make


@pytest.fixture
def cohort():
    """Cells of a patient ``P``: ``cohort({sample: (n_cells, n_normal, {clone: n})}, posterior=1.0)``."""

    def make(samples, posterior=1.0):
        kept, malignant, clones = [], [], []
        for sample, (n_cells, n_normal, sizes) in samples.items():
            names = [f"{sample}:{i:06d}" for i in range(n_cells)]
            labels = [c for c, n in sizes.items() for _ in range(n)]
            kept += [(n, sample) for n in names]
            for name, clone in zip(names, labels, strict=False):
                malignant.append((name, sample, "malignant"))
                clones.append((name, sample, clone, posterior if clone else float("nan")))
            malignant += [(n, sample, "normal") for n in names[len(labels) : len(labels) + n_normal]]
        return {
            "kept": pd.DataFrame(kept, columns=["cell", "sample"]),
            "malignant": pd.DataFrame(malignant, columns=["cell", "sample", "call"]),
            "clone_cells": pd.DataFrame(clones, columns=["cell", "sample", "clone", "posterior"]),
        }

    return make
