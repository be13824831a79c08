"""Ratio of observed to expected counts of a group of cells: robust, with its standard error.

A group is summed to one pseudobulk; a gene's weight is limited by its own dispersion, its
residual is held back beyond two SDs, and the diploid level is the median over anchor arms.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

#: Pearson residuals beyond this many SDs are held back (Huber): one over-expressed gene is not a gain.
HUBER = 2.0
#: Phi^-1(3/4): the median absolute deviation of a standard normal sample.
MAD_OF_NORMAL = 0.6744897501960817


def pseudobulk(
    counts: sp.csr_matrix,
    rows: np.ndarray,
    columns: np.ndarray,
    expected: np.ndarray,
    used: np.ndarray,
    *,
    max_share: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Observed and expected counts per gene (each shape (genes,)) of the cells in ``rows``.

    ``columns`` is each cell's column of ``expected`` (genes x columns); the expectation of a
    sample is its column times the winsorised depth of the group's cells in that sample.
    """
    observed = np.zeros(expected.shape[0])
    expect = np.zeros(expected.shape[0])
    for column in np.unique(columns[rows]):
        part = rows[columns[rows] == column]
        total = np.asarray(counts[part].sum(axis=0), dtype=float).ravel()
        observed += total
        share = expected[:, column]
        # depth over the used genes, dominant genes held back in both, so that they cannot tilt it
        scale = gene_scale(share, used, max_share=max_share)
        depth = (total * scale)[used].sum() / max((share * scale)[used].sum(), 1e-12)
        expect += share * depth
    return observed, expect


def gene_scale(share: np.ndarray, used: np.ndarray, *, max_share: float = 0.0005) -> np.ndarray:
    """Factor (0, 1] per gene that winsorises it to ``max_share`` of all UMIs (science 1.6)."""
    scale = np.ones(len(share))
    large = used & (share > max_share)
    scale[large] = max_share / share[large]
    return scale


def gene_dispersion(observed: np.ndarray, expect: np.ndarray) -> float:
    """Gene-to-gene variance of the ratio beyond counting noise (natural-log units squared), robust.

    At least 0.02 (no two populations agree to better than 14% per gene [J]).
    """
    enough = expect >= 10
    if enough.sum() < 50:
        return 0.25
    log_ratio = np.log((observed[enough] + 0.5) / (expect[enough] + 0.5))
    spread = (np.median(np.abs(log_ratio - np.median(log_ratio))) / MAD_OF_NORMAL) ** 2
    return float(np.clip(spread - np.median(1 / expect[enough]), 0.02, 2.0))


def robust_log2_ratio(observed: np.ndarray, expect: np.ndarray, *, phi: float) -> tuple[float, float]:
    """log2 of observed over expected across the genes of one segment, and its standard error."""
    return fit_ratio(observed, expect, phi=phi)[:2]


def fit_ratio(observed: np.ndarray, expect: np.ndarray, *, phi: float) -> tuple[float, float, float]:
    """log2 ratio, its standard error over genes, and the part of that which is counting noise.

    Genes of one tumour depart from the reference in all of its clones alike; what clones do not share is counting.
    """
    weight = 1 / (1 + phi * expect)
    denominator = (weight * expect).sum()
    if denominator <= 0:
        return float("nan"), float("inf"), float("inf")
    ratio = max((weight * observed).sum() / denominator, 1e-3)
    limited = observed
    for _ in range(20):
        fitted = ratio * expect
        sd = np.sqrt(fitted + phi * fitted**2) + 1e-12
        limited = fitted + np.clip(observed - fitted, -HUBER * sd, HUBER * sd)
        new = max((weight * limited).sum() / denominator, 1e-3)
        if abs(new - ratio) < 1e-7 * ratio:
            ratio = new
            break
        ratio = new
    residual = weight * (limited - ratio * expect)
    n = len(observed)
    se = np.sqrt((residual**2).sum() * n / max(n - 1, 1)) / denominator / ratio / np.log(2)
    # no segment is surer than counting noise allows
    floor = np.sqrt((weight**2 * ratio * expect).sum()) / denominator / ratio / np.log(2)
    return float(np.log2(ratio)), float(max(se, floor)), float(floor)


def anchor_centre(
    observed: np.ndarray,
    expect: np.ndarray,
    arm_names: np.ndarray,
    used: np.ndarray,
    *,
    phi: float,
    anchors: list[str],
) -> float:
    """log2 ratio that counts as diploid: the weighted median over the anchor arms.

    Never the mean over all arms: eight trisomies would fake losses everywhere else (science 1.6).
    Falls back to the weighted median over all arms when fewer than three anchors have genes.
    """
    for candidates in (anchors, sorted(set(arm_names[used]))):
        ratios, weights = [], []
        for arm in candidates:
            inside = used & (arm_names == arm)
            if inside.sum() >= 10:
                ratio, _ = robust_log2_ratio(observed[inside], expect[inside], phi=phi)
                ratios.append(ratio)
                weights.append(np.sqrt(inside.sum()))
        if len(ratios) >= 3:
            return weighted_median(np.array(ratios), np.array(weights))
    return 0.0


def weighted_median(values: np.ndarray, weights: np.ndarray) -> float:
    """The value at which half of the weight lies below, interpolated between neighbours."""
    order = np.argsort(values, kind="stable")
    values, weights = values[order], weights[order]
    middle = (np.cumsum(weights) - weights / 2) / weights.sum()
    return float(np.interp(0.5, middle, values))
