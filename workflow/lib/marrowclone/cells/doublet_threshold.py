"""From which score on a barcode is called a doublet.

scrublet puts its threshold into the dip between the two modes of the simulated doublets' scores. Where there is
no clear dip it lands anywhere: too high in a capture of many plasma cells, within the singlets in a capture of
one cell type. Here it is held against how many doublets the scores themselves show.
"""

from __future__ import annotations

import numpy as np

#: An automatic threshold is not believed when it calls more than this many times the expected rate and
#: more than this share of all cells. [J]
MOST_TIMES_EXPECTED, MOST_BELIEVED = 3.0, 0.08
#: Quantiles of the simulated scores above which barcodes are counted. [J]
UPPER = (0.5, 0.6, 0.7, 0.8, 0.9)
#: Of those quantiles, the ones above which at least so many barcodes lie where the first share of a capture are
#: doublets: the least of several ratios of one or two barcodes is near 0, whatever the capture holds. The median is
#: always looked at. [J]
USUAL_SHARE, LEAST_ABOVE = 0.05, 10
#: When more barcodes than this share score like simulated doublets, the scores tell nothing: no capture has
#: so many doublets, one of a single cell type looks like it. [J]
MOST_ALIKE = 0.3


def share_like_doublets(scores: np.ndarray, simulated: np.ndarray) -> float:
    """Share of barcodes that score as simulated doublets do: the least ratio of the two upper tails.

    If a share p of the barcodes are doublets, at least p times the simulated ones' share lies above any score;
    singlets add to it. Tails of too few barcodes do not count (:data:`LEAST_ABOVE`). The same thought estimates
    the share of true nulls from p-values (Storey 2002).
    """
    ratios = []
    long_enough = [q for q in UPPER if q == UPPER[0] or round(scores.size * USUAL_SHARE * (1 - q), 9) >= LEAST_ABOVE]
    for score in np.quantile(simulated, long_enough):
        expected = float(np.mean(simulated > score))
        if expected > 0:
            ratios.append(float(np.mean(scores > score)) / expected)
    return min(ratios, default=0.0)


def excess_threshold(scores: np.ndarray, simulated: np.ndarray, rate: float) -> float:
    """The score above which most barcodes are doublets, if a share ``rate`` of all of them are.

    The maximum of expected doublets less expected singlets above it, over all scores. The largest score, above
    which there is nothing, when no threshold gains.
    """
    at = np.unique(np.concatenate([scores, simulated]))
    called = scores.size - np.searchsorted(np.sort(scores), at, side="right")
    tail = 1 - np.searchsorted(np.sort(simulated), at, side="right") / simulated.size
    doublets = np.minimum(scores.size * rate * tail, called)
    gain = 2 * doublets - called
    return float(at[np.flatnonzero(gain == gain.max())[-1]])


def choose_threshold(
    scores: np.ndarray, simulated: np.ndarray, automatic: float | None, rate: float
) -> tuple[float, str]:
    """The lower of scrublet's own threshold and :func:`excess_threshold`; what is not believable is left out.

    Parameters
    ----------
    scores, simulated
        of the barcodes, and of the simulated doublets.
    automatic
        scrublet's own threshold; None without a dip.
    rate
        expected share of doublets.

    Returns
    -------
    threshold (infinite: nothing is called), the rule in words.
    """
    scores = scores[np.isfinite(scores)]
    alike = share_like_doublets(scores, simulated)
    if alike > MOST_ALIKE:
        share = f"{min(100, 100 * alike):.0f}% of barcodes score like simulated doublets"
        return float("inf"), f"nothing called: {share} (one kind of cell?)"
    most = max(MOST_TIMES_EXPECTED * rate, MOST_BELIEVED)
    excess = excess_threshold(scores, simulated, min(alike, most))
    believed = automatic is not None and np.mean(scores > automatic) <= most
    if believed and automatic is not None and automatic <= excess:
        return float(automatic), "dip between the two modes of simulated scores"
    return excess, f"most barcodes above it are doublets, if {100 * min(alike, most):.2g}% of all are"


def solo_threshold(scores: np.ndarray, rate: float) -> tuple[float, str]:
    """0.5 where that is believable, else the score above which the most believable share of barcodes lies.

    SOLO learns from two simulated doublets per barcode, so that its probabilities are too high; in a small capture,
    or one of a single cell type, it may call every barcode.
    """
    most = max(MOST_TIMES_EXPECTED * rate, MOST_BELIEVED)
    if np.mean(scores > 0.5) <= most:
        return 0.5, "probability above 0.5"
    return float(np.quantile(scores, 1 - most)), f"highest {100 * most:.2g}% of probabilities (0.5 would call more)"
