"""Reading one capture's counts as its user has them: 10x h5, matrix folders, h5ad.

Every reader gives :class:`RawCounts`; none knows the reference gene table.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
from scipy import sparse

from ..errors import UserError, shown
from ..formats import TenXFiles, resolve

GENE_EXPRESSION = "Gene Expression"
_RAW_HINT = "give raw UMI counts; normalised, log-transformed or corrected values cannot be turned back."
_CUT_HINT = "the file may be cut off; compare its size and checksum with the original."


@dataclass(frozen=True)
class RawCounts:
    """One capture as its file has it.

    Attributes
    ----------
    matrix
        CSR int32, barcodes x features.
    barcodes, gene_ids, symbols
        strings, as many as rows, columns, columns; ids equal symbols where a file has one name only.
    facts
        what was met on the way (plain numbers and strings).
    """

    matrix: sparse.csr_matrix
    barcodes: np.ndarray
    gene_ids: np.ndarray
    symbols: np.ndarray
    facts: dict[str, Any] = field(default_factory=dict)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turns what a broken file raises into words."""
    try:
        yield
    except (OSError, EOFError, zlib.error, ValueError, KeyError, RuntimeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"{shown(path)}: cannot be read as counts ({reason}).", hint=_CUT_HINT) from None


def as_counts(matrix: Any, path: Path, where: str = "matrix") -> sparse.csr_matrix:
    """CSR int32 of non-negative whole numbers; UserError for anything else."""
    matrix = sparse.csr_matrix(matrix)
    matrix.sum_duplicates()
    data = matrix.data
    if data.size:
        if not np.isfinite(data).all():
            raise UserError(f"{shown(path)}: {where} holds values that are not finite.", hint=_RAW_HINT)
        if data.min() < 0:
            raise UserError(f"{shown(path)}: {where} holds negative values ({data.min():g}).", hint=_RAW_HINT)
        if not whole_numbers(data):
            example = data[data != np.round(data)][0]
            raise UserError(f"{shown(path)}: {where} holds {example:g}, no whole number.", hint=_RAW_HINT)
        if data.max() > np.iinfo(np.int32).max:
            raise UserError(f"{shown(path)}: {where} holds {data.max():g}, too large for a count.", hint=_RAW_HINT)
    matrix = matrix.astype(np.int32)
    matrix.eliminate_zeros()
    matrix.sort_indices()
    return matrix


def whole_numbers(values: np.ndarray, block: int = 1 << 22) -> bool:
    """Whether all values are whole (looked at in blocks: no second copy of a big matrix)."""
    if np.issubdtype(values.dtype, np.integer) or values.dtype == bool:
        return True
    return all(
        np.array_equal(part, np.round(part)) for part in (values[i : i + block] for i in range(0, values.size, block))
    )


