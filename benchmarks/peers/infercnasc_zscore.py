"""infercnasc: windows of 50 genes and a z-score per gene across all cells.

The tool takes no reference and calls no cell: it lists altered regions per cell. Counts are normalised and log1p
first (it accepts raw or normalised; raw counts would make depth the signal), genes in fewer than 3 cells dropped.
The score is the share of a cell's genes inside an altered region.
"""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import scanpy as sc
from adapter import Answer, arm_means, main, role_of
from infercnasc import CNAInferrer


def run(case: ad.AnnData, reference: str) -> Answer:
    """The share of altered genes per cell, and gains minus losses per arm over the query cells."""
    sc.pp.filter_genes(case, min_cells=3)
    sc.pp.normalize_total(case)
    sc.pp.log1p(case)
    case = case[:, ~case.var["chromosome"].isin(["chrX", "chrY", "chrM"])].copy()
    case.var["chrom"] = case.var["chromosome"].astype(str)
    found = CNAInferrer.from_anndata(case)
    gain, loss = found.gains(), found.losses()
    ordered = case.var.sort_values(["chrom", "start"])  # the order in which the tool lays out genes
    everything = pd.Series(np.where(role_of(case) == "query", "all", ""), index=case.obs_names)
    arms = arm_means(
        gain.astype(np.float32) - loss, ordered["chrom"].to_numpy(), ordered["arm"].to_numpy(dtype=str), everything
    ).drop_duplicates(["clone", "chromosome", "arm"])
    return Answer(
        score=pd.Series((gain | loss).mean(axis=1), index=case.obs_names),
        arms=arms,
        rule="the tool calls no cells",
        settings={"window_size": 50, "z_score_threshold": 1.0, "min_region_size": 3},
        note="no reference, no calls, no clones; arm value: share of gained minus share of lost genes",
    )


if __name__ == "__main__":
    main(run, "infercnasc", "infercnasc", ("none",))
