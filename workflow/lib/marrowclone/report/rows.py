"""Rows of a frame, for drawing and telling row by row."""

from __future__ import annotations

from typing import Any

import pandas as pd


def rows_of(frame: pd.DataFrame) -> list[Any]:
    """The frame's rows as named tuples (small tables only: a page's, not a matrix')."""
    return list(frame.itertuples(index=False))
