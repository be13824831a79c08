"""What treatment lay over a stretch of time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ..clinical import as_of
from .statistics import on_day

ON, OFF, MIXED, UNKNOWN = "on therapy", "off therapy", "mixed", "unknown"


@dataclass(frozen=True)
class Context:
    """Treatment between two days.

    Attributes
    ----------
    label
        on therapy, off therapy, mixed, or unknown (no therapy row of this patient by then).
    classes
        drug classes given on at least one day of the interval, sorted.
    throughout
        drug classes that cover the interval (by the setting ``covered``).
    change
        whether a regimen began or ended inside the interval.
    """

    label: str
    classes: tuple[str, ...]
    throughout: tuple[str, ...]
    change: bool


def context_of(
    therapy: pd.DataFrame, patient: str, from_day: int, to_day: int, *, settings: Mapping[str, Any]
) -> Context:
    """Treatment in ``(from_day, to_day]``, from what was known on ``to_day``."""
    rows = as_of(on_day(therapy, patient, day="start"), to_day)
    if rows.empty:
        return Context(UNKNOWN, (), (), False)
    days: set[int] = set()
    by_class: dict[str, set[int]] = {}
    change = False
    for row in rows.to_dict("records"):
        start = int(row["start"])
        stop = to_day if pd.isna(row["stop"]) else int(row["stop"])
        covered = set(range(max(start, from_day + 1), min(stop, to_day) + 1))
        days |= covered
        for name in filter(None, str(row["classes"]).split(";")):
            by_class.setdefault(name, set()).update(covered)
        change |= from_day < start < to_day or from_day < stop < to_day
    length, share = to_day - from_day, float(settings["covered"])
    part = len(days) / length
    label = ON if part >= share else OFF if part <= 1 - share else MIXED
    return Context(
        label,
        tuple(sorted(c for c, d in by_class.items() if d)),
        tuple(sorted(c for c, d in by_class.items() if len(d) >= share * length)),
        change,
    )


def exposed_classes(therapy: pd.DataFrame, patient: str, day: int) -> list[str]:
    """Drug classes that the patient had been given by ``day``, sorted."""
    rows = as_of(therapy[therapy["patient"] == patient], day)
    return sorted({name for text in rows["classes"] for name in str(text).split(";") if name})
