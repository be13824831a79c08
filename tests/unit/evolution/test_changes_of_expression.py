"""Changes of a clone's expression: what is called, what is not, and what could not have been seen."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from marrowclone.evolution.antigen import most_soup, soup_per_cell
from marrowclone.evolution.changes import compare, scatter
from marrowclone.evolution.expression_evidence import (
    HIGHER,
    LOWER,
    NORMALS,
    OTHERS,
    OWN,
    UNCHANGED,
    expression_rows,
    find_changes,
    full_panel,
    genes_to_test,
)
from marrowclone.evolution.gene_sets import built_in
from marrowclone.evolution.panel_sums import NORMAL_GROUP, features_of, weighted
from marrowclone.resources import RESOURCES, gene_table, read_resource

N_GENES = 400
SYMBOLS = [f"G{i}" for i in range(N_GENES)]
DAYS = {"a": 0, "b": 400}


@pytest.fixture
def settings(defaults):
    return defaults["assess_resistance"]


def cells_and_counts(seed=0, *, groups, rate=None, capture=(1.0, 1.0), phi=0.2, change=None, soup=None):
    """Counts of ``groups``, rows of (capture, clone, cells); ``change``: {(capture, clone): factors by gene}."""
    rng = np.random.default_rng(seed)
    rate = rng.lognormal(np.log(4e-4), 1.0, N_GENES) if rate is None else rate
    parts, samples, clones, depths = [], [], [], []
    for sample, clone, n in groups:
        depth = rng.lognormal(np.log(5000), 0.3, n)
        factor = np.broadcast_to(capture["ab".index(sample)], N_GENES) * (change or {}).get((sample, clone), 1.0)
        mu = depth[:, None] * rate * factor
        drawn = rng.negative_binomial(1 / phi, 1 / (1 + phi * mu))
        if soup and sample in soup:
            drawn = drawn + rng.poisson(soup[sample], (n, N_GENES))
        parts.append(drawn)
        samples += [sample] * n
        clones += [clone] * n
        depths.append(depth)
    return sparse.csr_matrix(np.vstack(parts)), np.concatenate(depths), np.array(clones), np.array(samples)


def features(made, tested, *, expected=None, soup=None, copies=None):
    return weighted(
        *made, SYMBOLS, np.ones(N_GENES, dtype=bool), tested,
        expected=pd.DataFrame() if expected is None else expected, soup=soup,
        copies=pd.DataFrame(index=SYMBOLS) if copies is None else copies,
    )  # fmt: skip


ONE = {s: [s] for s in SYMBOLS[:100]}
TWO_DAYS = [("a", "c1", 100), ("b", "c1", 100)]


def factors(**by):
    found = np.ones(N_GENES)
    for symbol, value in by.items():
        found[SYMBOLS.index(symbol)] = value
    return found


def test_p_values_are_uniform_where_captures_scatter(settings):
    """Each capture reads each gene by a factor of its own (SD .25 in ln), unknown to the test."""
    p, inside = [], []
    for seed in range(12):
        rng = np.random.default_rng([seed, 1])
        made = cells_and_counts(seed, groups=TWO_DAYS, capture=(1.0, rng.lognormal(0, 0.25, N_GENES)))
        found = find_changes(features(made, ONE), "c1", 400, DAYS, settings=settings)
        assert found.own and 0.15 < found.change.scatter < 0.6
        p.append(found.change.p)
        inside.append((found.change.lower <= 1) & (found.change.upper >= 1))
    p = np.concatenate(p)
    for level in (0.05, 0.01, 0.001):  # conservative, since the scatter is that of the widest percent
        assert (p <= level).mean() <= level + 3 * math.sqrt(level / len(p))
    assert (p <= 0.2).mean() >= 0.08
    assert 0.93 <= np.mean(inside) <= 1.0


def test_fourfold_changes_are_found_and_measured(settings):
    rate = np.full(N_GENES, 5e-4)
    change = {("b", "c1"): factors(G0=4.0, G1=0.25, G2=1.0)}
    made = cells_and_counts(3, groups=TWO_DAYS, rate=rate, change=change)
    found = find_changes(features(made, ONE), "c1", 400, DAYS, settings=settings).change
    assert found.p[0] < 1e-6 and found.p[1] < 1e-6 and found.p[2] > 1e-3
    assert found.lower[0] < 4.0 < found.upper[0] and found.lower[1] < 0.25 < found.upper[1]
    assert found.can_rise[:3].all() and found.can_fall[:3].all()


def test_a_rare_gene_is_not_assessable_rather_than_unchanged(settings):
    rate = np.full(N_GENES, 5e-4)
    rate[0] = 1e-7  # half a count in all
    found = find_changes(
        features(cells_and_counts(4, groups=TWO_DAYS, rate=rate), ONE), "c1", 400, DAYS, settings=settings
    ).change
    assert not found.can_rise[0] and not found.can_fall[0] and found.p[0] > 1e-3


def test_a_gene_silent_before_may_rise(settings):
    """No reference count at all: still called where so many cannot come from so few."""
    rate = np.full(N_GENES, 5e-4)
    change = {("a", "c1"): factors(G0=0.0)}
    made = cells_and_counts(5, groups=TWO_DAYS, rate=rate, change=change)
    found = find_changes(features(made, ONE), "c1", 400, DAYS, settings=settings).change
    assert found.p[0] < 1e-3 and found.ratio[0] > 10


def test_depth_is_no_change(settings):
    made = cells_and_counts(6, groups=TWO_DAYS)
    counts, depth, clones, samples = made
    deeper = np.where(samples == "b", 3.0, 1.0)
    found = find_changes(
        features((counts, depth * deeper, clones, samples), ONE), "c1", 400, DAYS, settings=settings
    ).change
    assert np.median(found.ratio[np.isfinite(found.ratio)]) == pytest.approx(1.0, abs=0.1)


def test_soup_makes_no_rise(settings):
    """G0 is not expressed; the later capture's soup brings .5 UMI to each cell."""
    rate = np.full(N_GENES, 5e-4)
    rate[0] = 1e-6
    brought = np.zeros(N_GENES)
    brought[0] = 0.5
    made = cells_and_counts(7, groups=TWO_DAYS, rate=rate, soup={"b": brought})
    blind = find_changes(features(made, ONE), "c1", 400, DAYS, settings=settings).change
    assert blind.p[0] < 1e-6  # what it would be without knowing
    soup = pd.DataFrame({"G0": [0.0, 0.5]}, index=["a", "b"])
    told = find_changes(features(made, ONE, soup=soup), "c1", 400, DAYS, settings=settings).change
    assert told.p[0] > 1e-3
    # the same at the first day is no fall
    before = cells_and_counts(8, groups=TWO_DAYS, rate=rate, soup={"a": brought})
    soup = pd.DataFrame({"G0": [0.5, 0.0]}, index=["a", "b"])
    assert find_changes(features(before, ONE, soup=soup), "c1", 400, DAYS, settings=settings).change.p[0] > 1e-3


