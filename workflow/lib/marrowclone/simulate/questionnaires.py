"""Item-level answers to QLQ-C30 (3.0), QLQ-MY20 and EQ-5D-5L from a latent trait; numbers only, no wording.

The trait is severity: worse with burden and on intensive therapy, better with time since.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from .dynamics import Course
from .streams import stream

ITEMS = [f"q{i}" for i in range(1, 51)]
COLUMNS: tuple[str, ...] = ("patient", "day", "instrument", "version", *ITEMS, "value_set", "proxy")
#: Items that move together, by scale (science 7.1, 7.2).
SCALES: dict[str, tuple[int, ...]] = {
    "PF": (1, 2, 3, 4, 5), "RF": (6, 7), "EF": (21, 22, 23, 24), "CF": (20, 25), "SF": (26, 27), "QL": (29, 30),
    "FA": (10, 12, 18), "NV": (14, 15), "PA": (9, 19), "DY": (8,), "SL": (11,), "AP": (13,), "CO": (16,), "DI": (17,),
    "FI": (28,), "DS": tuple(range(31, 37)), "SE": tuple(range(37, 47)), "BI": (47,), "FP": (48, 49, 50),
}  # fmt: skip
#: How easily a scale is affected: added to the trait [J].
EASE = {
    "FA": 0.5,
    "PA": 0.4,
    "SL": 0.2,
    "NV": -0.9,
    "DI": -0.7,
    "AP": -0.4,
    "CO": -0.4,
    "FI": -0.5,
    "FP": 0.6,
    "DS": 0.1,
}
#: Trait above which the next worse answer is chosen (items 1 to 4), and for the seven-point items.
CUTS_4 = np.array([0.3, 1.4, 2.4])
CUTS_7 = np.array([-1.2, -0.5, 0.2, 0.9, 1.6, 2.3])
#: Dimensions of EQ-5D-5L, with the scale whose habit and ease they follow [J]; levels 1 to 5, 5 is worst.
DIMENSIONS: dict[str, str] = {
    "eq_mobility": "PF", "eq_self_care": "RF", "eq_usual_activities": "FA", "eq_pain": "PA", "eq_anxiety": "EF",
}  # fmt: skip
EQ5D = "EQ-5D-5L"
#: Columns that pro.tsv has beside its own where the form is asked for; no value set is named.
EQ5D_COLUMNS: tuple[str, ...] = (*DIMENSIONS, "eq_vas")
CUTS_5 = np.array([0.3, 1.1, 1.9, 2.7])
#: Visual analogue scale, 0 to 100: at severity 0, per unit of it, and SD [J].
VAS = (82.0, 18.0, 7.0)
#: Added to the trait while a regimen of the class is given [J]; transplant dips deepest (science A.7).
THERAPY_LOAD = {"ASCT": 1.2, "BCMA-CART": 0.9, "alkylator": 0.5, "PI": 0.4, "steroid": 0.2, "IMiD": 0.3, "CD38": 0.1}
#: Days that a load is felt beyond the last day of therapy [J].
AFTERMATH = 30


def questionnaires(patient: Mapping[str, Any], course: Course, *, name: str, seed: int) -> pd.DataFrame:
    """Rows of ``pro.tsv``: a row per returned questionnaire; empty for a healthy donor."""
    if not course.clones:
        return pd.DataFrame(columns=list(COLUMNS))
    clinical = patient["clinical"]
    last = len(course.burden) - 1
    person = stream(seed, "trait", name).normal(0.0, 0.4)
    habit = {s: stream(seed, "trait", name, s).normal(0.0, 0.4) for s in SCALES}
    days = {*range(0, last + 1, clinical["pro_every"]), *(s["day"] for s in patient["samples"])}
    rows = []
    for day in sorted(d for d in days if d <= last):
        trait = person + severity(patient, course, day)
        for instrument, version, items in (("QLQ-C30", "3.0", range(1, 31)), ("QLQ-MY20", "1.0", range(31, 51))):
            rng = stream(seed, "questionnaire", name, str(day), instrument)
            answers = _answers(trait, habit, items, clinical["missing_items"], rng)
            if rng.random() < clinical["missing_forms"]:
                continue
            rows.append({"patient": name, "day": day, "instrument": instrument, "version": version, **answers})
        if EQ5D in clinical["pro"]:
            rng = stream(seed, "questionnaire", name, str(day), EQ5D)
            answers = _levels(trait, habit, clinical["missing_items"], rng)
            if rng.random() >= clinical["missing_forms"]:
                rows.append({"patient": name, "day": day, "instrument": EQ5D, "version": "1.0", **answers})
    numbers = [*ITEMS, *(EQ5D_COLUMNS if clinical["pro"] else ())]
    frame = pd.DataFrame(rows).reindex(columns=[*COLUMNS, *numbers[len(ITEMS) :]])
    frame[numbers] = frame[numbers].astype("Int64")
    frame["proxy"] = "false"
    return frame


def severity(patient: Mapping[str, Any], course: Course, day: int) -> float:
    """Latent severity on a day: 0 is well, 2 is badly ill [J]."""
    burden = float(course.total()[day])
    disease = 1.6 * burden / (burden + 0.15)
    load = 0.0
    for therapy in patient["therapies"]:
        if therapy["start"] < day <= therapy["stop"] + AFTERMATH:
            load = max(load, max((THERAPY_LOAD.get(c, 0.2) for c in therapy["classes"]), default=0.2))
    return disease + load - 0.2


def _answers(
    trait: float, habit: Mapping[str, float], items: range, missing: float, rng: np.random.Generator
) -> dict[str, int]:
    """Answers to the items of one form; unanswered ones are left out."""
    out: dict[str, int] = {}
    for scale, members in SCALES.items():
        level = trait + habit[scale] + EASE.get(scale, 0.0) + rng.normal(0.0, 0.25)
        for item in members:
            value, skipped = level + rng.normal(0.0, 0.45), rng.random() < missing
            if item not in items or skipped:
                continue
            if item in (29, 30):  # seven points, 7 is best
                out[f"q{item}"] = 7 - int(np.searchsorted(CUTS_7, value))
            else:
                out[f"q{item}"] = 1 + int(np.searchsorted(CUTS_4, value))
    return out


def _levels(trait: float, habit: Mapping[str, float], missing: float, rng: np.random.Generator) -> dict[str, int]:
    """EQ-5D-5L: the level of each dimension, and the visual analogue scale; unanswered ones are left out."""
    out: dict[str, int] = {}
    for dimension, scale in DIMENSIONS.items():
        level = trait + habit[scale] + EASE.get(scale, 0.0) + rng.normal(0.0, 0.5)
        if rng.random() >= missing:
            out[dimension] = 1 + int(np.searchsorted(CUTS_5, level))
    best, slope, sd = VAS
    score = best - slope * trait + rng.normal(0.0, sd)
    if rng.random() >= missing:
        out["eq_vas"] = round(float(np.clip(score, 0, 100)))
    return out
