"""infercnvpy's algorithm, configured as there, for those who want its numbers: same result, less time and memory.

The pipeline does not use it (``signal.py`` has our own baseline, centre and threshold on the same engine); that
the two are comparable, and the engine right, is judged with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd
import scipy.sparse as sp

from ..errors import UserError
from ..resources import gene_table
from . import engine, kernels
from .smoothing import Windows, chromosome_names, place_windows

#: Chromosomes that are left out unless said otherwise (infercnvpy's default, and the mitochondrial one).
LEFT_OUT: tuple[str, ...] = ("chrX", "chrY", "chrM")


def infercnv(
    log_counts: sp.spmatrix,
    genes: pd.DataFrame,
    *,
    reference: np.ndarray,
    clip: float = 3.0,
    window: int = 100,
    step: int = 10,
    threshold: float | None = 1.5,
    chunk: int | None = 5000,
    left_out: Sequence[str] = LEFT_OUT,
    threads: int = 1,
) -> tuple[Windows, sp.csr_matrix]:
    """Smoothed, centred, thresholded differences to a reference, as ``infercnvpy.tl.infercnv`` 0.6 gives them.

    Parameters
    ----------
    log_counts
        n cells x g genes, log-normalised; sparse (a dense matrix becomes sparse).
    genes
        chromosome, start, end per gene, in any order of the genome. Genes without a chromosome (missing, or a
        contig) are left out; ``1`` counts as ``chr1``.
    reference
        means of the reference categories, categories x g (:func:`category_means`). With several the difference is
        bounded: 0 between the lowest and the highest mean.
    clip, window, step
        differences are held to ``clip``; genes per window, genes between windows.
    threshold
        entries below this many SDs become 0. None keeps all.
    chunk
        cells over which one SD is taken, in the order of the cells: this is infercnvpy's ``chunksize``, on which
        its result depends. None: one SD for the whole matrix.
    threads
        cores; no result depends on it.

    Returns
    -------
    windows (table, chr_pos), signal (CSR float32, n x windows)

    Raises
    ------
    UserError
        when shapes do not fit, the values are not finite or no gene has a chromosome.
    """
    counts = sp.csr_matrix(log_counts)
    reference = np.atleast_2d(np.asarray(reference, dtype=np.float64))
    _check(counts, genes, reference, threads)
    chromosome = chromosome_names(genes["chromosome"])
    used = np.flatnonzero(~chromosome.isin(["", *left_out]).to_numpy())
    placed = pd.DataFrame({name: genes[name].to_numpy()[used] for name in ("start", "end")})
    placed = placed.assign(chromosome=chromosome.to_numpy()[used], arm="")
    windows = place_windows(placed, window=window, step=step)
    low, high = reference[:, used].min(axis=0), reference[:, used].max(axis=0)
    n = counts.shape[0]
    plan = engine.make_plan(
        counts, low[None], high[None], windows, used=used, scale=np.zeros(n), group=np.zeros(n, dtype=np.int64),
        arm=np.full(len(used), -1), n_arms=0, clip=clip, centre=np.arange(windows.n),
    )  # fmt: skip
    if threshold is None:
        return windows, engine.smooth_cells(plan, np.arange(n), 0.0, threads=threads)[0]
    if chunk is None:
        limit = threshold * engine.spread(plan, np.arange(n), threads=threads)
        return windows, engine.smooth_cells(plan, np.arange(n), limit, threads=threads)[0]
    parts: list[sp.csr_matrix] = []
    # This SD is known only when all of the chunk is smoothed, so the chunk stays dense until then: in one piece of
    # memory for all chunks, because fresh pages cost as much as the smoothing.
    dense = np.empty((min(chunk, n), windows.n))
    for start in range(0, n, chunk):
        rows = np.arange(start, min(start + chunk, n))
        parts += _chunk(plan, rows, dense, threshold, threads)
    del dense  # before the parts are copied together
    return windows, engine.stack(parts, windows.n)


def _chunk(
    plan: engine.Plan, rows: np.ndarray, dense: np.ndarray, threshold: float, threads: int
) -> list[sp.csr_matrix]:
    """Entries of ``rows`` that reach ``threshold`` SDs of theirs; ``dense`` is memory to work in."""
    block = engine.BLOCK
    pieces = [(rows[i : i + block], dense[i : min(i + block, len(rows))]) for i in range(0, len(rows), block)]
    found = list(engine.in_order(pieces, lambda piece: engine.smooth_on_cpu(plan, *piece), threads=threads))
    limit = threshold * engine.standard_deviation([b.sums for b in found], [b.squares for b in found], plan.windows.n)
    return list(engine.in_order(found, partial(engine.Block.kept, limit=limit), threads=threads))


def category_means(
    log_counts: sp.spmatrix,
    labels: Sequence[str] | np.ndarray,
    categories: Sequence[str] | None = None,
    *,
    threads: int = 1,
) -> np.ndarray:
    """Mean per gene of the cells of each category, categories x genes; of all cells when ``categories`` is None.

    Raises
    ------
    UserError
        for a category without cells.
    """
    counts = sp.csr_matrix(log_counts)
    n, n_genes = counts.shape
    if categories is None:
        part = np.zeros(n, dtype=np.int64)
        names = ["all cells"]
    else:
        names = list(categories)
        part = pd.Index(names).get_indexer(pd.Index(np.asarray(labels, dtype=object)))
        empty = [c for i, c in enumerate(names) if not (part == i).any()]
        if empty:
            raise UserError(
                f"reference categories: found no cell of {', '.join(map(repr, empty))}, expected some of each.",
                hint=f"the cells have {', '.join(map(repr, sorted(set(map(str, labels)))[:5]))}.",
            )
    rows = np.flatnonzero(part >= 0)
    longest = engine.longest_row(counts)

    def summed(cells: np.ndarray) -> np.ndarray:
        sums = np.zeros((len(names), n_genes))
        kernels.gene_sums(
            counts.data, counts.indices, counts.indptr, cells, np.zeros(n), part[cells], np.arange(n_genes), longest,
            sums,
        )  # fmt: skip
        return sums

    rows = np.flatnonzero(part >= 0)
    # blocks of one size, added in their order: the same digits with any number of threads
    blocks = [rows[i : i + MEAN_BLOCK] for i in range(0, len(rows), MEAN_BLOCK)]
    sums = np.zeros((len(names), n_genes))
    for block in engine.in_order(blocks, summed, threads=threads):
        sums += block
    return sums / np.bincount(part[rows], minlength=len(names))[:, None]


#: Cells per block of :func:`category_means`.
MEAN_BLOCK = 4096


def place_genes(names: Sequence[str]) -> pd.DataFrame:
    """chromosome, start, end, arm of genes by symbol or Ensembl id (with or without version), in their order.

    Genes that the table does not know have an empty chromosome, and are left out of every window.

    Raises
    ------
    UserError
        when fewer than half of the names are known.
    """
    table = gene_table()
    asked = pd.Index(names).astype(str)
    ensembl = asked.str.match(r"ENSG\d{11}")
    by_symbol = pd.Index(table["symbol"]).get_indexer(asked)
    by_id = pd.Index(table["gene_id"]).get_indexer(asked.str.replace(r"\..*$", "", regex=True))
    at = np.where(ensembl, by_id, by_symbol)
    if len(at) and (at >= 0).mean() < 0.5:
        unknown = ", ".join(repr(n) for n in asked[at < 0][:3])
        raise UserError(
            f"gene names: found {unknown} and others, of {len(at)} names {(at >= 0).sum()} are known, expected human "
            "symbols or Ensembl ids.",
            hint="marrowclone.cells.load knows aliases and older symbols.",
        )
    found = table.iloc[at][["chromosome", "start", "end", "arm"]].reset_index(drop=True)
    found.loc[at < 0, ["chromosome", "arm"]] = ""
    found.loc[at < 0, ["start", "end"]] = 0
    return found.set_axis(pd.Index(names), axis=0)


#: Values that are looked at in one go.
VALUES = 1 << 22


def _check(counts: sp.csr_matrix, genes: pd.DataFrame, reference: np.ndarray, threads: int) -> None:
    """Shapes, columns and values."""
    lacking = [c for c in ("chromosome", "start", "end") if c not in genes]
    if lacking:
        raise UserError(
            f"table of genes: found no column {', '.join(lacking)}, expected chromosome, start, end.",
            hint="place_genes(names) gives them for symbols and Ensembl ids.",
        )
    if not len(genes) == reference.shape[1] == counts.shape[1]:
        raise UserError(
            f"genes: found {counts.shape[1]} in the matrix, {len(genes)} in their table and {reference.shape[1]} in "
            "the reference, expected the same number.",
            hint="all three have the genes in the same order; take them from one AnnData.",
        )
    # NaN and infinity show in the extremes; a mask of all values would be a large array
    pieces = [counts.data[i : i + VALUES] for i in range(0, counts.nnz, VALUES)]
    extremes = list(engine.in_order(pieces, lambda v: (v.min(), v.max()), threads=threads))
    if not (np.isfinite(extremes).all() and np.isfinite(reference).all()):
        raise UserError("values: found NaN or infinity, expected finite log counts.", hint="look at the normalisation.")
