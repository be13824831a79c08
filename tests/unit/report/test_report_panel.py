"""The section on the high-risk panel: verdicts with their reasons, and a blank where nothing was assessed."""

from __future__ import annotations

import pandas as pd

import results_factory as factory
from marrowclone.report.events import events_in_words
from marrowclone.report.gather import Patient
from marrowclone.report.panel import panel_section


def patient(panel: pd.DataFrame) -> Patient:
    return Patient(name="P1", samples=pd.DataFrame({"sample": ["P1_dx"], "timepoint": ["diagnosis"]}), panel=panel)


def test_present_findings_come_first_and_clones_are_folded() -> None:
    section = panel_section(patient(factory.panel_rows("P1")))
    first, by_clone = section.tables
    verdicts = [row[1] for row in first.rows]
    assert verdicts == ["present", "present", "indeterminate", "absent"]
    assert first.rows[0][0] == "gain(1q)" and first.rows[0][3] == "c1, c2"
    assert by_clone.folded and by_clone.rows[0][0] == "c1"
    assert "Research use only" in section.how and not section.blank


def test_nothing_assessed_is_said_and_never_an_absence() -> None:
    rows = factory.panel_rows("P1").assign(verdict="indeterminate")
    for panel in (rows, rows[:0]):
        section = panel_section(patient(panel))
        assert section.blank and not section.tables


def test_events_say_what_is_not_told_apart_and_what_is_a_part() -> None:
    arms = pd.DataFrame(
        {
            "clone": "c1", "chromosome": ["chr1", "chr13", "chr17"], "arm": ["q", "q", "p"], "state": [3, 1, 1],
            "posterior": [0.55, 0.99, 0.7], "call": ["gain", "loss", "loss"], "copies": ["3-4", "1", "1"],
            "extent": [1.0, 0.6, 1.0],
        }
    )  # fmt: skip
    assert events_in_words(arms, "c1") == "1q ×3 to 4, 13q ×1 (60% of the arm)"
