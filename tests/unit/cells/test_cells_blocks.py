"""A capture goes through its checks block by block: of a file as of memory, whatever the blocks."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from captures_by_hand import defaults, simulate, write_h5
from scipy import sparse
from scipy.special import gammaln

from marrowclone.cells import doublets
from marrowclone.cells.ambient import Droplets, profile_ambient
from marrowclone.cells.blocks import CountsFile, blocks_of, collect, sum_groups, sum_rows
from marrowclone.cells.dirichlet import MOST_LOOKED_UP, DirichletMultinomial, estimate_concentration
from marrowclone.cells.droplets import N_GENES, reduce_genes
from marrowclone.cells.knee import knee
from marrowclone.cells.load import stream_droplets, to_reference, write_counts
from marrowclone.cells.qc import qc_cells
from marrowclone.cells.sources import base, read_source
from marrowclone.resources import RESOURCES, gene_table, read_resource

QC = defaults("cells", "qc_cells")
SETTINGS = QC | defaults("cells", "profile_ambient")
PANEL = read_resource(RESOURCES / "markers.tsv")
LINEAGES = read_resource(RESOURCES / "lineages.tsv")


def with_soup(n: int = 60) -> ad.AnnData:
    """A capture and small droplets of its own mixture, which are found and dropped."""
    cells, _ = simulate({"plasma": 50, "cd4_t": 50, "monocyte": 50}, depth=4000)
    soup = np.asarray(cells.X.sum(axis=0), dtype=float).ravel()
    sizes = np.random.default_rng(5).poisson(800, n)
    empty = sparse.csr_matrix(np.random.default_rng(6).multinomial(sizes, soup / soup.sum()).astype(np.int32))
    barcodes = [f"E{i:05d}-1" for i in range(n)]
    obs = pd.DataFrame({"sample": "S", "barcode": barcodes}, index=[f"S:{b}" for b in barcodes])
    return ad.AnnData(
        X=sparse.vstack([cells.X, empty], format="csr"), obs=pd.concat([cells.obs, obs]), var=cells.var, uns=cells.uns
    )


@pytest.fixture
def small_blocks(monkeypatch):
    """Some rows a block."""
    monkeypatch.setattr(base.row_ranges, "__defaults__", (5000,))


def test_a_file_in_small_blocks_gives_what_memory_gives(tmp_path, monkeypatch):
    counts = with_soup()
    write_counts(tmp_path / "c.h5ad", counts)
    found = []
    for one, most in ((counts, 1 << 22), (CountsFile(tmp_path / "c.h5ad"), 5000)):
        monkeypatch.setattr(base.row_ranges, "__defaults__", (most,))
        ambient = profile_ambient(one, None, panel=PANEL, settings=SETTINGS, seed=1)
        found.append((ambient, *qc_cells(one, panel=PANEL, settings=QC, seed=1, ambient=ambient, lineages=LINEAGES)))
    assert sum(1 for _ in CountsFile(tmp_path / "c.h5ad").blocks()) > 10  # the blocks were cut
    (soup, table, facts), (soup_too, table_too, facts_too) = found
    # every step was taken: soup found in the matrix itself, droplets tested, doublets scored
    assert soup.facts["source"] == "filtered" and table["ambient_like"].sum() > 10
    assert facts["doublet_method"] == "scrublet" and table["doublet_score"].notna().any()
    assert soup.facts == soup_too.facts and (soup.share == soup_too.share).all()
    pd.testing.assert_frame_equal(table, table_too, check_exact=True)
    assert facts == facts_too


def test_what_is_taken_of_blocks_is_what_indexing_gives(tmp_path, small_blocks):
    counts, truth = simulate({"plasma": 20, "cd4_t": 20})
    write_counts(tmp_path / "c.h5ad", counts)
    file, rows = CountsFile(tmp_path / "c.h5ad"), (truth == "plasma").to_numpy()
    columns = np.flatnonzero(counts.var_names.isin(["CD3E", "XBP1", "IGKC"]))
    whole = counts.X.tocsr()
    assert (collect(file, columns, rows).toarray() == whole[rows][:, columns].toarray()).all()
    assert collect(file, columns, rows, dtype=np.float32).dtype == np.float32
    assert collect(file, columns, np.zeros(40, dtype=bool)).shape == (0, 3)  # nothing passed
    plain = np.asarray(whole[rows].sum(axis=0)).ravel()
    assert (sum_rows(file, rows) == plain).all() and (sum_rows(whole, rows) == plain).all()
    member = sparse.csr_matrix(np.vstack([rows, ~rows]).astype(float))
    assert (sum_groups(whole, member)[0] == plain).all()
    assert [w.start for w, _ in blocks_of(file)] == [w.start for w, _ in blocks_of(counts)]


def test_reduced_counts_keep_every_umi(small_blocks):
    counts, _ = simulate({"plasma": 20, "cd4_t": 20})
    weight = np.asarray(counts.X.sum(axis=0), dtype=float).ravel()
    reduced = reduce_genes(counts, weight)
    assert reduced.counts.shape == (40, N_GENES + 4) and reduced.counts.dtype == np.int32
    assert (reduced.total == np.asarray(counts.X.sum(axis=1)).ravel()).all()
    assert (reduced.counts.toarray() == (counts.X @ reduced.place).toarray()).all()


def test_probability_that_is_looked_up_is_the_formula(small_blocks):
    rng = np.random.default_rng(1)
    share = rng.dirichlet(np.ones(200))
    counts = sparse.csr_matrix(rng.poisson(5000 * share, (50, 200)).astype(np.int32))
    assert counts.data.max() > MOST_LOOKED_UP > counts.data.min()  # both ways are taken
    dense, prior = counts.toarray().astype(float), 300.0 * share
    n = dense.sum(axis=1)
    terms = gammaln(dense + prior) - gammaln(prior) - gammaln(dense + 1)
    want = terms.sum(axis=1) + gammaln(n + 1) + gammaln(300.0) - gammaln(n + 300.0)
    assert DirichletMultinomial(share, 300.0).fit(counts.astype(float)) == pytest.approx(want, rel=1e-10)
    # multinomial droplets: no more scatter than chance, so the largest concentrations fit best
    assert estimate_concentration(counts, np.ones(50, dtype=bool), share) > 1e4


def test_raw_droplets_are_added_up_as_if_they_were_in_memory(tmp_path, small_blocks):
    cells, _ = simulate({"plasma": 20, "cd4_t": 20})
    soup = np.asarray(cells.X.sum(axis=0), dtype=float).ravel()
    empty = np.random.default_rng(1).multinomial(np.repeat([5, 50], 600), soup / soup.sum())
    matrix = np.vstack([cells.X.toarray(), empty]).astype(np.int32)
    genes = gene_table().iloc[: cells.n_vars]
    path = write_h5(tmp_path / "raw.h5", matrix, list(genes["gene_id"]), list(genes["symbol"]))
    cells.obs["barcode"] = [f"BC{i}-1" for i in range(40)]  # as the helper names them: they are called
    aliases = read_resource(RESOURCES / "aliases.tsv")
    added = stream_droplets(
        path, lambda var: Droplets(var, SETTINGS, cells.obs["barcode"]), Droplets.add,
        sample="S", genes=gene_table(), aliases=aliases, settings={"min_umi": 10},
    )  # fmt: skip
    whole = to_reference(
        read_source(path), sample="S", genes=gene_table(), aliases=aliases,
        settings={"min_umi": 10, "min_share_mapped": 0.0, "old_gene_model": "warn"},
    )  # fmt: skip
    one, two = (profile_ambient(cells, r, panel=PANEL, settings=SETTINGS, seed=1) for r in (added, whole))
    assert one.facts == two.facts and (one.share == two.share).all()
    assert one.facts["source"] == "raw" and one.facts["n_droplets"] == 600  # those of 5 UMIs are passed over
    assert knee(added.n_umi()) == knee(np.asarray(whole.X.sum(axis=1)).ravel())


def test_large_captures_are_scored_in_random_parts(monkeypatch):
    monkeypatch.setattr(doublets, "MOST_AT_ONCE", 800)
    monkeypatch.setattr(doublets, "PART", 600)
    rng = np.random.default_rng(8)
    types = rng.poisson(np.exp(rng.normal(0, 1, (3, 200))))
    means = types[rng.integers(0, 3, 1500)] + 0.05
    means[:75] += types[rng.permutation(np.arange(75) % 3)]
    counts = ad.AnnData(
        X=sparse.csr_matrix(rng.poisson(means).astype(np.int32)),
        obs=pd.DataFrame(index=[f"s:{i:05d}" for i in range(1500)]),
        var=gene_table().set_index("symbol").iloc[1000:1200],
    )
    settings = QC | {"doublet_method": "scrublet"}
    table, facts = doublets.call_doublets(counts, settings=settings, seed=1)
    assert facts["doublet_rule"].endswith("scored in 3 random parts of 500 barcodes")
    assert table["doublet_score"].notna().all()
    # a third of the made doublets are of one type and cannot be seen
    assert table["doublet"].iloc[:75].mean() > 0.4 and table["doublet"].iloc[75:].mean() < 0.05
    # parts are drawn of sorted barcodes: their order changes nothing
    order = rng.permutation(1500)
    again, _ = doublets.call_doublets(counts[order].copy(), settings=settings, seed=1)
    pd.testing.assert_frame_equal(table, again.loc[table.index], check_exact=True)


def test_parts_hold_each_barcode_once_and_are_of_one_size():
    most = doublets.MOST_AT_ONCE
    assert len(doublets.parts_for_scrublet(most, 1)) == 1
    parts = doublets.parts_for_scrublet(most + 1, 1)
    assert (np.sort(np.concatenate(parts)) == np.arange(most + 1)).all()
    assert max(map(len, parts)) <= doublets.PART and max(map(len, parts)) - min(map(len, parts)) <= 1
