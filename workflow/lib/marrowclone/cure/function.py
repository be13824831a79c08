"""Functional state as of a landmark: response, treatment-free and progression-free time, organ damage.

Read from the response and therapy tables only; the outcome table is never read for a state.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from .stream import gate_days, number, truth

#: IMWG responses in order (Kumar 2016); -1 is unknown.
RANK = {"PD": 0, "SD": 1, "MR": 2, "PR": 3, "VGPR": 4, "CR": 5, "sCR": 6}
PR, VGPR, CR = RANK["PR"], RANK["VGPR"], RANK["CR"]


@dataclass(frozen=True)
class Therapy:
    """Treatment as of the landmark.

    ``known``: the table exists. ``ongoing``: a regimen without a stop. ``free_days``: days
    since the last dose, 0 while ongoing or before any. ``starts``: first days, sorted.
    """

    known: bool
    ongoing: bool
    free_days: int
    starts: tuple[int, ...]


def read_therapy(rows: pd.DataFrame, day: int, *, known: bool, settings: Mapping[str, Any]) -> Therapy:
    """Therapy rows of one patient, cut at the landmark (a later stop is already missing).

    A row whose classes are all given once (``one_time_classes``: CAR-T, transplant) and that
    has no stop ended on the day it started: treatment-free time counts from the infusion.
    """
    starts, stops, ongoing = [], [], False
    for _, row in rows.iterrows():
        mine = {c.strip() for c in str(row.get("classes") or "").split(";")} - {""}
        starts.append(int(row["start"]))
        stop = number(row.get("stop"))
        if np.isnan(stop) and mine and mine <= set(settings["one_time_classes"]):
            stop = float(row["start"])
        ongoing = ongoing or bool(np.isnan(stop))
        stops.append(stop)
    free = 0 if ongoing or not stops else int(day - max(stops))
    return Therapy(known, ongoing, free, tuple(sorted(starts)))


@dataclass(frozen=True)
class State:
    """Response as of the landmark.

    ``known``: some response (or active disease) is on record. ``rank``: see :data:`RANK`;
    ``rank_day`` its day (NaN). ``active``: progressing, or active organ damage or
    extramedullary disease. ``why``: what says so. ``damaged``: stable irreversible damage.
    ``free_days``: progression-free days. ``recent``: response within its shelf life.
    ``pc_fraction``, ``pc_day``: newest plasma-cell fraction of marrow (NaN). ``progressions``: see
    :func:`progression_days`.
    """

    known: bool
    rank: int
    rank_day: float
    active: bool
    why: str
    damaged: bool
    free_days: int
    recent: bool
    pc_fraction: float
    pc_day: float
    progressions: tuple[int, ...] = ()


def read_state(
    rows: pd.DataFrame,
    day: int,
    *,
    therapy: Therapy,
    active_samples: Collection[int],
    settings: Mapping[str, Any],
) -> State:
    """Response rows of one patient, cut at the landmark.

    ``active_samples``: days of samples that the sheet calls diagnosis, relapse or the like;
    they say *active disease* unless a later response contradicts them (worst of). Of several
    responses on one day the worst counts. Organ damage and extramedullary disease stand until a later
    visit denies them or has a response; a row of laboratory values only does neither. Progression-free time
    counts from the first treatment on or after the last progression, or else from that progression.
    """
    progressions = progression_days(rows, active_samples)
    if rows.empty:
        return State(False, -1, np.nan, False, "", False, 0, False, np.nan, np.nan, tuple(progressions))
    rows = rows.assign(rank=rows["response"].map(RANK), day=rows["day"].astype(int))
    ranked = rows[rows["rank"].notna()]
    rank_day = float(ranked["day"].max()) if len(ranked) else np.nan
    rank = int(ranked.loc[ranked["day"] == rank_day, "rank"].min()) if len(ranked) else -1
    reasons = []
    if rank == RANK["PD"]:
        reasons.append(f"progressive disease on day {rank_day:.0f}")
    for column, words in (("crab", "active end-organ damage (CRAB or SLiM)"), ("emd", "extramedullary disease")):
        told = rows[rows[column].notna() | rows["rank"].notna()] if column in rows else rows.iloc[:0]
        newest = told[told["day"] == told["day"].max()]
        if any(truth(v) for v in newest.get(column, ())):
            reasons.append(f"{words} on day {newest['day'].iloc[0]}")
    called = [d for d in active_samples if d <= day and not d < rank_day]
    if called:
        reasons.append(f"the sample of day {max(called)} is named diagnosis, relapse or refractory in the sheet")
    damaged = "irreversible_damage" in rows and any(truth(v) for v in rows["irreversible_damage"])
    pcs = rows[rows["bm_pc_percent"].notna()] if "bm_pc_percent" in rows else rows.iloc[:0]
    return State(
        known=bool(rank >= 0 or reasons),
        rank=rank,
        rank_day=rank_day,
        active=bool(reasons),
        why="; ".join(reasons),
        damaged=damaged,
        free_days=0 if reasons else _progression_free(day, _of_treated(progressions, ranked, therapy), therapy),
        recent=bool(day - rank_day <= gate_days(settings["stale_months"])),
        pc_fraction=float(pcs["bm_pc_percent"].iloc[-1]) / 100.0 if len(pcs) else np.nan,
        pc_day=float(pcs["day"].iloc[-1]) if len(pcs) else np.nan,
        progressions=tuple(progressions),
    )


def progression_days(rows: pd.DataFrame, active_samples: Collection[int] = ()) -> list[int]:
    """Days on which the disease progressed, sorted, once each; nothing is joined across them.

    PD; organ damage or extramedullary disease after a first response of PR or better (before one it is the disease
    at diagnosis); and ``active_samples``, the days of samples that the sheet calls diagnosis, relapse or the like.
    """
    found = {int(d) for d in active_samples}
    if "response" in rows and len(rows):
        found |= {int(d) for d in rows.loc[rows["response"] == "PD", "day"]}
        responded = rows.loc[rows["response"].map(RANK) >= PR, "day"].min()
        for column in ("crab", "emd"):
            if column in rows and pd.notna(responded):
                said = rows[column].map(truth).astype(bool)
                found |= {int(d) for d in rows.loc[said & (rows["day"] >= responded), "day"]}
    return sorted(found)


def _of_treated(progressions: list[int], ranked: pd.DataFrame, therapy: Therapy) -> list[int]:
    """Progressions with a treatment before them, or called so: a sample at diagnosis starts no clock."""
    called = set(ranked.loc[ranked["rank"] == RANK["PD"], "day"])
    return [d for d in progressions if d in called or any(s <= d for s in therapy.starts)]


def _progression_free(day: int, progressions: list[int], therapy: Therapy) -> int:
    last = max(progressions) if progressions else None
    starts = [s for s in therapy.starts if last is None or s >= last]
    origin = min(starts) if starts else last
    return 0 if origin is None else max(0, day - origin)


def paraprotein(rows: pd.DataFrame) -> pd.DataFrame:
    """M-protein (g/L) and the difference of free light chains (mg/L) by day; columns day, m_protein, dflc."""
    if rows.empty or "m_protein" not in rows:
        return pd.DataFrame({"day": [], "m_protein": [], "dflc": []}, dtype=float)
    per_litre = np.where(rows["m_protein_unit"] == "g/dL", 10.0, 1.0)
    return pd.DataFrame(
        {
            "day": rows["day"].astype(float),
            "m_protein": rows["m_protein"].astype(float) * per_litre,
            "dflc": (rows["kappa_flc"].astype(float) - rows["lambda_flc"].astype(float)).abs(),
        }
    )


@dataclass(frozen=True)
class Stability:
    """Persistent low-level disease: ``days`` stable, ``growth`` per month (draws), ``p_stable``."""

    days: int
    growth: np.ndarray
    p_stable: float


def read_stability(
    tests: pd.DataFrame, levels: np.ndarray, markers: pd.DataFrame, *, settings: Mapping[str, Any], epoch: int = 0
) -> Stability:
    """The longest stretch, up to the newest test, of low and flat disease (science 8.2, T4b).

    Every test in it sees the clone (positive, or a trace) at a level of at most ``stable_level`` (median), and each of
    M-protein and light-chain difference that was measured twice stays within
    ``stable_marker_change`` of its median (or its floor); at least one of them must have been. Growth is
    the least-squares slope of ln(level) over those tests, per draw; ``p_stable`` is the share
    of draws that double or halve slower than ``stable_doubling_months``.

    Given is the longest stretch whose ``p_stable`` reaches ``stable_probability``: one that begins while treatment
    still lowers the level is not flat, however long it has been so since. Without any, the longest. Only tests
    since the last progression (``epoch``: progressions so far).
    """
    found = Stability(0, np.zeros(1), 0.0)
    since = tests["epoch"] >= epoch
    usable = tests.index[tests["status"].isin(["positive", "trace", "negative"]) & since].to_numpy()
    for start in range(len(usable) - 1):
        rows = usable[start:]
        days = tests.loc[rows, "day"].to_numpy(float)
        low = np.nanmedian(levels[rows], axis=1) <= settings["stable_level"] if len(rows) else np.array([False])
        there = (tests.loc[rows, "status"] != "negative").to_numpy()
        if days[-1] == days[0] or not (low & there).all() or np.isnan(levels[rows]).any():
            continue
        if not _flat(markers, days[0], days[-1], settings=settings):
            continue
        time = (days - days.mean()) * 12.0 / 365.25
        growth = time @ np.log(np.maximum(levels[rows], 1e-12)) / (time @ time)
        slow = np.abs(growth) < np.log(2) / settings["stable_doubling_months"]
        stretch = Stability(int(days[-1] - days[0]), growth, float(slow.mean()))
        if stretch.p_stable >= settings["stable_probability"]:
            return stretch
        found = found if found.days else stretch
    return found


def _flat(markers: pd.DataFrame, start: float, stop: float, *, settings: Mapping[str, Any]) -> bool:
    """Whether each marker stays near its median: relatively, or within what a laboratory does not tell apart.

    Near nothing, a relative bound is no bound on disease but on the assay: a light-chain
    difference of 1 mg/L doubles by chance.
    """
    window = markers[(markers["day"] >= start) & (markers["day"] <= stop)]
    floors = {"m_protein": settings["stable_m_protein_floor"], "dflc": settings["stable_flc_floor"]}
    measured = {c: v for c in floors if len(v := window[c].dropna().to_numpy()) >= 2}
    return bool(measured) and all(
        np.all(np.abs(v - np.median(v)) <= max(settings["stable_marker_change"] * np.median(v), floors[c]))
        for c, v in measured.items()
    )


#: High-risk events of trials' counts (science 2.4): one each, however often and by whatever method found.
HIGH_RISK: dict[str, tuple[str, ...]] = {
    "del(17p) or TP53": ("del(17p)", "mut(TP53)", "mono(17)"),
    "t(4;14)": ("t(4;14)",),
    "t(14;16)": ("t(14;16)",),
    "t(14;20)": ("t(14;20)",),
    "1q gain": ("gain(1q)", "amp(1q)", "gain(1q21)", "amp(1q21)"),
    "del(1p32)": ("del(1p32)",),
}


def high_risk_count(rows: pd.DataFrame) -> int:
    """How many of :data:`HIGH_RISK` were found (a fraction of 0 is tested and not found)."""
    if rows.empty:
        return 0
    events = set(rows.loc[~(rows["fraction"].astype(float) == 0), "event"])
    return sum(bool(events & set(names)) for names in HIGH_RISK.values())
