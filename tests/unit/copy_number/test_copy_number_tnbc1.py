"""Real counts: tumour against normal cells of a breast cancer, labels made by others."""

import os
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from marrowclone.copy_number import malignant
from marrowclone.copy_number.baseline import usable_genes
from marrowclone.copy_number.exclusions import exclusion_reasons
from marrowclone.copy_number.look import cells_of
from marrowclone.copy_number.reference import patient_signal
from marrowclone.copy_number.score import separation
from marrowclone.resources import RESOURCES, gene_table, read_resource

DATA = Path(os.environ.get("MARROWCLONE_DATA", RESOURCES.parent.parent / "shared" / "data")) / "tnbc1"

pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not DATA.exists(), reason=f"{DATA} is not there; MARROWCLONE_DATA points to the public data"),
]


@pytest.fixture(scope="module")
def tnbc1():
    import scipy.io
    import scipy.sparse as sp

    matrix = sp.csr_matrix(scipy.io.mmread(DATA / "matrix.mtx.gz").T)
    features = pd.read_csv(DATA / "features.tsv.gz", sep="\t", header=None)
    labels = pd.read_csv(DATA / "labels.tsv", sep="\t", index_col=0)["label"]
    barcodes = pd.read_csv(DATA / "barcodes.tsv.gz", header=None)[0]
    table = gene_table().set_index("symbol")
    column = pd.Index(table["gene_id"]).get_indexer(features[0])
    if (column < 0).all():
        column = table.index.get_indexer(features[0])
    known = np.flatnonzero(column >= 0)
    shape = (len(features), len(table))
    counts = (matrix @ sp.csr_matrix((np.ones(len(known)), (known, column[known])), shape=shape)).tocsr()
    var = table.assign(measured=np.isin(np.arange(len(table)), column))
    cells = pd.DataFrame(
        {"cell": barcodes, "sample": "S", "patient": "P", "timepoint": "diagnosis", "cell_type": barcodes.map(labels)}
    )
    return ad.AnnData(X=counts, obs=cells.set_index("cell", drop=False)[["sample"]], var=var), cells, labels


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_tumour_and_normal_cells_separate(tnbc1, defaults, seed, capsys):
    # half of the normal cells are the reference; the other half is given as tumour type and scored blind.
    # infercnvpy reaches 0.999 this way; the floors are the aims of the chapter
    counts, cells, labels = tnbc1
    normal = np.flatnonzero((cells["cell_type"] == "normal").to_numpy())
    held_out = np.random.default_rng(seed).permutation(normal)[: len(normal) // 2]
    cells = cells.assign(is_tumour_type=(cells["cell_type"] == "tumour").to_numpy())
    cells.loc[held_out, "is_tumour_type"] = True
    reasons = exclusion_reasons(counts.var, read_resource(RESOURCES / "cnv_exclusions.tsv"))
    genes = usable_genes(counts.var, reasons)
    found = patient_signal(
        counts, cells, genes, patient="P", donors=[],
        settings=defaults["infer_signal"], calls=defaults["call_malignant"], seed=1,
    )  # fmt: skip
    rows = pd.Index(cells["cell"]).get_indexer(found.obs["cell"])
    calls = malignant.call_cells(
        cells_of(found.obs, found.signal.arms, counts.X[rows]), found.baseline.expected, genes,
        rung=found.reference.rung, settings=defaults["call_malignant"], seed=1,
    )  # fmt: skip
    scores = found.obs.assign(cnv_score=calls.cells["cnv_score"])
    result = separation(scores, labels)
    label = found.obs["cell"].map(labels)
    called = calls.cells["call"] == "malignant"
    false = (called & (label == "normal")).sum()
    f1 = 2 * (called & (label == "tumour")).sum() / (called.sum() + (label == "tumour").sum())
    with capsys.disabled():
        print(
            f"\ntnbc1, seed {seed}: copy-number score {result}; calls F1 {f1:.3f}, {false} normal cells called malignant"
        )
    assert result.n_tumour == 228 and result.n_normal == 37
    assert result.auc >= 0.995
    assert f1 >= 0.97


def test_nobody_says_which_cells_are_normal(tnbc1, defaults, capsys):
    # every cell is of the tumour's type, none has a label: the tool finds the diploid group by itself
    counts, cells, labels = tnbc1
    cells = cells.assign(cell_type="unknown", is_tumour_type=True)
    genes = usable_genes(counts.var, exclusion_reasons(counts.var, read_resource(RESOURCES / "cnv_exclusions.tsv")))
    found = patient_signal(
        counts, cells, genes, patient="P", donors=[],
        settings=defaults["infer_signal"], calls=defaults["call_malignant"], seed=1,
    )  # fmt: skip
    assert found.reference.rung == "R1" and found.reference.reason.startswith("no labels")
    rows = pd.Index(cells["cell"]).get_indexer(found.obs["cell"])
    calls = malignant.call_cells(
        cells_of(found.obs, found.signal.arms, counts.X[rows]), found.baseline.expected, genes,
        rung=found.reference.rung, settings=defaults["call_malignant"], seed=1,
    )  # fmt: skip
    label = found.obs["cell"].map(labels)
    result = separation(found.obs.assign(cnv_score=calls.cells["cnv_score"]), labels, held_out=False)
    called = calls.cells["call"] == "malignant"
    f1 = 2 * (called & (label == "tumour")).sum() / (called.sum() + (label == "tumour").sum())
    tumour_in_reference = (found.reference.is_reference & (label == "tumour").to_numpy()).sum()
    with capsys.disabled():
        print(
            f"\ntnbc1 without labels: {result}; calls F1 {f1:.3f}, {(called & (label == 'normal')).sum()} normal cells "
            f"called malignant, {(calls.cells['call'] == 'unassigned').sum()} open; {tumour_in_reference} of "
            f"{found.reference.is_reference.sum()} reference cells are tumour"
        )
    assert result.auc >= 0.995
    assert f1 >= 0.97
