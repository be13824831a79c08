"""Cycling, programmes and the rest they support, on counts drawn with known shares and programmes."""

import numpy as np
import pandas as pd
import pytest

from marrowclone.errors import UserError
from marrowclone.evolution.cycling import (
    UNKNOWN,
    Background,
    by_chance,
    call_cycling,
    mixed,
    p_rise,
    share_beyond,
    thin,
)
from marrowclone.evolution.gene_sets import CYCLING, all_sets, built_in, read_gmt, without_clonal_arms
from marrowclone.evolution.rest import rest_of, woke
from marrowclone.evolution.scores import myeloid_guard, percentile, programme_scores
from marrowclone.evolution.state import ALL, assess_states
from marrowclone.evolution.statistics import clopper_pearson
from marrowclone.keys import TABLES
from marrowclone.resources import RESOURCES, gene_table, read_resource

ADHESION = "persistence adhesion"


@pytest.fixture(scope="module")
def sets():
    return built_in(read_resource(RESOURCES / "programmes.tsv"))


@pytest.fixture(scope="module")
def place():
    table = gene_table().set_index("symbol")
    return (table["chromosome"] + table["arm"]).to_dict()


@pytest.fixture
def settings(defaults):
    return defaults["assess_states"]


def arms_table(states):
    """``states``: {clone: {arm: copies}}; every clone has every arm that any names, two copies if not said."""
    names = sorted({a for of in states.values() for a in of} | {"12q"})
    rows = [(c, "chr" + a[:-1], a[-1], of.get(a, 2), "neutral") for c, of in states.items() for a in names]
    return pd.DataFrame(rows, columns=["clone", "chromosome", "arm", "state", "call"])


def draw(sets, groups, *, seed=0, depth=(3000, 9000), rate=2e-5):
    """Cells of groups: (clone, sample, day, call, n, cycling share, programme fold, macrophage share of cells).

    Counts are gamma-Poisson; a cycling cell has 30 times the list's genes, soup brings macrophage and adhesion genes.
    """
    rng = np.random.default_rng(seed)
    genes = [g for of in sets.values() for g in of]
    cells, counts = [], []
    for clone, sample, day, call, n, phi, fold, soup in groups:
        size = rng.uniform(*depth, n)
        level = np.full((n, len(genes)), rate)
        of = {name: np.isin(genes, members) for name, members in sets.items()}
        level[:, of[CYCLING]] = rate / 4
        level[np.ix_(rng.random(n) < phi, of[CYCLING])] *= 30
        level[:, of[ADHESION]] *= 10 * fold
        dirty = rng.random(n) < soup
        level[np.ix_(dirty, of["macrophage"])] += 3e-3
        level[np.ix_(dirty, of[ADHESION])] += 2e-3
        mean = level * size[:, None]
        counts.append(rng.poisson(mean * rng.gamma(4, 1 / 4, mean.shape)))
        cells += [(f"{sample}:{clone or call}{i:05d}", sample, call, clone, day, size[i]) for i in range(n)]
    frame = pd.DataFrame(cells, columns=["cell", "sample", "call", "clone", "day", "depth"])
    order = np.argsort(frame["cell"].to_numpy(dtype=str), kind="stable")
    table = pd.DataFrame(np.vstack(counts)[order], columns=genes)
    return frame.iloc[order].reset_index(drop=True), table


def table_of(cells, counts, sets, place, settings, arms=None, expected=None, seed=1):
    arms = arms_table({"c1": {}, "c2": {}}) if arms is None else arms
    expected = pd.DataFrame() if expected is None else expected
    return assess_states(
        cells, counts, sets, arms=arms, place=place, expected=expected, settings=settings, seed=seed
    )  # fmt: skip


def row(frame, clone, day, measure):
    found = frame[(frame["clone"] == clone) & (frame["day"] == day) & (frame["measure"] == measure)]
    assert len(found) == 1
    return found.iloc[0]


