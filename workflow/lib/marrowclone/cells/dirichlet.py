"""How well droplets fit a profile: the Dirichlet-multinomial of EmptyDrops (Lun 2019 Genome Biol 20:63)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import sparse
from scipy.special import gammaln

from .blocks import blocks_of

#: Concentrations of the Dirichlet to choose from: droplets of one soup differ a little more than by chance.
CONCENTRATIONS = 10.0 ** np.arange(2.5, 6.1, 0.25)
DRAWS, POINTS = 200, 20
#: Counts up to which a gene's part of a droplet's probability is looked up; larger ones are rare.
MOST_LOOKED_UP = 31


def parts_of(counts: sparse.csr_matrix, rows: np.ndarray) -> Iterator[tuple[slice, sparse.csr_matrix]]:
    """Blocks of some rows (bool) as float64, and where they stand among those rows."""
    done = 0
    for where, block in blocks_of(counts):
        part = (block if rows[where].all() else block[rows[where]]).astype(np.float64)
        yield slice(done, done + part.shape[0]), part
        done += part.shape[0]


class DirichletMultinomial:
    """Log-probability of rows under a Dirichlet-multinomial.

    A column's part depends on its count alone, and counts are small: it is looked up in a table.
    """

    def __init__(self, share: np.ndarray, concentration: float) -> None:
        self.concentration = concentration
        self._prior = concentration * share
        counts = np.arange(MOST_LOOKED_UP + 1.0)
        self._table = self._terms(counts[None, :], self._prior[:, None])

    @staticmethod
    def _terms(counts: np.ndarray, prior: np.ndarray) -> np.ndarray:
        terms: np.ndarray = gammaln(counts + prior) - gammaln(prior) - gammaln(counts + 1.0)
        return terms

    def fit(self, counts: sparse.csr_matrix) -> np.ndarray:
        """(rows,) log-probabilities; ``counts`` CSR float64."""
        small = np.minimum(counts.data, MOST_LOOKED_UP).astype(np.intp)
        terms = self._table[counts.indices, small]
        large = counts.data > MOST_LOOKED_UP
        terms[large] = self._terms(counts.data[large], self._prior[counts.indices[large]])
        total = np.asarray(counts.sum(axis=1)).ravel()
        summed = np.asarray(
            sparse.csr_matrix((terms, counts.indices, counts.indptr), shape=counts.shape).sum(axis=1)
        ).ravel()
        fit: np.ndarray = (
            summed + gammaln(total + 1) + gammaln(self.concentration) - gammaln(total + self.concentration)
        )
        return fit


def estimate_concentration(counts: sparse.csr_matrix, rows: np.ndarray, share: np.ndarray) -> float:
    """The concentration under which the rows (bool) are most likely, of :data:`CONCENTRATIONS`."""
    models = [DirichletMultinomial(share, c) for c in CONCENTRATIONS]
    fits = np.empty((len(models), int(rows.sum())))
    for where, part in parts_of(counts, rows):
        for fit, model in zip(fits, models, strict=True):
            fit[where] = model.fit(part)
    return float(CONCENTRATIONS[int(np.argmax([fit.sum() for fit in fits]))])


def deviation(
    counts: sparse.csr_matrix, rows: np.ndarray, share: np.ndarray, concentration: float, rng: np.random.Generator
) -> np.ndarray:
    """SDs by which each of the rows (bool) is less likely than droplets of the profile with as many UMIs.

    Mean and SD by drawing droplets of :data:`POINTS` sizes, between them by interpolation over log size: a tail of
    one in a million needs no million draws. All sizes are drawn from the same profiles, which cost the most.
    """
    model = DirichletMultinomial(share, concentration)
    total = np.asarray(counts.sum(axis=1, dtype=np.int64)).ravel()[rows]
    sizes = np.unique(np.geomspace(max(1, total.min()), max(2, total.max()), POINTS).astype(int))
    mean, sd = np.empty(sizes.size), np.empty(sizes.size)
    profiles = rng.standard_gamma(concentration * share, size=(DRAWS, share.size))
    profiles /= profiles.sum(axis=1, keepdims=True)
    for i, size in enumerate(sizes):
        drawn = sparse.csr_matrix(rng.multinomial(size, profiles).astype(float))
        fit = model.fit(drawn)
        mean[i], sd[i] = fit.mean(), fit.std(ddof=1)
    fitted = np.empty(total.size)
    for where, part in parts_of(counts, rows):
        fitted[where] = model.fit(part)
    at, drawn_at = np.log(np.maximum(total, 1)), np.log(sizes)
    off: np.ndarray = (np.interp(at, drawn_at, mean) - fitted) / np.interp(at, drawn_at, sd)
    return off
