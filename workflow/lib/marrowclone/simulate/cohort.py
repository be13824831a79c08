"""A whole cohort: courses, captures, sheet, clinical and truth tables. Nothing is written here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from ..keys import HEALTHY, cell_id
from . import questionnaires as pro
from .captures import Capture, Kinds, simulate_capture
from .clinical import COLUMNS, clinical_tables
from .dynamics import Course, run_course
from .events import arm_states
from .immunoglobulin import draw_clonotype
from .profiles import clone_profiles, normal_profiles
from .spec import check_spec
from .streams import stream
from .transcriptome import Transcriptome, build_transcriptome

SHEET_COLUMNS: tuple[str, ...] = (
    "sample", "patient", "timepoint", "day", "path", "format", "raw_path", "compartment", "sort", "batch", "chemistry",
    "prep", "vdj", "alleles", "cell_types",
)  # fmt: skip
CLINICAL_COLUMNS: dict[str, tuple[str, ...]] = {**COLUMNS, "pro": pro.COLUMNS}
TRUTH_COLUMNS: dict[str, tuple[str, ...]] = {
    "cells": ("cell", "sample", "patient", "cell_type", "malignant", "clone", "doublet"),
    "clones": ("patient", "clone", "parent", "events", "antigen_loss", "dormant", "resistant"),
    "arms": ("patient", "clone", "chromosome", "arm", "state"),
    "fractions": ("patient", "clone", "sample", "timepoint", "day", "fraction", "burden"),
    "patients": ("patient", "group", "subtype", "light_chain", "isotype", "cured"),
    "growth": ("patient", "clone", "from_day", "to_day", "therapy", "growth_per_month"),
}
_SUFFIX = {"10x_mtx": "", "10x_h5": ".h5", "h5ad": ".h5ad"}


@dataclass(frozen=True)
class Cohort:
    """A simulated cohort. Cheap to make; captures are drawn when asked for.

    Attributes
    ----------
    spec
        the checked specification with all defaults.
    """

    spec: Mapping[str, Any]

    @cached_property
    def transcriptome(self) -> Transcriptome:
        """Expression of normal cells, shared by all patients."""
        return build_transcriptome(self.spec["seed"])

    @cached_property
    def courses(self) -> dict[str, Course]:
        """Patient -> burdens of the clones, day by day."""
        return {
            name: run_course(p, name=name, seed=self.spec["seed"], last_day=last_day(p))
            for name, p in self.spec["patients"].items()
        }

    @cached_property
    def sheet(self) -> pd.DataFrame:
        """``samples.tsv``: :data:`SHEET_COLUMNS`, a row per capture."""
        rows = []
        for patient, p in self.spec["patients"].items():
            for i, s in enumerate(p["samples"]):
                name = sample_name(patient, p, i)
                rows.append(
                    {
                        "sample": name, "patient": patient, "timepoint": s["timepoint"], "day": s["day"],
                        "path": f"data/{name}{_SUFFIX[s['format']]}", "format": s["format"], "compartment": "BM",
                        "sort": s["sort"], "batch": s["batch"] or name, "chemistry": "10x-3p-v3", "prep": "fresh",
                    }
                )  # fmt: skip
        return pd.DataFrame(rows).reindex(columns=list(SHEET_COLUMNS)).fillna("")

    def profiles(self, patient: str) -> Kinds:
        """What this patient's captures can hold: mean profiles (CPM of non-Ig UMIs) and Ig."""
        seed, p = self.spec["seed"], self.spec["patients"][patient]
        expression = self.spec["expression"]
        normal = normal_profiles(
            self.transcriptome, patient=patient, sex=p["sex"], seed=seed, germline_sd=expression["germline_sd"]
        )
        clones = clone_profiles(
            normal["plasma"], self.transcriptome, p, patient=patient, seed=seed, expression=expression
        )
        clonotype = draw_clonotype(p["light_chain"], p["isotype"], stream(seed, "ig", patient)) if clones else None
        return Kinds(normal, clones, clonotype, {c: self._cycling(patient, c) for c in clones})

    def _cycling(self, patient: str, clone: str) -> float:
        """Share of cycling cells: .5 to 5%, dormant 0 to .1% (science Appendix A.6)."""
        settings = self.spec["patients"][patient]["clones"][clone]
        if settings["cycling"] is not None:
            return float(settings["cycling"])
        low, high = (0.0, 0.001) if settings["phenotype"] == "dormant" else (0.005, 0.05)
        return float(stream(self.spec["seed"], "cycling", patient, clone).uniform(low, high))

    def captures(self) -> Iterator[tuple[str, Capture]]:
        """Every sample's name with its counts and truth, in the order of the sheet."""
        for patient, p in self.spec["patients"].items():
            kinds = self.profiles(patient)
            for i, sample in enumerate(p["samples"]):
                name = sample_name(patient, p, i)
                yield (
                    name,
                    simulate_capture(
                        sample,
                        kinds,
                        self.transcriptome,
                        burden=self.courses[patient].at(sample["day"]),
                        rng=stream(self.spec["seed"], "sample", name),
                        batch_rng=stream(self.spec["seed"], "batch", sample["batch"] or name),
                    ),
                )

    def clinical(self) -> dict[str, pd.DataFrame]:
        """Clinical tables of all patients, by name (:data:`CLINICAL_COLUMNS`)."""
        parts: dict[str, list[pd.DataFrame]] = {name: [] for name in CLINICAL_COLUMNS}
        for patient, p in self.spec["patients"].items():
            course, seed = self.courses[patient], self.spec["seed"]
            tables = clinical_tables(p, course, name=patient, seed=seed)
            tables["pro"] = pro.questionnaires(p, course, name=patient, seed=seed)
            for name, table in tables.items():
                parts[name].append(table)
        return {n: stack(frames, CLINICAL_COLUMNS[n]) for n, frames in parts.items()}

    def truth(self) -> dict[str, pd.DataFrame]:
        """Truth tables by name (:data:`TRUTH_COLUMNS`), without ``cells``, which comes with the captures."""
        parts: dict[str, list[pd.DataFrame]] = {name: [] for name in TRUTH_COLUMNS if name != "cells"}
        for patient, p in self.spec["patients"].items():
            for name, table in patient_truth(patient, p, self.courses[patient]).items():
                parts[name].append(table)
        return {n: stack(frames, TRUTH_COLUMNS[n]) for n, frames in parts.items()}


