"""A patient's page: the sections in story order, and what stands in its head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from . import words
from .blocks import Section, Table
from .course import (
    burden_section,
    dynamics_section,
    quality_section,
    timeline_section,
    trajectory_section,
)
from .facts import flat
from .gather import Patient, tumour_noun
from .panel import panel_section
from .render import render
from .resistance import resistance_section
from .sections import cells_section, clones_section, copy_number_section
from .sentences import finding, glance, reference_words
from .surroundings import microenvironment_section
from .tumour import swap_note, tumour_section


def methods_section(facts: Mapping[str, Any], *, reference: tuple[str, str]) -> Section:
    """Versions, settings, seed and code of the run.

    ``facts``: ``versions`` (name -> version), ``settings`` (nested configuration), ``seed``,
    ``code`` (rule -> hash). Missing ones are left out. ``reference``: what it is, how far to believe it.
    """
    section = Section(
        "methods",
        "Methods and provenance",
        "With these versions, settings, seed and input the same tables come out again. Settings marked as "
        "judgement in the configuration's documentation have no direct evidence.",
    )
    text, trust = reference
    section.notes += [
        "Copy number: raw counts of all of the patient's timepoints together, smoothed along the genome. "
        f"Reference: {text}. Confidence: {trust}.",
        "Clones: malignant cells grouped by copy number, jointly over timepoints. Intervals are 95% unless they "
        "say 90%.",
        f"Seed of the cohort: {facts.get('seed', '–')}.",
    ]
    versions = facts.get("versions", {})
    section.tables.append(
        Table(["Software", "Version"], [[k, str(v)] for k, v in versions.items()], caption="Versions", folded=True)
    )
    settings = flat(facts.get("settings", {}))
    section.tables.append(Table(["Setting", "Value"], [list(r) for r in settings], caption="Settings", folded=True))
    code = facts.get("code", {})
    section.tables.append(
        Table(["Rule", "Code hash"], [[k, str(v)] for k, v in code.items()], caption="Code of each rule", folded=True)
    )
    section.tables = [t for t in section.tables if t.rows]
    return section


def patient_sections(patient: Patient, *, noun: str, facts: Mapping[str, Any]) -> list[Section]:
    """All sections in story order; those without data say so."""
    return [
        trajectory_section(patient),
        timeline_section(patient),
        cells_section(patient),
        microenvironment_section(patient),
        tumour_section(patient),
        copy_number_section(patient, noun=noun),
        panel_section(patient),
        clones_section(patient),
        burden_section(patient),
        dynamics_section(patient),
        resistance_section(patient),
        quality_section(patient),
        methods_section(facts, reference=reference_words(patient)),
    ]


def patient_page(patient: Patient, *, tumour_types: Sequence[str], facts: Mapping[str, Any]) -> str:
    """The patient's page as HTML.

    Parameters
    ----------
    tumour_types
        cell types that hold the tumour (``config["tumour_cell_types"]``).
    facts
        see :func:`methods_section`.
    """
    noun = tumour_noun(tumour_types)
    visits = [
        f"{words.timepoint(str(name))} ({words.when(day)})"
        for name, day in dict.fromkeys(zip(patient.samples["timepoint"], patient.samples["day"], strict=True))
    ]
    return render(
        "patient.html.j2",
        title=f"{patient.name}: myeloma clones",
        patient=patient.name,
        visits=visits,
        n_samples=len(patient.samples),
        finding=" ".join([*swap_note(patient), finding(patient, noun=noun)]),
        glance=glance(patient),
        healthy=patient.healthy,
        sections=patient_sections(patient, noun=noun, facts=facts),
        version=facts.get("versions", {}).get("marrowclone", ""),
    )
