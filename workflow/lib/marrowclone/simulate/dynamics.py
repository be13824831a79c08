"""Burdens of a patient's clones, day by day.

Every clone grows or shrinks at a constant net rate within an epoch (a therapy, or the time
between). The marrow is finite: with ``T = sum of exp(...)`` the burden is ``T / (1 + T / cap)``,
the closed form of logistic growth when all clones slow alike, so fractions are untouched.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from ..keys import DAYS_PER_MONTH
from .fields import OFF, REACTIVATED
from .streams import stream

#: Burden that the marrow cannot exceed [J].
CAPACITY = 0.95
#: A clone does not fall below this (science Appendix A.4), unless the patient is cured: then it is gone.
FLOOR = 1e-7
#: Classes to which a clone without the antigen is blind.
BCMA_CLASSES = frozenset({"BCMA-CART", "BCMA-BsAb", "BCMA-ADC"})


@dataclass(frozen=True)
class Course:
    """Truth of one patient's tumour.

    Attributes
    ----------
    clones
        names, in the order of the specification.
    burden
        (days x clones) tumour cells per nucleated marrow cell, day 0 first.
    rates
        DataFrame clone, from_day, to_day, therapy, growth_per_month: what was set, before
        the marrow's limit. An epoch in which a clone wakes has two rows of it.
    reactivated
        clone -> day on which it woke; only clones that did.
    """

    clones: tuple[str, ...]
    burden: np.ndarray
    rates: pd.DataFrame
    reactivated: Mapping[str, int] = field(default_factory=dict)

    def at(self, day: int) -> np.ndarray:
        """(clones,) burdens on a day."""
        return self.burden[day]

    def total(self) -> np.ndarray:
        """(days,) burden of all clones."""
        return self.burden.sum(axis=1)


def epochs(therapies: list[dict[str, Any]], last_day: int) -> list[tuple[int, int, str, frozenset[str]]]:
    """Epochs as (first day, day after the last, regimen or ``off``, classes), covering 0 to ``last_day``."""
    out: list[tuple[int, int, str, frozenset[str]]] = []
    day = 0
    for therapy in therapies:
        start, stop = therapy["start"], therapy["start"] + max(1, therapy["effect_days"])
        if start > day:
            out.append((day, start, OFF, frozenset()))
        out.append((start, stop, therapy["regimen"], frozenset(therapy["classes"])))
        day = stop
    out.append((day, max(day, last_day) + 1, OFF, frozenset()))
    return out


def _drawn_rate(phenotype: str, classes: frozenset[str], rng: np.random.Generator) -> float:
    """Net growth per month where the user gives none (science Appendix A.4)."""
    fast = float(np.log(2.0) / rng.uniform(1.0, 6.0))
    kill, tolerant, resistant = rng.normal(-0.8, 0.4), rng.normal(0.0, 0.1), rng.normal(0.1, 0.1)
    if phenotype == "dormant":
        return float(tolerant) if classes else 0.0
    if not classes:
        return fast
    blind = phenotype == "antigen_loss" and bool(classes & BCMA_CLASSES)
    return float(resistant) if phenotype == "resistant" or blind else float(min(kill, -0.1))


def reactivation_day(
    hazard: float, planned: list[tuple[int, int, str, frozenset[str]]], last_day: int, rng: np.random.Generator
) -> int | None:
    """Day on which a clone wakes, None when it does not until ``last_day``.

    Parameters
    ----------
    hazard
        per month off therapy (science Appendix A.4: .005); on therapy the clone sleeps on.
    planned
        of :func:`epochs`.
    """
    if hazard <= 0:
        return None
    wait = rng.exponential(DAYS_PER_MONTH / hazard)
    for start, stop, regimen, _ in planned:
        if regimen != OFF:
            continue
        if wait < stop - start:
            day = start + int(wait)
            return day if day <= last_day else None
        wait -= stop - start
    return None


def _turns(
    settings: Mapping[str, Any],
    epoch: tuple[int, int, str, frozenset[str]],
    wake: int | None,
    rng: Callable[[str], np.random.Generator],
) -> list[tuple[int, int, float]]:
    """First day, day after the last, and rate per month of a clone in an epoch; two of them where it wakes.

    ``rng`` gives the stream of a regimen's rate.
    """
    start, stop, regimen, classes = epoch
    turn = stop if wake is None else min(max(start, wake), stop)
    out = []
    if start < turn:
        rate = settings["growth"].get(regimen)
        out.append((start, turn, _drawn_rate(settings["phenotype"], classes, rng(regimen)) if rate is None else rate))
    if turn < stop:
        fast = settings["growth"].get(REACTIVATED)
        out.append((turn, stop, _drawn_rate("sensitive", frozenset(), rng(REACTIVATED)) if fast is None else fast))
    return [(begin, end, float(rate)) for begin, end, rate in out]


def run_course(patient: Mapping[str, Any], *, name: str, seed: int, last_day: int) -> Course:
    """Burdens of every clone from day 0 to ``last_day``.

    Parameters
    ----------
    patient
        a checked patient of the specification.
    """
    clones = tuple(patient["clones"])
    if not clones:
        empty = pd.DataFrame(columns=["clone", "from_day", "to_day", "therapy", "growth_per_month"])
        return Course((), np.zeros((last_day + 1, 0)), empty)
    fractions = np.array([patient["clones"][c]["fraction"] for c in clones], dtype=float)
    fractions /= fractions.sum()
    size = patient["burden"] / (1.0 - patient["burden"] / CAPACITY)
    with np.errstate(divide="ignore"):
        log = np.log(size * fractions)
    floor = np.where(np.isfinite(log), np.minimum(log, np.log(FLOOR)), -np.inf)
    out = np.empty((last_day + 1, len(clones)))
    rates = []
    planned = epochs(patient["therapies"], last_day)
    woken = {}
    for clone in clones:
        hazard = patient["clones"][clone]["reactivation"]
        woken[clone] = reactivation_day(hazard, planned, last_day, stream(seed, "reactivation", name, clone))
    for start, stop, regimen, classes in planned:
        step = np.zeros((stop - start, len(clones)))  # of each day of the epoch
        for i, clone in enumerate(clones):
            wake = woken[clone] if regimen == OFF else None
            rng = partial(stream, seed, "growth", name, clone)
            for begin, end, rate in _turns(patient["clones"][clone], (start, stop, regimen, classes), wake, rng):
                step[begin - start : end - start, i] = rate / DAYS_PER_MONTH
                rates.append((clone, begin, min(end, last_day), regimen, rate))
        for day in range(start, min(stop, last_day + 1)):
            out[day] = np.exp(log)
            log = log + step[day - start]
            if patient["cured"]:
                log = np.where(log < np.log(FLOOR), -np.inf, log)
            else:
                log = np.maximum(log, floor)
    total = out.sum(axis=1, keepdims=True)
    frame = pd.DataFrame(rates, columns=["clone", "from_day", "to_day", "therapy", "growth_per_month"])
    return Course(
        clones,
        out / (1.0 + total / CAPACITY),
        frame[frame["from_day"] <= last_day].reset_index(drop=True),
        {clone: day for clone, day in woken.items() if day is not None},
    )
