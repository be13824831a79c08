"""A reference profile as a file: normal plasma cells and their bystanders of another study (rung R3).

Tab-separated (``.gz`` or not). Comment lines say whose cells they are::

    # study: Smith 2023
    # chemistry: 10x 3' v3
    # donors: 5
    # cells: plasma=1730 cd4_t=900 monocyte=400
    # umi: plasma=7e6 cd4_t=2e6 monocyte=1.5e6

then a row per gene: ``symbol``, ``plasma`` and any of the immune types. Values are UMI summed over the cells of the
type; with the line ``umi`` they may be shares or counts per million, and that line says to how many UMI they belong.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ..errors import InputProblems, Problem, did_you_mean, found, one_of
from ..keys import IMMUNE_TYPES, PLASMA
from ..resources import gene_table
from ..sheets import Sheet, clip, parse_integer, parse_number, read_sheet
from ..tables import FLOAT_FORMAT, write_text

TITLE = "marrowclone reference profile"
TYPES: tuple[str, ...] = (PLASMA, *IMMUNE_TYPES)
#: A file that holds fewer of the reference genes than this is another gene set (a panel, variable genes only) [J].
MIN_GENES_SHARE = 0.5
#: Columns with fewer UMI than this are shares without the line that says of how many UMI [J].
MIN_UMI = 1000.0
#: Genes that plasma cells must show [J]: a profile of fewer is a slip of whoever wrote it.
MIN_SEEN = 2000
#: The most abundant gene has at least this share of the UMI [J]: in cells MALAT1, B2M or a ribosomal gene has 1% and
#: more; of log1p values none has .1%.
MIN_TOP = 0.002
#: Problems of one kind that are listed one by one.
SHOWN = 5

_NOTE = re.compile(r"#\s*(study|chemistry|donors|samples|cells|umi)\s*:\s*(.*)", re.IGNORECASE)


@dataclass(frozen=True)
class Profile:
    """Normal cells of another study.

    Attributes
    ----------
    counts
        genes (reference symbols) x types (``plasma`` and immune types), UMI summed over the cells.
    n_cells
        cells per type.
    study, chemistry
        in words; chemistry may be empty.
    n_donors
        people.
    """

    counts: pd.DataFrame
    n_cells: Mapping[str, int]
    study: str
    chemistry: str
    n_donors: int

    @property
    def immune_types(self) -> list[str]:
        """The types beside plasma cells that the file has."""
        return [t for t in self.counts.columns if t != PLASMA]

    def words(self) -> str:
        """Whose cells, in words."""
        people = f"{self.n_donors} donor{'s' if self.n_donors != 1 else ''}"
        chemistry = f" ({self.chemistry})" if self.chemistry else ""
        return f"{self.n_cells[PLASMA]} plasma cells of {people} of {self.study}{chemistry}"


def profile_text(profile: Profile, *, samples: Sequence[str] = ()) -> str:
    """The file's content."""
    cells = " ".join(f"{t}={profile.n_cells[t]}" for t in profile.counts.columns)
    lines = [
        f"# {TITLE}: UMI per gene, summed over normal cells of each type, effects of single captures taken out",
        f"# study: {profile.study}",
        f"# chemistry: {profile.chemistry}",
        f"# donors: {profile.n_donors}",
        *([f"# samples: {' '.join(samples)}"] if samples else []),
        f"# cells: {cells}",
    ]
    frame = profile.counts.rename_axis("symbol").reset_index()
    table = frame.to_csv(sep="\t", index=False, float_format=FLOAT_FORMAT, lineterminator="\n")
    return "\n".join(lines) + "\n" + table


def write_profile(path: str | Path, profile: Profile, *, samples: Sequence[str] = ()) -> None:
    """Write the profile, whole or not at all."""
    write_text(path, profile_text(profile, samples=samples))


def read_profile(path: str | Path, *, min_cells: int = 0) -> Profile:
    """Read a profile.

    Raises
    ------
    InputProblems
        with every problem of the file.
    """
    profile, problems = check_profile(path, min_cells=min_cells)
    if problems or profile is None:
        raise InputProblems(problems)
    return profile


