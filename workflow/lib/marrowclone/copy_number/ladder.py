"""The rungs R1..R5 of the reference ladder (science 1.6): which can be had for a patient, with the reason in words.

R1 (the patient's own normal plasma cells) is only known after a first look, so that :func:`first_reference` gives the
best of the others; :mod:`.own_cells` finds R1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from ..errors import UserError
from ..keys import CELL_TYPES, HEALTHY, IMMUNE_TYPES, PLASMA, UNRESOLVED
from .profile_file import Profile
from .states import UNREPORTABLE_R5

AUTO = "auto"
RUNGS: tuple[str, ...] = ("R1", "R2", "R3", "R4", "R5")
#: Cells without which even a forced rung is none: fewer tell neither level nor noise [J].
MIN_FORCED = 10
#: Where a rung is forced.
KEYS = "copy_number.infer_signal: rung or rung_of_patient"


@dataclass(frozen=True)
class Reference:
    """A reference.

    Attributes
    ----------
    is_reference, categories
        which cells (bool, shape (n,)), and their categories; no cells on rung R3, whose ``profile`` is in a file.
    rung, cell_types, reason
        which rung, of what cells, and why this one.
    notes
        what must be said of the diploid level.
    systematic_sd
        log2 ratio by which an arm is uncertain at least against this reference; 0: what the settings say.
    size
        (cells, samples or donors) of the reference; None: those of ``is_reference``.
    """

    is_reference: np.ndarray
    categories: np.ndarray
    rung: str
    cell_types: str
    reason: str
    notes: str = ""
    systematic_sd: float = 0.0
    size: tuple[int, int] | None = None


@dataclass(frozen=True)
class Candidates:
    """The cells of a patient and of the donors, and which of them are what (bool per cell)."""

    patient: str
    cells: pd.DataFrame
    mine: np.ndarray
    target: np.ndarray
    donor_plasma: np.ndarray
    immune: np.ndarray
    profile: Profile | None = field(default=None, repr=False)

    @classmethod
    def of(cls, cells: pd.DataFrame, *, patient: str, donors: list[str], profile: Profile | None) -> Candidates:
        """From the cell table (``embedding/cells.tsv.gz``)."""
        mine = (cells["patient"] == patient).to_numpy()
        plasma = (cells["cell_type"] == PLASMA).to_numpy()
        return cls(
            patient=patient,
            cells=cells,
            mine=mine,
            target=mine & cells["is_tumour_type"].to_numpy(dtype=bool),
            donor_plasma=plasma & cells["patient"].isin(donors).to_numpy(),
            immune=cells["cell_type"].isin(IMMUNE_TYPES).to_numpy(),
            profile=profile,
        )

    @property
    def of_plasma(self) -> bool:
        """Is the tumour made of plasma cells?"""
        return bool((self.target & (self.cells["cell_type"] == PLASMA).to_numpy()).any())

    @property
    def healthy(self) -> bool:
        """Are all samples of the patient those of a healthy donor?"""
        if "timepoint" not in self.cells:
            return False
        points = self.cells.loc[self.mine, "timepoint"].astype(str)
        return bool(points.str.fullmatch(rf"{HEALTHY}(_\d+)?").all())


def wanted_rung(settings: Mapping[str, Any], patient: str) -> str:
    """The rung that the configuration forces for this patient, or ``auto``."""
    return str(settings.get("rung_of_patient", {}).get(patient) or settings.get("rung", AUTO))


def cannot(who: Candidates, rung: str, why: str) -> UserError:
    """A forced rung that cannot be had."""
    return UserError(
        f"patient {who.patient}: rung {rung} is forced by the configuration, but {why}.",
        hint=f"set {who.patient}: auto under copy_number.infer_signal.rung_of_patient, or another rung ({KEYS}).",
    )


def first_reference(who: Candidates, settings: Mapping[str, Any], *, forced: str = AUTO) -> Reference:
    """The best rung that can be had without knowing the patient's normal plasma cells.

    ``forced`` R2 to R5 is that rung or an error; R1 is not asked for here.

    Raises
    ------
    UserError
        where the forced rung cannot be had.
    """
    if forced in ("R4", "R5"):
        return forced_low(who, forced, settings, "forced by configuration")
    n = int(who.donor_plasma.sum())
    lacking = []
    if forced in (AUTO, "R2"):
        if n >= (settings["min_cells_r2"] if forced == AUTO else MIN_FORCED):
            return _donors(who, settings, forced)
        if forced == "R2":
            raise cannot(who, "R2", f"the cohort has {n} plasma cells of other healthy donors (at least {MIN_FORCED})")
        lacking.append(f"{n} plasma cells of healthy donors in the cohort (R2 needs {settings['min_cells_r2']})")
    if who.profile is not None:
        return _study(who, forced, "; ".join(lacking))
    if forced == "R3":
        raise cannot(who, "R3", "no reference profile is given (copy_number.infer_signal.reference_profile)")
    lacking.append("no reference profile of another study given (R3)")
    return immune_reference(who, settings, "; ".join(lacking))


def labelled_reference(who: Candidates, settings: Mapping[str, Any], *, forced: str = AUTO) -> Reference:
    """Reference of a tumour that is not made of plasma cells: the user's own other labels, else immune cells.

    Raises
    ------
    UserError
        where the forced rung cannot be had.
    """
    if forced in ("R4", "R5"):
        return forced_low(who, forced, settings, "forced by configuration")
    if forced in ("R2", "R3"):
        raise cannot(who, forced, "its tumour is not made of plasma cells, and R2 and R3 are plasma cells")
    known = {*CELL_TYPES, UNRESOLVED, ""}
    labelled = who.mine & ~who.target & ~who.cells["cell_type"].isin(known).to_numpy()
    n = int(labelled.sum())
    if n >= (settings["min_cells_labelled"] if forced == AUTO else MIN_FORCED):
        names = sorted(who.cells.loc[labelled, "cell_type"].unique())
        reason = (
            f"user-labelled reference: {n} cells of the same patient labelled {', '.join(names)}; "
            f"that they are the tumour's normal counterpart is the user's statement{_said(forced)}"
        )
        categories = np.full(len(who.cells), "labelled", dtype=object)
        return Reference(labelled, categories, "R1", ", ".join(names), reason)
    lacking = f"{n} cells with a user's own label beside the tumour's"
    if forced == "R1":
        raise cannot(who, "R1", f"it has {lacking} (at least {MIN_FORCED})")
    return immune_reference(who, settings, lacking)


def immune_reference(who: Candidates, settings: Mapping[str, Any], lacking: str) -> Reference:
    """R5 (bounded by immune types), or R4 (the tumour-type cells themselves) where these are too few."""
    chosen, large = _immune_types(who, settings["min_cells_type"])
    if large and chosen.sum() >= settings["min_cells_r5"]:
        return _immune(who, chosen, large, lacking)
    return _relative(who, f"only {int(chosen.sum())} immune cells; {lacking}")


def forced_low(who: Candidates, rung: str, settings: Mapping[str, Any], why: str) -> Reference:
    """R4 or R5 because the configuration says so."""
    if rung == "R4":
        return _relative(who, why)
    chosen, large = _immune_types(who, MIN_FORCED)
    if not large:
        raise cannot(who, "R5", f"no immune type of the patient has {MIN_FORCED} cells")
    return _immune(who, chosen, large, why)


def _said(forced: str) -> str:
    return "" if forced == AUTO else "; forced by configuration"


def _donors(who: Candidates, settings: Mapping[str, Any], forced: str) -> Reference:
    """R2."""
    n, people = int(who.donor_plasma.sum()), who.cells.loc[who.donor_plasma, "patient"].nunique()
    few = "" if people >= 3 else f" (fewer than the 3 donors that are wanted: {people})"
    small = "" if n >= settings["min_cells_r2"] else f"; fewer than the {settings['min_cells_r2']} that are wanted"
    reason = f"{n} plasma cells of {people} healthy donors of the cohort{few}{small}{_said(forced)}"
    return Reference(who.donor_plasma, np.full(len(who.cells), PLASMA, dtype=object), "R2", PLASMA, reason)


def _study(who: Candidates, forced: str, lacking: str) -> Reference:
    """R3, whose correction is not known yet."""
    assert who.profile is not None
    n = len(who.cells)
    few = "" if who.profile.n_donors >= 3 else " (fewer than the 3 donors that are wanted)"
    why = f"; {lacking}" if lacking else ""
    return Reference(
        np.zeros(n, dtype=bool), np.full(n, PLASMA, dtype=object), "R3", PLASMA,
        f"another study: {who.profile.words()}{few}{why}{_said(forced)}",
        size=(who.profile.n_cells[PLASMA], who.profile.n_donors),
    )  # fmt: skip


def _immune_types(who: Candidates, min_cells: int) -> tuple[np.ndarray, list[str]]:
    """The patient's immune cells of types with enough cells, and these types."""
    types = who.cells["cell_type"].to_numpy(dtype=object)
    chosen = who.mine & who.immune & ~who.target
    names, sizes = np.unique(types[chosen], return_counts=True) if chosen.any() else (np.array([]), np.array([]))
    large = [str(t) for t, k in zip(names, sizes, strict=True) if k >= min_cells]
    return chosen & np.isin(types, large), large


def _immune(who: Candidates, chosen: np.ndarray, large: list[str], why: str) -> Reference:
    """R5."""
    reason = (
        f"low confidence: {int(chosen.sum())} immune cells of the patient, bounded by {len(large)} types; events "
        f"on {', '.join(UNREPORTABLE_R5)} not reportable; {why}"
    )
    return Reference(chosen, who.cells["cell_type"].to_numpy(dtype=object), "R5", ", ".join(large), reason)


def _relative(who: Candidates, why: str) -> Reference:
    """R4."""
    categories = np.full(len(who.cells), "tumour type", dtype=object)
    reason = f"relative mode, no absolute gains or losses: {why}"
    return Reference(who.target, categories, "R4", "tumour-type cells", reason)
