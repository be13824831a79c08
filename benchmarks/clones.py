"""Clones given the true malignant cells, beside what their dosage would allow and beside today's tools.

    make benchmark-clones    # PYTHONPATH=workflow/lib .venv/bin/python benchmarks/clones.py [--seeds 1 2 --no-peers]

Which cells are malignant is known here, so that nothing but the clones is judged: tumours of five well or badly read
clones and random ones at 2,000, 4,800 and 10,000 UMI, a clone of 2%, one clone alone, batches, MRD, and events imposed
on real cells. The dosage oracle is told the clones' copies and shares (docs/benchmarks.md). With ``--cells`` the time
and memory of one patient of so many cells are measured instead. Tables are written under ``benchmarks/results/``.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
if __name__ == "__main__":  # before numpy loads, and not where a test imports this: the setting outlives the import
    if "--cells" not in sys.argv:  # one thread a process: several processes run beside each other
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS", "MKL_NUM_THREADS"):
            os.environ.setdefault(name, "1")

import numpy as np
import pandas as pd

from marrowclone.clones.infer import infer_clones
from marrowclone.keys import MALIGNANT
from marrowclone.resources import gene_table
from marrowclone.score import clones as score
from marrowclone.simulate.cohort import Cohort
from marrowclone.tables import write_text
from suite import clone_cases, imposed
from suite.case import Case, Cells, case_of, draw, usable_cells
from suite.expect import OURS
from suite.jobs import ORACLE, read_answer
from suite.methods import clones_of, defaults, ground
from suite.oracle import dosage_oracle
from suite.run import checked

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data"
#: Tools that are given the same cells, with normal plasma cells as reference; others have no clones or take an hour.
TOOLS = ("infercnvpy_plasma", "cnvturbo_plasma", "swiftcnv_plasma", "valius-kopya_plasma")
#: Posterior from which an MRD cell counts as assigned (the question of the issue of sparse timepoints).
SURE_AT_MRD = 0.9
REAL = "imposed_t_cells"
CAPTURE = {"ambient": [0.02, 0.10], "doublet_rate": 0.03, "dying": 0.04, "empty": 0.05}
#: Cells of the present seed, simulated and imposed; worker processes inherit them.
_DRAWN: dict[str, Cells] = {}


def cohort(seed: int, data: Path | None, kinds: Sequence[str]) -> Cells:
    """All patients of a seed with their donors."""
    spec = {
        "name": "clones", "seed": seed, "expression": imposed.expression(data), "capture": CAPTURE,
        "patients": clone_cases.patients(seed, kinds) | clone_cases.donors(),
    }  # fmt: skip
    return usable_cells(draw(Cohort(checked(spec))))


def true_cells(case: Case) -> pd.DataFrame:
    """cell, sample of the patient's malignant single cells."""
    own = (case.obs["patient"] == case.patient) & case.obs["malignant"].astype(bool)
    return case.obs.loc[own & ~case.obs["doublet"].astype(bool), ["cell", "sample"]].sort_values("cell")


def judged(answer: pd.DataFrame, case: Case) -> dict[str, Any]:
    """Metrics of one answer (cell, clone, best_clone, posterior) over the true malignant cells."""
    truth = case.obs[(case.obs["patient"] == case.patient) & case.obs["malignant"].astype(bool)]
    answer = answer.assign(score=np.nan, p_malignant=np.nan, call=MALIGNANT)
    answer = answer[answer["cell"].isin(truth["cell"])]
    m = score.clone_metrics(answer, truth)
    per = score.per_clone(answer, truth)
    row = {
        "n": m["n"], "true": m["n_true"], "found": m["n_found"], "invented": m["invented"], "ARI": m["ari"],
        "ARI sure": m["ari_confident"], "share sure": m["confident"], "ECE": m["ece_count"],
        "clone-capture ARI": m["leakage"], "smallest F1": float(per["f1"].iloc[-1]) if len(per) else np.nan,
    }  # fmt: skip
    few = truth[(truth["timepoint"] == "mrd") & ~truth["doublet"].astype(bool)]
    if len(few) and answer["posterior"].notna().any():
        named = dict(zip(per["clone"], per["estimated"], strict=True))
        both = few[["cell", "clone"]].rename(columns={"clone": "true"}).merge(answer, on="cell")
        sure = both[both["posterior"] >= SURE_AT_MRD]
        row |= {
            "MRD cells": len(both), "MRD sure": len(sure),
            "MRD right": int((sure["clone"] == sure["true"].map(named)).sum()),
        }  # fmt: skip
    return row


