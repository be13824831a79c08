"""The chapter's hard cases, from counts to calls."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from marrowclone.cells import light_chain
from marrowclone.copy_number import arms, clusters, malignant, odds
from marrowclone.copy_number.look import cells_of
from marrowclone.copy_number.reference import patient_signal

TRUNK = ["+1q", "-13q", "-14q", "+9q", "+15q"]


@pytest.fixture(scope="module")
def run(genome, defaults):
    """Function: (AnnData, cells) -> (PatientSignal, calls with truth columns)."""

    def go(counts, cells, patient="P", donors=()):
        found = patient_signal(
            counts, cells, genome.genes, patient=patient, donors=list(donors),
            settings=defaults["infer_signal"], calls=defaults["call_malignant"], seed=1,
        )  # fmt: skip
        rows = pd.Index(cells["cell"]).get_indexer(found.obs["cell"])
        calls = malignant.call_cells(
            cells_of(found.obs, found.signal.arms, counts.X[rows]), found.baseline.expected, genome.genes,
            rung=found.reference.rung, settings=defaults["call_malignant"], seed=1,
        )  # fmt: skip
        table = calls.cells.set_index(found.obs["cell"].to_numpy())
        return found, calls, table[found.obs["is_tumour_type"].to_numpy()]

    return go


@pytest.fixture(scope="module")
def donors(make_cells):
    return [
        make_cells(90, sample=f"H{i}", patient=f"H{i}", cell_type="plasma", timepoint="healthy", seed=100 + i)
        for i in range(3)
    ]


def share(table, call, of):
    inside = table[table.index.str.contains(of)]
    return (inside["call"] == call).mean()


def test_diagnosis_against_healthy_donors(make_cells, join, run, donors):
    tumour = make_cells(150, sample="S", patient="P", cell_type="plasma", events=TRUNK, kappa=1.0, seed=1)
    normal = make_cells(25, sample="S", patient="P", cell_type="plasma", seed=2)
    found, calls, table = run(*join(tumour, normal, *donors), donors=["H0", "H1", "H2"])
    assert found.reference.rung == "R2"  # 25 normal cells are too few for R1
    assert "3 donors" not in found.reference.reason  # three were there: nothing to excuse
    assert calls.tumour_found
    assert share(table, "malignant", "plasma1-") > 0.95
    assert share(table, "malignant", "plasma2-") <= 0.04
    assert table["p_malignant"].between(0, 1).all()


def test_eight_malignant_cells_among_three_hundred(make_cells, join, run, donors):
    # MRD without any other timepoint. One capture says little at this size (over eight of them a tumour was found
    # in six and 35 of 64 cells were called), so four are judged together: the tumour is found in most, its cells
    # are called or left open, and no normal cell pays for it.
    found, called, missed = 0, [], []
    for seed in (1, 3, 5, 7):
        tumour = make_cells(8, sample="S", patient="P", cell_type="plasma", events=TRUNK, kappa=1.0, seed=seed)
        normal = make_cells(300, sample="S", patient="P", cell_type="plasma", seed=seed + 1)
        _, calls, table = run(*join(tumour, normal, *donors), donors=["H0", "H1", "H2"])
        assert share(table, "malignant", f"plasma{seed + 1}-") <= 0.01
        if calls.tumour_found:
            found += 1
            called.append(share(table, "malignant", f"plasma{seed}-"))
            missed.append(share(table, "normal", f"plasma{seed}-"))
    assert found >= 3
    assert np.mean(called) >= 0.6
    assert np.mean(missed) <= 0.1


def test_healthy_donor_has_no_tumour(make_cells, join, run, donors):
    subject = make_cells(150, sample="H9", patient="H9", cell_type="plasma", timepoint="healthy", seed=9)
    found, calls, table = run(*join(subject, *donors), patient="H9", donors=["H0", "H1", "H2"])
    assert found.reference.rung == "R2"  # judged against the other donors, not against itself
    assert calls.summary == "no tumour detected"
    assert (table["call"] == "normal").all()


def test_normal_cells_of_the_patient_become_the_reference(make_cells, join, run, donors):
    # R1 outranks R2; chosen by light chain, so it must not contain malignant cells
    tumour = make_cells(100, sample="S", patient="P", cell_type="plasma", events=TRUNK, kappa=1.0, seed=1)
    normal = make_cells(160, sample="S", patient="P", cell_type="plasma", seed=2)
    found, _, table = run(*join(tumour, normal, *donors), donors=["H0", "H1", "H2"])
    assert found.reference.rung == "R1"
    reference = found.obs[found.reference.is_reference]
    own = reference["patient"] == "P"
    assert reference.loc[own, "cell"].str.contains("plasma2-").all()
    assert reference.loc[~own, "cell"].str.startswith("H").all()  # held to the donors' profile, gene by gene
    assert found.reference.size == (own.sum(), 1)
    assert share(table, "malignant", "plasma1-") > 0.95
    assert share(table, "malignant", "plasma2-") <= 0.02


def test_fully_hyperdiploid_without_normal_cells(make_cells, join, run, donors, genome, defaults):
    trisomies = ["+3p", "+3q", "+5p", "+5q", "+7p", "+7q", "+9p", "+9q", "+11p", "+11q", "+15q", "+19p", "+19q"]
    tumour = make_cells(120, sample="S", patient="P", cell_type="plasma", events=trisomies, kappa=0.0, seed=1)
    counts, cells = join(tumour, *donors)
    found, _, table = run(counts, cells, donors=["H0", "H1", "H2"])
    assert (table["call"] == "malignant").mean() > 0.97
    rows = pd.Index(cells["cell"]).get_indexer(table.index)
    states = arms.call_arms(
        counts.X[rows], cells["sample"].iloc[rows], pd.Series([""] * len(rows)), found.baseline.expected,
        genome.genes, rung=found.reference.rung, settings=defaults["call_arms"],
    )  # fmt: skip
    assert set(states["clone"]) == {"all"}
    assert "loss" not in set(states["call"])
    assert (states["call"] == "gain").sum() >= 9


def test_timepoint_is_batch(make_cells, join, run, donors, genome):
    # a technical effect on all of 12q in the second capture is seen in its T cells and taken out
    arm = (genome.table["chromosome"] + genome.table["arm"]).to_numpy()
    effect = np.where(np.isin(arm, ["chr12q", "chr6q"]), 1.4, 1.0)
    parts = [
        make_cells(70, sample="S1", patient="P", cell_type="plasma", seed=1),
        make_cells(70, sample="S2", patient="P", cell_type="plasma", effect=effect, seed=2),
        make_cells(80, sample="S1", patient="P", cell_type="cd4_t", seed=3),
        make_cells(80, sample="S2", patient="P", cell_type="cd4_t", effect=effect, seed=4),
        make_cells(80, sample="H0", patient="H0", cell_type="cd4_t", seed=5),
    ]
    _, calls, table = run(*join(*parts, *donors), donors=["H0", "H1", "H2"])
    assert not calls.tumour_found
    assert (table["call"] == "malignant").sum() == 0


def test_immune_reference_is_low_confidence_and_invents_nothing(make_cells, join, run):
    # R5: a normal plasma programme against T cells and monocytes; polyclonal, so normal and R1 in the end
    parts = [
        make_cells(120, sample="S", patient="P", cell_type="plasma", seed=1),
        make_cells(80, sample="S", patient="P", cell_type="cd4_t", seed=2),
        make_cells(80, sample="S", patient="P", cell_type="monocyte", seed=3),
    ]
    found, _, table = run(*join(*parts))
    assert found.reference.rung == "R1" and "R5" in found.reference.reason
    assert (table["call"] == "malignant").sum() == 0


def test_no_reference_at_all_is_not_assessable(make_cells, join, run):
    # CD138-sorted sample of unknown chains, no donors, no immune cells: R4, nothing absolute may be said
    counts, cells = make_cells(60, sample="S", patient="P", cell_type="plasma", events=TRUNK, kappa=0.85, seed=1)
    found, calls, table = run(*join((counts, cells)))
    assert found.reference.rung == "R4" and "relative" in found.reference.reason
    assert not calls.tumour_found
    assert (table["call"] != "malignant").all()


def test_users_own_labels(make_cells, join, run):
    # a tumour that is not made of plasma cells: the light chain says nothing
    parts = [
        make_cells(80, sample="S", patient="P", cell_type="tumour", events=TRUNK, seed=1),
        make_cells(60, sample="S", patient="P", cell_type="normal", seed=2),
    ]
    found, _, table = run(*join(*parts))
    assert found.reference.rung == "R1" and found.reference.reason.startswith("user-labelled reference")
    assert (table["call"] == "malignant").mean() > 0.95
    assert set(table["light_chain"]) == {""}


def test_patient_without_plasma_cells(make_cells, join, genome, defaults):
    counts, cells = join(make_cells(40, sample="S", patient="P", cell_type="cd4_t"))
    found = patient_signal(
        counts, cells, genome.genes, patient="P", donors=[],
        settings=defaults["infer_signal"], calls=defaults["call_malignant"], seed=1,
    )  # fmt: skip
    assert found is None


def test_order_of_cells_does_not_matter(make_cells, join, run, donors):
    tumour = make_cells(60, sample="S", patient="P", cell_type="plasma", events=TRUNK, kappa=1.0, seed=1)
    normal = make_cells(20, sample="S", patient="P", cell_type="plasma", seed=2)
    counts, cells = join(tumour, normal, *donors)
    order = np.random.default_rng(3).permutation(len(cells))
    _, _, straight = run(counts, cells, donors=["H0", "H1", "H2"])
    _, _, shuffled = run(counts[order].copy(), cells.iloc[order].reset_index(drop=True), donors=["H0", "H1", "H2"])
    pd.testing.assert_frame_equal(straight, shuffled.loc[straight.index], rtol=1e-7)  # cells are sorted inside


def test_score_leaves_the_cell_itself_out():
    # two orthogonal members: neither looks like the other, so the score of both is 0, not 0.5
    z = np.array([[3.0, 0.0], [0.0, 3.0], [0.0, 0.0]])
    score = odds.projection_score(z, np.array([1.0, 1.0, 0.0]))
    assert score[:2] == pytest.approx([0, 0])


def test_call_has_a_middle():
    calls = malignant.call_of(np.array([0.05, 0.5, 0.95]), malignant_at=0.9, normal_at=0.1)
    assert calls.tolist() == ["normal", "unassigned", "malignant"]


def test_single_cell_light_chain_never_makes_it_malignant(make_cells, join, run, donors):
    # all kappa by the cell, 60% by the group: no copy-number event, no restriction, nobody is malignant
    normal = make_cells(120, sample="S", patient="P", cell_type="plasma", seed=2)
    _, _, table = run(*join(normal, *donors), donors=["H0", "H1", "H2"])
    assert (table.loc[table["light_chain"] == "kappa", "call"] == "malignant").sum() == 0


@pytest.mark.parametrize("n", [1, 3])
def test_a_handful_of_plasma_cells_is_not_assessable(make_cells, join, run, n):
    # an unsorted sample with almost no plasma cells: no clone may be invented, nothing may crash
    plasma = make_cells(n, sample="S", patient="P", cell_type="plasma", events=TRUNK, seed=1)
    immune = make_cells(120, sample="S", patient="P", cell_type="cd4_t", seed=2)
    found, calls, table = run(*join(plasma, immune))
    assert found.reference.rung == "R5"
    assert calls.summary.startswith("not assessable")
    assert (table["call"] == "unassigned").all()


def test_finding_nothing_against_immune_cells_is_no_all_clear(make_cells, join, run):
    # B cells as the tumour type have no light-chain test here and no own reference: rung R5 leaves every cell
    # unassigned, so the summary must not say "no tumour detected" (seen on a real lymphoma)
    parts = [
        make_cells(80, sample="S", patient="P", cell_type="tumour", seed=1),
        make_cells(80, sample="S", patient="P", cell_type="cd4_t", seed=2),
        make_cells(80, sample="S", patient="P", cell_type="monocyte", seed=3),
    ]
    found, calls, table = run(*join(*parts))
    assert found.reference.rung == "R5"
    assert (table["call"] == "unassigned").all()
    assert calls.summary.startswith("not assessable") and "R5" in calls.summary


@pytest.fixture
def kappa_group():
    """Function: kappa and lambda cells, posteriors by the tumour's profile -> posteriors of a restricted group."""

    def go(n_kappa, n_lambda, p, *, tumour_found):
        chains = np.array(["kappa"] * n_kappa + ["lambda"] * n_lambda, dtype=object)
        n = len(chains)
        test = light_chain.group_test(n_kappa, n_lambda)
        assert test.verdict == "restricted"
        settings = {"kappa_share": 0.6, "min_chain_cells": 20, "min_llr": 4.6, "p_clonal_group": 0.95}
        empty = np.zeros((n, 0))
        everyone = np.ones(n, dtype=bool)
        cells = odds.Cells(sp.csr_matrix((n, 0)), np.full(n, "S"), everyone, ~everyone, empty, np.ones(n), chains)
        groups = {"g1": clusters.GroupEvidence(clusters.CLONAL, (), test, n)}
        labels = np.full(n, "g1", dtype=object)
        return malignant._without_profile(
            np.asarray(p, dtype=float), cells, labels, groups, tumour_found, "R2", settings
        )

    return go


