"""An arm's genes agree on a copy and not on a programme."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from marrowclone.clones.agreement import GeneCounts, typical_shift
from marrowclone.clones.model import build_frame, run_em, start
from marrowclone.clones.resolution import genes_agree
from unit.clones.clone_generator import make_patient
from unit.clones.test_clones_infer import SETTINGS, TRUNK, run

N, GENES = 400, 240


def cells(
    shift_of_gene: np.ndarray, *, seed: int = 1, gene_of_capture: float = 0.0
) -> tuple[GeneCounts, np.ndarray, ...]:
    """Half of the cells with the genes' log shifts; four segments of 60 genes; two captures of unequal mixture."""
    rng = np.random.default_rng(seed)
    second = np.arange(N) % 2 == 1
    sample = np.where(second, rng.random(N) < 0.8, rng.random(N) < 0.2).astype(int)
    level = np.exp(rng.normal(0, 1, GENES)) * 0.8
    own = np.stack([np.zeros(GENES), rng.normal(0, gene_of_capture, GENES)])
    mean = level * np.exp(second[:, None] * shift_of_gene + own[sample])
    counts = sparse.csr_matrix(rng.poisson(mean).astype(np.float32))
    return GeneCounts(counts, np.repeat(np.arange(4), 60)), sample, second.astype(float)


def on_segment(values: np.ndarray | float) -> np.ndarray:
    shift = np.zeros(GENES)
    shift[120:180] = values
    return shift


def test_a_copy_moves_the_middle_gene_as_far_as_the_arm():
    genes, sample, second = cells(on_segment(np.log(1.4)))
    shift = typical_shift(genes, sample, second, 1 - second, 2, np.array([0, 1, 3]))
    assert shift == pytest.approx(np.log(1.4), abs=0.06)


def test_a_programme_of_few_genes_leaves_the_middle_gene_where_it_was():
    few = np.zeros(60)
    few[::8] = np.log(5.0)
    genes, sample, second = cells(on_segment(few))
    arm = np.asarray(genes.counts[:, 120:180].sum(axis=1)).ravel()
    assert np.log(arm[second > 0].mean() / arm[second == 0].mean()) > 0.3, "the arm's sum does move"
    assert abs(typical_shift(genes, sample, second, 1 - second, 2, np.array([0, 1, 3]))) < 0.08


def test_what_a_capture_does_to_genes_is_no_difference_between_clones():
    genes, sample, second = cells(np.zeros(GENES), gene_of_capture=0.8)
    assert abs(typical_shift(genes, sample, second, 1 - second, 2, np.array([0, 1, 3]))) < 0.08


def test_clones_that_share_no_capture_are_compared_all_the_same():
    genes, _, second = cells(on_segment(np.log(1.4)))
    shift = typical_shift(genes, second.astype(int), second, 1 - second, 2, np.array([0, 1, 3]))
    assert shift == pytest.approx(np.log(1.4), abs=0.06)


def test_few_genes_have_no_middle():
    genes, sample, second = cells(on_segment(np.log(1.4)))
    poor = replace(genes, segment=np.where(np.arange(GENES) < 233, 0, 1))
    assert np.isnan(typical_shift(poor, sample, second, 1 - second, 1, np.array([0])))


ONE_ARM = {"a": TRUNK, "b": {**TRUNK, ("chr1", "q"): 1}}


def test_one_arm_is_enough_for_a_clone_when_its_genes_agree():
    p = make_patient({"dx": {"a": 260, "b": 140}}, ONE_ARM, seed=3)
    found = run(p)
    if not 2 <= found.summary["d_prime"].max() < 4:
        pytest.fail(f"the case asks nothing: d' {found.summary['d_prime'].max():.1f}, expected 2 to 4")
    assert found.cells["best_clone"].nunique() == 2
    assert run(p, min_d_prime_agreed=99).cells["best_clone"].nunique() == 1


def test_agreement_is_asked_of_one_arm_only():
    p = make_patient({"dx": {"a": 260, "b": 140}}, ONE_ARM, seed=3)
    found = run(p)
    posterior = found.cells[["p_c1", "p_c2"]].to_numpy()
    from marrowclone.clones.evidence import segment_evidence

    evidence = segment_evidence(
        p.counts, cells=p.cells, samples=p.samples, genes=p.genes, baseline=p.baseline, settings=SETTINGS
    )
    frame = build_frame(evidence, settings=SETTINGS)
    fit = run_em(frame, start(frame, posterior), settings=SETTINGS, n_iterations=5)
    assert genes_agree(frame, fit, 0, 1, 3.0, settings=SETTINGS)
    assert not genes_agree(frame, fit, 0, 1, 1.0, settings=SETTINGS), "too near"
    assert not genes_agree(replace(frame, evidence=replace(evidence, genes=None)), fit, 0, 1, 3.0, settings=SETTINGS)
