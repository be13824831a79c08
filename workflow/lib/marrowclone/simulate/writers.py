"""Counts in the formats that users have: 10x folders, 10x h5, h5ad. Same counts, same bytes."""

from __future__ import annotations

import gzip
import io
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import scipy.sparse as sp

from ..tables import write_text, write_whole

GENOME = "GRCh38"
FEATURE_TYPE = "Gene Expression"


def write_counts(
    path: Path, counts: sp.csr_matrix, *, barcodes: Sequence[str], genes: pd.DataFrame, format: str
) -> None:
    """Write one capture.

    Parameters
    ----------
    path
        a folder for ``10x_mtx``, else a file.
    counts
        (barcodes x genes) CSR of integers.
    genes
        columns ``gene_id`` and ``symbol``, a row per column of ``counts``.
    format
        ``10x_mtx``, ``10x_h5`` or ``h5ad``.
    """
    {"10x_mtx": _write_mtx, "10x_h5": _write_h5, "h5ad": _write_h5ad}[format](path, counts, list(barcodes), genes)


def _write_mtx(path: Path, counts: sp.csr_matrix, barcodes: list[str], genes: pd.DataFrame) -> None:
    """Cell Ranger 3 folder: genes x barcodes, coordinates from 1, all gzipped."""
    rows = np.repeat(np.arange(1, counts.shape[0] + 1), np.diff(counts.indptr))
    table = pa.table({"gene": counts.indices + 1, "barcode": rows, "count": counts.data})
    buffer = io.BytesIO()
    buffer.write(b"%%MatrixMarket matrix coordinate integer general\n%\n")
    buffer.write(f"{counts.shape[1]} {counts.shape[0]} {counts.nnz}\n".encode())
    # to_csv of pandas was the slowest part of writing millions of lines
    pyarrow.csv.write_csv(table, buffer, pyarrow.csv.WriteOptions(include_header=False, delimiter=" "))
    text = io.BytesIO()
    with gzip.GzipFile(fileobj=text, mode="wb", mtime=0, filename="", compresslevel=5) as stream:
        stream.write(buffer.getbuffer())

    def write(target: Path) -> None:
        target.write_bytes(text.getvalue())

    write_whole(path / "matrix.mtx.gz", write)
    features = "".join(f"{i}\t{s}\t{FEATURE_TYPE}\n" for i, s in zip(genes["gene_id"], genes["symbol"], strict=True))
    write_text(path / "features.tsv.gz", features)
    write_text(path / "barcodes.tsv.gz", "".join(f"{b}\n" for b in barcodes))


def _write_h5(path: Path, counts: sp.csr_matrix, barcodes: list[str], genes: pd.DataFrame) -> None:
    """Cell Ranger 3 h5 (``/matrix``, compressed by barcode)."""

    def write(target: Path) -> None:
        with h5py.File(target, "w", libver="earliest") as file:
            file.attrs["chemistry_description"] = "Single Cell 3' v3"
            file.attrs["filetype"] = "matrix"
            file.attrs["version"] = np.int64(2)
            matrix = file.create_group("matrix")

            def put(group: h5py.Group, name: str, data: np.ndarray) -> None:
                group.create_dataset(name, data=data, compression="gzip", compression_opts=4, track_times=False)

            put(matrix, "barcodes", np.array(barcodes, dtype="S18"))
            put(matrix, "data", counts.data.astype(np.int32))
            put(matrix, "indices", counts.indices.astype(np.int64))
            put(matrix, "indptr", counts.indptr.astype(np.int64))
            put(matrix, "shape", np.array(counts.shape[::-1], dtype=np.int32))
            features = matrix.create_group("features")
            put(features, "id", genes["gene_id"].to_numpy().astype("S"))
            put(features, "name", genes["symbol"].to_numpy().astype("S"))
            put(features, "feature_type", np.full(len(genes), FEATURE_TYPE.encode()))
            put(features, "genome", np.full(len(genes), GENOME.encode()))
            put(features, "_all_tag_keys", np.array([b"genome"]))

    write_whole(path, write)


def _write_h5ad(path: Path, counts: sp.csr_matrix, barcodes: list[str], genes: pd.DataFrame) -> None:
    import anndata  # here, because nothing else of the simulator needs it

    data = anndata.AnnData(
        X=counts.astype(np.float32),  # as scanpy.read_10x_mtx(...).write() leaves it
        obs=pd.DataFrame(index=pd.Index(barcodes)),
        var=pd.DataFrame({"gene_ids": genes["gene_id"].to_numpy()}, index=pd.Index(genes["symbol"].to_numpy())),
    )
    write_whole(path, lambda target: data.write_h5ad(target, compression="gzip"))