def check_profile(path: str | Path, *, min_cells: int = 0) -> tuple[Profile | None, list[Problem]]:
    """Read a profile without raising: the profile (None where there is a problem) and all that is wrong with it.

    ``min_cells``: plasma cells that it has to hold.
    """
    sheet = read_sheet(path)
    if sheet.problems:
        return None, sheet.problems
    notes = _notes(sheet)
    types = _check_columns(sheet)
    study, n_donors = _check_facts(sheet, notes)
    n_cells = _check_numbers(sheet, notes, "cells", types)
    umi = _check_numbers(sheet, notes, "umi", types) if "umi" in notes else {}
    if not sheet.problems and n_cells[PLASMA] < min_cells:
        hint = "take more donors' cells, or lower copy_number.infer_signal.min_cells_r3"
        message = found(f"plasma={n_cells[PLASMA]:g}", f"at least {min_cells} plasma cells")
        sheet.report(notes["cells"][0], None, message, hint)
    if sheet.problems:
        return None, sheet.problems
    counts = _check_counts(sheet, types, umi)
    if counts is not None:
        _check_sense(sheet, counts, n_cells, notes)
    if sheet.problems or counts is None:
        return None, sheet.problems
    cells = {t: int(n_cells[t]) for t in types}
    return Profile(counts, cells, study, notes.get("chemistry", (0, ""))[1], n_donors), []


def _notes(sheet: Sheet) -> dict[str, tuple[int, str]]:
    """Key -> (line, text) of the comment lines above the header."""
    data = sheet.path.read_bytes()
    text = (gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data).decode("utf-8-sig")
    notes: dict[str, tuple[int, str]] = {}
    for line, content in enumerate(text.splitlines()[: sheet.header_line or 0], start=1):
        match = _NOTE.match(content)
        if match:
            notes.setdefault(match[1].lower(), (line, match[2].strip()))
    return notes


def _check_columns(sheet: Sheet) -> list[str]:
    """The types of the file, in the order of :data:`TYPES`."""
    for name in ("symbol", PLASMA):
        if name not in sheet.columns:
            hint = did_you_mean(name, sheet.columns).replace("did you mean", "rename the column")
            what = "names of genes" if name == "symbol" else "UMI of normal plasma cells"
            sheet.report(sheet.header_line, name, f"the column is missing ({what})", hint.rstrip("?"))
    for name in sheet.columns:
        if name not in ("symbol", *TYPES):
            sheet.report(sheet.header_line, clip(name), f"unknown column, expected {one_of(('symbol', *TYPES))}",
                         did_you_mean(name, TYPES) or "remove it, or make it a comment line")  # fmt: skip
    return [t for t in TYPES if t in sheet.columns]


def _check_facts(sheet: Sheet, notes: Mapping[str, tuple[int, str]]) -> tuple[str, int]:
    """Study and number of donors."""
    if not notes.get("study", (0, ""))[1]:
        hint = "write whose cells they are above the header, such as '# study: Smith 2023'"
        sheet.report(notes.get("study", (None, ""))[0], None, "no comment line '# study: ...'", hint)
    line, text = notes.get("donors", (None, ""))
    try:
        n_donors = parse_integer(text)
        if n_donors < 1:
            raise ValueError(text)
    except ValueError:
        message = (
            found(text, "an integer of at least 1 behind '# donors:'") if line else "no comment line '# donors: ...'"
        )
        sheet.report(line, None, message, "write how many healthy people they are, such as '# donors: 5'")
        n_donors = 0
    return notes.get("study", (0, ""))[1], n_donors


def _check_numbers(
    sheet: Sheet, notes: Mapping[str, tuple[int, str]], key: str, types: Sequence[str]
) -> dict[str, float]:
    """The numbers per type of a line such as ``# cells: plasma=1730 cd4_t=900``."""
    example = " ".join(f"{t}=..." for t in types)
    line, text = notes.get(key, (None, ""))
    if line is None:
        sheet.report(None, None, f"no comment line '# {key}: ...'", f"write '# {key}: {example}' above the header")
        return {}
    numbers: dict[str, float] = {}
    for part in re.split(r"[\s,;]+", text):
        name, _, value = part.partition("=")
        try:
            if name in numbers:
                raise ValueError(part)
            numbers[name] = parse_number(value)
            if numbers[name] <= 0 or name not in TYPES or (key == "cells" and numbers[name] != int(numbers[name])):
                raise ValueError(part)
        except ValueError:
            sheet.report(
                line, None, f"'# {key}:' {found(part, 'type=number, each type once')}", f"write '# {key}: {example}'"
            )
            return {}
    lacking = [t for t in types if t not in numbers]
    if lacking:
        sheet.report(line, None, f"'# {key}:' says nothing of {', '.join(lacking)}", f"write '# {key}: {example}'")
    return numbers


