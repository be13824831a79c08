"""Arm states with parts of arms, and the segments of the profile."""

import numpy as np
import pandas as pd
import pytest

from marrowclone.copy_number import arms, segments, states


def half(genome, chromosome, arm, *, share, factor):
    """Factor per gene on the distal ``share`` of an arm's genes."""
    inside = ((genome.table["chromosome"] == chromosome) & (genome.table["arm"] == arm)).to_numpy()
    start = genome.table["start"].to_numpy()
    return np.where(inside & (start >= np.quantile(start[inside], 1 - share)), factor, 1.0)


def called(genome, *parts, rung="R2"):
    counts = [c for c, _ in parts]
    cells = pd.concat([t.assign(clone=f"c{i + 1}") for i, (_, t) in enumerate(parts)], ignore_index=True)
    import scipy.sparse as sp

    expected = pd.DataFrame({"S": genome.plasma}, index=genome.table.index)
    return arms.call_genome(
        sp.vstack(counts, format="csr"), cells["sample"], cells["clone"], expected, genome.genes, rung=rung, settings={}
    )


def row(table, clone, chromosome, arm):
    return table[(table["clone"] == clone) & (table["chromosome"] == chromosome) & (table["arm"] == arm)].iloc[0]


@pytest.fixture(scope="module")
def partial(make_cells, genome):
    """c1: 1q gained in its distal 40%, 13q lost; c2: 13q lost."""
    effect = half(genome, "chr1", "q", share=0.4, factor=1.4)
    return called(
        genome,
        make_cells(150, sample="S", patient="P", cell_type="plasma", events=["-13q"], effect=effect),
        make_cells(150, sample="S", patient="P", cell_type="plasma", events=["-13q"], seed=1),
    )


def test_part_of_an_arm_is_told_from_the_whole_arm(partial):
    found = row(partial.arms, "c1", "chr1", "q")
    assert found["call"] == "indeterminate"  # less than half of the arm: nothing is said of the arm as a whole
    assert found["extent"] == pytest.approx(0.4, abs=0.12) and "gain" in found["parts"]
    assert row(partial.arms, "c2", "chr1", "q")["call"] == "neutral"
    lost = row(partial.arms, "c1", "chr13", "q")
    assert lost["call"] == "loss" and lost["extent"] == 1 and lost["parts"] == "" and lost["copies"] == "1"


def test_segments_cover_each_arm_once_and_break_where_the_event_is(partial, genome):
    table = partial.segments
    own = table[(table["group"] == "c1") & (table["chromosome"] == "chr1") & (table["arm"] == "q")]
    assert own["state"].tolist() == [2, 3] and not own["whole_arm"].any()
    effect = half(genome, "chr1", "q", share=0.4, factor=1.4)
    true_start = genome.table.loc[effect > 1, "start"].min()
    passed = genome.genes["used"] & (genome.genes["chromosome"] == "chr1") & (genome.genes["arm"] == "q")
    between = genome.genes["start"].between(*sorted([true_start, own["start"].iloc[1]]))
    assert (passed & between).sum() <= 60  # some bins of forty genes
    for _, rows in table.groupby(["group", "chromosome"]):
        assert (rows["start"].to_numpy()[1:] > rows["end"].to_numpy()[:-1]).all()
    whole = states.arm_segments(genome.genes[genome.genes["used"]])
    assert table.groupby("group").apply(lambda t: t.groupby(["chromosome", "arm"]).ngroups).eq(len(whole)).all()


def test_most_of_an_arm_speaks_for_it(make_cells, genome):
    effect = half(genome, "chr1", "q", share=0.7, factor=0.6)
    found = called(genome, make_cells(200, sample="S", patient="P", cell_type="plasma", effect=effect))
    arm = row(found.arms, "c1", "chr1", "q")
    assert arm["call"] == "loss" and arm["state"] == 1 and 0.5 <= arm["extent"] < 1


def test_low_rungs_say_whole_arms_or_nothing(make_cells, genome):
    effect = half(genome, "chr1", "q", share=0.4, factor=1.4)
    cells = make_cells(150, sample="S", patient="P", cell_type="plasma", effect=effect)
    assert called(genome, cells, rung="R5").segments["whole_arm"].all()
    nothing = called(genome, cells, rung="R4")
    assert set(nothing.arms["call"]) == set(nothing.segments["call"]) == {"indeterminate"}


def test_normal_cells_of_another_person_have_no_events(make_cells, genome):
    # every gene 25% higher or lower (science A.5): an arm's own departure, no event
    for seed in range(3):
        effect = np.random.default_rng(seed).lognormal(0, 0.25, len(genome.table))
        parts = [
            make_cells(80, sample="S", patient="P", cell_type="plasma", effect=effect, seed=seed + k) for k in (0, 9)
        ]
        found = called(genome, *parts)
        assert not set(found.arms["call"]) & {"gain", "loss"}
        assert found.segments["whole_arm"].all()


def test_order_of_cells_does_not_matter(make_cells, genome):
    counts, cells = make_cells(60, sample="S", patient="P", cell_type="plasma", events=["+1q", "-13q"])
    order = np.random.default_rng(1).permutation(60)
    a = called(genome, (counts, cells)).arms
    b = called(genome, (counts[order], cells.iloc[order].reset_index(drop=True))).arms
    np.testing.assert_allclose(a[["log2_ratio", "posterior"]], b[["log2_ratio", "posterior"]], atol=1e-9)


def test_small_runs_join_their_larger_neighbour():
    genes = np.array([40, 40, 40, 10, 40, 40])
    assert segments._runs(np.array([2, 2, 2, 3, 2, 2]), genes, 30) == [(0, 6, 2)]
    assert segments._runs(np.array([2, 2, 2, 3, 1, 1]), genes, 30) == [(0, 4, 2), (4, 6, 1)]
    assert segments._runs(np.array([2, 2, 3, 3, 3, 3]), genes, 30) == [(0, 2, 2), (2, 6, 3)]


def test_scatter_is_one_for_independent_bins_and_more_where_they_vary():
    rng = np.random.default_rng(3)
    arm = np.repeat([f"chr{i}p" for i in range(1, 21)], 10)
    se = np.full((1, 200), 0.1)
    assert segments.scatter(rng.normal(0, 0.1, (1, 200)), se, arm) == pytest.approx(1, abs=0.3)
    assert segments.scatter(rng.normal(0, 0.2, (1, 200)), se, arm) > 2.5
