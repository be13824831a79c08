"""Whether an arm's genes agree on a difference between two clones.

A copy more or less moves every gene of an arm by about as much. A programme that only some cells run moves a few of
its genes far and leaves the rest where they are, however far apart it puts the arm's sums: such an arm is no evidence
for a clone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from .levels import weighted_median

#: Counts of both clones together from which a gene has a say; fewer genes than this have no middle worth the name. [J]
MIN_COUNTS, MIN_GENES = 20, 10
#: No gene has more than this many times the median gene's say. [J]
MAX_SAY = 4.0
#: Share of the smaller clone's depth that must stand beside the other clone for captures to be told apart. [J]
MIN_SHARED = 0.05


@dataclass(frozen=True)
class GeneCounts:
    """What the segments' counts were summed from.

    Attributes
    ----------
    counts
        raw counts of the cells over the usable genes (n x G, CSR).
    segment
        index of each gene's segment (G); -1 where it was not kept.
    """

    counts: sparse.csr_matrix
    segment: np.ndarray


def typical_shift(
    genes: GeneCounts, sample: np.ndarray, first: np.ndarray, second: np.ndarray, segment: int, same: np.ndarray
) -> float:
    """Log expression ratio of ``first`` over ``second`` at the middle gene of a segment.

    Ratios are of one capture's cells with one another and pooled over captures (Mantel and Haenszel 1959 J Natl Cancer
    Inst 22:719), so that a capture's own level of a gene is no difference between clones that it holds unequally.

    Parameters
    ----------
    sample
        capture of each cell as an index (n).
    first, second
        weight of each cell in the two clones (n each), usually posteriors.
    segment
        the segment in question.
    same
        indices of segments on which the clones do not differ: their middle gene is the zero.

    Returns
    -------
    float
        natural log; NaN where too few genes have counts.
    """
    n_samples = int(sample.max()) + 1
    cells = np.arange(len(sample))
    onto = [sparse.csr_matrix((w, (sample, cells)), (n_samples, len(cells))) for w in (first, second)]
    a, b = ((m @ genes.counts).toarray() for m in onto)
    depth_a, depth_b = a.sum(axis=1, keepdims=True), b.sum(axis=1, keepdims=True)
    whole = depth_a + depth_b
    weight_a, weight_b = (np.where(whole > 0, d / np.maximum(whole, 1e-12), 0.0) for d in (depth_b, depth_a))
    if (weight_a * depth_a).sum() < MIN_SHARED * min(depth_a.sum(), depth_b.sum()):
        weight_a = weight_b = np.ones_like(whole)  # the clones hardly share a capture: nothing to stratify
        weight_a, weight_b = weight_a / depth_a.sum(), weight_b / depth_b.sum()
    top, bottom = (weight_a * a).sum(axis=0), (weight_b * b).sum(axis=0)
    total_a, total_b = a.sum(axis=0), b.sum(axis=0)
    heard = (total_a + total_b >= MIN_COUNTS) & (top + bottom > 0)
    # half a count of either clone, in the units of its weighted sum
    unit_a, unit_b = (0.5 * (w * d).sum() / d.sum() for w, d in ((weight_a, depth_a), (weight_b, depth_b)))
    ratio = np.log((top + unit_a) / (bottom + unit_b))
    say = total_a * total_b / np.maximum(total_a + total_b, 1e-12) + 1e-9
    here = heard & (genes.segment == segment)
    elsewhere = heard & np.isin(genes.segment, same)
    if here.sum() < MIN_GENES or elsewhere.sum() < MIN_GENES:
        return float("nan")
    return _middle(ratio[here], say[here]) - _middle(ratio[elsewhere], say[elsewhere])


def _middle(ratio: np.ndarray, say: np.ndarray) -> float:
    return weighted_median(ratio, np.minimum(say, MAX_SAY * np.median(say)))
