"""Beginnings for one clone more: where a clone's cells look most like two."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.cluster.vq import kmeans2

from . import terms
from .model import Fit, Frame

#: Shifts that a split is looked for with: one copy lost, one gained (2 to 1, 2 to 3, 3 to 2; natural log).
TRIAL_SHIFTS = (-0.5, -0.3, 0.3)
TRIAL_FRACTIONS = (0.02, 0.05, 0.1, 0.2, 0.35, 0.5)


def propose_splits(frame: Frame, fit: Fit, *, n_proposals: int) -> list[np.ndarray]:
    """Guesses of K + 1 clones (n x K+1 each): one clone split by the two levels of one segment."""
    found: list[tuple[float, int, int, float, float, Callable[[int, float], np.ndarray]]] = []
    for k in range(fit.k):
        if fit.posterior[:, k].sum() < 2:
            continue
        for shift in TRIAL_SHIFTS:
            gains, part = frame.cells.trial(fit, k, shift, TRIAL_FRACTIONS)
            best = gains.argmax(axis=0)
            found += [(float(gains[i, b]), k, b, shift, TRIAL_FRACTIONS[i], part) for b, i in enumerate(best)]
    found.sort(key=lambda x: (-x[0], x[1], x[2], x[3]))
    taken: set[tuple[int, int, bool]] = set()
    proposals: list[np.ndarray] = []
    for gain, k, b, shift, fraction, part in found:
        if len(proposals) == n_proposals or gain <= 0:
            break
        if (k, b, shift > 0) in taken:
            continue
        taken.add((k, b, shift > 0))
        split = fit.posterior[:, k] * part(b, fraction)
        posterior = np.column_stack([fit.posterior, split])
        posterior[:, k] -= split
        proposals.append(posterior)
    return proposals


def propose_by_terms(frame: Frame, fit: Fit, *, n_proposals: int) -> list[np.ndarray]:
    """Guesses in which one clone is split by one feature of the evidence beside the counts."""
    proposals: list[np.ndarray] = []
    for gain, k, part in terms.split_parts(frame.terms, fit.term_levels, fit.posterior)[:n_proposals]:
        if gain > 0:
            split = fit.posterior[:, k] * part
            posterior = np.column_stack([fit.posterior, split])
            posterior[:, k] -= split
            proposals.append(posterior)
    return proposals


def propose_captures(frame: Frame, fit: Fit) -> list[np.ndarray]:
    """Guesses in which the cells of one capture are a clone of their own.

    A sweep between two timepoints looks like a capture offset; only this beginning lets the
    offsets' prior decide between the two.
    """
    proposals: list[np.ndarray] = []
    n_samples = len(frame.evidence.samples)
    for s in range(n_samples if n_samples > 1 else 0):
        inside = frame.evidence.sample == s
        k = int(fit.posterior[inside].sum(axis=0).argmax())
        split = np.where(inside, fit.posterior[:, k], 0.0)
        posterior = np.column_stack([fit.posterior, split])
        posterior[:, k] -= split
        proposals.append(posterior)
    return proposals


def propose_clusters(frame: Frame, base: Fit, k: int, *, n_starts: int, seed: int) -> list[np.ndarray]:
    """Guesses of K clones by seeded k-means on the leading components of the one-clone residuals."""
    residual = frame.cells.residuals(base.mu[0], base.offset)
    residual = residual - residual.mean(axis=0)
    _, _, axes = np.linalg.svd(residual.T @ residual / max(len(residual), 1))
    components = residual @ axes[: min(8, len(axes))].T
    starts = []
    for r in range(n_starts):
        rng = np.random.default_rng([seed, k, r])
        _, label = kmeans2(components, k, minit="++", seed=rng, iter=30)
        if len(np.unique(label)) == k:
            starts.append(np.eye(k)[label])
    return starts
