"""Genes that a clone expresses far beyond its arm (z > 6, science 1.6): a translocation's driver, not dosage."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
import scipy.sparse as sp
from scipy import special

from .pseudobulk import gene_dispersion, pseudobulk
from .states import DEFAULTS

#: z from which a gene is a spike [science 1.6].
SPIKE_Z = 6.0
#: UMI of the gene in the group, and cells of the group, below which nothing is called a spike [J].
MIN_UMI = 20
MIN_CELLS = 20
#: Beyond this z the tail is 0 in floating point.
MAX_Z = 37.0


def spike_genes(
    counts: sp.csr_matrix,
    samples: np.ndarray,
    groups: np.ndarray,
    expected: pd.DataFrame,
    genes: pd.DataFrame,
    *,
    wanted: Iterable[str],
    reference_counts: np.ndarray,
    min_cpm: float,
) -> pd.Series:
    """Largest z of each gene that is a spike in one of the groups; index: symbol.

    Parameters
    ----------
    counts, samples, groups
        raw counts (CSR), capture and group of cells.
    expected, genes
        of the baseline: shares per capture; chromosome, arm, used.
    wanted
        groups that are looked at: those of tumours.
    reference_counts
        UMI of each gene on which the expectation stands (its own noise).
    min_cpm
        genes that are expected below this do not count anywhere, spike or not.

    Notes
    -----
    z is the normal quantile of the upper tail of the gene's count in the group: negative binomial about the expectation
    times the median ratio of the gene's arm, so that a gained arm is no spike; dispersion as the genes of that group
    scatter, plus that of the reference's own count.
    """
    columns = expected.columns.get_indexer(pd.Index(samples))
    share = expected.to_numpy(dtype=float)
    used = genes["used"].to_numpy(dtype=bool) & (share.mean(axis=1) * 1e6 >= min_cpm)
    arm = (genes["chromosome"] + genes["arm"]).to_numpy(dtype=object).astype(str)
    found: dict[str, float] = {}
    for name in sorted(set(wanted)):
        rows = np.flatnonzero(groups == name)
        if len(rows) < MIN_CELLS:
            continue
        observed, expect = pseudobulk(counts, rows, columns, share, used, max_share=DEFAULTS["max_share"])
        phi = gene_dispersion(observed[used], expect[used])
        level = expect * _arm_ratio(observed, expect, arm, used)
        size = 1 / (phi + 1 / np.maximum(reference_counts, 1.0))
        high = np.flatnonzero(used & (observed >= MIN_UMI) & (observed > 2 * level))
        z = upper_tail_z(observed[high], np.maximum(level[high], 1e-3), size[high])
        for gene, value in zip(high[z > SPIKE_Z], z[z > SPIKE_Z], strict=True):
            symbol = str(genes.index[gene])
            found[symbol] = max(found.get(symbol, 0.0), float(value))
    return pd.Series(found, dtype=float, name="z").sort_index()


def upper_tail_z(k: np.ndarray, mean: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Normal quantile of P(K >= k) for negative binomial K with this mean and size; at most :data:`MAX_Z`."""
    tail = special.betainc(np.maximum(k, 1e-9), size, mean / (mean + size))
    with np.errstate(divide="ignore"):
        return np.minimum(-special.ndtri(tail), MAX_Z)


def without_spikes(genes: pd.DataFrame, spikes: pd.Series) -> pd.DataFrame:
    """``genes`` with the spikes left out, and why."""
    frame = genes.copy()
    for symbol, z in spikes.items():
        frame.loc[symbol, "used"] = False
        frame.loc[symbol, "reason"] = f"spike in this patient's tumour cells (z {z:.1f}): a driver is not an arm gain"
    return frame


def _arm_ratio(observed: np.ndarray, expect: np.ndarray, arm: np.ndarray, used: np.ndarray) -> np.ndarray:
    """Median ratio of the well-measured genes of each gene's arm; 1 for arms with few; shape (genes,)."""
    ratio = np.ones(len(observed))
    well = used & (expect >= 10)
    for name in np.unique(arm[well]):
        inside = well & (arm == name)
        if inside.sum() >= 10:
            ratio[arm == name] = np.median(observed[inside] / expect[inside])
    return ratio
