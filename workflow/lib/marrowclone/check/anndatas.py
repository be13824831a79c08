"""A look into AnnData (h5ad, zarr) and loom files: where are the raw counts?"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from ..cells.sources.anndatas import ID_COLUMNS, several_captures
from ..cells.sources.loom import BARCODES as LOOM_BARCODES
from ..cells.sources.loom import NAMES as LOOM_NAMES
from ..cells.sources.places import count_places, loom_places, open_zarr
from ..errors import UserError, shown
from .peek import NAMES, SAMPLE, UNFILTERED, Peek, check_values, is_counts, known_share
from .tenx import names_of

#: Columns of ``var`` that hold gene names in files of scanpy, CELLxGENE and others.
GENE_COLUMNS = (
    "gene_symbols",
    "gene_symbol",
    "feature_name",
    "gene_name",
    "symbol",
    "gene_ids",
    "gene_id",
    "feature_id",
)


def _matrix(node: Any) -> tuple[tuple[int, int], int, np.ndarray]:
    """Shape (cells, genes), number of stored values, and a sample of them."""
    if hasattr(node, "shape"):  # dense
        shape = tuple(int(n) for n in node.shape)
        if len(shape) != 2:
            raise KeyError("not a matrix")
        rows = max(1, min(shape[0], SAMPLE // max(shape[1], 1)))
        values = np.asarray(node[:rows], dtype=float).ravel()
        return (shape[0], shape[1]), int(np.prod(shape)) if values.any() or shape[0] > rows else 0, values
    shape = tuple(int(n) for n in node.attrs["shape"])
    return (shape[0], shape[1]), int(node["data"].shape[0]), np.asarray(node["data"][:SAMPLE], dtype=float)


def _index(group: Any, stop: int) -> list[str]:
    """The names of ``obs`` or ``var`` (today's layout, or the older one as a compound table)."""
    if hasattr(group, "dtype"):
        return [v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in group["index"][:stop]]
    key = group.attrs.get("_index", "_index")
    return names_of(group[key.decode() if isinstance(key, bytes) else key], stop)


def _column(group: Any, name: str, stop: int) -> list[str]:
    """A text column of ``var``; categories are looked up."""
    node = group[name]
    if hasattr(node, "shape"):
        return names_of(node, stop)
    categories = names_of(node["categories"])
    return [categories[code] if code >= 0 else "" for code in node["codes"][:stop]]


def _gene_names(file: Any, place: str) -> list[str]:
    """The first genes: the index or, where it says nothing, the column that symbols or ids often lie in."""
    var = file["raw/var"] if place == "raw/X" and "raw/var" in file else file["var"]
    names = _index(var, NAMES)
    if known_share(names) == 0 and not hasattr(var, "dtype"):
        for column in GENE_COLUMNS:
            if column in var and known_share(other := _column(var, column, NAMES)) > 0:
                return other
    return names


def _no_counts(file: Any, path: Path, places: list[str], seen: dict[str, Any], hint: str) -> str | Peek:
    """The place to speak of when none holds raw counts: a peek at an empty matrix, or an error. Else its name."""
    first = next((p for p in ("X", *places) if p in seen and seen[p][1]), None)
    if first is None:
        return Peek(shown(path), n_genes=seen[places[0]][0][1], n_cells=seen[places[0]][0][0])
    try:
        check_values(seen[first][2], f"{shown(path)}: {first}")
    except UserError as error:
        raise UserError(error.message, hint=f"{hint} (looked at {', '.join(places)}).") from None
    return first


def peek_anndata(path: Path, *, zarr: bool = False) -> Peek:
    """Look at an h5ad or zarr store.

    The first place whose sample of values is raw counts is taken: ``layers/counts``, other layers named after
    counts, ``X``, ``raw/X``, other layers.

    Raises
    ------
    UserError
        when no place holds raw counts, or names do not fit the matrix.
    """
    import h5py

    opened: AbstractContextManager[Any] = nullcontext(open_zarr(path)) if zarr else h5py.File(path, "r")
    kind = "a zarr store" if zarr else "an h5ad"
    with opened as file:
        absent = [k for k in ("obs", "var") if k not in file]
        places = list(count_places(file))
        if not places:
            raise UserError(f"{shown(path)}: {kind} without X, raw or layers.", hint="it holds no matrix.")
        if absent:
            raise UserError(f"{shown(path)}: {kind} without {' and '.join(absent)}.", hint="the file is damaged.")
        seen = {place: _matrix(file[place]) for place in places}
        good = next((p for p, (_, stored, values) in seen.items() if stored and is_counts(values)), None)
        if good is None:
            other = _no_counts(file, path, places, seen, "put raw counts into X, raw.X or layers['counts']")
            if isinstance(other, Peek):
                return other
            good = other
        (n_cells, n_genes), stored, values = seen[good]
        barcodes, genes = _index(file["obs"], UNFILTERED), _gene_names(file, good)
        if len(barcodes) != min(n_cells, UNFILTERED) or len(genes) != min(n_genes, NAMES):
            raise UserError(
                f"{shown(path)}: {good} is {n_cells} x {n_genes}, but obs or var have other lengths.",
                hint="the file is damaged.",
            )
        captures = several_captures(file["obs"])
        return Peek(
            place=f"{shown(path)}: {good}",
            n_genes=n_genes,
            n_cells=n_cells,
            n_stored=stored,
            values=values,
            genes=genes,
            barcodes=barcodes,
            notes=[captures] if captures else [],
        )


def peek_loom(path: Path) -> Peek:
    """Look at a loom: genes x cells.

    Raises
    ------
    UserError
        when it holds no raw counts, or names do not fit the matrix.
    """
    import h5py

    with h5py.File(path, "r") as file:
        places = list(loom_places(file))
        seen = {place: _matrix(file[place]) for place in places}
        good = next((p for p, (_, stored, values) in seen.items() if stored and is_counts(values)), None)
        if good is None:
            other = _no_counts(file, path, places, seen, "write raw counts as /matrix")
            if isinstance(other, Peek):
                return other
            good = other
        (n_genes, n_cells), stored, values = seen[good]
        rows, columns = file["row_attrs"], file["col_attrs"]
        names = [names_of(rows[n], NAMES) for n in (*LOOM_NAMES, *ID_COLUMNS) if n in rows]
        genes = max(names, key=known_share, default=[])
        barcodes = next((names_of(columns[n], UNFILTERED) for n in LOOM_BARCODES if n in columns), [])
        if len(barcodes) != min(n_cells, UNFILTERED) or len(genes) != min(n_genes, NAMES):
            raise UserError(
                f"{shown(path)}: {good} is {n_genes} x {n_cells}, but names of genes or barcodes are missing or fewer.",
                hint="a loom is genes x cells, with the attributes Gene (rows) and CellID (columns).",
            )
        return Peek(f"{shown(path)}: {good}", n_genes, n_cells, stored, values, genes, barcodes)
