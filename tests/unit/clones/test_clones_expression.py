"""Genes and programmes that set clones apart: simulated with lognormal cells and capture effects that the test lacks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse, stats

from marrowclone.clones.contrast import Split, contrast, false_discovery
from marrowclone.clones.copies import dosage_offset, gene_copies
from marrowclone.clones.expression import (
    BEYOND,
    DOSAGE,
    GENE,
    MARKER_COLUMNS,
    NOT_CALLED,
    NOT_KNOWN,
    OWN,
    PROGRAMME,
    clone_markers,
    pseudobulk,
)  # fmt: skip
from marrowclone.clones.sums import dispersions, sum_groups

SETTINGS = {"min_cells": 20, "min_expected": 5, "fdr": 0.05, "min_log2_fold": 0.5}
PER_ARM = 100
ARMS = ("1p", "1q", "2p", "2q", "3p", "3q", "4q", "5q", "6q", "7q", "8q", "9q", "10q", "11q", "12q")
UP, DOWN, SPARED, LOUD = "5q3", "6q7", "1q4", "1q5"


def genes() -> pd.DataFrame:
    rows = [
        (f"{arm}{i}", f"chr{arm[:-1]}", arm[-1], 1000 * (i + 1), 1000 * (i + 1) + 500, "", True)
        for arm in ARMS for i in range(PER_ARM)
    ]  # fmt: skip
    rows += [("IGKC", "chr2", "p", 1, 2, "ig", True), ("MT-CO1", "chrM", "", 1, 2, "", True)]
    columns = ["symbol", "chromosome", "arm", "start", "end", "locus", "measured"]
    return pd.DataFrame(rows, columns=columns).set_index("symbol")


def profiles(gained: dict[str, list[str]], *, clones: tuple[str, ...] = ("c1", "c2"), call: str = "") -> pd.DataFrame:
    rows = []
    for clone in clones:
        for arm in ARMS:
            more = arm in gained.get(clone, [])
            rows.append({
                "clone": clone, "chromosome": f"chr{arm[:-1]}", "arm": arm[-1], "start": 5000, "end": 90_000,
                "state": 3 if more else 2, "log2_ratio": np.log2(1.4) if more else 0.02, "posterior": 0.99,
                "call": call or ("gain" if more else "neutral"),
            })  # fmt: skip
    return pd.DataFrame(rows)


class Tumour:
    """c1 and c2 in two captures; c1 has 1q gained, and genes and a programme of its own."""

    def __init__(self, seed: int, *, sizes: tuple[tuple[int, int], ...] = ((150, 300), (60, 40)), null: bool = False):
        rng = np.random.default_rng(seed)
        self.genes = genes()
        n_genes = len(self.genes)
        level = rng.lognormal(-1.0, 1.2, n_genes)
        level[self.genes.index.get_indexer([UP, DOWN, SPARED, LOUD])] = 0.8
        level[-2:] = 300, 100
        parts, clone, sample = [], [], []
        for s, size in enumerate(sizes):
            batch = rng.lognormal(0, 0.3, n_genes)
            for name, n in zip(("c1", "c2"), size, strict=True):
                mean = level * batch
                if not null and name == "c1":
                    mean = mean * self.effect()
                depth = rng.lognormal(0.2 if name == "c1" else 0.0, 0.5, n)
                # lognormal between cells: no gamma, no fixed dispersion
                noise = rng.lognormal(-0.18, 0.6, (n, n_genes))
                programme = np.ones((n, n_genes))
                programme[:, self.genes.index.get_indexer(self.module())] = rng.lognormal(-0.125, 0.5, (n, 1))
                parts.append(rng.poisson(depth[:, None] * mean * noise * programme))
                clone += [name] * n
                sample += [f"s{s}"] * n
        self.counts = sparse.csr_matrix(np.concatenate(parts).astype(np.int32))
        self.cells = pd.DataFrame({"clone": clone, "sample": sample})

    def effect(self) -> np.ndarray:
        factor = np.ones(len(self.genes))
        on_1q = self.genes.index.str.startswith("1q")
        factor[on_1q] = 1.4
        at = self.genes.index.get_indexer
        factor[at([UP])], factor[at([DOWN])] = 4.0, 0.25
        factor[at([SPARED])], factor[at([LOUD])] = 0.4, 5.0
        factor[at(self.module())] *= 1.6
        return factor

    def module(self) -> list[str]:
        return [f"8q{i}" for i in range(30)] + [f"1q{i}" for i in range(20, 30)]

    def sets(self) -> dict[str, list[str]]:
        return {"module": [*self.module(), "no such gene"], "quiet": [f"9q{i}" for i in range(30)], "1q": ["1q1"]}

    def markers(self, given: pd.DataFrame | None = None, **settings: Any) -> pd.DataFrame:
        return clone_markers(
            self.counts, self.cells, self.genes, profiles({"c1": ["1q"]}) if given is None else given, self.sets(),
            settings={**SETTINGS, **settings},
        )  # fmt: skip


@pytest.fixture(scope="module")
def markers() -> pd.DataFrame:
    return Tumour(3).markers()


def one(table: pd.DataFrame, clone: str, symbol: str) -> pd.Series:
    found = table[(table["clone"] == clone) & (table["symbol"] == symbol)]
    assert len(found) == 1
    return found.iloc[0]


def test_own_genes_are_found_with_their_fold_and_the_other_clone_mirrors_them(markers: pd.DataFrame) -> None:
    assert list(markers.columns) == list(MARKER_COLUMNS)
    up, down = one(markers, "c1", UP), one(markers, "c1", DOWN)
    assert up["call"] == down["call"] == OWN
    assert up["lower"] < 2 < up["upper"] and down["lower"] < -2 < down["upper"]
    assert up["n_same"] == up["n_captures"] == 2 and up["share_own"] > up["share_others"]
    mirror = one(markers, "c2", UP)
    assert mirror["log2_fold"] == pytest.approx(-up["log2_fold"], abs=0.05) and mirror["call"] == OWN


def test_what_copies_explain_is_dosage_and_what_they_do_not_is_beyond(markers: pd.DataFrame) -> None:
    mine = markers[(markers["clone"] == "c1") & (markers["kind"] == GENE)]
    on_1q = mine["symbol"].str.startswith("1q")
    assert np.allclose(mine.loc[on_1q, "dosage_log2"], np.log2(1.4) - 0.02, atol=1e-6)
    assert (mine.loc[~on_1q, "dosage_log2"] == 0).all()
    assert one(markers, "c1", LOUD)["call"] == one(markers, "c1", SPARED)["call"] == BEYOND
    assert one(markers, "c1", SPARED)["residual_log2"] == pytest.approx(np.log2(0.4 / 1.4), abs=0.5)
    rest = mine[on_1q & ~mine["symbol"].isin([LOUD, SPARED, *Tumour(3).module()])]
    called = rest["call"].value_counts(normalize=True)
    assert called.get(BEYOND, 0) <= 0.03 and called.get(OWN, 0) == 0 and called.get(DOSAGE, 0) >= 0.3


def test_false_discoveries_stay_within_the_rate(markers: pd.DataFrame) -> None:
    changed = {UP, DOWN, SPARED, LOUD, *Tumour(3).module()}
    mine = markers[(markers["kind"] == GENE) & ~markers["symbol"].str.startswith("1q")]
    found = mine[mine["call"] == OWN]
    assert (~found["symbol"].isin(changed)).sum() <= max(2, 0.1 * len(found))


def test_programmes_are_read_without_genes_whose_copies_differ(markers: pd.DataFrame) -> None:
    module, quiet = one(markers, "c1", "module"), one(markers, "c1", "quiet")
    assert module["kind"] == PROGRAMME and module["call"] == OWN and module["n_genes"] == 30
    assert module["left_out"].split() == [f"1q{i}" for i in range(20, 30)]
    assert module["lower"] < np.log2(1.6) < module["upper"]
    assert quiet["call"] == NOT_CALLED
    assert "1q" not in set(markers["symbol"])  # nothing is left of that set


@pytest.mark.parametrize("sizes", [((150, 300), (60, 40)), ((25, 500),), ((400, 400),), ((20, 300), (300, 20))])
def test_p_values_are_uniform_without_differences(sizes: tuple[tuple[int, int], ...]) -> None:
    table = Tumour(11, sizes=sizes, null=True).markers(profiles({}))
    p = table.loc[(table["clone"] == "c1") & (table["kind"] == GENE), "p"].to_numpy(float)
    assert len(p) > 500
    # not more small ones than by chance (three SDs), and not far fewer
    for level in (0.05, 0.01):
        most = stats.binom.ppf(0.999, len(p), level)
        assert (p <= level).sum() <= most
    assert (p <= 0.2).mean() > 0.14
    assert (p <= 0.05).mean() > 0.02
    assert (table["call"].isin([OWN, BEYOND])).sum() <= 2


def test_a_clone_that_grew_between_captures_is_compared_as_well_as_one_that_did_not() -> None:
    """Opposite shares in two captures: folds with intervals that hold them, and the power that the cells give."""
    table = Tumour(8, sizes=((30, 400), (400, 30))).markers()
    module = table[(table["clone"] == "c1") & table["symbol"].isin([f"8q{i}" for i in range(30)])]
    inside = (module["lower"] <= np.log2(1.6)) & (np.log2(1.6) <= module["upper"])
    assert len(module) >= 20 and inside.mean() >= 0.8
    even = Tumour(8, sizes=((400, 30), (400, 30))).markers()
    even = even[(even["clone"] == "c1") & even["symbol"].isin(module["symbol"])]
    assert (module["p"] <= 0.01).mean() >= (even["p"] <= 0.01).mean() - 0.2
    assert one(table, "c1", UP)["call"] == OWN


def test_mid_p_is_that_of_the_sum_of_two_binomials() -> None:
    """Without dispersion the null distribution over captures of unlike shares is known exactly."""
    own, other = np.array([[3.0], [40.0]]), np.array([[60.0], [5.0]])
    depth = np.array([[20.0], [300.0]]), np.array([[300.0], [20.0]])
    of = Split(
        samples=np.array(["a", "b"]), own_cells=depth[0].ravel(), other_cells=depth[1].ravel(), own=own, other=other,
        own_detected=own, other_detected=other, own_depth=depth[0], other_depth=depth[1], own_squared=depth[0],
        other_squared=depth[1],
    )  # fmt: skip
    share, n = (depth[0] / (depth[0] + depth[1])).ravel(), (own + other).ravel().astype(int)
    exact = np.convolve(*(stats.binom.pmf(np.arange(m + 1), m, q) for m, q in zip(n, share, strict=True)))
    x = int(own.sum())
    tail = min(exact[:x].sum(), exact[x + 1 :].sum()) + exact[x] / 2
    assert contrast(of, (np.zeros(1), np.zeros(1))).p[0] == pytest.approx(2 * tail, rel=0.15)


def test_a_part_that_is_not_sure_has_no_copies_and_each_capture_its_own_mixture() -> None:
    broken = profiles({"c1": ["1q"]}, clones=("c1", "c2", "c3"))
    at = (broken["clone"] == "c1") & (broken["chromosome"] == "chr1") & (broken["arm"] == "q")
    first, second = broken[at].assign(end=40_000), broken[at].assign(start=50_000, call="indeterminate")
    broken = pd.concat([broken[~at], first, second], ignore_index=True)
    copies = gene_copies(broken, genes(), ["c1", "c2", "c3"])
    on = genes().index.get_indexer(["1q10", "1q80"])
    assert copies.state[on[0], 0] == 3 and np.isnan(copies.state[on[1], 0]) and copies.state[on[1], 1] == 2
    # c2 has the gain as well: what c1 should show depends on how many of the others are c3
    both = profiles({"c1": ["1q"], "c2": ["1q"]}, clones=("c1", "c2", "c3"))
    clone, sample = ["c1", "c2", "c1", "c2", "c3"], ["a", "a", "b", "b", "b"]
    sums = sum_groups(np.ones((5, 1)), np.array([10.0, 10, 10, 10, 30]), np.array(clone), np.array(sample))
    offset = dosage_offset(gene_copies(both, genes(), ["c1", "c2", "c3"]), sums, "c1", ["a", "b"])
    assert offset.shape == (2, len(genes()))
    ratio = np.log2(1.4) - np.log2(0.25 * 1.4 + 0.75 * 2**0.02)
    assert offset[0, on[0]] == 0 and offset[1, on[0]] == pytest.approx(ratio)


def test_a_capture_that_one_clone_fills_says_nothing() -> None:
    tumour = Tumour(5, sizes=((150, 300), (400, 5)))
    table = tumour.markers()
    assert set(table["n_captures"]) == {1} and set(table.loc[table["clone"] == "c1", "n_cells"]) == {150}
    apart = tumour.cells.assign(sample=tumour.cells["clone"])
    empty = clone_markers(
        tumour.counts, apart, tumour.genes, profiles({"c1": ["1q"]}), tumour.sets(), settings=SETTINGS
    )
    assert empty.empty and list(empty.columns) == list(MARKER_COLUMNS)


def test_without_profiles_copies_are_not_known() -> None:
    for given in (profiles({}).iloc[:0], profiles({"c1": ["1q"]}, call="indeterminate")):
        table = Tumour(3).markers(given)
        assert one(table, "c1", UP)["call"] == NOT_KNOWN and np.isnan(one(table, "c1", UP)["residual_log2"])
        assert one(table, "c1", "module")["n_genes"] == 40
        assert not set(table["call"]) & {OWN, DOSAGE, BEYOND}


def test_one_clone_or_none_gives_the_header() -> None:
    tumour = Tumour(3)
    for cells in (tumour.cells.assign(clone="c1"), tumour.cells.assign(clone="")):
        table = clone_markers(tumour.counts, cells, tumour.genes, profiles({}), {}, settings=SETTINGS)
        assert table.empty and list(table.columns) == list(MARKER_COLUMNS)


def test_neither_order_of_cells_nor_depth_of_a_clone_changes_anything() -> None:
    tumour = Tumour(7)
    order = np.random.default_rng(0).permutation(len(tumour.cells))
    shuffled = clone_markers(
        tumour.counts[order], tumour.cells.iloc[order].reset_index(drop=True), tumour.genes,
        profiles({"c1": ["1q"]}), tumour.sets(), settings=SETTINGS,
    )  # fmt: skip
    pd.testing.assert_frame_equal(shuffled, tumour.markers(), rtol=1e-9)


def test_pseudobulk_keeps_every_count_of_cells_with_a_clone() -> None:
    tumour = Tumour(3)
    cells = tumour.cells.assign(clone=np.where(np.arange(len(tumour.cells)) < 10, "", tumour.cells["clone"]))
    table = pseudobulk(tumour.counts, cells, tumour.genes.index)
    assert list(table.columns) == ["symbol", "c1:s0", "c1:s1", "c2:s0", "c2:s1"]
    assert table.drop(columns="symbol").to_numpy().sum() == tumour.counts[10:].sum()
    assert pseudobulk(tumour.counts, cells.assign(clone=""), tumour.genes.index).columns.tolist() == ["symbol"]


def test_dispersions_come_back() -> None:
    rng = np.random.default_rng(1)
    depth, phi = rng.lognormal(0, 0.5, 4000), 0.5
    mean = 2.0 * depth[:, None] * np.ones((1, 50))
    counts = sparse.csr_matrix(rng.poisson(rng.gamma(1 / phi, phi * mean)))
    sums = sum_groups(counts, depth, np.repeat(["a", "b"], 2000), ["s"] * 4000)
    assert np.median(dispersions(sums)) == pytest.approx(phi, rel=0.05)


def test_false_discovery_keeps_what_is_not_known() -> None:
    adjusted = false_discovery(np.array([0.01, np.nan, 0.04, 0.5]))
    assert np.isnan(adjusted[1]) and adjusted[0] == pytest.approx(0.03) and adjusted[2] == pytest.approx(0.06)
