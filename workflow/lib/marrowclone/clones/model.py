"""The clone model: a mixture over weighted segment counts with a nuisance per capture.

Cell i of capture s in clone k expects in segment b

    m_ikb = total_i * share_sb exp(mu_kb + o_sb) / sum_b' share_sb' exp(mu_kb' + o_sb')

with mu the clone's log dosage relative to the largest clone's level, o the capture's offset
(prior N(0, tau_s^2), so that "timepoint = batch" need not become a clone), and variance
m + phi_b m^2. The variance-stabilised residual is Gaussian with one covariance C between
segments, shared by all clones: a programme that moves many arms together is an elongated
cloud, not two clouds, and does not ask for a second clone. Clones share a segment's level
unless the data say otherwise (:func:`marrowclone.clones.levels.fuse_levels`): few parameters, and no clone that
differs from another by less than half a copy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .engine import Cells, Statistics
from .evidence import Evidence
from .levels import align_levels
from .terms import Term, choose_all


@dataclass(frozen=True)
class Frame:
    """What stays fixed while clones are fitted: data, dispersions, capture priors.

    Attributes
    ----------
    evidence
        counts of n cells, B segments, S captures.
    dispersion
        phi per segment (B).
    cells
        the counts where they are worked on (:mod:`marrowclone.clones.engine`).
    tau
        prior standard deviation of a capture's offsets, natural log (S).
    trunk
        log dosage of all cells pooled (B).
    terms
        evidence beside the counts, where the user has it.
    """

    evidence: Evidence
    dispersion: np.ndarray
    cells: Cells
    tau: np.ndarray
    trunk: np.ndarray
    terms: tuple[Term, ...] = ()

    @property
    def n_segments(self) -> int:
        """Number of segments."""
        return len(self.trunk)

    def part(self, rows: np.ndarray) -> Frame:
        """The frame of some of its cells; dispersions and captures' priors stay those of all."""
        e = self.evidence
        genes = None if e.genes is None else replace(e.genes, counts=e.genes.counts[rows])
        some = replace(
            e, cells=e.cells[rows], sample=e.sample[rows], counts=e.counts[rows], total=e.total[rows], genes=genes
        )
        terms = tuple(replace(t, log_p=t.log_p[rows]) for t in self.terms)
        cells = Cells(some, self.dispersion, device=self.cells.device)
        return replace(self, evidence=some, cells=cells, terms=terms)


@dataclass(frozen=True)
class Fit:
    """A fitted mixture of K clones.

    Attributes
    ----------
    mu
        log dosage per clone and segment (K x B).
    offset
        per capture and segment (S x B).
    weight
        clone fractions per capture (S x K).
    covariance
        of stabilised residuals within clones (B x B).
    posterior
        clone probabilities per cell (n x K).
    log_likelihood
        of the data, with the log prior of the offsets (natural log).
    n_parameters
        free levels of segments plus K - 1 fractions.
    term_levels
        level per clone and feature of each term of the frame (K x F indices each).
    term_parameters, term_cost
        free levels of the terms, and what they add to the BIC.
    """

    mu: np.ndarray
    offset: np.ndarray
    weight: np.ndarray
    covariance: np.ndarray
    posterior: np.ndarray
    log_likelihood: float
    n_parameters: int
    term_levels: tuple[np.ndarray, ...] = ()
    term_parameters: int = 0
    term_cost: float = 0.0

    @property
    def k(self) -> int:
        """Number of clones."""
        return self.mu.shape[0]

    def bic(self, n_cells: int, n_segments: int) -> float:
        """Extended BIC (Chen and Chen 2008 Biometrika 95:759, gamma = 1); smaller is better.

        The extra 2 log B per level pays for having looked for it among B segments.
        """
        penalty = np.log(max(n_cells, 2)) * self.n_parameters
        chosen = 2 * np.log(max(n_segments, 2)) * (self.n_parameters - self.k + 1)
        return -2 * self.log_likelihood + penalty + chosen + self.term_cost


