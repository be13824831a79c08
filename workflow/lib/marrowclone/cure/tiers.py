"""The ordered tiers T0-T5 by rule (science 8.2). The number never overrides the rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .function import CR, PR, VGPR
from .stream import gate_days

NOT_ASSESSABLE = -1
WORDS = {
    NOT_ASSESSABLE: "not assessable",
    0: "active or progressing disease",
    1: "controlled, disease still visible or its absence not shown",
    2: "deep response seen",
    3: "sustained deep response",
    4: "functional-cure candidate",
    5: "compatible with statistical cure",
}


@dataclass(frozen=True)
class Facts:
    """What the rule looks at; arrays over draws or scalars.

    Attributes
    ----------
    response
        rank (:data:`marrowclone.cure.function.RANK`), -1 unknown.
    active
        progression, active organ damage or extramedullary disease.
    response_recent, response_known
        shelf life; whether anything is on record.
    negative, positive
        marrow status at 1e-5. Neither: indeterminate or unknown.
    traced
        a clone was counted below 1e-5 (which is negative, and still a clone for T4b).
    negative_days
        days between first and last negative of the unbroken run.
    deep
        newest negative at 1e-6: nothing seen by a test that reaches it, or a trace below it.
    imaging, imaging_recent
        negative, equivocal, positive or unknown; within its shelf life.
    function_known
        therapy and response tables are there.
    free_days, progression_free_days
        treatment-free and progression-free time.
    stable
        low-level disease, stable with sufficient probability, for ``stable_days``.
    stale
        the newest telling MRD test is older than its shelf life.
    """

    response: int = -1
    response_known: bool = False
    response_recent: bool = False
    active: bool = False
    negative: Any = False
    positive: Any = False
    traced: bool = False
    negative_days: Any = 0
    deep: bool = False
    imaging: str = "unknown"
    imaging_recent: bool = False
    function_known: bool = False
    free_days: int = 0
    progression_free_days: int = 0
    stable: bool = False
    stable_days: int = 0
    stale: bool = False


@dataclass(frozen=True)
class Paths:
    """Which rules hold, before caps; arrays. ``sustained`` is T3's rule, ``free`` T4a's, ``mgus`` T4b's."""

    deep_response: np.ndarray
    sustained: np.ndarray
    free: np.ndarray
    mgus: np.ndarray
    statistical: np.ndarray


def paths(facts: Facts, *, settings: Mapping[str, Any]) -> Paths:
    """Evaluate each tier's own rule."""
    negative = np.atleast_1d(np.asarray(facts.negative, dtype=bool))
    span = np.atleast_1d(np.asarray(facts.negative_days, dtype=float))
    positive = np.atleast_1d(np.asarray(facts.positive, dtype=bool))
    clear = facts.imaging == "negative"
    # >= CR, or VGPR with a negative test (flagged); a negative test is needed either way
    deep_response = negative & (facts.response >= VGPR)
    cleared = clear and facts.imaging_recent and facts.function_known
    sustained = deep_response & (span >= gate_days(settings["sustained_months"])) & cleared
    free = (
        sustained
        & (span >= gate_days(settings["candidate_sustained_months"]))
        & (facts.free_days >= gate_days(settings["candidate_free_months"]))
    )
    mgus = (
        (positive | facts.traced)
        & facts.stable
        & (facts.stable_days >= gate_days(settings["stable_months"]))
        & (facts.free_days >= gate_days(settings["stable_months"]))
        & (clear and facts.function_known)
    )
    long_free = min(facts.free_days, facts.progression_free_days) >= gate_days(settings["cure_free_months"])
    # "negative within the last 12 months" is kept by what assign() makes of stale tests
    statistical = deep_response & cleared & long_free
    return Paths(deep_response, sustained, free, mgus, statistical)


def assign(facts: Facts, *, settings: Mapping[str, Any]) -> np.ndarray:
    """Tier per draw, 0-5, or -1 when no response is on record (the tier is then empty).

    Caps: positive imaging at T1, equivocal at T2, a response older than its shelf life at T2.
    Stale: an MRD test older than its shelf life leaves MRD unknown now, which is T1; :func:`last_known` keeps what
    it was. A step down instead would print a stale T5 as a T4 that nobody has seen.
    """
    rule = paths(facts, settings=settings)
    size = rule.deep_response.shape
    if not facts.response_known:
        return np.full(size, NOT_ASSESSABLE)
    if facts.active or facts.response < PR:
        return np.zeros(size, dtype=int)
    tier = np.select(
        [rule.statistical, rule.free | rule.mgus, rule.sustained, rule.deep_response], [5, 4, 3, 2], default=1
    )
    cap = {"positive": 1, "equivocal": 2}.get(facts.imaging, 5)
    if not facts.response_recent:
        cap = min(cap, 2)
    return np.minimum(tier, 1 if facts.stale else cap)


def last_known(facts: Facts, *, settings: Mapping[str, Any]) -> int:
    """The tier that the same facts gave while MRD test, imaging and response were fresh."""
    fresh = replace(facts, stale=False, response_recent=True, imaging_recent=facts.imaging != "unknown")
    return int(assign(fresh, settings=settings)[0])


def variant(tier: int, facts: Facts, *, settings: Mapping[str, Any]) -> str:
    """What stands behind the tier's digit: ``a``/``b`` (T4), ``+`` and ``10y`` (T5), ``f`` (T2 from VGPR, flagged)."""
    rule = paths(facts, settings=settings)
    if tier == 2 and facts.response < CR:
        return "f"
    if tier == 4:
        return "b" if rule.mgus[0] and not rule.free[0] and not rule.statistical[0] else "a"
    if tier == 5:
        long = min(facts.free_days, facts.progression_free_days) >= gate_days(settings["cure_long_months"])
        return ("+" if facts.deep else "") + ("-10y" if long else "")
    return ""


def name(tier: int) -> str:
    """``T3``; empty when not assessable."""
    return "" if tier == NOT_ASSESSABLE else f"T{tier}"


def probabilities(tiers: np.ndarray) -> np.ndarray:
    """P(T0) ... P(T5) over draws; NaN when not assessable."""
    if (tiers == NOT_ASSESSABLE).all():
        return np.full(6, np.nan)
    return np.bincount(tiers[tiers >= 0], minlength=6) / len(tiers)


def headline(observed: int, tiers: np.ndarray) -> int:
    """The modal tier of the draws, but never above what the rule gives for the facts as reported."""
    if observed == NOT_ASSESSABLE:
        return observed
    return min(observed, int(np.argmax(probabilities(tiers))))
