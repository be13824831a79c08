"""What jobs asked for and what they used: from their logs and benchmark files, without the cluster's accounting."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from ..tables import write_text
from .asked import read_asked

#: Columns of the usage table. Memory in MB (highest resident memory of the job's processes), time in minutes.
COLUMNS: tuple[str, ...] = (
    "rule", "job", "minutes", "asked_minutes", "memory_mb", "asked_memory_mb", "cpus", "asked_cpus",
)  # fmt: skip
#: A job that used more than this share of what it asked for is near being killed [J].
TIGHT = 0.85
#: A rule whose largest job used less than this share of at least 16 GB asks for too much [J].
LOOSE, LOOSE_FROM_MB = 0.25, 16000


def read_usage(benchmarks: Path, logs: Path = Path("logs")) -> pd.DataFrame:
    """A row per job that ended well (:data:`COLUMNS`); empty where nothing ran.

    ``benchmarks/{rule}/{job}.tsv`` is Snakemake's; ``logs/{rule}/{job}.log`` (or ``logs/{rule}.log``) is the job's.
    What a log does not say is missing.
    """
    rows = []
    for path in sorted(benchmarks.glob("*/*.tsv")):
        rule, job = path.parent.name, path.stem
        try:
            used = pd.read_csv(path, sep="\t", na_values=["NA", "-"]).iloc[-1]
        except (OSError, IndexError, ValueError):
            continue  # cut off in the middle: no loss
        if "max_rss" not in used:
            continue
        asked = read_asked(logs / rule / f"{job}.log", logs / f"{rule}.log")
        rows.append(
            {
                "rule": rule,
                "job": job,
                "minutes": round(float(used["s"]) / 60, 2),
                "asked_minutes": asked.minutes,
                "memory_mb": used["max_rss"],
                "asked_memory_mb": asked.memory_mb,
                "cpus": round(float(used["mean_load"]) / 100, 2),
                "asked_cpus": asked.cpus,
            }
        )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def write_usage(usage: pd.DataFrame, path: Path) -> None:
    """Write the table."""
    write_text(path, usage.to_csv(sep="\t", index=False, float_format="%.2f"))


def advice(usage: pd.DataFrame) -> list[str]:
    """What to change in the profile, a line per rule; empty when all fits."""
    lines = []
    for rule, rows in usage.groupby("rule", sort=True):
        jobs = rows.reset_index(drop=True)
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
