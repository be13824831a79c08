"""The tier of the cure spectrum that perfect assays would give at each landmark (science 8.2).

Written from the text alone, with true burdens, a serum without noise, and assays that do not err but were
done on the days on which the patient had them: a state that nobody tested is not known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from ..keys import DAYS_PER_MONTH
from .assays import LIMITS
from .clinical import ELECTROPHORESIS
from .dynamics import Course
from .states import SLOW
from .true_response import Serum, at_least, responses, serum

COLUMNS: tuple[str, ...] = ("patient", "day", "tier", "why", "relapse_day", "last_known", "response", "burden")
#: MRD-negative is below this (science 5.1); imaging sees a marrow of at least :data:`SEEN`, and T4b ends there.
NEGATIVE, DEEPER, SEEN = 1e-5, 1e-6, 1e-2
#: An infusion after which nothing is given: the treatment-free interval counts from it (science 6).
INFUSED = frozenset({"BCMA-CART", "GPRC5D-CART"})
#: M-protein and free light chains of a stable disease stay within this share of where they were (science 8.2).
STABLE_SERUM = 0.25


def _days(months: int) -> int:
    """Months in whole days of years of 365, so that visits a year apart are 12 months apart, leap day or not [J]."""
    return months * 365 // 12


YEAR, TWO_YEARS, THREE_YEARS, FIVE_YEARS = (_days(m) for m in (12, 24, 36, 60))


@dataclass(frozen=True)
class Facts:
    """What perfect assays know of a patient.

    Attributes
    ----------
    response
        (days,) true IMWG response of each day.
    burden
        (days,) tumour cells per nucleated marrow cell.
    blood
        serum without noise.
    tests
        day -> (``negative``, ``positive`` or ``indeterminate``, detection limit) of MRD tests.
    scans
        day -> whether imaging was positive.
    therapies
        as in the specification.
    quantified
        day -> limit of quantification of that MRD test; the detection limit where it is not given.
    """

    response: np.ndarray
    burden: np.ndarray
    blood: Serum
    tests: Mapping[int, tuple[str, float]]
    scans: Mapping[int, bool]
    therapies: list[Mapping[str, Any]]
    quantified: Mapping[int, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Verdict:
    """A tier, why, and the tier before it was demoted as stale (empty: it was not)."""

    tier: str
    why: str
    last_known: str = ""


def true_tiers(patient: Mapping[str, Any], course: Course, *, name: str) -> pd.DataFrame:
    """True tiers on the days of samples and MRD tests (:data:`COLUMNS`); no row for a healthy donor.

    The readings of science 8.2 that it leaves open, each the nearest to its words:

    - *MRD*: negative is a burden below 1e-5, found by a test that was planned to reach 1e-5. A planned limit above
      that, with fewer tumour cells than it, is indeterminate (5.4): it neither counts as a negative nor breaks
      a run of them. What the specification says that the laboratory reported is not looked at.
    - *Resurgence* (T1, "positive >= LoQ after negative"): positive from 1e-5 on says that already, so that the words
      are of a clone that comes back below it: at LoQ or above, and at a level that the newest test which could not
      see it, since the last progression, would have shown. It counts as positive, and breaks the run.
    - *Run of negatives*: since the last positive test or progression.
    - *T2*: negative in VGPR counts, as the text says in brackets; in PR it is T1.
    - *Imaging*: a negative scan counts for 12 months. A positive one caps at T1 until a later one is negative, but one
      from before the current line of therapy says nothing of its result and counts as unknown. T3, T4a and T5 need
      a negative scan within 12 months; T2 and T4b need that none is positive.
    - *T4a*: the run of negatives spans 24 months or more. The evidence that the text cites is of MRD sustained for
      24 months, whose duration counts from the first test (5.1), not from the day on which it was called sustained.
    - *T4b*: positive tests of at most 1e-2, the last within 12 months, that go back 36 months or more. From one to the
      next the burden changes by less than a doubling in 24 months, and each day's M-protein and involved free light
      chain stay within 25% of where they were at the run's begin (what electrophoresis does not see is 0).
    - *T5*: progression-free means since the last therapy.
    - *Stale*: without an MRD test of the last 12 months MRD is unknown, which the table has under T1. ``last_known``
      keeps the tier that it would be were the test not too old.
    - *Treatment-free*: since the last day of any therapy, since the infusion of CAR-T cells; 0 on therapy.

    Returns
    -------
    DataFrame
        ``relapse_day``: first day after the landmark on which the true course is an IMWG progression, not the day of
        a visit; empty when there is none until the end (or death). ``burden``: per nucleated marrow cell.
    """
    if not course.clones:
        return pd.DataFrame(columns=list(COLUMNS))
    facts = _facts(patient, course)
    death = patient["clinical"]["death_day"]
    last = len(facts.burden) - 1 if death is None else min(death, len(facts.burden) - 1)
    progressed = np.flatnonzero(facts.response[: last + 1] == "PD")
    rows = []
    for day in sorted({s["day"] for s in patient["samples"]} | set(facts.tests)):
        verdict = tier_at(facts, day)
        later = progressed[progressed > day]
        rows.append(
            {
                "patient": name, "day": day, "tier": verdict.tier, "why": verdict.why,
                "relapse_day": int(later[0]) if len(later) else None, "last_known": verdict.last_known,
                "response": facts.response[day], "burden": facts.burden[day],
            }
        )  # fmt: skip
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    table["relapse_day"] = table["relapse_day"].astype("Int64")
    return table


def tier_at(facts: Facts, day: int) -> Verdict:
    """The tier at a landmark, from what is dated on it or before."""
    if not at_least(facts.response[[day]], "PR")[0]:
        return Verdict("T0", f"response {facts.response[day] or 'not begun'}")
    verdict = _of_mrd(facts, day)
    scan, scanned = _scan(facts, day)
    if scan == "positive" and verdict.tier > "T1":
        verdict = Verdict("T1", f"imaging positive on day {scanned}; else {verdict.why}")
    if verdict.tier > "T1" and day - (newest := max(_telling(facts, day))) > YEAR:
        return Verdict("T1", f"stale: newest MRD on day {newest}; was {verdict.why}", verdict.tier)
    return verdict


def _of_mrd(facts: Facts, day: int) -> Verdict:
    """The tier by MRD, response and time without therapy, from T1 up, without staleness and the cap of imaging."""
    telling = _telling(facts, day)
    if not telling:
        return Verdict("T1", "MRD unknown" if not any(d <= day for d in facts.tests) else "MRD indeterminate")
    newest = max(telling)
    free = treatment_free(facts.therapies, day)
    if telling[newest] == "positive":
        span = _stable_span(facts, telling)
        if span >= THREE_YEARS and free >= THREE_YEARS:
            return Verdict("T4", f"T4b: stable MRD for {span} days, {free} days without therapy")
        was = "MRD positive again" if "negative" in telling.values() else "MRD positive"
        return Verdict("T1", f"{was} on day {newest}")
    run = _negative_run(facts, telling)
    if not run:
        return Verdict("T1", "no MRD test since the last progression")
    if not at_least(facts.response[[day]], "VGPR")[0]:
        return Verdict("T1", "MRD negative in PR only")
    span = run[-1] - run[0]
    note = "" if at_least(facts.response[[day]], "CR")[0] else " (VGPR)"
    scan, _ = _scan(facts, day)
    if scan == "negative" and free >= FIVE_YEARS:
        _, limit = facts.tests[newest]
        plus = "T5+" if facts.burden[newest] < DEEPER and limit <= DEEPER else "T5"
        return Verdict("T5", f"{plus}: MRD negative, {free} days without therapy{note}")
    if span < YEAR:
        return Verdict("T2", f"MRD negative for {span} days{note}")
    if scan != "negative":
        return Verdict("T2", f"MRD negative for {span} days, imaging {scan}{note}")
    if span >= TWO_YEARS and free >= TWO_YEARS:
        return Verdict("T4", f"T4a: MRD negative for {span} days, {free} days without therapy{note}")
    return Verdict("T3", f"MRD negative for {span} days, {free} days without therapy{note}")


def _telling(facts: Facts, day: int) -> dict[int, str]:
    """Results of the tests until a day that were not indeterminate; a resurgence is positive."""
    found: dict[int, str] = {}
    unseen, since = np.inf, -1  # limit of the newest test that could not see the tumour, and its day
    for tested in sorted(d for d in facts.tests if d <= day):
        result, limit = facts.tests[tested]
        if result == "indeterminate":
            continue
        burden = facts.burden[tested]
        if since >= 0 and "PD" in facts.response[since:tested]:
            unseen = np.inf
        back = burden >= max(unseen, facts.quantified.get(tested, limit))
        found[tested] = "positive" if back else result
        if burden < limit:
            unseen, since = limit, tested
    return found


def treatment_free(therapies: list[Mapping[str, Any]], day: int) -> int:
    """Days since the last dose, since the infusion of CAR-T cells; 0 on therapy and before any."""
    last = [t["start"] if INFUSED & set(t["classes"]) else t["stop"] for t in therapies if t["start"] <= day]
    return max(0, day - max(last)) if last else 0


def _facts(patient: Mapping[str, Any], course: Course) -> Facts:
    total = course.total()
    tests: dict[int, tuple[str, float]] = {}
    quantified: dict[int, float] = {}
    for test in patient["clinical"]["mrd"]:
        limit = LIMITS[test["assay"]][0] / test["cells"] if test["lod"] is None else test["lod"]
        day = test["day"]
        if day not in tests or limit < tests[day][1]:  # of two tests of a day the deeper one says more
            tests[day] = (_mrd(float(total[day]), limit), limit)
            quantified[day] = max(LIMITS[test["assay"]][1] / test["cells"], limit)
    lesion = patient["clinical"]["lesion"]
    scans = {}
    for scan in patient["clinical"]["imaging"]:
        day = scan["day"]
        focal = bool(lesion) and lesion["from"] <= day and (lesion["until"] is None or day <= lesion["until"])
        scans[day] = bool(focal or total[day] >= SEEN)
    return Facts(
        responses(patient, course), total, serum(patient, course), tests, scans, patient["therapies"], quantified
    )


def _mrd(burden: float, limit: float) -> str:
    """What a perfect test of this detection limit says at 1e-5."""
    if burden >= max(NEGATIVE, limit):
        return "positive"
    return "negative" if limit <= NEGATIVE else "indeterminate"


def _scan(facts: Facts, day: int) -> tuple[str, int | None]:
    """``negative``, ``positive`` or ``unknown``, and the day of the newest scan that counts."""
    starts: dict[int, int] = {}
    for therapy in facts.therapies:
        if therapy["start"] <= day:
            starts.setdefault(therapy["line"], therapy["start"])
    scans = [d for d in facts.scans if max(starts.values(), default=0) <= d <= day]
    if not scans:
        return "unknown", None
    newest = max(scans)
    if facts.scans[newest]:
        return "positive", newest
    return ("negative", newest) if day - newest <= YEAR else ("unknown", newest)


def _negative_run(facts: Facts, telling: Mapping[int, str]) -> list[int]:
    """Days of the negative tests since the last positive one or progression, up to the newest."""
    newest = max(telling)
    since = max((d for d, r in telling.items() if r == "positive"), default=-1)
    progressed = np.flatnonzero(facts.response == "PD")
    progressed = progressed[progressed <= newest]
    since = max(since, int(progressed[-1]) if len(progressed) else -1)
    return sorted(d for d, r in telling.items() if r == "negative" and d > since)


def _stable_span(facts: Facts, telling: Mapping[int, str]) -> int:
    """Days from the first to the newest of the positive tests over which a low-level disease was stable."""
    days = sorted(telling)
    begin = last = days[-1]
    if facts.burden[last] > SEEN:
        return 0
    for day in reversed(days[:-1]):
        if telling[day] != "positive" or facts.burden[day] > SEEN:
            break
        change = np.log(facts.burden[begin] / facts.burden[day]) / (begin - day) * DAYS_PER_MONTH
        if abs(change) >= SLOW or not _serum_stable(facts.blood, day, last):
            break
        begin = day
    return last - begin


def _serum_stable(blood: Serum, first: int, last: int) -> bool:
    """Whether M-protein and involved free light chain stayed within 25% of their values on the first day."""
    seen = np.where(blood.m_protein >= ELECTROPHORESIS, blood.m_protein, 0.0)
    for value in (seen[first : last + 1], blood.involved[first : last + 1]):
        if np.any(np.abs(value - value[0]) > STABLE_SERUM * value[0]):
            return False
    return True
