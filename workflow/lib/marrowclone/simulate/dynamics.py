"""Burdens of a patient's clones, day by day.

Every clone grows or shrinks at a constant net rate within an epoch (a therapy, or the time
between). The marrow is finite: with ``T = sum of exp(...)`` the burden is ``T / (1 + T / cap)``,
the closed form of logistic growth when all clones slow alike, so fractions are untouched.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..keys import DAYS_PER_MONTH
from .spec import OFF
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
        the marrow's limit.
    """

    clones: tuple[str, ...]
    burden: np.ndarray
    rates: pd.DataFrame

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
    for start, stop, regimen, classes in epochs(patient["therapies"], last_day):
        step = np.zeros(len(clones))
        for i, clone in enumerate(clones):
            settings = patient["clones"][clone]
            rate = settings["growth"].get(regimen)
            if rate is None:
                rng = stream(seed, "growth", name, clone, regimen)
                rate = _drawn_rate(settings["phenotype"], classes, rng)
            step[i] = float(rate) / DAYS_PER_MONTH
            rates.append((clone, start, min(stop, last_day), regimen, float(rate)))
        for day in range(start, min(stop, last_day + 1)):
            out[day] = np.exp(log)
            log = log + step
            if patient["cured"]:
                log = np.where(log < np.log(FLOOR), -np.inf, log)
            else:
                log = np.maximum(log, floor)
    total = out.sum(axis=1, keepdims=True)
    frame = pd.DataFrame(rates, columns=["clone", "from_day", "to_day", "therapy", "growth_per_month"])
    return Course(clones, out / (1.0 + total / CAPACITY), frame[frame["from_day"] <= last_day].reset_index(drop=True))
