"""Residual disease as of a landmark: achieved limits, the run of negatives, conflicts, age.

Definitions: IMWG 2016 (Kumar, Lancet Oncol 17:e328; science 5.1), at the threshold of 1e-5 by which the cited
trials report. A negative result whose achieved limit is worse than 1e-5 is *insensitive*: indeterminate at 1e-5,
never negative. A clone that was counted below 1e-5 is a *trace*: negative at 1e-5 [J], unless an earlier test had not
seen it (resurgence). A "negative" whose own count or value is 1e-5 or more is indeterminate. Only rows of the MRD
table are read here; single-cell RNA is not an MRD assay.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from .stream import gate_days, number

NEGATIVE, TRACE, POSITIVE, INDETERMINATE, INSENSITIVE, UNKNOWN = (
    "negative",
    "trace",
    "positive",
    "indeterminate",
    "insensitive",
    "unknown",
)
#: From best to worst, of tests of one visit.
_SEVERITY = {INSENSITIVE: -1, NEGATIVE: 0, TRACE: 1, INDETERMINATE: 2, POSITIVE: 3}
#: Codes of :class:`Course` status arrays.
CODES = {UNKNOWN: -1, NEGATIVE: 0, INDETERMINATE: 1, POSITIVE: 2}
#: Rounding in limits such as 3/3e5 against 1e-5.
_SLACK = 1.0 + 1e-9


def achieved_limit(assay: str, cells: float, lod: float, *, settings: Mapping[str, Any]) -> float:
    """Fraction that this sample could have shown with 95% probability; NaN when nothing is known.

    The stated ``lod``, but never better than the exact bound of zero of ``cells``
    (1 - 0.05^(1/N)). Without ``lod``: the assay's limit in events over ``cells`` (science
    5.2), again not better than that bound.
    """
    exact = 1.0 - 0.05 ** (1.0 / cells) if cells > 0 else np.nan
    if np.isnan(lod) and cells > 0:
        events = settings["lod_events_flow"] if assay in ("NGF", "flow") else settings["lod_events_ngs"]
        lod = events / cells
    return float(np.fmax(lod, exact))


def read_tests(
    rows: pd.DataFrame, *, settings: Mapping[str, Any], progressions: Collection[float] = ()
) -> pd.DataFrame:
    """Assay rows of one patient, cut at the landmark, as tests.

    Returns a row per usable assay in day order: day, assay, cells, events, value, loq,
    limit, status (negative, trace, positive, indeterminate, insensitive), visit, epoch, level (counted fraction,
    NaN). Tests within ``conflict_window_days`` of a visit's first test belong to that visit; ``progressions`` (days)
    part the epochs, across which nothing is joined. A blood result counts when positive only; other assays than
    ``marrow_assays`` are left out.
    """
    columns = [
        "day", "assay", "cells", "events", "value", "loq", "limit", "status", "visit", "diluted", "blood", "epoch",
        "level",
    ]  # fmt: skip
    tests = []
    for _, row in rows.iterrows():
        assay, result = str(row["assay"]), str(row["result"])
        blood = str(row.get("compartment") or "") == "PB"
        if assay not in settings["marrow_assays"] or (blood and result != POSITIVE):
            continue
        cells, events, lod, loq, value = (
            number(row.get(c)) for c in ("cells_analysed", "events", "lod", "loq", "value")
        )
        limit = achieved_limit(assay, cells, lod, settings=settings)
        level = events / cells if events > 0 and cells >= events else value
        if result == NEGATIVE and level >= settings["mrd_threshold"]:
            result = INDETERMINATE  # the word contradicts its own number: neither is believed
        elif result == NEGATIVE and not limit <= settings["mrd_threshold"] * _SLACK:
            result = INSENSITIVE
        pull = row.get("first_pull")
        diluted = str(pull).strip().casefold() in ("false", "0", "0.0", "no", "n")
        epoch = sum(p <= int(row["day"]) for p in progressions)
        tests.append(
            (int(row["day"]), assay, cells, events, value, loq, limit, result, 0, diluted, blood, epoch, level)
        )
    frame = pd.DataFrame(tests, columns=columns).sort_values(
        ["day", "assay", "status", "limit", "events", "value"], kind="stable", ignore_index=True
    )
    visit, start = -1, -np.inf
    for i, day in enumerate(frame["day"]):
        if day - start > settings["conflict_window_days"]:
            visit, start = visit + 1, day
        frame.loc[i, "visit"] = visit
    frame["status"] = _with_traces(frame, settings=settings)
    return frame


def _with_traces(tests: pd.DataFrame, *, settings: Mapping[str, Any]) -> list[str]:
    """The status of each test, positives below the threshold as traces unless they are a resurgence.

    [J]: science 8.2 has "MRD-negative (<= 1e-5)" by level, and IMWG's words for sequencing are of a level, too ("at
    1 in 1e5"); those for flow are not ("no aberrant cells"), and ``trace_assays`` without NGF and flow is that stricter
    reading. Beside it stands T1 for "resurgence (positive >= LoQ after negative)", which says more only for a clone
    that comes back below 1e-5. A clone comes back when
    it is counted, at LoQ or above where that is known, and at a level that the newest test without it would have
    shown. What was never undetected, and falls below 1e-5, has not come back.
    """
    status, threshold = [str(s) for s in tests["status"]], settings["mrd_threshold"]
    missed = np.nan  # limit of the newest test that saw nothing, since the last progression
    for _, visit in tests.groupby(["epoch", "visit"], sort=True):
        if visit["epoch"].iloc[0] > tests.loc[max(visit.index[0] - 1, 0), "epoch"]:
            missed = np.nan
        test: Any
        for test in visit.itertuples():
            counted = test.level < threshold and test.limit <= threshold * _SLACK and not test.blood
            back = test.level >= missed and not test.level < test.loq
            if test.status == POSITIVE and test.assay in settings["trace_assays"] and counted and not back:
                status[test.Index] = TRACE
        seen = {status[i] for i in visit.index}
        if NEGATIVE in seen and not seen & {POSITIVE, TRACE, INDETERMINATE}:
            missed = float(visit.loc[visit["status"] == NEGATIVE, "limit"].min())
    return status


def draw_levels(tests: pd.DataFrame, *, settings: Mapping[str, Any], rng: np.random.Generator) -> np.ndarray:
    """Posterior draws of the residual fraction at each test, tests x draws; NaN where nothing is known.

    Negative: Beta(0.5, N + 0.5) with N = 3/limit (the propagated form of zero of N, science
    5.4). Counted: Beta(x + 0.5, N - x + 0.5) times lognormal assay and sampling error;
    only a value: that error around it. A positive or indeterminate result without a number
    is spread evenly over the logarithm, from its limit upwards.
    """
    n = settings["n_draws"]
    error = np.hypot(settings["assay_log10_sd"], settings["spatial_log10_sd"])
    levels = np.full((len(tests), n), np.nan)
    test: Any
    for i, test in enumerate(tests.itertuples(index=False)):
        noise = 10.0 ** rng.normal(0.0, error, n)
        uniform = rng.uniform(size=n)
        if test.events > 0 and test.cells >= test.events:
            levels[i] = rng.beta(test.events + 0.5, test.cells - test.events + 0.5, n) * noise
        elif test.status in (NEGATIVE, INSENSITIVE):
            if np.isfinite(test.limit):
                levels[i] = rng.beta(0.5, 3.0 / test.limit + 0.5, n)
        elif test.value > 0:
            levels[i] = test.value * noise
        elif test.status == POSITIVE:
            low = test.limit if np.isfinite(test.limit) else settings["mrd_deep"]
            levels[i] = low * (max(settings["stable_level"], 10 * low) / low) ** uniform
        elif np.isfinite(test.limit):
            levels[i] = test.limit * 10.0**uniform
    return np.clip(levels, 0.0, 1.0)


@dataclass(frozen=True)
class Course:
    """The run of results up to the landmark; arrays over draws (length 1 for what was observed).

    ``status``: -1 unknown, 0 negative, 1 indeterminate, 2 positive, of the newest visit that
    says anything at 1e-5. ``first``, ``last``: days of the first and the last negative of the
    unbroken run (NaN without). ``day``: day of the newest telling visit.
    """

    status: np.ndarray
    first: np.ndarray
    last: np.ndarray
    day: np.ndarray

    @property
    def span(self) -> np.ndarray:
        """Days between first and last negative of the run; 0 without a run or when it is broken."""
        return np.where(self.status == CODES[NEGATIVE], np.nan_to_num(self.last - self.first), 0.0)


def follow(tests: pd.DataFrame, positive: np.ndarray, negative: np.ndarray, *, epoch: int = 0) -> Course:
    """Follow the visits in time (``positive``, ``negative``: tests x draws, boolean).

    A visit is the worst of its tests: positive, then indeterminate, then negative (a trace is). Insensitive
    negatives say nothing either way: they neither extend nor break a run. A positive breaks it, and a progression.
    ``epoch``: progressions up to the landmark. What was not positive before a progression is unknown after it.
    """
    n = positive.shape[1] if len(tests) else 1
    status = np.full(n, -1)
    first, last, when = (np.full(n, np.nan) for _ in range(3))
    reached = 0
    for _, visit in tests.groupby(["visit", "epoch"], sort=True):
        if visit["epoch"].iloc[0] > reached:
            reached = visit["epoch"].iloc[0]
            first, last, status, when = _progressed(status, when)
        rows = visit.index.to_numpy()
        days = visit["day"].to_numpy(float)
        pos = positive[rows].any(axis=0)
        vague = (visit["status"] == INDETERMINATE).any() & ~pos
        neg = negative[rows].any(axis=0) & ~pos & ~vague
        begin = np.where(negative[rows], days[:, None], np.inf).min(axis=0)
        end = np.where(negative[rows], days[:, None], -np.inf).max(axis=0)
        first = np.where(pos, np.nan, np.where(neg & np.isnan(first), begin, first))
        last = np.where(pos, np.nan, np.where(neg, end, last))
        status = np.select([pos, np.broadcast_to(vague, pos.shape), neg], [2, 1, 0], status)
        when = np.select([pos | vague, neg], [np.full(n, days.max()), end], when)
    if epoch > reached:
        first, last, status, when = _progressed(status, when)
    return Course(status, first, last, when)


def _progressed(status: np.ndarray, when: np.ndarray) -> tuple[np.ndarray, ...]:
    """First, last, status and day after a progression: a positive stands, all else is unknown."""
    none, stands = np.full(len(status), np.nan), status == CODES[POSITIVE]
    return none, none.copy(), np.where(stands, status, CODES[UNKNOWN]), np.where(stands, when, np.nan)


def observed_course(tests: pd.DataFrame, *, epoch: int = 0) -> Course:
    """The course by the results as reported; ``epoch`` as in :func:`follow`."""
    positive = (tests["status"] == POSITIVE).to_numpy()[:, None]
    return follow(tests, positive, tests["status"].isin([NEGATIVE, TRACE]).to_numpy()[:, None], epoch=epoch)


def drawn_course(tests: pd.DataFrame, levels: np.ndarray, *, settings: Mapping[str, Any], epoch: int = 0) -> Course:
    """The course in every draw: would the drawn level have been seen, and is it below 1e-5?

    A negative test or a trace whose drawn level is above the threshold counts as positive; a positive
    whose drawn level is below its own limit counts as not seen.
    """
    status = tests["status"].to_numpy()[:, None]
    limit = tests["limit"].to_numpy(float)[:, None]
    with np.errstate(invalid="ignore"):
        hidden = (status == POSITIVE) & (levels < limit)
        below = (status == NEGATIVE) | (status == TRACE)
        above = below & (levels > settings["mrd_threshold"])
    deep = limit <= settings["mrd_threshold"] * _SLACK
    positive = ((status == POSITIVE) & ~hidden) | above
    return follow(tests, positive, (below & ~above) | (hidden & deep), epoch=epoch)


def current_test(tests: pd.DataFrame, *, epoch: int = 0) -> int | None:
    """Row of the test that speaks for the level now: of the newest telling visit, the worst, then the deepest.

    Only insensitive tests: the newest of the deepest of them. None without tests. Of tests before a progression
    (fewer than ``epoch``) only a positive that nothing followed still speaks.
    """
    telling = tests[tests["status"] != INSENSITIVE]
    newest = telling[telling["visit"] == telling["visit"].max()]
    stands = newest["visit"].iloc[0] if (newest["status"] == POSITIVE).any() else -1
    tests = tests[(tests["epoch"] >= epoch) | (tests["visit"] == stands)]
    if tests.empty:
        return None
    telling = tests[tests["status"] != INSENSITIVE]
    if telling.empty:
        best = tests.sort_values(["visit", "limit"], ascending=[False, True], kind="stable")
        return int(best.index[0])
    visit = telling[telling["visit"] == telling["visit"].max()]
    worst = visit.assign(rank=visit["status"].map(_SEVERITY))
    # of several positives the highest level; of several negatives the deepest
    worst["order"] = np.where(worst["status"] == NEGATIVE, worst["limit"], -worst["level"].fillna(0.0))
    return int(worst.sort_values(["rank", "order", "day"], ascending=[False, True, False], kind="stable").index[0])


def is_resurgence(tests: pd.DataFrame) -> bool:
    """Whether the newest telling visit is positive, at or above its LoQ where known, after a negative."""
    telling = tests[tests["status"] != INSENSITIVE]
    if telling.empty:
        return False
    newest = telling["visit"] == telling["visit"].max()
    positive = telling[newest & (telling["status"] == POSITIVE)]
    # an unknown LoQ or level counts: worst of
    countable = ~(positive["level"].to_numpy(float) < positive["loq"].to_numpy(float))
    return bool(countable.any() and telling[~newest]["status"].isin([NEGATIVE, TRACE]).any())


def is_stale(age_days: float, *, settings: Mapping[str, Any]) -> bool:
    """Whether the newest telling test is older than its shelf life (no test at all is not stale, but unknown)."""
    return bool(age_days > gate_days(settings["stale_months"]))


def still_negative(age_days: np.ndarray, *, hazard_per_month: float) -> np.ndarray:
    """P(still negative) = exp(-hazard x months since the last test), science 8.7."""
    return np.exp(-hazard_per_month * np.nan_to_num(age_days) * 12.0 / 365.25)
