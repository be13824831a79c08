"""Reading one capture's counts as its user has them, block by block.

10x h5, matrix folders (10x, STARsolo, Cell Ranger multi), h5ad, zarr and loom. Every reader gives a
:class:`CountStream`; none knows the reference gene table.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from ...errors import UserError, shown
from ...formats import resolve
from .anndatas import open_anndata
from .base import CountStream
from .loom import open_loom
from .tenx import open_10x_h5, open_mtx

__all__ = ["CountStream", "RawCounts", "open_source", "read_source"]

#: The well at the end of a 10x barcode; Cell Ranger's aggr numbers the captures that it merges.
_WELL = re.compile(r"[ACGT]{14,}-(\d+)$")


@dataclass(frozen=True)
class RawCounts:
    """One capture in memory.

    Attributes
    ----------
    matrix
        CSR int32, barcodes x features.
    barcodes, gene_ids, symbols
        strings, as many as rows, columns, columns; ids equal symbols where a file has one name only.
    facts
        what was met on the way (plain numbers and strings).
    warnings
        what a person should know about the file.
    """

    matrix: sparse.csr_matrix
    barcodes: np.ndarray
    gene_ids: np.ndarray
    symbols: np.ndarray
    facts: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def _check_barcodes(stream: CountStream) -> None:
    """Refuse repeated barcodes; warn of several wells."""
    names = pd.Index(stream.barcodes)
    repeated = names[names.duplicated()]
    if len(repeated):
        raise UserError(
            f"{shown(stream.path)}: {len(repeated)} barcodes stand more than once, such as {repeated[0]!r}.",
            hint="a sample is one capture: give each capture a line of its own in the sheet.",
        )
    wells = pd.Series(stream.barcodes, dtype=object).astype(str).str.extract(_WELL, expand=False).dropna().unique()
    if len(wells) > 1:
        stream.warnings.append(
            f"barcodes end in {len(wells)} numbers (-{', -'.join(sorted(wells)[:3])}), as cellranger aggr writes them: "
            "a sample is one capture; doublets, soup and batch are wrong when several are merged"
        )


@contextmanager
def open_source(
    path: str | Path, format: str = "auto", *, genome: str = "", unfiltered: bool = False
) -> Iterator[CountStream]:
    """Open a sheet's ``path``, whatever its format (see :mod:`marrowclone.formats`).

    Parameters
    ----------
    genome
        whose features are read where a file has several genomes.
    unfiltered
        whether, of a folder with both, the unfiltered droplets are meant.

    Raises
    ------
    UserError
        for files that are missing, broken, hold a barcode twice or several genomes; while blocks are read, for
        values that are no counts.
    """
    source = resolve(path, format, unfiltered=unfiltered)
    with ExitStack() as stack:
        if source.kind == "10x_mtx":
            stream = open_mtx(source.tenx, genome)
        elif source.kind == "10x_h5":
            stream = open_10x_h5(source.path, genome, stack)
        elif source.kind == "loom":
            stream = open_loom(source.path, stack)
        else:
            stream = open_anndata(source.path, stack, zarr=source.kind == "zarr")
        if not len(stream.barcodes) or not len(stream.gene_ids):
            raise UserError(
                f"{shown(path)}: the matrix is empty.", hint="give the matrix that holds this capture's cells."
            )
        _check_barcodes(stream)
        stream.facts.update(format=source.format, n_genes_file=len(stream.gene_ids))
        yield stream


def read_source(path: str | Path, format: str = "auto", *, genome: str = "", unfiltered: bool = False) -> RawCounts:
    """All of a sheet's ``path`` in memory, as :func:`open_source` gives it in blocks.

    Raises
    ------
    UserError
        as :func:`open_source`, and for a matrix without counts.
    """
    with open_source(path, format, genome=genome, unfiltered=unfiltered) as stream:
        parts: list[sparse.csr_matrix] = stream.consume(list, lambda kept, block: kept.append(block))
        matrix = sparse.vstack(parts, format="csr", dtype=np.int32)
    if not matrix.nnz:
        raise UserError(f"{shown(path)}: the matrix is empty.", hint="give the matrix that holds this capture's cells.")
    return RawCounts(matrix, stream.barcodes, stream.gene_ids, stream.symbols, stream.facts, stream.warnings)
