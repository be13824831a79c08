"""Counts of the genes that speak for or against rest, for plasma cells whose state is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from .evolution_cases import CREEPING, DORMANT, FAST, GAIN_1Q, MACROPHAGES, MONTH, SLOW, Patient

#: Genes of proliferation lists on 1q: louder in every cell of a clone with a gain of 1q (science 4.2).
ON_1Q = ("NEK2", "CENPF", "CKS1B", "ASPM", "NUF2", "DTL", "KIF14")
#: Genes that cells at rest show as well.
SHOWN_AT_REST = {"TYMS": 0.04, "PCNA": 0.15, "HMGB2": 0.1, "MCM2": 0.02, "MCM3": 0.05, "MCM4": 0.05, "MCM5": 0.04,
                 "MCM6": 0.04, "MCM7": 0.08, "TK1": 0.04, "ZWINT": 0.03, "PCLAF": 0.02}  # fmt: skip
#: UMI per 2,000 of a gene in a resting and in a cycling cell; of an adhesion gene; of AXL and VCAM1.
REST, CYCLES, ADHESION, SPARSE = 0.002, 0.45, 0.12, 0.004
#: Dispersion of a gene's UMI; extra copies' response; how much more adhesion a clone at rest shows.
DISPERSION, RESPONSE, STICKY = 0.5, 0.8, 1.6


def cycling_share(patient: Patient, clone: int, day: int, base: float) -> float:
    """True share of cycling cells: what the clone's kind and growth ask for."""
    kind = patient.kinds[clone]
    if kind == DORMANT:
        return 0.0003 if day else base
    before = patient.burden[max(day - 30, 0), clone]
    growth = np.log(patient.burden[day, clone] / before) / (min(day, 30) / MONTH) if day else 0.0
    factor = {FAST: 2.0, SLOW: 1.0, CREEPING: 0.6}.get(kind, 0.8)
    return float(min(base * factor * (1 + 2 * max(growth, 0.0)), 0.3))


def state_tables(
    patient: Patient, sets: Mapping[str, Sequence[str]], place: Mapping[str, str], *, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame, dict[str, list[str]]]:
    """Depth per cell, counts (rows by cell), arms, true shares of cycling cells, and the sets that are asked.

    In "gain of 1q" the last clone has a gain of 1q and of 15q, and the cycling list holds genes of 1q besides. In
    "macrophage doublets" a quarter of the first clone's cells of the last day share their droplet with a macrophage.
    """
    rng = np.random.default_rng([seed, 77])
    cells = patient.cells["true"].sort_values("cell", kind="stable").reset_index(drop=True)
    n, k = len(cells), len(patient.clones)
    lists = {name: list(genes) for name, genes in sets.items()}
    where = dict(place)
    if patient.scenario == GAIN_1Q:
        lists["cycling"] += list(ON_1Q)
    genes = [g for of in lists.values() for g in of]
    depth = rng.lognormal(np.log(5000), 0.5, n)
    base = float(10.0 ** rng.uniform(-2.3, -1.5))
    own, day = cells["true"].to_numpy(), cells["day"].to_numpy()
    truth = pd.DataFrame(
        [
            {"clone": patient.clones[c], "day": d, "share": cycling_share(patient, c, d, base)}
            for c in range(k) for d in patient.days
        ]
    )  # fmt: skip
    shares = truth.set_index(["clone", "day"])["share"].to_dict()
    share = np.array([shares[patient.clones[c], d] if c >= 0 else 0.0005 for c, d in zip(own, day, strict=True)])
    cycles = rng.random(n) < share
    resting = np.array(
        [own_ >= 0 and patient.kinds[own_] == DORMANT and d > 0 for own_, d in zip(own, day, strict=True)]
    )
    rate = np.zeros((n, len(genes)))
    for j, gene in enumerate(genes):
        if gene in lists["cycling"]:
            rate[:, j] = np.where(cycles, CYCLES, SHOWN_AT_REST.get(gene, 0.03 if gene in ON_1Q else REST))
        elif gene in lists["persistence adhesion"]:
            rate[:, j] = ADHESION * np.where(resting, STICKY, 1.0)
        elif gene in lists["dormancy AXL VCAM1"]:
            rate[:, j] = SPARSE
        else:
            rate[:, j] = 0.01
    copies = {"chr1q": 4, "chr15q": 3} if patient.scenario == GAIN_1Q else {}
    for j, gene in enumerate(genes):
        if where.get(gene) in copies:
            rate[own == k - 1, j] *= 1 + RESPONSE * (copies[where[gene]] / 2 - 1)
    mean = rate * depth[:, None] / 2000
    # a macrophage in the droplet brings its own genes, those of adhesion and AXL among them
    if patient.scenario == MACROPHAGES:
        doublet = (own == 0) & (day == patient.days[-1]) & (rng.random(n) < 0.25)
        for j, gene in enumerate(genes):
            if gene in lists["macrophage"]:
                mean[doublet, j] += 2.0
            elif gene in lists["persistence adhesion"] or gene in lists["dormancy AXL VCAM1"]:
                mean[doublet, j] += 0.8
    counts = rng.poisson(mean * rng.gamma(1 / DISPERSION, DISPERSION, mean.shape))
    arms = pd.DataFrame(
        [
            {"clone": c, "chromosome": arm[:-1], "arm": arm[-1], "call": "gain" if s > 2 else "neutral", "state": s}
            for i, c in enumerate(patient.clones)
            for arm in ("chr1q", "chr15q", "chr7q")
            for s in (copies.get(arm, 2) if i == k - 1 else 2,)
        ]
    )  # fmt: skip
    return pd.Series(depth, index=cells["cell"]), pd.DataFrame(counts, columns=genes), arms, truth, lists
