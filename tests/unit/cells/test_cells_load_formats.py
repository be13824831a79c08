"""Loom, zarr, STARsolo, Cell Ranger 2, chosen genomes, names made unique, older gene models."""

from __future__ import annotations

import shutil

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
from captures_by_hand import IDS, defaults, write_h5, write_mtx
from scipy import sparse

from marrowclone.cells.gene_names import KEY_GENES, map_genes, old_gene_model
from marrowclone.cells.load import load_counts
from marrowclone.errors import UserError
from marrowclone.formats import resolve
from marrowclone.resources import RESOURCES, gene_table, read_resource

COUNTS = np.array([[5, 0, 2, 1], [0, 7, 0, 3], [1, 1, 1, 1]])
NAMES = ["CD3E", "MS4A1", "XBP1", "CAR19"]
GENE_IDS = [*(IDS[n] for n in NAMES[:3]), "CAR19"]
FEATURES = [(i, n, "Gene Expression") for i, n in zip(GENE_IDS, NAMES, strict=True)]
SETTINGS = defaults("cells", "load_counts")
ALIASES = read_resource(RESOURCES / "aliases.tsv")
MARKS = read_resource(RESOURCES / "gene_models.tsv")


def load(path, tmp_path, format="auto", **settings):
    out = tmp_path / "out.h5ad"
    facts = load_counts(
        path, out, sample="S", genes=gene_table(), aliases=ALIASES, settings=SETTINGS | settings, format=format
    )
    return facts, ad.read_h5ad(out)


def write_loom(path, matrix=COUNTS.T, rows=None, columns=None, layers=None):
    text = h5py.string_dtype()
    with h5py.File(path, "w") as file:
        file.create_dataset("matrix", data=matrix, chunks=(2, 2), compression="gzip")
        for group, names in (
            ("row_attrs", rows or {"Gene": NAMES, "Accession": GENE_IDS}),
            ("col_attrs", columns or {"CellID": [f"BC{i}-1" for i in range(3)]}),
        ):
            for name, values in names.items():
                file.create_dataset(f"{group}/{name}", data=np.array(values, dtype=object), dtype=text)
        for name, values in (layers or {}).items():
            file[f"layers/{name}"] = values
    return path


def anndata(**more):
    return ad.AnnData(
        **({"X": sparse.csr_matrix(COUNTS.astype(np.float32))} | more),
        obs=pd.DataFrame(index=[f"BC{i}-1" for i in range(3)]),
        var=pd.DataFrame({"gene_ids": GENE_IDS}, index=NAMES),
    )


def zipped(folder):
    return shutil.make_archive(str(folder), "zip", folder)


def written(kind, tmp_path):
    if kind == "loom":
        return write_loom(tmp_path / "m.loom")
    if kind == "loom_scanpy":  # scanpy's write_loom: var_names and obs_names, floats
        return write_loom(
            tmp_path / "m.loom", COUNTS.T.astype(np.float32), {"var_names": NAMES, "gene_ids": GENE_IDS},
            {"obs_names": [f"BC{i}-1" for i in range(3)]},
        )  # fmt: skip
    if kind == "loom_layer":
        return write_loom(tmp_path / "m.loom", np.log1p(COUNTS.T / 3), layers={"counts": COUNTS.T})
    if kind == "h5ad_other_layer":
        anndata(X=np.log1p(COUNTS / 3), layers={"umi": sparse.csr_matrix(COUNTS)}).write_h5ad(tmp_path / "m.h5ad")
        return tmp_path / "m.h5ad"
    if kind.startswith("zarr"):
        X = (
            sparse.csc_matrix(COUNTS)
            if kind == "zarr_csc"
            else COUNTS
            if kind == "zarr_dense"
            else sparse.csr_matrix(COUNTS)
        )
        anndata(X=X).write_zarr(tmp_path / "m.zarr")
        return zipped(tmp_path / "m.zarr") if kind == "zarr_zip" else tmp_path / "m.zarr"
    if kind == "starsolo_2_columns":
        return write_mtx(tmp_path / "aSolo.out/GeneFull/filtered", COUNTS, [f[:2] for f in FEATURES], gz=False).parents[
            2
        ]
    if kind == "cellranger2":
        return write_mtx(
            tmp_path / "outs/filtered_gene_bc_matrices/GRCh38", COUNTS, [f[:2] for f in FEATURES], v2=True, gz=False
        ).parents[2]
    return write_mtx(
        tmp_path / "run/per_sample_outs/P1/count/sample_filtered_feature_bc_matrix", COUNTS, FEATURES
    ).parents[3]


