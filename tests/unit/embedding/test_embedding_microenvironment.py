"""The microenvironment table: shares with intervals, missing where sorting forbids a statement."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from captures_by_hand import defaults
from scipy import sparse, stats

from marrowclone.embedding.microenvironment import (
    PARTS,
    RATIO_GENES,
    clr,
    jeffreys,
    measure_microenvironment,
    measure_names,
)
from marrowclone.keys import TABLES
from marrowclone.resources import RESOURCES, gene_table, read_resource

SETTINGS = defaults("embedding", "measure_microenvironment") | {"n_bootstrap": 200}
PROGRAMMES = read_resource(RESOURCES / "microenvironment.tsv")
GENES = list(dict.fromkeys([*RATIO_GENES, *PROGRAMMES["symbol"]]))


def marrow(kinds, *, sample="S", sort="none", compartment="BM", rate=None, seed=0):
    """Cells of (type, state, number), their counts (2 UMIs of each gene, or ``rate``) and the sample's facts."""
    rows = [(t, s) for t, s, n in kinds for _ in range(n)]
    cells = pd.DataFrame(rows, columns=["cell_type", "cell_state"])
    cells.index = [f"{sample}:{i:05d}" for i in range(len(cells))]
    cells["sample"], cells["n_umi_non_ig"] = sample, 5000
    cells["is_plasma"] = cells["is_tumour_type"] = cells["cell_type"] == "plasma"
    mean = np.full((len(cells), len(GENES)), 2.0)
    for gene, value in (rate or {}).items():
        mean[:, GENES.index(gene)] = value
    x = sparse.csr_matrix(np.random.default_rng(seed).poisson(mean).astype(np.int32))
    counts = ad.AnnData(X=x, obs=cells[["sample"]].copy(), var=pd.DataFrame(index=GENES))
    facts = {"patient": "P", "timepoint": "diagnosis", "day": 0, "compartment": compartment, "sort": sort}
    return counts, cells, pd.DataFrame([facts], index=[sample])


def table_of(counts, cells, samples, *, measured=None, **settings):
    if measured is None:
        measured = pd.DataFrame(True, index=samples.index, columns=GENES)
    table = measure_microenvironment(
        counts, cells, PROGRAMMES, samples=samples, measured=measured, settings=SETTINGS | settings, seed=1
    )
    return table.set_index("measure")


MIXED = [
    ("plasma", "resting", 300), ("erythroid", "late", 200), ("cd4_t", "naive", 30), ("cd4_t", "treg", 10),
    ("cd8_t", "exhausted", 5), ("cd8_t", "effector", 15), ("monocyte", "cd14", 25), ("monocyte", "", 10),
    ("macrophage", "", 5), ("unresolved", "", 50),
]  # fmt: skip


def test_programmes_name_known_types_and_genes():
    assert set(PROGRAMMES["symbol"]) <= set(gene_table()["symbol"]) and (PROGRAMMES["source"] != "").all()


def test_shares_leave_plasma_erythroid_and_unresolved_out():
    table = table_of(*marrow(MIXED))
    assert table.loc["share.cd4_t", ["value", "n"]].tolist() == [0.4, 100]  # of 100, not of 650
    assert table.loc["share.unresolved", "value"] == pytest.approx(50 / 150)
    assert table.loc["treg_share", "value"] == 0.25 and table.loc["cd8_exhausted_share", "value"] == 0.25
    assert table.loc["macrophage_share", "value"] == 5 / 40
    assert table.loc["naive_t_share", "value"] == 0.5
    # a sixth of the monocytes has no state: it counts as not CD16, and that is said
    assert "10 cells without a state" in table.loc["cd16_monocyte_share", "note"]
    assert table.loc["cd4_cd8_ratio", "value"] == pytest.approx(40.5 / 20.5)


def test_jeffreys_is_the_beta_posterior_of_half_and_half():
    assert jeffreys(3, 20)[1:] == pytest.approx(stats.beta.ppf([0.025, 0.975], 3.5, 17.5))
    assert jeffreys(0, 20)[1] == 0 and jeffreys(20, 20)[2] == 1


