"""A CellTypist model in place of the panel: a tiny one, built by hand (``celltypist.train`` breaks with scikit-learn 1.8)."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from captures_by_hand import PROFILES, simulate
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from test_embedding_types import typed

from marrowclone.embedding import model_labels
from marrowclone.embedding.model_labels import annotate, load_model, majority, our_types
from marrowclone.errors import UserError
from marrowclone.keys import CELL_TYPES, UNRESOLVED
from marrowclone.resources import RESOURCES, read_resource

NAMES = read_resource(RESOURCES / "celltypist_labels.tsv")
LABELS = {
    "plasma": "Plasma cells",
    "cd4_t": "Regulatory T cells",
    "monocyte": "Classical monocytes",
    "pdc": "My own blasts",
}


def write_model(path, genes=None):
    """A CellTypist model learnt from the captures by hand: 10,000 UMIs over all genes, log1p, scaled, logistic."""
    counts, truth = simulate(dict.fromkeys(LABELS, 40), seed=9)
    genes = genes or sorted({g for t in LABELS for g in PROFILES[t]})
    x = counts.X.toarray().astype(float)
    x = np.log1p(x / x.sum(axis=1, keepdims=True) * 1e4)
    x = x[:, counts.var_names.get_indexer(genes)] if set(genes) <= set(counts.var_names) else x[:, : len(genes)]
    scaler = StandardScaler().fit(x)
    classifier = LogisticRegression().fit(scaler.transform(x), truth.map(LABELS).to_numpy())
    classifier.features = np.array(genes)
    scaler.n_features_in_ = len(genes)
    description = {"date": "", "details": "", "source": "", "version": "", "url": "", "number_celltypes": len(LABELS)}
    path.write_bytes(pickle.dumps({"Model": classifier, "Scaler_": scaler, "description": description}))
    return path


@pytest.fixture(scope="module", name="model_path")
def _model_path(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("model") / "tiny.pkl")


@pytest.fixture(scope="module", name="capture")
def _capture():
    return simulate({"plasma": 60, "cd4_t": 60, "monocyte": 60, "pdc": 40})


def test_the_table_of_labels_names_our_types():
    states = read_resource(RESOURCES / "states.tsv")
    ours = set(zip(states["cell_type"], states["state"], strict=True)) | {("plasma", "cycling")}
    assert set(NAMES["cell_type"]) <= set(CELL_TYPES) and (NAMES["source"] != "").all()
    assert not NAMES["label"].str.casefold().duplicated().any()
    named = NAMES[NAMES["state"] != ""]
    assert set(zip(named["cell_type"], named["state"], strict=True)) <= ours


def test_a_models_labels_are_our_types(model_path, capture):
    counts, truth = capture
    found = annotate(counts, load_model(model_path))
    assert (found["label"] == truth.map(LABELS)).mean() > 0.98
    assert found["probability"].between(0, 1).all()
    cells, _ = typed(counts, model=found, model_names=NAMES)
    by_truth = cells.groupby(truth.to_numpy())["cell_type"].agg(lambda s: s.mode().iloc[0])
    # a label that nobody knows stays visible and leaves the cell unresolved: it is no immune reference
    assert by_truth.to_dict() == {"plasma": "plasma", "cd4_t": "cd4_t", "monocyte": "monocyte", "pdc": UNRESOLVED}
    assert set(cells["type_rule"]) == {"model"} and (cells["model_label"] != "").all()
    assert cells.loc[truth == "cd4_t", "cell_state"].mode().iloc[0] == "treg"
    assert (cells.loc[truth == "pdc", "panel_type"] == "pdc").all()  # what the panel said stays visible


def test_a_tumours_label_stands_and_the_users_word_goes_last(model_path, capture):
    counts, _ = capture
    found = annotate(counts, load_model(model_path))
    mine = pd.Series({counts.obs_names[0]: "monocyte"}, dtype=object)
    cells, _ = typed(counts, model=found, model_names=NAMES, tumour=("My own blasts",), labels=mine)
    assert cells["is_tumour_type"].sum() >= 38  # 40 pDC-like cells, some may be outvoted
    assert cells.iloc[0]["cell_type"] == "monocyte" and cells.iloc[0]["type_rule"] == "user"


def test_blocks_and_order_change_nothing(model_path, capture, monkeypatch):
    counts, _ = capture
    model = load_model(model_path)
    whole = annotate(counts, model)
    monkeypatch.setattr(model_labels, "BLOCK", 37)
    order = np.random.default_rng(0).permutation(counts.n_obs)
    pd.testing.assert_frame_equal(annotate(counts[order].copy(), model).loc[whole.index], whole, rtol=1e-5)
    assert annotate(counts[:0].copy(), model).empty


def test_majority_names_a_part_only_where_it_is_one():
    labels, part = pd.Series(list("aaab") + list("abcd")), pd.Series(["1"] * 4 + ["2"] * 4)
    assert majority(labels, part, min_share=0.5).tolist() == list("aaaa") + list("abcd")


def test_names_in_other_letters_and_our_own():
    got = our_types(pd.Series(["plasma CELLS", "cd8-t", "nobody's", "mast cells"]), NAMES, [])
    assert got["cell_type"].tolist() == ["plasma", "cd8_t", UNRESOLVED, "eo_baso_mast"]
    assert got["state"].tolist() == ["", "", "", "mast"]


def test_bad_models_are_answered_in_words(tmp_path, capture):
    with pytest.raises(UserError, match="not there"):
        load_model(tmp_path / "none.pkl")
    (tmp_path / "text.pkl").write_text("no pickle")
    with pytest.raises(UserError, match="not a CellTypist model"):
        load_model(tmp_path / "text.pkl")
    (tmp_path / "other.pkl").write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(UserError, match="not a CellTypist model"):
        load_model(tmp_path / "other.pkl")
    mouse = load_model(write_model(tmp_path / "mouse.pkl", genes=["Sdc1", "Cd3d", "Lyz2"]))
    with pytest.raises(UserError, match="none of the model's 3 genes"):
        annotate(capture[0], mouse, path="mouse.pkl")
