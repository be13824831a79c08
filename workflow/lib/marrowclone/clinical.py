"""The clinical tables inside a job, and the one cut in time.

The tables were checked before any job started (:mod:`marrowclone.check`); here they only
get their types. Columns equal the schemas' (a test holds that), so that a change of either
shows in the code hash of the rules that read clinical data.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from .errors import InputProblems, Problem, UserError
from .sheets import Row, parse_boolean, parse_integer, parse_number, read_sheet, split_list


def _columns(text: str) -> dict[str, str]:
    """``"patient:text day:day"`` as a mapping."""
    return dict(part.split(":") for part in text.split())


#: Every clinical table: column -> text, day, number, boolean or list (text joined by ``;``).
COLUMNS: dict[str, dict[str, str]] = {
    "mrd": _columns(
        "patient:text day:day assay:text result:text cells_analysed:number events:number lod:number loq:number "
        "value:number compartment:text first_pull:boolean"
    ),
    "imaging": _columns("patient:text day:day modality:text result:text deauville:number"),
    "response": _columns(
        "patient:text day:day response:text m_protein:number m_protein_unit:text kappa_flc:number lambda_flc:number "
        "bm_pc_percent:number bm_pc_method:text b2m:number albumin:number ldh:number ldh_uln:number "
        "creatinine:number crab:boolean emd:boolean irreversible_damage:boolean"
    ),
    "therapy": _columns("patient:text start:day regimen:text stop:day line:number classes:list"),
    "cytogenetics": _columns("patient:text day:day event:text method:text fraction:number"),
    "pro": _columns(
        "patient:text day:day instrument:text version:text "
        + " ".join(f"q{i}:number" for i in range(1, 51))
        + " eq_mobility:number eq_self_care:number eq_usual_activities:number eq_pain:number eq_anxiety:number"
        " eq_vas:number value_set:text proxy:boolean"
    ),
    "outcome": _columns(
        "patient:text pfs_day:day pfs_event:boolean death_day:day death_cause:text last_contact_day:day"
    ),
}

#: The column that dates a row (outcome has several dates; :func:`as_of` treats each).
DATE = {"mrd": "day", "imaging": "day", "response": "day", "therapy": "start", "cytogenetics": "day", "pro": "day"}

_DTYPES = {"text": "object", "list": "object", "day": "Int64", "number": "float64", "boolean": "boolean"}


def _typed(text: str, kind: str) -> Any:
    """One cell; missing is ``""`` for text and lists, ``NA`` otherwise."""
    if kind == "text":
        return text
    if kind == "list":
        return ";".join(split_list(text))
    if not text:
        return pd.NA if kind != "number" else float("nan")
    return {"day": parse_integer, "number": parse_number, "boolean": parse_boolean}[kind](text)


def _record(row: Row, name: str, file: str) -> dict[str, Any]:
    """One row with types and with what a table's own rules fill in."""
    record: dict[str, Any] = {}
    for column, kind in COLUMNS[name].items():
        try:
            record[column] = _typed(row.text(column), kind)
        except ValueError:
            problem = Problem(file, row.line, column, f"found {row.text(column)[:60]!r}, expected a {kind}")
            raise InputProblems([problem]) from None
    if name == "mrd" and not record["compartment"]:
        record["compartment"] = "PB" if record["assay"] == "MS" else "BM"
    if name == "pro" and record["version"] in ("3", "v3", "v3.0"):
        record["version"] = "3.0"
    return record


def read_clinical(path: Any, name: str) -> pd.DataFrame:
    """Read one clinical table.

    Parameters
    ----------
    path
        the file, or None, ``""`` or an empty list when the table is not available. A list
        of one file (as Snakemake passes inputs) is that file.
    name
        key of :data:`COLUMNS`.

    Returns
    -------
    DataFrame
        All columns of :data:`COLUMNS` in that order, also when there is no file. Text is
        ``""`` when missing, days are Int64, numbers float64, yes/no columns ``boolean``,
        lists text joined by ``;``. An MRD row without compartment is BM (PB for MS). Rows
        are sorted by patient and date (rows of one date in file order).

    Raises
    ------
    InputProblems
        when the file cannot be read or typed (it changed after it was checked).
    """
    if isinstance(path, (list, tuple)) or (path is not None and not isinstance(path, (str, Path))):
        path = next(iter(path), None)
    columns = COLUMNS[name]
    records: list[dict[str, Any]] = []
    if path:
        sheet = read_sheet(path)
        if sheet.problems:
            raise InputProblems(sheet.problems)
        records = [_record(row, name, sheet.file) for row in sheet.rows]
    frame = pd.DataFrame({c: pd.Series([r[c] for r in records], dtype=_DTYPES[kind]) for c, kind in columns.items()})
    keys = ["patient", *([DATE[name]] if name in DATE else [])]
    return frame.sort_values(keys, kind="stable", ignore_index=True)


def as_of(frame: pd.DataFrame, day: int) -> pd.DataFrame:
    """What was known on ``day``: the only way in which later steps look back.

    Rows dated after ``day`` are dropped. A treatment that had begun keeps its row, but a stop
    after ``day`` becomes missing (it had not stopped yet); of an outcome, each date after
    ``day`` becomes missing together with what it says.

    Parameters
    ----------
    frame
        a frame of :func:`read_clinical` or any table with a column ``day`` or ``start``.
    day
        day of the landmark, on the patient's own clock.
    """
    known = frame.copy()
    if "last_contact_day" in known.columns:
        for date, also in (("pfs_day", "pfs_event"), ("death_day", "death_cause"), ("last_contact_day", None)):
            future = (known[date] > day).fillna(False).astype(bool)
            known.loc[future, date] = pd.NA
            if also is not None:
                known.loc[future, also] = "" if also == "death_cause" else pd.NA
        return known
    dated = next((c for c in ("day", "start") if c in known.columns), None)
    if dated is None:
        raise UserError("as_of: the table has neither a column day nor start.")
    known = known[(known[dated] <= day).fillna(False).astype(bool)].reset_index(drop=True)
    if "stop" in known.columns:
        known.loc[(known["stop"] > day).fillna(False).astype(bool), "stop"] = pd.NA
    return known
