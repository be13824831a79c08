"""Which tumour-type cells are malignant: a posterior per cell, from groups first.

Groups of like cells are judged (copy-number events, light chain); a group that is a tumour gives the
profile against which each cell is then weighed. Without such a group the answer is "no tumour
detected", or "not assessable" where the evidence would not have sufficed to find one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from scipy import stats
from scipy.special import expit, logsumexp

from ..keys import MALIGNANT, NORMAL, UNASSIGNED
from . import clusters, light_chain, states
from .clusters import CLONAL, CONFLICT, NOTHING, TUMOUR, UNCLEAR, GroupEvidence

#: Tails of the per-cell likelihoods: Student t, so that no single cell is beyond doubt.
CELL_DF = 6.0
#: Posterior of a cell where nothing can be said.
NOT_ASSESSABLE = 0.5

CALL_COLUMNS: tuple[str, ...] = ("p_malignant", "call", "cnv_score", "light_chain", "group", "evidence")


@dataclass(frozen=True)
class Cells:
    """What the call needs of n cells, in a fixed order (sorted by id).

    Attributes
    ----------
    counts
        raw counts, CSR, n x genes.
    samples
        capture per cell.
    is_tumour_type, is_reference
        bool per cell; a cell may be both (rung R1).
    arms, depth
        of :class:`~marrowclone.copy_number.signal.Signal`.
    chains
        kappa, lambda, ambiguous or "" per cell; None where the tumour is not made of plasma cells.
    """

    counts: sp.csr_matrix
    samples: np.ndarray
    is_tumour_type: np.ndarray
    is_reference: np.ndarray
    arms: np.ndarray
    depth: np.ndarray
    chains: np.ndarray | None


@dataclass(frozen=True)
class Calls:
    """Result: a row per cell (:data:`CALL_COLUMNS`; call only for tumour-type cells), groups, a summary in words."""

    cells: pd.DataFrame
    groups: dict[str, GroupEvidence]
    tumour_found: bool
    summary: str


def call_cells(
    cells: Cells,
    expected: pd.DataFrame,
    genes: pd.DataFrame,
    *,
    rung: str,
    settings: Mapping[str, Any],
    seed: int,
) -> Calls:
    """Malignant, normal or unassigned for every tumour-type cell of a patient.

    Parameters
    ----------
    cells
        the patient's tumour-type cells and the reference cells.
    expected, genes
        of the baseline (:func:`~marrowclone.copy_number.baseline.read_baseline`).
    rung
        R1..R5: what the reference allows to say.
    settings
        of ``call_malignant`` (thresholds of :data:`states.DEFAULTS` where not given).
    seed
        of the clustering.
    """
    s = {**states.DEFAULTS, **settings}
    n = len(cells.samples)
    target = np.flatnonzero(cells.is_tumour_type)
    if len(target) == 0:
        return Calls(_frame(cells, np.zeros(n), np.zeros(n), [""] * n, [""] * n, s), {}, False, "no tumour-type cells")
    calibration = cells.is_reference if cells.is_reference.any() else cells.is_tumour_type
    noise = clusters.fit_noise(cells.arms[calibration], cells.depth[calibration])
    z = noise.whiten(cells.arms, cells.depth)

    labels = np.full(n, "", dtype=object)
    found = clusters.cluster_cells(z[target], seed=seed)
    labels[target] = [f"g{i + 1}" for i in found]
    groups = _judge(cells, labels, expected, genes, rung, s)
    if not any(g.verdict == TUMOUR for g in groups.values()):
        # a few malignant cells among many normal ones form no cluster; they are outliers together
        strays = _outliers(z, cells)
        if len(strays) >= s["min_cells"]:
            tried = np.full(n, "", dtype=object)
            tried[strays] = "outliers"
            extra = _judge(cells, tried, expected, genes, rung, s)
            if extra["outliers"].verdict == TUMOUR:
                labels[strays] = "outliers"
                groups = _judge(cells, labels, expected, genes, rung, s)

    components = [name for name, g in groups.items() if g.verdict == TUMOUR]
    if components:
        p, llr = _posterior(z, cells, labels, components, groups, s)
        member = np.where(cells.is_tumour_type, p, 0.0)
    else:
        p, llr = np.full(n, NOT_ASSESSABLE), np.zeros(n)
        member = _leading_group(z, labels, groups)
    p = _without_profile(p, cells, labels, groups, bool(components), rung, s)
    score = projection_score(z, member)
    evidence = _evidence(cells, labels, groups, llr, bool(components))
    frame = _frame(cells, p, score, labels, evidence, s)
    return Calls(frame, groups, bool(components), _summary(frame, groups, components))


def projection_score(z: np.ndarray, member: np.ndarray) -> np.ndarray:
    """Projection of each cell on the mean profile of the member cells, itself left out; 1 = like them, 0 = normal.

    ``z`` is n x arms (whitened), ``member`` a weight in [0, 1] per cell. Zeros when there is no member.
    """
    total = member.sum()
    if total <= 1:
        return np.zeros(len(z))
    mean = member @ z / total
    others = (total * mean[None, :] - member[:, None] * z) / np.maximum(total - member, 1e-9)[:, None]
    return (z * others).sum(axis=1) / max(float(mean @ mean), 1e-9)


def call_of(p: np.ndarray, *, malignant_at: float, normal_at: float) -> np.ndarray:
    """malignant from ``malignant_at`` on, normal up to ``normal_at``, else unassigned."""
    call = np.full(len(p), UNASSIGNED, dtype=object)
    call[p >= malignant_at] = MALIGNANT
    call[p <= normal_at] = NORMAL
    return call


def _judge(
    cells: Cells, labels: np.ndarray, expected: pd.DataFrame, genes: pd.DataFrame, rung: str, s: Mapping[str, Any]
) -> dict[str, GroupEvidence]:
    """Evidence of the groups; cells of no group take no part."""
    inside = np.flatnonzero(labels != "")
    return clusters.judge_groups(
        cells.counts[inside],
        cells.samples[inside],
        labels[inside],
        None if cells.chains is None else cells.chains[inside],
        expected,
        genes,
        rung=rung,
        settings=s,
    )


def _outliers(z: np.ndarray, cells: Cells) -> np.ndarray:
    """Tumour-type cells farther from normal than all but 0.1% of normal cells would be."""
    distance = (z**2).sum(axis=1)
    limit = stats.chi2.ppf(0.999, df=z.shape[1])
    reference = cells.is_reference & ~cells.is_tumour_type
    if reference.sum() >= 200:
        limit = max(limit, float(np.quantile(distance[reference], 0.995)))
    return np.flatnonzero(cells.is_tumour_type & (distance > limit))


def _posterior(
    z: np.ndarray,
    cells: Cells,
    labels: np.ndarray,
    components: list[str],
    groups: Mapping[str, GroupEvidence],
    s: Mapping[str, Any],
) -> tuple[np.ndarray, np.ndarray]:
    """Posterior and copy-number log-likelihood ratio of every cell, by EM over the share of each sample."""
    target = cells.is_tumour_type
    weights = {c: (labels == c).astype(float) for c in components}
    p = np.zeros(len(z))
    llr = np.zeros(len(z))
    for _ in range(3):  # the profiles shed the normal cells that clustering left among them
        parts = []
        for c in components:
            cnv = _cell_llr(z, weights[c], cells.is_reference & ~(labels == c), _other_chain(cells, groups[c].chain))
            chain = _chain_llr(cells.chains, groups[c].chain, s["kappa_share"])
            parts.append((cnv, cnv + chain))
        log_share = np.log(np.array([max(weights[c].sum(), 1.0) for c in components]))
        log_share -= logsumexp(log_share)
        llr = logsumexp(np.column_stack([cnv for cnv, _ in parts]) + log_share, axis=1)
        joint = logsumexp(np.column_stack([both for _, both in parts]) + log_share, axis=1)
        p = _share_by_sample(joint, cells.samples, target)
        best = np.column_stack([both for _, both in parts]).argmax(axis=1)
        weights = {c: np.where(target & (best == i) & (p >= 0.5), p, 0.0) for i, c in enumerate(components)}
        if any(w.sum() < 2 for w in weights.values()):
            components = [c for c in components if weights[c].sum() >= 2]
            if not components:
                break
    return p, llr


def _other_chain(cells: Cells, test: light_chain.ChainTest | None) -> np.ndarray:
    """Tumour-type cells that show the chain that the restricted tumour does not; none without such a test."""
    if cells.chains is None or test is None or test.verdict != "restricted":
        return np.zeros(len(cells.samples), dtype=bool)
    other = light_chain.LAMBDA if test.chain == light_chain.KAPPA else light_chain.KAPPA
    return cells.is_tumour_type & (cells.chains == other)


def _cell_llr(z: np.ndarray, weight: np.ndarray, reference: np.ndarray, other_chain: np.ndarray) -> np.ndarray:
    """log-likelihood ratio of each cell along one tumour profile, calibrated on normal cells.

    The patient's own cells of the other light chain say best what a normal cell looks like here (a donor's
    plasma cells, and more so immune cells, lie elsewhere); at least 20, and nearer to normal than to the
    tumour. Else the reference cells.
    """
    total = weight.sum()
    mean = weight @ z / max(total, 1e-9)
    length = float(np.sqrt(mean @ mean))
    # itself left out: a cell must not vouch for itself
    others = (total * mean[None, :] - weight[:, None] * z) / np.maximum(total - weight, 1e-9)[:, None]
    t = (z * others).sum(axis=1) / max(length, 1e-9)
    inside = weight >= 0.5
    centre1 = float(np.median(t[inside])) if inside.any() else length
    sd1 = max(1.4826 * float(np.median(np.abs(t[inside] - centre1))), 1.0) if inside.sum() >= 5 else 1.2
    nearby = other_chain & (t < centre1 / 2)
    normal = nearby if nearby.sum() >= 20 else reference
    if normal.sum() >= 20:
        centre0 = float(np.median(t[normal]))
        # the 99% range as well as the core: real normal cells have tails
        spread = np.abs(t[normal] - centre0)
        sd0 = max(1.4826 * float(np.median(spread)), float(np.quantile(spread, 0.99)) / 2.9, 1.0)
    else:
        centre0, sd0 = 0.0, 1.2
    x = np.clip(t, centre0, max(centre1, centre0))  # beyond the tumour's own mean is not less tumour
    return (
        stats.t.logpdf((x - centre1) / sd1, CELL_DF)
        - np.log(sd1)
        - (stats.t.logpdf((x - centre0) / sd0, CELL_DF) - np.log(sd0))
    )


def _chain_llr(chains: np.ndarray | None, test: light_chain.ChainTest | None, kappa_share: float) -> np.ndarray | float:
    """log-likelihood ratio of each cell's light chain; 0 unless the group is restricted (science 1.4)."""
    if chains is None or test is None or test.verdict != "restricted":
        return 0.0
    q = kappa_share if test.chain == light_chain.KAPPA else 1 - kappa_share
    other = light_chain.LAMBDA if test.chain == light_chain.KAPPA else light_chain.KAPPA
    share = light_chain.RESTRICTED_SHARE
    return np.where(
        chains == test.chain, np.log(share / q), np.where(chains == other, np.log((1 - share) / (1 - q)), 0)
    )


