"""What jobs asked for and what they used: from their logs and benchmark files, and from accounting if there is one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from ..asked import Asked, read_asked
from ..keys import CHAPTERS
from ..tables import write_text
from .accounting import Accounted

#: Columns of the usage table. Memory in MB (highest resident memory of the job's processes), time in minutes. Those of
#: SLURM speak of its whole job, which may hold several steps and a Snakemake for each; empty without accounting.
COLUMNS: tuple[str, ...] = (
    "rule", "job", "minutes", "asked_minutes", "memory_mb", "asked_memory_mb", "cpus", "asked_cpus",
    "slurm_job", "slurm_state", "slurm_minutes", "slurm_memory_mb",
)  # fmt: skip
#: A job that used more than this share of what it asked for is near being killed [J].
TIGHT = 0.85
#: A rule whose largest job used less than this share of at least 16 GB asks for too much [J].
LOOSE, LOOSE_FROM_MB = 0.25, 16000


def read_usage(
    benchmarks: Path, logs: Path = Path("logs"), accounting: Mapping[str, Accounted] | None = None
) -> pd.DataFrame:
    """A row per job that ended well, with accounting also per job that did not (:data:`COLUMNS`); empty where none ran.

    ``benchmarks/{rule}/{job}.tsv`` is Snakemake's; ``logs/{rule}/{job}.log`` (or ``logs/{rule}.log``) is the job's.
    What a log does not say is missing.

    Parameters
    ----------
    accounting
        what SLURM knows, by its number of the job; see :func:`~marrowclone.cluster.accounting.read_accounting`.
    """
    accounting = accounting or {}
    rows = []
    for rule, job in _started(benchmarks, logs):
        path = benchmarks / rule / f"{job}.tsv"
        log = next((p for p in (logs / rule / f"{job}.log", logs / f"{rule}.log") if p.exists()), None)
        asked = read_asked(log) if log else Asked()
        slurm = accounting.get(asked.slurm_job or "")
        used = _used(path)
        if slurm is not None and slurm.has_failed and used is not None and log and _is_older(path, log):
            used = None  # of an earlier run of this job
        if used is None and (slurm is None or not slurm.has_failed):
            continue  # cut off in the middle: no loss
        row: dict[str, object] = {
            "rule": rule,
            "job": job,
            "asked_minutes": asked.minutes,
            "asked_memory_mb": asked.memory_mb,
            "asked_cpus": asked.cpus,
            "slurm_job": asked.slurm_job,
        }
        if used is not None:
            row |= {
                "minutes": round(float(used["s"]) / 60, 2),
                "memory_mb": used["max_rss"],
                "cpus": round(float(used["mean_load"]) / 100, 2),
            }
        if slurm is not None:
            row |= {
                "slurm_state": slurm.state,
                "slurm_minutes": slurm.minutes,
                "slurm_memory_mb": slurm.memory_mb,
            }
        rows.append(row)
    return pd.DataFrame(rows, columns=list(COLUMNS))


def slurm_jobs(logs: Path = Path("logs")) -> list[str]:
    """SLURM's numbers of the jobs that wrote these logs (last attempts), each once."""
    files = [*sorted(logs.glob("*.log")), *sorted(logs.glob("*/*.log"))]
    found = [read_asked(log).slurm_job for log in files]
    return sorted({job for job in found if job}, key=int)


def _started(benchmarks: Path, logs: Path) -> list[tuple[str, str]]:
    """Rule and job of all that has a benchmark file or a log."""
    found = {(path.parent.name, path.stem) for path in benchmarks.glob("*/*.tsv")}
    rules = {rule for rules in CHAPTERS.values() for rule in rules}
    found |= {(path.parent.name, path.stem) for path in logs.glob("*/*.log") if path.parent.name in rules}
    found |= {(path.stem, "all") for path in logs.glob("*.log") if path.stem in rules}
    return sorted(found)


def _used(path: Path) -> pd.Series | None:
    """The last line of a benchmark file; None where there is none that is whole."""
    try:
        used = pd.read_csv(path, sep="\t", na_values=["NA", "-"]).iloc[-1]
    except (OSError, IndexError, ValueError):
        return None
    return used if "max_rss" in used else None


def _is_older(path: Path, other: Path) -> bool:
    return path.stat().st_mtime < other.stat().st_mtime


def write_usage(usage: pd.DataFrame, path: Path) -> None:
    """Write the table."""
    write_text(path, usage.to_csv(sep="\t", index=False, float_format="%.2f"))


def advice(usage: pd.DataFrame) -> list[str]:
    """What to change in the profile, a line per rule; empty when all fits."""
    lines = []
    for rule, rows in usage.groupby("rule", sort=True):
        for _, job in rows[rows["minutes"].isna()].iterrows():
            if job["slurm_state"] == "OUT_OF_MEMORY":
                asked = f"{job['asked_memory_mb']:.0f} MB"
                lines.append(
                    f"{rule} {job['job']} was killed for memory with {asked}: raise mem_mb in profiles/default"
                )
            elif job["slurm_state"] == "TIMEOUT":
                asked = f"{job['asked_minutes']:.0f} minutes"
                lines.append(f"{rule} {job['job']} did not end within {asked}: raise runtime in profiles/default")
        jobs = rows[rows["minutes"].notna()].reset_index(drop=True)
        if jobs.empty:
            continue
        memory = jobs["memory_mb"] / jobs["asked_memory_mb"].astype(float)
        minutes = jobs["minutes"] / jobs["asked_minutes"].astype(float)
        if memory.max() > TIGHT:
            job = jobs.iloc[int(np.nanargmax(memory))]
            lines.append(
                f"{rule} {job['job']} used {job['memory_mb']:.0f} of {job['asked_memory_mb']:.0f} MB: "
                "raise mem_mb in profiles/default"
            )
        elif memory.max() < LOOSE and jobs["asked_memory_mb"].astype(float).max() >= LOOSE_FROM_MB:
            lines.append(
                f"{rule} used {jobs['memory_mb'].max():.0f} of {jobs['asked_memory_mb'].astype(float).max():.0f} MB "
                "at most: mem_mb in profiles/default may be lower"
            )
        if minutes.max() > TIGHT:
            job = jobs.iloc[int(np.nanargmax(minutes))]
            lines.append(
                f"{rule} {job['job']} took {job['minutes']:.0f} of {job['asked_minutes']:.0f} minutes: "
                "raise runtime in profiles/default"
            )
    return lines
