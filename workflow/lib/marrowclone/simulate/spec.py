"""The cohort specification: reading it, checking it, filling its defaults.

Everything of a cohort comes from one YAML. Every problem is found at once and named by its
key path. ``docs/simulate.md`` explains the keys.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml

from ..errors import InputProblems, Problem, UserError, did_you_mean, found, one_of, shown
from ..keys import HEALTHY, TIMEPOINTS
from .captures import COMPOSITION
from .events import arm_states, parse_event
from .fields import (
    CAPTURE,
    CLINICAL,
    CLONE,
    COHORT,
    EXPRESSION,
    IMAGING,
    MRD,
    PATIENT,
    SAMPLE,
    THERAPY,
    Fields,
)
from .transcriptome import positions

_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_-]*$")
_TIMEPOINT = re.compile(rf"^({'|'.join(TIMEPOINTS)})(_[2-9]|_[1-9][0-9]+)?$")
#: Key of a clone's ``growth`` that holds between therapies.
OFF = "off"


class _Checker:
    """Collects problems of one specification; ``say`` takes the key path."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []

    def say(self, path: str, message: str, hint: str = "") -> None:
        self.problems.append(Problem(self.file, None, None, f"{path}: {message}", hint))

    def section(self, value: Any, fields: Fields, path: str) -> dict[str, Any]:
        """Check one mapping against its fields; the defaults are filled in."""
        if value is None:
            value = {}
        if not isinstance(value, Mapping):
            self.say(path, found(value, "keys with values"))
            return {k: deepcopy(f.default) for k, f in fields.items()}
        where = f"{path}." if path else ""
        for key in value:
            if key not in fields:
                self.say(f"{where}{key}", f"unknown key, expected {one_of(fields)}", did_you_mean(key, fields))
        out: dict[str, Any] = {}
        for key, field in fields.items():
            if key not in value:
                if field.required:
                    self.say(f"{where}{key}", f"missing: {field.text}")
                out[key] = deepcopy(field.default)
                continue
            problem, hint = field.check(value[key])
            if problem:
                self.say(f"{where}{key}", problem, hint)
            out[key] = deepcopy(field.default) if problem else field.convert(value[key])
        return out

    def named(self, value: Any, path: str) -> dict[str, Any]:
        """A mapping whose keys are names that the user chose (patients, clones)."""
        if not isinstance(value, Mapping):
            self.say(path, found(value, "names with keys below them"))
            return {}
        for name in value:
            if not isinstance(name, str) or not _NAME.match(name):
                self.say(f"{path}.{name}", found(name, "a name of letters, digits, '_' and '-'"))
        return {str(k): v for k, v in value.items()}

    def listed(self, value: Any, fields: Fields, path: str) -> list[dict[str, Any]]:
        """A list of mappings."""
        if not value and not isinstance(value, str):
            return []
        if not isinstance(value, list):
            self.say(path, found(value, "a list"))
            return []
        return [self.section(v, fields, f"{path}[{i}]") for i, v in enumerate(value)]


