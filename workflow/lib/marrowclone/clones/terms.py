"""Evidence beside the counts: what alleles, mitochondrial variants or clonotypes say of a cell's clone.

Every kind of evidence is brought to one form, a table of log likelihoods: of n cells, for F features (an arm, a
variant, the receptor) and G levels that a clone may have there (an allele's share, a heteroplasmy, a clonotype). A
clone is then a level per feature. As with copy number (:mod:`.levels`), clones share a level unless the data say
otherwise, so that a feature that tells nothing costs nothing and changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

#: Share of cells that follow no clone in a feature (doublets, soup, drift): no single feature may decide more
#: than 1 / :data:`ODD` to one. [J]
ODD = 0.02
#: Shares of a clone that a split by one feature is looked for with.
FRACTIONS = (0.02, 0.05, 0.1, 0.2, 0.35, 0.5)


@dataclass(frozen=True)
class Term:
    """One kind of evidence.

    Attributes
    ----------
    kind
        ``alleles``, ``mtDNA`` or ``clonotype``.
    features
        names (F).
    levels
        what a clone may have, in words (G).
    steps
        the levels as numbers (G); two clones' levels that differ by less than ``min_step`` are one.
    min_step
        in units of ``steps``.
    log_p
        log likelihood of each cell (n x F x G), natural log; all zeros where the cell says nothing.
    """

    kind: str
    features: tuple[str, ...]
    levels: tuple[str, ...]
    steps: np.ndarray
    min_step: float
    log_p: np.ndarray

    def of(self, levels: np.ndarray) -> np.ndarray:
        """Log likelihood of the cells (n x K), given the level of each clone and feature (K x F, indices)."""
        place = np.arange(len(self.features))
        return np.stack([self.log_p[:, place, g].sum(axis=1) for g in levels], axis=1).astype(float)


def tempered(log_p: np.ndarray) -> np.ndarray:
    """Log likelihoods (... x G) that leave room for cells that follow no level (:data:`ODD`)."""
    anything = logsumexp(log_p, axis=-1, keepdims=True) - np.log(log_p.shape[-1])
    return np.logaddexp(np.log1p(-ODD) + log_p, np.log(ODD) + anything)


def choose_levels(term: Term, posterior: np.ndarray) -> tuple[np.ndarray, int]:
    """The level of every clone and feature.

    Levels of two groups of clones become one when they lie within ``min_step``, or when keeping them apart gains less
    than ``log(n) / 2 + log(F)`` log likelihood: the weakest first, until every step is believable.

    Parameters
    ----------
    posterior
        clone probabilities per cell (n x K).

    Returns
    -------
    levels, n_free
        indices (K x F), and the number of levels beyond one per feature.
    """
    n, k = posterior.shape
    n_features, n_levels = len(term.features), len(term.steps)
    value = (posterior.T @ term.log_p.reshape(n, -1)).reshape(k, n_features, n_levels)
    penalty = 0.5 * np.log(max(n, 2)) + np.log(max(n_features, 1))
    levels = np.tile(value.sum(axis=0).argmax(axis=1), (k, 1))
    apart = value.max(axis=2).sum(axis=0) - value.sum(axis=0).max(axis=1)
    n_free = 0
    for f in np.flatnonzero(apart >= penalty):
        levels[:, f], groups = _fuse(value[:, f], term, penalty)
        n_free += groups - 1
    return levels, n_free


def _fuse(value: np.ndarray, term: Term, penalty: float) -> tuple[np.ndarray, int]:
    """Levels of one feature (K) and how many there are, from the clones' log likelihoods (K x G)."""
    groups = [[j] for j in range(len(value))]
    sums = [value[j] for j in range(len(value))]
    while len(groups) > 1:
        weakest: tuple[float, int, int] | None = None
        for a in range(len(groups)):
            for b in range(a + 1, len(groups)):
                gain = float(sums[a].max() + sums[b].max() - (sums[a] + sums[b]).max())
                near = abs(term.steps[sums[a].argmax()] - term.steps[sums[b].argmax()]) < term.min_step
                if (near or gain < penalty) and (weakest is None or gain < weakest[0]):
                    weakest = (gain, a, b)
        if weakest is None:
            break
        _, a, b = weakest
        groups[a] += groups.pop(b)
        sums[a] = sums[a] + sums.pop(b)
    out = np.empty(len(value), dtype=int)
    for members, total in zip(groups, sums, strict=True):
        out[members] = int(total.argmax())
    return out, len(groups)


