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

from ..resources import RESOURCES, read_resource
from .blocks import Counts, blocks_of, collect
from .doublet_threshold import choose_threshold, solo_threshold
from .genes import unwanted_for_latent

#: Genes that the methods see.
N_GENES = 3000
#: Simulated doublets at least, and per barcode (scrublet's own number). With the two per barcode of a small capture the
#: doublets that happened to be drawn decide which barcodes are called. [J]
LEAST_SIMULATED, SIMULATED_PER_BARCODE = 6000, 2.0
#: scrublet's neighbours are half the root of the barcodes, but no more than this: their table must stay small. [J]
MOST_NEIGHBOURS = 100
#: Nor fewer than the first number, as far as they are no larger share of the barcodes than the second: a doublet's
#: score stands on the few real barcodes among its neighbours, and with one or two of them takes few values. [J]
LEAST_NEIGHBOURS, MOST_OF_CAPTURE = 25, 0.05
#: Barcodes above which scrublet is run in random parts, and barcodes of a part at most. One channel of 10x is meant
#: for up to 20,000 cells. [J]
MOST_AT_ONCE, PART = 20_000, 10_000
#: The rate that scrublet's scores are computed with, at least. It changes no ranks, but with a low one all scores lie
#: in few bins of the histogram whose dip is the threshold (scanpy's default).
SCORE_RATE = 0.05
#: With fewer variable genes two types in one droplet cannot be told from one. [J]
LEAST_GENES = 50
#: Doublets per 1,000 recovered cells: 0.8% (10x user guides; science 1.3 [M-H]).
RATE_PER_1000 = 0.008


def expected_rate(n_cells: int) -> float:
    """Expected share of doublets among ``n_cells`` recovered cells of one capture."""
    return min(0.5, RATE_PER_1000 * n_cells / 1000)


def cycle_genes() -> list[str]:
    """Genes of the cell cycle, of ``resources/cnv_exclusions.tsv``."""
    table = read_resource(RESOURCES / "cnv_exclusions.tsv")
    rows = table[table["reason"].str.startswith("cell cycle")]
    return " ".join(rows["value"].astype(str)).split()


def genes_for_doublets(counts: Counts, rows: np.ndarray | None = None) -> np.ndarray:
    """Sorted columns of the :data:`N_GENES` genes with the largest Fano factor among those seen in 3 cells or more.

    Of all barcodes, or of some (bool). Summed over blocks of rows: a matrix of all genes is never copied.
    """
    total, squares, cells = (np.zeros(counts.n_vars) for _ in range(3))
    n = counts.n_obs if rows is None else int(rows.sum())
    for where, whole in blocks_of(counts):
        block = (whole if rows is None else whole[rows[where]]).astype(np.float64)
        total += np.asarray(block.sum(axis=0)).ravel()
        squares += np.asarray(block.multiply(block).sum(axis=0)).ravel()
        cells += np.asarray((block > 0).sum(axis=0)).ravel()
    mean = total / max(n, 1)
    fano = np.divide(squares / max(n, 1) - mean**2, mean, out=np.zeros_like(mean), where=mean > 0)
    usable = (cells >= 3) & ~unwanted_for_latent(counts.var) & ~counts.var_names.isin(cycle_genes())
    fano[~usable] = -1.0
    order = np.argsort(-fano, kind="stable")[: min(N_GENES, int(usable.sum()))]
    return np.sort(order)


