from __future__ import annotations

import hashlib
import json
from copy import deepcopy
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.io
import yaml

from marrowclone.simulate import simulate
from marrowclone.simulate.__main__ import main
from marrowclone.simulate.clinical import COLUMNS
from marrowclone.simulate.cohort import CLINICAL_COLUMNS, SHEET_COLUMNS, TRUTH_COLUMNS
from marrowclone.simulate.folder import MARK, UNFINISHED, write_cohort
from unit.simulate.simulate_cases import TINY


def digests(folder: Path) -> dict[str, str]:
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cohort")
    assert main([str(TINY), "--out", str(folder)]) == 0
    return folder


def table(folder: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(folder / name, sep="\t", keep_default_na=False, na_values=[""])


def test_same_seed_same_bytes_other_seed_other_counts(written, tmp_path, spec):
    main([str(TINY), "--out", str(tmp_path / "again"), "--cores", "2"])  # two processes draw what one drew
    assert digests(written) == digests(tmp_path / "again")  # h5 and gzip would carry time stamps if not told
    spec["seed"] = 8
    write_cohort(simulate(spec), tmp_path / "other")
    first, other = digests(written), digests(tmp_path / "other")
    data = [n for n in first if n.startswith("data/") and "features" not in n]
    assert all(first[n] != other[n] for n in data)


def test_a_cohort_that_is_there_is_left_alone_and_another_is_not_overwritten(written, tmp_path, capsys):
    before = {p: p.stat().st_mtime_ns for p in written.rglob("*")}
    assert main([str(TINY), "--out", str(written)]) == 0
    assert "nothing to do" in capsys.readouterr().out
    assert before == {p: p.stat().st_mtime_ns for p in written.rglob("*")}
    other = tmp_path / "other.yaml"
    other.write_text(TINY.read_text().replace("seed: 7", "seed: 9"))
    assert main([str(other), "--out", str(written)]) == 1
    assert "Hint: --force" in capsys.readouterr().err


def test_an_interrupted_cohort_is_written_again_and_a_lost_file_too(tmp_path, spec):
    path = tmp_path / "small.yaml"
    spec["patients"] = {"H1": spec["patients"]["H1"]}
    spec["patients"]["H1"]["samples"][0]["cells"] = 20
    path.write_text(yaml.safe_dump(spec))
    out = tmp_path / "out"
    assert main([str(path), "--out", str(out)]) == 0
    whole = digests(out)
    mark = json.loads((out / MARK).read_text()) | {"digest": UNFINISHED}
    (out / MARK).write_text(json.dumps(mark))
    (out / "config" / "samples.tsv").unlink()
    assert main([str(path), "--out", str(out)]) == 0 and digests(out) == whole
    (out / "truth" / "arms.tsv").unlink()
    assert main([str(path), "--out", str(out)]) == 0 and digests(out) == whole


def test_a_persons_own_files_are_not_overwritten(tmp_path, capsys):
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "samples.tsv").write_text("mine")
    assert main([str(TINY), "--out", str(tmp_path)]) == 1
    assert "not a simulated cohort's" in capsys.readouterr().err
    assert (tmp_path / "config" / "samples.tsv").read_text() == "mine"


def test_a_users_mistake_is_a_message_and_not_a_traceback(tmp_path, capsys):
    bad = tmp_path / "bad.yaml"
    bad.write_text("name: x\nseed: -1\npatients: {}\n")
    assert main([str(bad), "--out", str(tmp_path / "out")]) == 1
    assert "seed: found '-1'" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()  # nothing was started


def test_another_patient_changes_no_other(spec):
    alone = deepcopy(spec)
    alone["patients"] = {"T2": alone["patients"]["T2"]}
    whole = {name: c for name, c in simulate(spec).captures() if name.startswith("T2")}
    for name, capture in simulate(alone).captures():
        assert (capture.counts != whole[name].counts).nnz == 0
        pd.testing.assert_frame_equal(capture.cells, whole[name].cells)


def test_all_tables_have_their_columns(written):
    sheet = table(written, "config/samples.tsv")
    assert tuple(sheet.columns) == SHEET_COLUMNS
    assert all((written / p).exists() for p in sheet["path"])
    for name, columns in CLINICAL_COLUMNS.items():
        assert tuple(table(written, f"config/clinical/{name}.tsv").columns) == columns, name
    for name, columns in TRUTH_COLUMNS.items():
        suffix = ".tsv.gz" if name == "cells" else ".tsv"
        assert tuple(table(written, f"truth/{name}{suffix}").columns)[: len(columns)] == columns, name


