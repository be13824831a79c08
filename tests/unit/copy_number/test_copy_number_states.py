import numpy as np
import pandas as pd
import pytest

from marrowclone.copy_number import joint, states
from marrowclone.copy_number.pseudobulk import robust_log2_ratio, weighted_median

HRD = ["+3p", "+3q", "+5p", "+5q", "+7p", "+7q", "+9p", "+9q", "+11p", "+11q", "+15q", "+19p", "+19q", "+21q"]


def table_of(counts, genome, group="c1", **kwargs):
    return states.segment_states(
        counts,
        pd.Series([group] * counts.shape[0]),
        genome.plasma,
        states.arm_segments(genome.genes),
        genome.genes,
        settings={},
        **kwargs,
    )


def calls(table):
    name = table["chromosome"].str.removeprefix("chr") + table["arm"]
    return dict(zip(name, table["call"], strict=True))


def test_defaults_are_those_of_the_schema(defaults):
    # the clones chapter calls segment_states with partial settings: they must mean the same
    assert defaults["call_arms"] == {**states.DEFAULTS, **joint.DEFAULTS}
    shared = {k: v for k, v in defaults["call_malignant"].items() if k in states.DEFAULTS}
    assert shared == states.DEFAULTS


def test_expected_ratios_with_dosage_compensation():
    # science appendix A.5: 1 + 0.8 (c/2 - 1): one copy 0.6, three copies 1.4
    ratio = 2 ** states.expected_log2_ratio(0.8)
    assert ratio[1:5] == pytest.approx([0.6, 1.0, 1.4, 1.8])


def test_posterior_prefers_neutral_when_nothing_is_known():
    posterior = states.state_posterior(np.array([np.nan]), np.array([1.0]), dosage=0.8, prior_neutral=0.8)
    assert posterior[0].argmax() == 2
    assert posterior[0].sum() == pytest.approx(1)


def test_gain_loss_and_neutral(make_cells, genome):
    counts, _ = make_cells(60, sample="S", patient="P", cell_type="plasma", events=["+1q", "-13q"])
    table = table_of(counts, genome)
    found = calls(table)
    assert found["1q"] == "gain" and found["13q"] == "loss"
    state = table.set_index(["chromosome", "arm"])["state"]
    assert state[("chr1", "q")] == 3 and state[("chr13", "q")] == 1
    others = {a: c for a, c in found.items() if a not in ("1q", "13q")}
    assert not {"gain", "loss"} & set(others.values())


def test_hyperdiploid_clone_has_no_false_losses(make_cells, genome):
    # 37% of genes gained: centring by the mean would fake losses everywhere else (science 1.6)
    counts, _ = make_cells(80, sample="S", patient="P", cell_type="plasma", events=HRD)
    found = calls(table_of(counts, genome))
    assert "loss" not in found.values()
    assessable = [a[1:] for a in HRD if found[a[1:]] != "indeterminate"]
    assert len(assessable) >= 10
    assert {found[a] for a in assessable} == {"gain"}


def test_one_spiking_gene_is_not_a_gain(make_cells, genome):
    counts, _ = make_cells(60, sample="S", patient="P", cell_type="plasma")
    symbol = genome.genes.index[(genome.genes["chromosome"] == "chr16") & (genome.genes["arm"] == "q")][20]
    counts = counts.tolil()
    counts[:, genome.table.index.get_loc(symbol)] = 500
    assert calls(table_of(counts.tocsr(), genome))["16q"] == "neutral"


def test_few_genes_or_cells_are_indeterminate(make_cells, genome):
    counts, _ = make_cells(3, sample="S", patient="P", cell_type="plasma", events=["-13q"])
    assert set(table_of(counts, genome)["call"]) == {"indeterminate"}  # 3 cells < min_cells
    counts, _ = make_cells(60, sample="S", patient="P", cell_type="plasma", events=["+18p"])
    table = table_of(counts, genome)
    small = table[table["n_genes"] < states.DEFAULTS["min_genes"]]
    assert len(small) and set(small["call"]) == {"indeterminate"}


def test_reference_per_sample_takes_out_the_capture(make_cells, genome):
    # timepoint = batch: an effect on a whole arm in one capture is not an event when the reference knows it
    arm = (genome.table["chromosome"] + genome.table["arm"]).to_numpy()
    effect = np.where(arm == "chr12q", 1.5, 1.0)
    counts, cells = make_cells(60, sample="S", patient="P", cell_type="plasma", effect=effect)
    assert calls(table_of(counts, genome))["12q"] == "gain"  # without knowing it: a false gain
    expected = pd.DataFrame({"S": genome.plasma * effect, "T": genome.plasma}, index=genome.table.index)
    table = states.segment_states(
        counts, pd.Series(["c1"] * 60), expected, states.arm_segments(genome.genes), genome.genes,
        settings={}, samples=cells["sample"],
    )  # fmt: skip
    assert calls(table)["12q"] == "neutral"


def test_order_of_cells_does_not_matter(make_cells, genome):
    counts, _ = make_cells(40, sample="S", patient="P", cell_type="plasma", events=["+1q"])
    order = np.random.default_rng(1).permutation(40)
    a, b = table_of(counts, genome), table_of(counts[order], genome)
    np.testing.assert_allclose(a["log2_ratio"], b["log2_ratio"], atol=1e-9)  # sums of integers


def test_no_group_no_rows(make_cells, genome):
    counts, _ = make_cells(5, sample="S", patient="P", cell_type="plasma")
    table = table_of(counts, genome, group="")
    assert len(table) == 0 and list(table.columns) == list(states.STATE_COLUMNS)


def test_bins_stay_within_arms(genome):
    bins = states.bin_segments(genome.genes[genome.genes["used"]], genes_per_segment=40)
    assert (bins["start"] <= bins["end"]).all()
    arms = states.arm_segments(genome.genes[genome.genes["used"]])
    merged = bins.groupby(["chromosome", "arm"], sort=False).agg(start=("start", "min"), end=("end", "max"))
    expected = arms.set_index(["chromosome", "arm"])[["start", "end"]]
    pd.testing.assert_frame_equal(merged.sort_index(), expected.sort_index(), check_dtype=False)


def test_ratio_is_unbiased_at_low_counts():
    # log((O+0.5)/(E+0.5)) would be biased where E is below 1; the quasi-likelihood ratio is not
    rng = np.random.default_rng(0)
    expect = np.full(4000, 0.5)
    ratio, se = robust_log2_ratio(rng.poisson(1.4 * expect).astype(float), expect, phi=0.05)
    neutral, _ = robust_log2_ratio(rng.poisson(expect).astype(float), expect, phi=0.05)
    assert ratio - neutral == pytest.approx(np.log2(1.4), abs=4 * se)


def test_weighted_median():
    assert weighted_median(np.array([3.0, 1.0, 2.0]), np.ones(3)) == pytest.approx(2)
    assert weighted_median(np.array([0.0, 10.0]), np.array([9.0, 1.0])) < 5
