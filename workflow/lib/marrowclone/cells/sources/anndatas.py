"""AnnData files: h5ad, and zarr stores (a folder or a zip), block by block."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
from scipy import sparse

from ...errors import UserError, shown
from .base import (
    BLOCK_VALUES,
    CUT_HINT,
    CountStream,
    check_indices,
    check_indptr,
    checked,
    csr_blocks,
    readable,
    row_ranges,
    trouble,
)
from .places import called, count_places, open_zarr
from .spool import Entries, by_rows

#: Columns of ``var`` (or rows of a loom) in which files carry what the index does not.
ID_COLUMNS = (
    "gene_id", "gene_ids", "ensembl_id", "ensembl_ids", "ensembl", "feature_id", "gene_ID", "ensg", "Accession",
)  # fmt: skip
SYMBOL_COLUMNS = (
    "feature_name", "gene_symbols", "gene_symbol", "symbol", "symbols", "gene_name", "gene_names",
    "gene_short_name", "Gene",
)  # fmt: skip
#: Columns of ``obs`` that tell captures or people apart in files of scanpy, Seurat, CELLxGENE and scverse tools.
CAPTURE_COLUMNS = (
    "sample", "sample_id", "sampleid", "orig.ident", "batch", "library", "library_id", "capture", "gem_group",
    "donor", "donor_id", "patient", "patient_id",
)  # fmt: skip
#: Values that are looked at in each of three parts of a matrix to find where the counts lie [J].
LOOKED_AT = 1 << 16


def _values(element: Any) -> Any:
    """The array of a matrix's values, sparse or dense."""
    return element if hasattr(element, "shape") else element["data"]


