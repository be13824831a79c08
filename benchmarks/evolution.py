"""Clones through time on patients of known course: fractions, burden, growth and labels beside truth and ceiling.

    PYTHONPATH=workflow/lib python benchmarks/evolution.py --seeds 101 102 --patients 60 --out benchmarks/results

No single-cell matrices are made: a generator of its own (``suite/evolution_cases.py``) draws what the chapter's steps
read, and its scripts' functions run on that. Settings are chosen on seeds 1 to 5; figures are told of seeds from 101.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import argparse
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from marrowclone.score.shares import coverage, share
from suite import evolution_judge as judge
from suite.evolution_cases import DORMANT, FOLLOWED, GAIN_1Q, MACROPHAGES, PLENTY, patient
from suite.evolution_run import infer
from suite.methods import defaults

SUPPORTED, COMPATIBLE = "dormant, supported", "dormant-compatible"
TABLES = ("fractions", "burden", "growth", "places", "cycling")


def one(job: tuple[int, int, str], *, draws: int | None) -> dict[str, pd.DataFrame]:
    """Tables of one patient: :data:`TABLES`."""
    seed, number, scenario = job
    person = patient(seed, number, scenario=scenario)
    settings = defaults("evolution")
    if draws:
        settings["estimate_fractions"]["draws"] = draws
    with_state = bool(scenario) or DORMANT in person.kinds
    answer = infer(person, settings=settings, seed=seed, with_state=with_state)
    made = {
        "fractions": judge.fraction_rows(person, answer),
        "burden": judge.burden_rows(person, answer),
        "growth": judge.growth_rows(person, answer),
        "places": judge.place_rows(person, answer, seed=seed * 1000 + number),
        "cycling": judge.cycling_rows(person, answer),
    }
    return {name: table.assign(seed=seed, number=number, scenario=scenario) for name, table in made.items()}


def run(
    seeds: Sequence[int], patients: int, scenarios: int, *, cores: int, draws: int | None
) -> dict[str, pd.DataFrame]:
    """Tables of all patients."""
    jobs = [(s, i, "") for s in seeds for i in range(patients)]
    jobs += [
        (s, 10_000 + i, what)
        for s in seeds
        for i in range(scenarios)
        for what in (GAIN_1Q, MACROPHAGES, FOLLOWED, PLENTY)
    ]
    with ProcessPoolExecutor(cores) as pool:
        found = list(pool.map(partial(one, draws=draws), jobs, chunksize=4))
    return {name: pd.concat([f[name] for f in found if len(f[name])], ignore_index=True) for name in TABLES}


def has(places: pd.DataFrame, *labels: str) -> pd.Series:
    """Whether a place has one of these labels."""
    return places["labels"].str.split("|").map(lambda given: bool(set(given) & set(labels))).astype(bool)


def figures(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Every figure: group, what, value, lower, upper (95%), hits, n."""
    rows: list[dict[str, Any]] = []

    def add(group: str, what: str, value: Mapping[str, float]) -> None:
        rows.append({"group": group, "what": what, **value})

    def number(group: str, what: str, values: Any) -> None:
        x = np.asarray(values, dtype=float)
        x = x[np.isfinite(x)]
        add(group, what, {"value": float(np.median(x)) if len(x) else np.nan, "n": len(x)})

    f = tables["fractions"]
    for kind, part in f[f["cells"] > 0].groupby("kind"):
        group = {"none": "unsorted", "CD138+": "CD138-sorted", "blood": "blood"}[str(kind)]
        add(
            "fractions",
            f"{group}: 95% interval holds truth",
            coverage(part["true_fraction"], part["lower"], part["upper"]),
        )
        many = part[(part["cells"] >= 20) & (part["true_fraction"].between(0.02, 0.98))]
        add(
            "fractions",
            f"{group}, 20 cells, fraction .02 to .98",
            coverage(many["true_fraction"], many["lower"], many["upper"]),
        )
        number("fractions", f"{group}: median width", part["upper"] - part["lower"])
        number("fractions", f"{group}: median absolute error", (part["fraction"] - part["true_fraction"]).abs())
        given = part[part["burden_upper"].notna()]
        add(
            "clone burden",
            f"{group}: 95% interval holds truth",
            coverage(given["true_burden"], given["burden_lower"], given["burden_upper"]),
        )
        point = given[given["burden"].notna()]
        number("clone burden", f"{group}: median |log10 error|", np.log10(point["burden"] / point["true_burden"]).abs())
    b = tables["burden"]
    for name, part in [("all", b), *b.groupby(b["source"].str.split().str[0])]:
        for kind, sub in part.groupby("kind"):
            what = f"{name}, {'unsorted' if kind == 'none' else kind}"
            add(
                "burden",
                f"{what}: 95% interval holds truth",
                coverage(sub["truth"], sub["burden_lower"], sub["burden_upper"]),
            )
            number("burden", f"{what}: median |log10 error|", np.log10(sub["burden"] / sub["truth"]).abs())
            number("burden", f"{what}: median log10 error", np.log10(sub["burden"] / sub["truth"]))
    g = tables["growth"]
    for bound in ("", "lower", "upper"):
        part = g[g["bound"] == bound]
        add(
            "growth",
            f"bound '{bound}': 95% interval holds truth",
            coverage(part["truth"], part["lower"], part["upper"]),
        )
    both = g[(g["bound"] == "") & g["growth_per_month"].notna()]
    number("growth", "median |error| per month", (both["growth_per_month"] - both["truth"]).abs())
    add("growth", "both ends: 90% interval holds truth", coverage(both["truth"], both["lower90"], both["upper90"]))
    seen = g[(g["n_from"] > 0) & (g["n_to"] > 0) & (g["n_clones"] > 1)]
    add(
        "growth",
        "relative fitness, seen at both ends: 95%",
        coverage(seen["true_fitness"], seen["fitness_lower"], seen["fitness_upper"]),
    )
    rows += label_figures(tables["places"])
    rows += scenario_figures(tables)
    return pd.DataFrame(rows)