def test_what_captures_do_is_taken_out_only_where_both_readings_agree(settings):
    """Other cells say that the later capture reads G0 fourfold: a fourfold rise is no change, a like level none either."""
    rate = np.full(N_GENES, 5e-4)
    expected = pd.DataFrame(np.full((N_GENES, 2), 1e-3), index=SYMBOLS, columns=["a", "b"])
    expected.loc["G0", "b"] = 4e-3
    rises = cells_and_counts(9, groups=TWO_DAYS, rate=rate, change={("b", "c1"): factors(G0=4.0)})
    found = find_changes(features(rises, ONE, expected=expected), "c1", 400, DAYS, settings=settings).change
    assert found.p[0] > 1e-3
    stays = cells_and_counts(10, groups=TWO_DAYS, rate=rate)
    found = find_changes(features(stays, ONE, expected=expected), "c1", 400, DAYS, settings=settings).change
    assert found.p[0] > 1e-3


def test_copies_are_no_change_against_other_clones(settings):
    """c2 has 20 of the genes at 1.5 times by copies, and is new: it is compared with c1."""
    gained = factors(**{f"G{i}": 2.2 for i in range(20)})
    groups = [("b", "c1", 150), ("b", "c2", 150)]
    made = cells_and_counts(11, groups=groups, rate=np.full(N_GENES, 8e-4), change={("b", "c2"): gained})
    copies = pd.DataFrame({"c1": 0.0, "c2": np.log2(gained)}, index=SYMBOLS)
    blind = find_changes(features(made, ONE), "c2", 400, DAYS, settings=settings)
    told = find_changes(features(made, ONE, copies=copies), "c2", 400, DAYS, settings=settings)
    assert blind.reference == told.reference == OTHERS
    assert (blind.change.p[:20] < 1e-3).mean() > 0.5 and (told.change.p[:20] < 1e-3).sum() == 0
    assert not blind.change.copies_known.any() and told.change.copies_known.all()


