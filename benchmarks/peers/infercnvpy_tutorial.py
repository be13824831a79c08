"""infercnvpy as its tutorial runs it: window 100, step 10, Leiden on the CNV profile, a score per cluster.

Choices: genes seen in fewer than 3 cells are dropped, as scanpy's tutorials do; counts are normalised to the median
depth and log1p; each reference type is its own category, which the documentation recommends. The tutorial
names tumour clusters by eye from the score per cluster; here Otsu's split over the clusters' scores stands for the eye.
"""

from __future__ import annotations

import anndata as ad
import infercnvpy as cnv
import numpy as np
import pandas as pd
import scanpy as sc
from adapter import JOBS, SEED, Answer, arm_means, main, reference_types, role_of, upper_group

WINDOW, STEP = 100, 10


def window_places(var: pd.DataFrame, starts: dict[str, int], n_windows: int) -> tuple[np.ndarray, np.ndarray]:
    """Chromosome and arm of each window, from its middle gene; ``starts`` is the column where a chromosome begins."""
    ends = [*list(starts.values())[1:], n_windows]
    chromosome = np.empty(n_windows, dtype=object)
    arm = np.empty(n_windows, dtype=object)
    for (name, start), end in zip(starts.items(), ends, strict=True):
        arms = var[var["chromosome"] == name].sort_values("start")["arm"].to_numpy()
        middle = np.arange(end - start) * STEP + min(WINDOW, len(arms)) // 2
        chromosome[start:end], arm[start:end] = name, arms[np.minimum(middle, len(arms) - 1)]
    return chromosome, arm


def profile(case: ad.AnnData) -> ad.AnnData:
    """The case with infercnvpy's profile in ``obsm["X_cnv"]``."""
    sc.pp.filter_genes(case, min_cells=3)
    sc.pp.normalize_total(case)
    sc.pp.log1p(case)
    cnv.tl.infercnv(
        case,
        reference_key="group",
        reference_cat=reference_types(case),
        window_size=WINDOW,
        step=STEP,
        n_jobs=JOBS,
    )
    return case


def run(case: ad.AnnData, reference: str) -> Answer:
    """infercnvpy's clusters, scores and profiles."""
    case = profile(case)
    cnv.tl.pca(case)
    cnv.pp.neighbors(case, random_state=SEED)
    cnv.tl.leiden(case, flavor="igraph", n_iterations=2, directed=False, random_state=SEED)
    cnv.tl.cnv_score(case)
    cluster = case.obs["cnv_leiden"].astype(str)
    score = case.obs["cnv_score"].astype(float)
    tumour, cut = upper_group(score.groupby(cluster).first())
    call = pd.Series(np.where(cluster.map(tumour), "malignant", "normal"), index=case.obs_names)
    clone = cluster.where(role_of(case) == "query", "")
    signal = case.obsm["X_cnv"].tocsr()
    chromosome, arm = window_places(case.var, case.uns["cnv"]["chr_pos"], signal.shape[1])
    return Answer(
        score=score,
        call=call,
        clone=clone,
        arms=arm_means(signal, chromosome, arm, clone),
        rule=f"cluster's cnv_score above {cut:.4g}, Otsu's split over the {len(tumour)} clusters' scores",
        settings={"window_size": WINDOW, "step": STEP, "reference_cat": reference_types(case)},
        note="the score is one value per cluster; arm values are log fold changes, no arm is called",
    )


if __name__ == "__main__":
    main(run, "infercnvpy", "infercnvpy", ("immune", "plasma"))
