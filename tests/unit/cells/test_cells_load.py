"""Every format gives the same counts; genes land where they belong; what is no count is refused."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from captures_by_hand import IDS, defaults, write_h5, write_mtx
from scipy import sparse

from marrowclone.cells.gene_names import clean_names
from marrowclone.cells.load import to_reference, write_counts
from marrowclone.cells.matrix import measured_everywhere, read_cells
from marrowclone.cells.sources import read_source
from marrowclone.errors import UserError
from marrowclone.resources import RESOURCES, gene_table, read_resource

COUNTS = np.array([[5, 0, 2, 1], [0, 7, 0, 3], [1, 1, 1, 1]])
NAMES = ["CD3E", "MS4A1", "XBP1", "CAR19"]
GENE_IDS = [*(IDS[n] for n in NAMES[:3]), "CAR19"]
FEATURES = [(i, n, "Gene Expression") for i, n in zip(GENE_IDS, NAMES, strict=True)]
SETTINGS = defaults("cells", "load_counts")


def load(path, sample="S", **settings):
    return to_reference(
        read_source(path),
        sample=sample,
        genes=gene_table(),
        aliases=read_resource(RESOURCES / "aliases.tsv"),
        settings=SETTINGS | settings,
    )


def dense(counts, names=NAMES):
    return counts[:, names].X.toarray()


def h5ad(path, X, var, **more):
    ad.AnnData(X=X, var=var, obs=pd.DataFrame(index=[f"BC{i}-1" for i in range(X.shape[0])]), **more).write_h5ad(path)
    return path


@pytest.fixture(
    params=[
        "mtx_v3",
        "mtx_v2",
        "mtx_plain",
        "h5_v3",
        "h5_v2",
        "starsolo",
        "multi",
        "h5ad_X",
        "h5ad_layer",
        "h5ad_raw",
        "h5ad_dense",
    ]
)
def source(request, tmp_path):
    kind = request.param
    var = pd.DataFrame({"gene_ids": GENE_IDS}, index=NAMES)
    if kind == "mtx_v3":
        return write_mtx(tmp_path / "m", COUNTS, FEATURES)
    if kind == "mtx_v2":
        return write_mtx(tmp_path / "m", COUNTS, [f[:2] for f in FEATURES], v2=True, gz=False)
    if kind == "mtx_plain":
        return write_mtx(tmp_path / "m", COUNTS.astype(float), FEATURES, gz=False)  # "real" that is whole
    if kind == "starsolo":
        write_mtx(tmp_path / "Solo.out" / "Gene" / "filtered", COUNTS, FEATURES, gz=False)
        return tmp_path / "Solo.out"
    if kind == "multi":
        write_mtx(tmp_path / "run" / "count" / "sample_filtered_feature_bc_matrix", COUNTS, FEATURES)
        return tmp_path / "run"
    if kind.startswith("h5_"):
        return write_h5(tmp_path / "m.h5", COUNTS, GENE_IDS, NAMES, v2=kind == "h5_v2")
    logged = np.log1p(COUNTS / 3)
    if kind == "h5ad_X":
        return h5ad(tmp_path / "m.h5ad", sparse.csc_matrix(COUNTS.astype(np.float32)), var)
    if kind == "h5ad_dense":
        return h5ad(tmp_path / "m.h5ad", COUNTS.astype(np.float64), var)
    if kind == "h5ad_layer":
        return h5ad(tmp_path / "m.h5ad", logged, var, layers={"counts": sparse.csr_matrix(COUNTS)})
    raw = ad.AnnData(X=sparse.csr_matrix(COUNTS), var=var)
    return h5ad(tmp_path / "m.h5ad", logged[:, :2], var.iloc[:2], raw=raw)


def test_every_format_gives_the_same_counts(source):
    counts = load(source)
    assert (dense(counts) == COUNTS).all()
    assert list(counts.obs_names) == ["S:BC0-1", "S:BC1-1", "S:BC2-1"]  # contract: {sample}:{barcode}
    assert counts.X.dtype == np.int32 and sparse.issparse(counts.X)


def test_the_gene_space_is_the_reference_in_genome_order_then_the_rest(tmp_path):
    counts = load(write_mtx(tmp_path / "m", COUNTS, FEATURES))
    n = len(gene_table())
    assert list(counts.var_names[:n]) == list(gene_table()["symbol"])
    assert list(counts.var_names[n:]) == ["CAR19"]  # a transgene is kept, behind the reference
    assert counts.var["measured"].sum() == 4  # three known genes and the transgene
    assert counts.uns["load"]["n_genes_mapped"] == 3


def test_ids_with_versions_older_symbols_and_symbols_in_the_id_column(tmp_path):
    features = [(IDS["CD3E"] + ".12", "anything", "Gene Expression"), ("WHSC1", "WHSC1", "Gene Expression"),
                ("GRCh38_XBP1", "GRCh38_XBP1", "Gene Expression"), ("x", "FAM46C", "Gene Expression")]  # fmt: skip
    counts = load(write_mtx(tmp_path / "m", COUNTS, features))
    assert (dense(counts, ["CD3E", "NSD2", "XBP1", "TENT5C"]) == COUNTS).all()
    assert counts.uns["load"]["n_aliased"] == 2  # science 1.3: WHSC1 -> NSD2, FAM46C -> TENT5C


def test_rows_that_are_one_gene_are_summed(tmp_path):
    features = [("XBP1", "XBP1", "Gene Expression")] * 2 + [("CAR19", "CAR19", "Gene Expression")] * 2
    counts = load(write_mtx(tmp_path / "m", COUNTS, features), min_share_mapped=0)
    assert counts[:, "XBP1"].X.toarray().ravel().tolist() == [5, 7, 2]
    assert counts[:, "CAR19"].X.toarray().ravel().tolist() == [3, 3, 2]
    assert counts.X.sum() == COUNTS.sum()  # nothing is lost
    assert counts.uns["load"]["n_merged"] == 2


def test_an_id_goes_before_a_symbol():
    # the id says CD3E although the symbol column says MS4A1: ids are stable, symbols move
    assert clean_names(np.array(["ENSG00000198851.7", "hg38_CD3E"])).tolist() == ["ENSG00000198851", "CD3E"]


def test_antibodies_beside_genes_are_left_out(tmp_path):
    features = [*FEATURES[:3], ("CD38_TotalSeq", "CD38", "Antibody Capture")]
    counts = load(write_mtx(tmp_path / "m", COUNTS, features))
    assert counts[:, "CD38"].X.sum() == 0  # a protein count is no RNA count
    assert counts.uns["load"]["n_features_other"] == 1


def test_empty_barcodes_are_counted_not_loaded(tmp_path):
    matrix = np.vstack([COUNTS, np.zeros((2, 4), dtype=int)])
    counts = load(write_mtx(tmp_path / "m", matrix, FEATURES))
    assert counts.n_obs == 3 and counts.uns["load"]["n_barcodes_empty"] == 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: m + 0.5, "no whole number"),
        (lambda m: -m, "negative"),
        (lambda m: m * 0, "empty"),
    ],
)
def test_what_is_no_count_is_refused(tmp_path, change, words):
    with pytest.raises(UserError, match=words) as error:
        load(write_mtx(tmp_path / "m", change(COUNTS), FEATURES))
    assert "Hint:" in str(error.value)


def test_normalised_h5ad_is_refused_with_a_hint(tmp_path):
    path = h5ad(tmp_path / "m.h5ad", np.log1p(COUNTS / 3), pd.DataFrame(index=NAMES))
    with pytest.raises(UserError, match=r"layers\['counts'\]"):
        load(path)


def test_a_matrix_the_wrong_way_round_is_named(tmp_path):
    folder = write_mtx(tmp_path / "m", COUNTS, FEATURES, gz=False)
    lines = (folder / "matrix.mtx").read_text().splitlines()
    turned = [lines[0], lines[1], "3 4 9", *(" ".join([b, a, v]) for a, b, v in (x.split() for x in lines[3:]))]
    (folder / "matrix.mtx").write_text("\n".join(turned) + "\n")
    with pytest.raises(UserError, match="transpose"):
        load(folder)


def test_a_cut_off_file_is_named(tmp_path):
    folder = write_mtx(tmp_path / "m", np.tile(COUNTS, (50, 1)), FEATURES)
    whole = (folder / "matrix.mtx.gz").read_bytes()
    (folder / "matrix.mtx.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"cut off"):
        load(folder)


def test_repeated_barcodes_mixed_genomes_and_other_species_are_refused(tmp_path):
    folder = write_mtx(tmp_path / "m", COUNTS, FEATURES, gz=False)
    (folder / "barcodes.tsv").write_text("A\nA\nB\n")
    with pytest.raises(UserError, match="more than once"):
        load(folder)
    with pytest.raises(UserError, match="2 genomes"):
        load(write_h5(tmp_path / "b.h5", COUNTS, GENE_IDS, NAMES, genomes=["GRCh38"] * 3 + ["mm10"]))
    mouse = [(f"ENSMUSG{i:011d}", n, "Gene Expression") for i, n in enumerate(["Cd3e", "Ms4a1", "Xbp1", "Sdc1"])]
    with pytest.raises(UserError, match="human reference"):
        load(write_mtx(tmp_path / "mouse", COUNTS, mouse))


def test_read_cells_keeps_the_order_asked_for_and_only_reference_genes(tmp_path):
    one = load(write_mtx(tmp_path / "a", COUNTS, FEATURES), sample="A")
    two = load(write_mtx(tmp_path / "b", COUNTS[:, :2] * 10, FEATURES[:2]), sample="B")
    paths = [tmp_path / "a.h5ad", tmp_path / "b.h5ad"]
    for path, counts in zip(paths, (one, two), strict=True):
        write_counts(path, counts)
    asked = ["B:BC1-1", "A:BC2-1", "A:BC0-1"]
    got = read_cells(paths, asked)
    assert list(got.obs_names) == asked
    assert got.n_vars == len(gene_table())
    assert dense(got, ["CD3E", "MS4A1"]).tolist() == [[0, 70], [1, 1], [5, 0]]
    assert list(got.obs["sample"]) == ["B", "A", "A"]
    few = read_cells(paths, asked, genes=["MS4A1", "CD3E"])
    assert few.X.toarray().tolist() == [[70, 0], [1, 1], [0, 5]]
    # XBP1 is measured in A only: a zero of B says nothing about XBP1
    assert gene_table()["symbol"][measured_everywhere(paths)].tolist() == sorted(
        ["CD3E", "MS4A1"], key=list(gene_table()["symbol"]).index
    )
    assert read_cells(paths, []).shape == (0, len(gene_table()))
    with pytest.raises(KeyError):
        read_cells(paths, ["A:nowhere"])


def test_the_same_counts_are_the_same_bytes(tmp_path):
    counts = load(write_mtx(tmp_path / "m", COUNTS, FEATURES))
    write_counts(tmp_path / "1.h5ad", counts)
    write_counts(tmp_path / "2.h5ad", counts)
    assert (tmp_path / "1.h5ad").read_bytes() == (tmp_path / "2.h5ad").read_bytes()


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "n", "share"), [("tnbc1", 302, 0.97), ("malt", 2100, 0.999), ("bone_marrow_50", 50, 0.97)]
)
def test_real_files_load(data, name, n, share):
    counts = load(data / name, sample=name)
    facts = counts.uns["load"]
    print(name, facts)
    assert counts.n_obs == n
    assert facts["pct_umi_unmapped"] <= 100 * (1 - share)
    if name == "bone_marrow_50":
        assert facts["n_merged"] == 34  # 34 symbols repeat in its features.tsv
