"""A whole cohort: courses, captures, sheet, clinical and truth tables. Nothing is written here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from ..keys import cell_id
from . import questionnaires as pro
from .allele_counts import allele_counts
from .captures import Capture, Kinds, simulate_capture
from .clinical import COLUMNS, clinical_tables
from .dynamics import Course, run_course
from .events import arm_states
from .haplotypes import haplotype_copies
from .immunoglobulin import clone_chains, tumour_clonotypes
from .mitochondria import variant_counts
from .profiles import clone_profiles, normal_profiles
from .punctures import patch
from .rearrangements import contigs
from .samples import mixed_up, sample_places
from .samples import sample_name as sample_name
from .spec import check_spec
from .states import COLUMNS as LABEL_COLUMNS
from .states import true_labels
from .streams import stream
from .transcriptome import Transcriptome, build_transcriptome
from .true_tiers import COLUMNS as TIER_COLUMNS
from .true_tiers import true_tiers

SHEET_COLUMNS: tuple[str, ...] = (
    "sample", "patient", "timepoint", "day", "path", "format", "raw_path", "compartment", "sort", "batch", "chemistry",
    "prep", "vdj", "alleles", "mtdna", "cell_types",
)  # fmt: skip
CLINICAL_COLUMNS: dict[str, tuple[str, ...]] = {**COLUMNS, "pro": pro.COLUMNS}
TRUTH_COLUMNS: dict[str, tuple[str, ...]] = {
    "cells": ("cell", "sample", "patient", "cell_type", "malignant", "clone", "doublet"),
    "clones": ("patient", "clone", "parent", "events", "antigen_loss", "dormant", "resistant"),
    "arms": ("patient", "clone", "chromosome", "arm", "state"),
    "fractions": ("patient", "clone", "sample", "timepoint", "day", "fraction", "burden"),
    "patients": ("patient", "group", "subtype", "light_chain", "isotype", "cured"),
    "growth": ("patient", "clone", "from_day", "to_day", "therapy", "growth_per_month"),
    "labels": LABEL_COLUMNS,
    "tiers": TIER_COLUMNS,
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
        return build_transcriptome(self.spec["seed"], expression=self.spec["expression"])

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
                        "vdj": f"data/{name}.contigs.csv" if s["vdj"] else "",
                        "alleles": f"data/{name}.alleles.tsv.gz" if s["alleles"] else "",
                        "mtdna": f"data/{name}.mtdna.tsv.gz" if s["mtdna"] else "",
                    }
                )  # fmt: skip
        return pd.DataFrame(rows).reindex(columns=list(SHEET_COLUMNS)).fillna("")

    def profiles(self, patient: str, day: int = 0) -> Kinds:
        """What this patient's captures can hold on a day: mean profiles (CPM of non-Ig UMIs) and Ig.

        A clone that has woken by then has no programme of dormancy any more.
        """
        seed, p = self.spec["seed"], self.spec["patients"][patient]
        woken = [c for c, since in self.courses[patient].reactivated.items() if since <= day]
        p = {**p, "clones": {**p["clones"], **{c: {**p["clones"][c], "phenotype": "sensitive"} for c in woken}}}
        expression = self.spec["expression"]
        normal = normal_profiles(
            self.transcriptome, patient=patient, sex=p["sex"], seed=seed, germline_sd=expression["germline_sd"]
        )
        clones = clone_profiles(
            normal["plasma"], self.transcriptome, p, patient=patient, seed=seed, expression=expression
        )
        cycling = {c: self._cycling(patient, c, settings) for c, settings in p["clones"].items()}
        return Kinds(normal, clones, tumour_clonotypes(p, name=patient, seed=seed), cycling)

    def _cycling(self, patient: str, clone: str, settings: Mapping[str, Any]) -> float:
        """Share of cycling cells: .5 to 5%, dormant 0 to .1% (science Appendix A.6)."""
        if settings["cycling"] is not None:
            return float(settings["cycling"])
        low, high = (0.0, 0.001) if settings["phenotype"] == "dormant" else (0.005, 0.05)
        return float(stream(self.spec["seed"], "cycling", patient, clone).uniform(low, high))

    def captures(self, samples: Sequence[str] | None = None) -> Iterator[tuple[str, Capture]]:
        """Every sample's name with its counts and truth, in the order of the sheet; or those of ``samples``.

        Of two samples that were mixed up each has the cells of the other.
        """
        places = sample_places(self.spec["patients"])
        kinds: dict[tuple[str, frozenset[str]], Kinds] = {}
        for name in places if samples is None else samples:
            patient, i = places[self.origin(name)]
            sample = self.spec["patients"][patient]["samples"][i]
            woken = self.courses[patient].reactivated
            key = (patient, frozenset(c for c, day in woken.items() if day <= sample["day"]))
            if key not in kinds:
                kinds = {key: self.profiles(patient, sample["day"])}  # of one patient at a time
            yield name, self._draw(self.origin(name), sample, kinds[key], patient)

    def _draw(self, name: str, sample: Mapping[str, Any], kinds: Kinds, patient: str) -> Capture:
        course, day = self.courses[patient], sample["day"]
        held = patch(self.spec["patients"][patient], course, day, name=patient, seed=self.spec["seed"])
        return simulate_capture(
            sample,
            kinds,
            self.transcriptome,
            burden=course.at(day) * held,
            rng=stream(self.spec["seed"], "sample", name),
            batch_rng=stream(self.spec["seed"], "batch", sample["batch"] or name),
        )

    def origin(self, sample: str) -> str:
        """The sample whose cells the files of ``sample`` hold: itself, unless the two were mixed up."""
        return mixed_up(self.spec["swaps"]).get(sample, sample)

    def contigs(self, sample: str, capture: Capture) -> pd.DataFrame:
        """V(D)J contigs of a capture that :meth:`captures` gave under the name ``sample``."""
        origin = self.origin(sample)
        patient, _ = sample_places(self.spec["patients"])[origin]
        return contigs(capture, patient=patient, sample=origin, seed=self.spec["seed"])

    def alleles(self, sample: str, capture: Capture) -> pd.DataFrame:
        """Allele counts of a capture that :meth:`captures` gave under the name ``sample``."""
        origin = self.origin(sample)
        patient, i = sample_places(self.spec["patients"])[origin]
        p = self.spec["patients"][patient]
        settings = p["samples"][i]["capture"]
        return allele_counts(
            capture, p["clones"], settings, patient=patient, sample=origin, seed=self.spec["seed"]
        )  # fmt: skip

    def mtdna(self, sample: str, capture: Capture) -> pd.DataFrame:
        """Mitochondrial variants of a capture that :meth:`captures` gave under the name ``sample``."""
        origin = self.origin(sample)
        patient, _ = sample_places(self.spec["patients"])[origin]
        clones = self.spec["patients"][patient]["clones"]
        return variant_counts(capture, clones, patient=patient, sample=origin, seed=self.spec["seed"])

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
            for name, table in patient_truth(patient, p, self.courses[patient], seed=self.spec["seed"]).items():
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


def patient_truth(name: str, patient: Mapping[str, Any], course: Course, *, seed: int) -> dict[str, pd.DataFrame]:
    """Truth tables of one patient. A clone's fraction is empty on days without any tumour cell.

    ``arms`` has the copies of the rarer parent's chromosome as ``minor``: none is loss of heterozygosity.
    """
    clones = patient["clones"]
    parents = {c: v["parent"] for c, v in clones.items()}
    chains = clone_chains(patient)
    table = pd.DataFrame(
        [
            {
                "patient": name, "clone": c, "parent": v["parent"], "events": ",".join(v["events"]),
                "antigen_loss": v["phenotype"] == "antigen_loss", "dormant": v["phenotype"] == "dormant",
                "resistant": v["phenotype"] in ("resistant", "antigen_loss"), "phenotype": v["phenotype"],
                "light_chain": chains[c][0], "heavy": chains[c][1],
                "reactivated_day": course.reactivated.get(c),
            }
            for c, v in clones.items()
        ]
    )  # fmt: skip
    if clones:
        table["reactivated_day"] = table["reactivated_day"].astype("Int64")
    states = arm_states({c: v["events"] for c, v in clones.items()}, parents)
    arms = states.rename_axis(index="clone").reset_index().melt(id_vars="clone", var_name="where", value_name="state")
    order = {c: i for i, c in enumerate(clones)}
    arms = arms.sort_values("clone", key=lambda c: c.map(order), kind="stable").reset_index(drop=True)
    arms.insert(0, "patient", name)
    minor = {c: h.min(axis=1) for c, h in haplotype_copies(clones, patient=name, seed=seed).items()}
    arms["minor"] = [int(minor[c][w]) for c, w in zip(arms["clone"], arms["where"], strict=True)]
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
        "labels": true_labels(patient, course, name=name, seed=seed), "tiers": true_tiers(patient, course, name=name),
    }  # fmt: skip


def stack(frames: list[pd.DataFrame], columns: tuple[str, ...]) -> pd.DataFrame:
    """Tables of all patients below each other; the contract's columns are there even without rows."""
    frames = [f for f in frames if len(f)]
    if not frames:
        return pd.DataFrame(columns=list(columns))
    return pd.concat(frames, ignore_index=True)


def cell_truth(capture: Capture, *, sample: str, patient: str, true_patient: str) -> pd.DataFrame:
    """Rows of ``truth/cells.tsv.gz`` of one capture.

    ``sample`` and ``patient`` are what the sheet says; ``true_patient`` is whose cells they are,
    and whose clones the column ``clone`` names.
    """
    table = capture.cells.copy()
    table["cell"] = [cell_id(sample, b) for b in table.pop("barcode")]
    table["sample"], table["patient"], table["true_patient"] = sample, patient, true_patient
    return table[[*TRUTH_COLUMNS["cells"], *(c for c in table.columns if c not in TRUTH_COLUMNS["cells"])]]
