"""What a page shows, read from the contract's tables: reading only, no counting."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from .. import tables
from ..keys import HEALTHY, TABLES

#: Columns of the sample sheet that the report shows.
SHEET_COLUMNS = ("sample", "patient", "timepoint", "day", "compartment", "sort", "batch", "chemistry", "prep")


#: Tables of evidence beside the contract: field of :class:`Patient` and the columns that the page shows.
EVIDENCE: dict[str, tuple[str, ...]] = {
    "selection": ("k", "bic", "smallest", "resolvable", "chosen", "note"),
    "summary": ("clone", "n_cells", "n_assigned", "nearest", "events", "d_prime", "misassignment", "evidence", "note"),
    "trajectory": ("from_day", "to_day", "label", "probability", "evidence"),
}
#: Columns that are text in one table and numbers in others.
TEXT: dict[str, tuple[str, ...]] = {"embedding.identity": ("value",)}


def empty(name: str) -> pd.DataFrame:
    """An empty frame with the columns of a contract table."""
    return pd.DataFrame(columns=list(TABLES[name]))


def read_one(name: str, path: str | Path | None) -> pd.DataFrame:
    """Read a contract table; an empty frame when there is no such file."""
    if not path or not Path(path).exists():
        return empty(name)
    return tables.read_result(path, text=TEXT.get(name, ()))


def read_many(name: str, paths: Iterable[str | Path]) -> pd.DataFrame:
    """Read a contract table of several samples as one, with the file's sample in column ``sample``."""
    frames = []
    for path in paths:
        frame = read_one(name, path)
        if "sample" not in frame.columns:
            frame.insert(0, "sample", Path(path).name.removesuffix(".qc.tsv.gz"))
        if len(frame):
            frames.append(frame)
    return pd.concat(frames, ignore_index=True) if frames else empty(name).assign(sample="")


def sheet(records: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """The sample sheet's rows as a frame in day order, all shown columns there."""
    frame = pd.DataFrame([dict(r) for r in records])
    for name in SHEET_COLUMNS:
        if name not in frame.columns:
            frame[name] = 0 if name == "day" else ""
    frame["day"] = frame["day"].astype(int)
    return frame.sort_values(["patient", "day", "sample"], kind="stable").reset_index(drop=True)


def read_facts(path: str | Path | None) -> dict[str, Any]:
    """A JSON file's facts; empty when there is no such file."""
    return dict(json.loads(Path(path).read_text(encoding="utf-8"))) if path and Path(path).is_file() else {}


def read_qc_facts(paths: Iterable[str | Path]) -> dict[str, dict[str, Any]]:
    """Sample -> what its ``qc.json`` holds; samples without one are left out."""
    return {Path(p).name.removesuffix(".qc.json"): read_facts(p) for p in paths if Path(p).is_file()}


@dataclass(frozen=True)
class Patient:
    """One patient's tables. Every frame is there, empty where nothing is known."""

    name: str
    samples: pd.DataFrame
    qc: pd.DataFrame = field(default_factory=lambda: empty("cells.qc").assign(sample=""))
    cells: pd.DataFrame = field(default_factory=lambda: empty("embedding.cells"))
    microenvironment: pd.DataFrame = field(default_factory=lambda: empty("embedding.microenvironment"))
    clonality: pd.DataFrame = field(default_factory=lambda: empty("embedding.clonality"))
    groups: pd.DataFrame = field(default_factory=lambda: empty("embedding.groups"))
    drivers: pd.DataFrame = field(default_factory=lambda: empty("embedding.drivers"))
    identity: pd.DataFrame = field(default_factory=lambda: empty("embedding.identity"))
    reference: pd.DataFrame = field(default_factory=lambda: empty("copy_number.reference"))
    malignant: pd.DataFrame = field(default_factory=lambda: empty("copy_number.malignant"))
    call_rates: pd.DataFrame = field(default_factory=lambda: empty("copy_number.calls"))
    arms: pd.DataFrame = field(default_factory=lambda: empty("copy_number.arms"))
    panel: pd.DataFrame = field(default_factory=lambda: empty("copy_number.panel"))
    clone_cells: pd.DataFrame = field(default_factory=lambda: empty("clones.cells"))
    profiles: pd.DataFrame = field(default_factory=lambda: empty("clones.profiles"))
    alleles: pd.DataFrame = field(default_factory=lambda: empty("clones.alleles"))
    markers: pd.DataFrame = field(default_factory=lambda: empty("clones.markers"))
    tree: pd.DataFrame = field(default_factory=lambda: empty("evolution.tree"))
    fractions: pd.DataFrame = field(default_factory=lambda: empty("evolution.fractions"))
    burden: pd.DataFrame = field(default_factory=lambda: empty("evolution.burden"))
    dynamics: pd.DataFrame = field(default_factory=lambda: empty("evolution.dynamics"))
    latent: pd.DataFrame = field(default_factory=lambda: empty("evolution.latent"))
    course: pd.DataFrame = field(default_factory=lambda: empty("evolution.course"))
    state: pd.DataFrame = field(default_factory=lambda: empty("evolution.state"))
    labels: pd.DataFrame = field(default_factory=lambda: empty("evolution.labels"))
    resistance: pd.DataFrame = field(default_factory=lambda: empty("evolution.resistance"))
    selection: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(EVIDENCE["selection"])))
    summary: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(EVIDENCE["summary"])))
    trajectory: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(EVIDENCE["trajectory"])))
    landmarks: pd.DataFrame = field(default_factory=lambda: empty("cure.landmarks"))
    qol: pd.DataFrame = field(default_factory=lambda: empty("cure.qol"))
    risk: pd.DataFrame = field(default_factory=lambda: empty("cure.risk"))
    changes: pd.DataFrame = field(default_factory=lambda: empty("cure.changes"))
    sensitivity: pd.DataFrame = field(default_factory=lambda: empty("cure.sensitivity"))
    clinical: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    warnings: Sequence[str] = ()
    qc_facts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def healthy(self) -> bool:
        """Whether this is a healthy donor."""
        return len(self.samples) > 0 and bool(self.samples["timepoint"].str.fullmatch(rf"{HEALTHY}(_\d+)?").all())

    def clinical_rows(self, name: str) -> pd.DataFrame:
        """This patient's rows of a clinical table, in day order; empty when there is none."""
        frame = self.clinical.get(name)
        if frame is None or not len(frame):
            return pd.DataFrame()
        rows = frame[frame["patient"] == self.name]
        day = "start" if name == "therapy" else "day"
        return rows.sort_values(day, kind="stable").reset_index(drop=True) if day in rows.columns else rows


