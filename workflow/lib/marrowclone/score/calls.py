"""Malignant calls: shares, ranking, false positives, calibration."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import rankdata

from ..keys import MALIGNANT, PLASMA, UNASSIGNED
from .calibration import calibration, reliability
from .cells import beside
from .shares import f_score, flat, ratio, share


def auc(score: npt.ArrayLike, malignant: npt.ArrayLike) -> float:
    """P(a malignant cell scores above a normal one), ties counted half (Mann-Whitney); in [0, 1], chance .5.

    Cells without a score are left out; NaN when either kind has none.
    """
    x, y = np.asarray(score, dtype=float), np.asarray(malignant).astype(bool)
    known = ~np.isnan(x)
    x, y = x[known], y[known]
    n1, n0 = int(y.sum()), int((~y).sum())
    if n1 == 0 or n0 == 0:
        return math.nan
    return float((rankdata(x)[y].sum() - n1 * (n1 + 1) / 2) / (n1 * n0))


def best_f1(score: npt.ArrayLike, malignant: npt.ArrayLike) -> tuple[float, float]:
    """(F1, threshold) of the best rule "malignant when score >= threshold", **chosen with the truth**.

    It flatters: no user could choose so. In [0, 1]; chance is no lower than the F1 of calling every cell malignant,
    2 p / (1 + p) at a share p of malignant cells. Malignant cells without a score count as missed.
    """
    x, y = np.asarray(score, dtype=float), np.asarray(malignant).astype(bool)
    real = int(y.sum())
    known = ~np.isnan(x)
    if real == 0 or not known.any():
        return math.nan, math.nan
    order = np.argsort(-x[known], kind="stable")
    x, hits = x[known][order], np.cumsum(y[known][order])
    last = np.append(np.flatnonzero(np.diff(x)), len(x) - 1)  # equal scores are called together
    f1 = 2 * hits[last] / (last + 1 + real)
    best = int(np.argmax(f1))
    return float(f1[best]), float(x[last[best]])


def call_metrics(answer: pd.DataFrame, truth: pd.DataFrame, *, healthy: Collection[str] = ()) -> dict[str, Any]:
    """Scores of malignant calls over the cells given (of one patient, or of many together).

    Parameters
    ----------
    answer
        cell, score, p_malignant, call (``malignant``, ``normal``, ``unassigned`` or empty). A cell that it does not
        list is not called.
    truth
        ``truth/cells.tsv.gz`` of the cells given to the tool (what served as its reference is no test: leave it
        out). See :func:`marrowclone.score.cells.judged_cells` for the cells that count.
    healthy
        patients that are healthy donors (column ``patient`` of truth).

    Returns
    -------
    dict
        precision, recall, f1, hits, called, real: chance is the base rate, see :func:`.shares.f_score`; NaN when
        the answer makes no call at all. auc over cells with a score, malignant against all others; best_f1 and
        best_threshold (chosen with the truth). fpr: share of true normal plasma cells of patients that are called
        malignant, fpr_healthy: of healthy donors' plasma cells, each with _lower, _upper (Jeffreys 95%), _hits, _n;
        ideal 0, chance the share called. unassigned: share of listed cells left open; listed, scored: shares of
        judged cells in the answer, and with a score.
    """
    cells = beside(answer, truth)
    malignant = cells["malignant"].to_numpy()
    called = (cells["call"] == MALIGNANT).to_numpy()
    listed = cells["listed"].to_numpy()
    of_healthy = text_in(cells, "patient", healthy)
    normal_plasma = ~malignant & (cells["cell_type"] == PLASMA).to_numpy() & listed
    decided = bool(cells["call"].ne("").any())
    out: dict[str, Any] = f_score((called & malignant).sum(), called.sum(), malignant.sum())
    if not decided:
        out |= dict.fromkeys(("precision", "recall", "f1"), math.nan)
    best, threshold = best_f1(cells["score"], malignant)
    out |= {"auc": auc(cells["score"], malignant), "best_f1": best, "best_threshold": threshold}
    for name, group in (("fpr", normal_plasma & ~of_healthy), ("fpr_healthy", normal_plasma & of_healthy)):
        out |= flat(name, share((called & group).sum(), group.sum() if decided else 0))
    open_ = (cells["call"] == UNASSIGNED).to_numpy()
    out["unassigned"] = ratio((open_ & listed).sum(), listed.sum()) if decided else math.nan
    out["listed"] = ratio(listed.sum(), len(cells))
    out["scored"] = ratio(cells["score"].notna().sum(), len(cells))
    out["n"] = len(cells)
    return out


def text_in(cells: pd.DataFrame, column: str, names: Collection[str]) -> np.ndarray:
    """Whether ``column`` is one of ``names``; all false where there is no such column."""
    if column not in cells.columns:
        return np.zeros(len(cells), dtype=bool)
    return cells[column].isin(list(names)).to_numpy()


def call_calibration(answer: pd.DataFrame, truth: pd.DataFrame, *, bins: int = 10) -> dict[str, float]:
    """Calibration of ``p_malignant`` over judged cells that have one (:func:`.calibration.calibration`)."""
    cells = beside(answer, truth)
    return calibration(cells["p_malignant"], cells["malignant"], bins=bins)


def call_reliability(answer: pd.DataFrame, truth: pd.DataFrame, *, bins: int = 10, by: str = "count") -> pd.DataFrame:
    """Reliability table of ``p_malignant`` (:func:`.calibration.reliability`)."""
    cells = beside(answer, truth)
    return reliability(cells["p_malignant"], cells["malignant"], bins=bins, by=by)
