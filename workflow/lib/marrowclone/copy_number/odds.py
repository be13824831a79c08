"""How like the tumour, how like normal is one cell: its odds, given the profile of the tumour's groups.

The profile of a tumour is the mean of its cells; a cell is weighed along it with Student-t tails, by
its light chain, and by the malignant share of its sample.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy import stats
from scipy.special import expit, logsumexp

from ..cells import light_chain
from . import expression
from .clusters import GroupEvidence

#: Rounds in which profiles and posteriors are refined in turn; two more where expression has to be learned.
ROUNDS = 3
#: Tails of the per-cell likelihoods: Student t, so that no single cell is beyond doubt [J]. (The spread is taken from
#: the 99% range as well: heavier tails would count what real cells do twice.)
CELL_DF = 10.0


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


@dataclass(frozen=True)
class Odds:
    """Posterior of every cell, and what it is made of (log-likelihood ratios, shape (n,)).

    Attributes
    ----------
    p
        posterior of being malignant.
    copy_number, expression, further
        log-likelihood ratios by copy number, by expression, by what was known beforehand (clonotype, drivers).
    share
        log-odds of the malignant share of the cell's sample.
    tail
        share of normal cells whose copy number and expression would speak as much for the tumour (no light chain, no
        share).
    heard
        whether expression was heard at all.
    """

    p: np.ndarray
    copy_number: np.ndarray
    expression: np.ndarray
    further: np.ndarray
    share: np.ndarray
    tail: np.ndarray
    heard: bool


def posterior(
    z: np.ndarray,
    cells: Cells,
    labels: np.ndarray,
    components: list[str],
    groups: Mapping[str, GroupEvidence],
    s: Mapping[str, Any],
    *,
    foreign: bool = False,
    table: expression.GeneTable | None = None,
    further: np.ndarray | float = 0.0,
    seed: int = 0,
) -> Odds:
    """Posterior and log-likelihood ratios of every cell, by EM over the share of each sample.

    ``foreign``: the reference cells are of other types than the tumour's. ``table``: counts from which
    expression is judged; None leaves it out. ``further``: log-odds per cell of evidence that is known
    beforehand (clonotype, drivers).
    """
    target = cells.is_tumour_type
    n = len(z)
    weights = {c: (labels == c).astype(float) for c in components}
    further = np.zeros(n) + further
    p, cnv_llr, share, tail = np.zeros(n), np.zeros(n), np.zeros(n), np.ones(n)
    heard: expression.Evidence | None = None
    rounds = ROUNDS if table is None else ROUNDS + 2
    for turn in range(rounds):  # the profiles shed the normal cells that clustering left among them
        parts = []
        for c in components:
            cnv, far = _cell_llr(
                z, weights[c], cells.is_reference & ~(labels == c), _other_chain(cells, groups[c].chain)
            )
            chain = _chain_llr(cells.chains, groups[c].chain, s["kappa_share"])
            parts.append((cnv, cnv + chain, far))
        log_share = np.log(np.array([max(weights[c].sum(), 1.0) for c in components]))
        log_share -= logsumexp(log_share)
        cnv_llr = logsumexp(np.column_stack([cnv for cnv, _, _ in parts]) + log_share, axis=1)
        joint = logsumexp(np.column_stack([both for _, both, _ in parts]) + log_share, axis=1)
        best = np.column_stack([both for _, both, _ in parts]).argmax(axis=1)
        tail = np.column_stack([far for _, _, far in parts])[np.arange(n), best]
        p, share = _share_by_sample(joint + further + (heard.log_odds if heard else 0.0), cells.samples, target)
        weights = {c: np.where(target & (best == i) & (p >= 0.5), p, 0.0) for i, c in enumerate(components)}
        if any(w.sum() < 2 for w in weights.values()):
            components = [c for c in components if weights[c].sum() >= 2]
            if not components:
                break
        if table is not None and turn < rounds - 1:
            heard = expression.evidence(
                table, p, target=target, reference=cells.is_reference, like_tumour=not foreign,
                seed=seed,
            )  # fmt: skip
    if heard:
        tail = both_tails(tail, heard.tail)
    by_expression = heard.log_odds if heard else np.zeros(n)
    return Odds(p, cnv_llr, by_expression, further, share, tail, heard is not None)


def both_tails(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Probability that two independent p-values have so small a product (Fisher): ``q (1 - ln q)`` with ``q = a b``."""
    q = np.maximum(a * b, 1e-300)
    return q * (1 - np.log(q))


def _other_chain(cells: Cells, test: light_chain.ChainTest | None) -> np.ndarray:
    """Tumour-type cells that show the chain that the restricted tumour does not; none without such a test."""
    if cells.chains is None or test is None or test.verdict != "restricted":
        return np.zeros(len(cells.samples), dtype=bool)
    other = light_chain.LAMBDA if test.chain == light_chain.KAPPA else light_chain.KAPPA
    return cells.is_tumour_type & (cells.chains == other)


def _cell_llr(
    z: np.ndarray, weight: np.ndarray, reference: np.ndarray, other_chain: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """log-likelihood ratio of each cell along one tumour profile, calibrated on normal cells; and its upper tail.

    The patient's own cells of the other light chain say best what a normal cell looks like here (a donor's
    plasma cells, and more so immune cells, lie elsewhere); at least 20, and nearer to normal than to the
    tumour. Else the reference cells. The tail is the share of normal cells that lie as far along the profile.
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
    llr = (
        stats.t.logpdf((x - centre1) / sd1, CELL_DF)
        - np.log(sd1)
        - (stats.t.logpdf((x - centre0) / sd0, CELL_DF) - np.log(sd0))
    )
    # the spread covers the normal cells' 99% range already: a normal tail
    return llr, stats.norm.sf((t - centre0) / sd0)


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


def _share_by_sample(llr: np.ndarray, samples: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Posterior with the malignant share of each sample estimated by EM (an MRD sample is not a diagnosis).

    The second array is the log-odds of that share, per cell.
    """
    p, log_odds = np.zeros(len(llr)), np.zeros(len(llr))
    for sample in np.unique(samples):
        here = samples == sample
        of = here & target
        share = 0.5
        for _ in range(100):
            share = (expit(llr[of] + np.log(share / (1 - share))).sum() + 0.5) / (of.sum() + 1)
        log_odds[here] = np.log(share / (1 - share))
        p[here] = expit(llr[here] + log_odds[here])
    return p, log_odds
