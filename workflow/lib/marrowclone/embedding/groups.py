"""Groups of plasma cells: are they one clone's? Light chain, isotype, V gene and clonotype of each (science 1.4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy import special, stats

from ..cells import light_chain
from ..keys import TABLES
from .receptor import ISOTYPES, NO_HEAVY

#: Prior of the kappa share of normal plasma cells (science 1.4).
KAPPA_PRIOR = (60.0, 40.0)
#: Most cells by which one donor counts: donors differ (0.5 to 0.7), their cells do not settle it [J].
MOST_PER_DONOR = 50
#: UMIs by which one cell counts at most when a group's V genes are summed [J]: one large cell is no clone.
MOST_V_UMIS = 20.0
SAMPLE, TIMEPOINT, CLUSTER, V_GENE = "sample", "timepoint", "cluster", "v_gene"


def kappa_share(donors: pd.DataFrame) -> tuple[float, float, str]:
    """Beta parameters of the kappa share of normal plasma cells, and where they come from.

    Parameters
    ----------
    donors
        patient, light_chain: plasma cells of healthy donors. Each donor counts by at most 50 cells.
    """
    a, b = KAPPA_PRIOR
    called = donors[donors["light_chain"].isin([light_chain.KAPPA, light_chain.LAMBDA])]
    if called.empty:
        return a, b, "Beta(60, 40)"
    is_kappa = called["light_chain"] == light_chain.KAPPA
    by_donor = is_kappa.groupby(called["patient"]).agg(["sum", "size"])
    weight = np.minimum(by_donor["size"], MOST_PER_DONOR) / by_donor["size"]
    a += float((weight * by_donor["sum"]).sum())
    b += float((weight * (by_donor["size"] - by_donor["sum"])).sum())
    return a, b, f"Beta(60, 40) and {len(called)} plasma cells of {len(by_donor)} healthy donors"


def chance_of(k: int, n: int, a: float, b: float) -> tuple[float, float]:
    """P(at least k of n cells have the chain) in polyclonal cells: with its share known, and over its Beta(a, b).

    20 of 20 kappa with a share of 0.6: 3.7e-5 (science 1.4).
    """
    if n == 0:
        return float("nan"), float("nan")
    known = float(stats.binom.sf(k - 1, n, a / (a + b)))
    return known, float(min(1.0, stats.betabinom.sf(k - 1, n, a, b)))


def v_usage(light_v: pd.DataFrame, chain: str) -> tuple[str, float, float]:
    """Dominant light V gene of a group, its share of the V UMIs, and the normalised Shannon entropy.

    A cell counts by at most :data:`MOST_V_UMIS`. The entropy is divided by the log of the number of V genes of the
    chain's locus that could be seen, not of those that were: else it would depend on depth.
    """
    locus = "IGKV" if chain == light_chain.KAPPA else "IGLV"
    table = light_v.loc[:, light_v.columns.str.startswith(locus)]
    if table.empty or not len(table.columns):
        return "", float("nan"), float("nan")
    values = table.to_numpy()
    total = values.sum(axis=1, keepdims=True)
    used = (values * np.minimum(1.0, MOST_V_UMIS / np.maximum(total, 1e-9))).sum(axis=0)
    if used.sum() <= 0:
        return "", float("nan"), float("nan")
    share = used / used.sum()
    entropy = float(-special.xlogy(share, share).sum() / np.log(max(len(share), 2)))
    return str(table.columns[share.argmax()]), float(share.max()), entropy


def test_groups(cells: pd.DataFrame, light_v: pd.DataFrame, settings: Mapping[str, Any], *, a: float, b: float,
                patient: str) -> pd.DataFrame:  # fmt: skip
    """One row per sample, timepoint, cluster (of each timepoint) and expanded V gene (of each timepoint).

    Parameters
    ----------
    cells
        a row per cell of :func:`~.receptor.cell_table`, with clonotype and clonotype_dominant.
    light_v
        the same rows x light V genes: UMIs above soup.
    a, b
        of :func:`kappa_share`.

    Returns
    -------
    DataFrame of ``keys.TABLES["embedding.groups"]``. ``verdict``: restricted, polyclonal, unclear, untested (the
    light chain); for ``v_gene`` expanded or unclear (the chain is given there). ``flags`` names what follows from
    several rows: a switch of the light chain between timepoints, two clones of different chains at one.
    """
    rows = []
    timepoints = cells[["timepoint", "day"]].drop_duplicates().sort_values(["day", "timepoint"], kind="stable")
    for name, part in cells.groupby("sample", sort=True):
        rows.append(_row(SAMPLE, str(name), part, light_v, settings, a, b))
    for timepoint in dict.fromkeys(timepoints["timepoint"]):
        part = cells[cells["timepoint"] == timepoint]
        rows.append(_row(TIMEPOINT, str(timepoint), part, light_v, settings, a, b))
        for name, inside in part.groupby("cluster", sort=True):
            rows.append(_row(CLUSTER, str(name), inside, light_v, settings, a, b))
        for gene, k, n, p in _expanded_v(part, settings):
            row = _row(V_GENE, gene, part[part["v_light"] == gene], light_v, settings, a, b)
            # how many cells have this V gene says more than their light chain, which it implies
            lower, upper = _jeffreys(k, n)
            row |= {"n_called": n, "share": k / n, "lower": lower, "upper": upper, "p": p, "llr": np.nan,
                    "p_integrated": np.nan, "verdict": "expanded"}  # fmt: skip
            rows.append(row)
    table = pd.DataFrame(rows, columns=list(TABLES["embedding.groups"])).assign(patient=patient)
    return _flagged(table)


def _expanded_v(part: pd.DataFrame, settings: Mapping[str, Any]) -> list[tuple[str, int, int, float]]:
    """Light V genes that more of a timepoint's plasma cells have than any has in a polyclonal marrow: gene, k, n, p."""
    known = part.loc[part["v_light"] != "", "v_light"]
    found = []
    if len(known) >= settings["min_cells"]:
        for gene, k in known.value_counts().sort_index().items():
            p = float(stats.binom.sf(k - 1, len(known), settings["max_normal_v_share"]))
            if _jeffreys(int(k), len(known))[0] > settings["max_normal_v_share"] and p < settings["max_v_p"]:
                found.append((str(gene), int(k), len(known), p))
    return sorted(found, key=lambda f: (-f[1], f[0]))


