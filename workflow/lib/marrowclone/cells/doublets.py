"""Doublets of one capture: scrublet or SOLO, with a stated way out when scrublet's threshold fails.

Both see variable genes only, without immunoglobulin (clonal and ambient), mitochondrial and haemoglobin genes
(ambient, damage) and genes of the cell cycle: a cycling plasma cell is no doublet.
"""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Mapping
from contextlib import redirect_stdout
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

from ..resources import RESOURCES, read_resource
from .genes import unwanted_for_latent

#: Genes that the methods see, and rows looked at together when they are chosen.
N_GENES, BLOCK = 3000, 4096
#: scrublet's neighbours are half the root of the cells, but no more: the table of neighbours must stay small. [J]
MOST_NEIGHBOURS = 100
#: Doublets per 1,000 recovered cells: 0.8% (10x user guides; science 1.3 [M-H]).
RATE_PER_1000 = 0.008
#: An automatic threshold is not believed when it calls more than this many times the expected rate and
#: more than this share of all cells. [J]
MOST_TIMES_EXPECTED, MOST_BELIEVED = 3.0, 0.05


def expected_rate(n_cells: int) -> float:
    """Expected share of doublets among ``n_cells`` recovered cells of one capture."""
    return min(0.5, RATE_PER_1000 * n_cells / 1000)


def cycle_genes() -> list[str]:
    """Genes of the cell cycle, of ``resources/cnv_exclusions.tsv``."""
    table = read_resource(RESOURCES / "cnv_exclusions.tsv")
    rows = table[table["reason"].str.startswith("cell cycle")]
    return " ".join(rows["value"].astype(str)).split()


def genes_for_doublets(counts: ad.AnnData) -> np.ndarray:
    """Sorted columns of the :data:`N_GENES` genes with the largest Fano factor among those seen in 3 cells or more.

    Summed over blocks of rows: a matrix of all genes is never copied.
    """
    matrix = sparse.csr_matrix(counts.X)
    total, squares, cells = (np.zeros(counts.n_vars) for _ in range(3))
    for start in range(0, counts.n_obs, BLOCK):
        block = matrix[start : start + BLOCK].astype(np.float64)
        total += np.asarray(block.sum(axis=0)).ravel()
        squares += np.asarray(block.multiply(block).sum(axis=0)).ravel()
        cells += np.asarray((block > 0).sum(axis=0)).ravel()
    mean = total / max(counts.n_obs, 1)
    fano = np.divide(squares / max(counts.n_obs, 1) - mean**2, mean, out=np.zeros_like(mean), where=mean > 0)
    usable = (cells >= 3) & ~unwanted_for_latent(counts.var) & ~counts.var_names.isin(cycle_genes())
    fano[~usable] = -1.0
    order = np.argsort(-fano, kind="stable")[: min(N_GENES, int(usable.sum()))]
    return np.sort(order)


