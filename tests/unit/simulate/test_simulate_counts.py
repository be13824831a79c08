from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from marrowclone.resources import gene_table
from marrowclone.simulate import simulate
from marrowclone.simulate.immunoglobulin import ig_genes, ig_weights, polyclonal
from marrowclone.simulate.streams import stream
from marrowclone.simulate.transcriptome import RIBOSOMAL, at, build_transcriptome
from unit.simulate.simulate_cases import one_patient


@pytest.fixture(scope="module")
def transcriptome():
    return build_transcriptome(3)


def arm_labels() -> np.ndarray:
    genes = gene_table()
    return (genes["chromosome"].str.removeprefix("chr") + genes["arm"]).to_numpy()


def test_levels_are_shares_and_look_like_real_cells(transcriptome):
    for name, level in transcriptome.levels.items():
        assert level.sum() == pytest.approx(1e6), name
    plasma = transcriptome.levels["plasma"]
    # real plasma profile: 10,261 genes over 2 CPM, 1,213 over 100 (docs/simulate.md)
    assert 9_000 < (plasma > 2).sum() < 12_500
    assert 900 < (plasma > 100).sum() < 1_600
    ribosomal = gene_table()["symbol"].str.match(r"^RP[LS]\d").to_numpy()
    assert plasma[ribosomal].sum() / 1e6 == pytest.approx(RIBOSOMAL["plasma"], abs=0.03)


def test_normal_plasma_against_immune_cells_shows_false_arm_shifts(transcriptome):
    """Science 1.6: SD of the false signal in windows of 101 genes is .18 in real profiles."""
    levels = transcriptome.levels
    immune = np.mean([levels[t] for t in ("nk", "cd4_t", "cd8_t", "monocyte", "b_cell")], axis=0)
    genes = gene_table()
    used = ((levels["plasma"] + immune) / 2 > 2) & (genes["locus"] == "").to_numpy()
    used &= ~genes["chromosome"].isin(["chrX", "chrY", "chrM"]).to_numpy()
    shift = np.clip(np.log2((levels["plasma"][used] + 1) / (immune[used] + 1)), -3, 3)
    windows = np.convolve(shift, np.full(101, 1 / 101), mode="valid")
    assert 0.10 < windows.std() < 0.26  # without it every reference would be as good as any other


@pytest.mark.parametrize("kind", ["expected", "counted"])
def test_arm_dosage_of_the_truth_table_is_in_the_expression(kind):
    """Independent of the code that applies it: 1 + .8 (c/2 - 1) from the arms of the truth table."""
    cohort = simulate(one_patient())
    if kind == "expected":
        profiles = cohort.profiles("P")
        tumour, normal = profiles.clones["A"], profiles.normal["plasma"]
        used, tolerance = normal > 5, 0.06  # patient effects of SD .25 over 100 genes and more
    else:
        _, capture = next(cohort.captures())
        malignant = capture.cells["malignant"].to_numpy()
        tumour = np.asarray(capture.counts[malignant].sum(axis=0)).ravel().astype(float)
        normal = np.asarray(capture.counts[~malignant].sum(axis=0)).ravel().astype(float)
        used, tolerance = normal >= 12, 0.10
    used &= (gene_table()["locus"] == "").to_numpy()
    ratio = pd.Series(np.log(tumour[used] / normal[used]), index=arm_labels()[used])
    ratio = ratio[np.isfinite(ratio)]
    arms = ratio.groupby(level=0).median()[ratio.groupby(level=0).size() >= 30]
    truth = cohort.truth()["arms"]
    state = pd.Series(truth["state"].to_numpy(), index=truth["chromosome"].str[3:] + truth["arm"])
    arms = arms[arms.index.isin(state.index)]
    state = state[arms.index]
    observed = np.exp(arms - arms[state == 2].median())
    for arm in ("1q", "13q", "9q", "11q"):
        assert observed[arm] == pytest.approx(1 + 0.8 * (state[arm] / 2 - 1), abs=2 * tolerance), arm
    assert (observed[state == 2] - 1).abs().median() < tolerance


