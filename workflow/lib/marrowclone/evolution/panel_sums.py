"""Sums of a patient's clones per capture over the genes and programmes whose change is asked for, and over others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse

from ..clones.copies import gene_copies
from ..clones.sums import Sums, dispersions, steadied, sum_groups
from ..copy_number.baseline import read_baseline
from ..keys import NORMAL
from .statistics import Array

#: Group of the normal plasma cells; no clone can have this name.
NORMAL_GROUP = "(normal)"


@dataclass(frozen=True)
class Features:
    """Sums per clone and capture of the tested genes and programmes (T) and of the genes beside them.

    Attributes
    ----------
    sums
        groups x (T + background genes); programmes are weighted sums of their genes' UMI.
    names
        of the T that are tested.
    factor
        how far each group's capture reads each column, relative; 1 where not known.
    soup, most_soup
        UMI of each column that soup gives, and gives at most, to a cell of the group's capture; NaN where not known.
    dispersion, poisson
        variance of a cell's value is ``poisson m + dispersion m^2``.
    copies
        log2 of expression by copies alone, groups x columns, relative to two copies; NaN where not known.
    """

    sums: Sums
    names: tuple[str, ...]
    factor: Array
    soup: Array
    most_soup: Array
    dispersion: Array
    poisson: Array
    copies: Array


def features_of(
    counts: sparse.csr_matrix,
    cells: pd.DataFrame,
    genes: pd.DataFrame,
    tested: Mapping[str, Sequence[str]],
    *,
    baseline: pd.DataFrame,
    soup: pd.DataFrame | None,
    profiles: pd.DataFrame,
    most_soup: pd.DataFrame | None = None,
) -> Features:
    """Sums of a patient's clones and normal plasma cells.

    Parameters
    ----------
    counts
        raw counts, cells x G; rows as ``cells``.
    cells
        of :func:`marrowclone.evolution.resistance.tumour_cells`.
    genes
        G rows by symbol: chromosome, arm, start, end, locus, measured.
    tested
        {name: symbols}.
    baseline, profiles
        ``copy_number/{patient}.baseline.tsv.gz`` and ``clones/{patient}.profiles.tsv``.
    soup, most_soup
        of :func:`marrowclone.evolution.antigen.soup_per_cell` and ``most_soup``.

    Notes
    -----
    Immunoglobulin, T-cell receptor and mitochondrial genes tell nothing of how captures scatter: they are louder than
    all others, and change with the clone or with handling.
    """
    clone = cells["clone"].to_numpy(dtype=str)
    groups = np.where((clone == "") & (cells["call"] == NORMAL).to_numpy(), NORMAL_GROUP, clone)
    quiet = ~genes["locus"].isin(["ig", "tr"]) & (genes["chromosome"] != "chrM")
    usable = (quiet & genes["measured"].astype(bool)).to_numpy()
    names = sorted(set(groups) - {"", NORMAL_GROUP})
    found = gene_copies(profiles, genes, names)
    ratio = _by_state(found.state, found.log2_ratio)
    copies = pd.DataFrame(ratio, index=genes.index, columns=names).assign(**{NORMAL_GROUP: 0.0})
    _, expected = read_baseline(baseline, genes.index)
    # other captures, later ones among them, have no say
    expected = expected[[c for c in expected.columns if c in set(cells["sample"])]]
    return weighted(
        counts, cells["depth"].to_numpy(dtype=float), groups, cells["sample"].to_numpy(dtype=str), list(genes.index),
        usable, tested, expected=expected, soup=soup, copies=copies,
        most_soup=most_soup,
    )  # fmt: skip


def _by_state(state: Array, log2_ratio: Array) -> Array:
    """Measured log2 ratios, 0 for two copies, clones of one state alike: what is left between those is noise."""
    result = np.where(state == 2, 0.0, log2_ratio)
    for value in np.unique(state[np.isfinite(state) & (state != 2)]):
        same = state == value
        mean = np.where(same, log2_ratio, 0.0).sum(axis=1) / np.maximum(same.sum(axis=1), 1)
        result = np.where(same, mean[:, None], result)
    return np.where(np.isfinite(state), result, np.nan)


def weighted(
    counts: sparse.csr_matrix,
    depth: Array,
    groups: np.ndarray,
    samples: np.ndarray,
    symbols: Sequence[str],
    background: np.ndarray,
    tested: Mapping[str, Sequence[str]],
    *,
    expected: pd.DataFrame,
    soup: pd.DataFrame | None,
    copies: pd.DataFrame,
    most_soup: pd.DataFrame | None = None,
) -> Features:
    """All sums that comparisons need, in one pass over the counts.

    Parameters
    ----------
    counts
        UMI, cells x genes (G).
    depth, groups, samples
        of each cell: non-immunoglobulin UMI; clone, :data:`NORMAL_GROUP`, or "" (takes no part); capture.
    symbols, background
        of each gene; whether it may tell of scatter.
    tested
        {name: symbols}, one for a gene, more for a programme; none that ``symbols`` lacks.
    expected
        genes x captures as of ``read_baseline``; may be empty.
    soup, most_soup
        captures x genes, UMI per cell; genes and captures may lack. Without ``most_soup`` it is ``soup``.
    copies
        genes x groups: log2 ratio by copies; groups may lack.
    """
    most_soup = soup if most_soup is None else most_soup
    place = {gene: i for i, gene in enumerate(symbols)}
    rows = np.flatnonzero(groups != "")
    rate = np.asarray(counts[rows].sum(axis=0), dtype=float).ravel() / max(depth[rows].sum(), 1.0)
    plain = sum_groups(counts, depth, groups, samples)
    # a gene's weight in its programme is how much a cell's count of it tells
    phi_gene = steadied(dispersions(plain), rate)
    telling = 1 / (1 + phi_gene * rate * (float(np.median(depth[rows])) if rows.size else 1.0))
    members = [[place[g] for g in of] for of in tested.values()]
    single = np.array([len(of) == 1 for of in members], dtype=bool)
    weight = np.concatenate([[1.0] if len(of) == 1 else telling[of] for of in members] or [[]])
    columns = np.repeat(np.arange(len(members)), [len(of) for of in members])
    at = np.array([i for of in members for i in of], dtype=int)
    loading = sparse.csc_matrix((weight, (at, columns)), shape=(len(symbols), len(members)))
    scores = np.asarray((counts @ loading).toarray(), dtype=float)
    own = sum_groups(scores, depth, groups, samples)
    squared = np.asarray(counts.sum(axis=0), dtype=float).ravel() @ loading.power(2)
    poisson = squared / np.maximum(scores.sum(axis=0), 1e-12)
    poisson = np.where(scores.sum(axis=0) > 0, poisson, 1.0)
    phi = np.nan_to_num(dispersions(own, poisson))
    phi[single] = [phi_gene[of[0]] for of in members if len(of) == 1]

    beside = background.copy()
    beside[at] = False
    # a programme is read as its genes are, each by its share
    shares = [rate[of] * weight[columns == i] for i, of in enumerate(members)]
    by_gene = _factors(expected, symbols, plain.sample)
    soup_gene = _soup(soup, symbols, plain.sample)
    none = np.zeros((len(plain), int(beside.sum())))
    log_copies = copies.reindex(index=list(symbols), columns=list(plain.clone)).to_numpy(dtype=float).T
    return Features(
        sums=_joined(own, plain, beside),
        names=tuple(tested),
        factor=np.hstack([_mixed(by_gene, members, shares), by_gene[:, beside]]),
        soup=np.hstack([_plus(soup_gene, members, weight), none]),
        most_soup=np.hstack([_most(soup_gene, _soup(most_soup, symbols, plain.sample), members, weight), none]),
        dispersion=np.concatenate([phi, phi_gene[beside]]),
        poisson=np.concatenate([poisson, np.ones(int(beside.sum()))]),
        copies=np.hstack([np.log2(_mixed(np.exp2(log_copies), members, shares)), log_copies[:, beside]]),
    )


def _mixed(values: Array, members: Sequence[Sequence[int]], shares: Sequence[Array]) -> Array:
    """Mean over each set's genes by their shares; equal ones where none was counted."""
    result = np.empty((len(values), len(members)))
    for column, (of, share) in enumerate(zip(members, shares, strict=True)):
        weight = share if share.sum() > 0 else np.ones(len(of))
        result[:, column] = values[:, of] @ (weight / weight.sum())
    return result


