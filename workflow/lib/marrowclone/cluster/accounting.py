"""What the cluster's accounting knows of jobs that ended (``sacct``), where the site has one."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from .site import output_of

_COMMAND = ("sacct", "--noheader", "--parsable2", "--noconvert", "--format=jobidraw,state,elapsedraw,maxrss")
#: So many jobs are asked for at a time: a command line has an end.
_AT_ONCE = 2000
_UNITS = {"": 1 / 1024 / 1024, "K": 1 / 1024, "M": 1.0, "G": 1024.0}
_NOT_FAILED = {"COMPLETED", "RUNNING", "PENDING", "COMPLETING", "SUSPENDED", "REQUEUED"}


class Accounted(NamedTuple):
    """A job's state, its minutes and the highest resident memory of its steps in MB (None: not measured)."""

    state: str
    minutes: float
    memory_mb: float | None

    @property
    def has_failed(self) -> bool:
        """Whether it ended otherwise than well."""
        return self.state not in _NOT_FAILED


def read_accounting(jobs: Sequence[str], run: Callable[[Iterable[str]], str] | None = None) -> dict[str, Accounted]:
    """What SLURM knows of these jobs, by number; empty without accounting.

    Parameters
    ----------
    run
        gives what a command prints; for tests.
    """
    run = run or output_of
    found: dict[str, Accounted] = {}
    try:
        for i in range(0, len(jobs), _AT_ONCE):
            found |= parse_accounting(run((*_COMMAND, f"--jobs={','.join(jobs[i : i + _AT_ONCE])}")))
    except (OSError, subprocess.SubprocessError):
        return {}  # no accounting, or it does not answer: the table does without
    return found


def parse_accounting(text: str) -> dict[str, Accounted]:
    """From what ``sacct`` prints: a line for each job, followed by one for each of its steps."""
    found: dict[str, Accounted] = {}
    for line in text.splitlines():
        cells = line.split("|")
        if len(cells) != 4:
            continue
        number, _, step = cells[0].partition(".")
        if not step:
            seconds = float(cells[2]) if cells[2].isdigit() else 0.0
            # "CANCELLED by 1000"
            found[number] = Accounted((cells[1].split() or [""])[0], round(seconds / 60, 2), None)
        elif number in found:
            memory = [m for m in (found[number].memory_mb, _megabytes(cells[3])) if m is not None]
            found[number] = found[number]._replace(memory_mb=max(memory, default=None))
    return found


def _megabytes(text: str) -> float | None:
    """MB of a size as SLURM writes it (``301232K``; bytes without a letter)."""
    number, unit = (text[:-1], text[-1]) if text[-1:].isalpha() else (text, "")
    try:
        return round(float(number) * _UNITS[unit], 1)
    except (ValueError, KeyError):
        return None
