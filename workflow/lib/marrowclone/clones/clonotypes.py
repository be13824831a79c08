"""Clonotypes as evidence for clones: one more word where a patient's tumour has two of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from .terms import Term


def receptor(clonality: pd.DataFrame) -> pd.Series:
    """Receptor of each cell (index cell): heavy CDR3 and light chain as contigs show them, "" where they do not.

    A cell with two heavy chains, and one whose contigs fit several clonotypes, says nothing. The light chain is part
    of it, for a clone may change it and keep its heavy chain.

    Parameters
    ----------
    clonality
        ``embedding/{patient}.clonality.tsv.gz``: cell, clonotype_cdr3, light_chain, chain_source, multiplet.
    """
    table = clonality.set_index("cell")
    own = table["clonotype_cdr3"].fillna("").astype(str)
    by_contig = table["chain_source"].eq("contigs") & table["light_chain"].isin(["kappa", "lambda"])
    light = table["light_chain"].where(by_contig, "")
    sure = (own != "") & (light != "") & ~table["multiplet"].fillna(False).astype(bool)
    return pd.Series(np.where(sure, own + " " + light, ""), index=table.index)


def clonotype_term(receptors: pd.Series, cells: np.ndarray, *, settings: Mapping[str, Any]) -> Term | None:
    """What the receptors say of each cell; None where the malignant cells share one.

    Multinomial per clone: nearly all cells of a clone show its own receptor, the rest (``clonotype_error``: soup,
    doublets, contigs of neighbours) any other as often as it is met. A cell without a receptor says nothing. No clone
    may have receptors in any mixture it likes: one word per cell could never tell that from two clones.

    Parameters
    ----------
    receptors
        per cell (index), "" where missing (:func:`receptor`).
    cells
        ids of the malignant cells (n), in the order of the result.
    """
    own = receptors.reindex(cells).fillna("")
    seen = own[own != ""]
    counts = seen.value_counts()
    names = sorted(counts.index[counts >= int(settings["min_clonotype_cells"])], key=lambda c: (-counts[c], c))
    if len(names) < 2:
        return None
    error = float(settings["clonotype_error"])
    shown = own.where(own.isin(names) | (own == ""), "other").to_numpy()
    words = [*names, *(["other"] if (shown == "other").any() else [])]
    pooled = np.array([(shown == w).sum() for w in words], dtype=float)
    pooled /= pooled.sum()
    chance = np.empty((len(words), len(names)))
    for g in range(len(names)):
        chance[:, g] = error * pooled / max(1 - pooled[g], 1e-9)
        chance[g, g] = 1 - error
    log_p = np.zeros((len(cells), 1, len(names)), dtype=np.float32)
    for w, word in enumerate(words):
        log_p[shown == word, 0] = np.log(chance[w])
    return Term(
        kind="clonotype",
        features=("receptor",),
        levels=tuple(names),
        steps=np.arange(len(names), dtype=float),
        min_step=0.5,
        log_p=log_p,
    )
