"""Which cells are judged, and the answer put beside their truth."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ..errors import UserError, did_you_mean

#: Columns of an answer about cells, with what stands where a tool says nothing.
ANSWER = {"score": np.nan, "p_malignant": np.nan, "call": "", "clone": "", "best_clone": "", "posterior": np.nan}


def need(table: pd.DataFrame, columns: Sequence[str], what: str) -> None:
    """Raise a :class:`UserError` when ``table`` lacks one of ``columns``."""
    missing = [c for c in columns if c not in table.columns]
    if missing:
        near = did_you_mean(missing[0], [str(c) for c in table.columns if c not in columns])
        raise UserError(
            f"{what}: found the columns {', '.join(map(str, table.columns))}, expected also {', '.join(missing)}.",
            hint=near or "see marrowclone.score for the columns of each table.",
        )


def text(column: pd.Series) -> pd.Series:
    """A column of names as text; missing is ``""``."""
    return column.astype(object).where(column.notna(), "").astype(str)


def numbers(table: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """The table with these columns as floats, missing as NaN; a column of a file without rows can be anything."""
    return table.assign(**{c: pd.to_numeric(table[c], errors="coerce").astype(float) for c in columns})


def flags(column: pd.Series) -> pd.Series:
    """A column of true/false as booleans, whether it holds booleans or their words; missing is false."""
    if column.dtype == bool:
        return column
    return text(column).str.lower().isin(["true", "1", "1.0"])


def judged_cells(truth: pd.DataFrame) -> pd.DataFrame:
    """The cells of truth that have a right answer: no doublets, no dying cells, no empty droplets.

    Whether a doublet of a malignant and a normal cell is malignant has no right answer.

    Parameters
    ----------
    truth
        ``truth/cells.tsv.gz``: cell, sample, cell_type, malignant, clone, doublet and, where there is one, quality.

    Returns
    -------
    DataFrame
        those rows, with ``malignant`` boolean and ``clone`` text.
    """
    need(truth, ("cell", "sample", "cell_type", "malignant", "clone", "doublet"), "truth of cells")
    keep = ~flags(truth["doublet"])
    if "quality" in truth.columns:
        keep &= text(truth["quality"]).isin(["good", ""])
    rows = truth[keep].reset_index(drop=True)
    return rows.assign(malignant=flags(rows["malignant"]), clone=text(rows["clone"]))


def examined(truth: pd.DataFrame, answer: pd.DataFrame) -> pd.DataFrame:
    """The rows of truth whose cell the answer lists.

    Everywhere else a cell of truth that the answer lacks counts as not found; with this, the calling alone is
    judged, without what quality control dropped before it.
    """
    return truth[truth["cell"].isin(answer["cell"])]


def beside(answer: pd.DataFrame, truth: pd.DataFrame) -> pd.DataFrame:
    """Every judged cell of truth with what the answer says about it.

    Returns
    -------
    DataFrame
        cell, sample, patient (where truth has it), cell_type, malignant, true (clone, ``""`` for normal cells),
        listed (whether the answer has the cell) and the columns of :data:`ANSWER`; one row per judged cell.

    Raises
    ------
    UserError
        when the answer lists a cell twice, or has no column ``cell``.
    """
    need(answer, ("cell",), "answer about cells")
    if not answer["cell"].is_unique:
        twice = answer.loc[answer["cell"].duplicated(), "cell"].iloc[0]
        raise UserError(
            f"answer about cells, column cell: found {str(twice)!r} twice, expected every cell once.",
            hint="put the sample's name before the barcode.",
        )
    cells = judged_cells(truth)
    kept = [c for c in ("cell", "sample", "patient", "cell_type", "malignant") if c in cells.columns]
    given = answer.set_index("cell")
    out = cells[kept].assign(true=cells["clone"].where(cells["malignant"], ""), listed=cells["cell"].isin(given.index))
    for name, blank in ANSWER.items():
        column = given[name].reindex(cells["cell"]) if name in given.columns else pd.Series(blank, index=cells["cell"])
        column = text(column) if blank == "" else pd.to_numeric(column, errors="coerce")
        out[name] = column.to_numpy()
    return out
