"""The cohort specification: reading it, checking it, filling its defaults.

Everything of a cohort comes from one YAML. Every problem is found at once and named by its
key path. ``docs/simulate.md`` explains the keys.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from ..errors import InputProblems, UserError, did_you_mean, found, one_of, shown
from ..keys import HEALTHY, TIMEPOINTS
from .checker import Checker
from .clone_tree import check_tree
from .composition import COMPOSITION, RARE
from .fields import (
    CAPTURE,
    CLINICAL,
    CLONE,
    COHORT,
    EXPRESSION,
    IMAGING,
    LESION,
    MRD,
    OFF,
    PATIENT,
    POPULATION,
    REACTIVATED,
    SAMPLE,
    THERAPY,
)
from .population import expand
from .real_levels import read_profiles
from .regimens import COURSES
from .samples import sample_places, swap_problems
from .transcriptome import positions

_TIMEPOINT = re.compile(rf"^({'|'.join(TIMEPOINTS)})(_[2-9]|_[1-9][0-9]+)?$")
#: No clone grows or shrinks faster than by this rate (ln) per month: a doubling within a day [J].
FASTEST = 20
#: Types that a sample may weigh, and that may make a doublet.
_OTHERS = (*COMPOSITION, *RARE)


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
    checker = Checker(file)
    out = checker.section(spec, COHORT, "")
    out["capture"] = checker.section(out["capture"], CAPTURE, "capture")
    out["expression"] = checker.section(out["expression"], EXPRESSION, "expression")
    if out["expression"]["profiles"]:
        try:
            read_profiles(out["expression"]["profiles"])
        except UserError as error:
            checker.say("expression.profiles", error.message, error.hint)
    patients = checker.named(out["patients"], "patients")
    patients |= _check_population(out, patients, checker)
    if not patients and not checker.problems:
        checker.say("patients", "no patient is named")
    out["patients"] = {n: _check_patient(p, out, f"patients.{n}", checker) for n, p in patients.items()}
    if not checker.problems:
        known = sample_places(out["patients"])
        for i, value, expected in swap_problems(out["swaps"], known):
            checker.say(f"swaps[{i}]", found(value, expected), did_you_mean(value, known))
    if checker.problems:
        raise InputProblems(checker.problems)
    return out


def _check_population(out: dict[str, Any], written: Mapping[str, Any], checker: Checker) -> dict[str, Any]:
    """The population's patients by name; the key itself is emptied, since they stand in the specification now."""
    if not out["population"]:
        return {}
    population = checker.section(out["population"], POPULATION, "population")
    for group, weight in population["groups"].items():
        where = f"population.groups.{group}"
        if group not in COURSES:
            checker.say(where, f"unknown group, expected {one_of(COURSES)}", did_you_mean(str(group), COURSES))
        elif isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight < float("inf"):
            checker.say(where, found(weight, "a weight of at least 0"))
    if checker.problems:
        return {}
    if population["groups"] and not any(population["groups"].values()):
        checker.say("population.groups", "all weights are 0")
        return {}
    drawn = expand(out, population)
    for name in written:
        if name in drawn:
            checker.say(f"patients.{name}", "the population has a patient of this name", "choose another name")
    out["population"] = {}
    return drawn


def _check_patient(value: Any, cohort: Mapping[str, Any], path: str, checker: Checker) -> dict[str, Any]:
    patient = checker.section(value, PATIENT, path)
    if patient["patchiness"] is None:
        patient["patchiness"] = cohort["patchiness"]
    patient["clinical"] = checker.section(patient["clinical"], CLINICAL, f"{path}.clinical")
    for name, fields in (("mrd", MRD), ("imaging", IMAGING)):
        patient["clinical"][name] = checker.listed(patient["clinical"][name], fields, f"{path}.clinical.{name}")
    lesion = patient["clinical"]["lesion"]
    patient["clinical"]["lesion"] = checker.section(lesion, LESION, f"{path}.clinical.lesion") if lesion else {}
    patient["therapies"] = checker.listed(patient["therapies"], THERAPY, f"{path}.therapies")
    patient["clones"] = {
        n: checker.section(c, CLONE, f"{path}.clones.{n}")
        for n, c in checker.named(patient["clones"], f"{path}.clones").items()
    }
    patient["samples"] = checker.listed(patient["samples"], SAMPLE, f"{path}.samples")
    for i, sample in enumerate(patient["samples"]):
        where = f"{path}.samples[{i}].capture"
        if not isinstance(sample["capture"], Mapping):
            checker.say(where, found(sample["capture"], "keys with values"))
            continue
        sample["capture"] = checker.section({**cohort["capture"], **sample["capture"]}, CAPTURE, where)
    if checker.problems:
        return patient  # what follows reads values that must be sound
    _check_samples(patient, path, checker)
    _check_therapies(patient, path, checker)
    _check_clones(patient, path, checker)
    _check_clinical(patient["clinical"], f"{path}.clinical", checker)
    death = patient["clinical"]["death_day"]
    for i, sample in enumerate(patient["samples"]):
        if death is not None and sample["day"] > death:
            checker.say(f"{path}.samples[{i}].day", f"day {sample['day']} lies after the death, day {death}")
    return patient


