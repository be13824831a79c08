"""What each clone was doing at each sampling day: the labels of science 4.5 [J].

Every label is a posterior probability from the same joint draws as fractions, burden and
growth, and looks only at sampling days up to its own. Growth alone reaches "dormant-compatible"
at most; "dormant, supported" asks for the state of the clone's cells as well (``rest.py``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..keys import DAYS_PER_MONTH, TABLES
from .dynamics import Visit, bound_of, two_point_growth
from .fractions import natural
from .persistence import CLASSES, UNKNOWN_CONTEXT, Contexts, changed, is_deep, sightings, stretch_of
from .rest import Rest, rest_of, woke
from .statistics import Array, zero_of_n_upper
from .therapy import UNKNOWN

EXPANDING, CONTRACTING, LOST = "expanding", "contracting", "lost (below limit)"
RE_EMERGENT, NEW = "re-emergent", "new"
PERSISTENT, DORMANT, REACTIVATING = "persistent low-level", "dormant-compatible", "reactivating"
SUPPORTED = "dormant, supported"
NOT_ASSESSABLE, UNDECIDED = "not assessable", "undecided"
GROWTH_ONLY, BOTH = "growth-only", "growth and state"
#: Probabilities that stand on every row, whether or not the label was reached.
PROBABILITIES = (
    "p_expanding", "p_contracting", "p_persistent", "p_dormant_compatible", "p_reactivating", "p_dormant_supported",
)  # fmt: skip
#: Whether treatment changed within the interval that ends on the row's day: growth is then an
#: average, no constant (science 4.4). Empty where treatment is not known, or on the first day.
CHANGE = "treatment_change"


@dataclass(frozen=True)
class Found:
    """One label of one clone at one day."""

    label: str
    probability: float
    evidence: str


def label_clones(
    series: Sequence[Visit],
    *,
    patient: str,
    dynamics: pd.DataFrame,
    response: pd.DataFrame,
    expected: Mapping[tuple[str, int], float],
    settings: Mapping[str, Any],
    state: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Labels of every clone at every sampling day.

    Parameters
    ----------
    series
        the patient's visits (:func:`marrowclone.evolution.dynamics.visits`), in day order.
    dynamics
        ``evolution/{patient}.dynamics.tsv``: the treatment over each interval.
    expected
        {(clone, day): misassignment-corrected number of cells}.
    state
        ``evolution/{patient}.state.tsv``; None: state is not assessed.

    Returns
    -------
    DataFrame
        clone, day, label, probability, evidence, then :data:`PROBABILITIES` and :data:`CHANGE`;
        one or more rows per clone and day. A label that is not reached has no row; where none is, the row says
        "undecided" (probability: the largest of the growth labels) or "not assessable".
    """
    rows: list[dict[str, Any]] = []
    contexts: Contexts = {
        int(row["to_day"]): (str(row["therapy_context"]), bool(row["therapy_change"]), str(row.get(CLASSES) or ""))
        for row in dynamics.to_dict("records")
    }
    state = pd.DataFrame(columns=TABLES["evolution.state"]) if state is None else state
    clones = sorted({clone for visit in series for clone in visit.fraction}, key=natural)
    growths = {
        (clone, visit.day): _growth(series[: i + 1], clone, least=settings["min_cells"])
        for clone in clones
        for i, visit in enumerate(series)
    }
    deep = {visit.day: is_deep(response, patient, visit.day) for visit in series}
    grown = {
        (clone, visit.day): _probabilities(
            series[: i + 1], clone, growths[clone, visit.day], deep, expected, contexts, settings=settings
        )
        for clone in clones
        for i, visit in enumerate(series)
    }
    lively = [at for at, p in grown.items() if p["p_expanding"] >= settings["probability"]]
    for clone in clones:
        rested: list[int] = []  # days of a persistent or dormant label
        for index, visit in enumerate(series):
            past = series[: index + 1]
            growth = growths[clone, visit.day]
            probabilities = grown[clone, visit.day]
            stretch = _stretch(past, clone, deep, expected, contexts, settings=settings)
            rest = rest_of(
                state, clone, visit.day, [at for at in lively if at[1] <= visit.day],
                since=stretch[0].day if stretch else None, settings=settings,
            )  # fmt: skip
            waking = woke(state, clone, rested, visit.day, settings=settings) if rested else None
            if rest.supported is not None:
                probabilities["p_dormant_supported"] = probabilities["p_dormant_compatible"] if rest.supported else 0.0
            found = _labels(
                past, clone, growth, probabilities, rested, contexts, rest, waking, expected, settings=settings
            )
            rested += [visit.day] if any(f.label in (PERSISTENT, DORMANT) for f in found) else []
            for item in found:
                row = {"clone": clone, "day": visit.day, "label": item.label, "probability": item.probability}
                change = changed(*contexts.get(visit.day, UNKNOWN_CONTEXT)[:2])
                rows.append({**row, "evidence": item.evidence, **probabilities, CHANGE: change})
    frame = pd.DataFrame(rows, columns=[*TABLES["evolution.labels"], *PROBABILITIES, CHANGE])
    return frame.astype({CHANGE: "boolean"})


