"""What quality control keeps and drops, on simulated captures that know what each droplet holds.

    make benchmark-cells        # PYTHONPATH=workflow/lib .venv/bin/python benchmarks/cells.py [--seeds 1 2]

Per capture: doublets found by scrublet as it comes, with our genes and threshold, and by all of our rules, with 95%
intervals (Jeffreys) of recall and precision; droplets without a cell that are kept; plasma cells that are kept, cycling
ones apart, beside what a cap of 5,000 genes on all cells would leave of them. With ``--repeats`` doublets are called
again with other seeds of the method, and the table says how alike the calls are.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd

from marrowclone.cells.ambient import profile_ambient
from marrowclone.cells.doublets import call_doublets
from marrowclone.cells.qc import qc_cells
from marrowclone.check.schemas import chapter_schema, defaults
from marrowclone.intervals import jeffreys
from marrowclone.keys import cell_id
from marrowclone.resources import RESOURCES, gene_table, read_resource
from marrowclone.simulate import simulate
from marrowclone.tables import write_text

#: A gene cap that is in common use, for comparison only.
CAP = 5000
#: Doublet rate, plasma share, sort, depth and empty share of each kind of capture.
CAPTURES: dict[str, dict[str, Any]] = {
    "unsorted": {"plasma_fraction": 0.15, "capture": {"doublet_rate": 0.06}},
    "plasma_rich": {"plasma_fraction": 0.5, "capture": {"doublet_rate": 0.06}},
    "sorted": {"plasma_fraction": 0.85, "sort": "CD138+", "capture": {"doublet_rate": 0.06}},
    "sorted_pure": {"plasma_fraction": 1.0, "sort": "CD138+", "capture": {"doublet_rate": 0.04, "empty": 0.0}},
    "deep": {"plasma_fraction": 0.5, "capture": {"plasma_umi": 20000, "depth": 1.0, "doublet_rate": 0.06}},
    "shallow": {"plasma_fraction": 0.5, "capture": {"plasma_umi": 2500, "depth": 0.6, "doublet_rate": 0.06}},
    "soupy": {"plasma_fraction": 0.3, "capture": {"ambient": [0.2, 0.25], "doublet_rate": 0.06}},
    "mostly_empty": {"plasma_fraction": 0.5, "capture": {"empty": 0.95}},
    "no_plasma": {"plasma_fraction": 0.0, "capture": {"doublet_rate": 0.06}},
}


def cohort_of(seed: int, cells: int) -> dict[str, Any]:
    """One patient with every kind of capture; the tumour's cells cycle more often than usual, to be counted."""
    samples = [
        {"timepoint": "diagnosis" if i == 0 else f"follow_up_{i + 1}", "day": 30 * i, "cells": cells, **how}
        for i, how in enumerate(CAPTURES.values())
    ]
    clone = {"events": ["-13q", "+9", "+1q"], "fraction": 1.0, "growth": {"off": 0.0}, "cycling": 0.15}
    patient = {
        "group": "refractory", "subtype": "t(11;14)", "light_chain": "kappa" if seed % 2 else "lambda",
        "burden": 0.4, "clones": {"A": clone}, "samples": samples,
    }  # fmt: skip
    return {"name": "cells", "seed": seed, "patients": {"P": patient}}


def drawn(seed: int, cells: int) -> Iterator[tuple[str, ad.AnnData, pd.DataFrame]]:
    """Kind of capture, its counts as a counts file has them, its truth (index cell)."""
    genes = gene_table().set_index("symbol")
    cohort = simulate(cohort_of(seed, cells))
    for kind, (sample, capture) in zip(CAPTURES, cohort.captures(), strict=True):
        truth = capture.cells.set_index(pd.Index([cell_id(sample, b) for b in capture.cells["barcode"]], name="cell"))
        counts = capture.counts.astype(np.int32).tocsr()
        there = np.asarray(counts.sum(axis=1)).ravel() > 0
        obs = pd.DataFrame({"sample": sample, "barcode": truth["barcode"].to_numpy()}, index=truth.index)
        data = ad.AnnData(X=counts, obs=obs, var=genes.assign(measured=True), uns={"load": {}})
        yield kind, data[there].copy(), truth[there]


def plain_scrublet(counts: ad.AnnData, rows: pd.Series, seed: int) -> pd.Series:
    """scanpy's scrublet as it comes (all genes, its own threshold) on the barcodes that pass the floors."""
    import scanpy as sc

    data = counts[rows.to_numpy()].copy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # exact neighbours: with pynndescent 0.7 its search fails from 2,731 barcodes on
        sc.pp.scrublet(data, random_state=seed, use_approx_neighbors=False, verbose=False)
    found = pd.Series(False, index=counts.obs_names)
    if "predicted_doublet" in data.obs:
        found[data.obs_names] = data.obs["predicted_doublet"].fillna(False).astype(bool).to_numpy()
    return found


def share(of: pd.Series, among: pd.Series) -> float:
    """Share of ``among`` that is ``of``; NaN of nothing."""
    return float(of[among].mean()) if among.any() else float("nan")


