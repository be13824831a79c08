"""Clinical rows that contradict themselves or each other: MRD, imaging, response, cytogenetics."""

from __future__ import annotations

from collections.abc import Sequence

from ..sheets import Sheet
from .rows import Entry

#: Serum M-protein above this is a slip of the unit [J].
M_PROTEIN_MAX = {"g/L": 150.0, "g/dL": 15.0}


def check_conflicts(sheet: Sheet, entries: Sequence[Entry], *, key: Sequence[str], column: str) -> None:
    """Report rows with the same ``key`` but another value in ``column``."""
    seen: dict[tuple[object, ...], Entry] = {}
    for entry in entries:
        if column not in entry.values or any(k not in entry.values for k in key[:2]):
            continue
        before = seen.setdefault(tuple(entry.get(k, "") for k in key), entry)
        if entry.values[column] != before.values[column]:
            what = ", ".join(f"{k} {entry.values[k]}" for k in key if k in entry.values)
            sheet.report(
                entry.line,
                column,
                f"found {str(entry.values[column])!r}, but line {before.line} says "
                f"{str(before.values[column])!r} for {what}",
                "keep the row that is right",
            )


def check_mrd(sheet: Sheet, entries: Sequence[Entry], notes: list[str]) -> None:
    """Limits, counts and result of each assay must be able to stand together.

    A negative result whose clonal fraction reaches the assay's limit of quantification (of
    detection, where that is all there is) contradicts itself. Between the limits it is noted.
    """
    for entry in entries:
        lod, loq, cells, events = (entry.get(c) for c in ("lod", "loq", "cells_analysed", "events"))
        result, value = entry.get("result"), entry.get("value")
        where = f"{sheet.file} line {entry.line}"
        if lod is not None and loq is not None and loq < lod:
            sheet.report(
                entry.line, "loq", f"found '{loq:g}', expected at least the lod ({lod:g})", "were they swapped?"
            )
        if events is not None and cells is not None and events > cells:
            sheet.report(entry.line, "events", f"found '{events}', expected at most cells_analysed ({cells})")
            continue
        if events is not None and cells is None and "cells_analysed" not in _invalid(sheet, entry):
            sheet.report(entry.line, "cells_analysed", "is empty, but events is given", "a count needs its denominator")
        if value is not None and value > 1 and entry.get("assay") not in (None, "MS"):
            sheet.report(
                entry.line,
                "value",
                f"found '{value:g}', expected a fraction from 0 to 1",
                "write 1e-5 for one in 100,000 cells",
            )
            continue
        level = events / cells if events is not None and cells else (value if entry.get("assay") != "MS" else None)
        if result == "negative" and level:
            name, limit = ("loq", loq) if loq is not None else ("lod", lod)
            if limit is not None and level >= limit:
                sheet.report(
                    entry.line,
                    "result",
                    f"found 'negative', but the residual level {level:.2g} is not below the {name} {limit:g}",
                    "expected positive, or another level",
                )
            elif level >= 1e-5:
                what = f"a residual level of {level:.2g}"
                notes.append(f"{where}: negative with {what}; it counts as indeterminate at 1e-5.")
            else:
                notes.append(
                    f"{where}: negative with a residual level of {level:.2g} below the limit of quantification."
                )
        if result == "positive" and (events == 0 or value == 0):
            column = "events" if events == 0 else "value"
            sheet.report(
                entry.line, "result", f"found 'positive', but {column} is 0", "expected negative, or the count found"
            )
        if result == "negative" and lod is None and cells is None and entry.get("assay") != "MS":
            notes.append(f"{where}: negative without lod or cells_analysed; it counts as indeterminate at 1e-5.")
    check_conflicts(sheet, entries, key=("patient", "day", "assay", "compartment"), column="result")


def _invalid(sheet: Sheet, entry: Entry) -> set[str | None]:
    """Columns of this row that already have a problem."""
    return {p.column for p in sheet.problems if p.line == entry.line}


def check_imaging(sheet: Sheet, entries: Sequence[Entry], notes: list[str]) -> None:
    """A Deauville score belongs to a PET, and 4 or 5 is uptake above liver (IMPeTUs): not negative."""
    for entry in entries:
        score, modality = entry.get("deauville"), entry.get("modality")
        if score is None:
            continue
        if modality is not None and not modality.startswith("PET"):
            sheet.report(
                entry.line,
                "deauville",
                f"found '{score}' for {modality}, expected it empty",
                "only a PET has a Deauville score",
            )
        elif score >= 4 and entry.get("result") == "negative":
            sheet.report(
                entry.line,
                "result",
                f"found 'negative', but Deauville {score} is uptake above liver",
                "expected positive, or another score",
            )
        elif score <= 2 and entry.get("result") == "positive":
            notes.append(
                f"{sheet.file} line {entry.line}: positive with Deauville {score}, at or below the mediastinum."
            )
    check_conflicts(sheet, entries, key=("patient", "day", "modality"), column="result")


def check_response(sheet: Sheet, entries: Sequence[Entry], notes: list[str]) -> None:
    """Values with their units, one response per visit, and no row without content."""
    content = [c for c in sheet.columns if c not in ("patient", "day", "m_protein_unit", "bm_pc_method", "ldh_uln")]
    for entry in entries:
        wrong = _invalid(sheet, entry)
        for value, unit, hint in (
            ("m_protein", "m_protein_unit", "g/L or g/dL"),
            ("bm_pc_percent", "bm_pc_method", "aspirate, biopsy or flow"),
        ):
            if value in entry.values and unit not in entry.values and unit not in wrong:
                sheet.report(entry.line, unit, f"is empty, but {value} is given", f"write {hint}")
        if "ldh" in entry.values and "ldh_uln" not in entry.values:
            notes.append(f"{sheet.file} line {entry.line}: ldh without ldh_uln cannot be called high or normal.")
        amount, measure = entry.get("m_protein"), entry.get("m_protein_unit")
        if amount is not None and measure is not None and amount > M_PROTEIN_MAX[measure]:
            most = f"{M_PROTEIN_MAX[measure]:g} {measure}"
            sheet.report(
                entry.line,
                "m_protein",
                f"found '{amount:g}' {measure}, expected at most {most}",
                "is the unit g/L?" if measure == "g/dL" else "",
            )
        if not wrong and not any(c in entry.values for c in content):
            sheet.report(entry.line, "response", "is empty, and so is every value", "give a response or a measurement")
    check_conflicts(sheet, entries, key=("patient", "day"), column="response")


def check_cytogenetics(sheet: Sheet, entries: Sequence[Entry], notes: list[str]) -> None:
    """One fraction per event, day and method."""
    check_conflicts(sheet, entries, key=("patient", "day", "event", "method"), column="fraction")
