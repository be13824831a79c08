"""Ambient profile, empty droplets, marker conflicts, checks of the sample."""

from __future__ import annotations

import re

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from captures_by_hand import defaults, simulate
from scipy import sparse

from marrowclone.cells.ambient import ambient_percent, ambient_table, from_table, profile_ambient, read_ambient
from marrowclone.cells.coarse import coarse_types
from marrowclone.cells.conflict import find_conflicts
from marrowclone.cells.doublets import cycle_genes, genes_for_doublets
from marrowclone.cells.knee import knee
from marrowclone.cells.metrics import survey
from marrowclone.cells.qc import qc_cells
from marrowclone.cells.sample_checks import sex_genes
from marrowclone.errors import UserError
from marrowclone.keys import TABLES
from marrowclone.resources import RESOURCES, gene_table, read_resource
from marrowclone.tables import write_json, write_table

QC = defaults("cells", "qc_cells") | {"doublet_method": "none"}
SETTINGS = QC | defaults("cells", "profile_ambient")
PANEL = read_resource(RESOURCES / "markers.tsv")
LINEAGES = read_resource(RESOURCES / "lineages.tsv")
MIX = {"plasma": 40, "cd4_t": 40, "monocyte": 40}


def with_empties(counts: ad.AnnData, n: int, size: float, *, prefix: str = "E", seed: int = 5) -> ad.AnnData:
    """The capture and ``n`` droplets of its own mixture, of about ``size`` UMIs."""
    rng = np.random.default_rng(seed)
    soup = np.asarray(counts.X.sum(axis=0), dtype=float).ravel()
    sizes = rng.poisson(size * np.exp(rng.normal(0, 0.3, n)))
    empty = sparse.csr_matrix(rng.multinomial(sizes, soup / soup.sum()).astype(np.int32))
    barcodes = [f"{prefix}{i:05d}-1" for i in range(n)]
    obs = pd.DataFrame({"sample": "S", "barcode": barcodes}, index=[f"S:{b}" for b in barcodes])
    return ad.AnnData(
        X=sparse.vstack([counts.X, empty], format="csr"),
        obs=pd.concat([counts.obs, obs]),
        var=counts.var,
        uns=counts.uns,
    )


def soup_of(counts: ad.AnnData, raw: ad.AnnData | None = None):
    return profile_ambient(counts, raw, panel=PANEL, settings=SETTINGS, seed=1)


def judged(counts: ad.AnnData, raw: ad.AnnData | None = None):
    table, facts = qc_cells(counts, panel=PANEL, settings=QC, seed=1, ambient=soup_of(counts, raw), lineages=LINEAGES)
    return table.set_index("cell"), facts


def test_raw_droplets_of_other_genes_are_refused_in_words():
    cells, _ = simulate(MIX)
    raw = with_empties(cells, 1500, 50)
    raw.var_names = [f"mouse_{name}" for name in raw.var_names]
    with pytest.raises(UserError, match="raw_path"):
        soup_of(cells, raw)


@pytest.mark.parametrize("suffix", ["counts", "raw", "both", "neither"])
def test_called_cells_are_no_droplets_whichever_matrix_carries_the_suffix(suffix):
    """Small called cells lie in the window of 10 to 100 UMIs; many tools cut ``-1`` off one of the two matrices."""
    cells, _ = simulate(MIX)
    small = with_empties(cells, 300, 50, prefix="C", seed=6)
    raw = with_empties(small, 1500, 50)
    small.obs["barcode"] = [b if suffix in ("counts", "both") else b.removesuffix("-1") for b in small.obs["barcode"]]
    raw.obs["barcode"] = [b if suffix in ("raw", "both") else b.removesuffix("-1") for b in raw.obs["barcode"]]
    assert soup_of(small, raw).facts == soup_of(cells[:, :], raw[~raw.obs_names.str.contains(":C")].copy()).facts


def test_raw_droplets_that_give_no_profile_are_said_to_be_unused():
    cells, _ = simulate(MIX)
    few = with_empties(cells, 20, 50)  # about 1,000 UMIs
    _, facts = judged(cells, few)
    assert facts["ambient"]["source"] == "t_nk"
    (check,) = [c for c in facts["checks"] if c["check"] == "raw droplets"]
    assert check["verdict"] == "warn" and check["text"] in facts["warnings"]
    n, umi = re.search(r"10 to 100 UMIs that are no called cells are (\d+) with (\d+) UMIs", check["text"]).groups()
    assert int(n) <= 20 and 700 < int(umi) < 1300 and "expected 10 with 5000" in check["text"]
    assert check["text"].endswith("immunoglobulin and haemoglobin in T and NK cells; other genes unknown")
    for raw in (None, with_empties(cells, 1500, 50)):
        assert "raw droplets" not in [c["check"] for c in judged(cells, raw)[1]["checks"]]