def test_reference_by_what_there_is(settings):
    groups = [("a", "c1", 100), ("b", "c1", 100), ("b", "c2", 100), ("b", NORMAL_GROUP, 60), ("b", "c3", 5)]
    of = features(cells_and_counts(12, groups=groups), ONE)
    assert find_changes(of, "c1", 400, DAYS, settings=settings).reference == f"{OWN}, day 0"
    assert find_changes(of, "c2", 400, DAYS, settings=settings).reference == OTHERS
    assert find_changes(of, "c3", 400, DAYS, settings=settings) is None  # 5 cells
    assert find_changes(of, "c1", 0, DAYS, settings=settings) is None  # later cells are no reference
    alone = features(cells_and_counts(13, groups=[("b", "c1", 50), ("b", NORMAL_GROUP, 60)]), ONE)
    assert find_changes(alone, "c1", 400, DAYS, settings=settings).reference == NORMALS


def test_too_few_other_genes(settings):
    made = cells_and_counts(14, groups=TWO_DAYS)
    of = weighted(
        *made, SYMBOLS, np.arange(N_GENES) < 150, ONE, expected=pd.DataFrame(), soup=None,
        copies=pd.DataFrame(index=SYMBOLS),
    )  # fmt: skip
    change = find_changes(of, "c1", 400, DAYS, settings=settings).change
    assert math.isnan(change.scatter) and (change.p == 1).all() and not change.can_rise.any()


PANEL = pd.DataFrame(
    [
        ("PI", "G0", "expression", "gain", 0.2), ("PI", "G1", "expression", "loss", 0.2),
        ("PI", "G2", "expression", "gain", 0.2), ("any", "set", "programme", "gain", math.nan),
        ("IMiD", "G0", "expression", "gain", 0.2), ("PI", "GONE", "expression", "gain", 0.2),
    ],
    columns=["drug_class", "marker", "evidence_type", "direction", "strength"],
)  # fmt: skip


def test_rows(settings):
    rate = np.full(N_GENES, 5e-4)
    sets = {"set": ["G50", "G51", "G52"]}
    change = factors(G0=4.0, G1=4.0, G50=4.0, G51=4.0, G52=4.0)
    groups = [*TWO_DAYS, ("a", "c2", 80), ("b", "c2", 80)]
    both = {("b", "c1"): change, ("b", "c2"): factors(G0=4.0)}
    made = cells_and_counts(15, groups=groups, rate=rate, change=both)
    tested = genes_to_test(PANEL, sets, SYMBOLS)
    assert tested == {"G0": ["G0"], "G1": ["G1"], "G2": ["G2"], "set": ["G50", "G51", "G52"]}
    clear = pd.DataFrame(0.0, index=["a", "b"], columns=SYMBOLS)
    of = features(made, tested, soup=clear)
    found = find_changes(of, "c1", 400, DAYS, settings=settings)
    rows = expression_rows(
        found, of.names, "c1", 400, 100, PANEL, ["PI"], anything="any", settings=settings
    )  # fmt: skip
    table = pd.DataFrame(rows).set_index("marker")
    assert set(table["drug_class"]) == {"PI", "any"}  # IMiD was not given
    assert table.loc["G0", ["call", "strength"]].tolist() == [HIGHER, 0.2]
    assert table.loc["G0", "note"] == "another clone changed alike"
    assert table.loc["G1", ["call", "strength", "note"]].tolist() == [HIGHER, 0.0, "not the direction that counts"]
    assert table.loc["G2", ["call", "strength"]].tolist() == [UNCHANGED, 0.0]
    assert table.loc["set", ["call", "strength"]].tolist() == [HIGHER, 0.0]  # shown, not weighed
    assert table.loc["GONE", "call"] == "not assessable" and "not measured" in table.loc["GONE", "note"]
    unknown = features(made, tested, soup=clear.loc[["a"]])
    told = expression_rows(
        find_changes(unknown, "c1", 400, DAYS, settings=settings), unknown.names, "c1", 400, 100, PANEL, ["PI"],
        anything="any", settings=settings,
    )  # fmt: skip
    blind = pd.DataFrame(told).set_index("marker").loc["G0"]
    assert blind["call"] == HIGHER and blind["strength"] == 0.0 and "soup not known" in blind["note"]
    assert expression_rows(found, of.names, "c1", 400, 100, PANEL, [], anything="any", settings=settings) == []
    nothing = expression_rows(None, of.names, "c1", 400, 5, PANEL, ["PI"], anything="any", settings=settings)
    assert {row["call"] for row in nothing} == {"not assessable"}
    falls = cells_and_counts(16, groups=TWO_DAYS, rate=rate, change={("b", "c1"): factors(G1=0.2)})
    of = features(falls, tested, soup=clear)
    lost = expression_rows(
        find_changes(of, "c1", 400, DAYS, settings=settings), of.names, "c1", 400, 100, PANEL, ["PI"],
        anything="any", settings=settings,
    )  # fmt: skip
    assert pd.DataFrame(lost).set_index("marker").loc["G1", ["call", "strength"]].tolist() == [LOWER, 0.2]


