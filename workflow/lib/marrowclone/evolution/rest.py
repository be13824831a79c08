"""What the state of a clone's cells adds to its growth: rest that is supported, and waking (science 4.5 [J]).

State alone is never enough: a clone of which no cell cycles may grow (science 4.3), and adhesion is no proof of rest.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from .cycling import UNKNOWN, Background, p_rise, share_beyond
from .gene_sets import CYCLING
from .state import ALL, BACKGROUND


@dataclass(frozen=True)
class Rest:
    """Whether the state at one day supports rest (None: not assessed), and why, in words."""

    supported: bool | None
    words: str


NOT_ASSESSED = Rest(None, "state evidence not assessed")


def rest_of(
    state: pd.DataFrame,
    clone: str,
    day: int,
    expanding: Sequence[tuple[str, int]],
    *,
    since: int | None = None,
    settings: Mapping[str, Any],
) -> Rest:
    """State evidence of one clone at one day, from what was known by then.

    Cycling cells are counted over the stretch of time over which growth is judged: a clone's few cells of one day
    cannot show a share of half a percent, those of years can. A last day that is livelier for certain ends that.

    Parameters
    ----------
    state
        ``evolution/{patient}.state.tsv``.
    expanding
        (clone, day) labelled expanding up to this day.
    since
        first day of the stretch; None: this day alone.
    settings
        of ``label_clones``: rest_cells, rest_percentile, rest_programmes.
    """
    own = state[(state["clone"] == clone) & (state["day"] <= day)]
    here = own[own["day"] == day]
    cycling = own[(own["measure"] == CYCLING) & (own["day"] >= (day if since is None else since))]
    today = cycling[cycling["day"] == day]
    if today.empty or not today["n_used"].iloc[0]:
        return NOT_ASSESSED
    x, n = int(cycling["n_positive"].sum()), int(cycling["n_used"].sum())
    upper = share_beyond(x, n, _chance(cycling))[2]
    days = "" if cycling["day"].min() == day else f" since day {int(cycling['day'].min())}"
    words = f"cycling {x} of {n}{days} (at most {upper:.2%} beyond chance)"
    lively = reference_share(state, day, expanding, settings=settings)
    if lively is None:
        return Rest(False, f"{words}; no earlier sample or expanding clone to compare with")
    slow = n >= settings["rest_cells"] and upper <= lively[0] / 2
    words += f", {'' if slow else 'not '}at most half of {lively[0]:.2%} ({lively[1]})"
    if slow and today["lower"].iloc[0] > lively[0] / 2:
        slow = False
        words += f", but at least {today['lower'].iloc[0]:.2%} on this day"
    of = here[here["measure"].isin(list(settings["rest_programmes"])) & here["percentile"].notna()]
    high = of[of["percentile"] >= settings["rest_percentile"]]
    if of.empty:
        return Rest(False, f"{words}; programmes not assessed")
    shown = (high if len(high) else of).sort_values("percentile", ascending=False, kind="stable").iloc[0]
    words += f"; {shown['measure']} at percentile {shown['percentile']:.0f}"
    return Rest(bool(slow and len(high)), words)


def _chance(rows: pd.DataFrame) -> Background:
    """Background of the cells of these days together; none is taken out where one is not known."""
    weight = rows["n_used"].to_numpy(dtype=float)
    if not set(BACKGROUND) <= set(rows) or not weight.sum():
        return UNKNOWN
    ends = [float(weight @ rows[name].to_numpy(dtype=float) / weight.sum()) for name in BACKGROUND]
    return UNKNOWN if math.isnan(ends[0]) else Background(*ends)


def reference_share(
    state: pd.DataFrame, day: int, expanding: Sequence[tuple[str, int]], *, settings: Mapping[str, Any]
) -> tuple[float, str] | None:
    """The patient's own lively share: the smaller of that at the first sampling day and of expanding clones.

    None where no such sample before ``day`` (or expanding clone up to it) has ``rest_cells`` cells and cycles for
    certain (lower bound above 0): of a clone of which perhaps no cell cycles nothing can be half.
    """
    cycling = state[(state["measure"] == CYCLING) & (state["n_used"] >= settings["rest_cells"]) & (state["lower"] > 0)]
    first = cycling[(cycling["clone"] == ALL) & (cycling["day"] == state["day"].min()) & (cycling["day"] < day)]
    found = [(float(r.value), f"all malignant cells, day {int(r.day)}") for r in first.itertuples()]
    for clone, when in expanding:
        of = cycling[(cycling["clone"] == clone) & (cycling["day"] == when) & (cycling["day"] <= day)]
        found += [(float(r.value), f"{clone}, day {when}") for r in of.itertuples()]
    return min(found) if found else None


def woke(
    state: pd.DataFrame, clone: str, rested: Sequence[int], day: int, *, settings: Mapping[str, Any]
) -> tuple[float, str] | None:
    """P(cycling share at least ``waking_factor`` x that of the last day of rest), and words; None if not assessed."""
    of = state[(state["measure"] == CYCLING) & (state["clone"] == clone) & (state["n_used"] > 0)].set_index("day")
    earlier = [d for d in rested if d in of.index and d < day]
    if not earlier or day not in of.index:
        return None
    pair = of.loc[[earlier[-1], day]]
    x0, n0, x1, n1 = pair[["n_positive", "n_used"]].to_numpy(dtype=int).ravel().tolist()
    chance = (0.0, 0.0)
    if set(BACKGROUND) <= set(pair):
        # the least that chance gave then, the most that it gives now
        chance = (float(pair["background_lower"].iloc[0]), float(pair["background_upper"].iloc[1]))
        if math.isnan(pair["background"].iloc[1]):
            return None
    p = p_rise((x0, n0), (x1, n1), factor=settings["waking_factor"], background=chance)
    return p, f"state-only: cycling {x1} of {n1}, {x0} of {n0} on day {earlier[-1]}"
