"""One tool on one case: run it, judge it, keep what went wrong."""

from __future__ import annotations

import json
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from threadpoolctl import threadpool_limits

from marrowclone.keys import MALIGNANT, NORMAL
from marrowclone.score.permute import permute_answer
from peers.run import PEERS, run_peer

from . import judge
from .case import Case, Cells, case_of, write_case
from .expect import OURS
from .methods import Answer, marrowclone
from .oracle import dosage_oracle

ORACLE = "dosage oracle"
NO_DONORS = f"{OURS}, no donors"
#: Our answer with its labels dealt at random among the cells, and its calls among the arms.
DEALT = f"{OURS}, dealt"
#: How a job fared; one of ours that failed has its ``trace`` beside them.
STATUS = ("seed", "scenario", "patient", "tool", "status", "seconds", "peak_mb", "note", "error")
#: Cohorts of the run by key; worker processes inherit it, so that no matrix is copied between processes.
COHORTS: dict[str, Cells] = {}


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


def run_job(job: Job) -> Done:
    """One tool on one case, judged; a tool that fails leaves its error."""
    case = case_of(COHORTS[job.cohort], job.patient, name=job.scenario, with_donors=job.tool != NO_DONORS)
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


def _peer(job: Job, case: Case, status: dict[str, Any]) -> Answer | None:
    """A peer's answer, or None with its error in ``status``."""
    path = job.folder / f"{job.tool.replace(' ', '_')}.h5ad"
    write_case(case, path)
    out = job.folder / job.tool.replace(" ", "_")
    result = run_peer(job.tool, path, out, timeout=job.timeout)
    path.unlink(missing_ok=True)
    status |= {"status": result.status, "seconds": result.seconds, "peak_mb": result.peak_mb, "error": result.error}
    if result.status != "ok":
        return None
    peer = next(p for p in PEERS if p.name == job.tool)
    names = {"calls": {"call", "score"}, "clones": {"clone"}, "arms": {"arm_value", "arm_call"}}
    can = frozenset(k for k, any_of in names.items() if any_of & set(peer.answers))
    return read_answer(out, answers=can)


def read_answer(folder: Path, *, answers: frozenset[str]) -> Answer:
    """The tables that a peer's adapter wrote.

    Peers name a cluster for every cell. Clusters of cells that the peer itself calls normal are no clones of its
    tumour: they stay as its best guess, and their arms are left out.
    """
    text = {"cell": str, "call": str, "clone": str, "chromosome": str, "arm": str}
    cells = pd.read_csv(folder / "cells.tsv.gz", sep="\t", dtype=text, keep_default_na=False, na_values=[])
    for name in ("score", "p_malignant"):
        cells[name] = pd.to_numeric(cells[name], errors="coerce")
    cells["best_clone"] = cells["clone"]
    cells["clone"] = cells["clone"].where(cells["call"] != NORMAL, "")
    path = folder / "arms.tsv"
    arms = pd.DataFrame(columns=["clone", "chromosome", "arm", "value", "call", "state"])
    if path.exists():
        arms = pd.read_csv(path, sep="\t", dtype=text, keep_default_na=False)
        for name in ("value", "state"):
            arms[name] = pd.to_numeric(arms[name], errors="coerce") if name in arms else float("nan")
        decides = cells["call"].eq(MALIGNANT).any()
        tumour = set(cells.loc[cells["clone"] != "", "clone"])
        if decides and set(arms["clone"]) & tumour:
            arms = arms[arms["clone"].isin(tumour)].reset_index(drop=True)
    info = json.loads((folder / "info.json").read_text(encoding="utf-8"))
    return Answer(cells, arms, note=f"{info.get('tool', '')} {info.get('version', '')}".strip(), answers=answers)
