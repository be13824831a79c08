"""Running a plan: every tool on every case, the workflow on the cohort, and all of it judged."""

from __future__ import annotations

import json
import multiprocessing
import platform
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pandas as pd
from threadpoolctl import threadpool_limits

from marrowclone.errors import UserError, did_you_mean
from marrowclone.score.permute import permute_answer
from marrowclone.simulate.cohort import Cohort
from peers.run import PEERS, run_peer

from . import imposed, judge
from .case import Cells, Drawn, case_of, draw, usable_cells, write_case
from .expect import OURS, Verdict
from .expect import judge as judge_expectation
from .methods import Answer, marrowclone
from .oracle import dosage_oracle
from .plan import Plan
from .road import Road, run_road, write_run
from .scenarios import CELLS, DONORS, ROAD, Scenario, cohort_spec, read_scenarios

ORACLE = "dosage oracle"
NO_DONORS = f"{OURS}, no donors"
#: Our answer with its labels dealt at random among the cells, and its calls among the arms.
DEALT = f"{OURS}, dealt"
Say = Callable[[str], None]
#: Cohorts of the run by key; worker processes inherit it, so that no matrix is copied between processes.
_COHORTS: dict[str, Cells] = {}


@dataclass(frozen=True)
class Job:
    """One tool on one case."""

    cohort: str
    scenario: str
    patient: str
    tool: str
    seed: int
    folder: Path
    timeout: float


@dataclass
class Done:
    """What a job gives: rows, event table, probabilities, and how it went."""

    rows: list[judge.Row] = field(default_factory=list)
    events: pd.DataFrame = field(default_factory=pd.DataFrame)
    certain: pd.DataFrame = field(default_factory=pd.DataFrame)
    status: dict[str, Any] = field(default_factory=dict)


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
    scenarios = read_scenarios(wanted)
    thinned = [s for s in imposed.IMPOSED if not plan.scenarios or s in plan.scenarios]
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
        _COHORTS[key] = usable_cells(cohort)
        jobs += _jobs(plan, key, members, scenarios, tools, seed, scratch)
        say(f"seed {seed}: {len(cohort.drawn)} captures drawn in {time.monotonic() - started:.0f} s")
        if thinned and plan.data is not None:
            _COHORTS[f"imposed_{seed}"] = imposed.cells_of(plan.data, seed=seed)
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
            status=pd.DataFrame([d.status for d in done]),
            reliability=judge.reliability(certain) if len(certain) else pd.DataFrame(),
            verdicts=_verdicts(plan, scenarios, members, thinned, table, road),
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
        if CELLS not in layers:
            continue
        for patient in patients:
            for tool in tools:
                if tool == DEALT:  # comes with ours
                    continue
                if tool not in (OURS, ORACLE) and seed not in plan.seeds[: plan.peer_seeds]:
                    continue
                if tool in plan.thorough and scenario not in plan.thorough_on:
                    continue
                # two healthy donors are enough to show what a peer does without a tumour
                if scenario == DONORS and tool not in (OURS, NO_DONORS, ORACLE) and patient not in patients[:2]:
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


