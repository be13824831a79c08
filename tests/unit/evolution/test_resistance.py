"""Resistance evidence: dropout-aware antigen loss, dosage, growth on the drug."""

import numpy as np
import pandas as pd
import pytest

from marrowclone.evolution.antigen import loss_test, soup_per_cell
from marrowclone.evolution.resistance import antigens, assess_resistance, tumour_cells
from marrowclone.keys import TABLES
from marrowclone.resources import RESOURCES, gene_table, read_resource

PANEL = read_resource(RESOURCES / "resistance.tsv")


@pytest.fixture
def settings(defaults):
    return defaults["assess_resistance"]


def nb(rng, mu, phi=0.5):
    return rng.negative_binomial(1 / phi, 1 / (1 + phi * mu))


@pytest.mark.parametrize(("mu", "n_min"), [(1.98, 5), (1.22, 7), (0.87, 10), (0.42, 18)])
def test_silence_from_the_stated_number_of_cells_on(settings, mu, n_min):
    """4.6: TNFRSF17 5, SLAMF7 7, CD38 10, FCRL5 18 cells. One more than stated, since those are rounded."""
    depth = np.full(n_min + 1, 5000.0)
    reference = {"reference_umi": round(mu * 2000), "reference_depth": np.full(2000, 5000.0)}
    test = loss_test(0, depth, **reference, settings=settings)
    assert test.call == "loss" and test.p_silent < 1e-3 and test.n_needed == n_min
    few = loss_test(0, depth[: n_min - 1], **reference, settings=settings)
    assert few.call == "not assessable" and few.p_silent >= 1e-3  # silence of fewer cells happens


def test_no_false_loss_at_the_stated_rate(settings):
    """Cells that express the gene as the reference does: silence with P0 < 1e-3 is rarer than 1e-3."""
    rng = np.random.default_rng(1)
    depth = np.full(20, 5000.0)
    calls = [
        loss_test(int(nb(rng, np.full(20, 1.22)).sum()), depth, reference_umi=1220, reference_depth=np.full(1000, 5000.0), settings=settings).call
        for _ in range(1000)
    ]  # fmt: skip
    assert calls.count("loss") <= 3  # expected fewer than 1
    assert "no loss seen" in calls and "intact" not in " ".join(calls)


def test_ambient_counts_do_not_hide_a_loss(settings):
    # 300 cells expected 600 UMI, 12 seen (2%, ambient): the ratio's bound is below 0.2
    test = loss_test(
        12, np.full(300, 5000.0), reference_umi=2000, reference_depth=np.full(1000, 5000.0), settings=settings
    )
    assert test.call == "loss" and test.ratio == pytest.approx(0.02) and test.lower < 0.02 < test.upper < 0.2


def test_soup_hides_no_loss_in_few_cells(settings):
    """8 cells expected 16 UMI; 3 seen where soup gives half a UMI to a cell, and the same 3 where there is none."""
    reference = {"reference_umi": 2000, "reference_depth": np.full(1000, 5000.0)}
    given = {**reference, "settings": settings}
    assert loss_test(2, np.full(8, 5000.0), **given, soup=4.0).call == "loss"
    assert loss_test(2, np.full(8, 5000.0), **given).call == "no loss seen"
    # more than soup explains is expression, little as it is
    assert loss_test(12, np.full(8, 5000.0), **given, soup=4.0).call == "no loss seen"
    # so few cells say nothing, soup or not
    assert loss_test(0, np.full(3, 5000.0), **given, soup=4.0).call == "not assessable"


def test_soup_makes_no_losses(settings):
    """Cells that express the gene at the reference's rate, in soup: no more false losses than the test allows."""
    rng = np.random.default_rng(2)
    given = {"reference_umi": 2500, "reference_depth": np.full(1000, 5000.0), "settings": settings, "soup": 4.0}
    counts = [int(nb(rng, np.full(8, 2.0)).sum() + rng.poisson(4.0)) for _ in range(2000)]
    assert sum(loss_test(x, np.full(8, 5000.0), **given).call == "loss" for x in counts) <= 4
    # at a third of the rate it is low, not lost
    low = [int(nb(rng, np.full(60, 0.7)).sum() + rng.poisson(30.0)) for _ in range(200)]
    given["soup"] = 30.0
    assert sum(loss_test(x, np.full(60, 5000.0), **given).call == "loss" for x in low) <= 10


