"""Burden, growth and labels on the simulator's random patients, in marrows with and without patches; cells are known.

    PYTHONPATH=workflow/lib python benchmarks/punctures.py --seeds 301 302 --patients 60 --out benchmarks/results

The accuracy benchmark's road judges some tens of intervals. Here no matrices are made: of each capture only the types
and clones of its cells are drawn, and the chapter reads the true calls beside the simulated clinic's tables. What is
left of the road's error is the punctures', the assays' and the counting; clones and calls are judged elsewhere.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import argparse
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from marrowclone.keys import MALIGNANT, NORMAL
from marrowclone.score.fractions import burden_metrics, burden_table
from marrowclone.score.growth import growth_metrics, growth_table
from marrowclone.score.labels import label_metrics, label_scores, label_table
from marrowclone.score.shares import share
from marrowclone.simulate import simulate
from marrowclone.simulate.cohort import Cohort
from marrowclone.simulate.composition import draw_cells
from marrowclone.simulate.punctures import patch
from marrowclone.simulate.streams import stream
from suite.evolution_cases import Patient
from suite.evolution_run import Answer, infer
from suite.methods import defaults

#: What the chapter reads of the simulated response table.
RESPONSE = [
    "patient", "day", "response", "m_protein", "m_protein_unit", "kappa_flc", "lambda_flc", "bm_pc_percent",
    "bm_pc_method",
]  # fmt: skip
#: Good cells of a clone that a day's captures (or an earlier day's) must hold on average for its label to be asked for.
KNOWABLE = 3
LOST = "lost (below limit)"
TABLES = ("burden", "growth", "labels", "lost")
#: Rungs of the burden's ladder that are told apart.
SOURCES = {"NGS": "NGS, NGF", "NGF": "NGS, NGF", "scRNA": "capture", "aspirate": "aspirate"}


def patients(seed: int, number: int, patchiness: float) -> Cohort:
    """A random cohort; the same patients for every ``patchiness``."""
    population = {"patients": number, "donors": 0, "sorted": 0.4}
    return simulate({"name": "punctures", "seed": seed, "patchiness": patchiness, "population": population})


def known(cohort: Cohort, name: str, clinic: Mapping[str, pd.DataFrame]) -> Patient:
    """What the chapter reads of a patient whose cells' types and clones are known; ``clinic``: of the whole cohort."""
    spec, course, seed = cohort.spec["patients"][name], cohort.courses[name], cohort.spec["seed"]
    kept, plasma, clones, samples = [], [], [], {}
    sheet = cohort.sheet[cohort.sheet["patient"] == name]
    for sample, row in zip(spec["samples"], sheet.to_dict("records"), strict=True):
        day, where = sample["day"], str(row["sample"])
        settings = sample["capture"]
        good = round(sample["cells"] * (1.0 - settings["empty"]) * (1.0 - settings["dying"]))
        held = course.at(day) * patch(spec, course, day, name=name, seed=seed)
        drawn = draw_cells(sample, burden=held, clones=course.clones, n=good, rng=stream(seed, "known cells", where))
        drawn = drawn.assign(cell=[f"{where}:{i}" for i in range(len(drawn))], sample=where)
        drawn["call"] = np.where(drawn["clone"] != "", MALIGNANT, NORMAL)
        kept.append(drawn[["cell", "sample"]])
        plasma.append(drawn.loc[drawn["cell_type"] == "plasma", ["cell", "sample", "call"]])
        clones.append(drawn.loc[drawn["clone"] != "", ["cell", "sample", "clone"]].assign(posterior=1.0))
        samples[where] = {k: row[k] for k in ("timepoint", "day", "compartment", "sort")}
    kept, plasma, clones = (pd.concat(t, ignore_index=True) for t in (kept, plasma, clones))
    clinic = {k: t[t["patient"] == name].reset_index(drop=True) for k, t in clinic.items()}
    therapy = clinic["therapy"].assign(classes=clinic["therapy"]["classes"].str.replace(",", ";"))
    mrd = clinic["mrd"].assign(first_pull=clinic["mrd"]["first_pull"].eq("true"))
    tables = {"clone_cells": clones, "malignant": plasma, "kept": kept, "healthy": []}
    return Patient(
        name, "", course.clones, (), tuple(s["day"] for s in spec["samples"]), course.burden, samples, tables, (),
        therapy, mrd, clinic["response"][RESPONSE],
    )  # fmt: skip


