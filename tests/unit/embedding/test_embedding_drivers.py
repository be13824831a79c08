import numpy as np
import pandas as pd
import pytest

from marrowclone import config as configuration
from marrowclone.embedding import drivers as dr
from marrowclone.embedding.tc_class import tc_class
from marrowclone.resources import RESOURCES, read_resource

PANEL = read_resource(RESOURCES / "drivers.tsv")
GENES = PANEL["symbol"].drop_duplicates().tolist()
NORMAL = PANEL.drop_duplicates("symbol").set_index("symbol")["normal_cpm"].astype(float).fillna(0.0)
NO_GROUPS = pd.DataFrame(columns=["kind", "verdict", "group"])


@pytest.fixture(scope="module")
def settings() -> dict:
    return configuration.load({"samples": "samples.tsv"})["embedding"]["call_drivers"]


def cells(
    n, *, patient="P", cell_type="plasma", clonal=False, levels=None, depth=5000, chain="kappa", seed=0, soup=None
):
    """Poisson counts of ``n`` cells at normal levels but for ``levels`` (CPM), plus soup (UMIs per droplet)."""
    rng = np.random.default_rng(seed)
    level = (NORMAL if cell_type == "plasma" else NORMAL * 0).copy()
    for gene, cpm in (levels or {}).items():
        level[gene] = cpm
    mean = level[GENES].to_numpy() * depth / 1e6 + (soup[GENES].to_numpy() if soup is not None else 0)
    table = pd.DataFrame(
        {
            "cell": [f"{patient}:{cell_type}{seed}_{i:04d}" for i in range(n)], "sample": f"{patient}_s",
            "patient": patient, "timepoint": "diagnosis", "day": 0, "cell_type": cell_type, "is_plasma": cell_type == "plasma", "cluster": "0",
            "n_umi_non_ig": depth, "light_chain": chain if cell_type == "plasma" else "", "clonal": clonal,
        }
    )  # fmt: skip
    return pd.DataFrame(rng.poisson(mean, (n, len(GENES))), columns=GENES), table


def called(parts, settings, **more):
    counts = pd.concat([c for c, _ in parts], ignore_index=True)
    table = pd.concat([t for _, t in parts], ignore_index=True)
    return dr.call_drivers(counts, table, NO_GROUPS, PANEL, patient="P", settings=settings, **more)


DONORS = [cells(60, patient=f"H{i}", seed=i, chain="kappa") for i in (1, 2, 3)]


def class_of(levels, settings, *, n=100, **more):
    return called([cells(n, clonal=True, levels=levels, seed=9), *DONORS], settings, **more).iloc[0]


@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        ({"CCND1": 2000}, "t(11;14)"),
        ({"NSD2": 500, "FGFR3": 400, "CCND2": 300}, "t(4;14)"),
        ({"NSD2": 500, "CCND2": 300}, "t(4;14)"),  # der(14) lost: NSD2 alone
        ({"MAF": 300, "CCND2": 300, "ITGB7": 900}, "t(14;16)"),
        ({"MAFB": 300, "CCND2": 300}, "t(14;20)"),
        ({"CCND3": 1500}, "t(6;14)"),
        ({"CCND1": 80}, "D1"),
        ({"CCND2": 200}, "D2"),
        ({"CCND1": 80, "CCND2": 200}, "D1+D2"),
        ({}, "none"),
    ],
)
def test_classes_of_bergsagel_2005(levels, expected, settings) -> None:
    row = class_of(levels, settings)
    assert row["tc_class"] == expected, row["tc_reason"]
    assert row["reference"] == "3 healthy donors"


def test_a_level_near_a_limit_is_a_weak_call(settings) -> None:
    # t(11;14) and D1 are parted by the level of CCND1 alone: 550 is hardly above 500
    assert class_of({"CCND1": 560}, settings)["tc_confidence"] == "low"
    assert class_of({"CCND1": 3000}, settings)["tc_confidence"] == "high"


def test_nothing_is_invented_without_a_clone(settings) -> None:
    # a spike in polyclonal cells is not a tumour's: no class without a restricted group
    table = called([cells(100, clonal=False, levels={"NSD2": 500}), *DONORS], settings)
    assert (
        set(table["tc_class"]) == {"not assessable"}
        and not table["spike"].any()
        and "fewer than 20" in table["tc_reason"][0]
    )
    healthy = called([cells(100, clonal=True, levels={"NSD2": 500}), *DONORS], settings, healthy=True)
    assert set(healthy["tc_class"]) == {"not assessable"}


