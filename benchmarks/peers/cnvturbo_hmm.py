"""cnvturbo's main pipeline: inferCNV's steps, the hidden spike, the six-state model per subcluster.

The steps and every setting are its README's quick start. The README gives two calls, and both are kept: ``cnv_call``,
where a subcluster with any segment is tumour, and as ``second_call`` the strict call that its authors benchmark, where
a cell must exceed the 95th percentile of the reference cells in both its signal and its altered share.
"""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
from adapter import JOBS, Answer, arm_calls, arm_means, main, reference_types, role_of
from cnvturbo import tl
from cnvturbo.tl import _hmm

NEUTRAL = 2  # the third of six states


def states_per_cluster(case: ad.AnnData, means: np.ndarray, intercepts: np.ndarray, slopes: np.ndarray) -> pd.DataFrame:
    """The six-state path of each query subcluster (subclusters x genes).

    The package keeps calls and drops the paths; they are decoded again with its own functions.
    """
    signal = case.obsm["X_cnv"].toarray().astype(float)
    cluster = case.obs["cnv_call_subcluster"].astype(str).to_numpy()
    starts = list(case.uns["cnv"]["chr_pos"].values())
    ends = [*starts[1:], signal.shape[1]]
    transition = _hmm._build_r_log_transition()
    prior = _hmm._R_LOG_PRIOR
    paths = {}
    for name in sorted(set(cluster[(role_of(case) == "query").to_numpy()])):
        rows = cluster == name
        mean = signal[rows].mean(axis=0)
        spread = np.maximum(np.exp(intercepts + slopes * np.log(rows.sum())), 1e-6)
        path = [
            _hmm._viterbi_r_single(mean[s:e], transition, prior, means, spread)
            for s, e in zip(starts, ends, strict=True)
        ]
        paths[name] = np.concatenate([_hmm._denoise_segments(p, NEUTRAL, 5) for p in path])
    return pd.DataFrame.from_dict(paths, orient="index")


def run(case: ad.AnnData, reference: str) -> Answer:
    """cnvturbo's calls, subclusters and states."""
    case.layers["counts"] = case.X.copy()
    types = reference_types(case)
    known = {"reference_key": "group", "reference_cat": types}
    tl.infercnv_r_compat(
        case, raw_layer="counts", window_size=101, min_mean_expr_cutoff=0.1,
        exclude_chromosomes=("chrX", "chrY", "chrM"), n_jobs=JOBS, **known,
    )  # fmt: skip
    means, spreads, intercepts, slopes = tl.compute_hspike_emission_params(
        case, raw_layer="counts", min_mean_expr_cutoff=0.1, exclude_chromosomes=("chrX", "chrY", "chrM"),
        output_space="copy_ratio", return_sd_trend=True, **known,
    )  # fmt: skip
    tl.hmm_call_subclusters(
        case, precomputed_emit_means=means, precomputed_emit_stds=spreads, precomputed_emit_sd_intercepts=intercepts,
        precomputed_emit_sd_slopes=slopes, leiden_resolution="auto", cluster_by_groups=True, min_segment_length=5,
        min_segments_for_tumor=1, key_added="cnv_call", n_jobs=JOBS, **known,
    )  # fmt: skip
    is_reference = case.obs["is_reference"].to_numpy()
    signal = case.obsm["X_cnv"].toarray()
    score = np.abs(np.asarray(tl.denoise_r_compat(signal, is_reference)) - 1.0).mean(axis=1)
    share = case.obs["cnv_call_score"].to_numpy(dtype=float)
    strict = (score > np.percentile(score[is_reference], 95)) & (share > np.percentile(share[is_reference], 95))
    query = role_of(case) == "query"
    clone = case.obs["cnv_call_subcluster"].astype(str).where(query, "")
    genes = case.var.loc[list(case.uns["cnv"]["kept_var_names"])]
    chromosome, arm = genes["chromosome"].to_numpy(dtype=str), genes["arm"].to_numpy(dtype=str)
    arms = arm_means(signal - 1.0, chromosome, arm, clone)
    states = states_per_cluster(case, means, intercepts, slopes)
    arms = arms.merge(arm_calls(states, chromosome, arm, NEUTRAL), how="left", on=["clone", "chromosome", "arm"])
    simple = (case.obs["cnv_call"].astype(str) == "Tumor").to_numpy()
    return Answer(
        score=pd.Series(score, index=case.obs_names),
        call=pd.Series(np.where(simple, "malignant", "normal"), index=case.obs_names),
        second_call=pd.Series(np.where(strict, "malignant", "normal"), index=case.obs_names),
        clone=clone,
        arms=arms,
        rule="call: cnv_call; second_call: signal and altered share above the reference cells' 95th percentile",
        settings={"window_size": 101, "min_mean_expr_cutoff": 0.1, "leiden_resolution": "auto", "reference_cat": types},
        note="score: its denoised signal per cell; states are copies, 2 is neutral; values are copy ratio less one",
    )


if __name__ == "__main__":
    main(run, "cnvturbo", "cnvturbo", ("immune", "plasma"))
