"""One row per patient and landmark: tier, probabilities, score, intervals, reason.

Every table is cut at the landmark by :func:`marrowclone.clinical.as_of` before anything looks
at it, and each landmark has random streams of its own: later rows change nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from ..keys import DAYS_PER_MONTH, RESEARCH_USE_ONLY, TABLES
from . import tiers
from .combine import COMPONENTS, Score, combine, draw_structure
from .mrd import CODES, NEGATIVE, POSITIVE, drawn_course, is_resurgence
from .parts import Marrow
from .reading import Patient, landmark_days, read_landmark
from .reasons import Evidence, explain, next_steps
from .stream import stream
from .tiers import Facts

#: Columns that follow the contract's in ``landmarks.tsv``.
EXTRA: tuple[str, ...] = (
    "tier_label", "tier_words", "last_known_tier", "css_arithmetic", "css_harmonic", "cor_dc", "c_bounded",
    "mrd_status", "mrd_day", "mrd_limit", "months_negative", "imaging", "months_treatment_free",
    "months_progression_free", "high_risk_events", "next", "use",
)  # fmt: skip


def score_landmark(patient: Patient, day: int, *, settings: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """The row of one landmark (contract columns and :data:`EXTRA`), from what was known on ``day``."""
    name = patient.patient
    it = read_landmark(patient, day, settings=settings, rng=lambda what, _: stream(seed, name, day, what))
    facts = it.facts
    drawn = _drawn_tiers(
        facts, it.tests, it.levels, it.marrow, epoch=len(it.state.progressions), settings=settings,
        rng=stream(seed, name, day, "ageing"),
    )  # fmt: skip
    reported = int(tiers.assign(facts, settings=settings)[0])
    tier = tiers.headline(reported, drawn)
    structure = draw_structure(stream(seed, name, day, "structure"), settings=settings)
    parts = it.components(structure, settings=settings)
    score = combine(
        parts.point, parts.wide, parts.structural, structure, stream(seed, name, day, "missing"), settings=settings
    )
    evidence = Evidence(
        day, it.tests, it.marrow.test, is_resurgence(it.tests), it.imaging, it.therapy, it.state, it.clonal, it.quality,
        it.absent,
    )  # fmt: skip
    reason = explain(
        tier, facts, evidence, withheld=_withheld(score, parts.point), drawn_lower=tier < reported, settings=settings
    )
    row = _row(name, day, tier, facts, drawn, parts.point, score, settings=settings)
    best = tiers.last_known(facts, settings=settings)
    return row | {
        "tier_suffix": f"{it.quality.suffix}-{it.clonal.suffix}",
        "reason": reason,
        "tier_label": _label(tier, facts, it.quality.suffix, it.clonal.suffix, settings=settings),
        "last_known_tier": tiers.name(max(best, tier)),
        "cor_dc": _correlation(parts.point),
        "c_bounded": "" if not it.clonal.known else "true" if it.clonal.bounded else "false",
        "mrd_status": it.marrow.status,
        "mrd_day": float(it.observed.day[0]),
        "mrd_limit": it.marrow.limit,
        "imaging": it.imaging.state,
        "months_treatment_free": facts.free_days / DAYS_PER_MONTH if it.therapy.known else np.nan,
        "months_progression_free": facts.progression_free_days / DAYS_PER_MONTH if facts.function_known else np.nan,
        "high_risk_events": np.nan if "cytogenetics" in it.absent else it.risk,
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


def _drawn_tiers(
    facts: Facts,
    tests: pd.DataFrame,
    levels: np.ndarray,
    marrow: Marrow,
    *,
    epoch: int,
    settings: Mapping[str, Any],
    rng: np.random.Generator,
) -> np.ndarray:
    """The tier in every draw: assay levels against limits, and whether a past negative still holds."""
    n = settings["n_draws"]
    course = drawn_course(tests, levels, settings=settings, epoch=epoch)
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
    best = tiers.last_known(facts, settings=settings)
    stale = f"-stale({tiers.name(best)})" if best > tier and facts.stale else ""
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
