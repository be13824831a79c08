"""The whole workflow on the suite's cohort, as a user would run it, and its result tables."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from marrowclone import tables
from marrowclone.clinical import COLUMNS as CLINICAL
from marrowclone.errors import UserError
from marrowclone.simulate.cohort import Cohort
from marrowclone.simulate.folder import write_cohort

ROOT = Path(__file__).resolve().parents[2]
#: Last tables of the road; Snakemake makes what they need. The pages are not asked for.
TARGETS = ("results/evolution/{patient}.dynamics.tsv", "results/evolution/{patient}.tree.tsv")
TIMED_OUT = 124
OVERALL = ("results/cure/landmarks.tsv",)


@dataclass(frozen=True)
class Road:
    """A finished run: its folder, and whether every job succeeded."""

    folder: Path
    complete: bool
    tail: str

    def table(self, name: str) -> pd.DataFrame | None:
        """A result table by its path under ``results/``; None when the run did not make it."""
        path = self.folder / "results" / name
        return tables.read_result(path) if path.exists() else None


def write_run(cohort: Cohort, folder: Path, *, settings: Mapping[str, Any]) -> list[str]:
    """Write the cohort and its configuration; the patients that are followed."""
    write_cohort(cohort, folder)
    config = {
        "samples": "config/samples.tsv",
        "clinical": {name: f"config/clinical/{name}.tsv" for name in CLINICAL},
        "truth": "truth",
        "seed": 1,
        **settings,
    }
    (folder / "config" / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    return sorted(cohort.spec["patients"])


def expected_tables(expect: Iterable[Mapping[str, Any]], patients: Sequence[str]) -> list[str]:
    """Paths under ``results/`` of the tables that a scenario's expectations name, for its patients."""
    named = [str(e["table"]) for e in expect if "table" in e]
    # a table of the whole cohort has no wildcard and comes once
    return list(dict.fromkeys(t.format(patient=p) for t in named for p in patients))


def run_road(
    folder: Path, patients: Iterable[str], *, tables: Iterable[str] = (), cores: int, timeout: float
) -> Road:  # fmt: skip
    """Run the workflow in a folder that :func:`write_run` wrote; a run that failed is still read.

    Parameters
    ----------
    tables
        paths under ``results/`` that are read beside those of every patient: Snakemake makes only what it is asked for.
    """
    wanted = [*OVERALL, *(t.format(patient=p) for p in patients for t in TARGETS), *(f"results/{t}" for t in tables)]
    command = [
        sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder),
        "--configfile", str(folder / "config" / "config.yaml"), "--cores", str(cores), "--keep-going",
        "--quiet", "progress", "rules", "--", *dict.fromkeys(wanted),
    ]  # fmt: skip
    log = folder / "road.log"
    with log.open("w", encoding="utf-8") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            status = process.wait(timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # its jobs, too: the group is this run's own
            process.wait()
            status = TIMED_OUT
    tail = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-30:])
    if status and not (folder / "results").is_dir():
        raise UserError(f"the workflow did not start: {tail}", hint=f"see {log}")
    return Road(folder, status == 0, tail)
