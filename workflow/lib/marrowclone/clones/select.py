"""How many clones: a path of models from one clone upwards, and the rule of what may be reported.

From K to K + 1 a clone is split where one arm's counts look most like two levels, and a
seeded clustering offers other beginnings; the model refines each. The evidence for every K is
kept. A clone is reported only if it can be told apart (science 2.3); otherwise it is merged
with its nearest and the model is fitted again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from scipy.cluster.vq import kmeans2
from scipy.special import ndtr

from . import terms
from .agreement import typical_shift
from .model import Fit, Frame, means, run_em, stabilise, start

#: Shifts that a split is looked for with: one copy lost, one gained (2 to 1, 2 to 3, 3 to 2; natural log).
TRIAL_SHIFTS = (-0.5, -0.3, 0.3)
TRIAL_FRACTIONS = (0.02, 0.05, 0.1, 0.2, 0.35, 0.5)
#: Splits that are refined per step, and EM rounds in a first look and in full.
N_PROPOSALS = 4
FIRST_LOOK, FULL = 8, 60


@dataclass
class Selection:
    """The chosen model and the evidence for each number of clones.

    Attributes
    ----------
    fit
        the chosen model, all of whose clones pass the resolution rule.
    table
        k, log_likelihood, n_parameters, bic, delta_bic, smallest, resolvable, chosen, note; a row per K.
    notes
        what was merged and why.
    """

    fit: Fit
    table: pd.DataFrame
    notes: list[str] = field(default_factory=list)


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
    middle = np.vstack(
        [stabilise(means(frame, fit.mu[j], fit.offset), frame.dispersion).mean(axis=0) for j in range(k)]
    )
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
    """Whether clones i and j differ on one arm by ``min_d_prime_agreed``, and its middle gene by half as much as its sum.

    In a split of one population by a programme the middle gene hardly moves, so that no programme of few genes passes
    for a clone however large it is.
    """
    apart = np.abs(fit.mu[i] - fit.mu[j]) > 1e-6
    if apart.sum() != 1 or d_prime < float(settings["min_d_prime_agreed"]) or frame.evidence.genes is None:
        return False
    b = int(np.flatnonzero(apart)[0])
    shift = typical_shift(
        frame.evidence.genes, frame.evidence.sample, fit.posterior[:, i], fit.posterior[:, j], b, np.flatnonzero(~apart)
    )
    return bool(shift / (fit.mu[i, b] - fit.mu[j, b]) >= MIN_AGREED)


#: Share of the arm's shift that its middle gene must show. [J]
MIN_AGREED = 0.5


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


def propose_splits(frame: Frame, fit: Fit, *, n_proposals: int) -> list[np.ndarray]:
    """Guesses of K + 1 clones (n x K+1 each): one clone split by the two levels of one segment."""
    found: list[tuple[float, int, int, float, np.ndarray]] = []
    variance = np.diag(fit.covariance)
    for k in range(fit.k):
        p = fit.posterior[:, k]
        if p.sum() < 2:
            continue
        m = means(frame, fit.mu[k], fit.offset)
        residual = frame.stabilised - stabilise(m, frame.dispersion)
        for shift in TRIAL_SHIFTS:
            effect = stabilise(m * np.exp(shift), frame.dispersion) - stabilise(m, frame.dispersion)
            ratio = (residual * effect - effect**2 / 2) / np.minimum(variance, 1.5)
            odds = np.exp(np.clip(ratio, -50, 50))
            gains = np.stack([p @ np.log1p(f * (odds - 1)) for f in TRIAL_FRACTIONS])
            for b in range(gains.shape[1]):
                i = int(gains[:, b].argmax())
                f = TRIAL_FRACTIONS[i]
                found.append((float(gains[i, b]), k, b, shift, f * odds[:, b] / (1 - f + f * odds[:, b])))
    found.sort(key=lambda x: (-x[0], x[1], x[2], x[3]))
    taken: set[tuple[int, int, bool]] = set()
    proposals: list[np.ndarray] = []
    for gain, k, b, shift, part in found:
        if len(proposals) == n_proposals or gain <= 0:
            break
        if (k, b, shift > 0) in taken:
            continue
        taken.add((k, b, shift > 0))
        split = fit.posterior[:, k] * part
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
    residual = frame.stabilised - stabilise(means(frame, base.mu[0], base.offset), frame.dispersion)
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


def select_clones(frame: Frame, *, settings: Mapping[str, Any], seed: int) -> Selection:
    """Fit one clone, two, three ... and choose by the extended BIC among models that may be reported.

    The path ends at ``max_clones`` or when two more clones in a row did not help.

    Raises nothing for a patient without structure: one clone is always a model that may be reported.
    """
    n, n_segments = frame.stabilised.shape
    base = run_em(frame, start(frame, np.ones((n, 1))), settings=settings, n_iterations=FULL)
    raw: dict[int, Fit] = {1: base}
    allowed: dict[int, tuple[Fit, list[str]]] = {1: (base, [])}
    score = {1: base.bic(n, n_segments)}
    current, worse = base, 0
    for k in range(2, int(settings["max_clones"]) + 1):
        guesses = propose_splits(frame, current, n_proposals=N_PROPOSALS)
        guesses += propose_by_terms(frame, current, n_proposals=N_PROPOSALS)
        guesses += propose_captures(frame, current)
        guesses += propose_clusters(frame, base, k, n_starts=int(settings["n_restarts"]), seed=seed)
        tried = [run_em(frame, start(frame, guess), settings=settings, n_iterations=FIRST_LOOK) for guess in guesses]
        if not tried:
            break
        # a few odd cells are no clone to build on: a better model without such a group comes first
        sound = [f for f in tried if smallest(f) >= int(settings["min_cells"])]
        sound = [f for f in sound if f.bic(n, n_segments) < current.bic(n, n_segments)]
        best = min(sound or tried, key=lambda f: f.bic(n, n_segments))
        best = run_em(frame, best, settings=settings, n_iterations=FULL)
        raw[k], current = best, best
        score[k] = best.bic(n, n_segments) if smallest(best) >= int(settings["min_cells"]) else np.inf
        merged, notes = resolve(frame, best, settings=settings)
        known = allowed.get(merged.k)
        if known is None or merged.bic(n, n_segments) < known[0].bic(n, n_segments) - 1e-6:
            allowed[merged.k] = (merged, notes)
        worse = worse + 1 if score[k] > min(score[j] for j in score if j < k) else 0
        if worse == 2:
            break
    chosen = min(allowed, key=lambda j: (allowed[j][0].bic(n, n_segments), j))
    fit, notes = allowed[chosen]
    return Selection(fit, selection_table(frame, raw, allowed, chosen, settings=settings), notes)


def selection_table(
    frame: Frame,
    raw: Mapping[int, Fit],
    allowed: Mapping[int, tuple[Fit, list[str]]],
    chosen: int,
    *,
    settings: Mapping[str, Any],
) -> pd.DataFrame:
    """The evidence for each K: the model that may be reported where there is one, else the one that may not."""
    n, n_segments = frame.stabilised.shape
    rows = []
    for k in sorted({*raw, *allowed}):
        fit = allowed[k][0] if k in allowed else raw[k]
        bad = unresolved(frame, fit, settings=settings)
        note = "; ".join(allowed[k][1]) if k in allowed else f"may not be reported: {bad[2] if bad else ''}"
        rows.append(
            {
                "k": k,
                "log_likelihood": fit.log_likelihood,
                "n_parameters": fit.n_parameters + fit.term_parameters,
                "bic": fit.bic(n, n_segments),
                "smallest": smallest(fit),
                "resolvable": k in allowed,
                "chosen": k == chosen,
                "note": note,
            }
        )
    return pd.DataFrame(rows)
