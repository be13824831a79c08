"""The latent space: same input, same output; nothing about the donor in it; tiny cohorts survive."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from captures_by_hand import defaults, simulate
from scipy import sparse

from marrowclone import tables
from marrowclone.cells.genes import unwanted_for_latent
from marrowclone.embedding.device import choose_device, gpu_was_given
from marrowclone.embedding.features import kept_cells, variable_genes
from marrowclone.embedding.integrate import choose_method, integrate_cells, write_latent
from marrowclone.embedding.pca import latent_pca, pearson_residuals
from marrowclone.embedding.vae import automatic_epochs
from marrowclone.errors import UserError

SETTINGS = defaults("embedding", "integrate_cells") | {"n_genes": 200, "max_epochs": 6}


def cohort(n=60, batches=("A", "B")):
    counts, truth = simulate({"plasma": n, "cd4_t": n, "monocyte": n}, depth=800)
    counts = counts[:, ~unwanted_for_latent(counts.var)].copy()  # as read_kept gives them
    counts.obs["batch"] = [batches[i % len(batches)] for i in range(counts.n_obs)]
    return counts, truth


def integrate(counts, **settings):
    return integrate_cells(counts, settings=SETTINGS | settings, seed=5, device=lambda: "cpu")


def silhouette(latent, truth):
    from sklearn.metrics import silhouette_score

    return silhouette_score(latent.drop(columns="cell"), truth)


def test_scvi_twice_is_the_same_and_tells_types_apart(tmp_path):
    counts, truth = cohort()
    one, training, facts = integrate(counts, max_epochs=25)
    two, *_ = integrate(counts, max_epochs=25)
    pd.testing.assert_frame_equal(one, two, check_exact=True)
    write_latent(tmp_path / "1.parquet", one)
    write_latent(tmp_path / "2.parquet", two)
    assert (tmp_path / "1.parquet").read_bytes() == (tmp_path / "2.parquet").read_bytes()
    assert list(one.columns) == ["cell", *(f"z{i}" for i in range(1, 11))]
    assert silhouette(one, truth) > 0.2
    assert facts["method"] == "scvi" and facts["device"] == "cpu" and facts["n_epochs"] == len(training) <= 25
    assert training["elbo_train"].iloc[-1] < training["elbo_train"].iloc[0]


def test_a_last_minibatch_of_one_cell_breaks_nothing():
    counts, _ = cohort(n=40)
    # 0.9 x 120 = 108 cells = 107 + 1
    latent, *_ = integrate(counts, batch_size=107, min_cells_scvi=20, max_epochs=2)
    assert np.isfinite(latent.drop(columns="cell").to_numpy()).all()


def test_one_batch_is_enough():
    latent, _, facts = integrate(cohort(n=40, batches=("A",))[0], max_epochs=2)
    assert facts["n_batches"] == 1 and len(latent) == 120


def test_pca_tells_types_apart_and_needs_no_torch():
    counts, truth = cohort()
    latent, training, facts = integrate(counts, method="pca")
    assert silhouette(latent, truth) > 0.2
    assert training.empty and "torch" not in facts["versions"]


@pytest.mark.parametrize("n", [0, 1, 2, 5])
def test_hardly_any_cells(n):
    counts, _ = cohort()
    latent, _, facts = integrate(counts[:n].copy())
    assert len(latent) == n and latent.shape[1] == 11
    assert facts["method"] == "pca" and "fewer than" in facts["reason"]
    assert np.isfinite(latent.drop(columns="cell").to_numpy()).all()


def test_small_cohorts_fall_back_and_say_why():
    assert choose_method("scvi", 99, 100)[0] == "pca" and choose_method("scvi", 99, 100)[1]
    assert choose_method("scvi", 100, 100) == ("scvi", "")


def test_epochs_follow_the_number_of_cells():
    assert automatic_epochs(8000, batch_size=256, optimiser_steps=1200) == 42  # 29 steps an epoch
    assert automatic_epochs(100, batch_size=256, optimiser_steps=1200) == 400  # at most
    assert automatic_epochs(500_000, batch_size=256, optimiser_steps=1200) == 20  # at least


def test_variable_genes_are_markers_not_batch_differences():
    counts, _ = cohort()
    lil = counts.X.tolil()
    gene = counts.var_names.get_loc("ACTB")
    in_a = np.flatnonzero(counts.obs["batch"] == "A")
    lil[in_a, gene] = np.random.default_rng(0).poisson(20, len(in_a))[:, None]
    counts.X = lil.tocsr()
    chosen = set(counts.var_names[variable_genes(counts, 20)])
    assert {"LYZ", "S100A8", "XBP1"} <= chosen
    assert "ACTB" not in chosen  # 20 against 0 between batches, constant within each


def test_tiny_batches_do_not_rank_genes():
    counts, _ = cohort()
    counts.obs["batch"] = ["tiny"] * 3 + ["A"] * (counts.n_obs - 3)
    assert variable_genes(counts, 30).sum() == 30
    counts.obs["batch"] = [f"b{i % 20}" for i in range(counts.n_obs)]  # nine cells each: ranked together
    assert "LYZ" in set(counts.var_names[variable_genes(counts, 30)])


def test_pearson_residuals_by_hand():
    counts = sparse.csr_matrix(np.array([[1, 1], [1, 1], [0, 2]]))
    # depth 2 each; shares 1/3 and 2/3, so 2/3 and 4/3 are expected
    mean = np.array([2 / 3, 4 / 3])
    expected = (counts.toarray() - mean) / np.sqrt(mean + mean**2 / 100)
    assert pearson_residuals(counts) == pytest.approx(np.clip(expected, -np.sqrt(3), np.sqrt(3)), rel=1e-5)
    assert latent_pca(sparse.csr_matrix((3, 4)), n_latent=5, seed=0).tolist() == np.zeros((3, 5)).tolist()


def test_kept_cells_are_sorted_and_only_kept(tmp_path):
    frame = pd.DataFrame(
        {
            "cell": ["B:2", "B:1", "B:3"],
            "keep": [True, True, False],
            "n_umi_non_ig": [5, 6, 7],
            "pct_ig": [0.0, 1.0, 2.0],
        }
    )
    none = pd.DataFrame({"cell": ["A:1"], "keep": [False], "n_umi_non_ig": [5], "pct_ig": [0.0]})
    for name, table in (("b", frame), ("a", none)):
        tables.write_table(tmp_path / f"{name}.tsv.gz", table, columns=list(table.columns))
    kept = kept_cells([tmp_path / "b.tsv.gz", tmp_path / "a.tsv.gz"])
    assert kept.index.tolist() == ["B:1", "B:2"]  # a sample without a kept cell is simply not there


def test_device():
    slurm = {"SLURM_JOB_GPUS": "0"}
    assert choose_device("auto", available=True, environ={}) == "cuda"
    assert choose_device("auto", available=False, environ={}) == "cpu"
    assert choose_device("cpu", available=True, environ=slurm) == "cpu"
    with pytest.raises(UserError, match="no CUDA device"):
        choose_device("cuda", available=False, environ={})
    for given in (slurm, {"CUDA_VISIBLE_DEVICES": "0"}, {"CUDA_VISIBLE_DEVICES": "GPU-1", **slurm}):
        with pytest.raises(UserError, match="was given a GPU"):  # loud, not a crawl on the CPU
            choose_device("auto", available=False, environ=given)
    # hidden on purpose, or none given
    for none in ({"CUDA_VISIBLE_DEVICES": ""}, {"CUDA_VISIBLE_DEVICES": "-1"}, {"SLURM_GPUS_ON_NODE": "0"}):
        assert not gpu_was_given(none)
        assert choose_device("auto", available=False, environ=none) == "cpu"


@pytest.mark.gpu
def test_cuda_trains_when_there():
    import torch

    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    counts, truth = cohort()
    latent, _, facts = integrate_cells(counts, settings=SETTINGS | {"max_epochs": 25}, seed=5, device=lambda: "cuda")
    assert facts["device"] == "cuda" and silhouette(latent, truth) > 0.2
