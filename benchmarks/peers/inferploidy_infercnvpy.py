"""InferPloidy on infercnvpy's profiles: its two functions, in the order of its example.

Settings are its defaults (window 100). Genes come from the GTF that the package ships. Where its score is the same for
all cells, as it is when it finds no aneuploid cluster, the decision itself stands for it (0, 0.5, 1).
"""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
from adapter import JOBS, Answer, arm_means, main, reference_types, role_of
from infercnvpy_tutorial import window_places
from inferploidy import run_infercnv, run_inferploidy

CALLS = {"Aneuploid": "malignant", "Diploid": "normal", "Unclear": "unassigned"}


def run(case: ad.AnnData, reference: str) -> Answer:
    """InferPloidy's decisions and scores; it names no subclones, so arms are those of all aneuploid query cells."""
    arm_of = case.var[["chromosome", "start", "arm"]].copy()
    bare = ad.AnnData(X=case.X.tocsr().copy(), obs=case.obs[["group"]].copy(), var=pd.DataFrame(index=case.var_names))
    types = reference_types(case)
    bare = run_infercnv(bare, ref_key="group", ref_cat=types, species="hs", n_cores=JOBS)
    bare = run_inferploidy(bare, ref_key="group", ref_cat=types, n_cores=JOBS, verbose=False)
    call = bare.obs["iploidy_dec"].astype(str).map(CALLS).fillna("unassigned")
    score = bare.obs["iploidy_score"].astype(float)
    if score.nunique() < 2:
        score = call.map({"normal": 0.0, "unassigned": 0.5, "malignant": 1.0})
    query = role_of(case) == "query"
    tumour = pd.Series(np.where(query & (call == "malignant"), "tumour", ""), index=case.obs_names)
    genes = bare.var[["chromosome", "start"]].assign(arm=arm_of["arm"].reindex(bare.var_names).to_numpy())
    signal = bare.obsm["X_cnv"].tocsr()
    chromosome, arm = window_places(genes, bare.uns["cnv"]["chr_pos"], signal.shape[1])
    arms = arm_means(signal, chromosome, arm, tumour) if (tumour != "").any() else None
    return Answer(
        score=score,
        call=call,
        arms=None if arms is None else arms[arms["clone"] == "all"],
        rule="iploidy_dec; Unclear cells are unassigned",
        settings={"window_size": 100, "N_runs": 7, "reference_cat": types},
        note="no subclones; unseeded, so runs differ; arm values: log fold changes of the aneuploid query cells",
    )


if __name__ == "__main__":
    main(run, "InferPloidy", "inferploidy", ("immune", "plasma"))
