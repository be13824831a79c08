"""The diploid cells of a sample in which nobody said who is normal: clusters of immune cells, by their markers.

Copy number alone cannot say which of two groups is the diploid one: what is gained in one is lost in the other. Lineage
can: an immune cell is no part of a solid tumour. So cells are clustered by expression, and clusters in which most
cells show several marker genes of one immune lineage are taken as normal. Only for tumours that are not of the
marrow's own lineages.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy.sparse as sp

from .clusters import cluster_cells

#: Lineages that count, with the types of the marker panel that belong to each.
LINEAGES: dict[str, tuple[str, ...]] = {
    "T or NK": ("cd4_t", "cd8_t", "nk"),
    "B": ("b_cell",),
    "myeloid": ("monocyte", "macrophage", "dendritic"),
}
#: Different definers of one lineage that a cell shows [J]: soup gives one or two.
MIN_GENES = 3
#: Share of such cells that makes a cluster one of immune cells, and that no tumour cluster may reach [J].
MIN_SHARE, MAX_OTHER = 0.5, 0.25
#: Genes by which cells are clustered, the most variable ones.
N_VARIABLE = 1000


@dataclass(frozen=True)
class Diploid:
    """Cells that are taken as diploid (bool, shape (n,); none when no cluster is clear), and why."""

    is_diploid: np.ndarray
    reason: str


def diploid_cells(counts: sp.csr_matrix, symbols: pd.Index, markers: pd.DataFrame, *, seed: int) -> Diploid:
    """The immune clusters among cells of unknown kind.

    Parameters
    ----------
    counts, symbols
        CSR, n x genes, raw, cells in a fixed order.
    markers
        ``resources/markers.tsv``; its definers speak.
    seed
        of the clustering.
    """
    n = counts.shape[0]
    typed = immune_like(counts, symbols, markers)
    labels = cluster_cells(_features(counts), seed=seed)
    share = pd.Series(typed).groupby(labels).mean()
    immune = share.index[share >= MIN_SHARE]
    unclear = share.index[(share < MIN_SHARE) & (share > MAX_OTHER)]
    chosen = np.isin(labels, immune)
    if not chosen.any() or chosen.all():
        which = "no cluster" if not chosen.any() else "every cluster"
        return Diploid(np.zeros(n, dtype=bool), f"{which} of {len(share)} is one of immune cells")
    reason = (
        f"no labels: {int(chosen.sum())} cells in {len(immune)} of {len(share)} clusters whose cells show immune "
        f"markers ({share[immune].min():.0%} or more of them; {share.drop(immune).max():.0%} at most elsewhere)"
    )
    return Diploid(chosen, reason + (f"; {len(unclear)} clusters are unclear" if len(unclear) else ""))


def immune_like(counts: sp.csr_matrix, symbols: pd.Index, markers: pd.DataFrame) -> np.ndarray:
    """Cells that show at least three definers of one immune lineage, bool, shape (n,)."""
    spoken = markers[(markers["direction"] == "+") & (markers["definer"].astype(str) == "yes")]
    most = np.zeros(counts.shape[0])
    for types in LINEAGES.values():
        columns = np.flatnonzero(symbols.isin(spoken.loc[spoken["cell_type"].isin(types), "symbol"]))
        most = np.maximum(most, np.asarray((counts[:, columns] > 0).sum(axis=1)).ravel())
    return most >= MIN_GENES


def _features(counts: sp.csr_matrix) -> np.ndarray:
    """Standardised log1p per 10,000 of the most variable genes, n x genes (at most 1,000, dense)."""
    depth = np.maximum(np.asarray(counts.sum(axis=1), dtype=float).ravel(), 1.0)
    logs = sp.csr_matrix(sp.diags(1e4 / depth) @ counts.astype(float))
    logs.data = np.log1p(logs.data)
    mean = np.asarray(logs.mean(axis=0)).ravel()
    variance = np.asarray(logs.multiply(logs).mean(axis=0)).ravel() - mean**2
    seen = np.asarray((counts > 0).sum(axis=0)).ravel() >= 5
    top = np.argsort(-np.where(seen, variance, -1.0), kind="stable")[:N_VARIABLE]
    part = logs[:, np.sort(top)].toarray()
    return np.clip((part - part.mean(axis=0)) / np.maximum(part.std(axis=0), 1e-6), -5, 5)
