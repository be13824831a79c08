"""A user's own cell labels: the sheet's column ``cell_types``."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from ..errors import UserError, shown
from ..formats import plain_text
from ..keys import CELL_TYPES, cell_id

_KNOWN = {t: t for t in CELL_TYPES} | {"plasma_cell": "plasma", "plasma_cells": "plasma", "b_cells": "b_cell"}


def standard_name(label: str) -> str:
    """Our name where a label is one of our types in other letters (``Plasma cell`` -> ``plasma``), else the label."""
    return _KNOWN.get(label.strip().casefold().replace(" ", "_").replace("-", "_"), label.strip())


def read_labels(path: str | Path, sample: str, barcodes: pd.Index) -> pd.Series:
    """Labels of one sample's cells.

    Parameters
    ----------
    path
        table of two or more columns, tab or comma: barcode (or cell id), label. A header is
        allowed: lines whose barcode the sample does not have are passed over.
    sample
        its name.
    barcodes
        all barcodes that the sample's file has.

    Returns
    -------
    Series, index cell id: label. Cells without a label are not in it.

    Raises
    ------
    UserError
        when the file cannot be read, or no barcode in it is one of the sample's.
    """
    path = Path(path)
    try:
        text = plain_text(path)
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{shown(path)}: cannot be read ({error}).", hint="cell_types names a text table.") from None
    lines = text.splitlines()
    delimiter = "\t" if lines and "\t" in lines[0] else ","
    rows = [row for row in csv.reader(lines, delimiter=delimiter) if len(row) >= 2]
    known = set(barcodes)
    # Cell Ranger's suffix "-1" is often lost when labels are written
    short = {b.removesuffix("-1"): b for b in barcodes}
    found: dict[str, str] = {}
    for row in rows:
        name = row[0].strip().removeprefix(f"{sample}:")
        barcode = name if name in known else short.get(name)
        if barcode is not None and row[1].strip():
            found[cell_id(sample, barcode)] = standard_name(row[1])
    if not found:
        there = rows[-1][0] if rows else "nothing"
        raise UserError(
            f"{shown(path)}: none of its {len(rows)} lines names a barcode of sample {sample} "
            f"(it has {there!r}, the sample has {barcodes[0] if len(barcodes) else 'none'!r}).",
            hint="two columns: barcode, label; barcodes as in the count matrix.",
        )
    return pd.Series(found, dtype=object)


def read_all_labels(paths: Mapping[str, str], cells: pd.Index) -> pd.Series:
    """Labels of all samples that have any: sample -> path; index cell id, only ids that are in ``cells``."""
    parts = []
    for sample, path in sorted(paths.items()):
        mine = cells[cells.str.startswith(f"{sample}:")]
        labels = read_labels(path, sample, mine.str.slice(len(sample) + 1))
        parts.append(labels)
    return pd.concat(parts) if parts else pd.Series(dtype=object)
