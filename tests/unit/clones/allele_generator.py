"""Allele counts by molecules: bursts of one allele, soup, reference bias, copies of two haplotypes.

Shares nothing with the model's beta-binomial: each gene of each cell is in a burst of one allele or is not, and each
molecule then comes from the soup or from one of the cell's copies.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from marrowclone.clones.snps import Alleles
from marrowclone.resources import arm_table, gene_table

BURST, SOUP, REFERENCE = 0.15, 0.05, 0.52


def make_alleles(
    cells: np.ndarray,
    clone: np.ndarray,
    copies: dict[str, dict[str, tuple[int, int]]],
    *,
    reads_per_arm: float = 12.0,
    snps_per_arm: int = 60,
    phased: bool = False,
    seed: int = 1,
) -> Alleles:
    """``copies[clone][arm]``: copies of both haplotypes, (1, 1) where not named; a SNP per gene and two in some."""
    rng = np.random.default_rng(seed)
    arms = arm_table()
    arms = arms[arms["chromosome"].isin([f"chr{i}" for i in range(1, 13)])]
    genes, snps, counts = gene_table(), [], []
    for row in arms.itertuples():
        arm = f"{row.chromosome.removeprefix('chr')}{row.arm}"
        own = genes[(genes["chromosome"] == row.chromosome) & genes["start"].between(row.start, row.end)]
        own = own[own["end"] <= row.end].iloc[:: max(1, len(own) // snps_per_arm)].head(snps_per_arm)
        level = rng.gamma(0.7, 1.0, len(own))
        level *= reads_per_arm / level.sum()
        n = rng.poisson(level[None, :] * rng.lognormal(0, 0.5, (len(cells), 1)))
        pair = np.array([copies.get(c, {}).get(arm, (1, 1)) for c in clone], dtype=float)
        first = (pair[:, 0] / pair.sum(axis=1))[:, None] * np.ones(n.shape)
        burst = rng.random(n.shape) < BURST
        first = np.where(burst & (first > 0) & (first < 1), rng.random(n.shape) < first, first)
        first = (1 - SOUP) * first + SOUP / 2
        on_first = rng.random(len(own)) < 0.5  # which haplotype carries the alternative allele
        p = np.where(on_first, first, 1 - first)
        p = p * (1 - REFERENCE) / (p * (1 - REFERENCE) + (1 - p) * REFERENCE)
        ad = rng.binomial(n, p)
        base = len(snps)
        snps += [
            (f"{row.chromosome}:{g.start + 5}:A:G", row.chromosome, g.start + 5, "", ("1|0" if f else "0|1") * phased)
            for g, f in zip(own.itertuples(), on_first, strict=True)
        ]
        i, j = np.nonzero(n)
        counts.append(pd.DataFrame({"barcode": cells[i], "snp": base + j, "ad": ad[i, j], "dp": n[i, j]}))
    table = pd.DataFrame(snps, columns=["snp", "chromosome", "position", "gene", "gt"])
    return Alleles(table, pd.concat(counts, ignore_index=True))
