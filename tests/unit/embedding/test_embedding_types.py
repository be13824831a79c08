"""Types follow markers; plasma is never called from immunoglobulin; the user's word goes last."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from captures_by_hand import PROFILES, defaults, simulate

from marrowclone.cells.metrics import metrics
from marrowclone.embedding.features import shared_genes
from marrowclone.embedding.labels import read_all_labels, read_labels, standard_name
from marrowclone.embedding.panel import label_clusters, softmax
from marrowclone.embedding.pca import latent_pca
from marrowclone.embedding.type import CLUSTER_COLUMNS, type_cells
from marrowclone.errors import UserError
from marrowclone.keys import TABLES
from marrowclone.resources import RESOURCES, read_resource

SETTINGS = defaults("embedding", "type_cells")
PANEL = read_resource(RESOURCES / "markers.tsv")
STATES = read_resource(RESOURCES / "states.tsv")
CYCLING = list(read_resource(RESOURCES / "cycling.tsv")["symbol"])
SAMPLES = pd.DataFrame({"patient": "P", "timepoint": "diagnosis", "day": 0}, index=["S"])
NO_LABELS = pd.Series(dtype=object)


def kept_of(counts):
    return metrics(counts)[["n_umi_non_ig", "pct_ig"]]


def latent_of(counts, n=6):
    from marrowclone.cells.genes import unwanted_for_latent

    usable = ~unwanted_for_latent(counts.var) & (np.asarray(counts.X.sum(axis=0)).ravel() > 0)
    z = latent_pca(counts.X[:, usable].tocsr(), n_latent=n, seed=0)
    return pd.DataFrame(z, index=counts.obs_names, columns=[f"z{i + 1}" for i in range(n)])


def typed(
    counts, *, labels=NO_LABELS, latent=None, tumour=("plasma",), panel=PANEL, measured=None,
    model=None, model_names=None, **settings,
):  # fmt: skip
    if measured is None:
        everywhere = counts.var["measured"].to_numpy(dtype=bool)
        measured = pd.DataFrame([everywhere] * len(SAMPLES), index=SAMPLES.index, columns=counts.var_names)
    cells, clusters = type_cells(
        counts,
        kept_of(counts),
        latent_of(counts) if latent is None else latent,
        panel=panel,
        samples=SAMPLES,
        measured=measured,
        labels=labels,
        tumour_types=tumour,
        settings=SETTINGS | settings,
        seed=1,
        states=STATES,
        cycling=CYCLING,
        model=model,
        model_names=model_names,
    )
    return cells.set_index("cell"), clusters


@pytest.fixture(scope="module", name="marrow")
def _marrow():
    return simulate({"plasma": 60, "cd4_t": 60, "cd8_t": 40, "monocyte": 50, "b_cell": 40, "pdc": 20})


def test_types_of_a_mixed_marrow(marrow):
    counts, truth = marrow
    cells, clusters = typed(counts)
    assert (cells["cell_type"] == truth).mean() > 0.95
    assert (cells["is_plasma"] == (truth == "plasma")).all()
    assert cells["confidence"].between(0, 1).all()
    assert set(TABLES["embedding.cells"]) <= {"cell", *cells.columns}
    assert set(CLUSTER_COLUMNS) <= set(clusters.columns)
    assert (cells["patient"] == "P").all() and (cells["day"] == 0).all()


def test_a_targeted_panel_in_one_capture_blinds_no_other(monkeypatch):
    """One capture of 30 genes: the others' cells are typed from what their own files measured."""
    counts, truth = simulate({"plasma": 60, "cd4_t": 60, "monocyte": 60})
    narrow, _ = simulate({"plasma": 20, "monocyte": 20}, seed=5)
    few = narrow.var_names[np.argsort(-np.asarray(narrow.X.sum(axis=0)).ravel())[:30]]
    lost = ~narrow.var_names.isin(few)
    x = narrow.X.tolil()
    x[:, lost] = 0
    narrow.X = x.tocsr()
    narrow.obs["sample"] = "N"
    narrow.obs_names = narrow.obs_names.str.replace("S:", "N:")
    both = ad.concat([counts, narrow], merge="same")
    both.var = counts.var
    monkeypatch.setitem(globals(), "SAMPLES", pd.concat([SAMPLES, SAMPLES.rename(index={"S": "N"})]))
    measured = pd.DataFrame(True, index=["S", "N"], columns=both.var_names)
    measured.loc["N", lost] = False
    cells, _ = typed(both, measured=measured)
    assert (cells["cell_type"].reindex(truth.index) == truth).mean() > 0.95