def test_bystanders_that_express_the_gene_make_no_loss_of_half_of_it(settings):
    """Read as soup they would explain it; but then more should have been seen."""
    rng = np.random.default_rng(3)
    given = {"reference_umi": 1220, "reference_depth": np.full(1000, 5000.0), "settings": settings, "soup": 71.0}
    half = [int(nb(rng, np.full(60, 0.61)).sum()) for _ in range(200)]
    assert sum(loss_test(x, np.full(60, 5000.0), **given).call == "loss" for x in half) <= 2


def test_an_end_that_does_not_exist_is_missing(settings):
    test = loss_test(0, np.full(1, 5e4), reference_umi=2000, reference_depth=np.full(1000, 5000.0), settings=settings)
    assert np.isnan(test.upper) and test.call == "not assessable"


def test_soup_is_read_from_the_type_that_shows_least():
    types = pd.Series(["erythroid"] * 40 + ["nk"] * 40 + ["monocyte"] * 5 + ["plasma"] * 40)
    counts = pd.DataFrame({"CD38": [1] * 40 + [3] * 40 + [0] * 5 + [9] * 40})
    samples = pd.Series(["a"] * 125)
    found = soup_per_cell(counts, samples, types)
    assert found.loc["a", "CD38"] == 1.0  # 5 monocytes are too few to say 0
    # one lineage alone may express it
    assert soup_per_cell(counts.iloc[40:], samples.iloc[40:], types.iloc[40:]).empty
    few = soup_per_cell(counts.iloc[80:], samples.iloc[80:], types.iloc[80:])
    assert few.empty and list(few.columns) == ["CD38"]
    assert soup_per_cell(counts.iloc[:0], samples.iloc[:0], types.iloc[:0]).empty


def test_half_the_mrna_is_no_loss(settings):
    test = loss_test(
        300, np.full(300, 5000.0), reference_umi=2000, reference_depth=np.full(1000, 5000.0), settings=settings
    )
    assert test.call == "no loss seen" and test.upper < 0.75


def test_ratio_interval_covers(settings):
    rng, covered = np.random.default_rng(2), 0
    for _ in range(300):
        depth = rng.lognormal(np.log(5000), 0.5, 40)
        reference_depth = rng.lognormal(np.log(5000), 0.5, 60)
        x, y = nb(rng, 0.5 * depth * 2e-4).sum(), nb(rng, reference_depth * 2e-4).sum()
        test = loss_test(int(x), depth, reference_umi=int(y), reference_depth=reference_depth, settings=settings)
        covered += test.lower <= 0.5 <= test.upper
    assert covered >= 277  # 95% nominal of 300; below 277 has a probability under 1%


def patient(**umi):
    """Clone c1 at day 0 and 400, c2 at day 400, 30 normal cells; TNFRSF17 by group, 2 UMI unless told."""
    groups = [
        ("a", 0, "c1", "malignant"),
        ("b", 400, "c1", "malignant"),
        ("b", 400, "c2", "malignant"),
        ("b", 400, "", "normal"),
    ]
    rows, counts = [], []
    for sample, day, clone, call in groups:
        for i in range(30):
            rows.append((f"{sample}:{clone}{call}{i}", sample, day, call, clone, 5000.0))
            counts.append(umi.get(f"{clone or 'normal'}_{day}", 2))
    cells = pd.DataFrame(rows, columns=["cell", "sample", "day", "call", "clone", "depth"])
    order = cells["cell"].argsort(kind="stable").to_numpy()
    return cells.iloc[order].reset_index(drop=True), pd.DataFrame({"TNFRSF17": np.array(counts)[order]})


