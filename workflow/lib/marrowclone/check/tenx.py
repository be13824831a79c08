"""A look into 10x matrices: the folder of three files, and the h5."""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import IO, Any

import numpy as np

from ..cells.sources.genomes import features_of_genome, genomes_by_name, group_of_10x_h5
from ..errors import UserError, shown
from ..formats import GZIP_SIGNATURE, TenXFiles
from .peek import NAMES, SAMPLE, UNFILTERED, Peek

#: Compressed size up to which a gzip file is read to its end to see whether it is whole [J]: about 0.2 s.
WHOLE_BYTES = 16 * 2**20
#: Bytes of one entry line of a matrix: "1 1 1\n" at least, three long numbers at most.
LINE_BYTES = (6, 40)
_CUT_OFF = "the file was cut off; compare its size and checksum with the original."


@contextmanager
def _words(path: Path) -> Iterator[None]:
    """Turn what a broken file raises into words."""
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UserError(f"{shown(path)}: the gzip file is damaged ({error}).", hint=_CUT_OFF) from None
    except UnicodeDecodeError:
        raise UserError(f"{shown(path)}: is not text.", hint="was another file renamed to this name?") from None
    except OSError as error:
        raise UserError(f"{shown(path)}: cannot be read ({error.strerror or error}).") from None


def _open(path: Path) -> IO[str]:
    """A text stream; gzip is told by content, because names lie."""
    with path.open("rb") as stream:
        packed = stream.read(2) == GZIP_SIGNATURE
    if packed:
        return gzip.open(path, "rt", encoding="utf-8")
    if path.suffix == ".gz":
        raise UserError(f"{shown(path)}: named .gz, but not gzipped.", hint="rename it without .gz, or gzip it.")
    return path.open(encoding="utf-8")


def _dimensions(lines: Iterator[str], path: Path) -> tuple[int, int, int]:
    """Rows, columns, entries of a Matrix Market file, after its banner."""
    banner = next(lines, "").lower().split()
    if banner[:3] != ["%%matrixmarket", "matrix", "coordinate"]:
        start = " ".join(banner)[:40]
        raise UserError(
            f"{shown(path)}: not a sparse Matrix Market file (starts with {start!r}).",
            hint="the first line of a 10x matrix is '%%MatrixMarket matrix coordinate integer general'.",
        )
    if banner[3:4] == ["pattern"]:
        raise UserError(f"{shown(path)}: a pattern matrix holds no counts.", hint="give the matrix with its values.")
    size = next((line for line in lines if line.strip() and not line.startswith("%")), "").split()
    try:
        rows, columns, entries = (int(word) for word in size)
    except ValueError:
        raise UserError(
            f"{shown(path)}: the line of sizes is {' '.join(size)[:40]!r}, expected three numbers."
        ) from None
    return rows, columns, entries


def _entries(lines: Iterator[str], path: Path, shape: tuple[int, int], n: int) -> np.ndarray:
    """The values of the first ``n`` entries, with their indices checked."""
    text = list(islice((line for line in lines if line.strip()), n))
    if len(text) < n:
        raise UserError(f"{shown(path)}: {len(text)} entries, fewer than its header says.", hint=_CUT_OFF)
    try:
        table = np.array([line.split() for line in text], dtype=float).reshape(len(text), 3)
    except ValueError:
        raise UserError(f"{shown(path)}: an entry is not 'row column value'.", hint=_CUT_OFF) from None
    for axis, (name, size) in enumerate(zip(("row", "column"), shape, strict=True)):
        if table[:, axis].min(initial=1) < 1 or table[:, axis].max(initial=1) > size:
            raise UserError(f"{shown(path)}: a {name} index lies outside 1 to {size}.", hint="the file is damaged.")
    return table[:, 2]


def _check_whole(path: Path, entries: int) -> None:
    """Refuse a gzip file that was cut off.

    A small one is read to its end. Of a large one the length that its last bytes state is
    compared with what the header's entries need; only where that does not fit it is read.
    """
    with path.open("rb") as stream:
        if stream.read(2) != GZIP_SIGNATURE:
            return
        if path.stat().st_size > WHOLE_BYTES:
            stream.seek(-4, os.SEEK_END)
            stated = int.from_bytes(stream.read(4), "little")
            if entries * LINE_BYTES[0] <= stated <= entries * LINE_BYTES[1] + 4096:
                return
    with gzip.open(path, "rb") as packed:
        while packed.read(1 << 22):
            pass


def _lines(path: Path, stop: int | None = None) -> tuple[list[str], int]:
    """Lines of a features or barcodes file (at most ``stop``), without line ends, and how many it has.

    STARsolo's unfiltered barcodes are a whitelist of millions: they are counted, and not held.
    """
    with _words(path), _open(path) as stream:
        lines = (line for line in stream if line.strip())
        head = [line.rstrip("\r\n") for line in islice(lines, stop)]
        return head, len(head) + sum(1 for _ in lines)


