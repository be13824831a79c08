"""Levels of genes from a table of real cell-type profiles (summed UMI counts), in place of drawn ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from ..errors import UserError, shown
from ..resources import RESOURCES, gene_table, read_resource

#: Names of the simulator's types in such tables (those of the Human Cell Atlas profiles first).
NAMES: dict[str, tuple[str, ...]] = {
    "plasma": ("Plasma",), "b_cell": ("B",), "cd4_t": ("CD4+T",), "cd8_t": ("CD8+T",), "nk": ("NK",),
    "monocyte": ("Monocyte",), "macrophage": ("Macrophage",), "dendritic": ("Dendritic",), "pdc": ("pDC",),
    "neutrophil": ("Neutrophil",), "erythroid": ("Erythroid",), "hspc": ("HSPC",), "megakaryocyte": ("Megakaryocyte",),
    "stromal": ("Stromal", "Fibroblast"),
}  # fmt: skip
#: Shape of the Gamma prior of a gene's level in a type; its mean is the gene's level over all types of the table.
PRIOR_SHAPE = 0.5


@dataclass(frozen=True)
class RealLevels:
    """What a table says about the simulator's genes.

    Attributes
    ----------
    known
        (G,) genes that the table has.
    levels
        cell type -> (G,) CPM, posterior means, 0 for genes that are not known or that no type expresses;
        only types that the table has.
    pooled
        (G,) mean CPM over these types: where types that the table lacks start from.
    """

    known: np.ndarray
    levels: Mapping[str, np.ndarray]
    pooled: np.ndarray


def read_profiles(path: str | Path) -> RealLevels:
    """Read a table whose first column is ``gene`` (symbols) and whose others are counts of cell types.

    A count ``x`` of a type's ``N`` gives the level ``(x + a) / (N + a / m)``, the mean under a
    Gamma prior of shape ``a`` = .5 and mean ``m``, the gene's share over all types: a zero is a low
    level, not the absence of a gene.

    Raises
    ------
    UserError
        when the file is missing, is no such table, or names neither plasma cells nor any gene.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(
            f"{shown(path)}: there is no such file.", hint="expression.profiles is relative to the working directory."
        )
    return _read(str(path), path.stat().st_mtime_ns)


@cache
def _read(path: str, changed: int) -> RealLevels:
    try:
        table = pd.read_csv(path, sep="\t", index_col=0).astype(float)
    except (ValueError, OSError, pd.errors.ParserError) as error:
        raise UserError(f"{shown(Path(path))}: not a table of counts: {' '.join(str(error).split())}") from None
    genes = gene_table()
    position = {s: i for i, s in enumerate(genes["symbol"])}
    aliases = read_resource(RESOURCES / "aliases.tsv")
    older = dict(zip(aliases["alias"], aliases["symbol"], strict=True))
    position = {a: position[s] for a, s in older.items() if s in position} | position
    place = np.array([position.get(str(s), -1) for s in table.index])
    types = {name: column for name, columns in NAMES.items() for column in columns[::-1] if column in table.columns}
    if "plasma" not in types or not (place >= 0).any() or not table.ge(0).to_numpy().all():
        raise UserError(
            f"{shown(Path(path))}: found columns {', '.join(map(str, table.columns[:8]))}, "
            f"expected counts of genes (rows) by cell type, with the column {NAMES['plasma'][0]}.",
            hint="the first column holds gene symbols.",
        )
    nuclear = ((genes["locus"] != "ig") & (genes["chromosome"] != "chrM")).to_numpy()
    counts = np.zeros((len(types), len(genes)))
    for row, column in zip(counts, types.values(), strict=True):
        np.add.at(row, place[place >= 0], table[column].to_numpy()[place >= 0])
    counts[:, ~nuclear] = 0.0
    known = np.zeros(len(genes), bool)
    known[place[place >= 0]] = True
    total = counts.sum(axis=1, keepdims=True)
    if not np.isfinite(total).all() or not total.all():
        column = list(types.values())[int(np.argmax(~np.isfinite(total) | (total == 0)))]
        raise UserError(
            f"{shown(Path(path))}: the column {column} has no finite counts of known genes.",
            hint="give summed UMI counts by gene symbol; immunoglobulin and mitochondrial genes do not count.",
        )
    mean = (counts / total).mean(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(mean > 0, (counts + PRIOR_SHAPE) / (total + PRIOR_SHAPE / mean), 0.0)
    levels = dict(zip(types, 1e6 * share / share.sum(axis=1, keepdims=True), strict=True))
    return RealLevels(known & nuclear, levels, 1e6 * mean)
