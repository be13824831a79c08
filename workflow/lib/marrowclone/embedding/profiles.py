"""One capture's summed expression by cell type, and how alike two captures' persons are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from ..cells.genes import unwanted_for_latent

#: Lineages that are compared type by type: no plasma cells, whose tumour differs between times and is alike between
#: patients of one subtype.
LINEAGES: dict[str, tuple[str, ...]] = {
    "T": ("cd4_t", "cd8_t"), "NK": ("nk",), "monocyte": ("monocyte",), "B": ("b_cell",),
}  # fmt: skip
#: All cells that are no tumour's, and the plasma or tumour-type cells.
OTHERS, PLASMA = "other", "plasma"
#: A gene is compared where the typical sample has this many of its molecules: below, it is counting noise [J].
MIN_UMIS = 20


def genes_of(genes: pd.DataFrame, kind: str) -> list[str]:
    """Symbols of one kind (``x``, ``y``, ``germline``) of ``resources/identity_genes.tsv``."""
    return genes.loc[genes["kind"] == kind, "symbol"].tolist()


@dataclass(frozen=True)
class SampleProfile:
    """Sums of one capture.

    Attributes
    ----------
    sums
        group (of :data:`LINEAGES`, ``other``, ``plasma``) -> (genes,) UMIs.
    n_cells
        group -> cells.
    genes
        symbols.
    compared
        (genes,) bool: autosomal genes that tell persons and neither clones, sex nor damage.
    chromosomes
        (genes,) names.
    """

    sample: str
    sums: Mapping[str, np.ndarray]
    n_cells: Mapping[str, int]
    genes: pd.Index
    compared: np.ndarray
    chromosomes: np.ndarray

    def umis(self, group: str, genes: Sequence[str]) -> float:
        """UMIs of some genes in a group."""
        return float(self.sums[group][self.genes.isin(list(genes))].sum())

    def cpm(self, group: str, gene: str) -> float:
        """A gene's UMIs per million of the compared genes in a group."""
        return self.umis(group, [gene]) / max(self.depth(group), 1.0) * 1e6

    def depth(self, group: str) -> float:
        """UMIs of the compared genes in a group."""
        return float(self.sums[group][self.compared].sum())


def sample_profile(counts: sp.csr_matrix, var: pd.DataFrame, cells: pd.DataFrame, *, sample: str) -> SampleProfile:
    """Sum a capture's cells by lineage.

    Parameters
    ----------
    counts
        CSR, cells x genes.
    var
        index symbol: chromosome, locus.
    cells
        rows as ``counts``: cell_type, is_plasma, is_tumour_type.
    """
    types = cells["cell_type"].to_numpy(dtype=object)
    plasma = (cells["is_plasma"] | cells["is_tumour_type"]).to_numpy(dtype=bool)
    members = {name: np.isin(types, parts) & ~plasma for name, parts in LINEAGES.items()}
    members |= {OTHERS: ~plasma, PLASMA: plasma}
    chromosome = var["chromosome"].astype(str).to_numpy()
    ribosomal = var.index.str.match(r"^RP[LS]\d")
    compared = ~unwanted_for_latent(var) & ~np.isin(chromosome, ["chrX", "chrY", "chrM"]) & ~ribosomal
    compared &= (var["locus"].astype(str) != "mhc").to_numpy()
    return SampleProfile(
        sample=sample,
        sums={n: np.asarray(counts[np.flatnonzero(m)].sum(axis=0), dtype=float).ravel() for n, m in members.items()},
        n_cells={n: int(m.sum()) for n, m in members.items()},
        genes=var.index,
        compared=compared,
        chromosomes=chromosome,
    )


def likeness(
    profiles: Sequence[SampleProfile], patients: Mapping[str, str], settings: Mapping[str, Any]
) -> tuple[np.ndarray, np.ndarray]:
    """How alike the persons of each pair of captures are.

    Per lineage: log ratio of each gene to the cohort (mean of the patients' means), correlated between captures over
    genes; then the mean over the lineages that both have.

    Returns
    -------
    scores
        (samples x samples): mean correlation, NaN where nothing could be compared.
    parts
        (22 x samples x samples): the same without one autosome each, for a jackknife.
    """
    n = len(profiles)
    names = [f"chr{i}" for i in range(1, 23)]
    total, weight = np.zeros((23, n, n)), np.zeros((n, n))
    for lineage in LINEAGES:
        there = [i for i, p in enumerate(profiles) if p.n_cells[lineage] >= settings["min_cells"]]
        owners = [patients[profiles[i].sample] for i in there]
        if len(set(owners)) < 2:
            continue
        sums = np.array([profiles[i].sums[lineage] for i in there])
        used = profiles[there[0]].compared & (np.median(sums, axis=0) >= MIN_UMIS)
        if used.sum() < settings["min_genes"]:
            continue
        logs = np.log((sums[:, used] + 0.5) / sums[:, used].sum(axis=1, keepdims=True))
        frame = pd.DataFrame(logs)
        centre = frame.groupby(owners).mean().mean(axis=0).to_numpy()
        ratio = logs - centre
        # no gene carries a correlation alone
        limit = 3 * np.median(np.abs(ratio)) * 1.4826
        ratio = np.clip(ratio, -limit, limit)
        place = np.ix_(there, there)
        chromosomes = profiles[there[0]].chromosomes[used]
        total[0][place] += _correlation(ratio)
        for k, name in enumerate(names):
            total[k + 1][place] += _correlation(ratio[:, chromosomes != name])
        weight[place] += 1
    scores = np.divide(total, weight, out=np.full_like(total, np.nan), where=weight > 0)
    return scores[0], scores[1:]


def _correlation(ratio: np.ndarray) -> np.ndarray:
    """Pearson correlation between rows, 0 where a row does not vary."""
    centred = ratio - ratio.mean(axis=1, keepdims=True)
    norm = np.sqrt((centred**2).sum(axis=1))
    scaled = np.divide(centred, norm[:, None], out=np.zeros_like(centred), where=norm[:, None] > 0)
    return np.asarray(scaled @ scaled.T)


def jackknife_error(parts: np.ndarray) -> float:
    """Standard error of a statistic from its values without one autosome each."""
    k = len(parts)
    return float(np.sqrt((k - 1) / k * ((parts - parts.mean()) ** 2).sum()))
