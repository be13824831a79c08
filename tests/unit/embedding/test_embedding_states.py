"""States follow their genes; cycling is a probability that knows the depth; evidence knows the soup."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from captures_by_hand import defaults
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from marrowclone.embedding.evidence import LINEAGE_OF, LINEAGES, Definers, background, definers, second_lineage, tail
from marrowclone.embedding.states import assign_states, cycling_probability
from marrowclone.keys import CELL_TYPES
from marrowclone.resources import RESOURCES, gene_table, read_resource

SETTINGS = defaults("embedding", "type_cells")
PANEL = read_resource(RESOURCES / "markers.tsv")
STATES = read_resource(RESOURCES / "states.tsv")
CYCLING = read_resource(RESOURCES / "cycling.tsv")


def test_tables_of_states_name_types_and_genes_that_exist():
    known = gene_table().set_index("symbol")["locus"]
    for table in (STATES, CYCLING):
        assert set(table["symbol"]) <= set(known.index) and (table["source"] != "").all()
        assert not (table["symbol"].map(known) == "ig").any()  # ambient in marrow
    assert set(STATES["cell_type"]) <= set(CELL_TYPES) and set(STATES["direction"]) <= {"+", "-", "!"}
    assert not STATES.duplicated(["cell_type", "state", "symbol"]).any()


def test_definers_of_every_type_are_markers_of_it():
    sets = definers(PANEL)
    assert set(sets) == set(CELL_TYPES) and all(len(genes) >= 3 for genes in sets.values())
    # what soup carries in marrow moves no single cell
    assert not {"HBA1", "HBB", "LYZ", "S100A8", "S100A9"} & {g for genes in sets.values() for g in genes}
    assert set(LINEAGE_OF) <= set(CELL_TYPES) and sum(len(t) for t in LINEAGES.values()) == len(LINEAGE_OF)


def t_cells(n, genes, rng, part="1"):
    """log-normalised expression of ``n`` CD4 cells that show ``genes`` each with probability 0.6."""
    columns = list(dict.fromkeys(STATES.loc[STATES["cell_type"] == "cd4_t", "symbol"]))
    seen = rng.random((n, len(columns))) < np.isin(columns, genes) * 0.6 + 0.02
    return pd.DataFrame(seen * 2.0, columns=columns), [part] * n


def test_states_of_cd4_t_cells():
    rng = np.random.default_rng(0)
    groups = {
        "naive": ["CCR7", "SELL", "TCF7", "LEF1"],
        "treg": ["FOXP3", "IL2RA", "CTLA4", "IKZF2"],
        "memory": ["IL7R", "LTB", "S100A4", "IL32", "ITGB1"],
    }
    frames = [t_cells(60, genes, rng, str(i)) for i, genes in enumerate(groups.values())]
    expression = pd.concat([f for f, _ in frames], ignore_index=True)
    part = pd.Series([p for _, parts in frames for p in parts])
    kind = pd.Series("cd4_t", index=expression.index)
    state = assign_states(expression, kind, part, STATES, pd.Series(np.nan, index=kind.index), SETTINGS)
    truth = np.repeat(list(groups), 60)
    named = (state != "").to_numpy()
    assert named.mean() > 0.8 and (state[named] == truth[named]).mean() > 0.95
    # Treg genes without FOXP3, in a part where nobody has it: activated T cells, not Treg
    lacking = expression.assign(FOXP3=0.0)
    assert not (
        assign_states(lacking, kind, part, STATES, pd.Series(np.nan, index=kind.index), SETTINGS) == "treg"
    ).any()
    # no gene seen: no state
    nothing = assign_states(expression * 0, kind, part, STATES, pd.Series(np.nan, index=kind.index), SETTINGS)
    assert (nothing == "").all()


def test_plasma_states_are_those_of_the_cycle():
    kind = pd.Series(["plasma"] * 4)
    none = pd.DataFrame(index=kind.index)
    state = assign_states(
        none, kind, pd.Series("1", index=kind.index), STATES, pd.Series([0.9, 0.01, 0.3, np.nan]), SETTINGS
    )
    assert state.tolist() == ["cycling", "resting", "", ""]  # in between, or not measured: not distinguishable


def test_cycling_is_found_and_knows_the_depth():
    rng = np.random.default_rng(1)
    n = np.full(1000, 5000.0)
    truth = np.arange(1000) < 60
    umi = rng.poisson(np.where(truth, 12.0, 0.15)).astype(float)  # 24 and 0.3 per 10,000
    kind, measured = np.full(1000, "plasma"), np.ones(1000, dtype=bool)
    p = cycling_probability(umi, n, kind, measured)
    assert ((p >= 0.5) == truth).mean() > 0.99
    # without a cycling gene, a droplet of 200 UMIs keeps more doubt than one of 20,000
    probe = cycling_probability(np.append(umi, [0.0, 0.0]), np.append(n, [200.0, 20000.0]), np.full(1002, "plasma"),
                                np.ones(1002, dtype=bool))  # fmt: skip
    assert probe[-1] < 1e-3 < 0.01 < probe[-2] < 0.1


def test_no_cell_cycles_where_none_does_and_unmeasured_is_unknown():
    rng = np.random.default_rng(2)
    n = rng.uniform(500, 30_000, 800)
    umi = rng.poisson(0.5 * n / 10_000).astype(float)
    p = cycling_probability(umi, n, np.full(800, "cd4_t"), np.ones(800, dtype=bool))
    assert (p >= 0.5).mean() < 0.005
    assert np.isnan(cycling_probability(umi, n, np.full(800, "cd4_t"), np.zeros(800, dtype=bool))).all()


@given(st.integers(0, 50), st.floats(0.001, 20))
def test_tail_is_a_probability_that_falls_with_the_count(k, mean):
    one, more = tail(np.array([k, k + 1]), np.array([mean, mean]))
    assert 0 <= more <= one <= 1
    if k == 0:
        assert one == 1


def test_tail_against_a_sum():
    p = stats.nbinom.pmf(np.arange(3), 2.0, 2.0 / 2.5)
    assert tail(np.array([3]), np.array([0.5]))[0] == pytest.approx(1 - p.sum())


def test_background_is_the_samples_own():
    """A sample with twice the soup expects twice as much; one of few cells leans on the cohort."""
    umi = np.array([1.0] * 400 + [2.0] * 400 + [50.0])
    sample = np.array(["a"] * 400 + ["b"] * 400 + ["c"])
    expected = background(umi, np.full(801, 5000.0), np.full(801, "cd4_t"), sample, np.ones(801, dtype=bool))
    assert expected[0] == pytest.approx(1.0, rel=0.05) and expected[400] == pytest.approx(2.0, rel=0.05)
    assert expected[-1] < 8  # one cell's 50 are no background: the cohort's 1.5, and a little of it


def counted(plasma, t, n=200):
    """Plasma cells of whom the last shows T-cell molecules."""
    umi = pd.DataFrame({"plasma": [plasma] * (n + 1), "cd4_t": [0.0] * n + [t]})
    scores = pd.DataFrame({"plasma": 1.5, "cd4_t": [-0.5] * n + [0.5]}, index=umi.index)
    called = pd.Series("plasma", index=umi.index, dtype=object)
    found = Definers(umi, (umi > 0) * 2, np.full(n + 1, 5000.0))
    return second_lineage(found, scores, called, np.full(n + 1, "S"), max_p=1e-3, min_umi=4)


def test_a_second_lineage_is_seen_and_soup_is_not():
    assert counted(20.0, 8.0).iloc[-1] == "t_nk" and (counted(20.0, 8.0).iloc[:-1] == "").all()
    assert counted(20.0, 3.0).iloc[-1] == ""  # three molecules may be soup
    assert counted(0.0, 8.0).iloc[-1] == ""  # shows the other lineage alone: mistyped, no doublet
