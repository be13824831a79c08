"""Each file that is not what it should be is refused with words and a hint, before or while it is read."""

from __future__ import annotations

import gzip
import shutil

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
from captures_by_hand import IDS, write_h5, write_mtx
from scipy import sparse
from test_cells_load_formats import COUNTS, FEATURES, GENE_IDS, NAMES, load, write_loom

from marrowclone.errors import UserError

BARCODES = ["AAACCTGAGAAACCAT-1", "AAACCTGAGAAACCTA-1", "AAACCTGAGAAACGAG-1"]


def h5(tmp_path, change=None, **more):
    path = write_h5(tmp_path / "m.h5", np.tile(COUNTS, (20, 1)), GENE_IDS, NAMES, **more)
    if change:
        with h5py.File(path, "a") as file:
            change(file["matrix"])
    return path


def put(group, name, values):
    del group[name]
    group[name] = values


def cut(path, share):
    raw = path.read_bytes()
    path.write_bytes(raw[: int(len(raw) * share)])
    return path


def cut_gz(tmp_path, name):
    folder = write_mtx(tmp_path / "m", np.tile(COUNTS, (300, 1)), FEATURES)
    cut(folder / name, 0.6)
    return folder


def mtx(tmp_path, edit):
    """A plain matrix folder whose lines were edited."""
    folder = write_mtx(tmp_path / "m", COUNTS, FEATURES, gz=False)
    lines = (folder / "matrix.mtx").read_text().splitlines()
    edit(lines)
    (folder / "matrix.mtx").write_text("\n".join(lines) + "\n")
    return folder


def replaced(tmp_path, name, text):
    folder = write_mtx(tmp_path / "m", COUNTS, FEATURES, gz=False)
    (folder / name).write_text(text)
    return folder


def h5ad(tmp_path, X=None, obs=BARCODES, var=NAMES, **more):
    X = COUNTS if X is None else X
    ad.AnnData(
        X.astype(np.float32), obs=pd.DataFrame(index=list(obs)), var=pd.DataFrame(index=list(var)), **more
    ).write_h5ad(tmp_path / "m.h5ad")
    return tmp_path / "m.h5ad"


def late(tmp_path):
    """Whole numbers in the start, middle and end of X, a fraction between: found while it is read."""
    X = np.ones((400, 1000), dtype=np.float32)
    X[100, 5] = 0.5
    names = list(dict.fromkeys([*IDS, *(f"g{i}" for i in range(1000))]))[:1000]
    ad.AnnData(X, obs=pd.DataFrame(index=[f"B{i}" for i in range(400)]), var=pd.DataFrame(index=names)).write_h5ad(
        tmp_path / "m.h5ad"
    )
    return tmp_path / "m.h5ad"


def zarr_without_indices(tmp_path):
    data = ad.AnnData(sparse.csr_matrix(COUNTS), obs=pd.DataFrame(index=BARCODES), var=pd.DataFrame(index=NAMES))
    data.write_zarr(tmp_path / "m.zarr")
    shutil.rmtree(tmp_path / "m.zarr/X/indices")
    return tmp_path / "m.zarr"


def long_line(lines):
    lines[4] = "1 2"


