"""How resistant a clone is to what the patient has met, as one probability (science 4.6)."""

from __future__ import annotations

import numpy as np
import pandas as pd


def resistance_probability(table: pd.DataFrame, clone: str) -> float:
    """1 - product over drug classes of (1 - the strongest evidence of that class).

    Parameters
    ----------
    table
        ``evolution/{patient}.resistance.tsv``, cut at the landmark. Its column ``strength``
        is the weight of the evidence, in [0, 1], 0 for a drug that was not given: evidence
        is weighed in the evolution chapter, once. Of each class, marker and kind of evidence
        the newest row counts.
    """
    rows = table[table["clone"] == clone].sort_values("day", kind="stable")
    if rows.empty:
        return 0.0
    newest = rows.drop_duplicates(["drug_class", "marker", "evidence_type"], keep="last")
    strongest = newest["strength"].astype(float).fillna(0.0).groupby(newest["drug_class"].astype(str)).max()
    return float(1.0 - np.prod(1.0 - strongest.to_numpy(float)))
