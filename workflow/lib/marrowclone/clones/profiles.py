"""Copy-number profile of each clone along the genome, also as ``.seg`` for IGV."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from scipy import sparse

from ..copy_number.arms import ALL, call_genome
from ..keys import TABLES

#: Columns of a ``.seg`` file as IGV reads it (its first column is the track).
SEG_COLUMNS: tuple[str, ...] = ("ID", "chrom", "loc.start", "loc.end", "num.mark", "seg.mean")
PROFILE_COLUMNS: tuple[str, ...] = (
    *TABLES["clones.profiles"], "arm", "n_genes", "n_cells", "call", "p_gain", "p_loss", "p_amp", "whole_arm",
)  # fmt: skip


def profile_clones(
    counts: sparse.csr_matrix,
    cells: pd.DataFrame,
    genes: pd.DataFrame,
    expected: pd.DataFrame,
    *,
    rung: str,
    settings: Mapping[str, Any],
    state_settings: Mapping[str, Any],
) -> pd.DataFrame:
    """State of every clone along the genome.

    Parameters
    ----------
    counts
        raw counts, n x G, CSR; rows as ``cells``.
    cells
        cell, sample, clone (n rows); unassigned cells (clone "") help to learn nothing and have no profile.
    genes
        G rows: chromosome, start, end, arm, used.
    expected
        expected share per gene (G rows) and capture (columns). Without any, there is no profile.
    rung
        of the reference: what it allows to say (:func:`marrowclone.copy_number.arms.call_genome`).
    settings
        section ``clones.profile_clones``: genes_per_segment.
    state_settings
        section ``copy_number.call_arms``: the settings of the copy-number states.

    Returns
    -------
    DataFrame
        :data:`PROFILE_COLUMNS`; whole arms, or parts of an arm where it is surely broken (whole_arm False).
        posterior is that of state; log2_ratio is relative to the diploid level. Empty without clones or reference.
    """
    known = cells["sample"].isin(expected.columns).to_numpy() & (cells["clone"] != "").to_numpy()
    if not known.any():
        return pd.DataFrame(columns=list(PROFILE_COLUMNS))
    here = cells.loc[known].reset_index(drop=True)
    found = call_genome(
        counts[known.nonzero()[0]], here["sample"], here["clone"], expected, genes,
        rung=rung, settings=state_settings, genes_per_bin=int(settings["genes_per_segment"]),
    )  # fmt: skip
    segments = found.segments.rename(columns={"group": "clone"})
    return segments.loc[(segments["clone"] != ALL) & segments["log2_ratio"].notna(), list(PROFILE_COLUMNS)].reset_index(
        drop=True
    )


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
