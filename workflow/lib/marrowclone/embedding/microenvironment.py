"""What lies beside the tumour, per sample: shares, log-ratios, programmes (science 9.3). Exploratory.

A row is about one sample and carries the interval of what its cells can say; samples of one patient are no
replicates of each other, and cells none of patients: in a test n is the number of patients.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse, special, stats

from ..keys import CELL_TYPES, PLASMA, TABLES, UNRESOLVED

ERYTHROID = "erythroid"
#: Parts of the composition. Fixed, so that a sample's log-ratios do not depend on the cohort; megakaryocytes,
#: eosinophils, basophils, mast cells and stroma are left out: 10x libraries of aspirates have next to none
#: (science 1.1).
PARTS: tuple[str, ...] = (
    "cd4_t", "cd8_t", "innate_t", "nk", "b_cell", "pre_b", "monocyte", "macrophage", "dendritic", "pdc",
    "neutrophil", "hspc",
)  # fmt: skip
#: Measure -> types that it is a share of, types counted, states counted (empty: all).
SHARES: dict[str, tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    "cd8_exhausted_share": (("cd8_t",), ("cd8_t",), ("exhausted",)),
    "treg_share": (("cd4_t",), ("cd4_t",), ("treg",)),
    "naive_t_share": (("cd4_t", "cd8_t"), ("cd4_t", "cd8_t"), ("naive",)),
    "cd16_monocyte_share": (("monocyte",), ("monocyte",), ("cd16",)),
    "macrophage_share": (("monocyte", "macrophage"), ("macrophage",), ()),
    "b_precursor_share": (("b_cell", "pre_b"), ("pre_b",), ()),
}
RATIO_GENES = ("GZMK", "GZMB")
#: Draws made at a time: bounds the memory of the bootstrap's weights.
DRAWS = 20
#: A programme of which the capture measured a smaller share of genes is missing. [J]
LEAST_MEASURED = 0.5


@dataclass(frozen=True)
class Measure:
    """One row's numbers; NaN is missing."""

    name: str
    value: float = float("nan")
    lower: float = float("nan")
    upper: float = float("nan")
    n: float = float("nan")
    note: str = ""


def measure_names(programmes: pd.DataFrame) -> list[str]:
    """All measures, in the table's order."""
    others = [t for t in CELL_TYPES if t not in (PLASMA, ERYTHROID)]
    return [
        *(f"clr.{t}" for t in PARTS),
        *(f"share.{t}" for t in [*others, UNRESOLVED]),
        *SHARES,
        "cd4_cd8_ratio",
        "gzmk_gzmb_ratio",
        *dict.fromkeys(programmes["programme"]),
    ]


def jeffreys(k: int, n: int) -> tuple[float, float, float]:
    """Share k/n with its Jeffreys 95% interval; the ends are 0 and 1 where k is 0 and n (Brown 2001)."""
    lower = 0.0 if k == 0 else float(stats.beta.ppf(0.025, k + 0.5, n - k + 0.5))
    upper = 1.0 if k == n else float(stats.beta.ppf(0.975, k + 0.5, n - k + 0.5))
    return k / n, lower, upper


def clr(counts: np.ndarray, pseudocount: float, rng: np.random.Generator, n_draws: int = 4000) -> np.ndarray:
    """Centred log-ratios under the Dirichlet posterior of the shares: mean and 95% interval.

    A prior of ``pseudocount`` per part replaces zeros; ln(gamma) has digamma as its mean. As ALDEx2 does (Fernandes
    2014, doi 10.1186/2049-2618-2-15): the log-ratio of the counts plus a half would lie at the edge of its own
    interval where several parts are empty.

    Returns
    -------
    array, parts x (value, lower, upper), natural logarithm.
    """
    alpha = np.asarray(counts, dtype=float) + pseudocount
    value = special.digamma(alpha) - special.digamma(alpha).mean()
    draws = np.log(np.maximum(rng.gamma(alpha, size=(n_draws, len(alpha))), 1e-300))
    draws -= draws.mean(axis=1, keepdims=True)
    return np.column_stack([value, *np.quantile(draws, [0.025, 0.975], axis=0)])


def resampled(umi: np.ndarray, rng: np.random.Generator, n_draws: int) -> Iterator[np.ndarray]:
    """Sums over cells of resamples of the cells: blocks of draws x columns. Cells must be in a fixed order."""
    n = len(umi)
    for start in range(0, n_draws, DRAWS):
        size = min(DRAWS, n_draws - start)
        yield rng.multinomial(n, np.full(n, 1.0 / n), size=size).astype(float) @ umi


