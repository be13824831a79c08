"""Doublets of one capture: scrublet, with a stated way out when its threshold fails."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd

#: Doublets per 1,000 recovered cells: 0.8% (10x user guides; science 1.3 [M-H]).
RATE_PER_1000 = 0.008
#: An automatic threshold is not believed when it calls more than this many times the expected rate and
#: more than this share of all cells. [J]
MOST_TIMES_EXPECTED, MOST_BELIEVED = 3.0, 0.05


def expected_rate(n_cells: int) -> float:
    """Expected share of doublets among ``n_cells`` recovered cells of one capture."""
    return min(0.5, RATE_PER_1000 * n_cells / 1000)


def call_doublets(counts: ad.AnnData, *, settings: Mapping[str, Any], seed: int) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Score and call the doublets of one capture.

    Parameters
    ----------
    counts
        the barcodes that passed the floors; X CSR counts.
    settings
        ``doublet_method`` (``scrublet`` or ``none``), ``doublet_min_cells``.
    seed
        of scrublet's simulated doublets. Barcodes are sorted first: their order changes nothing.

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
    ordered = counts[np.argsort(counts.obs_names.to_numpy())].copy()
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

    data = ad.AnnData(X=counts.X.astype(np.float32), obs=pd.DataFrame(index=counts.obs_names), var=counts.var[[]])
    components = max(2, min(30, counts.n_obs - 1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a failed threshold is answered by choose_threshold
        sc.pp.scrublet(
            data, expected_doublet_rate=rate, n_prin_comps=components, random_state=seed % 2**31, verbose=False
        )
    automatic = data.uns.get("scrublet", {}).get("threshold")
    return data.obs["doublet_score"].to_numpy(dtype=float), None if automatic is None else float(automatic)
