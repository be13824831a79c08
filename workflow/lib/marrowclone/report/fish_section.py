"""The fish plot in the section on clones, with what it shows and what it does not."""

from __future__ import annotations

from .blocks import Section
from .figures import fish
from .gather import Patient


def draw_fish(section: Section, patient: Patient) -> None:
    """The clones within one another over the patient's days, where there are two days with clones."""
    course = fish.course_of(patient.fractions, patient.burden)
    if course is None:
        return
    known = len(course.burden) >= 2
    high = (
        "Height: the malignant share of all cells on a log scale, half above and half below the middle; within it the "
        "clones take their shares of malignant cells. "
        if known
        else "Burden is known at fewer than two days, so that only shares of malignant cells are drawn. "
    )
    marks = (
        "Ticks: limits of detection of MRD assays (with a dot where positive). Open triangles: the burden is an upper "
        "bound. "
        if known
        else ""
    )
    clinical = {n: patient.clinical_rows(n) for n in ("therapy", "mrd")}
    section.draw(
        fish.fish(course, patient.tree, patient.samples, clinical),
        name="fish",
        title="Fish plot: clones within their ancestors over days, with therapy",
        caption=f"Each clone with its descendants inside it. {high}{marks}Between sampling days (lines) the shape is "
        "drawn, not measured, and a clone's beginning is not dated.",
    )
