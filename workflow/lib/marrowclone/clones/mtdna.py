"""Variants of mitochondrial DNA as evidence for clones."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import betaln

from ..errors import UserError, shown
from .allele_files import read_counts_table
from .terms import Term, informative, tempered

TABLE: tuple[str, ...] = ("cell", "variant", "AD", "DP")
HINT = "mtdna names a table with the columns cell, variant (such as 3243A>G), AD and DP."
#: Heteroplasmies that a clone may have: absent (errors, soup) to homoplasmic. As fine as this, because two
#: coarse levels together fit cells that lie between them, which would make two clones of one.
LEVELS = np.concatenate([[0.005], np.arange(0.05, 0.96, 0.05), [0.995]])
#: Reads of one cell and variant beyond which more of them say nothing new.
MOST_READS = 200


def read_variants(path: str | Path) -> pd.DataFrame:
    """barcode, variant, ad, dp of one capture; rows without reads are left out.

    Raises
    ------
    UserError
        when the file cannot be read, a column is missing, values are no counts, AD exceeds DP, or a row comes twice.
    """
    path = Path(path)
    try:
        table = read_counts_table(path, TABLE, HINT)
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{shown(path)}: the variants cannot be read ({reason}).", hint=HINT) from None
    table = table.set_axis([{"cell": "barcode", "AD": "ad", "DP": "dp"}.get(c, c) for c in table.columns], axis=1)
    twice = table.duplicated(["barcode", "variant"])
    if twice.any():
        cell, variant = (table[c][twice].iloc[0] for c in ("barcode", "variant"))
        raise UserError(f"{shown(path)}: cell {cell!r} has two rows of {variant}.", hint="one capture per file.")
    return table.loc[table["dp"] > 0, ["barcode", "variant", "ad", "dp"]].reset_index(drop=True)


def mtdna_term(variants: pd.DataFrame, cells: np.ndarray, *, settings: Mapping[str, Any]) -> Term | None:
    """What the variants say of each cell; None where none of them parts the cells.

    Reads of a cell are beta-binomial around the clone's heteroplasmy; cells of one clone differ by
    ``mtdna_overdispersion``, for mitochondria are shared out by chance when cells divide.

    Parameters
    ----------
    variants
        cell, variant, ad, dp of any cells.
    cells
        ids of the malignant cells (n), in the order of the result.
    """
    mine = variants[variants["cell"].isin(set(cells))].sort_values(["cell", "variant"], kind="stable")
    carried = mine.loc[mine["ad"] > 0].groupby("variant")["cell"].nunique()
    names = sorted(carried.index[carried >= int(settings["min_variant_cells"])])
    if not names:
        return None
    mine = mine[mine["variant"].isin(names)]
    total = 1 / float(settings["mtdna_overdispersion"]) - 1
    d = np.minimum(mine["dp"].to_numpy(float), MOST_READS)[:, None]
    a = mine["ad"].to_numpy(float)[:, None] * d / mine["dp"].to_numpy(float)[:, None]
    value = betaln(a + LEVELS * total, d - a + (1 - LEVELS) * total) - betaln(LEVELS * total, (1 - LEVELS) * total)
    log_p = np.zeros((len(cells), len(names), len(LEVELS)), dtype=np.float32)
    row = pd.Index(cells).get_indexer(pd.Index(mine["cell"]))
    log_p[row, pd.Index(names).get_indexer(pd.Index(mine["variant"]))] = tempered(
        value - value.max(axis=1, keepdims=True)
    )
    kept = informative(log_p, most=int(settings["max_variants"]))
    if not len(kept):
        return None
    return Term(
        kind="mtDNA",
        features=tuple(names[f] for f in kept),
        levels=tuple(f"{x:.2f}" for x in LEVELS),
        steps=LEVELS,
        min_step=float(settings["min_heteroplasmy_shift"]),
        log_p=log_p[:, kept],
    )
