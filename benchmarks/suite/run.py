"""Running a plan: every tool on every case, the workflow on the cohort, and all of it judged."""

from __future__ import annotations

import multiprocessing
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pandas as pd

from marrowclone.errors import UserError, did_you_mean
from marrowclone.simulate.cohort import Cohort
from peers.run import PEERS

from . import imposed, judge, judge_road
from .case import Drawn, draw, usable_cells
from .expect import OURS, Verdict
from .expect import judge as judge_expectation
from .jobs import COHORTS, DEALT, NO_DONORS, ORACLE, STATUS, Done, Job, run_job
from .plan import Plan
from .road import Road, expected_tables, run_road, write_run
from .scenarios import CELLS, DONORS, ROAD, Scenario, cohort_spec, read_scenarios

Say = Callable[[str], None]


@dataclass
class Results:
    """Everything that a run found."""

    rows: pd.DataFrame
    events: pd.DataFrame
    status: pd.DataFrame
    reliability: pd.DataFrame
    verdicts: list[Verdict]
    stacks: dict[str, pd.DataFrame]
    tools: list[str]
    scenarios: list[str]
    titles: dict[str, str]
    versions: dict[str, str]


def run_plan(plan: Plan, scratch: Path, *, say: Say, save: Callable[[Results], None] | None = None) -> Results:
    """Run everything that a plan asks for.

    Parameters
    ----------
    scratch
        folder for cases, peers' answers and the workflow's run.
    say
        is told how far it got.
    save
        is given what there is before the workflow starts.
    """
    wanted = [s for s in plan.scenarios if s not in imposed.IMPOSED]
    scenarios = read_scenarios(wanted or ([DONORS] if plan.scenarios else ()))
    thinned = [s for s in imposed.IMPOSED if plan.cells and (not plan.scenarios or s in plan.scenarios)]
    expression = imposed.expression(plan.data)
    drawn: dict[int, Drawn] = {}
    jobs: list[Job] = []
    tools = _tools(plan)
    members: dict[str, list[str]] = {}
    for seed in plan.seeds:
        started = time.monotonic()
        cohort = draw(Cohort(checked(cohort_spec(scenarios, seed=seed, expression=expression))))
        drawn[seed] = cohort
        members = members_of(scenarios, cohort.spec["patients"])
        key = f"simulated_{seed}"
        COHORTS[key] = usable_cells(cohort)
        jobs += _jobs(plan, key, members, scenarios, tools, seed, scratch)
        say(f"seed {seed}: {len(cohort.drawn)} captures drawn in {time.monotonic() - started:.0f} s")
        if thinned and plan.data is not None:
            COHORTS[f"imposed_{seed}"] = imposed.cells_of(plan.data, seed=seed)
            here = {name: imposed.PATIENTS[name] for name in thinned}
            jobs += _jobs(plan, f"imposed_{seed}", here, {}, tools, seed, scratch)
    if thinned and plan.data is None:
        say(f"{', '.join(thinned)}: left out, the public data sets are not here")
    done = _work(jobs, plan, say)
    rows = [r for d in done for r in d.rows]
    certain = pd.concat([d.certain for d in done], ignore_index=True) if done else pd.DataFrame()
    present = [*scenarios, *(thinned if plan.data is not None else ())]

    def results(rows: list[judge.Row], road: Road | None, stacks: dict[str, pd.DataFrame]) -> Results:
        table = pd.DataFrame(rows, columns=list(judge.COLUMNS))
        events = [d.events for d in done if len(d.events)]
        return Results(
            rows=table,
            events=pd.concat(events, ignore_index=True) if events else pd.DataFrame(),
            status=pd.DataFrame([d.status for d in done], columns=None if done else list(STATUS)),
            reliability=judge.reliability(certain) if len(certain) else pd.DataFrame(),
            verdicts=_verdicts(plan, scenarios, members, thinned, table, [d.status for d in done], road),
            stacks=stacks,
            tools=tools,
            scenarios=present,
            titles={n: s.title for n, s in scenarios.items()}
            | {n: imposed.IMPOSED[n] for n in thinned if n in present},
            versions=_versions(),
        )

    if not plan.road:
        return results(rows, None, {})
    if save is not None:
        save(results(rows, None, {}))  # what a killed workflow cannot take away
    road, found, stacks = _road(plan, drawn[plan.seeds[0]], scenarios, members, scratch, say)
    return results([*rows, *found], road, stacks)


