"""EQ-5D-5L: level string, level sum, visual analogue scale, and an index by the user's value set.

Value sets are licensed: none is shipped. Without one there is no index, only the level sum
(descriptive) and the VAS (science 7.3).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from ..errors import UserError, shown

EQ5D = "EQ-5D-5L"
DIMENSIONS: tuple[str, ...] = ("eq_mobility", "eq_self_care", "eq_usual_activities", "eq_pain", "eq_anxiety")
VAS_COLUMN = "eq_vas"
#: Scale codes in ``qol.tsv``.
INDEX, VAS, LEVEL_SUM = "INDEX", "VAS", "LSS"


def states(levels: pd.DataFrame) -> pd.Series:
    """Level strings such as ``11213``, empty where any dimension is missing."""
    values = levels.reindex(columns=list(DIMENSIONS)).to_numpy(float)
    complete = np.isfinite(values).all(axis=1)
    text = ["".join(str(int(v)) for v in row) if ok else "" for row, ok in zip(values, complete, strict=True)]
    return pd.Series(text, index=levels.index, dtype=object)


def score_forms(levels: pd.DataFrame, value_set: pd.Series, value_sets: Mapping[str, pd.Series]) -> pd.DataFrame:
    """Index, VAS and level sum per form.

    Parameters
    ----------
    levels
        forms x (five dimensions, 1-5, and ``eq_vas``, 0-100), missing as NaN.
    value_set
        per form the name of the value set, empty for none.
    value_sets
        by name, index value by level string.

    Returns
    -------
    forms x (INDEX, VAS, LSS). INDEX is NaN without a value set or with a missing dimension.
    """
    state = states(levels)
    index = [
        float(value_sets[name].get(code, np.nan)) if name in value_sets and code else np.nan
        for name, code in zip(value_set, state, strict=True)
    ]
    dimensions = levels.reindex(columns=list(DIMENSIONS)).astype(float)
    vas = levels[VAS_COLUMN].astype(float) if VAS_COLUMN in levels else pd.Series(np.nan, index=levels.index)
    return pd.DataFrame(
        {INDEX: index, VAS: vas, LEVEL_SUM: dimensions.sum(axis=1, skipna=False)}, index=levels.index, dtype=float
    )


def read_value_set(path: str | Path) -> pd.Series:
    """Read a value set: a tab-separated table with the columns ``state`` (11111 ...) and ``index``.

    Raises
    ------
    UserError
        when columns lack, a state is not five digits 1-5, a state stands twice, or full
        health (11111) is not 1.
    """
    path = Path(path)
    frame = pd.read_csv(path, sep="\t", dtype={"state": str}, comment="#")
    if not {"state", "index"} <= set(frame.columns):
        raise UserError(
            f"{shown(path)}: found columns {', '.join(map(str, frame.columns))}, expected state and index.",
            hint="a value set is a tab-separated table with one row per EQ-5D-5L state.",
        )
    state = frame["state"].fillna("").str.strip()
    values = pd.to_numeric(frame["index"], errors="coerce")
    bad = ~state.str.fullmatch("[1-5]{5}") | values.isna() | (values > 1) | state.duplicated()
    if bad.any():
        line = int(np.flatnonzero(bad.to_numpy())[0]) + 2
        raise UserError(
            f"{shown(path)} line {line}: expected a state of five digits 1-5, once, and an index of at most 1."
        )
    result = pd.Series(values.to_numpy(float), index=state.to_numpy(), dtype=float)
    if result.get("11111", 1.0) != 1.0:
        raise UserError(f"{shown(path)}: state 11111 has index {result['11111']}, expected 1.0 (full health).")
    return result
