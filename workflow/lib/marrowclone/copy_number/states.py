"""Integer copy-number states of groups of cells, per arm or finer segment.

A group (a clone, a cluster) is summed to one pseudobulk. For every segment the ratio of
observed to expected counts is fitted over its genes, centred on anchor arms and compared
with what each integer state would give. Pure functions on arrays: nothing is read or written.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from scipy import special

from .ratios import autosomal, segment_ratios

GAIN, LOSS, NEUTRAL, INDETERMINATE = "gain", "loss", "neutral", "indeterminate"

#: Columns of :func:`segment_states`.
STATE_COLUMNS: tuple[str, ...] = (
    "group", "chromosome", "start", "end", "arm", "state", "posterior", "log2_ratio", "se",
    "n_genes", "n_cells", "call", "p_gain", "p_loss",
)  # fmt: skip

#: Defaults of the settings; the schema's defaults of ``call_arms`` are the same (tested).
DEFAULTS: dict[str, Any] = {
    "dosage": 0.8,
    "prior_neutral": 0.8,
    "systematic_sd": 0.08,
    "min_posterior": 0.9,
    "min_genes": 30,
    "min_cells": 5,
    "min_cpm": 2.0,
    "max_share": 0.0005,
    "anchor_arms": ["2p", "2q", "10p", "10q", "12q", "17q", "20q", "4q"],
}

MAX_STATE = 5

#: Rung R5 (immune cells as reference): SD of the false arm signal of a normal plasma cell (log2), and the
#: arms on which it reaches half an event or more [C, science 1.6].
SYSTEMATIC_SD_R5 = 0.18
UNREPORTABLE_R5: tuple[str, ...] = ("3q", "8q", "6p", "12p", "18p", "11p")

#: Degrees of freedom of the t likelihood: tails for what the standard error does not know.
T_DF = 5.0


def expected_log2_ratio(dosage: float) -> np.ndarray:
    """log2 ratio to diploid of 0..5 copies: ``log2(1 + dosage * (c/2 - 1))`` [J, science A.5]; shape (6,)."""
    copies = np.arange(MAX_STATE + 1)
    return np.log2(np.maximum(1 + dosage * (copies / 2 - 1), 0.05))


def state_prior(prior_neutral: float) -> np.ndarray:
    """Prior of 0..5 copies, shape (6,): neutral first, one-copy changes share most of the rest [J]."""
    prior = np.array([0.02, 0.44, 0.0, 0.44, 0.08, 0.02]) * (1 - prior_neutral)
    prior[2] = prior_neutral
    return prior


def t_logpdf(x: np.ndarray, df: float) -> np.ndarray:
    """Log density of Student's t, term by term as scipy.stats has it, which takes a second of every job to load."""
    constant = np.log(special.poch(0.5 * df, 0.5)) - 0.5 * (np.log(df) + np.log(np.pi))
    logpdf: np.ndarray = constant - (df + 1) / 2 * np.log1p(x * x / df)
    return logpdf


def state_posterior(log2_ratio: np.ndarray, se: np.ndarray, *, dosage: float, prior_neutral: float) -> np.ndarray:
    """Posterior of 0..5 copies for every segment, shape (n, 6); the prior where the ratio is missing."""
    residual = (log2_ratio[:, None] - expected_log2_ratio(dosage)[None, :]) / se[:, None]
    loglik = t_logpdf(residual, T_DF)
    loglik[~np.isfinite(loglik)] = 0.0
    log_posterior = loglik + np.log(state_prior(prior_neutral))[None, :]
    log_posterior -= log_posterior.max(axis=1, keepdims=True)
    posterior = np.exp(log_posterior)
    return posterior / posterior.sum(axis=1, keepdims=True)


def arm_segments(genes: pd.DataFrame) -> pd.DataFrame:
    """One segment per autosomal arm that has genes: chromosome, start, end (of its genes), arm.

    chrX, chrY and chrM are left out: sex and X inactivation, not dosage (science 1.6).
    """
    inside = genes.loc[autosomal(genes) & genes["arm"].isin(["p", "q"])]
    arms = inside.groupby(["chromosome", "arm"], sort=False, observed=True).agg(
        start=("start", "min"), end=("end", "max")
    )
    arms = arms.reset_index()
    return _in_genome_order(arms)[["chromosome", "start", "end", "arm"]].reset_index(drop=True)


