"""Patients with a known course of every clone, for the chapter "evolution": no matrices, only what its steps read.

Written apart from the library and from its simulator, from the science alone. A patient's clones follow courses that
are straight lines of log burden; samples, assays and calls are drawn from them as a clinic would see them. What the
inference does not know is in here on purpose: patchiness of the marrow has tails heavier than its model, error rates
of the calls differ between centres, cells are given to wrong clones as often as their posteriors say.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

MONTH = 365.25 / 12
#: The marrow holds no more than this.
FULL = 0.95
#: SD in log10 of the marrow's patchiness, of a capture's yield, of an MRD assay, of an aspirate, of an M-protein.
SITE, YIELD, ASSAY, ASPIRATE, PROTEIN = 0.3, 0.3, 0.15, 0.25, 0.2
#: Degrees of freedom of the patchiness (Student's t, scaled to the SD above).
SITE_DF = 4.0
#: A clone below this is absent for every assay.
ABSENT = 1e-6
#: Days in which half of the M-protein goes.
HALF_LIFE = 21.0
#: From this on a clone is given to a cell (``infer_clones.min_posterior``).
SURE = 0.8
#: Cells by which a sample's clone sizes lean on the patient's (``infer_clones.fraction_prior_cells``).
PRIOR_CELLS = 5.0

FAST, SLOW, CREEPING, DORMANT = "fast relapse", "slow growth", "creeping", "dormant"
CONTRACTING, RE_EMERGENT, NEW, LOST = "contracting", "re-emergent", "new", "lost"
#: Scenarios: clones whose state is asked, and rest that is followed as well as one can.
GAIN_1Q, MACROPHAGES, FOLLOWED = "gain of 1q", "macrophage doublets", "well-followed rest"
#: The same with captures of 20,000 sorted cells, so that rest can be supported by the state.
PLENTY = "well-followed rest, many cells"
KINDS = (FAST, SLOW, CREEPING, DORMANT, CONTRACTING, RE_EMERGENT, NEW, LOST)
#: What a patient's clones do: in remission none grows fast.
THEMES = {
    "remission": {DORMANT: 0.4, LOST: 0.15, CONTRACTING: 0.25, SLOW: 0.1, CREEPING: 0.1},
    "long remission": {DORMANT: 0.5, LOST: 0.1, CONTRACTING: 0.1, SLOW: 0.1, CREEPING: 0.1, FAST: 0.1},
    "relapse": {FAST: 0.3, SLOW: 0.2, RE_EMERGENT: 0.2, NEW: 0.15, LOST: 0.15},
    "mixed": dict.fromkeys(KINDS, 1 / len(KINDS)),
}


@dataclass(frozen=True)
class Draw:
    """What one sample truly holds, for the oracle: cells, malignant ones by clone, and the day's errors."""

    sample: str
    day: int
    kind: str
    n_cells: int
    plasma: int
    malignant: np.ndarray


@dataclass(frozen=True)
class Patient:
    """A patient: truth, and what the library reads.

    ``burden``: days x clones, from day 0; ``kinds`` by clone; ``tables``: keyword arguments of ``patient_fractions``
    and the clinical tables; ``draws``: true content of every sample; ``assays``: true counts behind the MRD rows.
    """

    name: str
    theme: str
    clones: tuple[str, ...]
    kinds: tuple[str, ...]
    days: tuple[int, ...]
    burden: np.ndarray
    samples: dict[str, dict[str, Any]]
    tables: dict[str, Any]
    draws: tuple[Draw, ...]
    therapy: pd.DataFrame
    mrd: pd.DataFrame
    response: pd.DataFrame
    cells: dict[str, Any] = field(default_factory=dict)
    scenario: str = ""

    def at(self, day: int) -> np.ndarray:
        """(clones,) true burden."""
        return self.burden[day]