def _programme(sums: np.ndarray) -> np.ndarray:
    """Mean over genes of log2(1 + per 10,000); the last column is the non-Ig UMIs."""
    result: np.ndarray = np.log2(1 + 1e4 * sums[..., :-1] / np.maximum(sums[..., -1:], 1.0)).mean(axis=-1)
    return result


def _ratio(sums: np.ndarray) -> np.ndarray:
    """First column over the second, half a molecule added to each."""
    result: np.ndarray = (sums[..., 0] + 0.5) / (sums[..., 1] + 0.5)
    return result


def _generator(seed: int, sample: str, name: str) -> np.random.Generator:
    """A generator of one sample's measure: other samples change nothing."""
    text = f"{seed}\0{sample}\0{name}".encode()
    return np.random.default_rng(int.from_bytes(hashlib.sha256(text).digest()[:8], "big"))


def _interval(
    name: str, umi: np.ndarray, statistic: Any, settings: Mapping[str, Any], seed: int, sample: str
) -> Measure:
    """A statistic of sums over cells, with its percentile bootstrap interval over cells."""
    draws = resampled(umi, _generator(seed, sample, name), settings["n_bootstrap"])
    spread = np.concatenate([np.atleast_1d(statistic(block)) for block in draws])
    lower, upper = np.quantile(spread, [0.025, 0.975])
    return Measure(name, float(statistic(umi.sum(axis=0))), float(lower), float(upper), len(umi))


def _few(name: str, n: int, least: int, what: str) -> Measure:
    return Measure(name, n=n, note=f"{n} {what} (fewer than {least})")


def _composition(cells: pd.DataFrame, settings: Mapping[str, Any], seed: int, sample: str) -> Iterator[Measure]:
    """Log-ratios and shares of the resolved cells that are neither the tumour's, plasma nor erythroid."""
    resolved = cells[cells["cell_type"] != UNRESOLVED]
    n, least = len(resolved), settings["min_cells"]
    size = resolved["cell_type"].value_counts()
    counts = np.array([int(size.get(t, 0)) for t in PARTS])
    enough = n >= least
    ratios = clr(counts, settings["pseudocount"], _generator(seed, sample, "clr"))
    for t, k, row in zip(PARTS, counts, ratios, strict=True):
        note = "no such cell: the value is the prior's" if k == 0 else ""
        value, lower, upper = (float(v) for v in row)
        yield Measure(f"clr.{t}", value, lower, upper, n, note) if enough else _few(f"clr.{t}", n, least, "cells")
    for t in (t for t in CELL_TYPES if t not in (PLASMA, ERYTHROID)):
        k = int(size.get(t, 0))
        yield Measure(f"share.{t}", *jeffreys(k, n), n=n) if enough else _few(f"share.{t}", n, least, "cells")
    k, n = int((cells["cell_type"] == UNRESOLVED).sum()), len(cells)
    name = f"share.{UNRESOLVED}"
    yield Measure(name, *jeffreys(k, n), n=n) if n >= least else _few(name, n, least, "cells")


def _shares(cells: pd.DataFrame, settings: Mapping[str, Any]) -> Iterator[Measure]:
    """Shares within types, and CD4:CD8."""
    least = settings["min_cells"]
    for name, (base, types, states) in SHARES.items():
        n = int(cells["cell_type"].isin(base).sum())
        counted = cells["cell_type"].isin(types) & (cells["cell_state"].isin(states) if states else True)
        k = int(counted.sum())
        unknown = int((cells["cell_type"].isin(base) & (cells["cell_state"] == "")).sum()) if states else 0
        note = f"{unknown} cells without a state count as not" if unknown else ""
        yield Measure(name, *jeffreys(k, n), n=n, note=note) if n >= least else _few(name, n, least, ", ".join(base))
    n4, n8 = (int((cells["cell_type"] == t).sum()) for t in ("cd4_t", "cd8_t"))
    if n4 + n8 < least:
        yield _few("cd4_cd8_ratio", n4 + n8, least, "cd4_t, cd8_t")
        return
    _, lower, upper = jeffreys(n4, n4 + n8)
    with np.errstate(divide="ignore"):
        ends = [float(np.divide(p, 1 - p)) if p < 1 else float("nan") for p in (lower, upper)]
    note = "no CD8 T cell: no upper end" if n8 == 0 else ""
    yield Measure("cd4_cd8_ratio", (n4 + 0.5) / (n8 + 0.5), ends[0], ends[1], n4 + n8, note)


