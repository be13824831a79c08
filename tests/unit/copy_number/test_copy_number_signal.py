"""The patient's signal: expectation, depth, threshold, and that cells, blocks and threads do not matter."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from marrowclone.copy_number import expectation
from marrowclone.copy_number import signal as sg
from marrowclone.copy_number.baseline import build_baseline
from marrowclone.embedding.device import device_if_given
from marrowclone.errors import UserError


@pytest.fixture(scope="module")
def cohort(make_cells, genome):
    """Counts, samples, reference cells and baseline of 160 cells in two captures."""
    parts = [
        make_cells(60, sample="S", patient="P", cell_type="tumour", events=["+1q", "-13q"], seed=1),
        make_cells(40, sample="S", patient="P", cell_type="normal", seed=2),
        make_cells(60, sample="T", patient="P", cell_type="normal", depth=1500, seed=3),
    ]
    counts = sp.vstack([m for m, _ in parts], format="csr")
    samples = np.repeat(["S", "T"], [100, 60]).astype(object)
    reference = np.arange(160) >= 60
    kinds = np.full(160, "plasma", dtype=object)
    effects = pd.DataFrame(1.0, index=genome.genes.index, columns=["S", "T"])
    baseline = build_baseline(counts[reference], samples[reference], kinds[reference], genome.genes, effects)
    return counts, samples, reference, kinds, baseline


def infer(cohort, order=None, **changed):
    counts, samples, reference, kinds, baseline = cohort
    order = np.arange(len(samples)) if order is None else order
    settings = {
        "window": 100, "step": 10, "clip": 3.0, "min_cpm": 2.0, "anchors": ["2p", "2q", "10q"], "dynamic_threshold": 1.5,
    } | changed  # fmt: skip
    return sg.infer_signal(counts[order], samples[order], reference[order], kinds[order], baseline, **settings)


def same(one, two):
    assert one.limit == two.limit
    np.testing.assert_array_equal(one.windows.toarray(), two.windows.toarray())
    np.testing.assert_array_equal(one.arms, two.arms)


@pytest.mark.parametrize("how", [{"block": 37}, {"block": 5000}, {"threads": 2}, {"block": 7, "threads": 2}], ids=str)
def test_blocks_and_threads_do_not_matter(cohort, how):
    """To the last bit: every cell is worked on by itself, and the SD is summed without rounding."""
    same(infer(cohort), infer(cohort, **how))


def test_order_of_cells_does_not_matter(cohort):
    """Means of the reference are summed in the order of the cells, so the last bits may differ (patients' cells are sorted)."""
    order = np.random.default_rng(0).permutation(160)
    one, two = infer(cohort), infer(cohort, order)
    assert two.limit == pytest.approx(one.limit, rel=1e-12)
    np.testing.assert_allclose(two.arms, one.arms[order], atol=1e-11)
    np.testing.assert_allclose(two.windows.toarray(), one.windows[order].toarray(), atol=1e-6)


def test_some_rows_of_a_larger_matrix(cohort):
    """Cells are read where they lie."""
    counts, samples, reference, kinds, baseline = cohort
    rows = np.arange(0, 160, 2)
    settings = {"window": 100, "step": 10, "clip": 3.0, "min_cpm": 2.0, "anchors": ["2p"]}
    picked = [x[rows] for x in (samples, reference, kinds)]
    same(
        sg.infer_signal(counts, *picked, baseline, rows=rows, **settings),
        sg.infer_signal(counts[rows], *picked, baseline, **settings),
    )


def test_signal_is_sparse_and_thresholded_by_the_reference_cells(cohort):
    whole, kept = infer(cohort, dynamic_threshold=0.0), infer(cohort)
    assert sp.issparse(kept.windows) and kept.windows.dtype == np.float32
    dense, reference = whole.windows.toarray().astype(float), cohort[2]
    assert kept.limit == pytest.approx(1.5 * dense[reference].std(), rel=1e-6)
    np.testing.assert_array_equal(kept.windows.toarray(), np.where(np.abs(dense) < kept.limit, 0, dense))


def test_gains_and_losses_are_seen(cohort):
    found = infer(cohort)
    tumour = found.arms[:60].mean(axis=0)
    at = dict(zip(found.arm_names, tumour, strict=True))
    # truth: log2 1.4 = 0.49 and log2 0.6 = -0.74; the response is taken as linear, which stretches gains
    assert 0.35 < at["1q"] < 0.75 and -0.9 < at["13q"] < -0.4
    assert max(abs(at[a]) for a in ("3p", "4q", "5q", "6q")) < 0.1


def test_genes_in_another_order_give_the_same(cohort, genome):
    counts, samples, reference, kinds, baseline = cohort
    order = np.random.default_rng(1).permutation(len(genome.genes))
    shuffled = type(baseline)(baseline.genes.iloc[order], baseline.profiles.iloc[order], baseline.effects.iloc[order])
    one = infer(cohort)
    two = infer((counts[:, order], samples, reference, kinds, shuffled))
    assert one.window_table.equals(two.window_table)
    np.testing.assert_allclose(two.arms, one.arms, atol=1e-11)  # sums in another order
    np.testing.assert_allclose(two.windows.toarray(), one.windows.toarray(), atol=1e-6)


def test_torch_gives_the_same_on_the_cpu(cohort):
    """The code that a GPU runs, in float64; 1e-4 is promised."""
    one, two = infer(cohort), infer(cohort, device="torch-cpu")
    assert two.limit == pytest.approx(one.limit, rel=1e-10)
    np.testing.assert_allclose(two.arms, one.arms, atol=1e-8)
    np.testing.assert_allclose(two.windows.toarray(), one.windows.toarray(), atol=1e-6)


@pytest.mark.gpu
def test_cuda_gives_the_same(cohort):
    import torch

    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    one, two = infer(cohort), infer(cohort, device="cuda")
    np.testing.assert_allclose(two.arms, one.arms, atol=1e-4)
    np.testing.assert_allclose(two.windows.toarray(), one.windows.toarray(), atol=1e-4)


def test_a_gpu_is_used_only_where_the_job_has_one():
    """The signal takes seconds on a CPU: no job waits for a GPU, and torch is not loaded to look for one."""

    def never():
        raise AssertionError("torch was asked")

    given = {"SLURM_JOB_GPUS": "0"}
    assert device_if_given("auto", available=never, environ={}) == "cpu"
    assert device_if_given("cpu", available=never, environ=given) == "cpu"
    assert device_if_given("auto", available=lambda: True, environ=given) == "cuda"
    assert device_if_given("cuda", available=lambda: True, environ={}) == "cuda"
    assert device_if_given("cuda", available=lambda: False, environ={}) == "cpu", "integrate_cells may have its GPU"
    with pytest.raises(UserError, match="given a GPU"):
        device_if_given("auto", available=lambda: False, environ=given)


def test_no_cells():
    """An empty matrix gives an empty signal with its windows."""
    genes = pd.DataFrame(
        {"chromosome": "chr1", "start": range(200), "end": range(200), "arm": "p", "used": True, "reason": ""},
        index=[f"g{i}" for i in range(200)],
    )
    profile = pd.DataFrame({"plasma": np.full(200, 1 / 200)}, index=genes.index)
    baseline = sg.Baseline(genes, profile, pd.DataFrame({"S": np.ones(200)}, index=genes.index))
    none = np.zeros(0, dtype=object)
    found = sg.infer_signal(
        sp.csr_matrix((0, 200), dtype=np.int32), none, none.astype(bool), none, baseline,
        window=100, step=10, clip=3.0, min_cpm=0.0, anchors=["1p"],
    )  # fmt: skip
    assert found.windows.shape == (0, 11) and found.arms.shape == (0, 1)


@pytest.mark.parametrize("rate, depth", [(0.02, 3000), (1.0, 3000), (12.0, 8000), (200.0, 8000)])
def test_expected_log1p_against_simulation(rate, depth):
    rng = np.random.default_rng(0)
    counts = rng.poisson(rate * rng.gamma(1 / expectation.DISPERSION, expectation.DISPERSION, 200_000))
    simulated = np.log1p(expectation.TARGET * counts / depth)
    # 4 standard errors; beyond 30 counts the expansion may be off by 1%
    tolerance = 4 * simulated.std() / np.sqrt(len(simulated)) + 0.01 * (rate > 30) * simulated.mean()
    assert expectation.expected_log1p(np.array([rate]), depth)[0] == pytest.approx(simulated.mean(), abs=tolerance)


def test_depth_groups_depend_on_the_cell_alone():
    few, keys = expectation.depth_groups(["S", "S"], np.array([1000.0, 4000.0]))
    more, more_keys = expectation.depth_groups(["S", "S", "T"], np.array([1000.0, 4000.0, 90.0]))
    assert [keys[i] for i in few] == [more_keys[i] for i in more[:2]]


def test_arms_with_hardly_any_genes_are_not_read():
    """21p has a handful of genes that plasma cells hardly express: one UMI there read as +237 log2."""
    arm_of = np.array(["1p"] * 40 + ["21p"] * 3 + ["2q"] * 30, dtype=object)
    assert sg.readable_arms(arm_of) == ["1p", "2q"]


def test_where_no_arm_has_many_genes_all_are_read():
    """A panel of few genes: noisy levels are better than none."""
    assert sg.readable_arms(np.array(["1p", "2q", "2q"], dtype=object)) == ["1p", "2q"]
