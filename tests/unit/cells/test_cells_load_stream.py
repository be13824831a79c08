"""Read block by block, the counts are those that are read at once, whatever the blocks and the order in the file."""

from __future__ import annotations

import itertools

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
from captures_by_hand import defaults, simulate, write_h5, write_mtx
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from scipy import sparse

from marrowclone.cells.ambient import Droplets
from marrowclone.cells.load import load_counts, stream_droplets, to_reference, write_counts
from marrowclone.cells.matrix import read_cells
from marrowclone.cells.metrics import metrics, metrics_of_file
from marrowclone.cells.sources import anndatas, base, open_source, read_source, spool, tenx
from marrowclone.cells.store import read_facts
from marrowclone.errors import UserError
from marrowclone.resources import RESOURCES, gene_table, read_resource

SETTINGS = defaults("cells", "load_counts")
RNG = np.random.default_rng(7)
TABLE = gene_table().iloc[:400]
MATRIX = sparse.csr_matrix(RNG.poisson(0.4, (60, 400)))
MATRIX[[3, 17, 59]] = 0  # empty barcodes, the last one among them
MATRIX.eliminate_zeros()
FEATURES = [(i, s, "Gene Expression") for i, s in zip(TABLE["gene_id"], TABLE["symbol"], strict=True)]


def stream_to(path, out, **settings):
    facts = load_counts(
        path, out, sample="S", genes=gene_table(), aliases=read_resource(RESOURCES / "aliases.tsv"),
        settings=SETTINGS | settings,
    )  # fmt: skip
    return facts, ad.read_h5ad(out)


def droplets_of(path):
    settings = {"ambient_min_umi": 10, "ambient_max_umi": 100}
    return stream_droplets(
        path, lambda var: Droplets(var, settings), Droplets.add, sample="S1", genes=gene_table(),
        aliases=read_resource(RESOURCES / "aliases.tsv"), settings={"min_umi": 10},
    )  # fmt: skip


def _halves(path):
    with h5py.File(path, "a") as file:
        data = file["matrix/data"][:].astype(float)
        data[-1] = 0.5
        del file["matrix/data"]
        file["matrix/data"] = data


def _outside(path):
    with h5py.File(path, "a") as file:
        file["matrix/indices"][-1] = 400


def _cut(path):
    path.write_bytes(path.read_bytes()[:3000])


def _zeros(path):
    with h5py.File(path, "a") as file:
        file["matrix/data"][:] = 0


@pytest.mark.parametrize(
    ("damage", "said"),
    [(_halves, "0.5, which is no whole number"), (_outside, "400"), (_cut, "cannot be read"), (_zeros, "is empty")],
)
def test_what_is_wrong_with_raw_droplets_names_their_file(tmp_path, monkeypatch, damage, said):
    """The sample has two matrices, and some of this shows only when the last block is read."""
    monkeypatch.chdir(tmp_path)
    damage(write("h5", tmp_path))
    with pytest.raises(UserError) as error:
        droplets_of("m.h5")
    assert error.value.message.startswith("sample S1, raw_path m.h5: ") and said in error.value.message
    assert error.value.hint and error.value.message.count("m.h5") == 1


