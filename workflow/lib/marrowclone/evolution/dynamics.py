"""Growth and relative fitness between consecutive sampling days (science 4.4).

The two-point estimator: ``r = ln(B2 / B1) / months`` from paired posterior draws. It is the
average over a stretch of time; across a change of treatment it is no growth constant, and the
therapy context beside each interval says so.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from ..keys import DAYS_PER_MONTH, TABLES
from .fractions import natural
from .statistics import Array, interval
from .therapy import Context, context_of

#: Columns that follow the contract's in dynamics.tsv.
DYNAMICS_EXTRA = (
    "lower90", "upper90", "fitness_lower", "fitness_upper", "doubling_months", "bound", "months",
    "n_from", "n_to", "therapy_classes", "therapy_throughout", "therapy_change",
)  # fmt: skip


#: What growth is a bound of, by whether the start and the end were below the limit.
BOUNDS = {(False, False): "", (True, False): "lower", (False, True): "upper", (True, True): "both"}


def two_point_growth(burden_1: Array, burden_2: Array, *, months: float) -> Array:
    """Net growth per month from paired draws of absolute burden: ``ln(B2/B1) / months``."""
    return np.asarray((np.log(burden_2) - np.log(burden_1)) / months)


def two_point_fitness(fraction_1: Array, fraction_2: Array, *, months: float) -> Array:
    """Growth per month relative to all other clones: difference of logits / months.

    The burden cancels: valid with sorted samples. NaN when the clone is the only one.
    """
    tiny = 1e-300
    with np.errstate(invalid="ignore", divide="ignore"):
        odds = [np.log(np.maximum(p, tiny)) - np.log(np.maximum(1 - p, 0.0)) for p in (fraction_1, fraction_2)]
        fitness = (odds[1] - odds[0]) / months
    return np.asarray(np.where(np.isfinite(fitness), fitness, np.nan))


def doubling_months(growth: Array, *, confidence: float = 0.9) -> float:
    """Median doubling time in months where P(r > 0) > ``confidence``; else NaN (halving, or undecided)."""
    if growth.size == 0 or np.isnan(growth).any() or not (growth > 0).mean() > confidence:
        return math.nan
    return float(math.log(2) / np.median(growth))


@dataclass(frozen=True)
class Visit:
    """Draws of one sampling day: samples of one day speak together.

    ``fraction`` and ``burden`` are {clone: draws} (burden NaN when there is none),
    ``counts`` {clone: cells}, ``n_assigned`` malignant cells with a clone, ``burden_bound``
    whether the day's burden is an upper bound only, ``burden_upper`` {clone: upper end of its
    burden as ``fractions.tsv`` shows it} (the exact bound where no cell was seen).
    """

    day: int
    fraction: Mapping[str, Array]
    burden: Mapping[str, Array]
    counts: Mapping[str, int]
    n_assigned: int
    burden_bound: bool
    samples: tuple[str, ...]
    burden_upper: Mapping[str, float] = field(default_factory=dict)


def visits(draws: pd.DataFrame, fractions: pd.DataFrame, *, blood: Sequence[str] = ()) -> list[Visit]:
    """One :class:`Visit` per sampling day, in day order.

    Samples of one day are averaged draw by draw, weighted by their malignant cells, so that a
    marrow that was split over two captures says what one capture would. Blood samples count
    only on a day without marrow.
    """
    out = []
    for _, rows in fractions.groupby("day", sort=True):
        day = int(rows["day"].iloc[0])
        samples = sorted(rows["sample"].unique())
        marrow = [s for s in samples if s not in set(blood)]
        samples = marrow or samples
        rows = rows[rows["sample"].isin(samples)]
        sizes = rows.groupby("sample", sort=True)["n_assigned"].first().reindex(samples).to_numpy(dtype=float)
        weights = sizes if sizes.sum() > 0 else np.ones(len(samples))
        here = draws[(draws["day"] == day) & draws["sample"].isin(samples)]
        fraction, burden = {}, {}
        for clone, mine in here.groupby("clone", sort=False):
            fraction[str(clone)] = _average(mine, "fraction", samples, weights)
            burden[str(clone)] = _average(mine, "burden", samples, weights)
        out.append(
            Visit(
                day,
                fraction,
                burden,
                {str(c): int(n) for c, n in rows.groupby("clone")["n_clone"].sum().items()},
                int(sizes.sum()),
                bool((rows["burden_is_bound"] & (rows["n_clone"] > 0)).any()),
                tuple(samples),
                {str(c): float(v) for c, v in rows.groupby("clone")["burden_upper"].max().items()},
            )
        )
    return out


def _average(rows: pd.DataFrame, column: str, samples: Sequence[str], weights: Array) -> Array:
    """Weighted mean over samples, draw by draw; a sample without a value does not count."""
    table = rows.pivot(index="draw", columns="sample", values=column).reindex(columns=list(samples)).to_numpy()
    weight = np.where(np.isnan(table), 0.0, np.maximum(weights, 1e-9)[None, :])
    total = weight.sum(axis=1)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(total > 0, (np.nan_to_num(table) * weight).sum(axis=1) / total, np.nan))


def bound_of(first: Visit, second: Visit, clone: str) -> str:
    """Whether growth is known on both sides.

    ``lower``: the clone (or the burden) was below the limit at the start, so it grew at least
    that fast; ``upper``: below the limit at the end; ``both``: at both, nothing is known.
    """
    start = first.counts.get(clone, 0) == 0 or first.burden_bound
    end = second.counts.get(clone, 0) == 0 or second.burden_bound
    return BOUNDS[start, end]


def estimate_dynamics(
    draws: pd.DataFrame,
    fractions: pd.DataFrame,
    therapy: pd.DataFrame,
    *,
    patient: str,
    blood: Sequence[str] = (),
    settings: Mapping[str, Any],
) -> pd.DataFrame:
    """Growth and relative fitness of each clone between consecutive sampling days.

    Returns
    -------
    DataFrame
        the contract's columns (interval 95%) and :data:`DYNAMICS_EXTRA`. Where ``bound`` is
        ``lower`` the upper end is missing (the start could have been arbitrarily small), where
        it is ``upper`` the lower end; where ``both``, growth is missing altogether.
    """
    series = visits(draws, fractions, blood=blood)
    rows = []
    for first, second in itertools.pairwise(series):
        context = context_of(therapy, patient, first.day, second.day, settings=settings)
        for clone in sorted(set(first.fraction) & set(second.fraction), key=natural):
            rows.append(_interval_row(first, second, clone, context))
    return pd.DataFrame(rows, columns=[*TABLES["evolution.dynamics"], *DYNAMICS_EXTRA])


def _interval_row(first: Visit, second: Visit, clone: str, context: Context) -> dict[str, Any]:
    months = (second.day - first.day) / DAYS_PER_MONTH
    growth = two_point_growth(first.burden[clone], second.burden[clone], months=months)
    fitness = two_point_fitness(first.fraction[clone], second.fraction[clone], months=months)
    bound = bound_of(first, second, clone)
    lower, median, upper = interval(growth)
    lower90, _, upper90 = interval(growth, confidence=0.9)
    s_lower, s_median, s_upper = interval(fitness)
    known = not np.isnan(growth).any()
    p_growing = float((growth > 0).mean()) if known else math.nan
    if bound in ("lower", "both"):
        upper = upper90 = math.nan
    if bound in ("upper", "both"):
        lower = lower90 = math.nan
    if bound == "both":
        median = p_growing = math.nan
    if first.n_assigned == 0 or second.n_assigned == 0:
        s_lower = s_median = s_upper = math.nan  # shares of nothing
    return {
        "clone": clone,
        "from_day": first.day,
        "to_day": second.day,
        "growth_per_month": median,
        "lower": lower,
        "upper": upper,
        "relative_fitness": s_median,
        "p_growing": p_growing,
        "therapy_context": context.label,
        "lower90": lower90,
        "upper90": upper90,
        "fitness_lower": s_lower,
        "fitness_upper": s_upper,
        "doubling_months": doubling_months(growth) if bound == "" else math.nan,
        "bound": bound,
        "months": months,
        "n_from": first.counts.get(clone, 0),
        "n_to": second.counts.get(clone, 0),
        "therapy_classes": ";".join(context.classes),
        "therapy_throughout": ";".join(context.throughout),
        "therapy_change": context.change,
    }
