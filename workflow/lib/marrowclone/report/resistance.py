"""Section of a patient's page: what the clones show that bears on drugs."""

from __future__ import annotations

from typing import Any

import pandas as pd

from ..evolution.antigen import NO_LOSS, NOT_ASSESSABLE
from ..evolution.expression_evidence import UNCHANGED
from ..evolution.resistance import NO_CHANGE, NO_GROWTH
from . import words
from .blocks import Section, Table
from .gather import Patient
from .rows import rows_of

#: Calls that tell of no change.
NOTHING_SEEN = (NO_LOSS, UNCHANGED, NO_CHANGE, NO_GROWTH)


def resistance_section(patient: Patient) -> Section:
    """Evidence of resistance by clone and drug class."""
    section = Section(
        "resistance",
        "Resistance evidence",
        "What the clones show that bears on drug classes; a description, never a treatment recommendation. A "
        "target that is present as RNA may still be lost as protein, so an intact target is never claimed.",
    )
    if not len(patient.resistance):
        section.blank = "No resistance evidence could be assessed."
        return section
    table = patient.resistance.sort_values(["clone", "day", "drug_class"], kind="stable")
    latest = table["day"] == table.groupby(["clone", "evidence_type"])["day"].transform("max")
    assessed = table[latest & (table["call"] != NOT_ASSESSABLE)]
    columns = ["Clone", "Day", "Drug class", "Marker", "Evidence", "Value", "95% interval", "Call", "Note"]
    numeric = frozenset({1, 5, 6})
    # what changed, and how the targets of drugs that were given stand, whatever that is
    target = (assessed["evidence_type"] == "antigen") & _true(assessed, "exposed")
    first = assessed[target | ~assessed["call"].isin(NOTHING_SEEN)]
    caption = (
        "Latest evidence per clone: what changed, and targets of drugs that were given. Value: times what was expected "
        "(antigen, expression, programme), copies of the arm (dosage), growth per month (phenotype)"
    )
    if len(first):
        section.tables.append(Table(columns, _evidence(first), caption=caption, numeric=numeric))
    elif len(assessed):
        section.blank = "Nothing that could be assessed at the clones' latest samples had changed."
    else:
        section.blank = "None of the evidence could be assessed at the clones' latest samples."
    caption = f"All evidence, with what has not changed and what could not be assessed ({len(table):,} rows)"
    section.tables.append(Table(columns, _evidence(table), caption=caption, numeric=numeric, folded=True))
    return section


def _evidence(table: pd.DataFrame) -> list[list[str]]:
    return [
        [
            str(r.clone), words.number(r.day), words.plain(r.drug_class), str(r.marker) or "–",
            words.plain(r.evidence_type), words.number(r.value, 2), words.between(r.lower, r.upper, as_share=False),
            words.plain(r.call), _note(r),
        ]
        for r in rows_of(table)
    ]  # fmt: skip


def _true(table: pd.DataFrame, column: str) -> pd.Series:
    """Whether a column says true; false where there is no such column."""
    return table[column].astype(str).str.lower().eq("true") if column in table else pd.Series(False, table.index)


def _note(row: Any) -> str:
    """What a value is measured against, and what there is to say of it."""
    reference, note = getattr(row, "reference", ""), getattr(row, "note", "")
    against = "" if words.missing(reference) else f"against {reference}"
    return "; ".join(part for part in (against, "" if words.missing(note) else str(note)) if part) or "–"
