"""The clones' tree on simulated patients of known trees: who descends from whom, and what branch support is worth.

    PYTHONPATH=workflow/lib python benchmarks/trees.py --seeds 21 22 23 --out benchmarks/results

Cell types and malignant calls are the true ones, so that their errors are not counted here. The tree is judged twice:
given the true clone of every cell (the tree alone), and given the clones that were inferred. The ceiling is the tree
of the true copies: two clones may gain the same arm, which no tree of copies can tell.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import Pool
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from marrowclone.clones.profiles import PROFILE_COLUMNS
from marrowclone.copy_number.arms import ALL, call_genome
from marrowclone.copy_number.states import GAIN, LOSS, NEUTRAL, expected_log2_ratio
from marrowclone.evolution.tree import build_tree
from marrowclone.score import trees
from marrowclone.score.calibration import reliability
from marrowclone.score.clones import match_clones
from marrowclone.score.shares import jeffreys
from marrowclone.simulate import simulate
from marrowclone.simulate.events import arm_states
from suite.case import QUERY, Case, case_of, usable_cells
from suite.methods import clones_of, defaults, ground

#: Non-Ig UMI of a plasma cell, and captures as the simulator counts them.
DEPTH, CELLS = 4800, 0.3
#: Support from which a branch is said to be sure, and the response of the true copies.
SURE, RESPONSE = 0.9, 0.8
TRUE, INFERRED, CEILING = "true clones", "inferred clones", "true copies"


@dataclass(frozen=True)
class Given:
    """What the tree of one patient is made of, and its truth.

    ``matched``: true clone -> clone of the tree. ``sampled``: malignant cells of every true clone.
    """

    seed: int
    patient: str
    given: str
    arms: pd.DataFrame
    profiles: pd.DataFrame
    cells: pd.DataFrame
    days: Mapping[str, int]
    truth: pd.DataFrame
    matched: Mapping[str, str]
    sampled: Mapping[str, int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status."""
    parser = argparse.ArgumentParser(description="Judge the clones' tree on simulated patients.")
    parser.add_argument("--seeds", type=int, nargs="+", default=[21, 22, 23], help="seeds of the cohorts")
    parser.add_argument("--patients", type=int, default=12, help="random patients per seed")
    parser.add_argument("--cells", type=float, default=CELLS, help="size of a capture, as the simulator counts it")
    parser.add_argument("--depth", type=int, default=DEPTH, help="median non-Ig UMI of a plasma cell")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="folder to keep what the trees are made of; read where it is there")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"), help="folder to write")
    options = parser.parse_args(arguments)
    cases = [g for seed in options.seeds for g in _kept(options, seed)]
    cases += [ceiling_of(g) for g in cases if g.given == TRUE]
    with Pool(options.cores) as pool:
        answers = pool.map(partial(tree_of, settings=defaults("evolution")["build_tree"]), cases, chunksize=1)
    result = judge(cases, answers)
    options.out.mkdir(parents=True, exist_ok=True)
    for name, table in result.items():
        table.to_csv(options.out / f"trees.{name}.tsv", sep="\t", index=False)
    print(summary(result))
    return 0


def _kept(options: argparse.Namespace, seed: int) -> list[Given]:
    """The inputs of one seed, from the folder where they are kept or made anew."""
    path = options.keep and options.keep / f"{seed}.pickle"
    if path and path.exists():
        return list(pd.read_pickle(path))
    spec = {
        "name": "trees", "seed": seed, "capture": {"plasma_umi": options.depth},
        "population": {"patients": options.patients, "donors": 3, "cells": options.cells},
    }  # fmt: skip
    cells = usable_cells(simulate(spec))
    patients = sorted(set(cells.obs["patient"]) - set(cells.donors), key=lambda p: int(p[1:]))
    cases = (case_of(cells, p, name=p) for p in patients)
    with Pool(options.cores) as pool:
        found = [g for part in pool.imap(partial(inputs_of, seed=seed), cases, chunksize=1) for g in part]
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        pd.to_pickle(found, path)
    return found


def inputs_of(case: Case, *, seed: int) -> list[Given]:
    """Arms, profiles and cells of one patient: with the true clones, and with the inferred ones."""
    rows = np.flatnonzero((case.obs["role"] != "").to_numpy())
    case = replace(case, counts=case.counts[rows], obs=case.obs.iloc[rows].reset_index(drop=True))
    on, cells = ground(case, seed=seed), case.obs
    own = cells[(cells["role"] == QUERY) & cells["malignant"]].sort_values("cell").reset_index(drop=True)
    part = case.counts[pd.Index(cells["cell"]).get_indexer(own["cell"])]
    inferred = clones_of(case, on, own[["cell", "sample"]], seed=seed)
    true = own[["cell", "sample", "clone"]]
    beside = inferred.merge(own[["cell", "clone"]].rename(columns={"clone": "true"}), on="cell")
    matched = match_clones(beside[beside["clone"] != ""].rename(columns={"clone": "estimated"}))
    sampled = dict(own["clone"].value_counts())
    days = dict(own.groupby("sample")["day"].first().astype(int))
    out = []
    for given, table, names in (
        (TRUE, true, {c: c for c in sorted(set(true["clone"]))}), (INFERRED, inferred, matched),
    ):  # fmt: skip
        genome = call_genome(
            part, table["sample"], table["clone"], on.expected, on.used, rung=on.found.reference.rung,
            settings=defaults("copy_number")["call_arms"],
        )  # fmt: skip
        profiles = genome.segments.rename(columns={"group": "clone"})
        profiles = profiles.loc[profiles["clone"] != ALL, list(PROFILE_COLUMNS)].reset_index(drop=True)
        out.append(
            Given(seed, case.patient, given, genome.arms, profiles, table, days, case.truth["clones"], names, sampled)
        )
    return out


