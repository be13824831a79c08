"""How true is what is called a clone's own expression, on real cells of which random halves play the clones.

    make benchmark-expression   # PYTHONPATH=workflow/lib .venv/bin/python benchmarks/expression.py [--seeds 1 2]

Cells of one type of a public lymphoma (``malt``) are dealt into two captures and two "clones" (30% and 70%). Nothing
differs at first: p values should be uniform. Then counts are thinned: an arm lost and an arm gained in one clone, genes
four times as loud in one or in the other, genes on the gained arm that stay at a quarter; and one capture reads every
gene by a factor of its own. Beside it scanpy's ``rank_genes_groups`` (Wilcoxon, t-test; capture not known to them).
"""

from __future__ import annotations

import argparse
import sys
import warnings
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

from marrowclone.check.schemas import chapter_schema, defaults
from marrowclone.clones.expression import BEYOND, DOSAGE, GENE, OWN, clone_markers
from marrowclone.resources import RESOURCES, gene_table, read_resource
from marrowclone.simulate.real_cells import read_real

LOST, GAINED = "13q", "1q"
#: Copies change a gene's counts by 1 + 0.8 (c/2 - 1) (science A.5).
LOSS, GAIN = 0.6, 1.4
#: Genes that one clone has at a quarter of the other's; genes of the gained arm that are not louder but quieter.
CHANGED, SPARED, QUARTER = 60, 10, 0.25
MIN_COUNTS = 40
#: Cells of small clones.
SMALL = (25, 50)


def thin(counts: sparse.csr_matrix, keep: np.ndarray, of: np.ndarray, rng: np.random.Generator) -> sparse.csr_matrix:
    """Keep each count with the probability of its gene in its cell's group (``keep``: groups x genes)."""
    out = counts.copy()
    chance = keep[np.repeat(of.astype(int), np.diff(counts.indptr)), counts.indices]
    out.data = rng.binomial(counts.data.astype(np.int64), chance).astype(counts.data.dtype)
    out.eliminate_zeros()
    return out


def profiles(copies: bool) -> pd.DataFrame:
    """Profiles of both clones, true ones: with events of c1, or without any."""
    arms = read_resource(RESOURCES / "arms.tsv")
    rows = []
    for clone in ("c1", "c2"):
        for r in arms.itertuples():
            name = f"{str(r.chromosome).removeprefix('chr')}{r.arm}"
            state = {LOST: 1, GAINED: 3}.get(name, 2) if copies and clone == "c1" else 2
            ratio = np.log2({1: LOSS, 2: 1.0, 3: GAIN}[state])
            rows.append((clone, r.chromosome, r.arm, r.start, r.end, state, ratio, "called"))
    columns = ["clone", "chromosome", "arm", "start", "end", "state", "log2_ratio", "call"]
    return pd.DataFrame(rows, columns=columns)


