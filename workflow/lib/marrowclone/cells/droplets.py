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
from scipy.special import xlogy

from .blocks import Counts, blocks_of, stack, sum_groups
from .coarse import IG_MAKERS
from .dirichlet import CONCENTRATIONS, deviation, estimate_concentration, parts_of
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


@dataclass(frozen=True)
class AmbientTest:
    """Arrays over all barcodes.

    Attributes
    ----------
    p_ambient
        p-value of "fits the ambient profile"; 0 for barcodes with more UMIs than are tested.
    gain
        log-likelihood under the ambient profile less that under the best cell type; -inf for
        barcodes that do not fit it, or are too large.
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


@dataclass(frozen=True)
class Reduced:
    """A capture's counts of the :data:`N_GENES` genes of the highest weight, and one column per block for the others.

    Attributes
    ----------
    counts
        CSR int32, barcodes x columns.
    block
        of each column: 0 other, 1 mitochondrial, 2 Ig, 3 haemoglobin.
    place
        the (genes x columns) map.
    total
        (barcodes,) UMIs.
    """

    counts: sparse.csr_matrix
    block: np.ndarray
    place: sparse.csr_matrix
    total: np.ndarray


def reduce_genes(counts: Counts, weight: np.ndarray) -> Reduced:
    """One pass over the counts. ``weight``: (genes,), UMIs over all barcodes.

    Genes are chosen by all barcodes: chosen by a profile's own few UMIs, they would fit it by selection.
    """
    var = counts.var
    block = np.where(ig_mask(var), 2, np.where(mito_mask(var), 1, np.where(hb_mask(var), 3, 0)))
    top = np.sort(np.argsort(-weight, kind="stable")[: min(N_GENES, weight.size)])
    column = np.full(weight.size, -1)
    column[top] = np.arange(top.size)
    column[column < 0] = top.size + block[column < 0]
    place = sparse.csr_matrix(
        (np.ones(weight.size), (np.arange(weight.size), column)), shape=(weight.size, top.size + 4)
    )
    reduced = stack(((part @ place).tocsr() for _, part in blocks_of(counts)), place.shape[1])
    total = np.asarray(reduced.sum(axis=1, dtype=np.int64)).ravel()
    return Reduced(reduced, np.concatenate([block[top], [0, 1, 2, 3]]), place, total)


def _smooth(umi: np.ndarray) -> np.ndarray:
    """Shares, with half a UMI for a gene that was not seen."""
    share: np.ndarray = (umi + 0.5) / (umi + 0.5).sum()
    return share


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
    counts: sparse.csr_matrix,
    rows: np.ndarray,
    ambient: np.ndarray,
    types: Mapping[str, np.ndarray],
    block: np.ndarray,
) -> np.ndarray:
    """Log-likelihood of each of the rows (bool) under the ambient profile less that under the best type and mixture.

    A cell's mitochondrial share is its own, and so is the Ig share of a cell that makes Ig: both differ
    so much between cells that they tell nothing of a type.
    """
    gain = np.empty(int(rows.sum()))
    mito, ig = block == 1, block == 2
    for where, part in parts_of(counts, rows):
        best = np.full(part.shape[0], -np.inf)
        for name, share in types.items():
            parts = [mito, ig, ~mito & ~ig] if name in IG_MAKERS else [mito, ~mito]
            for mixed in MIXTURES:
                best = np.maximum(best, _by_block(part, (1 - mixed) * share + mixed * ambient, parts))
        gain[where] = np.asarray(part @ np.log(ambient)).ravel() - best
    return gain


def type_profiles(counts: sparse.csr_matrix, clear: np.ndarray, kinds: np.ndarray) -> dict[str, np.ndarray]:
    """Shares of each type with :data:`LEAST_CELLS` clear cells; what all clear cells show fills in the rare genes."""
    names, code = np.unique(kinds[clear], return_inverse=True)
    # (types x barcodes) with a 1 for each clear cell
    where = np.flatnonzero(clear)
    member = sparse.csr_matrix((np.ones(where.size), (code, where)), shape=(names.size, clear.size))
    summed = sum_groups(counts, member)
    pooled = _smooth(summed.sum(axis=0))
    found = {}
    for name, umi, n in zip(names, summed, np.bincount(code, minlength=names.size), strict=True):
        if n >= LEAST_CELLS:
            filled = umi + PRIOR_UMI * pooled
            found[str(name)] = filled / filled.sum()
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
    reduced: Reduced,
    umi: np.ndarray,
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
    reduced
        the capture.
    umi
        (columns of ``reduced``,) ambient UMIs.
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
    counts, total = reduced.counts, reduced.total
    share = _smooth(umi)
    tested = (total >= 1) & (total <= settings["ambient_most_umi"])
    p, gain = np.zeros(total.size), np.full(total.size, -np.inf)
    nothing = AmbientTest(p, gain, np.zeros(total.size, dtype=bool), float(CONCENTRATIONS[-1]), np.nan, {})
    if not tested.any():
        return nothing
    same = tested & (members if members is not None else np.zeros(total.size, dtype=bool))
    concentration = estimate_concentration(counts, same, share) if same.any() else given
    # a profile of few UMIs is itself uncertain: droplets scatter about it more than about the true one
    concentration = 1 / (1 / concentration + 1 / umi.sum())
    off = np.full(total.size, np.inf)
    off[tested] = deviation(counts, tested, share, concentration, rng)
    clear = eligible & (off > CLEAR_Z)
    types = type_profiles(counts, clear, kinds.to_numpy().astype(str))
    if not types:
        return nothing
    # soup comes from the capture's cells: their mixture fills in what few ambient UMIs do not tell
    weight = mixture_of_types(share, types, reduced.block)
    share = shrunk(umi, weight @ np.array(list(types.values())), reduced.block)
    if same.any():
        concentration = estimate_concentration(counts, same, share)
    off[tested] = deviation(counts, tested, share, concentration, rng)
    p[tested] = stats.norm.sf(off[tested])
    clear_size = float(np.median(total[clear]))
    is_cell = np.ones(total.size, dtype=bool)
    is_cell[tested] = stats.false_discovery_control(p[tested]) <= settings["ambient_fdr"]
    asked = ~is_cell & (total <= MOST_SIZE * clear_size)
    gain[asked] = gain_of_ambient(counts, asked, share, types, reduced.block)
    ambient_like = asked & (gain > settings["ambient_gain"])
    return AmbientTest(p, gain, ambient_like, float(concentration), clear_size, lineage_shares(types, weight))