ARMS = pd.DataFrame(
    [
        ("c1", "chr1", "q", 3, 0.99, 0.3, "gain"), ("c2", "chr1", "q", 4, 0.99, 0.6, "gain"),
        ("c1", "chr17", "p", 2, 0.99, 0.0, "neutral"), ("c2", "chr17", "p", 1, 0.99, -0.6, "loss"),
        ("c2", "chr16", "p", 1, 0.99, -0.6, "loss"), ("c1", "chr3", "p", 2, 0.6, 0.0, "indeterminate"),
    ],
    columns=["clone", "chromosome", "arm", "state", "posterior", "log2_ratio", "call"],
)  # fmt: skip
THERAPY = [
    {"patient": "P", "start": 10, "stop": 390, "regimen": "D-R", "classes": "CD38;IMiD"},
    {"patient": "P", "start": 200, "stop": 200, "regimen": "CAR-T", "classes": "BCMA-CART"},
]
DYNAMICS = pd.DataFrame(
    [("c1", 0, 400, 0.4, 0.2, 0.6, 0.99, "CD38;IMiD;BCMA-CART", "IMiD", 50, 60), ("c2", 0, 400, -0.4, -0.6, -0.2, 0.01, "IMiD", "IMiD", 50, 60)],
    columns=["clone", "from_day", "to_day", "growth_per_month", "lower", "upper", "p_growing", "therapy_classes", "therapy_throughout", "n_from", "n_to"],
)  # fmt: skip


@pytest.fixture
def assess(settings, clinical):
    def go(cells, counts, therapy=THERAPY, arms=ARMS, dynamics=DYNAMICS):
        return assess_resistance(
            cells, counts, arms=arms, dynamics=dynamics, therapy=clinical("therapy", therapy), panel=PANEL,
            patient="P", settings=settings,
        )  # fmt: skip

    return go


def find(frame, clone, day, drug, kind):
    rows = frame[
        (frame["clone"] == clone)
        & (frame["day"] == day)
        & (frame["drug_class"] == drug)
        & (frame["evidence_type"] == kind)
    ]
    return rows.set_index("marker")


def test_loss_against_the_earlier_self(assess):
    frame = assess(*patient(c1_400=0))
    lost = find(frame, "c1", 400, "BCMA-CART", "antigen").loc["TNFRSF17"]
    assert (lost["call"], lost["reference"], lost["exposed"]) == ("loss", "own earlier cells", True)
    assert lost["strength"] == 0.9  # default of 4.6
    kept = find(frame, "c2", 400, "BCMA-CART", "antigen").loc["TNFRSF17"]
    assert (kept["call"], kept["reference"]) == ("no loss seen", "other clones") and kept["strength"] == 0
    assert list(frame.columns[:9]) == list(TABLES["evolution.resistance"])


def test_antigen_of_a_drug_not_given_is_flagged(assess):
    frame = assess(*patient(c1_400=0))
    other = find(frame, "c1", 400, "BCMA-BsAb", "antigen").loc["TNFRSF17"]
    assert (
        other["call"] == "loss" and not other["exposed"] and other["note"] == "not exposed" and other["strength"] == 0
    )
    before = find(frame, "c1", 0, "BCMA-CART", "antigen").loc["TNFRSF17"]
    assert not before["exposed"]  # the infusion came later


def test_future_cells_are_no_reference(assess):
    # c1 silent at day 0; only later cells express the gene
    frame = assess(*patient(c1_0=0))
    assert find(frame, "c1", 0, "BCMA-CART", "antigen").loc["TNFRSF17", "call"] == "not assessable"


def test_normal_cells_are_the_last_reference(assess):
    cells, counts = patient(c1_0=0, c1_400=0, c2_400=0)
    row = find(assess(cells, counts), "c1", 400, "BCMA-CART", "antigen").loc["TNFRSF17"]
    assert (row["call"], row["reference"]) == ("loss", "normal plasma cells")


