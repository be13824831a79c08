"""The observed components of one landmark, three times: for the point, and for either interval."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .clones import Clonal
from .combine import Structure
from .components import clonal_control, functional_state, residual_disease
from .function import Stability, State, Therapy
from .imaging import Imaging
from .quality import Quality, draw_quality
from .stream import months


@dataclass(frozen=True)
class Marrow:
    """Residual disease now.

    ``test``: row of the current MRD test (None). ``status``, ``limit`` of it. ``level``:
    draws of the residual fraction, None when nothing gives it. ``negative_days``: span of the
    unbroken run. ``still_negative``: probability that a past negative still holds.
    """

    test: int | None
    status: str
    limit: float
    level: np.ndarray | None
    negative_days: float
    still_negative: float


@dataclass(frozen=True)
class Parts:
    """Observed components by letter; a missing one is nowhere.

    ``wide`` and ``structural`` have one entry, or two where imaging is unknown: the extremes.
    """

    point: dict[str, np.ndarray]
    wide: list[dict[str, np.ndarray]]
    structural: list[dict[str, np.ndarray]]


def imaging_factors(imaging: Imaging, *, settings: Mapping[str, Any]) -> tuple[float, list[float]]:
    """g_img for the point and for the intervals.

    Unknown imaging (also equivocal, or negative beyond its shelf life) is a middle value for
    the point, but both positive and negative in the intervals: not knowing must not make an
    interval narrower.
    """
    low, high = settings["imaging_factor_positive"], settings["imaging_factor_negative"]
    if imaging.state == "positive":
        return low, [low]
    if imaging.state == "negative" and imaging.recent:
        return high, [high]
    return settings["imaging_factor_unknown"], [low, high]


def component_draws(
    *,
    marrow: Marrow,
    stability: Stability,
    imaging: Imaging,
    clonal: Clonal,
    therapy: Therapy,
    state: State,
    quality: Quality,
    structure: Structure,
    settings: Mapping[str, Any],
    rng: Callable[[str], np.random.Generator],
) -> Parts:
    """Draws of each component that can be computed (science 8.3).

    ``rng`` gives the stream of a purpose. The structural draws use the same parametric draws
    with the judgement constants of ``structure``: half-lives times a factor, log10 thresholds
    shifted.
    """
    n = settings["n_draws"]
    point_factor, factors = imaging_factors(imaging, settings=settings)
    if marrow.level is None:
        factors = factors[:1]
    parts = Parts({}, [{} for _ in factors], [{} for _ in factors])

    def add(letter: str, point: np.ndarray, structural: np.ndarray) -> None:
        parts.point[letter] = np.broadcast_to(point, n)
        for target, draws in [*((w, point) for w in parts.wide), *((s, structural) for s in parts.structural)]:
            target[letter] = np.broadcast_to(draws, n)

    if marrow.level is not None:
        generator = rng("residual")
        fallen, rest = generator.uniform(size=n) >= marrow.still_negative, generator.uniform(size=n)
        aged = np.where(fallen, rest, 1.0)

        def residual(factor: float, still: float | np.ndarray, *, varied: bool) -> np.ndarray:
            scale, shift = (structure.half_life, structure.shift) if varied else (np.ones(4), np.zeros(3))
            return residual_disease(
                marrow.level if marrow.level is not None else np.empty(0),
                imaging_factor=factor,
                still_negative=still,
                months_negative=months(marrow.negative_days),
                months_stable=months(stability.days),
                growth=stability.growth,
                half_life_negative=settings["half_life_negative"] * scale[0],
                half_life_stable=settings["half_life_stable"] * scale[1],
                depth_start=settings["depth_start"] + shift[0],
                depth_span=settings["depth_span"],
                single_share=settings["single_share"],
                stable_ceiling=settings["stable_ceiling"],
                stable_level=settings["stable_level"] * 10.0 ** shift[1],
                stable_doubling_months=settings["stable_doubling_months"],
            )

        parts.point["D"] = np.broadcast_to(residual(point_factor, marrow.still_negative, varied=False), n)
        for i, factor in enumerate(factors):
            parts.wide[i]["D"] = np.broadcast_to(residual(factor, aged, varied=False), n)
            parts.structural[i]["D"] = np.broadcast_to(residual(factor, aged, varied=True), n)
    if clonal.known:

        def control(floor: float | np.ndarray) -> np.ndarray:
            return clonal_control(
                clonal.burden,
                clonal.growth,
                clonal.threat,
                horizon_months=settings["horizon_months"],
                floor_log10=floor,
                span=settings["control_span"],
            )

        control_floor = settings["control_floor_log10"]
        add("C", control(control_floor), control(control_floor + structure.shift[2]))
    if therapy.known and state.known:
        organ = settings["organ_active"] if state.active else settings["organ_damaged"] if state.damaged else 1.0
        free, progression_free = months(therapy.free_days), months(state.free_days)

        def function(scale_free: float | np.ndarray, scale_progression: float | np.ndarray) -> np.ndarray:
            return functional_state(
                float(free),
                float(progression_free),
                organ,
                half_life_free=settings["half_life_free"] * scale_free,
                half_life_progression=settings["half_life_progression"] * scale_progression,
                therapy_share=settings["therapy_share"],
            )

        add("F", function(1.0, 1.0), function(structure.half_life[2], structure.half_life[3]))
    if quality.known:
        noise = rng("quality").standard_normal(n)
        draws = draw_quality(quality, settings=settings, noise=noise, summary_low=settings["summary_low"])
        add("Q", draws, draws)
    return parts