def _growth(past: Sequence[Visit], clone: str, *, least: int) -> Array | None:
    """Draws of growth over the last interval; None where too little is known of it.

    That is: burden missing, below the limit at both ends, or too few cells at both ends.
    """
    if len(past) < 2 or bound_of(past[-2], past[-1], clone) == "both":
        return None
    if max(v.counts.get(clone, 0) for v in past[-2:]) < least:
        return None
    first, second = past[-2], past[-1]
    growth = two_point_growth(
        first.burden[clone], second.burden[clone], months=(second.day - first.day) / DAYS_PER_MONTH
    )
    return None if np.isnan(growth).any() else growth


def _probabilities(
    past: Sequence[Visit],
    clone: str,
    growth: Array | None,
    deep: Mapping[int, bool],
    expected: Mapping[tuple[str, int], float],
    contexts: Contexts,
    *,
    settings: Mapping[str, Any],
) -> dict[str, float]:
    """P of each growth and persistence label; NaN where it cannot be assessed."""
    result = dict.fromkeys(PROBABILITIES, math.nan)
    yearly, two_yearly = (math.log(2) / settings[name] for name in ("fast_doubling_months", "slow_doubling_months"))
    if growth is not None:
        result["p_expanding"] = float((growth > yearly).mean())
        result["p_contracting"] = float((growth < -yearly).mean())
        result["p_reactivating"] = float((growth > 0).mean())
    earlier = sightings(past, clone, deep, expected, settings=settings)
    if earlier and not np.isnan(past[-1].burden[clone]).any():
        # low at both ends: a clone that was large and is low for the first time has not persisted yet
        low = (past[-1].burden[clone] <= settings["low_level"]) & np.any(
            [v.burden[clone] <= settings["low_level"] for v in earlier], axis=0
        )
        result["p_persistent"] = float(low.mean())
        stretch = _stretch(past, clone, deep, expected, contexts, settings=settings)
        if stretch is not None:
            months = (past[-1].day - stretch[0].day) / DAYS_PER_MONTH
            rate = two_point_growth(stretch[0].burden[clone], past[-1].burden[clone], months=months)
            low &= stretch[0].burden[clone] <= settings["low_level"]
            result["p_dormant_compatible"] = float((low & (np.abs(rate) < two_yearly)).mean())
    return result


def _stretch(
    past: Sequence[Visit], clone: str, deep: Mapping[int, bool], expected: Mapping[tuple[str, int], float],
    contexts: Contexts, *, settings: Mapping[str, Any],
) -> tuple[Visit, Visit] | None:  # fmt: skip
    """Time over which a clone's rest is judged at the last of these visits; None where it has not persisted."""
    earlier = sightings(past, clone, deep, expected, settings=settings)
    if not earlier or np.isnan(past[-1].burden[clone]).any():
        return None
    return stretch_of(past, clone, [v for v in earlier if deep[v.day]], contexts, settings=settings)