def _check_clinical(clinical: Mapping[str, Any], path: str, checker: Checker) -> None:
    lesion = clinical["lesion"]
    if lesion and lesion["until"] is not None and lesion["until"] < lesion["from"]:
        checker.say(f"{path}.lesion.until", f"day {lesion['until']} lies before the first day, {lesion['from']}")
    for i, test in enumerate(clinical["mrd"]):
        where = f"{path}.mrd[{i}]"
        if test["events"] is not None and test["events"] > test["cells"]:
            checker.say(f"{where}.events", found(test["events"], f"at most the cells, {test['cells']}"))
        if test["events"] == 0 and test["result"] == "positive":
            checker.say(f"{where}.result", "positive without a single event", "give the events that were found")


def _check_weights(weights: Mapping[str, Any], known: tuple[str, ...], path: str, checker: Checker) -> None:
    """Weights by cell type."""
    for kind, weight in weights.items():
        if kind not in known:
            checker.say(f"{path}.{kind}", f"unknown cell type, expected {one_of(known)}", did_you_mean(kind, known))
        elif isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight < float("inf"):
            checker.say(f"{path}.{kind}", found(weight, "a weight of at least 0"))


def _check_samples(patient: Mapping[str, Any], path: str, checker: Checker) -> None:
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
        where = f"{path}.samples[{i}]"
        _check_weights(sample["composition"], _OTHERS, f"{where}.composition", checker)
        capture, pairs = sample["capture"], ("plasma", *_OTHERS)
        _check_weights(capture["doublet_partners"], pairs, f"{where}.capture.doublet_partners", checker)
        if capture["doublet_partners"] and not any(capture["doublet_partners"].values()):
            checker.say(f"{where}.capture.doublet_partners", "no type has a weight above 0")
        if capture["doublet_of"] not in ("", *pairs):
            hint = did_you_mean(capture["doublet_of"], pairs)
            checker.say(f"{where}.capture.doublet_of", found(capture["doublet_of"], one_of(pairs)), hint)
    if any(healthy) and not all(healthy):
        checker.say(f"{path}.samples", "healthy and other timepoints in one patient")
    if any(healthy) and patient["clones"]:
        checker.say(f"{path}.clones", "a healthy donor has no clones")


def _check_therapies(patient: Mapping[str, Any], path: str, checker: Checker) -> None:
    last = -1
    for i, therapy in enumerate(patient["therapies"]):
        where = f"{path}.therapies[{i}]"
        if therapy["regimen"] in (OFF, REACTIVATED):
            taken = f"{therapy['regimen']!r} is the name of the time between therapies"
            checker.say(f"{where}.regimen", taken, "choose another name")
        if therapy["stop"] < therapy["start"]:
            checker.say(f"{where}.stop", f"day {therapy['stop']} lies before the start, day {therapy['start']}")
        if therapy["start"] < last:
            checker.say(f"{where}.start", f"day {therapy['start']} lies within the therapy before (until day {last})")
        if therapy["effect_days"] is None:
            therapy["effect_days"] = therapy["stop"] - therapy["start"]
        last = therapy["start"] + therapy["effect_days"]


def _check_clones(patient: Mapping[str, Any], path: str, checker: Checker) -> None:
    for gene, level in patient["drivers"].items():
        if gene not in positions():
            checker.say(
                f"{path}.drivers.{gene}", "no such gene in resources/genes.tsv.gz", did_you_mean(gene, positions())
            )
        elif isinstance(level, bool) or not isinstance(level, int | float) or not 0 <= level < 1e6:
            checker.say(f"{path}.drivers.{gene}", found(level, "counts per million, at least 0"))
    clones = patient["clones"]
    sound = check_tree(clones, f"{path}.clones", checker)
    for name, clone in clones.items():
        where = f"{path}.clones.{name}"
        # YAML reads an unquoted off as false
        clone["growth"] = {OFF if k is False else str(k): v for k, v in clone["growth"].items()}
        regimens = [OFF, REACTIVATED, *(t["regimen"] for t in patient["therapies"])]
        for regimen, rate in clone["growth"].items():
            if regimen not in regimens:
                checker.say(
                    f"{where}.growth.{regimen}",
                    f"no such therapy, expected {one_of(regimens)}",
                    did_you_mean(regimen, regimens),
                )
            elif isinstance(rate, bool) or not isinstance(rate, int | float):
                checker.say(f"{where}.growth.{regimen}", found(rate, "a rate per month"))
            elif not abs(rate) <= FASTEST:
                checker.say(f"{where}.growth.{regimen}", found(rate, f"a rate per month from {-FASTEST} to {FASTEST}"))
    if not clones or not sound:
        return
    total = sum(c["fraction"] for c in clones.values())
    if abs(total - 1.0) > 0.01:
        checker.say(f"{path}.clones", f"the fractions at day 0 add up to {total:g}, expected 1")
