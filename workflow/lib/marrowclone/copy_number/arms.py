"""Arm states per clone, and of all malignant cells of a patient together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from ..keys import TABLES
from . import states

ALL = "all"
COLUMNS: tuple[str, ...] = (*TABLES["copy_number.arms"], "p_gain", "p_loss", "se", "reference_rung")


def call_arms(
    counts: sp.csr_matrix,
    samples: pd.Series,
    clones: pd.Series,
    expected: pd.DataFrame,
    genes: pd.DataFrame,
    *,
    rung: str,
    settings: Mapping[str, Any],
) -> pd.DataFrame:
    """State of every arm for each clone and for ``all`` malignant cells.

    Parameters
    ----------
    counts
        raw counts of the malignant cells, CSR, cells x genes.
    samples, clones
        sample and clone (``""``: none) of each of these cells.
    expected, genes
        of the baseline (:func:`marrowclone.copy_number.baseline.read_baseline`).
    rung
        R4 allows no absolute states (all indeterminate); R5 not those of six arms, and less surely.

    Returns
    -------
    DataFrame
        columns of the contract, then p_gain, p_loss, se (log2), reference_rung. No rows without
        malignant cells. "Whole-genome doubling" cannot be told from diploid: states are relative to
        the anchor arms at two copies.
    """
    if counts.shape[0] == 0 or expected.empty:
        return pd.DataFrame(columns=list(COLUMNS))
    s = {**states.DEFAULTS, **settings}
    if rung == "R5":
        s["systematic_sd"] = max(s["systematic_sd"], states.SYSTEMATIC_SD_R5)
    segments = states.arm_segments(genes[genes["used"]])
    names = clones.fillna("").astype(str).reset_index(drop=True)
    parts = []
    for groups in (pd.Series(np.full(len(names), ALL, dtype=object)), names):
        part = states.segment_states(
            counts, groups, expected, segments, genes, settings=s, samples=samples.reset_index(drop=True)
        )
        if len(part):
            parts.append(part)
    table = pd.concat(parts, ignore_index=True).rename(columns={"group": "clone"})
    name = table["chromosome"].str.removeprefix("chr") + table["arm"]
    silent = name.isin(states.UNREPORTABLE_R5) if rung == "R5" else pd.Series(rung == "R4", index=table.index)
    table.loc[silent, "call"] = states.INDETERMINATE
    table["reference_rung"] = rung
    return table[list(COLUMNS)]
