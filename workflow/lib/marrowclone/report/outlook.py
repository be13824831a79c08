"""What follows a patient's state on its page: how the score changed, and risk, apart and labelled so."""

from __future__ import annotations

import pandas as pd

from ..keys import INDETERMINATE
from . import words
from .blocks import Table
from .gather import Patient
from .rows import rows_of

#: Names of the stagings as they are printed.
SYSTEMS: dict[str, str] = {
    "IMS_IMWG_2025": "IMS/IMWG 2025",
    "ISS": "ISS",
    "R-ISS": "R-ISS",
    "R2-ISS": "R2-ISS",
    "HRCA": "High-risk events (count)",
    "double_hit": "Double hit",
}


def risk_table(risk: pd.DataFrame) -> Table | None:
    """The stagings of the newest landmark (``cure.risk`` of one patient); None without any."""
    if not len(risk):
        return None
    newest = risk[risk["day"] == risk["day"].max()]
    rows = []
    for row in rows_of(newest):
        lacking = "" if words.missing(row.missing) else f"missing: {row.missing}"
        note = "" if words.missing(row.note) else str(row.note)
        said = "not known" if str(row.result) == INDETERMINATE else str(row.result)
        rows.append([SYSTEMS.get(str(row.system), str(row.system)), said, "; ".join(filter(None, [lacking, note]))])
    return Table(
        ["Staging", "Result", "What lacks, and notes"],
        rows,
        caption=f"Risk, apart from the state: it changes no tier and no score ({words.when(newest['day'].max())})",
        folded=True,
    )


def change_table(changes: pd.DataFrame) -> Table | None:
    """Every landmark against the one before (``cure.changes`` of one patient); None without any."""
    if not len(changes):
        return None
    rows = [
        [words.number(r.from_day), words.number(r.to_day), f"{r.tier_from or '–'} to {r.tier_to or '–'}",
         words.number(r.delta, 2), words.between(r.lower, r.upper, as_share=False), words.probability(r.p_higher),
         str(r.call), str(r.components) or "–"]
        for r in rows_of(changes)
    ]  # fmt: skip
    return Table(
        [
            "From day",
            "To day",
            "Tier",
            "Change of score",
            "90% (measurement)",
            "Chance it rose",
            "Call",
            "Known at both",
        ],
        rows,
        caption="Change since the landmark before, over components known at both",
        numeric=frozenset({0, 1, 3, 4, 5}),
        folded=True,
    )


def apart(patient: Patient) -> list[Table]:
    """Tables that follow the state: its change, then the risk."""
    return [t for t in (change_table(patient.changes), risk_table(patient.risk)) if t is not None]
