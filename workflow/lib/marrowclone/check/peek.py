"""What a look at the head of a count file tells, whatever its format.

Nothing here loads a matrix: a reader fills a :class:`Peek` from headers and a sample of
values, and :func:`judge` says what is wrong with it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from ..errors import UserError
from ..resources import gene_table

#: Values that are looked at per matrix: enough to tell counts from normalised values [J].
SAMPLE = 20_000
#: Barcodes beyond which a file is surely unfiltered droplets [J]; a 10x channel holds at most ~60,000 cells.
UNFILTERED = 300_000
#: Names looked at when genes and barcodes are told apart [J].
NAMES = 3_000

_ENSEMBL = re.compile(r"ENS[A-Z]{0,4}G\d{11}(\.\d+)?")
_BARCODE = re.compile(r"(.*[_:#-])?[ACGT]{8,}([_-].*)?")


@dataclass
class Peek:
    """What was seen of one matrix.

    Attributes
    ----------
    place
        where in the file the counts were looked for (``X``, ``matrix.mtx.gz`` ...).
    n_genes, n_cells
        shape by the matrix's own header.
    n_stored
        stored (non-zero) values by the header.
    values
        a sample of stored values.
    genes
        tuples of names of the first genes (id, symbol).
    barcodes
        all barcodes (the first :data:`UNFILTERED` of them).
    notes
        what is odd about the file.
    """

    place: str
    n_genes: int = 0
    n_cells: int = 0
    n_stored: int = 0
    values: np.ndarray = field(default_factory=lambda: np.empty(0))
    genes: Sequence[str] = ()
    barcodes: Sequence[str] = ()
    notes: list[str] = field(default_factory=list)


@cache
def _known_genes() -> frozenset[str]:
    table = gene_table()
    return frozenset(table["symbol"]) | frozenset(table["gene_id"])


def known_share(names: Sequence[str]) -> float:
    """Share of ``names`` that are genes of the reference (symbol, or Ensembl id with or without version)."""
    head = names[:NAMES]
    known = _known_genes()
    return sum(n in known or n.partition(".")[0] in known for n in head) / len(head) if head else 0.0


def _barcode_share(names: Sequence[str]) -> float:
    head = names[:NAMES]
    return sum(bool(_BARCODE.fullmatch(n)) for n in head) / len(head) if head else 0.0


def is_counts(values: np.ndarray) -> bool:
    """Whether all values are finite non-negative whole numbers."""
    return bool(np.isfinite(values).all() and (values >= 0).all() and (values == np.rint(values)).all())


def check_values(values: np.ndarray, place: str) -> None:
    """Refuse values that are not raw counts.

    Raises
    ------
    UserError
        for negative, non-finite or fractional values, with the first of them.
    """
    if is_counts(values):
        return
    hint = "give raw UMI counts; normalised or scaled values cannot be used"
    for what, bad in (
        ("values that are not finite", ~np.isfinite(values)),
        ("negative values", values < 0),
        ("values that are not whole numbers", values != np.rint(values)),
    ):
        if bad.any():
            raise UserError(f"{place} holds {what} (such as {values[bad][0]:.4g}), expected raw counts.", hint=hint)


def judge(peek: Peek, notes: list[str], name: str, *, unfiltered: bool = False) -> None:
    """Refuse a matrix that cannot be a capture's raw counts; note what is merely odd.

    Parameters
    ----------
    peek
        what was seen of it.
    notes
        added to.
    name
        of the sample.
    unfiltered
        whether it is a ``raw_path``, which may have any number of barcodes.

    Raises
    ------
    UserError
        empty, transposed, repeated barcodes, not counts, or not human genes.
    """
    if peek.n_cells == 0 or peek.n_genes == 0 or peek.n_stored == 0:
        shape = f"{peek.n_genes} genes x {peek.n_cells} cells, {peek.n_stored} stored values"
        raise UserError(f"{peek.place} is empty ({shape}).", hint="was the file filtered to nothing?")
    known = known_share(peek.genes)
    if known < 0.05 and (known_share(peek.barcodes) > 0.3 or (known == 0 and _barcode_share(peek.genes) > 0.5)):
        raise UserError(
            f"{peek.place} has genes where cells should be.",
            hint="the matrix is transposed (or genes and barcodes were swapped); transpose it.",
        )
    check_values(peek.values, peek.place)
    if len(peek.genes) >= 200 and known == 0:
        ensembl = [g for g in peek.genes[:NAMES] if _ENSEMBL.fullmatch(g) and not g.startswith("ENSG")]
        raise UserError(
            f"{peek.place}: none of the first {min(len(peek.genes), NAMES)} genes is a human gene "
            f"(such as {peek.genes[0]!r}).",
            hint="these are ids of another species." if ensembl else "give symbols or Ensembl ids of human genes.",
        )
    repeated = len(peek.barcodes) - len(set(peek.barcodes))
    if repeated:
        seen: set[str] = set()
        first = next(b for b in peek.barcodes if b in seen or seen.add(b))  # type: ignore[func-returns-value]
        raise UserError(
            f"{peek.place}: {repeated} barcodes stand there more than once (such as {first!r}).",
            hint="one capture per row of the sheet; were several merged into one file?",
        )
    where = f"{name}, raw_path" if unfiltered else name
    notes.extend(f"{where}: {note}." for note in peek.notes)
    if peek.n_cells >= UNFILTERED and not unfiltered:
        notes.append(f"{name}: {peek.n_cells} barcodes; unfiltered droplets belong in the column raw_path.")
