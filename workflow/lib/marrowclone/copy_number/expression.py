"""How far a cell's expression is from the patient's normal plasma cells towards its tumour, copy number left out.

A patient's tumour differs from normal plasma cells in very many genes a little (science 1.2: patient-specific
spikes and more). The direction is learned from the cells that the other evidence is sure of, contrasted within
their capture where it holds both kinds, so that a batch is not taken for a tumour; it is made blind to the level of
whole arms, so that it says nothing that copy number has said already; and it is cross-fitted: a cell's score
comes from a direction that the cell had no part in.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy.sparse as sp
from scipy import stats

from .expectation import DISPERSION
from .pseudobulk import gene_scale

#: Parts of the cells for cross-fitting [J].
FOLDS = 5
#: Cells of each kind from which a direction is learned [J]: fewer say too little of thousands of genes.
MIN_TUMOUR, MIN_NORMAL = 10, 10
#: Genes below this share of the UMI take no part [J]: a gene seen once in a hundred cells has no direction.
MIN_SHARE = 5e-6
#: A gene's difference is held to this (natural log) [J]: one driver spike must not be the whole score.
MAX_EFFECT = 1.5
#: Tails of the densities; what real cells do beyond the model must not decide alone.
SCORE_DF = 5.0
#: No cell gets more log-odds than this from its expression [J]; the clonotype of a cell is given 8 (science 1.4).
BOUND = 8.0


#: Distance of the two kinds, in SDs of a cell, from which expression is heard [J]. A direction that hardly separates
#: them may have been learned from what the copy-number calls got wrong, and would then confirm it.
MIN_SEPARATION = 3.0
#: SD of the log of a gene's capture effect that the immune cells did not explain, and of a person's own effect [J].
CAPTURE_SD = 0.15
#: Where normal plasma cells of other people lie along the tumour's direction varies by this SD [J]: a person's and a
#: capture's own effects (on simulated patients 0.14 to 0.34 of the way from donors to the tumour).
BETWEEN_PEOPLE = 0.2
#: Weight of the reference cells' centre beside the patient's own normal cells, in cells [J].
CENTRE_CELLS = 10
#: Probability from which a cell is sure enough to learn from.
SURE = 0.9


@dataclass(frozen=True)
class GeneTable:
    """What the scores need of n cells and the genes that take part.

    Attributes
    ----------
    counts
        CSR float, n x genes.
    effect
        genes x captures, technical factor of each gene in each capture (any common factor per gene).
    capture
        column of ``effect`` of each cell.
    scale
        factor (0, 1] per gene that holds a dominant gene back in the depth.
    depth
        UMI of each cell over these genes, held back so; at least 1.
    arm
        code of each gene's arm.
    """

    counts: sp.csr_matrix
    effect: np.ndarray
    capture: np.ndarray
    scale: np.ndarray
    depth: np.ndarray
    arm: np.ndarray

    def shares(self, profile: np.ndarray) -> np.ndarray:
        """Expected counts per unit of depth, genes x captures, of cells with this profile."""
        share = self.effect * profile[:, None]
        return share / np.maximum((share * self.scale[:, None]).sum(axis=0), 1e-12)


def gene_table(counts: sp.csr_matrix, samples: np.ndarray, expected: pd.DataFrame, genes: pd.DataFrame) -> GeneTable:
    """The genes that may speak of expression: used by the baseline, and expressed.

    ``counts`` n x genes raw; ``expected`` genes x samples of the baseline, of which only the captures' ratios are
    taken (its level holds the reference cells themselves); ``genes`` with used, chromosome, arm.
    """
    shares = expected.to_numpy(dtype=float)
    used = genes["used"].to_numpy(dtype=bool)
    mean = shares.mean(axis=1)
    keep = np.flatnonzero(used & (mean >= MIN_SHARE) & (shares > 0).all(axis=1))
    capture = expected.columns.get_indexer(pd.Index(samples.astype(str)))
    scale = gene_scale(mean, used)[keep]
    part = counts[:, keep].astype(np.float64).tocsr()
    name = genes["chromosome"].astype(str).to_numpy()[keep] + genes["arm"].astype(str).to_numpy()[keep]
    _, arm = np.unique(name.astype(str), return_inverse=True)
    effect = shares[keep] / mean[keep][:, None]
    return GeneTable(part, effect, capture, scale, np.maximum(part @ scale, 1.0), arm)


@dataclass(frozen=True)
class Scores:
    """Cross-fitted score per cell: 0 like normal, 1 like the tumour; ``sd``: its counting noise."""

    value: np.ndarray
    sd: np.ndarray


@dataclass(frozen=True)
class Evidence:
    """Log-likelihood ratio of every cell, and the share of normal cells that would lie as far towards the tumour."""

    log_odds: np.ndarray
    tail: np.ndarray


def scores(table: GeneTable, tumour: np.ndarray, normal: np.ndarray, *, capture_sd: float, seed: int) -> Scores | None:
    """Score of every cell along the difference of tumour and normal cells; None with too few of either.

    Parameters
    ----------
    tumour, normal
        bool per cell: those that the other evidence is sure of.
    capture_sd
        SD of the log of a gene's remaining capture effect.
    seed
        of the folds (give the cells in a fixed order).
    """
    if tumour.sum() < MIN_TUMOUR or normal.sum() < MIN_NORMAL:
        return None
    n, n_captures = table.counts.shape[0], table.effect.shape[1]
    folds = _folds(tumour, normal, seed)
    sums = {}
    for name, kind in (("tumour", tumour), ("normal", normal)):
        at = np.flatnonzero(kind)
        row = table.capture[at] * FOLDS + folds[at]
        member = sp.csr_matrix((np.ones(len(at)), (row, at)), shape=(n_captures * FOLDS, n))
        sums[name] = tuple(
            np.asarray(x).reshape(n_captures, FOLDS, -1)
            for x in ((member @ table.counts).toarray(), member @ table.depth, member @ np.ones(n))
        )
    value, sd = np.zeros(n), np.ones(n)
    for fold in range(FOLDS):
        others = np.arange(FOLDS) != fold
        tumour_sums, normal_sums = (tuple(a[:, others].sum(axis=1) for a in sums[k]) for k in ("tumour", "normal"))
        share, capture_effect, effect = _effects(table, tumour_sums, normal_sums, capture_sd)
        for s in np.unique(table.capture):
            rows = np.flatnonzero((folds == fold) & (table.capture == s))
            if len(rows):
                value[rows], sd[rows] = _project(table, rows, share[:, s] * np.exp(capture_effect[s]), effect)
    return Scores(value, sd)


def _folds(tumour: np.ndarray, normal: np.ndarray, seed: int) -> np.ndarray:
    """Fold of every cell; each fold has its part of both kinds."""
    folds = np.empty(len(tumour), dtype=int)
    rng = np.random.default_rng(seed)
    for kind in (tumour, normal, ~tumour & ~normal):
        rows = np.flatnonzero(kind)
        folds[rows[rng.permutation(len(rows))]] = np.arange(len(rows)) % FOLDS
    return folds


#: Per capture: counts (captures x genes), depth and cells (captures x 1) of the cells of one kind.
Sums = tuple[np.ndarray, ...]


def _log_ratio(share: np.ndarray, sums: Sums) -> tuple[np.ndarray, np.ndarray]:
    """log of observed over expected and its variance, captures x genes; infinite variance without cells."""
    observed, depth, n = sums
    expected = depth * share.T
    ratio = np.log((observed + 0.5) / (expected + 0.5))
    variance = 1 / (expected + 0.5) + DISPERSION / np.maximum(n, 1)
    return ratio, np.where(n == 0, np.inf, variance)


def _effects(
    table: GeneTable, tumour: Sums, normal: Sums, capture_sd: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Shares of a normal cell (genes x captures), capture effect (captures x genes) and tumour effect (genes).

    Effects are natural logs, shrunk: ``log(normal) = b + e``, ``log(tumour) = b + d + e`` per gene and capture,
    ``b ~ N(0, capture_sd^2)``. What a capture's own normal cells say of b is taken out of its tumour cells, and what
    they leave unsaid widens them.
    """
    total = normal[0].sum(axis=0)
    profile = (total + 0.5) / np.maximum((normal[1] * table.effect.T).sum(axis=0), 1e-12)
    share = table.shares(profile)
    of_profile = 1 / (total + 0.5) + DISPERSION / max(float(normal[2].sum()), 1.0)
    y0, v0 = _log_ratio(share, normal)
    y1, v1 = _log_ratio(share, tumour)
    prior = capture_sd**2
    trust = prior / (prior + v0)  # 0 without normal cells
    b = np.where(np.isfinite(v0), trust * y0, 0.0)
    precision = 1 / (v1 + prior * (1 - trust))
    weight = precision.sum(axis=0)
    d = (precision * np.where(np.isfinite(v1), y1 - b, 0.0)).sum(axis=0) / np.maximum(weight, 1e-12)
    noise = 1 / np.maximum(weight, 1e-12) + of_profile
    d -= np.average(d, weights=1 / (noise + prior))
    spread = max(float(np.average(d**2 - noise, weights=1 / (noise + prior) ** 2)), 1e-4)
    return share, b, np.clip(d * spread / (spread + noise), -MAX_EFFECT, MAX_EFFECT)


