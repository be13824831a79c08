"""The reference profile as a file: written by the command, read back, and every way in which it can be wrong."""

import gzip

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from marrowclone import tables
from marrowclone.cells.load import write_counts
from marrowclone.copy_number import profile
from marrowclone.copy_number.profile_file import Profile, check_profile, profile_text, read_profile, write_profile
from marrowclone.errors import InputProblems
from marrowclone.resources import gene_table

GENES = gene_table()


def a_profile(**changes):
    """A sound profile over all genes."""
    rng = np.random.default_rng(3)
    counts = pd.DataFrame(
        {"plasma": rng.poisson(30, len(GENES)), "cd4_t": rng.poisson(10, len(GENES))},
        index=pd.Index(GENES["symbol"], name="symbol"), dtype=float,
    )  # fmt: skip
    counts.iloc[0] = [20000.0, 8000.0]  # as every kind of cell has a gene of 1% and more
    facts = {"n_cells": {"plasma": 400, "cd4_t": 90}, "study": "Smith 2023", "chemistry": "10x 3' v3", "n_donors": 5}
    return Profile(**({"counts": counts} | facts | changes))


@pytest.fixture
def problems(tmp_path):
    """Function: text of a file -> its problems in words."""

    def go(text, *, min_cells=200):
        path = tmp_path / "p.tsv"
        path.write_text(text)
        found, wrong = check_profile(path, min_cells=min_cells)
        assert (found is None) == bool(wrong)
        return [str(p).replace(str(tmp_path) + "/", "") for p in wrong]

    return go


def test_written_and_read_back(tmp_path):
    path = tmp_path / "p.tsv.gz"
    write_profile(path, a_profile(), samples=["A", "B"])
    found = read_profile(path, min_cells=200)
    assert (found.study, found.chemistry, found.n_donors) == ("Smith 2023", "10x 3' v3", 5)
    assert found.n_cells == {"plasma": 400, "cd4_t": 90}
    assert found.words() == "400 plasma cells of 5 donors of Smith 2023 (10x 3' v3)"
    pd.testing.assert_frame_equal(found.counts, a_profile().counts.sort_index(), check_names=False)
    first = path.read_bytes()
    write_profile(path, a_profile(), samples=["A", "B"])
    assert path.read_bytes() == first  # the same cells are the same bytes


def test_ensembl_ids_and_older_symbols_are_found(tmp_path):
    ids = a_profile()
    by_id = Profile(ids.counts.set_axis(GENES["gene_id"]), ids.n_cells, "by id", "", 3)
    write_profile(tmp_path / "p.tsv", by_id)
    assert set(read_profile(tmp_path / "p.tsv").counts.index) == set(GENES["symbol"])


def test_shares_with_their_umi(problems, tmp_path):
    sound = a_profile()
    share = Profile(sound.counts / sound.counts.sum(), sound.n_cells, "shares", "", 5)
    text = profile_text(share)
    assert any("found 1 UMI in all, expected at least 1000" in p and "# umi:" in p for p in problems(text))
    assert problems(text.replace("# cells:", "# umi: plasma=2e6 cd4_t=5e5\n# cells:")) == []
    assert read_profile(tmp_path / "p.tsv").counts.sum().tolist() == pytest.approx([2e6, 5e5], rel=1e-6)


SOUND = profile_text(a_profile())


def changed(function, *, umi=""):
    """Change of a sound file: ``function`` of its counts, with a line ``umi``."""

    def go(text):
        sound = a_profile()
        new = profile_text(Profile(function(sound.counts), sound.n_cells, sound.study, sound.chemistry, 5))
        return new.replace("# cells:", f"{umi}\n# cells:") if umi else new

    return go