def _lines(path: Path) -> list[list[str]]:
    """Fields of every line of a small table, plain or gzipped."""
    with _readable(path):
        raw = path.read_bytes()
        text = (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode("utf-8-sig")
    return [line.split("\t") for line in text.splitlines() if line.strip()]


def _gene_expression_only(counts: RawCounts, types: np.ndarray, path: Path) -> RawCounts:
    """Drop antibody, CRISPR and multiplexing features beside the genes."""
    kept = types == GENE_EXPRESSION
    if kept.all() or not types.size:
        return counts
    if not kept.any():
        raise UserError(
            f"{shown(path)}: no '{GENE_EXPRESSION}' features (found {', '.join(sorted(set(types))[:3])}).",
            hint="give the matrix of the gene expression library.",
        )
    facts = counts.facts | {"n_features_other": int((~kept).sum())}
    return RawCounts(
        counts.matrix[:, kept].tocsr(), counts.barcodes, counts.gene_ids[kept], counts.symbols[kept], facts
    )


def read_mtx(files: TenXFiles) -> RawCounts:
    """Matrix folder of Cell Ranger 2 (genes.tsv) or 3+ (features.tsv), or of STARsolo; gzipped or not."""
    from scipy.io import mmread

    with _readable(files.matrix):
        stored = mmread(files.matrix)
    features, barcodes = _lines(files.features), _lines(files.barcodes)
    if not sparse.issparse(stored):
        stored = sparse.coo_matrix(stored)
    if stored.shape != (len(features), len(barcodes)):
        hint = _CUT_HINT
        if stored.shape == (len(barcodes), len(features)):
            hint = "the matrix is barcodes x genes; 10x matrices are genes x barcodes: transpose it."
        raise UserError(
            f"{shown(files.matrix)}: the matrix is {stored.shape[0]} x {stored.shape[1]}, but there are "
            f"{len(features)} features and {len(barcodes)} barcodes.",
            hint=hint,
        )
    ids = np.array([f[0] for f in features], dtype=object)
    symbols = np.array([f[1] if len(f) > 1 and f[1] else f[0] for f in features], dtype=object)
    types = np.array([f[2] if len(f) > 2 else GENE_EXPRESSION for f in features], dtype=object)
    counts = RawCounts(
        as_counts(stored.T.tocsr(), files.matrix), np.array([b[0] for b in barcodes], dtype=object), ids, symbols
    )
    return _gene_expression_only(counts, types, files.matrix)


def _text(dataset: h5py.Dataset) -> np.ndarray:
    """Strings of an HDF5 dataset."""
    return np.array([v.decode() if isinstance(v, bytes) else str(v) for v in dataset[()]], dtype=object)


def _one_genome(names: list[str], path: Path) -> None:
    """Refuse a barnyard matrix."""
    if len(names) > 1:
        raise UserError(
            f"{shown(path)}: {len(names)} genomes in one matrix ({', '.join(names[:3])}).",
            hint="map to the human reference alone, or write the human part to a file of its own.",
        )


def read_10x_h5(path: Path) -> RawCounts:
    """Cell Ranger's h5: version 3+ (group ``matrix``) or version 2 (a group per genome)."""
    with _readable(path), h5py.File(path, "r") as file:
        if "matrix" in file:
            group = file["matrix"]
            features = group["features"]
            ids, symbols = _text(features["id"]), _text(features["name"])
            types = _text(features["feature_type"])
            genomes = sorted(set(_text(features["genome"])[types == GENE_EXPRESSION])) if "genome" in features else []
        else:
            genomes = [name for name in file if "barcodes" in file[name]]
            group = file[genomes[0]]
            ids, symbols = _text(group["genes"]), _text(group["gene_names"])
            types = np.full(len(ids), GENE_EXPRESSION, dtype=object)
        barcodes = _text(group["barcodes"])
        # stored as CSC of genes x barcodes, which is CSR of barcodes x genes
        matrix = sparse.csr_matrix(
            (group["data"][()], group["indices"][()], group["indptr"][()]), shape=(len(barcodes), len(ids))
        )
    _one_genome([g for g in genomes if g], path)
    return _gene_expression_only(RawCounts(as_counts(matrix, path), barcodes, ids, symbols), types, path)


def _stored_values(element: h5py.Group | h5py.Dataset) -> h5py.Dataset:
    """The dataset that holds a matrix's values, sparse or dense."""
    return element["data"] if isinstance(element, h5py.Group) else element


def _stored_whole(element: h5py.Group | h5py.Dataset) -> bool:
    """Whether a stored matrix holds whole numbers, looked at in pieces."""
    values = _stored_values(element)
    step = max(1, (1 << 22) // max(1, int(np.prod(values.shape[1:]))))
    return all(whole_numbers(np.asarray(values[i : i + step]).ravel()) for i in range(0, values.shape[0], step))


def _matrix(element: h5py.Group | h5py.Dataset, block: int = 2048) -> sparse.csr_matrix:
    """A stored matrix as CSR; a dense one is read in blocks of rows."""
    if isinstance(element, h5py.Dataset):
        rows = range(0, element.shape[0], block)
        parts = [sparse.csr_matrix(element[i : i + block]) for i in rows]
        return sparse.vstack(parts, format="csr") if parts else sparse.csr_matrix(element.shape)
    from anndata.io import read_elem

    return sparse.csr_matrix(read_elem(element))


#: Columns of ``var`` in which files carry what the index does not.
_ID_COLUMNS = ("gene_id", "gene_ids", "ensembl_id", "ensembl_ids", "ensembl", "feature_id", "gene_ID", "ensg")
_SYMBOL_COLUMNS = ("feature_name", "gene_symbols", "gene_symbol", "symbol", "symbols", "gene_name", "gene_short_name")


def _var_names(var: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Ids and symbols of an h5ad's ``var``."""
    index = var.index.astype(str).to_numpy(dtype=object)
    lower = {str(c).lower(): c for c in reversed(list(var.columns))}

    def column(names: tuple[str, ...]) -> np.ndarray:
        name = next((lower[n.lower()] for n in names if n.lower() in lower), None)
        return index if name is None else var[name].astype(str).to_numpy(dtype=object)

    index_is_id = pd.Series(index).str.startswith("ENSG").mean() > 0.5 if len(index) else False
    return (index, column(_SYMBOL_COLUMNS)) if index_is_id else (column(_ID_COLUMNS), index)


def read_h5ad(path: Path) -> RawCounts:
    """Counts of an h5ad: the first of ``layers['counts']``, ``X``, ``raw`` that holds whole numbers."""
    from anndata.io import read_elem

    with _readable(path), h5py.File(path, "r") as file:
        places = {"layers['counts']": "layers/counts", "X": "X", "raw": "raw/X"}
        there = {name: key for name, key in places.items() if key in file}
        whole = [name for name, key in there.items() if _stored_whole(file[key])]
        if whole:
            key = there[whole[0]]
            matrix = _matrix(file[key])
            var = read_elem(file["raw/var" if key.startswith("raw/") else "var"])
            obs = read_elem(file["obs"])
    if not whole:
        raise UserError(
            f"{shown(path)}: no raw counts: {', '.join(there) or 'nothing'} "
            f"{'hold' if len(there) > 1 else 'holds'} numbers that are not whole.",
            hint="put the raw UMI counts into layers['counts'] and write the file again.",
        )
    ids, symbols = _var_names(var)
    barcodes = obs.index.astype(str).to_numpy(dtype=object)
    return RawCounts(as_counts(matrix, path, whole[0]), barcodes, ids, symbols, {"h5ad_place": whole[0]})


def read_source(path: str | Path, format: str = "auto") -> RawCounts:
    """Read a sheet's ``path``, whatever its format (see :mod:`marrowclone.formats`).

    Raises
    ------
    UserError
        for files that are missing, broken, not counts, or hold a barcode twice.
    """
    source = resolve(path, format)
    if source.kind == "10x_mtx":
        counts = read_mtx(source.tenx)
    elif source.kind == "10x_h5":
        counts = read_10x_h5(source.path)
    else:
        counts = read_h5ad(source.path)
    if not counts.barcodes.size or not counts.matrix.nnz:
        raise UserError(f"{shown(path)}: the matrix is empty.", hint="give the matrix that holds this capture's cells.")
    repeated = pd.Index(counts.barcodes)[pd.Index(counts.barcodes).duplicated()]
    if len(repeated):
        raise UserError(
            f"{shown(path)}: {len(repeated)} barcodes stand more than once, such as {repeated[0]!r}.",
            hint="a sample is one capture: give each capture a line of its own in the sheet.",
        )
    counts.facts.update(format=source.format, n_genes_file=len(counts.gene_ids))
    return counts