def test_droplets_that_are_all_too_small_are_no_mistake(tmp_path):
    """They give no profile, which is said with the sample; they are no reason to give up."""
    few = sparse.csr_matrix((np.ones(60, int), (np.arange(60), np.arange(60))), shape=(60, 400)).toarray()
    path = write_h5(tmp_path / "m.h5", few, list(TABLE["gene_id"]), list(TABLE["symbol"]))
    found = droplets_of(path)
    assert found.n_umi().size == 0 and "are 0 with 0 UMIs" in found.too_little()


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of about 100 values and 70 lines: rows of 160 values make each block cut somewhere."""
    monkeypatch.setattr(base, "BLOCK_VALUES", 100)
    monkeypatch.setattr(base.row_ranges, "__defaults__", (100,))
    monkeypatch.setattr(spool.by_rows, "__defaults__", (100,))
    monkeypatch.setattr(anndatas, "BLOCK_VALUES", 4000)
    monkeypatch.setattr(tenx.open_mtx, "__defaults__", (70,))


def write(kind, tmp_path):
    names = list(TABLE["symbol"])
    var = pd.DataFrame({"gene_ids": list(TABLE["gene_id"])}, index=names)
    obs = pd.DataFrame(index=[f"BC{i}-1" for i in range(60)])
    if kind == "mtx":
        # by barcode, as 10x writes; the helper writes gene by gene
        folder = write_mtx(tmp_path / "m", MATRIX.toarray(), FEATURES, gz=False)
        lines = (folder / "matrix.mtx").read_text().splitlines()
        entries = sorted(lines[3:], key=lambda line: (int(line.split()[1]), int(line.split()[0])))
        (folder / "matrix.mtx").write_text("\n".join(lines[:3] + entries) + "\n")
        return folder
    if kind == "mtx_by_gene":
        return write_mtx(tmp_path / "m", MATRIX.toarray(), FEATURES)
    if kind == "mtx_shuffled_late":
        folder = write("mtx", tmp_path)
        lines = (folder / "matrix.mtx").read_text().splitlines()
        lines[3:] = [*lines[4:], lines[3]]  # in order up to the last line
        (folder / "matrix.mtx").write_text("\n".join(lines) + "\n")
        return folder
    if kind == "h5":
        return write_h5(tmp_path / "m.h5", MATRIX.toarray(), list(TABLE["gene_id"]), names)
    if kind == "h5_unsorted_within_rows":
        path = write("h5", tmp_path)
        with h5py.File(path, "a") as file:
            group = file["matrix"]
            indptr = group["indptr"][:]
            order = np.concatenate([np.arange(a, b)[::-1] for a, b in itertools.pairwise(indptr)])
            group["data"][:], group["indices"][:] = group["data"][:][order], group["indices"][:][order]
        return path
    X = {"h5ad_csr": MATRIX, "h5ad_csc": sparse.csc_matrix(MATRIX), "h5ad_dense": MATRIX.toarray()}[kind]
    ad.AnnData(X.astype(np.float32), obs=obs, var=var).write_h5ad(tmp_path / "m.h5ad")
    return tmp_path / "m.h5ad"


KINDS = [
    "mtx",
    "mtx_by_gene",
    "mtx_shuffled_late",
    "h5",
    "h5_unsorted_within_rows",
    "h5ad_csr",
    "h5ad_csc",
    "h5ad_dense",
]


@pytest.mark.parametrize("kind", KINDS)
def test_blocks_are_the_whole(kind, tmp_path, small_blocks):
    path = write(kind, tmp_path)
    facts, counts = stream_to(path, tmp_path / "S.counts.h5ad")
    kept = np.asarray(MATRIX.sum(axis=1)).ravel() > 0
    assert (counts[:, TABLE["symbol"]].X.toarray() == MATRIX.toarray()[kept]).all()
    assert list(counts.obs["barcode"]) == [f"BC{i}-1" for i in np.flatnonzero(kept)]
    assert facts["n_barcodes_empty"] == 3 and counts.X.sum() == MATRIX.sum()
    with open_source(path) as stream:
        n = sum(1 for _ in stream.blocks(spool=True))
    assert n > 5  # the test reads several blocks indeed


def test_the_bytes_do_not_depend_on_blocks_or_on_the_way(tmp_path, small_blocks, monkeypatch):
    path = write("h5", tmp_path)
    stream_to(path, tmp_path / "small.h5ad")
    monkeypatch.undo()
    stream_to(path, tmp_path / "large.h5ad")
    raw = read_source(path)
    whole = to_reference(
        raw, sample="S", genes=gene_table(), aliases=read_resource(RESOURCES / "aliases.tsv"), settings=SETTINGS
    )
    write_counts(tmp_path / "memory.h5ad", whole)
    small = (tmp_path / "small.h5ad").read_bytes()
    assert small == (tmp_path / "large.h5ad").read_bytes()  # a rerun on another machine must not change a hash
    assert small == (tmp_path / "memory.h5ad").read_bytes()


def test_the_layout_is_what_other_chapters_read(tmp_path):
    facts, counts = stream_to(write("h5", tmp_path), tmp_path / "S.counts.h5ad")
    assert isinstance(counts.X, sparse.csr_matrix) and counts.X.dtype == np.int32 and counts.X.has_canonical_format
    got = read_cells([tmp_path / "S.counts.h5ad"])
    assert (counts.X[:, : got.n_vars] != got.X).nnz == 0
    assert read_facts(tmp_path / "S.counts.h5ad") == facts  # lists are lists, numbers are plain
    assert isinstance(facts["warnings"], list) and all(isinstance(w, str) for w in facts["warnings"])
    assert list(tmp_path.glob(".S.counts*")) == []  # nothing unfinished is left


def test_a_file_that_breaks_half_way_leaves_nothing(tmp_path, small_blocks):
    path = write("h5", tmp_path)
    with h5py.File(path, "a") as file:
        file["matrix/data"][-1] = -4
    with pytest.raises(Exception, match="negative"):
        stream_to(path, tmp_path / "S.counts.h5ad")
    assert [p.name for p in tmp_path.iterdir()] == ["m.h5"]


@hypothesis_settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 11), st.integers(0, 6), st.integers(1, 9)), max_size=60), st.integers(1, 30))
def test_entries_in_any_order_become_rows(entries, most):
    rows, columns, values = (np.array([e[i] for e in entries], dtype=np.int64) for i in range(3))

    def pieces():
        for start in range(0, len(entries), 7):
            yield rows[start : start + 7], columns[start : start + 7], values[start : start + 7]

    got = sparse.vstack(list(spool.by_rows(pieces, (12, 7), most)), format="csr")
    want = sparse.coo_matrix((values, (rows, columns)), shape=(12, 7))
    assert (got.toarray() == want.toarray()).all()


@hypothesis_settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 50), min_size=1, max_size=40), st.integers(1, 60))
def test_ranges_of_rows_are_all_rows_once_and_small(lengths, most):
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    ranges = list(base.row_ranges(indptr, most))
    assert [r for a, b in ranges for r in range(a, b)] == list(range(len(lengths)))
    assert all(b == a + 1 or indptr[b] - indptr[a] <= most for a, b in ranges)  # one row is never divided


def test_metrics_of_a_file_are_those_of_memory(tmp_path, monkeypatch):
    counts, _ = simulate({"plasma": 20, "cd4_t": 20, "monocyte": 5})
    write_counts(tmp_path / "c.h5ad", counts)
    whole = metrics(counts)
    monkeypatch.setattr(base.row_ranges, "__defaults__", (3000,))
    pd.testing.assert_frame_equal(metrics_of_file(tmp_path / "c.h5ad"), whole)
    pd.testing.assert_frame_equal(metrics(counts), whole)
    assert (whole["n_umi"] == np.asarray(counts.X.sum(axis=1)).ravel()).all()


@pytest.mark.slow
def test_memory_stays_below_the_counts(tmp_path):
    import loading

    path = tmp_path / "c.h5"
    nonzeros = loading.write_synthetic(path, 40_000)
    import json
    import os
    import subprocess
    import sys

    library = str(RESOURCES.parent / "workflow" / "lib")  # pytest's own path is not the other process's
    run = subprocess.run(
        [sys.executable, "-W", "ignore", loading.__file__, "--measure", "load_counts, metrics", str(path)],
        capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": library},
    )  # fmt: skip
    seen = json.loads(run.stdout.splitlines()[-1])
    assert seen["peak"] - seen["before"] < 1.0 * 8 * nonzeros  # reading at once takes 2.5 x or more
