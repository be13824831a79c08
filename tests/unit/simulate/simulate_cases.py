"""Specifications that the simulator's tests share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

TINY = Path(__file__).parents[2] / "cohorts" / "tiny.yaml"


def one_patient(**changes: Any) -> dict[str, Any]:
    """A patient whose only capture is sorted plasma cells, many of them normal."""
    patient = {
        "group": "relapse_linear",
        "burden": 0.4,
        "clones": {"A": {"events": ["+1q", "-13q", "+9", "amp11q"], "fraction": 1.0}},
        "samples": [
            {
                "timepoint": "diagnosis",
                "day": 0,
                "cells": 300,
                "plasma_fraction": 1.0,
                "capture": {"normal_plasma": 0.2, "empty": 0, "dying": 0, "doublet_rate": 0, "ambient": [0, 0]},
            }
        ],
    }
    return {"name": "one", "seed": 3, "patients": {"P": {**patient, **changes}}}
