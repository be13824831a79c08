"""What persists at a low level, and the time over which its rest is judged (science 4.5 [J])."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ..clinical import as_of
from .dynamics import Visit, bound_of
from .therapy import MIXED, UNKNOWN

#: Responses that are VGPR or deeper.
DEEP = frozenset({"VGPR", "CR", "sCR"})
#: Column of ``dynamics.tsv``.
CLASSES = "therapy_classes"
#: Treatment over the interval that ends on a day: context, whether it changed within, drug classes.
Contexts = Mapping[int, tuple[str, bool, str]]
UNKNOWN_CONTEXT = (UNKNOWN, False, "")


def changed(context: str, change: bool) -> bool | None:
    """Whether treatment changed; None where it is not known."""
    return None if context == UNKNOWN else bool(change or context == MIXED)


def stretch_of(
    past: Sequence[Visit], clone: str, residual: Sequence[Visit], contexts: Contexts, *, settings: Mapping[str, Any]
) -> tuple[Visit, Visit] | None:
    """First and last visit of the time over which rest is judged.

    From the first that is ``residual`` (a sighting in VGPR or deeper, six months or more ago) under the treatment of
    now and since the clone was last above the low level, until now; else the last interval.

    Persistence is of sightings six months or more apart (science 4.5), and a burden's error of 0.4 in log10 hides
    any growth slower than a doubling in two years from an interval of less than two years: rest shows over the
    whole stretch or not at all. Over a change of treatment an average near zero is no rest. None where no sighting
    serves: a burden below its limit at one end bounds growth on one side only and says nothing of rest.
    """
    now = contexts.get(past[-1].day, UNKNOWN_CONTEXT)
    same = len(past) - 1
    while same > 0 and contexts.get(past[same].day, UNKNOWN_CONTEXT) == now and not changed(*now[:2]):
        same -= 1
    # where treatment changed of late the last interval's growth is given all the same; no label follows from it
    same = min(same, len(past) - 2)
    starts = {v.day for v in residual} | {past[-2].day}
    start: Visit | None = None
    for visit in past[same:-1]:
        if np.isnan(visit.burden[clone]).any():
            continue
        if (visit.burden[clone] > settings["low_level"]).mean() >= settings["probability"]:
            start = None  # it was high since
        elif start is None and visit.day in starts and bound_of(visit, past[-1], clone) == "":
            start = visit
    return None if start is None or np.isnan(past[-1].burden[clone]).any() else (start, past[-1])


def sightings(
    past: Sequence[Visit],
    clone: str,
    deep: Mapping[int, bool],
    expected: Mapping[tuple[str, int], float],
    *,
    settings: Mapping[str, Any],
) -> list[Visit]:
    """Days six months or more before now on which the clone was seen; none unless it is seen now, one in >= VGPR."""

    def seen(visit: Visit) -> bool:
        enough = visit.counts.get(clone, 0) >= settings["min_cells"]
        return enough and expected.get((clone, visit.day), 0.0) > 1.0

    now = past[-1]
    apart = settings["months_apart"] * 365 / 12  # a year is 365 days: same date, next year
    earlier = [v for v in past[:-1] if seen(v) and now.day - v.day >= math.floor(apart)]
    return earlier if seen(now) and any(deep[v.day] for v in [now, *earlier]) else []


def is_deep(response: pd.DataFrame, patient: str, day: int) -> bool:
    """Whether the last response known by ``day`` was VGPR or deeper; of several of one day, each of them."""
    rows = as_of(response[(response["patient"] == patient) & (response["response"] != "")], day)
    return bool(len(rows)) and bool(rows.loc[rows["day"] == rows["day"].max(), "response"].isin(DEEP).all())