def call_doublets(counts: ad.AnnData, *, settings: Mapping[str, Any], seed: int) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Score and call the doublets of one capture.

    Parameters
    ----------
    counts
        the barcodes that passed the floors; X CSR counts.
    settings
        ``doublet_method`` (``scrublet``, ``solo`` or ``none``), ``doublet_min_cells``, ``solo_epochs``.
    seed
        of simulated doublets and networks. Barcodes are sorted first: their order changes nothing.

    Returns
    -------
    table
        index as ``counts.obs_names``: doublet_score (NaN when not scored), doublet (bool).
    facts
        method, threshold, rule that set it, expected rate.
    """
    result = pd.DataFrame({"doublet_score": np.nan, "doublet": False}, index=counts.obs_names)
    rate = expected_rate(counts.n_obs)
    facts: dict[str, Any] = {"doublet_method": "none", "doublet_threshold": None, "doublet_expected_rate": rate}
    if settings["doublet_method"] == "none":
        return result, facts | {"doublet_rule": "switched off"}
    if counts.n_obs < settings["doublet_min_cells"]:
        return result, facts | {"doublet_rule": f"too few cells ({counts.n_obs}) to simulate doublets from"}
    rows = np.argsort(counts.obs_names.to_numpy())
    matrix = sparse.csr_matrix(counts.X)[:, genes_for_doublets(counts)][rows].astype(np.float32)
    ordered = ad.AnnData(X=matrix, obs=pd.DataFrame(index=counts.obs_names[rows]))
    if settings["doublet_method"] == "solo":
        scores = _solo(ordered, epochs=settings["solo_epochs"], seed=seed)
        result.loc[ordered.obs_names, "doublet_score"] = scores
        result["doublet"] = (result["doublet_score"] > 0.5).to_numpy()
        rule = "probability above 0.5"
        return result, facts | {"doublet_method": "solo", "doublet_threshold": 0.5, "doublet_rule": rule}
    scores, automatic = _scrublet(ordered, rate=rate, seed=seed)
    threshold, rule = choose_threshold(scores, automatic, rate)
    result.loc[ordered.obs_names, "doublet_score"] = scores
    result["doublet"] = (result["doublet_score"] > threshold).to_numpy()
    return result, facts | {"doublet_method": "scrublet", "doublet_threshold": threshold, "doublet_rule": rule}


def choose_threshold(scores: np.ndarray, automatic: float | None, rate: float) -> tuple[float, str]:
    """scrublet's own threshold when it is believable, else the expected share of the highest scores.

    The automatic one is the dip of a histogram: without a dip it lands anywhere.
    """
    if automatic is not None and np.mean(scores > automatic) <= max(MOST_TIMES_EXPECTED * rate, MOST_BELIEVED):
        return float(automatic), "dip between the two modes of simulated scores"
    return float(np.quantile(scores, 1 - rate)), f"highest {100 * rate:.2g}% of scores (no believable dip)"


def _scrublet(counts: ad.AnnData, *, rate: float, seed: int) -> tuple[np.ndarray, float | None]:
    """Scores and automatic threshold (None when there is no dip)."""
    import scanpy as sc

    data = counts.copy()
    components = max(2, min(30, counts.n_obs - 1))
    neighbours = min(round(0.5 * np.sqrt(counts.n_obs)), MOST_NEIGHBOURS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a failed threshold is answered by choose_threshold
        # exact neighbours: the same scores each time, and scanpy 1.11 cannot read pynndescent 0.7's answer
        sc.pp.scrublet(
            data, expected_doublet_rate=rate, n_prin_comps=components, n_neighbors=neighbours,
            use_approx_neighbors=False, random_state=seed % 2**31, verbose=False,
        )  # fmt: skip
    automatic = data.uns.get("scrublet", {}).get("threshold")
    return data.obs["doublet_score"].to_numpy(dtype=float), None if automatic is None else float(automatic)


def _solo(counts: ad.AnnData, *, epochs: int, seed: int) -> np.ndarray:
    """Probability of being a doublet (Bernstein 2020 Cell Syst 11:95).

    On one thread of the CPU: two small networks, and the same probabilities on every machine.
    """
    import scvi

    from ..embedding.vae import make_deterministic

    make_deterministic(seed, 1)
    for name in ("lightning.pytorch", "lightning.fabric", "lightning"):
        logging.getLogger(name).setLevel(logging.ERROR)
    data = counts.copy()
    how: dict[str, Any] = {
        "max_epochs": epochs, "accelerator": "cpu", "devices": 1, "early_stopping": True,
        "enable_progress_bar": False, "enable_model_summary": False, "logger": False,
    }  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scvi.model.SCVI.setup_anndata(data)
        latent = scvi.model.SCVI(data)
        latent.train(**how)
        with redirect_stdout(io.StringIO()):  # it prints when it stops early
            solo = scvi.external.SOLO.from_scvi_model(latent)
            solo.train(**how)
        found = solo.predict(soft=True)
    return found.loc[counts.obs_names, "doublet"].to_numpy(dtype=float)
