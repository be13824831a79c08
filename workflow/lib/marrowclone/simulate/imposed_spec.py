"""The specification of a semi-synthetic cohort: its keys, their checks and defaults."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..errors import InputProblems, did_you_mean, found, one_of
from ..keys import HEALTHY, TIMEPOINTS
from .checker import Checker
from .clone_tree import check_tree
from .fields import Field, Fields

#: As the only tumour type: every cell of the counts is a plasma cell, and none is looked at further.
ANY = "any"
#: Formats whose barcodes may have any length; the h5 of Cell Ranger holds 18 letters.
FORMATS: tuple[str, ...] = ("h5ad", "10x_mtx")

COHORT: Fields = {
    "name": Field("text", required=True, default="imposed", text="name of the cohort"),
    "seed": Field("int", required=True, default=0, minimum=0, text="seed of everything that is drawn"),
    "tumour_types": Field("list", default=["cd4_t"], text="real cell types that play the tumour's type; [any]: plasma"),
    "background": Field("list", default=[], text="types of the other cells; default: all others that are known"),
    "dosage": Field("number", 0.8, minimum=0, maximum=1.5, text="expression factor = (copies / 2) ^ dosage"),
    "format": Field("text", "h5ad", choices=FORMATS, text="file format of the captures"),
    "donors": Field("mapping", default={}, text="healthy donors: name: cells of the tumour's type"),
    "patients": Field("section", default={}, required=True, text="patients by name"),
}
PATIENT: Fields = {
    "clones": Field("section", default={}, required=True, text="clones by name"),
    "samples": Field("section", default=[], required=True, text="captures in order"),
}
CLONE: Fields = {
    "parent": Field("text", "", text="clone that it descends from; the founder has none"),
    "events": Field("list", default=[], text="its own copy-number events: +9, +1q, amp1q, -17p, cnloh7p"),
}
SAMPLE: Fields = {
    "timepoint": Field("text", required=True, default="", text="name of the timepoint"),
    "day": Field("int", required=True, default=0, minimum=0, text="day since the patient's day 0"),
    "cells": Field("int", 200, minimum=1, text="cells of the tumour's type"),
    "malignant": Field("number", 0.7, minimum=0, maximum=1, text="share of them that is malignant"),
    "fractions": Field("mapping", default={}, text="shares of the clones; equal where not given"),
    "depth": Field("number", 1.0, minimum=0.05, maximum=1, text="share of all UMIs that is kept"),
    "batch_sd": Field("number", 0.0, minimum=0, maximum=2, text="SD, ln, of a further effect of the capture on genes"),
}
_TIMEPOINT = re.compile(rf"^({'|'.join(t for t in TIMEPOINTS if t != HEALTHY)})(_[2-9]|_[1-9][0-9]+)?$")


def check_imposed(spec: Any, *, file: str = "imposed.yaml") -> dict[str, Any]:
    """Check a specification and fill its defaults; one that was checked passes again unchanged.

    Raises
    ------
    InputProblems
        with every problem, each named by its key path.
    """
    checker = Checker(file)
    out = checker.section(spec, COHORT, "")
    if not out["tumour_types"] or (ANY in out["tumour_types"] and len(out["tumour_types"]) > 1):
        checker.say("tumour_types", found(out["tumour_types"], f"names of cell types, or [{ANY}] alone"))
    patients = checker.named(out["patients"], "patients")
    out["patients"] = {n: _check_patient(p, f"patients.{n}", checker) for n, p in patients.items()}
    for name, cells in checker.named(out["donors"], "donors").items():
        if isinstance(cells, bool) or not isinstance(cells, int) or cells < 1:
            checker.say(f"donors.{name}", found(cells, "a whole number of cells, at least 1"))
        if name in out["patients"]:
            checker.say(f"donors.{name}", "a patient has this name", "choose another name")
    if not patients and not checker.problems:
        checker.say("patients", "no patient is named")
    if checker.problems:
        raise InputProblems(checker.problems)
    return out


def _check_patient(value: Any, path: str, checker: Checker) -> dict[str, Any]:
    patient = checker.section(value, PATIENT, path)
    patient["samples"] = checker.listed(patient["samples"], SAMPLE, f"{path}.samples")
    clones = checker.named(patient["clones"], f"{path}.clones")
    patient["clones"] = {n: checker.section(c, CLONE, f"{path}.clones.{n}") for n, c in clones.items()}
    if checker.problems:
        return patient  # what follows reads values that must be sound
    if not patient["clones"]:
        checker.say(f"{path}.clones", "no clone is named", "people without a tumour are donors")
    check_tree(patient["clones"], f"{path}.clones", checker)
    _check_samples(patient["samples"], patient["clones"], f"{path}.samples", checker)
    return patient


def _check_samples(samples: list[dict[str, Any]], clones: Mapping[str, Any], path: str, checker: Checker) -> None:
    if not samples:
        checker.say(path, "a patient needs at least one sample")
    expected = one_of(t for t in TIMEPOINTS if t != HEALTHY) + ", or one with _2, _3 ..."
    seen: set[str] = set()
    for i, sample in enumerate(samples):
        name = sample["timepoint"]
        if not _TIMEPOINT.match(name):
            checker.say(f"{path}[{i}].timepoint", found(name, expected), did_you_mean(name, TIMEPOINTS))
        elif name in seen:
            checker.say(f"{path}[{i}].timepoint", f"{name!r} twice in one patient", f"call the second {name}_2")
        seen.add(name)
        shares = sample["fractions"]
        for clone, share in shares.items():
            where = f"{path}[{i}].fractions.{clone}"
            if clone not in clones:
                checker.say(where, f"unknown clone, expected {one_of(clones)}", did_you_mean(clone, clones))
            elif isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share < float("inf"):
                checker.say(where, found(share, "a share of at least 0"))
        if shares and all(share == 0 for share in shares.values()):
            checker.say(f"{path}[{i}].fractions", "no clone has a share above 0", "malignant: 0 makes a sample free")
