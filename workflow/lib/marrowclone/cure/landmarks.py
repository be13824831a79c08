"""One row per patient and landmark: tier, probabilities, score, intervals, reason.

Every table is cut at the landmark by :func:`marrowclone.clinical.as_of` before anything looks
at it, and each landmark has random streams of its own: later rows change nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from ..clinical import as_of
from ..keys import DAYS_PER_MONTH, RESEARCH_USE_ONLY, TABLES
from . import tiers
from .clones import Assay, read_clones
from .combine import COMPONENTS, Score, combine, draw_structure
from .function import (
    State,
    high_risk_count,
    paraprotein,
    read_stability,
    read_state,
    read_therapy,
)  # fmt: skip
from .imaging import read_imaging
from .mrd import (
    CODES,
    NEGATIVE,
    POSITIVE,
    current_test,
    draw_levels,
    drawn_course,
    is_resurgence,
    observed_course,
    read_tests,
    stale_steps,
    still_negative,
)  # fmt: skip
from .parts import Marrow, component_draws
from .quality import read_quality
from .reasons import Evidence, explain, next_steps
from .stream import stream, until
from .tiers import Facts

#: Columns that follow the contract's in ``landmarks.tsv``.
EXTRA: tuple[str, ...] = (
    "tier_label", "tier_words", "last_known_tier", "css_arithmetic", "css_harmonic", "cor_dc", "c_bounded",
    "mrd_status", "mrd_day", "mrd_limit", "months_negative", "imaging", "months_treatment_free",
    "months_progression_free", "high_risk_events", "next", "use",
)  # fmt: skip
#: Clinical tables whose absence is said; outcome is not read here.
READ: tuple[str, ...] = ("mrd", "imaging", "response", "therapy", "cytogenetics", "pro")
EVOLUTION: tuple[str, ...] = ("fractions", "draws", "labels", "resistance")


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


def landmark_days(patient: Patient, *, settings: Mapping[str, Any]) -> list[int]:
    """Days of the patient's samples and MRD assays, and the extra ones of the settings, once each."""
    days = {int(day) for _, day in patient.samples} | {int(d) for d in settings["extra_landmark_days"]}
    mrd = patient.clinical.get("mrd")
    if mrd is not None:
        days |= {int(d) for d in mrd.loc[mrd["patient"] == patient.patient, "day"]}
    return sorted(days)


def score_landmark(patient: Patient, day: int, *, settings: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """The row of one landmark (contract columns and :data:`EXTRA`), from what was known on ``day``."""
    name = patient.patient
    rows = {table: until(patient.clinical.get(table), name, day) for table in READ}
    absent = tuple(table for table in READ if patient.clinical.get(table) is None)
    tests = read_tests(rows["mrd"], settings=settings)
    levels = draw_levels(tests, settings=settings, rng=stream(seed, name, day, "mrd"))
    imaging = read_imaging(rows["imaging"], day, settings=settings)
    therapy = read_therapy(rows["therapy"], day, known="therapy" not in absent, settings=settings)
    called = [int(d) for t, d in patient.samples if _plain(t) in settings["active_timepoints"]]
    state = read_state(rows["response"], day, therapy=therapy, active_samples=called, settings=settings)
    quality = read_quality(rows["pro"], day, settings=settings)
    risk = high_risk_count(rows["cytogenetics"])
    marrow = _marrow(tests, levels, state, day, risk=risk, settings=settings, seed=seed, name=name)
    evolution = {table: as_of(patient.evolution[table], day) for table in EVOLUTION}
    clonal = read_clones(
        evolution,
        assay=_assay(tests, levels, marrow),
        settings=settings,
        rng=stream(seed, name, day, "clones"),
    )
    stability = read_stability(tests, levels, paraprotein(rows["response"]), settings=settings)
    observed = observed_course(tests)
    facts = Facts(
        response=state.rank,
        response_known=state.known,
        response_recent=state.recent,
        active=state.active,
        negative=bool(observed.status[0] == CODES[NEGATIVE]),
        positive=bool(observed.status[0] == CODES[POSITIVE]),
        negative_days=float(observed.span[0]),
        deep=bool(marrow.status == NEGATIVE and marrow.limit <= settings["mrd_deep"] * (1 + 1e-9)),
        imaging=imaging.state,
        imaging_recent=imaging.recent,
        function_known=therapy.known and state.known,
        free_days=therapy.free_days,
        progression_free_days=state.free_days,
        stable=stability.p_stable >= settings["stable_probability"],
        stable_days=stability.days,
        stale_steps=stale_steps(day - float(observed.day[0]), settings=settings),
    )
    drawn = _drawn_tiers(facts, tests, levels, marrow, settings=settings, rng=stream(seed, name, day, "ageing"))
    reported = int(tiers.assign(facts, settings=settings)[0])
    tier = tiers.headline(reported, drawn)
    structure = draw_structure(stream(seed, name, day, "structure"), settings=settings)
    parts = component_draws(
        marrow=marrow, stability=stability, imaging=imaging, clonal=clonal, therapy=therapy, state=state,
        quality=quality, structure=structure, settings=settings, rng=lambda what: stream(seed, name, day, what),
    )  # fmt: skip
    score = combine(
        parts.point, parts.wide, parts.structural, structure, stream(seed, name, day, "missing"), settings=settings
    )
    evidence = Evidence(day, tests, marrow.test, is_resurgence(tests), imaging, therapy, state, clonal, quality, absent)
    reason = explain(
        tier, facts, evidence, withheld=_withheld(score, parts.point), drawn_lower=tier < reported, settings=settings
    )
    row = _row(name, day, tier, facts, drawn, parts.point, score, settings=settings)
    best = tiers.last_known(facts, settings=settings)
    return row | {
        "tier_suffix": f"{quality.suffix}-{clonal.suffix}",
        "reason": reason,
        "tier_label": _label(tier, facts, quality.suffix, clonal.suffix, settings=settings),
        "last_known_tier": tiers.name(max(best, tier)),
        "cor_dc": _correlation(parts.point),
        "c_bounded": "" if not clonal.known else "true" if clonal.bounded else "false",
        "mrd_status": marrow.status,
        "mrd_day": float(observed.day[0]),
        "mrd_limit": marrow.limit,
        "imaging": imaging.state,
        "months_treatment_free": facts.free_days / DAYS_PER_MONTH if therapy.known else np.nan,
        "months_progression_free": facts.progression_free_days / DAYS_PER_MONTH if facts.function_known else np.nan,
        "high_risk_events": np.nan if "cytogenetics" in absent else risk,
        "next": next_steps(tier, facts, settings=settings),
    }


def score_landmarks(patients: Sequence[Patient], *, settings: Mapping[str, Any], seed: int) -> pd.DataFrame:
    """All landmarks of all patients, in order of patient and day; columns as in the contract, then :data:`EXTRA`.

    Healthy donors have no landmarks: leave them out of ``patients``. Without patients the
    table has its header only.
    """
    rows = [
        score_landmark(patient, day, settings=settings, seed=seed)
        for patient in sorted(patients, key=lambda p: p.patient)
        for day in landmark_days(patient, settings=settings)
    ]
    return pd.DataFrame(rows, columns=[*TABLES["cure.landmarks"], *EXTRA])


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
    seed: int,
    name: str,
) -> Marrow:
    """What the marrow says now: the current MRD test, or a later (or only) high plasma-cell percentage."""
    test = current_test(tests)
    course = observed_course(tests)
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
        noise = stream(seed, name, day, "marrow").normal(0.0, error, settings["n_draws"])
        return Marrow(test, status, limit, np.minimum(1.0, state.pc_fraction * 10.0**noise), 0.0, 1.0)
    return Marrow(test, status, limit, level, float(course.span[0]) if negative else 0.0, still)