def test_a_targeted_panel_takes_no_gene_from_the_latent_space():
    """A file that lacks some genes takes these; one that has hardly any has no say."""
    measured = np.ones((4, 100), dtype=bool)
    measured[0, 90:] = False
    measured[3, 5:] = False
    assert shared_genes(measured).sum() == 90
    assert shared_genes(measured[3:]).sum() == 5


def test_a_sorted_sample_is_plasma_throughout():
    counts, _ = simulate({"plasma": 120})
    assert typed(counts)[0]["is_plasma"].mean() > 0.98


def test_soup_alone_makes_no_plasma_cell():
    counts, truth = simulate({"cd4_t": 60, "monocyte": 60})
    lil = counts.X.tolil()
    for gene, n in {"IGKC": 900, "IGHG1": 700, "JCHAIN": 100}.items():  # 45% of each droplet's UMIs
        lil[:, counts.var_names.get_loc(gene)] = n
    counts.X = lil.tocsr()
    cells, _ = typed(counts)
    assert not cells["is_plasma"].any()
    assert (cells["cell_type"] == truth).mean() > 0.95


def test_pdcs_are_no_plasma_cells_though_they_share_genes():
    counts, truth = simulate({"pdc": 60, "cd4_t": 60})  # MZB1, DERL3, IRF4, JCHAIN
    cells, _ = typed(counts)
    assert not cells["is_plasma"].any()
    assert (cells.loc[truth == "pdc", "cell_type"] == "pdc").all()


def test_rare_plasma_cells_are_taken_out_of_another_cluster():
    counts, truth = simulate({"cd4_t": 150, "plasma": 3})
    blind = pd.DataFrame(np.random.default_rng(0).normal(size=(153, 4)), index=counts.obs_names, columns=list("abcd"))
    cells, _ = typed(counts, latent=blind)  # clusters that know nothing of types: the worst case
    assert cells["is_plasma"].tolist() == (truth == "plasma").tolist()
    assert set(cells.loc[cells["is_plasma"], "type_rule"]) == {"rescued"}


def test_t_cells_in_a_plasma_cluster_are_t_cells():
    """Their own molecules say so, whatever their cluster is called."""
    counts, truth = simulate({"plasma": 150, "cd4_t": 3})
    blind = pd.DataFrame(np.random.default_rng(0).normal(size=(153, 4)), index=counts.obs_names, columns=list("abcd"))
    cells, _ = typed(counts, latent=blind)
    assert (cells.loc[truth == "cd4_t", "cell_type"] == "cd4_t").all()
    assert "own" in set(cells.loc[truth == "cd4_t", "type_rule"])
    assert cells.loc[truth == "plasma", "is_plasma"].mean() > 0.95


MACROPHAGE = {"C1QA": 4, "C1QB": 4, "C1QC": 3, "CD163": 2, "MRC1": 2, "VCAM1": 2, "LYZ": 10, "CD14": 2}
HSPC = {"CD34": 2, "SPINK2": 3, "AVP": 3, "CRHBP": 1, "PROM1": 1}


def blind_to(counts, groups):
    """A latent space that tells ``groups`` apart and nothing else."""
    z = pd.get_dummies(pd.Series(groups)).to_numpy(float) * 10
    z = z + np.random.default_rng(0).normal(size=z.shape)
    return pd.DataFrame(z, index=counts.obs_names, columns=[f"z{i + 1}" for i in range(z.shape[1])])


def test_a_few_macrophages_and_hspcs_are_found_among_others(monkeypatch):
    """Macrophages taken for monocytes would fake MAF and MAFB drivers and a dormancy programme (science 1.5, 4)."""
    monkeypatch.setitem(PROFILES, "macrophage", MACROPHAGE)
    monkeypatch.setitem(PROFILES, "hspc", HSPC)
    counts, truth = simulate({"monocyte": 120, "macrophage": 4, "cd4_t": 100, "hspc": 3, "plasma": 60})
    hidden = truth.replace({"macrophage": "monocyte", "hspc": "cd4_t"})
    cells, _ = typed(counts, latent=blind_to(counts, hidden.to_numpy()))
    assert (cells["cell_type"] == truth).mean() > 0.99
    assert (cells.loc[truth == "macrophage", "cell_type"] == "macrophage").all()
    assert set(cells.loc[truth == "hspc", "type_rule"]) == {"own"}