@pytest.mark.parametrize("n, upper", [(10, 0.26), (50, 0.058), (100, 0.030), (150, 0.020), (300, 0.010)])
def test_none_cycling_leaves_room(n, upper):
    """The upper bounds of science 4.3."""
    assert clopper_pearson(0, n, confidence=0.9) == (0.0, pytest.approx(upper, rel=0.04))
    assert clopper_pearson(n, n, confidence=0.9)[1] == 1.0 and clopper_pearson(0, 0, confidence=0.9) == (0.0, 1.0)


def test_no_gene_of_the_cycling_list_is_on_1q(sets, place):
    assert not [g for g in sets[CYCLING] if place[g] == "chr1q"]
    assert {place[g] for of in sets.values() for g in of} <= set(place.values())


def test_genes_on_arms_that_set_clones_apart_are_left_out(sets, place):
    arms = arms_table({"c1": {"15q": 3}, "c2": {}, "all": {"17q": 3}})
    kept, out = without_clonal_arms(sets[CYCLING], arms, place)
    assert set(out) == {"NUSAP1", "CCNB2", "PCLAF"} and len(kept) == len(sets[CYCLING]) - 3
    both = arms_table({"c1": {"15q": 3}, "c2": {"15q": 3}})
    assert without_clonal_arms(sets[CYCLING], both, place)[1] == []


def test_thinning_takes_the_depth_away(settings):
    rng = np.random.default_rng(0)
    counts = rng.poisson(8.0, (4000, 5))
    thinned = thin(counts, np.full(4000, 8000.0), 2000, rng=rng)
    assert thinned.mean() == pytest.approx(2.0, rel=0.03)
    assert (thin(counts, np.full(4000, 1000.0), 2000, rng=rng) == counts).all()


def test_cycling_share_is_found_whatever_the_depth(sets, place, settings):
    groups = [("c1", "a", 0, "malignant", 800, 0.04, 1, 0), ("", "a", 0, "normal", 300, 0, 1, 0)]
    values = []
    for depth in ((2500, 4000), (12000, 20000)):
        cells, counts = draw(sets, groups, depth=depth)
        found = row(table_of(cells, counts, sets, place, settings, arms_table({"c1": {}})), "c1", 0, CYCLING)
        assert found["n_used"] == 800 and found["lower"] < found["value"] < found["upper"]
        values.append(found["value"])
    # the drawn share has an SD of .7 points, and up to 1% of resting cells pass the limit
    assert all(0.025 <= v <= 0.065 for v in values) and abs(values[0] - values[1]) < 0.02


def test_genes_that_resting_cells_show_are_no_sign_of_cycling(sets, place, settings):
    """Three genes of the list are loud in every cell, as HMGB2 is in some: no cell cycles for that."""
    cells, counts = draw(sets, [("c1", "a", 0, "malignant", 500, 0, 1, 0), ("", "a", 0, "normal", 200, 0, 1, 0)])
    loud = counts.copy()
    loud[["HMGB2", "PCNA", "MCM3"]] += np.random.default_rng(1).poisson(2, (len(cells), 3))
    found = row(table_of(cells, loud, sets, place, settings, arms_table({"c1": {}})), "c1", 0, CYCLING)
    assert found["value"] < 0.02 and "3 genes that resting cells show" in found["note"]


def test_shallow_cells_are_not_asked(sets, settings):
    cells, counts = draw(sets, [("c1", "a", 0, "malignant", 200, 0, 1, 0)], depth=(100, 300))
    malignant = np.ones(200, dtype=bool)
    called = call_cycling(
        counts[sets[CYCLING]].to_numpy(), cells["depth"].to_numpy(), malignant=malignant, normal=~malignant,
        sample=np.full(len(cells), "s"), settings=settings, rng=np.random.default_rng(0),
    )  # fmt: skip
    assert not called.assessed.any() and called.depth == settings["cycling_least_depth"]


