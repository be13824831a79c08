"""Immunoglobulin UMIs of plasma and B cells: one light chain, one isotype, one V gene each.

Normal plasma cells are polyclonal (kappa 60%, science 1.4); a tumour's cells share theirs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from ..resources import gene_table
from .events import lineage
from .streams import stream
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
#: Heavy-chain output of a tumour that makes light chains only, beside 1 [J]; science 1.4: near zero.
NO_HEAVY = 0.01


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
    """What a tumour's cells share: positions within :func:`ig_genes`, heavy and J-chain output.

    ``secretes_heavy`` is false in light-chain-only disease and after light-chain escape.
    """

    kappa: bool
    light: int
    light_v: int
    heavy: int
    heavy_v: int
    heavy_output: float
    jchain_output: float

    @property
    def secretes_heavy(self) -> bool:
        """Whether the heavy chain is secreted."""
        return self.heavy_output > NO_HEAVY


@dataclass(frozen=True)
class Receptors:
    """Rearrangements of ``n`` cells, an (n,) array each; fields as in :class:`Clonotype`."""

    kappa: np.ndarray
    light: np.ndarray
    light_v: np.ndarray
    heavy: np.ndarray
    heavy_v: np.ndarray
    heavy_output: np.ndarray
    jchain_output: np.ndarray


def draw_clonotype(light_chain: str, isotype: str, rng: np.random.Generator) -> Clonotype:
    """The tumour's rearrangement; J chain is often lost in IgG and light-chain disease (science 1.1)."""
    draw = polyclonal(1, rng)
    families = ig_genes()[1]
    names = TUMOUR_ISOTYPES[isotype]
    heavy = str(rng.choice(list(names), p=list(names.values())))
    lost = isotype in ("IgG", "light_chain_only") and rng.random() < 0.7
    light, light_v = _draw_light(light_chain, families, rng)
    return Clonotype(
        kappa=light_chain == "kappa",
        light=light,
        light_v=light_v,
        heavy=_row(heavy),
        heavy_v=int(draw.heavy_v[0]),
        heavy_output=NO_HEAVY if isotype == "light_chain_only" else 1.0,
        jchain_output=0.02 if lost else 1.0,
    )


def tumour_clonotypes(patient: Mapping[str, Any], *, name: str, seed: int) -> dict[str, Clonotype]:
    """Clone -> rearrangement of its cells.

    All clones share the tumour's, until one has a ``light_chain`` of its own (a second light
    chain was rearranged; the heavy chain stays) or has lost its heavy chain (``heavy: false``);
    its descendants inherit that.

    Parameters
    ----------
    patient
        a checked patient of the specification.
    """
    clones = patient["clones"]
    if not clones:
        return {}
    founder = draw_clonotype(patient["light_chain"], patient["isotype"], stream(seed, "ig", name))
    parents = {c: v["parent"] for c, v in clones.items()}
    out = {}
    for clone in clones:
        own = founder
        for ancestor in lineage(clone, parents):
            chain = clones[ancestor]["light_chain"]
            if chain and (chain == "kappa") != own.kappa:
                rng = stream(seed, "ig", name, ancestor, chain)
                light, light_v = _draw_light(chain, ig_genes()[1], rng)
                own = replace(own, kappa=chain == "kappa", light=light, light_v=light_v)
            if not clones[ancestor]["heavy"]:
                own = replace(own, heavy_output=NO_HEAVY)
        out[clone] = own
    return out


def clone_chains(patient: Mapping[str, Any]) -> dict[str, tuple[str, bool]]:
    """Clone -> its light chain, and whether it secretes a heavy chain."""
    clones = patient["clones"]
    parents = {c: v["parent"] for c, v in clones.items()}
    out = {}
    for clone in clones:
        kin = [clones[a] for a in lineage(clone, parents)]
        light = next((a["light_chain"] for a in reversed(kin) if a["light_chain"]), patient["light_chain"])
        out[clone] = (light, patient["isotype"] != "light_chain_only" and all(a["heavy"] for a in kin))
    return out


def polyclonal(n: int, rng: np.random.Generator) -> Receptors:
    """Rearrangements of ``n`` normal cells, each its own."""
    families = ig_genes()[1]
    kappa = rng.random(n) < KAPPA_SHARE
    lambdas = rng.choice([_row(g) for g in LAMBDA_GENES], size=n, p=list(LAMBDA_GENES.values()))
    return Receptors(
        kappa=kappa,
        light=np.where(kappa, _row("IGKC"), lambdas),
        light_v=np.where(kappa, rng.choice(families["IGKV"], size=n), rng.choice(families["IGLV"], size=n)),
        heavy=rng.choice([_row(g) for g in NORMAL_ISOTYPES], size=n, p=list(NORMAL_ISOTYPES.values())),
        heavy_v=rng.choice(families["IGHV"], size=n),
        heavy_output=np.ones(n),
        jchain_output=np.ones(n),
    )


def of_clones(clonotypes: Mapping[str, Clonotype], clone: Sequence[str]) -> Receptors:
    """Rearrangements of tumour cells, from the name of each cell's clone."""
    names = list(clonotypes)
    index = pd.Index(names).get_indexer(pd.Index(clone))
    return Receptors(
        **{f.name: np.array([getattr(clonotypes[c], f.name) for c in names])[index] for f in fields(Receptors)}
    )


def put(receptors: Receptors, rows: np.ndarray, others: Receptors) -> Receptors:
    """``receptors`` with those of ``rows`` ((n,) bool) taken from ``others``."""
    out = {}
    for field in fields(Receptors):
        out[field.name] = getattr(receptors, field.name).copy()
        out[field.name][rows] = getattr(others, field.name)
    return Receptors(**out)


def ig_weights(receptors: Receptors, rng: np.random.Generator) -> np.ndarray:
    """(n x Ig genes) shares of each cell's Ig UMIs; rows sum to 1."""
    n = receptors.kappa.size
    weights = np.zeros((n, ig_genes()[0].size))
    cells = np.arange(n)
    lambda_rows = np.array([_row(g) for g in LAMBDA_GENES])
    for part in ("light", "light_v", "heavy", "heavy_v"):
        size = PARTS[part] * (receptors.heavy_output if part.startswith("heavy") else 1.0)
        size = size * np.exp(rng.normal(0.0, 0.3, n))
        weights[cells, getattr(receptors, part)] += size
        if part == "light":
            leak = np.where(receptors.kappa, 0.0, size * LAMBDA_LEAK)
            weights[np.ix_(cells, lambda_rows)] += leak[:, None] * np.array(list(LAMBDA_GENES.values()))
    weights[:, _row("JCHAIN")] += PARTS["jchain"] * receptors.jchain_output * np.exp(rng.normal(0.0, 0.6, n))
    return weights / weights.sum(axis=1, keepdims=True)


def _row(symbol: str) -> int:
    return int(np.searchsorted(ig_genes()[0], positions()[symbol]))


def _draw_light(chain: str, families: Mapping[str, np.ndarray], rng: np.random.Generator) -> tuple[int, int]:
    """Constant and V gene of one light chain."""
    if chain == "kappa":
        return _row("IGKC"), int(rng.choice(families["IGKV"]))
    light = _row(str(rng.choice(list(LAMBDA_GENES), p=list(LAMBDA_GENES.values()))))
    return light, int(rng.choice(families["IGLV"]))
