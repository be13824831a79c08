"""A user's real, diploid cells, on which events can be imposed: counts and a type per cell.

Types come from a table (``barcode``, ``label``) or, without one, from a few marker genes. The gate is meant to
leave out what is doubtful, not to name every cell.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from ..errors import UserError, shown
from ..keys import CELL_TYPES
from ..resources import RESOURCES, gene_table, read_resource

#: A gate: genes, how many of them must be seen, and genes of which none may be seen [J].
GATES: dict[str, tuple[tuple[str, ...], int, tuple[str, ...]]] = {
    "t_cell": (("CD3D", "CD3E", "TRAC"), 1, ("MS4A1", "CD79A", "CD14", "HBB", "MZB1")),
    "nk": (("NKG7", "GNLY", "KLRD1", "KLRF1"), 2, ("CD3D", "CD3E", "TRAC", "MS4A1", "CD79A", "CD14")),
    "monocyte": (("LYZ", "S100A8", "S100A9", "CD14", "FCN1"), 3, ("CD3D", "CD3E", "MS4A1", "CD79A", "NKG7")),
    "b_cell": (("MS4A1", "CD79A"), 1, ("CD3D", "CD3E", "TRAC", "CD14", "NKG7")),
}  # fmt: skip
#: T cells are told apart by CD8A and CD8B; without either they count as CD4 T cells.
CD8 = ("CD8A", "CD8B")


@dataclass(frozen=True)
class RealCells:
    """Real cells in the gene space of :func:`~marrowclone.resources.gene_table`, sorted by barcode.

    Attributes
    ----------
    counts
        (cells x G) CSR int32.
    barcodes
        (cells,)
    types
        (cells,) cell type, ``""`` where it is doubtful.
    labelled
        whether the types are the user's own labels.
    """

    counts: sp.csr_matrix
    barcodes: np.ndarray
    types: np.ndarray
    labelled: bool = False


def read_real(path: str | Path, labels: str | Path | None = None) -> RealCells:
    """Read a 10x folder, a 10x h5 or an h5ad with raw counts in ``X``.

    Raises
    ------
    UserError
        when the file is not there, cannot be read, has no whole numbers, shares no genes with the gene table, or
        when a label names no barcode of it.
    """
    data = _read(Path(path))
    if data.X is None:
        raise UserError(f"{shown(path)}: X is empty.", hint="raw UMI counts are read from X, not from layers or raw.")
    counts = sp.csr_matrix(data.X)
    if not counts.nnz:
        raise UserError(f"{shown(path)}: no counts.", hint="the file has no cell, no gene, or zeros only.")
    if not np.isfinite(counts.data).all() or np.any(counts.data < 0) or np.any(counts.data != np.round(counts.data)):
        raise UserError(
            f"{shown(path)}: values that are no counts (fractions or below 0).", hint="give raw UMI counts."
        )
    if counts.sum(axis=1).max() > np.iinfo(np.int32).max:
        raise UserError(f"{shown(path)}: a cell has more than two billion counts.", hint="give raw UMI counts.")
    counts = _to_gene_table(counts, data.var, shown(path))
    order = np.argsort(data.obs_names.to_numpy(dtype=str), kind="stable")
    barcodes = data.obs_names.to_numpy(dtype=str)[order]
    twice = barcodes[1:][barcodes[1:] == barcodes[:-1]]
    if twice.size:
        raise UserError(
            f"{shown(path)}: the barcode {str(twice[0])!r} occurs more than once.",
            hint="give the cells of each capture a suffix of their own.",
        )
    counts = counts[order]
    types = gate(counts) if labels is None else _labels(labels, barcodes)
    return RealCells(counts, barcodes, types, labels is not None)


def gate(counts: sp.csr_matrix) -> np.ndarray:
    """(cells,) type by :data:`GATES`; cells that pass none or several of them get ``""``."""
    place = {s: i for i, s in enumerate(gene_table()["symbol"])}

    def seen(genes: tuple[str, ...]) -> np.ndarray:
        return np.asarray((counts[:, [place[g] for g in genes]] > 0).sum(axis=1)).ravel()

    passed = {name: (seen(of) >= least) & (seen(none) == 0) for name, (of, least, none) in GATES.items()}
    alone = np.sum(list(passed.values()), axis=0) == 1
    out = np.full(counts.shape[0], "", dtype=object)
    for name, cells in passed.items():
        out[cells & alone] = name
    t_cell = out == "t_cell"
    cd8 = seen(CD8) > 0
    out[t_cell & cd8], out[t_cell & ~cd8] = "cd8_t", "cd4_t"
    return out.astype(str)


def _read(path: Path) -> Any:
    import anndata
    import scanpy

    if not path.exists():
        raise UserError(f"{shown(path)}: there is no such file or folder.")
    try:
        if path.is_dir():
            return scanpy.read_10x_mtx(path, var_names="gene_symbols", make_unique=False)
        if path.suffix == ".h5ad":
            return anndata.read_h5ad(path)
        return scanpy.read_10x_h5(path)
    except Exception as error:  # the readers raise whatever they meet
        raise UserError(
            f"{shown(path)}: not readable as 10x folder, 10x h5 or h5ad: {' '.join(str(error).split())[:200]}",
            hint="a folder holds matrix.mtx.gz, features.tsv.gz and barcodes.tsv.gz.",
        ) from None


def _to_gene_table(counts: sp.csr_matrix, var: pd.DataFrame, name: str) -> sp.csr_matrix:
    """Columns of the gene table, matched by Ensembl id, then symbol, then alias; the same gene twice is summed."""
    genes = gene_table()
    by_id = {g: i for i, g in enumerate(genes["gene_id"])}
    by_symbol = {s: i for i, s in enumerate(genes["symbol"])}
    aliases = read_resource(RESOURCES / "aliases.tsv")
    old = {a: by_symbol[s] for a, s in zip(aliases["alias"], aliases["symbol"], strict=True) if s in by_symbol}
    by_symbol = old | by_symbol  # a name that is in use today means today's gene
    ids = next((var[c] for c in ("gene_ids", "gene_id") if c in var.columns), pd.Series(var.index, index=var.index))
    plain = ids.astype(str).str.split(".").str[0]
    place = np.array(
        [by_id.get(i, by_symbol.get(s, -1)) for i, s in zip(plain, var.index.astype(str), strict=True)], dtype=int
    )
    known = np.flatnonzero(place >= 0)
    if known.size < 1000:
        raise UserError(
            f"{name}: only {known.size} of {len(place)} genes are in resources/genes.tsv.gz.",
            hint="human genes by Ensembl id or symbol are expected.",
        )
    mapping = sp.csr_matrix((np.ones(known.size, np.int32), (known, place[known])), shape=(len(place), len(genes)))
    return sp.csr_matrix(counts.astype(np.int32) @ mapping, dtype=np.int32)


def _labels(path: str | Path, barcodes: np.ndarray) -> np.ndarray:
    """(cells,) the user's label of each; ``CD4 T`` is ``cd4_t``, as it is when a run reads labels."""
    try:
        table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise UserError(f"{shown(path)}: not readable as a table: {' '.join(str(error).split())}") from None
    missing = [c for c in ("barcode", "label") if c not in table.columns]
    if missing:
        raise UserError(
            f"{shown(path)}: the column {missing[0]} is missing, found {', '.join(table.columns)}.",
            hint="barcode and label, separated by a tab.",
        )
    twice = table.loc[table["barcode"].duplicated(), "barcode"]
    if len(twice):
        raise UserError(f"{shown(path)}: the barcode {twice.iloc[0]!r} occurs more than once.", hint="keep one row.")
    plain = table["label"].str.strip().str.casefold().str.replace(r"[ -]", "_", regex=True)
    table["label"] = plain.where(plain.isin(CELL_TYPES), table["label"].str.strip())
    label = dict(zip(table["barcode"], table["label"], strict=True))
    types = np.array([label.get(b, "") for b in barcodes], dtype=str)
    if not np.isin(barcodes, table["barcode"]).any():
        raise UserError(
            f"{shown(path)}: none of its barcodes is in the counts.", hint=f"the counts' first is {str(barcodes[0])!r}."
        )
    return types