def measure_sample(
    counts: ad.AnnData,
    cells: pd.DataFrame,
    programmes: pd.DataFrame,
    *,
    measured: pd.Series,
    settings: Mapping[str, Any],
    seed: int,
    sample: str,
) -> list[Measure]:
    """All measures of one unsorted sample.

    Parameters
    ----------
    counts
        X CSR counts of at least the programmes' genes and :data:`RATIO_GENES`, rows as ``cells``.
    cells
        the sample's cells beside the tumour (no plasma, tumour-type or erythroid cell), in a fixed order: cell_type,
        cell_state, n_umi_non_ig.
    measured
        index symbol: whether the sample's file measured the gene.
    """
    kind = cells["cell_type"].to_numpy()
    n_umi = cells["n_umi_non_ig"].to_numpy(dtype=float)
    x = sparse.csc_matrix(counts.X)

    def columns(genes: list[str], rows: np.ndarray) -> np.ndarray:
        """cells x (genes, non-Ig UMIs)."""
        dense = x[:, counts.var_names.get_indexer(pd.Index(genes))][rows].toarray().astype(float)
        return np.column_stack([dense, n_umi[rows]])

    found = [*_composition(cells, settings, seed, sample), *_shares(cells, settings)]
    rows = np.flatnonzero(kind == "cd8_t")
    name, least = "gzmk_gzmb_ratio", settings["min_cells"]
    if not all(measured.get(g, False) for g in RATIO_GENES):
        found.append(Measure(name, n=len(rows), note="GZMK or GZMB was not measured"))
    elif len(rows) < least:
        found.append(_few(name, len(rows), least, "cd8_t"))
    else:
        found.append(_interval(name, columns(list(RATIO_GENES), rows), _ratio, settings, seed, sample))
    for key, table in programmes.groupby(["programme", "cell_types"], sort=False):
        name, types = map(str, key)
        rows = np.flatnonzero(np.isin(kind, types.split(",")))
        genes = [g for g in table["symbol"] if g in counts.var_names and measured.get(g, False)]
        least = settings["min_cells_stromal"] if types == "stromal" else settings["min_cells"]
        if len(genes) < LEAST_MEASURED * len(table):
            found.append(Measure(name, n=len(rows), note=f"{len(genes)} of {len(table)} genes were measured"))
        elif len(rows) < least:
            found.append(_few(name, len(rows), least, types.replace(",", ", ")))
        else:
            found.append(_interval(name, columns(genes, rows), _programme, settings, seed, sample))
    return found


def measure_microenvironment(
    counts: ad.AnnData,
    cells: pd.DataFrame,
    programmes: pd.DataFrame,
    *,
    samples: pd.DataFrame,
    measured: pd.DataFrame,
    settings: Mapping[str, Any],
    seed: int,
) -> pd.DataFrame:
    """The table of ``results/embedding/microenvironment.tsv``.

    A sample sorted for or against CD138 has all its rows, each missing: what the sorting left says nothing about the
    marrow, and is not zero (science 9.3). Blood is measured and flagged.

    Parameters
    ----------
    counts
        X CSR counts of the genes needed, rows as ``cells``.
    cells
        index cell: sample, cell_type, cell_state, is_plasma, is_tumour_type, n_umi_non_ig.
    samples
        index sample: patient, timepoint, day, compartment, sort.
    measured
        samples x genes: whether the sample's file measured the gene.

    Returns
    -------
    DataFrame, columns of ``keys.TABLES["embedding.microenvironment"]``: a row per sample and measure. Shares and
    ratios of cells carry Jeffreys 95% intervals, log-ratios those of the Dirichlet posterior, scores and the GZMK:GZMB
    ratio those of a bootstrap over cells.
    """
    beside = ~(
        cells["is_plasma"].astype(bool) | cells["is_tumour_type"].astype(bool) | (cells["cell_type"] == ERYTHROID)
    )
    rows = []
    for sample, facts in zip(samples.index.astype(str), samples.to_dict("records"), strict=True):
        blood = "blood, not marrow" if facts["compartment"] == "PB" else ""
        if facts["sort"] not in ("", "none"):
            note = f"{facts['sort']} sorted: missing, not zero"
            found = [Measure(name, note=note) for name in measure_names(programmes)]
        else:
            mine = np.flatnonzero((cells["sample"] == sample).to_numpy() & beside.to_numpy())
            mine = mine[np.argsort(cells.index[mine].to_numpy())]
            found = measure_sample(
                counts[mine], cells.iloc[mine], programmes,
                measured=measured.loc[sample], settings=settings, seed=seed, sample=sample,
            )  # fmt: skip
        for one in found:
            note = "; ".join(filter(None, [blood, one.note]))
            rows.append(
                [sample, facts["patient"], facts["timepoint"], facts["day"], facts["compartment"], facts["sort"],
                 one.name, one.value, one.lower, one.upper, one.n, note]
            )  # fmt: skip
    table = pd.DataFrame(rows, columns=list(TABLES["embedding.microenvironment"]))
    table["n"] = table["n"].astype("Int64")
    return table
