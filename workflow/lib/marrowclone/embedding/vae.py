"""scVI on the cohort: one latent space over all captures (Lopez 2018, doi 10.1038/s41592-018-0229-2).

For typing, the microenvironment and display only: never for copy number or clones, which
integration would erase (science appendix D).
"""

from __future__ import annotations

import logging
import math
import os
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd

#: Bounds of the automatic number of epochs.
LEAST_EPOCHS, MOST_EPOCHS = 20, 400
#: Share of cells to learn from; early stopping looks at the rest.
TRAIN_SHARE = 0.9


def automatic_epochs(n_cells: int, *, batch_size: int, optimiser_steps: int) -> int:
    """Epochs that give about ``optimiser_steps`` steps: ceil(steps / ceil(0.9 n / batch_size)), 20 to 400.

    8,000 cells in batches of 256 with 1,200 steps: 42 epochs.
    """
    per_epoch = max(1, math.ceil(TRAIN_SHARE * n_cells / batch_size))
    return int(min(MOST_EPOCHS, max(LEAST_EPOCHS, math.ceil(optimiser_steps / per_epoch))))


def make_deterministic(seed: int, threads: int) -> None:
    """Seed every generator and fix the number of threads: sums in another order train another model."""
    import scvi
    import torch

    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS is not repeatable without it
    scvi.settings.seed = seed % 2**31
    scvi.settings.dl_num_workers = 0
    scvi.settings.verbosity = logging.WARNING
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True, warn_only=True)


def _progress(say: Callable[[str], None], n_epochs: int) -> Any:
    """A callback that writes a plain line now and then: a log file is no terminal."""
    from lightning.pytorch.callbacks import Callback

    class Lines(Callback):
        def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
            epoch = trainer.current_epoch + 1
            if epoch == 1 or epoch % max(1, n_epochs // 10) == 0:
                seen = {k: float(v) for k, v in trainer.callback_metrics.items()}
                losses = ", ".join(
                    f"{label} {seen[key]:.1f}"
                    for label, key in (("training", "elbo_train"), ("validation", "elbo_validation"))
                    if key in seen
                )
                say(f"epoch {epoch} of at most {n_epochs}: ELBO {losses}")

    return Lines()


def train_scvi(
    counts: ad.AnnData,
    *,
    settings: Mapping[str, Any],
    seed: int,
    device: str,
    say: Callable[[str], None] = lambda text: None,
) -> tuple[np.ndarray, pd.DataFrame]:
    """Train the model and give each cell's latent mean.

    Layer norm stands in for batch norm: a last minibatch of one cell then breaks nothing, and
    a cell's place does not depend on which cells it was trained beside.

    Parameters
    ----------
    counts
        X CSR counts over the variable genes; obs batch.
    settings
        n_latent, n_hidden, n_layers, batch_size, learning_rate, max_epochs (None: automatic),
        optimiser_steps, early_stopping_patience, torch_threads.
    device
        ``cpu`` or ``cuda``.

    Returns
    -------
    latent
        float32, cells x n_latent.
    training
        columns epoch, elbo_train, elbo_validation, reconstruction_train, reconstruction_validation.
    """
    import scvi

    make_deterministic(seed, settings["torch_threads"])
    data = ad.AnnData(
        X=counts.X.astype(np.float32),
        obs=pd.DataFrame({"batch": counts.obs["batch"].astype(str).astype("category")}, index=counts.obs_names),
    )
    data.layers["counts"] = data.X
    n_epochs = settings["max_epochs"] or automatic_epochs(
        data.n_obs, batch_size=settings["batch_size"], optimiser_steps=settings["optimiser_steps"]
    )
    for name in ("lightning.pytorch", "lightning.fabric", "lightning"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scvi.model.SCVI.setup_anndata(data, layer="counts", batch_key="batch")
        model = scvi.model.SCVI(
            data,
            n_latent=settings["n_latent"],
            n_hidden=settings["n_hidden"],
            n_layers=settings["n_layers"],
            gene_likelihood="nb",
            use_batch_norm="none",
            use_layer_norm="both",
        )
        model.train(
            max_epochs=n_epochs,
            accelerator="gpu" if device == "cuda" else "cpu",
            devices=1,
            train_size=TRAIN_SHARE,
            batch_size=settings["batch_size"],
            early_stopping=True,
            early_stopping_monitor="elbo_validation",
            early_stopping_patience=settings["early_stopping_patience"],
            check_val_every_n_epoch=1,
            plan_kwargs={"lr": settings["learning_rate"], "n_epochs_kl_warmup": max(1, n_epochs // 2)},
            enable_progress_bar=False,
            enable_model_summary=False,
            callbacks=[_progress(say, n_epochs)],
            log_every_n_steps=10_000,
        )
        latent = model.get_latent_representation(batch_size=4096)
    return np.asarray(latent, dtype=np.float32), _history(model.history)


def _history(history: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    names = {
        "elbo_train": "elbo_train",
        "elbo_validation": "elbo_validation",
        "reconstruction_train": "reconstruction_loss_train",
        "reconstruction_validation": "reconstruction_loss_validation",
    }
    columns = {new: history[old].iloc[:, 0].astype(float) for new, old in names.items() if old in history}
    table = pd.DataFrame(columns)
    table.insert(0, "epoch", np.arange(1, len(table) + 1))
    return table.reset_index(drop=True)
