"""Intervals of a proportion that more than one chapter gives."""

from __future__ import annotations

from scipy import special


def jeffreys(x: float, n: float, *, confidence: float = 0.95) -> tuple[float, float]:
    """Equal-tailed Jeffreys interval, from Beta(x + 1/2, n - x + 1/2).

    The lower end is 0 for x = 0 and the upper end 1 for x = n, as is usual for this interval.
    """
    if n <= 0:
        return 0.0, 1.0
    tail = (1 - confidence) / 2
    a, b = x + 0.5, n - x + 0.5
    return (
        0.0 if x <= 0 else float(special.betaincinv(a, b, tail)),
        1.0 if x >= n else float(special.betainccinv(a, b, tail)),
    )
