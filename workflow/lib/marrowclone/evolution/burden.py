"""Tumour burden m(t): malignant cells per nucleated marrow cell, from the best assay of a day.

The source ladder, error sizes and censoring limits are those of science 4.4 [J]. Every
assay of a day is kept beside the one that is used. Nothing dated after a sample's day is
read for it unless the setting ``days_after`` says so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from .fractions import stream
from .statistics import Array, jeffreys_draws, number, on_day, zero_of_n_upper

#: Height on the ladder; the lowest number is used. Those without one are shown, never used.
LADDER = {
    "NGS": 0, "ASO-qPCR": 0, "NGF": 1, "flow": 1, "scRNA": 2, "aspirate": 3, "biopsy": 4, "M-protein": 5, "FLC": 6,
}  # fmt: skip
#: Sources in the blood, the lowest rungs.
M_PROTEIN, FLC = "M-protein", "FLC"
SERUM = (M_PROTEIN, FLC)
SORTED = "none: CD138-sorted"
SORTED_OUT = "none: CD138-depleted"
BLOOD = "none: blood"
NO_SOURCE = "none"


@dataclass(frozen=True)
class Reading:
    """One assay's word on the burden of one day.

    ``draws`` is None when it cannot be turned into a burden (``note`` says why).
    ``censored``: only an upper bound, ``limit``, is known.
    """

    day: int
    source: str
    draws: Array | None
    censored: bool
    limit: float
    note: str
    sample: str = ""
    timepoint: str = ""
    used: bool = False

    @property
    def rung(self) -> tuple[int, float]:
        """Sort key: ladder, then depth. A serum level that was measured comes before one below its limit."""
        height = LADDER.get(self.source.split()[0], 99)
        if self.censored and self.source in SERUM:
            height += len(SERUM)
        return height, self.limit if not math.isnan(self.limit) else 1.0

    def bounds(self) -> tuple[float, float, float]:
        """Burden (missing where censored), lower and upper end (95%)."""
        if self.draws is None:
            return math.nan, math.nan, math.nan
        lower, median, upper = (float(v) for v in np.quantile(self.draws, [0.025, 0.5, 0.975]))
        if self.censored:
            return math.nan, 0.0, min(1.0, max(upper, self.limit))
        return median, lower, upper


def blur(draws: Array, *, log10_sd: float, rng: np.random.Generator) -> Array:
    """Multiply by lognormal error of ``log10_sd``; a burden is never above 1."""
    return np.clip(draws * 10.0 ** rng.normal(0.0, log10_sd, size=draws.size), np.finfo(float).tiny, 1.0)


def below(limit: float, *, draws: int, rng: np.random.Generator) -> Array:
    """Draws of a burden that an assay with this 95% detection limit did not see.

    The Jeffreys posterior of 0 of 3/limit cells: for a limit of 3/N it is 0 of N.
    """
    return np.clip(rng.gamma(0.5, size=draws) * limit / 3.0, np.finfo(float).tiny, 1.0)


def mrd_readings(mrd: pd.DataFrame, patient: str, *, settings: Mapping[str, Any], seed: int) -> list[Reading]:
    """A reading per row of ``clinical/mrd.tsv``."""
    return [_mrd_reading(row, settings=settings, seed=seed) for row in on_day(mrd, patient).to_dict("records")]


def _mrd_reading(row: Mapping[Any, Any], *, settings: Mapping[str, Any], seed: int) -> Reading:
    day, assay, result = int(row["day"]), str(row["assay"]), str(row["result"])
    cells, events, value = (number(row.get(name)) for name in ("cells_analysed", "events", "value"))
    lod, loq = number(row.get("lod")), number(row.get("loq"))
    counted = not (math.isnan(cells) or math.isnan(events)) and cells > 0
    flow = assay in ("NGF", "flow")
    if math.isnan(lod) and cells > 0:
        lod = settings["flow_lod_events"] / cells if flow else zero_of_n_upper(cells)
    if math.isnan(loq) and cells > 0 and flow:
        loq = settings["flow_loq_events"] / cells
    notes = [f"result {result}"]
    if counted:
        notes.append(f"{events:.0f} of {cells:.3g}")
    if str(row.get("first_pull", "")).lower() in ("n", "no", "false"):
        notes.append("not a first pull: diluted with blood, may read low")

    def unused(why: str) -> Reading:
        return Reading(day, assay, None, False, lod, "; ".join([*notes, why]))

    if str(row.get("compartment", "")) not in ("", "BM"):
        return unused("not marrow")
    if assay not in LADDER:
        return unused("not a count of marrow cells")
    level = events / cells if counted else value
    if not math.isnan(level) and not 0 <= level <= 1:
        return unused("value is not a fraction of cells")
    if result == "indeterminate" and not counted:
        return unused("indeterminate and not counted")
    rng = stream(seed, "burden", assay, day, cells, events, value, lod, loq, result)
    error = math.hypot(settings["assay_log10_sd"], settings["spatial_log10_sd"])
    draws = settings["draws"]
    absent = math.isnan(level) or level == 0 or result == "negative" or level < lod
    if absent and (result == "negative" or not math.isnan(level)):
        if math.isnan(lod):
            return unused("no limit of detection: cannot bound")
        bound = max(lod, zero_of_n_upper(cells)) if cells > 0 else lod
        notes.append(f"below the limit: at most {bound:.2g}")
        return Reading(day, assay, blur(below(bound, draws=draws, rng=rng), log10_sd=error, rng=rng), True, bound,
                       "; ".join(notes))  # fmt: skip
    if math.isnan(level):
        return unused("positive without a number")
    if level < loq:
        # seen but not countable: all that is known is that it lies between the two limits
        start = lod if lod > 0 else level / 2
        raw = np.exp(rng.uniform(math.log(start), math.log(loq), size=draws))
        notes.append("between limit of detection and of quantification")
    elif cells > 0:
        raw = jeffreys_draws(level * cells, cells, draws=draws, rng=rng)
    else:
        raw = np.full(draws, level)
    return Reading(day, assay, blur(raw, log10_sd=error, rng=rng), False, lod, "; ".join(notes))


def marrow_readings(
    response: pd.DataFrame,
    patient: str,
    *,
    shares: Mapping[int, Array],
    settings: Mapping[str, Any],
    seed: int,
) -> list[Reading]:
    """Readings from ``bm_pc_percent`` of ``clinical/response.tsv``.

    ``shares`` gives, by the row's day, draws of the malignant share among plasma cells from
    that time's single cells. Without it small percentages are upper bounds, because normal
    marrow holds plasma cells too.
    """
    readings = []
    for row in on_day(response, patient).to_dict("records"):
        percent = number(row.get("bm_pc_percent"))
        if math.isnan(percent):
            continue
        method = str(row.get("bm_pc_method", "") or "").lower()
        source = "biopsy" if method == "biopsy" else "aspirate"
        sd, limit = settings[f"{source}_log10_sd"], settings[f"{source}_limit"]
        day, level = int(row["day"]), percent / 100.0
        rng = stream(seed, "burden", source, day, percent)
        share = shares.get(day)
        notes = [f"{percent:g}% plasma cells by {method or 'aspirate (method not stated)'}"]
        censored = level <= limit
        if censored:
            raw = below(limit, draws=settings["draws"], rng=rng)
        else:
            limit = limit if share is not None or level >= settings["clonal_without_share"] else level
            censored = limit == level
            raw = below(level, draws=settings["draws"], rng=rng) if censored else np.full(settings["draws"], level)
        if share is None:
            notes.append("clonal share unknown: " + ("an upper bound" if censored else "all taken as malignant"))
        else:
            raw = raw * share
            notes.append(f"times clonal share {np.median(share):.2g}")
        error = math.hypot(sd, settings["spatial_log10_sd"])
        readings.append(Reading(day, source, blur(raw, log10_sd=error, rng=rng), censored, limit, "; ".join(notes)))
    return readings


def match_days(
    readings: Sequence[Reading], days: Sequence[int], *, before: int, after: int
) -> list[tuple[int | None, Reading]]:
    """The sample day that each reading speaks for: the nearest, within ``before``/``after`` days of it.

    A reading serves one day only: the same assay at both ends of an interval would make
    growth look certain. None for a reading that belongs to no sample.
    """
    matched: list[tuple[int | None, Reading]] = []
    for reading in readings:
        near = [d for d in days if -after <= d - reading.day <= before]
        matched.append((min(near, key=lambda d: (abs(d - reading.day), d)) if near else None, reading))
    return matched


def choose(readings: Sequence[Reading], *, day: int | None = None) -> list[Reading]:
    """Mark the best usable reading: highest on the ladder, then nearest in time, then deepest."""
    usable = [r for r in readings if r.draws is not None and r.rung[0] < 99]
    if not usable:
        return list(readings)
    best = min(usable, key=lambda r: (r.rung[0], 0 if day is None else abs(r.day - day), r.rung[1], r.note))
    return [replace(r, used=r is best) for r in readings]