def test_without_normal_cells_resting_cells_tell_which_genes_they_show(settings):
    # 30 genes; five of them shown by 15% of cells at rest, so that 2.7% of those show three; a fifth of all cells cycle
    rng = np.random.default_rng(4)
    n, cycles = 3000, np.arange(3000) < 600
    rate = np.where(np.arange(30) < 5, 0.15, 0.002) * np.ones((n, 1))
    rate[cycles] = 0.45
    depth = np.full(n, 2000.0)

    def called(rate):
        everyone = np.ones(n, dtype=bool)
        return call_cycling(
            rng.poisson(rate), depth, malignant=everyone, normal=~everyone, settings=settings,
            sample=np.full(len(depth), "s"), rng=np.random.default_rng(0),
        )  # fmt: skip

    found = called(rate)
    assert found.told.tolist() == [False] * 5 + [True] * 25
    assert found.cycling[~cycles].mean() < 0.001 and found.cycling[cycles].mean() > 0.95
    # 60 malignant cells tell nothing of rest: every gene counts, as before
    few = rng.poisson(rate[-60:])
    some = np.ones(60, dtype=bool)
    told = call_cycling(
        few,
        depth[:60],
        malignant=some,
        normal=~some,
        sample=np.full(60, "s"),
        settings=settings,
        rng=np.random.default_rng(0),
    ).told
    assert told.all()


def test_a_gain_of_1q_is_no_proliferation(sets, place, settings):
    """All genes of clone c2 on 1q are doubled: nothing that is counted lies there."""
    cells, counts = draw(sets, [(c, "a", 0, "malignant", 600, 0.01, 1, 0) for c in ("c1", "c2")])
    on_1q = [g for g in counts if place[g] == "chr1q"]
    louder = counts.copy()
    louder.loc[(cells["clone"] == "c2").to_numpy(), on_1q] *= 2
    before, after = (table_of(cells, t, sets, place, settings) for t in (counts, louder))
    cycling = before["measure"] == CYCLING
    pd.testing.assert_frame_equal(before[cycling], after[cycling])


def test_a_programme_is_seen_and_its_absence_too(sets, place, settings):
    groups = [
        ("c1", "a", 0, "malignant", 300, 0, 1, 0.02), ("c2", "a", 0, "malignant", 60, 0, 1.8, 0.02),
        ("", "a", 0, "normal", 100, 0, 1, 0.02),
    ]  # fmt: skip
    cells, counts = draw(sets, groups)
    found = table_of(cells, counts, sets, place, settings)
    assert row(found, "c2", 0, ADHESION)["percentile"] > 99 and row(found, "c1", 0, ADHESION)["percentile"] < 50
    assert row(found, "c2", 0, ADHESION)["lower"] > row(found, "c1", 0, ADHESION)["upper"]


def test_percentiles_are_uniform_when_clones_do_not_differ(sets, place, settings):
    high = []
    for seed in range(30):
        groups = [(c, "a", 0, "malignant", n, 0, 1, 0.02) for c, n in (("c1", 200), ("c2", 60))]
        cells, counts = draw(sets, groups, seed=seed)
        found = table_of(cells, counts, sets, place, settings)
        high.append(row(found, "c2", 0, ADHESION)["percentile"] >= 90)
    assert sum(high) <= 8  # 3 expected


def test_macrophages_in_the_droplets_give_no_persistence(sets, place, settings):
    """A quarter of clone c2's droplets hold soup of macrophages: its adhesion is not the clone's."""
    high, naive = 0, 0
    for seed in range(10):
        groups = [("c1", "a", 0, "malignant", 300, 0, 1, 0.02), ("c2", "a", 0, "malignant", 80, 0, 1, 0.15)]
        cells, counts = draw(sets, groups, seed=seed)
        found = row(table_of(cells, counts, sets, place, settings), "c2", 0, ADHESION)
        high += found["percentile"] >= 90
        of = cells["clone"].to_numpy() == "c2"
        share = counts[sets[ADHESION]].sum(axis=1).to_numpy() / cells["depth"].to_numpy()
        naive += share[of].mean() > np.quantile(
            [share[np.random.default_rng(i).choice(len(share), of.sum(), replace=False)].mean() for i in range(99)], 0.9
        )
    assert naive >= 9 and high <= 3


