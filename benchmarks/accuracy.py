"""Accuracy on cohorts that know the truth, beside the tools that people use today.

    make benchmark-accuracy      # PYTHONPATH=workflow/lib .venv/bin/python benchmarks/accuracy.py [--quick]

Every capture is drawn once. Our method and every peer get the same cells of each scenario (true cell types; no dying or
empty droplets); the whole workflow gets the same captures as files. Tables, figures and the facts of the run are
written under ``benchmarks/results/``. See docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
if __name__ == "__main__":  # before numpy loads, and not where a test imports this: the setting outlives the import
    # one thread a process: several processes run beside each other
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")

import pandas as pd

from marrowclone.errors import UserError, shown
from marrowclone.tables import write_json, write_text
from suite import figures, summary
from suite.expect import OURS
from suite.imposed import IMPOSED
from suite.plan import FULL, QUICK, Plan
from suite.run import Results, facts_of, run_plan
from suite.scenarios import FOLDER

ROOT = Path(__file__).resolve().parents[1]
#: Where the public data sets are looked for.
DATA = ROOT.parent / "shared" / "data"


def main(arguments: list[str] | None = None) -> int:
    """Run the command; the exit status. An expectation that is not met is a result, not a failure."""
    options = parse(arguments)
    started = time.monotonic()
    try:
        plan = plan_of(options)
        with tempfile.TemporaryDirectory(prefix="accuracy_") as scratch:
            results = run_plan(
                plan, Path(options.scratch or scratch), say=lambda text: print(text, flush=True),
                save=lambda part: write(part, plan, options.out, facts=["the workflow was still to run"]),
            )  # fmt: skip
    except UserError as error:
        print(f"benchmarks/accuracy.py: {error}", file=sys.stderr)
        return 1
    minutes = (time.monotonic() - started) / 60
    write(results, plan, options.out, facts=[*facts_of(plan, results), f"{minutes:.1f} minutes on {plan.cores} cores"])
    print()
    for metric in summary.PRINTED:
        table = summary.by_scenario(
            results.rows, metric, tools=results.tools, scenarios=results.scenarios, status=results.status
        )
        if len(table):
            print(summary.as_text(table, f"{metric} ({summary.TABLED[metric]})"), end="\n\n")
    print(summary.verdict_lines(results.verdicts))
    print(f"\n{minutes:.1f} minutes; tables and figures: {options.out}")
    return 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="benchmarks/accuracy.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    known = ", ".join([*(p.stem for p in sorted(FOLDER.glob("*.yaml"))), *IMPOSED])
    parser.add_argument("scenarios", nargs="*", help=f"some of: {known}; all when none is named")
    parser.add_argument("--quick", action="store_true", help="few scenarios, one seed, the workflow on some of them")
    parser.add_argument("--seeds", type=int, nargs="+", help="seeds of the cohorts")
    parser.add_argument("--tools", nargs="+", help=f"tools to run beside {OURS}; 'none' for no peers")
    layer = parser.add_mutually_exclusive_group()
    layer.add_argument("--no-road", action="store_true", help="leave the whole workflow out")
    layer.add_argument("--only-road", action="store_true", help="the whole workflow alone: no method on given cells")
    parser.add_argument("--data", type=Path, help="public data sets; default: ../shared/data where it is")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--scratch", type=Path, help="keep cases and runs in this folder")
    return parser.parse_args(arguments)


def plan_of(options: argparse.Namespace) -> Plan:
    """What the command line asks for.

    Raises
    ------
    UserError
        when that makes no sense.
    """
    plan = QUICK if options.quick else FULL
    if options.cores < 1:
        raise UserError(f"--cores: found {options.cores}, expected at least 1.")
    seeds = options.seeds or []
    if any(s < 0 for s in seeds) or len(set(seeds)) < len(seeds):
        raise UserError(f"--seeds: found {' '.join(map(str, seeds))}, expected different numbers of at least 0.")
    if options.data is not None and not options.data.is_dir():
        raise UserError(f"--data: {shown(options.data)} is no folder.", hint="leave it out to run without public data.")
    if options.out.exists() and not options.out.is_dir():
        raise UserError(f"--out: {shown(options.out)} is a file.", hint="choose another folder.")
    data = DATA if options.data is None and DATA.is_dir() else options.data
    return plan.with_options(
        scenarios=tuple(options.scenarios), seeds=options.seeds, tools=options.tools, cells=not options.only_road,
        road=not options.no_road, data=data, cores=options.cores,
    )  # fmt: skip


def write(results: Results, plan: Plan, out: Path, *, facts: list[str]) -> None:
    """Tables, figures and the facts of the run."""
    out.mkdir(parents=True, exist_ok=True)
    tables = {
        "accuracy": results.rows, "events": results.events, "status": results.status,
        "expected": pd.DataFrame([v.__dict__ for v in results.verdicts]), "reliability": results.reliability,
        **{f"road_{k}": v for k, v in results.stacks.items()},
    }  # fmt: skip
    for name, table in tables.items():
        table.to_csv(out / f"{name}.tsv", sep="\t", index=False, float_format="%.6g")
    write_text(
        out / "accuracy.md",
        summary.markdown(
            results.rows, results.verdicts, results.status, results.events, tools=results.tools,
            scenarios=results.scenarios, titles=results.titles, facts=facts,
        ),
    )  # fmt: skip
    write_json(out / "facts.json", {"plan": plan.as_dict(), "facts": facts, "versions": results.versions})
    figures.draw_accuracy(
        results.rows, out / "accuracy", tools=results.tools, scenarios=results.scenarios, status=results.status
    )
    figures.draw_reliability(results.reliability, out / "reliability")
    if results.stacks:
        figures.draw_intervals(results.stacks, out / "intervals")


if __name__ == "__main__":
    sys.exit(main())
