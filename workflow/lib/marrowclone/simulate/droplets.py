"""Droplets beside their cells: ambient RNA, empty ones, barcodes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy.sparse as sp

from .transcriptome import at

#: Genes that lysed erythroid and myeloid cells add to the ambient RNA, in parts per hundred of it.
LYSED: dict[str, float] = {"HBB": 3.0, "HBA1": 1.2, "HBA2": 1.8, "S100A8": 0.6, "S100A9": 0.7, "LYZ": 0.3}


def add_ambient(
    own: sp.csr_matrix, n_empty: int, settings: Mapping[str, Any], rng: np.random.Generator
) -> sp.csr_matrix:
    """Add ambient RNA to all cells, and append ``n_empty`` droplets with nothing else."""
    size = np.asarray(own.sum(axis=1)).ravel()
    soup = np.asarray(own.sum(axis=0)).ravel().astype(float)
    if soup.sum() == 0:
        soup[:] = 1.0
    soup *= (1.0 - sum(LYSED.values()) / 100.0) / soup.sum()
    soup[at(list(LYSED))] += np.array(list(LYSED.values())) / 100.0
    low, high = settings["ambient"]
    share = rng.uniform(low, high)
    # a droplet's soup does not depend on its cell: a share of the typical cell, lognormal .3
    amount = (
        share / (1.0 - share) * (np.median(size) if size.size else 3000.0) * np.exp(rng.normal(0.0, 0.3, size.size))
    )
    empties = np.maximum(share, 0.02) * 5000.0 * np.exp(rng.normal(0.5, 0.6, n_empty))
    total = rng.poisson(np.concatenate([amount, empties]))
    genes = rng.choice(soup.size, size=int(total.sum()), p=soup)
    rows = np.repeat(np.arange(total.size), total)
    added = sp.csr_matrix((np.ones(genes.size, np.int32), (rows, genes)), shape=(total.size, soup.size))
    blank = sp.csr_matrix((n_empty, soup.size), dtype=np.int32)
    out = (sp.vstack([own, blank]) + added).tocsr().astype(np.int32)
    out.sum_duplicates()
    out.sort_indices()
    return out


def draw_barcodes(n: int, rng: np.random.Generator) -> list[str]:
    """``n`` distinct 16-base barcodes with the suffix ``-1``."""
    out: dict[str, None] = {}
    while len(out) < n:
        letters = np.array(list("ACGT"))[rng.integers(0, 4, size=(n - len(out), 16))]
        out.update(dict.fromkeys("".join(row) + "-1" for row in letters))
    return list(out)
