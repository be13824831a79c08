"""Doublets of small captures: which are called must not depend on which doublets were simulated."""

from __future__ import annotations

import itertools

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from captures_by_hand import defaults
from scipy import sparse

from marrowclone.cells import doublets
from marrowclone.cells.doublets import call_doublets, neighbours_for_scrublet
from marrowclone.resources import gene_table

SETTINGS = defaults("cells", "qc_cells")
SHARES = (0.5, 0.25, 0.15, 0.1)


def capture(background: float, depth: float, spread: float, *, n: int = 600, n_doublets: int = 36):
    """A capture of four types whose first barcodes are doublets; which of them are of two types."""
    rng = np.random.default_rng(8)
    types = rng.poisson(np.exp(rng.normal(0, spread, (4, 200)))) + background
    size = np.exp(rng.normal(0, 0.4, n))[:, None]
    kind, partner = (rng.choice(4, n, p=SHARES) for _ in range(2))
    mean = types[kind] * size
    mean[:n_doublets] += types[partner[:n_doublets]] * size[::-1][:n_doublets]
    counts = ad.AnnData(
        X=sparse.csr_matrix(rng.poisson(mean * depth).astype(np.int32)),
        obs=pd.DataFrame(index=[f"s:{i:05d}" for i in range(n)]),
        var=gene_table().set_index("symbol").iloc[1000:1200],
    )
    return counts, (np.arange(n) < n_doublets) & (kind != partner)


# types apart, and so alike that two thirds of the doublets can be told at all
@pytest.mark.parametrize(("made", "least_found"), [((0.5, 1, 1), 0.85), ((1, 0.5, 0.6), 0.6)])
def test_calls_of_a_small_capture_hardly_depend_on_the_seed(made, least_found):
    """With two simulated doublets per barcode the mean Jaccard index of these calls was 0.67 and 0.62."""
    counts, two_types = capture(*made)
    calls = [call_doublets(counts, settings=SETTINGS, seed=seed)[0]["doublet"].to_numpy() for seed in range(4)]
    alike = [(a & b).sum() / (a | b).sum() for a, b in itertools.combinations(calls, 2)]
    numbers = [int(c.sum()) for c in calls]
    assert np.mean(alike) > 0.75 and min(alike) > 0.62, alike
    assert max(numbers) <= 1.45 * min(numbers), numbers
    assert np.mean([c[two_types].mean() for c in calls]) > least_found


@pytest.mark.parametrize(("n", "want"), [(150, 6000), (600, 6000), (3000, 6000), (3500, 7000)])
def test_enough_doublets_are_simulated(monkeypatch, n, want):
    counts, _ = capture(0.5, 1, 1, n=n)
    asked = []

    def scrublet(data, **how):
        asked.append(how["sim_doublet_ratio"] * data.n_obs)
        data.obs["doublet_score"] = 0.0
        data.uns["scrublet"] = {"doublet_scores_sim": np.zeros(10)}

    monkeypatch.setattr("scanpy.pp.scrublet", scrublet)
    doublets.call_doublets(counts, settings=SETTINGS, seed=1)
    assert asked == [pytest.approx(want)]


@pytest.mark.parametrize(
    ("n", "want"),
    # half the root (scrublet's own) in the smallest, a twentieth of the barcodes, 25, half the root again, no more
    [(100, 5), (300, 15), (600, 25), (2400, 25), (3000, 27), (50_000, 100)],
)
def test_neighbours_are_some_and_near(n, want):
    assert neighbours_for_scrublet(n) == want
