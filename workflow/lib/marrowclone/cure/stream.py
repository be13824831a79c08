"""Random streams and dates: what every part of a landmark shares.

A stream belongs to one patient, one landmark and one purpose. So neither a further row nor a
further patient, nor a part that is skipped for want of input, moves the draws of another.
"""

from __future__ import annotations

import hashlib
import math

import numpy as np
import pandas as pd

from ..clinical import as_of
from ..keys import DAYS_PER_MONTH


def stream(seed: int, patient: str, day: int, purpose: str) -> np.random.Generator:
    """The generator of one purpose (``"mrd"``, ``"quality"`` ...) at one landmark of one patient."""
    text = "\0".join([str(seed), patient, str(day), purpose])
    return np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "big"))


def months(days: float | np.ndarray) -> float | np.ndarray:
    """Days as months of 365.25/12 days."""
    return days / DAYS_PER_MONTH


def gate_days(n_months: float) -> int:
    """Days that must lie between two dates so that they are ``n_months`` apart.

    A year is 365 days here: two tests on the same calendar day of successive years are
    twelve months apart.
    """
    return math.floor(n_months * 365 / 12)


def until(frame: pd.DataFrame | None, patient: str, day: int) -> pd.DataFrame:
    """Rows of one patient that were known on ``day`` (an absent table has none)."""
    if frame is None:
        return pd.DataFrame({"patient": pd.Series(dtype=object), "day": pd.Series(dtype="Int64")})
    return as_of(frame[frame["patient"] == patient], day)


def number(value: object) -> float:
    """A float, NaN for anything that is missing."""
    if value is None or value is pd.NA or value == "":
        return math.nan
    return float(value)  # type: ignore[arg-type]


def truth(value: object) -> bool:
    """Whether a boolean column says yes; missing is no."""
    return value is not pd.NA and str(value).strip().casefold() in ("true", "1", "1.0", "yes", "y")
