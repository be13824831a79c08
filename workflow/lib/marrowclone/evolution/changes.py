"""Has a clone's expression of a gene or programme changed, beyond counting, captures, soup and copies? (science 4.6)

Two groups of one patient's cells are compared, as a rule a clone with its own earlier cells, which lie in different
captures. What captures do to a gene is not known beforehand, so it is measured: how far do all other well-counted
genes scatter between these two groups, beyond what counting gives? A gene of the panel has to stand out of that.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import special

from .panel_sums import Features
from .statistics import Array

#: Counts on the smaller side from which a gene tells of the scatter between groups, and genes that it takes [J].
WELL_COUNTED, LEAST_GENES = 20.0, 100
#: SD of its count that an excess of soup may bring beside itself (p < .001) [J].
CHANCE_SD = 3.3
#: Nodes over which the scatter of captures is summed out.
NODES = 21
#: The scatter is such that these shares of genes lie within the ranges of the normal distribution [J].
SHARES = (0.5, 0.95, 0.99)


@dataclass(frozen=True)
class Change:
    """Own over reference for each tested gene or programme (T,), beyond what is expected.

    Attributes
    ----------
    ratio, lower, upper
        with a 95% interval that holds the scatter between captures.
    p
        two-sided; of the direction that ``ratio`` has, with soup against it.
    can_rise, can_fall
        whether a change by the stated factor would have been seen.
    scatter
        SD of ln ratios of other genes beyond counting; NaN where too few genes tell.
    copies_known
        whether copies were taken into account (true where the reference is the clone itself).
    soup_known
        whether soup of every capture of the side that it could make louder is known.
    """

    ratio: Array
    lower: Array
    upper: Array
    p: Array
    can_rise: np.ndarray
    can_fall: np.ndarray
    scatter: float
    copies_known: np.ndarray
    soup_known: np.ndarray


@dataclass(frozen=True)
class _Side:
    """One side of a comparison: counts, exposure (depth x factor x copies), its squares, soup's part of the counts.

    ``most``: soup's part at most; ``known``: whether every capture's soup is known.
    """

    counts: Array
    exposure: Array
    squared: Array
    soup: Array
    most: Array
    known: np.ndarray


def _side(features: Features, which: np.ndarray, factors: Array) -> _Side:
    sums = features.sums
    factor = factors[which]
    cells = sums.cells[which][:, None]
    soup, most = features.soup[which] * cells, features.most_soup[which] * cells
    return _Side(
        counts=sums.counts[which].sum(axis=0),
        exposure=(sums.depth[which][:, None] * factor).sum(axis=0),
        squared=(sums.depth_squared[which][:, None] * factor**2).sum(axis=0),
        soup=np.nan_to_num(soup).sum(axis=0), most=np.nan_to_num(most).sum(axis=0),
        known=np.isfinite(soup).all(axis=0),
    )  # fmt: skip


def compare(
    features: Features, own: np.ndarray, reference: np.ndarray, *, by_copies: bool, settings: Mapping[str, Any]
) -> Change:
    """Groups ``own`` against groups ``reference`` (bool over the groups of ``features.sums``).

    Parameters
    ----------
    by_copies
        whether the sides' copies may differ, and what they explain is to be taken out.
    settings
        ``change_p``, ``detectable_fold``.

    Notes
    -----
    Given both sides' counts, own's part is binomial; counts are divided by their variance's inflation (dispersion
    between cells), as in :func:`marrowclone.clones.contrast.contrast`. The ln of own's exposure has an error with the
    SD of :func:`scatter`, summed out by quadrature. Where soup differs between the sides, the excess is counted
    against the change. What captures do to a gene is read from their other cells, which mislead where these hold
    nothing of it but soup: each gene is compared with and without, and the lesser change is told.
    """
    read = _compare(features, own, reference, features.factor, by_copies=by_copies, settings=settings)
    plain = _compare(features, own, reference, np.ones_like(features.factor), by_copies=by_copies, settings=settings)
    if math.isnan(read.scatter) or math.isnan(plain.scatter):
        return plain if math.isnan(plain.scatter) else read
    with np.errstate(divide="ignore", invalid="ignore"):
        one, two = np.log(read.ratio), np.log(plain.ratio)
    contrary = np.sign(one) * np.sign(two) < 0
    nearer = np.abs(one) <= np.abs(two)
    return Change(
        ratio=np.where(contrary, 1.0, np.where(nearer, read.ratio, plain.ratio)),
        lower=np.fmin(read.lower, plain.lower), upper=np.fmax(read.upper, plain.upper),
        p=np.where(contrary, 1.0, np.maximum(read.p, plain.p)),
        can_rise=read.can_rise & plain.can_rise, can_fall=read.can_fall & plain.can_fall,
        scatter=max(read.scatter, plain.scatter), copies_known=read.copies_known, soup_known=plain.soup_known,
    )  # fmt: skip


def _compare(
    features: Features, own: np.ndarray, reference: np.ndarray, factor: Array, *, by_copies: bool,
    settings: Mapping[str, Any],
) -> Change:  # fmt: skip
    tested = len(features.names)
    log_copies = features.copies if by_copies else np.zeros_like(features.copies)
    known = np.isfinite(log_copies[own | reference]).all(axis=0)
    copies = np.where(known, np.exp2(np.where(np.isfinite(log_copies), log_copies, 0.0)), 1.0)
    a, b = _side(features, own, factor * copies), _side(features, reference, factor * copies)
    phi, poisson = features.dispersion, features.poisson
    well = np.minimum(a.counts + b.counts, _least(a, b)) >= WELL_COUNTED
    well[:tested] = False
    if well.sum() < LEAST_GENES:
        nothing, no = np.full(tested, np.nan), np.zeros(tested, dtype=bool)
        return Change(nothing, nothing, nothing, np.ones(tested), no, no, math.nan, known[:tested], no)
    ln, variance = _ln_ratio(a, b, phi, poisson)
    level = float(np.median(ln[well]))
    a = replace(a, exposure=a.exposure * math.exp(level), squared=a.squared * math.exp(2 * level))
    ln, variance = _ln_ratio(a, b, phi, poisson)
    spread = scatter(ln[well], variance[well])

    t = slice(0, tested)
    a, b = (_Side(s.counts[t], s.exposure[t], s.squared[t], s.soup[t], s.most[t], s.known[t]) for s in (a, b))
    return _judge(a, b, ln[t], variance[t], phi[t], poisson[t], spread=spread, copies_known=known[t], settings=settings)


def _judge(
    a: _Side, b: _Side, ln: Array, variance: Array, phi: Array, poisson: Array, *, spread: float,
    copies_known: np.ndarray, settings: Mapping[str, Any],
) -> Change:  # fmt: skip
    """The tested genes, with levels and scatter known."""
    ratio = a.exposure / np.maximum(b.exposure, 1e-12)
    excess = _with_chance(a.most - b.soup * ratio)
    less = np.maximum(a.counts - excess, 0.0)
    reference_less = np.maximum(b.counts - _with_chance(b.most - a.soup / np.maximum(ratio, 1e-12)), 0.0)
    rise = _tail(replace(a, counts=less), b, phi, poisson, spread, upper=True)
    fall = _tail(a, replace(b, counts=reference_less), phi, poisson, spread, upper=False)
    p = np.minimum(1.0, 2 * np.where(ln >= 0, rise, fall))
    fold = settings["detectable_fold"]
    # what own would show after a true change, soup and all, and what of that the test would see
    alone = np.maximum(b.counts - b.soup, 0.0) * ratio
    risen = np.maximum(fold * alone + a.soup - excess, 0.0) / np.maximum(b.counts * ratio, 1e-12)
    fallen = (alone / fold + a.soup) / np.maximum(reference_less * ratio, 1e-12)
    z = -float(special.ndtri(settings["change_p"] / 2))

    def seen(of: Array, reference: Array) -> np.ndarray:
        reading = replace(b, counts=reference)
        error = np.sqrt(_variance_at(a, reading, phi, poisson, of) + spread**2)
        return np.asarray((reference > 0) & (of > 0) & (np.abs(np.log(np.maximum(of, 1e-12))) >= z * error))

    half = 1.96 * np.sqrt(variance + spread**2)
    seen_at_all = (a.counts > 0) | (b.counts > 0)
    found = np.where(seen_at_all, np.exp(ln), np.nan)
    return Change(
        ratio=np.where(a.counts > 0, found, np.where(seen_at_all, 0.0, np.nan)),
        lower=np.where(a.counts > 0, np.exp(ln - half), np.where(seen_at_all, 0.0, np.nan)),
        upper=np.where(seen_at_all, np.exp(ln + half), np.nan),
        p=p, can_rise=seen(risen, b.counts) & (risen > 1), can_fall=seen(fallen, reference_less) & (fallen < 1),
        scatter=spread, copies_known=copies_known, soup_known=np.where(ln >= 0, a.known, b.known),
    )  # fmt: skip


def _with_chance(excess: Array) -> Array:
    """What an excess of soup may bring, as counts go: three SD and a bit more (p < .001); none where there is none."""
    some = np.maximum(excess, 0.0)
    return np.asarray(some + CHANCE_SD * np.sqrt(some))


def _least(a: _Side, b: _Side) -> Array:
    """Counts that the smaller side would have without any difference."""
    rate = (a.counts + b.counts) / np.maximum(a.exposure + b.exposure, 1e-12)
    return rate * np.minimum(a.exposure, b.exposure)


def _ln_ratio(a: _Side, b: _Side, phi: Array, poisson: Array) -> tuple[Array, Array]:
    """Ln of own over reference rate, half a count added to each, and its variance by counting and dispersion."""
    one, two = a.counts + 0.5, b.counts + 0.5
    ln = np.log(one / np.maximum(a.exposure, 1e-12)) - np.log(two / np.maximum(b.exposure, 1e-12))
    variance = poisson / one + poisson / two + phi * (_share(a) + _share(b))
    return ln, variance


def _share(side: _Side) -> Array:
    """One over the number of cells that would carry as much, were all of one depth."""
    return np.asarray(side.squared / np.maximum(side.exposure, 1e-12) ** 2)


def _variance_at(a: _Side, b: _Side, phi: Array, poisson: Array, factor: Array) -> Array:
    """Variance of the ln ratio if own had ``factor`` times the reference's rate."""
    rate = b.counts / np.maximum(b.exposure, 1e-12)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(poisson / (factor * rate * a.exposure) + poisson / b.counts + phi * (_share(a) + _share(b)))