def test_the_profile_is_read_as_it_was_written(tmp_path):
    cells, _ = simulate(MIX)
    found = soup_of(cells, with_empties(cells, 1500, 50))
    write_table(tmp_path / "a.tsv.gz", ambient_table(found, cells.var), columns=TABLES["cells.ambient"])
    write_json(tmp_path / "a.json", found.facts)
    again = read_ambient(tmp_path / "a.tsv.gz", tmp_path / "a.json", cells.var_names)
    assert again.complete and again.facts == found.facts
    assert again.share == pytest.approx(found.share, rel=1e-5)  # six digits are written


def test_raw_droplets_give_the_profile_and_called_cells_are_left_out():
    cells, _ = simulate(MIX)
    raw = with_empties(cells, 1500, 50)
    found = soup_of(cells, raw)
    truth = np.asarray(cells.X.sum(axis=0), dtype=float).ravel()
    assert found.facts["source"] == "raw" and found.complete
    # of 1,500 droplets about 50 +- 30% UMIs, few leave the window 10 to 100; no cell (2,000 UMIs) is in it
    assert 1300 < found.facts["n_droplets"] <= 1500
    assert np.abs(found.share - truth / truth.sum()).max() < 0.01  # IGKC, a tenth of it: SD 0.001
    again = from_table(ambient_table(found, cells.var), found.facts, cells.var_names)
    assert again.share == pytest.approx(found.share)


def test_an_unfiltered_file_needs_no_second_one():
    assert soup_of(with_empties(simulate(MIX)[0], 1500, 40)).facts["source"] == "unfiltered"


@pytest.mark.parametrize("types", [{"plasma": 150}, {"cd4_t": 150}, MIX])
def test_without_empty_droplets_none_is_called(types):
    # in a sorted sample the soup is what the cells are made of: nothing could tell small cells from it
    counts, _ = simulate(types)
    scale = np.random.default_rng(2).uniform(0.3, 1, counts.n_obs)
    thinned = counts.X.copy()
    thinned.data = np.random.default_rng(3).binomial(thinned.data, np.repeat(scale, np.diff(thinned.indptr)))
    counts.X = thinned.astype(np.int32)
    table, _ = judged(counts)
    assert not table["ambient_like"].any()


def test_order_of_barcodes_does_not_change_what_is_empty():
    counts = with_empties(simulate(MIX, depth=4000)[0], 60, 800)
    shuffled = counts[np.random.default_rng(3).permutation(counts.n_obs)].copy()
    one, _ = judged(counts)
    two, _ = judged(shuffled)
    pd.testing.assert_frame_equal(one, two.loc[one.index])


def test_ambient_share_is_read_from_what_a_cell_cannot_make():
    cells, truth = simulate({"cd4_t": 60, "plasma": 60}, depth=4000)
    soup = np.asarray(cells.X.sum(axis=0), dtype=float).ravel()
    own = np.asarray(cells.X.sum(axis=1)).ravel()
    added = np.random.default_rng(1).multinomial(np.round(own / 4).astype(int), soup / soup.sum())  # 20% of the sum
    noisy = cells.copy()
    noisy.X = sparse.csr_matrix(cells.X + sparse.csr_matrix(added.astype(np.int32)))
    profile = soup_of(noisy, with_empties(cells, 1500, 50))
    seen = survey(noisy, PANEL["symbol"])
    nearest = coarse_types(noisy, seen.table, PANEL, np.ones(noisy.n_obs, dtype=bool))["nearest"]
    share = ambient_percent(seen, nearest, profile, noisy.var, np.ones(noisy.n_obs, dtype=bool))
    t_cells = (truth == "cd4_t").to_numpy()
    # 20% added, and 3 IGKC of 4,000 UMIs that every cell has: 0.3% of a profile of 12% Ig
    assert np.median(share[t_cells]) == pytest.approx(20, abs=2)
    # no haemoglobin here, and plasma cells make the rest; in so much soup a few are taken for other cells
    plasma = (nearest == "plasma").to_numpy()
    assert np.isnan(share[plasma]).all() and plasma[~t_cells].mean() > 0.95


def doublets_of(first: str, second: str, n: int) -> tuple[ad.AnnData, np.ndarray]:
    """A capture whose first ``n`` cells of one type carry a cell of the other; which ones."""
    cells, truth = simulate({first: 60 + n, second: 60 + n})
    a, b = np.flatnonzero(truth == first), np.flatnonzero(truth == second)
    matrix = cells.X.tolil()
    matrix[a[:n]] = (cells.X[a[:n]] + cells.X[b[:n]]).tolil()
    kept = np.r_[a, b[n:]]
    return ad.AnnData(X=matrix.tocsr()[kept], obs=cells.obs.iloc[kept], var=cells.var, uns=cells.uns), np.arange(n)


