"""A look into h5ad files: where are the raw counts?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

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


def _places(file: Any) -> Iterator[str]:
    """Where counts may lie, likeliest first."""
    layers = sorted(file["layers"]) if "layers" in file else []
    named = [k for k in layers if k == "counts"] + [k for k in layers if k != "counts" and "count" in k.lower()]
    yield from (f"layers/{k}" for k in named)
    yield from (place for place in ("X", "raw/X") if place in file)
    yield from (f"layers/{k}" for k in layers if k not in named)


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
    return (shape[0], shape[1]), len(node["data"]), np.asarray(node["data"][:SAMPLE], dtype=float)


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


def peek_h5ad(path: Path) -> Peek:
    """Look at an h5ad: ``layers/counts``, other layers named after counts, ``X``, ``raw/X``, other layers.

    The first place whose sample of values is raw counts is taken.

    Raises
    ------
    UserError
        when no place holds raw counts, or names do not fit the matrix.
    """
    import h5py

    with h5py.File(path, "r") as file:
        absent = [k for k in ("obs", "var") if k not in file]
        places = list(_places(file))
        if not places:
            raise UserError(f"{shown(path)}: an h5ad without X, raw or layers.", hint="it holds no matrix.")
        if absent:
            raise UserError(f"{shown(path)}: an h5ad without {' and '.join(absent)}.", hint="the file is damaged.")
        seen = {place: _matrix(file[place]) for place in places}
        good = next((p for p, (_, stored, values) in seen.items() if stored and is_counts(values)), None)
        if good is None:
            first = next((p for p in ("X", *places) if p in seen and seen[p][1]), None)
            if first is None:
                return Peek(shown(path), n_genes=seen[places[0]][0][1], n_cells=seen[places[0]][0][0])
            try:
                check_values(seen[first][2], f"{shown(path)}: {first}")
            except UserError as error:
                hint = f"put raw counts into X, raw.X or layers['counts'] (looked at {', '.join(places)})."
                raise UserError(error.message, hint=hint) from None
            good = first
        (n_cells, n_genes), stored, values = seen[good]
        barcodes, genes = _index(file["obs"], UNFILTERED), _gene_names(file, good)
        if len(barcodes) != min(n_cells, UNFILTERED) or len(genes) != min(n_genes, NAMES):
            raise UserError(
                f"{shown(path)}: {good} is {n_cells} x {n_genes}, but obs or var have other lengths.",
                hint="the file is damaged.",
            )
        return Peek(
            place=f"{shown(path)}: {good}",
            n_genes=n_genes,
            n_cells=n_cells,
            n_stored=stored,
            values=values,
            genes=genes,
            barcodes=barcodes,
        )