def _labels(
    past: Sequence[Visit],
    clone: str,
    growth: Array | None,
    p: Mapping[str, float],
    rested: Sequence[int],
    contexts: Contexts,
    rest: Rest,
    waking: tuple[float, str] | None,
    expected: Mapping[tuple[str, int], float],
    *,
    settings: Mapping[str, Any],
) -> list[Found]:
    now, least, sure = past[-1], settings["min_cells"], settings["probability"]
    cells = now.counts.get(clone, 0)
    seen_before = [v for v in past[:-1] if v.counts.get(clone, 0) >= least]
    falling = past[-2].counts.get(clone, 0) >= least and p["p_contracting"] >= sure if len(past) > 1 else False
    if cells == 0 and seen_before:
        lost = _lost(seen_before[-1], now, clone)
        # zero of few cells is what a clone that never changed would show as well
        few = f"{lost.evidence}; too few to tell a loss from chance"
        found = [lost if lost.probability >= sure else Found(NOT_ASSESSABLE, math.nan, few)]
    elif cells < least:
        few = f"{cells} of {now.n_assigned} cells, fewer than {least}"
        # what is left of many cells tells of their fall as zero cells do, and of nothing else
        if not falling or growth is None:
            return [Found(NOT_ASSESSABLE, math.nan, few)]
        found = []
    else:
        found = _history(past, clone, expected, settings=settings)
    if len(past) < 2:
        return [*found, Found(NOT_ASSESSABLE, math.nan, "growth not assessable: first sampling day")]
    if growth is None:
        missing = np.isnan(past[-2].burden[clone]).any() or np.isnan(now.burden[clone]).any()
        why = "no absolute burden at both ends" if missing else "below the limit or too few cells at both ends"
        return [*found, Found(NOT_ASSESSABLE, math.nan, f"growth not assessable: {why}")]
    context, change, _ = contexts.get(now.day, UNKNOWN_CONTEXT)
    crossed = "; interval crosses a treatment change" if changed(context, change) else ""
    situation = "therapy unknown" if context == UNKNOWN else f"{context}{crossed}"
    assessed = rest.supported is not None
    evidence = f"{GROWTH_ONLY}; {situation}" if assessed else f"{GROWTH_ONLY}; {rest.words}; {situation}"
    if 0 < cells < least:
        evidence = f"{evidence}; {cells} of {now.n_assigned} cells left"
    if cells >= least and p["p_expanding"] >= sure:
        found.append(Found(EXPANDING, p["p_expanding"], evidence))
    if falling:
        found.append(Found(CONTRACTING, p["p_contracting"], evidence))
    if cells >= least:
        if p["p_persistent"] >= sure:
            found.append(Found(PERSISTENT, p["p_persistent"], evidence))
            # an average over kill and regrowth can be near zero without any rest
            moving = max(p["p_expanding"], p["p_contracting"]) >= sure
            if p["p_dormant_compatible"] >= settings["dormant_probability"] and not crossed and not moving:
                found.append(
                    Found(DORMANT, p["p_dormant_compatible"], f"{evidence}; {rest.words}" if assessed else evidence)
                )
                if rest.supported and p["p_dormant_compatible"] >= sure:
                    found.append(Found(SUPPORTED, p["p_dormant_compatible"], f"{BOTH}; {situation}; {rest.words}"))
        if rested and p["p_reactivating"] >= sure:
            found.append(Found(REACTIVATING, p["p_reactivating"], evidence))
        elif waking and waking[0] >= sure:
            found.append(Found(REACTIVATING, *waking))
    if not found:
        largest = max(v for k, v in p.items() if k in PROBABILITIES[:2])
        found.append(Found(UNDECIDED, largest, f"{evidence}; no label reaches its probability"))
    return found