def _project(
    table: GeneTable, rows: np.ndarray, share: np.ndarray, effect: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Score and its counting noise of some cells of one capture, given a normal cell's share of each gene there."""
    mean = share * float(np.median(table.depth[rows]))
    information = share / (1 + DISPERSION * mean)
    # blind to the level of an arm: what copy number says is said once
    level = np.bincount(table.arm, information * effect) / np.maximum(np.bincount(table.arm, information), 1e-300)
    d = effect - level[table.arm]
    weight = d / (1 + DISPERSION * mean)
    scale = max(float((share * weight * d).sum()), 1e-12)
    raw = table.counts[rows] @ weight - table.depth[rows] * float(share @ weight)
    value = raw / (table.depth[rows] * scale)
    variance = table.depth[rows] * float((share * (1 + DISPERSION * mean) * weight**2).sum())
    return value, np.sqrt(variance) / (table.depth[rows] * scale)


def evidence(
    table: GeneTable,
    p: np.ndarray,
    *,
    target: np.ndarray,
    reference: np.ndarray,
    like_tumour: bool,
    seed: int,
) -> Evidence | None:
    """What every cell's expression says, given what is thought of each cell so far; None where it is not heard.

    Parameters
    ----------
    p
        posterior per cell by all evidence so far.
    target, reference
        the patient's tumour-type cells; the reference cells.
    like_tumour
        whether reference cells are the tumour's normal counterpart (not so on rungs R3 to R5).
    """
    known = reference if like_tumour else np.zeros(len(p), dtype=bool)
    others = known & ~target
    # the patient's own reference cells (rung R1) were chosen as normal: more likely than not is sure enough
    tumour, own = target & (p >= SURE), target & ((p <= 1 - SURE) | (known & (p < 0.5)))
    found = scores(table, tumour, own | others, capture_sd=CAPTURE_SD, seed=seed)
    if found is None:
        return None
    return log_odds(found, tumour, target & (p < 0.5), others)


def log_odds(found: Scores, tumour: np.ndarray, own: np.ndarray, others: np.ndarray) -> Evidence | None:
    """What every cell's score says, calibrated on cells that had no part in their own score.

    ``tumour``, ``own``, ``others``: sure tumour cells, the patient's likely normal cells, other people's normal cells
    (bool per cell). Beyond either mean a cell is no more of its kind. None where the kinds hardly differ.
    """
    if own.sum() + others.sum() < MIN_NORMAL or tumour.sum() < MIN_TUMOUR:
        return None
    c1, s1 = _location(found, tumour)
    c0, s0, between = _normal_location(found, own, others)
    # by the core of both: at first some tumour cells may stand among the likely normal ones
    core = np.sqrt((_core(found, tumour) ** 2 + _core(found, own if own.sum() >= MIN_NORMAL else others) ** 2) / 2)
    if c1 - c0 < MIN_SEPARATION * core * float(np.median(found.sd)):
        return None
    x = np.clip(found.value, c0, c1)
    sd0 = np.sqrt((s0 * found.sd) ** 2 + between**2)
    sd1 = s1 * found.sd
    llr = (
        stats.t.logpdf((x - c1) / sd1, SCORE_DF) - np.log(sd1)
        - stats.t.logpdf((x - c0) / sd0, SCORE_DF) + np.log(sd0)
    )  # fmt: skip
    return Evidence(np.clip(llr, -BOUND, BOUND), stats.norm.sf((found.value - c0) / sd0))


def _normal_location(found: Scores, own: np.ndarray, others: np.ndarray) -> tuple[float, float, float]:
    """Centre of the normal cells, their spread in units of counting noise, and what is not known of the centre.

    The patient's own cells say where a normal cell of this patient lies; other people's fill in for few of them.
    """
    n = int(own.sum())
    if not others.any():
        return *_location(found, own), 0.0
    centre, spread = _location(found, others)
    if n:
        mine, own_spread = _location(found, own)
        centre = (n * mine + CENTRE_CELLS * centre) / (n + CENTRE_CELLS)
        spread = max(spread, own_spread) if n >= MIN_NORMAL else spread
    return centre, spread, BETWEEN_PEOPLE * float(np.sqrt(CENTRE_CELLS / (n + CENTRE_CELLS)))


def _core(found: Scores, weight: np.ndarray) -> float:
    """Spread of the middle half of the cells, in units of counting noise (at least 1)."""
    at = weight > 0.5
    u = np.abs(found.value[at] - np.median(found.value[at])) / found.sd[at]
    return max(1.4826 * float(np.median(u)), 1.0)


def _location(found: Scores, weight: np.ndarray) -> tuple[float, float]:
    """Median of the score over weighted cells, and its spread in units of counting noise (at least 1)."""
    at = weight > 0.5
    centre = float(np.median(found.value[at]))
    u = np.abs(found.value[at] - centre) / found.sd[at]
    spread = max(1.4826 * float(np.median(u)), float(np.quantile(u, 0.95)) / 1.96, 1.0)
    return centre, spread
