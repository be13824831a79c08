"""From results of this chapter to its files' contents, and back. Nothing is computed here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import scipy.sparse as sp
from anndata.io import read_elem

from ..keys import CELL_TYPES, IMMUNE_TYPES, PLASMA, UNRESOLVED
from .baseline import BASELINE_COLUMNS, baseline_table
from .look import PatientSignal
from .malignant import Calls

#: Columns of ``{patient}.scores.tsv.gz``: every tumour-type and reference cell.
SCORE_COLUMNS: tuple[str, ...] = ("cell", "sample", "cell_type", "is_reference", "cnv_score")
#: Columns of the signal's ``obs``.
OBS_COLUMNS: tuple[str, ...] = (
    "sample", "patient", "cell_type", "is_tumour_type", "is_reference", "light_chain", "depth",
)  # fmt: skip


def relevant_cells(
    cells: pd.DataFrame, *, patient: str, donors: Sequence[str], tumour_types: Sequence[str]
) -> pd.DataFrame:
    """The cells that a patient's signal needs: its tumour-type, plasma, immune and user-labelled cells, and the donors'
    plasma and immune cells. Counts of no other cell are read.

    None when the patient has no tumour-type cell: then no count needs to be read.
    """
    mine = cells["patient"] == patient
    cells = cells.assign(is_tumour_type=cells["cell_type"].isin(list(tumour_types)))
    if not (mine & cells["is_tumour_type"]).any():
        return cells.iloc[:0]
    of_donors = cells["patient"].isin(list(donors)) & cells["cell_type"].isin([PLASMA, *IMMUNE_TYPES])
    # the patient's cells that are neither tumour, nor reference of any rung, nor helpers of the capture effects
    idle = ~cells["is_tumour_type"] & cells["cell_type"].isin({*CELL_TYPES, UNRESOLVED, ""} - {PLASMA, *IMMUNE_TYPES})
    return cells[(mine & ~idle) | of_donors].sort_values("cell", kind="stable").reset_index(drop=True)


def reference_table(found: PatientSignal | None, *, patient: str, tumour_types: Sequence[str]) -> pd.DataFrame:
    """``{patient}.reference.tsv``: one row, the rung and why.

    Beside the contract: ``notes`` on the diploid level, and ``systematic_sd``, the log2 ratio by which an arm is
    uncertain at least against this reference (0: what the settings say).
    """
    if found is None:
        row = {"patient": patient, "rung": "none", "cell_types": "", "n_cells": 0, "n_samples": 0}
        reason = f"no {' or '.join(tumour_types)} cells found"
        return pd.DataFrame([{**row, "reason": reason, "notes": "", "systematic_sd": 0.0}])
    reference = found.reference
    chosen = reference.is_reference
    n_cells, n_samples = reference.size or (int(chosen.sum()), int(found.obs.loc[chosen, "sample"].nunique()))
    return pd.DataFrame(
        [
            {
                "patient": patient,
                "rung": reference.rung,
                "cell_types": reference.cell_types,
                "n_cells": n_cells,
                "n_samples": n_samples,
                "reason": reference.reason,
                "notes": reference.notes,
                "systematic_sd": reference.systematic_sd,
            }
        ]
    )


def settings_against(reference: pd.DataFrame, settings: Mapping[str, Any]) -> dict[str, Any]:
    """``settings`` of a rule that judges arms, with at least the uncertainty of the reference (``reference_table``)."""
    floor = float(reference["systematic_sd"].iloc[0]) if "systematic_sd" in reference and len(reference) else 0.0
    return {**settings, "systematic_sd": max(float(settings["systematic_sd"]), floor)}


def signal_data(found: PatientSignal | None) -> ad.AnnData:
    """``{patient}.signal.h5ad``: no counts; ``obsm["X_cnv"]`` and ``uns["cnv"]`` in infercnvpy's layout.

    ``obsm["X_arms"]`` (float32, log2 ratio per arm, no threshold) has its columns in ``uns["cnv"]["arms"]``.
    """
    if found is None:
        obs = pd.DataFrame({c: pd.Series(dtype=_DTYPES.get(c, str)) for c in OBS_COLUMNS})
        windows, arms = sp.csr_matrix((0, 0), dtype=np.float32), np.zeros((0, 0), dtype=np.float32)
        table, chr_pos, arm_names = pd.DataFrame(columns=["chromosome", "start", "end", "arm"]), {}, []
    else:
        obs = found.obs.set_index("cell")[list(OBS_COLUMNS)]
        obs.index.name = None
        windows = found.signal.windows
        arms = found.signal.arms.astype(np.float32)
        table, chr_pos, arm_names = found.signal.window_table, found.signal.chr_pos, found.signal.arm_names
    data = ad.AnnData(obs=obs, shape=(len(obs), 0))
    data.obsm["X_cnv"] = windows
    data.obsm["X_arms"] = arms
    data.uns["cnv"] = {
        "chr_pos": chr_pos,
        "arms": np.array(arm_names, dtype=str),
        "windows": {
            "chromosome": table["chromosome"].to_numpy(dtype=str),
            "start": table["start"].to_numpy(dtype=np.int64),
            "end": table["end"].to_numpy(dtype=np.int64),
            "arm": table["arm"].to_numpy(dtype=str),
        },
    }
    return data


def read_arms(path: str | Path) -> ad.AnnData:
    """The cells and arms of a ``{patient}.signal.h5ad``: ``obs`` and ``obsm["X_arms"]``; the windows are not read."""
    with h5py.File(path, "r") as file:
        obs, arms = read_elem(file["obs"]), read_elem(file["obsm/X_arms"])
    data = ad.AnnData(obs=obs, shape=(len(obs), 0))
    data.obsm["X_arms"] = arms
    return data


def obs_of(signal: ad.AnnData) -> pd.DataFrame:
    """The signal's cells as a plain table with a ``cell`` column (text stays text)."""
    obs = signal.obs.reset_index(names="cell")
    for name in ("cell", "sample", "patient", "cell_type", "light_chain"):
        obs[name] = obs[name].astype(object).fillna("").astype(str)
    return obs


def baseline_of(found: PatientSignal | None) -> pd.DataFrame:
    """``{patient}.baseline.tsv.gz``; header only without reference."""
    if found is None:
        return pd.DataFrame(columns=list(BASELINE_COLUMNS))
    return baseline_table(found.baseline)


def call_tables(obs: pd.DataFrame, calls: Calls, *, rung: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """``{patient}.malignant.tsv.gz`` (tumour-type cells) and ``{patient}.scores.tsv.gz`` (reference cells, too)."""
    frame = calls.cells.assign(cell=obs["cell"].to_numpy(), sample=obs["sample"].to_numpy(), reference_rung=rung)
    scores = obs[["cell", "sample", "cell_type", "is_reference"]].assign(
        cnv_score=calls.cells["cnv_score"].to_numpy(), is_tumour_type=obs["is_tumour_type"].to_numpy()
    )
    malignant = frame[obs["is_tumour_type"].to_numpy(dtype=bool)].assign(
        is_reference=obs.loc[obs["is_tumour_type"].to_numpy(dtype=bool), "is_reference"].to_numpy(dtype=bool)
    )
    return malignant.reset_index(drop=True), scores


_DTYPES: dict[str, type] = {"is_tumour_type": bool, "is_reference": bool, "depth": float}
