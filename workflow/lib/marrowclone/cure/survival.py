"""Survival arithmetic of the outlook and of the validation: concordance, time-dependent AUC, Brier score.

Kaplan-Meier, Cox and the parametric models are lifelines'; here stands what it lacks. Times are in months from the
landmark; ``event`` is True for progression or death, False for censoring.
"""

from __future__ import annotations

import numpy as np


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


def auc_at(time: np.ndarray, event: np.ndarray, score: np.ndarray, *, at: float) -> float:
    """Cumulative/dynamic AUC: of a patient who fails by ``at`` and one who does not, how often has the first the worse?

    ``score``: higher is better; a tie counts half. Failures weigh by the inverse probability of not being censored
    (Uno 2007 J Am Stat Assoc 102:527). NaN without a failure or without anybody free at ``at``.
    """
    failed, free = event & (time <= at), time > at
    if not failed.any() or not free.any():
        return np.nan
    weight = 1.0 / censoring_survival(time, event, time[failed])
    mine, others = score[failed][:, None], score[free][None, :]
    wins = (others > mine).mean(axis=1) + 0.5 * (others == mine).mean(axis=1)
    return float((weight * wins).sum() / weight.sum())
