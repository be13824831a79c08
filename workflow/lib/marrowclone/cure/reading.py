"""What is known of a patient at a landmark: every table cut there, read, and drawn from.

Every table is cut at the landmark by :func:`marrowclone.clinical.as_of` before anything looks at it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..clinical import as_of
from .clones import Assay, Clonal, read_clones
from .combine import Structure
from .function import (
    Stability,
    State,
    Therapy,
    high_risk_count,
    paraprotein,
    read_stability,
    read_state,
    read_therapy,
)  # fmt: skip
from .imaging import Imaging, read_imaging
from .mrd import (
    CODES,
    NEGATIVE,
    POSITIVE,
    TRACE,
    Course,
    current_test,
    draw_levels,
    is_stale,
    observed_course,
    read_tests,
    still_negative,
)  # fmt: skip
from .parts import Marrow, Parts, component_draws
from .quality import Quality, read_quality
from .stream import until
from .tiers import Facts

#: Clinical tables whose absence is said; outcome is not read here.
READ: tuple[str, ...] = ("mrd", "imaging", "response", "therapy", "cytogenetics", "pro")
EVOLUTION: tuple[str, ...] = ("fractions", "draws", "labels", "resistance")


#: The generator of a purpose; the second argument is the day of the measurement that it is the error of (NaN: none).
Streams = Callable[[str, float], np.random.Generator]


@dataclass(frozen=True)
class Patient:
    """All tables of one patient.

    ``samples``: (timepoint, day) of the sheet. ``clinical``: by name, None for a table that
    does not exist (``pro`` holds the scored ``cure/qol.tsv``); rows of other patients may be
    in them. ``evolution``: :data:`EVOLUTION` by name, this patient's own.
    """

    patient: str
    samples: Sequence[tuple[str, int]]
    clinical: Mapping[str, pd.DataFrame | None]
    evolution: Mapping[str, pd.DataFrame]


@dataclass(frozen=True)
class Reading:
    """One landmark, read: what each part of the evidence says, and the facts that the tier's rule asks for."""

    day: int
    absent: tuple[str, ...]
    tests: pd.DataFrame
    levels: np.ndarray
    imaging: Imaging
    therapy: Therapy
    state: State
    quality: Quality
    risk: int
    marrow: Marrow
    clonal: Clonal
    stability: Stability
    observed: Course
    facts: Facts
    rng: Streams

    def components(self, structure: Structure, *, settings: Mapping[str, Any]) -> Parts:
        """Draws of each observed component."""
        tested = np.nan if self.marrow.test is None else float(self.tests["day"].loc[self.marrow.test])
        own = {"residual": tested, "quality": self.quality.day}
        return component_draws(
            marrow=self.marrow, stability=self.stability, imaging=self.imaging, clonal=self.clonal,
            therapy=self.therapy, state=self.state, quality=self.quality, structure=structure, settings=settings,
            rng=lambda what: self.rng(what, own.get(what, np.nan)),
        )  # fmt: skip


def landmark_days(patient: Patient, *, settings: Mapping[str, Any]) -> list[int]:
    """Days of the patient's samples and MRD assays, and the extra ones of the settings, once each."""
    days = {int(day) for _, day in patient.samples} | {int(d) for d in settings["extra_landmark_days"]}
    mrd = patient.clinical.get("mrd")
    if mrd is not None:
        days |= {int(d) for d in mrd.loc[mrd["patient"] == patient.patient, "day"]}
    return sorted(days)


