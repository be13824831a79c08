"""The only reader and writer of marrowclone's own tables.

Tab-separated, a header, missing is empty, booleans are ``true``/``false``. Files ending in
``.gz`` are compressed without a time stamp, so that the same table is the same bytes.
Every file appears whole or not at all: it is written beside its place and renamed.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import tempfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from .errors import UserError, shown

#: Significant digits in result tables: below this, platforms and thread counts differ.
FLOAT_FORMAT = "%.6g"
#: What reading a file that was cut off raises.
_DAMAGED = (
    EOFError, zlib.error, gzip.BadGzipFile, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError,
)  # fmt: skip


def write_whole(path: str | Path, write: Callable[[Path], None]) -> None:
    """Call ``write(temporary_path)``, then rename to ``path``.

    The temporary file has the same suffixes (writers look at them) and lies in the same
    folder (a rename across file systems is not atomic). What a killed writer of the same
    ``path`` left there is removed.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_unfinished(path)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix="".join(path.suffixes), dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        write(temporary)
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _remove_unfinished(path: Path) -> None:
    """Delete temporary files of writers of ``path`` that were killed; nobody else writes it at the same time."""
    name = re.compile(rf"\.{re.escape(path.name)}\.[a-z0-9_]{{8}}{re.escape(''.join(path.suffixes))}")
    for left in path.parent.iterdir():
        if name.fullmatch(left.name):
            left.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write ``text`` (UTF-8, Unix line ends), gzipped when ``path`` ends in ``.gz``."""
    data = text.encode("utf-8")
    if str(path).endswith(".gz"):
        buffer = io.BytesIO()
        with gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0, filename="") as stream:
            stream.write(data)
        data = buffer.getvalue()

    def write(target: Path) -> None:
        target.write_bytes(data)

    write_whole(path, write)


def write_json(path: str | Path, value: Any) -> None:
    """Write ``value`` as indented JSON with sorted keys."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True) + "\n")


def write_table(path: str | Path, frame: pd.DataFrame, *, columns: Sequence[str], sheet: bool = False) -> None:
    """Write ``frame`` as one of marrowclone's tables.

    ``columns`` are the contract's columns (see :data:`marrowclone.keys.TABLES`): they come
    first, in this order, and must all be there; further columns follow as they stand.
    ``sheet``: a table as people fill in, whose columns get their types from a schema of its own.

    Raises
    ------
    KeyError, TypeError
        when a contract column is missing; when a column of :data:`marrowclone.keys.TEXT_COLUMNS`, which come back
        as text in every table, holds numbers (defects of the caller, not of the user).
    """
    from .keys import TEXT_COLUMNS

    missing = [c for c in columns if c not in frame.columns]
    if missing:
        raise KeyError(f"{path}: the table lacks the contract's columns {missing}")
    numbers = [
        c for c in frame.columns
        if c in TEXT_COLUMNS and pd.api.types.is_numeric_dtype(frame[c]) and frame[c].notna().any()
    ]  # fmt: skip
    if numbers and not sheet:
        raise TypeError(f"{path}: numbers in {numbers}, which come back as text from every table: name them otherwise")
    frame = frame[[*columns, *(c for c in frame.columns if c not in columns)]].copy()
    for name in frame.columns:
        if frame[name].dtype == bool or frame[name].dtype.name == "boolean":
            frame[name] = frame[name].map({True: "true", False: "false"})
    text = frame.to_csv(sep="\t", index=False, na_rep="", float_format=FLOAT_FORMAT, lineterminator="\n")
    write_text(path, text)


def read_result(path: str | Path, *, text: Sequence[str] = ()) -> pd.DataFrame:
    """Read one of marrowclone's own result tables (written by :func:`write_table`).

    Columns that are names by contract (``sample``, ``patient``, ``clone``, ...) and those
    in ``text`` are strings, missing as ``""``; ``true``/``false`` become booleans; the rest
    is left to pandas.

    Raises
    ------
    UserError
        when the table is not there, or is cut off.
    """
    from .keys import TEXT_COLUMNS

    path = Path(path)
    if not path.exists():
        raise UserError(f"{shown(path)}: the table is not there.", hint="run the workflow to its end first.")
    try:
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as stream:
            header = stream.readline().rstrip("\n").split("\t")
        names = {c: str for c in header if c in TEXT_COLUMNS or c in text}
        frame = pd.read_csv(path, sep="\t", dtype=names, keep_default_na=True, na_values=[""], low_memory=False)
    except _DAMAGED:
        raise UserError(
            f"{shown(path)}: the table is damaged or cut off.",
            hint="delete the file and start the workflow again; what made it will make it anew.",
        ) from None
    for name in frame.columns:
        if name in names:
            frame[name] = frame[name].fillna("")
        elif frame[name].dtype == object and set(frame[name].dropna().unique()) <= {"true", "false", True, False}:
            frame[name] = frame[name].map({"true": True, "false": False, True: True, False: False})
            if not frame[name].isna().any():
                frame[name] = frame[name].astype(bool)
    return frame
