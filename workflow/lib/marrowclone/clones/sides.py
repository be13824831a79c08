"""Dispersion of a clone's cells and of the others': each side's own, as far as its cells can tell."""

from __future__ import annotations

import numpy as np

from .sums import Array, Sums, moments

#: Share of genes, by what they tell, above which none tells more: a few loud ones are not all [J].
LOUDEST = 0.95
#: Expected counts on a side from which a gene helps to tell how much its cells vary [J].
COUNTED = 5.0
#: No gene counts as further off than this many SDs of chance [J].
FAR = 20.0


def side_dispersions(
    sums: Sums, clone: str, dispersion: Array, usual: Array, poisson: Array | float = 1.0
) -> tuple[Array, Array]:
    """Dispersions (R,) of the cells of ``clone``, and of all other clones' cells.

    Parameters
    ----------
    dispersion
        common to all cells (:func:`marrowclone.clones.sums.dispersions`), 0 where it is not known.
    usual
        the same, steadied (:func:`marrowclone.clones.sums.steadied`).
    poisson
        as in :func:`marrowclone.clones.sums.dispersions`.

    Notes
    -----
    With 20 to 50 cells a gene's own dispersion is mostly noise, but the factor by which all genes of a side vary more
    is not: it is taken first, from genes with :data:`COUNTED` counts. Below 1 it is raised to the power of the side's
    cells per cell of the other (at most 1): few cells often lack the rare loud ones and look steadier than they are,
    and it is their variance that the test rests on. Then a gene that varies more than its side is moved towards its own
    moments, by how much genes differ beyond chance (empirical Bayes, as for variances in Smyth 2004); one that varies
    less stays.
    """
    own = sums.clone == clone
    rate = _null_rates(sums)
    cells = float(sums.cells[own].sum()), float(sums.cells[~own].sum())
    found = []
    for groups, mine, theirs in ((own, *cells), (~own, *reversed(cells))):
        excess, information = moments(sums, groups, poisson)
        information = np.maximum(information - _noise(sums, groups, dispersion, poisson), 0.0)
        told = (rate[groups] * sums.depth[groups][:, None]).sum(axis=0) >= COUNTED
        expected = information * dispersion
        weight = np.where(told, _inverse(np.sqrt(_chance(sums, groups, rate, usual, poisson))), 0.0)
        factor = float((weight * excess)[expected > 0].sum()) / max(float((weight * expected).sum()), 1e-12)
        if factor < 1:
            factor = max(factor, 0.0) ** min(1.0, mine / max(theirs, 1.0))
        prior = factor * usual
        scale = _inverse(information * prior)
        off, chance = excess * scale - 1, _chance(sums, groups, rate, prior, poisson) * scale**2
        known = told & (scale > 0)
        shift = np.where(scale > 0, off * _moved(off[known], chance[known], chance), 0.0)
        found.append(prior * (1 + np.maximum(shift, 0.0)))
    return found[0], found[1]


def _moved(off: Array, chance: Array, of: Array) -> Array:
    """How far genes whose relative error has the variance ``of`` go to their own moments: tau^2 / (tau^2 + of).

    tau^2 is by how much the squared errors ``off`` exceed ``chance``, by the information of each.
    """
    if not off.size:
        return np.zeros_like(of)
    weight = _inverse(chance)
    weight = np.minimum(weight, np.quantile(weight, LOUDEST))
    beyond = np.minimum(off**2, FAR**2 * chance) - chance
    tau2 = max(0.0, float((weight * beyond).sum()) / max(float(weight.sum()), 1e-12))
    return tau2 * _inverse(tau2 + of)


def _chance(sums: Sums, groups: np.ndarray, rate: Array, dispersion: Array, poisson: Array | float) -> Array:
    """Variance of :func:`~marrowclone.clones.sums.moments`' excess by chance, were counts negative binomial, (R,).

    For e = (x - m)^2 - p x: 2 V^2 + k4 + p^2 V - 2 p k3, by the cumulants of x; cells of a group are taken for alike.
    """
    cells = sums.cells[groups][:, None]
    mean = rate[groups] * sums.depth[groups][:, None] / cells
    squared = rate[groups] ** 2 * sums.depth_squared[groups][:, None] / cells
    variance = poisson * mean + dispersion * squared
    third = variance * (poisson + 2 * dispersion * mean)
    fourth = variance * (poisson**2 + 6 * dispersion * variance)
    each = 2 * variance**2 + fourth + poisson**2 * variance - 2 * poisson * third
    return np.asarray((cells * each).sum(axis=0))


def _noise(sums: Sums, groups: np.ndarray, dispersion: Array, poisson: Array | float) -> Array:
    """By how much squares of rates that few counts give are too large on average, summed as in the information."""
    depth, d2 = sums.depth[groups][:, None], sums.depth_squared[groups][:, None]
    counts = sums.counts[groups]
    variance = poisson * counts + dispersion * (counts / depth) ** 2 * d2
    return np.asarray((variance * d2 / depth**2).sum(axis=0))


def _null_rates(sums: Sums) -> Array:
    """Counts per depth in each group's capture, as without any difference between clones, (N, R)."""
    rate = np.zeros_like(sums.counts)
    for sample in dict.fromkeys(sums.sample.tolist()):
        here = sums.sample == sample
        rate[here] = sums.counts[here].sum(axis=0) / max(float(sums.depth[here].sum()), 1e-12)
    return rate


def _inverse(values: Array) -> Array:
    """1 / values; 0 where they are not positive."""
    return np.divide(1.0, values, out=np.zeros_like(values), where=values > 0)