FORMATS = {
    "loom": "loom", "loom_scanpy": "loom", "loom_layer": "loom", "h5ad_other_layer": "h5ad", "zarr": "zarr",
    "zarr_csc": "zarr", "zarr_dense": "zarr", "zarr_zip": "zarr", "starsolo_2_columns": "starsolo",
    "cellranger2": "10x_mtx", "multi": "cellranger_multi",
}  # fmt: skip


@pytest.mark.parametrize("kind", FORMATS)
def test_every_other_format_gives_the_same_counts(kind, tmp_path):
    path = written(kind, tmp_path)
    facts, counts = load(path, tmp_path)
    assert (counts[:, NAMES].X.toarray() == COUNTS).all()
    assert list(counts.obs_names) == ["S:BC0-1", "S:BC1-1", "S:BC2-1"]
    assert facts["format"] == FORMATS[kind]
    load(path, tmp_path, format=FORMATS[kind])  # what is found may also be said
    with pytest.raises(UserError, match="format says 10x_h5"):
        load(path, tmp_path, format="10x_h5")


def test_filtered_and_unfiltered_are_told_apart(tmp_path):
    write_mtx(tmp_path / "Solo.out/Gene/raw", COUNTS, FEATURES, gz=False)
    with pytest.raises(UserError, match=r"only unfiltered counts .*Gene/raw.*raw_path"):
        resolve(tmp_path / "Solo.out")
    write_mtx(tmp_path / "Solo.out/Gene/filtered", COUNTS, FEATURES, gz=False)
    assert resolve(tmp_path / "Solo.out").path.name == "filtered"
    assert resolve(tmp_path / "Solo.out", unfiltered=True).path.name == "raw"
    assert resolve(tmp_path, unfiltered=True).path.name == "raw"
    write_mtx(tmp_path / "other/bSolo.out/Gene/filtered", COUNTS, FEATURES)
    write_mtx(tmp_path / "other/cSolo.out/Gene/filtered", COUNTS, FEATURES)
    with pytest.raises(UserError, match="2 STARsolo folders"):
        resolve(tmp_path / "other")


def test_one_genome_of_several_is_read_when_it_is_named(tmp_path):
    path = write_h5(tmp_path / "b.h5", COUNTS, GENE_IDS, NAMES, genomes=["GRCh38", "GRCh38", "GRCh38", "mm10"])
    with pytest.raises(UserError, match=r"2 genomes .*genome"):
        load(path, tmp_path)
    with pytest.raises(UserError, match="genome says 'hg38'"):
        load(path, tmp_path, genome="hg38")
    facts, counts = load(path, tmp_path, genome="GRCh38")
    assert (counts[:, NAMES[:3]].X.toarray() == COUNTS[:, :3]).all() and "CAR19" not in counts.var_names
    assert facts["n_features_other_genomes"] == 1
    prefixed = [(f"GRCh38_{i}", f"GRCh38_{n}", "Gene Expression") for i, n in zip(GENE_IDS[:3], NAMES, strict=False)]
    folder = write_mtx(
        tmp_path / "m", COUNTS, [*prefixed, ("mm10___ENSMUSG00000032093", "mm10___Cd3e", "Gene Expression")]
    )
    with pytest.raises(UserError, match="2 genomes"):
        load(folder, tmp_path)
    assert (load(folder, tmp_path, genome="GRCh38")[1][:, NAMES[:3]].X.toarray() == COUNTS[:, :3]).all()
    with h5py.File(tmp_path / "v2.h5", "w") as file:  # version 2: a group per genome
        for name in ("GRCh38", "mm10"):
            with h5py.File(write_h5(tmp_path / "one.h5", COUNTS, GENE_IDS, NAMES, v2=True)) as one:
                one.copy("GRCh38", file, name)
    with pytest.raises(UserError, match="2 genomes"):
        load(tmp_path / "v2.h5", tmp_path)
    assert (load(tmp_path / "v2.h5", tmp_path, genome="GRCh38")[1][:, NAMES].X.toarray() == COUNTS).all()


