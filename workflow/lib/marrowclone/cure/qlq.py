"""EORTC QLQ-C30 (version 3.0) and QLQ-MY20: item numbers and the exact scoring rule.

Item wordings are licensed and are not here. The rule (science 7.1, 7.2): the raw score RS
is the mean of the answered items; a scale is scored when at least half of its items are
answered; functional scales are ``(1 - (RS - 1)/range) * 100``, symptom scales and the
global scale ``((RS - 1)/range) * 100``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

C30, MY20 = "QLQ-C30", "QLQ-MY20"
#: The only version of the C30 whose items all have four points (1.0 and 2.0 have yes/no items).
C30_VERSION = "3.0"


@dataclass(frozen=True)
class Scale:
    """One scale: its code, its item numbers, and how its raw score is turned.

    ``kind`` is ``functional`` (high is good), ``symptom`` (high is bad) or ``global``
    (high is good); ``span`` is the largest minus the smallest answer.
    """

    code: str
    items: tuple[int, ...]
    kind: str
    span: int = 3

    @property
    def columns(self) -> list[str]:
        """The items' column names, ``q1`` ..."""
        return [f"q{i}" for i in self.items]


C30_SCALES: tuple[Scale, ...] = (
    Scale("QL2", (29, 30), "global", 6),
    Scale("PF2", (1, 2, 3, 4, 5), "functional"),
    Scale("RF2", (6, 7), "functional"),
    Scale("EF", (21, 22, 23, 24), "functional"),
    Scale("CF", (20, 25), "functional"),
    Scale("SF", (26, 27), "functional"),
    Scale("FA", (10, 12, 18), "symptom"),
    Scale("NV", (14, 15), "symptom"),
    Scale("PA", (9, 19), "symptom"),
    Scale("DY", (8,), "symptom"),
    Scale("SL", (11,), "symptom"),
    Scale("AP", (13,), "symptom"),
    Scale("CO", (16,), "symptom"),
    Scale("DI", (17,), "symptom"),
    Scale("FI", (28,), "symptom"),
)
MY20_SCALES: tuple[Scale, ...] = (
    Scale("DS", tuple(range(31, 37)), "symptom"),
    Scale("SE", tuple(range(37, 47)), "symptom"),
    Scale("BI", (47,), "functional"),
    Scale("FP", (48, 49, 50), "functional"),
)
SCALES: dict[str, tuple[Scale, ...]] = {C30: C30_SCALES, MY20: MY20_SCALES}

SUMMARY = "SUM"
#: The 13 scales of the summary score; the global scale and financial difficulties are not in it.
SUMMARY_SCALES: tuple[Scale, ...] = tuple(s for s in C30_SCALES if s.code not in ("QL2", "FI"))


def item_numbers(instrument: str) -> range:
    """Item numbers of an instrument: 1-30 (C30) or 31-50 (MY20)."""
    return range(1, 31) if instrument == C30 else range(31, 51)


def largest_answer(item: int) -> int:
    """Largest allowed answer of item 1-50: 7 for the two global items, 4 for all others."""
    return 7 if item in (29, 30) else 4


def score_scale(items: pd.DataFrame, scale: Scale) -> pd.Series:
    """Score one scale.

    Parameters
    ----------
    items
        forms x items, columns ``q1`` ... with answers as numbers, missing as NaN. A column
        that is not there counts as not answered.

    Returns
    -------
    Score 0-100 per form (same index); NaN where fewer than half of the items are answered.
    """
    answers = items.reindex(columns=scale.columns).to_numpy(float)
    answered = np.isfinite(answers)
    n = answered.sum(axis=1)
    raw = np.where(answered, answers, 0.0).sum(axis=1) / np.maximum(n, 1)
    score = (raw - 1.0) / scale.span * 100.0
    if scale.kind == "functional":
        score = 100.0 - score
    return pd.Series(np.where(2 * n >= len(scale.items), score, np.nan), index=items.index, name=scale.code)


def score_summary(scores: pd.DataFrame) -> pd.Series:
    """The QLQ-C30 summary score (Giesinger 2016, J Clin Epidemiol 69:79).

    ``scores`` has the scale codes as columns. The mean of 13 scales, symptoms turned to
    ``100 - x``; NaN when any of the 13 is missing. High is better.
    """
    turned = [100.0 - scores[s.code] if s.kind == "symptom" else scores[s.code] for s in SUMMARY_SCALES]
    return pd.concat(turned, axis=1).mean(axis=1, skipna=False).rename(SUMMARY)


def score_forms(items: pd.DataFrame, instrument: str) -> pd.DataFrame:
    """All scales of one instrument, forms x scale codes; the C30 has ``SUM`` as last column."""
    scores = pd.concat([score_scale(items, s) for s in SCALES[instrument]], axis=1)
    if instrument == C30:
        scores[SUMMARY] = score_summary(scores)
    return scores


def items_of(instrument: str, code: str) -> list[str]:
    """Item columns behind a scale code; for ``SUM`` the items of its 13 scales."""
    scales = SUMMARY_SCALES if code == SUMMARY else [s for s in SCALES[instrument] if s.code == code]
    return [c for s in scales for c in s.columns]