def simulate(spec: Mapping[str, Any]) -> Cohort:
    """A cohort from a specification (as read from YAML; see ``docs/simulate.md``).

    Raises
    ------
    UserError
        when the specification has problems.
    """
    return Cohort(check_spec(spec))


def last_day(patient: Mapping[str, Any]) -> int:
    """Last day that is simulated: last contact, or 90 days after the last thing that is planned."""
    clinical = patient["clinical"]
    planned = [r["day"] for r in (*patient["samples"], *clinical["mrd"], *clinical["imaging"])]
    planned += [t["stop"] for t in patient["therapies"]]
    end = clinical["last_day"] if clinical["last_day"] is not None else max(planned) + 90
    return max(end, *planned)


def sample_name(patient: str, spec: Mapping[str, Any], index: int) -> str:
    """``P1_relapse``; the second healthy capture of a donor is ``H1_healthy_2``."""
    timepoint = spec["samples"][index]["timepoint"]
    if timepoint == HEALTHY and index > 0:
        timepoint = f"{HEALTHY}_{index + 1}"
    return f"{patient}_{timepoint}"


def patient_truth(name: str, patient: Mapping[str, Any], course: Course) -> dict[str, pd.DataFrame]:
    """Truth tables of one patient. A clone's fraction is empty on days without any tumour cell."""
    clones = patient["clones"]
    parents = {c: v["parent"] for c, v in clones.items()}
    table = pd.DataFrame(
        [
            {
                "patient": name, "clone": c, "parent": v["parent"], "events": ",".join(v["events"]),
                "antigen_loss": v["phenotype"] == "antigen_loss", "dormant": v["phenotype"] == "dormant",
                "resistant": v["phenotype"] in ("resistant", "antigen_loss"), "phenotype": v["phenotype"],
            }
            for c, v in clones.items()
        ]
    )  # fmt: skip
    states = arm_states({c: v["events"] for c, v in clones.items()}, parents)
    arms = states.rename_axis(index="clone").reset_index().melt(id_vars="clone", var_name="where", value_name="state")
    order = {c: i for i, c in enumerate(clones)}
    arms = arms.sort_values("clone", key=lambda c: c.map(order), kind="stable").reset_index(drop=True)
    arms.insert(0, "patient", name)
    arms["chromosome"], arms["arm"] = "chr" + arms["where"].str[:-1], arms["where"].str[-1]
    fractions = []
    for i, sample in enumerate(patient["samples"]):
        burden = course.at(sample["day"])
        total = burden.sum()
        fractions += [
            {
                "patient": name, "clone": c, "sample": sample_name(name, patient, i), "timepoint": sample["timepoint"],
                "day": sample["day"], "fraction": b / total if total > 0 else float("nan"), "burden": b,
            }
            for c, b in zip(course.clones, burden, strict=True)
        ]  # fmt: skip
    healthy = not clones
    who = {
        "patient": name, "group": patient["group"], "subtype": "" if healthy else patient["subtype"],
        "light_chain": "" if healthy else patient["light_chain"], "isotype": "" if healthy else patient["isotype"],
        "cured": patient["cured"], "last_day": last_day(patient),
    }  # fmt: skip
    growth = course.rates.copy()
    growth.insert(0, "patient", name)
    return {
        "clones": table, "arms": arms.drop(columns="where"), "fractions": pd.DataFrame(fractions),
        "patients": pd.DataFrame([who]), "growth": growth,
    }  # fmt: skip


def stack(frames: list[pd.DataFrame], columns: tuple[str, ...]) -> pd.DataFrame:
    """Tables of all patients below each other; the contract's columns are there even without rows."""
    frames = [f for f in frames if len(f)]
    if not frames:
        return pd.DataFrame(columns=list(columns))
    return pd.concat(frames, ignore_index=True)


def cell_truth(capture: Capture, *, sample: str, patient: str) -> pd.DataFrame:
    """Rows of ``truth/cells.tsv.gz`` of one capture."""
    table = capture.cells.copy()
    table["cell"] = [cell_id(sample, b) for b in table.pop("barcode")]
    table["sample"], table["patient"] = sample, patient
    return table[[*TRUTH_COLUMNS["cells"], *(c for c in table.columns if c not in TRUTH_COLUMNS["cells"])]]
