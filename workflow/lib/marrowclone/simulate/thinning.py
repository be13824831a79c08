"""Copy-number events imposed on real counts by binomial thinning.

Counts can be taken away from a real cell, not added. So for every gene the clone with the most copies keeps its
counts, and all other cells, normal ones and donors' included, keep each UMI with the probability

    keep = f(c) / max over all clones and normal cells of f(c),    f(c) = (c / 2) ^ exponent.

Everything else of the cells stays as it was: their noise, their batch, what their genes have in common.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

#: Copies of a gene in a normal cell.
DIPLOID = 2.0


def dosage_power(copies: np.ndarray, *, exponent: float) -> np.ndarray:
    """Expression factor of a number of copies: ``(c / 2) ^ exponent``; 0 copies give 0.

    With the exponent .8 one copy more gives 1.38 and one less .57; the simulator's line ``1 + .8 (c/2 - 1)`` gives
    1.40 and .60 (science A.5).
    """
    copies = np.asarray(copies, dtype=float)
    return np.where(copies > 0, np.power(np.maximum(copies, 0.0) / DIPLOID, exponent), 0.0)


def keep_probability(copies: np.ndarray, *, exponent: float) -> np.ndarray:
    """Probability of keeping a UMI of a gene.

    Parameters
    ----------
    copies
        (clones x genes) copies; normal cells (two copies) are added to the ceiling by themselves.

    Returns
    -------
    (clones + 1 x genes), the last row for normal cells; every column has its maximum at 1.
    """
    factor = dosage_power(np.vstack([copies, np.full(copies.shape[1], DIPLOID)]), exponent=exponent)
    return factor / factor.max(axis=0, keepdims=True)


def capture_effect(n_genes: int, *, sd: float, rng: np.random.Generator) -> np.ndarray:
    """(n_genes,) share of each gene's UMIs that a capture keeps: log-normal with this SD, the largest 1.

    Draws beyond two SD are cut: all other genes lose depth by as much as the largest stands out, ``2 sd`` in ln.
    """
    effect = np.exp(sd * np.clip(rng.standard_normal(n_genes), -2.0, 2.0))
    return effect / effect.max()


def thin(
    counts: sp.csr_matrix, kind: np.ndarray, keep: np.ndarray, rng: np.random.Generator, *, depth: float = 1.0
) -> sp.csr_matrix:
    """Thin counts in one pass over what is not zero.

    Parameters
    ----------
    counts
        (cells x genes) CSR of whole numbers.
    kind
        (cells,) row of ``keep`` that holds for the cell.
    keep
        (kinds x genes) probability of keeping a UMI.
    depth
        share of all UMIs that is kept besides.

    Returns
    -------
    CSR int32 of the same shape, no entry above the one it came from; explicit zeros are dropped.
    """
    counts = counts.tocsr()
    row = np.repeat(kind, np.diff(counts.indptr))
    p = np.clip(keep[row, counts.indices] * depth, 0.0, 1.0)
    left = rng.binomial(counts.data.astype(np.int64), p).astype(np.int32)
    out = sp.csr_matrix((left, counts.indices.copy(), counts.indptr.copy()), shape=counts.shape)
    out.eliminate_zeros()
    return out
