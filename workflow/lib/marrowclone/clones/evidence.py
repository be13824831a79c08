"""What a cell's counts say about its chromosome arms: sufficient statistics of the clone model.

After one pass over the matrix nothing that follows depends on the number of genes: a cell is
its weighted count per segment, and a capture is the share of each segment that its reference
expects. Everything is relative within the patient, so a poor reference blurs no subclone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from .agreement import GeneCounts

#: Autosomes: X depends on sex and inactivation, Y and M are no evidence for subclones (science 1.6).
AUTOSOMES = tuple(f"chr{i}" for i in range(1, 23))
#: Cells per block of a sparse product, so that no second copy of a large matrix exists.
BLOCK = 4096


@dataclass(frozen=True)
class Evidence:
    """Sufficient statistics of n cells, S captures and B segments.

    Attributes
    ----------
    cells
        ids, sorted (n).
    sample
        index into ``samples`` per cell (n).
    counts
        weighted count per cell and segment (n x B); its variance is close to its mean.
    total
        sum of ``counts`` per cell (n).
    share
        share of the total that each segment has in a diploid cell of the capture (S x B).
    referenced
        whether the capture has a reference of its own (S).
    segments
        chromosome, arm, start, end, n_genes, expected (weighted count at median depth); B rows.
    genes
        the counts that were summed; None where only sums are known.
    """

    cells: np.ndarray
    sample: np.ndarray
    samples: tuple[str, ...]
    counts: np.ndarray
    total: np.ndarray
    share: np.ndarray
    referenced: np.ndarray
    segments: pd.DataFrame
    genes: GeneCounts | None = None

    @property
    def names(self) -> list[str]:
        """Segments as people say them: ``1q``, ``13q``."""
        return [c.removeprefix("chr") + a for c, a in zip(self.segments.chromosome, self.segments.arm, strict=True)]


def usable_genes(genes: pd.DataFrame) -> np.ndarray:
    """Genes that may speak for dosage: autosomal, on an arm, outside Ig, TR and MHC loci (science 1.6).

    Where there are columns ``used`` (the baseline's exclusions) and ``measured`` (in every sample's
    annotation), both must be true as well.
    """
    fit = genes["chromosome"].isin(AUTOSOMES) & genes["arm"].isin(["p", "q"]) & (genes["locus"] == "")
    for flag in ("used", "measured"):
        if flag in genes:
            fit &= genes[flag].astype(bool)
    return fit.to_numpy()


def gene_weights(counts: sparse.csr_matrix, sample: np.ndarray, *, min_dispersion: float) -> np.ndarray:
    """Weight of each gene: mean over variance at the median depth, in (0, 1].

    A sum of counts weighted so has a variance equal to its mean, and is the most telling
    linear statistic for dosage when genes are independent: with negative binomial counts the
    derivative of the log likelihood in log dosage is x - (x + 1/phi) phi mu / (1 + phi mu).
    Genes that differ between cells for reasons of their own (cell cycle, stress, driver spikes
    of some cells) get little weight by this alone.

    Parameters
    ----------
    counts
        raw counts, cells x genes.
    sample
        capture of each cell, as integers; means are taken per capture, so that a capture
        effect is not read as dispersion.
    min_dispersion
        floor of the dispersion phi in var = mu + phi mu^2.
    """
    n_genes = counts.shape[1]
    excess, square, mean = np.zeros(n_genes), np.zeros(n_genes), np.zeros(n_genes)
    depth = np.asarray(counts.sum(axis=1), dtype=float).ravel()
    median_depth = float(np.median(depth[depth > 0])) if (depth > 0).any() else 0.0
    for s in np.unique(sample):
        rows = sample == s
        block, d = counts[rows].astype(float), depth[rows]
        if d.sum() <= 0 or len(d) < 2:
            continue
        rate = np.asarray(block.sum(axis=0)).ravel() / d.sum()
        sum_square = np.asarray(block.multiply(block).sum(axis=0)).ravel()
        cross = np.asarray(block.T @ d).ravel()
        expected = rate * d.sum()
        excess += sum_square - 2 * rate * cross + rate**2 * (d**2).sum() - expected
        square += rate**2 * (d**2).sum()
        mean += expected
    with np.errstate(invalid="ignore", divide="ignore"):
        phi = np.where(square > 0, excess / square, 0.0)
    level = mean / max(depth.sum(), 1.0) * median_depth
    return 1.0 / (1.0 + np.maximum(phi, min_dispersion) * level)


def segment_evidence(
    counts: sparse.csr_matrix,
    *,
    cells: np.ndarray,
    samples: np.ndarray,
    genes: pd.DataFrame,
    baseline: pd.DataFrame,
    settings: Mapping[str, Any],
) -> Evidence:
    """Reduce a patient's malignant cells to counts per chromosome arm.

    Parameters
    ----------
    counts
        raw counts, n x G, CSR; rows as ``cells``, columns as ``genes``.
    cells, samples
        id and capture of each row.
    genes
        gene table (chromosome, start, end, arm, locus), index = symbol, G rows.
    baseline
        expected share of each gene in a diploid plasma cell per capture: index = symbol,
        columns = samples. A capture that is missing or has no positive value counts as
        unreferenced and borrows the mean of the others, or else the patient's own mean.
    settings
        ``min_dispersion``, ``min_genes``, ``min_expected``.

    Returns
    -------
    Evidence
        cells sorted by id, so that nothing depends on the order in which they came.
    """
    order = np.argsort(cells.astype(str), kind="stable")
    cells, samples = cells[order].astype(str), samples[order].astype(str)
    usable = usable_genes(genes)
    genes = genes.loc[usable]
    matrix = sparse.csr_matrix(counts)[order][:, np.flatnonzero(usable)]
    names, code = np.unique(samples, return_inverse=True)
    weight = gene_weights(matrix, code, min_dispersion=float(settings["min_dispersion"]))

    depth = np.asarray(matrix.sum(axis=1), dtype=float).ravel()
    own = np.asarray(matrix.sum(axis=0), dtype=float).ravel() / max(depth.sum(), 1.0)
    expected, referenced = _expected(names, genes.index, baseline, own)
    # A gene that the reference never shows has no expectation: its counts would be all surprise.
    weight = np.where((expected > 0).all(axis=0), weight, 0.0)

    key = list(zip(genes["chromosome"], genes["arm"], strict=True))
    arms = list(dict.fromkeys(key))
    place = {a: i for i, a in enumerate(arms)}
    column = np.array([place[k] for k in key], dtype=int)
    assign = sparse.csr_matrix((weight, (np.arange(len(key)), column)), shape=(len(key), len(arms)))
    by_arm = np.vstack(
        [np.asarray((matrix[i : i + BLOCK] @ assign).todense(), dtype=float) for i in range(0, len(cells), BLOCK)]
        or [np.zeros((0, len(arms)))]
    )
    share = expected @ assign.toarray() if len(names) else np.zeros((0, len(arms)))

    median_depth = float(np.median(depth)) if len(depth) else 0.0
    speaks = (own * median_depth >= MIN_LEVEL) & (weight > 0)
    segments = pd.DataFrame(
        {
            "chromosome": [a[0] for a in arms],
            "arm": [a[1] for a in arms],
            "start": genes.groupby(column)["start"].min().to_numpy(),
            "end": genes.groupby(column)["end"].max().to_numpy(),
            "n_genes": np.bincount(column, weights=speaks, minlength=len(arms)).astype(int),
            "expected": np.median(by_arm, axis=0) if len(cells) else np.zeros(len(arms)),
        }
    )
    keep = (
        (segments["n_genes"] >= int(settings["min_genes"])) & (segments["expected"] >= float(settings["min_expected"]))
    ).to_numpy()
    by_arm, share = by_arm[:, keep], share[:, keep]
    total = by_arm.sum(axis=1)
    share = share / np.maximum(share.sum(axis=1, keepdims=True), 1e-12)
    return Evidence(
        cells=cells,
        sample=code,
        samples=tuple(names),
        counts=by_arm,
        total=total,
        share=share,
        referenced=referenced,
        segments=segments.loc[keep].reset_index(drop=True),
        genes=GeneCounts(matrix, np.where(keep, np.cumsum(keep) - 1, -1)[column]),
    )


#: A gene "speaks" for its arm from this mean count per cell on (1 in 50 cells).
MIN_LEVEL = 0.02


def _expected(
    names: np.ndarray, symbols: pd.Index, baseline: pd.DataFrame, own: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Expected share per capture and gene (S x G), and which captures have their own reference."""
    table = baseline.reindex(index=symbols, columns=list(names)).fillna(0.0).to_numpy(dtype=float).T
    referenced: np.ndarray = np.asarray((table > 0).any(axis=1))
    stand_in = table[referenced].mean(axis=0) if referenced.any() else own
    table = np.where(referenced[:, None], table, stand_in[None, :])
    return table / np.maximum(table.sum(axis=1, keepdims=True), 1e-12), referenced