MOUSE = [(f"ENSMUSG{i:011d}", n, "Gene Expression") for i, n in enumerate(["Cd3e", "Ms4a1", "Xbp1", "Sdc1"])]
LOG = np.log1p(COUNTS / 3)
CASES = {
    "no file": (lambda t: t / "nowhere.h5", "no such file"),
    "empty folder": (lambda t: t, "no counts in this folder"),
    "h5 cut off": (lambda t: cut(h5(t), 0.5), "cannot be read"),
    "h5 of zeros at its end": (lambda t: h5(t, lambda g: put(g, "indptr", g["indptr"][:-1])), "row pointers do not fit"),
    "h5 pointers go back": (lambda t: h5(t, lambda g: put(g, "indptr", g["indptr"][:][::-1])), "row pointers do not fit"),
    "h5 with fewer values": (lambda t: h5(t, lambda g: put(g, "data", g["data"][:-3])), "values, but .* indices"),
    "h5 index out of range": (lambda t: h5(t, lambda g: put(g, "indices", g["indices"][:] + 1)), "gene index lies outside the 4"),
    "h5 negative index": (lambda t: h5(t, lambda g: put(g, "indices", g["indices"][:] - 1)), "gene index lies outside"),
    "h5 negative": (lambda t: h5(t, lambda g: put(g, "data", -g["data"][:])), "negative values"),
    "h5 floats": (lambda t: h5(t, lambda g: put(g, "data", g["data"][:] * 0.7)), "no whole number"),
    "h5 not finite": (lambda t: h5(t, lambda g: put(g, "data", g["data"][:] * np.nan)), "not finite"),
    "h5 too large": (lambda t: h5(t, lambda g: put(g, "data", g["data"][:].astype(np.int64) * 2**40)), "too large"),
    "h5 another shape": (lambda t: h5(t, lambda g: put(g, "shape", [4, 5])), "4 features and 60 barcodes"),
    "h5 without data": (lambda t: h5(t, lambda g: g.__delitem__("data")), "cannot be read"),
    "h5 of antibodies": (lambda t: h5(t, types=["Antibody Capture"] * 4), "no 'Gene Expression' features"),
    "gz cut off": (lambda t: cut_gz(t, "matrix.mtx.gz"), "cannot be read"),
    "features cut off": (lambda t: cut_gz(t, "features.tsv.gz"), "cannot be read"),
    "barcodes cut off": (lambda t: cut_gz(t, "barcodes.tsv.gz"), "cannot be read"),
    "mtx with fewer entries": (lambda t: mtx(t, lambda lines: lines.pop()), "8 entries, but its header says 9"),
    "mtx with more entries": (lambda t: mtx(t, lambda lines: lines.append("1 3 1")), "10 entries, but its header says 9"),
    "mtx row out of range": (lambda t: mtx(t, lambda lines: lines.__setitem__(-1, "5 3 1")), "row index lies outside the 4"),
    "mtx column out of range": (lambda t: mtx(t, lambda lines: lines.__setitem__(-1, "1 4 1")), "column index lies outside"),
    "mtx row 0": (lambda t: mtx(t, lambda lines: lines.__setitem__(-1, "0 3 1")), "row index lies outside"),
    "mtx of words": (lambda t: mtx(t, lambda lines: lines.__setitem__(-1, "1 3 one")), "not 'row column value'"),
    "mtx short line": (lambda t: mtx(t, long_line), "not finite"),
    "mtx dense": (lambda t: replaced(t, "matrix.mtx", "%%MatrixMarket matrix array integer general\n1 1\n5\n"), "not a sparse Matrix Market"),
    "mtx symmetric": (lambda t: mtx(t, lambda lines: lines.__setitem__(0, lines[0].replace("general", "symmetric"))), "symmetric matrix"),
    "fewer barcodes": (lambda t: replaced(t, "barcodes.tsv", "A\nB\n"), "4 x 3, but there are 4 features and 2 barcodes"),
    "fewer features": (lambda t: replaced(t, "features.tsv", "a\tb\n"), "there are 1 features"),
    "repeated barcodes": (lambda t: replaced(t, "barcodes.tsv", "A\nA\nB\n"), "1 barcodes stand more than once"),
    "mouse": (lambda t: write_mtx(t / "m", COUNTS, MOUSE), "only 0% of UMIs fall on genes of the human"),
    "mtx of zeros": (lambda t: write_mtx(t / "m", COUNTS * 0, FEATURES), "empty"),
    "h5ad normalised": (lambda t: h5ad(t, LOG), r"X holds 0\.98\S*, which is no whole number"),
    "h5ad scaled, each place told": (
        lambda t: h5ad(t, LOG - 1, layers={"counts": LOG, "scaled": LOG - 1}),
        r"layers\['counts'\] holds 0\.98.*; X holds negative values.*; layers\['scaled'\] holds negative",
    ),
    "h5ad with a fraction late": (late, "X holds 0.5, which is no whole number"),
    "h5ad turned": (lambda t: h5ad(t, COUNTS.T, obs=[*NAMES[:3], "x"], var=BARCODES), "only 0% of UMIs"),
    "h5ad empty": (lambda t: h5ad(t, COUNTS * 0), "empty"),
    "h5ad of no cells": (lambda t: h5ad(t, COUNTS[:0], obs=[]), "empty"),
    "h5ad repeated barcodes": (lambda t: h5ad(t, obs=["A", "A", "B"]), "more than once"),
    "h5ad cut off": (lambda t: cut(h5ad(t), 0.5), "cannot be read"),
    "loom turned": (lambda t: write_loom(t / "m.loom", COUNTS), "a loom is genes x cells"),
    "loom normalised": (lambda t: write_loom(t / "m.loom", LOG.T), "no raw counts: matrix holds"),
    "loom without barcodes": (lambda t: write_loom(t / "m.loom", columns={"x": ["a", "b", "c"]}), "no barcodes in this loom"),
    "zarr without indices": (zarr_without_indices, "cannot be read"),
    "text": (lambda t: (t / "m.h5").write_text("no") and t / "m.h5", "neither HDF5"),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:Observation names:UserWarning")
@pytest.mark.parametrize("case", CASES)
def test_bad_files_are_refused_in_words(case, tmp_path):
    write, words = CASES[case]
    with pytest.raises(UserError, match=words) as error:
        load(write(tmp_path), tmp_path, min_share_mapped=0.5)
    assert error.value.hint or case == "no file"
    assert not (tmp_path / "out.h5ad").exists()


def test_turned_h5ad_is_told_from_another_species(tmp_path):
    with pytest.raises(UserError) as error:
        load(h5ad(tmp_path, COUNTS.T, obs=[*NAMES[:3], "x"], var=BARCODES), tmp_path)
    assert "transpose" in error.value.hint
    with pytest.raises(UserError) as error:
        load(write_mtx(tmp_path / "m", COUNTS, MOUSE), tmp_path)
    assert "species" in error.value.hint


def test_unsorted_is_no_fault_and_repeated_entries_are_summed_and_said(tmp_path):
    def double(lines):
        lines[2] = "4 3 10"
        lines.append(lines[3])

    facts, counts = load(mtx(tmp_path, double), tmp_path)
    want = COUNTS.copy()
    want[0, 0] *= 2  # the first entry stands twice, the second time out of order
    assert (counts[:, NAMES].X.toarray() == want).all()
    assert facts["n_repeated_entries"] == 1 and any("1 entries name a barcode and gene" in w for w in facts["warnings"])


def test_names_that_lie_do_not_matter(tmp_path):
    folder = write_mtx(tmp_path / "m", COUNTS, FEATURES, gz=False)
    (folder / "matrix.mtx").write_bytes(gzip.compress((folder / "matrix.mtx").read_bytes()))  # gzipped, not so named
    assert load(folder, tmp_path)[0]["n_barcodes"] == 3
