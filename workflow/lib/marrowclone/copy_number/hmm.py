"""A hidden Markov model of copy states along the genome, exact, for several groups of cells at once.

The state of a bin is its number of copies (0..5) and the offset of its arm: noise that all bins of an arm share,
drawn anew at every centromere. So a shifted arm is not taken for an event because it has many bins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .joint import EVENT_SPREAD, WHOLE, given_trunk
from .states import T_DF, expected_log2_ratio, state_prior, t_logpdf

#: Breaks inside the arms of a chromosome that are expected a priori [J]; the centromere is far likelier.
BREAKS = 0.1
#: Offsets of an arm in units of its SD.
OFFSETS = np.linspace(-3.0, 3.0, 13)


@dataclass(frozen=True)
class Decoded:
    """What the model says of every group.

    Attributes
    ----------
    posterior
        p(copies | all bins), shape (groups, bins, 6).
    path
        the most probable path of copies, shape (groups, bins).
    unbroken
        probability that an arm has one state from end to end, shape (groups, arms).
    """

    posterior: np.ndarray
    path: np.ndarray
    unbroken: np.ndarray


def decode(
    ratio: np.ndarray,
    sd: np.ndarray,
    chromosome: Sequence[str] | np.ndarray,
    arm: Sequence[str] | np.ndarray,
    *,
    dosage: float,
    arm_sd: float,
    prior_neutral: float,
) -> Decoded:
    """Forward-backward and Viterbi over all bins.

    Parameters
    ----------
    ratio, sd
        log2 ratio of each bin and its noise, shape (groups, bins), bins in genome order; NaN: nothing measured.
    chromosome, arm
        of each bin; the model starts anew at every chromosome.
    dosage
        response of the patient (:class:`.joint.Response`).
    arm_sd
        SD of what all bins of an arm share (log2).
    """
    prior = state_prior(prior_neutral)
    offsets = np.exp(t_logpdf(OFFSETS, T_DF))
    offsets /= offsets.sum()
    start = prior[:, None] * offsets  # (6, offsets)
    emission = _emission(ratio, sd, dosage, arm_sd)
    chromosome, arm = np.asarray(chromosome, dtype=object), np.asarray(arm, dtype=object)
    n_groups, n_bins = ratio.shape
    posterior = np.zeros((n_groups, n_bins, len(prior)))
    path = np.zeros((n_groups, n_bins), dtype=int)
    arms = list(dict.fromkeys(zip(chromosome, arm, strict=True)))
    unbroken = np.ones((n_groups, len(arms)))
    across = WHOLE * np.eye(len(prior)) + (1 - WHOLE) * prior[None, :]
    for name in dict.fromkeys(chromosome):
        at = np.flatnonzero(chromosome == name)
        rate = BREAKS / max(len(at) - 1, 1)
        inside = given_trunk(prior, departs=rate)
        centromere = np.append(False, arm[at][1:] != arm[at][:-1])
        part = emission[:, at]
        forward, backward, ahead, log_scale = _passes(part, centromere, start, inside, across, offsets)
        gamma = forward * backward
        gamma /= gamma.sum(axis=(2, 3), keepdims=True)
        posterior[:, at] = gamma.sum(axis=3)
        path[:, at] = _viterbi(part, centromere, start, inside, across, offsets)
        for letter in dict.fromkeys(arm[at]):
            here = np.flatnonzero(arm[at] == letter)
            unbroken[:, arms.index((name, letter))] = _one_state(
                part[:, here], ahead[:, here[0]], forward[:, here[-1]], backward[:, here[-1]],
                log_scale[:, here].sum(axis=1), stay=1 - rate,
            )  # fmt: skip
    return Decoded(posterior, path, unbroken)


def _emission(ratio: np.ndarray, sd: np.ndarray, dosage: float, arm_sd: float) -> np.ndarray:
    """p(ratio | copies, offset), shape (groups, bins, 6, offsets), the largest of a bin being 1."""
    mean = expected_log2_ratio(dosage)
    noise = np.sqrt(sd[..., None] ** 2 + (EVENT_SPREAD * mean) ** 2)[..., None]
    log = t_logpdf((ratio[..., None, None] - mean[:, None] - arm_sd * OFFSETS) / noise, T_DF) - np.log(noise)
    log = np.where(np.isfinite(ratio)[..., None, None], log, 0.0)
    density: np.ndarray = np.exp(log - log.max(axis=(2, 3), keepdims=True))
    return density


def _passes(
    emission: np.ndarray,
    centromere: np.ndarray,
    start: np.ndarray,
    inside: np.ndarray,
    across: np.ndarray,
    offsets: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Forward (scaled to sum 1), backward (scaled) and predicted weights of one chromosome, each like ``emission``;
    ln of the forward scale of every bin (groups, bins)."""
    forward, backward, ahead = np.empty_like(emission), np.ones_like(emission), np.empty_like(emission)
    n_bins = emission.shape[1]
    scale = np.ones(emission.shape[:2])
    ahead[:, 0] = start
    for b in range(n_bins):
        if b and centromere[b]:
            ahead[:, b] = np.einsum("gcu,cd->gd", forward[:, b - 1], across)[..., None] * offsets
        elif b:
            ahead[:, b] = np.einsum("gcu,cd->gdu", forward[:, b - 1], inside)
        forward[:, b] = ahead[:, b] * emission[:, b]
        scale[:, b] = forward[:, b].sum(axis=(1, 2))
        forward[:, b] /= scale[:, b, None, None]
    for b in range(n_bins - 2, -1, -1):
        later = backward[:, b + 1] * emission[:, b + 1]
        if centromere[b + 1]:
            backward[:, b] = np.einsum("cd,gd->gc", across, (later * offsets).sum(axis=2))[..., None]
        else:
            backward[:, b] = np.einsum("cd,gdu->gcu", inside, later)
        backward[:, b] /= backward[:, b].max(axis=(1, 2), keepdims=True)
    return forward, backward, ahead, np.log(scale)


