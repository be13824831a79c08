"""How simulated cells look beside real ones: a table of distances and a figure.

    PYTHONPATH=workflow/lib python benchmarks/realism.py --data ../shared/data --out benchmarks/results

Real: the T cells of a MALT lymphoma (10x v3) and the summed profiles of the Human Cell Atlas. Where the
data are not there, their summary statistics (``resources/simulate_fit.tsv``) stand in for them.
"""

from __future__ import annotations

import argparse
import gzip
from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import scipy.sparse as sp
from scipy.io import mmread

from marrowclone.resources import RESOURCES, gene_table, read_resource
from marrowclone.simulate import portrait as pt
from marrowclone.simulate import simulate
from marrowclone.simulate.real_levels import read_profiles

KEPT = RESOURCES / "simulate_fit.tsv"
HEAD = """# Summary statistics of real cells, written by benchmarks/realism.py --keep; no counts of a cell are in here.
# t: T cells of a MALT lymphoma, 10x v3 (cran/STREAK, GPL >= 2).
# Others: Human Cell Atlas profiles (kharchenkolab/numbat ref_hca, MIT).
"""
REAL, SIMULATED = "#333333", "#d1495b"
#: Cells of the simulated capture.
CELLS = 1200
#: Weights of a donor's cells that are no T cells: none.
NO_OTHERS = dict.fromkeys(
    ("b_cell", "monocyte", "nk", "dendritic", "pdc", "hspc", "erythroid", "neutrophil", "macrophage"), 0.0
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status."""
    parser = argparse.ArgumentParser(description="Hold simulated cells against real ones.")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of the public data")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"), help="folder to write")
    parser.add_argument("--seed", type=int, default=1, help="seed of the simulated cells")
    parser.add_argument("--keep", action="store_true", help=f"write the real portrait to {KEPT.name}")
    options = parser.parse_args(arguments)
    if options.seed < 0:
        parser.error(f"--seed: found {options.seed}, expected at least 0")
    there = all((options.data / p).exists() for p in ("malt/matrix.mtx.gz", "hca_profiles.tsv.gz"))
    if options.keep and not there:
        parser.error(f"--keep: {options.data} does not hold the public data (malt/, hca_profiles.tsv.gz)")
    real = real_portrait(options.data) if there else read_resource(KEPT)
    print(f"real cells: {options.data if there else f'summary statistics of {KEPT.name}; the data are not there'}")
    simulated = simulated_portrait(options.seed, median_umi=float(pt.value(real, "umi", "t")["p50"]))
    options.out.mkdir(parents=True, exist_ok=True)
    table = pt.compare(real, simulated)
    table.to_csv(options.out / "realism.tsv", sep="\t", index=False, float_format="%.4g")
    figure = draw(real, simulated)
    for suffix in ("png", "svg"):
        figure.savefig(options.out / f"realism.{suffix}", dpi=150)
    if options.keep:
        keep(real)
    print(table.to_string(index=False, float_format=lambda x: f"{x:.3g}"))
    return 0


def real_portrait(data: Path) -> pd.DataFrame:
    """Portrait of the real cells and profiles."""
    levels = read_profiles(data / "hca_profiles.tsv.gz").levels
    parts = [pt.of_cells(malt_t_cells(data / "malt"), "t")]
    parts += [pt.of_profile(levels[k], k) for k in ("plasma", "cd4_t")]
    return pd.concat([*parts, pt.of_kinds(levels)], ignore_index=True)


def malt_t_cells(folder: Path) -> sp.csr_matrix:
    """(cells x G) counts of T cells: a T-cell receptor gene, no CD20, little lysozyme."""
    features = pd.read_csv(folder / "features.tsv.gz", sep="\t", header=None)
    with gzip.open(folder / "matrix.mtx.gz") as file:
        counts = mmread(file).T.tocsr()
    genes = gene_table()
    by_id = dict(zip(genes["gene_id"], range(len(genes)), strict=True))
    by_id |= dict(zip(genes["symbol"], range(len(genes)), strict=True))
    place = np.array([by_id.get(g, by_id.get(s, -1)) for g, s in zip(features[0], features[1], strict=True)])
    found = np.flatnonzero(place >= 0)
    move = sp.csr_matrix((np.ones(found.size, np.int32), (found, place[found])), shape=(len(features), len(genes)))
    counts = (counts @ move).tocsr()
    symbols = {s: i for i, s in enumerate(genes["symbol"])}

    def umi(symbol: str) -> np.ndarray:
        return counts[:, [symbols[symbol]]].toarray().ravel()

    gate = ((umi("CD3D") > 0) | (umi("CD3E") > 0)) & (umi("MS4A1") == 0) & (umi("LYZ") < 3)
    return counts[gate].astype(float).tocsr()


def simulated_portrait(seed: int, *, median_umi: float) -> pd.DataFrame:
    """Portrait of simulated T cells at the real cells' depth, and of the simulated levels."""

    def t_cells(depth: float) -> tuple[object, sp.csr_matrix]:
        capture = {"depth": depth, "empty": 0, "dying": 0, "doublet_rate": 0, "ambient": [0.02, 0.06]}
        sample = {
            "timepoint": "healthy", "day": 0, "cells": CELLS, "plasma_fraction": 0.0, "capture": capture,
            "composition": {**NO_OTHERS, "cd4_t": 2.0, "cd8_t": 1.0},
        }  # fmt: skip
        cohort = simulate({"name": "t", "seed": seed, "patients": {"H1": {"group": "healthy", "samples": [sample]}}})
        return cohort, next(iter(cohort.captures()))[1].counts.astype(float).tocsr()

    _, first = t_cells(1.0)
    cohort, counts = t_cells(median_umi / float(np.median(np.asarray(first.sum(axis=1)))))
    levels = cohort.transcriptome.levels  # type: ignore[attr-defined]
    parts = [pt.of_cells(counts, "t"), *(pt.of_profile(levels[k], k) for k in ("plasma", "cd4_t"))]
    return pd.concat([*parts, pt.of_kinds(levels)], ignore_index=True)


def keep(real: pd.DataFrame) -> None:
    """Write the real portrait, for machines without the data."""
    KEPT.write_text(HEAD + real.to_csv(sep="\t", index=False, float_format="%.5g"), encoding="utf-8")


def draw(real: pd.DataFrame, simulated: pd.DataFrame) -> plt.Figure:
    """Eight panels, real and simulated in each."""
    figure, axes = plt.subplots(2, 4, figsize=(17, 8), constrained_layout={"w_pad": 0.12, "h_pad": 0.12})
    both = ((real, "real", REAL, "-"), (simulated, "simulated", SIMULATED, "--"))
    panels = axes.ravel()
    names = {
        "umi": "UMIs per T cell",
        "genes": "genes per T cell",
        "ribosomal_share": "ribosomal share of a T cell's UMIs",
    }
    for axis, (name, label) in zip(panels, names.items(), strict=False):
        for table, who, colour, line in both:
            axis.plot(pt.value(table, name, "t"), pt.PERCENTILES / 100, color=colour, ls=line, label=who)
        axis.set(xlabel=label, ylabel="share of cells below", ylim=(0, 1))
        if name != "ribosomal_share":
            axis.set_xscale("log")
            axis.xaxis.set_major_locator(matplotlib.ticker.LogLocator(subs=(1, 2, 5)))
            axis.xaxis.set_major_formatter(matplotlib.ticker.StrMethodFormatter("{x:,.0f}"))
            axis.xaxis.set_minor_formatter(matplotlib.ticker.NullFormatter())
    for axis, name, label in (
        (panels[3], "zeros", "share of zeros"), (panels[4], "phi", "dispersion φ (variance = mean + φ mean²)"),
    ):  # fmt: skip
        for shift, (table, who, colour, line) in zip((-0.06, 0.06), both, strict=True):
            low, middle, high = (pt.value(table, f"{name}_{q}", "t")[2:] for q in ("low", "median", "high"))
            place = np.arange(len(middle)) + shift
            axis.vlines(place, low, high, color=colour, lw=4, alpha=0.3)
            axis.plot(place, middle, color=colour, ls=line, marker="o", ms=4, label=who)
        axis.set_xticks(range(len(middle)), [k.replace(" to ", "–") for k in middle.index])
        axis.set(xlabel="a gene's mean UMIs per T cell\n(bars: quartiles of genes)", ylabel=label, ylim=(0, None))
    for table, who, colour, line in both:
        panels[5].loglog(pt.RANKS, pt.value(table, "rank_cpm", "plasma"), color=colour, ls=line, label=who)
    panels[5].set(xlabel="rank of the gene, normal plasma cells", ylabel="counts per million")
    for i, (table, _, colour, _) in enumerate(both):
        excess = pt.value(table, "arm_excess", "t")
        jitter = np.random.default_rng(0).uniform(-0.14, 0.14, len(excess))
        panels[6].scatter(i + jitter, excess, s=16, color=colour, alpha=0.7)
        panels[6].hlines(excess.mean(), i - 0.25, i + 0.25, color=colour, lw=2)
    panels[6].set(xticks=[0, 1], xticklabels=["real", "simulated"], xlim=(-0.6, 1.6))
    panels[6].set_ylabel("variance of an arm's share,\nover independent genes")
    panels[6].set_xlabel("T cells; a dot per arm, line: mean")
    pairs = [" / ".join(p) for p in pt.PAIRS]
    for shift, (table, who, colour, _) in zip((-0.18, 0.18), both, strict=True):
        height = [pt.value(table, "window_inflation", n).iloc[0] for n in pairs]
        panels[7].barh(np.arange(len(pairs)) + shift, height, 0.34, color=colour, label=who)
    panels[7].set_yticks(range(len(pairs)), [n.replace("_", " ").replace(" / ", " /\n") for n in pairs])
    panels[7].invert_yaxis()
    panels[7].set(xlabel="SD of means of 101 genes,\nover independent genes", xlim=(0, 1.6))
    panels[6].axhline(1, color="grey", lw=0.8, ls=":")
    panels[7].axvline(1, color="grey", lw=0.8, ls=":")
    for axis, letter in zip(panels, "abcdefgh", strict=True):
        axis.set_title(letter, loc="left", fontweight="bold")
        axis.spines[["top", "right"]].set_visible(False)
    for axis in panels[:6]:
        axis.legend(frameon=False, fontsize=9)
    panels[7].legend(frameon=False, fontsize=9, ncols=2, loc="lower right", bbox_to_anchor=(1.0, 0.98))
    return figure


if __name__ == "__main__":
    raise SystemExit(main())
