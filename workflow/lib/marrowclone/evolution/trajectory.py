"""How the clones of a patient moved between two sampling days: the classes of science 3.2 [J]."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ..keys import DAYS_PER_MONTH
from .dynamics import Visit, two_point_fitness
from .fractions import natural
from .statistics import Array

#: Columns of ``{patient}.trajectory.tsv``.
TRAJECTORY = ("from_day", "to_day", "label", "probability", "evidence")
ELIMINATION, STABLE, LINEAR, BRANCHING = "elimination", "stable", "linear", "branching / selection"
NEUTRAL, INSUFFICIENT, UNDECIDED = "neutral-compatible", "insufficient", "undecided"


def trajectory(
    series: Sequence[Visit],
    *,
    tree: pd.DataFrame,
    reference: pd.DataFrame,
    burden: pd.DataFrame,
    patient: str,
    settings: Mapping[str, Any],
) -> pd.DataFrame:
    """Class of each step between sampling days and, with three days or more, of first to last.

    Parameters
    ----------
    tree
        ``evolution/{patient}.tree.tsv``: branch, parent.
    reference
        ``copy_number/{patient}.reference.tsv``: on rung R5, or without any, clones are not
        believed enough to class their course.
    burden
        ``evolution/{patient}.burden.tsv``: limits of detection.
    """
    pairs = list(itertools.pairwise(series))
    if len(series) > 2:
        pairs.append((series[0], series[-1]))
    rungs = set(reference.get("rung", pd.Series(dtype=str)))
    weak = not rungs or bool(rungs & {"R5", "none"})
    limits = {
        int(day): float(rows["limit_of_detection"].min())
        for day, rows in ((visit.day, _used(burden, visit)) for visit in series)
        if not rows.empty
    }
    parents = {str(r["branch"]): str(r["parent"]) for r in tree.to_dict("records") if r["parent"]}
    rows = []
    for first, second in pairs:
        label, probability, evidence = _class(first, second, parents, limits, weak=weak, settings=settings)
        rows.append(
            {
                "from_day": first.day,
                "to_day": second.day,
                "label": label,
                "probability": probability,
                "evidence": evidence,
            }
        )
    return pd.DataFrame(rows, columns=list(TRAJECTORY))


def _used(burden: pd.DataFrame, visit: Visit) -> pd.DataFrame:
    return burden[burden["sample"].isin(visit.samples) & burden["used"].astype(bool)]


def _class(
    first: Visit,
    second: Visit,
    parents: Mapping[str, str],
    limits: Mapping[int, float],
    *,
    weak: bool,
    settings: Mapping[str, Any],
) -> tuple[str, float, str]:
    """Label, its probability, and what it rests on; the first class that is reached."""
    least, sure = settings["trajectory_cells"], settings["probability"]
    cells = f"{first.n_assigned} and {second.n_assigned} malignant cells"
    if weak:
        return INSUFFICIENT, math.nan, f"{cells}; weak copy-number reference"
    if first.n_assigned < least:
        return INSUFFICIENT, math.nan, f"{cells}; fewer than {least}"
    gone = _elimination(first, second, limits.get(second.day, math.nan))
    if gone is not None and gone[0] >= sure:
        return ELIMINATION, gone[0], f"{cells}; {gone[1]}"
    if second.n_assigned < least:
        return INSUFFICIENT, math.nan, f"{cells}; fewer than {least}"
    clones = sorted(first.fraction, key=natural)
    start = np.column_stack([first.fraction[c] for c in clones])
    end = np.column_stack([second.fraction[c] for c in clones])
    new = [c for c in clones if not first.counts.get(c, 0) and second.counts.get(c, 0) >= settings["min_cells"]]
    still = float((np.abs(end - start) < settings["small_change"]).all(axis=1).mean())
    if still >= sure and not new:
        return STABLE, still, cells
    linear, branching = _turnover(clones, start, end, parents, settings=settings)
    if linear >= sure:
        return LINEAR, linear, f"{cells}; a descendant replaced its ancestor"
    if branching >= sure:
        return BRANCHING, branching, f"{cells}; a clone of another branch rose"
    months = (second.day - first.day) / DAYS_PER_MONTH
    fitter = [float((two_point_fitness(start[:, k], end[:, k], months=months) > 0).mean()) for k in range(len(clones))]
    if len(clones) >= settings["many_clones"] and max(fitter) <= settings["fitter_probability"]:
        return NEUTRAL, math.nan, f"{cells}; no clone fitter than the rest; no test of neutrality"
    return UNDECIDED, max(still, linear, branching), f"{cells}; no class reaches its probability"


def _elimination(first: Visit, second: Visit, limit: float) -> tuple[float, str] | None:
    """P(every clone is below the assay's limit), where that limit is deep enough to say so."""
    if math.isnan(limit) or any(np.isnan(b).any() for v in (first, second) for b in v.burden.values()):
        return None
    before = float(np.median(np.sum(list(first.burden.values()), axis=0)))
    if limit > before / 10 or any((b > limit).mean() > 0.5 for b in second.burden.values()):
        return None
    probability = float(np.all([b <= limit for b in second.burden.values()], axis=0).mean())
    return probability, f"every clone below {limit:.2g}; an upper bound, not zero"


def _ancestors(clone: str, parents: Mapping[str, str]) -> set[str]:
    above: set[str] = set()
    while clone in parents and parents[clone] not in above:
        clone = parents[clone]
        above.add(clone)
    return above


def _turnover(
    clones: Sequence[str], start: Array, end: Array, parents: Mapping[str, str], *, settings: Mapping[str, Any]
) -> tuple[float, float]:
    """P(linear) and P(branching): which clone rose, which fell, and how they are related."""
    above = {c: _ancestors(c, parents) for c in clones}
    n = len(clones)
    # related[i, j]: clone i descends from clone j
    related = np.array([[clones[j] in above[clones[i]] for j in range(n)] for i in range(n)])
    change = end - start
    minor, small, large = settings["minor_share"], settings["small_change"], settings["large_change"]
    rises, falls = change >= large, change <= -large
    line = np.zeros(len(start), dtype=bool)
    for i in range(n):
        # only this lineage rises; what falls is its ancestor
        apart = [k for k in range(n) if k != i and not related[k, i] and not related[i, k]]
        replaced = (falls & related[i][None, :]).any(axis=1)
        line |= rises[:, i] & replaced & ~(change[:, apart] >= small).any(axis=1)
    selected = (start < minor) & (end >= minor)
    major_falls = (start >= minor) & falls
    branch = np.zeros(len(start), dtype=bool)
    dominant_start, dominant_end = start.argmax(axis=1), end.argmax(axis=1)
    for i in range(n):
        others = [j for j in range(n) if j != i and not related[i, j]]
        branch |= selected[:, i] & major_falls[:, others].any(axis=1)
    branch |= (dominant_start != dominant_end) & ~related[dominant_end, dominant_start]
    return float(line.mean()), float((branch & ~line).mean())