def _one_state(
    emission: np.ndarray,
    ahead: np.ndarray,
    forward: np.ndarray,
    backward: np.ndarray,
    log_scale: np.ndarray,
    *,
    stay: float,
) -> np.ndarray:
    """Probability that copies do not change from the first bin of an arm to its last, shape (groups,).

    Weight of the paths that never change over that of all paths: both start from the predicted weights ``ahead`` of
    the first bin and end in the ``backward`` weights of the last.
    """
    log = np.log(np.maximum(emission, 1e-300)).sum(axis=1) + (emission.shape[1] - 1) * np.log(stay)
    log += np.log(np.maximum(ahead * backward, 1e-300))
    top = log.max(axis=(1, 2))
    kept = np.log(np.exp(log - top[:, None, None]).sum(axis=(1, 2))) + top
    every = log_scale + np.log((forward * backward).sum(axis=(1, 2)))
    share: np.ndarray = np.clip(np.exp(kept - every), 0.0, 1.0)
    return share


def _viterbi(
    emission: np.ndarray,
    centromere: np.ndarray,
    start: np.ndarray,
    inside: np.ndarray,
    across: np.ndarray,
    offsets: np.ndarray,
) -> np.ndarray:
    """The most probable path of copies on one chromosome, shape (groups, bins); the lower state where two tie."""
    n_groups, n_bins, n_states, n_offsets = emission.shape
    log = np.log(np.maximum(emission, 1e-300))
    log_inside, log_across, log_offsets = (np.log(np.maximum(x, 1e-300)) for x in (inside, across, offsets))
    best = np.log(np.maximum(start, 1e-300)) + log[:, 0]
    came_from = np.zeros((n_bins, n_groups, n_states, n_offsets), dtype=int)  # flat index of the state before
    columns = np.arange(n_offsets)
    for b in range(1, n_bins):
        if centromere[b]:
            offset = best.argmax(axis=2)  # the arm before it ends with its own offset
            step = best.max(axis=2)[:, :, None] + log_across
            before = step.argmax(axis=1)
            flat = before * n_offsets + np.take_along_axis(offset, before, axis=1)
            came_from[b] = flat[:, :, None]
            best = step.max(axis=1)[..., None] + log_offsets + log[:, b]
        else:
            step = best[:, :, None, :] + log_inside[:, :, None]
            came_from[b] = step.argmax(axis=1) * n_offsets + columns
            best = step.max(axis=1) + log[:, b]
    at = best.reshape(n_groups, -1).argmax(axis=1)
    path = np.zeros((n_groups, n_bins), dtype=int)
    for b in range(n_bins - 1, -1, -1):
        path[:, b] = at // n_offsets
        at = came_from[b].reshape(n_groups, -1)[np.arange(n_groups), at]
    return path
