"""Patients with known cure status and known tiers, for the validation of the cure chapter alone.

Clinical courses without cells: a patient is cured (tumour gone), persistently stable, or regrows; assays,
imaging, responses and forms are drawn from the course. No formula of the score is used here. True tiers
come from :mod:`marrowclone.simulate.true_tiers`, which was written from the specification apart from :mod:`.tiers`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..clinical import COLUMNS
from ..simulate.true_response import Serum
from ..simulate.true_tiers import Facts, tier_at
from .qol import score_qol
from .reading import Patient

CURED, STABLE, REGROWS = "cured", "stable", "regrows"
#: Share of the groups: cure fractions of published cohorts are 6 to 31% (science 6), MGUS-like 8 to 10%.
GROUPS = {CURED: 0.25, STABLE: 0.08, REGROWS: 0.67}
#: Tumour cells per marrow cell at which progression is seen, and below which a response of each grade is called.
PROGRESSION = 0.05
GRADES = (("CR", 1e-3), ("VGPR", 1e-2))
MONTH = 30.4375
_TYPES = {"text": "object", "list": "object", "day": "Int64", "number": "float64", "boolean": "boolean"}
_EMPTY = {"text": "", "list": "", "day": pd.NA, "number": np.nan, "boolean": pd.NA}


@dataclass(frozen=True)
class Simulated:
    """One patient: what the analysis sees, and what is true.

    ``truth``: day, tier, relapse_day (NaN: none). ``pfs_day``, ``event``: observed outcome.
    ``burden``: (days,) true tumour cells per nucleated marrow cell.
    """

    patient: Patient
    group: str
    burden: np.ndarray
    truth: pd.DataFrame
    pfs_day: int
    event: bool


def simulate_patient(name: str, rng: np.random.Generator, *, settings_qol: dict[str, Any]) -> Simulated:
    """Draw one patient and follow it for 5 to 12 years, until progression."""
    group = str(rng.choice(list(GROUPS), p=list(GROUPS.values())))
    stop = int(rng.uniform(5, 12) * 365.25)
    maintained = int(270 + rng.uniform(0, 900))
    burden = _burden(group, stop, maintained, rng)
    over = np.flatnonzero(burden[270:] >= PROGRESSION)
    relapse = 270 + int(over[0]) if len(over) else None
    last = stop if relapse is None else relapse
    days = [int(d) for d in 180 + 385 * np.arange(12) + rng.integers(-10, 11, 12) if d <= last]
    response = _response(burden, relapse)
    serum = _serum(burden)
    tests = {d: 10 ** rng.uniform(6.2, 6.9) if rng.uniform() < 0.9 else 1e5 for d in days}
    scans = [d for d in days if rng.uniform() < 0.85]
    therapies = _therapies(maintained, last)
    facts = Facts(
        response=response,
        burden=burden,
        blood=serum,
        tests={d: (_perfect(burden[d], 1.9 / n), 1.9 / n) for d, n in tests.items()},
        scans={d: bool(burden[d] >= 1e-2) for d in scans},
        therapies=therapies,
        quantified={d: 2.4 / n for d, n in tests.items()},
    )
    truth = pd.DataFrame(
        {"patient": name, "day": days, "tier": [tier_at(facts, d).tier for d in days],
         "relapse_day": np.nan if relapse is None else relapse}
    )  # fmt: skip
    visits = sorted({0, *days, *range(90, last, 90), *([relapse] if relapse else [])})
    tables = {
        "mrd": [_assay(name, d, n, burden[d], rng) for d, n in tests.items()],
        "imaging": [
            {"patient": name, "day": d, "modality": "PET-CT", "result": "positive" if burden[d] >= 1e-2 else "negative"}
            for d in scans
        ],
        "response": [_visit(name, d, response, serum, rng) for d in visits],
        "therapy": [{"patient": name, **t, "classes": ";".join(t["classes"]), "regimen": "x"} for t in therapies],
        "pro": [_form(name, d, burden[d], d < maintained, rng) for d in visits if rng.uniform() < 0.85],
        "cytogenetics": [],
    }
    clinical: dict[str, pd.DataFrame | None] = {n: _table(n, rows) for n, rows in tables.items()}
    clinical["pro"] = score_qol(_table("pro", tables["pro"]), settings=settings_qol)
    return Simulated(
        Patient(name, [("diagnosis", 0)], clinical, _no_clones()), group, burden, truth, last, bool(relapse)
    )


def simulate_cohort(n: int, *, seed: int, settings_qol: dict[str, Any]) -> list[Simulated]:
    """``n`` patients; each has a stream of its own, so that a larger cohort begins with the smaller one."""
    return [
        simulate_patient(f"V{i:04d}", np.random.default_rng([seed, i]), settings_qol=settings_qol) for i in range(n)
    ]


def _burden(group: str, stop: int, maintained: int, rng: np.random.Generator) -> np.ndarray:
    """Daily burden: kill, then (per group) nothing, a plateau, or regrowth that is slower on maintenance."""
    months = np.arange(stop + 1) / MONTH
    start, kill = 10 ** rng.uniform(-1, -0.2), max(0.5, rng.normal(1.2, 0.3))
    induction = 270 / MONTH
    falling = start * np.exp(-kill * np.minimum(months, induction))
    if group == CURED:
        gone = start * np.exp(-max(kill, 1.6) * months)
        return np.where(gone < 1e-8, 0.0, gone)
    after = np.maximum(months - induction, 0)
    if group == STABLE:
        level = 10 ** rng.uniform(-4.5, -2.5)
        drift = rng.normal(0, 0.002)
        return np.where(months < induction, np.maximum(falling, level), level * np.exp(drift * after))
    treated = np.minimum(after, (maintained - 270) / MONTH)
    rate_on, rate_off = rng.normal(0.02, 0.12), np.exp(rng.normal(np.log(0.22), 0.5))
    grown = rate_on * treated + rate_off * (after - treated)
    return np.minimum(0.5, np.maximum(falling, 1e-8) * np.exp(grown))


def _response(burden: np.ndarray, relapse: int | None) -> np.ndarray:
    words = np.where(burden < 0.5 * burden[0], "PR", "SD").astype(object)
    for grade, below in reversed(GRADES):
        words[burden < below] = grade
    if relapse is not None:
        words[relapse:] = "PD"
    words[0] = ""
    return words


def _serum(burden: np.ndarray) -> Serum:
    share = burden / burden[0]
    return Serum(40 * share, 12 + 500 * share, np.full(len(burden), 12.0), 100 * burden)


def _perfect(burden: float, limit: float) -> str:
    if burden >= max(1e-5, limit):
        return "positive"
    return "negative" if limit <= 1e-5 else "indeterminate"


def _therapies(maintained: int, last: int) -> list[Mapping[str, Any]]:
    rows = [(5, 180, ["PI", "IMiD"]), (200, 201, ["ASCT", "alkylator"]), (270, maintained, ["IMiD"])]
    return [{"start": a, "stop": min(b, last), "line": 1, "classes": classes} for a, b, classes in rows if a <= last]


def _assay(name: str, day: int, cells: float, burden: float, rng: np.random.Generator) -> dict[str, Any]:
    """Cells counted in a sample whose dilution and site vary by a factor of two."""
    events = int(rng.poisson(cells * min(1.0, burden * 10 ** rng.normal(0, 0.3))))
    positive = events >= 2
    return {
        "patient": name, "day": day, "assay": "NGS", "result": "positive" if positive else "negative",
        "cells_analysed": int(cells), "events": min(events, int(cells)) if positive else 0, "lod": 1.9 / int(cells),
        "loq": 2.4 / int(cells),
        "compartment": "BM",
    }  # fmt: skip


def _visit(name: str, day: int, response: np.ndarray, serum: Serum, rng: np.random.Generator) -> dict[str, Any]:
    word = str(response[day])
    if word in ("CR", "VGPR") and rng.uniform() < 0.03:
        word = "VGPR" if word == "CR" else "CR"
    protein = serum.m_protein[day] * np.exp(rng.normal(0, 0.05))
    return {
        "patient": name, "day": day, "response": word, "crab": day == 0, "m_protein_unit": "g/L",
        "m_protein": float(protein) if protein >= 0.5 else 0.0,
        "kappa_flc": float(serum.involved[day] * np.exp(rng.normal(0, 0.05))),
        "lambda_flc": float(serum.other[day] * np.exp(rng.normal(0, 0.05))),
    }  # fmt: skip


def _form(name: str, day: int, burden: float, treated: bool, rng: np.random.Generator) -> dict[str, Any]:
    """Answers from one latent trait that is worse with disease and on treatment, which relapse does not foretell."""
    trait = rng.normal(-0.8 + 1.2 * (burden >= 1e-2) + 0.4 * treated, 0.6)
    answers = 1 + (trait + rng.normal(0, 0.7, 28)[:, None] > np.array([0.0, 1.0, 2.0])).sum(axis=1)
    items = {f"q{i + 1}": int(a) for i, a in enumerate(answers)}
    general = int(np.clip(round(5 - trait), 1, 7))
    return {
        "patient": name,
        "day": day,
        "instrument": "QLQ-C30",
        "version": "3.0",
        "q29": general,
        "q30": general,
    } | items


def _table(name: str, rows: list[dict[str, Any]]) -> pd.DataFrame:
    kinds = COLUMNS[name]
    return pd.DataFrame({c: pd.Series([r.get(c, _EMPTY[k]) for r in rows], dtype=_TYPES[k]) for c, k in kinds.items()})


def _no_clones() -> dict[str, pd.DataFrame]:
    return {
        "fractions": pd.DataFrame(columns=["clone", "sample", "day", "n_clone", "fraction", "burden_source"]),
        "draws": pd.DataFrame(columns=["draw", "clone", "sample", "day", "fraction", "burden"]),
        "labels": pd.DataFrame(columns=["clone", "day", "label", "probability"]),
        "resistance": pd.DataFrame(columns=["clone", "day", "drug_class", "call"]),
    }
