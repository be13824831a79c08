"""What the chapter's files hold, and that infercnvpy's plots read them."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from marrowclone import tables
from marrowclone.copy_number import arms, malignant, store
from marrowclone.copy_number.baseline import BASELINE_COLUMNS, read_baseline
from marrowclone.copy_number.false_positives import none_known
from marrowclone.copy_number.look import cells_of
from marrowclone.copy_number.reference import patient_signal
from marrowclone.keys import TABLES


@pytest.fixture(scope="module")
def found(make_cells, join, genome, defaults):
    counts, cells = join(
        make_cells(60, sample="S", patient="P", cell_type="tumour", events=["+1q", "-13q"], seed=1),
        make_cells(40, sample="S", patient="P", cell_type="normal", seed=2),
    )
    return patient_signal(
        counts, cells, genome.genes, patient="P", donors=[],
        settings=defaults["infer_signal"], calls=defaults["call_malignant"], seed=1,
    )  # fmt: skip


def test_signal_is_in_the_layout_of_infercnvpy(found, tmp_path):
    import matplotlib

    matplotlib.use("Agg")
    import infercnvpy as cnv

    path = tmp_path / "P.signal.h5ad"
    store.signal_data(found).write_h5ad(path)
    data = ad.read_h5ad(path)
    assert data.n_vars == 0  # no counts are written twice
    assert data.obsm["X_cnv"].dtype == np.float32
    assert data.obsm["X_cnv"].shape[1] == len(data.uns["cnv"]["windows"]["start"])
    assert sorted(data.uns["cnv"]["chr_pos"].values())[0] == 0
    axes = cnv.pl.chromosome_heatmap(data, groupby="cell_type", show=False)
    assert "heatmap_ax" in axes
    # 1q is up in the tumour against the normal cells, in the windows that say so
    windows = pd.DataFrame(dict(data.uns["cnv"]["windows"]))
    on_1q = ((windows["chromosome"] == "chr1") & (windows["arm"] == "q")).to_numpy()
    signal = data.obsm["X_cnv"].toarray()[:, on_1q].mean(axis=1)
    assert signal[data.obs["is_tumour_type"]].mean() > signal[~data.obs["is_tumour_type"]].mean() + 0.02


def test_arms_are_read_without_the_windows(found, tmp_path):
    whole = store.signal_data(found)
    whole.write_h5ad(tmp_path / "P.signal.h5ad", compression="gzip")
    part = store.read_arms(tmp_path / "P.signal.h5ad")
    assert list(part.obsm) == ["X_arms"]
    np.testing.assert_array_equal(part.obsm["X_arms"], found.signal.arms.astype(np.float32))
    pd.testing.assert_frame_equal(store.obs_of(part), store.obs_of(whole))


def test_cells_that_help_no_reference_change_nothing(make_cells, join, genome, defaults):
    """Their counts are not read: with them the signal is the same."""
    parts = [
        make_cells(60, sample="S", patient="P", cell_type="plasma", events=["+1q", "-13q"], seed=1),
        make_cells(120, sample="S", patient="P", cell_type="cd4_t", seed=2),
        make_cells(30, sample="S", patient="P", cell_type="erythroid", seed=3),
    ]
    _, cells = join(*parts)
    kept = store.relevant_cells(cells, patient="P", donors=[], tumour_types=["plasma"])
    assert set(kept["cell_type"]) == {"plasma", "cd4_t"}
    found = []
    for some in (parts, parts[:2]):
        counts, table = join(*some)
        found.append(
            patient_signal(
                counts, table, genome.genes, patient="P", donors=[],
                settings=defaults["infer_signal"], calls=defaults["call_malignant"], seed=1,
            ).signal
        )  # fmt: skip
    np.testing.assert_array_equal(found[0].arms, found[1].arms)
    np.testing.assert_array_equal(found[0].windows.toarray(), found[1].windows.toarray())


def test_reference_row(found):
    row = store.reference_table(found, patient="P", tumour_types=["tumour"]).iloc[0]
    assert (row["rung"], row["n_cells"], row["n_samples"]) == ("R1", 40, 1)


def test_scores_hold_reference_cells_too(found, genome, defaults):
    n = len(found.obs)
    calls = malignant.Calls(
        pd.DataFrame({c: ["" if c in ("call", "light_chain", "group", "evidence") else 0.5] * n for c in malignant.CALL_COLUMNS}),
        np.ones(n, dtype=bool), {}, True, "", none_known("not asked"),
    )  # fmt: skip
    table, scores = store.call_tables(found.obs, calls, rung="R1")
    assert len(table) == 60 and len(scores) == 100
    assert set(TABLES["copy_number.malignant"]) <= set(table.columns)
    assert set(store.SCORE_COLUMNS) <= set(scores.columns)


def test_no_tumour_type_cells_still_gives_every_file(tmp_path, genome, defaults):
    signal_path, table_path = tmp_path / "P.signal.h5ad", tmp_path / "P.baseline.tsv.gz"
    store.signal_data(None).write_h5ad(signal_path)
    tables.write_table(table_path, store.baseline_of(None), columns=BASELINE_COLUMNS)
    reference = store.reference_table(None, patient="P", tumour_types=["plasma"])
    assert reference["rung"][0] == "none" and reference["reason"][0] == "no plasma cells found"
    signal = ad.read_h5ad(signal_path)
    genes, expected = read_baseline(tables.read_result(table_path), genome.table.index)
    obs = store.obs_of(signal)
    empty = np.zeros((0, len(genome.table)))
    import scipy.sparse as sp

    calls = malignant.call_cells(
        cells_of(obs, signal.obsm["X_arms"], sp.csr_matrix(empty)), expected, genes,
        rung="none", settings=defaults["call_malignant"], seed=1,
    )  # fmt: skip
    table, scores = store.call_tables(obs, calls, rung="none")
    tables.write_table(tmp_path / "m.tsv.gz", table, columns=TABLES["copy_number.malignant"])
    tables.write_table(tmp_path / "s.tsv.gz", scores, columns=store.SCORE_COLUMNS)
    assert len(tables.read_result(tmp_path / "m.tsv.gz")) == 0
    states = arms.call_arms(
        sp.csr_matrix(empty), pd.Series(dtype=str), pd.Series(dtype=str), expected, genes,
        rung="none", settings=defaults["call_arms"],
    )  # fmt: skip
    assert len(states) == 0 and set(TABLES["copy_number.arms"]) <= set(states.columns)


def test_relevant_cells_leaves_donors_other_cells_out():
    cells = pd.DataFrame(
        {
            "cell": ["b", "a", "c", "d", "e"],
            "patient": ["P", "P", "H", "H", "Q"],
            "cell_type": ["plasma", "erythroid", "plasma", "erythroid", "plasma"],
        }
    )
    kept = store.relevant_cells(cells, patient="P", donors=["H"], tumour_types=["plasma"])
    assert kept["cell"].tolist() == ["b", "c"]  # no erythroid cell helps, and not the other patient
    assert len(store.relevant_cells(cells, patient="P", donors=["H"], tumour_types=["tumour"])) == 0