def course(kind: str, start: float, stop_day: int, days: Sequence[int], rng: np.random.Generator) -> np.ndarray:
    """log10 burden of one clone on each day up to the last sampling, without the marrow's limit.

    ``start``: burden on day 0; ``stop_day``: end of induction.
    """
    last = days[-1]
    t = np.arange(last + 1, dtype=float)
    top = math.log10(start)
    doubling = {FAST: rng.uniform(0.6, 3.0), SLOW: rng.uniform(4.0, 11.0), CREEPING: rng.uniform(14.0, 22.0)}
    if kind in doubling:
        bottom = max(top - rng.uniform(0.7, 3.5), -5.5)
        wake = stop_day + (rng.uniform(0, 1) * max(last - stop_day - 120, 0) if kind == FAST else rng.uniform(0, 180))
        path = np.interp(t, [0, stop_day], [top, bottom])
        return path + np.maximum(t - wake, 0) / MONTH * math.log10(2) / doubling[kind]
    if kind == DORMANT:
        bottom = min(rng.uniform(-4.0, -2.2), top - 0.3)
        drift = math.log10(2) / rng.uniform(60, 600) * rng.choice([-1, 1])
        return np.interp(t, [0, stop_day], [top, bottom]) + np.maximum(t - stop_day, 0) / MONTH * drift
    if kind == CONTRACTING:
        bottom = top - rng.uniform(0.3, 1.5)
        path = np.interp(t, [0, stop_day], [top, bottom])
        return path - np.maximum(t - stop_day, 0) / MONTH * math.log10(2) / rng.uniform(1.5, 9.0)
    bottom = rng.uniform(-7.5, -6.2)
    path = np.interp(t, [0, 0.7 * stop_day], [top, bottom])
    if kind == LOST:
        return path
    if kind == NEW:
        path = np.full(len(t), -9.0)
        bottom = -9.0
    goal = rng.uniform(-2.5, -0.7)
    quick = rng.uniform(0.5, 1.2)  # doublings take so many months
    need = (goal - bottom) / math.log10(2) * quick * MONTH
    wake = max(last - need, min(stop_day, last - 60))
    return np.maximum(path, bottom + (goal - bottom) * np.clip((t - wake) / max(last - wake, 1), 0, 1))


def _days(rng: np.random.Generator, *, long: bool = False) -> tuple[int, list[int]]:
    """End of induction; sampling days, uneven as in life; ``long``: about once a year for six to ten years."""
    stop = int(rng.integers(120, 300))
    days = [0, max(60, stop + int(rng.integers(-20, 45)))]
    for _ in range(int(rng.integers(6, 10) if long else rng.integers(1, 5))):
        gap = (
            rng.integers(250, 500)
            if long
            else rng.choice(
                [rng.integers(60, 150), rng.integers(150, 400), rng.integers(400, 900)], p=[0.3, 0.45, 0.25]
            )
        )
        days.append(days[-1] + int(gap))
    return stop, days


def _site(rng: np.random.Generator, size: int | None = None) -> Any:
    """Patchiness of the marrow in log10: Student's t with the SD of the model, and heavier tails."""
    return SITE * math.sqrt((SITE_DF - 2) / SITE_DF) * rng.standard_t(SITE_DF, size=size)


def local(level: Any, log10_error: Any) -> Any:
    """A burden as one site shows it; no site holds more than all."""
    return np.minimum(level * 10.0**log10_error, 0.97)


def patient(seed: int, number: int, *, scenario: str = "") -> Patient:
    """One patient; the same for the same numbers."""
    rng = np.random.default_rng([seed, number])
    theme = str(rng.choice(list(THEMES), p=[0.25, 0.15, 0.35, 0.25]))
    n = int(rng.choice([1, 2, 3, 4, 5], p=[0.12, 0.23, 0.3, 0.2, 0.15]))
    chances = THEMES[theme]
    kinds = [str(k) for k in rng.choice(list(chances), size=n, p=list(chances.values()))]
    if all(k == NEW for k in kinds):
        kinds[0] = LOST
    followed = scenario in (FOLLOWED, PLENTY)
    if scenario:
        kinds = _scenario_kinds(scenario, rng)
        n = len(kinds)
    stop, days = _days(rng, long=theme == "long remission" or followed)
    total = 10.0 ** rng.uniform(-1.2, -0.3)
    shares = rng.dirichlet(np.full(n, 1.5))
    old = np.array([k != NEW for k in kinds])
    shares = np.where(old, shares, 0) / shares[old].sum()
    paths = [course(k, max(total * s, 1e-9), stop, days, rng) for k, s in zip(kinds, shares, strict=True)]
    raw = 10.0 ** np.column_stack(paths)
    raw /= 1.0 - total / FULL
    burden = raw / (1.0 + raw.sum(axis=1, keepdims=True) / FULL)
    clones = tuple(f"c{k + 1}" for k in range(n))
    name = f"E{seed}x{number}"
    site = {d: float(_site(rng)) for d in days}
    normal = float(10.0 ** rng.uniform(-2.7, -1.9))
    samples, kinds_of = _samples(days, rng, sorted_always=followed)
    captures = [
        _capture(
            s,
            samples[s]["day"],
            kinds_of[s],
            burden[samples[s]["day"]],
            site[samples[s]["day"]],
            normal,
            rng,
            least={FOLLOWED: 3000, PLENTY: 20_000}.get(scenario, 0),
        )
        for s in samples
    ]
    tables, cells = _cell_tables(captures, clones, rng)
    response = _response(name, burden, days, site, normal, captures, rng)
    return Patient(
        name, theme, clones, tuple(kinds), tuple(days), burden, samples, tables, tuple(captures),
        _therapy(name, stop, rng), _mrd(name, burden, days, site, rng, always=followed), response, cells, scenario,
    )  # fmt: skip


