"""Scenarios on real cells: T cells of a public data set that are given known copy-number events by thinning.

Their noise, batch and correlation between genes are real, which no simulator's are. CD4 T cells play the plasma
cells (one kind of cell, some of it with events, some normal, some of "donors"), CD8 T cells the other cells.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from marrowclone.keys import PLASMA
from marrowclone.simulate.imposed import Imposed, check_imposed
from marrowclone.simulate.real_cells import RealCells, read_real

from .case import Cells, usable_cells

EXAMPLE = Path(__file__).resolve().parents[2] / "tests" / "cohorts" / "imposed.yaml"
IMPOSED = {
    "imposed_t_cells": "Real T cells (MALT lymphoma, 10x v3) with three clones imposed; their noise is real.",
    "imposed_nothing": "The same real T cells with no event imposed: there is no tumour.",
}
PATIENTS = {"imposed_t_cells": ["REAL"], "imposed_nothing": ["N1", "N2", "N3"]}
EXPECT: dict[str, list[dict[str, Any]]] = {
    "imposed_t_cells": [
        {"says": "malignant cells", "metric": "malignant F1", "at_least": 0.90},
        {"says": "arm events of the patient", "metric": "arm event F1", "at_least": 0.85},
        {"says": "clones as well as the dosage oracle allows", "metric": "clone ARI",
         "at_least_of": {"tool": "dosage oracle", "share": 0.9}},
    ],
    "imposed_nothing": [
        {"says": "no tumour where none was imposed", "metric": "malignant false-positive rate", "at_most": 0.01},
    ],
}  # fmt: skip


def expression(data: Path | None) -> dict[str, Any]:
    """Expression settings of the suite's cohort: levels from real profiles where they are here."""
    profiles = data / "hca_profiles.tsv.gz" if data is not None else None
    return {"profiles": str(profiles)} if profiles is not None and profiles.is_file() else {}


def cells_of(data: Path, *, seed: int) -> Cells:
    """The semi-synthetic cohort of a seed; both scenarios are in it."""
    real = _real(data)
    spec = {**yaml.safe_load(EXAMPLE.read_text(encoding="utf-8")), "seed": seed}
    checked = check_imposed(spec)
    cells = usable_cells(Imposed(checked, real), tumour_types=tuple(checked["tumour_types"]))
    # the chapters know plasma cells as the tumour's type; which kind of real cell plays them does not matter
    cells.obs.loc[cells.obs["is_tumour_type"], "cell_type"] = PLASMA
    return replace(cells, power=float(checked["dosage"]))


_KEPT: dict[Path, RealCells] = {}


def _real(data: Path) -> RealCells:
    if data not in _KEPT:
        _KEPT[data] = read_real(data / "malt")
    return _KEPT[data]
