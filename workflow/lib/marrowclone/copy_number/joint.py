"""Integer states of all arms of all clones of a patient together, with the patient's own dosage response.

What is measured per clone k and arm a (log2 ratio) is taken to be

    y[k, a] = m + mu(c[k, a], r) + u[a] + e[k, a],      mu(c, r) = log2(1 + r (c/2 - 1))

r: dosage response of the patient times the purity of the clones' cells; m: error of the diploid level; u: the
tumour's own departure of that arm from the reference, which its clones share (t, scale tau beside the noise of the
arm's genes); e: counting noise and the clone's own programme (t). Clones depart from the trunk's state rarely
(:data:`DEPARTS`), so that one event that all clones carry is one event and not many; the trunk's two arms of a
chromosome are often alike (:data:`WHOLE`), and a tumour may be hyperdiploid as a whole (:data:`TRISOMIES`). States are
summed out exactly, r, tau and m over a grid with priors: an integer is as sure as the patient's events make it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from .states import MAX_STATE, T_DF, expected_log2_ratio, state_prior, t_logpdf

#: Grid of responses.
RESPONSES = np.round(np.arange(0.40, 1.2001, 0.05), 2)
#: Grid of tau as factors on ``systematic_sd``, and the SD of its prior in ln [J].
TAU_FACTORS = np.array([0.4, 0.6, 0.8, 1.0, 1.3, 1.7, 2.3, 3.0])
TAU_SD = 0.5
#: Grid of the diploid level's error, and its SD [J]: the median of eight arms of SD .1 has .045.
LEVELS = np.linspace(-0.15, 0.15, 13)
LEVEL_SD = 0.05
#: Grid of an arm's own departure (log2).
DEPARTURES = np.arange(-1.2, 1.2001, 0.02)
#: SD of a clone's own programme over an arm (log2), and how much events of one response differ [J].
CLONE_SD = 0.04
EVENT_SPREAD = 0.10
#: Probability that a clone's arm departs from the trunk [J]: one to three own events on 39 arms (science A.3).
DEPARTS = 0.05
#: Probability that an event is one of the whole chromosome [J]: trisomies and monosomies are (science 2.2).
WHOLE = 0.5
#: Share of hyperdiploid tumours that gain each chromosome [M-M, science 2.2].
TRISOMIES: dict[str, float] = {
    "chr15": 0.90, "chr9": 0.85, "chr19": 0.80, "chr5": 0.75, "chr11": 0.70, "chr3": 0.65, "chr7": 0.60, "chr21": 0.50,
}  # fmt: skip
#: Settings beside :data:`.states.DEFAULTS`; the schema's defaults of ``call_arms`` are the same (tested).
DEFAULTS: dict[str, float] = {"dosage_sd": 0.15, "hyperdiploid_prior": 0.5}


@dataclass(frozen=True)
class Response:
    """What was learned of a patient beside the states.

    ``weights``: posterior over response x (not, hyperdiploid) x tau x level, shape (R, 2, T, M).
    """

    weights: np.ndarray
    systematic_sd: float

    @property
    def dosage(self) -> float:
        """Posterior mean of the response."""
        return float(self.weights.sum(axis=(1, 2, 3)) @ RESPONSES)

    @property
    def interval(self) -> tuple[float, float]:
        """95% interval of the response, to the step of the grid."""
        cumulative = self.weights.sum(axis=(1, 2, 3)).cumsum()
        ends = np.searchsorted(cumulative, [0.025, 0.975 - 1e-12])
        return float(RESPONSES[ends[0]]), float(RESPONSES[min(ends[1], len(RESPONSES) - 1)])

    @property
    def tau(self) -> float:
        """Posterior mean of tau (log2)."""
        return float(self.weights.sum(axis=(0, 1, 3)) @ TAU_FACTORS) * self.systematic_sd

    @property
    def level(self) -> float:
        """Posterior mean of the diploid level's error (log2)."""
        return float(self.weights.sum(axis=(0, 1, 2)) @ LEVELS)