def _scenario_kinds(scenario: str, rng: np.random.Generator) -> list[str]:
    """Clones of a scenario: gain of 1q, macrophages in the droplets, rest beside clones that may be taken for it."""
    if scenario in (FOLLOWED, PLENTY):
        return [DORMANT, str(rng.choice([DORMANT, CREEPING, SLOW])), str(rng.choice([CONTRACTING, FAST, CREEPING]))]
    if scenario == GAIN_1Q:
        return [DORMANT, DORMANT, str(rng.choice([DORMANT, CREEPING]))]
    return [str(rng.choice([FAST, SLOW])), str(rng.choice([SLOW, CREEPING])), DORMANT]


def _samples(
    days: Sequence[int], rng: np.random.Generator, *, sorted_always: bool = False
) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    rows: dict[str, dict[str, Any]] = {}
    kinds: dict[str, str] = {}
    usual = str(rng.choice(["none", "CD138+"], p=[0.75, 0.25]))
    for i, day in enumerate(days):
        if sorted_always:
            rows[f"s{i}a"] = {"timepoint": f"t{i}", "day": day, "compartment": "BM", "sort": "CD138+"}
            kinds[f"s{i}a"] = "CD138+"
            continue
        sort = usual if rng.random() < 0.85 else str(rng.choice(["none", "CD138+"]))
        parts = [("BM", sort)] + ([("BM", sort)] if rng.random() < 0.06 else [])
        if rng.random() < 0.1:
            parts.append(("PB", "none"))
        for j, (compartment, how) in enumerate(parts):
            name = f"s{i}{'abc'[j]}"
            rows[name] = {"timepoint": f"t{i}", "day": day, "compartment": compartment, "sort": how}
            kinds[name] = "blood" if compartment == "PB" else how
    return rows, kinds


def _capture(
    sample: str,
    day: int,
    kind: str,
    burden: np.ndarray,
    site: float,
    normal: float,
    rng: np.random.Generator,
    *,
    least: int = 0,
) -> Draw:
    n = max(int(10.0 ** rng.uniform(math.log10(200), math.log10(8000))), least)
    here = local(burden, site + rng.normal(0, YIELD))
    if here.sum() > 0.97:
        here = here * 0.97 / here.sum()
    others = normal * 10.0 ** rng.normal(0, 0.2)
    if kind == "blood":
        here, others = here * 10.0 ** rng.uniform(-2.5, -1.0), others * 0.1
    chances = np.append(here, min(others, 1 - here.sum()))
    if kind == "CD138+":
        n = min(n, max(5000, least))
        # what the sort lets through of other cells
        chances = np.append(0.92 * chances / chances.sum(), 0.08)
    else:
        chances = np.append(chances, max(1 - chances.sum(), 0.0))
    drawn = rng.multinomial(n, chances / chances.sum())
    return Draw(sample, day, kind, n, int(drawn[:-1].sum()), drawn[:-2])


