"""Level of every chromosome arm in single cells, from counts: what the malignant calls weigh a cell by.

The signal's windows are running means of log1p, in which every gene counts alike. Where the reference is of the
tumour's own type, counts say more: each gene weighs as much as its mean says, unless it is so high that
it says more of the cell's state than of its dosage.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import scipy.sparse as sp

from .pseudobulk import gene_scale
from .signal import depth_groups, readable_arms

#: Weight of a gene ``1 / (1 + PHI mean)`` [J]: on simulated cells and on real T cells with imposed events .2 parted
#: carriers from others better than .5 or 1.
PHI = 0.2
#: A count above its mean by this many SDs is held there [J]: one gene must not be an arm.
MAX_SDS = 4.0
LOG2 = float(np.log(2))


def arm_levels(
    counts: sp.csr_matrix,
    samples: np.ndarray,
    expected: pd.DataFrame,
    genes: pd.DataFrame,
    *,
    anchors: Sequence[str],
    min_cpm: float,
    chunk: int = 2000,
) -> tuple[np.ndarray, list[str]]:
    """Arms of each cell as a first-order log2 ratio to a diploid cell of its capture, and their names.

    Parameters
    ----------
    counts
        n x genes, CSR, raw.
    samples
        capture of each cell, a column of ``expected``.
    expected, genes
        of the baseline.
    anchors
        arms whose median counts as diploid.
    min_cpm
        genes below this in the reference are left out (counts per million), as in the signal.
    chunk
        cells at a time; the result does not depend on it.

    Returns
    -------
    n x arms, float; arms with fewer than 30 genes are left out. Unbiased by depth: the sum of weighted counts over
    that of their expectations, less 1, in log2 units.
    """
    shares = expected.to_numpy(dtype=float)
    used = genes["used"].to_numpy(dtype=bool)
    mean = shares.mean(axis=1)
    keep = np.flatnonzero(used & (mean * 1e6 >= min_cpm))
    name = genes["chromosome"].astype(str).str.removeprefix("chr") + genes["arm"].astype(str)
    arm_of = name.to_numpy(dtype=object)[keep]
    names = readable_arms(arm_of)
    membership = (arm_of[:, None] == np.array(names, dtype=object)[None, :]).astype(float)
    scale = gene_scale(mean, used) * used
    depth = np.maximum(np.asarray(counts @ scale, dtype=float).ravel(), 1.0)
    groups, keys = depth_groups(samples, depth)
    column = expected.columns.get_indexer(pd.Index([s for s, _ in keys]))
    per_umi = shares[keep] / np.maximum((shares * scale[:, None]).sum(axis=0), 1e-12)
    rate = per_umi[:, column].T * np.array([d for _, d in keys])[:, None]  # groups x genes
    weight = 1 / (1 + PHI * rate)
    most = rate + MAX_SDS * np.sqrt(rate + PHI * rate**2)
    # an expectation for the group's nominal depth, scaled to the cell's own
    level = (weight * rate) @ membership
    own = depth / np.array([d for _, d in keys])[groups]
    part = counts[:, keep].tocsr()
    values = np.empty((counts.shape[0], len(names)))
    for start in range(0, len(values), chunk):
        rows = part[start : start + chunk].astype(np.float64)
        row = np.repeat(groups[start : start + chunk], np.diff(rows.indptr))
        rows.data = np.minimum(rows.data, np.maximum(most[row, rows.indices], 1.0)) * weight[row, rows.indices]
        values[start : start + chunk] = rows @ membership
    values = (values / np.maximum(level[groups] * own[:, None], 1e-9) - 1) / LOG2
    anchored = [i for i, arm in enumerate(names) if arm in set(anchors)] or list(range(len(names)))
    return values - np.median(values[:, anchored], axis=1, keepdims=True), names
