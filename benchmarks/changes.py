"""Changes of a clone's expression between days: how true they are, on simulated captures.

    make benchmark-changes      # PYTHONPATH=workflow/lib .venv/bin/python benchmarks/changes.py [--seeds 1 2]

A patient of two clones is sampled twice; captures differ in depth, soup, sorting and in how they read every gene, as
the simulator has it. Cells' clones are the true ones, and clone B is cut down to 20 to 300 cells at the later day.
First nothing has changed: half of all genes, drawn at random, are tested as if they were of the panel, with the other
half beside them, and p values should be uniform. Then panel genes and programmes are made four times as loud in the
clone at the later day, or a quarter (counts of the other day, or of this one, are thinned).
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from marrowclone.check.schemas import chapter_schema, defaults
from marrowclone.copy_number.baseline import capture_effects
from marrowclone.evolution.antigen import BYSTANDERS, most_soup, soup_per_cell
from marrowclone.evolution.expression_evidence import Found, find_changes, genes_to_test
from marrowclone.evolution.gene_sets import built_in
from marrowclone.evolution.panel_sums import weighted
from marrowclone.intervals import jeffreys
from marrowclone.resources import RESOURCES, gene_table, read_resource
from marrowclone.simulate import simulate

SIZES = (20, 50, 100, 300)
FOLD = 4.0
DAYS = {"diagnosis": 0, "relapse": 600}
USUAL = {"plasma_umi": 7500, "ambient": [0.02, 0.10]}
#: Both captures' settings, and which of them are sorted for CD138.
KINDS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "usual": (USUAL, USUAL),
    "shallow, then deep": ({**USUAL, "plasma_umi": 2500}, {**USUAL, "plasma_umi": 9000}),
    "soup, then little": ({**USUAL, "ambient": [0.19, 0.21]}, {**USUAL, "ambient": [0.01, 0.02]}),
    "little, then soup": ({**USUAL, "ambient": [0.01, 0.02]}, {**USUAL, "ambient": [0.19, 0.21]}),
    "unsorted, then sorted": (USUAL, {**USUAL, "sorted": True}),
    "sorted, then unsorted": ({**USUAL, "sorted": True}, USUAL),
}


@dataclass(frozen=True)
class Patient:
    """Malignant cells of both days: counts over all genes, a row of facts per cell; soup, capture effects."""

    counts: sparse.csr_matrix
    cells: pd.DataFrame
    soup: pd.DataFrame
    most: pd.DataFrame
    effects: pd.DataFrame


def patient(seed: int, kind: str) -> Patient:
    """Two captures of one patient."""
    clones = {
        "A": {"events": ["+9", "-13q"], "fraction": 0.5, "growth": {"off": 0.0}},
        "B": {"parent": "A", "events": ["+1q"], "fraction": 0.5, "growth": {"off": 0.0}},
    }
    samples = []
    for (when, day), capture in zip(DAYS.items(), KINDS[kind], strict=True):
        settings = dict(capture)
        is_sorted = settings.pop("sorted", False)
        samples.append({
            "timepoint": when, "day": day, "cells": 1500, "plasma_fraction": 0.9 if is_sorted else 0.5,
            "capture": settings, "sort": "CD138+" if is_sorted else "none",
        })  # fmt: skip
    cohort = simulate({
        "name": "changes", "seed": seed,
        "patients": {"P": {"group": "refractory", "burden": 0.4, "clones": clones, "samples": samples}},
    })  # fmt: skip
    table = gene_table()
    outside, symbols = np.flatnonzero(table["locus"] != "ig"), table["symbol"].tolist()
    counts, frames, soups, most, beside, beside_cells = [], [], [], [], [], []
    for (sample, capture), day in zip(cohort.captures(), DAYS.values(), strict=True):
        truth = capture.cells
        good = truth["quality"].eq("good") & ~truth["doublet"]
        rows = np.flatnonzero(good & truth["malignant"])
        other = np.flatnonzero(good & ~truth["cell_type"].str.contains("plasma"))
        counts.append(sparse.csr_matrix(capture.counts[rows]))
        depth = np.asarray(capture.counts[rows][:, outside].sum(axis=1), dtype=float).ravel()
        frames.append(pd.DataFrame({"sample": sample, "day": day, "clone": truth["clone"].iloc[rows], "depth": depth}))
        types = truth["cell_type"].iloc[other].to_numpy()
        beside.append(sparse.csr_matrix(capture.counts[other]))
        beside_cells.append(pd.DataFrame({"sample": sample, "type": types}))
        by = np.isin(types, list(BYSTANDERS))
        shown = pd.DataFrame(beside[-1][by].toarray(), columns=symbols)
        of = pd.Series([sample] * int(by.sum())), pd.Series(types[by])
        soups.append(soup_per_cell(shown, *of))
        most.append(most_soup(shown, *of))
    others = pd.concat(beside_cells)
    names = [str(frame["sample"].iloc[0]) for frame in frames]
    effects = capture_effects(
        sparse.vstack(beside, format="csr"), others["sample"].to_numpy(), others["type"].to_numpy(),
        used=(table["locus"] != "ig").to_numpy(), all_samples=names,
        capture_sd=defaults(chapter_schema("copy_number"))["infer_signal"]["capture_sd"], min_cells=20,
    )  # fmt: skip
    effects.index = pd.Index(symbols)
    return Patient(
        sparse.vstack(counts, format="csr"),
        pd.concat(frames, ignore_index=True),
        pd.concat(soups),
        pd.concat(most),
        effects,
    )


def found_in(
    person: Patient, counts: sparse.csr_matrix, tested: dict[str, list[str]], keep: np.ndarray, settings: dict[str, Any]
) -> tuple[Found, tuple[str, ...]]:
    """Clone B at relapse against its own earlier cells."""
    table = gene_table()
    usable = (~table["locus"].isin(["ig", "tr"]) & (table["chromosome"] != "chrM")).to_numpy()
    cells = person.cells[keep]
    features = weighted(
        counts[np.flatnonzero(keep)], cells["depth"].to_numpy(), cells["clone"].to_numpy(dtype=str),
        cells["sample"].to_numpy(dtype=str), table["symbol"].tolist(), usable, tested,
        expected=person.effects, soup=person.soup, most_soup=person.most, copies=pd.DataFrame(index=table["symbol"]),
    )  # fmt: skip
    days = dict(zip(person.cells["sample"], person.cells["day"], strict=True))
    found = find_changes(features, "B", DAYS["relapse"], days, settings=settings)
    assert found is not None and found.own
    return found, features.names


def thin(counts: sparse.csr_matrix, rows: np.ndarray, genes: np.ndarray, rng: np.random.Generator) -> None:
    """Keep each count of these rows and genes with a chance of 1/FOLD, in place."""
    at = np.isin(counts.indices, genes) & np.repeat(rows, np.diff(counts.indptr))
    counts.data[at] = rng.binomial(counts.data[at].astype(np.int64), 1 / FOLD)


def judged(person: Patient, *, size: int, seed: int, settings: dict[str, Any]) -> pd.DataFrame:
    """Rows of tests: what, truth (fold), p, called, could (assessable in the true direction), inside (interval)."""
    rng = np.random.default_rng([seed, size])
    cells = person.cells
    late = np.flatnonzero((cells["day"] == DAYS["relapse"]) & (cells["clone"] == "B"))
    keep = ~cells.index.isin(late)
    keep[rng.choice(late, min(size, len(late)), replace=False)] = True
    symbols = gene_table()["symbol"]
    locus, chromosome = gene_table()["locus"], gene_table()["chromosome"]
    total = np.asarray(person.counts.sum(axis=0)).ravel()
    half = np.flatnonzero((total >= 20) & ~locus.isin(["ig", "tr"]) & (chromosome != "chrM"))
    half = rng.permutation(half)[: len(half) // 2]
    nothing, names = found_in(person, person.counts, {symbols[g]: [symbols[g]] for g in half}, keep, settings)
    parts = [_rows(nothing, names, np.ones(len(names)), settings).assign(what="unchanged")]
    panel = genes_to_test(
        read_resource(RESOURCES / "resistance.tsv"), built_in(read_resource(RESOURCES / "programmes.tsv")), symbols
    )
    up = rng.random(len(panel)) < 0.5
    changed, place = person.counts.copy(), pd.Index(symbols)
    is_late, is_b = (cells["day"] == DAYS["relapse"]).to_numpy(), (cells["clone"] == "B").to_numpy()
    for (_, genes), rises in zip(panel.items(), up, strict=True):
        thin(changed, is_b & (~is_late if rises else is_late), place.get_indexer(pd.Index(genes)), rng)
    found, names = found_in(person, changed, panel, keep, settings)
    single = np.array([len(panel[n]) == 1 for n in names])
    parts.append(
        _rows(found, names, np.where(up, FOLD, 1 / FOLD), settings).assign(what=np.where(single, "gene", "programme"))
    )
    return pd.concat(parts, ignore_index=True).assign(size=size)


def _rows(found: Found, names: tuple[str, ...], truth: np.ndarray, settings: dict[str, Any]) -> pd.DataFrame:
    change = found.change
    with np.errstate(divide="ignore"):
        far = np.abs(np.log(change.ratio)) >= np.log(settings["change_fold"])
    called = (change.p < settings["change_p"]) & far
    could = np.where(
        truth > 1, change.can_rise, np.where(truth < 1, change.can_fall, change.can_rise & change.can_fall)
    )
    return pd.DataFrame({
        "name": names, "truth": truth, "p": change.p, "could": could,
        "called": called & ((truth == 1) | ((change.ratio > 1) == (truth > 1))),
        "inside": (change.lower <= truth) & (truth <= change.upper), "scatter": change.scatter,
    })  # fmt: skip


def main() -> int:
    """Draw, cut down, judge; tables on standard output."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[71, 72, 73])
    parser.add_argument("--kinds", nargs="+", choices=list(KINDS), default=list(KINDS))
    options = parser.parse_args()
    settings = defaults(chapter_schema("evolution"))["assess_resistance"]
    for kind in options.kinds:
        people = {seed: patient(seed, kind) for seed in options.seeds}
        table = pd.concat(
            [judged(p, size=s, seed=seed, settings=settings) for seed, p in people.items() for s in SIZES]
        )
        print(f"\n{kind}: {len(people)} patients, scatter {table['scatter'].median():.2f}")
        for size, rows in table.groupby("size"):
            null = rows[rows["what"] == "unchanged"]
            tested = null[null["could"]]
            x, n = int(tested["called"].sum()), len(tested)
            lower, upper = jeffreys(x, n)
            sizes = ", ".join(f"{(tested['p'] <= level).mean():.4f}" for level in (0.05, 0.01, 0.001))
            others = int(null.loc[~null["could"], "called"].sum())
            print(f"  {size} cells; unchanged, assessable {n} of {len(null)}: p <= .05, .01, .001 in {sizes}; "
                  f"called {x} ({lower:.5f} to {upper:.5f}); not assessable, called {others}; "
                  f"interval {tested['inside'].mean():.3f}")  # fmt: skip
            for what in ("gene", "programme"):
                made = rows[rows["what"] == what]
                able = made[made["could"]]
                print(f"    {what}s changed fourfold: found {able['called'].mean():.2f} of {len(able)} assessable, "
                      f"{made['called'].mean():.2f} of {len(made)}; interval {able['inside'].mean():.2f}")  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