#: Fields of :class:`Patient` that are one file per patient, with their contract table.
PATIENT_TABLES: dict[str, str] = {
    "clonality": "embedding.clonality",
    "groups": "embedding.groups",
    "drivers": "embedding.drivers",
    "identity": "embedding.identity",
    "reference": "copy_number.reference",
    "malignant": "copy_number.malignant",
    "call_rates": "copy_number.calls",
    "arms": "copy_number.arms",
    "panel": "copy_number.panel",
    "clone_cells": "clones.cells",
    "profiles": "clones.profiles",
    "alleles": "clones.alleles",
    "markers": "clones.markers",
    "tree": "evolution.tree",
    "fractions": "evolution.fractions",
    "burden": "evolution.burden",
    "dynamics": "evolution.dynamics",
    "latent": "evolution.latent",
    "course": "evolution.course",
    "state": "evolution.state",
    "labels": "evolution.labels",
    "resistance": "evolution.resistance",
}


def read_patient(
    name: str,
    *,
    samples: Sequence[Mapping[str, Any]],
    qc: Sequence[str],
    qc_facts: Sequence[str] = (),
    paths: Mapping[str, str],
    clinical: Mapping[str, pd.DataFrame],
) -> Patient:
    """Read one patient's tables.

    Parameters
    ----------
    samples
        the patient's rows of the sample sheet.
    qc
        paths of the QC tables of these samples; ``qc_facts`` of their ``qc.json``, whose warnings are ``warnings``.
    paths
        path by field: those of :data:`PATIENT_TABLES`, and the cohort's ``cells``,
        ``microenvironment``, ``landmarks``, ``qol``, ``risk``, ``changes`` and ``sensitivity``. Files that are not
        there give empty frames.
    clinical
        the cohort's clinical tables by name.
    """
    frames = {key: read_one(table, paths.get(key)) for key, table in PATIENT_TABLES.items()}
    for key, columns in EVIDENCE.items():
        path = Path(paths.get(key, ""))
        frames[key] = (tables.read_result(path) if path.is_file() else pd.DataFrame()).reindex(columns=list(columns))
    cells = read_one("embedding.cells", paths.get("cells"))
    around = read_one("embedding.microenvironment", paths.get("microenvironment"))
    landmarks = read_one("cure.landmarks", paths.get("landmarks"))
    qol = read_one("cure.qol", paths.get("qol"))
    risk = read_one("cure.risk", paths.get("risk"))
    changes = read_one("cure.changes", paths.get("changes"))
    varied = read_one("cure.sensitivity", paths.get("sensitivity"))
    facts = read_qc_facts(qc_facts)
    return Patient(
        name=name,
        samples=sheet(samples),
        qc=read_many("cells.qc", qc),
        cells=cells[cells["patient"] == name].reset_index(drop=True),
        microenvironment=around[around["patient"] == name].reset_index(drop=True),
        landmarks=landmarks[landmarks["patient"] == name].sort_values("day").reset_index(drop=True),
        qol=qol[qol["patient"] == name].sort_values("day", kind="stable").reset_index(drop=True),
        risk=risk[risk["patient"] == name].reset_index(drop=True),
        changes=changes[changes["patient"] == name].reset_index(drop=True),
        sensitivity=varied[varied["patient"] == name].reset_index(drop=True),
        clinical=clinical,
        warnings=[f"{name}: {text}" for name, mine in facts.items() for text in mine.get("warnings", [])],
        qc_facts=facts,
        **frames,
    )


def tumour_noun(types: Sequence[str]) -> str:
    """What the tumour-type cells are called: ``plasma cell`` unless the configuration says otherwise."""
    return "plasma cell" if list(types) == ["plasma"] else "tumour-type cell"
