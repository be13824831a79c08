"""A handful of cells that share one copy-number profile among hundreds that have none.

They form no cluster, and the cells farthest from normal are mostly not them. So a small component is sought from
many starts, each cell being judged by a profile that it had no part in. The search finds something in noise, too (some
ten cells): whether what it found is a tumour is for its arm states to say, and of them more is asked than of a
cluster, because these cells were chosen for being alike.
"""

from __future__ import annotations

import numpy as np
from scipy.special import expit

#: Share of the component that is sought [J]: 8 of 300.
SHARE = 0.03
#: Starts: the cells farthest from normal [J].
STARTS = 150
ROUNDS = 8
#: Arms gained or lost, on as many chromosomes, that the cells found must show [J]. In 18 simulated people without a
#: tumour such cells showed none (16 of them) or one; 6 or 7 malignant cells among 300 showed three or four.
MIN_EVENTS = 3
#: Whitened levels beyond this are held [J]: one odd arm of one cell is no profile.
MAX_LEVEL = 5.0
#: Cells of prior weight that hold a component's profile back, so that one odd cell is no profile [J].
HOLD = 2.0


def rare_component(z: np.ndarray, *, min_cells: int) -> np.ndarray:
    """Rows of the cells of the best small component, empty when no start leads to one of ``min_cells``.

    ``z`` is n x axes, whitened: normal cells N(0, I).
    """
    if len(z) < 4 * min_cells:
        return np.array([], dtype=int)
    gain, member = _search(np.clip(z, -MAX_LEVEL, MAX_LEVEL), min_cells)
    return np.flatnonzero(member >= 0.5) if gain > 0 else np.array([], dtype=int)


def enough_events(events: tuple[str, ...]) -> bool:
    """Whether events ("+1q", "-13q") are enough of them, on enough chromosomes, for cells that were chosen."""
    return len({event[1:-1] for event in events}) >= MIN_EVENTS


def _search(z: np.ndarray, min_cells: int) -> tuple[float, np.ndarray]:
    """Log-likelihood gained by the best component, and the membership of every cell in it."""
    starts = np.argsort(-(z**2).sum(axis=1), kind="stable")[:STARTS]
    weight = np.zeros((len(starts), len(z)))
    weight[np.arange(len(starts)), starts] = 1.0
    prior = np.log(SHARE / (1 - SHARE))
    odds = weight
    for _ in range(ROUNDS):
        odds = _left_out_odds(z, weight)
        weight = expit(odds + prior)
    gain = np.log1p(SHARE * np.expm1(np.minimum(odds, 50.0))).sum(axis=1)
    gain[(weight >= 0.5).sum(axis=1) < min_cells] = -np.inf
    best = int(np.argmax(gain))
    return float(gain[best]), weight[best]


def _left_out_odds(z: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Log-odds of every cell (columns) for every component (rows), by the component's mean without that cell."""
    total = weight.sum(axis=1)
    sums = weight @ z  # components x axes
    dot = sums @ z.T - weight * (z**2).sum(axis=1)[None, :]  # sum of the others . z
    size = np.maximum(total[:, None] - weight, 1e-9) + HOLD
    norm = (sums**2).sum(axis=1)[:, None] - 2 * weight * (sums @ z.T) + weight**2 * (z**2).sum(axis=1)[None, :]
    found: np.ndarray = dot / size - norm / size**2 / 2
    return found
