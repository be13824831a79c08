"""10x h5 (Cell Ranger 2 and 3+) and matrix folders (10x, STARsolo), block by block."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

import h5py
import numpy as np
import pandas as pd
from scipy import sparse

from ...errors import UserError, shown
from ...formats import GZIP_SIGNATURE, TenXFiles
from .base import (
    CUT_HINT,
    GENE_EXPRESSION,
    CountStream,
    OutOfOrderError,
    check_indices,
    checked,
    csr_blocks,
    only_columns,
    readable,
)
from .genomes import features_of_genome, genomes_by_name, group_of_10x_h5
from .spool import Entries, by_rows

#: Lines of a matrix file that are parsed at a time.
LINES = 1 << 21
#: Folder names by which Cell Ranger 2 tells the genome (``filtered_gene_bc_matrices/hg19``).
GENOME_FOLDERS = ("hg19", "hg38", "GRCh37", "GRCh38", "b37")


def text_of(dataset: Any) -> np.ndarray:
    """Strings of an HDF5 or zarr array."""
    return np.array([v.decode() if isinstance(v, bytes) else str(v) for v in dataset[:]], dtype=object)


def _only_wanted(stream: CountStream, types: np.ndarray, genomes: np.ndarray, genome: str) -> CountStream:
    """Leave out antibody, CRISPR and multiplexing features beside the genes, and other genomes."""
    genes = types == GENE_EXPRESSION
    if types.size and not genes.any():
        raise UserError(
            f"{shown(stream.path)}: no '{GENE_EXPRESSION}' features (found {', '.join(sorted(set(types))[:3])}).",
            hint="give the matrix of the gene expression library.",
        )
    kept = genes.copy()
    kept[genes] = features_of_genome(genomes[genes], stream.path, genome)
    named = sorted(set(genomes[kept]) - {""})
    if named:
        stream.facts["genome"] = named[0]
    if kept.all():
        return stream
    stream.facts["n_features_other"] = int((~genes).sum())
    if (genes & ~kept).any():
        stream.facts["n_features_other_genomes"] = int((genes & ~kept).sum())
    stream.gene_ids, stream.symbols = stream.gene_ids[kept], stream.symbols[kept]
    stream.blocks = only_columns(stream.blocks, kept)
    return stream


def open_10x_h5(path: Path, genome: str, stack: ExitStack) -> CountStream:
    """Cell Ranger's h5: version 3+ (group ``matrix``) or version 2 (a group per genome)."""
    with readable(path):
        file = stack.enter_context(h5py.File(path, "r"))
        group = group_of_10x_h5(file, path, genome)
        barcodes = text_of(group["barcodes"])
        if "features" in group:
            features = group["features"]
            ids, symbols = text_of(features["id"]), text_of(features["name"])
            full = np.full(len(ids), GENE_EXPRESSION, dtype=object)
            types = text_of(features["feature_type"]) if "feature_type" in features else full
            genomes = text_of(features["genome"]) if "genome" in features else genomes_by_name(ids, symbols)
        else:
            ids, symbols = text_of(group["genes"]), text_of(group["gene_names"])
            types = np.full(len(ids), GENE_EXPRESSION, dtype=object)
            genomes = np.full(len(ids), group.name.strip("/"), dtype=object)
        if "shape" in group and tuple(group["shape"][:2]) != (len(ids), len(barcodes)):
            raise UserError(
                f"{shown(path)}: {len(ids)} features and {len(barcodes)} barcodes, but the matrix is "
                f"{' x '.join(str(n) for n in group['shape'][:2])}.",
                hint="the file is damaged, or was written by something other than Cell Ranger.",
            )
        if not len(ids) == len(symbols) == len(types) == len(genomes):
            raise UserError(f"{shown(path)}: its lists of features differ in length.", hint=CUT_HINT)

    def blocks(spool: bool = False) -> Iterator[sparse.csr_matrix]:
        # stored as CSC of genes x barcodes, which is CSR of barcodes x genes
        with readable(path):
            yield from csr_blocks(group, len(barcodes), len(ids), path, "the matrix")

    return _only_wanted(CountStream(path, barcodes, ids, symbols, blocks), types, genomes, genome)


def _open(path: Path) -> IO[bytes]:
    """A byte stream; gzip is told by content, because names lie."""
    with path.open("rb") as stream:
        packed = stream.read(2) == GZIP_SIGNATURE
    return gzip.open(path, "rb") if packed else path.open("rb")  # type: ignore[return-value]


def _lines(path: Path) -> list[list[str]]:
    """Fields of every line of a small table, plain or gzipped."""
    with readable(path), _open(path) as stream:
        text = stream.read().decode("utf-8-sig")
    return [line.split("\t") for line in text.splitlines() if line.strip()]


