"""Cycling cells, at one common depth: a deeper cell must not look livelier (science 4.2).

What can be said of rest by this is little: with n cells and none cycling, up to ``1 - 0.05^(1/n)`` of the clone may
cycle (science 4.3), and a clone that divides twice a year shows one cycling cell in 300 or fewer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special, stats

from .statistics import Array


@dataclass(frozen=True)
class Cycling:
    """Calls: bool per cell; cells that are too shallow to be asked are not ``assessed``.

    ``depth``: non-immunoglobulin UMI to which every cell was thinned; ``limit``: UMI of list genes that a cell must
    exceed; ``n_reference``: normal cells that set it (0: none, the genes alone decide); ``told``: bool per gene, those
    that were counted; ``background``: by capture, share of cells at rest that show as much by chance.
    """

    cycling: np.ndarray
    assessed: np.ndarray
    depth: float
    limit: float
    n_reference: int
    told: np.ndarray
    background: Mapping[str, Background]


@dataclass(frozen=True)
class Background:
    """Share of cells at rest that are called cycling by chance, with an 80% interval; NaN where too few cells tell."""

    value: float
    lower: float
    upper: float


#: Where it cannot be told: nothing is taken out, and no cell cycles for certain.
UNKNOWN = Background(float("nan"), 0.0, 1.0)


def common_depth(depth: Array, *, target: float, least: float) -> float:
    """Depth to thin to: ``target``; what three quarters of shallower cells have, but never below ``least``."""
    if not depth.size:
        return target
    return float(max(min(target, np.quantile(depth, 0.25)), least))


def thin(counts: np.ndarray, depth: Array, target: float, *, rng: np.random.Generator) -> np.ndarray:
    """Counts (cells x genes) as they would be with ``target`` UMI in all; shallower cells stay as they are."""
    p = np.minimum(target / np.maximum(depth, 1e-9), 1.0)
    return rng.binomial(counts.astype(np.int64), p[:, None])


def call_cycling(
    counts: np.ndarray,
    depth: Array,
    *,
    malignant: np.ndarray,
    normal: np.ndarray,
    sample: np.ndarray,
    settings: Mapping[str, Any],
    rng: np.random.Generator,
) -> Cycling:
    """Which cells cycle: ``cycling_genes`` different genes seen, and more UMI than normal plasma cells have.

    Parameters
    ----------
    counts
        UMI of the list's genes, cells x genes, integers.
    depth
        non-immunoglobulin UMI per cell.
    sample
        capture of each cell: soup, and with it what cells show by chance, is a capture's own.
    malignant, normal
        bool per cell. Normal plasma cells, when at least ``cycling_reference``, give the limit, their 99th percentile,
        and tell which genes cells at rest show as well: seen in more than ``cycling_resting`` of them, a gene is no
        sign of cycling here. With fewer, malignant cells without another gene of the list tell (:func:`shown_at_rest`).
    settings
        of ``assess_states``: cycling_depth, cycling_least_depth, cycling_genes, cycling_reference, cycling_resting.
    """
    target = common_depth(depth[malignant], target=settings["cycling_depth"], least=settings["cycling_least_depth"])
    thinned = thin(counts, depth, target, rng=rng)
    assessed = depth >= target
    resting = thinned[normal & assessed]
    known = len(resting) >= settings["cycling_reference"]
    shown = (
        (resting > 0).mean(axis=0)
        if known
        else shown_at_rest(thinned[malignant & assessed], least=settings["cycling_reference"])
    )
    told = shown <= settings["cycling_resting"]
    distinct, umi = (thinned[:, told] > 0).sum(axis=1), thinned[:, told].sum(axis=1)
    limit = float(np.quantile(resting[:, told].sum(axis=1), 0.99)) if known else 0.0
    called = assessed & (distinct >= settings["cycling_genes"]) & (umi > limit)
    background = {
        str(name): by_chance(
            thinned[(malignant | normal) & assessed & (sample == name)][:, told], least=settings["cycling_reference"],
            genes=settings["cycling_genes"], limit=limit, rng=rng,
        )
        for name in np.unique(sample)
    }  # fmt: skip
    return Cycling(called, assessed, target, limit, len(resting) if known else 0, told, background)


def shown_at_rest(counts: np.ndarray, *, least: int) -> Array:
    """Share of resting cells that show each gene, from cells of unknown state (cells x genes, thinned).

    A cell that shows no other gene of the list does not cycle, however many of its neighbours do; among such cells a
    gene's share is that of cells at rest. 0 where there are fewer than ``least`` of them.
    """
    seen = counts > 0
    quiet = seen.sum(axis=1, keepdims=True) - seen == 0
    n = quiet.sum(axis=0)
    return np.asarray(np.where(n >= least, (seen & quiet).sum(axis=0) / np.maximum(n, 1), 0.0))


#: Cells that are drawn to see how many look cycling by chance.
DRAWN = 200_000
#: SD by which what cells at rest show may be off, for the ends of the background (80%) [J].
Z = 1.28


def by_chance(counts: np.ndarray, *, least: int, genes: int, limit: float, rng: np.random.Generator) -> Background:
    """Share of a capture's cells at rest that are called cycling, if their genes are seen independently of each other.

    ``counts``: cells x genes, thinned. A gene's share is read as :func:`shown_at_rest` reads it, and unknown where
    fewer than ``least`` cells tell of any. Genes that go together in cells at rest, and counts that clump, are
    called more often than this: it is the least that chance makes, so that too little is taken out.
    """
    seen = counts > 0
    quiet = int((seen.sum(axis=1, keepdims=True) - seen == 0).sum(axis=0).min()) if counts.shape[1] else 0
    if quiet < max(least, 1):
        return UNKNOWN
    shown = shown_at_rest(counts, least=least)
    rate = -np.log1p(-np.minimum(shown, 0.99))
    half = Z * float(np.sqrt(max(shown.sum(), 1.0 / quiet) / quiet))
    ends = [max(rate.sum() + by, 0.0) / max(rate.sum(), 1e-9) for by in (0.0, -half, half)]
    found = []
    for factor in ends:
        drawn = rng.poisson(rate * factor, (DRAWN, len(rate)))
        found.append(float((((drawn > 0).sum(axis=1) >= genes) & (drawn.sum(axis=1) > limit)).mean()))
    return Background(*found)


def mixed(background: Mapping[str, Background], samples: np.ndarray) -> Background:
    """Background of cells of these captures; unknown where that of one is."""
    names, n = np.unique(samples, return_counts=True)
    if not n.size:
        return UNKNOWN
    of = np.array([[background[str(s)].value, background[str(s)].lower, background[str(s)].upper] for s in names])
    value, lower, upper = (n / n.sum()) @ of
    return UNKNOWN if np.isnan(value) else Background(float(value), float(lower), float(upper))


def share_beyond(x: int, n: int, background: Background) -> tuple[float, float, float]:
    """Cycling share beyond chance, with one-sided 95% bounds, from ``x`` of ``n`` called.

    ``x`` is binomial with ``f + (1 - f) share``. Lower: exact, with the most that chance may give. Upper: with the
    least, the share at which so few would be seen in 5% of the cases in which no more than so few come by chance
    (Read 2002, J Phys G 28:2693), which is Clopper and Pearson's without background and never falls to zero where
    fewer were seen than chance gives.
    """
    if not n:
        return float("nan"), 0.0, 1.0
    lower = float(special.betaincinv(x, n - x + 1, 0.05)) if x else 0.0
    level = 0.05 * float(stats.binom.cdf(x, n, background.lower))
    upper = float(special.betaincinv(x + 1, n - x, 1 - level)) if x < n else 1.0
    most = 0.0 if np.isnan(background.value) else background.value
    pairs = ((x / n, most), (lower, background.upper), (upper, background.lower))
    value, low, high = (max((v - f) / (1 - f), 0.0) if f < 1 else 0.0 for v, f in pairs)
    return value, low, high


def p_rise(
    then: tuple[int, int], now: tuple[int, int], *, factor: float, background: tuple[float, float] = (0.0, 0.0)
) -> float:
    """P(share now >= ``factor`` x share then), each ``(cycling, n)`` with a Jeffreys posterior; NaN without cells.

    ``background``: what chance gives then and now; shares are what is beyond it.
    """
    if not then[1] or not now[1]:
        return float("nan")
    grid = (np.arange(2000) + 0.5) / 2000
    b0, b1 = background
    below = special.betainc(then[0] + 0.5, then[1] - then[0] + 0.5, b0) if b0 else 0.0
    before = special.betaincinv(then[0] + 0.5, then[1] - then[0] + 0.5, below + (1 - below) * grid)
    bar = np.minimum(b1 + (1 - b1) * factor * np.maximum(before - b0, 0.0) / (1 - b0), 1.0)
    # not given that it is above chance now: that would make a rise of whatever comes by chance
    return float(1 - special.betainc(now[0] + 0.5, now[1] - now[0] + 0.5, bar).mean())