def test_complement_soup_makes_no_macrophages(monkeypatch):
    """Every monocyte carries some C1Q from soup: what all of a type have is no evidence."""
    monkeypatch.setitem(PROFILES, "monocyte", PROFILES["monocyte"] | {"C1QA": 1.5, "C1QB": 1.5, "C1QC": 1.0})
    counts, truth = simulate({"monocyte": 120, "cd4_t": 80})
    cells, _ = typed(counts)
    assert (cells["cell_type"] == truth).mean() > 0.98


def test_doublets_of_two_lineages_are_unresolved():
    counts, truth = simulate({"plasma": 100, "cd4_t": 100, "monocyte": 100})
    both = counts[:20].copy()  # plasma cells that hold a T cell
    both.X = (counts[:20].X + counts[100:120].X).tocsr()
    both.obs_names = [f"S:D{i:02d}" for i in range(20)]
    every = ad.concat([counts, both], merge="same")
    every.var = counts.var
    place = np.append(truth.to_numpy(), ["plasma"] * 20)
    cells, _ = typed(every, latent=blind_to(every, place))
    assert (cells.iloc[-20:]["cell_type"] == "unresolved").mean() > 0.8
    assert set(cells.iloc[-20:]["type_rule"]) <= {"conflict", "cluster", "part"}
    assert (cells.iloc[:-20]["cell_type"] == truth).mean() > 0.99  # and no single cell pays for it
    # a group of doublets of its own says what it is
    cells, _ = typed(every, latent=blind_to(every, np.append(truth.to_numpy(), ["doublet"] * 20)))
    assert not cells.iloc[-20:]["is_plasma"].any()


def test_the_order_of_cells_changes_nothing(marrow):
    counts, _ = marrow
    latent = latent_of(counts)
    order = np.random.default_rng(4).permutation(counts.n_obs)
    # kept cells come sorted by id: here only the evidence is asked, with clusters given by the latent space
    one, two = typed(counts, latent=latent)[0], typed(counts[order].copy(), latent=latent)[0]
    assert (one["cell_type"] == two["cell_type"].reindex(one.index)).mean() > 0.99


def rows(scores, xbp1=1.0, surface=1.0, n=20):
    frame = pd.DataFrame([scores] * n)
    evidence = pd.DataFrame({"xbp1": np.arange(n) < xbp1 * n, "surface": np.arange(n) < surface * n, "pct_ig": 40.0})
    return label_clusters(frame, evidence, pd.Series("1", index=frame.index), SETTINGS).iloc[0]


def test_the_label_rule():
    assert rows({"plasma": 1.0, "b_cell": 0.7})["cell_type"] == "plasma"
    assert rows({"plasma": 1.0, "b_cell": 0.8})["cell_type"] == "unresolved"  # margin 0.2 < 0.25 (science 1.1)
    assert rows({"plasma": 0.2, "b_cell": -0.5})["cell_type"] == "unresolved"  # the best is no better than nothing
    # plasma panel highest and 40% Ig, but no XBP1, or no SDC1 and TNFRSF17: never plasma
    assert rows({"plasma": 2.0, "pdc": 1.0, "b_cell": 0}, xbp1=0.2)["cell_type"] == "pdc"
    assert rows({"plasma": 2.0, "pdc": 1.0, "b_cell": 0}, surface=0.05)["cell_type"] == "pdc"
    assert "too few cells" in rows({"plasma": 2.0, "pdc": 1.0, "b_cell": 0}, surface=0.0)["note"]


def test_confidence_grows_with_the_margin():
    shares = [softmax(pd.DataFrame([[1.0, 1.0 - m]]), 0.25).iloc[0, 0] for m in (0, 0.25, 1)]
    assert shares == pytest.approx([0.5, 1 / (1 + np.exp(-1)), 1 / (1 + np.exp(-4))])


def test_twice_is_the_same_picture_included(marrow):
    one, two = typed(marrow[0])[0], typed(marrow[0])[0]
    pd.testing.assert_frame_equal(one, two)


