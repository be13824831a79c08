import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from marrowclone import tables
from marrowclone.copy_number import baseline as bl
from marrowclone.copy_number.exclusions import exclusion_reasons
from marrowclone.resources import RESOURCES, gene_table, read_resource


@pytest.fixture(scope="module")
def reasons():
    return exclusion_reasons(gene_table().set_index("symbol"), read_resource(RESOURCES / "cnv_exclusions.tsv"))


@pytest.mark.parametrize(
    "gene",
    [
        "IGKC",
        "IGLC2",
        "IGHG1",
        "IGLL5",
        "JCHAIN",
        "HLA-A",
        "HLA-DRA",
        "TRAC",
        "TRBC1",
        "TRGC1",
        "CCND1",
        "CCND3",
        "NSD2",
        "FGFR3",
        "MAF",
        "MAFB",
        "MYC",
        "HIST1H1C",
        "HIST2H2AC",
        "HSPA1A",
        "FOS",
        "JUN",
        "MKI67",
        "XIST",
        "DDX3Y",
        "MT-CO1",
    ],
)
def test_genes_of_science_1_6_are_excluded(reasons, gene):
    assert reasons[gene] != ""


@pytest.mark.parametrize("gene", ["XBP1", "CKS1B", "RB1", "TP53", "TENT5C", "ACTB", "B2M", "RPL5"])
def test_dosage_genes_stay(reasons, gene):
    # CKS1B is a cycle gene on 1q21 and is left out; the others must speak (B2M, RPL5 are winsorised, not dropped)
    assert (reasons[gene] == "") == (gene != "CKS1B")


def test_the_loci_of_science_1_6_are_covered_whole(reasons):
    # every V, D, J and C gene of the gene table, and every gene in the MHC region, whatever its name
    table = gene_table().set_index("symbol")
    assert (reasons[table["locus"].isin(["ig", "tr", "mhc"]).to_numpy()] != "").all()
    mhc = (table["chromosome"] == "chr6") & (table["end"] >= 28_510_120) & (table["start"] <= 33_480_577)
    assert (reasons[mhc.to_numpy()] != "").all() and mhc.sum() > 100
    assert (reasons[~table["chromosome"].str.fullmatch(r"chr\d+").to_numpy()] != "").all()


def test_every_exclusion_has_reason_and_source():
    table = read_resource(RESOURCES / "cnv_exclusions.tsv")
    assert (table["reason"] != "").all() and (table["source"] != "").all()


def test_genes_that_a_file_lacks_are_not_used(genome):
    var = genome.table.assign(measured=np.arange(len(genome.table)) % 2 == 0)
    genes = bl.usable_genes(var, pd.Series("", index=var.index))
    assert genes["used"].sum() == var["measured"].sum()


def test_capture_effect_is_found_and_shrunk(make_cells, genome):
    # technique doubles every 4th gene in capture T; composition differs, too, and must not matter
    effect = np.where(np.arange(len(genome.table)) % 4 == 0, 1.8, 1.0)
    parts = [
        make_cells(300, sample="S", patient="P", cell_type="cd4_t"),
        make_cells(100, sample="T", patient="P", cell_type="cd4_t", effect=effect),
    ]
    counts = sp.vstack([m for m, _ in parts]).tocsr()
    cells = pd.concat([c for _, c in parts])
    effects = bl.capture_effects(
        counts, cells["sample"].to_numpy(), cells["cell_type"].to_numpy(),
        used=genome.genes["used"].to_numpy(), all_samples=["S", "T", "U"], capture_sd=0.15, min_cells=20,
    )  # fmt: skip
    ratio = (effects["T"] / effects["S"]).to_numpy()
    well_measured = genome.genes["used"].to_numpy() & (genome.immune > np.quantile(genome.immune, 0.8))
    changed = ratio[well_measured & (effect > 1)]
    same = ratio[well_measured & (effect == 1)]
    assert np.median(changed) / np.median(same) > 1.4  # most of 1.8; the rest is shrinkage
    assert (effects["U"] == 1).all()  # no cells: nothing known, nothing corrected


def test_one_capture_cannot_differ_from_itself(make_cells, genome):
    counts, cells = make_cells(50, sample="S", patient="P", cell_type="cd4_t")
    effects = bl.capture_effects(
        counts, cells["sample"], cells["cell_type"], used=genome.genes["used"].to_numpy(),
        all_samples=["S"], capture_sd=0.15, min_cells=20,
    )  # fmt: skip
    assert (effects["S"] == 1).all()


def test_table_gives_the_same_expectation_back(make_cells, genome, tmp_path):
    counts, cells = make_cells(30, sample="S", patient="P", cell_type="plasma")
    effects = pd.DataFrame({"S": np.ones(len(genome.table)), "T": np.full(len(genome.table), 1.0)})
    effects.loc[::5, "T"] = 1.5
    baseline = bl.build_baseline(counts, cells["sample"], cells["cell_type"], genome.genes, effects)
    path = tmp_path / "P.baseline.tsv.gz"
    tables.write_table(path, bl.baseline_table(baseline), columns=bl.BASELINE_COLUMNS)
    genes, expected = bl.read_baseline(tables.read_result(path), genome.table.index)
    assert expected[genes["used"]].sum().tolist() == pytest.approx([1, 1], rel=1e-4)  # six digits are written
    np.testing.assert_allclose(expected, baseline.expected, rtol=1e-5)
    assert (genes["used"] == genome.genes["used"]).all()