def call_doublets(
    counts: Counts, rows: np.ndarray | None = None, *, settings: Mapping[str, Any], seed: int
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Score and call the doublets of one capture.

    Parameters
    ----------
    counts
        a counts file, or the same in memory. Of the matrix, only the genes that the methods see are held.
    rows
        bool per barcode: it passed the floors; None: all did.
    settings
        ``doublet_method`` (``scrublet``, ``solo`` or ``none``), ``doublet_min_cells``, ``solo_epochs``.
    seed
        of simulated doublets and networks. Barcodes are sorted first: their order changes nothing.

    Returns
    -------
    table
        index: the barcodes that passed, in their order: doublet_score (NaN when not scored), doublet (bool).
    facts
        method, threshold, rule that set it, expected rate.
    """
    names = counts.obs_names if rows is None else counts.obs_names[rows]
    result = pd.DataFrame({"doublet_score": np.nan, "doublet": False}, index=names)
    rate = expected_rate(len(names))
    facts: dict[str, Any] = {"doublet_method": "none", "doublet_threshold": None, "doublet_expected_rate": rate}
    if settings["doublet_method"] == "none":
        return result, facts | {"doublet_rule": "switched off"}
    if len(names) < settings["doublet_min_cells"]:
        return result, facts | {"doublet_rule": f"too few cells ({len(names)}) to simulate doublets from"}
    genes = genes_for_doublets(counts, rows)
    if len(genes) < LEAST_GENES:
        return result, facts | {"doublet_rule": f"too few variable genes ({len(genes)}) to tell doublets by"}
    order = np.argsort(names.to_numpy())
    matrix = collect(counts, genes, rows, dtype=np.float32)[order]
    ordered = ad.AnnData(X=matrix, obs=pd.DataFrame(index=names[order]))
    if settings["doublet_method"] == "solo":
        scores = _solo(ordered, epochs=settings["solo_epochs"], seed=seed)
        result.loc[ordered.obs_names, "doublet_score"] = scores
        threshold, rule = solo_threshold(scores, rate)
        result["doublet"] = (result["doublet_score"] > threshold).to_numpy()
        return result, facts | {"doublet_method": "solo", "doublet_threshold": threshold, "doublet_rule": rule}
    parts = parts_for_scrublet(len(names), seed)
    scores, simulated, automatic = _scrublet_in(parts, ordered, rate=rate, seed=seed)
    threshold, rule = choose_threshold(scores, simulated, automatic, rate)
    if len(parts) > 1:
        rule += f"; scored in {len(parts)} random parts of {len(parts[0])} barcodes"
    result.loc[ordered.obs_names, "doublet_score"] = scores
    result["doublet"] = (result["doublet_score"] > threshold).to_numpy()
    said = threshold if np.isfinite(threshold) else None
    return result, facts | {"doublet_method": "scrublet", "doublet_threshold": said, "doublet_rule": rule}


def neighbours_for_scrublet(n_cells: int) -> int:
    """Neighbours by which a barcode is scored, before scrublet adds those of its simulated doublets."""
    least = min(LEAST_NEIGHBOURS, int(MOST_OF_CAPTURE * n_cells))
    return min(max(round(0.5 * np.sqrt(n_cells)), least), MOST_NEIGHBOURS)


def parts_for_scrublet(n_cells: int, seed: int) -> list[np.ndarray]:
    """Rows that scrublet sees together: all, or random parts of about one size.

    Exact neighbours of n barcodes and their simulated doublets take time as n squared, and the scores of variable
    genes stand densely in memory. A random part has the capture's types in the capture's shares, so that its
    simulated doublets are the capture's; each barcode is scored once.
    """
    if n_cells <= MOST_AT_ONCE:
        return [np.arange(n_cells)]
    shuffled = np.random.default_rng(seed).permutation(n_cells)
    return [np.sort(part) for part in np.array_split(shuffled, -(-n_cells // PART))]


def _scrublet_in(
    parts: list[np.ndarray], counts: ad.AnnData, *, rate: float, seed: int
) -> tuple[np.ndarray, np.ndarray, float | None]:
    """Scores of all parts, those of simulated doublets, the median automatic threshold (None when half have no dip)."""
    scores, simulated, found = np.empty(counts.n_obs), [], []
    for part in parts:
        whole = len(parts) == 1
        scores[part], of_doublets, automatic = _scrublet(counts if whole else counts[part], rate=rate, seed=seed)
        simulated.append(of_doublets)
        found += [] if automatic is None else [automatic]
    middle = float(np.median(found)) if len(found) > len(parts) / 2 else None
    return scores, np.concatenate(simulated), middle


def _scrublet(counts: ad.AnnData, *, rate: float, seed: int) -> tuple[np.ndarray, np.ndarray, float | None]:
    """Scores, scores of simulated doublets, and automatic threshold (None when there is no dip)."""
    import scanpy as sc

    data = counts.copy()
    components = max(2, min(30, counts.n_obs - 1, counts.n_vars - 1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a failed threshold is answered by choose_threshold
        # exact neighbours: the same scores each time, and scanpy 1.11 cannot read pynndescent 0.7's answer
        sc.pp.scrublet(
            data, expected_doublet_rate=max(rate, SCORE_RATE), n_prin_comps=components,
            n_neighbors=neighbours_for_scrublet(counts.n_obs), use_approx_neighbors=False,
            sim_doublet_ratio=max(SIMULATED_PER_BARCODE, LEAST_SIMULATED / counts.n_obs),
            random_state=seed % 2**31, verbose=False,
        )  # fmt: skip
    found = data.uns["scrublet"]
    automatic = found.get("threshold")
    return (
        data.obs["doublet_score"].to_numpy(dtype=float),
        np.asarray(found["doublet_scores_sim"], dtype=float),
        None if automatic is None else float(automatic),
    )


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
