"""Neighbours, clusters and a picture of the latent space.

Neighbours are exact: an approximate search depends on the order of cells, and on ten to
twenty dimensions a tree is fast enough for hundreds of thousands of cells.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd

#: With fewer cells there is nothing to cluster: they are one group, drawn on two latent axes.
LEAST_CELLS = 10


def by_size(names: pd.Series) -> pd.Series:
    """Groups renamed by size, ``"1"`` the largest, ties by old name (its numbers): the number says something."""
    sizes = names.value_counts()
    order = sorted(sizes.index, key=lambda name: (-sizes[name], [int(n) for n in name.split(".")]))
    return names.map({old: str(i + 1) for i, old in enumerate(order)})


def clusters_and_map(latent: pd.DataFrame, *, settings: Mapping[str, Any], seed: int) -> pd.DataFrame:
    """Leiden clusters and UMAP coordinates.

    Parameters
    ----------
    latent
        index cell (sorted by id, so that the order of samples changes nothing), columns z1 ... zk.
    settings
        n_neighbours, resolution, part_resolution, umap_min_dist.

    Returns
    -------
    DataFrame, index cell: cluster (``"1"`` is the largest), part (of a cluster: where a finer
    clustering of the same graph cuts it; ``"1"`` is the largest), umap_1, umap_2 (display only).
    """
    z = latent.to_numpy(dtype=np.float32)
    if len(z) < LEAST_CELLS:
        flat = np.zeros((len(z), 2))
        flat[:, : min(2, z.shape[1])] = z[:, :2]
        return pd.DataFrame(
            {"cluster": "1", "part": "1", "umap_1": flat[:, 0], "umap_2": flat[:, 1]}, index=latent.index
        )
    import scanpy as sc

    state = seed % 2**31
    data = ad.AnnData(obs=pd.DataFrame(index=latent.index), obsm={"latent": z})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sc.pp.neighbors(
            data,
            n_neighbors=min(settings["n_neighbours"], len(z) - 1),
            use_rep="latent",
            transformer="sklearn",
            random_state=state,
        )
        for name, resolution in (("leiden", settings["resolution"]), ("fine", settings["part_resolution"])):
            sc.tl.leiden(
                data,
                resolution=resolution,
                key_added=name,
                flavor="igraph",
                n_iterations=-1,
                directed=False,
                random_state=state,
            )
        sc.tl.umap(data, min_dist=settings["umap_min_dist"], random_state=state)
    leiden = data.obs["leiden"].astype(str)
    cut = leiden + "." + data.obs["fine"].astype(str)
    umap = np.asarray(data.obsm["X_umap"])
    return pd.DataFrame(
        {"cluster": by_size(leiden), "part": by_size(cut), "umap_1": umap[:, 0], "umap_2": umap[:, 1]},
        index=latent.index,
    )