def choose_all(terms: Sequence[Term], posterior: np.ndarray) -> tuple[tuple[np.ndarray, ...], int, float]:
    """Levels of every term, how many are free, and what they cost in the extended BIC.

    A level costs ``log n`` and, for having been looked for among F features, ``2 log F`` (as an arm's level does).
    """
    chosen, free, cost = [], 0, 0.0
    for term in terms:
        levels, n_free = choose_levels(term, posterior)
        chosen.append(levels)
        free += n_free
        cost += n_free * float(np.log(max(len(posterior), 2)) + 2 * np.log(max(len(term.features), 1)))
    return tuple(chosen), free, cost


def log_likelihood(terms: Sequence[Term], levels: Sequence[np.ndarray]) -> np.ndarray | float:
    """Sum of all terms (n x K); 0 without any."""
    return sum((term.of(g) for term, g in zip(terms, levels, strict=True)), 0.0)


def split_parts(
    terms: Sequence[Term], levels: Sequence[np.ndarray], posterior: np.ndarray
) -> list[tuple[float, int, np.ndarray]]:
    """How each clone could be parted in two by one feature.

    Returns
    -------
    list of (gain in log likelihood, clone, share of each cell that leaves the clone (n)), the best of every clone and
    feature; ties keep the order of clones and features.
    """
    found: list[tuple[float, int, np.ndarray]] = []
    for term, chosen in zip(terms, levels, strict=True):
        for k in range(posterior.shape[1]):
            p = posterior[:, k]
            for f in range(len(term.features)):
                ratio = np.clip(term.log_p[:, f] - term.log_p[:, f, [chosen[k, f]]], -50, 50).astype(float)
                if not ratio.any():
                    continue
                odds = np.exp(ratio)
                gains = np.stack([p @ np.log1p(x * (odds - 1)) for x in FRACTIONS])
                i, g = np.unravel_index(int(gains.argmax()), gains.shape)
                x = FRACTIONS[i]
                found.append((float(gains[i, g]), k, x * odds[:, g] / (1 - x + x * odds[:, g])))
    return sorted(found, key=lambda row: -row[0])


def separation(
    terms: Sequence[Term], levels: Sequence[np.ndarray], posterior: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """How far the terms set clones apart.

    Returns
    -------
    square
        d' squared between clones (K x K). Of two Gaussians d' apart the median log likelihood ratio is d'^2 / 2;
        here it is the median over each clone's cells, summed over both.
    differs
        whether any feature has another level (K x K).
    """
    k = posterior.shape[1]
    square, differs = np.zeros((k, k)), np.zeros((k, k), dtype=bool)
    best = posterior.argmax(axis=1)
    log_p = log_likelihood(terms, levels)
    for i in range(k):
        for j in range(i):
            unlike = any(bool((g[i] != g[j]).any()) for g in levels)
            if not unlike or not isinstance(log_p, np.ndarray):
                continue
            ratio = log_p[:, i] - log_p[:, j]
            mine, theirs = ratio[best == i], ratio[best == j]
            both = (float(np.median(mine)) if len(mine) else 0.0) - (float(np.median(theirs)) if len(theirs) else 0.0)
            square[i, j] = square[j, i] = max(both, 0.0)
            differs[i, j] = differs[j, i] = True
    return square, differs


def in_words(terms: Sequence[Term], levels: Sequence[np.ndarray], clone: int, other: int) -> list[str]:
    """What the terms say sets ``clone`` apart from ``other``, a text per feature."""
    return [
        f"{term.kind} {term.features[f]}: {term.levels[g[clone, f]]} (nearest {term.levels[g[other, f]]})"
        for term, g in zip(terms, levels, strict=True)
        for f in np.flatnonzero(g[clone] != g[other])
    ]


def informative(log_p: np.ndarray, *, most: int) -> np.ndarray:
    """Which features part the cells in two at all: their indices, in order, at most ``most``.

    Parameters
    ----------
    log_p
        n x F x G.

    A feature stays when two levels explain its cells better than one by ``log(n) / 2 + log(F)``, the price of a level.
    """
    n, n_features, _ = log_p.shape
    gain = np.zeros(n_features)
    for f in range(n_features):
        table = log_p[:, f].astype(float)
        ratio = np.exp(np.clip(table - table[:, [int(table.sum(axis=0).argmax())]], -50, 50))
        gain[f] = max(float(np.log1p(x * (ratio - 1)).sum(axis=0).max()) for x in FRACTIONS)
    need = 0.5 * np.log(max(n, 2)) + np.log(max(n_features, 1))
    kept = sorted(np.flatnonzero(gain > need), key=lambda f: (-gain[f], f))[:most]
    return np.array(sorted(kept), dtype=int)