def run_patient(job: tuple[int, str, tuple[str, ...]]) -> list[dict[str, Any]]:
    """Ours, the oracle and the peers on one patient."""
    seed, patient, tools = job
    case = case_of(_DRAWN["imposed" if patient == "REAL" else "simulated"], patient, name=patient)
    name = REAL if patient == "REAL" else patient
    rows = []

    def add(tool: str, answer: pd.DataFrame, seconds: float) -> None:
        rows.append({"case": name, "seed": seed, "tool": tool, "seconds": seconds, **judged(answer, case)})

    on, started = ground(case), time.process_time()
    add(OURS, clones_of(case, on, true_cells(case)), time.process_time() - started)
    oracle = dosage_oracle(case)
    if oracle is not None:
        add(ORACLE, oracle.cells, np.nan)
    for tool in tools:
        answer, seconds = _peer(tool, case)
        if answer is not None:
            add(tool, answer, seconds)
    return rows


def _peer(tool: str, case: Case) -> tuple[pd.DataFrame | None, float]:
    """A peer's cells, and the seconds that it took; None where it failed."""
    from peers.run import run_peer
    from suite.case import write_case

    with tempfile.TemporaryDirectory(prefix="clones_") as folder:
        path, out = Path(folder) / "case.h5ad", Path(folder) / "out"
        write_case(case, path)
        result = run_peer(tool, path, out, timeout=600)
        if result.status != "ok":
            print(f"{tool} on {case.patient}: {result.status} {result.error}", flush=True)
            return None, np.nan
        cells = read_answer(out, answers=frozenset(("clones",))).cells
        # no peer says how sure it is of a cell's clone
        return cells.assign(posterior=np.nan), result.seconds