def test_a_few_cells_full_of_a_gene_are_no_spike(settings) -> None:
    # 5 of 100 cells with 30 molecules of NSD2: 300 per million, far above normal, in 5% of cells
    counts, table = cells(100, clonal=True, seed=9)
    counts.loc[:4, "NSD2"] = 30
    row = called([(counts, table), *DONORS], settings).set_index("gene").loc["NSD2"]
    assert row["z"] > 4 and row["detected"] < row["detected_needed"] and not row["spike"]


def test_the_needed_share_follows_depth(settings) -> None:
    # 20% of 5,000-UMI cells (science 1.5) is 4.4% of 1,000-UMI cells at the same level
    shallow = class_of({"NSD2": 100}, settings)
    assert shallow["detected_needed"] == pytest.approx(0.20, abs=0.01)
    row = called([cells(300, clonal=True, levels={"NSD2": 100}, depth=1000, seed=9), *DONORS], settings)
    row = row.set_index("gene").loc["NSD2"]
    assert row["detected_needed"] == pytest.approx(1 - 0.8 ** (1000 / 5000), abs=0.005)
    # a flat 20% would miss it: 100 per million shows in 10% of these cells
    assert row["detected"] < 0.2 and row["spike"]


def test_soup_of_another_gene_source_is_no_spike(settings) -> None:
    # one molecule of MAF in every second droplet, T cells' as well
    soup = pd.Series(0.0, index=GENES)
    soup["MAF"] = 0.5
    parts = [cells(100, clonal=True, seed=9, soup=soup), cells(50, cell_type="cd4_t", soup=soup, seed=4)]
    assert called([*parts, *DONORS], settings).iloc[0]["tc_class"] == "none"
    # T cells express MAF themselves: what only they have is no soup, or a real spike would be lost
    parts = [cells(100, clonal=True, levels={"MAF": 300}, seed=9), cells(50, cell_type="cd4_t", levels={"MAF": 900}),
             cells(50, cell_type="erythroid", seed=5)]  # fmt: skip
    assert called([*parts, *DONORS], settings).iloc[0]["tc_class"] == "t(14;16)"


def test_doublets_with_macrophages_take_no_part(settings) -> None:
    # MAF and MAFB are macrophage genes: 40 of 100 cells carry a macrophage's
    macrophage = {"MAF": 1000, "MAFB": 2000, "C1QA": 3000, "C1QB": 3000, "CD163": 800}
    parts = [cells(60, clonal=True, seed=9), cells(40, clonal=True, seed=8, levels=macrophage)]
    table = called([*parts, *DONORS], settings)
    assert table.iloc[0]["tc_class"] == "none" and table.iloc[0]["n_cells"] == 60


def test_the_reference_is_named_and_a_published_one_makes_a_weak_call(settings) -> None:
    own = cells(40, clonal=False, chain="lambda", seed=3)
    assert (
        "own polyclonal" in called([cells(50, clonal=True, levels={"NSD2": 500}), own], settings).iloc[0]["reference"]
    )
    alone = called([cells(50, clonal=True, levels={"NSD2": 500})], settings).iloc[0]
    assert alone["reference"].startswith("published") and alone["tc_confidence"] == "low"
    assert alone["tc_class"] == "t(4;14)"


def test_a_class_stands_for_each_timepoint(settings) -> None:
    # NSD2 at diagnosis, CCND1 at relapse: another tumour or another person's tube, seen only apart
    first, (counts, table) = (
        cells(60, clonal=True, levels={"NSD2": 500}, seed=9),
        cells(60, clonal=True, levels={"CCND1": 2000}, seed=8),
    )
    later = (counts, table.assign(timepoint="relapse", day=400))
    by_group = called([first, later, *DONORS], settings).drop_duplicates("group").set_index("group")["tc_class"]
    assert by_group["timepoint diagnosis"] == "t(4;14)" and by_group["timepoint relapse"] == "t(11;14)"


def test_two_translocations_are_said(settings) -> None:
    row = class_of({"NSD2": 500, "MAF": 400}, settings)
    assert row["tc_confidence"] == "low" and "also" in row["tc_reason"]


def test_the_order_of_cells_changes_nothing(settings) -> None:
    counts = pd.concat([c for c, _ in (cells(50, clonal=True, levels={"MAF": 300}), *DONORS)], ignore_index=True)
    table = pd.concat([t for _, t in (cells(50, clonal=True), *DONORS)], ignore_index=True)
    order = np.random.default_rng(1).permutation(len(table))
    one = dr.call_drivers(counts, table, NO_GROUPS, PANEL, patient="P", settings=settings)
    two = dr.call_drivers(counts.iloc[order], table.iloc[order], NO_GROUPS, PANEL, patient="P", settings=settings)
    pd.testing.assert_frame_equal(one, two)


def test_every_gene_has_a_source() -> None:
    assert PANEL["source"].ne("").all() and PANEL["reason"].ne("").all()
    assert callable(tc_class)
