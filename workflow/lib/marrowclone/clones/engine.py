"""The clone model's pass over cells: their posteriors, and what an update of the parameters needs to know of them.

Everything that costs n x B x K lives here, in torch (CPU or CUDA, float64), block by block, so that one pass serves
both halves of an EM round and nothing of size n x B x K is ever kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from .terms import log_likelihood

if TYPE_CHECKING:
    from .evidence import Evidence
    from .model import Fit, Frame

#: Cells at a time: what one clone's block needs stays in a processor's cache.
BLOCK = 4096


@dataclass(frozen=True)
class Statistics:
    """Sums over cells that the parameters' update rests on, at the parameters of the pass.

    Attributes
    ----------
    surplus, info
        quasi-likelihood scores and information of log dosage, per clone, capture and segment (K x S x B).
    scatter
        squares and products of stabilised residuals within clones (B x B).
    size
        cells per capture and clone (S x K).
    """

    surplus: np.ndarray
    info: np.ndarray
    scatter: np.ndarray
    size: np.ndarray


class Cells:
    """A patient's counts on a device, ordered by capture so that each block is of one capture.

    Parameters
    ----------
    dispersion
        phi per segment (B).
    device
        of torch: ``cpu`` or ``cuda``.
    """

    def __init__(self, evidence: Evidence, dispersion: np.ndarray, *, device: str = "cpu") -> None:
        self.order = np.argsort(evidence.sample, kind="stable")
        self.edges = np.searchsorted(evidence.sample[self.order], np.arange(len(evidence.samples) + 1))
        self.share = evidence.share
        self.device = device
        self.counts = self._put(evidence.counts[self.order])
        self.total = self._put(evidence.total[self.order])[:, None]
        self.phi = self._put(dispersion)
        self.stabilised = self.stabilise(self.counts)

    def _put(self, array: np.ndarray) -> torch.Tensor:
        return torch.as_tensor(np.ascontiguousarray(array, dtype=np.float64), device=self.device)

    def stabilise(self, counts: torch.Tensor) -> torch.Tensor:
        """Anscombe's transform for var = m + phi m^2: variance about 1 at every mean (Biometrika 1948;35:246).

        2 / sqrt(phi) asinh(sqrt(phi (m + 3/8))), asinh by logarithms, which torch has vectorised.
        """
        y = (counts + 0.375).mul_(self.phi)
        return (y.sqrt() + (y + 1).sqrt_()).log_().mul_(2 / self.phi.sqrt())

    def profiles(self, mu: np.ndarray, offset: np.ndarray) -> np.ndarray:
        """Share of each segment in a cell of each clone and capture (K x S x B)."""
        profile = self.share[None] * np.exp(mu[:, None, :] + offset[None])
        return profile / profile.sum(axis=2, keepdims=True)

    def blocks(self) -> Iterator[tuple[int, slice]]:
        """Capture and rows (in capture order) of each block."""
        for s in range(len(self.edges) - 1):
            for start in range(self.edges[s], self.edges[s + 1], BLOCK):
                yield s, slice(start, min(start + BLOCK, self.edges[s + 1]))

    def sweep(
        self, frame: Frame, fit: Fit, *, posterior: np.ndarray | None = None
    ) -> tuple[np.ndarray, float, Statistics]:
        """One pass at the parameters of ``fit``.

        Parameters
        ----------
        posterior
            clone probabilities to take the sums with (n x K); None: those that the parameters give.

        Returns
        -------
        posterior, log_likelihood, statistics
            n x K; natural log, with the log prior of the offsets (NaN with a given posterior); the sums.
        """
        n, (k, n_segments) = len(self.order), fit.mu.shape
        n_samples = len(self.edges) - 1
        profile = self._put(self.profiles(fit.mu, fit.offset))
        inverse = np.linalg.inv(fit.covariance)
        root = self._put(np.linalg.cholesky((inverse + inverse.T) / 2))
        _, logdet = np.linalg.slogdet(fit.covariance)
        prior = np.log(np.maximum(fit.weight, 1e-12)) - 0.5 * (logdet + n_segments * np.log(2 * np.pi))
        log_prior = self._put(prior)
        beside = log_likelihood(frame.terms, fit.term_levels) if posterior is None else 0.0
        more = self._put(beside[self.order]) if isinstance(beside, np.ndarray) else None
        given = self._put(posterior[self.order]) if posterior is not None else None
        found = torch.empty((n, k), dtype=torch.float64, device=self.device)
        surplus, info = (self._put(np.zeros((k, n_samples, n_segments))) for _ in range(2))
        scatter, size = self._put(np.zeros((n_segments, n_segments))), self._put(np.zeros((n_samples, k)))
        value = self._put(np.zeros(()))
        for s, rows in self.blocks():
            x, total, level = self.counts[rows], self.total[rows], self.stabilised[rows]
            mean = [total * profile[j, s] for j in range(k)]
            residual = [level - self.stabilise(m) for m in mean]
            if given is None:
                log_p = torch.stack([(r @ root).square_().sum(dim=1) for r in residual], dim=1).mul_(-0.5)
                log_p += log_prior[s]
                if more is not None:
                    log_p += more[rows]
                total_p = torch.logsumexp(log_p, dim=1, keepdim=True)
                value += total_p.sum()
                p = (log_p - total_p).exp_()
            else:
                p = given[rows]
            found[rows] = p
            size[s] += p.sum(dim=0)
            for j in range(k):
                weight = p[:, j : j + 1] / (mean[j] * self.phi).add_(1)
                info[j, s] += (weight * mean[j]).sum(dim=0)
                surplus[j, s] += (weight * (x - mean[j])).sum(dim=0)
                scatter += (residual[j] * p[:, j : j + 1]).T @ residual[j]
        out = np.empty((n, k))
        out[self.order] = found.cpu().numpy()
        offsets = -0.5 * float(((fit.offset / frame.tau[:, None]) ** 2).sum())
        likelihood = float(value) + offsets if given is None else float("nan")
        sums = Statistics(*(t.cpu().numpy() for t in (surplus, info, scatter, size)))
        return out, likelihood, sums

    def middles(self, mu: np.ndarray, offset: np.ndarray) -> np.ndarray:
        """Stabilised level of each segment if every cell were of one clone, mean over cells (K x B)."""
        profile = self._put(self.profiles(mu, offset))
        out = torch.zeros((len(mu), self.share.shape[1]), dtype=torch.float64, device=self.device)
        for s, rows in self.blocks():
            for j in range(len(mu)):
                out[j] += self.stabilise(self.total[rows] * profile[j, s]).sum(dim=0)
        middle: np.ndarray = out.cpu().numpy() / max(len(self.order), 1)
        return middle

    def residuals(self, mu: np.ndarray, offset: np.ndarray) -> np.ndarray:
        """Stabilised residuals of every cell from one clone ``mu`` (B): n x B, in the order of the evidence."""
        profile = self._put(self.profiles(mu[None], offset))[0]
        out = np.empty(tuple(self.counts.shape))
        for s, rows in self.blocks():
            r = self.stabilised[rows] - self.stabilise(self.total[rows] * profile[s])
            out[self.order[rows]] = r.cpu().numpy()
        return out

    def trial(self, fit: Fit, k: int, shift: float, fractions: tuple[float, ...]) -> tuple[np.ndarray, Any]:
        """What a share of clone ``k`` with every segment shifted would gain in log likelihood, segment by segment.

        Returns
        -------
        gains, part
            fractions x B; and a function of segment and fraction that gives each cell's probability to be of that
            share (n).
        """
        profile = self._put(self.profiles(fit.mu[[k]], fit.offset))[0]
        variance = self._put(np.minimum(np.diag(fit.covariance), 1.5))
        own = self._put(fit.posterior[self.order, k])
        f = self._put(np.array(fractions))
        gains = torch.zeros((len(fractions), len(variance)), dtype=torch.float64, device=self.device)

        def odds(s: int, rows: slice, segment: slice) -> torch.Tensor:
            m = self.total[rows] * profile[s]
            before = self.stabilise(m)
            effect = self.stabilise(m * float(np.exp(shift))) - before
            ratio = ((self.stabilised[rows] - before) * effect - effect.square() / 2) / variance
            return ratio[:, segment].clamp_(-50, 50).exp_()

        for s, rows in self.blocks():
            less = odds(s, rows, slice(None)).sub_(1)
            for i in range(len(fractions)):
                gains[i] += own[rows] @ (less * f[i]).log1p_()

        def part(segment: int, fraction: float) -> np.ndarray:
            out = np.empty(len(self.order))
            for s, rows in self.blocks():
                o = odds(s, rows, slice(segment, segment + 1))[:, 0] * fraction
                out[self.order[rows]] = (o / (1 - fraction + o)).cpu().numpy()
            return out

        return gains.cpu().numpy(), part
