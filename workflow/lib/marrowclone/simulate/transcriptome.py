"""Which genes are expressed how much in which cell type of the simulated marrow.

Levels of genes that name a cell type are fixed in ``resources/simulate_expression.tsv``; all
other levels are drawn. The parameters were fitted to summary statistics of real 10x data
(twelve summed cell-type profiles of the Human Cell Atlas, and 2,100 lymphoma cells):
``docs/simulate.md`` shows fit and data side by side. Lineage effects are spread over all
genes and correlated along the genome, so that normal plasma cells against immune cells
show false arm-level shifts, as real ones do (science 1.6).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from ..resources import RESOURCES, gene_table, read_resource
from .effects import NEIGHBOURS, Effects, build_effects, cell_fields, smooth
from .real_levels import read_profiles
from .streams import stream

#: Cell types of the simulated marrow, and the lineages whose effects they share, with sizes.
TYPES: dict[str, tuple[tuple[str, float], ...]] = {
    "plasma": (("b_lineage", 0.11), ("plasma", 0.34)),
    "b_cell": (("b_lineage", 0.11), ("b_cell", 0.30)),
    "cd4_t": (("t_nk", 0.32), ("t", 0.08), ("cd4_t", 0.10)),
    "cd8_t": (("t_nk", 0.32), ("t", 0.08), ("cd8_t", 0.10)),
    "nk": (("t_nk", 0.32), ("nk", 0.14)),
    "monocyte": (("myeloid", 0.30), ("monocyte", 0.15)),
    "macrophage": (("myeloid", 0.30), ("macrophage", 0.22)),
    "dendritic": (("myeloid", 0.26), ("dendritic", 0.19)),
    "pdc": (("pdc", 0.30),),
    "neutrophil": (("myeloid", 0.30), ("neutrophil", 0.26)),
    "erythroid": (("erythroid", 0.41),),
    "hspc": (("hspc", 0.30),),
    "stromal": (("stromal", 0.41),),
    "megakaryocyte": (("megakaryocyte", 0.36),),
}
#: Share of ribosomal-protein mRNA among non-Ig UMIs (fitted: T .30 in profiles and .36 in single cells; B .42,
#: plasma .24, monocyte .24, NK .22; rest [J]).
RIBOSOMAL: dict[str, float] = {
    "plasma": 0.24, "b_cell": 0.42, "cd4_t": 0.34, "cd8_t": 0.34, "nk": 0.22, "monocyte": 0.24, "macrophage": 0.16,
    "dendritic": 0.22, "pdc": 0.26, "neutrophil": 0.12, "erythroid": 0.10, "hspc": 0.30,
    "stromal": 0.18, "megakaryocyte": 0.12,
}  # fmt: skip
#: Fitted: ln CPM of expressed genes ~ Normal(2.75, 1.55); genes over 2, 30, 300 CPM: docs/simulate.md.
LOG_CPM = (2.75, 1.55)
#: Share of genes that some cell of the marrow expresses (of those in the real profiles .73 are seen in some type).
P_EXPRESSED = 0.66
P_EXPRESSED_NONCODING = 0.05
#: Non-coding genes that are seen lie an e-fold or two lower.
LOG_CPM_NONCODING = (0.9, 1.1)
#: Ratio between lineages: heavy-tailed (fitted: MAD-SD .67, SD 1.0 in ln between plasma and T cells).
TAIL_DF = 2.0
TAIL_LIMIT = 10.0
#: Part of a lineage's effect that neighbours on the genome share: SD in ln, over some 40 expressed genes.
REGIONAL_SD = 0.10
REGIONAL_GENES = 40
#: And over the few next ones: SD in ln (fitted: neighbours correlate .07 to .14 in ln ratios of real profiles).
LOCAL_SD = 0.18
#: Overdispersion (variance = mean + phi mean^2): median and ln SD; ribosomal genes vary less, beside
#: what all of them share (fitted: T cells, genes of .3 to 1 UMI, quartiles .23, .46, .85).
DISPERSION = (0.42, 0.7)
DISPERSION_RIBOSOMAL = 0.03
#: It falls with the level as (1 + CPM / 1500)^-.7 (fitted: T cells, genes of 3 to 10 UMIs .20, of more .13).
DISPERSION_LEVEL, DISPERSION_POWER = 1500.0, 0.7
#: Ribosomal genes: ln SD of their levels, and the part of a lineage's effect that they follow (fitted .7 and .1 to .3).
RIBOSOMAL_SD, RIBOSOMAL_LINEAGE = 0.65, 0.35
#: ln SD between cells of a type of what they spend on ribosomes (fitted: T cells, logit of the share .41).
RIBOSOMAL_CELL_SD = 0.38

_NONCODING = (
    r"^(?:A[CDFJLP]\d{5,}\.|LINC|BX\d|BX\d{6}|Z\d{5}|FP\d|CR\d|CU\d|U\d{5}|KC\d|FO\d|RP\d+-|CT[ABCD]-|MIR|SNOR|SCARNA|RNU|RNA5|TTTY)"
    r"|-AS\d*$|-DT$|-IT\d$|-OT\d$|\d+P\d*$"
)
#: Families that marrow cells do not express: smell and taste, keratins, testis, placenta, clustered protocadherins.
_SILENT = (
    r"^(?:OR\d+[A-Z]|TAS2R|VN1R|TAAR|KRT\d|KRTAP|LCE|SPRR|DEFB|USP17L|PRAMEF|GOLGA6|GOLGA8|SPANX|MAGE|GAGE|PAGE|XAGE"
    r"|SSX|CT45|CT47|TSPY|PCDH[ABG]|GJ[ABCD]\d|TBC1D3|CSH|PSG\d)"
)
_RIBOSOMAL = r"^RP[LS]\d+[AXYL]*\d*$|^RPLP[012]$|^RPSA$"


@dataclass(frozen=True)
class Transcriptome:
    """Expression of a normal marrow; ``G`` = genes of :func:`~marrowclone.resources.gene_table`.

    Attributes
    ----------
    levels
        cell type -> (G,) CPM of non-Ig, non-mitochondrial UMIs; sums to 1e6.
    dispersion
        (G,) phi of the gamma-Poisson.
    programmes
        programme -> (gene positions, ln weights).
    modules
        unnamed co-expression modules and the ribosomal one, in the same form; cells have normal scores on them.
    effects
        how patients, clones and captures differ in all genes.
    cell_fields
        (fields x G) ln weights of a cell's own activity along the genome; (0 x G) where it has none.
    """

    levels: dict[str, np.ndarray]
    dispersion: np.ndarray
    programmes: dict[str, tuple[np.ndarray, np.ndarray]]
    modules: list[tuple[np.ndarray, np.ndarray]]
    effects: Effects
    cell_fields: np.ndarray


@cache
def positions() -> dict[str, int]:
    """Symbol -> row of the gene table."""
    return {s: i for i, s in enumerate(gene_table()["symbol"])}


def at(symbols: Sequence[str]) -> np.ndarray:
    """Rows of the gene table of these symbols."""
    return np.array([positions()[s] for s in symbols], dtype=int)


@cache
def drivers() -> dict[str, dict[str, float]]:
    """Subtype -> {driver gene: CPM in its tumours}."""
    table = read_resource(RESOURCES / "simulate_drivers.tsv")
    return {
        str(k): dict(zip(v["symbol"], v["cpm"].astype(float), strict=True))
        for k, v in table.groupby("subtype", sort=False)
    }


def build_transcriptome(
    seed: int, *, n_modules: int = 12, expression: Mapping[str, Any] | None = None
) -> Transcriptome:
    """Draw the transcriptome of a cohort; depends on ``seed`` and the settings only.

    Parameters
    ----------
    expression
        checked keys of ``expression``; of these ``profiles``, ``correlated`` and ``cell_regional_sd`` matter here.
        With ``profiles``, the types of the table have its levels, other types depart from the mean of these by
        drawn lineage effects, and genes that it lacks keep their drawn levels.
    """
    settings = {"profiles": "", "correlated": 0.0, "cell_regional_sd": 0.0, **(expression or {})}
    genes = gene_table()
    base = _base_levels(genes, seed)
    nuclear = ((genes["locus"] != "ig") & (genes["chromosome"] != "chrM")).to_numpy()
    ribosomal = genes["symbol"].str.match(_RIBOSOMAL).to_numpy() & nuclear
    fixed = _fixed_levels(len(genes))
    real = read_profiles(settings["profiles"]) if settings["profiles"] else None
    if real is not None:
        base = np.where(real.known, real.pooled, base * (nuclear & ~real.known))
    effects = {name: _lineage_effect(base > 0, seed, name) for parts in TYPES.values() for name, _ in parts}
    levels = {}
    for name, parts in TYPES.items():
        deviation = sum((size * effects[lineage] for lineage, size in parts), np.zeros(len(genes)))
        deviation[ribosomal] *= RIBOSOMAL_LINEAGE
        level = np.where(nuclear, base * np.exp(deviation), 0.0)
        given = real is not None and name in real.levels
        if real is not None and given:
            level[real.known] = real.levels[name][real.known]
        pinned = ~np.isnan(fixed[name])
        level[pinned] = fixed[name][pinned]
        rest = nuclear & ~pinned & ~ribosomal
        share = level[ribosomal].sum() / 1e6 if given else RIBOSOMAL[name]
        level[ribosomal] *= 1e6 * share / level[ribosomal].sum()
        level[rest] *= max(1e5, 1e6 * (1 - share) - level[pinned].sum()) / level[rest].sum()
        levels[name] = 1e6 * level / level.sum()
    rng = stream(seed, "dispersion")
    dispersion = DISPERSION[0] * np.exp(rng.normal(0.0, DISPERSION[1], len(genes)))
    dispersion *= (1.0 + np.mean(list(levels.values()), axis=0) / DISPERSION_LEVEL) ** -DISPERSION_POWER
    dispersion = np.clip(dispersion, 0.05, 2.5)
    dispersion[ribosomal] = DISPERSION_RIBOSOMAL
    rows = np.flatnonzero(ribosomal)
    modules = [*_modules(base > 0, seed, n_modules), (rows, np.full(rows.size, RIBOSOMAL_CELL_SD))]
    return Transcriptome(
        levels,
        dispersion,
        _programmes(),
        modules,
        build_effects(base > 0, seed, settings["correlated"]),
        cell_fields(base > 0, seed, settings["cell_regional_sd"]),
    )


def _base_levels(genes: pd.DataFrame, seed: int) -> np.ndarray:
    """(G,) CPM before any lineage effect; 0 for genes that no cell of the marrow expresses."""
    rng = stream(seed, "genes")
    noncoding = genes["symbol"].str.contains(_NONCODING, regex=True).to_numpy()
    silent = genes["symbol"].str.match(_SILENT).to_numpy()
    ribosomal = genes["symbol"].str.match(_RIBOSOMAL).to_numpy()
    draw, z = rng.random(len(genes)), rng.standard_normal(len(genes))
    level = np.exp(LOG_CPM[0] + LOG_CPM[1] * z)
    level[noncoding] = np.exp(LOG_CPM_NONCODING[0] + LOG_CPM_NONCODING[1] * z[noncoding])
    level[ribosomal] = np.exp(RIBOSOMAL_SD * z[ribosomal])  # scaled to their share later
    expressed = (draw < np.where(noncoding, P_EXPRESSED_NONCODING, P_EXPRESSED)) & ~silent | ribosomal
    return np.where(expressed, level, 0.0)


def _lineage_effect(expressed: np.ndarray, seed: int, lineage: str) -> np.ndarray:
    """(G,) ln effect of a lineage at size 1: heavy-tailed per gene, plus a regional part."""
    rng = stream(seed, "lineage", lineage)
    effect = np.clip(rng.standard_t(TAIL_DF, expressed.size), -TAIL_LIMIT, TAIL_LIMIT)
    where = np.flatnonzero(expressed)
    # the typical size of a lineage is .3
    effect[where] += REGIONAL_SD / 0.3 * smooth(where.size, REGIONAL_GENES, rng)
    effect[where] += LOCAL_SD / 0.3 * smooth(where.size, NEIGHBOURS, stream(seed, "lineage", lineage, "local"))
    return effect


def _fixed_levels(n_genes: int) -> dict[str, np.ndarray]:
    """Cell type -> (G,) CPM of pinned genes, NaN for all others and where the table says ``drawn``."""
    table = read_resource(RESOURCES / "simulate_expression.tsv")
    rows = at(list(table["symbol"]))
    out = {}
    parsed = [dict(part.split(":") for part in text.split(",")) for text in table["levels"]]
    elsewhere = pd.to_numeric(table["elsewhere"].replace("drawn", np.nan))
    for name in TYPES:
        out[name] = np.full(n_genes, np.nan)
        out[name][rows] = [float(p.get(name, e)) for p, e in zip(parsed, elsewhere, strict=True)]
    return out


def _programmes() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    table = read_resource(RESOURCES / "simulate_programmes.tsv")
    return {
        str(k): (at(list(v["symbol"])), v["weight"].to_numpy(float)) for k, v in table.groupby("programme", sort=False)
    }


def _modules(expressed: np.ndarray, seed: int, n: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Unnamed modules of 250 genes each: correlated noise that is not of the model's own kind."""
    out = []
    for i in range(n):
        rng = stream(seed, "module", str(i))
        rows = np.sort(rng.choice(np.flatnonzero(expressed), size=250, replace=False))
        out.append((rows, rng.normal(0.0, 0.25, rows.size)))
    return out
