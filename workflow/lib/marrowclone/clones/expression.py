"""What sets a patient's clones apart in expression, and what of it is no more than their copy number."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from ..copy_number.smoothing import natural_order
from ..keys import TABLES
from .contrast import Contrast, Split, contrast, false_discovery, level_shift, split
from .copies import dosage_offset, gene_copies
from .sides import side_dispersions
from .sums import Array, dispersions, steadied, sum_groups

GENE, PROGRAMME = "gene", "programme"
#: Calls. Beyond dosage: more, or less, than the clones' copies would give.
OWN, DOSAGE, BEYOND, NOT_KNOWN, NOT_CALLED = "own", "dosage", "beyond dosage", "copies not known", "not called"
MARKER_COLUMNS: tuple[str, ...] = (
    *TABLES["clones.markers"], "p", "residual_p", "share_own", "share_others", "n_counts", "n_cells", "n_others",
    "n_captures", "n_same", "n_genes", "left_out",
)  # fmt: skip
#: Expected counts on the smaller side from which a gene helps to find how far depths are off [J].
WELL_COUNTED = 50


def clone_markers(
    counts: sparse.csr_matrix,
    cells: pd.DataFrame,
    genes: pd.DataFrame,
    profiles: pd.DataFrame,
    sets: Mapping[str, Sequence[str]],
    *,
    settings: Mapping[str, Any],
) -> pd.DataFrame:
    """Every gene and programme of every clone against the patient's other clones.

    Parameters
    ----------
    counts
        raw counts, n x G, CSR; rows as ``cells``.
    cells
        sample, clone (n rows); cells without a clone ("") take no part.
    genes
        G rows, indexed by symbol: chromosome, arm, start, end, locus, measured (in every sample).
    profiles
        ``clones/{patient}.profiles.tsv``; without rows no gene's copies are known.
    sets
        {programme: symbols}.
    settings
        section ``clones.express_clones``.

    Returns
    -------
    DataFrame
        :data:`MARKER_COLUMNS`, a row per clone and gene or programme with enough counts; by clone, kind and p.
        Empty with fewer than two clones, or where no capture holds enough cells of two.

    Notes
    -----
    Immunoglobulin and T-cell receptor genes are left out (they dwarf a plasma cell's other counts), as are
    mitochondrial ones (they tell of handling).
    """
    usable = (
        ~genes["locus"].isin(["ig", "tr"]) & (genes["chromosome"] != "chrM") & genes["measured"].astype(bool)
    ).to_numpy()
    genes, counts = genes[usable], counts[:, np.flatnonzero(usable)]
    clones = natural_order(sorted(set(cells["clone"]) - {""}))
    if len(clones) < 2:
        return pd.DataFrame(columns=list(MARKER_COLUMNS))
    depth = np.asarray(counts.sum(axis=1), dtype=float).ravel()
    sums = sum_groups(counts, depth, cells["clone"].to_numpy(), cells["sample"].to_numpy())
    copies = gene_copies(profiles, genes, clones)
    rate = sums.counts.sum(axis=0) / max(sums.depth.sum(), 1.0)
    common = dispersions(sums)
    usual = steadied(common, rate)
    # a gene's weight in its programme: how much a cell's count of it tells (variance = mean + phi mean^2)
    weight = 1 / (1 + usual * rate * float(np.median(depth)))
    tables: list[pd.DataFrame] = []
    for clone in clones:
        of = split(sums, clone, min_cells=settings["min_cells"])
        if not len(of.samples):
            continue
        dosage = dosage_offset(copies, sums, clone, of.samples.tolist())
        phi = side_dispersions(sums, clone, np.nan_to_num(common), usual)
        level = _level(of, phi, dosage)
        tables.append(_gene_rows(clone, of, genes, phi, dosage, level, settings))
        tables.append(_programme_rows(clone, counts, depth, cells, genes, sets, weight, dosage, level, settings))
    tables = [table for table in tables if len(table)]
    if not tables:
        return pd.DataFrame(columns=list(MARKER_COLUMNS))
    table = pd.concat(tables, ignore_index=True)
    # families of their own: many genes on changed arms would let more false ones pass elsewhere
    changed = table["dosage_log2"].ne(0)
    for kind, apart in itertools.product((GENE, PROGRAMME), (False, True)):
        rows = ((table["kind"] == kind) & (changed == apart)).to_numpy()
        table.loc[rows, "fdr"] = false_discovery(table.loc[rows, "p"].to_numpy(dtype=float))
        table.loc[rows, "residual_fdr"] = false_discovery(table.loc[rows, "residual_p"].to_numpy(dtype=float))
    table["call"] = _calls(table, fdr=settings["fdr"], least=settings["min_log2_fold"])
    order = {clone: i for i, clone in enumerate(clones)}
    return table.sort_values(
        ["clone", "kind", "p", "symbol"], key=lambda c: c.map(order) if c.name == "clone" else c, kind="stable"
    ).reset_index(drop=True)[list(MARKER_COLUMNS)]


def pseudobulk(counts: sparse.csr_matrix, cells: pd.DataFrame, symbols: pd.Index) -> pd.DataFrame:
    """Summed raw counts per gene (rows) of each clone in each capture (columns ``{clone}:{sample}``)."""
    depth = np.ones(counts.shape[0])
    sums = sum_groups(counts, depth, cells["clone"].to_numpy(), cells["sample"].to_numpy())
    names = [f"{c}:{s}" for c, s in zip(sums.clone, sums.sample, strict=True)]
    table = pd.DataFrame(sums.counts.T.astype(np.int64), columns=names)
    table = table[natural_order(names)]
    table.insert(0, "symbol", list(symbols))
    return table


def _expected(of: Split) -> Array:
    """Counts that the smaller side would have without any difference, per gene."""
    rate = (of.own + of.other) / (of.own_depth + of.other_depth)
    return np.minimum((rate * of.own_depth).sum(axis=0), (rate * of.other_depth).sum(axis=0))


def _level(of: Split, phi: tuple[Array, Array], dosage: Array) -> float:
    """Log2 by which depths are off between the clone and the others, from genes whose copies do not differ."""
    even = (dosage == 0).all(axis=0)
    even = even if even.any() else np.ones(len(even), dtype=bool)
    return level_shift(contrast(of, phi), np.where(even, _expected(of), 0.0), min_counts=WELL_COUNTED)


def _gene_rows(
    clone: str, of: Split, genes: pd.DataFrame, phi: tuple[Array, Array], dosage: Array, level: float,
    settings: Mapping[str, Any],
) -> pd.DataFrame:  # fmt: skip
    known = np.isfinite(dosage)
    plain = contrast(of, phi, offset=level)
    beyond = contrast(of, phi, offset=level + np.where(known, dosage, 0.0))
    # of captures by what each can say
    weight = (of.own_depth * of.other_depth / (of.own_depth + of.other_depth)).ravel()
    table = _rows(clone, GENE, genes.index, of, plain, beyond, weight @ dosage / weight.sum())
    return table[_expected(of) >= settings["min_expected"]]


def _programme_rows(
    clone: str, counts: sparse.csr_matrix, depth: Array, cells: pd.DataFrame, genes: pd.DataFrame,
    sets: Mapping[str, Sequence[str]], weight: Array, dosage: Array, level: float, settings: Mapping[str, Any],
) -> pd.DataFrame:  # fmt: skip
    """Programmes over the genes whose copies this clone shares with the others (over all where none are known)."""
    none_known = not np.isfinite(dosage).any()
    even = np.ones(dosage.shape[1], dtype=bool) if none_known else (dosage == 0).all(axis=0)
    place = {gene: i for i, gene in enumerate(genes.index)}
    names, kept, left_out = [], [], []
    for name, symbols in sets.items():
        there = [place[g] for g in dict.fromkeys(symbols) if g in place]
        if any(even[i] for i in there):
            names.append(name)
            kept.append([i for i in there if even[i]])
            left_out.append(" ".join(genes.index[i] for i in there if not even[i]))
    if not names:
        return pd.DataFrame(columns=list(MARKER_COLUMNS))
    loading = sparse.csc_matrix(
        (
            np.concatenate([weight[k] for k in kept]),
            (np.concatenate(kept), np.repeat(np.arange(len(kept)), [len(k) for k in kept])),
        ),
        shape=(len(genes), len(kept)),
    )
    clone_of, sample_of = cells["clone"].to_numpy(), cells["sample"].to_numpy()
    scores = np.asarray((counts @ loading).toarray(), dtype=float)
    sums = sum_groups(scores, depth, clone_of, sample_of)
    # counting alone gives a weighted sum the variance sum(w^2 m), against its mean sum(w m)
    squared = np.asarray((counts @ loading.power(2)).sum(axis=0), dtype=float).ravel()
    poisson = squared / np.maximum(scores.sum(axis=0), 1e-12)
    of = split(sums, clone, min_cells=settings["min_cells"])
    common = np.nan_to_num(dispersions(sums, poisson))
    phi = side_dispersions(sums, clone, common, common, poisson)
    found = contrast(of, phi, offset=level, poisson=poisson)
    unknown = np.full(len(names), np.nan if none_known else 0.0)
    table = _rows(clone, PROGRAMME, pd.Index(names), of, found, found, unknown)
    table["n_genes"], table["left_out"] = [len(k) for k in kept], left_out
    return table[_expected(of) >= settings["min_expected"]]


def _rows(
    clone: str, kind: str, names: pd.Index, of: Split, plain: Contrast, beyond: Contrast, dosage: Array
) -> pd.DataFrame:
    own_cells, other_cells = of.own_cells.sum(), of.other_cells.sum()
    return pd.DataFrame({
        "clone": clone, "symbol": list(names), "kind": kind,
        "log2_fold": plain.log2_fold, "lower": plain.lower, "upper": plain.upper, "p": plain.p,
        "dosage_log2": dosage, "residual_log2": np.where(np.isfinite(dosage), beyond.log2_fold, np.nan),
        "residual_p": np.where(np.isfinite(dosage), beyond.p, np.nan),
        "share_own": of.own_detected.sum(axis=0) / own_cells,
        "share_others": of.other_detected.sum(axis=0) / other_cells,
        "n_counts": (of.own + of.other).sum(axis=0), "n_cells": int(own_cells), "n_others": int(other_cells),
        "n_captures": len(of.samples), "n_same": plain.same.astype(int), "n_genes": 1, "left_out": "",
    })  # fmt: skip


def _calls(table: pd.DataFrame, *, fdr: float, least: float) -> list[str]:
    differs = (table["fdr"] <= fdr).to_numpy()
    beyond = ((table["residual_fdr"] <= fdr) & (table["residual_log2"].abs() >= least)).to_numpy()
    dosage = table["dosage_log2"].to_numpy(dtype=float)
    far = (table["log2_fold"].abs() >= least).to_numpy()
    along = np.sign(dosage) == np.sign(table["log2_fold"].to_numpy(dtype=float))
    called = np.select(
        [
            np.isnan(dosage) & differs & far,
            (dosage == 0) & differs & far,
            (dosage != 0) & beyond,
            (dosage != 0) & differs & along,
        ],
        [NOT_KNOWN, OWN, BEYOND, DOSAGE],
        default=NOT_CALLED,
    )
    return [str(c) for c in called]