def bin_segments(genes: pd.DataFrame, *, genes_per_segment: int = 40) -> pd.DataFrame:
    """Fixed sub-arm segments of about ``genes_per_segment`` genes each, never across a centromere.

    ``genes`` holds the genes that count (used and expressed): the bins are as wide as the
    evidence needs, not as the map suggests. Columns as :func:`arm_segments`.
    """
    rows: list[dict[str, Any]] = []
    inside = genes.loc[autosomal(genes) & genes["arm"].isin(["p", "q"])]
    for (chromosome, arm), part in inside.groupby(["chromosome", "arm"], sort=False, observed=True):
        part = part.sort_values("start", kind="stable")
        n_bins = max(1, round(len(part) / genes_per_segment))
        for chunk in np.array_split(np.arange(len(part)), n_bins):
            piece = part.iloc[chunk]
            rows.append(
                {"chromosome": chromosome, "start": piece["start"].min(), "end": piece["end"].max(), "arm": arm}
            )
    if not rows:
        return pd.DataFrame(columns=["chromosome", "start", "end", "arm"])
    return _in_genome_order(pd.DataFrame(rows)).reset_index(drop=True)


def segment_states(
    counts: sp.csr_matrix,
    groups: pd.Series,
    reference: sp.csr_matrix | np.ndarray | pd.DataFrame,
    segments: pd.DataFrame,
    genes: pd.DataFrame,
    *,
    settings: Mapping[str, Any],
    samples: pd.Series | None = None,
) -> pd.DataFrame:
    """Copy-number state of every group in every segment.

    Parameters
    ----------
    counts
        raw counts, CSR, cells x genes.
    groups
        group of each cell (row order of ``counts``); cells with ``""`` or missing are left out.
    reference
        what a normal diploid cell would give: counts of reference cells (CSR, cells x genes,
        summed), one relative expression per gene (vector), or one column of relative expression
        per sample (DataFrame genes x samples; then ``samples`` says each cell's sample).
        Each column is scaled to sum 1 over the used genes.
    segments
        chromosome, start, end (1-based closed), arm; see :func:`arm_segments`, :func:`bin_segments`.
    genes
        chromosome, start, end, arm per gene; an optional boolean column ``used`` leaves genes out.
    settings
        keys of :data:`DEFAULTS` (others are ignored, missing ones take the default).
    samples
        sample of each cell; needed when ``reference`` has a column per sample.

    Returns
    -------
    DataFrame
        a row per group and segment (:data:`STATE_COLUMNS`). ``log2_ratio`` is centred on the
        anchor arms; ``se`` includes ``systematic_sd``; ``posterior`` is that of ``state``;
        ``call`` is gain, loss, neutral or indeterminate (too few genes or cells, or no
        direction reaches ``min_posterior``). Empty with these columns when there is no group.
    """
    s = with_defaults(settings)
    frame = segment_ratios(counts, groups, reference, segments, genes, settings=s, samples=samples)
    if frame.empty:
        return pd.DataFrame(columns=list(STATE_COLUMNS))
    frame["se"] = np.sqrt(np.minimum(frame["se_genes"], 10.0) ** 2 + s["systematic_sd"] ** 2)
    posterior = state_posterior(
        frame["log2_ratio"].to_numpy(), frame["se"].to_numpy(), dosage=s["dosage"], prior_neutral=s["prior_neutral"]
    )
    return with_states(frame, posterior, settings=s)[list(STATE_COLUMNS)]


def with_defaults(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that states need, missing ones filled in; others are left out."""
    return {**DEFAULTS, **{k: v for k, v in settings.items() if k in DEFAULTS}}


def with_states(frame: pd.DataFrame, posterior: np.ndarray, *, settings: Mapping[str, Any]) -> pd.DataFrame:
    """``frame`` (log2_ratio, n_genes, n_cells) with state, posterior, p_loss, p_gain, p_amp (4 or more copies) and
    call from a posterior (n, 6)."""
    frame = frame.assign(
        state=posterior.argmax(axis=1),
        posterior=posterior.max(axis=1),
        p_loss=posterior[:, :2].sum(axis=1),
        p_gain=posterior[:, 3:].sum(axis=1),
        p_amp=posterior[:, 4:].sum(axis=1),
    )
    frame["call"] = _calls(frame, posterior[:, 2], settings)
    return frame


def _calls(frame: pd.DataFrame, p_neutral: np.ndarray, s: Mapping[str, Any]) -> np.ndarray:
    """gain, loss, neutral or indeterminate for every row."""
    call = np.full(len(frame), INDETERMINATE, dtype=object)
    call[p_neutral >= s["min_posterior"]] = NEUTRAL
    call[frame["p_gain"].to_numpy() >= s["min_posterior"]] = GAIN
    call[frame["p_loss"].to_numpy() >= s["min_posterior"]] = LOSS
    weak = (frame["n_genes"] < s["min_genes"]) | (frame["n_cells"] < s["min_cells"]) | frame["log2_ratio"].isna()
    call[weak.to_numpy()] = INDETERMINATE
    return call


def _in_genome_order(segments: pd.DataFrame) -> pd.DataFrame:
    """Segments by chromosome number and start."""
    number = segments["chromosome"].str.removeprefix("chr").astype(int)
    return segments.assign(_number=number).sort_values(["_number", "start"], kind="stable").drop(columns="_number")
