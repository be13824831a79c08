"""Random tumours: subtype, trunk events, clones and their tree, from the frequencies of science Appendix A and 2.2."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from ..resources import RESOURCES, read_resource
from .events import parse_event
from .transcriptome import drivers

#: Clones of a tumour with their founder: Poisson(3) cut to these (science A.3; 2 to 6 major clones, science 3.1).
CLONES = (2, 6)
CLONES_MEAN = 3.0
#: Own events of a clone (science A.3).
OWN_EVENTS = (1, 3)
#: Concentration of the Dirichlet of the day-0 fractions (science A.3).
FRACTIONS = 1.5
#: A tumour with fewer trisomies is not called hyperdiploid (science 2.2).
HYPERDIPLOID = 3
#: Share of t(4;14) tumours without FGFR3, whose derivative 14 is lost (science 1.5: .25 to .30).
NO_FGFR3 = 0.28
#: ln SD of a driver's level between tumours [J]: levels stay 20 to 200 times a normal cell's (science A.2).
DRIVER_SD = 0.4


@cache
def frequencies() -> pd.DataFrame:
    """``resources/simulate_events.tsv``: kind, event, subtype, frequency, clonal, source."""
    table = read_resource(RESOURCES / "simulate_events.tsv")
    return table.astype({"frequency": float, "clonal": float})


@cache
def shares(kind: str) -> dict[str, float]:
    """Name -> share of patients, for groups, subtypes, light chains, isotypes or trisomies."""
    rows = frequencies()[frequencies()["kind"] == kind]
    return dict(zip(rows["event"], rows["frequency"].astype(float), strict=True))


@cache
def arm_frequencies(subtype: str) -> dict[str, tuple[float, float]]:
    """Event -> (share of this subtype's patients that carry it, share of carriers in whom it is clonal)."""
    rows = frequencies()[frequencies()["kind"] == "arm"]
    out: dict[str, tuple[float, float]] = {}
    for which in ("any", subtype):  # the subtype's own row replaces the general one
        own = rows[rows["subtype"] == which]
        out |= {e: (f, c) for e, f, c in zip(own["event"], own["frequency"], own["clonal"], strict=True)}
    return out


def choose(names: dict[str, float], rng: np.random.Generator) -> str:
    """One of ``names``, by weight."""
    weights = np.array(list(names.values()), dtype=float)
    return str(list(names)[int(rng.choice(len(names), p=weights / weights.sum()))])


def draw_subtype(rng: np.random.Generator) -> tuple[str, bool]:
    """Subtype, and whether the tumour is hyperdiploid (with or without an IgH translocation)."""
    drawn = choose(shares("subtype"), rng)
    if drawn == "both":
        return choose({k: v for k, v in shares("subtype").items() if k.startswith("t(")}, rng), True
    return drawn, drawn == "HRD"


def draw_trunk(subtype: str, hyperdiploid: bool, rng: np.random.Generator) -> list[str]:
    """Events that all cells of the tumour carry."""
    trunk: list[str] = []
    names = shares("trisomy")
    while hyperdiploid and len(trunk) < HYPERDIPLOID:
        trunk = [e for e, f in names.items() if rng.random() < f]
    trunk.sort(key=lambda e: int(e[1:]))
    for event, (frequency, clonal) in arm_frequencies(subtype).items():
        present = rng.random() < frequency * clonal
        amplified = rng.random() < shares("amp")["amp1q"]
        if present and not touched([event]) & touched(trunk):
            trunk.append("amp1q" if event == "+1q" and amplified else event)
    return trunk


def touched(events: list[str]) -> set[str]:
    """Arms that the events change."""
    return {arm for event in events for arm in parse_event(event)[0]}


def draw_clones(trunk: list[str], subtype: str, *, shape: str, rng: np.random.Generator) -> dict[str, dict[str, Any]]:
    """Clones A, B, C ... with parent, own events and fraction at day 0; the founder is A and carries the trunk.

    Parameters
    ----------
    shape
        ``random``: each clone descends from any earlier one (random recursive tree).
        ``chain``: from the one before it. ``branched``: at least three clones, B from A, and
        the last one from a clone outside B's lineage.

    Returns
    -------
    Clone -> ``{"parent", "events", "fraction"}``. Every clone differs from all others in its
    arms; no lineage changes an arm twice, except that 1q may gain a second copy.
    """
    n = 0
    while not (3 if shape == "branched" else CLONES[0]) <= n <= CLONES[1]:
        n = int(rng.poisson(CLONES_MEAN))
    names = [chr(ord("A") + i) for i in range(n)]
    parents = {"A": ""}
    lines = {"A": {"A"}}
    for i, name in enumerate(names[1:], start=1):
        open_to = names[:i] if shape == "random" else names[i - 1 : i]
        if shape == "branched":
            open_to = ["A"] if i == 1 else names[:i] if i < n - 1 else [c for c in names[:i] if "B" not in lines[c]]
        parents[name] = str(open_to[int(rng.integers(len(open_to)))])
        lines[name] = lines[parents[name]] | {name}
    fractions = rng.dirichlet(np.full(n, FRACTIONS))
    weights = {e: f * (1.0 - c) for e, (f, c) in arm_frequencies(subtype).items() if f * (1.0 - c) > 0}
    events: dict[str, list[str]] = {"A": list(trunk)}
    for name in names[1:]:
        before = [e for c in lines[name] if c != name for e in events[c]]
        kin = [set(events[c]) for c in names if parents[c] == parents[name] and c in events]
        while True:
            own = _own_events(before, weights, rng)
            if set(own) not in kin:  # a twin of its sister could not be told from her
                break
        events[name] = own
    return {
        c: {"parent": parents[c], "events": events[c], "fraction": float(f)}
        for c, f in zip(names, fractions, strict=True)
    }


def _own_events(before: list[str], weights: dict[str, float], rng: np.random.Generator) -> list[str]:
    """One to three events on arms that the lineage has not changed; +1q may follow a +1q."""
    own: list[str] = []
    for _ in range(int(rng.integers(OWN_EVENTS[0], OWN_EVENTS[1] + 1))):
        used = touched(before) | touched(own)
        second = before.count("+1q") == 1 and "amp1q" not in before and "1q" not in touched(own)
        free = {e: w for e, w in weights.items() if not touched([e]) & used or (e == "+1q" and second)}
        if free:
            own.append(choose(free, rng))
    return own


def draw_drivers(subtype: str, rng: np.random.Generator) -> dict[str, float]:
    """Driver gene -> CPM in this tumour, about the levels of its subtype."""
    levels = {g: v * float(np.exp(rng.normal(0.0, DRIVER_SD))) for g, v in drivers().get(subtype, {}).items()}
    if subtype == "t(4;14)" and rng.random() < NO_FGFR3:
        levels["FGFR3"] = 0.0
    return {g: round(v, 1) for g, v in levels.items()}
