"""Clinical tables of a simulated patient, each consistent with the true burden.

Assays read the burden with errors of their own; serum lags behind the marrow; responses
follow from the simulated laboratory values by IMWG rules, not from the truth.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from .assays import imaging_visits, mrd_tests
from .dynamics import Course
from .events import DIPLOID, arm_states
from .immunoglobulin import clone_chains
from .punctures import patch
from .streams import stream

COLUMNS: dict[str, tuple[str, ...]] = {
    "mrd": (
        "patient", "day", "assay", "result", "cells_analysed", "events", "lod", "loq", "value", "compartment",
        "first_pull",
    ),
    "imaging": ("patient", "day", "modality", "result", "deauville"),
    "response": (
        "patient", "day", "response", "m_protein", "m_protein_unit", "kappa_flc", "lambda_flc", "bm_pc_percent",
        "bm_pc_method", "b2m", "albumin", "ldh", "ldh_uln", "creatinine", "crab", "emd",
    ),
    "therapy": ("patient", "start", "regimen", "stop", "line", "classes"),
    "cytogenetics": ("patient", "day", "event", "method", "fraction"),
    "outcome": ("patient", "pfs_day", "pfs_event", "death_day", "death_cause", "last_contact_day"),
}  # fmt: skip
#: What separates drug classes in one cell of therapy.tsv.
CLASS_SEPARATOR = ","
#: Half-life of the serum M-protein in days (science 4.4).
HALF_LIFE = {"IgG": 21.0, "IgA": 6.0, "IgM": 5.0, "IgD": 3.0, "light_chain_only": 1.0}
#: Below this (g/L) immunofixation is negative; electrophoresis reads 0 below 1 g/L (science 4.4).
IMMUNOFIXATION, ELECTROPHORESIS = 0.3, 1.0
#: Normal free light chains, mg/L, and the normal ratio kappa / lambda [J: usual laboratory ranges].
NORMAL_FLC = {"kappa": 12.0, "lambda": 13.0}
NORMAL_RATIO = (0.26, 1.65)
#: FISH panel: event name, arm, copies at least or at most.
PANEL: tuple[tuple[str, str, int], ...] = (
    ("gain(1q)", "1q", +1), ("del(1p32)", "1p", -1), ("del(13q)", "13q", -1), ("del(17p)", "17p", -1),
)  # fmt: skip
TRANSLOCATIONS = ("t(4;14)", "t(6;14)", "t(11;14)", "t(14;16)", "t(14;20)")
HYPERDIPLOID = ("3", "5", "7", "9", "11", "15", "19", "21")


def clinical_tables(patient: Mapping[str, Any], course: Course, *, name: str, seed: int) -> dict[str, pd.DataFrame]:
    """All clinical tables of one patient but the questionnaires; empty for a healthy donor."""
    if not course.clones:
        return {k: pd.DataFrame(columns=list(c)) for k, c in COLUMNS.items()}
    response = _response(patient, course, name, seed)
    tables = {
        "mrd": mrd_tests(patient, course, name, seed),
        "imaging": imaging_visits(patient, course, name, seed),
        "response": response,
        "therapy": _therapy(patient, name),
        "cytogenetics": _cytogenetics(patient, course, name, seed),
        "outcome": _outcome(patient, response, name, len(course.burden) - 1),
    }
    return {k: t.reindex(columns=list(COLUMNS[k])) for k, t in tables.items()}


def _serum(patient: Mapping[str, Any], total: np.ndarray) -> np.ndarray:
    """(days,) true M-protein, g/L: secreted in proportion to the burden, cleared with its half-life."""
    if total[0] <= 0:  # no clone that secretes a whole immunoglobulin was there
        return np.zeros_like(total)
    decay = np.log(2.0) / HALF_LIFE[patient["isotype"]]
    steady = patient["clinical"]["m_protein"] * total / total[0]
    level = np.empty_like(steady)
    level[0] = steady[0]
    keep = float(np.exp(-decay))
    for day in range(1, level.size):
        level[day] = level[day - 1] * keep + steady[day] * (1.0 - keep)
    return level


def _visits(patient: Mapping[str, Any], last_day: int) -> list[int]:
    """Days of response assessments: a regular grid, every sample and MRD test."""
    days = set(range(0, last_day + 1, patient["clinical"]["response_every"]))
    days |= {s["day"] for s in patient["samples"]} | {m["day"] for m in patient["clinical"]["mrd"]}
    return sorted(d for d in days if d <= last_day)


def _response(patient: Mapping[str, Any], course: Course, name: str, seed: int) -> pd.DataFrame:
    total = course.total()
    involved = patient["light_chain"]
    other = "lambda" if involved == "kappa" else "kappa"
    chains = clone_chains(patient)
    secretes = np.array([heavy or patient["isotype"] == "light_chain_only" for _, heavy in chains.values()])
    true_m = _serum(patient, total if secretes.all() else course.burden[:, secretes].sum(axis=1))
    switched = course.burden[:, np.array([light != involved for light, _ in chains.values()])].sum(axis=1)
    marrow_days = {s["day"] for s in patient["samples"]} | {m["day"] for m in patient["clinical"]["mrd"]}
    rows = []
    for day in _visits(patient, len(total) - 1):
        rng = stream(seed, "visit", name, str(day))
        burden = float(total[day])
        m = float(true_m[day] * rng.lognormal(0.0, 0.05))
        normal, reading = NORMAL_FLC[involved] * rng.lognormal(0, 0.15), rng.lognormal(0, 0.1)
        per_burden, apart = patient["clinical"]["flc"] / float(total[0]), float(switched[day])
        flc = {
            involved: normal + patient["clinical"]["flc"] * (burden - apart) / float(total[0]) * reading,
            other: NORMAL_FLC[other] * rng.lognormal(0, 0.15) * (1.0 - min(0.7, 2.0 * burden))
            + per_burden * apart * reading,
        }
        held = burden * patch(patient, course, day, name=name, seed=seed)
        plasma = 100.0 * min(0.98, held + 0.01) * rng.lognormal(0.0, 0.25)
        rows.append(
            {
                "patient": name, "day": day, "m_protein": round(m, 1) if m >= ELECTROPHORESIS else 0.0,
                "m_protein_unit": "g/L", "kappa_flc": round(flc["kappa"], 1), "lambda_flc": round(flc["lambda"], 1),
                "bm_pc_percent": round(min(99.0, plasma), 1) if day in marrow_days else np.nan,
                "bm_pc_method": "aspirate" if day in marrow_days else "",
                "b2m": round((1.8 + 6.0 * burden) * rng.lognormal(0, 0.12), 2),
                "albumin": round(float(np.clip(42.0 - 14.0 * burden + rng.normal(0, 1.5), 20, 52)), 1),
                "ldh": int(170 * rng.lognormal(0, 0.12) * (1 + 0.4 * burden)), "ldh_uln": 250,
                "creatinine": round(float(0.85 * rng.lognormal(0, 0.08) * (1 + burden)), 2),
                "immunofixation": m >= IMMUNOFIXATION,
            }
        )  # fmt: skip
    frame = pd.DataFrame(rows)
    frame["response"] = _imwg(frame, patient, involved)
    active = patient["clinical"]["crab"]
    crab = []
    for day, response in zip(frame["day"], frame["response"], strict=True):
        if day == 0 or response == "PD":
            active = patient["clinical"]["crab"]
        elif response in ("VGPR", "CR", "sCR", "PR"):
            active = False
        crab.append(active)
    frame["crab"] = pd.Series(crab).map({True: "true", False: "false"})
    frame["emd"] = "false"
    return frame.drop(columns="immunofixation")


def _imwg(frame: pd.DataFrame, patient: Mapping[str, Any], involved: str) -> list[str]:
    """Responses from laboratory values (Kumar 2016, as in science 4.4), against the line's baseline.

    Empty before the first therapy. Measurable disease is the M-protein where it is 10 g/L
    or more, else the difference of free light chains.
    """
    other = "lambda" if involved == "kappa" else "kappa"
    difference = frame[f"{involved}_flc"] - frame[f"{other}_flc"]
    # a clone with another light chain, or without its heavy chain, is seen in the free light chains alone
    escapes = len(set(clone_chains(patient).values())) > 1
    difference = difference.abs() if escapes else difference.clip(lower=0.0)
    starts: dict[int, int] = {}
    for therapy in patient["therapies"]:
        starts.setdefault(therapy["line"], therapy["start"])
    measurable = patient["isotype"] != "light_chain_only" and frame["m_protein"].iloc[0] >= 10.0
    value = frame["m_protein"] if measurable else difference
    least_rise = 5.0 if measurable else 100.0  # g/L; mg/L
    out: list[str] = []
    baseline = nadir = float(value.iloc[0])
    lowest = float(difference.iloc[0])
    line = 0
    for i, day in enumerate(frame["day"]):
        now = float(value.iloc[i])
        free = float(difference.iloc[i])
        escaped = escapes and free - lowest >= max(0.25 * lowest, 100.0)
        lowest = min(lowest, free)
        current = sum(1 for s in starts.values() if s < day)
        if current > line:  # the visit at or before the start is the line's baseline
            before = [j for j in range(i) if frame["day"].iloc[j] <= sorted(starts.values())[current - 1]]
            baseline = nadir = float(value.iloc[before[-1]]) if before else now
            line = current
        if line == 0:
            progressing = escaped or now - nadir >= max(0.25 * nadir, least_rise)
            out.append("PD" if progressing else "")
            nadir = min(nadir, now)
            continue
        plasma = frame["bm_pc_percent"].iloc[i]
        ratio = frame["kappa_flc"].iloc[i] / max(frame["lambda_flc"].iloc[i], 0.1)
        normal_ratio = NORMAL_RATIO[0] <= ratio <= NORMAL_RATIO[1]
        cut = 1.0 - now / baseline if baseline > 0 else 0.0
        if escaped or now - nadir >= max(0.25 * nadir, least_rise):
            out.append("PD")
        elif not frame["immunofixation"].iloc[i] and not (plasma >= 5.0) and (measurable or normal_ratio):
            out.append("sCR" if normal_ratio else "CR")
        elif cut >= 0.9:
            out.append("VGPR")
        else:
            out.append("PR" if cut >= 0.5 else "MR" if cut >= 0.25 else "SD")
        nadir = min(nadir, now)
    return out


def _therapy(patient: Mapping[str, Any], name: str) -> pd.DataFrame:
    rows = [
        {
            "patient": name, "start": t["start"], "regimen": t["regimen"], "stop": t["stop"], "line": t["line"],
            "classes": CLASS_SEPARATOR.join(t["classes"]),
        }
        for t in patient["therapies"]
    ]  # fmt: skip
    return pd.DataFrame(rows)


def _cytogenetics(patient: Mapping[str, Any], course: Course, name: str, seed: int) -> pd.DataFrame:
    """FISH at day 0: every event of the panel, with the share of tumour cells that carry it (0: not found)."""
    clones = patient["clones"]
    states = arm_states({n: c["events"] for n, c in clones.items()}, {n: c["parent"] for n, c in clones.items()})
    share = pd.Series(course.at(0) / course.at(0).sum(), index=list(course.clones))
    found = {event: float(share[(states[arm] - DIPLOID) * sign > 0].sum()) for event, arm, sign in PANEL}
    amplified = float(share[states["1q"] >= DIPLOID + 2].sum())
    if amplified > 0:
        found["amp(1q)"] = amplified
    found |= {t: float(patient["subtype"] == t) for t in TRANSLOCATIONS}
    gained = sum((states[f"{c}q"] > DIPLOID).astype(int) for c in HYPERDIPLOID)
    found["hyperdiploidy"] = float(share[gained >= 3].sum())
    rng = stream(seed, "cytogenetics", name)
    rows = []
    for event, fraction in found.items():
        # 100 sorted cells are read; below 10% of them an event is reported as not found [J]
        read = rng.binomial(100, 0.95 * min(1.0, fraction)) / 100.0
        rows.append(
            {"patient": name, "day": 0, "event": event, "method": "FISH", "fraction": read if read >= 0.1 else 0.0}
        )
    return pd.DataFrame(rows)


def _outcome(patient: Mapping[str, Any], response: pd.DataFrame, name: str, last_day: int) -> pd.DataFrame:
    progressed = response.loc[(response["response"] == "PD"), "day"]
    death = patient["clinical"]["death_day"]
    first = int(progressed.iloc[0]) if len(progressed) else (death if death is not None else None)
    row = {
        "patient": name, "pfs_day": last_day if first is None else first,
        "pfs_event": "false" if first is None else "true",
        "death_day": death, "death_cause": patient["clinical"]["death_cause"],
        "last_contact_day": last_day if death is None else death,
    }  # fmt: skip
    frame = pd.DataFrame([row])
    frame["death_day"] = frame["death_day"].astype("Int64")
    return frame
