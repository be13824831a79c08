"""The data behind the sheet's paths: counts, and the user's own cell-type labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..embedding.labels import standard_name
from ..errors import UserError, did_you_mean, shown
from ..formats import Source, resolve
from ..keys import CELL_TYPES, UNRESOLVED
from ..sheets import Sheet, clip, read_sheet
from .anndatas import peek_anndata, peek_loom
from .extra_files import Genotypes, check_alleles, check_persons, check_variants
from .peek import Peek, judge
from .rows import Entry
from .tenx import peek_10x_h5, peek_mtx


def peek(source: Source, genome: str = "") -> Peek:
    """Look at a matrix of any format.

    Parameters
    ----------
    genome
        whose features are read where a matrix has several genomes.

    Raises
    ------
    UserError
        when it cannot be read or its parts do not fit.
    """
    try:
        if source.kind == "10x_mtx":
            return peek_mtx(source.tenx, genome)
        if source.kind == "10x_h5":
            return peek_10x_h5(source.path, genome)
        return (
            peek_loom(source.path) if source.kind == "loom" else peek_anndata(source.path, zarr=source.kind == "zarr")
        )
    except UserError:
        raise
    except (OSError, KeyError, ValueError, TypeError, IndexError, RuntimeError, AttributeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(
            f"{shown(source.path)}: the {source.kind} file cannot be read ({clip(reason, 100)}).",
            hint="the file is damaged or cut off; compare its size and checksum with the original.",
        ) from None


def _check_labels(sheet: Sheet, entry: Entry, barcodes: Sequence[str], labels: set[str]) -> None:
    """The user's cell types: a table of barcode and label that meets the capture's barcodes."""
    table = read_sheet(entry.values["cell_types"])
    if table.problems:
        sheet.problems.extend(table.problems)
        return
    if len(table.columns) < 2:
        message = f"{table.file}: {len(table.columns)} column, expected barcode and label"
        sheet.report(entry.line, "cell_types", message, "separate the columns by tabs")
        return
    # as when the labels are used: barcode, label, in the first two columns; a header is allowed but not needed
    first, second = table.columns[:2]
    pairs = [(first, second), *((row.text(first), row.text(second)) for row in table.rows)]
    labels.update(standard_name(label) for _, label in pairs)
    named = {name.removeprefix(f"{entry.get('sample')}:").removesuffix("-1") for name, _ in pairs}
    if barcodes and named.isdisjoint(b.removesuffix("-1") for b in barcodes):
        sheet.report(
            entry.line,
            "cell_types",
            f"none of the barcodes in {table.file} is a barcode of {entry.values.get('path', 'path')} "
            f"(such as {clip(pairs[-1][0])!r}, expected such as {clip(barcodes[0])!r})",
            "barcodes must be written as in the counts, with their suffix",
        )


def _check_contigs(sheet: Sheet, entry: Entry, barcodes: Sequence[str], notes: list[str]) -> None:
    """V(D)J contigs: readable, with the columns that are needed, of the capture's barcodes."""
    from ..embedding.rearrangements import match_barcodes, read_contigs  # AIRR's schema is slow to load

    sample = str(entry.get("sample", ""))
    try:
        contigs = read_contigs(entry.values["vdj"])
    except UserError as error:
        sheet.report(entry.line, "vdj", error.message, error.hint)
        return
    if contigs.empty:
        notes.append(f"{sample}: {shown(entry.values['vdj'])} has no productive immunoglobulin contig of a cell.")
    elif barcodes and match_barcodes(contigs, sample, barcodes).empty:
        sheet.report(
            entry.line,
            "vdj",
            f"none of the barcodes in {shown(entry.values['vdj'])} is a barcode of {entry.values.get('path', 'path')} "
            f"(such as {clip(contigs['barcode'].iloc[0])!r}, expected such as {clip(barcodes[0])!r})",
            "the contigs are another capture's, or their barcodes carry another suffix",
        )


def check_matrices(
    sheet: Sheet,
    entries: Sequence[Entry],
    tumour_cell_types: Sequence[str],
    notes: list[str],
    *,
    read: bool,
    genome: str = "",
) -> list[tuple[str, str]]:
    """Look at the data behind each row of the sample sheet.

    Parameters
    ----------
    read
        whether matrices are opened; otherwise only the files are looked for.
    genome
        setting ``cells: load_counts: genome``.

    Returns
    -------
    list of (message, hint)
        what is wrong with ``tumour_cell_types``, given the labels that were met.
    """
    labels: set[str] = set()
    genotypes: dict[int, Genotypes | None] = {}
    for entry in entries:
        form = entry.get("format", "auto")
        barcodes: Sequence[str] = ()
        for column in ("path", "raw_path"):
            text = entry.get(column)
            if text is None:
                continue
            try:
                counts = column == "path"
                source = resolve(Path(text), form if counts else "auto", unfiltered=not counts)
                if read:
                    seen = peek(source, genome)
                    judge(seen, notes, entry.get("sample", text), unfiltered=not counts)
                    barcodes = seen.barcodes if counts else barcodes
            except UserError as error:
                sheet.report(entry.line, column, error.message, error.hint)
            except OSError as error:
                sheet.report(entry.line, column, f"{clip(text, 120)} cannot be read ({error.strerror or error})")
        if read and entry.get("cell_types") is not None:
            _check_labels(sheet, entry, barcodes, labels)
        if read and entry.get("vdj") is not None:
            _check_contigs(sheet, entry, barcodes, notes)
        if read and entry.get("alleles") is not None:
            genotypes[entry.line] = check_alleles(sheet, entry, barcodes, notes)
        if read and entry.get("mtdna") is not None:
            check_variants(sheet, entry, barcodes)
    check_persons(sheet, entries, {line: found for line, found in genotypes.items() if found is not None})
    if not read:
        return []
    known = {*CELL_TYPES, UNRESOLVED, *labels}
    return [
        (f"found {name!r}, neither a cell type of the marker panel nor a label in a cell_types table",
         did_you_mean(name, known))
        for name in tumour_cell_types
        if name not in known
    ]  # fmt: skip
