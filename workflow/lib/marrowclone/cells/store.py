"""Writing ``counts.h5ad`` block by block: memory follows a block, not the file."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any

import anndata as ad
import h5py
import numpy as np
import pandas as pd
from anndata.io import write_elem
from scipy import sparse

#: Values per chunk of the file. Fixed, so that the file's bytes do not depend on how its blocks were cut.
CHUNK = 1 << 16
#: Light compression: every chapter reads the file. Shuffled bytes of small numbers pack better, and faster.
_PACKED = {"compression": "gzip", "compression_opts": 1}


class CountsWriter:
    """An h5ad with ``X`` as CSR int32, to which blocks of rows are added.

    The layout is AnnData's own (encoding 0.1.0): ``anndata.read_h5ad`` reads it.

    Parameters
    ----------
    path
        the file to write (see :func:`marrowclone.tables.write_whole` for writing it whole or not at all).
    n_columns
        genes.
    """

    def __init__(self, path: str | Path, n_columns: int) -> None:
        self.n_columns = n_columns
        self._file = h5py.File(path, "w")
        self._lengths = [np.zeros(1, dtype=np.int64)]
        self._waiting: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
        self._n_waiting = 0
        self._group = self._file.create_group("X")
        for name in ("data", "indices"):
            self._group.create_dataset(
                name, shape=(0,), maxshape=(None,), chunks=(CHUNK,), dtype=np.int32, shuffle=True, **_PACKED
            )

    def __enter__(self) -> CountsWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, block: sparse.csr_matrix) -> None:
        """Add rows. The block has sorted indices, each once, and no stored zeros."""
        self._lengths.append(np.diff(block.indptr).astype(np.int64))
        self._waiting[0].append(block.data.astype(np.int32, copy=False))
        self._waiting[1].append(block.indices.astype(np.int32, copy=False))
        self._n_waiting += block.nnz
        if self._n_waiting >= CHUNK:
            self._flush(self._n_waiting // CHUNK * CHUNK)

    def _flush(self, n: int) -> None:
        """Write the first ``n`` waiting values."""
        data, indices = (np.concatenate(parts) if parts else np.empty(0, np.int32) for parts in self._waiting)
        done = self._group["data"].shape[0]
        for start in range(0, n, CHUNK):  # chunk by chunk in turn: one order of writing, whatever the blocks
            stop = min(start + CHUNK, n)
            for name, values in (("data", data), ("indices", indices)):
                self._group[name].resize((done + stop,))
                self._group[name][done + start : done + stop] = values[start:stop]
        self._waiting = ([data[n:].copy()], [indices[n:].copy()])
        self._n_waiting -= n

    def close(self, obs: pd.DataFrame, var: pd.DataFrame, facts: dict[str, Any]) -> None:
        """Write what is left, the tables and ``uns["load"]``."""
        self._flush(self._n_waiting)
        indptr = np.cumsum(np.concatenate(self._lengths))
        small = indptr[-1] <= np.iinfo(np.int32).max
        self._group.create_dataset("indptr", data=indptr.astype(np.int32 if small else np.int64), **_PACKED)
        self._group.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0"})
        self._group.attrs["shape"] = np.array([len(indptr) - 1, self.n_columns])
        tables = ad.AnnData(obs=obs, var=var)
        tables.strings_to_categoricals()
        self._file.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
        for name, value in (
            ("obs", tables.obs), ("var", tables.var), ("obsm", {}), ("varm", {}), ("obsp", {}), ("varp", {}),
            ("layers", {}), ("uns", {"load": stored_facts(facts)}),
        ):  # fmt: skip
            write_elem(self._file, name, value, dataset_kwargs=_PACKED)


def stored_facts(facts: dict[str, Any]) -> dict[str, Any]:
    """Facts as h5ad can hold them: lists become arrays of strings, also empty ones."""
    return {k: np.array([str(v) for v in value], dtype=object) if isinstance(value, list) else value
            for k, value in sorted(facts.items())}  # fmt: skip


def read_facts(path: str | Path) -> dict[str, Any]:
    """``uns["load"]`` of a counts file as plain Python (JSON-able); lists are lists of strings."""
    from anndata.io import read_elem

    with h5py.File(path, "r") as file:
        facts = read_elem(file["uns/load"])
    return plain_facts(facts)


def plain_facts(facts: dict[str, Any]) -> dict[str, Any]:
    """``uns["load"]`` as it stands in a read AnnData, as plain Python (JSON-able)."""

    def plain(value: Any) -> Any:
        if isinstance(value, (list, np.ndarray)):
            return [str(v) for v in value]
        return value.item() if isinstance(value, np.generic) else value

    return {k: plain(value) for k, value in facts.items()}
