"""Random cohorts: ``population`` in a specification becomes patients, as if they had been written by hand.

Patient ``P7`` depends on the seed and its own name only, so a larger population holds the smaller one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..keys import DAYS_PER_MONTH, HEALTHY
from .regimens import LONGEST, SHAPES, Plan, draw_course
from .streams import stream
from .tumours import choose, draw_clones, draw_drivers, draw_subtype, draw_trunk, shares

#: Plasma cells of a sample by its timepoint, and other cells where it is not sorted (science 3.3: simulator defaults).
PLASMA_CELLS: dict[str, int] = {
    "diagnosis": 1500, "post_induction": 400, "mrd": 300, "follow_up": 300, "remission": 300, "relapse": 1500,
    "refractory": 1500, HEALTHY: 400,
}  # fmt: skip
OTHER_CELLS = 3000
#: Purity of a CD138+ sort: Beta with this mean and concentration [J].
PURITY = (0.90, 30.0)
#: No sample is smaller, whatever ``cells`` says [J].
FEWEST = 40
#: Tumour cells per nucleated marrow cell at day 0: Beta of mean .35 [J] (marrows of all stages hold 23%, science 3.3).
BURDEN = (2.5, 4.6)
#: Normal plasma cells per nucleated cell (science 3.3: .2 to .5%).
NORMAL_PLASMA = (0.002, 0.005)
#: The marrow is looked at again so many days after CAR-T [J].
AFTER_CAR_T = (("mrd", 90), ("follow_up", 300))
#: Each next patient's place in the order of groups moves on by the golden ratio.
GOLDEN = (5**0.5 - 1) / 2


def expand(spec: Mapping[str, Any], population: Mapping[str, Any]) -> dict[str, Any]:
    """Patients and donors of a population, by name (``P1`` ..., ``H1`` ...).

    Parameters
    ----------
    spec
        the specification; only its ``seed`` is used.
    population
        checked keys of ``population`` (``fields.POPULATION``).
    """
    seed = int(spec["seed"])
    out = {f"P{i}": draw_patient(seed, i, population) for i in range(1, population["patients"] + 1)}
    return out | {f"H{i}": draw_donor(seed, f"H{i}", population) for i in range(1, population["donors"] + 1)}


def draw_group(seed: int, number: int, groups: Mapping[str, float]) -> str:
    """Group of the patient with this number, by weight.

    Places in the cumulated weights follow a golden-ratio sequence from a random start, so small
    cohorts hold every group in about its share, and nobody's group depends on who else is there.
    """
    weights = {**dict.fromkeys(shares("group"), 0.0), **(groups or shares("group"))}
    place = (stream(seed, "population", "groups").random() + number * GOLDEN) % 1.0
    edges = np.cumsum(list(weights.values())) / sum(weights.values())
    return list(weights)[min(int(np.searchsorted(edges, place, side="right")), len(weights) - 1)]


def draw_patient(seed: int, number: int, population: Mapping[str, Any]) -> dict[str, Any]:
    """One random patient, as in a hand-written specification."""
    rng = stream(seed, "population", f"P{number}")
    group = draw_group(seed, number, population["groups"])
    subtype, hyperdiploid = draw_subtype(rng)
    clones = draw_clones(draw_trunk(subtype, hyperdiploid, rng), subtype, shape=SHAPES.get(group, "random"), rng=rng)
    isotype = choose(shares("isotype"), rng)
    burden = float(np.clip(rng.beta(*BURDEN), 0.05, 0.85))
    patient: dict[str, Any] = {
        "group": group, "subtype": subtype, "drivers": draw_drivers(subtype, rng),
        "light_chain": choose(shares("light_chain"), rng), "isotype": isotype,
        "sex": "male" if rng.random() < 0.55 else "female", "burden": burden,
    }  # fmt: skip
    plan = draw_course(group, clones, burden, rng)
    days = _visits(group, plan, rng)
    patient |= {"cured": plan.cured, "clones": clones, "therapies": plan.therapies}
    patient["samples"] = [_sample(t, d, population, rng) for t, d in days]
    patient["clinical"] = _clinic(group, isotype, [d for _, d in days], plan, rng)
    return patient


def draw_donor(seed: int, name: str, population: Mapping[str, Any]) -> dict[str, Any]:
    """One healthy donor with one sorted capture."""
    rng = stream(seed, "population", name)
    sample = _sample(HEALTHY, 0, {**population, "sorted": 1.0}, rng)
    return {"group": HEALTHY, "sex": "male" if rng.random() < 0.5 else "female", "samples": [sample]}


def _visits(group: str, plan: Plan, rng: np.random.Generator) -> list[tuple[str, int]]:
    """(timepoint, day) of the samples: diagnosis, after induction, MRD, two years, relapses, last (science A.1)."""
    late = "refractory" if group == "refractory" else "mrd"
    planned = [("diagnosis", 0.0), ("post_induction", 180.0), (late, 400.0), ("follow_up", 24 * DAYS_PER_MONTH)]
    days = [(t, 0 if d == 0 else int(d + rng.integers(-15, 16))) for t, d in planned]
    first = plan.relapses[0] if plan.relapses else plan.day
    visits = [(t, d) for t, d in days if d < first - 60]
    for day in plan.relapses:
        car_t = [x for x in plan.therapies if x["regimen"] == "cilta-cel" and visits[-1][1] < x["start"] < day]
        after = [(t, x["start"] + d) for x in car_t for t, d in AFTER_CAR_T]
        visits += [(t, d) for t, d in after if d < day - 60]
        visits.append(("refractory" if group == "refractory" else "relapse", day))
    if not plan.relapses:
        visits.append(("remission" if group == "cured_like" else "follow_up", plan.day))
    seen: dict[str, int] = {}
    out = []
    for name, day in visits:
        seen[name] = seen.get(name, 0) + 1
        out.append((name if seen[name] == 1 else f"{name}_{seen[name]}", day))
    return out


def _sample(timepoint: str, day: int, population: Mapping[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """One capture: sorted plasma cells, as many as the timepoint yields, or a marrow with its own share of them."""
    plasma = PLASMA_CELLS[timepoint.rstrip("_0123456789")] * float(rng.lognormal(0.0, 0.2))
    enriched = bool(rng.random() < population["sorted"])
    purity = float(rng.beta(PURITY[0] * PURITY[1], (1 - PURITY[0]) * PURITY[1]))
    others = OTHER_CELLS * float(rng.lognormal(0.0, 0.2))
    cells = plasma / purity if enriched else plasma + others
    return {
        "timepoint": timepoint, "day": day, "cells": max(FEWEST, round(population["cells"] * cells)),
        "sort": "CD138+" if enriched else "none", "format": population["format"],
        "capture": {"normal_plasma": round(float(rng.uniform(*NORMAL_PLASMA)), 5)},
    } | ({"plasma_fraction": round(purity, 3)} if enriched else {})  # fmt: skip


def _clinic(group: str, isotype: str, days: list[int], plan: Plan, rng: np.random.Generator) -> dict[str, Any]:
    """M-protein, MRD tests, imaging and questionnaires along the course."""
    last = max(plan.day, *days)
    yearly = list(range(days[0] + 1095, last, 365))
    tests = []
    for day in sorted({*days[1:], *yearly}):
        assay = "NGF" if rng.random() < 0.6 else "NGS"
        low, high = (
            (6.3, 7.0) if assay == "NGF" else (5.9, 6.6)
        )  # cells: 2 to 10 million, .8 to 4 million [J; science 5.2 asks for 10 and 3]
        tests.append({"day": day, "assay": assay, "cells": int(10 ** rng.uniform(low, high))})
    light = isotype == "light_chain_only"
    after = int(rng.integers(60, 200))
    died = group == "refractory" and rng.random() < 0.5
    clinic = {
        "m_protein": 0.0 if light else round(float(np.clip(rng.lognormal(np.log(33), 0.4), 8, 100)), 1),
        "flc": round(float(np.clip(rng.lognormal(np.log(1500 if light else 400), 0.8), 60, 20_000)), 1),
        "missing_items": round(float(rng.uniform(0.05, 0.15)), 3), "missing_forms": 0.10,
        "crab": bool(rng.random() < 0.8), "last_day": min(last + after, LONGEST + 400), "mrd": tests,
        "imaging": [
            {"day": d, "modality": "PET-CT" if rng.random() < 0.8 else "MRI"} for d in sorted({0, *days[2:], *yearly})
        ],
    }  # fmt: skip
    return clinic | ({"death_day": last + after, "death_cause": "myeloma"} if died else {})
