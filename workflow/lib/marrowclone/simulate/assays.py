"""MRD assays and imaging of a simulated patient: what they read, or what the specification says they read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from .dynamics import Course
from .punctures import patch
from .streams import stream

#: Events needed for detection and for quantification (science 5.2).
LIMITS = {"NGF": (20.0, 50.0), "NGS": (1.9, 2.4)}
#: SD, log10, of an MRD assay about the burden (science 4.4).
ASSAY_SD = 0.15


def mrd_tests(patient: Mapping[str, Any], course: Course, name: str, seed: int) -> pd.DataFrame:
    """Rows of ``mrd.tsv``: Poisson events of the cells looked at, of what the day's puncture holds.

    ``events``, ``lod``, ``result`` and ``first_pull`` of a test take the place of what is drawn;
    what is not given follows from what is.
    """
    rows = []
    for test in patient["clinical"]["mrd"]:
        day, assay = test["day"], test["assay"]
        rng = stream(seed, "mrd", name, assay, str(day))
        n = int(test["cells"] * min(1.0, rng.lognormal(-0.1, 0.2)))
        held = float(course.total()[day]) * patch(patient, course, day, name=name, seed=seed)
        level = held * 10.0 ** rng.normal(0.0, ASSAY_SD)
        events = int(min(n, rng.poisson(n * level)))
        first_pull = bool(rng.random() < 0.9)
        if test["events"] is not None:
            events = test["events"]
            n = max(n, events)
        if test["first_pull"] is not None:
            first_pull = test["first_pull"]
        detect, quantify = LIMITS[assay]
        lod, loq, enough = detect / n, quantify / n, events >= detect
        if test["lod"] is not None:
            lod, loq, enough = test["lod"], max(loq, test["lod"]), events >= test["lod"] * n
        result = test["result"] or ("positive" if enough else "negative")
        rows.append(
            {
                "patient": name, "day": day, "assay": assay, "result": result, "cells_analysed": n, "events": events,
                "lod": lod, "loq": loq, "value": events / n if result == "positive" else np.nan, "compartment": "BM",
                "first_pull": "true" if first_pull else "false",
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def imaging_visits(patient: Mapping[str, Any], course: Course, name: str, seed: int) -> pd.DataFrame:
    """Rows of ``imaging.tsv``: half of the scans see a burden of 2%, and all of them a focal lesion.

    A visit's own ``result`` takes the place of both.
    """
    rows = []
    lesion = patient["clinical"]["lesion"]
    for visit in patient["clinical"]["imaging"]:
        day, modality = visit["day"], visit["modality"]
        rng = stream(seed, "imaging", name, modality, str(day))
        burden = float(course.total()[day])
        active = rng.random() < 1.0 / (1.0 + (0.02 / max(burden, 1e-12)) ** 1.5)  # half of scans at 2% [J]
        if lesion:
            active |= lesion["from"] <= day and (lesion["until"] is None or day <= lesion["until"])
        result = visit["result"] or ("positive" if active else "negative")
        # above the liver (4, 5) is active; equivocal is at its level (3)
        score = int(rng.integers(4, 6)) if result == "positive" else int(rng.integers(1, 4))
        if result == "equivocal":
            score = 3
        rows.append(
            {
                "patient": name, "day": day, "modality": modality, "result": result,
                "deauville": score if modality.startswith("PET") else None,
            }
        )  # fmt: skip
    frame = pd.DataFrame(rows)
    if "deauville" in frame:
        frame["deauville"] = frame["deauville"].astype("Int64")
    return frame
