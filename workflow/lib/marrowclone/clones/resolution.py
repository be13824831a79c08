"""Which clones may be reported (science 2.3), and what becomes of those that may not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.special import ndtr

from . import terms
from .agreement import typical_shift
from .model import FULL, Fit, Frame, run_em, start


def separation(frame: Frame, fit: Fit) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How far clones stand apart, per cell at the patient's depth.

    Returns
    -------
    total
        d' between clones, in SD of the residual along their difference (K x K).
    events
        number of segments at which their levels differ (K x K).
    largest
        the greatest d' of a single segment (K x K).
    """
    k = fit.k
    middle = frame.cells.middles(fit.mu, fit.offset)
    inverse = np.linalg.inv(fit.covariance)
    sd = np.sqrt(np.diag(fit.covariance))
    total, events, largest = np.zeros((k, k)), np.zeros((k, k), dtype=int), np.zeros((k, k))
    for i in range(k):
        for j in range(k):
            differs = np.abs(fit.mu[i] - fit.mu[j]) > 1e-6
            delta = np.where(differs, middle[i] - middle[j], 0.0)
            total[i, j] = np.sqrt(max(float(delta @ inverse @ delta), 0.0))
            events[i, j] = int(differs.sum())
            largest[i, j] = float((np.abs(delta) / sd).max(initial=0.0))
    if frame.terms:
        total = np.sqrt(total**2 + terms.separation(frame.terms, fit.term_levels, fit.posterior)[0])
    return total, events, largest


def misassignment(d_prime: float, size: float, size_nearest: float) -> float:
    """Expected share of the nearest clone's cells that the posterior would give to this clone."""
    if d_prime <= 0:
        return 0.5
    return float(ndtr(-(d_prime / 2 + np.log(max(size_nearest, 1) / max(size, 1)) / d_prime)))


def smallest(fit: Fit) -> int:
    """Cells of the smallest clone."""
    return int(np.bincount(fit.posterior.argmax(axis=1), minlength=fit.k).min())


def unresolved(frame: Frame, fit: Fit, *, settings: Mapping[str, Any]) -> tuple[int, int, str] | None:
    """The clone that may least be reported, its nearest, and why; None when all may.

    Rule (science 2.3 [J]): at least max(20 cells, 3 x expected misassignment x size of the
    nearest clone), and two distinguishing events, one with d' >= 4, or alleles, mtDNA or
    clonotype that differ. One arm is also enough where it reaches ``min_d_prime_agreed`` and its
    genes agree (:func:`genes_agree`). The misassignment is that of the posterior, Phi(-(d'/2 +
    log(size ratio)/d')), which is Phi(-d'/2) for clones of equal size.
    """
    if fit.k == 1:
        return None
    d, events, largest = separation(frame, fit)
    _, confirmed = terms.separation(frame.terms, fit.term_levels, fit.posterior)
    size = np.bincount(fit.posterior.argmax(axis=1), minlength=fit.k)
    np.fill_diagonal(d, np.inf)
    for i in sorted(range(fit.k), key=lambda c: (size[c], c)):
        j = int(d[i].argmin())
        wrong = misassignment(d[i, j], size[i], size[j])
        floor = max(float(settings["min_cells"]), float(settings["misassignment_factor"]) * wrong * size[j])
        if size[i] < floor and size[i] <= size[j]:
            return i, j, f"{size[i]} cells, fewer than the {floor:.0f} that can be told from its nearest clone"
        few = events[i, j] < int(settings["min_events"]) and largest[i, j] < float(settings["min_d_prime"])
        if few and not confirmed[i, j] and not genes_agree(frame, fit, i, j, largest[i, j], settings=settings):
            return i, j, f"{events[i, j]} distinguishing arm(s), the strongest with d' {largest[i, j]:.1f}"
    return None


def genes_agree(frame: Frame, fit: Fit, i: int, j: int, d_prime: float, *, settings: Mapping[str, Any]) -> bool:
    """Whether clones i and j differ on one arm by ``min_d_prime_agreed``, and its middle gene by enough of that.

    Enough is ``min_agreement`` of the arm's shift. In a split of one population by a programme the middle gene hardly
    moves, so that no programme of few genes passes for a clone however large it is.
    """
    apart = np.abs(fit.mu[i] - fit.mu[j]) > 1e-6
    if apart.sum() != 1 or d_prime < float(settings["min_d_prime_agreed"]) or frame.evidence.genes is None:
        return False
    b = int(np.flatnonzero(apart)[0])
    shift = typical_shift(
        frame.evidence.genes, frame.evidence.sample, fit.posterior[:, i], fit.posterior[:, j], b, np.flatnonzero(~apart)
    )
    return bool(shift / (fit.mu[i, b] - fit.mu[j, b]) >= float(settings["min_agreement"]))


def resolve(frame: Frame, fit: Fit, *, settings: Mapping[str, Any]) -> tuple[Fit, list[str]]:
    """Merge clones until every one passes the resolution rule."""
    notes: list[str] = []
    while (bad := unresolved(frame, fit, settings=settings)) is not None:
        i, j, why = bad
        posterior = fit.posterior.copy()
        posterior[:, j] += posterior[:, i]
        posterior = np.delete(posterior, i, axis=1)
        if (fit.posterior.argmax(axis=1) == i).any():  # an empty component is not a group
            notes.append(f"a group was merged: {why}")
        fit = run_em(frame, start(frame, posterior), settings=settings, n_iterations=FULL)
    return fit, notes