def run(
    seeds: Sequence[int], *, data: Path | None, cores: int, tools: tuple[str, ...], kinds: Sequence[str]
) -> pd.DataFrame:
    """A row per case, seed and tool; peers on the first seed only."""
    rows: list[dict[str, Any]] = []
    for seed in seeds:
        started = time.monotonic()
        _DRAWN.clear()
        simulated = _DRAWN["simulated"] = cohort(seed, data, kinds)
        people = [p for p in dict.fromkeys(simulated.obs["patient"]) if p not in simulated.donors]
        if data is not None and "real" in kinds:
            _DRAWN["imposed"] = imposed.cells_of(data, seed=seed)
            people.append("REAL")
        jobs = [(seed, p, tools if seed == seeds[0] else ()) for p in people]
        with ProcessPoolExecutor(cores, mp_context=multiprocessing.get_context("fork")) as pool:
            for found in pool.map(run_patient, jobs):
                rows += found
        print(f"seed {seed}: {len(people)} patients in {time.monotonic() - started:.0f} s", flush=True)
    return pd.DataFrame(rows)


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Means over seeds by case and tool; sums where cells are counted."""
    counted = [c for c in ("MRD cells", "MRD sure", "MRD right") if c in rows]
    means = rows.drop(columns="seed").groupby(["case", "tool"], sort=False).mean(numeric_only=True)
    means[counted] = rows.groupby(["case", "tool"], sort=False)[counted].sum(min_count=1)
    means.insert(0, "patients", rows.groupby(["case", "tool"], sort=False).size())
    return means.reset_index()


def verdicts(rows: pd.DataFrame) -> list[tuple[str, str, bool]]:
    """What was asked, what was measured, and whether it is met."""
    ours, oracle = (
        rows[rows["tool"] == OURS].set_index(["case", "seed"]),
        rows[rows["tool"] == ORACLE].set_index(["case", "seed"]),
    )
    out: list[tuple[str, str, bool]] = []

    def ask(text: str, value: float, met: bool, n: int) -> None:
        out.append((text, f"{value:.3f} (n {n})", met))

    both = ours.join(oracle[["ARI", "share sure"]], rsuffix=" oracle", how="inner")
    by_case = both.groupby("case", sort=False)[
        ["ARI", "ARI oracle", "ARI sure", "share sure", "share sure oracle", "ECE"]
    ].mean()
    for case, r in by_case.iterrows():
        n = int((both.index.get_level_values("case") == case).sum())
        ratio = r["ARI"] / r["ARI oracle"]
        ask(f"{case}: ARI at least .90 of the oracle's", ratio, ratio >= 0.90, n)
        ask(f"{case}: ARI of sure cells at least .95", r["ARI sure"], r["ARI sure"] >= 0.95, n)
        share = r["share sure"] / r["share sure oracle"]
        ask(f"{case}: share of sure cells at least .9 of the oracle's", share, share >= 0.9, n)
        ask(f"{case}: calibration error at most .05", r["ECE"], r["ECE"] <= 0.05, n)
    for case, rows_ in ours.groupby("case", sort=False):
        n = len(rows_)
        if case == "small":
            hit = float((rows_["smallest F1"] >= score.FOUND_F1).mean())
            ask("small: found in at least .80 of patients", hit, hit >= 0.8, n)
        if case == "mono":
            one = float((rows_["found"] == 1).mean())
            ask("mono: one clone in at least .95 of patients", one, one >= 0.95, n)
        if case == "batch":
            leak = float(rows_["clone-capture ARI"].mean())
            ask("batch: clone-capture ARI at most .05", leak, leak <= 0.05, n)
        if case == "mrd":
            right = rows_["MRD right"].sum() / max(rows_["MRD sure"].sum(), 1)
            ask("mrd: sure cells at MRD right in at least .90", right, right >= 0.9, int(rows_["MRD sure"].sum()))
    invented = ours["invented"]
    ask("clones invented per patient", float(invented.mean()), bool((invented == 0).all()), len(invented))
    return out


def timing(sizes: Sequence[int], seed: int) -> Iterator[dict[str, Any]]:
    """Seconds, memory and ARI of one patient of about so many malignant cells."""
    import resource

    for size in sizes:
        patient = clone_cases.five_of(size, seed)
        spec = {"name": "clones", "seed": seed, "patients": {"five": patient}, "expression": imposed.expression(None)}
        cells = usable_cells(draw(Cohort(checked(spec))))
        own = np.flatnonzero((cells.obs["malignant"].astype(bool) & ~cells.obs["doublet"].astype(bool)).to_numpy())
        counts, who = cells.counts[own], cells.obs.iloc[own].reset_index(drop=True)
        del cells
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        wall, cpu = time.perf_counter(), time.process_time()
        found = infer_clones(
            counts, who[["cell", "sample"]], gene_table().set_index("symbol").assign(measured=True), pd.DataFrame(),
            settings=defaults("clones")["infer_clones"], seed=seed,
        ).cells.merge(who[["cell", "clone"]].rename(columns={"clone": "true"}), on="cell")  # fmt: skip
        yield {
            "cells": len(own), "seconds": time.perf_counter() - wall, "processor seconds": time.process_time() - cpu,
            "counts, GB": (counts.data.nbytes + counts.indices.nbytes) / 1e9,
            "peak, GB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, "peak before, GB": before / 1e6,
            "clones": found["best_clone"].nunique(), "ARI": score.rand(found["true"], found["best_clone"]),
        }  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    """Run the command; the exit status. A question that is not met is a result, not a failure."""
    parser = argparse.ArgumentParser(prog="benchmarks/clones.py", description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[20261, 20262, 20263])
    parser.add_argument("--kinds", nargs="+", default=[*clone_cases.KINDS, "real"], help="kinds of patients, or 'real'")
    parser.add_argument("--no-peers", action="store_true", help="leave today's tools out")
    parser.add_argument("--cells", type=int, nargs="+", help="measure time and memory at these numbers of cells")
    parser.add_argument("--cores", type=int, default=os.cpu_count())
    parser.add_argument("--data", type=Path, default=DATA if DATA.is_dir() else None, help="public data sets")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results")
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    if options.cells:
        table = pd.DataFrame(timing(options.cells, options.seeds[0]))
        write_text(options.out / "clones_speed.tsv", table.to_csv(sep="\t", index=False))
        print(table.round(3).to_string(index=False))
        return 0
    tools = () if options.no_peers else TOOLS
    rows = run(options.seeds, data=options.data, cores=options.cores, tools=tools, kinds=options.kinds)
    write_text(options.out / "clones_cases.tsv", rows.to_csv(sep="\t", index=False))
    table = summary(rows)
    write_text(options.out / "clones.tsv", table.to_csv(sep="\t", index=False))
    print(table.round(3).to_string(index=False), end="\n\n")
    for text, value, met in verdicts(rows):
        print(f"{'met   ' if met else 'MISSED'} {text}: {value}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
