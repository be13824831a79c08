"""Keys of the cohort specification: type, default, bounds and meaning of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import did_you_mean, found, one_of

FORMATS_WRITTEN: tuple[str, ...] = ("10x_h5", "10x_mtx", "h5ad")
SUBTYPES: tuple[str, ...] = ("HRD", "t(11;14)", "t(4;14)", "t(14;16)", "t(14;20)", "t(6;14)", "other")
GROUPS: tuple[str, ...] = (
    "cured_like", "mgus_like", "relapse_branching", "relapse_linear", "antigen_escape", "refractory", "healthy",
)  # fmt: skip
PHENOTYPES: tuple[str, ...] = ("sensitive", "resistant", "dormant", "antigen_loss")
LIGHT_CHAINS: tuple[str, ...] = ("kappa", "lambda")
ISOTYPES: tuple[str, ...] = ("IgG", "IgA", "IgM", "IgD", "light_chain_only")
SORTS: tuple[str, ...] = ("none", "CD138+", "CD138-")
CLASSES: tuple[str, ...] = (
    "PI", "IMiD", "CD38", "SLAMF7", "steroid", "alkylator", "ASCT", "BCMA-CART", "BCMA-BsAb", "BCMA-ADC",
    "GPRC5D-BsAb", "GPRC5D-CART", "FCRH5-BsAb", "BCL2", "other",
)  # fmt: skip
ASSAYS: tuple[str, ...] = ("NGS", "NGF")
MODALITIES: tuple[str, ...] = ("PET-CT", "MRI")
#: Key of a clone's ``growth`` that holds between therapies.
OFF = "off"
#: And the one that holds between therapies once the clone has woken.
REACTIVATED = "reactivated"
MRD_RESULTS: tuple[str, ...] = ("negative", "positive", "indeterminate")
IMAGING_RESULTS: tuple[str, ...] = ("negative", "positive", "equivocal")
#: Questionnaires beside QLQ-C30 and QLQ-MY20.
INSTRUMENTS: tuple[str, ...] = ("EQ-5D-5L",)


@dataclass(frozen=True)
class Field:
    """One key: how its value must look. ``kind`` is int, number, text, bool, list, mapping, section or range."""

    kind: str
    default: Any = None
    required: bool = False
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    optional: bool = False
    text: str = ""

    def check(self, value: Any) -> tuple[str, str]:
        """What is wrong with ``value`` and a hint, or two empty strings."""
        if value is None and (self.optional or self.kind in ("section", "mapping", "list")):
            return "", ""
        if self.kind == "section":
            return "", ""  # its own keys are checked one by one
        if self.kind == "mapping":
            return ("", "") if isinstance(value, dict) else (found(value, "keys with numbers"), "")
        if self.kind == "list":
            return self._check_list(value)
        if self.kind == "range":
            sound = isinstance(value, list) and len(value) == 2 and all(self._number(v) for v in value)
            if not sound or value[0] > value[1] or self._outside(value[0]) or self._outside(value[1]):
                return found(value, f"two numbers, low and high, {self._bounds()}"), ""
            return "", ""
        if self.kind == "bool":
            return ("", "") if isinstance(value, bool) else (found(value, "true or false"), "")
        if self.kind in ("int", "number"):
            if not self._number(value) or (self.kind == "int" and value != int(value)):
                return found(value, f"{'a whole' if self.kind == 'int' else 'a'} number {self._bounds()}".strip()), ""
            return (found(value, f"a number {self._bounds()}"), "") if self._outside(value) else ("", "")
        if not isinstance(value, str):
            return found(value, one_of(self.choices) if self.choices else "text"), ""
        if self.choices and value not in self.choices:
            return found(value, one_of(self.choices)), did_you_mean(value, self.choices)
        return (found(value, "a text that is not empty"), "") if self.required and not value.strip() else ("", "")

    def convert(self, value: Any) -> Any:
        """``value`` as it is used: sections and lists are never None, whole numbers are int."""
        if value is None:
            return {} if self.kind in ("section", "mapping") else [] if self.kind == "list" else None
        return int(value) if self.kind == "int" else float(value) if self.kind == "number" else value

    def _check_list(self, value: Any) -> tuple[str, str]:
        if not isinstance(value, list):
            return found(value, "a list"), ""
        for item in value:
            if self.choices and item not in self.choices:
                return found(item, one_of(self.choices)), did_you_mean(item, self.choices)
        return "", ""

    @staticmethod
    def _number(value: Any) -> bool:
        return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf")

    def _outside(self, value: float) -> bool:
        return (self.minimum is not None and value < self.minimum) or (
            self.maximum is not None and value > self.maximum
        )

    def _bounds(self) -> str:
        if self.minimum is not None and self.maximum is not None:
            return f"from {self.minimum:g} to {self.maximum:g}"
        return f"of at least {self.minimum:g}" if self.minimum is not None else ""


Fields = dict[str, Field]

COHORT: Fields = {
    "name": Field("text", required=True, default="cohort", text="name of the cohort"),
    "seed": Field("int", required=True, default=0, minimum=0, text="seed of everything that is drawn"),
    "capture": Field("section", default={}, text="defaults of every capture"),
    "expression": Field("section", default={}, text="sizes of the expression effects"),
    "patients": Field("section", default={}, text="patients by name; may be left out where there is a population"),
    "population": Field("section", default={}, text="random patients, beside those that are written out"),
    "patchiness": Field(
        "number", 0.0, minimum=0, maximum=2, text="SD, log10, of what a puncture of the marrow holds (science 4.4: .3)"
    ),
    "swaps": Field("list", default=[], text="pairs of samples whose files were mixed up: [[P1_mrd, P2_mrd]]"),
}

#: Random patients (science Appendix A.1 to A.4, 2.2, 3.1, 3.3).
POPULATION: Fields = {
    "patients": Field("int", 12, minimum=0, maximum=100_000, text="number of patients, P1, P2 ... (science A.1)"),
    "donors": Field(
        "int", 3, minimum=0, maximum=1000, text="number of healthy donors, H1, H2 ... (science 1.6: at least 3)"
    ),
    "groups": Field("mapping", default={}, text="weights of the groups; default: resources/simulate_events.tsv"),
    "cells": Field("number", 1.0, minimum=0.001, maximum=20, text="factor on the cell numbers of science 3.3"),
    "sorted": Field("number", 0.6, minimum=0, maximum=1, text="share of samples that are CD138-enriched [J]"),
    "format": Field("text", "10x_mtx", choices=FORMATS_WRITTEN, text="file format of all samples"),
}
#: Defaults: science Appendix A.5 and 1.3 where not marked otherwise.
CAPTURE: Fields = {
    "plasma_umi": Field("int", 5000, minimum=200, text="median non-Ig UMIs of a plasma cell (science A.5)"),
    "plasma_umi_sd": Field("number", 0.5, minimum=0, maximum=2, text="its SD, natural log (science A.5)"),
    "depth": Field("number", 1.0, minimum=0.05, maximum=20, text="factor on the UMIs of every cell"),
    "ig_fraction": Field(
        "number", 0.35, minimum=0, maximum=0.9, text="mean Ig share of a plasma cell's UMIs (science A.5)"
    ),
    "ambient": Field(
        "range", [0.02, 0.10], minimum=0, maximum=0.5, text="ambient share; each capture draws one (science A.5)"
    ),
    "doublet_rate": Field("number", 0.03, minimum=0, maximum=0.99, text="share of doublets among cells [J]"),
    "doublet_of": Field("text", "", text="type of cell that becomes a doublet; any where not given"),
    "doublet_partners": Field(
        "mapping", default={}, text="weights of the second cell's type; the sample's mixture where empty"
    ),
    "dying": Field(
        "number", 0.04, minimum=0, maximum=0.9, text="share of dying cells: little RNA, much mitochondrial [J]"
    ),
    "empty": Field("number", 0.06, minimum=0, maximum=0.99, text="share of barcodes with ambient RNA only [J]"),
    "batch_sd": Field(
        "number", 0.15, minimum=0, maximum=2, text="SD of per-gene capture effects, natural log (science A.5)"
    ),
    "normal_plasma": Field(
        "number", 0.003, minimum=0, maximum=0.2, text="normal plasma cells per nucleated marrow cell (science 3.3)"
    ),
}
EXPRESSION: Fields = {
    "dosage": Field(
        "number", 0.8, minimum=0, maximum=1.5, text="share of a copy change that reaches RNA (science A.5)"
    ),
    "patient_sd": Field(
        "number", 0.25, minimum=0, maximum=2, text="per-gene tumour effect of a patient, natural log (science A.5)"
    ),
    "clone_sd": Field(
        "number", 0.08, minimum=0, maximum=2, text="per-gene effect of a clone, natural log (science A.5)"
    ),
    "germline_sd": Field(
        "number", 0.10, minimum=0, maximum=2, text="per-gene effect of a person on all cells, natural log [J]"
    ),
    "profiles": Field("text", "", text="table of real profiles (gene, then counts by cell type); empty: drawn levels"),
    "correlated": Field(
        "number", 0.5, minimum=0, maximum=1, text="share of each effect's variance that genes have in common (fitted)"
    ),
    "cell_regional_sd": Field(
        "number", 0.18, minimum=0, maximum=1, text="SD, ln, of a cell's own activity in regions of the genome (fitted)"
    ),
}
PATIENT: Fields = {
    "group": Field("text", required=True, default="healthy", choices=GROUPS, text="what kind of course it is"),
    "subtype": Field("text", "other", choices=SUBTYPES, text="HRD or translocation: which driver genes are high"),
    "drivers": Field("mapping", default={}, text="levels (CPM) of driver genes, over those of the subtype"),
    "light_chain": Field("text", "kappa", choices=LIGHT_CHAINS, text="light chain of the tumour"),
    "isotype": Field("text", "IgG", choices=ISOTYPES, text="heavy chain of the tumour"),
    "sex": Field("text", "female", choices=("female", "male"), text="sex chromosomes of the cells"),
    "burden": Field("number", 0.4, minimum=1e-9, maximum=0.94, text="tumour cells per nucleated marrow cell at day 0"),
    "patchiness": Field(
        "number", None, optional=True, minimum=0, maximum=2, text="of this patient; the cohort's where not given"
    ),
    "cured": Field("bool", False, text="a clone that falls below 1e-7 is gone for good"),
    "clones": Field("section", default={}, text="clones by name"),
    "therapies": Field("list", default=[], text="therapies in order"),
    "samples": Field("section", default=[], required=True, text="captures in order"),
    "clinical": Field("section", default={}, text="what the clinic measures"),
}
CLONE: Fields = {
    "parent": Field("text", "", text="clone that it descends from; the founder has none"),
    "events": Field("list", default=[], text="its own copy-number events: +9, +1q, amp1q, -17p, cnloh7p"),
    "fraction": Field("number", 0.0, required=True, minimum=0, maximum=1, text="share of the tumour at day 0"),
    "phenotype": Field("text", "sensitive", choices=PHENOTYPES, text="how it answers to therapy, and its programmes"),
    "growth": Field("mapping", default={}, text="net growth per month, by regimen or 'off'; drawn where not given"),
    "cycling": Field(
        "number", None, optional=True, minimum=0, maximum=1, text="share of cycling cells; drawn where not given"
    ),
    "reactivation": Field(
        "number", 0.0, minimum=0, maximum=10, text="hazard of waking per month off therapy (science A.4: dormant .005)"
    ),
    "light_chain": Field(
        "text", "", choices=("", *LIGHT_CHAINS), text="of it and its descendants; the parent's where not given"
    ),
    "heavy": Field("bool", True, text="false: it and its descendants secrete no heavy chain (light-chain escape)"),
}
THERAPY: Fields = {
    "regimen": Field("text", required=True, default="", text="name of the regimen"),
    "start": Field("int", required=True, default=0, minimum=0, text="first day"),
    "stop": Field("int", required=True, default=0, minimum=0, text="last day"),
    "line": Field("int", 1, minimum=1, text="line of therapy"),
    "classes": Field("list", default=[], choices=CLASSES, text="drug classes"),
    "effect_days": Field(
        "int",
        None,
        optional=True,
        minimum=0,
        text="days that it acts from its start (a CAR-T infusion acts for months)",
    ),
}
SAMPLE: Fields = {
    "timepoint": Field("text", required=True, default="", text="name of the timepoint"),
    "day": Field("int", required=True, default=0, minimum=0, text="day since the patient's day 0"),
    "cells": Field("int", 500, minimum=1, maximum=200_000, text="barcodes in the file"),
    "plasma_fraction": Field(
        "number",
        None,
        optional=True,
        minimum=0,
        maximum=1,
        text="plasma cells among cells; from the burden where not given",
    ),
    "sort": Field("text", "none", choices=SORTS, text="enrichment before the capture"),
    "format": Field("text", "10x_mtx", choices=FORMATS_WRITTEN, text="file format"),
    "vdj": Field("bool", False, text="V(D)J contigs of the same cells are written beside the counts"),
    "alleles": Field("bool", False, text="allele counts of the same cells are written beside the counts"),
    "mtdna": Field("bool", False, text="mitochondrial variants of the same cells are written beside the counts"),
    "batch": Field("text", "", text="captures of one batch share its gene effects; default: the sample"),
    "composition": Field("mapping", default={}, text="weights of the other cell types, over the defaults"),
    "capture": Field("section", default={}, text="overrides of the cohort's capture settings"),
}
CLINICAL: Fields = {
    "last_day": Field("int", None, optional=True, minimum=0, text="last contact; default: last sample + 90 days"),
    "m_protein": Field(
        "number", 35.0, minimum=0, maximum=120, text="serum M-protein at day 0, g/L (0 for light chain only)"
    ),
    "flc": Field("number", 600.0, minimum=0, maximum=30_000, text="involved free light chain at day 0, mg/L"),
    "response_every": Field("int", 90, minimum=7, text="days between response assessments"),
    "pro_every": Field("int", 180, minimum=7, text="days between questionnaires"),
    "missing_items": Field(
        "number", 0.08, minimum=0, maximum=1, text="share of unanswered items (science A.7: .05 to .15)"
    ),
    "missing_forms": Field(
        "number", 0.10, minimum=0, maximum=1, text="share of questionnaires not returned (science A.7)"
    ),
    "pro": Field("list", default=[], choices=INSTRUMENTS, text="questionnaires beside QLQ-C30 and QLQ-MY20"),
    "lesion": Field("section", default={}, text="a focal lesion that imaging sees whatever the burden of the marrow"),
    "mrd": Field("section", default=[], text="MRD tests"),
    "imaging": Field("section", default=[], text="imaging visits"),
    "crab": Field("bool", True, text="end-organ damage at diagnosis"),
    "death_day": Field("int", None, optional=True, minimum=0, text="day of death"),
    "death_cause": Field("text", "", choices=("", "myeloma", "treatment", "other", "unknown"), text="cause of death"),
}
MRD: Fields = {
    "day": Field("int", required=True, default=0, minimum=0, text="day of the test"),
    "assay": Field("text", "NGF", choices=ASSAYS, text="assay"),
    "cells": Field("int", 10_000_000, minimum=1000, text="cells that it was planned on"),
    "result": Field(
        "text", "", choices=("", *MRD_RESULTS), text="what the laboratory reported; from the events where not given"
    ),
    "events": Field("int", None, optional=True, minimum=0, text="clonal cells found; drawn where not given"),
    "lod": Field(
        "number", None, optional=True, minimum=1e-9, maximum=0.5, text="detection limit; by the cells where not given"
    ),
    "first_pull": Field("bool", None, optional=True, text="whether the first pull was used; drawn where not given"),
}
IMAGING: Fields = {
    "day": Field("int", required=True, default=0, minimum=0, text="day of the visit"),
    "modality": Field("text", "PET-CT", choices=MODALITIES, text="modality"),
    "result": Field("text", "", choices=("", *IMAGING_RESULTS), text="what was reported; drawn where not given"),
}
LESION: Fields = {
    "from": Field("int", required=True, default=0, minimum=0, text="first day on which it is seen"),
    "until": Field("int", None, optional=True, minimum=0, text="last day on which it is seen; stays where not given"),
}
