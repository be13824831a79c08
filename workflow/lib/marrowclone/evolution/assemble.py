"""The chapter's first tables: fractions, burden and joint draws of one patient."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from ..keys import TABLES
from .burden import (
    BLOOD,
    NO_SOURCE,
    SERUM,
    SORTED,
    SORTED_OUT,
    Reading,
    choose,
    marrow_readings,
    match_days,
    mrd_readings,
)
from .capture import Capture, ErrorRates, allow_for_hidden, capture_reading, clonal_share, count_cells, error_rates
from .fractions import SampleFractions, estimate_fractions, fraction_bounds, stream
from .serum import serum_readings
from .statistics import Array

#: Columns of the draws (contract 6).
DRAWS = ("draw", "clone", "sample", "timepoint", "day", "fraction", "burden")


@dataclass(frozen=True)
class Fractions:
    """Result of :func:`patient_fractions`: three tables."""

    fractions: pd.DataFrame
    burden: pd.DataFrame
    draws: pd.DataFrame


@dataclass(frozen=True)
class Sample:
    """A row of the sheet, as far as this chapter needs it."""

    sample: str
    timepoint: str
    day: int
    compartment: str
    sort: str


def sample_sheet(samples: Mapping[str, Mapping[str, Any]]) -> list[Sample]:
    """The patient's samples in day order, from {sample: timepoint, day, compartment, sort}."""
    rows = [
        Sample(
            name,
            str(row.get("timepoint", "")),
            int(row["day"]),
            str(row.get("compartment", "") or "BM"),
            str(row.get("sort", "") or "none"),
        )
        for name, row in samples.items()
    ]
    return sorted(rows, key=lambda s: (s.day, s.sample))


def sum_donors(kept: pd.DataFrame, donors: Sequence[pd.DataFrame]) -> list[Capture]:
    """One capture per healthy donor, from each donor's malignant calls."""
    summed = []
    for calls in donors:
        samples = sorted(calls["sample"].unique())
        captures = count_cells(kept, calls, samples).values()
        if samples:
            summed.append(
                Capture(
                    samples[0],
                    sum(c.n_cells for c in captures),
                    sum(c.n_tumour_type for c in captures),
                    sum(c.n_malignant for c in captures),
                    sum(c.n_unassigned for c in captures),
                )
            )
    return summed


def patient_fractions(
    *,
    patient: str,
    samples: Mapping[str, Mapping[str, Any]],
    clone_cells: pd.DataFrame,
    malignant: pd.DataFrame,
    kept: pd.DataFrame,
    healthy: Sequence[pd.DataFrame],
    mrd: pd.DataFrame,
    response: pd.DataFrame,
    settings: Mapping[str, Any],
    seed: int,
    prior_cells: float = 0.0,
) -> Fractions:
    """Fractions, burden and joint draws of one patient.

    Parameters
    ----------
    samples
        {sample: timepoint, day, compartment, sort} of the patient, from the sheet.
    clone_cells, malignant
        ``clones/{patient}.cells.tsv.gz``, ``copy_number/{patient}.malignant.tsv.gz``.
    kept
        ``embedding/cells.tsv.gz`` (cell and sample suffice): every kept cell of the cohort.
    healthy
        ``copy_number/*.malignant.tsv.gz`` of each healthy donor.
    prior_cells
        setting ``clones.infer_clones.fraction_prior_cells``, which the posteriors of the cells' clones hold.
    """
    sheet = sample_sheet(samples)
    names = [s.sample for s in sheet]
    captures = allow_for_hidden(count_cells(kept, malignant, names))
    rates = error_rates(sum_donors(kept, healthy), settings=settings, seed=seed)
    readings = patient_burden(
        patient, sheet, captures=captures, rates=rates, mrd=mrd, response=response, settings=settings, seed=seed
    )
    if "p_malignant" in malignant:
        clone_cells = clone_cells.assign(
            p_malignant=clone_cells["cell"].map(malignant.set_index("cell")["p_malignant"])
        )
    clones, posterior = estimate_fractions(
        clone_cells, samples=names, settings=settings, seed=seed, prior_cells=prior_cells
    )
    used = {r.sample: r for r in readings if r.used and r.sample}
    rows, long = [], []
    for row in sheet:
        burden = used.get(row.sample)
        rows += _fraction_rows(row, clones, posterior[row.sample], captures[row.sample], burden)
        long.append(_draw_rows(row, clones, posterior[row.sample], burden))
    return Fractions(
        pd.DataFrame(rows, columns=[*TABLES["evolution.fractions"], *FRACTION_EXTRA]),
        _burden_table(readings),
        pd.concat(long, ignore_index=True) if long else _empty_draws(),
    )


