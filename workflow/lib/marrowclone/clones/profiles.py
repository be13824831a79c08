"""Copy-number profile of each clone over sub-arm segments, also as ``.seg`` for IGV."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from ..copy_number.states import bin_segments, segment_states
from ..keys import TABLES

#: Columns of a ``.seg`` file as IGV reads it (its first column is the track).
SEG_COLUMNS: tuple[str, ...] = ("ID", "chrom", "loc.start", "loc.end", "num.mark", "seg.mean")
PROFILE_COLUMNS: tuple[str, ...] = (*TABLES["clones.profiles"], "arm", "n_genes", "n_cells")


def profile_clones(
    counts: sparse.csr_matrix,
    cells: pd.DataFrame,
    genes: pd.DataFrame,
    expected: pd.DataFrame,
    *,
    settings: Mapping[str, Any],
    state_settings: Mapping[str, Any],
) -> pd.DataFrame:
    """State of every clone along the genome, neighbours of equal state merged.

    Parameters
    ----------
    counts
        raw counts, n x G, CSR; rows as ``cells``.
    cells
        cell, sample, clone (n rows); unassigned cells (clone "") take no part.
    genes
        G rows: chromosome, start, end, arm, used.
    expected
        expected share per gene (G rows) and capture (columns). Without any, there is no profile.
    settings
        section ``clones.profile_clones``: genes_per_segment.
    state_settings
        section ``copy_number.call_arms``: the settings of the copy-number states.

    Returns
    -------
    DataFrame
        :data:`PROFILE_COLUMNS`; posterior is the mean over the merged bins, weighted by genes, and
        log2_ratio likewise.
    """
    known = cells["sample"].isin(expected.columns).to_numpy() & (cells["clone"] != "").to_numpy()
    if not known.any():
        return pd.DataFrame(columns=list(PROFILE_COLUMNS))
    rows = np.flatnonzero(known)
    level = expected.to_numpy(dtype=float).mean(axis=1) * 1e6
    heard = genes.loc[genes["used"].to_numpy(dtype=bool) & (level >= float(state_settings.get("min_cpm", 2.0)))]
    states = segment_states(
        counts[rows],
        cells["clone"].iloc[rows].reset_index(drop=True),
        expected,
        bin_segments(heard, genes_per_segment=int(settings["genes_per_segment"])),
        genes,
        settings=state_settings,
        samples=cells["sample"].iloc[rows].reset_index(drop=True),
    )
    states = states.loc[states["log2_ratio"].notna()]
    return merge_equal(states) if len(states) else pd.DataFrame(columns=list(PROFILE_COLUMNS))


def merge_equal(states: pd.DataFrame) -> pd.DataFrame:
    """Join neighbouring segments of one clone, arm and state.

    ``states`` is as :func:`marrowclone.copy_number.states.segment_states` returns it, in genome
    order within a group; the result covers the same genes with fewer rows.
    """
    key = states[["group", "chromosome", "arm", "state"]]
    run = (key != key.shift()).any(axis=1).cumsum().to_numpy()
    weight = states["n_genes"].clip(lower=1).to_numpy(dtype=float)
    sums = (
        pd.DataFrame(
            {
                "w": weight,
                "posterior": states["posterior"].to_numpy() * weight,
                "log2_ratio": states["log2_ratio"].to_numpy() * weight,
            }
        )
        .groupby(run)
        .sum()
    )
    merged = states.groupby(run).agg(
        clone=("group", "first"),
        chromosome=("chromosome", "first"),
        start=("start", "first"),
        end=("end", "last"),
        state=("state", "first"),
        arm=("arm", "first"),
        n_genes=("n_genes", "sum"),
        n_cells=("n_cells", "first"),
    )
    merged["posterior"] = sums["posterior"] / sums["w"]
    merged["log2_ratio"] = sums["log2_ratio"] / sums["w"]
    return merged.reset_index(drop=True)[list(PROFILE_COLUMNS)]


def seg_table(profiles: pd.DataFrame, *, patient: str) -> pd.DataFrame:
    """Profiles as IGV's ``.seg``: a track per clone, ``seg.mean`` is the log2 ratio."""
    return pd.DataFrame(
        {
            "ID": patient + "_" + profiles["clone"].astype(str),
            "chrom": profiles["chromosome"],
            "loc.start": profiles["start"],
            "loc.end": profiles["end"],
            "num.mark": profiles["n_genes"],
            "seg.mean": profiles["log2_ratio"],
        },
        columns=list(SEG_COLUMNS),
    )
