"""Reading what the landmarks need: clinical tables, scored forms, the evolution chapter's results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from ..clinical import read_clinical
from ..tables import read_result
from .landmarks import Patient

#: Columns of the draws that are read (contract: joint posterior draws of the evolution chapter).
DRAWS: tuple[str, ...] = ("draw", "clone", "sample", "day", "fraction", "burden")


def read_patients(files: Mapping[str, Any], samples: Mapping[str, Sequence[Sequence[Any]]]) -> list[Patient]:
    """All patients of ``samples`` ({patient: [(timepoint, day), ...]}).

    ``files`` has the rule's inputs by name; ``fractions``, ``draws``, ``labels`` and
    ``resistance`` are lists in the order of ``samples``. A clinical table without a file is
    None: "there is no table" and "the table says nothing" are different reasons.
    """
    clinical: dict[str, pd.DataFrame | None] = {
        name: read_clinical(files.get(name), name) if files.get(name) else None
        for name in ("mrd", "imaging", "response", "therapy", "cytogenetics")
    }
    clinical["pro"] = read_result(files["qol"], text=("version", "state", "use")) if files.get("pro") else None
    return [
        Patient(
            patient=patient,
            samples=[(str(timepoint), int(day)) for timepoint, day in rows],
            clinical=clinical,
            evolution={
                "fractions": read_result(fractions),
                "draws": pd.read_parquet(draws, columns=list(DRAWS)),
                "labels": read_result(labels),
                "resistance": read_result(resistance),
            },
        )
        for (patient, rows), fractions, draws, labels, resistance in zip(
            samples.items(), *(files[name] for name in ("fractions", "draws", "labels", "resistance")), strict=True
        )
    ]