def test_a_genome_setting_does_not_bother_files_with_one_genome(tmp_path):
    # the setting is of the whole cohort; this file's reference has another label
    path = write_h5(tmp_path / "b.h5", COUNTS, GENE_IDS, NAMES, genomes=["GRCh38-2020-A"] * 4)
    assert load(path, tmp_path, genome="GRCh38")[0]["n_barcodes"] == 3


def how(*symbols, ids=None):
    names = np.array(symbols, dtype=object)
    found = map_genes(names if ids is None else np.array(ids, dtype=object), names, gene_table(), ALIASES)
    return [
        (gene_table()["symbol"].iloc[t] if t >= 0 else "", h)
        for t, h in zip(found["target"], found["how"], strict=True)
    ]


def test_names_that_a_tool_made_unique_are_the_gene():
    assert how("TBCE", "TBCE.1", "TBCE-1") == [("TBCE", "symbol"), ("TBCE", "made unique"), ("TBCE", "made unique")]
    assert how("FAM46C", "FAM46C.1")[1] == ("TENT5C", "made unique")  # of an older symbol too
    assert how("TBCE.1") == [("", "")]  # nothing was made unique where the bare name is not there
    assert how("NKX2-1", "HLA-A")[0] == ("NKX2-1", "symbol")  # a number behind a hyphen may belong to the name
    # three genes of the reference look like another gene with a number: they stay themselves
    assert how("IGHV3-30", "IGHV3-30-2")[1] == ("IGHV3-30-2", "symbol")
    assert how("RP11-34P13", "RP11-34P13.7")[1] == ("", "")  # a clone, no gene made unique
    # with an Ensembl id of its own it is another gene, whatever a tool called it
    assert how("TBCE", "TBCE.1", ids=["ENSG00000284770", "ENSG99999999999"])[1] == ("", "")


def test_aliases_are_complete_and_sound():
    wanted = {"FAM46C": "TENT5C", "WHSC1": "NSD2", "MMSET": "NSD2", "IGJ": "JCHAIN", "KIAA0101": "PCLAF",
              "STK6": "AURKA", "CDC2": "CDK1", "C10orf3": "CEP55", "CDCA1": "NUF2"}  # fmt: skip
    known = dict(zip(ALIASES["alias"], ALIASES["symbol"], strict=True))
    assert wanted.items() <= known.items()  # science 1.3
    symbols = set(gene_table()["symbol"])
    assert set(known.values()) <= symbols and symbols.isdisjoint(known)  # an alias never hides a gene
    assert ALIASES["alias"].is_unique and (ALIASES["source"] != "").all()
    assert set(KEY_GENES) <= symbols