def _cell_tables(
    captures: Sequence[Draw], clones: Sequence[str], rng: np.random.Generator
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Kept cells, malignant calls and clones of the cells, with the errors of the calls; and the true ones."""
    sensitivity, false = rng.uniform(0.9, 0.98), rng.uniform(0.001, 0.005)
    d_prime = float(rng.uniform(2.0, 5.0))
    kept, calls, given, truth = [], [], [], []
    overall = np.sum([c.malignant for c in captures], axis=0) + 1.0
    overall /= overall.sum()
    for c in captures:
        own = np.repeat(np.arange(len(clones)), c.malignant)
        own = np.append(own, np.full(c.plasma - len(own), -1))
        names = np.array([f"{c.sample}:{i:05d}" for i in range(c.n_cells)])
        kept.append(
            pd.DataFrame({"cell": names, "sample": c.sample, "is_tumour_type": np.arange(c.n_cells) < c.plasma})
        )
        call, p = _call(own >= 0, sensitivity, false, rng)
        plasma = names[: c.plasma]
        calls.append(pd.DataFrame({"cell": plasma, "sample": c.sample, "call": call, "p_malignant": p}))
        truth.append(pd.DataFrame({"cell": plasma, "sample": c.sample, "day": c.day, "true": own, "call": call}))
        malignant = call == "malignant"
        posterior = _posteriors(own[malignant], overall, d_prime, rng)
        best, top = posterior.argmax(axis=1), posterior.max(axis=1)
        table = pd.DataFrame({"cell": plasma[malignant], "sample": c.sample})
        table["clone"] = np.where(top >= SURE, np.asarray(clones, dtype=object)[best], "")
        table["posterior"], table["best_clone"] = top, np.asarray(clones, dtype=object)[best]
        for k, name in enumerate(clones):
            table[f"p_{name}"] = posterior[:, k]
        given.append(table)
    healthy = []
    for i in range(int(rng.integers(0, 7))):
        size = int(rng.integers(100, 600))
        call, p = _call(np.zeros(size, dtype=bool), sensitivity, false, rng)
        names = [f"h{i}:{j:05d}" for j in range(size)]
        healthy.append(pd.DataFrame({"cell": names, "sample": f"h{i}", "call": call, "p_malignant": p}))
        others = [f"h{i}:x{j:05d}" for j in range(int(rng.integers(2000, 6000)))]
        kept.append(pd.DataFrame({"cell": [*names, *others], "sample": f"h{i}",
                                  "is_tumour_type": [True] * size + [False] * len(others)}))  # fmt: skip
    tables = {
        "clone_cells": pd.concat(given, ignore_index=True),
        "malignant": pd.concat(calls, ignore_index=True),
        "kept": pd.concat(kept, ignore_index=True),
        "healthy": healthy,
    }
    facts = {"sensitivity": sensitivity, "false": false, "d_prime": d_prime, "true": pd.concat(truth)}
    return tables, facts


def _call(
    malignant: np.ndarray, sensitivity: float, false: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Call of every plasma cell, and its probability: a log likelihood ratio cut where the two error rates say."""
    from scipy.stats import norm

    apart = norm.ppf(sensitivity) - norm.ppf(false)
    ratio = rng.normal(np.where(malignant, apart**2 / 2, -(apart**2) / 2), apart)
    cut = apart**2 / 2 - norm.ppf(sensitivity) * apart
    share = (malignant.sum() + 0.5) / (len(malignant) + 1)
    p = 1 / (1 + np.exp(-(ratio + math.log(share / (1 - share)))))
    call = np.where(ratio > cut, "malignant", "normal").astype(object)
    # what lies just below the cut was left open in half of the cells
    call[(ratio <= cut) & (ratio > cut - 0.5 * apart) & (rng.random(len(malignant)) < 0.5)] = "unassigned"
    return call, p


def _posteriors(own: np.ndarray, overall: np.ndarray, d_prime: float, rng: np.random.Generator) -> np.ndarray:
    """Posterior of every clone for each cell, under the sample's clone sizes as expectation-maximisation finds them.

    Clones lie ``d_prime`` SD apart. A normal cell (-1) shows what no clone shows: evidence from between all.
    """
    n = len(overall)
    if n == 1:
        return np.ones((len(own), 1))
    middle = np.full(n, d_prime / math.sqrt(2) / n)
    centre = np.where(own[:, None] >= 0, np.eye(n)[own] * d_prime / math.sqrt(2), middle)
    seen = rng.normal(centre, 1.0)
    likelihood = np.exp(seen * d_prime / math.sqrt(2) - d_prime**2 / 4)
    sizes = np.full(n, 1 / n)
    for _ in range(200):
        p = likelihood * sizes
        p /= np.maximum(p.sum(axis=1, keepdims=True), 1e-300)
        sizes = (p.sum(axis=0) + PRIOR_CELLS * overall) / (len(own) + PRIOR_CELLS)
    return p if len(own) else np.zeros((0, n))


def _therapy(name: str, stop: int, rng: np.random.Generator) -> pd.DataFrame:
    rows = [{"patient": name, "start": 0, "regimen": "VRd", "stop": stop, "line": 1, "classes": "PI;IMiD"}]
    if rng.random() < 0.6:
        rows.append(
            {"patient": name, "start": stop, "regimen": "R", "stop": None, "line": 1, "classes": "IMiD"}
        )  # fmt: skip
    return pd.DataFrame(rows).astype({"start": "Int64", "stop": "Int64", "line": "float64"})


def _mrd(
    name: str,
    burden: np.ndarray,
    days: Sequence[int],
    site: Mapping[int, float],
    rng: np.random.Generator,
    *,
    always: bool = False,
) -> pd.DataFrame:
    rows = []
    for day in days:
        total = float(burden[day].sum())
        if not always and rng.random() > (0.6 if total < 0.03 else 0.1):
            continue
        assay = str(rng.choice(["NGS", "NGF"]))
        n = int(10.0 ** (rng.uniform(5.3, 6.5) if assay == "NGS" else rng.uniform(5.7, 7.0)))
        level = float(local(total, site[day] + rng.normal(0, ASSAY)))
        events = int(rng.poisson(n * level))
        detect = 2 if assay == "NGS" else 20
        found = events >= detect
        stated = rng.random() < 0.7
        rows.append(
            {
                "patient": name, "day": day - int(rng.integers(0, 8)) if day else 0, "assay": assay,
                "result": "positive" if found else "negative", "cells_analysed": float(n), "events": float(events),
                "lod": detect / n if stated else math.nan,
                "loq": (2.4 if assay == "NGS" else 50) / n if stated else math.nan,
                "value": math.nan, "compartment": "BM",
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def m_protein(burden: np.ndarray, start: float) -> np.ndarray:
    """M-protein (g/L) by day: made in proportion to the tumour, half of it gone in three weeks."""
    total = burden.sum(axis=1)
    target = start * total / total[0]
    out = np.empty(len(total))
    level = start
    keep = 0.5 ** (1 / HALF_LIFE)
    for day, goal in enumerate(target):
        level = goal + (level - goal) * keep
        out[day] = level
    return out


def _response(
    name: str, burden: np.ndarray, days: Sequence[int], site: Mapping[int, float], normal: float,
    captures: Sequence[Draw], rng: np.random.Generator,
) -> pd.DataFrame:  # fmt: skip
    start = float(rng.uniform(12, 60))
    true = m_protein(burden, start)
    rows, nadir = [], start
    for day in days:
        level = float(true[day] * 10.0 ** rng.normal(0, PROTEIN)) if day else start
        shown = round(level, 1) if level >= 1 else 0.0
        part = true[day] / start
        if day and true[day] > 1.25 * nadir and true[day] - nadir >= 5:
            grade = "PD"
        elif true[day] < 1:
            grade = "CR"
        else:
            grade = "VGPR" if part <= 0.1 else "PR" if part <= 0.5 else "SD"
        nadir = min(nadir, float(true[day]))
        percent = math.nan
        if day == 0 or rng.random() < 0.6:
            here = float(local(burden[day].sum(), site[day])) + normal
            percent = round(min(100 * here * 10.0 ** rng.normal(0, ASPIRATE), 98.0), 1)
        rows.append(
            {
                "patient": name, "day": day, "response": grade if day else "", "m_protein": shown,
                "m_protein_unit": "g/L", "bm_pc_percent": percent, "bm_pc_method": "aspirate",
            }
        )  # fmt: skip
    return pd.DataFrame(rows)
