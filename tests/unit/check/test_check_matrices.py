"""Count files that are not what they should be, each with what a person is told."""

import gzip

import h5py
import numpy as np
import pytest

from marrowclone.check import peek, tenx
from marrowclone.errors import UserError
from marrowclone.formats import detect, find_10x_files, resolve
from unit.check.cohort_on_disk import BARCODES, GENES, counts, set_cell, write_h5, write_h5ad, write_mtx

ROWS = [f"{g}\t{s}\tGene Expression" for g, s in GENES.itertuples(index=False)]


def _mtx(path, **changes):
    write_mtx(path, changes.pop("matrix", counts()), **changes)


def _cut(path, share=0.5):
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])


def _h5ad_without(path, name):
    write_h5ad(path, counts().T)
    with h5py.File(path, "a") as file:
        del file[name]


def _mtx_cut(path):
    _mtx(path)
    _cut(path / "matrix.mtx.gz", 0.9)


def _h5_cut(path):
    write_h5(path, counts())
    _cut(path)


def _headless(path):
    _mtx(path, packed=False)
    (path / "matrix.mtx").write_text("row column value\n1 1 1\n")


def _short(path):
    _mtx(path, packed=False)
    lines = (path / "matrix.mtx").read_text().split("\n")
    (path / "matrix.mtx").write_text("\n".join(lines[:40]) + "\n")


def _false_gz(path):
    _mtx(path)
    (path / "barcodes.tsv.gz").write_bytes(gzip.decompress((path / "barcodes.tsv.gz").read_bytes()))


def _without(path, name):
    _mtx(path)
    (path / name).unlink()


