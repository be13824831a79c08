"""The sample sheet: names, days, timepoints and paths, row against row."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import UserError, shown
from ..formats import resolve
from ..keys import HEALTHY, TIMEPOINTS
from ..sheets import Sheet, clip
from .rows import Entry, check_repeats, check_rows

#: Names that files of the results already carry, or that mean "everything".
RESERVED = frozenset(("all", "index", "none", "na"))
#: Timepoints before any treatment, in the order in which they can come.
BASELINE = ("mgus", "smm", "diagnosis")
#: Samples of one timepoint lie at most this many days apart (marrow and blood of one visit) [J].
SAME_VISIT_DAYS = 60
#: Snakemake takes them for wildcards wherever a path stands.
BRACES = "{}"
BRACES_HINT = "Snakemake takes them for wildcards; rename the file or make a symbolic link to it"


def check_path(sheet: Sheet, line: int | None, column: str, text: str, kind: str) -> bool:
    """Report a path that is not there or is not what it should be; True when it is sound.

    ``kind`` is ``file``, ``folder`` or ``any``. Paths are relative to the working directory.
    """
    if set(text) & set(BRACES):
        sheet.report(line, column, f"found {clip(text, 120)!r}, expected a path without {{ and }}", BRACES_HINT)
        return False
    path = Path(text)
    try:
        exists = path.exists()
    except (OSError, ValueError):  # too long a name, a NUL byte
        exists = False
    if not exists:
        sheet.report(
            line, column, f"found {clip(text, 120)!r}, no such file or folder", path_hint(text, sheet.path.parent)
        )
        return False
    if kind == "file" and path.is_dir():
        sheet.report(line, column, f"found {clip(text, 120)!r}, a folder, expected a file", "name the file inside it")
        return False
    if kind == "folder" and not path.is_dir():
        sheet.report(
            line, column, f"found {clip(text, 120)!r}, a file, expected a folder", "name the folder it lies in"
        )
        return False
    return True


def path_hint(text: str, folder: Path) -> str:
    """Where a missing path may be: relative to the sheet's folder, or a near name beside it."""
    path = Path(text)
    try:
        if path.is_symlink():
            return f"this is a symbolic link to {str(path.readlink())!r}, which is not there"
        if text.startswith("~"):
            return "write the path out; ~ is not expanded"
        if "\\" in text:
            return "write the path with / instead of \\"
        if not path.is_absolute() and (folder / path).exists():
            return f"paths are relative to the working directory ({Path.cwd()}); did you mean {str(folder / path)!r}?"
        if path.parent.is_dir():
            # the end of the name is left out: two .tsv are not near because of it
            beside = {p.name.split(".")[0]: p.name for p in path.parent.iterdir() if p.suffix == path.suffix}
            near = difflib.get_close_matches(path.name.split(".")[0], list(beside), n=1)
            if near:
                return f"did you mean {str(path.parent / beside[near[0]])!r}?"
            if path.is_absolute():
                return ""
        if not path.is_absolute():
            return f"paths are relative to the working directory ({Path.cwd()})"
    except (OSError, ValueError):
        pass
    return ""


def _check_names(sheet: Sheet, entries: Sequence[Entry]) -> None:
    """Reserved names, repeated samples, and names that file systems may not tell apart."""
    samples: dict[str, Entry] = {}
    patients: dict[str, tuple[str, int]] = {}
    for entry in entries:
        for column in ("sample", "patient"):
            name = entry.get(column)
            if name is not None and name.casefold() in RESERVED:
                sheet.report(entry.line, column, f"found {name!r}, a reserved name", f"call it {name + '_1'!r}")
        sample, patient = entry.get("sample"), entry.get("patient")
        if sample is not None:
            before = samples.setdefault(sample.casefold(), entry)
            if before is not entry:
                other = before.values["sample"]
                if other == sample:
                    sheet.report(
                        entry.line,
                        "sample",
                        f"found {sample!r}, already the sample of line {before.line}",
                        "each capture has a name of its own",
                    )
                else:
                    sheet.report(
                        entry.line,
                        "sample",
                        f"found {sample!r}, which differs from {other!r} (line {before.line}) in "
                        "upper and lower case only",
                        "file systems may not tell them apart; rename one",
                    )
        if patient is not None:
            written, line = patients.setdefault(patient.casefold(), (patient, entry.line))
            if written != patient:
                sheet.report(
                    entry.line,
                    "patient",
                    f"found {patient!r}, which differs from {written!r} (line {line}) in upper and lower case only",
                    f"did you mean {written!r}?",
                )
    for entry in entries:
        sample, patient = entry.get("sample"), entry.get("patient")
        if sample is None or patient is None or sample.casefold() not in patients:
            continue
        owner, line = patients[sample.casefold()]
        if owner.casefold() != patient.casefold():
            sheet.report(
                entry.line,
                "sample",
                f"found {sample!r}, the name of another patient (line {line})",
                f"call it {patient + '_' + sample!r}",
            )


def _split_timepoint(timepoint: str) -> tuple[str, int]:
    """``relapse_2`` -> ("relapse", 2); ``relapse`` -> ("relapse", 1)."""
    match = re.fullmatch(r"(.*?)_([1-9][0-9]*)", timepoint)
    return (match[1], int(match[2])) if match and match[1] in TIMEPOINTS else (timepoint, 1)


