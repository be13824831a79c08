"""The cohort's latent space: scVI, or principal components where a network would learn nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd

from ..tables import write_whole
from .features import variable_genes
from .pca import latent_pca

TRAINING_COLUMNS = (
    "epoch", "elbo_train", "elbo_validation", "reconstruction_train", "reconstruction_validation",
)  # fmt: skip


def choose_method(method: str, n_cells: int, min_cells_scvi: int) -> tuple[str, str]:
    """The method, and why it is not the one that was asked for (empty when it is)."""
    if method == "scvi" and n_cells < min_cells_scvi:
        return "pca", f"{n_cells} cells are fewer than min_cells_scvi ({min_cells_scvi})"
    return method, ""


def integrate_cells(
    counts: ad.AnnData,
    *,
    settings: Mapping[str, Any],
    seed: int,
    device: Callable[[], str],
    say: Callable[[str], None] = lambda text: None,
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    """Latent coordinates of the kept cells.

    Parameters
    ----------
    counts
        of :func:`marrowclone.embedding.features.read_kept`: X CSR counts, obs sample and batch.
    settings
        the rule's section of the configuration.
    device
        called only when a network is trained: gives ``cpu`` or ``cuda``.
    say
        takes a line of progress.

    Returns
    -------
    latent
        columns cell, z1 ... zk (float32); a row per cell, in the order of ``counts``.
    training
        :data:`TRAINING_COLUMNS`, a row per epoch; none for PCA.
    facts
        method, reason, device, cells, genes, batches, epochs, versions.
    """
    method, reason = choose_method(settings["method"], counts.n_obs, settings["min_cells_scvi"])
    chosen = variable_genes(counts, settings["n_genes"]) if counts.n_obs > 1 else np.zeros(counts.n_vars, dtype=bool)
    data = counts[:, chosen]
    training = pd.DataFrame(columns=list(TRAINING_COLUMNS))
    facts: dict[str, Any] = {
        "method": method,
        "reason": reason,
        "device": "cpu",
        "device_name": "cpu",
        "n_cells": counts.n_obs,
        "n_genes": int(chosen.sum()),
        "n_batches": int(counts.obs["batch"].nunique()),
        "n_latent": settings["n_latent"],
        "seed": seed,
        "versions": {},
    }
    say(f"{method} on {counts.n_obs} cells x {facts['n_genes']} genes, {facts['n_batches']} batches. {reason}".strip())
    if method == "scvi":
        from .vae import train_scvi

        facts["device"] = device()
        z, training = train_scvi(data, settings=settings, seed=seed, device=facts["device"], say=say)
        facts["device_name"] = _device_name(facts["device"])
        facts["versions"] = {name: metadata.version(name) for name in ("scvi-tools", "torch", "lightning")}
    else:
        z = latent_pca(data.X.tocsr(), n_latent=settings["n_latent"], seed=seed)
        facts["versions"] = {"scikit-learn": metadata.version("scikit-learn")}
    facts["n_epochs"] = len(training)
    latent = pd.DataFrame(z, columns=[f"z{i + 1}" for i in range(z.shape[1])])
    latent.insert(0, "cell", counts.obs_names.to_numpy().astype(str))
    return latent, training, facts


def _device_name(device: str) -> str:
    if device != "cuda":
        return device
    import torch

    return str(torch.cuda.get_device_name())


def write_latent(path: str | Path, latent: pd.DataFrame) -> None:
    """Write the latent table; the same table is the same bytes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pandas(latent, preserve_index=False).replace_schema_metadata(None)
    write_whole(path, lambda target: pq.write_table(table, target, compression="zstd", use_dictionary=["cell"]))