def joint_states(
    ratios: pd.DataFrame, *, settings: Mapping[str, Any], response: Response | None = None
) -> tuple[np.ndarray, Response]:
    """Posterior of 0..5 copies of every row of a table of arm ratios, and the patient's response.

    Parameters
    ----------
    ratios
        of :func:`marrowclone.copy_number.ratios.segment_ratios` over arms: every group has the same arms in the
        same order. Rows without a ratio get the prior.
    settings
        dosage, prior_neutral, systematic_sd, min_genes (arms with fewer say nothing), and those of :data:`DEFAULTS`.
    response
        learned elsewhere, and then only used: for the pool of all cells, whose subclonal events are no integers.

    Returns
    -------
    posterior, response
        (rows, 6); and what was learned, or the given one.
    """
    n_groups = ratios["group"].nunique()
    shape = (n_groups, len(ratios) // n_groups)
    y = ratios["log2_ratio"].to_numpy(dtype=float).reshape(shape)
    se = np.minimum(ratios["se_genes"].to_numpy(dtype=float), 10.0).reshape(shape)
    counting = np.minimum(ratios["se_counts"].to_numpy(dtype=float), 10.0).reshape(shape)
    size = ratios["n_cells"].to_numpy(dtype=float).reshape(shape)
    y = np.where(ratios["n_genes"].to_numpy().reshape(shape) >= settings["min_genes"], y, np.nan)
    # what the genes of an arm scatter beyond counting is the tumour's own, alike in its clones
    shared = (np.maximum(se**2 - counting**2, 0) * size).sum(axis=0) / size.sum(axis=0)
    departure = _departure_weights(shared, settings["systematic_sd"])
    chromosomes = ratios["chromosome"].to_numpy(dtype=object)[: shape[1]]
    prior = state_prior(settings["prior_neutral"])
    given = given_trunk(prior, departs=DEPARTS)
    trunk = _trunk_priors(prior, chromosomes)
    partner = _partners(chromosomes)

    likelihoods = [_likelihood(y, counting, r) for r in RESPONSES]
    found = [_over_arms(likelihood, departure, given, trunk, partner) for likelihood in likelihoods]
    if response is None:
        log = np.array([evidence for _, _, evidence in found]) + _log_prior(settings)
        weights = np.exp(log - log.max())
        response = Response(weights / weights.sum(), float(settings["systematic_sd"]))
    posterior = np.zeros((*shape, MAX_STATE + 1))
    for weight, likelihood, (others, message, _) in zip(response.weights, likelihoods, found, strict=True):
        if weight.sum() > 1e-6:
            of_trunk = np.einsum("htm,htmxa->tmxa", weight, message)
            over = np.einsum("tmxa,tmau->xau", of_trunk, departure, optimize=True)
            posterior += np.einsum("xkau,xau,xc,kacu->kac", others, over, given, likelihood, optimize=True)
    posterior /= posterior.sum(axis=2, keepdims=True)
    return posterior.reshape(-1, MAX_STATE + 1), response


def given_trunk(prior: np.ndarray, *, departs: float) -> np.ndarray:
    """Probability of a state (columns) given the one before it (rows: the trunk's, the next bin's), shape (6, 6).

    From an event half of the departures go back to neutral, most others farther the same way: a gain of 1q
    grows with time (science 2.2); shares [J]. From neutral they are events by their prior.
    """
    copies = np.arange(len(prior))
    given = np.zeros((len(prior), len(prior)))
    for state in copies:
        other = np.where((copies == state) | (copies == 2), 0.0, prior)
        if state == 2:
            given[state] = other / other.sum()
            continue
        same = np.where(np.sign(copies - 2) == np.sign(state - 2), other, 0.0)
        given[state] = 0.45 * same / same.sum() + 0.05 * other / other.sum()
        given[state, 2] = 0.5
    matrix: np.ndarray = (1 - departs) * np.eye(len(prior)) + departs * given
    return matrix


def _trunk_priors(prior: np.ndarray, chromosomes: np.ndarray) -> np.ndarray:
    """Prior of the trunk's states, not hyperdiploid and hyperdiploid, shape (2, arms, 6)."""
    priors = np.tile(prior, (2, len(chromosomes), 1))
    for name, share in TRISOMIES.items():
        rest = np.where(np.arange(len(prior)) == 3, 0.0, prior)
        priors[1, chromosomes == name] = (1 - share) * rest / rest.sum() + share * (np.arange(len(prior)) == 3)
    return priors


def _partners(chromosomes: np.ndarray) -> np.ndarray:
    """Index of the other arm of the same chromosome, -1 where there is none; shape (arms,)."""
    partner = np.full(len(chromosomes), -1)
    for name in set(chromosomes):
        at = np.flatnonzero(chromosomes == name)
        if len(at) == 2:
            partner[at] = at[::-1]
    return partner


def _log_prior(settings: Mapping[str, Any]) -> np.ndarray:
    """ln prior over the grid, shape (responses, 2, taus, levels)."""
    share = min(max(float(settings["hyperdiploid_prior"]), 1e-12), 1 - 1e-12)
    spread = max(float(settings["dosage_sd"]), 1e-3)  # 0: the response is the setting
    nearest = RESPONSES[np.abs(RESPONSES - settings["dosage"]).argmin()]
    centre = settings["dosage"] if spread > 1e-3 else nearest
    prior: np.ndarray = (
        -0.5 * ((RESPONSES - centre) / spread)[:, None, None, None] ** 2
        + np.log([1 - share, share])[None, :, None, None]
        - 0.5 * (np.log(TAU_FACTORS) / TAU_SD)[None, None, :, None] ** 2
        - 0.5 * (LEVELS / LEVEL_SD)[None, None, None, :] ** 2
    )
    return prior


def _departure_weights(shared: np.ndarray, systematic_sd: float) -> np.ndarray:
    """p(m + u) on the grid of departures, shape (taus, levels, arms, departures)."""
    scale = np.sqrt((TAU_FACTORS[:, None] * systematic_sd) ** 2 + shared[None, :])[:, None, :, None]
    density = np.exp(t_logpdf((DEPARTURES - LEVELS[:, None, None]) / scale, T_DF)) / scale
    weights: np.ndarray = density / density.sum(axis=-1, keepdims=True)
    return weights


def _likelihood(y: np.ndarray, counting: np.ndarray, response: float) -> np.ndarray:
    """p(y | copies, departure), shape (groups, arms, 6, departures); 1 where there is no ratio."""
    mean = expected_log2_ratio(response)
    sd = np.sqrt(counting[..., None] ** 2 + CLONE_SD**2 + (EVENT_SPREAD * mean) ** 2)[..., None]
    density = np.exp(t_logpdf((y[..., None, None] - mean[:, None] - DEPARTURES) / sd, T_DF)) / sd
    return np.where(np.isfinite(y)[..., None, None], density, 1.0)


def _over_arms(
    likelihood: np.ndarray, departure: np.ndarray, given: np.ndarray, trunk: np.ndarray, partner: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sums over states, trunk and departures for one response.

    Returns
    -------
    others
        product over the other groups, shape (6 trunk states, groups, arms, departures).
    message
        weight of the trunk's state from its prior and the chromosome's other arm, over the evidence of the
        chromosome; shape (2, taus, levels, 6, arms).
    evidence
        ln evidence of all arms, shape (2, taus, levels).
    """
    each = np.einsum("xc,kacu->xkau", given, likelihood)
    n = each.shape[1]
    before, after = np.ones_like(each), np.ones_like(each)
    for k in range(1, n):  # products without the own factor, by running products from both sides
        before[:, k] = before[:, k - 1] * each[:, k - 1]
        after[:, n - 1 - k] = after[:, n - k] * each[:, n - k]
    others = before * after
    of_trunk = np.einsum("tmau,xau->tmxa", departure, others[:, 0] * each[:, 0], optimize=True)
    # both arms of a chromosome have the same prior: p(x, z) = (1 - WHOLE) p(x) p(z) + WHOLE p(x) [x = z]
    alone = np.broadcast_to(trunk.transpose(0, 2, 1)[:, None, None], (2, *of_trunk.shape))
    beside = of_trunk[..., partner]
    anyway = np.einsum("haz,tmza->htma", trunk, beside)[..., None, :]
    message = np.where(partner >= 0, alone * ((1 - WHOLE) * anyway + WHOLE * beside), alone)
    total = np.maximum((message * of_trunk).sum(axis=3), 1e-300)
    # the evidence of a chromosome stands at both of its arms
    evidence = (np.log(total) * np.where(partner >= 0, 0.5, 1.0)).sum(axis=-1)
    return others, message / total[:, :, :, None], evidence