def tree_of(given: Given, *, settings: Mapping[str, Any]) -> pd.DataFrame:
    """The tree's table."""
    table, _ = build_tree(given.arms, given.profiles, given.cells, given.days, settings=settings, seed=1)
    return table


def ceiling_of(given: Given) -> Given:
    """The same clones with their true copies, measured all but exactly."""
    events = {c: [e for e in str(v).split(",") if e and e != "nan"] for c, v in _column(given.truth, "events").items()}
    copies = arm_states(events, _column(given.truth, "parent"))
    rows = given.arms[given.arms["clone"].isin(given.matched)].copy()
    names = rows["chromosome"].str.removeprefix("chr") + rows["arm"]
    state = np.array([copies.loc[c, n] for c, n in zip(rows["clone"], names, strict=True)])
    log2 = expected_log2_ratio(RESPONSE)[state]
    call = np.select([state > 2, state < 2], [GAIN, LOSS], NEUTRAL)
    exact = {"se": 0.03, "se_counts": 0.02, "tau": 0.02, "dosage_response": RESPONSE, "parts": "", "n_genes": 500}
    arms = rows.assign(state=state, log2_ratio=log2, call=call, posterior=0.999, **exact)
    return replace(given, given=CEILING, arms=arms, profiles=given.profiles.iloc[:0])


def _column(table: pd.DataFrame, name: str) -> dict[str, Any]:
    """{clone: value}."""
    return dict(zip(table["clone"].astype(str), table[name].fillna(""), strict=True))


def judge(cases: Sequence[Given], answers: Sequence[pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Tables ``patients`` (a row per patient and what was given), ``support`` (per branch) and ``reliability``."""
    rows, branches = [], []
    for given, table in zip(cases, answers, strict=True):
        real = trees.parents_of(given.truth, "clone")
        answer = trees.parents_of(table, "branch")
        metrics = trees.tree_metrics(real, answer, matched=given.matched)
        chance = trees.tree_chance(real, answer, matched=given.matched, n=200)
        sampled = frozenset(given.sampled)
        rows.append(
            {
                "seed": given.seed, "patient": given.patient, "given": given.given, "sampled": len(sampled),
                "pairs": len(trees.ancestor_pairs(real, sampled)), **metrics,
                **{f"chance_{m}": chance[m]["mean"] for m in ("recall", "precision", "distance")},
                "conflicts": int(table["conflict"].ne("").sum()),
            }
        )  # fmt: skip
        support = trees.support_table(real, table, matched=given.matched)
        support = support.merge(table[["branch", "n_events"]], on="branch")
        if len(support):
            branches.append(support.assign(seed=given.seed, patient=given.patient, given=given.given))
    support = pd.concat(branches, ignore_index=True)
    tables = [
        reliability(part["support"], part["right"], bins=10, by="width").assign(given=given)
        for given, part in support.groupby("given", sort=False)
    ]
    return {"patients": pd.DataFrame(rows), "support": support, "reliability": pd.concat(tables, ignore_index=True)}


def summary(result: Mapping[str, pd.DataFrame]) -> str:
    """The figures in words, pooled over patients."""
    lines = []
    for given, part in result["patients"].groupby("given", sort=False):
        hits, real, called, pairs = (int(part[c].sum()) for c in ("hits", "real", "called", "pairs"))
        chance = {m: np.average(part[f"chance_{m}"].astype(float).fillna(0), weights=part[w] + 1e-9)
                  for m, w in (("recall", "real"), ("precision", "called"))}  # fmt: skip
        branches = result["support"][result["support"]["given"] == given]
        sure = branches[branches["support"] >= SURE]
        low, high = jeffreys(hits, real)
        lines += [
            f"{given}: {len(part)} patients, clones {int(part['n'].sum())} of {int(part['sampled'].sum())} sampled",
            f"  ancestor-descendant pairs: {hits} of {real} found ({hits / real:.3f}, 95% {low:.3f} to {high:.3f}, "
            f"chance {chance['recall']:.2f}); of all {pairs} sampled pairs {hits / pairs:.3f}",
            f"  {hits} of {called} called pairs right ({hits / max(called, 1):.3f}, chance {chance['precision']:.2f}); "
            f"relation of two clones right {part['relation'].mean():.3f}, distance of trees "
            f"{part['distance'].mean():.3f}",
            f"  branches with support >= {SURE}: {int(sure['right'].sum())} of {len(sure)} right "
            f"({sure['right'].mean():.3f}), all {len(branches)}: {branches['right'].mean():.3f}; conflicts in time: "
            f"{int(part['conflicts'].sum())}",
        ]  # fmt: skip
        lines += [
            f"    support {r['from']:.1f} to {r['to']:.1f}: {r['share']:.2f} of {r['n']} right (mean {r['mean_p']:.2f})"
            for _, r in result["reliability"][result["reliability"]["given"] == given].iterrows()
        ]
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
