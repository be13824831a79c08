"""Arm states per clone, and of all malignant cells of a patient together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from ..keys import TABLES
from . import states
from .joint import joint_states
from .ratios import segment_ratios

ALL = "all"
COLUMNS: tuple[str, ...] = (
    *TABLES["copy_number.arms"], "p_gain", "p_loss", "se", "dosage_response", "response_lower", "response_upper",
    "reference_rung",
)  # fmt: skip


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
    s = state_settings(settings, rung=rung)
    names = clones.fillna("").astype(str).reset_index(drop=True)
    segments = states.arm_segments(genes[genes["used"]])
    at = samples.reset_index(drop=True)
    pool = pd.Series(np.full(len(names), ALL, dtype=object))
    measured = [segment_ratios(counts, g, expected, segments, genes, settings=s, samples=at) for g in (pool, names)]
    table = joint_table(*measured, settings=s).rename(columns={"group": "clone"})
    name = table["chromosome"].str.removeprefix("chr") + table["arm"]
    silent = name.isin(states.UNREPORTABLE_R5) if rung == "R5" else pd.Series(rung == "R4", index=table.index)
    table.loc[silent, "call"] = states.INDETERMINATE
    table["reference_rung"] = rung
    return table[list(COLUMNS)]


def state_settings(settings: Mapping[str, Any], *, rung: str) -> dict[str, Any]:
    """Settings of the states, with the uncertainty that the rung of the reference adds."""
    s = states.with_defaults(settings)
    if rung == "R5":
        s["systematic_sd"] = max(s["systematic_sd"], states.SYSTEMATIC_SD_R5)
    return s


def joint_table(pool: pd.DataFrame, clones: pd.DataFrame, *, settings: Mapping[str, Any]) -> pd.DataFrame:
    """States of the pool of all cells and of every clone, with one dosage response, learned from the clones.

    Both are tables of :func:`.ratios.segment_ratios` over arms; without clones the pool stands for itself. The result has
    the columns of :func:`.states.segment_states`, and dosage_response with its 95% interval.
    """
    parts = []
    _, response = joint_states(clones if len(clones) else pool, settings=settings)
    for ratios in (pool, clones):
        if ratios.empty:
            continue
        posterior, _ = joint_states(ratios, settings=settings, response=response)
        frame = ratios.assign(log2_ratio=ratios["log2_ratio"] - response.level)
        frame["se"] = np.sqrt(np.minimum(frame["se_genes"], 10.0) ** 2 + response.tau**2)
        parts.append(states.with_states(frame, posterior, settings=settings))
    table = pd.concat(parts, ignore_index=True)
    lower, upper = response.interval
    return table.assign(dosage_response=response.dosage, response_lower=lower, response_upper=upper)
