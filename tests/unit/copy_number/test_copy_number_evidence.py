"""Evidence on single cells: expression, clonotype, drivers, arm levels, the rare search, the false-positive guard."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from marrowclone.copy_number import calls_table, expression, false_positives, further, malignant, odds, rare
from marrowclone.copy_number.arm_levels import arm_levels
from marrowclone.keys import TABLES

N_GENES = 1500


@pytest.fixture(scope="module")
def marrow():
    """Function: SD of the tumour's and of the second capture's effects -> gene table, tumour, captures, (bool) kinds."""

    def make(tumour_sd, capture_sd, *, normal=(60, 60), tumour=(100, 100), seed=0):
        rng = np.random.default_rng(seed)
        profile = rng.lognormal(0, 1.2, N_GENES)
        effects = np.exp(rng.normal(0, tumour_sd, N_GENES))
        captures = [np.ones(N_GENES), np.exp(rng.normal(0, capture_sd, N_GENES))]
        rows, is_tumour, capture = [], [], []
        for s in (0, 1):
            for kind, n in ((False, normal[s]), (True, tumour[s])):
                share = profile * captures[s] * (effects if kind else 1.0)
                mean = 3000 * rng.lognormal(0, 0.3, n)[:, None] * (share / share.sum())[None, :]
                rows.append(rng.poisson(mean * rng.gamma(3, 1 / 3, mean.shape)))
                is_tumour += [kind] * n
                capture += [f"S{s}"] * n
        counts = sp.csr_matrix(np.vstack(rows))
        expected = pd.DataFrame({f"S{s}": profile / profile.sum() for s in (0, 1)})
        genes = pd.DataFrame({"used": True, "chromosome": "chr1", "arm": np.resize(["p", "q"], N_GENES)})
        table = expression.gene_table(counts, np.array(capture, dtype=object), expected, genes)
        return table, np.array(is_tumour), np.array(capture)

    return make


def _evidence(table, p, target=None):
    target = np.ones(len(p), dtype=bool) if target is None else target
    return expression.evidence(table, p, target=target, reference=~target, like_tumour=True, seed=1)


def test_expression_tells_cells_that_had_no_say(marrow):
    # only half of the cells are given as sure; the others are told by what those taught
    table, tumour, _ = marrow(0.35, 0.0)
    sure = np.random.default_rng(1).random(len(tumour)) < 0.5
    found = _evidence(table, np.where(sure, tumour.astype(float), 0.5))
    assert (found.log_odds[~sure & tumour] > 2).mean() > 0.9
    assert (found.log_odds[~sure & ~tumour] < -2).mean() > 0.9
    assert (found.tail[~sure & ~tumour] <= 0.02).mean() <= 0.05
    assert np.abs(found.log_odds).max() <= expression.BOUND


def test_expression_is_not_heard_where_nothing_differs(marrow):
    # labels dealt at random among like cells: cross-fitting leaves nothing to hear
    table, tumour, _ = marrow(0.0, 0.0)
    assert _evidence(table, np.random.default_rng(2).permutation(tumour).astype(float)) is None


def test_a_batch_is_not_taken_for_a_tumour(marrow):
    # nothing but the capture differs; nearly all tumour cells lie in one, nearly all normal cells in the other
    table, tumour, capture = marrow(0.0, 0.3, normal=(150, 30), tumour=(30, 150))
    found = _evidence(table, tumour.astype(float))
    if found is not None:  # the captures' normal cells must not be told apart by the capture
        of_second = ~tumour & (capture == "S1")
        assert found.log_odds[of_second].mean() < 0


def test_expression_is_blind_to_whole_arms():
    # one arm is up by a half in "tumour" cells, and nothing else: that is copy number's to say
    rng = np.random.default_rng(3)
    profile = rng.lognormal(0, 1.2, N_GENES)
    arm = np.resize(["p", "q"], N_GENES)
    tumour = np.arange(240) < 120
    share = np.where((arm == "q")[None, :] & tumour[:, None], 1.5, 1.0) * profile[None, :]
    counts = sp.csr_matrix(rng.poisson(3000 * share / share.sum(axis=1, keepdims=True)))
    genes = pd.DataFrame({"used": True, "chromosome": "chr1", "arm": arm})
    expected = pd.DataFrame({"S": profile / profile.sum()})
    table = expression.gene_table(counts, np.full(240, "S", dtype=object), expected, genes)
    assert _evidence(table, tumour.astype(float)) is None


def test_too_few_sure_cells_say_nothing(marrow):
    table, tumour, _ = marrow(0.35, 0.0)
    p = np.full(len(tumour), 0.5)
    p[np.flatnonzero(tumour)[:9]] = 1.0
    p[np.flatnonzero(~tumour)] = 0.0
    assert _evidence(table, p) is None


def _clonality(clonotypes, dominant):
    table = pd.DataFrame({"cell": [f"c{i}" for i in range(len(clonotypes))], "clonotype": clonotypes})
    table["clonotype_dominant"] = table["clonotype"] == dominant
    table["clonotype_log_odds"] = np.where(
        table["clonotype"] == "", np.nan, np.where(table["clonotype_dominant"], 8.0, 0.0)
    )
    return table.assign(multiplet=False)


def test_clonotype_speaks_for_and_against():
    table = _clonality(["a"] * 5 + ["b"] + ["c"] * 3 + [""], "a")
    cells = pd.Series(["c0", "c5", "c6", "c9", "elsewhere"])
    found, dominant = further.clonotype_odds(cells, table)
    # the clone; a receptor of its own; a second expanded clonotype (a switched chain?); no contig; not in the table
    assert found.tolist() == [8.0, further.OTHER_CLONOTYPE, 0.0, 0.0, 0.0]
    assert dominant.tolist() == [True, False, False, False, False]
    alone, _ = further.clonotype_odds(cells, _clonality(["a"] * 5 + ["b"] + ["c"] * 3 + [""], "none"))
    assert (alone == 0).all()  # no dominant clonotype: nobody is of another lineage


def test_driver_spike_is_bounded_and_knows_soup():
    symbols = pd.Index(["CCND1", "ACTB", "IGKC"])
    counts = sp.csr_matrix(np.array([[3, 5000, 9000], [0, 5000, 9000], [0, 500, 9000]] + [[0, 5000, 0]] * 100))
    normal = np.arange(103) >= 3
    spikes = pd.DataFrame({"gene": ["CCND1"], "level": [800.0], "normal_mean": [np.log(12.0)]})
    shown, missing, shallow = further.driver_odds(counts, symbols, normal, spikes)[:3]
    assert shown > 1 and missing < -1
    assert missing < shallow < 0  # a shallow cell without it says less
    assert shown <= np.log(1 / further.SOUP_SHARE) + 0.1  # never more than the soup allows
    many = pd.concat([spikes] * 5, ignore_index=True)
    assert further.driver_odds(counts, symbols, normal, many)[0] == further.DRIVER_BOUND
    assert (further.driver_odds(counts, symbols, normal, spikes.iloc[:0]) == 0).all()


def test_arm_levels_are_log2_ratios_whatever_the_depth(genome):
    rng = np.random.default_rng(5)
    arm = (genome.genes["chromosome"].str.removeprefix("chr") + genome.genes["arm"]).to_numpy()
    share = genome.plasma * np.where(arm == "1q", 1.4, 1.0)
    share = share / share.sum()
    depth = np.repeat([1500.0, 6000.0], 150)
    counts = sp.csr_matrix(rng.poisson(depth[:, None] * share[None, :]))
    expected = pd.DataFrame({"S": genome.plasma}, index=genome.genes.index)
    samples = np.full(300, "S", dtype=object)
    anchors = ["2p", "2q", "10p", "10q", "12q", "17q", "20q", "4q"]
    levels, names = arm_levels(counts, samples, expected, genome.genes, anchors=anchors, min_cpm=2.0)
    gained, others = levels[:, names.index("1q")], np.delete(levels, names.index("1q"), axis=1)
    for part in (depth < 2000, depth > 2000):
        assert gained[part].mean() == pytest.approx(0.4 / np.log(2), abs=0.12)
        assert abs(others[part].mean()) < 0.05
    again, _ = arm_levels(counts, samples, expected, genome.genes, anchors=anchors, min_cpm=2.0, chunk=37)
    np.testing.assert_allclose(levels, again, rtol=1e-10)


def test_rare_search_finds_alike_cells_and_asks_for_three_events():
    rng = np.random.default_rng(7)
    z = rng.normal(size=(300, 40))
    z[:8, :4] += 2.4  # eight cells, 4.8 SD from the others
    rows = rare.rare_component(z, min_cells=5)
    assert len(set(rows) & set(range(8))) >= 6 and len(rows) <= 12
    assert len(rare.rare_component(z[:15], min_cells=5)) == 0
    assert rare.enough_events(("+1q", "-13q", "-14q"))
    assert not rare.enough_events(("+1p", "+1q", "-13q"))  # two chromosomes


def _odds(n, tail, further_=0.0):
    zero = np.zeros(n)
    return odds.Odds(np.full(n, 0.95), zero, zero, zero + further_, np.full(n, 3.0), np.asarray(tail, float), True)


def test_guard_holds_whatever_the_share_of_the_sample():
    # p is .95 by the sample's share alone: a cell as any normal cell is not called, unless its clonotype says more
    assert false_positives.guard(_odds(3, [0.5, 0.02, 0.001]), max_tail=0.02).tolist() == [False, True, True]
    assert false_positives.guard(_odds(1, [0.5], 8.0), max_tail=0.02).all()


def test_rate_is_of_cells_known_without_copy_number():
    n = 40
    chains = np.array(["kappa"] * 20 + ["lambda"] * 20, dtype=object)
    everyone = np.ones(n, dtype=bool)
    cells = odds.Cells(
        sp.csr_matrix((n, 0)), np.full(n, "S"), everyone, ~everyone, np.zeros((n, 0)), np.ones(n), chains
    )
    tail = np.full(n, 0.001)
    tail[22:] = 0.5
    found = false_positives.estimate(_odds(n, tail), cells, {"kappa"}, foreign=False, malignant_at=0.9, max_tail=0.02)
    assert (found.n, found.called, found.source) == (20, 2, false_positives.OTHER_CHAIN)
    assert found.lower < 0.1 < found.upper and "2 of 20 (10.0%" in found.words()
    both = false_positives.estimate(
        _odds(n, tail), cells, {"kappa", "lambda"}, foreign=False, malignant_at=0.9, max_tail=0.02
    )
    assert both.n == 0 and "not known" in both.words()


def test_calls_table_has_one_row(marrow):
    cells = pd.DataFrame(
        {"p_malignant": [0.95, 0.99, 0.02, 0.5], "call": ["malignant", "malignant", "normal", "unassigned"]}
    )
    calls = malignant.Calls(
        cells, np.array([True, True, True, True]), {}, True, "tumour found",
        false_positives.counted(np.zeros(50, dtype=bool), false_positives.DONORS),
    )  # fmt: skip
    row = calls_table.calls_table(calls, patient="P", rung="R2").iloc[0]
    assert list(row.index) == list(TABLES["copy_number.calls"])
    assert (row["n_malignant"], row["n_normal"], row["n_unassigned"]) == (2, 1, 1)
    assert row["expected_false"] == pytest.approx(0.06)
    assert row["held_out"] == 50 and 0 < row["upper"] < 0.06