def read_back(folder: Path, row: pd.Series) -> tuple[np.ndarray, list[str], list[str], list[str]]:
    """Dense counts (barcodes x genes), barcodes, gene ids and symbols, read without the project's code."""
    path = folder / row["path"]
    if row["format"] == "h5ad":
        data = anndata.read_h5ad(path)
        return data.X.toarray(), list(data.obs_names), list(data.var["gene_ids"]), list(data.var_names)
    if row["format"] == "10x_h5":
        with h5py.File(path) as file:
            m = file["matrix"]
            shape = tuple(m["shape"][:])
            counts = scipy.sparse.csc_matrix((m["data"][:], m["indices"][:], m["indptr"][:]), shape=shape)
            names = [[x.decode() for x in m[k][:]] for k in ("barcodes", "features/id", "features/name")]
            return counts.T.toarray(), *names
    counts = scipy.io.mmread(path / "matrix.mtx.gz").T.toarray()
    features = pd.read_csv(path / "features.tsv.gz", sep="\t", header=None)
    barcodes = pd.read_csv(path / "barcodes.tsv.gz", header=None)[0]
    return counts, list(barcodes), list(features[0]), list(features[1])


def test_files_hold_the_counts_in_each_format(written, spec):
    sheet = table(written, "config/samples.tsv").set_index("sample")
    assert set(sheet["format"]) == {"10x_mtx", "10x_h5", "h5ad"}
    truth = table(written, "truth/cells.tsv.gz").set_index("cell")
    for name, capture in simulate(spec).captures():
        counts, barcodes, ids, symbols = read_back(written, sheet.loc[name])
        assert barcodes == list(capture.cells["barcode"]) and len(set(barcodes)) == len(barcodes)
        assert ids[0].startswith("ENSG") and symbols[0] == "MIR1302-2HG"  # first gene of chr1
        assert np.array_equal(counts, capture.counts.toarray())
        assert {f"{name}:{b}" for b in barcodes} <= set(truth.index)


def test_clinical_tables_follow_the_truth(written):
    mrd = table(written, "config/clinical/mrd.tsv").set_index(["patient", "day"])
    assert (mrd.loc["T2", "result"] == "negative").all() and (mrd.loc["T2", "events"] == 0).all()  # cured
    assert mrd.loc[("T1", 200), "result"] == "positive"
    assert ((mrd["events"] >= mrd["lod"] * mrd["cells_analysed"]) == (mrd["result"] == "positive")).all()
    ngf = mrd[mrd["assay"] == "NGF"]
    assert np.allclose(ngf["lod"] * ngf["cells_analysed"], 20, rtol=1e-4)  # science 5.2: LoD 20 events
    response = table(written, "config/clinical/response.tsv")
    assert (response["m_protein_unit"] == "g/L").all()
    first = response.groupby("patient").head(1)
    assert first["response"].isna().all() and (first["m_protein"] > 10).all()  # baseline visit
    t2 = response[(response["patient"] == "T2") & (response["day"] >= 240)]
    assert set(t2["response"]) <= {"CR", "sCR"}
    outcome = table(written, "config/clinical/outcome.tsv").set_index("patient")
    progressed = response[response["response"] == "PD"].groupby("patient")["day"].min()
    assert outcome.loc["T1", "pfs_day"] == progressed["T1"] and "T2" not in progressed.index
    assert not outcome.loc["T2", "pfs_event"]
    events = table(written, "config/clinical/cytogenetics.tsv").set_index(["patient", "event"])["fraction"]
    assert events["T1", "hyperdiploidy"] > 0.8 and events["T2", "t(11;14)"] > 0.8 and events["T2", "gain(1q)"] == 0
    for name in COLUMNS:
        assert "H1" not in set(table(written, f"config/clinical/{name}.tsv")["patient"])  # healthy donors see no clinic


def test_serum_lags_behind_the_marrow(written):
    """IgG clears with a half-life of 21 days: after two months of kill the M-protein is behind."""
    response = table(written, "config/clinical/response.tsv").query("patient == 'T1'").set_index("day")
    growth = table(written, "truth/growth.tsv").query("patient == 'T1' and therapy == 'VRd' and clone == 'A'")
    months = (60 - 5) / 30.4375
    marrow = float(np.exp(growth["growth_per_month"].iloc[0] * months))
    assert response.loc[60, "m_protein"] / response.loc[0, "m_protein"] > marrow


def test_answers_are_in_range_and_some_are_missing(written):
    pro = table(written, "config/clinical/pro.tsv")
    c30, my20 = pro[pro["instrument"] == "QLQ-C30"], pro[pro["instrument"] == "QLQ-MY20"]
    assert set(c30["version"].astype(str)) == {"3.0"}
    four = [f"q{i}" for i in range(1, 29)]
    assert c30[four].stack().isin([1, 2, 3, 4]).all() and c30[["q29", "q30"]].stack().isin(range(1, 8)).all()
    assert my20[[f"q{i}" for i in range(31, 51)]].stack().isin([1, 2, 3, 4]).all()
    assert my20[[f"q{i}" for i in range(1, 31)]].isna().all(axis=None) and c30[
        [f"q{i}" for i in range(31, 51)]
    ].isna().all(axis=None)
    assert 0.02 < c30[[f"q{i}" for i in range(1, 31)]].isna().mean(axis=None) < 0.2  # science A.7: 5 to 15%