def test_log_ratios_sum_to_zero_and_survive_zeros():
    table = table_of(*marrow(MIXED))
    ratios = table.loc[[f"clr.{t}" for t in PARTS]]
    assert ratios["value"].sum() == pytest.approx(0, abs=1e-9)  # the definition of a centred log-ratio
    assert np.isfinite(ratios[["value", "lower", "upper"]].to_numpy(float)).all()
    assert "the prior's" in ratios.loc["clr.pdc", "note"]
    there = ratios[ratios["note"] == ""]
    assert (there["lower"] < there["value"]).all() and (there["value"] < there["upper"]).all()
    # four times the cells: the same centre but for the pseudocount, a narrower interval
    one, two = (clr(np.array([40, 20, 10]) * k, 0.5, np.random.default_rng(0)) for k in (1, 4))
    assert np.abs(one[:, 0] - two[:, 0]).max() < 0.1
    assert (two[:, 2] - two[:, 1] < 0.7 * (one[:, 2] - one[:, 1])).all()  # half, as sqrt(4) says, with room for chance


@pytest.mark.parametrize("sort", ["CD138+", "CD138-"])
def test_a_sorted_sample_is_missing_not_zero(sort):
    table = table_of(*marrow(MIXED, sort=sort))
    assert list(table.index) == measure_names(PROGRAMMES)  # every row is there
    assert table[["value", "lower", "upper", "n"]].isna().all().all()
    assert table["note"].str.contains("missing, not zero").all()


def test_an_unsorted_sample_has_the_same_rows():
    table = table_of(*marrow(MIXED))
    assert sorted(table.index) == sorted(measure_names(PROGRAMMES)) and table.index.is_unique
    assert list(table.reset_index().columns.sort_values()) == sorted(TABLES["embedding.microenvironment"])


def test_blood_is_flagged():
    table = table_of(*marrow(MIXED, compartment="PB"))
    assert table["note"].str.startswith("blood, not marrow").all() and table["value"].notna().any()


def test_few_cells_say_nothing():
    table = table_of(*marrow([("cd8_t", "effector", 5), ("stromal", "", 29)]))
    assert np.isnan(table.loc["cd8_exhausted_share", "value"]) and "5 cd8_t" in table.loc["cd8_exhausted_share", "note"]
    assert np.isnan(table.loc["inflammatory_stroma", "value"])  # 29 of the 30 that science 9.3 asks for
    assert table_of(*marrow([("stromal", "", 30)])).loc["inflammatory_stroma", "value"] > 0


def test_no_cells_at_all():
    table = table_of(*marrow([("plasma", "", 3)]))
    assert table["value"].isna().all() and (table["note"] != "").all()


def test_scores_are_pseudobulks_with_their_spread():
    counts, cells, samples = marrow([("cd8_t", "effector", 80)], rate={"GZMK": 4.0, "GZMB": 1.0})
    table = table_of(counts, cells, samples)
    ratio = table.loc["gzmk_gzmb_ratio"]
    assert ratio["lower"] < 4 < ratio["upper"]
    # 2 UMIs of 5,000 are 4 per 10,000, but for GZMB, which has 1: 2 per 10,000
    assert table.loc["cd8_cytotoxic", "value"] == pytest.approx((5 * np.log2(5) + np.log2(3)) / 6, abs=0.1)
    assert (
        table.loc["cd8_cytotoxic", "lower"] < table.loc["cd8_cytotoxic", "value"] < table.loc["cd8_cytotoxic", "upper"]
    )


def test_neither_order_of_cells_nor_other_samples_matter():
    counts, cells, samples = marrow(MIXED)
    order = np.random.default_rng(3).permutation(len(cells))
    pd.testing.assert_frame_equal(table_of(counts, cells, samples), table_of(counts[order], cells.iloc[order], samples))
    more = marrow(MIXED, sample="A", seed=5)
    both = table_of(ad.concat([more[0], counts]), pd.concat([more[1], cells]), pd.concat([more[2], samples]))
    pd.testing.assert_frame_equal(both[both["sample"] == "S"], table_of(counts, cells, samples))


def test_genes_that_the_capture_lacks_are_no_zeros():
    counts, cells, samples = marrow(MIXED)
    measured = pd.DataFrame(True, index=samples.index, columns=GENES)
    measured[["GZMK", "ISG15", "IFI6", "MX1", "IFIT1", "OAS1"]] = False
    table = table_of(counts, cells, samples, measured=measured)
    assert np.isnan(table.loc["gzmk_gzmb_ratio", "value"])
    assert np.isnan(table.loc["ifn_1_monocytes", "value"]) and "3 of 8" in table.loc["ifn_1_monocytes", "note"]