def _share_by_sample(llr: np.ndarray, samples: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Posterior with the malignant share of each sample estimated by EM (an MRD sample is not a diagnosis)."""
    p = np.zeros(len(llr))
    for sample in np.unique(samples):
        here = samples == sample
        of = here & target
        share = 0.5
        for _ in range(100):
            share = (expit(llr[of] + np.log(share / (1 - share))).sum() + 0.5) / (of.sum() + 1)
        p[here] = expit(llr[here] + np.log(share / (1 - share)))
    return p


def _leading_group(z: np.ndarray, labels: np.ndarray, groups: Mapping[str, GroupEvidence]) -> np.ndarray:
    """Members of the group farthest from normal: the score needs a direction where no tumour was found, too."""
    names = sorted(groups)
    strength = [np.linalg.norm(z[labels == g].mean(axis=0)) * np.sqrt((labels == g).sum()) for g in names]
    return (labels == names[int(np.argmax(strength))]).astype(float) if names else np.zeros(len(z))


def _without_profile(
    p: np.ndarray,
    cells: Cells,
    labels: np.ndarray,
    groups: Mapping[str, GroupEvidence],
    tumour_found: bool,
    rung: str,
    s: Mapping[str, Any],
) -> np.ndarray:
    """Posterior where the verdict on the group, not the cell's profile, decides."""
    p = p.copy()
    for name, group in groups.items():
        here = labels == name
        polyclonal = group.chain is not None and group.chain.verdict == "polyclonal"
        if group.verdict == CLONAL:
            # a restricted group without events: the group is clonal, a cell of the other chain is not of it
            chains = cells.chains if cells.chains is not None else np.full(len(p), "", dtype=object)
            chain = group.chain.chain if group.chain is not None else ""
            of_clone = here & (chains == chain)
            p[of_clone] = np.maximum(p[of_clone], s["p_clonal_group"])
            p[here & (chains == light_chain.AMBIGUOUS)] = NOT_ASSESSABLE
            other = here & ~of_clone & (chains != light_chain.AMBIGUOUS)
            p[other] = 1 - s["p_clonal_group"]
        elif not tumour_found and group.verdict == NOTHING:
            p[here] = s["p_no_tumour"] if polyclonal or rung in ("R1", "R2", "R3") else NOT_ASSESSABLE
        elif group.verdict in (CONFLICT, UNCLEAR):
            p[here] = np.minimum(p[here], NOT_ASSESSABLE) if group.verdict == CONFLICT else p[here]
    return p


def _evidence(
    cells: Cells, labels: np.ndarray, groups: Mapping[str, GroupEvidence], llr: np.ndarray, tumour_found: bool
) -> list[str]:
    """Why, in words, per cell."""
    words = {name: g.words() for name, g in groups.items()}
    texts = []
    for name, value in zip(labels, llr, strict=True):
        text = words.get(name, "")
        texts.append(f"{text}; cell: copy-number log-odds {value:+.1f}" if tumour_found and text else text)
    return texts


def _frame(
    cells: Cells,
    p: np.ndarray,
    score: np.ndarray,
    labels: np.ndarray | list[str],
    evidence: list[str],
    s: Mapping[str, Any],
) -> pd.DataFrame:
    """The table of :class:`Calls`."""
    return pd.DataFrame(
        {
            "p_malignant": p,
            "call": call_of(p, malignant_at=s["malignant_at"], normal_at=s["normal_at"]),
            "cnv_score": score,
            "light_chain": "" if cells.chains is None else cells.chains,
            "group": labels,
            "evidence": evidence,
        }
    )


def _summary(frame: pd.DataFrame, groups: Mapping[str, GroupEvidence], components: list[str]) -> str:
    """One line for the log and for the reference table."""
    if components:
        return f"tumour found in {len(components)} of {len(groups)} groups of cells"
    if any(g.verdict == CLONAL for g in groups.values()):
        return "no copy-number tumour detected; a group with a restricted light chain is clonal"
    if any(g.verdict in (UNCLEAR, CONFLICT) for g in groups.values()):
        return "not assessable: no group of cells shows a clear tumour, some are unclear"
    return "no tumour detected"
