"""Copy-number events of clones in words."""

from __future__ import annotations

from typing import Any

import pandas as pd

from . import words
from .alleles import allele_words
from .blocks import Table
from .figures import copy_number
from .gather import Patient
from .rows import rows_of


def events_in_words(arms: pd.DataFrame, clone: str) -> str:
    """``1q ×3, 13q ×1``: the arms of a clone that are not at two copies, where that is sure."""
    rows = arms[(arms["clone"] == clone) & arms["state"].notna() & (arms["state"] != 2)]
    several = rows["copies"].astype(str).str.contains("-") if "copies" in rows else pd.Series(False, index=rows.index)
    rows = rows[~rows["call"].isin(copy_number.NOT_CALLED) & (several | ~(rows["posterior"] < copy_number.SURE))]
    said = [
        (
            copy_number.chromosome_key(r.chromosome),
            r.arm,
            f"{str(r.chromosome).removeprefix('chr')}{r.arm} ×{_copies(r)}",
        )
        for r in rows_of(rows)
    ]
    return ", ".join(text for *_, text in sorted(said)) or "none called"


def _copies(row: Any) -> str:
    """``3``; ``3 or 4`` where the counts do not tell; ``3 (60% of the arm)`` for an event of a part of it."""
    copies = str(getattr(row, "copies", ""))
    text = copies.replace("-", " to ") if "-" in copies else copy_number.copies(row.state)
    extent = getattr(row, "extent", float("nan"))
    return text if pd.isna(extent) or extent >= 1 else f"{text} ({words.share(extent)} of the arm)"


def events_table(patient: Patient) -> Table:
    """Events of all malignant cells and of each clone; with allele counts, what became of the alleles."""
    names = [c for c in dict.fromkeys(patient.arms["clone"]) if c != "all"]
    rows = [
        ["all malignant" if c == "all" else c, events_in_words(patient.arms, c)]
        + ([allele_words(patient.alleles, c)] if len(patient.alleles) else [])
        for c in (["all"] if (patient.arms["clone"] == "all").any() else []) + names
    ]
    columns = ["Clone", "Events (arm × copies per cell)", *(["Alleles"] if len(patient.alleles) else [])]
    return Table(columns, rows, caption=f"Events with posterior of at least {copy_number.SURE:g}")