def _lost(last_seen: Visit, now: Visit, clone: str) -> Found:
    """Zero cells now: an upper bound, and P(burden fell to a tenth or less since it was last seen)."""
    before, after = last_seen.burden[clone], now.burden[clone]
    unit = "burden"
    if np.isnan(before).any() or np.isnan(after).any():
        before, after, unit = last_seen.fraction[clone], now.fraction[clone], "share of malignant cells"
    # shown: the exact bound, which is above that of the draws (science 5.4)
    exact = now.burden_upper.get(clone, math.nan) if unit == "burden" else zero_of_n_upper(now.n_assigned)
    upper = float(np.fmax(np.quantile(after, 0.95), exact))
    evidence = f"0 of {now.n_assigned} malignant cells; {unit} at most {upper:.2g} (95%), not zero"
    return Found(LOST, float((after < before / 10).mean()), f"{evidence}; last seen on day {last_seen.day}")


def _history(
    past: Sequence[Visit],
    clone: str,
    expected: Mapping[tuple[str, int], float],
    *,
    settings: Mapping[str, Any],
) -> list[Found]:
    """New or re-emergent, for a clone that is seen now.

    An earlier zero counts when it was deep enough: with probability ``adequate`` (0.95) the
    clone was then below a tenth of what it is now (re-emergent: and of what it was when last seen). Any zero since
    then may be the deep one; days of one or two cells are neither a sighting nor a zero. Absolute burden decides;
    where it is missing, shares of malignant cells.
    """
    now, earlier = past[-1], past[:-1]
    zeros = [v for v in earlier if v.counts.get(clone, 0) == 0]
    if earlier and len(zeros) == len(earlier):
        below = np.all([_below(v, now, clone)[0] for v in zeros], axis=0)
        unit = " and ".join(sorted({_below(v, now, clone)[1] for v in zeros}))
        if below.mean() >= settings["adequate"]:
            return [Found(NEW, float(below.mean()), f"0 cells at {len(zeros)} earlier days; judged by {unit}")]
        return []
    # what other clones' and normal cells explain was not seen
    seen = [
        v
        for v in earlier
        if v.counts.get(clone, 0) >= settings["min_cells"] and expected.get((clone, v.day), 0.0) > 1.0
    ]
    best = None
    for gap in (v for v in zeros if seen and v.day > seen[-1].day):
        (under_now, unit), (under_then, _) = _below(gap, now, clone), _below(gap, seen[-1], clone)
        probability = float((under_now & under_then).mean())
        if best is None or probability > best[0]:
            best = probability, gap, unit
    if best is None or best[0] < settings["adequate"]:
        return []
    probability, gap, unit = best
    text = f"seen on day {seen[-1].day}, 0 of {gap.n_assigned} malignant cells on day {gap.day}"
    return [Found(RE_EMERGENT, probability, f"{text}, seen again; judged by {unit}")]


def _below(zero: Visit, other: Visit, clone: str) -> tuple[Any, str]:
    """Draws of "at ``zero`` the clone was below a tenth of what it was at ``other``", and the unit."""
    low, high = zero.burden[clone], other.burden[clone]
    if np.isnan(low).any() or np.isnan(high).any():
        return zero.fraction[clone] < other.fraction[clone] / 10, "shares"
    return low < high / 10, "burden"


def expected_cells(fractions: pd.DataFrame) -> dict[tuple[str, int], float]:
    """{(clone, day): misassignment-corrected cells}, from ``evolution/{patient}.fractions.tsv``."""
    total: dict[tuple[str, int], float] = {}
    for row in fractions[["clone", "day", "n_expected"]].to_dict("records"):
        key = (str(row["clone"]), int(row["day"]))
        total[key] = total.get(key, 0.0) + float(row["n_expected"])
    return total
