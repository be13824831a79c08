"""Genomic and laboratory risk as of a landmark: an annotation beside the state, never part of it (science 2.4).

Every staging is three-valued: an input that lacks leaves it indeterminate only where the input
could change the answer, and is then named.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from ..clinical import as_of
from ..keys import INDETERMINATE, RESEARCH_USE_ONLY, TABLES
from .function import HIGH_RISK
from .genome import Event, read_events
from .stream import number, until

LABORATORY: tuple[str, ...] = ("b2m", "albumin", "creatinine", "ldh", "ldh_uln")
#: What each staging is, in the table's column ``note``.
NOTES: dict[str, str] = {
    "IMS_IMWG_2025": "a share of clones in RNA stands for the fraction of sorted cells: not validated",
    "ISS": "",
    "R-ISS": "",
    "R2-ISS": "points not checked against the paper",
    "HRCA": "distinct high-risk events; del(17p) and TP53 count once",
    "double_hit": "biallelic TP53 (del(17p) with a mutation), or amp(1q) on ISS III",
}


@dataclass(frozen=True)
class Truth:
    """A three-valued statement: ``value`` True, False or None; ``missing``: the inputs that would decide it."""

    value: bool | None
    missing: tuple[str, ...] = ()

    def __and__(self, other: Truth) -> Truth:
        if self.value is False or other.value is False:
            return Truth(False)
        both = self.value and other.value
        return Truth(True) if both else Truth(None, self.missing + other.missing)

    def __or__(self, other: Truth) -> Truth:
        if self.value or other.value:
            return Truth(True)
        neither = self.value is False and other.value is False
        return Truth(False) if neither else Truth(None, self.missing + other.missing)

    def __invert__(self) -> Truth:
        return Truth(None if self.value is None else not self.value, self.missing)


@dataclass(frozen=True)
class Facts:
    """Inputs of the stagings: ``laboratory`` (units of response.tsv, NaN when missing) and ``events``."""

    laboratory: Mapping[str, float] = field(default_factory=dict)
    events: Mapping[str, Event] = field(default_factory=dict)

    def value(self, name: str) -> float:
        """A laboratory value, NaN when missing."""
        return self.laboratory.get(name, np.nan)

    def at_least(self, name: str, limit: float) -> Truth:
        """Whether a laboratory value reaches the limit."""
        value = self.value(name)
        return Truth(None, (name,)) if np.isnan(value) else Truth(bool(value >= limit))

    def has(self, event: str) -> Truth:
        """Whether the event was found."""
        found = self.events[event].found if event in self.events else None
        return Truth(None, (event,)) if found is None else Truth(found)


def baseline(response: pd.DataFrame, therapy: pd.DataFrame, day: int, *, known: bool, window: int) -> tuple[dict, str]:
    """Laboratory values from before treatment, and why there are none.

    Stagings are of the untreated disease: each value is the newest one on or before the first
    treatment (or the landmark, of a patient untreated so far), at most ``window`` days old then.
    """
    empty = dict.fromkeys(LABORATORY, np.nan)
    if not known:
        return empty, "no therapy table: values from before treatment cannot be told"
    first = int(min(therapy["start"])) if len(therapy) else day
    rows = response[(response["day"] <= first) & (response["day"] >= first - window)] if len(response) else response
    if rows.empty:
        return empty, f"no visit within {window} days before day {first}"
    values = {}
    for name in LABORATORY:
        given = rows[rows[name].notna()] if name in rows else rows.iloc[:0]
        values[name] = number(given[name].iloc[-1]) if len(given) else np.nan
    return values, ""


def iss(facts: Facts) -> tuple[str, tuple[str, ...]]:
    """I, II, III or indeterminate, and what lacks. I: b2m < 3.5 mg/L and albumin >= 35 g/L; III: b2m >= 5.5."""
    third = facts.at_least("b2m", 5.5)
    first = ~facts.at_least("b2m", 3.5) & facts.at_least("albumin", 35.0)
    return _stage(first, third)


def _stage(first: Truth, third: Truth) -> tuple[str, tuple[str, ...]]:
    if third.value:
        return "III", ()
    if first.value:
        return "I", ()
    if third.value is False and first.value is False:
        return "II", ()
    return INDETERMINATE, third.missing + first.missing


def _is_stage(facts: Facts, stage: str) -> Truth:
    found, missing = iss(facts)
    if found != INDETERMINATE:
        return Truth(found == stage)
    # an unknown stage can still be known not to be III: b2m alone decides that
    third = facts.at_least("b2m", 5.5)
    first = ~facts.at_least("b2m", 3.5) & facts.at_least("albumin", 35.0)
    one = {"I": first, "III": third}[stage]
    return one if one.value is not None else Truth(None, missing)


def high_ldh(facts: Facts) -> Truth:
    """LDH above the laboratory's own limit."""
    lacking = tuple(n for n in ("ldh", "ldh_uln") if np.isnan(facts.value(n)))
    return Truth(None, lacking) if lacking else Truth(bool(facts.value("ldh") > facts.value("ldh_uln")))


