"""Portraits of real and of simulated cells in the same numbers, and how far they are apart.

A portrait is a table of statistic, type, key, value. It holds summary statistics only, so that of
the real cells can be kept (``resources/simulate_fit.tsv``) where the data themselves cannot.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import scipy.sparse as sp

from ..resources import gene_table
from . import fit

COLUMNS: tuple[str, ...] = ("statistic", "type", "key", "value")
#: Distributions are kept as these percentiles; a distance between two of them is exact to about .01.
PERCENTILES = np.arange(1, 100)
#: Ranks at which the levels of the most expressed genes are kept.
RANKS = np.unique(np.geomspace(1, 10_000, 60).astype(int))
#: Kinds of cells between which windows of genes are looked at.
PAIRS: tuple[tuple[str, str], ...] = (
    ("cd4_t", "cd8_t"), ("nk", "cd8_t"), ("monocyte", "dendritic"), ("plasma", "cd4_t"),
)  # fmt: skip
#: Statistics that are distributions, and those that are kept by bin of a gene's mean.
DISTRIBUTIONS: tuple[str, ...] = ("umi", "genes", "ribosomal_share", "ln_cpm")
BY_BIN: tuple[str, ...] = ("zeros", "phi")
#: Dispersions are compared from this mean on.
DISPERSION_FROM = 0.3


def of_cells(counts: sp.csr_matrix, kind: str) -> pd.DataFrame:
    """Portrait of cells of one type from their (cells x G) counts."""
    umi, genes = fit.depth(counts)
    ribosomal = gene_table()["symbol"].str.match(r"^RP[LS]\d+[AXYL]*\d*$|^RPLP[012]$|^RPSA$").to_numpy()
    share = np.asarray(counts[:, ribosomal].sum(axis=1)).ravel() / umi
    rows = [_percentiles("umi", umi, kind), _percentiles("genes", genes, kind)]
    rows.append(_percentiles("ribosomal_share", share, kind))
    moments = fit.gene_moments(counts)
    for name in BY_BIN:
        table = fit.by_mean(moments, name)
        table.index = [f"{b.left:g} to {b.right:g}" for b in table.index]
        for column in ("low", "median", "high"):
            rows.append(_rows(f"{name}_{column}", kind, table[column]))
    rows.append(_rows("arm_excess", kind, fit.arm_excess(counts)))
    return pd.concat(rows, ignore_index=True)


def of_profile(profile: np.ndarray, kind: str) -> pd.DataFrame:
    """Portrait of a (G,) profile in CPM of non-Ig, non-mitochondrial UMIs."""
    ranked = np.sort(profile)[::-1]
    rows = [
        _percentiles("ln_cpm", fit.log_cpm(profile), kind),
        _rows("rank_cpm", kind, pd.Series(ranked[RANKS - 1], index=RANKS.astype(str))),
        _rows("genes_over", kind, pd.Series({str(x): float((profile > x).sum()) for x in (2, 10, 100, 1000)})),
    ]
    return pd.concat(rows, ignore_index=True)


def of_kinds(levels: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """What the genes of a region share between kinds of cells, from (G,) profiles by type."""
    rows = []
    for one, other in PAIRS:
        values = {
            "window_inflation": fit.window_inflation(levels[one], levels[other]),
            "neighbours": fit.neighbours(levels[one], levels[other]),
        }
        rows += [(name, f"{one} / {other}", "", value) for name, value in values.items()]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def value(portrait: pd.DataFrame, statistic: str, kind: str) -> pd.Series:
    """Values of a statistic by key."""
    rows = portrait[(portrait["statistic"] == statistic) & (portrait["type"] == kind)]
    return pd.Series(rows["value"].to_numpy(float), index=rows["key"].astype(str))


def compare(real: pd.DataFrame, simulated: pd.DataFrame) -> pd.DataFrame:
    """How far two portraits are apart.

    Returns
    -------
    DataFrame statistic, type, real, simulated (a typical value of each), distance, measure (what the distance is).
    """
    rows = []
    for statistic, kind in real[["statistic", "type"]].drop_duplicates().itertuples(index=False):
        a, b = value(real, statistic, kind), value(simulated, statistic, kind)
        if b.empty:
            continue
        if statistic in DISTRIBUTIONS:
            found, measure = fit.distance(a.to_numpy(), b.to_numpy()), "Kolmogorov-Smirnov"
            typical = [_at(x, "p50") for x in (a, b)]
        elif statistic == "rank_cpm":
            both = a.index.intersection(b.index)
            found, measure = float(np.abs(np.log(a[both] / b[both])).max()), "largest |ln ratio|"
            typical = [_at(x, "100") for x in (a, b)]
        elif statistic == "arm_excess":
            found, measure = float(b.mean() - a.mean()), "difference of means"
            typical = [float(a.mean()), float(b.mean())]
        elif statistic in ("window_inflation", "neighbours"):
            found, measure = float(b.iloc[0] - a.iloc[0]), "difference"
            typical = [float(a.iloc[0]), float(b.iloc[0])]
        else:
            if statistic.startswith("phi"):  # the moments of rarer genes are mostly noise
                a = a[[float(k.split(" ")[0]) >= DISPERSION_FROM for k in a.index]]
            both = a.index.intersection(b.index)
            found, measure = float(np.abs(a[both] - b[both]).max()), "largest |difference| over bins"
            typical = [float(a[both].median()), float(b[both].median())]
        rows.append((statistic, kind, *typical, found, measure))
    return pd.DataFrame(rows, columns=["statistic", "type", "real", "simulated", "distance", "measure"])


def _at(values: pd.Series, key: str) -> float:
    return float(values.get(key, values.median()))


def _percentiles(statistic: str, values: np.ndarray, kind: str) -> pd.DataFrame:
    found = np.percentile(values, PERCENTILES)
    return _rows(statistic, kind, pd.Series(found, index=[f"p{p}" for p in PERCENTILES]))


def _rows(statistic: str, kind: str, values: pd.Series) -> pd.DataFrame:
    return pd.DataFrame(
        {"statistic": statistic, "type": kind, "key": values.index.astype(str), "value": values.to_numpy()}
    )
