"""Immunoglobulin UMIs of plasma and B cells: one light chain, one isotype, one V gene each.

Normal plasma cells are polyclonal (kappa 60%, science 1.4); a tumour's cells share theirs.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from ..resources import gene_table
from .transcriptome import positions

#: Kappa share of normal plasma cells (science 1.4; range .5 to .7).
KAPPA_SHARE = 0.60
#: Isotypes of normal marrow plasma cells [J]: gene -> share.
NORMAL_ISOTYPES: dict[str, float] = {
    "IGHG1": 0.33, "IGHG2": 0.12, "IGHG3": 0.05, "IGHG4": 0.03, "IGHA1": 0.28, "IGHA2": 0.11, "IGHM": 0.07,
    "IGHD": 0.01,
}  # fmt: skip
#: Heavy-chain genes of a tumour's isotype, of which it has one [J shares].
TUMOUR_ISOTYPES: dict[str, dict[str, float]] = {
    "IgG": {"IGHG1": 0.6, "IGHG2": 0.2, "IGHG3": 0.1, "IGHG4": 0.1},
    "IgA": {"IGHA1": 0.75, "IGHA2": 0.25},
    "IgM": {"IGHM": 1.0},
    "IgD": {"IGHD": 1.0},
    "light_chain_only": {"IGHG1": 1.0},
}
LAMBDA_GENES: dict[str, float] = {"IGLC1": 0.18, "IGLC2": 0.42, "IGLC3": 0.35, "IGLC7": 0.05}
#: What a plasma cell's Ig UMIs consist of [J]; the heavy V gene survives poorly in 3' libraries (science 1.4).
PARTS: dict[str, float] = {"light": 0.38, "light_v": 0.12, "heavy": 0.30, "heavy_v": 0.04, "jchain": 0.16}
#: Reads of one lambda gene that land on its near-identical neighbours (science 1.4).
LAMBDA_LEAK = 0.15


@cache
def ig_genes() -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Rows of all ``locus == ig`` genes, and within them the functional-looking V genes by chain."""
    genes = gene_table()
    rows = np.flatnonzero((genes["locus"] == "ig").to_numpy())
    symbols = genes["symbol"].to_numpy()[rows]
    families = {}
    for chain in ("IGKV", "IGLV", "IGHV"):
        families[chain] = np.array(
            [i for i, s in enumerate(symbols) if s.startswith(chain) and "OR" not in s and s.count("-") == 1], dtype=int
        )
    return rows, families


@dataclass(frozen=True)
class Clonotype:
    """What a tumour's cells share: positions within :func:`ig_genes`, heavy and J-chain output."""

    kappa: bool
    light: int
    light_v: int
    heavy: int
    heavy_v: int
    heavy_output: float
    jchain_output: float


def draw_clonotype(light_chain: str, isotype: str, rng: np.random.Generator) -> Clonotype:
    """The tumour's rearrangement; J chain is often lost in IgG and light-chain disease (science 1.1)."""
    draw = _draw_ig(1, rng)
    kappa = light_chain == "kappa"
    families = ig_genes()[1]
    names = TUMOUR_ISOTYPES[isotype]
    heavy = str(rng.choice(list(names), p=list(names.values())))
    lost = isotype in ("IgG", "light_chain_only") and rng.random() < 0.7
    return Clonotype(
        kappa=kappa,
        light=_row("IGKC") if kappa else _row(str(rng.choice(list(LAMBDA_GENES), p=list(LAMBDA_GENES.values())))),
        light_v=int(rng.choice(families["IGKV" if kappa else "IGLV"])),
        heavy=_row(heavy),
        heavy_v=int(draw["heavy_v"][0]),
        heavy_output=0.01 if isotype == "light_chain_only" else 1.0,
        jchain_output=0.02 if lost else 1.0,
    )


def ig_weights(n: int, clonotype: Clonotype | None, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Shares of Ig UMIs per cell.

    Parameters
    ----------
    n
        number of cells.
    clonotype
        of a tumour's cells; None for polyclonal cells.

    Returns
    -------
    (n x Ig genes) weights that sum to 1 per row, and (n,) whether the cell is kappa.
    """
    if clonotype is None:
        draw = _draw_ig(n, rng)
        heavy_output = jchain_output = np.ones(n)
    else:
        draw = {k: np.full(n, getattr(clonotype, k)) for k in ("kappa", "light", "light_v", "heavy", "heavy_v")}
        heavy_output, jchain_output = np.full(n, clonotype.heavy_output), np.full(n, clonotype.jchain_output)
    weights = np.zeros((n, ig_genes()[0].size))
    cells = np.arange(n)
    lambda_rows = np.array([_row(g) for g in LAMBDA_GENES])
    for part, column in (("light", "light"), ("light_v", "light_v"), ("heavy", "heavy"), ("heavy_v", "heavy_v")):
        size = PARTS[part] * (heavy_output if part.startswith("heavy") else 1.0)
        size = size * np.exp(rng.normal(0.0, 0.3, n))
        weights[cells, draw[column].astype(int)] += size
        if part == "light":
            leak = np.where(draw["kappa"].astype(bool), 0.0, size * LAMBDA_LEAK)
            weights[np.ix_(cells, lambda_rows)] += leak[:, None] * np.array(list(LAMBDA_GENES.values()))
    weights[:, _row("JCHAIN")] += PARTS["jchain"] * jchain_output * np.exp(rng.normal(0.0, 0.6, n))
    return weights / weights.sum(axis=1, keepdims=True), draw["kappa"].astype(bool)


def _row(symbol: str) -> int:
    return int(np.searchsorted(ig_genes()[0], positions()[symbol]))


def _draw_ig(n: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Polyclonal rearrangements of ``n`` cells."""
    families = ig_genes()[1]
    kappa = rng.random(n) < KAPPA_SHARE
    lambdas = rng.choice([_row(g) for g in LAMBDA_GENES], size=n, p=list(LAMBDA_GENES.values()))
    return {
        "kappa": kappa,
        "light": np.where(kappa, _row("IGKC"), lambdas),
        "light_v": np.where(kappa, rng.choice(families["IGKV"], size=n), rng.choice(families["IGLV"], size=n)),
        "heavy": rng.choice([_row(g) for g in NORMAL_ISOTYPES], size=n, p=list(NORMAL_ISOTYPES.values())),
        "heavy_v": rng.choice(families["IGHV"], size=n),
    }
