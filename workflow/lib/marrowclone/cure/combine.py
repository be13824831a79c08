"""From components to the score: power mean, missing components, parametric and structural intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

COMPONENTS: tuple[str, ...] = ("D", "C", "F", "Q", "M")


def weights(settings: Mapping[str, Any]) -> np.ndarray:
    """Weights in the order of :data:`COMPONENTS`."""
    return np.array([settings[f"weight_{c.lower()}"] for c in COMPONENTS], dtype=float)


def power_mean(
    values: np.ndarray, weight: np.ndarray, *, exponent: float | np.ndarray = 0.0, floor: float = 0.02
) -> np.ndarray:
    """The weighted power mean, times 100 (science 8.4).

    ``values``, ``weight``: components x draws (or broadcastable); ``exponent`` 0 is the
    geometric mean, a scalar or one per draw. Values below ``floor`` count as ``floor``, so
    that a single zero does not annihilate the score.
    """
    weight = np.broadcast_to(np.asarray(weight, float), values.shape)
    weight = weight / weight.sum(axis=0, keepdims=True)
    held = np.maximum(values, floor)
    p = np.broadcast_to(np.asarray(exponent, float), values.shape[1:])
    geometric = np.exp((weight * np.log(held)).sum(axis=0))
    safe = np.where(p == 0, 1.0, p)
    return 100.0 * np.where(p == 0, geometric, (weight * held**safe).sum(axis=0) ** (1.0 / safe))


@dataclass(frozen=True)
class Structure:
    """One draw each of what is judgement: weights, exponent, half-life factors, shifts of log10 thresholds."""

    weight: np.ndarray
    exponent: np.ndarray
    half_life: np.ndarray
    shift: np.ndarray


def draw_structure(rng: np.random.Generator, *, settings: Mapping[str, Any]) -> Structure:
    """Draw weights ~ Dirichlet(20 w), exponent in {-1, 0, 1}, half-lives x U(0.5, 2), thresholds +/- 0.5 log.

    Shapes: weight components x draws (a component of weight 0 stays at 0), exponent draws,
    half_life 4 x draws, shift 3 x draws.
    """
    n, base = settings["n_draws"], weights(settings)
    used = base > 0
    weight = np.zeros((len(base), n))
    weight[used] = rng.dirichlet(settings["structural_concentration"] * base[used] / base.sum(), size=n).T
    low, high = 1.0 / settings["structural_half_life_factor"], settings["structural_half_life_factor"]
    return Structure(
        weight=weight,
        exponent=rng.choice(np.array(settings["structural_exponents"], dtype=float), size=n),
        half_life=rng.uniform(low, high, size=(4, n)),
        shift=rng.uniform(-1.0, 1.0, size=(3, n)) * settings["structural_log10_shift"],
    )


@dataclass(frozen=True)
class Score:
    """Score with intervals; NaN where there is none. ``point`` may stand while ``headline`` is withheld."""

    headline: float
    point: float
    lower: float
    upper: float
    total_lower: float
    total_upper: float
    arithmetic: float
    harmonic: float
    coverage: float


def combine(
    point: Mapping[str, np.ndarray],
    wide: Sequence[Mapping[str, np.ndarray]],
    structural: Sequence[Mapping[str, np.ndarray]],
    structure: Structure,
    rng: np.random.Generator,
    *,
    settings: Mapping[str, Any],
) -> Score:
    """Join the observed components.

    Parameters
    ----------
    point
        observed components by letter, arrays over draws. The point is the median of draws
        with missing components left out and weights re-normalised.
    wide, structural
        the same for the parametric interval, and with the constants of ``structure`` for the
        total one. More than one entry are extremes of something unknown (imaging): the
        interval spans them all.

    A missing component is drawn from U(0, 1) for the parametric interval, which also spans
    the one without it; the total interval spans the missing component's worst and best
    value. (A fill pulls a power mean towards itself and can narrow its spread; the score
    rises with each component, so between worst and best the total interval holds whatever
    the component would have given.)

    The headline is withheld when coverage is below ``coverage_minimum`` or D is missing.
    """
    n, base = settings["n_draws"], weights(settings)
    counted = [i for i, c in enumerate(COMPONENTS) if base[i] > 0]
    fill = rng.uniform(size=(len(COMPONENTS), n))
    seen = [i for i in counted if COMPONENTS[i] in point]
    coverage = float(base[seen].sum() / base.sum())
    if not seen:
        return Score(*[np.nan] * 8, *[0.0])
    floor, p = settings["floor"], settings["exponent"]
    observed = np.stack([np.broadcast_to(point[COMPONENTS[i]], n) for i in seen])

    def named(used: list[int]) -> list[tuple[int, str]]:
        return [(i, COMPONENTS[i]) for i in used]

    def median(exponent: float) -> float:
        return float(np.median(power_mean(observed, base[seen][:, None], exponent=exponent, floor=floor)))

    tail = (1.0 - settings["interval"]) / 2.0

    def ends(parts: Mapping[str, np.ndarray], instead: np.ndarray | None, weight: np.ndarray, exponent: Any) -> Any:
        used = seen if instead is None else counted
        values = [np.broadcast_to(parts[c] if c in parts else instead[i], n) for i, c in named(used)]  # type: ignore[index]
        draws = power_mean(np.stack(values), weight[used], exponent=exponent, floor=floor)
        return np.quantile(draws, [tail, 1.0 - tail])

    middle = median(p)
    spans = np.array([ends(parts, f, base[:, None], p) for parts in wide for f in (fill, None)])
    lower, upper = min(float(spans.min()), middle), max(float(spans.max()), middle)
    worst, best = np.zeros_like(fill), np.ones_like(fill)
    spans = np.array(
        [ends(parts, f, structure.weight, structure.exponent) for parts in structural for f in (worst, best)]
    )
    total_lower, total_upper = float(spans.min()), float(spans.max())
    shown = coverage >= settings["coverage_minimum"] - 1e-9 and "D" in point
    return Score(
        headline=middle if shown else np.nan,
        point=middle,
        lower=lower,
        upper=upper,
        total_lower=min(total_lower, lower),
        total_upper=max(total_upper, upper),
        arithmetic=median(1.0),
        harmonic=median(-1.0),
        coverage=coverage,
    )
