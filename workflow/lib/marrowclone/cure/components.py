"""The components D, C, F and Q, each in [0, 1], high is nearer to cure (science 8.3).

Pure formulas over draws. Every constant is an argument, scalar or one value per draw, so
that the structural interval can vary it; the defaults are the science's, all [J] unless said.
"""

from __future__ import annotations

import numpy as np

Array = np.ndarray
Number = float | np.ndarray


def credit(time: Number, half_life: Number) -> Array:
    """``1 - 2^(-time/half_life)``: 0 at first, half after one half-life, towards 1."""
    return 1.0 - 2.0 ** (-np.asarray(time, dtype=float) / half_life)


def depth(level: Array, *, start: Number = 2.0, span: Number = 4.0) -> Array:
    """Depth of response: residual fraction 10^-start -> 0, 10^-(start+span) -> 1, linear in the logarithm."""
    return np.clip((-np.log10(np.maximum(level, 1e-300)) - start) / span, 0.0, 1.0)


def residual_disease(
    level: Array,
    *,
    months_negative: Number,
    imaging_factor: Number,
    months_stable: Number = 0.0,
    growth: Number = 0.0,
    still_negative: Number = 1.0,
    half_life_negative: Number = 12.0,
    half_life_stable: Number = 24.0,
    depth_start: Number = 2.0,
    depth_span: float = 4.0,
    single_share: float = 0.4,
    stable_ceiling: float = 0.6,
    stable_level: Number = 1e-2,
    stable_doubling_months: float = 24.0,
) -> Array:
    """D: depth and durability of residual-disease control.

    Parameters
    ----------
    level
        draws of the residual fraction of nucleated cells.
    months_negative
        between first and last negative of the unbroken run.
    growth
        per month, of persistent low-level disease; counts as stable up to ln2/stable_doubling_months.
    still_negative
        ageing factor on the negative path (science 8.7).
    """
    durable = single_share + (1.0 - single_share) * credit(months_negative, half_life_negative)
    negative = imaging_factor * depth(level, start=depth_start, span=depth_span) * durable * still_negative
    flat = (level <= stable_level) & (np.asarray(growth) <= np.log(2) / stable_doubling_months)
    stable = stable_ceiling * credit(months_stable, half_life_stable) * flat * imaging_factor
    return np.maximum(negative, stable)


def clone_threat(resistance: Number, p_dormant: Number, p_expanding: Number, *, dormant_share: float = 0.5) -> Array:
    """Threat of a clone: 1 - (1 - resistance)(1 - share x P(dormant, supported))(1 - P(expanding))."""
    return 1.0 - (1.0 - np.asarray(resistance)) * (1.0 - dormant_share * np.asarray(p_dormant)) * (
        1.0 - np.asarray(p_expanding)
    )


def clonal_control(
    burden: Array,
    growth: Array,
    threat: Array,
    *,
    horizon_months: float = 12.0,
    floor_log10: Number = 6.0,
    span: float = 4.0,
) -> Array:
    """C: product over clones of 1 - (projected burden on a log scale) x threat.

    ``burden``, ``growth`` (per month), ``threat``: clones x draws. Burdens are projected
    ``horizon_months`` ahead; only growth is, a shrinking clone keeps today's burden.
    """
    exponent = np.minimum(horizon_months * np.maximum(growth, 0.0), 700.0)
    ahead = np.minimum(1.0, burden * np.exp(exponent))
    height = np.clip((np.log10(np.maximum(ahead, 1e-300)) + floor_log10) / span, 0.0, 1.0)
    return np.prod(1.0 - height * threat, axis=0)


def functional_state(
    months_free: float,
    months_progression_free: float,
    organ_factor: float,
    *,
    half_life_free: Number = 24.0,
    half_life_progression: Number = 24.0,
    therapy_share: float = 0.5,
) -> Array:
    """F: treatment-free or, at most by ``therapy_share``, progression-free time, times the organ factor E."""
    return organ_factor * np.maximum(
        credit(months_free, half_life_free), therapy_share * credit(months_progression_free, half_life_progression)
    )


def quality_of_life(
    summary: Array,
    problem_share: float,
    *,
    myeloma: float | None = None,
    summary_low: Number = 40.0,
    summary_span: float = 50.0,
) -> Array:
    """Q from the C30 summary (draws, 0-100) and the share of scales with a clinically important problem.

    ``myeloma``: mean of (100-DS)/100, (100-SE)/100 and FP/100 of the MY20, which then
    replaces half of the problem term.
    """
    free_of = 1.0 - problem_share
    if myeloma is not None:
        free_of = 0.5 * free_of + 0.5 * myeloma
    return 0.5 * np.clip((summary - summary_low) / summary_span, 0.0, 1.0) + 0.5 * free_of