def read_landmark(patient: Patient, day: int, *, settings: Mapping[str, Any], rng: Streams) -> Reading:
    """Read a patient as it was known on ``day``."""
    name = patient.patient
    rows = {table: until(patient.clinical.get(table), name, day) for table in READ}
    absent = tuple(table for table in READ if patient.clinical.get(table) is None)
    imaging = read_imaging(rows["imaging"], day, settings=settings)
    therapy = read_therapy(rows["therapy"], day, known="therapy" not in absent, settings=settings)
    active = settings["active_timepoints"]
    called = [int(d) for t, d in patient.samples if _plain(t) in active and int(d) <= day]
    state = read_state(rows["response"], day, therapy=therapy, active_samples=called, settings=settings)
    epoch = len(state.progressions)
    tests = read_tests(rows["mrd"], settings=settings, progressions=state.progressions)
    levels = draw_levels(tests, settings=settings, rng=rng("mrd", np.nan))
    quality = read_quality(rows["pro"], day, settings=settings)
    risk = high_risk_count(rows["cytogenetics"])
    marrow = _marrow(tests, levels, state, day, risk=risk, settings=settings, rng=rng)
    evolution = {table: as_of(patient.evolution[table], day) for table in EVOLUTION}
    clonal = read_clones(
        evolution,
        assay=_assay(tests, levels, marrow),
        settings=settings,
        rng=rng("clones", np.nan),
    )
    stability = read_stability(tests, levels, paraprotein(rows["response"]), settings=settings, epoch=epoch)
    observed = observed_course(tests, epoch=epoch)
    facts = Facts(
        response=state.rank,
        response_known=state.known,
        response_recent=state.recent,
        active=state.active,
        negative=bool(observed.status[0] == CODES[NEGATIVE]),
        positive=bool(observed.status[0] == CODES[POSITIVE]),
        traced=marrow.status == TRACE,
        negative_days=float(observed.span[0]),
        deep=_is_deep(tests, marrow, settings=settings),
        imaging=imaging.state,
        imaging_recent=imaging.recent,
        function_known=therapy.known and state.known,
        free_days=therapy.free_days,
        progression_free_days=state.free_days,
        stable=stability.p_stable >= settings["stable_probability"],
        stable_days=stability.days,
        stale=is_stale(day - float(observed.day[0]), settings=settings),
    )
    return Reading(
        day, absent, tests, levels, imaging, therapy, state, quality, risk, marrow, clonal, stability, observed, facts,
        rng,
    )  # fmt: skip


def _is_deep(tests: pd.DataFrame, marrow: Marrow, *, settings: Mapping[str, Any]) -> bool:
    """Whether the current test is negative at 1e-6, too: it reaches that, and saw nothing or a trace below it."""
    if marrow.status not in (NEGATIVE, TRACE) or not marrow.limit <= settings["mrd_deep"] * (1 + 1e-9):
        return False
    if marrow.status == NEGATIVE:
        return True
    test: Any = tests.loc[marrow.test]
    return bool(test["level"] < settings["mrd_deep"])


def _plain(timepoint: str) -> str:
    """``relapse`` of ``relapse_2``."""
    head, _, tail = timepoint.rpartition("_")
    return head if head and tail.isdigit() else timepoint


def _marrow(
    tests: pd.DataFrame,
    levels: np.ndarray,
    state: State,
    day: int,
    *,
    risk: int,
    settings: Mapping[str, Any],
    rng: Streams,
) -> Marrow:
    """What the marrow says now: the current MRD test, or a later (or only) high plasma-cell percentage."""
    epoch = len(state.progressions)
    test = current_test(tests, epoch=epoch)
    course = observed_course(tests, epoch=epoch)
    age = day - float(course.day[0])
    negative = bool(course.status[0] == CODES[NEGATIVE])
    hazard = settings["hazard_high_risk" if risk >= settings["high_risk_count"] else "hazard_default"]
    still = float(still_negative(np.array(age), hazard_per_month=hazard)) if negative else 1.0
    current: Any = None if test is None else tests.loc[test]
    status = "unknown" if current is None else str(current["status"])
    limit = np.nan if current is None else float(current["limit"])
    level = None if test is None or np.isnan(levels[test]).any() else levels[test]
    newer = current is None or state.pc_day > float(current["day"])
    fresh = day - state.pc_day <= settings["marrow_window_days"]
    if newer and fresh and state.pc_fraction >= settings["marrow_minimum"]:
        error = np.hypot(settings["assay_log10_sd"], settings["spatial_log10_sd"])
        noise = rng("marrow", state.pc_day).normal(0.0, error, settings["n_draws"])
        return Marrow(test, status, limit, np.minimum(1.0, state.pc_fraction * 10.0**noise), 0.0, 1.0)
    return Marrow(test, status, limit, level, float(course.span[0]) if negative else 0.0, still)


def _assay(tests: pd.DataFrame, levels: np.ndarray, marrow: Marrow) -> Assay | None:
    if marrow.test is None or np.isnan(levels[marrow.test]).any():
        return None
    test: Any = tests.loc[marrow.test]
    return Assay(int(test["day"]), str(test["assay"]), levels[marrow.test], test["status"] not in (POSITIVE, TRACE))
