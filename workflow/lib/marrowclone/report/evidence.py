"""Small folded tables of evidence: why this number of clones, and the patient's trajectory class."""

from __future__ import annotations

from typing import Any

import pandas as pd

from . import words
from .blocks import Table
from .gather import Patient
from .rows import rows_of


def number_of_clones(patient: Patient) -> list[Table]:
    """The numbers of clones that were tried, and what tells each clone from its nearest."""
    tables = []
    if len(patient.selection):
        best = pd.to_numeric(patient.selection["bic"]).min()
        rows = [
            [f"{int(r.k):,}", _bic(r.bic, best), words.number(r.smallest), _yes(r.resolvable), _yes(r.chosen),
             _note(r.note)]
            for r in rows_of(patient.selection)
        ]  # fmt: skip
        columns = ["Clones", "BIC above the best", "Cells in the smallest", "May be reported", "Chosen", "Note"]
        caption = "Why this number of clones: every number that was tried (BIC: lower is better)"
        tables.append(Table(columns, rows, caption=caption, numeric=frozenset({0, 1, 2}), folded=True))
    if len(patient.summary):
        rows = [
            [str(r.clone), words.number(r.n_cells), words.number(r.n_assigned), _note(r.nearest),
             _note(r.events).replace("-", "−"), words.number(r.d_prime, 2), words.share(r.misassignment),
             _note(r.evidence), _note(r.note)]
            for r in rows_of(patient.summary)
        ]  # fmt: skip
        columns = ["Clone", "Cells", "Assigned", "Nearest", "Log2 shift of arms from the nearest", "d′",
                   "Expected misassignment", "Evidence", "Note"]  # fmt: skip
        caption = "What tells each clone from its nearest (d′: distance in standard deviations of a cell)"
        tables.append(Table(columns, rows, caption=caption, numeric=frozenset({1, 2, 5, 6}), folded=True))
    return tables


def trajectory_class(patient: Patient) -> list[Table]:
    """The class of the clones' course between sampling days; nothing when there is one day only."""
    if not len(patient.trajectory):
        return []
    rows = [
        [f"{words.number(r.from_day)} to {words.number(r.to_day)}", words.plain(r.label),
         words.probability(r.probability), words.told(r.evidence)]
        for r in rows_of(patient.trajectory)
    ]  # fmt: skip
    return [
        Table(
            ["Days", "Class", "Probability", "Evidence"],
            rows,
            caption="Class of the course: how the clones changed between sampling days, and over all of them",
            numeric=frozenset({2}),
            folded=True,
        )
    ]


def _bic(value: Any, best: float) -> str:
    return words.NOT_KNOWN if words.missing(value) else f"{float(value) - best:,.1f}"


def _yes(value: Any) -> str:
    return "yes" if str(value).lower() in {"true", "1", "1.0"} else "no"


def _note(value: Any) -> str:
    return words.NOT_KNOWN if words.missing(value) else words.told(value)
