"""The section of a patient's page on the events that risk staging asks for."""

from __future__ import annotations

import re

import pandas as pd

from ..keys import ABSENT, INDETERMINATE, PRESENT
from . import words
from .blocks import Section, Table
from .gather import Patient
from .rows import rows_of

POOLED = "all"
#: Present first: what a reader looks for.
ORDER = {PRESENT: 0, INDETERMINATE: 1, ABSENT: 2}


def panel_section(patient: Patient) -> Section:
    """Verdicts for the patient, and clone by clone on a click."""
    section = Section(
        "panel",
        "High-risk panel",
        "What RNA can say of the events that risk staging asks for. It is no FISH and no staging: mutations and focal "
        "or biallelic losses cannot be seen, translocations are told by their driver genes alone, and the share is "
        "of malignant cells that were put in a clone. Research use only.",
    )
    rows = patient.panel
    mine = rows[rows["clone"] == POOLED]
    if not len(mine) or (mine["verdict"] == INDETERMINATE).all():
        section.blank = "Nothing of the panel could be assessed: no malignant cells with arm states, or no reference."
        return section
    mine = mine.assign(rank=mine["verdict"].map(ORDER)).sort_values("rank", kind="stable")
    section.tables.append(
        Table(
            ["Finding", "Verdict", "Probability", "Clones", "Share of malignant cells", "Why"],
            [
                [str(r.finding), str(r.verdict), _probability(r.posterior), words.plain(r.clones),
                 words.share(r.share) if r.verdict == PRESENT else words.NOT_KNOWN, _reason(r.reason)]
                for r in rows_of(mine)
            ],
            caption="Findings in any clone; absent only where every clone lacks it",
            numeric=frozenset({2, 4}),
        )
    )  # fmt: skip
    own = rows[rows["clone"] != POOLED]
    if len(own):
        section.tables.append(
            Table(
                ["Clone", "Finding", "Verdict", "Probability", "Why"],
                [
                    [str(r.clone), str(r.finding), str(r.verdict), _probability(r.posterior), _reason(r.reason)]
                    for r in rows_of(own.sort_values("clone", kind="stable"))
                ],
                caption="The same clone by clone",
                numeric=frozenset({3}),
                folded=True,
            )
        )
    return section


def _probability(value: float) -> str:
    return words.NOT_KNOWN if pd.isna(value) else words.probability(value)


def _reason(text: object) -> str:
    """Why, with the page's minus signs."""
    return re.sub(r"(?<![\w.])-(?=\d)", "\u2212", words.told(text))
