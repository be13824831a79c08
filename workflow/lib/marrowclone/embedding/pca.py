"""The latent space without a neural network: principal components of Pearson residuals."""

from __future__ import annotations

import numpy as np
from scipy import sparse

#: Overdispersion of UMI counts beyond Poisson: 1 / theta (Lause 2021, doi 10.1186/s13059-021-02451-7).
THETA = 100.0


def pearson_residuals(counts: sparse.csr_matrix) -> np.ndarray:
    """Residuals of counts against depth x gene share, clipped at the square root of the cells.

    Parameters
    ----------
    counts
        CSR, cells x genes: variable genes only, for the result is dense (float32).
    """
    total = float(counts.sum())
    if total == 0:
        return np.zeros(counts.shape, dtype=np.float32)
    depth = np.asarray(counts.sum(axis=1), dtype=np.float64).reshape(-1, 1)
    share = np.asarray(counts.sum(axis=0), dtype=np.float64).reshape(1, -1) / total
    expected = (depth * share).astype(np.float32)
    residuals = counts.toarray().astype(np.float32) - expected
    residuals /= np.sqrt(expected + expected**2 / THETA + 1e-12)
    limit = np.sqrt(counts.shape[0])
    return np.clip(residuals, -limit, limit, out=residuals)


def latent_pca(counts: sparse.csr_matrix, *, n_latent: int, seed: int) -> np.ndarray:
    """Scores of the first components, each column's sign fixed.

    There is no batch correction in it.

    Returns
    -------
    float32, cells x ``n_latent``; columns that the data cannot fill are zero.
    """
    result = np.zeros((counts.shape[0], n_latent), dtype=np.float32)
    rank = min(n_latent, counts.shape[0] - 1, counts.shape[1] - 1)
    if rank < 1 or not counts.nnz:
        return result
    from sklearn.decomposition import PCA

    solver = "randomized" if min(counts.shape) > 200 else "full"
    model = PCA(n_components=rank, svd_solver=solver, random_state=seed % 2**31, iterated_power=7)
    result[:, :rank] = model.fit_transform(pearson_residuals(counts))
    return result
