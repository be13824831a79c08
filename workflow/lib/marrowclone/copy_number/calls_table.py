"""``{patient}.calls.tsv``: one row per patient, how many cells are called what, and how far that can be believed."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..keys import MALIGNANT, NORMAL, TABLES, UNASSIGNED
from .malignant import Calls


def calls_table(calls: Calls, *, patient: str, rung: str) -> pd.DataFrame:
    """Calls of one patient's tumour-type cells in one row.

    Columns: ``expected_false`` is the number of normal cells among those called malignant that the posteriors
    themselves expect; of ``held_out`` normal cells (``source`` says which) copy number and expression alone would have
    called ``held_out_called`` malignant: ``false_positive_rate`` with its Jeffreys 95% interval. Empty where no rate
    can be had; ``note`` says all of it in words.
    """
    table = calls.cells[calls.is_tumour_type]
    n = {call: int((table["call"] == call).sum()) for call in (MALIGNANT, NORMAL, UNASSIGNED)}
    expected = float((1 - table.loc[table["call"] == MALIGNANT, "p_malignant"]).sum())
    false = calls.false_positives
    known = false.n > 0
    row = {
        "patient": patient,
        "rung": rung,
        "n_cells": len(table),
        "n_malignant": n[MALIGNANT],
        "n_normal": n[NORMAL],
        "n_unassigned": n[UNASSIGNED],
        "expected_false": expected,
        "held_out": false.n,
        "held_out_called": false.called,
        "false_positive_rate": false.rate,
        "lower": false.lower if known else np.nan,
        "upper": false.upper if known else np.nan,
        "source": false.source,
        "note": f"{calls.summary}; {false.words()}",
    }
    return pd.DataFrame([row])[list(TABLES["copy_number.calls"])]