def checked(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The specification with its defaults and its random patients filled in."""
    from marrowclone.simulate.spec import check_spec

    return check_spec(spec, file="the suite's cohort")


def members_of(scenarios: Mapping[str, Scenario], patients: Mapping[str, Any]) -> dict[str, list[str]]:
    """Scenario -> its patients; those of no scenario belong to the one with a population."""
    named = {p for s in scenarios.values() for p in s.patients}
    drawn = [p for p in patients if p not in named]
    return {n: [*s.patients, *(drawn if s.population else ())] for n, s in scenarios.items()}


def _tools(plan: Plan) -> list[str]:
    """Names of all tools, ours first.

    Raises
    ------
    UserError
        when a peer is none of ours.
    """
    known = [p.name for p in PEERS]
    for name in (*plan.tools, *plan.thorough):
        if name not in known:
            raise UserError(f"no peer is called {name!r}.", hint=did_you_mean(name, known) or ", ".join(known))
    peers = [n for n in known if n in (*plan.tools, *plan.thorough)]
    return [OURS, *([NO_DONORS] if plan.without_donors else []), DEALT, ORACLE, *peers]


def _jobs(
    plan: Plan, key: str, members: Mapping[str, Sequence[str]], scenarios: Mapping[str, Scenario],
    tools: Sequence[str], seed: int, scratch: Path,
) -> list[Job]:  # fmt: skip
    jobs = []
    for scenario, patients in members.items():
        layers = scenarios[scenario].layers if scenario in scenarios else {CELLS}
        if CELLS not in layers or not plan.cells:
            continue
        for patient in patients:
            for tool in tools:
                if tool == DEALT:  # comes with ours
                    continue
                if tool not in (OURS, ORACLE) and seed not in plan.seeds[: plan.peer_seeds]:
                    continue
                if tool in plan.thorough and scenario not in plan.thorough_on:
                    continue
                peer = tool not in (OURS, NO_DONORS, ORACLE)
                if peer and scenario == DONORS and patient not in patients[: plan.peer_donors]:
                    continue
                folder = scratch / "cases" / key / patient
                jobs.append(Job(key, scenario, patient, tool, seed, folder, plan.timeout[0]))
    return jobs


def _work(jobs: Sequence[Job], plan: Plan, say: Say) -> list[Done]:
    """All jobs, as many at once as there are cores."""
    started, done = time.monotonic(), []
    with ProcessPoolExecutor(plan.cores, mp_context=multiprocessing.get_context("fork")) as pool:
        for i, result in enumerate(pool.map(run_job, jobs), start=1):
            done.append(result)
            if i % 25 == 0 or i == len(jobs):
                say(f"{i} of {len(jobs)} answers in {time.monotonic() - started:.0f} s")
    return done


def _road(
    plan: Plan, cohort: Drawn, scenarios: Mapping[str, Scenario], members: Mapping[str, Sequence[str]],
    scratch: Path, say: Say,
) -> tuple[Road, list[judge.Row], dict[str, pd.DataFrame]]:  # fmt: skip
    """The whole workflow on the first seed's cohort, or on those of its people who are in scenarios of the road."""
    folder = scratch / "road"
    started = time.monotonic()
    here = [n for n in members if n not in plan.off_road and (n == DONORS or ROAD in scenarios[n].layers)]
    on_road = {n: list(members[n]) for n in here}
    patients = [p for names in on_road.values() for p in names]
    cohort = cohort.part(patients)
    write_run(cohort, folder, settings=plan.settings)
    tables = [t for n, names in on_road.items() for t in expected_tables(scenarios[n].expect, names)]
    road = run_road(folder, patients, tables=tables, cores=plan.cores, timeout=plan.timeout[1])
    words = "complete" if road.complete else f"INCOMPLETE\n{road.tail}"
    say(f"the workflow on {len(patients)} people: {words}, in {time.monotonic() - started:.0f} s")
    truth = {**cohort.truth(), "cells": cohort.cell_table()}
    rows, stacks = judge_road.judge_road(road, on_road, truth, seed=plan.seeds[0], tool=OURS)
    patchy = [p for p in patients if cohort.spec["patients"][p]["patchiness"] > 0]
    return road, [*rows, *judge_road.pooled(stacks, seed=plan.seeds[0], tool=OURS, patchy=patchy)], stacks


def _verdicts(
    plan: Plan, scenarios: Mapping[str, Scenario], members: Mapping[str, Sequence[str]], thinned: Sequence[str],
    rows: pd.DataFrame, status: Sequence[Mapping[str, Any]], road: Road | None,
) -> list[Verdict]:  # fmt: skip
    """Every expectation of every scenario, held against the run; where a tool failed on a patient, it has no value."""
    broken = {(str(j["scenario"]), str(j["tool"])) for j in status if j["status"] != "ok"}

    def metric_of(scenario: str) -> Callable[[str, str], float | None]:
        def metric(name: str, tool: str) -> float | None:
            if (scenario, tool) in broken:
                return None
            part = rows[(rows["scenario"] == scenario) & (rows["tool"] == tool)]
            values = part.loc[part["metric"].isin([name, f"road: {name}"])]
            exact = values[values["metric"] == name]
            chosen = exact if len(exact) else values
            return float(chosen["value"].mean()) if len(chosen) else None

        return metric

    table = None if road is None else road.table
    out = [
        judge_expectation(name, e, patients=members[name], metric=metric_of(name), table=table)
        for name, s in scenarios.items()
        for e in s.expect
    ]
    if plan.data is not None:
        out += [
            judge_expectation(name, e, patients=imposed.PATIENTS[name], metric=metric_of(name), table=None)
            for name in thinned
            for e in imposed.EXPECT[name]
        ]
    return out


def _versions() -> dict[str, str]:
    names = ("anndata", "infercnvpy", "numpy", "scanpy", "scikit-learn", "scipy", "scvi-tools", "snakemake", "torch")
    found = {"python": platform.python_version()}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not here"
    return found


def facts_of(plan: Plan, results: Results) -> list[str]:
    """What a reader must know about the run, in sentences."""
    return [
        f"seeds {', '.join(map(str, plan.seeds))}; peers and the workflow on the first "
        f"{'one' if plan.peer_seeds == 1 else plan.peer_seeds}",
        "gene levels from real cell-type profiles" if imposed.expression(plan.data)
        else "gene levels drawn: no real profiles were here",
        f"peers on {plan.peer_donors} of the donors",
        f"{len(results.scenarios)} scenarios, {len(results.tools)} tools",
    ]  # fmt: skip
