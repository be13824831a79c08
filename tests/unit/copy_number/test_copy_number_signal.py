import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from marrowclone.copy_number import signal as sg


@pytest.fixture(scope="module")
def small():
    rng = np.random.default_rng(0)
    matrix = sp.random(60, 900, density=0.2, random_state=1, format="csr")
    matrix.data = np.log1p(rng.poisson(3, len(matrix.data)) + 1.0)
    genes = pd.DataFrame(
        {
            "chromosome": np.repeat(["chr1", "chr10", "chr2"], [500, 60, 340]),
            "start": np.r_[0:500, 0:60, 0:340],
            "end": np.r_[0:500, 0:60, 0:340] + 1,
            "arm": "p",
        },
        index=[f"g{i}" for i in range(900)],
    )
    return matrix, genes


@pytest.mark.parametrize("categories", [["a"], ["a", "b"]], ids=["plain", "bounded"])
def test_equal_to_infercnvpy_when_configured_alike(small, categories):
    import anndata as ad
    import infercnvpy as cnv

    matrix, genes = small
    kind = np.repeat(["a", "b", "c"], 20)
    data = ad.AnnData(X=matrix, var=genes, obs=pd.DataFrame({"kind": kind}, index=[str(i) for i in range(60)]))
    chr_pos, theirs, _ = cnv.tl.infercnv(
        data, reference_key="kind", reference_cat=categories, dynamic_threshold=None, lfc_clip=0.7,
        inplace=False, n_jobs=1,
    )  # fmt: skip
    means = np.vstack([np.asarray(matrix[kind == c].mean(axis=0)) for c in categories])
    smoother, _, my_chr_pos = sg.smoothing_matrix(genes, window=100, step=10)
    ours = sg.smooth_differences(
        matrix, np.zeros(60, int), means.min(axis=0)[None], means.max(axis=0)[None], smoother, clip=0.7, chunk=17
    )
    ours -= np.median(ours, axis=1, keepdims=True)
    assert my_chr_pos == chr_pos
    np.testing.assert_allclose(ours, theirs.toarray(), atol=1e-10)  # float64 sums in another order


def test_chunks_do_not_matter(small):
    matrix, genes = small
    smoother, _, _ = sg.smoothing_matrix(genes, window=50, step=5)
    low = np.full((1, 900), 0.3)
    whole = sg.smooth_differences(matrix, np.zeros(60, int), low, low, smoother, clip=3)
    parts = sg.smooth_differences(matrix, np.zeros(60, int), low, low, smoother, clip=3, chunk=7)
    np.testing.assert_array_equal(whole, parts)


def test_short_chromosome_is_one_window(small):
    _, genes = small
    smoother, table, chr_pos = sg.smoothing_matrix(genes, window=100, step=10)
    assert (table["chromosome"] == "chr10").sum() == 1  # 60 genes < window
    assert list(chr_pos) == ["chr1", "chr2", "chr10"]  # natural order
    np.testing.assert_allclose(np.asarray(smoother.sum(axis=0)).ravel(), 1)


@pytest.mark.parametrize("rate, depth", [(0.02, 3000), (1.0, 3000), (12.0, 8000), (200.0, 8000)])
def test_expected_log1p_against_simulation(rate, depth):
    rng = np.random.default_rng(0)
    counts = rng.poisson(rate * rng.gamma(1 / sg.DISPERSION, sg.DISPERSION, 200_000))
    simulated = np.log1p(sg.TARGET * counts / depth)
    # 4 standard errors; beyond 30 counts the expansion may be off by 1%
    tolerance = 4 * simulated.std() / np.sqrt(len(simulated)) + 0.01 * (rate > 30) * simulated.mean()
    assert sg.expected_log1p(np.array([rate]), depth)[0] == pytest.approx(simulated.mean(), abs=tolerance)


def test_threshold_is_one_number_for_the_matrix():
    windows = np.array([[0.1, -0.1], [0.1, -0.1], [1.0, 0.12]])
    kept = sg.apply_threshold(windows, np.array([True, True, False]), factor=1.5).toarray()
    # SD of the reference rows is 0.1: limit 0.15
    np.testing.assert_allclose(kept, [[0, 0], [0, 0], [1, 0]])


def test_depth_groups_depend_on_the_cell_alone():
    few, keys = sg.depth_groups(["S", "S"], np.array([1000.0, 4000.0]))
    more, more_keys = sg.depth_groups(["S", "S", "T"], np.array([1000.0, 4000.0, 90.0]))
    assert [keys[i] for i in few] == [more_keys[i] for i in more[:2]]


def test_arms_with_hardly_any_genes_are_not_read():
    """21p has a handful of genes that plasma cells hardly express: one UMI there read as +237 log2."""
    arm_of = np.array(["1p"] * 40 + ["21p"] * 3 + ["2q"] * 30, dtype=object)
    assert sg._readable_arms(arm_of) == ["1p", "2q"]


def test_where_no_arm_has_many_genes_all_are_read():
    """A panel of few genes: noisy levels are better than none."""
    assert sg._readable_arms(np.array(["1p", "2q", "2q"], dtype=object)) == ["1p", "2q"]