def _jeffreys(k: int, n: int) -> tuple[float, float]:
    lower, upper = (float(stats.beta.ppf(q, k + 0.5, n - k + 0.5)) for q in (0.025, 0.975))
    return lower, upper


def _row(
    kind: str, name: str, part: pd.DataFrame, light_v: pd.DataFrame, settings: Mapping[str, Any], a: float, b: float
) -> dict[str, Any]:
    """One group's figures."""
    q = a / (a + b)
    test = light_chain.chain_test(
        part["light_chain"].to_numpy(dtype=object),
        kappa_share=q,
        min_cells=settings["min_cells"],
        min_llr=settings["min_llr"],
    )
    n = test.n_kappa + test.n_lambda
    k = max(test.n_kappa, test.n_lambda)
    of_kappa = test.chain == light_chain.KAPPA
    p, p_integrated = chance_of(k, n, *((a, b) if of_kappa else (b, a)))
    chained = part[part["light_chain"] == test.chain]
    v, v_share, entropy = v_usage(light_v.loc[chained.index], test.chain)
    # sparse in 3' libraries: a molecule or two in few cells, which together say it
    has_v = int((light_v.loc[chained.index].sum(axis=1) > 0.5).sum()) >= settings["min_cells"]
    isotypes = part.loc[part["isotype"] != "", "isotype"].value_counts()
    isotypes = isotypes[isotypes == isotypes.iloc[0]].sort_index() if len(isotypes) else isotypes
    n_isotype = int((part["isotype"] != "").sum())
    isotype_share = isotypes.iloc[0] / n_isotype if n_isotype else float("nan")
    clonotypes = part.loc[part["clonotype"] != "", "clonotype"]
    top = clonotypes.value_counts()
    top = top[top == top.iloc[0]].sort_index() if len(top) else top
    return {
        "kind": kind, "group": name,
        "timepoint": part["timepoint"].iloc[0] if len(part) else "", "day": part["day"].min() if len(part) else 0,
        "n_cells": len(part), "n_called": n, "kappa": test.n_kappa, "lambda": test.n_lambda,
        "ambiguous_share": 1 - n / len(part) if len(part) else float("nan"),
        "chain": test.chain if n else "", "share": test.share, "lower": test.lower, "upper": test.upper,
        "normal_kappa_share": q, "llr": test.llr, "p": p, "p_integrated": p_integrated, "verdict": test.verdict,
        "isotype": isotypes.index[0] if len(isotypes) else "", "isotype_share": isotype_share,
        "isotype_monoclonal": bool(n_isotype >= settings["min_cells"]
                                   and isotype_share >= settings["monoclonal_share"]),
        "v_light": v, "v_light_share": v_share, "v_entropy": entropy,
        "v_restricted": bool(has_v and v_share >= settings["restricted_v_share"]
                             and entropy < settings["restricted_v_entropy"]),
        "clonotype": top.index[0] if len(top) else "",
        "clonotype_share": top.iloc[0] / len(clonotypes) if len(clonotypes) else float("nan"),
        "flags": "",
    }  # fmt: skip


def _flagged(table: pd.DataFrame) -> pd.DataFrame:
    """Flags that need several rows: switch of the light chain between timepoints, two clones at one timepoint."""
    flags: dict[int, list[str]] = {i: [] for i in table.index}
    # a V gene speaks where normal cells, or both clones, stand beside each other
    speaks = (table["kind"] == TIMEPOINT) & (table["verdict"] == "restricted") | (table["verdict"] == "expanded")
    visits = table[speaks].sort_values("day", kind="stable")
    chains = visits.groupby("timepoint", sort=False)["chain"].agg(lambda c: " and ".join(sorted(set(c))))
    if chains.nunique() > 1:
        course = ", ".join(f"{chain} at {timepoint}" for timepoint, chain in chains.items())
        for i in visits.index:
            flags[i].append(f"light chain switch: {course}")
    clusters = table[(table["kind"] == CLUSTER) & (table["verdict"] == "restricted") | (table["verdict"] == "expanded")]
    for timepoint, part in clusters.groupby("timepoint", sort=False):
        if part["chain"].nunique() > 1:
            here = table.index[(table["kind"] == TIMEPOINT) & (table["timepoint"] == timepoint)]
            for i in [*part.index, *here]:
                flags[i].append("biclonal: clones of both light chains")
    escaped = table[(table["kind"] == TIMEPOINT) & (table["verdict"] == "restricted") & (table["isotype"] != "")]
    escaped = escaped.sort_values("day", kind="stable")
    isotypes = list(escaped["isotype"])
    if NO_HEAVY in isotypes and isotypes[0] in ISOTYPES:
        for i in escaped.index[escaped["isotype"] == NO_HEAVY]:
            flags[i].append("heavy chain lost since an earlier timepoint (light-chain escape)")
    return table.assign(flags=["; ".join(flags[i]) for i in table.index])
