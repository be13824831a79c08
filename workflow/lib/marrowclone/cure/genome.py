"""High-risk genomic events as of a landmark: found, tested and not found, or not known.

The clinical table speaks first; where it has no row, the high-risk panel of the RNA does. Not
tested is not absent.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..keys import ABSENT, PRESENT

#: Every event a staging asks for, with its names in cytogenetics.tsv and in the panel of the RNA.
EVENTS: dict[str, tuple[str, ...]] = {
    "del(17p)": ("del(17p)", "mono(17)"),
    "mut(TP53)": ("mut(TP53)",),
    "t(4;14)": ("t(4;14)",),
    "t(14;16)": ("t(14;16)",),
    "t(14;20)": ("t(14;20)",),
    "1q+": ("gain(1q)", "amp(1q)", "gain(1q21)", "amp(1q21)"),
    "amp(1q)": ("amp(1q)", "amp(1q21)"),
    "del(1p32)": ("del(1p32)",),
}
#: Everything of RNA is said of the whole patient but what the panel says of single clones.
_ALL = "all"


@dataclass(frozen=True)
class Event:
    """``found``: True, False, or None when not known. ``fraction`` of plasma cells (NaN); ``source`` in words."""

    found: bool | None
    fraction: float = np.nan
    source: str = ""


def read_events(cytogenetics: pd.DataFrame, panel: pd.DataFrame, fractions: pd.DataFrame) -> dict[str, Event]:
    """The state of each of :data:`EVENTS`.

    Parameters
    ----------
    cytogenetics
        rows of one patient, cut at the landmark. A fraction of 0 is tested and not found; an
        event found once by any method stays found, with the largest fraction seen.
    panel
        the patient's ``copy_number.panel`` (has no day).
    fractions
        the patient's ``evolution.fractions``, cut at the landmark. Only clones that had
        been seen by then speak; before the first of them the panel says nothing.
    """
    seen = fractions[fractions["n_clone"].astype(float) > 0] if len(fractions) else fractions
    clones = {str(c) for c in seen["clone"]} - {""} if len(seen) else set()
    out = {}
    for event, names in EVENTS.items():
        tested = _tested(cytogenetics, names)
        out[event] = tested if tested.found is not None else _by_rna(panel, event, names, clones, fractions)
    if out["amp(1q)"].found is None and out["1q+"].found is False:
        out["amp(1q)"] = Event(False, 0.0, out["1q+"].source)
    return out


def _tested(rows: pd.DataFrame, names: Collection[str]) -> Event:
    mine = rows[rows["event"].isin(names)] if "event" in rows else rows.iloc[:0]
    if mine.empty:
        return Event(None)
    positive = mine[~(mine["fraction"].astype(float) == 0)]
    shown = positive if len(positive) else mine
    said = ", ".join(f"{m} day {d}" for m, d in dict.fromkeys(zip(shown["method"], shown["day"], strict=True)))
    size = float(positive["fraction"].astype(float).max()) if len(positive) else 0.0
    return Event(bool(len(positive)), size, said)


def _by_rna(
    panel: pd.DataFrame, event: str, names: Collection[str], clones: Collection[str], fractions: pd.DataFrame
) -> Event:
    if panel.empty or not clones:
        return Event(None)
    mine = panel[panel["finding"].isin(names)]
    own = mine[mine["clone"].isin(clones)]
    if own.empty:
        return _of_patient(mine[mine["clone"] == _ALL], clones, fractions)
    carriers = {str(c) for c in own.loc[own["verdict"] == PRESENT, "clone"]}
    if carriers:
        best = own.loc[own["verdict"] == PRESENT, "posterior"].astype(float).max()
        return Event(True, _largest_share(fractions, carriers), f"RNA (posterior {best:.2f})")
    absent = event != "del(1p32)" and bool((own["verdict"] == ABSENT).all()) and set(clones) <= set(own["clone"])
    return Event(False, 0.0, "RNA") if absent else Event(None)


def _of_patient(rows: pd.DataFrame, clones: Collection[str], fractions: pd.DataFrame) -> Event:
    """A finding that the panel gives for the patient only (translocations, focal losses)."""
    if rows.empty:
        return Event(None)
    row = rows.iloc[0]
    if row["verdict"] == ABSENT:
        return Event(False, 0.0, "RNA")
    if row["verdict"] != PRESENT:
        return Event(None)
    named = {c.strip() for c in str(row["clones"]).replace(",", ";").split(";")} - {"", _ALL, "nan"}
    if named and not named & set(clones):
        return Event(None)
    size = _largest_share(fractions, named & set(clones)) if named else np.nan
    posterior = float(row["posterior"]) if pd.notna(row["posterior"]) else np.nan
    return Event(True, size, "RNA" if np.isnan(posterior) else f"RNA (posterior {posterior:.2f})")


def _largest_share(fractions: pd.DataFrame, carriers: Collection[str]) -> float:
    """Largest share that the carriers had together in one sample so far: a proxy of the tested fraction."""
    mine = fractions[fractions["clone"].isin(carriers)]
    return float(mine.groupby("sample")["fraction"].sum().max()) if len(mine) else np.nan


def known(events: Mapping[str, Event]) -> dict[str, Any]:
    """``found`` by event."""
    return {name: event.found for name, event in events.items()}