@pytest.mark.parametrize(
    ("names", "genome", "model"),
    [
        (["CD3E"], "hg19", "GRCh37"),
        (["CD3E"], "GRCh37-lite", "GRCh37"),
        (["CD3E"], "GRCh38", ""),
        (["ENSG00000237683", "ENSG00000269831", "CD3E"], "", "GRCh37"),  # ids that GRCh38 never had
        (["ENSG00000237683", "CD3E"], "", ""),  # one alone may be a slip
        (["MIR1302-10", "hsa-mir-6723", "RP11-34P13.7"], "", "GRCh37"),
        (["MIR1302-10", "hsa-mir-6723"], "", ""),  # symbols of old, but no clone names beside them
        ([f"RP11-34P{i}.7" for i in range(100)], "", "Ensembl before 92"),
        ([f"RP11-34P{i}.7" for i in range(4)], "", ""),  # today's lists have a few
    ],
)
def test_older_gene_models_are_recognised(names, genome, model):
    names = np.array(names, dtype=object)
    assert old_gene_model(names, names, MARKS, genome)[0] == model


def test_the_marks_are_not_in_the_reference():
    table = gene_table()
    assert not set(MARKS["name"]) & (set(table["symbol"]) | set(table["gene_id"]))
    assert (MARKS["source"] != "").all()


def test_an_old_gene_model_is_lifted_with_a_warning_or_refused(tmp_path):
    features = [("ENSG00000109685", "WHSC1"), ("x", "FAM46C"), (IDS["XBP1"], "XBP1"), ("CAR19", "CAR19")]
    folder = write_mtx(tmp_path / "filtered_gene_bc_matrices" / "hg19", COUNTS, features, v2=True, gz=False)
    for path in (folder, folder.parent, tmp_path):  # the folder's name tells, as Cell Ranger 2 writes it
        facts, counts = load(path, tmp_path)
        assert facts["gene_model"] == "GRCh37"
        assert any("GRCh37" in w and "hg19" in w and "3 of 4 found" in w for w in facts["warnings"])
    assert (counts[:, ["NSD2", "TENT5C", "XBP1"]].X.toarray() == COUNTS[:, :3]).all()
    with pytest.raises(UserError, match=r"older gene model, GRCh37.*old_gene_model"):
        load(folder, tmp_path, old_gene_model="refuse")


def test_missing_genes_of_calls_are_said_loudly(tmp_path):
    facts, _ = load(write_mtx(tmp_path / "m", COUNTS, FEATURES), tmp_path)
    (said,) = [w for w in facts["warnings"] if "calls rest on" in w]
    assert "NSD2" in said and "FGFR3" in said and "IGKC" in said and "XBP1" not in said
    assert any("only 3 of" in w for w in facts["warnings"])  # a file cut to few genes
    table = gene_table()
    whole = sparse.random(3, len(table), 0.001, random_state=1, data_rvs=lambda n: np.ones(n), dtype=int)
    path = write_h5(tmp_path / "w.h5", whole.toarray(), list(table["gene_id"]), list(table["symbol"]))
    assert load(path, tmp_path)[0]["warnings"] == []


def test_files_of_several_captures_are_loaded_with_a_warning(tmp_path):
    data = anndata()
    data.obs["sample"] = ["a", "a", "b"]
    data.obs["batch"] = "1"
    data.write_h5ad(tmp_path / "m.h5ad")
    assert any(
        "obs['sample'] tells 2 values apart (a, b)" in w for w in load(tmp_path / "m.h5ad", tmp_path)[0]["warnings"]
    )
    data.obs = pd.DataFrame(index=["ACGTACGTACGTACGT-1", "ACGTACGTACGTACGT-2", "AAGTACGTACGTACGT-1"])
    data.write_h5ad(tmp_path / "m.h5ad")
    assert any("end in 2 numbers (-1, -2)" in w for w in load(tmp_path / "m.h5ad", tmp_path)[0]["warnings"])


@pytest.mark.data
def test_the_model_of_real_files(data, tmp_path):
    # tnbc1 and bone_marrow_50 have the 33,694 genes of GRCh38 with Ensembl 84; malt those of Ensembl 93
    models = {name: load(data / name, tmp_path)[0]["gene_model"] for name in ("tnbc1", "bone_marrow_50", "malt")}
    assert models == {"tnbc1": "Ensembl before 92", "bone_marrow_50": "Ensembl before 92", "malt": ""}
