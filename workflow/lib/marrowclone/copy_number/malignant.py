"""Which tumour-type cells are malignant: a posterior per cell, from groups first.

Groups of like cells are judged (copy-number events, light chain); a group that is a tumour gives the
profile against which each cell is then weighed. Without such a group the answer is "no tumour
detected", or "not assessable" where the evidence would not have sufficed to find one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from ..cells import light_chain
from ..keys import MALIGNANT, NORMAL, UNASSIGNED
from . import clusters, expression, states
from .arm_levels import arm_levels
from .clusters import CLONAL, CONFLICT, NOTHING, TUMOUR, UNCLEAR, GroupEvidence
from .false_positives import FalsePositives, estimate, guard, none_known
from .further import Further, nothing_further
from .odds import Cells, posterior, projection_score
from .rare import enough_events, rare_component
from .wording import evidence_words, summary_words

#: Posterior of a cell where nothing can be said.
NOT_ASSESSABLE = 0.5

#: Groups that are no clusters: cells of the patient's dominant clonotype, alike in copy number, far from normal.
CLONOTYPE, RARE, OUTLIERS = "clonotype", "rare", "outliers"
#: Default of the schema, for callers without it.
MAX_FALSE_POSITIVE = 0.02

CALL_COLUMNS: tuple[str, ...] = ("p_malignant", "call", "cnv_score", "light_chain", "group", "evidence")


@dataclass(frozen=True)
class Calls:
    """Result: a row per cell (:data:`CALL_COLUMNS`; call only for tumour-type cells), groups, a summary in words."""

    cells: pd.DataFrame
    is_tumour_type: np.ndarray
    groups: dict[str, GroupEvidence]
    tumour_found: bool
    summary: str
    false_positives: FalsePositives


def call_cells(
    cells: Cells,
    expected: pd.DataFrame,
    genes: pd.DataFrame,
    *,
    rung: str,
    settings: Mapping[str, Any],
    seed: int,
    further: Further | None = None,
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
    further
        what clonotype and drivers say of each cell; nothing when None.
    """
    s = {**states.DEFAULTS, "max_false_positive": MAX_FALSE_POSITIVE, **settings}
    n = len(cells.samples)
    target = np.flatnonzero(cells.is_tumour_type)
    if len(target) == 0:
        nothing = _frame(cells, np.zeros(n), np.zeros(n), [""] * n, [""] * n, np.ones(n, dtype=bool), s)
        none = "no tumour-type cells"
        return Calls(nothing, cells.is_tumour_type, {}, False, none, none_known(none))
    # a reference in a file (R3) may have no cells: noise from counting alone, never the tumour's own spread
    calibration = cells.is_reference if cells.is_reference.any() or rung == "R3" else cells.is_tumour_type
    # are the reference cells of another type than the tumour's? On R3 they say how cells scatter, nothing else
    foreign = rung in ("R3", "R4", "R5")
    arms = cells.arms
    if not foreign:
        arms, _ = arm_levels(
            cells.counts, cells.samples, expected, genes, anchors=s["anchor_arms"], min_cpm=s["min_cpm"]
        )
    noise = clusters.fit_noise(arms[calibration], cells.depth[calibration])
    z = noise.whiten(arms, cells.depth)

    labels = np.full(n, "", dtype=object)
    found = clusters.cluster_cells(z[target], seed=seed)
    labels[target] = [f"g{i + 1}" for i in found]
    groups = _judge(cells, labels, expected, genes, rung, s)
    further = further or nothing_further(n)
    if not any(g.verdict == TUMOUR for g in groups.values()):
        # a few malignant cells among many normal ones form no cluster
        for name, rows in _few(z, cells, further, s):
            tried = np.full(n, "", dtype=object)
            tried[rows] = name
            alone = _judge(cells, tried, expected, genes, rung, s)[name]
            if alone.verdict == TUMOUR and (name != RARE or enough_events(alone.events)):
                labels[rows] = name
                groups = {**_judge(cells, labels, expected, genes, rung, s), name: alone}
                break

    components = [name for name, g in groups.items() if g.verdict == TUMOUR]
    odds = None
    if components:
        table = expression.gene_table(cells.counts, cells.samples, expected, genes)
        odds = posterior(
            z, cells, labels, components, groups, s,
            foreign=foreign, table=table, further=further.log_odds, seed=seed,
        )  # fmt: skip
        p = odds.p
        member = np.where(cells.is_tumour_type, p, 0.0)
        allowed = guard(odds, max_tail=s["max_false_positive"])
        chains = {g.chain.chain for g in groups.values() if g.chain is not None and _is_clone(g, g.chain)}
        false = estimate(
            odds, cells, chains, foreign=foreign, malignant_at=s["malignant_at"], max_tail=s["max_false_positive"]
        )
    else:
        p, allowed = np.full(n, NOT_ASSESSABLE), np.ones(n, dtype=bool)
        member = _leading_group(z, labels, groups)
        false = none_known("no copy-number tumour was found, so no cell was judged by one")
    before = p
    p = _without_profile(p, cells, labels, groups, bool(components), rung, s)
    if not components:
        p = _of_clonotype(p, further, s)
    allowed |= p > before  # what the verdict on a group decides is not the cell's own profile
    score = projection_score(z, member)
    frame = _frame(cells, p, score, labels, evidence_words(labels, groups, odds, further, allowed), allowed, s)
    summary = summary_words(frame["call"].to_numpy()[target], groups, components, rung, int(further.dominant.sum()))
    return Calls(frame, cells.is_tumour_type, groups, bool(components), summary, false)