def label_figures(places: pd.DataFrame) -> list[dict[str, Any]]:
    """Figures of labels; scenarios are left out."""
    p = places[places["scenario"] == ""]
    rows: list[dict[str, Any]] = []

    def add(group: str, what: str, hits: Any, n: Any) -> None:
        rows.append({"group": group, "what": what, **share(int(hits), int(n))})

    for label, sign, column in (("expanding", 1, "up"), ("contracting", -1, "down")):
        truth = sign * p["truth"] > judge.YEARLY
        enough = (p["cells"] if sign > 0 else p["cells_before"]) >= judge.LEAST
        real, called = p[truth & enough], p[has(p, label)]
        hit = has(real, label)
        add(label, "recall, of clones with 3 cells", hit.sum(), len(real))
        told = real[real["knowable"]]
        add(label, "share with burden at both ends", len(told), len(real))
        add(label, "recall, of these", has(told, label).sum(), len(told))
        for name, words in (("oracle", "same assays"), ("protein", "and M-protein"), ("exact", "burden exactly known")):
            add(label, f"ceiling, {words}", (told[f"{name}_{column}"] >= 0.8).sum(), len(told))
        speed = {"doubling/halving < 3 months": (3, 0), "3 to 6": (6, 3), "6 to 12": (12, 6)}
        for name, (slow, quick) in speed.items():
            rate = sign * told["truth"]
            part = told[(rate > np.log(2) / slow) & (rate <= (np.log(2) / quick if quick else np.inf))]
            add(label, f"recall, {name}", has(part, label).sum(), len(part))
            add(label, f"ceiling, {name}", (part[f"oracle_{column}"] >= 0.8).sum(), len(part))
        add(label, "false, of those called", (sign * called["truth"] <= judge.YEARLY).sum(), len(called))
        not_real = p[~truth & enough & p["knowable"]]
        add(label, "false, of those that are not", has(not_real, label).sum(), len(not_real))
        add(label, "oracle: false, of those called", (not_real[f"oracle_{column}"] >= 0.8).sum(),
            (p.loc[enough & p["knowable"], f"oracle_{column}"] >= 0.8).sum())  # fmt: skip
    rest = p["state"] == "at rest, low"
    for label in (COMPATIBLE, SUPPORTED):
        called = has(p, label)
        add("dormancy", f"{label}: precision", (called & rest).sum(), called.sum())
        add("dormancy", f"{label}: recall of clones at rest, 3 cells", (called & rest & (p["cells"] >= 3)).sum(),
            (rest & (p["cells"] >= 3)).sum())  # fmt: skip
    low = p[rest & (p["cells"] >= judge.LEAST)]
    for least, label in ((0.5, COMPATIBLE), (0.8, SUPPORTED)):
        add(
            "dormancy",
            f"{label}: ceiling of that recall (growth alone)",
            (low["rest_possible"] >= least).sum(),
            len(low),
        )
    fast = p[p["state"].str.startswith("fast")]
    clones = has(fast, COMPATIBLE, SUPPORTED).groupby([fast["patient"], fast["clone"]]).any()
    add("dormancy", "fast clones ever called dormant while fast", clones.sum(), len(clones))
    back = p[p["re_emergent"]]
    add("re-emergent", "found, of those whose middle sample was enough", has(back, "re-emergent").sum(), len(back))
    add("re-emergent", "found or called expanding", has(back, "re-emergent", "expanding").sum(), len(back))
    called = p[has(p, "re-emergent")]
    add(
        "re-emergent",
        "precision (truly a tenth or less between)",
        (called["lowest_before"] < called["burden"] / 10).sum(),
        len(called),
    )
    new = p[has(p, "new")]
    add("new", "precision (truly below a tenth before)", (new["before"] < new["burden"] / 10).sum(), len(new))
    return rows


