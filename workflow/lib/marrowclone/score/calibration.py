"""Whether a probability means what it says: reliability table, expected calibration error, Brier score."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from .shares import jeffreys, mean, ratio

RELIABILITY = ("from", "to", "n", "mean_p", "share", "lower", "upper")


def reliability(p: npt.ArrayLike, right: npt.ArrayLike, *, bins: int = 10, by: str = "count") -> pd.DataFrame:
    """Predicted against true share, bin by bin.

    Parameters
    ----------
    p
        probabilities; NaN rows are left out.
    right
        whether each came true.
    bins
        at most so many bins; empty ones have no row.
    by
        ``count``: bins of equal size, equal values of ``p`` never parted; ``width``: equal parts of [0, 1].

    Returns
    -------
    DataFrame
        from, to (bin edges: smallest and largest p for ``count``), n, mean_p, share (that came true), lower, upper
        (its Jeffreys 95% interval). Chance: share equals the base rate in every bin.
    """
    if by not in ("count", "width"):
        raise ValueError("by: count or width")
    x, y = np.asarray(p, dtype=float), np.asarray(right).astype(bool)
    known = ~np.isnan(x)
    x, y = x[known], y[known]
    if by == "width":
        which = np.clip(np.floor(x * bins), 0, bins - 1).astype(int)
    else:
        # the middle rank of equal values: they fall into one bin together
        rank = pd.Series(x).rank(method="average").to_numpy() - 0.5
        which = np.floor(rank / max(len(x), 1) * bins).astype(int)
    rows = []
    for b in np.unique(which):
        here = which == b
        n, hits = int(here.sum()), int(y[here].sum())
        edges = (b / bins, (b + 1) / bins) if by == "width" else (x[here].min(), x[here].max())
        rows.append((*map(float, edges), n, float(x[here].mean()), ratio(hits, n), *jeffreys(hits, n)))
    return pd.DataFrame(rows, columns=list(RELIABILITY))


def expected_error(table: pd.DataFrame) -> float:
    """ECE: mean over bins of |mean p - share|, weighted by n; in [0, 1], 0 ideal; NaN without rows.

    Not 0 in a finite sample even for perfect probabilities (about .4 / sqrt(n per bin) at p = .5). Chance, when the
    probabilities are dealt at random: the mean of |p - base rate| over bins.
    """
    if not len(table):
        return float("nan")
    return float(np.average((table["mean_p"] - table["share"]).abs(), weights=table["n"]))


def brier(p: npt.ArrayLike, right: npt.ArrayLike) -> float:
    """Mean of (p - right)^2; in [0, 1], 0 ideal.

    Saying the base rate b of every cell gives b (1 - b). Chance, when the probabilities are dealt at random:
    b (1 - b) + mean (p - b)^2.
    """
    x, y = np.asarray(p, dtype=float), np.asarray(right).astype(bool)
    return mean((x - y) ** 2)


def calibration(p: npt.ArrayLike, right: npt.ArrayLike, *, bins: int = 10) -> dict[str, float]:
    """``ece_count``, ``ece_width``, ``brier`` and ``n`` of rows with a probability."""
    return {
        "ece_count": expected_error(reliability(p, right, bins=bins, by="count")),
        "ece_width": expected_error(reliability(p, right, bins=bins, by="width")),
        "brier": brier(p, right),
        "n": int((~np.isnan(np.asarray(p, dtype=float))).sum()),
    }
