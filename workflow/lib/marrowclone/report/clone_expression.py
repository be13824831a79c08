"""What sets the clones apart in expression, on a patient's page."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from ..clones.expression import BEYOND, DOSAGE, GENE, NOT_KNOWN, OWN, PROGRAMME
from . import words
from .blocks import Table
from .rows import rows_of

#: Genes that are named in a cell; the others are counted.
NAMED = 8


def expression_table(markers: pd.DataFrame) -> Table:
    """A row per clone: genes and programmes that are its own, and how many follow its copies."""
    rows = []
    for clone in dict.fromkeys(markers["clone"]):
        mine = markers[markers["clone"] == clone]
        genes, programmes = mine[mine["kind"] == GENE], mine[mine["kind"] == PROGRAMME]
        own = genes[genes["call"].isin([OWN, NOT_KNOWN])]
        rows.append([
            str(clone), _named(own[own["log2_fold"] > 0]), _named(own[own["log2_fold"] < 0]),
            words.number((genes["call"] == DOSAGE).sum()), _named(genes[genes["call"] == BEYOND], "residual_log2"),
            _named(programmes[programmes["call"].isin([OWN, NOT_KNOWN])]),
        ])  # fmt: skip
    columns = ["Clone", "Higher", "Lower", "As its copies", "Beyond its copies (by)", "Programmes"]
    return Table(columns, rows, caption="Expression of each clone against the patient's other clones", folded=True)


def expression_note(markers: pd.DataFrame, clones: Sequence[str] = ()) -> str:
    """What was compared and what a call means; ``clones``: all of the patient's, of which some cannot be compared."""
    genes = markers[markers["kind"] == GENE]
    said = (
        f"Expression: {words.count(genes['symbol'].nunique(), 'gene')} of the clones were compared with the patient's "
        "other clones within the same samples. Genes on chromosomes whose copies differ follow those and are counted "
        "apart; one that they do not explain is named as beyond. Programmes leave such genes out. "
        "Cells of one patient: what is found holds for this tumour, not for myeloma."
    )
    alone = [clone for clone in clones if clone not in set(markers["clone"])]
    if alone:
        said += f" In no sample with enough cells of itself and of others: {', '.join(alone)}."
    if genes["dosage_log2"].isna().any():
        said += " Copies are not known everywhere: what is called there may be dosage."
    return said


def _named(rows: pd.DataFrame, column: str = "log2_fold") -> str:
    shown = [f"{r.symbol} ×{words.number(2 ** getattr(r, column), 2)}" for r in rows_of(rows.head(NAMED))]
    more = len(rows) - len(shown)
    return ", ".join(shown) + (f" and {more:,} more" if more else "") if shown else words.NOT_KNOWN
