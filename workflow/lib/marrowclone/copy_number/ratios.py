"""Measured log2 ratios of groups of cells per segment, before any state is said.

A group (a clone, a cluster) is summed to one pseudobulk; the ratio of observed to expected
counts is fitted over the genes of every segment and centred on anchor arms.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from .pseudobulk import anchor_centre, fit_ratio, gene_dispersion, pseudobulk

#: Columns of :func:`segment_ratios`.
RATIO_COLUMNS: tuple[str, ...] = (
    "group", "chromosome", "start", "end", "arm", "log2_ratio", "se_genes", "se_counts", "n_genes", "n_cells",
)  # fmt: skip
#: Genes below which a segment has no ratio at all.
FEWEST_GENES = 3


def segment_ratios(
    counts: sp.csr_matrix,
    groups: pd.Series,
    reference: sp.csr_matrix | np.ndarray | pd.DataFrame,
    segments: pd.DataFrame,
    genes: pd.DataFrame,
    *,
    settings: Mapping[str, Any],
    samples: pd.Series | None = None,
) -> pd.DataFrame:
    """Ratio of every group in every segment; arguments as :func:`marrowclone.copy_number.states.segment_states`.

    Returns
    -------
    DataFrame
        a row per group and segment (:data:`RATIO_COLUMNS`), groups sorted, segments in their order.
        ``log2_ratio`` is centred on the anchor arms, NaN with fewer than three genes; ``se_genes`` (log2) is its
        sandwich standard error over genes, ``se_counts`` the counting noise in it (both infinite without a ratio).

    Raises
    ------
    ValueError
        when the reference has a column per sample and lacks one of ``samples``, or these are not given.

    Notes
    -----
    Quasi-likelihood estimate ``sum(w O) / sum(w E)`` with NB weights ``w = 1 / (1 + phi E)``, so that no gene
    weighs more than ``1/phi``, and Huber-limited residuals. ``phi`` is estimated per group by a robust spread.
    """
    names = groups.fillna("").astype(str).to_numpy()
    wanted = sorted(set(names) - {""})
    if not wanted or segments.empty:
        return pd.DataFrame(columns=list(RATIO_COLUMNS))
    used = autosomal(genes).to_numpy() & genes["arm"].isin(["p", "q"]).to_numpy()
    if "used" in genes:
        used &= genes["used"].to_numpy(dtype=bool)
    expected = _reference_profiles(reference, used)  # genes x columns
    used &= expected.mean(axis=1) * 1e6 >= settings["min_cpm"]
    columns = np.zeros(counts.shape[0], dtype=int)
    if isinstance(reference, pd.DataFrame):
        if samples is None:
            raise ValueError("a reference with a column per sample needs samples=")
        columns = reference.columns.get_indexer(pd.Index(samples.astype(str)))
        if (columns < 0).any():
            raise ValueError("the reference has no column for some samples of the cells")
    segment_of_gene = np.where(used, _gene_segments(genes, segments), -1)
    members = [np.flatnonzero(segment_of_gene == i) for i in range(len(segments))]
    arm_names = genes["chromosome"].str.removeprefix("chr").to_numpy(dtype=object) + genes["arm"].to_numpy(dtype=object)
    results = []
    for name in wanted:
        rows = np.flatnonzero(names == name)
        observed, expect = pseudobulk(counts, rows, columns, expected, used, max_share=settings["max_share"])
        phi = gene_dispersion(observed[used], expect[used])
        centre = anchor_centre(observed, expect, arm_names, used, phi=phi, anchors=settings["anchor_arms"])
        fits = [
            fit_ratio(observed[m], expect[m], phi=phi) if len(m) >= FEWEST_GENES else (np.nan, np.inf, np.inf)
            for m in members
        ]
        frame = segments[["chromosome", "start", "end", "arm"]].reset_index(drop=True).copy()
        frame.insert(0, "group", name)
        frame[["log2_ratio", "se_genes", "se_counts"]] = np.array(fits)
        frame["log2_ratio"] -= centre
        frame["n_genes"] = [len(m) for m in members]
        frame["n_cells"] = len(rows)
        results.append(frame)
    return pd.concat(results, ignore_index=True)[list(RATIO_COLUMNS)]


def autosomal(genes: pd.DataFrame) -> pd.Series:
    """True for genes on chr1..chr22."""
    number = pd.to_numeric(genes["chromosome"].str.removeprefix("chr"), errors="coerce")
    return number.between(1, 22)


def _reference_profiles(reference: sp.csr_matrix | np.ndarray | pd.DataFrame, used: np.ndarray) -> np.ndarray:
    """Expected share of each gene, shape (genes, columns), each column summing to 1 over the used genes."""
    if isinstance(reference, pd.DataFrame):
        profile = reference.to_numpy(dtype=float)
    elif sp.issparse(reference):
        profile = np.asarray(reference.sum(axis=0), dtype=float).reshape(-1, 1)
    else:
        profile = np.asarray(reference, dtype=float).reshape(-1, 1)
    total = profile[used].sum(axis=0)
    return profile / np.where(total > 0, total, 1.0)


def _gene_segments(genes: pd.DataFrame, segments: pd.DataFrame) -> np.ndarray:
    """Index of the segment that holds each gene's midpoint, -1 when none does; shape (genes,)."""
    middle = (genes["start"].to_numpy() + genes["end"].to_numpy()) // 2
    chromosome = genes["chromosome"].to_numpy(dtype=object)
    index = np.full(len(genes), -1)
    for i, row in enumerate(segments.itertuples(index=False)):
        index[(chromosome == row.chromosome) & (middle >= row.start) & (middle <= row.end)] = i
    return index