def run_job(job: Job) -> Done:
    """One tool on one case, judged; a tool that fails leaves its error."""
    case = case_of(_COHORTS[job.cohort], job.patient, name=job.scenario, with_donors=job.tool != NO_DONORS)
    status = {"seed": job.seed, "scenario": job.scenario, "patient": job.patient, "tool": job.tool,
              "status": "ok", "seconds": float("nan"), "peak_mb": float("nan"), "note": "", "error": ""}  # fmt: skip
    started = time.monotonic()
    try:
        with threadpool_limits(1):
            if job.tool in (OURS, NO_DONORS):
                answer: Answer | None = marrowclone(case)
            elif job.tool == ORACLE:
                answer = dosage_oracle(case)
            else:
                answer = _peer(job, case, status)
        if job.tool in (OURS, NO_DONORS, ORACLE):
            status["seconds"] = time.monotonic() - started
        if answer is None:
            return Done(status=status)
        status["note"] = answer.note
        rows, events, certain = judge.judge_case(case, answer, seed=job.seed, tool=job.tool)
        if job.tool == OURS:  # the same answer dealt at random: what every score says when nothing is known
            dealt = permute_answer(
                {"cells": answer.cells, "arms": answer.arms}, {"cells": case.truth["cells"]}, job.seed
            )
            nothing = Answer(dealt["cells"], dealt["arms"], answer.note)
            rows += judge.judge_case(case, nothing, seed=job.seed, tool=DEALT)[0]
    except Exception as error:  # whatever a tool throws is its result
        status |= {"status": "failed", "error": f"{type(error).__name__}: {error}".splitlines()[0][:300]}
        status["trace"] = traceback.format_exc(limit=-3) if job.tool == OURS else ""
        return Done(status=status)
    return Done(rows, events, certain.assign(tool=job.tool), status)


def _peer(job: Job, case: Any, status: dict[str, Any]) -> Answer | None:
    """A peer's answer, or None with its error in ``status``."""
    path = job.folder / f"{job.tool.replace(' ', '_')}.h5ad"
    write_case(case, path)
    out = job.folder / job.tool.replace(" ", "_")
    result = run_peer(job.tool, path, out, timeout=job.timeout)
    path.unlink(missing_ok=True)
    status |= {"status": result.status, "seconds": result.seconds, "peak_mb": result.peak_mb, "error": result.error}
    if result.status != "ok":
        return None
    return read_answer(out)


def read_answer(folder: Path) -> Answer:
    """The tables that a peer's adapter wrote."""
    text = {"cell": str, "call": str, "clone": str, "chromosome": str, "arm": str}
    cells = pd.read_csv(folder / "cells.tsv.gz", sep="\t", dtype=text, keep_default_na=False, na_values=[])
    for name in ("score", "p_malignant"):
        cells[name] = pd.to_numeric(cells[name], errors="coerce")
    arms_path = folder / "arms.tsv"
    columns = ["clone", "chromosome", "arm", "value", "call", "state"]
    arms = pd.DataFrame(columns=columns)
    if arms_path.exists():
        arms = pd.read_csv(arms_path, sep="\t", dtype=text, keep_default_na=False)
        for name in ("value", "state"):
            arms[name] = pd.to_numeric(arms[name], errors="coerce") if name in arms else float("nan")
    info = json.loads((folder / "info.json").read_text(encoding="utf-8"))
    return Answer(cells, arms, note=f"{info.get('tool', '')} {info.get('version', '')}".strip())


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
    road = run_road(folder, patients, cores=plan.cores, timeout=plan.timeout[1])
    words = "complete" if road.complete else f"INCOMPLETE\n{road.tail}"
    say(f"the workflow on {len(patients)} people: {words}, in {time.monotonic() - started:.0f} s")
    truth = {**cohort.truth(), "cells": cohort.cell_table()}
    rows, stacks = judge.judge_road(road, on_road, truth, seed=plan.seeds[0], tool=OURS)
    return road, [*rows, *judge.pooled(stacks, seed=plan.seeds[0], tool=OURS)], stacks


def _verdicts(
    plan: Plan, scenarios: Mapping[str, Scenario], members: Mapping[str, Sequence[str]], thinned: Sequence[str],
    rows: pd.DataFrame, road: Road | None,
) -> list[Verdict]:  # fmt: skip
    """Every expectation of every scenario, held against the run."""

    def metric_of(scenario: str) -> Callable[[str, str], float | None]:
        def metric(name: str, tool: str) -> float | None:
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
        "gene levels from real cell-type profiles" if plan.data is not None
        else "gene levels drawn: the public data sets were not here, and nothing was imposed on real cells",
        f"{len(results.scenarios)} scenarios, {len(results.tools)} tools",
    ]  # fmt: skip
