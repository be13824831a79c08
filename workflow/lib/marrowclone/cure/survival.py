"""Survival arithmetic of the outlook and of the validation: concordance, Brier score, mixture cure.

Kaplan-Meier and Cox are statsmodels'; here stands what it lacks. Times are in months from the
landmark; ``event`` is True for progression or death, False for censoring.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

#: Error probability of the follow-up test, and share of uncured still to progress at the end, above which it warns. [J]
ALPHA, TAIL = 0.05, 0.05


def censoring_survival(time: np.ndarray, event: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Kaplan-Meier of the censoring, just before each time of ``at`` (n,): the weight's denominator."""
    order = np.argsort(time, kind="stable")
    sorted_time, censored = time[order], ~event[order]
    times = np.unique(sorted_time[censored])
    at_risk = len(time) - np.searchsorted(sorted_time, times, side="left")
    # an event at the same time as a censoring comes first, so that it leaves the risk set of the censoring
    events_then = np.array([(sorted_time[~censored] == t).sum() for t in times])
    lost = np.array([(sorted_time[censored] == t).sum() for t in times])
    factor = 1.0 - lost / np.maximum(at_risk - events_then, 1)
    steps = np.concatenate([[1.0], np.cumprod(factor)])
    return steps[np.searchsorted(times, at, side="left")]


def concordance(time: np.ndarray, event: np.ndarray, score: np.ndarray, *, until: float) -> float:
    """Uno's C: of pairs of which one is known to fail first (before ``until``), how often had it the worse score?

    ``score``: higher is better; a tie counts half. Pairs weigh by the inverse squared probability of not being
    censored (Uno 2011 Stat Med 30:1105). NaN without a pair.
    """
    first = event & (time < until)
    if not first.any():
        return np.nan
    weight = censoring_survival(time, event, time[first]) ** -2.0
    later = time[None, :] > time[first][:, None]
    better = score[None, :] > score[first][:, None]
    tied = score[None, :] == score[first][:, None]
    pairs = (later * weight[:, None]).sum()
    return float(((better + 0.5 * tied) * later * weight[:, None]).sum() / pairs) if pairs else np.nan


def brier(time: np.ndarray, event: np.ndarray, free: np.ndarray, *, at: float) -> float:
    """Brier score of the predicted probability ``free`` of being progression-free at ``at``.

    Weighted for censoring (Graf 1999 Stat Med 18:2529): 0 is perfect.
    """
    failed, alive = event & (time <= at), time > at
    weight = np.zeros(len(time))
    weight[failed] = 1.0 / censoring_survival(time, event, time[failed])
    weight[alive] = 1.0 / censoring_survival(time, event, np.array([at]))
    return float((weight * (alive - free) ** 2).sum() / len(time))


@dataclass(frozen=True)
class MixtureCure:
    """S(t|x) = pi(x) + (1 - pi(x)) exp(-(t/scale)^shape), logit pi = coefficients . (1, x).

    ``aic`` beside ``aic_without_cure`` of the plain Weibull; ``warnings``: why the cure fraction
    may not be identified. "Cured" here is a mathematical long-term survivor (Othus 2012).
    """

    coefficients: np.ndarray
    scale: float
    shape: float
    aic: float
    aic_without_cure: float
    warnings: tuple[str, ...]

    def fraction(self, x: np.ndarray) -> np.ndarray:
        """pi of each row of ``x`` (n x covariates)."""
        return _expit(_design(x) @ self.coefficients)


def fit_mixture_cure(time: np.ndarray, event: np.ndarray, x: np.ndarray | None = None) -> MixtureCure:
    """Maximum likelihood; ``x``: n x covariates (None: none). Times of 0 count as a thousandth of a month."""
    time = np.maximum(np.asarray(time, float), 1e-3)
    design = _design(np.empty((len(time), 0)) if x is None else np.asarray(x, float))
    middle = float(np.log(np.median(time[event]) if event.any() else np.median(time)))

    def loss(parameters: np.ndarray) -> float:
        scale, shape = np.exp(np.clip(parameters[-2:], -10, 10))
        hazard = (time / scale) ** shape
        pi = np.clip(_expit(design @ parameters[:-2]), 1e-12, 1 - 1e-12)
        density = np.log1p(-pi) + np.log(shape / scale) + (shape - 1) * np.log(time / scale) - hazard
        return -float(np.where(event, density, np.log(pi + (1 - pi) * np.exp(-hazard))).sum())

    starts = [np.concatenate([[b], np.zeros(design.shape[1] - 1), [middle, 0.2]]) for b in (-3.0, -1.0, 0.5)]
    best = min((minimize(loss, start, method="L-BFGS-B") for start in starts), key=lambda found: found.fun)
    plain = min(
        (minimize(lambda p: loss(np.concatenate([[-30.0], np.zeros(design.shape[1] - 1), p])), [middle + d, 0.0],
                  method="L-BFGS-B") for d in (0.0, 1.0)), key=lambda found: found.fun,
    )  # fmt: skip
    scale, shape = np.exp(best.x[-2:])
    left = float(np.exp(-((time.max() / scale) ** shape)))
    aic, without = 2 * len(best.x) + 2 * best.fun, 4 + 2 * plain.fun
    return MixtureCure(best.x[:-2], float(scale), float(shape), aic, without, _doubts(time, event, left, aic, without))


def follow_up_test(time: np.ndarray, event: np.ndarray) -> float:
    """Maller and Zhou's alpha: small when follow-up reaches well beyond the last event (1992 Biometrika 79:731)."""
    if not event.any():
        return 1.0
    last_event, last = float(time[event].max()), float(time.max())
    recent = int((event & (time > 2 * last_event - last) & (time <= last_event)).sum())
    return float((1.0 - recent / len(time)) ** len(time))


def _doubts(time: np.ndarray, event: np.ndarray, left: float, aic: float, without: float) -> tuple[str, ...]:
    doubts = []
    alpha = follow_up_test(time, event)
    if alpha > ALPHA:
        doubts.append(f"follow-up too short: {time.max():.0f} months, test of sufficient follow-up {alpha:.2f}")
    if left > TAIL:
        doubts.append(f"follow-up too short: {left:.0%} of the uncured would still progress after it")
    if aic >= without:
        doubts.append("a model without cure fits as well (AIC)")
    return tuple(doubts)


def _design(x: np.ndarray) -> np.ndarray:
    return np.column_stack([np.ones(len(x)), x])


def _expit(value: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-np.clip(value, -500, 500)))