def peek_mtx(files: TenXFiles, genome: str = "") -> Peek:
    """Look at a 10x matrix folder.

    Parameters
    ----------
    genome
        whose features are read where there are several.

    Raises
    ------
    UserError
        when a file is damaged, or features and barcodes do not fit the matrix.
    """
    (genes, n_genes), (barcodes, n_barcodes) = _lines(files.features), _lines(files.barcodes, UNFILTERED)
    with _words(files.matrix), _open(files.matrix) as stream:
        lines = iter(stream)
        rows, columns, entries = _dimensions(lines, files.matrix)
        if (rows, columns) != (n_genes, n_barcodes):
            if (columns, rows) == (n_genes, n_barcodes):
                raise UserError(
                    f"{shown(files.matrix)}: {rows} x {columns}, cells x genes, expected genes x cells.",
                    hint="the matrix is transposed; write it with genes as rows.",
                )
            raise UserError(
                f"{shown(files.matrix)}: {rows} genes x {columns} cells by its header, but {n_genes} lines in "
                f"{files.features.name} and {n_barcodes} in {files.barcodes.name}.",
                hint="the three files are not of one capture.",
            )
        values = _entries(lines, files.matrix, (rows, columns), min(entries, SAMPLE))
        _check_whole(files.matrix, entries)
    # features.tsv: id, symbol, type; older genes.tsv: id, symbol. The symbol is tried first.
    cells = [line.split("\t") for line in genes[:NAMES]]
    known = [part[1] if len(part) > 1 and part[1] else part[0] for part in cells]
    ids = np.array([line.partition("\t")[0] for line in genes], dtype=object)
    features_of_genome(genomes_by_name(ids, ids), files.matrix, genome)
    return Peek(
        place=shown(files.matrix),
        n_genes=rows,
        n_cells=columns,
        n_stored=entries,
        values=values,
        genes=known,
        barcodes=[b.split("\t")[0] for b in barcodes],
    )


def names_of(dataset: Any, stop: int | None = None) -> list[str]:
    """The strings of an HDF5 dataset, at most ``stop`` of them."""
    return [v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in dataset[:stop]]


def peek_10x_h5(path: Path, genome: str = "") -> Peek:
    """Look at a Cell Ranger h5, version 2 (group per genome) or 3 (group ``matrix``).

    Parameters
    ----------
    genome
        whose features are read where there are several.

    Raises
    ------
    UserError
        when parts are missing or do not fit each other.
    """
    import h5py

    with h5py.File(path, "r") as file:
        group = group_of_10x_h5(file, path, genome)
        if "features/genome" in group:
            genomes = np.array(names_of(group["features/genome"]), dtype=object)
            if "features/feature_type" in group:
                genomes = genomes[np.array(names_of(group["features/feature_type"])) == "Gene Expression"]
            features_of_genome(genomes, path, genome)
        features = group.get("features/name", group.get("gene_names"))
        needed = {
            "data": group.get("data"),
            "indices": group.get("indices"),
            "indptr": group.get("indptr"),
            "shape": group.get("shape"),
        }
        absent = [
            k for k, v in {**needed, "barcodes": group.get("barcodes"), "features": features}.items() if v is None
        ]
        if absent:
            raise UserError(
                f"{shown(path)}: {', '.join(absent)} missing in group {group.name.strip('/')}.",
                hint="the file is damaged.",
            )
        rows, columns = (int(v) for v in group["shape"][:2])
        n_barcodes, n_features = len(group["barcodes"]), len(features)
        if (rows, columns) != (n_features, n_barcodes) or len(group["indptr"]) != columns + 1:
            raise UserError(
                f"{shown(path)}: shape {rows} x {columns}, but {n_features} features and {n_barcodes} barcodes.",
                hint="the file is damaged, or was written by something other than Cell Ranger.",
            )
        if len(group["indices"]) != len(group["data"]) or (columns and int(group["indptr"][-1]) != len(group["data"])):
            raise UserError(
                f"{shown(path)}: {len(group['data'])} values, {len(group['indices'])} indices and a last pointer of "
                f"{int(group['indptr'][-1])} do not fit each other.",
                hint=_CUT_OFF,
            )
        return Peek(
            place=shown(path),
            n_genes=rows,
            n_cells=columns,
            n_stored=len(group["data"]),
            values=np.asarray(group["data"][:SAMPLE], dtype=float),
            genes=names_of(features, NAMES),
            barcodes=names_of(group["barcodes"], UNFILTERED),
        )
