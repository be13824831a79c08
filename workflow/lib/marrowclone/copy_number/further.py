"""Evidence on single cells that other chapters have: clonotype (V(D)J contigs) and driver spikes, as log-odds.

Both come from ``embedding/{patient}.clonality.tsv.gz`` and ``embedding/{patient}.drivers.tsv``. What is missing adds 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy.sparse as sp

#: A cell with a receptor of its own beside the tumour's clonotype [J]. Less than the 8 of the clonotype itself: a
#: tumour cell may hold a contig of the soup.
OTHER_CLONOTYPE = -4.0
#: A clonotype of this many cells may be a second clone's (a switched light chain), and says nothing [J].
EXPANDED = 3
#: All drivers together give no more than this [J]: neither ambient RNA nor drop-out may decide alone.
DRIVER_BOUND = 4.0
#: Soup: a normal cell beside the tumour holds at least this share of the tumour's level [J] (2 to 10% of a droplet).
SOUP_SHARE = 0.05
#: Variance of a spike's counts beyond Poisson, ``phi mean^2`` [J]: bursts of one gene.
SPIKE_DISPERSION = 1.0
#: UMI of reference cells from which their own level of a driver is taken.
MIN_REFERENCE_UMI = 2e5
#: Group of ``drivers.tsv`` that is read: a driver is a trunk event.
TUMOUR_GROUP = "tumour"


@dataclass(frozen=True)
class Further:
    """Evidence per cell, shape (n,) each.

    Attributes
    ----------
    clonotype, drivers
        log-odds of being malignant; 0 where nothing is known.
    dominant
        the cell has the patient's dominant clonotype.
    genes
        drivers that spoke.
    """

    clonotype: np.ndarray
    drivers: np.ndarray
    dominant: np.ndarray
    genes: tuple[str, ...] = ()

    @property
    def log_odds(self) -> np.ndarray:
        """Both together."""
        return self.clonotype + self.drivers


def nothing_further(n: int) -> Further:
    """No such evidence on any of n cells."""
    return Further(np.zeros(n), np.zeros(n), np.zeros(n, dtype=bool))


def further_evidence(
    cells: pd.Series,
    counts: sp.csr_matrix,
    symbols: pd.Index,
    *,
    normal: np.ndarray,
    clonality: pd.DataFrame,
    drivers: pd.DataFrame,
) -> Further:
    """Log-odds of each cell from its clonotype and from the tumour's driver spikes.

    Parameters
    ----------
    cells
        ids, in the order of ``counts``.
    counts, symbols
        CSR, n x genes, raw; names of the genes.
    normal
        reference cells of the tumour's type (bool): what a normal cell shows of a driver. May be none.
    clonality, drivers
        ``keys.TABLES["embedding.clonality"]`` and ``["embedding.drivers"]`` of the patient; may be empty.
    """
    clonotype, dominant = clonotype_odds(cells, clonality)
    spikes = drivers[(drivers["group"] == TUMOUR_GROUP) & drivers["spike"].eq(True) & drivers["gene"].isin(symbols)]
    by_drivers = driver_odds(counts, symbols, normal, spikes)
    return Further(clonotype, by_drivers, dominant, tuple(spikes["gene"]))


def clonotype_odds(cells: pd.Series, clonality: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Log-odds by clonotype, and which cells have the dominant one; both shape (n,).

    The dominant clonotype gives what ``clonotype_log_odds`` says (8, science 1.4). Beside one, a cell whose contigs are
    of a clonotype of one or two cells is of another lineage.
    """
    table = clonality.set_index("cell").reindex(cells)
    dominant = table["clonotype_dominant"].eq(True).to_numpy()
    odds = pd.to_numeric(table["clonotype_log_odds"], errors="coerce").fillna(0.0).to_numpy(dtype=float).copy()
    if clonality["clonotype_dominant"].eq(True).any():
        named = table["clonotype"].fillna("").astype(str)
        size = named.map(clonality["clonotype"].fillna("").astype(str).value_counts())
        small = (named != "").to_numpy() & (size < EXPANDED).to_numpy()
        odds[small & ~dominant & ~table["multiplet"].eq(True).to_numpy()] = OTHER_CLONOTYPE
    return odds, dominant


def driver_odds(counts: sp.csr_matrix, symbols: pd.Index, normal: np.ndarray, spikes: pd.DataFrame) -> np.ndarray:
    """Log-odds of each cell by whether it shows the tumour's spike genes, shape (n,).

    ``spikes``: rows of ``drivers.tsv`` (gene, level in CPM of non-immunoglobulin UMI, normal_mean = ln(CPM + 10)). A
    normal cell's level is that of the ``normal`` cells, or of the table where these are few; never less than soup.
    """
    odds = np.zeros(counts.shape[0])
    if spikes.empty:
        return odds
    counted = np.flatnonzero(~symbols.str.match(r"IG[HKL]"))
    depth = np.asarray(counts[:, counted].sum(axis=1), dtype=float).ravel()
    total = float(depth[normal].sum())
    levels = spikes["level"].to_numpy(dtype=float)
    of_others = np.maximum(np.exp(spikes["normal_mean"].to_numpy(dtype=float)) - 10.0, 0.0)
    for gene, level, usual in zip(spikes["gene"], levels, of_others, strict=True):
        seen = np.asarray(counts[:, np.flatnonzero(symbols == gene)].sum(axis=1), dtype=float).ravel()
        if total >= MIN_REFERENCE_UMI:
            usual = (float(seen[normal].sum()) + 0.5) / total * 1e6
        usual = max(usual, SOUP_SHARE * level)
        if level <= usual:
            continue
        of_tumour, of_normal = (_detection(depth * cpm / 1e6) for cpm in (level, usual))
        odds += np.where(seen > 0, np.log(of_tumour / of_normal), np.log((1 - of_tumour) / (1 - of_normal)))
    return np.clip(odds, -DRIVER_BOUND, DRIVER_BOUND)


def _detection(mean: np.ndarray) -> np.ndarray:
    """Probability of at least one count, negative binomial."""
    p: np.ndarray = np.clip(1 - (1 + SPIKE_DISPERSION * mean) ** (-1 / SPIKE_DISPERSION), 1e-6, 1 - 1e-6)
    return p