#: Columns that follow the contract's in fractions.tsv.
FRACTION_EXTRA = ("n_assigned", "n_expected", "n_cells", "zero_of_n_upper", "burden_is_bound")


def patient_burden(
    patient: str,
    sheet: Sequence[Sample],
    *,
    captures: Mapping[str, Capture],
    rates: ErrorRates,
    mrd: pd.DataFrame,
    response: pd.DataFrame,
    settings: Mapping[str, Any],
    seed: int,
) -> list[Reading]:
    """Every assay of the patient, each with its sample (or none) and whether it is used."""
    marrow = [s for s in sheet if s.compartment == "BM"]
    days = sorted({s.day for s in marrow})
    window = {"before": settings["days_before"], "after": settings["days_after"]}
    shares = _shares_by_day(marrow, captures, rates, response, patient, window=window, seed=seed)
    external = [
        *mrd_readings(mrd, patient, settings=settings, seed=seed),
        *marrow_readings(response, patient, shares=shares, settings=settings, seed=seed),
    ]
    out = _by_sample(sheet, external, days, captures, rates, window, settings=settings, seed=seed)
    serum = serum_readings(response, patient, marrow=out, settings=settings, seed=seed)
    if serum:
        out = _by_sample(sheet, [*external, *serum], days, captures, rates, window, settings=settings, seed=seed)
    return sorted(out, key=lambda r: (r.day, r.sample, r.rung, r.source, r.note))


def _by_sample(
    sheet: Sequence[Sample],
    external: Sequence[Reading],
    days: Sequence[int],
    captures: Mapping[str, Capture],
    rates: ErrorRates,
    window: Mapping[str, int],
    *,
    settings: Mapping[str, Any],
    seed: int,
) -> list[Reading]:
    """Every reading with its sample, and which one each sample uses; on a day without sample the best marrow assay."""
    matched = match_days(external, days, **window)
    out: list[Reading] = []
    for row in sheet:
        own = _own_reading(row, captures[row.sample], rates, settings=settings, seed=seed)
        mine = [own] if row.compartment != "BM" else [own, *(r for d, r in matched if d == row.day)]
        out += [replace(r, sample=row.sample, timepoint=row.timepoint) for r in choose(mine, day=row.day)]
    loose: dict[int, list[Reading]] = {}
    for matched_day, reading in matched:
        if matched_day is None:
            loose.setdefault(reading.day, []).append(reading)
    for _, of_day in sorted(loose.items()):
        # the serum of other days is no burden that anything rests on: the course through all assays has it
        out += [*choose([r for r in of_day if r.source not in SERUM]), *(r for r in of_day if r.source in SERUM)]
    return out


def _own_reading(
    row: Sample, capture: Capture, rates: ErrorRates, *, settings: Mapping[str, Any], seed: int
) -> Reading:
    """What the sample itself says on burden: nothing when it was sorted or is blood."""
    counted = f"{capture.n_malignant} malignant of {capture.n_tumour_type} tumour-type cells"
    if capture.n_unassigned:
        counted += f" ({capture.n_unassigned} unassigned)"
    if row.compartment != "BM":
        return Reading(row.day, "scRNA blood", None, False, math.nan, f"{counted}; blood says nothing on marrow burden")
    if row.sort != "none":
        why = "the sort decides how many there are: no absolute burden without another assay"
        return Reading(row.day, f"scRNA {row.sort}", None, False, math.nan, f"{counted}; {why}")
    return capture_reading(capture, rates, day=row.day, settings=settings, seed=seed)