def judge(cohort: Cohort, name: str, answer: Answer, truth: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Rows of a patient by :data:`TABLES`; ``truth``: of the whole cohort."""
    truth = {k: t[t["patient"] == name].reset_index(drop=True) for k, t in truth.items()}
    same = {c: c for c in cohort.courses[name].clones}
    asked = truth["labels"][["expected_cells", "most_cells_before"]].max(axis=1) >= KNOWABLE
    return {
        "burden": burden_table(answer.burden, truth["fractions"]),
        "growth": growth_table(answer.dynamics, truth["fractions"], matched=same),
        "labels": label_table(answer.labels, truth["labels"][asked], matched=same),
        "lost": lost_rows(answer, cohort, name),
    }


def lost_rows(answer: Answer, cohort: Cohort, name: str) -> pd.DataFrame:
    """Clones that are called lost, with the true burden now over that of the day on which they were last seen.

    The simulator's own label asks for absence (1e-7), which no sample shows; the call says a tenth or less.
    """
    course = cohort.courses[name]
    cells = answer.fractions.groupby(["clone", "day"])["n_clone"].sum()
    rows = []
    for row in answer.labels[answer.labels["label"] == LOST].to_dict("records"):
        of = cells[row["clone"]]
        seen = [d for d in of.index[of >= KNOWABLE] if d < row["day"]]
        k = course.clones.index(row["clone"])
        rows.append(
            {"clone": row["clone"], "day": row["day"], "ratio": course.at(row["day"])[k] / course.at(seen[-1])[k]}
        )
    return pd.DataFrame(rows, columns=["clone", "day", "ratio"])


def one(job: tuple[int, int, float, int | None]) -> dict[str, pd.DataFrame]:
    """All rows of one seed's cohort."""
    seed, number, patchiness, draws = job
    cohort, settings = patients(seed, number, patchiness), defaults("evolution")
    if draws:
        settings["estimate_fractions"]["draws"] = draws
    clinic, truth = cohort.clinical(), cohort.truth()
    parts: dict[str, list[pd.DataFrame]] = {t: [] for t in TABLES}
    for name in cohort.spec["patients"]:
        person = known(cohort, name, clinic)
        if person.tables["clone_cells"].empty:
            continue
        found = judge(cohort, name, infer(person, settings=settings, seed=seed, with_state=False), truth)
        for table, rows in found.items():
            parts[table].append(rows.assign(patient=f"{seed}_{name}", patchiness=patchiness))
    return {t: pd.concat([f for f in p if len(f)] or p[:1], ignore_index=True) for t, p in parts.items()}


def run(
    seeds: Sequence[int], number: int, patchiness: Sequence[float], *, cores: int, draws: int | None
) -> dict[str, pd.DataFrame]:
    """Tables of all cohorts."""
    jobs = [(s, number, p, draws) for p in patchiness for s in seeds]
    with ProcessPoolExecutor(cores) as pool:
        found = list(pool.map(one, jobs))
    return {t: pd.concat([f[t] for f in found], ignore_index=True) for t in TABLES}


def figures(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Every figure: patchiness, what, value, lower, upper (95%), n."""
    rows: list[dict[str, Any]] = []
    for patchiness, burden in tables["burden"].groupby("patchiness"):

        def add(what: str, value: float, n: int, lower: float = np.nan, upper: float = np.nan, of=patchiness) -> None:
            rows.append({"patchiness": of, "what": what, "value": value, "lower": lower, "upper": upper, "n": n})

        def ratio(what: str, metrics: Mapping[str, Any], key: str, say=add) -> None:
            say(what, metrics[key], metrics[f"{key}_n"], metrics[f"{key}_lower"], metrics[f"{key}_upper"])

        part = {t: tables[t][tables[t]["patchiness"] == patchiness] for t in TABLES}
        source = burden["source"].str.split().str[0].map(SOURCES).fillna("other")
        for name, of in [("all", burden), *burden.groupby(source)]:
            metrics = burden_metrics(of)
            add(f"burden, {name}: median log10 error", metrics["error"], metrics["n"])
            ratio(f"burden, {name}: true value in the interval", metrics, "coverage")
        metrics = growth_metrics(part["growth"])
        add("growth: median error per month", metrics["error"], metrics["n"])
        for key, name in (
            ("coverage_both", "growth, known at both ends: true value in the interval"),
            ("coverage_lower_bound", "growth, below the limit at the start: true value in the interval"),
            ("coverage_upper_bound", "growth, below the limit at the end: true value in the interval"),
            ("sign", "growth: right sign"), ("sign_decided", "growth, interval on one side of 0: right sign"),
        ):  # fmt: skip
            ratio(name, metrics, key)
        for row in label_scores(part["labels"]).to_dict("records"):
            for key, n in (("precision", "called"), ("recall", "real")):
                hits = share(int(row["hits"]), int(row[n]))
                add(f"label {row['label']}: {key}", row[key], row[n], hits["lower"], hits["upper"])
        lost = share(int((part["lost"]["ratio"] <= 0.1).sum()), len(part["lost"]))
        add(
            f"label {LOST}: truly a tenth or less of when last seen",
            lost["value"],
            lost["n"],
            lost["lower"],
            lost["upper"],
        )
        ratio("fast clones called dormant", label_metrics(part["labels"]), "false_dormant")
    return pd.DataFrame(rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status. A figure that is not as one would wish is a result, not a failure."""
    parser = argparse.ArgumentParser(prog="benchmarks/punctures.py", description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[301, 302, 303])
    parser.add_argument("--patients", type=int, default=60, help="random patients per seed")
    parser.add_argument("--patchiness", type=float, nargs="+", default=[0.0, 0.3], help="SDs, log10, of punctures")
    parser.add_argument("--draws", type=int, help="posterior draws (default: the setting)")
    parser.add_argument("--cores", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"), help="folder to write")
    options = parser.parse_args(arguments)
    started = time.monotonic()
    tables = run(options.seeds, options.patients, options.patchiness, cores=options.cores, draws=options.draws)
    options.out.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        table.to_csv(options.out / f"punctures_{name}.tsv", sep="\t", index=False, float_format="%.6g")
    found = figures(tables)
    found.to_csv(options.out / "punctures.tsv", sep="\t", index=False, float_format="%.6g")
    with pd.option_context("display.width", 200, "display.max_rows", 500, "display.max_colwidth", 90):
        print(found.round(3).to_string(index=False))
    print(f"{len(options.seeds) * options.patients} patients in {time.monotonic() - started:.0f} s")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