def test_a_lasting_change_stays_a_change(settings):
    """Up from day 400 on: on day 800 it is compared with day 0, not with all that was before."""
    rate, days = np.full(N_GENES, 5e-4), {"a": 0, "b": 400, "c": 800}
    up = factors(G0=4.0)
    early = cells_and_counts(18, groups=[("a", "c1", 100), ("b", "c1", 200)], rate=rate, change={("b", "c1"): up})
    late = cells_and_counts(19, groups=[("b", "c1", 200)], rate=rate, change={("b", "c1"): up})
    made = (
        sparse.vstack([early[0], late[0]], format="csr"), np.r_[early[1], late[1]], np.r_[early[2], late[2]],
        np.r_[early[3], np.full(200, "c")],
    )  # fmt: skip
    found = find_changes(features(made, ONE), "c1", 800, days, settings=settings)
    assert found.reference == f"{OWN}, day 0" and found.change.p[0] < 1e-6 and found.change.ratio[0] > 3


def test_a_clone_that_is_new_differs_but_has_not_changed(settings):
    groups = [("b", "c1", 150), ("b", "c2", 150)]
    made = cells_and_counts(20, groups=groups, rate=np.full(N_GENES, 5e-4), change={("b", "c2"): factors(G0=5.0)})
    clear = pd.DataFrame(0.0, index=["a", "b"], columns=SYMBOLS)
    of = features(made, genes_to_test(PANEL, {}, SYMBOLS), soup=clear)
    found = find_changes(of, "c2", 400, DAYS, settings=settings)
    rows = expression_rows(found, of.names, "c2", 400, 150, PANEL, ["PI"], anything="any", settings=settings)
    row = pd.DataFrame(rows).set_index("marker").loc["G0"]
    assert row["call"] == HIGHER and row["strength"] == 0.0 and "not a change" in row["note"]


@pytest.mark.parametrize("cells", [30, 100, 300])
def test_soup_that_is_read_from_few_cells_makes_no_rise(settings, cells):
    """Silent genes, .5 UMI of soup per cell on the later day, read from two types of so many cells each."""
    false = n = 0
    for seed in range(4):
        rng = np.random.default_rng([seed, cells])
        rate = np.full(N_GENES, 5e-4)
        rate[:100] = 1e-6
        brought = np.zeros(N_GENES)
        brought[:100] = 0.5
        made = cells_and_counts(seed, groups=[("a", "c1", 300), ("b", "c1", 100)], rate=rate, soup={"b": brought})
        shown = np.vstack([np.zeros((2 * cells, N_GENES), dtype=int), rng.poisson(brought, (2 * cells, N_GENES))])
        of = (
            pd.DataFrame(shown, columns=SYMBOLS), pd.Series(["a"] * 2 * cells + ["b"] * 2 * cells),
            pd.Series((["monocyte"] * cells + ["cd4_t"] * cells) * 2),
        )  # fmt: skip
        built = weighted(
            *made, SYMBOLS, np.ones(N_GENES, dtype=bool), ONE, expected=pd.DataFrame(), soup=soup_per_cell(*of),
            most_soup=most_soup(*of), copies=pd.DataFrame(index=SYMBOLS),
        )  # fmt: skip
        change = find_changes(built, "c1", 400, DAYS, settings=settings).change
        false += int(((change.p < 1e-3) & (change.ratio > 2)).sum())
        n += 100
    assert false <= 4, f"{false} of {n}"


def test_soup_of_a_programme_is_bounded_as_a_whole():
    """Bounds of 20 genes do not add up: a set's soup is known better than that of any of its genes."""
    made = cells_and_counts(21, groups=TWO_DAYS)
    soup = pd.DataFrame(0.1, index=["a", "b"], columns=SYMBOLS)
    sets = {"set": SYMBOLS[:20], "one": SYMBOLS[:1]}
    of = weighted(
        *made, SYMBOLS, np.ones(N_GENES, dtype=bool), sets, expected=pd.DataFrame(), soup=soup, most_soup=soup + 0.15,
        copies=pd.DataFrame(index=SYMBOLS),
    )  # fmt: skip
    assert of.most_soup[0, 1] == pytest.approx(0.25)
    assert 1.1 < of.most_soup[0, 0] / of.soup[0, 0] < 1.5  # 2.5 if they did