def _shares_by_day(
    marrow: Sequence[Sample],
    captures: Mapping[str, Capture],
    rates: ErrorRates,
    response: pd.DataFrame,
    patient: str,
    *,
    window: Mapping[str, int],
    seed: int,
) -> dict[int, Array]:
    """Clonal share among plasma cells for each day of the response table that has cells to tell it.

    Per day from the capture with most plasma cells that could be called; a CD138-depleted one
    does not count, nor one in which none could.
    """
    best: dict[int, Capture] = {}
    for row in marrow:
        capture = captures[row.sample]
        if row.sort != "CD138-" and capture.n_called > best.get(row.day, Capture("", 0, 0, 0)).n_called:
            best[row.day] = capture
    shares: dict[int, Array] = {}
    for day in sorted({int(d) for d in response.loc[response["patient"] == patient, "day"]}):
        near = [d for d in best if -window["after"] <= d - day <= window["before"]]
        if near:
            capture = best[min(near, key=lambda d: (abs(d - day), d))]
            shares[day] = clonal_share(capture, rates, rng=stream(seed, "share", capture.sample, day))
    return shares


def _source(row: Sample, burden: Reading | None) -> str:
    if burden is not None:
        return burden.source
    if row.compartment != "BM":
        return BLOOD
    return {"CD138+": SORTED, "CD138-": SORTED_OUT}.get(row.sort, NO_SOURCE)


def _fraction_rows(
    row: Sample, clones: Sequence[str], posterior: SampleFractions, capture: Capture, burden: Reading | None
) -> list[dict[str, Any]]:
    rows = []
    for k, clone in enumerate(clones):
        fraction, lower, upper, none = fraction_bounds(posterior, k)
        level = level_lower = level_upper = math.nan
        bound = burden is not None and (burden.censored or posterior.counts[k] == 0)
        if burden is not None and burden.draws is not None:
            absolute = burden.draws * posterior.draws[:, k]
            level_lower, level, level_upper = (float(v) for v in np.quantile(absolute, [0.025, 0.5, 0.975]))
            if bound:
                # a bound is no narrower than either of the two things that it multiplies
                exact = burden.bounds()[2] if burden.censored else float(np.median(burden.draws))
                level, level_lower = math.nan, 0.0
                level_upper = max(level_upper, exact * (none if posterior.counts[k] == 0 else upper))
        rows.append(
            {
                "clone": clone,
                "sample": row.sample,
                "timepoint": row.timepoint,
                "day": row.day,
                "n_malignant": capture.n_malignant,
                "n_clone": int(posterior.counts[k]),
                "fraction": fraction,
                "lower": lower,
                "upper": upper,
                "burden": level,
                "burden_lower": level_lower,
                "burden_upper": min(level_upper, 1.0) if not math.isnan(level_upper) else math.nan,
                "burden_source": _source(row, burden),
                "n_assigned": posterior.n_assigned,
                "n_expected": float(posterior.expected[k]),
                "n_cells": capture.n_cells,
                "zero_of_n_upper": none,
                "burden_is_bound": bool(bound),
            }
        )
    return rows


def _draw_rows(row: Sample, clones: Sequence[str], posterior: SampleFractions, burden: Reading | None) -> pd.DataFrame:
    n_draws, n_clones = posterior.draws.shape
    total = burden.draws if burden is not None and burden.draws is not None else np.full(n_draws, math.nan)
    return pd.DataFrame(
        {
            "draw": np.tile(np.arange(n_draws, dtype=np.int32), n_clones),
            "clone": np.repeat(np.asarray(clones, dtype=object), n_draws),
            "sample": row.sample,
            "timepoint": row.timepoint,
            "day": np.int32(row.day),
            "fraction": posterior.draws.T.ravel(),
            "burden": (posterior.draws * total[:, None]).T.ravel(),
        },
        columns=list(DRAWS),
    )


def _empty_draws() -> pd.DataFrame:
    types = dict.fromkeys(DRAWS, "object") | {
        "draw": "int32",
        "day": "int32",
        "fraction": "float64",
        "burden": "float64",
    }
    return pd.DataFrame({name: pd.Series(dtype=types[name]) for name in DRAWS})


def _burden_table(readings: Sequence[Reading]) -> pd.DataFrame:
    rows = []
    for r in readings:
        level, lower, upper = r.bounds()
        rows.append(
            {
                "sample": r.sample, "timepoint": r.timepoint, "day": r.day, "source": r.source, "used": r.used,
                "burden": level, "burden_lower": lower, "burden_upper": upper, "limit_of_detection": r.limit,
                "note": r.note, "is_bound": r.censored,
            }
        )  # fmt: skip
    return pd.DataFrame(rows, columns=[*TABLES["evolution.burden"], "is_bound"])
