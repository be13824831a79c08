"""Allele counts as evidence for clones, and what they say of each clone's arms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import logsumexp

from ..keys import TABLES
from .phase import EVEN, THETA, Blocks, arm_reads, build_blocks, estimate_noise
from .phases import learn_phases
from .snps import Alleles, heterozygous, place_snps
from .terms import Term, tempered

COLUMNS = TABLES["clones.alleles"]
BALANCED, IMBALANCE, LOH, NEUTRAL = "balanced", "imbalance", "LOH", "copy-neutral LOH"
NOT_CALLED = "not called"
#: Shares of the more frequent haplotype at which a clone's arm is looked at.
FINE = np.round(np.arange(0.5, 0.985, 0.02), 2)


def patient_blocks(alleles: Alleles, tumour_cells: Sequence[str], *, settings: Mapping[str, Any]) -> Blocks:
    """Reads of the patient's heterozygous SNPs, by haplotype block."""
    mine = alleles.counts["barcode"].isin(set(tumour_cells)).to_numpy()
    known = "heterozygous" in alleles.snps  # marrowclone.clones.snps.informative_snps
    use = np.ones(len(alleles.snps), dtype=bool) if known else heterozygous(alleles, mine, settings=settings)
    return build_blocks(alleles, place_snps(alleles.snps), use, block_bases=float(settings["phase_block"]))


def allele_term(alleles: Alleles, cells: np.ndarray, *, settings: Mapping[str, Any]) -> Term | None:
    """What the alleles say of each cell; None where no arm shows more than noise.

    Parameters
    ----------
    cells
        ids of the malignant cells (n), in the order of the result.
    settings
        section ``clones.infer_clones``: the keys on alleles.
    """
    blocks = patient_blocks(alleles, cells.tolist(), settings=settings)
    tumour = np.isin(blocks.cells, cells)
    if not tumour.any():
        return None
    phases = learn_phases(blocks, tumour, estimate_noise(blocks, tumour), settings=settings)
    if not phases:
        return None
    row = pd.Index(cells).get_indexer(pd.Index(blocks.cells[tumour]))
    log_p = np.zeros((len(cells), len(phases), len(THETA)), dtype=np.float32)
    for f, phase in enumerate(phases.values()):
        log_p[row, f] = tempered(phase.log_p - phase.log_p[:, [EVEN]])
    return Term(
        kind="alleles",
        features=tuple(phases),
        levels=tuple(f"{x:.2f}" for x in THETA),
        steps=THETA,
        min_step=float(settings["min_allele_shift"]),
        log_p=log_p,
    )