def _check_course(sheet: Sheet, patient: str, entries: Sequence[Entry]) -> None:
    """One patient's timepoints: one day each, in an order that can be."""
    dated = [
        (*_split_timepoint(e.get("timepoint")), e.get("day"), e)
        for e in entries
        if {"timepoint", "day"} <= set(e.values)
    ]
    points = {e.get("timepoint") for e in entries if e.get("timepoint")}
    healthy = [e for e in entries if e.get("timepoint") and _split_timepoint(e.get("timepoint"))[0] == HEALTHY]
    if healthy and len(healthy) < len([e for e in entries if e.get("timepoint")]):
        others = ", ".join(sorted(p for p in points if not p.startswith(HEALTHY)))
        sheet.report(
            healthy[0].line,
            "timepoint",
            f"found 'healthy' for patient {patient}, who also has {others}",
            "a healthy donor is a patient of whom every sample is healthy",
        )
        return
    first_day: dict[tuple[str, int], tuple[int, Entry]] = {}
    for name, number, day, entry in dated:
        known, before = first_day.setdefault((name, number), (day, entry))
        if abs(day - known) > SAME_VISIT_DAYS and name != HEALTHY:
            free = max(n for other, n in first_day if other == name) + 1
            sheet.report(
                entry.line,
                "timepoint",
                f"found {entry.get('timepoint')!r} on day {day}, but line {before.line} has it on day {known} "
                f"(patient {patient})",
                f"call the later one '{name}_{free}'",
            )
    for name, number, day, entry in dated:
        rank = BASELINE.index(name) if name in BASELINE else len(BASELINE)
        for other, other_number, other_day, before in dated:
            other_rank = BASELINE.index(other) if other in BASELINE else len(BASELINE)
            after = f"{before.get('timepoint')} is on day {other_day} (line {before.line}, patient {patient})"
            if name == other and number > other_number and day < other_day:
                sheet.report(entry.line, "day", f"found '{day}', but {after}", "number timepoints in day order")
            elif rank < other_rank and day > other_day:
                message = f"found '{day}' for {entry.get('timepoint')}, but {after}"
                sheet.report(entry.line, "day", message, "check both days; they count from the patient's day 0")
            else:
                continue
            break


def _matrix_of(entry: Entry, column: str) -> Path | None:
    """The first file of the counts that ``path`` or ``raw_path`` means; None where none can be told.

    Why not is said when the data are looked at (:mod:`marrowclone.check.matrices`).
    """
    text = entry.get(column)
    if text is None:
        return None
    form, unfiltered = (entry.get("format", "auto"), False) if column == "path" else ("auto", True)
    try:
        return resolve(Path(text), form, unfiltered=unfiltered).files[0].resolve()
    except (UserError, OSError, ValueError, RuntimeError):
        return None


def _check_captures(sheet: Sheet, entries: Sequence[Entry]) -> None:
    """Two rows that nothing tells apart, one file given to two samples, and one matrix as filtered and unfiltered."""
    seen: dict[tuple[Any, ...], Entry] = {}
    paths: dict[Path, tuple[str, Entry]] = {}
    for entry in entries:
        if {"patient", "day", "timepoint"} <= set(entry.values):
            told_apart_by = ("compartment", "sort", "batch", "chemistry", "prep")
            key = tuple(entry.get(c, "") for c in ("patient", "day", "timepoint", *told_apart_by))
            before = seen.setdefault(key, entry)
            if before is not entry:
                sheet.report(
                    entry.line,
                    None,
                    f"patient {key[0]}, day {key[1]}: the same as line {before.line} in {', '.join(told_apart_by)}",
                    "if these are two captures of one aspirate, give each its own batch",
                )
        matrices = {column: _matrix_of(entry, column) for column in ("path", "raw_path")}
        for column in ("path", "raw_path", "vdj", "alleles", "cell_types"):
            text = entry.get(column)
            if text is None:
                continue
            try:
                place = Path(text).resolve()
            except (OSError, ValueError, RuntimeError):
                continue
            if column == "raw_path":
                if matrices["path"] is not None and matrices["path"] == matrices["raw_path"]:
                    sheet.report(
                        entry.line,
                        column,
                        f"found {clip(text, 120)!r}, which is the same matrix as path ({shown(matrices['path'])})",
                        "raw_path names the unfiltered droplets of the run, or the run's folder where both lie in it; "
                        "leave it empty where path is unfiltered or there are none",
                    )
                    continue
                # a run's folder holds both: path means its filtered counts, raw_path the others
                if paths.get(place) == ("path", entry):
                    continue
            # the user's labels may stand in one table for several captures
            if column == "cell_types" or place not in paths:
                paths.setdefault(place, (column, entry))
                continue
            other, before = paths[place]
            where = "this line" if before is entry else f"line {before.line}"
            sheet.report(
                entry.line,
                column,
                f"found {clip(text, 120)!r}, already the {other} of {where}",
                "each capture has files of its own",
            )


def check_samples(sheet: Sheet, schema: Mapping[str, Any]) -> list[Entry]:
    """Check the sample sheet by itself; problems are added to ``sheet.problems``.

    Two samples of one patient, day and timepoint are allowed when compartment, sort, batch,
    chemistry or prep tells them apart; otherwise one of them is a slip.

    Returns
    -------
    list of Entry
        a typed entry per row, without the cells that are wrong.
    """
    entries = check_rows(sheet, schema)
    if sheet.header_line is not None and not sheet.rows and not sheet.problems:
        sheet.report(None, None, "the sheet has a header but no samples", "add a row per capture")
    check_repeats(sheet)
    repeated = {p.line for p in sheet.problems if p.message.startswith("the row is the same")}
    entries = [e for e in entries if e.line not in repeated]
    _check_names(sheet, entries)
    for patient in sorted({e.get("patient") for e in entries if e.get("patient")}):
        _check_course(sheet, patient, [e for e in entries if e.get("patient") == patient])
    _check_captures(sheet, entries)
    for entry in entries:
        for column, rule in schema["properties"].items():
            text = entry.get(column)
            if "path" in rule and text is not None and not check_path(sheet, entry.line, column, text, rule["path"]):
                del entry.values[column]
    return entries
