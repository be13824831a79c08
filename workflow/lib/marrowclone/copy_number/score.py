"""How well a score separates tumour from normal cells, against labels that someone else made."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats


@dataclass(frozen=True)
class Separation:
    """Area under the ROC curve (ties count half) with the cells that it was taken over."""

    auc: float
    n_tumour: int
    n_normal: int

    def __str__(self) -> str:
        """AUC and cell numbers in words."""
        return f"AUC {self.auc:.4f} ({self.n_tumour} tumour against {self.n_normal} normal cells)"


def separation(
    scores: pd.DataFrame, labels: pd.Series, *, tumour: str = "tumour", normal: str = "normal", held_out: bool = True
) -> Separation:
    """Tumour against normal cells by ``cnv_score``.

    Parameters
    ----------
    scores
        ``{patient}.scores.tsv.gz``: cell, is_reference, cnv_score.
    labels
        label per cell id.
    held_out
        leave out the cells that served as reference, unless no other normal cell exists.

    Returns
    -------
    Separation; ``auc`` is NaN when one of the two sides has no cell.
    """
    frame = scores.assign(label=scores["cell"].map(labels)).dropna(subset=["label", "cnv_score"])
    positive = frame.loc[frame["label"] == tumour, "cnv_score"].to_numpy(float)
    negatives = frame[frame["label"] == normal]
    if held_out and (~negatives["is_reference"].astype(bool)).any():
        negatives = negatives[~negatives["is_reference"].astype(bool)]
    negative = negatives["cnv_score"].to_numpy(float)
    if not len(positive) or not len(negative):
        return Separation(float("nan"), len(positive), len(negative))
    rank = stats.rankdata(np.concatenate([positive, negative]))
    u = rank[: len(positive)].sum() - len(positive) * (len(positive) + 1) / 2
    return Separation(float(u / (len(positive) * len(negative))), len(positive), len(negative))