def test_clone_without_the_antigen_has_none_and_its_kin_have():
    clones = {
        "A": {"events": ["-13q"], "fraction": 0.5},
        "B": {"parent": "A", "events": ["-16p"], "fraction": 0.5, "phenotype": "antigen_loss"},
    }
    cohort = simulate(one_patient(clones=clones))
    _, capture = next(cohort.captures())
    antigen = np.asarray(capture.counts[:, at(["TNFRSF17"])].todense()).ravel()
    clone = capture.cells["clone"].to_numpy()
    assert antigen[clone == "B"].sum() == 0  # no ambient RNA in this capture
    assert antigen[clone == "A"].mean() > 0.5  # science 4.6: 2 UMIs in a normal plasma cell of 5,000


def test_driver_gene_of_the_subtype_spikes():
    profiles = simulate(one_patient(subtype="t(4;14)")).profiles("P")
    nsd2 = int(at(["NSD2"])[0])
    assert profiles.clones["A"][nsd2] > 20 * profiles.normal["plasma"][nsd2]  # science A.2: 20 to 200 times


def test_normal_plasma_cells_are_60_percent_kappa_and_a_tumour_is_one_chain():
    rng = stream(1, "test")
    receptors = polyclonal(4000, rng)
    weights, kappa = ig_weights(receptors, rng), receptors.kappa
    assert kappa.mean() == pytest.approx(0.60, abs=0.025)  # 3 SE of 4,000 cells; science 1.4
    igkc = int(np.searchsorted(ig_genes()[0], at(["IGKC"])[0]))
    assert ((weights[:, igkc] > 0.1) == kappa).all()
    cohort = simulate(one_patient(light_chain="lambda"))
    _, capture = next(cohort.captures())
    cells = capture.cells
    assert (cells.loc[cells["malignant"], "light_chain"] == "lambda").all()
    k = np.asarray(capture.counts[:, at(["IGKC"])].todense()).ravel()
    l = np.asarray(capture.counts[:, at(["IGLC1", "IGLC2", "IGLC3", "IGLC7"])].sum(axis=1)).ravel()  # noqa: E741
    score = np.log2((k + 1) / (l + 1))
    assert (score[cells["malignant"]] < -2).mean() > 0.95  # science 1.4: call at 2 and -2


def test_plasma_cells_carry_ig_and_t_cells_only_what_floats_about(spec):
    cohort = simulate(spec)
    ig = (gene_table()["locus"] == "ig").to_numpy()
    parts = []
    for _, capture in cohort.captures():
        total = np.asarray(capture.counts.sum(axis=1)).ravel()
        share = np.asarray(capture.counts[:, ig].sum(axis=1)).ravel() / total
        parts.append(capture.cells.assign(share=share, n=total))
    cells = pd.concat(parts)
    alive = cells[(cells["quality"] == "good") & ~cells["doublet"]]
    assert 0.2 < alive.loc[alive["cell_type"] == "plasma", "share"].median() < 0.6  # science 1.3: 20 to 60%
    t_cells = alive.loc[alive["cell_type"].isin(["cd4_t", "cd8_t"]), "share"]
    assert 0 < t_cells.median() < 0.06  # ambient of 2 to 10%, a third of it Ig
    assert cells.loc[cells["quality"] == "empty", "n"].median() < 1500 < alive["n"].median()
    assert (cells["quality"] == "dying").any() and cells["doublet"].any()
    assert (cells.loc[cells["quality"] == "empty", "cell_type"] == "").all()


def test_a_capture_without_plasma_cells_or_of_empty_droplets_only(spec):
    spec["patients"] = {"T1": spec["patients"]["T1"]}
    samples = spec["patients"]["T1"]["samples"]
    samples[0].update(plasma_fraction=0.0, cells=40)
    samples[1].update(cells=5, capture={"empty": 0.99})
    (_, none), (_, empty) = simulate(spec).captures()
    assert not none.cells["malignant"].any()
    assert empty.counts.shape[0] == 5  # and no failure