def scanpy_values(counts: sparse.csr_matrix, clone: np.ndarray, genes: pd.DataFrame, method: str) -> pd.Series:
    """scanpy's adjusted p value of c1 against c2, by symbol."""
    import scanpy as sc

    obs = pd.DataFrame({"clone": pd.Categorical(clone)}, index=[str(i) for i in range(len(clone))])
    data = ad.AnnData(X=counts.astype(np.float32), obs=obs, var=genes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sc.pp.normalize_total(data)
        sc.pp.log1p(data)
        sc.tl.rank_genes_groups(data, "clone", groups=["c1"], reference="c2", method=method)
    table = sc.get.rank_genes_groups_df(data, "c1").set_index("names")
    return table["pvals_adj"]


def one(counts: sparse.csr_matrix, genes: pd.DataFrame, settings: dict[str, Any], seed: int) -> dict[str, float]:
    """Figures of one deal of the cells."""
    rng = np.random.default_rng(seed)
    clone = np.where(rng.random(counts.shape[0]) < 0.3, "c1", "c2")
    # clones differ in their shares between captures, as they do between timepoints
    capture = np.where(rng.random(len(clone)) < np.where(clone == "c1", 0.7, 0.4), "a", "b")
    cells = pd.DataFrame({"clone": clone, "sample": capture})
    null = clone_markers(counts, cells, genes, profiles(False), {}, settings=settings)
    null = null[(null["clone"] == "c1") & (null["kind"] == GENE)]
    figures = {f"null p<={level}": float((null["p"] <= level).mean()) for level in (0.05, 0.01, 0.001)}
    figures["null called"] = float((null["call"] == OWN).sum())

    place = (genes["chromosome"].str.removeprefix("chr") + genes["arm"]).to_numpy()
    total = np.asarray(counts.sum(axis=0)).ravel()
    known = genes.index.isin(null["symbol"]) & (total >= MIN_COUNTS)
    elsewhere = rng.permutation(np.flatnonzero(known & ~np.isin(place, [LOST, GAINED])))[: 2 * CHANGED]
    spared = rng.permutation(np.flatnonzero(known & (place == GAINED)))[:SPARED]
    keep = {"c1": np.ones(len(genes)), "c2": np.ones(len(genes))}
    keep["c1"][place == LOST] *= LOSS
    keep["c2"][place == GAINED] /= GAIN
    keep["c1"][elsewhere[:CHANGED]] *= QUARTER
    keep["c2"][elsewhere[CHANGED:]] *= QUARTER
    keep["c1"][spared] *= QUARTER
    batch = np.minimum(rng.lognormal(-0.5, 0.35, len(genes)), 1.0)
    changed = thin(counts, np.stack([keep["c1"], keep["c1"] * batch, keep["c2"], keep["c2"] * batch]),
                   2 * (clone == "c2") + (capture == "b"), rng)  # fmt: skip
    found = clone_markers(changed, cells, genes, profiles(True), {}, settings=settings)
    found = found[(found["clone"] == "c1") & (found["kind"] == GENE)].set_index("symbol")
    names = genes.index
    own = found.index[found["call"] == OWN]
    truly = names[elsewhere]
    tested = truly[truly.isin(found.index)]
    on_arms = found[found.index.isin(names[np.isin(place, [LOST, GAINED])]) & ~found.index.isin(names[spared])]
    spared_tested = names[spared][names[spared].isin(found.index)]
    figures |= {
        "own: recall": float(found.loc[tested, "call"].eq(OWN).mean()),
        "own: false share": float((~own.isin(truly)).mean()) if len(own) else 0.0,
        "on changed arms: dosage": float((on_arms["call"] == DOSAGE).mean()),
        "on changed arms: beyond": float((on_arms["call"] == BEYOND).mean()),
        "spared: beyond": float(found.loc[spared_tested, "call"].eq(BEYOND).mean()),
    }
    truth = np.where(tested.isin(names[elsewhere[:CHANGED]]), np.log2(QUARTER), -np.log2(QUARTER))
    inside = (found.loc[tested, "lower"] <= truth) & (truth <= found.loc[tested, "upper"])
    figures["95% interval holds the fold"] = float(inside.mean())
    for method in ("wilcoxon", "t-test_overestim_var"):
        adjusted = scanpy_values(changed, clone, genes, method).reindex(found.index)
        called = adjusted.index[adjusted <= settings["fdr"]]
        figures |= {
            f"{method}: recall": float(tested.isin(called).mean()),
            f"{method}: false share": float((~called.isin([*truly, *names[np.isin(place, [LOST, GAINED])]])).mean()),
            f"{method}: on changed arms, of called": float(called.isin(on_arms.index).mean()),
        }  # fmt: skip
    return figures


def uneven(counts: sparse.csr_matrix, genes: pd.DataFrame, settings: dict[str, Any], seed: int) -> dict[str, float]:
    """p values of a small clone without a difference whose cells vary as the others do, or more: one capture."""
    rng, figures = np.random.default_rng(seed), {}
    of = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
    for n in SMALL:
        clone = np.full(counts.shape[0], "c2")
        clone[rng.permutation(len(clone))[:n]] = "c1"
        cells = pd.DataFrame({"clone": clone, "sample": "a"})
        noisy = counts.copy()
        # half of the counts on either side: the others evenly, the clone's by a share of each cell and gene
        keep = np.where(clone[of] == "c1", rng.beta(0.5, 0.5, len(of)), 0.5)
        noisy.data = rng.binomial(counts.data.astype(np.int64), keep).astype(counts.data.dtype)
        noisy.eliminate_zeros()
        for name, given in (("as others", counts), ("more", noisy)):
            found = clone_markers(given, cells, genes, profiles(False), {}, settings=settings)
            found = found[(found["clone"] == "c1") & (found["kind"] == GENE)]
            for level in (0.05, 0.01):
                figures[f"{n} cells that vary {name}: p<={level}"] = float((found["p"] <= level).mean())
    return figures


def main() -> int:
    """Deal, thin and compare; a table on standard output."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    options = parser.parse_args()
    if not (options.data / "malt").exists():
        print(f"{options.data / 'malt'} is not there: give the folder of the public data with --data", file=sys.stderr)
        return 2
    real = read_real(options.data / "malt")
    genes = gene_table().set_index("symbol").assign(measured=True)
    settings = defaults(chapter_schema("clones"))["express_clones"]
    for kind in ("b_cell", "cd4_t"):
        counts = real.counts[np.flatnonzero(real.types == kind)].tocsr()
        rows = [one(counts, genes, settings, s) | uneven(counts, genes, settings, s) for s in options.seeds]
        table = pd.DataFrame(rows, index=options.seeds)
        print(f"\n{kind}: {counts.shape[0]} cells, seeds {' '.join(map(str, options.seeds))} (mean, least, most)")
        print(table.agg(["mean", "min", "max"]).T.round(3).to_string())
    return 0


if __name__ == "__main__":
    sys.exit(main())
