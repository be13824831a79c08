"""Change of the score between successive landmarks of a patient, by paired draws (science 8.5).

What both landmarks rest on (an assay that is still the newest, the joint draws of the clones, the
judgement in weights and half-lives) is drawn once for both, so that it cancels; what was measured
twice keeps two independent errors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise, product
from typing import Any

import numpy as np
import pandas as pd

from ..keys import RESEARCH_USE_ONLY, TABLES
from .combine import COMPONENTS, draw_structure, power_mean, weights
from .parts import Parts
from .reading import Patient, Reading, Streams, landmark_days, read_landmark
from .stream import stream

HIGHER, LOWER, NONE, UNKNOWN = "higher", "lower", "no call", "not comparable"


def paired_streams(seed: int, name: str, pair_day: int) -> Streams:
    """Streams of a pair of landmarks, named by the later of them.

    An error that belongs to a dated measurement has the stream of that day: the same form read
    at both landmarks errs the same way, two forms err on their own.
    """

    def rng(what: str, own: float) -> np.random.Generator:
        purpose = what if np.isnan(own) else f"{what} of day {int(own)}"
        return stream(seed, name, pair_day, f"pair: {purpose}")

    return rng


def compare_pair(before: Reading, after: Reading, *, settings: Mapping[str, Any], limits: Mapping[str, Any]) -> dict:
    """The change from one reading to the next: delta, intervals, probability, call, components compared.

    Only components known at both are compared, with re-normalised weights: a form that was
    filled in for the first time is no change of the patient. Without D, or with less than
    ``coverage_minimum`` of the weights at both, the two are not comparable.
    """
    structure = draw_structure(after.rng("structure", np.nan), settings=settings)
    parts = before.components(structure, settings=settings), after.components(structure, settings=settings)
    base = weights(settings)
    both = [i for i, c in enumerate(COMPONENTS) if base[i] > 0 and all(c in p.point for p in parts)]
    covered = float(base[both].sum() / base.sum())
    letters = "".join(COMPONENTS[i] for i in both)
    if "D" not in letters or covered < settings["coverage_minimum"] - 1e-9:
        said = f"known at both: {letters or 'nothing'}"
        return dict.fromkeys(("delta", "lower", "upper", "total_lower", "total_upper", "p_higher"), np.nan) | {
            "components": letters, "call": UNKNOWN, "reason": said,
        }  # fmt: skip

    def score(draws: Mapping[str, np.ndarray], weight: np.ndarray, exponent: Any) -> np.ndarray:
        values = np.stack([draws[COMPONENTS[i]] for i in both])
        return power_mean(values, weight[both], exponent=exponent, floor=settings["floor"])

    delta = np.subtract(*(score(p.point, base[:, None], settings["exponent"]) for p in reversed(parts)))
    tail = (1.0 - settings["interval"]) / 2.0
    ends = [tail, 1.0 - tail]
    wide = [_spread(score, pair, base[:, None], settings["exponent"], ends) for pair in _pairs(parts, "wide")]
    total = [_spread(score, pair, structure.weight, structure.exponent, ends) for pair in _pairs(parts, "structural")]
    middle, p_higher = float(np.median(delta)), float((delta > 0).mean() + 0.5 * (delta == 0).mean())
    lower, upper = min(middle, np.min(wide)), max(middle, np.max(wide))
    return {
        "delta": middle,
        "lower": lower,
        "upper": upper,
        "total_lower": min(lower, np.min(total)),
        "total_upper": max(upper, np.max(total)),
        "p_higher": p_higher,
        "components": letters,
        "call": _call(middle, p_higher, limits),
        "reason": _moved(parts, both),
    }


def _pairs(parts: Sequence[Parts], kind: str) -> list[tuple[Mapping[str, np.ndarray], Mapping[str, np.ndarray]]]:
    """Every combination of the extremes of what is unknown (imaging), before with after."""
    return list(product(getattr(parts[0], kind), getattr(parts[1], kind)))


def _spread(score: Any, pair: Any, weight: np.ndarray, exponent: Any, ends: list[float]) -> np.ndarray:
    return np.quantile(score(pair[1], weight, exponent) - score(pair[0], weight, exponent), ends)


def _call(delta: float, p_higher: float, limits: Mapping[str, Any]) -> str:
    if abs(delta) <= limits["change_points"]:
        return NONE
    if p_higher > limits["change_probability"]:
        return HIGHER
    return LOWER if 1.0 - p_higher > limits["change_probability"] else NONE


def _moved(parts: Sequence[Parts], both: Sequence[int]) -> str:
    """Medians of the components, before and after."""
    names = [COMPONENTS[i] for i in both]
    return "; ".join(f"{c} {np.median(parts[0].point[c]):.2f} to {np.median(parts[1].point[c]):.2f}" for c in names)


def compare_landmarks(
    patients: Sequence[Patient],
    landmarks: pd.DataFrame,
    *,
    settings: Mapping[str, Any],
    limits: Mapping[str, Any],
    seed: int,
) -> pd.DataFrame:
    """Every landmark against the one before (contract ``cure.changes``).

    ``landmarks``: ``cure.landmarks``, for the tiers. ``settings``: those of ``score_landmarks``;
    ``limits``: of ``compare_landmarks``. A change of tier is told beside the change of score:
    the tier is a rule and goes first.
    """
    tier = {(p, int(d)): "" if pd.isna(t) else str(t) for p, d, t in landmarks[["patient", "day", "tier"]].to_numpy()}
    rows = []
    for patient in sorted(patients, key=lambda p: p.patient):
        for before, after in pairwise(landmark_days(patient, settings=settings)):
            rng = paired_streams(seed, patient.patient, after)
            readings = [read_landmark(patient, d, settings=settings, rng=rng) for d in (before, after)]
            rows.append(
                {
                    "patient": patient.patient,
                    "from_day": before,
                    "to_day": after,
                    "tier_from": tier.get((patient.patient, before), ""),
                    "tier_to": tier.get((patient.patient, after), ""),
                    "use": RESEARCH_USE_ONLY,
                }
                | compare_pair(*readings, settings=settings, limits=limits)
            )
    return pd.DataFrame(rows, columns=list(TABLES["cure.changes"]))
