"""What the malignant calls say in words: the evidence of each cell, and one line per patient."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from ..keys import UNASSIGNED
from .clusters import CLONAL, CONFLICT, UNCLEAR, GroupEvidence
from .further import Further
from .odds import Odds


def evidence_words(
    labels: np.ndarray, groups: Mapping[str, GroupEvidence], odds: Odds | None, further: Further, allowed: np.ndarray
) -> list[str]:
    """Why, in words, per cell: its group, and the log-odds of each kind of evidence that there was on the cell."""
    text = pd.Series([groups[name].words() if name in groups else "" for name in labels], dtype=object)
    if odds is None:
        own = pd.Series(np.where(further.dominant, "; cell: of the dominant clonotype", ""), dtype=object)
        return (text + own.where(text != "", "")).tolist()
    own = "; cell: copy-number log-odds " + _signed(odds.copy_number)
    if odds.heard:
        own += ", expression " + _signed(odds.expression)
    own += (", clonotype " + _signed(further.clonotype)).where(further.clonotype != 0, "")
    if further.genes:
        own += f", {' '.join(further.genes)} " + _signed(further.drivers)
    own += np.where(allowed, "", "; many normal cells say as much: not called")
    return (text + own.where(text != "", "")).tolist()


def _signed(values: np.ndarray) -> pd.Series:
    """Numbers as text with their sign and one decimal."""
    return pd.Series([f"{v:+.1f}" for v in values.tolist()], dtype=object)


def summary_words(
    calls: np.ndarray, groups: Mapping[str, GroupEvidence], components: list[str], rung: str, n_clonotype: int
) -> str:
    """One line for the log and for the reference table, from the tumour-type cells' calls and their groups."""
    if components:
        return f"tumour found in {len(components)} of {len(groups)} groups of cells"
    if n_clonotype:
        return f"no copy-number tumour detected; {n_clonotype} cells share the patient's dominant clonotype"
    if any(g.verdict == CLONAL for g in groups.values()):
        return "no copy-number tumour detected; a group with a restricted light chain is clonal"
    if any(g.verdict in (UNCLEAR, CONFLICT) for g in groups.values()):
        return "not assessable: no group of cells shows a clear tumour, some are unclear"
    open_cells = int((calls == UNASSIGNED).sum())
    if open_cells == len(calls):
        # found nothing, but a reference like this one cannot exclude a tumour: that is no "none detected"
        return f"not assessable: no events found, which against a reference of rung {rung} excludes no tumour"
    if open_cells:
        return (
            f"no tumour detected; {open_cells} of {len(calls)} cells not assessable (rung {rung}, no polyclonal group)"
        )
    return "no tumour detected"