def with_interval(name: str, of: pd.Series, among: pd.Series) -> dict[str, float]:
    """The share under its name, and its 95% interval as ``{name} lower`` and ``{name} upper``; NaN of nothing."""
    found = of[among]
    ends = jeffreys(float(found.sum()), len(found)) if len(found) else (float("nan"), float("nan"))
    return {name: share(of, among), f"{name} lower": ends[0], f"{name} upper": ends[1]}


def printed(table: pd.DataFrame) -> pd.DataFrame:
    """The table for people: three digits, an interval behind the value that it belongs to."""
    out = table.round(3)
    for lower in [c for c in table.columns if c.endswith(" lower")]:
        name = lower.removesuffix(" lower")
        out[name] = [
            f"{value:.3f} ({low:.3f}-{high:.3f})" if np.isfinite(value) else "-"
            for value, low, high in zip(table[name], table[lower], table[f"{name} upper"], strict=True)
        ]
        out = out.drop(columns=[lower, f"{name} upper"])
    return out


def alike(counts: ad.AnnData, rows: np.ndarray, settings: dict[str, Any], seeds: range) -> dict[str, Any]:
    """How alike the calls of several seeds are: fewest and most calls, mean and least Jaccard of two seeds' calls."""
    calls = []
    for seed in seeds:
        found = call_doublets(counts, rows, settings=settings, seed=seed)[0]["doublet"]
        calls.append(set(found.index[found]))
    pairs = [len(a & b) / len(a | b) if a | b else 1.0 for a, b in itertools.combinations(calls, 2)]
    numbers = [len(c) for c in calls]
    return {
        "fewest called": min(numbers), "most called": max(numbers),
        "mean Jaccard": float(np.mean(pairs)), "least Jaccard": min(pairs),
    }  # fmt: skip


def judged(kind: str, table: pd.DataFrame, truth: pd.DataFrame, plain: pd.Series) -> dict[str, Any]:
    """One capture's figures; shares are NaN where there is nothing to take a share of."""
    doublet = truth["doublet"].astype(bool)
    good = (truth["quality"] == "good") & ~doublet
    two_types = doublet & (truth["cell_type"] != truth["partner"]) & (truth["quality"] == "good")
    plasma, cycling = good & (truth["cell_type"] == "plasma"), truth["cycling"].astype(bool)
    sound = ~table["reason"].str.contains("few|mitochondrial")
    capped = table["keep"] & (table["n_genes"] <= CAP)

    row: dict[str, Any] = {"capture": kind, "barcodes": len(table), "doublets": int(two_types.sum())}
    ours = {"threshold": table["doublet"], "all rules": table["doublet"] | (table["conflict"] != "")}
    for name, called in {"plain scrublet": plain.loc[table.index], **ours}.items():
        row |= with_interval(f"recall {name}", called, two_types & sound)
        row |= with_interval(f"precision {name}", doublet, called & (truth["quality"] == "good"))
    return row | {
        "good cells kept": share(table["keep"], good & sound),
        "empty kept": share(table["keep"], truth["quality"] == "empty"),
        "empty": int((truth["quality"] == "empty").sum()),
        "cycling plasma kept": share(table["keep"], plasma & cycling),
        "other plasma kept": share(table["keep"], plasma & ~cycling),
        "cycling kept under the cap": share(capped, plasma & cycling),
        "other kept under the cap": share(capped, plasma & ~cycling),
        "cycling": int((plasma & cycling).sum()),
    }


def measure(seed: int, cells: int, repeats: int = 0) -> pd.DataFrame:
    """A row per kind of capture; ``repeats``: seeds to call doublets with again."""
    chapter = defaults(chapter_schema("cells") or {})
    limits = chapter["qc_cells"]
    panel, lineages = read_resource(RESOURCES / "markers.tsv"), read_resource(RESOURCES / "lineages.tsv")
    rows = []
    for kind, counts, truth in drawn(seed, cells):
        settings = limits | chapter["profile_ambient"]
        ambient = profile_ambient(counts, None, panel=panel, settings=settings, seed=seed)
        table, _ = qc_cells(counts, panel=panel, settings=limits, seed=seed, ambient=ambient, lineages=lineages)
        table = table.set_index("cell")
        plain = plain_scrublet(counts, ~table["reason"].str.contains("few|mitochondrial"), seed)
        row = {"seed": seed} | judged(kind, table, truth, plain) | {"soup": ambient.facts["source"]}
        if repeats > 1:
            # the barcodes that the method saw: it scored them
            scored = table["doublet_score"].notna().to_numpy()
            row |= alike(counts, scored, limits, range(repeats))
        rows.append(row)
    return pd.DataFrame(rows)


def main() -> int:
    """Print the tables; with ``--out`` also write them."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--seeds", type=int, nargs="+", default=[20261])
    parser.add_argument("--cells", type=int, default=3000, help="barcodes per capture")
    parser.add_argument("--repeats", type=int, default=0, help="seeds that doublets are called with again")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    table = pd.concat([measure(seed, options.cells, options.repeats) for seed in options.seeds], ignore_index=True)
    text = printed(table).to_string(index=False)
    print(text)
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        write_text(options.out / "cells.txt", text + "\n")
        table.to_csv(options.out / "cells.tsv", sep="\t", index=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