def test_unmeasured_gene(assess):
    row = find(assess(*patient()), "c1", 400, "CD38", "antigen").loc["CD38"]
    assert row["call"] == "not assessable" and "not measured" in row["reference"]


def test_dosage_by_exposure(assess):
    frame = assess(*patient())
    assert find(frame, "c1", 0, "any", "dosage").empty  # nothing given yet
    first, second = (find(frame, c, 400, "any", "dosage") for c in ("c1", "c2"))
    assert first.loc["CKS1B", ["call", "strength"]].tolist() == ["gain", 0.3]
    assert second.loc["CKS1B", ["call", "strength"]].tolist() == ["amplification", 0.5]
    assert second.loc["TP53", ["call", "strength"]].tolist() == ["deletion", 0.5]
    assert first.loc["TP53", "call"] == "no change seen"
    bcma = find(frame, "c2", 400, "BCMA-CART", "dosage").loc["TNFRSF17"]
    assert bcma["call"] == "deletion" and bcma["strength"] == 0 and bcma["value"] == 1  # one copy is not loss
    assert find(frame, "c1", 400, "IMiD", "dosage").loc["CRBN", "call"] == "not assessable"
    assert find(frame, "c1", 400, "PI", "dosage").empty  # never given


def test_growth_on_the_drug(assess):
    frame = assess(*patient())
    grew = find(frame, "c1", 400, "IMiD", "phenotype").loc["growth"]
    assert grew["call"] == "grew on drug" and grew["strength"] == 0.8 and grew["value"] == 0.4
    part = find(frame, "c1", 400, "CD38", "phenotype").loc["growth"]
    assert part["call"] == "not assessable" and "throughout" in part["note"]
    assert find(frame, "c2", 400, "IMiD", "phenotype").loc["growth", "call"] == "shrank on drug"


def test_future_therapy_changes_nothing(assess):
    later = [*THERAPY, {"patient": "P", "start": 401, "regimen": "Tec", "classes": "BCMA-BsAb"}]
    pd.testing.assert_frame_equal(assess(*patient()), assess(*patient(), therapy=later))


def test_renaming_clones_renames_rows(assess):
    cells, counts = patient(c1_400=0)
    names = {"c1": "x2", "c2": "x1", "": ""}
    arms, dynamics = (t.assign(clone=t["clone"].map(names)) for t in (ARMS, DYNAMICS))
    two = assess(cells.assign(clone=cells["clone"].map(names)), counts, arms=arms, dynamics=dynamics)
    one = assess(cells, counts)
    one["clone"] = one["clone"].map(names)
    keys = ["day", "clone", "drug_class", "evidence_type", "marker"]
    pd.testing.assert_frame_equal(one.sort_values(keys, ignore_index=True), two.sort_values(keys, ignore_index=True))


def test_empty(assess, clinical):
    cells, counts = patient()
    frame = assess(cells.iloc[:0], counts.iloc[:0], therapy=(), arms=ARMS.iloc[:0], dynamics=DYNAMICS.iloc[:0])
    assert frame.empty and set(TABLES["evolution.resistance"]) <= set(frame.columns)
    empty = pd.DataFrame({c: pd.Series(dtype=str) for c in ("cell", "sample", "call", "clone")})
    assert tumour_cells(empty, empty, pd.Series(dtype=float), {}).empty


def test_panel_names_known_genes_and_their_arms():
    genes = gene_table().set_index("symbol")
    single = PANEL[PANEL["evidence_type"] != "programme"]
    assert set(single["marker"]) <= set(genes.index)
    assert antigens(PANEL) == ["TNFRSF17", "GPRC5D", "FCRL5", "SLAMF7", "CD38"]
    dosage = PANEL[PANEL["evidence_type"] == "dosage"]
    for row in dosage.itertuples():
        assert (genes.loc[row.marker, "chromosome"], genes.loc[row.marker, "arm"]) == (row.chromosome, row.arm), (
            row.marker
        )
    assert (PANEL["source"] != "").all() and (PANEL["reason"] != "").all()
    assert set(dosage["direction"]) == {"gain", "loss"}