def means(e: Evidence, mu: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """Expected weighted counts of every cell if it were of the clone ``mu`` (B): n x B."""
    profile = e.share * np.exp(mu[None, :] + offset)
    profile /= profile.sum(axis=1, keepdims=True)
    return e.total[:, None] * profile[e.sample]


def build_frame(evidence: Evidence, *, settings: Mapping[str, Any], device: str = "cpu") -> Frame:
    """Pooled trunk, dispersions and the captures' prior width.

    ``tau`` is ``capture_sd`` (or ``capture_sd_unreferenced``), or wider when most segments of a
    capture stand further from the pool than that: the median over segments, which a clone
    that changes few arms does not move.
    """
    e = evidence
    n_samples, n_segments = e.share.shape
    observed, expected = e.counts.sum(axis=0), e.total @ e.share[e.sample]
    trunk = np.log(np.maximum(observed, 1e-9) / np.maximum(expected, 1e-9))
    base = np.where(e.referenced, float(settings["capture_sd"]), float(settings["capture_sd_unreferenced"]))
    raw = np.zeros((n_samples, n_segments))
    for s in range(n_samples):
        rows = e.sample == s
        m = means(e, trunk, np.zeros_like(raw))[rows].sum(axis=0)
        raw[s] = np.log(np.maximum(e.counts[rows].sum(axis=0), 0.5) / np.maximum(m, 0.5))
        raw[s] -= np.median(raw[s])
        noise = 1.0 / np.maximum(m, 1.0)
        spread = np.sqrt(max((1.4826 * np.median(np.abs(raw[s]))) ** 2 - np.median(noise), 0.0))
        base[s] = min(max(base[s], spread), MAX_TAU)
    m = means(e, trunk, raw)
    phi = ((e.counts - m) ** 2 - m).sum(axis=0) / np.maximum((m**2).sum(axis=0), 1e-9)
    phi = np.maximum(phi, float(settings["min_dispersion"]) * 1e-2)
    # An arm whose copies differ between clones looks dispersed: no arm may exceed twice the typical.
    phi = np.minimum(phi, 2 * np.median(phi)) if len(phi) else phi
    return Frame(e, phi, Cells(e, phi, device=device), base, trunk)


#: No capture offset is believed to be wider than this (natural log): a clone could hide in it.
MAX_TAU = 0.3


def update(frame: Frame, fit: Fit, sums: Statistics, *, settings: Mapping[str, Any], fuse: bool = True) -> Fit:
    """All parameters anew from the sums of a pass at those of ``fit``, whose ``posterior`` they were taken with.

    Clone levels and capture offsets take one joint Newton step on their quasi-likelihood scores
    (a clone that fills a capture and that capture's offset are nearly the same thing, so that
    taking turns would creep), levels are fused, then offsets answer to the fused levels. The
    covariance is that of the residuals before the step: at the end of the road there is no difference.
    """
    e = frame.evidence
    k, n_segments = fit.mu.shape
    n_samples = len(e.samples)
    surplus, info = sums.surplus, sums.info
    precision = 1 / frame.tau[:, None] ** 2
    pull = surplus.sum(axis=0) - fit.offset * precision
    stiff = info.sum(axis=0) + precision
    if n_samples > 1:
        # eliminate the offsets: what remains is the clones' information (a Schur complement), B x K x K
        ratio = info / stiff
        hessian = np.einsum("jb,jl->bjl", info.sum(axis=1), np.eye(k)) - np.einsum("jsb,lsb->bjl", ratio, info)
        gradient = surplus.sum(axis=1) - (ratio * pull).sum(axis=1)
    else:
        hessian = np.einsum("jb,jl->bjl", info.sum(axis=1), np.eye(k))
        gradient = surplus.sum(axis=1)
    covariance_mu = np.linalg.inv(hessian + 1e-3 * np.eye(k))
    mu = fit.mu + np.clip(np.einsum("bjl,lb->jb", covariance_mu, gradient), -0.5, 0.5)
    mu, n_levels = align_levels(mu, info.sum(axis=1), covariance_mu, n_cells=len(e.cells), settings=settings, fuse=fuse)

    offset = np.zeros_like(fit.offset)
    if n_samples > 1:
        answer = (pull - np.einsum("jsb,jb->sb", info, mu - fit.mu)) / stiff
        offset = fit.offset + np.clip(answer, -0.5, 0.5)

    overall = (sums.size.sum(axis=0) + 1) / (len(e.cells) + k)
    alpha = float(settings["fraction_prior_cells"])
    weight = (sums.size + alpha * overall) / (sums.size.sum(axis=1, keepdims=True) + alpha)

    scatter = sums.scatter / max(len(e.cells), 1)
    shrink = n_segments / (n_segments + len(e.cells))
    covariance = (1 - shrink) * scatter + np.diag(shrink * np.diag(scatter) + 1e-6)
    parameters = int(n_levels) + k - 1
    chosen = choose_all(frame.terms, fit.posterior)
    return Fit(mu, offset, weight, covariance, fit.posterior, fit.log_likelihood, parameters, *chosen)


def start(frame: Frame, posterior: np.ndarray) -> Fit:
    """A fit to begin from, given a guess of each cell's clone (n x K); parameters are not fitted yet."""
    k = posterior.shape[1]
    n_samples, n_segments = frame.evidence.share.shape
    return Fit(
        mu=np.tile(frame.trunk, (k, 1)),
        offset=np.zeros((n_samples, n_segments)),
        weight=np.full((n_samples, k), 1 / k),
        covariance=np.eye(n_segments),
        posterior=posterior,
        log_likelihood=-np.inf,
        n_parameters=0,
    )


#: EM rounds at most.
FULL = 60


def run_em(frame: Frame, fit: Fit, *, settings: Mapping[str, Any], n_iterations: int, tolerance: float = 0.05) -> Fit:
    """Alternate until the log likelihood moves by less than ``tolerance``; returns the best state met."""
    for _ in range(2):  # let the parameters catch up with a guessed posterior before cells may move
        _, _, sums = frame.cells.sweep(frame, fit, posterior=fit.posterior)
        fit = update(frame, fit, sums, settings=settings, fuse=False)
    _, _, sums = frame.cells.sweep(frame, fit, posterior=fit.posterior)
    best: Fit | None = None
    for i in range(n_iterations):
        fit = update(frame, fit, sums, settings=settings)
        posterior, value, sums = frame.cells.sweep(frame, fit)
        fit = replace(fit, posterior=posterior, log_likelihood=value)
        small = best is not None and abs(value - best.log_likelihood) < tolerance
        if best is None or value > best.log_likelihood:
            best = fit
        if small and i >= 3:
            break
    return best if best is not None else fit