def scatter(ln: Array, variance: Array) -> float:
    """SD of ln ratios beyond their variance.

    The larger of two: that with which half of the genes lie within .67 SD, and that with which 95% lie within 1.96:
    genes' scatter between captures has heavier tails than the normal distribution.
    """
    found = 0.0
    for share in SHARES:
        aim = float(special.ndtri(0.5 + share / 2))
        low, high = 0.0, 8.0
        if np.quantile(np.abs(ln) / np.sqrt(variance), share) <= aim:
            continue
        for _ in range(40):
            middle = (low + high) / 2
            wide = np.quantile(np.abs(ln) / np.sqrt(variance + middle**2), share) > aim
            low, high = (middle, high) if wide else (low, middle)
        found = max(found, high)
    return found


def _tail(a: _Side, b: _Side, phi: Array, poisson: Array, spread: float, *, upper: bool) -> Array:
    """P of own's part of the counts or more (or less: not ``upper``), with half of the point itself."""
    total = a.counts + b.counts
    both = np.maximum(a.exposure + b.exposure, 1e-12)
    rate = total / both
    share = a.exposure / both
    own = poisson * rate * a.exposure + phi * rate**2 * a.squared
    other = poisson * rate * b.exposure + phi * rate**2 * b.squared
    plain = total * share * (1 - share)
    with np.errstate(invalid="ignore", divide="ignore"):
        inflation = np.where(plain > 0, ((1 - share) ** 2 * own + share**2 * other) / plain, 1.0)
    k, n = a.counts / inflation, total / inflation
    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
    result = np.zeros_like(k)
    for node, weight in zip(nodes, weights / weights.sum(), strict=True):
        odds = share / np.maximum(1 - share, 1e-12) * math.exp(spread * node)
        p = odds / (1 + odds)
        result += weight * (_beyond(k, n, p) if upper else _beyond(n - k, n, 1 - p))
    return np.where(total > 0, result, 1.0)


def _beyond(k: Array, n: Array, p: Array) -> Array:
    """P(X > k) + P(X = k) / 2 of a binomial whose k and n need not be whole."""
    tiny = 1e-12

    def from_(x: Array) -> Array:
        inside = special.betainc(np.maximum(x, tiny), np.maximum(n - x + 1, tiny), p)
        return np.where(x <= 0, 1.0, np.where(x > n, 0.0, inside))

    return np.asarray(0.5 * (from_(k) + from_(k + 1)))
