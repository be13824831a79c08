"""Cell types of public data beside the obvious markers, and of a simulated cohort beside its truth.

    python benchmarks/cell_types.py --data ../shared/data --out benchmarks/results

Runs the workflow up to the cell types on ``malt`` (a lymphoma with its T, NK and myeloid cells) and ``bone_marrow_50``
(healthy marrow) as one cohort. Writes ``cell_types_malt.png`` (dotplot: size is the share of cells that show the
gene, colour the mean), prints the types of ``bone_marrow_50``. With ``--truth FOLDER`` (a simulated cohort on which the
workflow has run) prints F1 of plasma cells and accuracy per type, on whole singlets. No marker of the figure is
used to choose anything: it is for looking at.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow" / "lib"))

MARKERS = (
    "CD3D", "CD3E", "CD4", "IL7R", "CD8A", "CD8B", "NKG7", "GNLY", "KLRF1", "MS4A1", "CD79A", "CD19", "SDC1",
    "TNFRSF17", "MZB1", "XBP1", "LYZ", "CD14", "FCGR3A", "C1QA", "CD1C", "CLEC9A", "LILRA4", "CD34", "MPO", "HBB",
    "PF4", "COL1A1", "MKI67",
)  # fmt: skip


def run_workflow(data: Path, out: Path, cores: str) -> Path:
    """Types of the two captures as one cohort; returns the folder of results."""
    out.mkdir(parents=True, exist_ok=True)
    rows = [("sample", "patient", "timepoint", "day", "path")]
    rows += [(name, name, "diagnosis", "0", str((data / name).resolve())) for name in ("malt", "bone_marrow_50")]
    (out / "samples.tsv").write_text("".join("\t".join(row) + "\n" for row in rows))
    (out / "config.yaml").write_text("samples: samples.tsv\nseed: 1\ntumour_cell_types: [plasma, b_cell]\n")
    subprocess.run(
        [sys.executable, "-m", "snakemake", "results/embedding/cells.tsv.gz", "--snakefile", str(ROOT / "Snakefile"),
         "--cores", cores, "--directory", str(out), "--configfile", str((out / "config.yaml").resolve())],
        check=True,
    )  # fmt: skip
    return out / "results"


def dotplot(results: Path, sample: str, cells: pd.DataFrame, path: Path) -> None:
    """Type x marker: share of cells that show the gene; mean log1p per 10,000 non-Ig UMIs over the gene's largest."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    from marrowclone.cells.markers import log_normalised
    from marrowclone.cells.matrix import read_cells
    from marrowclone.keys import CELL_TYPES, UNRESOLVED
    from marrowclone.tables import read_result

    mine = cells[cells["sample"] == sample].set_index("cell")
    umi = read_result(results / f"cells/{sample}.qc.tsv.gz").set_index("cell")["n_umi_non_ig"].reindex(mine.index)
    counts = read_cells([results / f"cells/{sample}.counts.h5ad"], list(mine.index), genes=list(MARKERS))
    values = log_normalised(counts, umi.to_numpy(), list(MARKERS))
    kind = mine["cell_type"]
    order = [t for t in (*CELL_TYPES, UNRESOLVED) if (kind == t).any()]
    order += sorted(set(kind) - set(order))
    mean, share = values.groupby(kind).mean().loc[order], (values > 0).groupby(kind).mean().loc[order]
    colour = mean / mean.max(axis=0).clip(lower=1e-9)
    figure, axes = plt.subplots(figsize=(0.38 * len(MARKERS) + 3, 0.38 * len(order) + 1.6), layout="constrained")
    x, y = np.meshgrid(np.arange(len(MARKERS)), np.arange(len(order)))
    look = {"cmap": "viridis_r", "edgecolors": "grey", "linewidths": 0.3}
    dots = axes.scatter(x, y, s=170 * share.to_numpy(), c=colour.to_numpy(), **look)
    axes.set_xticks(range(len(MARKERS)), MARKERS, rotation=90)
    axes.set_yticks(range(len(order)), [f"{t} ({int((kind == t).sum()):,})" for t in order])
    axes.invert_yaxis()
    axes.set_title(f"{sample}: dot size = share of cells that show the gene", fontsize=10)
    figure.colorbar(dots, ax=axes, label="mean, of the gene's largest", shrink=0.8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def against_truth(folder: Path) -> None:
    """Print F1 of plasma cells and accuracy per type, on cells that are whole and alone."""
    from marrowclone.tables import read_result

    cells = read_result(folder / "results/embedding/cells.tsv.gz").set_index("cell")
    truth = read_result(folder / "truth/cells.tsv.gz").set_index("cell").reindex(cells.index)
    good = ~truth["doublet"].astype(bool) & (truth["quality"] == "good")
    called, true = cells.loc[good, "cell_type"], truth.loc[good, "cell_type"]
    hits = ((called == "plasma") & (true == "plasma")).sum()
    f1 = 2 * hits / ((called == "plasma").sum() + (true == "plasma").sum())
    print(f"{folder.name}: {len(true):,} singlets, plasma F1 {f1:.4f}, accuracy {(called == true).mean():.4f}")
    right = (called == true).groupby(true.to_numpy())
    print(pd.DataFrame({"cells": right.size(), "right": right.mean().round(3)}).to_string())


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared/data")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results")
    parser.add_argument("--work", type=Path, help="working folder of the run (default: OUT/cell_types)")
    parser.add_argument("--truth", type=Path, action="append", default=[], help="a simulated cohort with results")
    parser.add_argument("--cores", default="1")
    options = parser.parse_args()
    from marrowclone.tables import read_result

    results = run_workflow(options.data, options.work or options.out / "cell_types", options.cores)
    cells = read_result(results / "embedding/cells.tsv.gz")
    print(pd.crosstab(cells["cell_type"], cells["sample"]).to_string())
    small = cells[cells["sample"] == "bone_marrow_50"]
    print(small[["cell", "cell_type", "cell_state", "confidence", "type_rule"]].to_string(index=False))
    for sample in ("malt", "bone_marrow_50"):
        facts = json.loads((results / f"cells/{sample}.qc.json").read_text())
        print(
            f"{sample}: ambient_ig {facts['ambient_ig']} % of UMIs in T and NK cells; {facts['n_kept']} kept of",
            end=" ",
        )
        print(f"{facts['n_barcodes']}; soup from {(facts['ambient'] or {}).get('source_text')}; {facts['n_failed']}")
    dotplot(results, "malt", cells, options.out / "cell_types_malt.png")
    print(f"figure: {options.out / 'cell_types_malt.png'}")
    for folder in options.truth:
        against_truth(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
