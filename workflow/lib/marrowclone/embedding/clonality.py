"""Clonality of a patient's plasma cells: receptor per cell, tests per group, and which cells are the tumour's clone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from ..keys import TABLES
from . import groups as gr
from .rearrangements import call_clonotypes, dominant_clonotype
from .receptor import cell_table, folded_v

#: Log-odds of being malignant that the patient-dominant clonotype gives (science 1.4).
CLONOTYPE_LOG_ODDS = 8.0
CONTIGS, EXPRESSION = "contigs", "expression"
_ISOTYPE_OF = {"IGHG": "IgG", "IGHA": "IgA", "IGHM": "IgM", "IGHD": "IgD", "IGHE": "IgE"}


def call_clonality(
    counts: sp.csr_matrix,
    symbols: pd.Index,
    cells: pd.DataFrame,
    contigs: pd.DataFrame,
    *,
    patient: str,
    settings: Mapping[str, Any],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Receptor of each plasma cell, and tests of groups of them.

    Parameters
    ----------
    counts
        CSR, cells x immunoglobulin genes, of all cells of the patient and of the healthy donors.
    symbols
        of the columns.
    cells
        rows as ``counts``: cell, sample, patient, timepoint, day, cell_type, is_plasma, is_tumour_type, cluster.
    contigs
        of :func:`~.rearrangements.match_barcodes`, all captures of the patient; may be empty.

    Returns
    -------
    cells
        ``keys.TABLES["embedding.clonality"]``: a row per plasma or tumour-type cell of the patient.
    groups
        ``keys.TABLES["embedding.groups"]``.
    """
    # results must not depend on the order of cells
    order = np.argsort(cells["cell"].to_numpy(dtype=str), kind="stable")
    counts, cells = counts[order], cells.iloc[order].reset_index(drop=True)
    table = cell_table(counts, symbols, cells, settings)
    light_v = table.attrs.pop("light_v")
    donors = table[(table["patient"] != patient) & table["is_plasma"].astype(bool)]
    a, b, _ = gr.kappa_share(donors[["patient", "light_chain"]])
    mine = (table["patient"] == patient).to_numpy()
    table, light_v = table[mine].reset_index(drop=True), light_v[mine].reset_index(drop=True)
    table = _with_contigs(table, contigs, settings)
    groups = gr.test_groups(table, light_v, settings, a=a, b=b, patient=patient)
    table["clonal"], table["clonal_reason"] = clonal_cells(
        table, groups, min_clonotype_cells=settings["min_clonotype_cells"]
    )
    return table[list(TABLES["embedding.clonality"])], groups


def _with_contigs(table: pd.DataFrame, contigs: pd.DataFrame, settings: Mapping[str, Any]) -> pd.DataFrame:
    """What contigs say overrides expression; ``chain_source`` says which spoke."""
    called = call_clonotypes(contigs[contigs["cell"].isin(table["cell"])], settings)
    called = called.reindex(table["cell"]).reset_index(drop=True)
    table["multiplet"] = called["multiplet"].eq(True).to_numpy()
    for column in ("clonotype", "clonotype_cdr3"):
        table[column] = called[column].fillna("").to_numpy()
    has_chain = (called["chain"].fillna("") != "").to_numpy()
    table["light_chain"] = np.where(has_chain, called["chain"], table["light_chain"])
    table["chain_source"] = np.where(has_chain, CONTIGS, EXPRESSION)
    for column, name in (("v_light", "contig_v_light"), ("v_heavy", "contig_v_heavy")):
        found = called[name].fillna("").map(lambda v: folded_v(v) or v)
        table[column] = np.where(found != "", found, table[column])
    gene = called["contig_isotype_gene"].fillna("")
    isotype = gene.str.slice(0, 4).map(_ISOTYPE_OF).fillna("")
    table["isotype"] = np.where(isotype != "", isotype, table["isotype"])
    table["isotype_gene"] = np.where(isotype != "", gene, table["isotype_gene"])
    dominant = dominant_clonotype(
        table.loc[~table["multiplet"], "clonotype"],
        min_cells=settings["min_clonotype_cells"],
        min_share=settings["min_clonotype_share"],
    )
    table["clonotype_dominant"] = (table["clonotype"] == dominant).to_numpy() & (dominant != "")
    odds = np.where(table["clonotype_dominant"], CLONOTYPE_LOG_ODDS, 0.0)
    table["clonotype_log_odds"] = np.where(table["clonotype"] == "", np.nan, odds)
    return table


def clonal_cells(
    cells: pd.DataFrame, groups: pd.DataFrame, *, min_clonotype_cells: int
) -> tuple[np.ndarray, np.ndarray]:
    """Cells of the tumour-like chain, and why.

    By rank: the dominant clonotype; else a V gene that is expanded at the cell's timepoint; else the chain of a
    restricted sample, timepoint or cluster that the cell lies in, where it has no other V gene than the group's
    restricted one. A cell whose contigs are of a small clonotype is never among them. This is no call of malignancy: a
    polyclonal cell may share chain and V gene.
    """
    clonal = np.zeros(len(cells), dtype=bool)
    reason = np.full(len(cells), "", dtype=object)
    dominant = cells["clonotype_dominant"].to_numpy(dtype=bool)
    # a clonotype of its own, no second clone's
    size = cells.groupby("clonotype")["cell"].transform("size")
    other = ((cells["clonotype"] != "") & (size < min_clonotype_cells)).to_numpy() & ~dominant
    clonal[dominant], reason[dominant] = True, "dominant clonotype"
    expanded = groups[groups["verdict"] == "expanded"]
    for row in expanded.itertuples():
        here = (cells["timepoint"] == row.timepoint) & (cells["v_light"] == row.group)
        _add(clonal, reason, here.to_numpy() & ~other, f"expanded V gene {row.group}")
    places = {gr.SAMPLE: "sample", gr.TIMEPOINT: "timepoint", gr.CLUSTER: "cluster"}
    for row in groups[groups["verdict"] == "restricted"].itertuples():
        here = (cells[places[str(row.kind)]].astype(str) == row.group) & (cells["timepoint"] == row.timepoint)
        here &= cells["light_chain"] == row.chain
        if row.v_restricted:
            here &= cells["v_light"].isin(["", row.v_light])
        _add(clonal, reason, here.to_numpy() & ~other, f"{row.chain} in restricted {row.kind} {row.group}")
    return clonal, reason


def _add(clonal: np.ndarray, reason: np.ndarray, here: np.ndarray, why: str) -> None:
    new = here & ~clonal
    clonal[new], reason[new] = True, why
