"""Imaging as of a landmark: positive, equivocal, negative or unknown, and how old."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from .stream import gate_days, number

_WORST = {"negative": 0, "equivocal": 1, "positive": 2}


@dataclass(frozen=True)
class Imaging:
    """``state``: negative, equivocal, positive or unknown; ``day`` of it (NaN); ``recent``: within its shelf life."""

    state: str
    day: float
    recent: bool


def read_imaging(rows: pd.DataFrame, day: int, *, settings: Mapping[str, Any]) -> Imaging:
    """The worst of the newest examination and those within ``conflict_window_days`` before it.

    ``rows``: one patient's examinations, cut at the landmark. A Deauville score at or above
    ``deauville_positive`` (uptake above liver, IMPeTUs, science 5.2) is positive whatever the
    word beside it. Only ``imaging_modalities`` can say negative: plain X-rays do not see what
    these see, so a negative one neither clears nor refreshes.
    """
    states, days = [], []
    for _, row in rows.iterrows():
        state = str(row["result"])
        if number(row.get("deauville")) >= settings["deauville_positive"]:
            state = "positive"
        if state in _WORST and not (state == "negative" and str(row["modality"]) not in settings["imaging_modalities"]):
            states.append(state)
            days.append(int(row["day"]))
    if not days:
        return Imaging("unknown", np.nan, False)
    newest = max(days)
    together = [s for s, d in zip(states, days, strict=True) if newest - d <= settings["conflict_window_days"]]
    recent = day - newest <= gate_days(settings["stale_months"])
    return Imaging(max(together, key=_WORST.__getitem__), float(newest), recent)