def scenario_figures(tables: Mapping[str, pd.DataFrame]) -> list[dict[str, Any]]:
    """Figures of the scenarios of state: gain of 1q, macrophage doublets."""
    rows = []
    cycling = tables["cycling"]
    for name, part in cycling.groupby("scenario"):
        group = f"state: {name or 'plain patients'}"
        used = part[part["n_used"] >= 20]
        rows.append(
            {
                "group": group,
                "what": "cycling interval holds truth (90%)",
                **coverage(used["share"], used["lower"], used["upper"]),
            }
        )
        # three times the truth is what waking means (waking_factor); a lower end is one-sided: 5% by chance
        rows.append({"group": group, "what": "false proliferation: lower end above 3 x truth and 1%",
                     **share(int((used["lower"] > np.maximum(3 * used["share"], 0.01)).sum()), len(used))})  # fmt: skip
    p = tables["places"]
    for name in (GAIN_1Q, MACROPHAGES, FOLLOWED, PLENTY):
        part = p[p["scenario"] == name]
        low = part[(part["state"] == "at rest, low") & (part["cells"] >= judge.LEAST)]
        for least, label in ((0.5, COMPATIBLE), (0.8, SUPPORTED)):
            said = part[has(part, label)]
            for what, of in (
                (f"{label}: precision", said["state"] == "at rest, low"),
                (f"{label}: recall of clones at rest, 3 cells", has(low, label)),
                (f"{label}: ceiling of that recall (growth alone)", low["rest_possible"] >= least),
            ):
                rows.append({"group": f"state: {name}", "what": what, **share(int(of.sum()), len(of))})
        moving = part[part["state"].str.startswith(("fast", "expanding"))]
        rows.append({"group": f"state: {name}", "what": "growing clones called dormant",
                     **share(int(has(moving, COMPATIBLE, SUPPORTED).sum()), len(moving))})  # fmt: skip
        rest = part[part["state"].str.startswith("at rest")]
        rows.append({"group": f"state: {name}", "what": "resting clones called reactivating by state",
                     **share(int(rest["by_state"].sum()), len(rest))})  # fmt: skip
    return rows


def confusion(places: pd.DataFrame) -> pd.DataFrame:
    """True state (rows) by label (columns): share of the state's places that have the label; n."""
    p = places[
        (places["scenario"] == "") & ((places["cells"] >= judge.LEAST) | (places["cells_before"] >= judge.LEAST))
    ]
    long = p.assign(label=p["labels"].str.split("|")).explode("label")
    long = long.drop_duplicates(["patient", "clone", "day", "label"])
    table = pd.crosstab(long["state"], long["label"])
    n = p["state"].value_counts()
    return table.div(n, axis=0).round(3).assign(n=n).fillna(0)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status. A bar that is not met is a result, not a failure."""
    parser = argparse.ArgumentParser(prog="benchmarks/evolution.py", description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[101, 102, 103])
    parser.add_argument("--patients", type=int, default=60, help="patients per seed")
    parser.add_argument("--scenarios", type=int, default=6, help="patients per seed and scenario of state")
    parser.add_argument("--draws", type=int, help="posterior draws (default: the setting)")
    parser.add_argument("--cores", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"), help="folder to write")
    options = parser.parse_args(arguments)
    started = time.monotonic()
    tables = run(options.seeds, options.patients, options.scenarios, cores=options.cores, draws=options.draws)
    options.out.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        table.to_csv(options.out / f"evolution_{name}.tsv", sep="\t", index=False)
    found = figures(tables)
    found.to_csv(options.out / "evolution.tsv", sep="\t", index=False)
    crossed = confusion(tables["places"])
    crossed.to_csv(options.out / "evolution_confusion.tsv", sep="\t")
    with pd.option_context(
        "display.width", 250, "display.max_rows", 500, "display.max_columns", 40, "display.max_colwidth", 80
    ):
        print(found.round(3).to_string(index=False))
        print(crossed.to_string())
    print(f"{len(options.seeds) * options.patients} patients in {time.monotonic() - started:.0f} s")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