@pytest.mark.parametrize("n", [0, 1, 4, 12])
def test_hardly_any_cells(n):
    counts, _ = simulate({"plasma": n})
    cells, _clusters = typed(
        counts, latent=pd.DataFrame(np.zeros((n, 2)), index=counts.obs_names, columns=["z1", "z2"])
    )
    assert len(cells) == n and set(TABLES["embedding.cells"]) <= {"cell", *cells.columns}
    assert cells["is_plasma"].all()


def test_genes_that_a_file_lacks_are_left_out(marrow):
    counts, truth = marrow
    lacking = counts.copy()
    lacking.var["measured"] = ~lacking.var_names.isin(["SDC1", "LILRA4", "CD3D", "CLEC9A", "XCR1"])
    lil = lacking.X.tolil()
    lil[:, np.flatnonzero(~lacking.var["measured"])] = 0
    lacking.X = lil.tocsr()
    cells, _ = typed(lacking)
    assert (cells["is_plasma"] == (truth == "plasma")).mean() > 0.98


def test_a_users_labels_go_before_the_panel(marrow):
    counts, _ = marrow
    mine = pd.Series({counts.obs_names[0]: "tumour", counts.obs_names[-1]: "plasma"}, dtype=object)
    cells, _ = typed(counts, labels=mine, tumour=("tumour",))
    first, last = cells.iloc[0], cells.iloc[-1]
    assert first["cell_type"] == "tumour" and first["confidence"] == 1 and first["is_tumour_type"]
    assert first["panel_type"] == "plasma" and first["type_rule"] == "user"  # what the panel said stays visible
    assert last["is_plasma"] and not last["is_tumour_type"]


def test_labels_with_and_without_header_and_suffix(tmp_path):
    barcodes = pd.Index(["AA-1", "CC-1", "GG-1"])
    path = tmp_path / "l.tsv"
    path.write_text("\ufeffbarcode\tlabel\r\nAA-1\ttumour\r\nCC\tPlasma cell\r\nS:GG-1\tnormal\r\nTT-1\tnormal\r\n")
    got = read_labels(path, "S", barcodes)
    assert got.to_dict() == {"S:AA-1": "tumour", "S:CC-1": "plasma", "S:GG-1": "normal"}
    path.write_text("AA-1,tumour,extra\n")
    assert read_labels(path, "S", barcodes).to_dict() == {"S:AA-1": "tumour"}
    path.write_text("nobody\ttumour\n")
    with pytest.raises(UserError, match="none of its 1 lines"):
        read_labels(path, "S", barcodes)


def test_labels_of_a_sample_whose_name_begins_another(tmp_path):
    (tmp_path / "l.tsv").write_text("AA-1\ttumour\n")
    cells = pd.Index(["P1:AA-1", "P1_b:AA-1"])
    assert read_all_labels({"P1": str(tmp_path / "l.tsv")}, cells).index.tolist() == ["P1:AA-1"]


def test_a_type_in_other_letters_is_ours():
    assert [standard_name(x) for x in ("Plasma", "plasma cell", "CD4_T", "cd8-t", "Tumour")] == [
        "plasma",
        "plasma",
        "cd4_t",
        "cd8_t",
        "Tumour",
    ]


@pytest.mark.data
def test_malt_lymphoma_is_b_cells_and_hardly_any_plasma(data):
    """2,100 cells of a MALT lymphoma: a B-cell tumour with T cells, and a handful of plasma cells."""
    from test_cells_load import load

    counts = load(data / "malt", sample="S")
    counts = counts[np.sort(np.random.default_rng(0).choice(counts.n_obs, 900, replace=False))].copy()
    cells, clusters = typed(counts)
    print(clusters.round(2).to_string(), cells["cell_type"].value_counts().to_dict())
    share = cells["cell_type"].value_counts(normalize=True)
    assert share["b_cell"] > 0.35 and share.get("plasma", 0) < 0.02
    ms4a1 = counts[:, "MS4A1"].X.toarray().ravel() > 0
    cd3 = counts[:, ["CD3D", "CD3E"]].X.toarray().any(axis=1)
    types = cells["cell_type"].to_numpy()
    assert ms4a1[types == "b_cell"].mean() > 0.8 and ms4a1[np.isin(types, ["cd4_t", "cd8_t"])].mean() < 0.3
    assert cd3[np.isin(types, ["cd4_t", "cd8_t"])].mean() > 0.8 and cd3[types == "b_cell"].mean() < 0.1
