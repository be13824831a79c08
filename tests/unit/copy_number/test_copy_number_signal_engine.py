"""Windows, blocks and the compiled loops against plain numpy."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from marrowclone.copy_number import engine
from marrowclone.copy_number.infercnv import category_means, infercnv
from marrowclone.copy_number.smoothing import chromosome_names, place_windows
from marrowclone.errors import UserError


def genes_of(sizes, seed=0):
    """Genes in any order: chromosome, start, end, arm."""
    rng = np.random.default_rng(seed)
    names = np.repeat(list(sizes), list(sizes.values()))
    start = np.concatenate([np.arange(n) * 10 for n in sizes.values()])
    frame = pd.DataFrame({"chromosome": names, "start": start, "end": start + 5, "arm": "p"})
    return frame.iloc[rng.permutation(len(frame))].reset_index(drop=True)


def plain(values, genes, window, step):
    """Running pyramids by the book: sort, take a window, weigh, add."""
    ramp = np.arange(1, window + 1)
    pyramid = np.minimum(ramp, ramp[::-1]) / np.minimum(ramp, ramp[::-1]).sum()
    parts = []
    for name in sorted(genes["chromosome"].unique(), key=lambda n: int(n[3:])):
        here = np.flatnonzero(genes["chromosome"] == name)
        here = here[np.argsort(genes["start"].to_numpy()[here])]
        if len(here) <= window:
            parts.append(values[:, here].mean(axis=1, keepdims=True))
        else:
            starts = range(0, len(here) - window + 1, step)
            parts.append(np.stack([values[:, here[s : s + window]] @ pyramid for s in starts], axis=1))
    return np.hstack(parts)


@pytest.mark.parametrize(
    "window, step", [(100, 10), (101, 10), (100, 7), (6, 4), (5, 1), (4, 9), (3, 3), (1000, 10)], ids=str
)
def test_windows_by_blocks_are_windows_by_the_book(window, step):
    """Even and odd windows, steps that do not divide them, steps beyond them, chromosomes shorter than a window."""
    genes = genes_of({"chr1": 300, "chr2": 120, "chr10": 60, "chr21": 1})
    values = np.random.default_rng(1).normal(size=(4, len(genes)))
    placed = place_windows(genes, window=window, step=step)
    expected = plain(values, genes, window, step)
    np.testing.assert_allclose(values @ placed.matrix().toarray(), expected, atol=1e-12)
    by_kernel = np.zeros((4, placed.n)), np.zeros((4, 1))
    p = placed
    engine.kernels.smooth_dense(
        values, p.block, p.place, p.n_blocks, p.level, p.slope, p.stride, p.segments,
        np.zeros(len(genes), dtype=np.int64), *by_kernel,
    )  # fmt: skip
    np.testing.assert_allclose(by_kernel[0], expected, atol=1e-12)
    np.testing.assert_allclose(by_kernel[1][:, 0], values.sum(axis=1), atol=1e-11)
    np.testing.assert_allclose(np.asarray(placed.matrix().sum(axis=0)).ravel(), 1)


def test_table_of_windows():
    placed = place_windows(genes_of({"chr1": 130, "chr2": 60, "chr10": 2}), window=100, step=10)
    assert list(placed.chr_pos.items()) == [("chr1", 0), ("chr2", 4), ("chr10", 5)]  # natural order
    assert placed.table.iloc[1].tolist() == ["chr1", 100, 1095, "p"]
    assert placed.table.iloc[4].tolist() == ["chr2", 0, 595, "p"]  # fewer genes than a window: one window


@pytest.mark.parametrize("n", [0, 1, 2, 7, 8, 1791, 1792])
@pytest.mark.parametrize("shape", ["normal", "one far value", "alike", "two values", "a hair apart"])
def test_medians(n, shape):
    values = np.random.default_rng(0).normal(size=(5, 1800))
    if shape == "one far value":
        values[:, 0] = [1e9, -1e9, 1e300, -1e300, 1e-300]
    elif shape == "alike":
        values[:] = 0.3
    elif shape == "two values":
        values = np.where(values > 0, 0.25, -0.5)
    elif shape == "a hair apart":  # no difference of two such numbers has a reciprocal
        values = np.where(values > 0, 5e-324, 0.0)
    expected = np.median(values[:, :n], axis=1) if n else np.zeros(5)
    np.testing.assert_array_equal(engine.row_medians(values, np.arange(n)), expected)


def test_spread_is_the_standard_deviation():
    values = np.random.default_rng(0).normal(size=(50, 9))
    found = engine.standard_deviation([values[:7].sum(axis=1), values[7:].sum(axis=1)], [(values**2).sum(axis=1)], 9)
    assert found == pytest.approx(values.std(), rel=1e-12)
    assert engine.standard_deviation([], [], 9) == 0.0


@pytest.mark.parametrize("kind, index", [(np.int32, np.int32), (np.float32, np.int64)])
def test_every_kind_of_matrix_is_read(kind, index):
    """Counts and logged values, small and large indices: as if dense."""
    genes = genes_of({"chr1": 150, "chr2": 40})
    values = np.random.default_rng(3).poisson(0.3, (20, 190)).astype(kind)
    counts = sp.csr_matrix(values)
    counts.indices, counts.indptr = counts.indices.astype(index), counts.indptr.astype(index)
    low = np.full((1, 190), 0.2)
    scale = np.full(20, 2.0)
    placed = place_windows(genes, window=20, step=5)
    plan = engine.make_plan(
        counts, low, low, placed, used=np.arange(190), scale=scale, group=np.zeros(20, dtype=np.int64),
        arm=np.full(190, -1), n_arms=0, clip=1.5, centre=np.arange(placed.n),
    )  # fmt: skip
    smoothed = plain(np.clip(np.log1p(2.0 * values.astype(float)) - 0.2, -1.5, 1.5), genes, 20, 5)
    expected = smoothed - np.median(smoothed, axis=1, keepdims=True)
    np.testing.assert_allclose(engine.smooth_on_cpu(plan, np.arange(20)).windows, expected, atol=1e-12)


def test_large_counts_need_no_table():
    """Beyond the table of small counts log1p is taken anew, for counts and for parts of counts alike."""
    counts = sp.csr_matrix(np.array([[1.0, 31.0, 32.0, 5e4, 0.5, 1.5]]))
    sums = np.zeros((1, 6))
    engine.kernels.gene_sums(
        counts.data, counts.indices, counts.indptr, np.array([0]), np.array([2.0]), np.array([0]), np.arange(6), 6, sums
    )
    np.testing.assert_allclose(sums, np.log1p(2.0 * counts.toarray()), rtol=1e-15)


def test_kernels_work_where_no_folder_can_be_written(monkeypatch):
    """numba refuses to cache there; the kernels are then compiled for each process."""
    real = engine.kernels.numba.njit

    def refuses(**settings):
        if settings.get("cache"):
            raise RuntimeError("cannot cache function: no locator available")
        return real(**settings)

    monkeypatch.setattr(engine.kernels.numba, "njit", refuses)
    assert engine.kernels._compiled(lambda x: x + 1)(1) == 2


def test_chromosome_names():
    names = pd.Series(["1", "chr2", "X", "MT", "GL000194.1", None, "chr23", "CHR7", " chr3"])
    assert chromosome_names(names).tolist() == ["chr1", "chr2", "chrX", "chrM", "", "", "", "chr7", "chr3"]
    with pytest.raises(UserError, match=r"found 'NC_000001.11', expected chr1 to chr22.*Hint: "):
        chromosome_names(pd.Series(["NC_000001.11"]))


def test_peak_memory_does_not_hold_all_cells_densely():
    """20,000 cells x 1,991 windows: 319 MB if dense. Python's own arrays are traced."""
    import tracemalloc

    genes = genes_of({"chr1": 20_000})
    counts = sp.random(20_000, 20_000, density=0.001, random_state=0, format="csr")
    mean = category_means(counts, [""] * 20_000)
    infercnv(counts[:10], genes, reference=mean)  # compiled once
    tracemalloc.start()
    placed, signal = infercnv(counts, genes, reference=mean, threshold=4.0, chunk=None)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    result = signal.data.nbytes + signal.indices.nbytes + signal.indptr.nbytes
    assert placed.n == 1991
    assert peak < 2.2 * result + 80e6  # the result twice while its parts are put together, and blocks of rows
    assert peak < 150e6
