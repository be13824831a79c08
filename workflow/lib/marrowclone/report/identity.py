"""The identity table in words: is each sample its patient's, and what says so?"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from . import words
from .rows import rows_of

OVERALL = "overall"
MISMATCH, MATCH, DIFFERS = "mismatch", "match", "differs"
#: Checks in the table's order, with the name that a page prints.
CHECKS: dict[str, str] = {
    OVERALL: "all together", "sex": "sex", "germline_genes": "germline genes", "likeness": "likeness of expression",
    "receptor": "tumour's receptor",
}  # fmt: skip
NEUTRAL = "none"
#: A call as a verdict; what could not be compared is neither good nor bad.
VERDICTS: dict[str, str] = {MISMATCH: "fail", DIFFERS: "warn", MATCH: "ok"}


@dataclass(frozen=True)
class Identity:
    """One check of one sample: ``verdict`` is fail, warn, ok or none."""

    check: str
    name: str
    verdict: str
    text: str
    value: str = ""


def verdict(call: Any) -> str:
    """The verdict of a call of the table."""
    return VERDICTS.get(str(call), NEUTRAL)


def identity_of(table: pd.DataFrame, sample: str) -> list[Identity]:
    """The checks of one sample, ``overall`` first; nothing where the table has no row of it.

    Parameters
    ----------
    table
        ``keys.TABLES["embedding.identity"]``, of one patient or several.
    """
    mine = rows_of(table[table["sample"] == sample]) if len(table) else []
    order = list(CHECKS)
    mine.sort(key=lambda r: order.index(r.check) if r.check in order else len(order))
    return [
        Identity(
            check=str(r.check),
            name=CHECKS.get(str(r.check), words.plain(r.check)),
            verdict=verdict(r.call),
            text=_overall(r, mine) if r.check == OVERALL else _told(r),
            # a receptor or a list of genes is a sentence of its own
            value=str(r.value).replace("-", "−") if r.check in ("sex", "likeness") else "",
        )
        for r in mine
    ]


def mismatched(table: pd.DataFrame) -> list[str]:
    """Samples whose checks together say that they are not their patient's, in the table's order."""
    rows = table[(table["check"] == OVERALL) & (table["call"] == MISMATCH)]
    return list(dict.fromkeys(rows["sample"].astype(str)))


def listed(names: Iterable[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    *first, last = list(names) or [""]
    return f"{', '.join(first)} and {last}" if first else last


def _overall(row: Any, rows: list[Any]) -> str:
    """The checks that made the overall call, by name: their evidence stands in rows of their own."""
    alike = [str(r.check) for r in rows if r.check != OVERALL and r.call == row.call]
    by = listed(CHECKS.get(check, words.plain(check)) for check in alike)
    if row.call == MISMATCH:
        return f"hints at a sample swap, by {by}" + (f": most like {row.other_sample}" if row.other_sample else "")
    if row.call == DIFFERS:
        return f"other than the patient's other samples, by {by}"
    if row.call == MATCH:
        return f"agrees with the patient's other samples, by {by}"
    return words.signed(row.evidence)


def _told(row: Any) -> str:
    """Value and evidence of one check in a sentence."""
    evidence, value = words.signed(row.evidence), str(row.value)
    if row.check == "germline_genes" and evidence.startswith("0 comparisons"):
        evidence = "no gene that some people lack could be compared"
    # a CDR3 of 60 letters tells a reader nothing; whose it is stands in the evidence
    if row.check == "receptor" and value and not re.match(r"[HL]:", value):
        evidence = f"{value} here; {evidence}"
    if row.check == "germline_genes" and value:
        evidence = f"{value}; {evidence}"
    if row.call in (MISMATCH, DIFFERS) and row.other_sample and str(row.other_sample) not in evidence:
        evidence += f"; most like {row.other_sample}"
    return evidence
