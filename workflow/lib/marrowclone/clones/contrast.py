"""Does a clone express a gene differently from the patient's other clones, capture by capture?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special, stats

from .sums import Array, Sums


@dataclass(frozen=True)
class Split:
    """A clone (own) against the others in the captures that hold enough of both; S captures, R genes."""

    samples: np.ndarray
    own_cells: Array  # (S,)
    other_cells: Array
    own: Array  # counts (S, R)
    other: Array
    own_detected: Array
    other_detected: Array
    own_depth: Array  # (S, 1)
    other_depth: Array
    own_squared: Array
    other_squared: Array


@dataclass(frozen=True)
class Contrast:
    """What one comparison gives, per gene (R,).

    Attributes
    ----------
    log2_fold, lower, upper
        own over others at equal depth beyond the offset, with a 95% interval.
    p
        two-sided mid-p value of no difference beyond the offset; 1 where nothing was counted.
    same
        captures in which own is on the side that ``log2_fold`` says.
    """

    log2_fold: Array
    lower: Array
    upper: Array
    p: Array
    same: Array


def split(sums: Sums, clone: str, *, min_cells: int) -> Split:
    """The groups of ``sums`` as ``clone`` against all other clones, in captures with ``min_cells`` of each."""
    own, found = sums.clone == clone, []
    for sample in dict.fromkeys(sums.sample.tolist()):
        here = sums.sample == sample
        if min(sums.cells[here & own].sum(), sums.cells[here & ~own].sum()) >= min_cells:
            found.append((sample, here & own, here & ~own))

    def stack(values: Array, side: int) -> Array:
        wide = values.reshape(len(values), -1)
        return np.stack([wide[groups[side]].sum(axis=0) for groups in found]) if found else wide[:0]

    return Split(
        samples=np.array([f[0] for f in found], dtype=str),
        own_cells=stack(sums.cells, 1).ravel(), other_cells=stack(sums.cells, 2).ravel(),
        own=stack(sums.counts, 1), other=stack(sums.counts, 2),
        own_detected=stack(sums.detected, 1), other_detected=stack(sums.detected, 2),
        own_depth=stack(sums.depth, 1), other_depth=stack(sums.depth, 2),
        own_squared=stack(sums.depth_squared, 1), other_squared=stack(sums.depth_squared, 2),
    )  # fmt: skip


def contrast(
    of: Split, dispersion: tuple[Array, Array], *, offset: Array | float = 0.0, poisson: Array | float = 1.0
) -> Contrast:
    """Compare within captures, whose own effects on a gene cancel there, and add up over them.

    Parameters
    ----------
    dispersion
        of each gene between cells of the clone, and between the others' (:mod:`marrowclone.clones.sides`).
    offset
        log2 ratio that is expected without any difference (copy number, depth), per gene, or captures x genes.
    poisson
        as in :func:`marrowclone.clones.sums.dispersions`.

    Notes
    -----
    Given a gene's counts in a capture, the share that is the clone's is binomial but for the dispersion of the cells;
    dividing counts by the variance's inflation makes it so again. The sum over captures is taken for a binomial of its
    own mean and variance. Both tails come from the incomplete beta function, which holds for few counts where the
    normal does not. The fold is Mantel and Haenszel's (1959).
    """
    factor = np.exp2(np.asarray(offset, dtype=float))
    total = of.own + of.other
    own_depth, other_depth = of.own_depth * factor, of.other_depth
    both = np.maximum(own_depth + other_depth, 1e-12)
    rate = total / both
    share = own_depth / both
    own_variance = poisson * rate * own_depth + dispersion[0] * rate**2 * factor**2 * of.own_squared
    other_variance = poisson * rate * other_depth + dispersion[1] * rate**2 * of.other_squared
    variance = (1 - share) ** 2 * own_variance + share**2 * other_variance
    plain = total * share * (1 - share)
    with np.errstate(invalid="ignore", divide="ignore"):
        inflation = np.where(plain > 0, variance / plain, 1.0)
        k, n = (of.own / inflation).sum(axis=0), (total / inflation).sum(axis=0)
        m = (total * share / inflation).sum(axis=0)
        pi = np.where(n > 0, m / n, 0.5)
        # captures in which the clone has different shares: their sum varies less than one binomial of the mean share
        true = (plain / inflation).sum(axis=0)
        narrow = np.where(n * pi * (1 - pi) > 0, true / (n * pi * (1 - pi)), 1.0)
        narrow = np.where(narrow > 0, narrow, 1.0)
        # half an (effective) count in all keeps folds of genes that one side lacks finite
        half = 0.5 * pi * (1 - pi)
        a = (of.own / inflation * (1 - share)).sum(axis=0) + half
        b = (of.other / inflation * share).sum(axis=0) + half
        fold = np.log2(a / b)
        error = np.sqrt((true + half) / (a * b)) / np.log(2)  # after Robins, Breslow and Greenland 1986
        side = np.sign(of.own * (1 - share) - of.other * share)
    z = float(stats.norm.ppf(0.975))
    low, high = _tails(k / narrow, n / narrow, pi)
    return Contrast(
        log2_fold=fold, lower=fold - z * error, upper=fold + z * error,
        p=np.where(n > 0, np.minimum(1.0, 2 * np.minimum(low, high)), 1.0),
        same=(side == np.sign(fold)).sum(axis=0).astype(float),
    )  # fmt: skip


def _tails(k: Array, n: Array, p: Array) -> tuple[Array, Array]:
    """Mid-p values P(X < k) + P(X = k)/2 and P(X > k) + P(X = k)/2 of a binomial whose k and n need not be whole."""
    return _upper(n - k, n, 1 - p), _upper(k, n, p)


def _upper(k: Array, n: Array, p: Array) -> Array:
    tiny = 1e-12

    def above(x: Array) -> Array:  # P(X >= x): 1 up to 0, 0 beyond n
        inside = special.betainc(np.maximum(x, tiny), np.maximum(n - x + 1, tiny), p)
        return np.where(x <= 0, 1.0, np.where(x > n, 0.0, inside))

    return np.asarray(0.5 * (above(k) + above(k + 1)))


def level_shift(found: Contrast, counts: Array, *, min_counts: float) -> float:
    """Median log2 fold of well-counted genes: what depth alone is off by where one side has a few loud programmes.

    ``counts`` is each gene's smaller expected count on the two sides. 0 with fewer than 100 such genes.
    """
    good = (counts >= min_counts) & np.isfinite(found.log2_fold)
    return float(np.median(found.log2_fold[good])) if good.sum() >= 100 else 0.0


def false_discovery(p: Array) -> Array:
    """Benjamini and Hochberg's adjusted values (1995); NaN stays NaN."""
    result = np.full(len(p), np.nan)
    known = np.isfinite(p)
    if known.any():
        result[known] = stats.false_discovery_control(np.clip(p[known], 0, 1))
    return result