def test_a_capture_that_reads_the_genes_louder_is_no_programme(sets, place, settings):
    groups = [("c1", "a", 0, "malignant", 300, 0, 1, 0), ("c2", "b", 90, "malignant", 100, 0, 1, 0)]
    cells, counts = draw(sets, groups)
    loud = counts.copy()
    rng = np.random.default_rng(5)
    here = (cells["sample"] == "b").to_numpy()
    loud.loc[here, sets[ADHESION]] += rng.poisson(loud.loc[here, sets[ADHESION]].to_numpy() * 0.8)
    expected = pd.DataFrame({"a": 1e-5, "b": 1e-5}, index=[g for of in sets.values() for g in of])
    expected.loc[sets[ADHESION], "b"] *= 1.8
    blind = row(table_of(cells, loud, sets, place, settings), "c2", 90, ADHESION)
    told = row(table_of(cells, loud, sets, place, settings, expected=expected), "c2", 90, ADHESION)
    assert blind["percentile"] > 99 and 2 < told["percentile"] < 98


def test_order_of_cells_and_names_of_clones_change_nothing(sets, place, settings):
    cells, counts = draw(sets, [(c, "a", 0, "malignant", 150, 0.05, 1, 0.02) for c in ("c1", "c2")])
    first = table_of(cells, counts, sets, place, settings)
    assert first.equals(table_of(cells, counts, sets, place, settings))
    turned = cells.assign(clone=cells["clone"].map({"c1": "c2", "c2": "c1"}))
    other = table_of(turned, counts, sets, place, settings)
    for name, back in (("c1", "c2"), ("c2", "c1"), (ALL, ALL)):
        assert row(first, name, 0, CYCLING)["n_positive"] == row(other, back, 0, CYCLING)["n_positive"]
        assert row(first, name, 0, ADHESION)["value"] == pytest.approx(row(other, back, 0, ADHESION)["value"])


def test_nothing_malignant_and_nothing_measured(sets, place, settings):
    cells, counts = draw(sets, [("", "a", 0, "normal", 50, 0, 1, 0)])
    assert table_of(cells, counts, sets, place, settings).empty
    cells, counts = draw(sets, [("c1", "a", 0, "malignant", 50, 0, 1, 0)])
    few = table_of(cells, counts[["TOP2A", "MKI67"]], sets, place, settings, arms_table({"c1": {}}))
    assert row(few, "c1", 0, CYCLING)["n_used"] == 0 and "2 genes" in row(few, "c1", 0, CYCLING)["note"]
    assert np.isnan(row(few, "c1", 0, ADHESION)["value"])


def test_scores_have_no_opinion_of_depth():
    rng = np.random.default_rng(0)
    depth = np.r_[np.full(400, 1000.0), np.full(400, 10000.0)]
    counts = rng.poisson(depth[:, None] * np.full(6, 2e-4))
    guard = myeloid_guard(np.zeros(800), depth, np.full(800, "a"))
    score = programme_scores(
        counts.astype(float), depth, np.full(800, "a"), capture={}, normal=np.zeros(800, bool), guard=guard,
        dispersion=0.0, min_normal=20,
    )  # fmt: skip
    assert abs(score[:400].mean() - score[400:].mean()) < 0.15 and score.std() == pytest.approx(1, abs=0.1)
    everyone = np.ones(800, dtype=bool)
    assert np.isnan(percentile(score, everyone, everyone, rng=rng))


def state_rows(rows):
    """(clone, day, measure, positive or percentile, n)."""
    out = []
    for clone, day, measure, x, n in rows:
        base = {"clone": clone, "day": day, "measure": measure, "n_cells": n, "n_used": n, "percentile": np.nan}
        if measure == CYCLING:
            lower, upper = clopper_pearson(x, n, confidence=0.9)
            base |= {"value": x / n, "lower": lower, "upper": upper, "n_positive": x}
        else:
            base |= {"percentile": x, "value": 0.5, "lower": 0.1, "upper": 0.9, "n_positive": np.nan}
        out.append(base)
    return pd.DataFrame(out, columns=[*TABLES["evolution.state"], "n_positive"])


