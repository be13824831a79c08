"""What a cell's RNA says of its immunoglobulin: light chain, isotype, V genes, all less the capture's soup."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from ..cells import light_chain

#: Types that make no immunoglobulin: what they hold of it is soup.
SOUP_TYPES: tuple[str, ...] = (
    "cd4_t", "cd8_t", "nk", "monocyte", "macrophage", "dendritic", "neutrophil", "erythroid",
)  # fmt: skip
#: Isotype -> its constant genes. Subclasses stay apart in ``isotype_gene`` only: their reads are exchanged.
ISOTYPES: dict[str, tuple[str, ...]] = {
    "IgG": ("IGHG1", "IGHG2", "IGHG3", "IGHG4"),
    "IgA": ("IGHA1", "IGHA2"),
    "IgM": ("IGHM",),
    "IgD": ("IGHD",),
    "IgE": ("IGHE",),
}
#: A cell with light-chain UMIs and next to no heavy-chain constant UMIs.
NO_HEAVY = "light_chain_only"
#: V genes on their chromosome (orphons, ``IGKV1OR2-108``, are not rearranged).
_V = re.compile(r"^IG([HKL])V(\d+|[IVX]+)(D?)((?:-[0-9A-Z]+)+)$")
#: Fewer soup cells than this say nothing of a capture's soup.
MIN_SOUP_CELLS = 10


def patient_cells(cells: pd.DataFrame, *, patient: str, donors: Sequence[str]) -> pd.DataFrame:
    """The patient's cells, and the healthy donors' plasma cells and those that tell their soup; sorted by id."""
    of_donors = cells["patient"].isin(list(donors)) & (cells["is_plasma"] | cells["cell_type"].isin(SOUP_TYPES))
    mine = cells["patient"] == patient
    return cells[mine | of_donors].sort_values("cell", kind="stable").reset_index(drop=True)


def folded_v(symbol: str) -> str:
    """V gene with the duplicated kappa locus folded onto its twin: ``IGKV1D-39`` -> ``IGKV1-39``; empty for others.

    The distal copies are all but identical to the proximal ones, so reads go to either by chance: kept apart, one
    rearrangement would look like two. Pseudogenes stay genes of their own (the gene table does not mark them).
    """
    match = _V.match(symbol)
    return f"IG{match[1]}V{match[2]}{match[4]}" if match else ""


def soup_profile(counts: sp.csr_matrix, samples: np.ndarray, is_soup: np.ndarray) -> dict[str, np.ndarray]:
    """Sample -> mean UMIs per gene in a droplet of cells that make none; zeros with fewer than 10 such cells.

    The cells with the most (beyond the 95th percentile of their sums) are left out: doublets with plasma cells.
    """
    total = np.asarray(counts.sum(axis=1), dtype=float).ravel()
    out = {}
    for sample in np.unique(samples):
        rows = np.flatnonzero((samples == sample) & is_soup)
        if len(rows) < MIN_SOUP_CELLS:
            out[str(sample)] = np.zeros(counts.shape[1])
            continue
        rows = rows[total[rows] <= np.quantile(total[rows], 0.95)]
        out[str(sample)] = np.asarray(counts[rows].mean(axis=0), dtype=float).ravel()
    return out


def cell_table(
    counts: sp.csr_matrix, symbols: pd.Index, cells: pd.DataFrame, settings: Mapping[str, Any]
) -> pd.DataFrame:
    """Light chain, isotype and V genes of the plasma and tumour-type cells.

    Parameters
    ----------
    counts
        CSR, cells x immunoglobulin genes; rows as ``cells`` (all types: the others tell the soup).
    cells
        cell, sample, timepoint, day, cell_type, is_plasma, is_tumour_type, cluster.
    settings
        section ``call_clonality``.

    Returns
    -------
    DataFrame, a row per plasma or tumour-type cell: the columns of ``cells``, kappa, lambda (UMIs),
    light_chain_score, light_chain, isotype, isotype_gene, heavy_umis, v_light, v_light_umis, v_heavy.
    """
    samples = cells["sample"].to_numpy(dtype=object)
    is_soup = cells["cell_type"].isin(SOUP_TYPES).to_numpy()
    chains = light_chain.chain_counts(counts, symbols)
    ambient = light_chain.ambient_chains(chains, samples, is_soup)
    profile = soup_profile(counts, samples, is_soup)
    mine = np.flatnonzero((cells["is_plasma"] | cells["is_tumour_type"]).to_numpy(dtype=bool))
    out = cells.iloc[mine].reset_index(drop=True)
    chains, ambient = chains.iloc[mine].reset_index(drop=True), ambient.iloc[mine].reset_index(drop=True)
    out["kappa"], out["lambda"] = chains["kappa"].astype(int), chains["lambda"].astype(int)
    kappa = np.maximum(chains["kappa"] - ambient["kappa"], 0)
    lambda_ = np.maximum(chains["lambda"] - ambient["lambda"], 0)
    out["light_chain_score"] = np.log2((kappa + 1) / (lambda_ + 1))
    out["light_chain"] = light_chain.call_chains(chains, ambient)
    own = counts[mine]
    order, places = np.unique(samples[mine].astype(str), return_inverse=True)
    soup = np.array([profile[s] for s in order]).reshape(len(order), counts.shape[1])

    classes = {g: name for name, genes in ISOTYPES.items() for g in genes}
    heavy = _above_soup(own, soup, places, symbols, {s: s for s in symbols if s in classes})
    by_class = heavy.T.groupby(heavy.columns.map(classes)).sum().T if len(heavy.columns) else heavy
    out["heavy_umis"] = heavy.sum(axis=1)
    dominant, share = _dominant(by_class)
    light = np.asarray(np.maximum(kappa, lambda_))
    called = (out["heavy_umis"] >= settings["min_isotype_umis"]) & (share >= settings["min_isotype_share"])
    none = (light >= settings["min_light_umis_no_heavy"]) & (
        out["heavy_umis"] < settings["max_heavy_per_light"] * light
    )
    out["isotype"] = np.where(none, NO_HEAVY, np.where(called, dominant, ""))
    out["isotype_gene"] = np.where(out["isotype"].isin(list(ISOTYPES)), _dominant(heavy)[0], "")

    v = {s: folded_v(s) for s in symbols if folded_v(s)}
    light_v = _above_soup(own, soup, places, symbols, {s: f for s, f in v.items() if not f.startswith("IGHV")})
    # a cell with a chain has a V gene of that chain: the other's are soup or a partner's
    for name, locus in ((light_chain.KAPPA, "IGLV"), (light_chain.LAMBDA, "IGKV")):
        light_v.loc[(out["light_chain"] == name).to_numpy(), light_v.columns.str.startswith(locus)] = 0.0
    heavy_v = _above_soup(own, soup, places, symbols, {s: f for s, f in v.items() if f.startswith("IGHV")})
    for name, table in (("v_light", light_v), ("v_heavy", heavy_v)):
        dominant, share = _dominant(table)
        umis = table.max(axis=1).fillna(0.0).to_numpy() if len(table.columns) else np.zeros(len(table))
        sure = (umis >= settings["min_v_umis"]) & (share >= settings["min_v_share"])
        out[name] = np.where(sure, dominant, "")
    out["v_light_umis"] = light_v.sum(axis=1)
    out.attrs["light_v"] = light_v
    return out


def _above_soup(
    counts: sp.csr_matrix, soup: np.ndarray, places: np.ndarray, symbols: pd.Index, names: Mapping[str, str]
) -> pd.DataFrame:
    """UMIs of groups of genes less the soup's expectation, at least 0: cells x names (few: a locus' segments)."""
    groups = sorted(set(names.values()))
    columns = np.flatnonzero(symbols.isin(list(names)))
    target = pd.Index(groups).get_indexer(pd.Index([names[s] for s in symbols[columns]]))
    join = sp.csr_matrix((np.ones(len(columns)), (columns, target)), shape=(len(symbols), len(groups)))
    values = np.asarray((counts @ join).todense(), dtype=float) if groups else np.zeros((counts.shape[0], 0))
    expected = (soup @ join)[places] if groups else values
    return pd.DataFrame(np.maximum(values - expected, 0.0), columns=groups)


def _dominant(table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Name of each row's largest column and its share; ties go to the first name, nothing to ``""`` and 0."""
    if not len(table.columns) or not len(table):
        return np.full(len(table), "", dtype=object), np.zeros(len(table))
    values = table.to_numpy()
    total = values.sum(axis=1)
    best = values.argmax(axis=1)
    share = np.divide(values[np.arange(len(values)), best], total, out=np.zeros(len(values)), where=total > 0)
    names = table.columns.to_numpy(dtype=object)[best]
    return np.where(total > 0, names, ""), share
