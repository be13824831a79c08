"""Detection statistics: what x of N says, and what zero of N does not say.

Source of formulas and of the golden vectors in the tests: science.md 4.3, 4.4 and 5.4.
Zero of N is an upper bound: *shown* as the exact one-sided 95% bound, *propagated* as draws
from the Jeffreys posterior.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import special

Array = npt.NDArray[np.float64]

#: Days that an S+G2M passage takes (science 4.3).
DAYS_SG2M = 0.75


def zero_of_n_upper(n: float, *, confidence: float = 0.95) -> float:
    """Exact one-sided upper bound of a proportion when none of ``n`` was positive.

    ``1 - (1 - confidence) ** (1/n)``, about 3/n; 1.0 when nothing was looked at.
    """
    if n <= 0:
        return 1.0
    return float(-math.expm1(math.log1p(-confidence) / n))


def clopper_pearson(x: float, n: float, *, confidence: float = 0.95) -> tuple[float, float]:
    """Exact two-sided interval of a proportion; (0, 1) when ``n`` is 0."""
    if n <= 0:
        return 0.0, 1.0
    tail = (1 - confidence) / 2
    lower = 0.0 if x <= 0 else float(special.betaincinv(x, n - x + 1, tail))
    upper = 1.0 if x >= n else float(special.betainccinv(x + 1, n - x, tail))
    return lower, upper


def jeffreys_draws(x: float, n: float, *, draws: int, rng: np.random.Generator) -> Array:
    """``draws`` values of Beta(x + 1/2, n - x + 1/2): never 0, never 1."""
    tiny = np.finfo(float).tiny
    return np.clip(rng.beta(x + 0.5, max(n - x, 0) + 0.5, size=draws), tiny, 1.0)


def detection_power(n: float, burden: float, *, at_least: int = 1) -> float:
    """P(at least ``at_least`` malignant cells among ``n``) at a burden per cell."""
    if at_least <= 0:
        return 1.0
    # the binomial tail as an incomplete beta function
    return float(special.betainc(at_least, int(n) - at_least + 1, burden)) if n >= at_least else 0.0


def cells_for_events(burden: float, *, events: int = 20, power: float = 0.95) -> float:
    """Cells to look at for P(>= ``events``) = ``power`` (Poisson)."""
    return float(special.gammaincinv(events, power) / burden)


def doubling_from_cycling(phi: float) -> float:
    """Potential doubling time in days of a clone whose S+G2M share is ``phi`` (science 4.3)."""
    return math.log(2) * DAYS_SG2M / phi


def silence(mu: npt.ArrayLike, *, phi: float) -> float:
    """Probability that a gene is silent in every cell, given its expected counts ``mu`` per cell.

    ``P0 = prod (1 + phi mu_i) ** (-1/phi)``: negative binomial dropout (science 4.6).
    """
    expected = np.asarray(mu, dtype=float)
    return float(np.exp(-np.log1p(phi * expected).sum() / phi))


def cells_needed(mu: float, phi: float = 0.5, p: float = 1e-3) -> int:
    """Cells after which total silence of a gene has a probability of about ``p``.

    ``mu`` is the expected UMI per cell. Rounded to the nearest cell, as the worked numbers
    of science 4.6 are; a call asks for P0 < p itself besides, so that rounding down never
    makes a call.
    """
    if mu <= 0:
        raise ValueError("a gene without expected counts is silent in any number of cells")
    return max(1, math.floor(math.log(p) / (-math.log1p(phi * mu) / phi) + 0.5))


def interval(draws: Array, *, confidence: float = 0.95) -> tuple[float, float, float]:
    """Lower end, median and upper end of draws; all missing when any draw is missing or none is there."""
    if draws.size == 0 or np.isnan(draws).any():
        return math.nan, math.nan, math.nan
    tail = (1 - confidence) / 2
    lower, median, upper = np.quantile(draws, [tail, 0.5, 1 - tail])
    return float(lower), float(median), float(upper)


def number(value: object) -> float:
    """A number, or NaN for anything that is missing."""
    if value is None or value is pd.NA or value == "":
        return math.nan
    return float(value)  # type: ignore[arg-type]


def on_day(frame: pd.DataFrame, patient: str, *, day: str = "day") -> pd.DataFrame:
    """A patient's rows in an order that does not depend on the file's (by day, then by every column)."""
    rows = frame[frame["patient"] == patient]
    keys = [day, *(c for c in rows.columns if c != day)]
    text = rows[keys].astype(str).assign(**{day: rows[day]})
    return rows.loc[text.sort_values(keys, kind="stable").index].reset_index(drop=True)