def read_spec(path: str | Path) -> dict[str, Any]:
    """Read and check a cohort YAML.

    Returns
    -------
    The specification with all defaults filled in; see :func:`check_spec`.

    Raises
    ------
    UserError
        when the file is missing, is not YAML, or has problems (all of them at once).
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{shown(path)}: there is no such file.", hint="config/demo/cohort.yaml is an example.")
    try:
        spec = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{shown(path)}: not readable as YAML: {' '.join(str(error).split())}") from None
    return check_spec(spec, file=shown(path))


def check_spec(spec: Any, *, file: str = "cohort.yaml") -> dict[str, Any]:
    """Check a specification and fill its defaults; the input is not changed.

    A specification that was checked passes again unchanged.

    Raises
    ------
    InputProblems
        with every problem, each named by its key path.
    """
    checker = _Checker(file)
    out = checker.section(spec, COHORT, "")
    out["capture"] = checker.section(out["capture"], CAPTURE, "capture")
    out["expression"] = checker.section(out["expression"], EXPRESSION, "expression")
    patients = checker.named(out["patients"], "patients")
    if not patients and not checker.problems:
        checker.say("patients", "no patient is named")
    out["patients"] = {n: _check_patient(p, out["capture"], f"patients.{n}", checker) for n, p in patients.items()}
    if checker.problems:
        raise InputProblems(checker.problems)
    return out


def _check_patient(value: Any, capture: Mapping[str, Any], path: str, checker: _Checker) -> dict[str, Any]:
    patient = checker.section(value, PATIENT, path)
    patient["clinical"] = checker.section(patient["clinical"], CLINICAL, f"{path}.clinical")
    for name, fields in (("mrd", MRD), ("imaging", IMAGING)):
        patient["clinical"][name] = checker.listed(patient["clinical"][name], fields, f"{path}.clinical.{name}")
    patient["therapies"] = checker.listed(patient["therapies"], THERAPY, f"{path}.therapies")
    patient["clones"] = {
        n: checker.section(c, CLONE, f"{path}.clones.{n}")
        for n, c in checker.named(patient["clones"], f"{path}.clones").items()
    }
    patient["samples"] = checker.listed(patient["samples"], SAMPLE, f"{path}.samples")
    for i, sample in enumerate(patient["samples"]):
        where = f"{path}.samples[{i}].capture"
        merged = {**capture, **(sample["capture"] if isinstance(sample["capture"], Mapping) else {})}
        sample["capture"] = checker.section(merged, CAPTURE, where)
    if checker.problems:
        return patient  # what follows reads values that must be sound
    _check_samples(patient, path, checker)
    _check_therapies(patient, path, checker)
    _check_clones(patient, path, checker)
    return patient


def _check_samples(patient: Mapping[str, Any], path: str, checker: _Checker) -> None:
    samples = patient["samples"]
    if not samples:
        checker.say(f"{path}.samples", "a patient needs at least one sample")
    seen: set[str] = set()
    healthy = [s["timepoint"] == HEALTHY for s in samples]
    for i, sample in enumerate(samples):
        name = sample["timepoint"]
        where = f"{path}.samples[{i}].timepoint"
        if not _TIMEPOINT.match(name):
            checker.say(
                where, found(name, one_of(TIMEPOINTS) + ", or one with _2, _3 ..."), did_you_mean(name, TIMEPOINTS)
            )
        if name in seen and name != HEALTHY:
            checker.say(where, f"{name!r} twice in one patient", f"call the second {name}_2")
        seen.add(name)
        for kind, weight in sample["composition"].items():
            where = f"{path}.samples[{i}].composition.{kind}"
            if kind not in COMPOSITION:
                checker.say(
                    where, f"unknown cell type, expected {one_of(COMPOSITION)}", did_you_mean(kind, COMPOSITION)
                )
            elif isinstance(weight, bool) or not isinstance(weight, int | float) or weight < 0:
                checker.say(where, found(weight, "a weight of at least 0"))
    if any(healthy) and not all(healthy):
        checker.say(f"{path}.samples", "healthy and other timepoints in one patient")
    if any(healthy) and patient["clones"]:
        checker.say(f"{path}.clones", "a healthy donor has no clones")


def _check_therapies(patient: Mapping[str, Any], path: str, checker: _Checker) -> None:
    last = -1
    for i, therapy in enumerate(patient["therapies"]):
        where = f"{path}.therapies[{i}]"
        if therapy["regimen"] == OFF:
            checker.say(f"{where}.regimen", f"{OFF!r} is the name of the time between therapies", "choose another name")
        if therapy["stop"] < therapy["start"]:
            checker.say(f"{where}.stop", f"day {therapy['stop']} lies before the start, day {therapy['start']}")
        if therapy["start"] < last:
            checker.say(f"{where}.start", f"day {therapy['start']} lies within the therapy before (until day {last})")
        if therapy["effect_days"] is None:
            therapy["effect_days"] = therapy["stop"] - therapy["start"]
        last = therapy["start"] + therapy["effect_days"]


def _check_clones(patient: Mapping[str, Any], path: str, checker: _Checker) -> None:
    for gene, level in patient["drivers"].items():
        if gene not in positions():
            checker.say(
                f"{path}.drivers.{gene}", "no such gene in resources/genes.tsv.gz", did_you_mean(gene, positions())
            )
        elif isinstance(level, bool) or not isinstance(level, int | float) or level < 0:
            checker.say(f"{path}.drivers.{gene}", found(level, "counts per million, at least 0"))
    clones = patient["clones"]
    parents = {n: c["parent"] for n, c in clones.items()}
    sound = True
    for name, clone in clones.items():
        where = f"{path}.clones.{name}"
        if clone["parent"] and clone["parent"] not in clones:
            checker.say(
                f"{where}.parent", found(clone["parent"], one_of(clones)), did_you_mean(clone["parent"], clones)
            )
            sound = False
        # YAML reads an unquoted +9 or -13 as a number
        clone["events"] = [f"{e:+d}" if isinstance(e, int) else str(e) for e in clone["events"]]
        for event in clone["events"]:
            try:
                parse_event(event)
            except ValueError as error:
                checker.say(f"{where}.events", found(event, str(error)))
                sound = False
        # and an unquoted off as false
        clone["growth"] = {OFF if k is False else str(k): v for k, v in clone["growth"].items()}
        regimens = [OFF, *(t["regimen"] for t in patient["therapies"])]
        for regimen, rate in clone["growth"].items():
            if regimen not in regimens:
                checker.say(
                    f"{where}.growth.{regimen}",
                    f"no such therapy, expected {one_of(regimens)}",
                    did_you_mean(regimen, regimens),
                )
            elif isinstance(rate, bool) or not isinstance(rate, int | float):
                checker.say(f"{where}.growth.{regimen}", found(rate, "a rate per month"))
    if not clones or not sound:
        return
    founders = [n for n, p in parents.items() if not p]
    if len(founders) != 1:
        checker.say(f"{path}.clones", f"{len(founders)} clones without a parent, expected one founder")
        return
    for name in clones:
        seen, at = {name}, parents[name]
        while at and at not in seen:
            seen.add(at)
            at = parents[at]
        if at:
            checker.say(f"{path}.clones.{name}.parent", "the clone is its own ancestor")
            return
    states = arm_states({n: c["events"] for n, c in clones.items()}, parents)
    for name in states.index[(states < 0).any(axis=1)]:
        arm = states.columns[states.loc[name] < 0][0]
        checker.say(f"{path}.clones.{name}.events", f"arm {arm} would have fewer than 0 copies")
    total = sum(c["fraction"] for c in clones.values())
    if abs(total - 1.0) > 0.01:
        checker.say(f"{path}.clones", f"the fractions at day 0 add up to {total:g}, expected 1")
