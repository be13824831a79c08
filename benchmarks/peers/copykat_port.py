"""copykat-python, a port of the R package: its defaults, with or without known normal cells.

The package draws with libraries that need a C compiler and cairo; nothing is drawn here, so empty modules stand in for
them. The R vignette cuts the tree of the aneuploid cells in two and calls these subclones; so does this adapter. It
gives no score per cell; the mean absolute copy-number signal per cell stands for one and is written down as such.
"""

from __future__ import annotations

import sys
import types
import warnings

import anndata as ad
import numpy as np
import pandas as pd
from adapter import DONORS, IMMUNE, JOBS, Answer, arm_means, main, role_of
from scipy.cluster.hierarchy import fcluster, linkage

CALLS = {"aneuploid": "malignant", "diploid": "normal"}


def without_drawing() -> None:
    """Let the package be imported without its drawing libraries."""
    heat, scales = types.ModuleType("pheatmap"), types.ModuleType("scales")
    heat.colorRampPalette = heat.pheatmap = lambda *a, **k: None  # type: ignore[attr-defined]
    scales.brewer_pal = lambda *a, **k: lambda n: [""] * n  # type: ignore[attr-defined]
    sys.modules.setdefault("pheatmap", heat)
    sys.modules.setdefault("scales", scales)


def bin_arms(bins: pd.DataFrame, var: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Chromosome and arm of each 220 kb bin; the arm is that of the nearest gene before it."""
    number = bins["chrom"].astype(int).astype(str).replace({"23": "X", "24": "Y"})
    chromosome = ("chr" + number).to_numpy()
    arm = np.full(len(bins), "", dtype=object)
    for name in set(chromosome):
        genes = var[var["chromosome"] == name].sort_values("start")
        rows = np.flatnonzero(chromosome == name)
        at = np.searchsorted(genes["start"].to_numpy(), bins["chrompos"].to_numpy()[rows]) - 1
        arm[rows] = genes["arm"].to_numpy(dtype=object)[np.clip(at, 0, len(genes) - 1)]
    return chromosome, arm


def run(case: ad.AnnData, reference: str) -> Answer:
    """copykat's calls; scores, subclones and arms from its matrix of 220 kb bins."""
    without_drawing()
    from copykat import copykat

    role = role_of(case)
    normal = {"immune": IMMUNE, "plasma": DONORS}.get(reference)
    names = list(case.obs_names[role == normal]) if normal else None
    seen = case[:, case.X.getnnz(axis=0) >= 0.01 * case.n_obs]  # the tool itself drops genes below 5% of the cells
    raw = pd.DataFrame(seen.X.toarray().T, index=seen.var_names.astype(str), columns=seen.obs_names.astype(str))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = copykat(raw, id_type="S", norm_cell_names=names, plot_genes=False, n_cores=JOBS)
    call = found.prediction.set_index("cell.names")["copykat.pred"].astype(str)
    call = call.str.replace(r"^c\d:|:low\.conf$", "", regex=True)
    matrix = found.CNAmat.drop(columns=["chrom", "chrompos", "abspos"])
    signal = matrix.to_numpy(dtype=float).T
    clone = pd.Series("", index=matrix.columns)
    tumour = (call.reindex(matrix.columns) == "aneuploid").to_numpy() & (role.reindex(matrix.columns) == "query")
    if tumour.sum() > 2:
        tree = linkage(signal[tumour.to_numpy()], method="ward")
        clone[tumour] = "c" + pd.Series(fcluster(tree, 2, "maxclust"), index=clone.index[tumour]).astype(str)
    chromosome, arm = bin_arms(found.CNAmat, case.var)
    return Answer(
        score=pd.Series(np.abs(signal).mean(axis=1), index=matrix.columns),
        call=call.map(CALLS).fillna("unassigned"),
        clone=clone,
        arms=arm_means(signal, chromosome, arm, clone) if tumour.any() else None,
        rule="copykat.pred; cells that it filters out are unassigned",
        settings={"KS_cut": 0.1, "win_size": 25, "distance": "euclidean", "norm_cell_names": normal or "none"},
        note="score: mean absolute signal per cell, not the tool's; clones: two groups of the aneuploid query cells",
    )


if __name__ == "__main__":
    main(run, "copykat-python", "copykat-python", ("immune", "plasma", "none"))