# a B cell here has 2 UMIs of CD19 and 5 of BANK1, which is about the limit: some are found, none falsely
@pytest.mark.parametrize(("pair", "least"), [("plasma cd4_t", 0.75), ("plasma monocyte", 0.75), ("plasma b_cell", 0.1)])
def test_a_droplet_of_two_lineages_is_a_conflict_whichever_it_is_taken_for(pair, least):
    counts, double = doublets_of(*pair.split(), 12)
    table, facts = judged(counts)
    assert (table["conflict"].iloc[double] != "").mean() >= least
    assert not (table["conflict"].drop(table.index[double]) != "").any()
    assert table.loc[table["conflict"] != "", "reason"].str.contains("marker conflict").all()
    assert sum(facts["conflicts"].values()) == (table["conflict"] != "").sum()


def test_a_tumour_that_expresses_a_foreign_gene_is_no_conflict():
    """CD-2 tumours have MS4A1 and PAX5 (science 1.5); another may have any gene, in all of its cells."""
    counts, truth = simulate({"plasma": 60, "cd4_t": 60})
    matrix = counts.X.tolil()
    for gene, n in {"MS4A1": 8, "PAX5": 4, "NKG7": 6, "CD3D": 5}.items():
        rows = np.flatnonzero(truth == "plasma")
        matrix[rows, counts.var_names.get_loc(gene)] = np.random.default_rng(1).poisson(n, rows.size)[:, None]
    counts.X = matrix.tocsr().astype(np.int32)
    table, _ = judged(counts)
    assert (table["conflict"] == "").all()


def test_one_gene_alone_and_a_cloud_of_haemoglobin_are_no_conflict():
    counts, truth = simulate({"plasma": 60, "cd4_t": 60})
    matrix = counts.X.tolil()
    rows = np.flatnonzero(truth == "plasma")
    matrix[rows[0], counts.var_names.get_loc("CD19")] = 30  # one B gene
    matrix[:, counts.var_names.get_loc("HBB")] = 20
    matrix[:, counts.var_names.get_loc("HBA1")] = 10
    matrix[rows[1], counts.var_names.get_loc("HBB")] = 90  # four times its neighbours': under the tenfold limit
    matrix[rows[2], counts.var_names.get_loc("HBB")] = 2000  # a red cell
    counts.X = matrix.tocsr().astype(np.int32)
    table, _ = judged(counts)
    assert table["conflict"].iloc[rows[:3]].tolist() == ["", "", "erythroid"]


def test_a_kind_of_few_cells_is_not_judged():
    counts, _ = doublets_of("plasma", "cd4_t", 3)
    few = counts[:5].copy()
    got = find_conflicts(
        few, pd.Series("plasma", index=few.obs_names), np.full(5, 4000), pd.DataFrame(index=few.obs_names),
        lineages=LINEAGES, settings=QC,
    )  # fmt: skip
    assert (got == "").all()


def test_lineages_are_exclusive_known_and_sourced():
    assert LINEAGES["symbol"].is_unique and (LINEAGES["source"] != "").all()
    assert set(LINEAGES["symbol"]) <= set(gene_table()["symbol"])
    # myeloma cells carry these (science 1.2, 1.5)
    assert not set(LINEAGES["symbol"]) & {
        "NCAM1",
        "MAF",
        "MAFB",
        "MS4A1",
        "PAX5",
        "VPREB3",
        "CD27",
        "CD28",
        "KIT",
        "CST3",
    }


def test_doublet_genes_leave_out_the_cycle_and_ig():
    counts, _ = simulate(MIX)
    names = set(counts.var_names[genes_for_doublets(counts)])
    assert {"MKI67", "TOP2A", "STMN1"} <= set(cycle_genes())
    assert "XBP1" in names and not names & {"IGKC", "JCHAIN", "MT-CO1", *cycle_genes()}


def test_knee_has_few_points_and_both_ends():
    points = knee(np.r_[np.arange(1, 10_001), 0])
    assert len(points) <= 200 and points[0] == [1, 10_000] and points[-1] == [10_000, 1]
    assert knee(np.zeros(3)) == []


def test_what_the_loader_said_is_passed_on():
    counts, _ = simulate(MIX)
    counts.uns["load"]["warnings"] = ["GRCh37 gene model"]
    assert "GRCh37 gene model" in judged(counts)[1]["warnings"]


def test_sex_genes_are_counted_per_10000():
    counts, _ = simulate({"cd4_t": 2})
    matrix = sparse.lil_matrix(counts.shape, dtype=np.int32)
    for gene, n in {"XIST": 5, "DDX3Y": 1, "CD3E": 9994}.items():
        matrix[0, counts.var_names.get_loc(gene)] = n
    counts.X = matrix.tocsr()
    umi = np.array([10_000, 0])
    assert sex_genes(counts, np.array([True, False]), umi) == {"n_umi": 10_000, "xist": 5.0, "chr_y": 1.0}
    assert sex_genes(counts, np.array([False, False]), umi)["xist"] is None
