"""What every clone truly did between samplings: net growth and the labels of science 4.5.

The rules are written here from the text alone, with true burdens in the place of estimates, so that
an answer is held against a second reading of them. A probability in a rule is 0 or 1 here.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from ..keys import DAYS_PER_MONTH
from .dynamics import FLOOR, Course, epochs
from .punctures import patch
from .true_response import at_least, responses

COLUMNS: tuple[str, ...] = (
    "patient", "clone", "day", "label", "growth_per_month", "burden_before", "burden", "previous_day", "interval",
    "expected_cells", "expected_cells_before", "most_cells_before",
)  # fmt: skip
#: Net growth per month of a doubling (halving) in a year, and in two (science 4.5).
FAST, SLOW = float(np.log(2.0) / 12.0), float(np.log(2.0) / 24.0)
#: A clone at or below this is absent: the lowest level that any assay reaches (science 5.2) and the
#: course's floor. The margin is for the rounding of its logarithm.
ABSENT = FLOOR * (1.0 + 1e-6)
#: Low-level disease, and for how long it lasts to be persistent (science 4.5).
LOW, PERSISTS_DAYS = 1e-2, 6 * DAYS_PER_MONTH
#: A new clone was below this part of its burden before (science 4.5).
NEW_FOLD = 10.0
FIRST = "first"
MIXED = "mixed"


def true_labels(patient: Mapping[str, Any], course: Course, *, name: str, seed: int) -> pd.DataFrame:
    """Labels of every clone on every sampling day (:data:`COLUMNS`), a row per label.

    A clone and day without any label has one row with an empty one; the first day, from which growth is
    reckoned, has the label ``first``.

    The readings of science 4.5 that it leaves open:

    - ``expanding``, ``contracting``: net growth since the sampling day before, whatever happened between.
    - ``lost (below limit)``: absent now, and present on some sampling day before; it stays lost until it is back.
    - ``re-emergent``: present, absent on the sampling day just before, present on an earlier one. It is said once.
    - ``new``: absent on every earlier sampling day, and tenfold now. A clone that was there, but too small for the
      samples, is not new in truth; ``most_cells_before`` says whether an earlier sample could have shown it.
    - ``persistent low-level``: present and at most 1e-2 now and on sampling days back to one 6 months or more ago,
      without a break, and in VGPR or deeper on one of those days.
    - ``dormant-compatible``: that, and a net growth slower than a doubling (halving) in two years over an interval of
      one kind: growth over a change of therapy is no growth constant (science 4.4), so a clone that was
      killed and came back to where it was is not dormant.
    - ``reactivating``: persistent on an earlier sampling day, now growing faster than that. A growth above 0, as
      the text has it, would be true of a resting clone whose neighbours shrink in a finite marrow.

    "dormant, supported" needs evidence of state, which is the phenotype in ``clones.tsv``.

    Returns
    -------
    DataFrame
        Burdens are tumour cells per nucleated marrow cell; ``growth_per_month`` = ln(burden / burden_before) / months,
        empty where the clone is gone for good at either end. ``interval`` is the regimen that acted between,
        ``off`` or ``mixed``. ``expected_cells`` is how many good cells of the clone the day's captures hold
        on average; ``most_cells_before`` the most that any earlier day's did.
    """
    days = sorted({s["day"] for s in patient["samples"]})
    if not course.clones:
        return pd.DataFrame(columns=list(COLUMNS))
    burden = course.burden[days]
    deep = at_least(responses(patient, course), "VGPR")[days]
    cells = np.array([_expected(patient, course, day, name=name, seed=seed) for day in days])
    growth = _growth(burden, days)
    kinds = ["", *(_interval(patient, a, b) for a, b in pairwise(days))]
    rows = []
    for k, clone in enumerate(course.clones):
        labels = clone_labels(burden[:, k], growth[:, k], np.array(days), deep, mixed=np.array(kinds) == MIXED)
        for i, day in enumerate(days):
            facts = {
                "patient": name, "clone": clone, "day": day, "growth_per_month": growth[i, k],
                "burden_before": burden[i - 1, k] if i else np.nan, "burden": burden[i, k],
                "previous_day": days[i - 1] if i else None, "interval": kinds[i], "expected_cells": cells[i, k],
                "expected_cells_before": cells[i - 1, k] if i else np.nan,
                "most_cells_before": cells[:i, k].max() if i else np.nan,
            }  # fmt: skip
            rows += [{**facts, "label": label} for label in labels[i] or [""]]
    table = pd.DataFrame(rows)[list(COLUMNS)]
    table["previous_day"] = table["previous_day"].astype("Int64")
    table["growth_per_month"] = table["growth_per_month"].where(np.isfinite(table["growth_per_month"]))
    return table


def clone_labels(
    burden: np.ndarray, growth: np.ndarray, days: np.ndarray, deep: np.ndarray, *, mixed: np.ndarray
) -> list[list[str]]:
    """Labels of one clone on each sampling day.

    Parameters
    ----------
    burden, growth
        (days,) per nucleated cell; per month since the day before (NaN on the first).
    days
        (days,) in ascending order.
    deep
        (days,) whether the patient is in VGPR or deeper.
    mixed
        (days,) whether therapy changed since the day before.
    """
    there = burden > ABSENT
    low = there & (burden <= LOW)
    out: list[list[str]] = [[FIRST]]
    persisted = False
    for i in range(1, len(days)):
        found = []
        before = bool(there[:i].any())
        if growth[i] > FAST:
            found.append("expanding")
        if growth[i] < -FAST:
            found.append("contracting")
        if not there[i] and before:
            found.append("lost (below limit)")
        if there[i] and not there[i - 1] and before:
            found.append("re-emergent")
        if there[i] and burden[i] > NEW_FOLD * burden[:i].max() and not before:
            found.append("new")
        if persisted and growth[i] > SLOW:
            found.append("reactivating")
        if _persistent(low, days, deep, i):
            found.append("persistent low-level")
            if abs(growth[i]) < SLOW and not mixed[i]:
                found.append("dormant-compatible")
            persisted = True
        out.append(found)
    return out


def _persistent(low: np.ndarray, days: np.ndarray, deep: np.ndarray, i: int) -> bool:
    """Whether the unbroken run of low-level days that ends with day ``i`` is long enough, with one deep response."""
    breaks = np.flatnonzero(~low[: i + 1])
    begin = int(breaks[-1]) + 1 if len(breaks) else 0
    return bool(begin < i and days[i] - days[begin] >= PERSISTS_DAYS and deep[begin : i + 1].any())


def _growth(burden: np.ndarray, days: list[int]) -> np.ndarray:
    """(days x clones) net growth per month since the day before: NaN on the first day and for what was never there."""
    out = np.full(burden.shape, np.nan)
    months = np.diff(days)[:, None] / DAYS_PER_MONTH
    with np.errstate(divide="ignore", invalid="ignore"):
        out[1:] = np.diff(np.log(burden), axis=0) / months
    return out


def _interval(patient: Mapping[str, Any], first: int, last: int) -> str:
    """The regimen that acts on all days from ``first`` until the one before ``last``, ``off``, or ``mixed``."""
    acting = {
        regimen for start, stop, regimen, _ in epochs(patient["therapies"], last) if start < last and stop > first
    }
    return acting.pop() if len(acting) == 1 else MIXED


def _expected(patient: Mapping[str, Any], course: Course, day: int, *, name: str, seed: int) -> np.ndarray:
    """(clones,) good cells (neither dying nor empty droplets) that the captures of a day hold on average.

    Of what the day's puncture holds: it is what a sample could show that is asked.
    """
    burden = course.at(day) * patch(patient, course, day, name=name, seed=seed)
    total = float(burden.sum())
    if total <= 0:
        return np.zeros(len(burden))
    out = np.zeros(len(burden))
    for sample in patient["samples"]:
        if sample["day"] != day:
            continue
        normal = sample["capture"]["normal_plasma"] * (1.0 - total)
        share = sample["plasma_fraction"]
        plasma = min(1.0, total + normal) if share is None else share
        good = sample["cells"] * (1.0 - sample["capture"]["empty"]) * (1.0 - sample["capture"]["dying"])
        out += good * plasma * burden / (total + normal)
    return out