def _plus(values: Array, members: Sequence[Sequence[int]], weight: Array) -> Array:
    """Weighted sum over each set's genes."""
    result, start = np.empty((len(values), len(members))), 0
    for column, of in enumerate(members):
        result[:, column] = values[:, of] @ weight[start : start + len(of)]
        start += len(of)
    return result


def _most(soup: Array, most: Array, members: Sequence[Sequence[int]], weight: Array) -> Array:
    """The most that soup brings to each set: genes' errors are independent, so they do not all err to one side."""
    return np.asarray(_plus(soup, members, weight) + np.sqrt(_plus((most - soup) ** 2, members, weight**2)))


def _factors(expected: pd.DataFrame, symbols: Sequence[str], samples: np.ndarray) -> Array:
    """Groups x genes: factor by which each group's capture reads a gene."""
    factors, ones = capture_factors(expected, symbols), np.ones(len(symbols))
    return np.stack([factors.get(str(s), ones) for s in samples]) if len(samples) else np.ones((0, len(symbols)))


def _soup(soup: pd.DataFrame | None, symbols: Sequence[str], samples: np.ndarray) -> Array:
    if soup is None or soup.empty:
        return np.full((len(samples), len(symbols)), np.nan)
    return soup.reindex(index=list(samples), columns=list(symbols)).to_numpy(dtype=float)


def _joined(own: Sums, plain: Sums, beside: np.ndarray) -> Sums:
    def both(a: Array, b: Array) -> Array:
        return np.hstack([a, b[:, beside]])

    return Sums(
        clone=plain.clone, sample=plain.sample, cells=plain.cells, depth=plain.depth,
        depth_squared=plain.depth_squared, counts=both(own.counts, plain.counts),
        squares=both(own.squares, plain.squares), cross=both(own.cross, plain.cross),
        detected=both(own.detected, plain.detected),
    )  # fmt: skip


def capture_factors(expected: pd.DataFrame, genes: Sequence[str]) -> dict[str, np.ndarray]:
    """{capture: factor per gene} by which a capture reads a gene, relative to all captures' mean; 1 where not known."""
    if expected.empty:
        return {}
    share = expected.reindex(index=list(genes)).to_numpy(dtype=float)
    there = share > 0
    mean = np.where(there, share, 0.0).sum(axis=1, keepdims=True) / np.maximum(there.sum(axis=1, keepdims=True), 1)
    factor = np.where(there, share / np.maximum(mean, 1e-30), 1.0)
    return {str(c): factor[:, i] for i, c in enumerate(expected.columns)}