def call_alleles(
    alleles: Alleles,
    cells: pd.DataFrame,
    profiles: pd.DataFrame,
    *,
    reading: Mapping[str, Any],
    settings: Mapping[str, Any],
) -> pd.DataFrame:
    """Balance of the two haplotypes of each clone and arm.

    The share of the more frequent haplotype is that of the clone's own reads, all blocks' orientations integrated out;
    nothing is taken over from other clones.

    Parameters
    ----------
    cells
        cell, clone of the malignant cells ("" unassigned: they only count as not normal).
    profiles
        clone, chromosome, arm, state (copies), start, end: the copy number beside which an allele was lost.
    reading
        section ``clones.infer_clones``: the keys on alleles.
    settings
        section ``clones.call_alleles``.

    Returns
    -------
    DataFrame
        :data:`COLUMNS`, by clone and place. b_allele: posterior mean of the share of the more frequent haplotype;
        lower, upper: 95%; posterior: of the call, with equal weight for balance and for all steps of imbalance
        together; state: copies (empty where they are not known: a loss is then called LOH whatever the copies).
        Below ``min_posterior`` the call is :data:`NOT_CALLED`. Arms with fewer than ``min_arm_snps`` SNPs are left out.
    """
    blocks = patient_blocks(alleles, cells["cell"].tolist(), settings=reading)
    clone = cells.set_index("cell")["clone"].reindex(blocks.cells)
    tumour = clone.notna().to_numpy()
    names = sorted(set(cells["clone"].dropna()) - {""})
    if not tumour.any() or not names:
        return pd.DataFrame(columns=list(COLUMNS))
    noise = estimate_noise(blocks, tumour)
    copies = arm_copies(profiles)
    snps = pd.Series(blocks.n_snps).groupby(blocks.arm).sum()
    rows: list[dict[str, Any]] = []
    for arm in [a for a in snps.index if a and snps[a] >= int(reading["min_arm_snps"])]:
        reads = arm_reads(blocks, arm, tumour, noise, theta=FINE, settings=reading)
        here = blocks.entries[blocks.arm[blocks.entries["block"]] == arm]
        of_entry = clone.to_numpy()[here["cell"]]
        of_pair = clone.to_numpy()[tumour][reads.cell]
        for name in names:
            mine, inside = here[of_entry == name], of_pair == name
            joint = np.zeros((len(reads.log_prior), *reads.value.shape[1:]))
            np.add.at(joint, reads.block[inside], reads.value[inside])
            score = logsumexp(joint + reads.log_prior[:, :, None], axis=1).sum(axis=0)
            seen = {
                "n_snps": int(blocks.n_snps[mine["block"].unique()].sum()), "n_reads": int(mine["d"].sum()),
                "n_cells": mine["cell"].nunique(),
            }  # fmt: skip
            where = {"clone": name, "chromosome": f"chr{arm[:-1]}", "arm": arm[-1]}
            state = copies.get((name, arm), np.nan)
            rows.append({**where, **seen, "state": state, **call_share(score, state, settings=settings)})
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    place = table["chromosome"].str.removeprefix("chr").astype(int)
    return table.iloc[np.lexsort((table["arm"], place, table["clone"].map(_number)))].reset_index(drop=True)


def _number(clone: str) -> int:
    """10 of ``c10``, so that it follows c9."""
    return int(clone.removeprefix("c"))


def call_share(score: np.ndarray, copies: float, *, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Share, interval and call of one arm, from its log likelihood at the shares :data:`FINE`."""
    uneven, single = float(settings["min_imbalance"]), float(settings["min_loh"])
    is_even = uneven > FINE
    prior = np.where(is_even, 0.5 / is_even.sum(), 0.5 / (~is_even).sum())
    p = np.exp(score - score.max()) * prior
    p /= p.sum()
    total = np.cumsum(p)
    lower, upper = (float(FINE[min(int(np.searchsorted(total, q)), len(FINE) - 1)]) for q in (0.025, 0.975))
    lost, even = float(p[single <= FINE].sum()), float(p[is_even].sum())
    shares = {BALANCED: even, IMBALANCE: 1 - even - lost, NEUTRAL if copies == NORMAL_COPIES else LOH: lost}
    call = max(shares, key=lambda c: shares[c])
    posterior = shares[call]
    if posterior < float(settings["min_posterior"]):
        call = NOT_CALLED
    return {"b_allele": float(p @ FINE), "lower": lower, "upper": upper, "call": call, "posterior": posterior}


#: Copies of an arm in a normal cell.
NORMAL_COPIES = 2


def arm_copies(profiles: pd.DataFrame) -> dict[tuple[str, str], float]:
    """(clone, arm) -> copies of the longest segment of the arm."""
    if profiles.empty:
        return {}
    ranked = profiles.assign(length=profiles["end"] - profiles["start"])
    ranked = ranked.sort_values(["length", "start"], ascending=[False, True], kind="stable")
    longest = ranked.drop_duplicates(["clone", "chromosome", "arm"])
    arms = longest["chromosome"].str.removeprefix("chr") + longest["arm"]
    return dict(zip(zip(longest["clone"], arms, strict=True), longest["state"].astype(float), strict=True))
