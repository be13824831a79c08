"""Losses of a target antigen: found wherever the cells suffice, never where they do not, on simulated captures.

    make benchmark-antigen      # PYTHONPATH=workflow/lib .venv/bin/python benchmarks/antigen.py [--seeds 1 2]

A patient's clone B has lost both copies of TNFRSF17; its parent A has not. The simulator's captures (own dispersion,
programmes, soup of 2 to 20%) are cut down to 2 to 100 cells of a clone at relapse, again and again; cells' clones are
the true ones. Judged: losses found where the call may be made (P of silence < 1e-3 and enough cells), calls where it
may not, losses said of clones and antigens that are whole, and how many cells it took.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

import numpy as np
import pandas as pd

from marrowclone.check.schemas import chapter_schema, defaults
from marrowclone.clinical import COLUMNS
from marrowclone.evolution.antigen import BYSTANDERS, soup_per_cell
from marrowclone.evolution.resistance import antigens, assess_resistance
from marrowclone.intervals import jeffreys
from marrowclone.keys import TABLES
from marrowclone.resources import RESOURCES, gene_table, read_resource
from marrowclone.simulate import simulate

LOST = "TNFRSF17"
SIZES = (2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 50, 100)
#: Kind of captures: UMI of a plasma cell, share of soup.
KINDS: dict[str, dict[str, Any]] = {
    "usual": {"plasma_umi": 7500, "ambient": [0.02, 0.10]},
    "shallow": {"plasma_umi": 3000, "ambient": [0.02, 0.10]},
    "soupy": {"plasma_umi": 7500, "ambient": [0.19, 0.21]},
}


def cells_of(seed: int, kind: str) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """True malignant cells (cell, sample, day, call, clone, depth) of two captures, the antigens' counts, the soup."""
    clones = {
        "A": {"events": ["+9", "-13q"], "fraction": 0.6, "growth": {"off": 0.0}},
        "B": {"parent": "A", "events": ["+1q"], "fraction": 0.4, "phenotype": "antigen_loss", "growth": {"off": 0.0}},
    }
    samples = [
        {"timepoint": when, "day": day, "cells": 900, "plasma_fraction": 0.6, "capture": KINDS[kind]}
        for when, day in (("diagnosis", 0), ("relapse", 600))
    ]
    patient = {"group": "refractory", "burden": 0.4, "clones": clones, "samples": samples}
    cohort = simulate({"name": "antigen", "seed": seed, "patients": {"P": patient}})
    table = gene_table()
    genes = antigens(read_resource(RESOURCES / "resistance.tsv"))
    at = pd.Index(table["symbol"]).get_indexer(pd.Index(genes))
    outside = np.flatnonzero(table["locus"] != "ig")
    frames, counts, soups = [], [], []
    for (sample, capture), day in zip(cohort.captures(), (0, 600), strict=True):
        truth = capture.cells
        rows = np.flatnonzero(truth["quality"].eq("good") & truth["malignant"] & ~truth["doublet"])
        depth = np.asarray(capture.counts[rows][:, outside].sum(axis=1)).ravel()
        mine = truth.iloc[rows]
        frames.append(
            pd.DataFrame({
                "cell": sample + ":" + mine["barcode"], "sample": sample, "day": day, "call": "malignant",
                "clone": mine["clone"], "depth": depth.astype(float),
            })
        )  # fmt: skip
        other = np.flatnonzero(
            truth["quality"].eq("good") & truth["cell_type"].isin(list(BYSTANDERS)) & ~truth["doublet"]
        )
        shown = pd.DataFrame(capture.counts[other][:, at].toarray(), columns=genes)
        types = truth["cell_type"].iloc[other].reset_index(drop=True)
        soups.append(soup_per_cell(shown, pd.Series([sample] * len(other)), types))
        counts.append(pd.DataFrame(capture.counts[rows][:, at].toarray(), columns=genes))
    return pd.concat(frames, ignore_index=True), pd.concat(counts, ignore_index=True), pd.concat(soups)


def judged(
    cells: pd.DataFrame, counts: pd.DataFrame, soup: pd.DataFrame, *, size: int, rng: np.random.Generator
) -> pd.DataFrame:
    """Antigen rows at relapse with ``size`` cells of either clone; the loss was there at diagnosis already."""
    therapy = pd.DataFrame(
        [{"patient": "P", "start": 100, "stop": 130, "regimen": "CAR-T", "line": 1.0, "classes": "BCMA-CART"}]
    ).reindex(columns=list(COLUMNS["therapy"]))
    # of the clone that lost it only relapse is read, as of one that was not there at diagnosis: reference is the other
    keep = ((cells["day"] == 0) & (cells["clone"] == "A")).to_numpy()
    for clone in ("A", "B"):
        late = np.flatnonzero((cells["day"] == 600) & (cells["clone"] == clone))
        keep[rng.choice(late, min(size, len(late)), replace=False)] = True
    frame = assess_resistance(
        cells[keep].reset_index(drop=True), counts[keep].reset_index(drop=True),
        arms=pd.DataFrame(columns=list(TABLES["copy_number.arms"])),
        dynamics=pd.DataFrame(columns=[*TABLES["evolution.dynamics"], "bound", "therapy_throughout", "therapy_change"]),
        therapy=therapy, panel=read_resource(RESOURCES / "resistance.tsv"), patient="P",
        settings=defaults(chapter_schema("evolution"))["assess_resistance"], soup=soup,
    )  # fmt: skip
    rows = frame[(frame["evidence_type"] == "antigen") & (frame["day"] == 600)]
    rows = rows.drop_duplicates(["clone", "marker"])
    return rows.assign(size=size, lost=(rows["clone"] == "B") & (rows["marker"] == LOST))


def main() -> int:
    """Draw, cut down, judge; tables on standard output."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[31, 32, 33])
    parser.add_argument("--repeats", type=int, default=20, help="cuts of each size")
    options = parser.parse_args()
    for kind in KINDS:
        parts = []
        for seed in options.seeds:
            cells, counts, soup = cells_of(seed, kind)
            rng = np.random.default_rng(seed)
            parts += [judged(cells, counts, soup, size=s, rng=rng) for s in SIZES for _ in range(options.repeats)]
        table = pd.concat(parts, ignore_index=True)
        may = (table["p_silent"] < 1e-3) & (table["n_cells"] >= table["n_needed"])
        called = table["call"] == "loss"
        print(f"\n{kind}: {len(options.seeds)} patients, {options.repeats} cuts of each size")
        for text, of, hit in (
            ("losses found where the call may be made", table["lost"] & may, called),
            ("losses called where it may not", table["lost"] & ~may, called),
            ("loss said of a clone or antigen that is whole", ~table["lost"], called),
        ):
            x, n = int((of & hit).sum()), int(of.sum())
            lower, upper = jeffreys(x, n)
            print(f"  {text}: {x} of {n} ({lower:.3f} to {upper:.3f})")
        found = table[table["lost"]].assign(found=called, may=may).groupby("size")[["may", "found"]].mean().round(2)
        print(found.T.to_string())
    return 0


if __name__ == "__main__":
    sys.exit(main())
