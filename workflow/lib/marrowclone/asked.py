"""What a job asked for: one line of its log, written when it starts and read when all is done."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

_LINE = re.compile(r"asked for (\d+) CPUs?(?:, (\d+) MB)?(?:, (\d+) minutes)?(?:, SLURM job (\d+))?")


class Asked(NamedTuple):
    """CPUs, MB and minutes, and SLURM's number of the job; None where the log does not say."""

    cpus: float | None = None
    memory_mb: float | None = None
    minutes: float | None = None
    slurm_job: str | None = None


def asked_line(resources: Mapping[str, Any], threads: int, slurm_job: str | None = None) -> str:
    """The line, from a job's Snakemake resources and SLURM's number of the job that it runs in."""
    text = f"asked for {threads} CPU{'s' if threads != 1 else ''}"
    for name, unit in (("mem_mb", "MB"), ("runtime", "minutes")):
        value = resources.get(name)
        if isinstance(value, int | float):
            text += f", {int(value)} {unit}"
    return f"{text}, SLURM job {slurm_job}" if slurm_job else text


def read_asked(*logs: Path) -> Asked:
    """From the first of the logs that has such a line (its last one: the last attempt)."""
    for log in logs:
        try:
            found = _LINE.findall(log.read_text(encoding="utf-8", errors="replace"))
        except OSError:
            continue
        if found:
            cpus, memory, minutes = (float(x) if x else None for x in found[-1][:3])
            return Asked(cpus, memory, minutes, found[-1][3] or None)
    return Asked()
