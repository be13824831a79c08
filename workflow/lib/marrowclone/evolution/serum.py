"""Burden from the blood: M-protein or free light chains against the patient's own baseline (science 4.4).

The lowest rung of the ladder: what the serum held on a day when the marrow was measured too says how much burden a
gram stands for. Used only where a sample has nothing better, as a CD138-sorted one without any assay.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from .burden import FLC, LADDER, M_PROTEIN, Reading, blur
from .fractions import stream
from .statistics import number, on_day

#: Measurable disease by IMWG (Kumar 2016) [M-H]: below it a level is no yardstick. g/L and mg/L.
MEASURABLE = {M_PROTEIN: 10.0, FLC: 100.0}
#: Keys of the settings of each (``{key}_limit``, ``{key}_log10_sd``).
KEYS = {M_PROTEIN: "m_protein", FLC: "flc"}


@dataclass(frozen=True)
class Level:
    """One serum measurement: g/L of M-protein, or mg/L by which one light chain (``chain``) exceeds the other."""

    day: int
    source: str
    value: float
    chain: str = ""


def serum_levels(response: pd.DataFrame, patient: str) -> list[Level]:
    """Every M-protein and light-chain difference of a patient, in day order.

    The difference is taken from the chain that was higher where the patient's difference was largest by then; lower
    than the other it counts as none, unless the other is measurable by itself: then that one is the level's chain.
    """
    found, chains = [], []
    for row in on_day(response, patient).to_dict("records"):
        m = number(row.get("m_protein"))
        if not math.isnan(m):
            found.append(Level(int(row["day"]), M_PROTEIN, m * (10.0 if row.get("m_protein_unit") == "g/dL" else 1.0)))
        kappa, light = number(row.get("kappa_flc")), number(row.get("lambda_flc"))
        if not (math.isnan(kappa) or math.isnan(light)):
            chains.append((int(row["day"]), kappa - light))
    seen = 0.0
    for day, difference in chains:
        # the chain is told from what was known by then: a later row changes no earlier reading
        seen = difference if abs(difference) > abs(seen) else seen
        of = difference if abs(difference) >= MEASURABLE[FLC] else seen
        value = max(0.0, difference if of >= 0 else -difference)
        found.append(Level(day, FLC, value, "kappa" if of >= 0 else "lambda"))
    return sorted(found, key=lambda level: (level.day, level.source, level.value))


def lags(level: Level, levels: Sequence[Level], *, settings: Mapping[str, Any]) -> bool:
    """Whether an M-protein fell so far of late that it may stand above what the burden would give by now.

    ``levels`` in day order, as :func:`serum_levels` gives them.
    """
    if level.source != M_PROTEIN:
        return False
    start = bisect_left(levels, level.day - settings["serum_lag_days"], key=_day)
    recent = levels[start : bisect_left(levels, level.day, key=_day)]
    return bool(recent) and level.value < settings["serum_fell_to"] * max(e.value for e in recent)


def _day(of: Level) -> int:
    return of.day


def serum_readings(
    response: pd.DataFrame,
    patient: str,
    *,
    marrow: Sequence[Reading],
    settings: Mapping[str, Any],
    seed: int,
) -> list[Reading]:
    """A reading per serum level after its baseline.

    Parameters
    ----------
    marrow
        readings of the marrow; those in use that are no mere bounds can be a baseline: the first with a measurable
        level at most ``days_before`` days before it, or on its day.
    settings
        section ``evolution.estimate_fractions``.

    Notes
    -----
    Draws are those of the baseline times the ratio of levels, so that an error of the baseline cancels in growth from
    there on. A level that fell below ``serum_fell_to`` of one within ``serum_lag_days`` may lag behind the burden
    (IgG's half-life is some three weeks): its error is ``serum_lag_factor`` times as large. Levels below the assay's
    limit are upper bounds.
    """
    levels = serum_levels(response, patient)
    readings = []
    for source, key in KEYS.items():
        mine = [level for level in levels if level.source == source]
        base = _baseline(mine, marrow, before=settings["days_before"])
        if base is None:
            continue
        yardstick, own = base
        limit = settings[f"{key}_limit"]
        for level in mine:
            # of the other light chain the baseline says nothing
            if level.day > max(yardstick.day, own.day) and level.chain == yardstick.chain:
                readings.append(_reading(level, yardstick, own, mine, limit, key, settings, seed))
    days: dict[int, list[Reading]] = {}
    for reading in readings:
        days.setdefault(reading.day, []).append(reading)
    return [_with_doubt(reading, days[reading.day], settings["serum_disagree"]) for reading in readings]


def _with_doubt(reading: Reading, of_day: Sequence[Reading], most: float) -> Reading:
    """The reading, with a note where M-protein and light chains of its day differ by more than the factor ``most``."""
    for other in of_day:
        if other.source != reading.source:
            high, low = sorted((reading, other), key=lambda r: -(r.limit if r.censored else _middle(r)))
            if not high.censored and _middle(high) > most * (low.limit if low.censored else _middle(low)):
                return replace(reading, note=f"{reading.note}; M-protein and light chains disagree")
    return reading


def _middle(reading: Reading) -> float:
    return float(np.median(reading.draws)) if reading.draws is not None else math.nan


def _baseline(levels: Sequence[Level], marrow: Sequence[Reading], *, before: int) -> tuple[Level, Reading] | None:
    usable = [r for r in marrow if r.used and r.draws is not None and not r.censored and r.source.split()[0] in LADDER]
    for reading in sorted(usable, key=lambda r: (r.day, r.rung)):
        near = [
            level for level in levels
            if 0 <= reading.day - level.day <= before and level.value >= MEASURABLE[level.source]
        ]  # fmt: skip
        if near:
            return near[-1], reading
    return None


def _reading(
    level: Level, yardstick: Level, own: Reading, levels: Sequence[Level], limit: float, key: str,
    settings: Mapping[str, Any], seed: int,
) -> Reading:  # fmt: skip
    assert own.draws is not None
    unit = "g/L" if level.source == M_PROTEIN else "mg/L"
    rng = stream(seed, "burden", level.source, level.day, level.value)
    notes = [f"{level.value:.3g} {unit} against {yardstick.value:.3g} on day {yardstick.day} ({own.source})"]
    scale = float(np.median(own.draws)) / yardstick.value
    bound = min(1.0, limit * scale)
    sd = settings[f"{key}_log10_sd"]
    if level.value < limit:
        notes.append(f"below {limit:g} {unit}")
        raw = own.draws * rng.gamma(0.5, size=own.draws.size) * (limit / yardstick.value) / 3.0
        raw = np.clip(raw, np.finfo(float).tiny, 1.0)
        return Reading(level.day, level.source, blur(raw, log10_sd=sd, rng=rng), True, bound, "; ".join(notes))
    if lags(level, levels, settings=settings):
        sd *= settings["serum_lag_factor"]
        notes.append("falling: lags behind the burden")
    draws = blur(own.draws * (level.value / yardstick.value), log10_sd=sd, rng=rng)
    return Reading(level.day, level.source, draws, False, bound, "; ".join(notes))
