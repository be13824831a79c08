"""A sheet against its schema: columns, then every cell of every row."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from jsonschema import Draft202012Validator

from ..errors import did_you_mean, found, one_of
from ..sheets import Row, Sheet, clip, parse_boolean, parse_integer, parse_number, split_list
from .explain import explain


@dataclass
class Entry:
    """A row whose cells have their types. ``values`` holds the valid, non-missing ones only."""

    line: int
    values: dict[str, Any] = field(default_factory=dict)

    def get(self, column: str, default: Any = None) -> Any:
        """The value of a column, ``default`` when missing or invalid."""
        return self.values.get(column, default)


_PARSERS: dict[str, Callable[[str], Any]] = {
    "integer": parse_integer,
    "number": parse_number,
    "boolean": parse_boolean,
    "array": split_list,
    "string": str,
}


#: What people call columns, and what they are called here.
COLUMN_SYNONYMS = {
    "date": "day",
    "visit": "timepoint",
    "subject": "patient",
    "patient_id": "patient",
    "id": "patient",
    "sample_id": "sample",
    "library": "sample",
    "file": "path",
    "folder": "path",
    "bm_pc_pct": "bm_pc_percent",
    "end": "stop",
    "drugs": "classes",
    "test": "assay",
    "questionnaire": "instrument",
}


def _check_columns(sheet: Sheet, schema: Mapping[str, Any]) -> None:
    """Report unknown columns (with the nearest known) and missing required ones."""
    known = list(schema["properties"])
    absent = [c for c in known if c not in sheet.columns]
    guessed: set[str] = set()
    for name in dict.fromkeys(sheet.columns):
        if not name or name in known:
            continue
        meant = COLUMN_SYNONYMS.get(name.casefold().replace(" ", "_"))
        hint = f"did you mean {meant!r}?" if meant in absent else did_you_mean(name, absent)
        guessed.update(c for c in absent if hint == f"did you mean {c!r}?")
        allowed = one_of(known) if len(known) < 20 else one_of([*known[:4], "...", *known[-4:]])
        sheet.report(sheet.header_line, clip(name), f"unknown column, expected {allowed}", hint)
    for name in schema.get("required", ()):
        if name in absent and name not in guessed:
            sheet.report(sheet.header_line, name, "the column is missing; it is required")


def _typed(row: Row, column: str, schema: Mapping[str, Any]) -> Any:
    """The cell with its type; the text itself when it has another (the schema then says so)."""
    text = row.text(column)
    try:
        return _PARSERS[schema["type"]](text)
    except ValueError:
        return text


def _check_spaces(sheet: Sheet, row: Row, schema: Mapping[str, Any]) -> set[str]:
    """Names with spaces around them: reported, because the same name without them is another name."""
    padded = set()
    for column, rule in schema["properties"].items():
        raw = row.cells.get(column, "")
        if rule.get("name") and raw.strip() and raw != raw.strip():
            padded.add(column)
            hint = f"remove the space {'before' if raw[0].isspace() else 'after'} it"
            sheet.report(row.line, column, found(clip(raw), "a name without spaces around it"), hint)
    return padded


def check_rows(sheet: Sheet, schema: Mapping[str, Any]) -> list[Entry]:
    """Check a sheet against the schema of its rows.

    Problems are added to ``sheet.problems``; each names line, column, what was found, what is
    expected and, where one is near, the right word.

    Returns
    -------
    list of Entry
        a typed entry per row, without the cells that are wrong.
    """
    if sheet.header_line is None:
        return []
    _check_columns(sheet, schema)
    properties = {c: s for c, s in schema["properties"].items() if c in sheet.columns}
    required = [c for c in schema.get("required", ()) if c in properties and not properties[c].get("may_be_empty")]
    validator = Draft202012Validator({"type": "object", "properties": properties})
    entries = []
    for row in sheet.rows:
        padded = _check_spaces(sheet, row, schema)
        values = {c: _typed(row, c, s) for c, s in properties.items() if row.text(c)}
        values = {c: v for c, v in values.items() if v is not None}  # "unknown" in a yes/no column
        wrong: set[str] = set()
        for column in required:
            if not row.text(column):
                wrong.add(column)
                sheet.report(row.line, column, "is empty; a value is required")
        for error in validator.iter_errors(values):
            path = list(error.absolute_path)
            column = str(path[0])
            if column in wrong and len(path) == 1:
                continue  # one complaint per cell
            wrong.add(column)
            rule, written = error.schema, row.text(column)
            if len(path) > 1:  # an entry of a list
                rule, written = {**rule, "synonyms": properties[column].get("synonyms", {})}, str(error.instance)
            message, hint = explain(error.instance, str(error.validator), rule, column, written=written)
            sheet.report(row.line, column, message, hint)
        entries.append(Entry(row.line, {c: v for c, v in values.items() if c not in wrong - padded}))
    return entries


def check_repeats(sheet: Sheet) -> None:
    """Report rows that stand in the sheet twice, cell for cell."""
    first: dict[tuple[str, ...], int] = {}
    for row in sheet.rows:
        key = tuple(row.text(c) for c in sheet.columns)
        if key in first:
            sheet.report(row.line, None, f"the row is the same as line {first[key]}", "remove one of them")
        else:
            first[key] = row.line


def check_patients(sheet: Sheet, entries: Iterable[Entry], patients: Iterable[str], samples_file: str) -> None:
    """Report patients without a sample, once per patient and sheet, with the nearest that has one."""
    known = sorted(patients)
    seen: set[str] = set()
    for entry in entries:
        patient = entry.get("patient")
        if patient is None or patient in known or patient in seen:
            continue
        seen.add(patient)
        message = f"found {clip(patient)!r}, a patient without samples in {samples_file}"
        sheet.report(entry.line, "patient", message, did_you_mean(patient, known))