def _assay(tests: pd.DataFrame, levels: np.ndarray, marrow: Marrow) -> Assay | None:
    if marrow.test is None or np.isnan(levels[marrow.test]).any():
        return None
    test: Any = tests.loc[marrow.test]
    return Assay(int(test["day"]), str(test["assay"]), levels[marrow.test], test["status"] != POSITIVE)


def _drawn_tiers(
    facts: Facts,
    tests: pd.DataFrame,
    levels: np.ndarray,
    marrow: Marrow,
    *,
    settings: Mapping[str, Any],
    rng: np.random.Generator,
) -> np.ndarray:
    """The tier in every draw: assay levels against limits, and whether a past negative still holds."""
    n = settings["n_draws"]
    course = drawn_course(tests, levels, settings=settings)
    still = rng.uniform(size=n) < marrow.still_negative
    negative = np.broadcast_to(course.status == CODES[NEGATIVE], n) & still
    positive = np.broadcast_to(course.status == CODES[POSITIVE], n)
    span = np.broadcast_to(course.span, n)
    return tiers.assign(replace(facts, negative=negative, positive=positive, negative_days=span), settings=settings)


def _row(
    name: str,
    day: int,
    tier: int,
    facts: Facts,
    drawn: np.ndarray,
    point: Mapping[str, np.ndarray],
    score: Score,
    *,
    settings: Mapping[str, Any],
) -> dict[str, Any]:
    probability = tiers.probabilities(drawn)
    return {
        "patient": name,
        "day": day,
        "tier": tiers.name(tier),
        **{f"p_t{k}": probability[k] for k in range(6)},
        "css": score.headline,
        "css_lower": score.lower,
        "css_upper": score.upper,
        "css_total_lower": score.total_lower,
        "css_total_upper": score.total_upper,
        **{c: float(np.median(point[c])) if c in point else np.nan for c in COMPONENTS},
        "coverage": score.coverage,
        "tier_words": tiers.WORDS[tier],
        "css_arithmetic": score.arithmetic if np.isfinite(score.headline) else np.nan,
        "css_harmonic": score.harmonic if np.isfinite(score.headline) else np.nan,
        "months_negative": float(facts.negative_days) / DAYS_PER_MONTH,
        "use": RESEARCH_USE_ONLY,
    }


def _label(tier: int, facts: Facts, quality: str, clones: str, *, settings: Mapping[str, Any]) -> str:
    """``T4a-Q+-C?``; empty when the tier is."""
    if tier == tiers.NOT_ASSESSABLE:
        return ""
    stale = "-stale" if tiers.last_known(facts, settings=settings) > tier and facts.stale_steps else ""
    return f"{tiers.name(tier)}{tiers.variant(tier, facts, settings=settings)}{stale}-{quality}-{clones}"


def _withheld(score: Score, point: Mapping[str, np.ndarray]) -> str:
    if np.isfinite(score.headline):
        return ""
    lacking = [c for c in COMPONENTS[:4] if c not in point]
    return f"Score withheld, insufficient: {', '.join(lacking)} missing (coverage {score.coverage:.2f})"


def _correlation(point: Mapping[str, np.ndarray]) -> float:
    """Pearson correlation of the draws of D and C; NaN when one is missing or constant."""
    if "D" not in point or "C" not in point:
        return np.nan
    d, c = point["D"], point["C"]
    return float(np.corrcoef(d, c)[0, 1]) if d.std() > 1e-12 and c.std() > 1e-12 else np.nan
