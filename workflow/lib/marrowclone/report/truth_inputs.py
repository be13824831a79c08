"""Reading a simulated cohort's truth beside the results that are compared with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from .. import tables
from ..errors import UserError, shown
from .compare import Found, Truth
from .gather import read_one
from .inputs import files_of

#: Truth tables that are read, with the columns that the comparison needs.
FILES: dict[str, tuple[str, tuple[str, ...]]] = {
    "cells": ("cells.tsv.gz", ("cell", "sample", "patient", "cell_type", "malignant", "clone", "doublet")),
    "arms": ("arms.tsv", ("patient", "clone", "chromosome", "arm", "state")),
    "fractions": ("fractions.tsv", ("patient", "clone", "sample", "timepoint", "day", "fraction", "burden")),
}


def truth_files(folder: str | None) -> list[str]:
    """Paths of the truth tables: inputs of the rule; none without a truth."""
    return [str(Path(folder) / name) for name, _ in FILES.values()] if folder else []


def read_truth(folder: str | Path) -> dict[str, pd.DataFrame]:
    """The truth tables by name.

    Raises
    ------
    UserError
        when a table is not there or lacks a column.
    """
    found = {}
    for name, (file, columns) in FILES.items():
        frame = tables.read_result(Path(folder) / file)
        missing = [c for c in columns if c not in frame.columns]
        if missing:
            raise UserError(
                f"{shown(Path(folder) / file)}: the truth table lacks the columns {', '.join(missing)}.",
                hint="the key truth of the configuration names a folder that the simulator wrote.",
            )
        found[name] = frame
    return found


def truth_pairs(
    inputs: Any, patients: Sequence[str], *, samples: Sequence[Mapping[str, Any]], folder: str | None
) -> Iterator[tuple[str, Truth, Found]]:
    """(patient, truth, result) of each patient, sorted; nothing without a truth.

    Only the samples that were run are compared: a sheet may hold part of a cohort.
    """
    if not folder:
        return
    truth = read_truth(folder)
    run = {s["sample"] for s in samples}
    for name in sorted(patients):
        paths = files_of(name, inputs)
        mine = {k: v[v["patient"] == name].reset_index(drop=True) for k, v in truth.items()}
        yield (
            name,
            Truth(
                cells=mine["cells"][mine["cells"]["sample"].isin(run)],
                arms=mine["arms"],
                fractions=mine["fractions"][mine["fractions"]["sample"].isin(run)],
            ),
            Found(
                malignant=read_one("copy_number.malignant", paths.get("malignant")),
                clone_cells=read_one("clones.cells", paths.get("clone_cells")),
                arms=read_one("copy_number.arms", paths.get("arms")),
                fractions=read_one("evolution.fractions", paths.get("fractions")),
                burden=read_one("evolution.burden", paths.get("burden")),
            ),
        )
