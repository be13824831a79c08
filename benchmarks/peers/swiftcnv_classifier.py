"""SwiftCNV: its inferCNV pipeline, its three-state model per subcluster and its MalignantClassifier.

As its documentation does: immune genes left out (``exclude_immune``), subclusters for the states, the UMAP of the
expression for the classifier's neighbours, plasma cells as the cell of origin. All cells form one tumour sample, so
that donors' plasma cells are judged rather than excused as a normal sample.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import scanpy as sc
from adapter import JOBS, SEED, Answer, arm_calls, arm_means, main, reference_types, role_of
from swiftcnv import MalignantClassifier, run_from_adata, summarise_by_var

CALLS = {
    "Malignant-high confidence": "malignant",
    "Malignant-like": "malignant",
    "Normal": "normal",
    "Unknown": "unassigned",
}


def write_gtf(var: pd.DataFrame, path: Path) -> None:
    """The case's genes as a GTF, which is the only way in."""
    start, end = var["start"].astype(str), var["end"].astype(str)
    chromosome = var["chromosome"].astype(str)
    named = 'gene_name "' + pd.Series(var.index.astype(str), index=var.index) + '";'
    lines = chromosome + "\tcase\tgene\t" + start + "\t" + end + "\t.\t+\t.\t" + named
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def embed(case: ad.AnnData) -> np.ndarray:
    """scanpy's usual UMAP of the expression."""
    part = ad.AnnData(X=case.X.copy(), obs=pd.DataFrame(index=case.obs_names), var=pd.DataFrame(index=case.var_names))
    sc.pp.normalize_total(part)
    sc.pp.log1p(part)
    sc.pp.highly_variable_genes(part, n_top_genes=2000)
    part = part[:, part.var["highly_variable"]].copy()
    sc.pp.pca(part, random_state=SEED)
    sc.pp.neighbors(part, random_state=SEED)
    sc.tl.umap(part, random_state=SEED)
    return part.obsm["X_umap"]


def run(case: ad.AnnData, reference: str) -> Answer:
    """SwiftCNV's calls, scores, subclusters and states."""
    bare = ad.AnnData(X=case.X.copy(), obs=case.obs[["cell_type", "group"]].astype(str), var=case.var[[]].copy())
    bare.obs["sample"] = "case"
    with tempfile.TemporaryDirectory() as folder:
        write_gtf(case.var, Path(folder) / "genes.gtf")
        bare, states, clusters = run_from_adata(
            bare, str(Path(folder) / "genes.gtf"), reference_col="group", reference_vals=reference_types(case),
            read_X=True, sample_col="sample", exclude_immune=True, run_hmm=True, threads=JOBS,
        )  # fmt: skip
    query = role_of(case) == "query"
    cluster = clusters.set_index("cell_name")["subcluster_number"].astype(str).reindex(case.obs_names)
    clone = cluster.where(query, "")
    genes = case.var.loc[states.columns]
    chromosome, arm = genes["chromosome"].to_numpy(dtype=str), genes["arm"].to_numpy(dtype=str)
    where = pd.Index(bare.var_names).get_indexer(states.columns)
    signal = np.asarray(bare.obsm["cnv_mat"])
    signal = signal[:, where] if signal.shape[1] == bare.n_vars else signal
    arms = arm_means(signal, chromosome, arm, clone)
    states.index = [str(s).removeprefix("case_") for s in states.index]
    states = states.loc[[s for s in states.index if s in set(clone)]]
    called = arm_calls(states, chromosome, arm, neutral=1).drop(columns="state")
    arms = arms.merge(called, how="left", on=["clone", "chromosome", "arm"])
    bare.obsm["X_umap"] = embed(case)
    bare.obs["sample_type"] = "tumor"
    bare.obsm["cnv_mat_arms"] = summarise_by_var(bare, obsm_key="cnv_mat", by="chr_arm")
    classifier = MalignantClassifier(
        bare, sample_key="sample", cell_type_key="cell_type", cell_of_origin=["plasma"], sample_type_key="sample_type"
    )
    done = classifier.run_classification(n_jobs=JOBS, report=False, verbose=False)
    return Answer(
        score=done.obs["malignant_score"].astype(float),
        call=done.obs["malignant_classif"].astype(str).map(CALLS).fillna("unassigned"),
        clone=clone,
        arms=arms,
        rule="malignant_classif: high confidence or malignant-like is malignant, Unknown is unassigned",
        settings={"exclude_immune": True, "hmm_by": "subcluster", "n_clusters": 3, "cell_of_origin": "plasma"},
        note="three subclusters of the observed cells are its default",
    )


if __name__ == "__main__":
    main(run, "SwiftCNV", "swiftcnv", ("immune", "plasma"))