@pytest.mark.parametrize(
    "positive, n, high, supported",
    [(0, 900, 97, True), (0, 200, 97, False), (0, 900, 60, False), (9, 900, 97, False), (0, 90, 97, False)],
)
def test_rest_asks_for_both(defaults, positive, n, high, supported):
    """With 1% cycling at diagnosis 600 cells without a cycling one are needed (science 4.5)."""
    state = state_rows(
        [(ALL, 0, CYCLING, 10, 1000), ("c1", 900, CYCLING, positive, n), ("c1", 900, ADHESION, high, n)]
    )  # fmt: skip
    assert rest_of(state, "c1", 900, [], settings=defaults["label_clones"]).supported is supported


def test_rest_without_anything_to_compare_with(defaults):
    s = defaults["label_clones"]
    state = state_rows([("c1", 900, CYCLING, 0, 900), ("c1", 900, ADHESION, 99, 900)])
    assert rest_of(state, "c1", 900, [], settings=s).supported is False
    assert rest_of(state, "c2", 900, [], settings=s).supported is None
    later = pd.concat([state, state_rows([("c2", 1000, CYCLING, 50, 1000)])])
    assert rest_of(later, "c1", 900, [("c2", 1000)], settings=s).supported is False  # the future is not known


def exactly(share):
    return Background(share, share, share)


@pytest.mark.parametrize(("n", "bound"), [(10, 0.26), (50, 0.058), (100, 0.03), (150, 0.02), (300, 0.01)])
def test_bound_without_background_is_that_of_the_science(n, bound):
    assert share_beyond(0, n, exactly(0.0))[2] == pytest.approx(bound, rel=0.02)  # 4.3


@pytest.mark.parametrize("share", [0.0, 0.001, 0.01])
@pytest.mark.parametrize("background", [0.0, 0.005])
def test_bounds_beyond_chance_hold_the_share(share, background):
    rng = np.random.default_rng(5)
    for n in (60, 600, 5000):
        seen = rng.binomial(n, background + (1 - background) * share, 2000)
        bounds = np.array([share_beyond(int(x), n, exactly(background)) for x in seen])
        assert (bounds[:, 2] >= share).mean() >= 0.94 and (bounds[:, 1] <= share).mean() >= 0.94
        assert (bounds[:, 2] > 0).all()  # fewer than chance gives is no proof of rest
    assert abs(bounds[:, 0].mean() - share) < 0.0006


CALL = {"least": 100, "genes": 3}


def test_chance_is_what_cells_at_rest_show():
    """Cells whose genes come by themselves: as many are called as are expected; cycling ones do not raise that."""
    rng = np.random.default_rng(6)
    rates = np.r_[np.full(20, 0.005), np.full(8, 0.04)]
    counts = rng.poisson(rates, (40_000, 28))
    truly = ((counts > 0).sum(axis=1) >= 3).mean()
    found = by_chance(counts, limit=0.0, rng=rng, **CALL)
    assert found.value == pytest.approx(truly, rel=0.15) and found.lower < truly < found.upper
    assert by_chance(counts, limit=4.0, rng=rng, **CALL).value < truly / 3
    counts[:4000] = rng.poisson(0.5, (4000, 28))
    assert by_chance(counts, limit=0.0, rng=rng, **CALL).value < 1.4 * truly
    few = by_chance(counts[:90], limit=0.0, rng=rng, **CALL)
    assert np.isnan(few.value) and few.upper == 1.0
    with_few = mixed({"a": found, "b": few}, np.array(["a", "b"]))
    assert np.isnan(with_few.value) and mixed({"a": found}, np.array(["a", "a"])).value == pytest.approx(found.value)
    # nothing cycles for certain where chance is not known; what is there is no more than it is
    assert (
        share_beyond(9, 90, UNKNOWN)[1] == 0.0
        and share_beyond(9, 90, UNKNOWN)[2] == share_beyond(9, 90, exactly(0.0))[2]
    )


