"""The chapter "evolution" on a drawn patient, as its scripts run it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from marrowclone.clinical import COLUMNS, read_clinical
from marrowclone.evolution.assemble import patient_fractions
from marrowclone.evolution.dynamics import estimate_dynamics, visits
from marrowclone.evolution.gene_sets import built_in
from marrowclone.evolution.labels import expected_cells, label_clones
from marrowclone.evolution.resistance import tumour_cells
from marrowclone.evolution.state import assess_states
from marrowclone.evolution.trajectory import trajectory
from marrowclone.resources import RESOURCES, gene_table, read_resource

from .evolution_cases import PRIOR_CELLS, Patient
from .evolution_state import state_tables


@dataclass(frozen=True)
class Answer:
    """What the library says of one patient, and the true shares of cycling cells (None without state)."""

    fractions: pd.DataFrame
    burden: pd.DataFrame
    draws: pd.DataFrame
    dynamics: pd.DataFrame
    labels: pd.DataFrame
    trajectory: pd.DataFrame
    state: pd.DataFrame | None = None
    cycling: pd.DataFrame | None = None


def clinical(name: str, rows: pd.DataFrame) -> pd.DataFrame:
    """A clinical table with all columns, typed as :func:`read_clinical` types it."""
    empty = read_clinical(None, name)
    if rows.empty:
        return empty
    frame = rows.reindex(columns=list(COLUMNS[name]))
    for column, kind in empty.dtypes.items():
        if column not in rows:
            frame[column] = pd.Series(
                "" if kind == "object" else pd.NA if kind == "boolean" or kind == "Int64" else float("nan"),
                index=frame.index,
                dtype=kind,
            )
        else:
            frame[column] = frame[column].fillna("") if kind == "object" else frame[column].astype(kind)
    return frame


def infer(patient: Patient, *, settings: Mapping[str, Any], seed: int, with_state: bool) -> Answer:
    """Fractions and burden, dynamics, states, labels and trajectory.

    Parameters
    ----------
    settings
        section ``evolution``.
    with_state
        whether the cells' state is drawn and assessed too (slower).
    """
    mrd, response = clinical("mrd", patient.mrd), clinical("response", patient.response)
    therapy = clinical("therapy", patient.therapy)
    blood = [s for s, row in patient.samples.items() if row["compartment"] == "PB"]
    found = patient_fractions(
        patient=patient.name, samples=patient.samples, mrd=mrd, response=response,
        settings=settings["estimate_fractions"], seed=seed, prior_cells=PRIOR_CELLS, **patient.tables,
    )  # fmt: skip
    dynamics = estimate_dynamics(
        found.draws, found.fractions, therapy, patient=patient.name, blood=blood,
        settings=settings["estimate_dynamics"],
    )  # fmt: skip
    state, cycling = None, None
    if with_state:
        genes = gene_table().set_index("symbol")
        place = (genes["chromosome"] + genes["arm"]).to_dict()
        depth, counts, arms, cycling, sets = state_tables(
            patient, built_in(read_resource(RESOURCES / "programmes.tsv")), place, seed=seed
        )
        days = {s: int(row["day"]) for s, row in patient.samples.items()}
        cells = tumour_cells(patient.tables["malignant"], patient.tables["clone_cells"], depth, days)
        state = assess_states(
            cells, counts, sets, arms=arms, place=place, expected=pd.DataFrame(),
            settings=settings["assess_states"], seed=seed,
        )  # fmt: skip
    series = visits(found.draws, found.fractions, blood=blood)
    labels = label_clones(
        series, patient=patient.name, dynamics=dynamics, response=response,
        expected=expected_cells(found.fractions), settings=settings["label_clones"], state=state,
    )  # fmt: skip
    parents = [{"branch": "trunk", "parent": "normal"}, *({"branch": c, "parent": "trunk"} for c in patient.clones)]
    course = trajectory(
        series, tree=pd.DataFrame(parents), reference=pd.DataFrame({"rung": ["R1"]}), burden=found.burden,
        patient=patient.name, settings=settings["label_clones"],
    )  # fmt: skip
    return Answer(found.fractions, found.burden, found.draws, dynamics, labels, course, state, cycling)
