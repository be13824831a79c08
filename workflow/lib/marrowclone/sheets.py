"""Reading a table that a person wrote: tabs or CSV, any line ends, with line numbers.

Spreadsheets and editors leave byte-order marks, Windows line ends, commas or semicolons,
``30.0`` for 30 and ``NA`` for nothing: all of that is accepted silently, and so is gzip. What cannot be read
with certainty becomes a :class:`~marrowclone.errors.Problem`. Lines that start with ``#``
are comments.
"""

from __future__ import annotations

import csv
import gzip
import io
import math
import re
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from .errors import Problem, found, shown

#: Besides the empty cell, what R, pandas and spreadsheets write for a missing value.
MISSING = frozenset(("", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null"))

#: A sheet larger than this is something else (a matrix, an archive) [J].
MAX_BYTES = 64 * 2**20

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_TRUE = frozenset(("true", "yes", "y", "t", "1", "1.0"))
_FALSE = frozenset(("false", "no", "n", "f", "0", "0.0"))
_UNKNOWN = frozenset(("unknown", "unk", "?"))

#: First bytes of files that are often given by mistake, and what to do about each.
_SIGNATURES: tuple[tuple[bytes, str, str], ...] = (
    (b"PK\x03\x04", "an Excel workbook or a zip archive", "save the sheet as tab-separated text (or CSV)"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook", "save the sheet as tab-separated text (or CSV)"),
    (b"\x89HDF", "an HDF5 file", "give a tab-separated text file here; count files belong in the column path"),
    (b"\xff\xfe", "UTF-16 text", "save it as UTF-8 text"),
    (b"\xfe\xff", "UTF-16 text", "save it as UTF-8 text"),
)


@dataclass(frozen=True)
class Row:
    """One row: its line in the file (1-based) and its cells as written, by column."""

    line: int
    cells: dict[str, str]

    def text(self, column: str) -> str:
        """The cell without surrounding spaces; ``""`` when missing."""
        value = self.cells.get(column, "").strip()
        return "" if value in MISSING else value


@dataclass
class Sheet:
    """A table as read. ``problems`` says what could not be read; ``rows`` are the sound ones."""

    path: Path
    columns: list[str] = field(default_factory=list)
    header_line: int | None = None
    rows: list[Row] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    @property
    def file(self) -> str:
        """The file's name as messages show it."""
        return shown(self.path)

    def report(self, line: int | None, column: str | None, message: str, hint: str = "") -> None:
        """Add a problem of this file."""
        self.problems.append(Problem(self.file, line, column, message, hint))


def clip(text: object, width: int = 60) -> str:
    """``text`` cut to ``width`` characters for a message."""
    string = str(text)
    return string if len(string) <= width else string[: width - 3] + "..."


def parse_number(text: str) -> float:
    """A finite decimal number (``1e-5`` included). Raises ValueError for anything else."""
    if not _NUMBER.fullmatch(text) or not math.isfinite(float(text)):
        raise ValueError(text)
    return float(text)


def parse_integer(text: str) -> int:
    """An integer; ``30.0`` and ``1e6`` are integers too. Raises ValueError for anything else."""
    value = parse_number(text)
    if value != int(value):
        raise ValueError(text)
    return int(text) if re.fullmatch(r"[+-]?\d+", text) else int(value)


def parse_boolean(text: str) -> bool | None:
    """true/false, yes/no, y/n, 1/0 in any case; None for "unknown". Raises ValueError for anything else."""
    folded = text.casefold()
    if folded in _UNKNOWN:
        return None
    if folded not in _TRUE | _FALSE:
        raise ValueError(text)
    return folded in _TRUE


def split_list(text: str) -> list[str]:
    """The entries of a list cell; ``;`` is the written form, ``,`` ``+`` and ``|`` are read too."""
    return [part.strip() for part in re.split(r"[;,+|]", text) if part.strip()]


def _decode(sheet: Sheet) -> str | None:
    """The file's text with Unix line ends, or None after reporting why not."""
    path = sheet.path
    try:
        if path.is_dir():
            sheet.report(None, None, "is a folder, expected a table", "name the file inside it")
            return None
        if not path.exists():
            sheet.report(None, None, "no such file")
            return None
        size = path.stat().st_size
        if size > MAX_BYTES:
            sheet.report(None, None, f"{size / 2**20:.0f} MiB, too large for a sheet", "was another file meant?")
            return None
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        sheet.report(None, None, f"cannot be read ({reason})", "check the file's permissions")
        return None
    if data.startswith(b"\x1f\x8b"):
        try:
            with gzip.open(io.BytesIO(data)) as packed:
                data = packed.read(MAX_BYTES)
        except (OSError, EOFError, zlib.error) as error:
            sheet.report(None, None, f"is a damaged gzip file ({error})", "was it cut off?")
            return None
    if not data.strip():
        return ""
    for signature, what, hint in _SIGNATURES:
        if data.startswith(signature):
            sheet.report(None, None, f"is {what}, expected a tab-separated table", hint)
            return None
    if b"\0" in data:
        line = data[: data.index(b"\0")].count(b"\n") + 1
        sheet.report(line, None, "holds NUL bytes; this is not a text table", "save it as UTF-8 text")
        return None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        byte = f"0x{data[error.start]:02X}"
        sheet.report(line, None, f"byte {byte} is not UTF-8 text", "save it with the encoding UTF-8")
        return None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _delimiter(header: str) -> str:
    """Tab when there is one, otherwise the commoner of semicolon and comma."""
    if "\t" in header:
        return "\t"
    return max(";,", key=header.count) if ";" in header or "," in header else "\t"


def _is_comment(line: str) -> bool:
    return line.startswith("#")


def _records(sheet: Sheet, text: str) -> Iterator[tuple[int, list[str]]]:
    """(line, cells) of each record that is neither blank nor a comment."""
    lines = text.split("\n")
    header = next((line for line in lines if line.strip() and not _is_comment(line)), "")
    # comments become blank lines, so that line numbers stay
    reader = csv.reader(
        ("" if _is_comment(line) else f"{line}\n" for line in lines), delimiter=_delimiter(header), strict=True
    )
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if "field larger" in str(error):
                sheet.report(line, None, "a cell is longer than 131,072 characters", "was another file meant?")
            else:
                sheet.report(line, None, f"quotes do not match ({error})", "remove or double the quotation mark")
            return
        if any(cell.strip() for cell in cells):
            yield line, cells


def _header(sheet: Sheet, line: int, cells: list[str]) -> None:
    """Take the header's names; report empty and repeated ones."""
    sheet.header_line = line
    names = [cell.strip() for cell in cells]
    while names and not names[-1]:  # a delimiter at the end of every line
        names.pop()
    for number, name in enumerate(names, start=1):
        if not name:
            sheet.report(line, None, f"column {number} has no name")
        elif name in names[: number - 1]:
            sheet.report(line, clip(name), "the column stands twice in the header", "remove or rename one of them")
    if len(names) == 1 and len(names[0].split()) > 1:
        hint = "separate the columns by tabs (commas or semicolons are read too)"
        sheet.report(line, None, "no tab, comma or semicolon in the header", hint)
    sheet.columns = names


def _shortest(columns: list[str], required: Collection[str]) -> int:
    """Number of cells after which a row may end: with the last required column, where all of them are there."""
    places = [number for number, name in enumerate(columns, start=1) if name in required]
    return places[-1] if places and len(places) == len(set(required)) else len(columns)


def read_sheet(path: str | Path, *, required: Collection[str] = ()) -> Sheet:
    """Read a table; never raises for what a file may hold.

    Parameters
    ----------
    required
        columns after whose last a row may end: all further cells are then missing. A row that says more has a cell
        for each column, because a separator that was forgotten among optional cells could not be seen otherwise.

    Returns
    -------
    Sheet
        ``columns`` in file order, ``rows`` with their line numbers, and ``problems``: not a
        text table, columns without name or repeated, rows with too many or too few cells.
    """
    sheet = Sheet(Path(path))
    text = _decode(sheet)
    if text is None:
        return sheet
    for line, cells in _records(sheet, text):
        if sheet.header_line is None:
            _header(sheet, line, cells)
            continue
        width = len(sheet.columns)
        end = _shortest(sheet.columns, required)
        cut = len(cells) < width and (len(cells) < end or any(cell.strip() for cell in cells[end:]))
        if cut or any(cell.strip() for cell in cells[width:]):
            hint = "an empty cell still needs its separator; a separator inside a text needs quotes"
            if end < width:
                hint += f"; only after {sheet.columns[end - 1]} a row may end"
            sheet.report(line, None, found(len(cells), f"{width} cells as in the header").replace("'", ""), hint)
            continue
        sheet.rows.append(Row(line, dict(zip(sheet.columns, cells, strict=False))))
    if sheet.header_line is None and not sheet.problems:
        sheet.report(None, None, "the file is empty", "a table starts with a line of column names")
    return sheet
