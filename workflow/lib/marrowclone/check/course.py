"""Therapy, outcome and questionnaires: intervals, ends and answers that cannot be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from ..clinical import DATE
from ..errors import found
from ..sheets import Sheet
from .rows import Entry

#: The columns of each questionnaire's answers.
ANSWERS: dict[str, tuple[str, ...]] = {
    "QLQ-C30": tuple(f"q{i}" for i in range(1, 31)),
    "QLQ-MY20": tuple(f"q{i}" for i in range(31, 51)),
    "EQ-5D-5L": ("eq_mobility", "eq_self_care", "eq_usual_activities", "eq_pain", "eq_anxiety", "eq_vas"),
}
#: Only version 3.0 of the QLQ-C30 has four answers throughout (EORTC scoring manual, 3rd edition).
C30_VERSIONS = ("3.0", "3", "v3", "v3.0")


def check_therapy(sheet: Sheet, entries: Sequence[Entry], notes: list[str]) -> None:
    """No interval ends before it begins, and lines follow each other."""
    lines: dict[str, dict[int, Entry]] = {}
    for entry in entries:
        start, stop = entry.get("start"), entry.get("stop")
        if start is not None and stop is not None and stop < start:
            sheet.report(entry.line, "stop", found(stop, f"a day not before the start ({start})"), "were they swapped?")
        patient, line = entry.get("patient"), entry.get("line")
        if patient is None or line is None or start is None:
            continue
        known = lines.setdefault(patient, {})
        if line not in known or start < known[line].values["start"]:
            known[line] = entry
    for patient, known in lines.items():
        ordered = sorted(known.items())
        for (line, before), (later, entry) in pairwise(ordered):
            first, second = before.values["start"], entry.values["start"]
            if second < first:
                sheet.report(
                    entry.line,
                    "start",
                    f"found '{second}' for line of therapy {later}, but line {line} began on day {first} "
                    f"(line {before.line} of the sheet, patient {patient})",
                    "check the numbers of the lines",
                )


def check_pro(sheet: Sheet, entries: Sequence[Entry], notes: list[str]) -> None:
    """The version that can be scored, and answers that belong to the questionnaire.

    Answers out of range were found by the schema; here their problems get the patient and day.
    """
    by_line = {e.line: e for e in entries}
    answers = {a for columns in ANSWERS.values() for a in columns}
    for number, problem in enumerate(sheet.problems):
        if problem.column in answers and problem.line in by_line and problem.message.startswith("found"):
            entry = by_line[problem.line]
            who = f"patient {entry.get('patient', '?')}, day {entry.get('day', '?')}, item {problem.column}"
            sheet.problems[number] = type(problem)(
                problem.file, problem.line, problem.column, f"{problem.message} ({who})", problem.hint
            )
    wrong = {p.line for p in sheet.problems if p.column in answers}
    for entry in entries:
        instrument, version = entry.get("instrument"), entry.get("version")
        if instrument == "QLQ-C30" and version is not None and version not in C30_VERSIONS:
            sheet.report(
                entry.line,
                "version",
                found(version, "3.0 for QLQ-C30"),
                "earlier versions have yes/no items and cannot be scored this way",
            )
        if instrument not in ANSWERS:
            continue
        own = ANSWERS[instrument]
        foreign = [c for c in sheet.columns if c in answers and c not in own and c in entry.values]
        if foreign:
            owner = next(name for name, columns in ANSWERS.items() if foreign[0] in columns)
            sheet.report(
                entry.line,
                foreign[0],
                f"found an answer of {owner} in a row of {instrument}",
                f"give {owner} a row of its own",
            )
        if entry.line not in wrong and not any(c in entry.values for c in own):
            sheet.report(
                entry.line,
                None,
                f"a row of {instrument} without any answer",
                f"answers stand in {own[0]} to {own[-1]}; leave the row out when there is none",
            )
    seen: dict[tuple[object, ...], int] = {}
    for entry in entries:
        key = tuple(entry.get(c) for c in ("patient", "day", "instrument"))
        if None not in key and seen.setdefault(key, entry.line) != entry.line:
            message = f"{key[2]} of patient {key[0]} on day {key[1]} stands in line {seen[key]} too"
            sheet.report(entry.line, "instrument", message, "one row per questionnaire filled in")


def check_outcome(sheet: Sheet, entries: Sequence[Entry], notes: list[str]) -> None:
    """One row per patient, events with their days, and days in an order that can be."""
    first: dict[str, int] = {}
    for entry in entries:
        patient = entry.get("patient")
        if patient is not None and first.setdefault(patient, entry.line) != entry.line:
            sheet.report(
                entry.line, "patient", f"found {patient!r}, already in line {first[patient]}", "one row per patient"
            )
        pfs, death, contact = (entry.get(c) for c in ("pfs_day", "death_day", "last_contact_day"))
        wrong = {p.column for p in sheet.problems if p.line == entry.line}
        for given, other in (("pfs_day", "pfs_event"), ("pfs_event", "pfs_day"), ("death_cause", "death_day")):
            if given in entry.values and other not in entry.values and other not in wrong:
                sheet.report(entry.line, other, f"is empty, but {given} is given")
        if death is not None and contact is not None and contact > death:
            sheet.report(
                entry.line,
                "death_day",
                found(death, f"a day not before the last contact ({contact})"),
                "the dead are not contacted; check both days",
            )
        if death is not None and pfs is not None and pfs > death:
            sheet.report(entry.line, "pfs_day", found(pfs, f"a day not after death ({death})"))
        if death is not None and entry.get("pfs_event") is False and pfs == death:
            sheet.report(entry.line, "pfs_event", "found 'false' on the day of death", "death is an event of PFS")
        elif death is not None and pfs is not None and pfs < death and entry.get("pfs_event") is False:
            notes.append(
                f"{sheet.file} line {entry.line}: free of progression until day {pfs}, dead on day {death}; the "
                "outlook counts that as censored. If the patient was followed until then, death is an event of PFS."
            )


def check_after_death(
    sheets: Mapping[str, tuple[Sheet, Sequence[Entry]]],
    sampled: Mapping[str, Sequence[int]],
    notes: list[str],
) -> None:
    """Rows dated after a patient's death, and samples after the last contact.

    Parameters
    ----------
    sheets
        clinical sheets with their entries, by name.
    sampled
        patient -> day of each sample.
    """
    if "outcome" not in sheets:
        return
    outcome, rows = sheets["outcome"]
    deaths = {e.get("patient"): e.get("death_day") for e in rows if e.get("death_day") is not None}
    for name, (sheet, entries) in sheets.items():
        column = DATE.get(name, "")
        for entry in entries:
            day, death = entry.get(column), deaths.get(entry.get("patient"))
            if day is not None and death is not None and day > death:
                sheet.report(
                    entry.line,
                    column,
                    f"found '{day}', after the death of patient {entry.get('patient')} on day {death} ({outcome.file})",
                )
    for entry in rows:
        contact = entry.get("last_contact_day")
        days = sampled.get(entry.get("patient", ""), ())
        if contact is not None and days and max(days) > contact:
            sheet_day = max(days)
            outcome.report(
                entry.line,
                "last_contact_day",
                f"found '{contact}', before the sample of day {sheet_day}",
                "a sample is a contact",
            )