def _is_clone(group: GroupEvidence, chain: light_chain.ChainTest) -> bool:
    """A group of the tumour with one light chain."""
    return group.verdict in (TUMOUR, CLONAL) and chain.verdict == "restricted"


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


def _few(z: np.ndarray, cells: Cells, further: Further, s: Mapping[str, Any]) -> Iterator[tuple[str, np.ndarray]]:
    """Groups of cells that may be a tumour too small for a cluster: name and rows."""
    target = np.flatnonzero(cells.is_tumour_type)
    for name, find in (
        (CLONOTYPE, lambda: np.flatnonzero(further.dominant & cells.is_tumour_type)),
        (RARE, lambda: target[rare_component(z[target], min_cells=s["min_cells"])]),
        (OUTLIERS, lambda: _outliers(z, cells)),
    ):
        rows = find()
        if len(rows) >= s["min_cells"]:
            yield name, rows


def _outliers(z: np.ndarray, cells: Cells) -> np.ndarray:
    """Tumour-type cells farther from normal than all but 0.1% of normal cells would be."""
    distance = (z**2).sum(axis=1)
    limit = stats.chi2.ppf(0.999, df=z.shape[1])
    reference = cells.is_reference & ~cells.is_tumour_type
    if reference.sum() >= 200:
        limit = max(limit, float(np.quantile(distance[reference], 0.995)))
    return np.flatnonzero(cells.is_tumour_type & (distance > limit))


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
    clones = {g.chain.chain for g in groups.values() if g.verdict == CLONAL and g.chain is not None}
    for name, group in groups.items():
        here = labels == name
        polyclonal = group.chain is not None and group.chain.verdict == "polyclonal"
        if group.verdict == CLONAL:
            p = _of_clonal_group(p, cells, here, group.chain, tumour_found, s)
        elif not tumour_found and group.verdict == NOTHING:
            p[here] = s["p_no_tumour"] if polyclonal or rung in ("R1", "R2", "R3") else NOT_ASSESSABLE
            if clones and not polyclonal and rung in ("R1", "R2", "R3"):
                p = _beside_clone(p, cells, here, group.chain, clones, s)
        elif group.verdict in (CONFLICT, UNCLEAR):
            p[here] = np.minimum(p[here], NOT_ASSESSABLE) if group.verdict == CONFLICT else p[here]
    return p


def _beside_clone(
    p: np.ndarray, cells: Cells, here: np.ndarray, test: light_chain.ChainTest | None, clones: set[str],
    s: Mapping[str, Any],
) -> np.ndarray:  # fmt: skip
    """Posterior in a group without events that is not polyclonal, beside a clone without events.

    Copy number cannot part the two, so that the group may hold cells of the clone: its chains say how many.
    """
    if test is None or cells.chains is None or len(clones) > 1:
        return np.where(here, NOT_ASSESSABLE, p)
    p = p.copy()
    (chain,) = clones
    if test.chain == chain:
        likely = light_chain.clone_probability(test, kappa_share=s["kappa_share"])
        p[here & (cells.chains == chain)] = np.clip(likely, s["p_no_tumour"], s["p_clonal_group"])
    p[here & ~np.isin(cells.chains, [light_chain.KAPPA, light_chain.LAMBDA])] = NOT_ASSESSABLE
    return p


def _of_clonotype(p: np.ndarray, further: Further, s: Mapping[str, Any]) -> np.ndarray:
    """Posterior without a copy-number tumour: the dominant clonotype is a clone, another receptor is not of it."""
    p = np.where(further.dominant, np.maximum(p, s["p_clonal_group"]), p)
    return np.where(further.clonotype < 0, np.minimum(p, 1 - s["p_clonal_group"]), p)


def _of_clonal_group(
    p: np.ndarray,
    cells: Cells,
    here: np.ndarray,
    test: light_chain.ChainTest | None,
    tumour_found: bool,
    s: Mapping[str, Any],
) -> np.ndarray:
    """Posterior in a restricted group without events: the group is clonal, a cell of the other chain is not of it.

    Where a tumour profile was found, the group's own tumour cells may be what makes it look restricted: what
    the profile leaves over is asked again, and follows its own posterior unless it is restricted by itself.
    """
    chains = cells.chains if cells.chains is not None else np.full(len(p), "", dtype=object)
    if tumour_found:
        here = here & (p < NOT_ASSESSABLE)
        test = light_chain.chain_test(chains[here], **clusters.chain_limits(s))
        if test.verdict != "restricted":
            return p
    if test is None:
        return p
    p = p.copy()
    of_clone = here & (chains == test.chain)
    ambiguous = here & (chains == light_chain.AMBIGUOUS)
    likely = min(s["p_clonal_group"], light_chain.clone_probability(test, kappa_share=s["kappa_share"]))
    p[of_clone] = np.maximum(p[of_clone], likely)
    p[ambiguous] = NOT_ASSESSABLE
    p[here & ~of_clone & ~ambiguous] = 1 - s["p_clonal_group"]
    return p


def _frame(
    cells: Cells,
    p: np.ndarray,
    score: np.ndarray,
    labels: np.ndarray | list[str],
    evidence: list[str],
    allowed: np.ndarray,
    s: Mapping[str, Any],
) -> pd.DataFrame:
    """The table of :class:`Calls`."""
    call = call_of(p, malignant_at=s["malignant_at"], normal_at=s["normal_at"])
    call[(call == MALIGNANT) & ~allowed] = UNASSIGNED
    return pd.DataFrame(
        {
            "p_malignant": p,
            "call": call,
            "cnv_score": score,
            "light_chain": "" if cells.chains is None else cells.chains,
            "group": labels,
            "evidence": evidence,
        }
    )
