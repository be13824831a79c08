"""Loom files (genes x cells, dense, in chunks), read with h5py."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from scipy import sparse

from ...errors import UserError, shown
from .anndatas import names_of_genes, what_is_wrong
from .base import BLOCK_VALUES, CUT_HINT, CountStream, checked, readable
from .places import called, loom_places
from .tenx import text_of

#: Attributes of the loom specification 3, of velocyto, of scanpy's write_loom and of the HCA, likeliest first.
BARCODES = ("CellID", "obs_names", "barcode", "barcodes", "cell_id", "cell_names")
NAMES = ("var_names", "Gene", "gene", "Accession", "gene_names", "gene_name")


def _first(group: Any, names: tuple[str, ...], path: Path, what: str) -> str:
    """The first attribute that is there."""
    name = next((n for n in names if n in group), None)
    if name is None:
        raise UserError(
            f"{shown(path)}: no {what} in this loom file (attributes: {', '.join(sorted(group)[:6]) or 'none'}).",
            hint=f"write them as attribute {names[0]}.",
        )
    return name


def open_loom(path: Path, stack: ExitStack) -> CountStream:
    """Counts of a loom: ``matrix``, or a layer named after counts when the matrix holds none."""
    with readable(path):
        file = stack.enter_context(h5py.File(path, "r"))
        wrong = {place: what_is_wrong(file[place]) for place in loom_places(file)}
        place = next((p for p, what in wrong.items() if not what), None)
        if place is None:
            holds = "; ".join(f"{called(p)} holds {what}" for p, what in wrong.items())
            raise UserError(f"{shown(path)}: no raw counts: {holds}.", hint="write the raw UMI counts as /matrix.")
        rows, cols = file["row_attrs"], file["col_attrs"]
        barcodes = text_of(cols[_first(cols, BARCODES, path, "barcodes")])
        index = text_of(rows[_first(rows, NAMES, path, "gene names")])
        ids, symbols = names_of_genes(
            index, {n: text_of(rows[n]) for n in rows if rows[n].ndim == 1 and rows[n].dtype.kind in "OSU"}
        )
        matrix = file[place]
        if matrix.shape != (len(ids), len(barcodes)):
            hint = f"the file is damaged. {CUT_HINT}"
            if matrix.shape == (len(barcodes), len(ids)):
                hint = "a loom is genes x cells: transpose it."
            raise UserError(
                f"{shown(path)}: {called(place)} is {matrix.shape[0]} x {matrix.shape[1]}, but there are {len(ids)} "
                f"genes and {len(barcodes)} barcodes.",
                hint=hint,
            )

    def blocks(spool: bool = False) -> Iterator[sparse.csr_matrix]:
        # whole chunks of columns, so that none is unpacked twice
        chunk = matrix.chunks[1] if matrix.chunks else 1
        n = max(1, BLOCK_VALUES // max(1, len(ids)) // chunk) * chunk
        with readable(path):
            for start in range(0, len(barcodes), n):
                values = checked(np.asarray(matrix[:, start : start + n]), path, called(place))
                yield sparse.csr_matrix(values.T)

    return CountStream(path, barcodes, ids, symbols, blocks, {"loom_place": called(place)})