def r_iss(facts: Facts) -> tuple[str, tuple[str, ...]]:
    """Revised ISS: I = ISS I, no del(17p), t(4;14), t(14;16), normal LDH; III = ISS III with either; II the rest."""
    bad = facts.has("del(17p)") | facts.has("t(4;14)") | facts.has("t(14;16)")
    ldh = high_ldh(facts)
    return _stage(_is_stage(facts, "I") & ~bad & ~ldh, _is_stage(facts, "III") & (bad | ldh))


def r2_iss(facts: Facts, *, settings: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    """Second revision: points of ISS, LDH, del(17p), t(4;14) and 1q+ added up.

    The class is given when the lowest and the highest sum that the missing inputs allow are in one class.
    """
    stage, lacking = iss(facts)
    points = {"I": 0.0, "II": settings["r2_iss_ii"], "III": settings["r2_iss_iii"]}
    missing = list(lacking)
    possible = [points[stage]] if stage in points else _open_points(facts, points)
    low, high = min(possible), max(possible)
    for truth, worth in (
        (high_ldh(facts), settings["r2_ldh"]),
        (facts.has("del(17p)"), settings["r2_del17p"]),
        (facts.has("t(4;14)"), settings["r2_t414"]),
        (facts.has("1q+"), settings["r2_1q"]),
    ):
        low, high = low + worth * bool(truth.value), high + worth * (truth.value is not False)
        missing += truth.missing
    ends = {_r2_class(low), _r2_class(high)}
    return (ends.pop(), ()) if len(ends) == 1 else (INDETERMINATE, tuple(missing))


def _open_points(facts: Facts, points: Mapping[str, float]) -> list[float]:
    """Points of the stages that an undecided ISS may be."""
    ruled_out = {s for s in ("I", "III") if _is_stage(facts, s).value is False}
    return [p for s, p in points.items() if s not in ruled_out]


def _r2_class(points: float) -> str:
    ends = ((0.0, "low"), (1.0, "low-intermediate"), (2.5, "intermediate-high"))
    return next((name for end, name in ends if points <= end), "high")


def ims_2025(facts: Facts, *, settings: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    """IMS/IMWG 2025 consensus: ``high`` when any of the four criteria holds, ``standard`` when none does.

    Avet-Loiseau 2025 J Clin Oncol 43:2739. A del(17p) of unknown size does not decide; a
    biallelic loss of 1p32 is on record nowhere, so that a loss without 1q+ does not either.
    """
    lost = facts.events.get("del(17p)", Event(None))
    size = Truth(None, ("fraction of del(17p)",)) if np.isnan(lost.fraction) else Truth(
        bool(lost.fraction > settings["del17p_fraction"])
    )  # fmt: skip
    gained, lost_1p = facts.has("1q+"), facts.has("del(1p32)")
    translocated = facts.has("t(4;14)") | facts.has("t(14;16)") | facts.has("t(14;20)")
    any_of = (
        (facts.has("del(17p)") & size)
        | facts.has("mut(TP53)")
        | (translocated & (gained | lost_1p))
        | (lost_1p & (gained | Truth(None, ("biallelic del(1p32)",))))
        | (facts.at_least("b2m", 5.5) & ~facts.at_least("creatinine", 1.2))
    )
    return ({True: "high", False: "standard", None: INDETERMINATE}[any_of.value], any_of.missing)


def hrca(facts: Facts) -> tuple[str, tuple[str, ...]]:
    """How many distinct high-risk events: a number, or ``1 to 3`` when some are not known."""
    groups = {"del(17p) or TP53": ("del(17p)", "mut(TP53)"), "1q gain": ("1q+",)}
    counted = []
    for name in HIGH_RISK:
        truth = Truth(False)
        for event in groups.get(name, (name,)):
            truth |= facts.has(event)
        counted.append(truth)
    low, n_open = sum(t.value is True for t in counted), sum(t.value is None for t in counted)
    return f"{low} to {low + n_open}" if n_open else str(low), tuple(m for t in counted for m in t.missing)


def double_hit(facts: Facts) -> tuple[str, tuple[str, ...]]:
    """Walker 2019 Leukemia 33:159: biallelic TP53, or amp(1q) on ISS III."""
    hit = (facts.has("del(17p)") & facts.has("mut(TP53)")) | (facts.has("amp(1q)") & _is_stage(facts, "III"))
    return ({True: "yes", False: "no", None: INDETERMINATE}[hit.value], hit.missing)


def stagings(facts: Facts, *, settings: Mapping[str, Any]) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Result and missing inputs of each of :data:`NOTES`."""
    return {
        "IMS_IMWG_2025": ims_2025(facts, settings=settings),
        "ISS": iss(facts),
        "R-ISS": r_iss(facts),
        "R2-ISS": r2_iss(facts, settings=settings),
        "HRCA": hrca(facts),
        "double_hit": double_hit(facts),
    }


def annotate_risk(
    landmarks: pd.DataFrame,
    clinical: Mapping[str, pd.DataFrame | None],
    panels: Mapping[str, pd.DataFrame],
    fractions: Mapping[str, pd.DataFrame],
    *,
    settings: Mapping[str, Any],
) -> pd.DataFrame:
    """Every staging of every landmark (contract ``cure.risk``), from what was known then.

    ``landmarks``: patient, day. ``clinical``: response, therapy, cytogenetics, None for a table that does not
    exist. ``panels``, ``fractions``: by patient.
    """
    rows = []
    for patient, day in landmarks[["patient", "day"]].itertuples(index=False):
        known = {n: until(clinical.get(n), patient, int(day)) for n in ("response", "therapy", "cytogenetics")}
        values, why = baseline(
            known["response"], known["therapy"], int(day),
            known=clinical.get("therapy") is not None, window=settings["baseline_window_days"],
        )  # fmt: skip
        events = read_events(known["cytogenetics"], panels[patient], as_of(fractions[patient], int(day)))
        facts = Facts(values, events)
        said = "; ".join(f"{e} {_size(v)} ({v.source})" for e, v in events.items() if v.found)
        for system, (result, missing) in stagings(facts, settings=settings).items():
            lacking = ", ".join(dict.fromkeys(missing))
            if why and set(missing) & set(LABORATORY):
                lacking += f" ({why})"
            rows.append((patient, int(day), system, result, lacking, said, NOTES[system], RESEARCH_USE_ONLY))
    return pd.DataFrame(rows, columns=list(TABLES["cure.risk"]))


def _size(event: Event) -> str:
    return "found" if np.isnan(event.fraction) else f"in {event.fraction:.0%}"