def what_is_wrong(element: Any) -> str:
    """Why a stored matrix is no counts, by its start, middle and end; empty when it may be, ``nothing`` if empty."""
    values = _values(element)
    rows = values.shape[0]
    per_row = int(np.prod(values.shape[1:])) if len(values.shape) > 1 else 1
    n = max(1, LOOKED_AT // max(1, per_row))
    if not rows or not per_row:
        return "nothing"
    parts = [np.asarray(values[start : start + n]).ravel() for start in {0, max(0, rows // 2), max(0, rows - n)}]
    if not any(part.any() for part in parts) and sum(p.size for p in parts) >= rows * per_row:
        return "nothing"
    return next((what for part in parts if (what := trouble(part))), "")


def kind_of(element: Any) -> str:
    """``csr``, ``csc`` or ``dense``."""
    if hasattr(element, "shape"):
        return "dense"
    form = element.attrs.get("encoding-type", element.attrs.get("h5sparse_format", "csr_matrix"))
    return "csc" if "csc" in str(form) else "csr"


def shape_of(element: Any) -> tuple[int, int]:
    """Rows and columns of a stored matrix."""
    if hasattr(element, "shape"):
        rows, columns = element.shape
    else:
        attrs = element.attrs
        rows, columns = attrs["shape"] if "shape" in attrs else attrs["h5sparse_shape"]
    return int(rows), int(columns)


def _csc_entries(group: Any, shape: tuple[int, int], path: Path, where: str) -> Iterator[Entries]:
    """Entries of a matrix stored gene by gene."""
    data, indices = group["data"], group["indices"]
    indptr = check_indptr(group["indptr"][:], data.shape[0], shape[1], path)
    for start, stop in row_ranges(indptr):
        low, high = int(indptr[start]), int(indptr[stop])
        columns = np.repeat(np.arange(start, stop), np.diff(indptr[start : stop + 1]))
        rows = check_indices(np.asarray(indices[low:high]), shape[0], path, "barcode")
        yield rows, columns, checked(np.asarray(data[low:high]), path, where)


def matrix_blocks(element: Any, path: Path, where: str) -> Iterator[sparse.csr_matrix]:
    """Blocks of rows of a stored matrix of any kind."""
    shape = shape_of(element)
    with readable(path):
        kind = kind_of(element)
        if kind == "csr":
            yield from csr_blocks(element, *shape, path, where)
        elif kind == "csc":
            yield from by_rows(lambda: _csc_entries(element, shape, path, where), shape)
        else:
            n = max(1, BLOCK_VALUES // max(1, shape[1]))
            for start in range(0, shape[0], n):
                values = np.asarray(element[start : start + n])
                yield sparse.csr_matrix(checked(values, path, where))


def index_of(group: Any) -> np.ndarray:
    """Names of ``obs`` or ``var``; the rest of the table is not read."""
    from anndata.io import read_elem

    if hasattr(group, "dtype"):  # before anndata 0.7: a compound table
        return read_elem(group).index.astype(str).to_numpy(dtype=object)
    key = group.attrs.get("_index", "_index")
    names = np.asarray(read_elem(group[key.decode() if isinstance(key, bytes) else str(key)]))
    return np.array([v.decode() if isinstance(v, bytes) else str(v) for v in names], dtype=object)


def names_of_genes(index: np.ndarray, columns: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Ids and symbols from an index and the other columns (name -> values)."""
    lower = {name.lower(): name for name in reversed(list(columns))}

    def column(names: tuple[str, ...]) -> np.ndarray:
        name = next((lower[n.lower()] for n in names if n.lower() in lower), None)
        return index if name is None else np.asarray(columns[name]).astype(str).astype(object)

    index_is_id = bool(len(index)) and pd.Series(index).str.contains(r"^(?:GRCh38_+)?ENS[A-Z]*G\d").mean() > 0.5
    return (index, column(SYMBOL_COLUMNS)) if index_is_id else (column(ID_COLUMNS), index)


def several_captures(obs: Any) -> str:
    """A warning when ``obs`` tells several captures apart; empty otherwise."""
    from anndata.io import read_elem

    if hasattr(obs, "dtype"):
        return ""
    lower = {str(name).lower(): name for name in reversed(list(obs))}
    for name in CAPTURE_COLUMNS:
        if name in lower:
            values = pd.unique(pd.Series(np.asarray(read_elem(obs[lower[name]]))).dropna())
            if len(values) > 1:
                first = ", ".join(str(v) for v in sorted(map(str, values))[:3])
                return (
                    f"obs[{str(lower[name])!r}] tells {len(values)} values apart ({first}): a sample is one capture; "
                    "doublets, soup and batch are wrong when several are merged"
                )
    return ""


def _check_chunks(element: Any, path: Path) -> None:
    """Refuse a zarr matrix of which chunks are missing: zarr reads them as zeros, without a word."""
    for name in ("data", "indices"):
        if not hasattr(element, "shape") and element[name].nchunks_initialized < element[name].nchunks:
            raise UserError(
                f"{shown(path)}: cannot be read as counts (chunks of {name} are missing).",
                hint="the store was copied in part; copy it again.",
            )


def choose_place(file: Any, path: Path) -> str:
    """Where in an AnnData file the counts lie: the first place whose values may be counts.

    Raises
    ------
    UserError
        when none may, naming what each holds.
    """
    places = list(count_places(file))
    wrong = {place: what_is_wrong(file[place]) for place in places}
    for place, what in wrong.items():
        if not what:
            return place
    if wrong and set(wrong.values()) == {"nothing"}:
        raise UserError(f"{shown(path)}: the matrix is empty.", hint="give the matrix that holds this capture's cells.")
    holds = "; ".join(f"{called(place)} holds {what}" for place, what in wrong.items()) or "it has no matrix"
    raise UserError(
        f"{shown(path)}: no raw counts: {holds}.",
        hint="put the raw UMI counts into layers['counts'] and write the file again.",
    )


def open_anndata(path: Path, stack: ExitStack, *, zarr: bool = False) -> CountStream:
    """Counts of an h5ad or zarr store: the first of ``layers['counts']``, other layers so named, ``X``, ``raw``,
    other layers that holds raw counts.
    """  # fmt: skip
    from anndata.io import read_elem

    with readable(path):
        file = open_zarr(path) if zarr else stack.enter_context(h5py.File(path, "r"))
        absent = [name for name in ("obs", "var") if name not in file]
        if absent:
            raise UserError(f"{shown(path)}: AnnData without {' and '.join(absent)}.", hint="the file is damaged.")
        place = choose_place(file, path)
        if zarr:
            _check_chunks(file[place], path)
        var = read_elem(file["raw/var" if place == "raw/X" and "raw/var" in file else "var"])
        barcodes = index_of(file["obs"])
        warning = several_captures(file["obs"])
        ids, symbols = names_of_genes(
            var.index.astype(str).to_numpy(dtype=object), {str(c): var[c].to_numpy() for c in var.columns}
        )
        rows, columns = shape_of(file[place])
    if (rows, columns) != (len(barcodes), len(ids)):
        raise UserError(
            f"{shown(path)}: {called(place)} is {rows} x {columns}, but there are {len(barcodes)} barcodes and "
            f"{len(ids)} genes.",
            hint=f"the file is damaged. {CUT_HINT}",
        )

    def blocks(spool: bool = False) -> Iterator[sparse.csr_matrix]:
        return matrix_blocks(file[place], path, called(place))

    stream = CountStream(path, barcodes, ids, symbols, blocks, {"h5ad_place": called(place)})
    if warning:
        stream.warnings.append(warning)
    return stream
