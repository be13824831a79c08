"""Arm states and segments per clone, and of all malignant cells of a patient together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from ..keys import TABLES
from . import joint, states
from .joint import Response, joint_states
from .ratios import segment_ratios
from .segments import SEGMENT_COLUMNS, copy_segments

ALL = "all"
COLUMNS: tuple[str, ...] = (
    *TABLES["copy_number.arms"], "p_gain", "p_loss", "p_amp", "se", "se_counts", "tau", "extent", "parts", "copies",
    "dosage_response", "response_lower", "response_upper", "reference_rung",
)  # fmt: skip
#: Share of an arm's genes from which an event of a part of it is said of the arm [J].
MOST = 0.5
#: Expressed genes per bin; the default of ``clones.profile_clones.genes_per_segment``.
GENES_PER_BIN = 40


@dataclass(frozen=True)
class Genome:
    """Arm states (:data:`COLUMNS`), segments (:data:`SEGMENT_COLUMNS`), what was learned (None without cells)."""

    arms: pd.DataFrame
    segments: pd.DataFrame
    response: Response | None


def call_arms(
    counts: sp.csr_matrix,
    samples: pd.Series,
    clones: pd.Series,
    expected: pd.DataFrame,
    genes: pd.DataFrame,
    *,
    rung: str,
    settings: Mapping[str, Any],
    genes_per_bin: int = GENES_PER_BIN,
) -> pd.DataFrame:
    """State of every arm for each clone and for ``all`` malignant cells: the arms of :func:`call_genome`."""
    return call_genome(
        counts, samples, clones, expected, genes, rung=rung, settings=settings, genes_per_bin=genes_per_bin
    ).arms


def call_genome(
    counts: sp.csr_matrix,
    samples: pd.Series,
    clones: pd.Series,
    expected: pd.DataFrame,
    genes: pd.DataFrame,
    *,
    rung: str,
    settings: Mapping[str, Any],
    genes_per_bin: int = GENES_PER_BIN,
) -> Genome:
    """Copy states along the genome of each clone and of ``all`` malignant cells.

    Parameters
    ----------
    counts
        raw counts of the malignant cells, CSR, cells x genes.
    samples, clones
        sample and clone (``""``: none) of each of these cells.
    expected, genes
        of the baseline (:func:`marrowclone.copy_number.baseline.read_baseline`).
    rung
        R4 allows no absolute states (all indeterminate); R5 not those of six arms, less surely, and whole arms only.
    settings
        keys of :data:`.states.DEFAULTS` and :data:`.joint.DEFAULTS`; ``dosage`` is the centre of the response's prior.
    genes_per_bin
        expressed genes per bin of the segmentation.

    Returns
    -------
    Genome
        arms: columns of the contract, then p_gain, p_loss, p_amp (4 or more copies), se (log2), what of it is
        counting noise (se_counts) and what the patient's clones share on an arm (tau), extent (share of the
        arm's expressed genes in the event; empty where not called), parts (of a broken arm, in words), copies ("3",
        or "3-4" where one number does not reach ``min_posterior``), the patient's dosage response with its 95%
        interval and reference_rung. No rows without malignant cells. "Whole-genome doubling" cannot be told from
        diploid: states are relative to the anchor arms at two copies.
    """
    if counts.shape[0] == 0 or expected.empty:
        return Genome(pd.DataFrame(columns=list(COLUMNS)), pd.DataFrame(columns=list(SEGMENT_COLUMNS)), None)
    s = state_settings(settings, rung=rung)
    names = clones.fillna("").astype(str).reset_index(drop=True)
    groups = (pd.Series(np.full(len(names), ALL, dtype=object)), names)
    at = samples.reset_index(drop=True)
    whole = states.arm_segments(genes[genes["used"]])
    heard = genes["used"].to_numpy(dtype=bool) & (expected.to_numpy(dtype=float).mean(axis=1) * 1e6 >= s["min_cpm"])
    fine = states.bin_segments(genes[heard], genes_per_segment=genes_per_bin)
    pool, own = (segment_ratios(counts, g, expected, whole, genes, settings=s, samples=at) for g in groups)
    table, response = joint_table(pool, own, settings=s)
    breaks = rung not in ("R4", "R5")
    bins = pd.concat(
        [segment_ratios(counts, g, expected, fine, genes, settings=s, samples=at) for g in groups if breaks]
        or [pd.DataFrame()]
    )
    segments = copy_segments(bins, table, response, settings=s, breaks=breaks)
    silent = states.UNREPORTABLE_R5 if rung == "R5" else None if rung == "R4" else ()
    table, segments = (_silence(t, silent) for t in (table, segments))
    table = with_parts(table, segments).rename(columns={"group": "clone"})
    table["reference_rung"] = rung
    return Genome(table[list(COLUMNS)], segments, response)


def state_settings(settings: Mapping[str, Any], *, rung: str) -> dict[str, Any]:
    """Settings of the states, with the uncertainty that the rung of the reference adds."""
    s = {**states.with_defaults(settings), **{k: settings.get(k, v) for k, v in joint.DEFAULTS.items()}}
    if rung == "R5":
        s["systematic_sd"] = max(s["systematic_sd"], states.SYSTEMATIC_SD_R5)
    return s


def joint_table(
    pool: pd.DataFrame, clones: pd.DataFrame, *, settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, Response]:
    """States of the pool of all cells and of every clone, with one dosage response, learned from the clones.

    Both are tables of :func:`.ratios.segment_ratios` over arms; without clones the pool stands for itself. The
    result has the columns of :func:`.states.segment_states`, copies, and dosage_response with its 95% interval.
    """
    parts = []
    _, response = joint_states(clones if len(clones) else pool, settings=settings)
    for ratios in (pool, clones):
        if ratios.empty:
            continue
        posterior, _ = joint_states(ratios, settings=settings, response=response)
        frame = ratios.assign(log2_ratio=ratios["log2_ratio"] - response.level)
        frame["se"] = np.sqrt(np.minimum(frame["se_genes"], 10.0) ** 2 + response.tau**2)
        frame = frame.assign(se_counts=np.minimum(frame["se_counts"], 10.0), tau=response.tau)
        frame = states.with_states(frame, posterior, settings=settings)
        parts.append(frame.assign(copies=credible_copies(posterior, at_least=settings["min_posterior"])))
    table = pd.concat(parts, ignore_index=True)
    lower, upper = response.interval
    return table.assign(dosage_response=response.dosage, response_lower=lower, response_upper=upper), response


def credible_copies(posterior: np.ndarray, *, at_least: float) -> list[str]:
    """The shortest run of copies that holds ``at_least`` of each posterior (n, 6): ``"3"``, ``"3-4"``."""
    cumulative = np.hstack([np.zeros((len(posterior), 1)), posterior.cumsum(axis=1)])
    texts = []
    for row in cumulative:
        runs = [(b - a, -(row[b] - row[a]), a, b) for a in range(6) for b in range(a + 1, 7)]
        *_, low, high = min(r for r in runs if -r[1] >= at_least - 1e-9)
        texts.append(str(low) if high - low == 1 else f"{low}-{high - 1}")
    return texts


def with_parts(arms: pd.DataFrame, segments: pd.DataFrame) -> pd.DataFrame:
    """Arm states with extent and parts: an arm that is broken is called by its parts.

    An event of at least half of the arm's genes is said of the arm, with that part's state; a smaller one leaves
    the arm indeterminate, and ``parts`` says what is where.
    """
    arms = arms.assign(parts="", extent=np.select([arms["call"].isin(["gain", "loss"]), arms["call"] == "neutral"],
                                                  [1.0, 0.0], np.nan))  # fmt: skip
    if segments["whole_arm"].all():
        return arms
    place = {k: i for i, k in zip(arms.index, zip(*(arms[c] for c in ("group", "chromosome", "arm")), strict=True),
                                  strict=True)}  # fmt: skip
    for key, rows in segments[~segments["whole_arm"]].groupby(["group", "chromosome", "arm"], sort=False):
        i = place[key]
        genes = rows["n_genes"].to_numpy(dtype=float)
        share = {
            d: float(genes[(rows["call"] == d).to_numpy()].sum() / genes.sum()) for d in (states.GAIN, states.LOSS)
        }
        event = max(share, key=lambda d: share[d])
        arms.loc[i, "parts"] = "; ".join(_words(r) for r in rows.itertuples(index=False))
        arms.loc[i, "extent"] = share[event]
        if share[event] >= MOST:
            part = rows[rows["call"] == event].sort_values("n_genes", kind="stable").iloc[-1]
            arms.loc[i, ["state", "posterior", "p_gain", "p_loss", "p_amp", "call"]] = [
                part["state"], part["posterior"], part["p_gain"], part["p_loss"], part["p_amp"], event,
            ]  # fmt: skip
            arms.loc[i, "copies"] = str(part["state"])
        else:
            arms.loc[i, "call"] = states.INDETERMINATE
    return arms


def _words(part: Any) -> str:
    """One part of an arm: ``gain 143.2-248.9 Mb (3 copies, 321 genes)``."""
    return f"{part.call} {part.start / 1e6:.1f}-{part.end / 1e6:.1f} Mb ({part.state} copies, {part.n_genes} genes)"


def _silence(table: pd.DataFrame, arms: tuple[str, ...] | None) -> pd.DataFrame:
    """Rows of these arms (None: of all) without a call."""
    name = table["chromosome"].str.removeprefix("chr") + table["arm"]
    hit = pd.Series(True, index=table.index) if arms is None else name.isin(arms)
    return table.assign(call=table["call"].mask(hit, states.INDETERMINATE))
