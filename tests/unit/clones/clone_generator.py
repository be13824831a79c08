"""A small patient with known clones: negative binomial counts, arm dosage, capture batch, modules.

Shares nothing with the library's model: gene by gene, with co-expression modules and
dispersions that the model does not know.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse

ARMS = [(f"chr{i}", a) for i in range(1, 23) for a in "pq" if not (a == "p" and i in (13, 14, 15, 21, 22))]


def gene_frame(per_arm: int = 60) -> pd.DataFrame:
    rows = []
    for c, a in ARMS:
        for g in range(per_arm):
            start = (0 if a == "p" else 100_000_000) + 1_000_000 * (g + 1)
            rows.append((f"{c}{a}{g}", c, start, start + 10_000, a, ""))
    rows.append(("IGKC", "chr2", 88_900_000, 88_901_000, "p", "ig"))
    rows.append(("XIST", "chrX", 73_800_000, 73_850_000, "q", ""))
    return pd.DataFrame(rows, columns=["symbol", "chromosome", "start", "end", "arm", "locus"]).set_index("symbol")


@dataclass
class Patient:
    counts: sparse.csr_matrix
    cells: np.ndarray
    samples: np.ndarray
    clone: np.ndarray
    genes: pd.DataFrame
    baseline: pd.DataFrame


def make_patient(
    sizes: dict[str, dict[str, int]],
    events: dict[str, dict[tuple[str, str], int]],
    *,
    depth: float = 5000,
    batch: float = 0.15,
    batch_known: bool = True,
    arm_batch: float = 0.0,
    cycling: float = 0.05,
    compensation: float = 0.8,
    dispersion: float = 0.5,
    seed: int = 1,
) -> Patient:
    """``sizes[sample][clone]`` cells; ``events[clone][(chromosome, arm)]`` copies (2 where not named).

    ``batch``: SD of each gene's log capture effect, ``batch_known``: whether the baseline carries it;
    ``arm_batch``: SD of an arm-wide capture effect that no baseline knows.
    """
    rng = np.random.default_rng(seed)
    genes = gene_frame()
    n_genes = len(genes)
    mean = rng.lognormal(0, 1.3, n_genes)
    mean[genes.index == "IGKC"] = mean.sum() * 0.3
    arm = np.array([f"{c}{a}" for c, a in zip(genes.chromosome, genes.arm, strict=True)])
    module = rng.integers(0, 12, n_genes)
    cycle_genes = rng.choice(n_genes, 80, replace=False)
    blocks, cells, samples, clones, base = [], [], [], [], {}
    for s, parts in sizes.items():
        effect = np.exp(rng.normal(0, batch, n_genes))
        shift = {a: np.exp(rng.normal(0, arm_batch)) for a in np.unique(arm)}
        hidden = np.array([shift[a] for a in arm])
        profile = mean * effect
        base[s] = profile if batch_known else mean
        for k, n in parts.items():
            dose = np.ones(n_genes)
            for (c, a), copies in events[k].items():
                dose[arm == f"{c}{a}"] = 1 + compensation * (copies / 2 - 1)
            rate = profile * hidden * dose
            library = rng.lognormal(np.log(depth), 0.5, n)
            activity = np.exp(rng.normal(0, 0.3, (n, 12)))[:, module]
            mu = rate[None, :] * activity
            on = rng.random(n) < cycling
            mu[np.ix_(on, cycle_genes)] *= 5
            mu = mu / mu.sum(axis=1, keepdims=True) * library[:, None]
            x = rng.poisson(mu * rng.gamma(1 / dispersion, dispersion, mu.shape))
            blocks.append(sparse.csr_matrix(x.astype(np.int32)))
            cells += [f"{s}:{k}_{i:05d}" for i in range(n)]
            samples += [s] * n
            clones += [k] * n
    frame = pd.DataFrame(base, index=genes.index)
    # ids that say nothing of the clone, and rows in no order
    order = rng.permutation(len(cells))
    ids = np.array([f"{samples[j]}:{i:06d}" for i, j in enumerate(order)])
    return Patient(
        sparse.vstack(blocks, format="csr")[order],
        ids,
        np.array(samples)[order],
        np.array(clones)[order],
        genes,
        frame / frame.sum(),
    )