def _header(stream: IO[bytes], path: Path) -> tuple[int, int, int]:
    """Rows, columns, entries; the stream then stands at the first entry."""
    banner = stream.readline().decode("utf-8", "replace").lower().split()
    if banner[:3] != ["%%matrixmarket", "matrix", "coordinate"] or banner[3:4] == ["pattern"]:
        raise UserError(
            f"{shown(path)}: not a sparse Matrix Market file with values (starts with {' '.join(banner)[:50]!r}).",
            hint="the first line of a 10x matrix is '%%MatrixMarket matrix coordinate integer general'.",
        )
    if banner[4:5] not in ([], ["general"]):
        raise UserError(
            f"{shown(path)}: a {banner[4]} matrix holds no counts of genes in cells.",
            hint="write it as a general matrix, genes x barcodes.",
        )
    line = stream.readline()
    while line and (line.startswith(b"%") or not line.strip()):
        line = stream.readline()
    sizes = [int(word) for word in line.split()]
    if len(sizes) != 3:
        raise ValueError("the line of sizes does not hold three numbers")
    return sizes[0], sizes[1], sizes[2]


def _entries(path: Path, shape: tuple[int, int], lines: int) -> Iterator[Entries]:
    """barcode, feature (from 0), count of all entries, piece by piece."""
    with readable(path), _open(path) as stream:
        _, _, stated = _header(stream, path)
        seen = 0
        if stated:
            table = pd.read_csv(
                stream, sep=r"\s+", header=None, names=["feature", "barcode", "count"], chunksize=lines, engine="c"
            )
            for part in table:
                columns = [part[name].to_numpy() for name in ("feature", "barcode", "count")]
                if any(c.dtype.kind not in "iuf" for c in columns) or any(c.dtype.kind == "f" for c in columns[:2]):
                    raise ValueError("an entry is not 'row column value'")
                seen += len(columns[0])
                features = check_indices(columns[0] - 1, shape[0], path, "row")
                barcodes = check_indices(columns[1] - 1, shape[1], path, "column")
                yield barcodes, features, checked(columns[2], path, "the matrix")
        if seen != stated:
            raise UserError(f"{shown(path)}: {seen} entries, but its header says {stated}.", hint=CUT_HINT)


def _sorted_blocks(entries: Iterator[Entries], n_barcodes: int, n_features: int) -> Iterator[sparse.csr_matrix]:
    """Blocks from entries that come barcode by barcode, as 10x and STARsolo write them."""
    done = 0
    rest: Entries = (np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int32))

    def block(part: Entries, stop: int) -> sparse.csr_matrix:
        indptr = np.searchsorted(part[0], np.arange(done, stop + 1))
        return sparse.csr_matrix((part[2], part[1], indptr), shape=(stop - done, n_features))

    for piece in entries:
        joined = tuple(np.concatenate(pair) for pair in zip(rest, piece, strict=True))
        rows = joined[0]
        if (np.diff(rows) < 0).any() or (rows.size and rows[0] < done):
            raise OutOfOrderError
        stop = int(rows[-1])  # the last barcode may go on in the next piece
        cut = int(np.searchsorted(rows, stop))
        if stop > done:
            yield block((rows[:cut], joined[1][:cut], joined[2][:cut]), stop)
            done = stop
        rest = (rows[cut:], joined[1][cut:], joined[2][cut:])
    yield block(rest, n_barcodes)


def open_mtx(files: TenXFiles, genome: str, lines: int = LINES) -> CountStream:
    """Matrix folder of Cell Ranger 2 (genes.tsv) or 3+ (features.tsv), or of STARsolo; gzipped or not."""
    path = files.matrix
    features, names = _lines(files.features), _lines(files.barcodes)
    with readable(path), _open(path) as stream:
        n_rows, n_columns, _ = _header(stream, path)
    if (n_rows, n_columns) != (len(features), len(names)):
        hint = f"the three files are not of one capture, or one is cut off. {CUT_HINT}"
        if (n_rows, n_columns) == (len(names), len(features)):
            hint = "the matrix is barcodes x genes; 10x matrices are genes x barcodes: transpose it."
        raise UserError(
            f"{shown(path)}: the matrix is {n_rows} x {n_columns}, but there are {len(features)} features and "
            f"{len(names)} barcodes.",
            hint=hint,
        )
    ids = np.array([f[0] for f in features], dtype=object)
    symbols = np.array([f[1] if len(f) > 1 and f[1] else f[0] for f in features], dtype=object)
    types = np.array([f[2] if len(f) > 2 else GENE_EXPRESSION for f in features], dtype=object)
    genomes = genomes_by_name(ids, symbols)
    folder = path.parent.name
    if folder in GENOME_FOLDERS and not (genomes != "").any():
        genomes[:] = folder

    def blocks(spool: bool = False) -> Iterator[sparse.csr_matrix]:
        if spool:
            return by_rows(lambda: _entries(path, (n_rows, n_columns), lines), (n_columns, n_rows))
        return _sorted_blocks(_entries(path, (n_rows, n_columns), lines), n_columns, n_rows)

    barcodes = np.array([b[0] for b in names], dtype=object)
    return _only_wanted(CountStream(path, barcodes, ids, symbols, blocks), types, genomes, genome)
