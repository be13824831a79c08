"""Ambient RNA taken out of counts: what goes, what stays, and when nothing is touched."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from captures_by_hand import defaults, simulate
from scipy import sparse

from marrowclone.cells.ambient import Ambient, describe
from marrowclone.cells.denoise import denoise_counts, modelled_genes, soup_share, take_out, why_unchanged
from marrowclone.cells.genes import ig_mask
from marrowclone.cells.load import write_counts
from marrowclone.cells.matrix import read_cells, with_genes_of

SETTINGS = defaults("cells", "denoise_counts") | {"n_genes": 600, "max_epochs": 40}
MIX = {"plasma": 100, "cd4_t": 100, "monocyte": 60}


def soupy(share: float = 0.15) -> tuple[ad.AnnData, np.ndarray, pd.DataFrame, Ambient]:
    """A capture of 1,500-UMI cells with soup of its own mixture; true types, its QC table, the profile."""
    own, truth = simulate(MIX, depth=1500)
    soup = np.asarray(own.X.sum(axis=0), dtype=float).ravel()
    rng = np.random.default_rng(4)
    amount = rng.poisson(share * 2000 * np.exp(rng.normal(0, 0.3, own.n_obs)))
    counts = own.copy()
    counts.X = (own.X + sparse.csr_matrix(rng.multinomial(amount, soup / soup.sum()))).tocsr().astype(np.int32)
    size = np.asarray(counts.X.sum(axis=1)).ravel()
    types = truth.to_numpy()
    qc = pd.DataFrame({"cell": counts.obs_names, "keep": True, "coarse_type": types, "n_umi": size})
    qc["pct_ambient"] = np.where(types == "plasma", np.nan, 100 * amount / size)  # plasma cells make the soup's Ig
    return counts, types, qc, Ambient(soup / soup.sum(), True, describe(soup / soup.sum(), own.var, "raw", 2000, 1e5))


def test_t_cells_lose_their_ig_and_plasma_cells_keep_theirs():
    counts, types, qc, ambient = soupy()
    dropped = np.flatnonzero(types == "cd4_t")[:5]
    qc.loc[dropped, "keep"] = False
    left, facts = denoise_counts(counts, qc, ambient, settings=SETTINGS, seed=1, device="cpu")
    assert left.dtype == np.int32 and left.shape == counts.shape
    # a part of what was counted: never more, never where none was
    assert (counts.X - left).min() >= 0 and (left > counts.X).nnz == 0
    assert (left[dropped] != counts.X[dropped]).nnz == 0  # barcodes that QC dropped stay as read
    ig, kept = ig_mask(counts.var), qc["keep"].to_numpy()

    def lost(kind: str, genes: np.ndarray) -> float:
        rows = kept & (types == kind)
        return 1 - left[rows][:, genes].sum() / counts.X[rows][:, genes].sum()

    # 97% of the T cells' Ig is soup, 5% of the plasma cells', 13% of the T cells' other UMIs. scAR that chooses the
    # amount of soup itself takes over 60% of the plasma cells' Ig: they resemble the soup that they made
    assert lost("cd4_t", ig) > 0.75
    assert lost("plasma", ig) < 0.1
    assert 0.05 < lost("cd4_t", ~ig) < 0.2
    assert facts["removed"]["cd4_t"]["pct_ig"] == pytest.approx(100 * lost("cd4_t", ig), abs=0.01)
    assert facts["removed"]["all"]["n_cells"] == kept.sum()


def test_order_of_cells_changes_nothing():
    counts, _, qc, ambient = soupy()
    order = np.random.default_rng(3).permutation(counts.n_obs)
    short = SETTINGS | {"max_epochs": 1, "n_genes": 100}
    one, facts = denoise_counts(counts, qc, ambient, settings=short, seed=1, device="cpu")
    two, other = denoise_counts(counts[order].copy(), qc.iloc[order], ambient, settings=short, seed=1, device="cpu")
    assert (one[order] != two).nnz == 0 and facts == other


def test_draws_are_of_what_was_counted_whatever_the_blocks():
    counts = sparse.csr_matrix(np.random.default_rng(1).poisson(0.6, (400, 50)).astype(np.int32))
    own, soup = np.full((400, 50), 0.45), np.full((400, 50), 0.15)
    whole = take_out(counts, own, soup, np.random.default_rng(2))
    assert whole.data.min() == 0 and (whole.data <= counts.data).all()
    # a quarter is soup: SD of the share over 12,000 UMIs is 0.4%; plain rounding would take none of the single ones
    assert whole.sum() / counts.sum() == pytest.approx(0.25, abs=0.02)
    rng = np.random.default_rng(2)
    parts = [take_out(counts[a:b], own[a:b], soup[a:b], rng) for a, b in ((0, 7), (7, 300), (300, 400))]
    assert (sparse.vstack(parts) != whole).nnz == 0


def test_no_more_is_taken_than_the_soup_can_give():
    counts = sparse.csr_matrix(np.array([[30, 1, 4]], dtype=np.int32))
    own, soup = np.array([[0.0, 0.0, 5.0]]), np.array([[0.004, 1e-5, 0.0]])
    taken = take_out(counts, own, soup, np.random.default_rng(1)).toarray()[0]
    # a network that learnt nothing of a gene calls all of it soup: of 0.004 expected UMIs one may have been there
    assert taken.tolist() == [1, 0, 0]


def test_a_droplet_holds_the_typical_soup():
    # 100 UMIs of 1,000 and of 4,000; no droplet is all soup
    assert soup_share(np.array([1000.0, 4000.0, 90.0]), 100.0).tolist() == [0.1, 0.025, 0.95]


def test_genes_are_ambient_and_seen():
    matrix = sparse.csr_matrix(np.array([[1, 1, 1, 0], [1, 0, 1, 1], [2, 0, 1, 1]], dtype=np.int32))
    ambient = Ambient(np.array([0.1, 0.6, 0.0, 0.3]), True, {"source": "raw"})
    assert modelled_genes(matrix, ambient, 10).tolist() == [0]  # seen in three cells, and in the soup


def test_when_counts_stay_as_they_are():
    counts, _, qc, ambient = soupy()
    assert why_unchanged(counts, qc, ambient, SETTINGS) == ""
    other = Ambient(ambient.share, True, ambient.facts | {"source": "filtered", "source_text": "barcodes"})
    assert "not from droplets" in why_unchanged(counts, qc, other, SETTINGS)
    assert "fewer than min_cells" in why_unchanged(counts, qc.iloc[:99], ambient, SETTINGS)
    # 100 plasma cells say nothing of how much soup they hold
    assert "tell how much" in why_unchanged(counts, qc[qc["coarse_type"] == "plasma"], ambient, SETTINGS)
    unused = Ambient(ambient.share, True, other.facts | {"raw_unused": "its droplets are 3"})
    assert "raw_path: its droplets are 3" in why_unchanged(counts, qc, unused, SETTINGS)


@pytest.mark.parametrize("n", [49, 50])
def test_a_soup_of_few_genes_teaches_nothing(n):
    counts, _, qc, ambient = soupy()
    share = np.zeros_like(ambient.share)
    seen = np.flatnonzero((ambient.share > 0) & (counts.X.getnnz(axis=0) >= 3))
    share[seen[:n]] = 1 / n
    why = why_unchanged(counts, qc, Ambient(share, True, ambient.facts), SETTINGS)
    assert why == "" if n == 50 else why.startswith("49 genes are in the soup")


def test_light_chains_come_from_the_counts_as_read(tmp_path):
    counts, _ = simulate({"plasma": 4})
    write_counts(tmp_path / "read.h5ad", counts)
    less = counts.copy()
    less.X.data = less.X.data // 2
    less.X.eliminate_zeros()
    write_counts(tmp_path / "less.h5ad", less)
    cells = list(counts.obs_names[::-1])
    part = read_cells([tmp_path / "less.h5ad"], cells)
    got = with_genes_of(part, [tmp_path / "read.h5ad"], ["IGKC", "IGLC2"])
    is_chain = got.var_names.isin(["IGKC", "IGLC2"])
    assert (got[:, is_chain].X != counts[cells][:, is_chain].X).nnz == 0 and counts[cells, "IGKC"].X.sum() > 100
    assert (got[:, ~is_chain].X != part[:, ~is_chain].X).nnz == 0
