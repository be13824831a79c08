"""kopya (valius-kopya): its Python call ``tl.cnv``, supervised or with its own baseline.

Its documentation advises a known reference where cell types are known, and says of myeloma that plasma cells are not
taken as a baseline by themselves. Settings are its defaults. Scores are its ``tumor_score``.
"""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
from adapter import Answer, main, reference_types, role_of
from kopya.pipeline import run_pipeline

CALLS = {"tumor": "malignant", "normal": "normal", "uncertain": "unassigned"}


def segment_arms(signal: np.ndarray, segments: pd.DataFrame, var: pd.DataFrame, clone: pd.Series) -> pd.DataFrame:
    """Mean of the segments' signal per clone and arm, each segment weighted by its genes on that arm."""
    rows = []
    for name, part in segments.groupby("chr"):
        chromosome = name if str(name).startswith("chr") else f"chr{name}"
        genes = var[var["chromosome"] == chromosome]
        for arm in ("p", "q"):
            start = genes.loc[genes["arm"] == arm, "start"].to_numpy()
            if not len(start):
                continue
            inside = (start[:, None] >= part["start_bp"].to_numpy()) & (start[:, None] <= part["end_bp"].to_numpy())
            weight = inside.sum(axis=0).astype(float)
            if weight.sum() == 0:
                continue
            value = signal[:, part.index.to_numpy()] @ (weight / weight.sum())
            means = {"all": value[clone != ""].mean(), **pd.Series(value).groupby(clone.to_numpy()).mean().to_dict()}
            rows += [(c, chromosome, arm, v) for c, v in means.items() if c != ""]
    return pd.DataFrame(rows, columns=["clone", "chromosome", "arm", "value"])


def run(case: ad.AnnData, reference: str) -> Answer:
    """kopya's calls, scores and subclones; arms from its segments, relative to the reference cells' own segments."""
    bare = ad.AnnData(X=case.X.tocsr(), obs=pd.DataFrame(index=case.obs_names), var=pd.DataFrame(index=case.var_names))
    names = None if reference == "none" else list(case.obs_names[case.obs["is_reference"]])
    found = run_pipeline(bare, norm_cell_names=names, complexity_gate=True)  # the body of tl.cnv
    calls = found.prediction_df
    call = calls["class"].astype(str).map(CALLS)
    query = role_of(case).reindex(calls.index) == "query"
    clone = calls["subclone"].astype(str).replace({"nan": "", "None": ""}).where(query, "")
    segments = found.segments.reset_index(drop=True)
    signal = np.asarray(found.cn_matrix, dtype=float) - np.asarray(found.seg_baseline, dtype=float).reshape(1, -1)
    signal = signal - np.median(signal, axis=1, keepdims=True)  # its documentation: each row carries an offset
    return Answer(
        score=calls["tumor_score"].astype(float),
        call=call,
        clone=clone,
        arms=segment_arms(signal, segments, case.var, clone),
        rule="kopya's class; uncertain cells are unassigned",
        settings={"complexity_gate": True, "reference_cat": reference_types(case) or "its own baseline"},
        note=f"baseline: {found.baseline['method']}; clones are its subclones of tumour cells; no arm is called",
    )


if __name__ == "__main__":
    main(run, "kopya", "valius-kopya", ("immune", "plasma", "none"))