def test_mixed_restricted_group_makes_no_cell_malignant(kappa_group):
    # 91 kappa of 100: a tumour among kappa normal cells; (0.91 - 0.6) / (0.98 - 0.6) = 0.82 clone, so that a kappa cell
    # is of it with 0.88: not enough for a call. 100 of 100 is a clone and stays at the setting.
    assert kappa_group(91, 9, [0.5] * 100, tumour_found=False)[:91].max() == pytest.approx(0.88, abs=0.01)
    assert kappa_group(100, 0, [0.5] * 100, tumour_found=False) == pytest.approx(0.95)


@pytest.mark.parametrize(
    ("n_kappa", "n_lambda", "of_kappa"),
    [(30, 8, 0.60), (10, 1, 0.81), (6, 12, 0.01), (60, 35, 0.01)],  # half a clone, a few cells, no clone, polyclonal
)
def test_group_beside_a_clone_without_events_is_not_called_normal(n_kappa, n_lambda, of_kappa):
    chains = np.array(["kappa"] * 100 + ["kappa"] * n_kappa + ["lambda"] * n_lambda + ["ambiguous"], dtype=object)
    n = len(chains)
    settings = {"kappa_share": 0.6, "min_chain_cells": 20, "min_llr": 4.6, "p_clonal_group": 0.95, "p_no_tumour": 0.01}
    everyone = np.ones(n, dtype=bool)
    cells = odds.Cells(
        sp.csr_matrix((n, 0)), np.full(n, "S"), everyone, ~everyone, np.zeros((n, 0)), np.ones(n), chains
    )
    labels = np.array(["g1"] * 100 + ["g2"] * (n - 100), dtype=object)
    mixed = light_chain.group_test(n_kappa, n_lambda)
    groups = {
        "g1": clusters.GroupEvidence(clusters.CLONAL, (), light_chain.group_test(100, 0), 100),
        "g2": clusters.GroupEvidence(clusters.NOTHING, (), mixed, n - 100),
    }
    p = malignant._without_profile(np.full(n, 0.5), cells, labels, groups, False, "R2", settings)
    assert p[100 : 100 + n_kappa] == pytest.approx(of_kappa, abs=0.01)
    assert p[100 + n_kappa : -1] == pytest.approx(0.01)  # the other chain is normal
    assert p[-1] == (0.01 if mixed.verdict == "polyclonal" else 0.5)
    alone = malignant._without_profile(np.full(n, 0.5), cells, labels, {"g2": groups["g2"]}, False, "R2", settings)
    assert alone[100:] == pytest.approx(0.01)  # without a clone nothing changes


def test_known_tumour_profile_decides_within_a_restricted_group(kappa_group):
    # 70 cells fit the tumour's profile, 30 (21 kappa, 9 lambda) do not: what is left is polyclonal, hence normal
    p = [0.99] * 70 + [0.05] * 30
    assert kappa_group(91, 9, p, tumour_found=True).tolist() == p
    # 60 kappa cells that do not fit are restricted by themselves: a clone without events is not called normal
    assert kappa_group(100, 0, [0.99] * 40 + [0.05] * 60, tumour_found=True).min() == pytest.approx(0.95)