def _check_counts(sheet: Sheet, types: Sequence[str], umi: Mapping[str, float]) -> pd.DataFrame | None:
    """Genes (reference symbols) x types."""
    text = pd.DataFrame([row.cells for row in sheet.rows], columns=["symbol", *types])
    values = np.zeros((len(sheet.rows), len(types)))
    for j, name in enumerate(types):
        values[:, j] = pd.to_numeric(text[name], errors="coerce")
    wrong = np.argwhere(~(np.isfinite(values) & (values >= 0)))
    for i, j in wrong[:SHOWN]:
        row = sheet.rows[i]
        sheet.report(row.line, types[j], found(row.text(types[j]), "a number of at least 0"),
                     "UMI, or shares with a line '# umi: ...'; no logarithms")  # fmt: skip
    if len(wrong) > SHOWN:
        sheet.report(None, None, f"{len(wrong) - SHOWN} more values are no numbers of at least 0")
    symbols = [row.text("symbol") for row in sheet.rows]
    frame = _known_genes(sheet, symbols, pd.DataFrame(values, columns=list(types)))
    if sheet.problems or frame is None:
        return None
    for name in types:
        total = _total(frame[name])
        if name in umi and 0 < total < np.inf:
            frame[name] *= umi[name] / total
    return frame


def _check_sense(
    sheet: Sheet, counts: pd.DataFrame, n_cells: Mapping[str, float], notes: Mapping[str, tuple[int, str]]
) -> None:
    """Numbers that can be read but are no UMI of cells: too few or infinite, of hardly a gene, or logarithms."""
    for name in counts.columns:
        values = counts[name].to_numpy(dtype=float)
        total, seen = _total(counts[name]), int((values > 0).sum())
        line = sheet.header_line
        if not MIN_UMI <= total < np.inf:
            hint = "shares and counts per million need a comment line '# umi: plasma=... cd4_t=...'"
            sheet.report(line, name, f"found {total:g} UMI in all, expected at least {MIN_UMI:g}", hint)
        elif n_cells[name] > total:
            message = f"'# cells:' {found(f'{name}={n_cells[name]:g}', f'at most the {total:g} UMI of the column')}"
            sheet.report(notes["cells"][0], None, message, "say how many cells the UMI were summed over")
        elif name == PLASMA and seen < MIN_SEEN:
            hint = "give UMI of all genes, summed over the cells"
            sheet.report(line, name, f"found {seen} genes above 0, expected at least {MIN_SEEN}", hint)
        elif values.max() < MIN_TOP * total and (values != np.round(values)).any():
            message = (
                f"found no gene with {MIN_TOP:.1%} of the UMI, which looks like logarithms; expected UMI or shares"
            )
            sheet.report(line, name, message, "sum the raw counts over the cells; undo a log1p before")


def _total(values: pd.Series) -> float:
    """The sum, infinite where no number can hold it."""
    with np.errstate(over="ignore"):
        return float(values.to_numpy(dtype=float).sum())


def _known_genes(sheet: Sheet, symbols: Sequence[str], values: pd.DataFrame) -> pd.DataFrame | None:
    """Values by reference symbol; older symbols and Ensembl ids are found as those of count files are."""
    from ..cells.gene_names import clean_names, map_genes
    from ..resources import RESOURCES, read_resource

    genes = gene_table()
    names = clean_names(np.asarray(symbols, dtype=object)).to_numpy(dtype=object)
    seen: dict[str, int] = {}
    repeated = 0
    for name, row in zip(names, sheet.rows, strict=True):
        if name in seen:
            repeated += 1
            if repeated <= SHOWN:
                sheet.report(row.line, "symbol", f"{clip(name)!r} stands there twice, first on line {seen[name]}",
                             "add the two rows up, or remove one")  # fmt: skip
        seen.setdefault(name, row.line)
    if sheet.problems:
        return None
    target = pd.Index(genes["symbol"]).get_indexer(pd.Index(names))
    if (target < 0).any():
        target = map_genes(names, names, genes, read_resource(RESOURCES / "aliases.tsv"))["target"].to_numpy()
    known = target >= 0
    if len(set(target[known])) < MIN_GENES_SHARE * len(genes):
        share = known.mean() if len(known) else 0.0
        message = (
            f"found {len(set(target[known]))} of the {len(genes)} reference genes ({share:.0%} of the rows are known), "
            f"expected at least {MIN_GENES_SHARE:.0%}"
        )
        folded = {str(s).upper() for s in genes["symbol"]}
        upper = float(np.mean([str(n).upper() in folded for n in names])) if len(names) else 0.0
        mouse = upper > share + 0.3 or any(str(n).startswith("ENSMUSG") for n in names[:50])
        hint = "these look like mouse genes; the profile has to be of human cells" if mouse else (
            "give all genes of the matrix, by HGNC symbol or Ensembl id, not a panel or variable genes only"
        )  # fmt: skip
        sheet.report(None, "symbol", message, hint)
        return None
    index = pd.Index(genes["symbol"].to_numpy()[target[known]], name="symbol")
    return values[known].set_axis(index).groupby(level=0, sort=True).sum()
