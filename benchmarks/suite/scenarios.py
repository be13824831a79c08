"""Scenarios: named hard cases, each with its expected answer, and the cohort that holds them all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from marrowclone.errors import UserError, did_you_mean
from marrowclone.keys import HEALTHY, TABLES

FOLDER = Path(__file__).resolve().parents[1] / "scenarios"
#: The scenario of the healthy donors, which every other one uses as reference.
DONORS = "donors"
#: Where a method is judged: on the same cells as the peers, or by the whole workflow.
CELLS, ROAD = "cells", "road"


@dataclass(frozen=True)
class Scenario:
    """One hard case.

    Attributes
    ----------
    name
        stem of its file.
    title
        what is hard about it, one sentence.
    patients
        as in a cohort specification (docs/simulate.md).
    expect
        expected answers (:mod:`suite.expect`).
    layers
        ``cells`` (copy number and clones on given cells, beside the peers), ``road`` (the whole workflow).
    swaps
        pairs of samples whose tubes were exchanged.
    population
        random patients beside those that are written out.
    """

    name: str
    title: str
    patients: Mapping[str, Any]
    expect: Sequence[Mapping[str, Any]] = ()
    layers: frozenset[str] = frozenset((CELLS, ROAD))
    swaps: Sequence[Sequence[str]] = field(default_factory=tuple)
    population: Mapping[str, Any] = field(default_factory=dict)


def read_scenario(path: Path) -> Scenario:
    """One scenario from its file.

    Raises
    ------
    UserError
        when a key is unknown, or an expectation names a table that no run of the scenario makes.
    """
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    known = {"title", "patients", "population", "expect", "layers", "swaps"}
    unknown = sorted(set(content) - known)
    if unknown:
        raise UserError(f"{path.name}: unknown key {unknown[0]!r}.", hint=did_you_mean(unknown[0], known))
    scenario = Scenario(
        name=path.stem,
        title=content["title"],
        patients=content.get("patients", {}),
        expect=tuple(content.get("expect", ())),
        layers=frozenset(content.get("layers", (CELLS, ROAD))),
        swaps=tuple(content.get("swaps", ())),
        population=content.get("population", {}),
    )
    _check_tables(scenario, path.name)
    return scenario


def _check_tables(scenario: Scenario, file: str) -> None:
    """Only the workflow makes tables, and one that it has no rule for would stop it at the start."""
    named = [str(e["table"]) for e in scenario.expect if "table" in e]
    if named and ROAD not in scenario.layers:
        raise UserError(
            f"{file}: an expectation names the table {named[0]}, but layers are "
            f"{', '.join(sorted(scenario.layers))}; expected {ROAD} among them.",
            hint=f"layers: [{', '.join(sorted((*scenario.layers, ROAD)))}]",
        )
    for table in named:
        known = table.removesuffix(".gz").removesuffix(".tsv").replace("/{patient}.", ".").replace("/", ".")
        if known not in TABLES:
            raise UserError(
                f"{file}: an expectation names {table}, expected a result table of marrowclone.keys.TABLES.",
                hint=did_you_mean(known, TABLES),
            )


def read_scenarios(names: Iterable[str] = (), *, folder: Path = FOLDER) -> dict[str, Scenario]:
    """Scenarios by name, all of them when none is named; the donors always come first.

    Raises
    ------
    UserError
        when a name is none of a scenario.
    """
    paths = {p.stem: p for p in sorted(folder.glob("*.yaml"))}
    wanted = list(names) or list(paths)
    for name in wanted:
        if name not in paths:
            raise UserError(f"no scenario is called {name!r}.", hint=did_you_mean(name, paths))
    ordered = [DONORS, *(n for n in wanted if n != DONORS)]
    return {n: read_scenario(paths[n]) for n in ordered}


def cohort_spec(scenarios: Mapping[str, Scenario], *, seed: int, expression: Mapping[str, Any]) -> dict[str, Any]:
    """The one cohort of all scenarios: each capture is drawn once, whatever is run on it.

    A patient's cells do not depend on who else is in the cohort, so a scenario that is run alone
    sees the same cells.
    """
    patients: dict[str, Any] = {}
    for scenario in scenarios.values():
        for name, patient in scenario.patients.items():
            if name in patients:
                raise UserError(f"patient {name} is in two scenarios.", hint="give each patient a name of its own.")
            patients[name] = patient
    spec: dict[str, Any] = {
        "name": "truth_suite", "seed": seed, "expression": dict(expression),
        "capture": {"ambient": [0.02, 0.10], "doublet_rate": 0.03, "dying": 0.04, "empty": 0.05},
        "patients": patients,
    }  # fmt: skip
    swaps = [list(pair) for s in scenarios.values() for pair in s.swaps]
    populations = [s.population for s in scenarios.values() if s.population]
    return spec | ({"swaps": swaps} if swaps else {}) | ({"population": populations[0]} if populations else {})


def donors_of(spec: Mapping[str, Any]) -> list[str]:
    """Healthy donors of a cohort specification."""
    return [n for n, p in spec["patients"].items() if p["samples"] and p["samples"][0]["timepoint"] == HEALTHY]