def test_names_of_clones_do_not_matter(settings):
    groups = [*TWO_DAYS, ("a", "c2", 80), ("b", "c2", 80)]
    counts, depth, clones, samples = cells_and_counts(17, groups=groups)
    renamed = np.array([{"c1": "z", "c2": "a"}[c] for c in clones])
    one = find_changes(features((counts, depth, clones, samples), ONE), "c1", 400, DAYS, settings=settings)
    two = find_changes(features((counts, depth, renamed, samples), ONE), "z", 400, DAYS, settings=settings)
    np.testing.assert_allclose(one.change.p, two.change.p, rtol=1e-9)
    np.testing.assert_array_equal(one.alike, two.alike)


def test_scatter():
    rng = np.random.default_rng(1)
    v = np.full(5000, 0.04)
    assert scatter(rng.normal(0, 0.2, 5000), v) < 0.08
    assert scatter(rng.normal(0, math.sqrt(0.04 + 0.09), 5000), v) == pytest.approx(0.3, abs=0.03)
    heavy = np.where(rng.random(5000) < 0.03, 1.0, 0.0) * rng.normal(0, 1.5, 5000) + rng.normal(0, 0.2, 5000)
    assert scatter(heavy, v) > 0.3  # a few percent that scatter widely are believed


def test_sets_of_the_user(settings):
    panel = full_panel(PANEL, {**settings, "programmes": {"PI": ["OXPHOS"]}})
    assert panel.iloc[-1][["drug_class", "marker", "evidence_type", "direction", "strength"]].tolist() == [
        "PI", "OXPHOS", "programme", "gain", 0.2,
    ]  # fmt: skip
    assert full_panel(PANEL, settings).equals(PANEL)
    assert "OXPHOS" in genes_to_test(panel, {"OXPHOS": ["G7", "NONE"]}, SYMBOLS)


def test_features_of_a_patient(settings):
    """Real genes: immunoglobulins tell nothing, copies come from the profiles, normal cells are a group."""
    genes = gene_table().set_index("symbol").iloc[::40].assign(measured=True)
    rng = np.random.default_rng(2)
    counts = sparse.csr_matrix(rng.poisson(1.0, (90, len(genes))))
    cells = pd.DataFrame({
        "cell": [f"s:{i}" for i in range(90)], "sample": "s", "day": 0, "depth": 1000.0,
        "clone": ["c1"] * 50 + [""] * 40, "call": ["malignant"] * 60 + ["normal"] * 30,
    })  # fmt: skip
    on_1q = genes[(genes["chromosome"] == "chr1") & (genes["arm"] == "q")].index
    profiles = pd.DataFrame(
        [("c1", "chr1", "q", 1, 2, 3, 0.5, "gain")],
        columns=["clone", "chromosome", "arm", "start", "end", "state", "log2_ratio", "call"],
    )
    baseline = genes[["chromosome", "start", "end", "arm"]].assign(used=True, symbol=genes.index)
    of = features_of(counts, cells, genes, {on_1q[0]: [on_1q[0]]}, baseline=baseline, soup=None, profiles=profiles)
    assert sorted(of.sums.clone) == [NORMAL_GROUP, "c1"] and of.names == (on_1q[0],)
    assert of.copies[of.sums.clone == "c1", 0] == pytest.approx(0.5)
    assert of.copies[of.sums.clone == NORMAL_GROUP, 0] == 0
    loud = genes["locus"].isin(["ig", "tr"]) | (genes["chromosome"] == "chrM")
    assert of.sums.counts.shape[1] == len(genes) - loud.sum()  # tested one included
    change = compare(of, of.sums.clone == "c1", of.sums.clone == NORMAL_GROUP, by_copies=True, settings=settings)
    assert change.copies_known.all() and change.p[0] < 0.9


def test_the_panel_can_be_tested():
    panel = read_resource(RESOURCES / "resistance.tsv")
    tested = genes_to_test(panel, built_in(read_resource(RESOURCES / "programmes.tsv")), gene_table()["symbol"])
    wanted = panel[panel["evidence_type"].isin(["expression", "programme"])]
    assert set(tested) == set(wanted["marker"]) and set(wanted["direction"]) == {"gain", "loss"}
    assert len(tested["proteasome"]) == 22
