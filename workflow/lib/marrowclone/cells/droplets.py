"""Does a droplet hold a cell, or only ambient RNA?

Two questions, and both must say "no cell". Does the droplet fit the ambient profile (EmptyDrops' question: Lun
2019 Genome Biol 20:63; Dirichlet-multinomial, FDR)? And does the ambient profile explain it better than any
cell type of the capture with up to half ambient RNA? The second keeps what the first alone would lose: in a
sorted sample the soup is what the cells are made of, no small cell differs from it, and none is called empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse, stats
from scipy.special import gammaln, xlogy

from .coarse import IG_MAKERS
from .genes import hb_mask, ig_mask, mito_mask

#: Genes with a place of their own in the tests; the others are one per block. Noise of the profiles grows
#: with the number of genes, what tells cells from soup lies in the high ones. [J]
N_GENES = 1000
#: Ambient shares that a cell is allowed when it is held against the soup. [J]
MIXTURES = (0.0, 0.1, 0.25, 0.5)
#: A type needs this many clear cells to have a profile, and gets so many UMIs of the mean cell to start with. [J]
LEAST_CELLS, PRIOR_UMI = 3, 50.0
#: A clear cell lies this many SD off the ambient profile. [J]
CLEAR_Z = 6.0
#: A droplet without a cell is smaller than half the median clear cell; the droplets of a profile that is found
#: among barcodes of a filtered matrix have a median under a third of it. [J]
MOST_SIZE, MOST_MEDIAN_SIZE = 0.5, 1 / 3
#: Soup is a mixture: no lineage makes up more of it. [J]
MOST_ONE_LINEAGE = 0.85
#: Types of one lineage, for that rule; others are lineages of their own.
LINEAGE: dict[str, str] = {
    "cd4_t": "t_nk", "cd8_t": "t_nk", "nk": "t_nk", "b_cell": "b", "pre_b": "b", "monocyte": "myeloid",
    "macrophage": "myeloid", "dendritic": "myeloid", "neutrophil": "myeloid",
}  # fmt: skip
#: Shape of the Gamma of a gene's ambient share about the mixture of the capture's types (CV 70%). [J]
PRIOR_SHAPE = 2.0
#: Concentrations of the Dirichlet to choose from: droplets of one soup differ a little more than by chance.
CONCENTRATIONS = 10.0 ** np.arange(2.5, 6.1, 0.25)
DRAWS, POINTS = 200, 30


@dataclass(frozen=True)
class AmbientTest:
    """Arrays over all barcodes.

    Attributes
    ----------
    p_ambient
        p-value of "fits the ambient profile"; 0 for barcodes with more UMIs than are tested.
    gain
        log-likelihood under the ambient profile less that under the best cell type; -inf where not tested.
    ambient_like
        fits, and gains.
    concentration
        of the Dirichlet.
    clear_size
        median UMIs of the clear cells; NaN without any.
    lineages
        lineage -> its share of the ambient profile, as a mixture of the capture's types.
    """

    p_ambient: np.ndarray
    gain: np.ndarray
    ambient_like: np.ndarray
    concentration: float
    clear_size: float
    lineages: Mapping[str, float]


def reduce_genes(
    matrix: sparse.csr_matrix, var: pd.DataFrame, weight: np.ndarray
) -> tuple[sparse.csr_matrix, np.ndarray, sparse.csr_matrix]:
    """The :data:`N_GENES` genes of the highest weight, and one column per block for the others.

    Returns
    -------
    (barcodes x columns) counts, block of each column (0 other, 1 mitochondrial, 2 Ig,
    3 haemoglobin), the (genes x columns) map.
    """
    block = np.where(ig_mask(var), 2, np.where(mito_mask(var), 1, np.where(hb_mask(var), 3, 0)))
    top = np.sort(np.argsort(-weight, kind="stable")[: min(N_GENES, weight.size)])
    column = np.full(weight.size, -1)
    column[top] = np.arange(top.size)
    column[column < 0] = top.size + block[column < 0]
    place = sparse.csr_matrix(
        (np.ones(weight.size), (np.arange(weight.size), column)), shape=(weight.size, top.size + 4)
    )
    return (matrix @ place).tocsr(), np.concatenate([block[top], [0, 1, 2, 3]]), place


def _smooth(umi: np.ndarray) -> np.ndarray:
    """Shares, with half a UMI for a gene that was not seen."""
    share: np.ndarray = (umi + 0.5) / (umi + 0.5).sum()
    return share


def _fit(counts: sparse.csr_matrix, share: np.ndarray, concentration: float) -> np.ndarray:
    """(rows,) log-probability of each row under the Dirichlet-multinomial."""
    prior = concentration * share
    at = prior[counts.indices]
    terms = gammaln(counts.data + at) - gammaln(at) - gammaln(counts.data + 1.0)
    total = np.asarray(counts.sum(axis=1)).ravel()
    summed = np.asarray(
        sparse.csr_matrix((terms, counts.indices, counts.indptr), shape=counts.shape).sum(axis=1)
    ).ravel()
    fit: np.ndarray = summed + gammaln(total + 1) + gammaln(concentration) - gammaln(total + concentration)
    return fit


def estimate_concentration(counts: sparse.csr_matrix, share: np.ndarray) -> float:
    """The concentration under which the droplets are most likely, of :data:`CONCENTRATIONS`."""
    return float(CONCENTRATIONS[int(np.argmax([_fit(counts, share, c).sum() for c in CONCENTRATIONS]))])


def deviation(
    counts: sparse.csr_matrix, share: np.ndarray, concentration: float, rng: np.random.Generator
) -> np.ndarray:
    """(rows,) SDs by which a row is less likely than droplets of the profile with as many UMIs.

    Mean and SD by drawing droplets of 30 sizes, between them by interpolation over log size: a tail of one in
    a million needs no million draws.
    """
    total = np.asarray(counts.sum(axis=1)).ravel()
    sizes = np.unique(np.geomspace(max(1, total.min()), max(2, total.max()), POINTS).astype(int))
    mean, sd = np.empty(sizes.size), np.empty(sizes.size)
    for i, size in enumerate(sizes):
        p = rng.standard_gamma(concentration * share, size=(DRAWS, share.size))
        drawn = sparse.csr_matrix(rng.multinomial(size, p / p.sum(axis=1, keepdims=True)).astype(float))
        fit = _fit(drawn, share, concentration)
        mean[i], sd[i] = fit.mean(), fit.std(ddof=1)
    at, where = np.log(np.maximum(total, 1)), np.log(sizes)
    off: np.ndarray = (np.interp(at, where, mean) - _fit(counts, share, concentration)) / np.interp(at, where, sd)
    return off


def _by_block(counts: sparse.csr_matrix, share: np.ndarray, groups: list[np.ndarray]) -> np.ndarray:
    """(rows,) log-likelihood with the share of each group of columns as the row has it: only what is inside counts."""
    total = np.asarray(counts.sum(axis=1)).ravel()
    inside = share.copy()
    result = np.zeros(counts.shape[0])
    for group in groups:
        inside[group] = share[group] / share[group].sum()
        n = np.asarray(counts @ group.astype(float)).ravel()
        result += xlogy(n, n / np.maximum(total, 1))
    result += np.asarray(counts @ np.log(inside)).ravel()
    return result


def gain_of_ambient(
    counts: sparse.csr_matrix, ambient: np.ndarray, types: Mapping[str, np.ndarray], block: np.ndarray
) -> np.ndarray:
    """(rows,) log-likelihood under the ambient profile less that under the best type and mixture.

    A cell's mitochondrial share is its own, and so is the Ig share of a cell that makes Ig: both differ
    so much between cells that they tell nothing of a type.
    """
    best = np.full(counts.shape[0], -np.inf)
    for name, share in types.items():
        mito, ig = block == 1, block == 2
        parts = [mito, ig, ~mito & ~ig] if name in IG_MAKERS else [mito, ~mito]
        for mixed in MIXTURES:
            best = np.maximum(best, _by_block(counts, (1 - mixed) * share + mixed * ambient, parts))
    gain: np.ndarray = np.asarray(counts @ np.log(ambient)).ravel() - best
    return gain


def type_profiles(counts: sparse.csr_matrix, clear: np.ndarray, kinds: np.ndarray) -> dict[str, np.ndarray]:
    """Shares of each type with :data:`LEAST_CELLS` clear cells, and of them all together (``all``)."""
    pooled = _smooth(np.asarray(clear.astype(float) @ counts).ravel())
    found = {}
    for name in np.unique(kinds[clear]):
        rows = clear & (kinds == name)
        if rows.sum() >= LEAST_CELLS:
            umi = np.asarray(rows.astype(float) @ counts).ravel() + PRIOR_UMI * pooled
            found[str(name)] = umi / umi.sum()
    return found


def mixture_of_types(ambient: np.ndarray, types: Mapping[str, np.ndarray], block: np.ndarray) -> np.ndarray:
    """(types,) weights of the mixture of type profiles that is nearest to the ambient profile (EM).

    Ig and mitochondrial genes are left out, and haemoglobin, which comes from lysed cells that are not captured.
    """
    used = block == 0
    target = ambient[used] / ambient[used].sum()
    parts = np.array([share[used] / share[used].sum() for share in types.values()])
    weight = np.full(len(parts), 1 / len(parts))
    for _ in range(300):
        weight = weight * (parts @ (target / (weight @ parts)))
    return weight


def shrunk(umi: np.ndarray, expected: np.ndarray, block: np.ndarray) -> np.ndarray:
    """Shares of a profile of few UMIs: each gene's a Gamma of shape :data:`PRIOR_SHAPE` about what is expected.

    Genes with many UMIs keep their own share, rare ones get the expected one. Haemoglobin keeps its own.
    """
    share: np.ndarray = (umi + PRIOR_SHAPE) / (umi.sum() + PRIOR_SHAPE / expected)
    lysed = block == 3
    share[lysed] = (umi[lysed] + 0.5) / umi.sum()
    return share / share.sum()


def lineage_shares(types: Mapping[str, np.ndarray], weight: np.ndarray) -> dict[str, float]:
    """Lineage -> share of the ambient profile."""
    found: dict[str, float] = {}
    for name, value in zip(types, weight, strict=True):
        lineage = LINEAGE.get(name, name)
        found[lineage] = found.get(lineage, 0.0) + float(value)
    return found


def judge_droplets(
    matrix: sparse.csr_matrix,
    var: pd.DataFrame,
    ambient_umi: np.ndarray,
    members: np.ndarray | None,
    kinds: pd.Series,
    eligible: np.ndarray,
    *,
    settings: Mapping[str, Any],
    seed: int,
    concentration: float | None = None,
) -> AmbientTest:
    """Test every barcode against the ambient profile.

    Parameters
    ----------
    matrix
        CSR, barcodes x genes of ``var``.
    ambient_umi
        (genes,) UMIs, or any number in proportion to the profile with its weight.
    members
        bool per barcode: the profile was made of these; None: of droplets that are not here (raw ones).
    kinds
        nearest type of each barcode.
    eligible
        bool per barcode: passes floors and mitochondrial limit, can be a clear cell.
    settings
        ``ambient_fdr``, ``ambient_gain``, ``ambient_most_umi``.
    seed
        of the drawn droplets.
    concentration
        of the Dirichlet when ``members`` is None; default ``ambient_concentration`` of the settings.
    """
    given = float(concentration or settings["ambient_concentration"])
    rng = np.random.default_rng(seed)
    total = np.asarray(matrix.sum(axis=1)).ravel()
    # genes are chosen by all barcodes: chosen by the profile's own few UMIs, they would fit it by selection
    reduced, block, place = reduce_genes(matrix, var, np.asarray(matrix.sum(axis=0), dtype=float).ravel())
    share = _smooth(np.asarray(ambient_umi @ place).ravel())
    tested = (total >= 1) & (total <= settings["ambient_most_umi"])
    p, gain = np.zeros(total.size), np.full(total.size, -np.inf)
    nothing = AmbientTest(p, gain, np.zeros(total.size, dtype=bool), float(CONCENTRATIONS[-1]), np.nan, {})
    if not tested.any():
        return nothing
    umi = np.asarray(ambient_umi @ place).ravel()
    same = tested & (members if members is not None else np.zeros(total.size, dtype=bool))
    concentration = estimate_concentration(reduced[same], share) if same.any() else given
    # a profile of few UMIs is itself uncertain: droplets scatter about it more than about the true one
    concentration = 1 / (1 / concentration + 1 / ambient_umi.sum())
    off = np.full(total.size, np.inf)
    off[tested] = deviation(reduced[tested], share, concentration, rng)
    clear = eligible & (off > CLEAR_Z)
    types = type_profiles(reduced, clear, kinds.to_numpy().astype(str))
    if not types:
        return nothing
    # soup comes from the capture's cells: their mixture fills in what few ambient UMIs do not tell
    weight = mixture_of_types(share, types, block)
    share = shrunk(umi, weight @ np.array(list(types.values())), block)
    if same.any():
        concentration = estimate_concentration(reduced[same], share)
    off[tested] = deviation(reduced[tested], share, concentration, rng)
    p[tested] = stats.norm.sf(off[tested])
    clear_size = float(np.median(total[clear]))
    gain[tested] = gain_of_ambient(reduced[tested], share, types, block)
    is_cell = np.ones(total.size, dtype=bool)
    is_cell[tested] = stats.false_discovery_control(p[tested]) <= settings["ambient_fdr"]
    ambient_like = ~is_cell & (gain > settings["ambient_gain"]) & (total <= MOST_SIZE * clear_size)
    return AmbientTest(p, gain, ambient_like, float(concentration), clear_size, lineage_shares(types, weight))