NORMALISED = np.log1p(counts().T)
# name of the path -> how it is written, parts of the message
CASES = {
    "no HDF5": ("x.h5", lambda p: p.write_text("gene\tcell\n"), ["neither HDF5 (h5, h5ad, loom) nor zarr nor a matrix folder", "Hint: give a 10x h5"]),
    "h5 cut off": ("x.h5", _h5_cut, ["the HDF5 file cannot be read", "cut off"]),
    "h5 of something else": ("x.h5", lambda p: h5py.File(p, "w").create_group("a").file.close(), ["neither 10x matrix nor h5ad nor loom (holds a)"]),
    "h5ad without a matrix": ("x.h5ad", lambda p: _h5ad_without(p, "X"), ["an h5ad without X, raw or layers"]),
    "h5ad without obs": ("x.h5ad", lambda p: _h5ad_without(p, "obs"), ["an h5ad without obs"]),
    "h5ad normalised": ("x.h5ad", lambda p: write_h5ad(p, NORMALISED), ["X holds values that are not whole numbers (such as 1.099), expected raw counts", "Hint: put raw counts into X, raw.X or layers['counts'] (looked at X)"]),
    "h5ad scaled": ("x.h5ad", lambda p: write_h5ad(p, NORMALISED - 0.7), ["X holds negative values"]),
    "h5ad transposed": ("x.h5ad", lambda p: write_h5ad(p, counts(), obs=GENES["symbol"], var=BARCODES), ["has genes where cells should be", "Hint: the matrix is transposed"]),
    "h5ad empty": ("x.h5ad", lambda p: write_h5ad(p, np.zeros((12, 300))), ["is empty (300 genes x 12 cells"]),
    "h5ad with repeated cells": ("x.h5ad", lambda p: write_h5ad(p, counts().T, obs=[BARCODES[0]] * 12), ["11 barcodes stand there more than once"]),
    "mtx without barcodes": ("x", lambda p: _without(p, "barcodes.tsv.gz"), ["barcodes.tsv.gz is missing beside matrix.mtx.gz"]),
    "mtx without features": ("x", lambda p: _without(p, "features.tsv.gz"), ["features.tsv.gz is missing beside matrix.mtx.gz", "features.tsv, genes.tsv.gz, genes.tsv"]),
    "mtx without matrix": ("x", lambda p: _without(p, "matrix.mtx.gz"), ["no counts in this folder"]),
    "mtx cut off": ("x", _mtx_cut, ["the gzip file is damaged", "Hint: the file was cut off"]),
    "mtx with fewer entries": ("x", _short, ["38 entries, fewer than its header says"]),
    "mtx without its banner": ("x", _headless, ["not a sparse Matrix Market file (starts with 'row column value')"]),
    "mtx named gz": ("x", _false_gz, ["named .gz, but not gzipped"]),
    "mtx normalised": ("x", lambda p: _mtx(p, matrix=np.log1p(counts())), ["holds values that are not whole numbers", "Hint: give raw UMI counts"]),
    "mtx negative": ("x", lambda p: _mtx(p, matrix=counts() - 1), ["holds negative values (such as -1)"]),
    "mtx transposed": ("x", lambda p: _mtx(p, matrix=counts().T), ["12 x 300, cells x genes, expected genes x cells"]),
    "mtx files swapped": ("x", lambda p: _mtx(p, matrix=counts().T, genes=BARCODES, barcodes=list(GENES["symbol"])), ["has genes where cells should be"]),
    "mtx with other barcodes": ("x", lambda p: _mtx(p, barcodes=BARCODES[:-1]), ["300 genes x 12 cells by its header, but 300 lines in features.tsv.gz and 11 in barcodes.tsv.gz"]),
    "mtx empty": ("x", lambda p: _mtx(p, matrix=np.zeros((300, 12), dtype=int)), ["is empty (300 genes x 12 cells, 0 stored values)"]),
    "mtx with repeated barcodes": ("x", lambda p: _mtx(p, barcodes=[*BARCODES[:-1], BARCODES[0]]), [f"1 barcodes stand there more than once (such as '{BARCODES[0]}')"]),
    "mouse": ("x", lambda p: _mtx(p, genes=[f"ENSMUSG{i:011d}\tXkr{i}x" for i in range(300)]), ["none of the first 300 genes is a human gene"]),
    "empty folder": ("x", lambda p: p.mkdir(), ["no counts in this folder", "Hint: name the folder with matrix.mtx"]),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_broken_counts(cohort, problems, case):
    name, write, parts = CASES[case]
    write(cohort / name)
    set_cell(cohort / "samples.tsv", 4, "path", name)
    found = problems(read_matrices=True)
    assert len(found) == 1 and found[0].startswith(f"samples.tsv line 4, column path: {name}")
    assert all(part in found[0] for part in parts), found[0]


def test_format_that_the_file_is_not(cohort, problems):
    set_cell(cohort / "samples.tsv", 3, "format", "h5ad")
    assert problems() == [
        "samples.tsv line 3, column path: data/P1_mrd.h5: format says h5ad, but this is 10x_h5. Hint: write 'auto', or mend the path."
    ]


def test_matrices_are_left_alone_when_asked(cohort, problems):
    (cohort / "bad").mkdir()
    write_mtx(cohort / "bad", counts() - 1)
    set_cell(cohort / "samples.tsv", 2, "path", "bad")
    assert problems(read_matrices=False) == []
    assert len(problems(read_matrices=True)) == 1


def _loom(path, matrix=None, cells=BARCODES):
    with h5py.File(path, "w") as file:
        file["matrix"] = counts() if matrix is None else matrix
        file["row_attrs/Gene"] = GENES["symbol"].to_numpy().astype("S")
        file["row_attrs/Accession"] = GENES["gene_id"].to_numpy().astype("S")
        file["col_attrs/CellID"] = np.array(cells, dtype="S")


def _zarr(path, x):
    import anndata

    write_h5ad(path.with_suffix(".h5ad"), x)
    anndata.read_h5ad(path.with_suffix(".h5ad")).write_zarr(path)


def _h5_of(path, change):
    write_h5(path, counts())
    with h5py.File(path, "a") as file:
        change(file)


def _genomes(file, names):
    file["matrix/features/genome"] = np.array(names, dtype="S")


MORE = {
    "loom normalised": ("x.loom", lambda p: _loom(p, np.log1p(counts())), ["matrix holds values that are not whole numbers"]),
    "loom turned": ("x.loom", lambda p: _loom(p, counts().T), ["names of genes or barcodes are missing or fewer", "Hint: a loom is genes x cells"]),
    "loom repeated": ("x.loom", lambda p: _loom(p, cells=[BARCODES[0]] * 12), ["11 barcodes stand there more than once"]),
    "zarr normalised": ("x.zarr", lambda p: _zarr(p, NORMALISED), ["X holds values that are not whole numbers"]),
    "zarr empty": ("x.zarr", lambda p: _zarr(p, counts().T * 0), ["is empty (300 genes x 12 cells"]),
    "h5 of two genomes": ("x.h5", lambda p: _h5_of(p, lambda f: _genomes(f, ["GRCh38"] * 299 + ["mm10"])), ["2 genomes in one matrix (GRCh38, mm10)", "Hint: name the human one in cells: load_counts: genome"]),
    "mtx of two genomes": ("x", lambda p: _mtx(p, genes=[*(f"GRCh38_{r}" for r in ROWS[:-1]), "mm10___ENSMUSG00000032093\tCd3e\tGene Expression"]), ["2 genomes in one matrix (GRCh38, mm10)"]),
    "h5 without its end": ("x.h5", lambda p: _h5_of(p, lambda f: f["matrix/indptr"].__setitem__(-1, 7)), ["a last pointer of 7 do not fit each other"]),
    "only droplets": ("x", lambda p: _mtx(p / "raw_feature_bc_matrix"), ["only unfiltered counts", "Hint: they belong in the column raw_path"]),
}  # fmt: skip


@pytest.mark.parametrize("case", MORE)
def test_more_broken_counts(cohort, problems, case):
    name, write, parts = MORE[case]
    write(cohort / name)
    set_cell(cohort / "samples.tsv", 4, "path", name)
    found = problems(read_matrices=True)
    assert len(found) == 1 and found[0].startswith(f"samples.tsv line 4, column path: {name}")
    assert all(part in found[0] for part in parts), found[0]


@pytest.mark.parametrize("kind", ["loom", "zarr"])
def test_loom_and_zarr_pass(cohort, problems, kind):
    _loom(cohort / "x.loom") if kind == "loom" else _zarr(cohort / "x.zarr", counts().T)
    set_cell(cohort / "samples.tsv", 4, "path", f"x.{kind}")
    set_cell(cohort / "samples.tsv", 4, "format", kind)
    assert problems(read_matrices=True) == []


def test_a_named_genome_passes(cohort, problems):
    _h5_of(cohort / "x.h5", lambda f: _genomes(f, ["GRCh38"] * 299 + ["mm10"]))
    set_cell(cohort / "samples.tsv", 4, "path", "x.h5")
    with (cohort / "config.yaml").open("a") as file:
        file.write("cells: {load_counts: {genome: GRCh38}}\n")
    assert problems(read_matrices=True) == []


def test_an_h5ad_of_several_captures_is_noted(cohort, check):
    import anndata

    write_h5ad(cohort / "x.h5ad", counts().T)
    data = anndata.read_h5ad(cohort / "x.h5ad")
    data.obs["orig.ident"] = ["a", "b"] * 6
    data.write_h5ad(cohort / "x.h5ad")
    set_cell(cohort / "samples.tsv", 4, "path", "x.h5ad")
    _, found = check()
    assert any("obs['orig.ident'] tells 2 values apart (a, b)" in note for note in found.notes)


def add_raw(cohort, path, *, line=4):
    """The sheet with a column raw_path, which names ``path`` on one line."""
    rows = (cohort / "samples.tsv").read_text().splitlines()
    ends = ["raw_path", *(path if i == line else "" for i in range(2, len(rows) + 1))]
    (cohort / "samples.tsv").write_text("".join(f"{r}\t{e}\n" for r, e in zip(rows, ends, strict=True)))


#: Raw droplets of a run are looked for as such: what holds filtered ones alone is another case.
RAW = {name: case for name, case in {**CASES, **MORE}.items() if name != "only droplets"}


@pytest.mark.parametrize("case", RAW)
def test_broken_droplets(cohort, problems, case):
    name, write, parts = RAW[case]
    write(cohort / name)
    add_raw(cohort, name)
    found = problems(read_matrices=True)
    assert len(found) == 1 and found[0].startswith(f"samples.tsv line 4, column raw_path: {name}")
    assert all(part in found[0] for part in parts), found[0]


def test_droplets_that_are_not_there_or_filtered(cohort, problems):
    add_raw(cohort, "data/nowhere")
    (found,) = problems(read_matrices=True)
    assert found.startswith("samples.tsv line 4, column raw_path: found 'data/nowhere', no such file or folder")
    set_cell(cohort / "samples.tsv", 4, "raw_path", "run")
    write_mtx(cohort / "run/filtered_feature_bc_matrix", counts())
    (found,) = problems(read_matrices=True)
    assert "column raw_path: run: only filtered counts" in found and "Hint: they belong in the column path" in found


def test_sound_droplets_pass_however_many(cohort, check, monkeypatch):
    monkeypatch.setattr(peek, "UNFILTERED", 12)
    write_mtx(cohort / "raw", counts())
    add_raw(cohort, "raw")
    set_cell(cohort / "samples.tsv", 4, "path", "data/P1_rel.h5ad")
    _, found = check()
    # 12 barcodes are as many here as an unfiltered matrix has: said of each path, and not of raw_path
    assert sum("unfiltered droplets belong" in note for note in found.notes) == 5


def test_labels_are_held_against_path_not_raw_path(cohort, problems):
    write_mtx(cohort / "raw", counts(), barcodes=[f"{b.removesuffix('-1')}-2" for b in BARCODES])
    add_raw(cohort, "raw", line=5)  # the line with labels of its own
    assert problems(read_matrices=True) == []


def test_millions_of_barcodes_are_counted_and_not_held(cohort, monkeypatch):
    monkeypatch.setattr(tenx, "UNFILTERED", 5)
    write_mtx(cohort / "x", counts())
    seen = tenx.peek_mtx(find_10x_files(cohort / "x"))
    assert (seen.n_cells, list(seen.barcodes)) == (12, BARCODES[:5])
    write_mtx(cohort / "x", counts(), barcodes=BARCODES[:-1])
    with pytest.raises(UserError, match="and 11 in barcodes"):
        tenx.peek_mtx(find_10x_files(cohort / "x"))


RUNS = {
    "cell ranger": ("outs/filtered_feature_bc_matrix", "outs/raw_feature_bc_matrix", "outs"),
    "starsolo": ("Solo.out/Gene/filtered", "Solo.out/Gene/raw", "Solo.out"),
}


@pytest.mark.parametrize("kind", RUNS)
def test_one_run_is_both_path_and_raw_path(cohort, problems, kind):
    filtered, raw, run = RUNS[kind]
    write_mtx(cohort / filtered, counts())
    write_mtx(cohort / raw, counts(2))
    add_raw(cohort, run)
    for path in (run, filtered):
        set_cell(cohort / "samples.tsv", 4, "path", path)
        set_cell(cohort / "samples.tsv", 4, "format", "auto")
        assert problems(read_matrices=True) == []
    # the run of another sample is its own
    set_cell(cohort / "samples.tsv", 4, "path", run)
    set_cell(cohort / "samples.tsv", 5, "path", run)
    (found,) = problems(read_matrices=True)
    assert found.startswith(f"samples.tsv line 5, column path: found '{run}', already the path of line 4")


@pytest.mark.parametrize("kind", RUNS)
@pytest.mark.parametrize("ends", [(0, 0), (2, 0), (1, 1), (1, 2)])
def test_one_matrix_is_not_both(cohort, problems, kind, ends):
    """Named twice, or once as itself and once by the run that holds it."""
    filtered, raw, _ = RUNS[kind]
    write_mtx(cohort / filtered, counts())
    write_mtx(cohort / raw, counts(2))
    path, other = (RUNS[kind][end] for end in ends)
    add_raw(cohort, other)
    set_cell(cohort / "samples.tsv", 4, "path", path)
    set_cell(cohort / "samples.tsv", 4, "format", "auto")
    (found,) = problems(read_matrices=True)
    same = (filtered if ends[1] == 0 else raw) + "/matrix.mtx.gz"
    assert found.startswith(
        f"samples.tsv line 4, column raw_path: found '{other}', which is the same matrix as path ({same})"
    )
    assert "Hint: raw_path names the unfiltered droplets" in found


@pytest.mark.parametrize("there", [0, 1])
def test_a_run_with_one_matrix_is_said_to_lack_the_other(cohort, problems, there):
    _, _, run = RUNS["cell ranger"]
    write_mtx(cohort / RUNS["cell ranger"][there], counts())
    add_raw(cohort, run)
    set_cell(cohort / "samples.tsv", 4, "path", run)
    set_cell(cohort / "samples.tsv", 4, "format", "auto")
    (found,) = problems(read_matrices=True)
    column, what = (("raw_path", "filtered"), ("path", "unfiltered"))[there]
    assert found.startswith(f"samples.tsv line 4, column {column}: outs: only {what} counts")


def test_one_file_is_not_both(cohort, problems):
    add_raw(cohort, "data/P1_rel.h5ad")
    (found,) = problems()
    assert "column raw_path: found 'data/P1_rel.h5ad', which is the same matrix as path" in found


def test_raw_path_of_a_run_means_its_droplets(cohort, problems):
    for name in ("filtered", "raw"):
        write_mtx(cohort / f"outs/{name}_feature_bc_matrix", counts())
    assert resolve(cohort / "outs").path.name == "filtered_feature_bc_matrix"
    assert resolve(cohort / "outs", unfiltered=True).path.name == "raw_feature_bc_matrix"


@pytest.mark.parametrize("where", ["layer", "raw", "x"])
def test_counts_are_found_in_any_place_of_an_h5ad(cohort, problems, where):
    x = NORMALISED if where != "x" else counts().T
    other = {"layer": {"layers": {"umi_counts": counts().T}}, "raw": {"raw": counts().T}, "x": {}}[where]
    write_h5ad(cohort / "x.h5ad", x, **other)
    set_cell(cohort / "samples.tsv", 4, "path", "x.h5ad")
    assert problems(read_matrices=True) == []


def test_labels_of_other_cells(cohort, problems):
    (cohort / "other.tsv").write_text("barcode\tlabel\nTTTTTTTTTTTTTTTT-9\tplasma\n")
    set_cell(cohort / "samples.tsv", 5, "cell_types", "other.tsv")
    (found,) = problems(read_matrices=True)
    assert found.startswith("samples.tsv line 5, column cell_types: none of the barcodes in other.tsv is a barcode of")


def test_labels_may_lack_header_and_suffix(cohort, problems):
    (cohort / "other.tsv").write_text("".join(f"P2_dx:{b.removesuffix('-1')}\tplasma\n" for b in BARCODES))
    set_cell(cohort / "samples.tsv", 5, "cell_types", "other.tsv")
    assert problems(read_matrices=True) == []


CONTIGS = "barcode,is_cell,high_confidence,chain,v_gene,j_gene,c_gene,productive,cdr3_nt,umis\n"
CONTIG = "true,true,IGK,IGKV1-39,IGKJ1,IGKC,true,TGTCAACAGAGCACTTTC,90\n"


def add_vdj(cohort, text, *, line=5):
    """The sheet with a column vdj that names one table, on the row of ``line``."""
    (cohort / "contigs.csv").write_text(text)
    rows = (cohort / "samples.tsv").read_text().splitlines()
    ends = ["vdj", *("contigs.csv" if i == line else "" for i in range(2, len(rows) + 1))]
    (cohort / "samples.tsv").write_text("".join(f"{r}\t{e}\n" for r, e in zip(rows, ends, strict=True)))


def test_contigs_of_the_capture_are_sound(cohort, problems):
    add_vdj(cohort, CONTIGS + f"{BARCODES[0].removesuffix('-1')},{CONTIG}")  # the suffix is made good
    assert problems(read_matrices=True) == []


def test_contigs_of_other_cells(cohort, problems):
    add_vdj(cohort, CONTIGS + f"TTTTTTTTTTTTTTTT-9,{CONTIG}")
    (found,) = problems(read_matrices=True)
    assert found.startswith("samples.tsv line 5, column vdj: none of the barcodes in contigs.csv is a barcode of")


def test_contigs_without_a_column(cohort, problems):
    add_vdj(cohort, "barcode,chain\nA,IGK\n")
    (found,) = problems(read_matrices=True)
    assert found.startswith("samples.tsv line 5, column vdj: contigs.csv: no column v_gene") and "Hint" in found


def test_contigs_of_t_cells_alone_are_a_note(cohort, problems):
    # a table of T-cell receptors is no mistake of the sheet, but no clonotype comes of it
    add_vdj(cohort, CONTIGS + f"{BARCODES[0]},{CONTIG.replace('IGK', 'TRB')}")
    assert problems(read_matrices=True) == []


def test_formats_are_told_apart(tmp_path):
    write_mtx(tmp_path / "a", counts())
    write_mtx(tmp_path / "Solo.out/Gene/filtered", counts(), packed=False)
    write_mtx(tmp_path / "run/outs/filtered_feature_bc_matrix", counts())
    write_mtx(tmp_path / "multi/per_sample_outs/P1/count/sample_filtered_feature_bc_matrix", counts())
    write_h5(tmp_path / "a.h5", counts())
    write_h5ad(tmp_path / "a.h5ad", counts().T)
    found = {n: detect(tmp_path / n) for n in ("a", "Solo.out", "run", "multi", "a.h5", "a.h5ad")}
    assert found == {
        "a": "10x_mtx",
        "Solo.out": "starsolo",
        "run": "10x_mtx",
        "multi": "cellranger_multi",
        "a.h5": "10x_h5",
        "a.h5ad": "h5ad",
    }
    assert resolve(tmp_path / "multi", "cellranger_multi").kind == "10x_mtx"
    assert resolve(tmp_path / "a", "starsolo").format == "starsolo"  # the same three files, by another name


def test_prefixed_files_and_several_matrices(tmp_path):
    write_mtx(tmp_path, counts())
    for name in ("matrix.mtx.gz", "features.tsv.gz", "barcodes.tsv.gz"):
        (tmp_path / name).rename(tmp_path / f"GSM1_{name}")
    assert find_10x_files(tmp_path).features.name == "GSM1_features.tsv.gz"
    (tmp_path / "GSM2_matrix.mtx.gz").write_bytes(b"")
    with pytest.raises(UserError, match="2 matrices in one folder"):
        find_10x_files(tmp_path)
    assert find_10x_files(tmp_path / "GSM1_matrix.mtx.gz").barcodes.name == "GSM1_barcodes.tsv.gz"