UMI = "# umi: plasma=2e6 cd4_t=5e5"
#: what is changed in a sound file -> what is said
WRONG = {
    "empty": (lambda t: "", "the file is empty"),
    "no symbol": (lambda t: t.replace("symbol\t", "gene\t", 1), "column symbol: the column is missing"),
    "no plasma": (lambda t: t.replace("\tplasma\tcd4_t\n", "\tpc\tcd4_t\n", 1), "column plasma: the column is missing"),
    "unknown type": (lambda t: t.replace("\tcd4_t\n", "\tcd4t\n", 1), "column cd4t: unknown column, expected one of symbol, plasma"),
    "no study": (lambda t: t.replace("# study: Smith 2023\n", ""), "no comment line '# study: ...'"),
    "no donors": (lambda t: t.replace("# donors: 5", "# donors: five"), "found 'five', expected an integer of at least 1"),
    "no cells": (lambda t: t.replace("# cells:", "# celled:"), "no comment line '# cells: ...'"),
    "cells of one type": (lambda t: t.replace(" cd4_t=90", ""), "says nothing of cd4_t"),
    "cells in words": (lambda t: t.replace("cd4_t=90", "cd4_t=many"), "found 'cd4_t=many', expected type=number, each type once"),
    "a type twice": (lambda t: t.replace("cd4_t=90", "cd4_t=90 plasma=900"), "found 'plasma=900', expected type=number, each type once"),
    "more cells than UMI": (lambda t: t.replace("plasma=400", "plasma=4e8"), "found 'plasma=4e+08', expected at most the 1."),
    "log1p": (changed(np.log1p), "looks like logarithms"),
    "log1p of shares": (changed(lambda c: np.log1p(1e6 * c / c.sum()), umi=UMI), "looks like logarithms"),
    "infinite": (changed(lambda c: c.assign(plasma=1e305)), "found inf UMI in all"),
    "one gene": (changed(lambda c: c.mul(1e6 * (c.index == "ACTB"), axis=0), umi=UMI), "found 1 genes above 0, expected at least 2000"),
    "umi of nothing": (lambda t: t.replace("# cells:", "# umi: plasma=2 cd4_t=5e5\n# cells:"), "found 2 UMI in all, expected at least 1000"),
    "too few": (lambda t: t.replace("plasma=400", "plasma=40"), "found 'plasma=40', expected at least 200 plasma cells"),
    "a text": (lambda t: t.replace(t.splitlines()[9], "XYZ\tmany\t1"), "line 10, column plasma: found 'many', expected a number of at least 0"),
    "logarithms": (lambda t: t.replace(t.splitlines()[9], "XYZ\t-1.5\t1"), "found '-1.5', expected a number of at least 0"),
    "twice": (lambda t: t + t.splitlines()[9] + "\n", "stands there twice, first on line 10"),
    "a panel": (lambda t: "\n".join(t.splitlines()[:2000]) + "\n", "of the 33485 reference genes (100% of the rows are known), expected at least 50%"),
    "header only": (lambda t: "\n".join(t.splitlines()[:6]) + "\n", "found 0 of the 33485 reference genes"),
    "a picture": (lambda t: "\x00\x01" + t, "NUL"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_can_be_wrong(name, problems):
    assert problems(SOUND) == []
    change, message = WRONG[name]
    said = problems(change(SOUND))
    assert any(message in p for p in said), said
    assert all(p.startswith("p.tsv") for p in said)
    assert len(said) <= 8


def test_mouse_genes_are_recognised(problems):
    head, rows = SOUND.splitlines()[:6], SOUND.splitlines()[6:]
    mouse = "\n".join([*head, *(r.split("\t")[0].capitalize() + "\t" + "\t".join(r.split("\t")[1:]) for r in rows)])
    assert any("look like mouse genes" in p for p in problems(mouse))


def test_a_file_that_is_not_there_or_is_a_folder(tmp_path):
    for path in (tmp_path / "none.tsv.gz", tmp_path):
        with pytest.raises(InputProblems):
            read_profile(path)
    (tmp_path / "cut.tsv.gz").write_bytes(gzip.compress(SOUND.encode())[:-40])
    with pytest.raises(InputProblems, match="damaged"):
        read_profile(tmp_path / "cut.tsv.gz")


# the command


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Results of a run with healthy H1, H2 (120 plasma cells each), H3 (clonal) and a patient P."""
    folder = tmp_path_factory.mktemp("run") / "results"
    rng = np.random.default_rng(8)
    var = GENES.set_index("symbol").assign(measured=True)
    plasma = rng.lognormal(0, 1.5, len(GENES)) * (GENES["locus"] != "ig").to_numpy()
    plasma /= plasma.sum()
    immune = plasma * rng.lognormal(0, 0.7, len(GENES))
    immune /= immune.sum()
    cells = []
    for sample, kappa in (("H1", 0.6), ("H2", 0.6), ("H3", 1.0), ("P_dx", 0.6)):
        kinds = ["plasma"] * 120 + ["cd4_t"] * 40 + ["monocyte"] * 40 + ["erythroid"] * 5
        rate = np.array([plasma if k == "plasma" else immune for k in kinds])
        counts = rng.poisson(3000 * rate).astype(np.int32)
        first = rng.random(120) < kappa
        counts[:120, var.index.get_loc("IGKC")] = np.where(first, 300, 0)
        counts[:120, var.index.get_loc("IGLC2")] = np.where(first, 0, 300)
        names = [f"{sample}:{i:03d}" for i in range(len(kinds))]
        obs = pd.DataFrame({"sample": sample, "barcode": [n.split(":")[1] for n in names]}, index=names)
        (folder / "cells").mkdir(parents=True, exist_ok=True)
        write_counts(folder / "cells" / f"{sample}.counts.h5ad", ad.AnnData(X=sp.csr_matrix(counts), obs=obs, var=var))
        point = "diagnosis" if sample == "P_dx" else "healthy"
        cells.append(pd.DataFrame({"cell": names, "sample": sample, "patient": sample[:2].rstrip("_"), "timepoint": point,
                                   "cell_type": kinds}))  # fmt: skip
    tables.write_table(folder / "embedding" / "cells.tsv.gz", pd.concat(cells), columns=["cell"])
    return folder


def test_command_writes_what_the_workflow_reads(results, tmp_path, capsys):
    out = tmp_path / "profile.tsv.gz"
    arguments = ["--results", str(results), "--samples", "H1", "H2", "--study", "our donors", "--out", str(out)]
    assert profile.main(arguments) == 0
    found = read_profile(out, min_cells=200)
    assert found.n_cells == {"plasma": 240, "cd4_t": 80, "monocyte": 80}
    assert found.n_donors == 2
    said = capsys.readouterr().out
    assert "240 plasma cells of 2 donors of our donors" in said and "Three donors or more are wanted" in said
    first = out.read_bytes()
    assert profile.main([*arguments[:3], "H2", "H1", *arguments[5:]]) == 0  # the order of samples does not matter
    body = [line for line in gzip.decompress(out.read_bytes()).splitlines() if not line.startswith(b"# samples")]
    assert body == [line for line in gzip.decompress(first).splitlines() if not line.startswith(b"# samples")]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"--samples": ["H9"]}, "found 'H9'"),
        ({"--samples": ["H1", "P_dx"]}, "P_dx has the timepoint diagnosis, expected healthy"),
        ({"--samples": ["H1", "H3"]}, "the plasma cells of H3 are clonal"),
        ({"--samples": ["H1"]}, "found 120 plasma cells in H1, expected at least 200"),
        ({"--results": ["nowhere"]}, "nowhere/embedding/cells.tsv.gz: no such file"),
        ({"--study": [" "]}, "--study: found nothing"),
        ({"--out": ["profile.csv"]}, "expected a file .tsv or .tsv.gz"),
    ],
)
def test_command_refuses_with_a_hint(change, message, results, tmp_path, capsys):
    options = {
        "--results": [str(results)],
        "--samples": ["H1", "H2"],
        "--study": ["ours"],
        "--out": [str(tmp_path / "p.tsv")],
    }
    arguments = [part for key, values in (options | change).items() for part in (key, *values)]
    assert profile.main(arguments) == 1
    said = capsys.readouterr().err
    assert message in said and "Hint:" in said
    assert not list(tmp_path.iterdir())  # nothing is half-written