def test_cells_at_rest_do_not_cycle_beyond_chance(defaults):
    s = defaults["assess_states"]
    rng = np.random.default_rng(7)
    rates = np.r_[np.full(20, 0.005), np.full(8, 0.05)]
    counts = rng.poisson(rates, (20_000, 28))
    counts[:200] = rng.poisson(0.5, (200, 28))  # 1% cycle
    depth, yes = np.full(20_000, 2000.0), np.ones(20_000, dtype=bool)
    sample = np.full(20_000, "a")
    called = call_cycling(counts, depth, malignant=yes, normal=~yes, sample=sample, settings=s, rng=rng)
    raw = called.cycling.mean()
    value, lower, upper = share_beyond(int(called.cycling.sum()), 20_000, called.background["a"])
    assert raw > 0.015 and lower < 0.01 < upper and value == pytest.approx(0.01, abs=0.002)


@pytest.mark.parametrize("seed", range(5))
def test_soup_of_one_day_neither_wakes_nor_rests(defaults, seed):
    """No cell cycles; one capture's soup brings .02 UMI of each gene, the other's .001."""
    s = defaults["assess_states"]
    rng = np.random.default_rng(seed)
    counts = np.vstack([rng.poisson(0.02, (600, 31)), rng.poisson(0.001, (2000, 31))])
    sample = np.repeat(["soup", "clean"], [600, 2000])
    yes = np.ones(2600, dtype=bool)
    called = call_cycling(counts, np.full(2600, 2000.0), malignant=yes, normal=~yes, sample=sample, settings=s, rng=rng)
    seen = {name: int(called.cycling[sample == name].sum()) for name in ("soup", "clean")}
    assert seen["soup"] > 2
    assert share_beyond(seen["soup"], 600, called.background["soup"])[1] == 0.0
    chance = (called.background["clean"].lower, called.background["soup"].upper)
    assert p_rise((seen["clean"], 2000), (seen["soup"], 600), factor=3, background=chance) < 0.8


def test_waking_beyond_chance():
    assert p_rise((1, 1000), (40, 1000), factor=3) > 0.99
    assert p_rise((1, 1000), (40, 1000), factor=3, background=(0.0, 0.04)) < 0.6
    assert p_rise((1, 1000), (40, 1000), factor=3, background=(0.001, 0.01)) > 0.99
    assert p_rise((5, 1000), (5, 1000), factor=1, background=(0.002, 0.002)) == pytest.approx(0.5, abs=0.02)


def test_waking(defaults):
    s = defaults["label_clones"]
    state = state_rows([("c1", 900, CYCLING, 1, 600), ("c1", 1200, CYCLING, 24, 600), ("c1", 1100, CYCLING, 2, 600)])
    assert woke(state, "c1", [900], 1200, settings=s)[0] > 0.95
    assert woke(state, "c1", [900], 1100, settings=s)[0] < 0.5
    assert woke(state, "c1", [], 1200, settings=s) is None
    assert p_rise((0, 100), (0, 100), factor=1) == pytest.approx(0.5, abs=0.01)


def test_a_gmt_of_the_user(tmp_path):
    known = gene_table()["symbol"]
    path = tmp_path / "g0.gmt"
    path.write_text("G0 arrest\tsource\tCDKN1B\tBHLHE41\tNOTAGENE\n")
    assert read_gmt(path, known) == {"G0 arrest": ["CDKN1B", "BHLHE41"]}
    panel = read_resource(RESOURCES / "programmes.tsv")
    assert "G0 arrest" in all_sets(panel, [path], known)
    for text, words in (
        ("G0 CDKN1B\n", "line 1"), ("a\tb\tCdkn1b\n", "none of the 1 genes"),
        ("a\tb\tCDKN1B\na\tb\tCDKN1A\n", "line 2"), (f"{CYCLING}\tb\tCDKN1B\n", "there already"),
    ):  # fmt: skip
        path.write_text(text)
        with pytest.raises(UserError, match=words):
            all_sets(panel, [path], known)
    with pytest.raises(UserError, match="cannot be read"):
        read_gmt(tmp_path / "none.gmt", known)
