"""How every job starts and ends: log, seed, threads, code check, errors in words.

A script is ``with job(snakemake) as run: ...`` around one call into the library.
"""

from __future__ import annotations

import errno
import hashlib
import os
import random
import sys
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TextIO

import numpy as np

from .asked import asked_line
from .environment import check_image, image_around
from .errors import UserError, shown
from .provenance import check_code
from .where import where_line


@dataclass(frozen=True)
class Run:
    """What a script may use of its job.

    Attributes
    ----------
    input, output
        the rule's named files.
    wildcards
        e.g. ``{"sample": "P1_dx"}``.
    settings
        the rule's section of the configuration, defaults filled in.
    params
        everything else that the rule passes.
    threads
        cores that the job may use.
    seed
        seed of this job: from the cohort's seed, the rule and the wildcards, so that it
        depends neither on the order of jobs nor on other samples.
    """

    rule: str
    input: Any
    output: Any
    wildcards: Mapping[str, str]
    settings: Mapping[str, Any]
    params: Any
    threads: int
    seed: int

    def rng(self) -> np.random.Generator:
        """A fresh generator; the same job gets the same one."""
        return np.random.default_rng(self.seed)

    def say(self, text: str) -> None:
        """A line for the log and for the person who watches."""
        print(f"[{self.rule}{''.join(f' {v}' for v in self.wildcards.values())}] {text}", file=sys.stderr, flush=True)


class _Tee:
    """Writes to the job's log and to the terminal."""

    def __init__(self, *streams: TextIO) -> None:
        self.streams = streams

    def write(self, text: str) -> int:
        for stream in self.streams:
            stream.write(text)
            stream.flush()
        return len(text)

    def flush(self) -> None:
        for stream in self.streams:
            stream.flush()

    def isatty(self) -> bool:
        return False

    def close(self) -> None:
        """Libraries close the stream that they were given; the log is ours to close."""

    def fileno(self) -> int:
        return self.streams[0].fileno()


def job_seed(seed: int, rule: str, wildcards: Mapping[str, str]) -> int:
    """A 32-bit seed from the cohort's seed, the rule and the wildcards."""
    text = "\0".join([str(seed), rule, *(f"{k}={v}" for k, v in sorted(wildcards.items()))])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")


#: What the machine refuses, and what helps.
_REFUSED = {
    errno.ENOSPC: "free some space, then start the same command again: it goes on where it stopped.",
    errno.EDQUOT: "free some space, then start the same command again: it goes on where it stopped.",
    errno.EROFS: "the working directory has to be writable; --directory names another one.",
    errno.EACCES: "look at the owner and the rights of the file and of its folder.",
    errno.EPERM: "look at the owner and the rights of the file and of its folder.",
    errno.ENOMEM: "give the rule more memory (mem_mb in the profile).",
}


def machine_trouble(error: Exception) -> str:
    """A full disk, missing rights or memory in words; empty for anything else, which is a defect."""
    if isinstance(error, MemoryError):
        return f"there is not enough memory. Hint: {_REFUSED[errno.ENOMEM]}"
    if isinstance(error, OSError) and error.errno in _REFUSED:
        place = f"{shown(str(error.filename))}: " if error.filename else ""
        return f"{place}{os.strerror(error.errno)}. Hint: {_REFUSED[error.errno]}"
    return ""


@contextmanager
def job(snakemake: Any) -> Iterator[Run]:
    """Run the body as a job of the workflow; see the module's docstring.

    A :class:`~marrowclone.errors.UserError`, a full disk or missing rights end the job with a
    message alone; anything else leaves its traceback in the log and one line on the terminal.
    """
    rule = snakemake.rule
    wildcards = dict(snakemake.wildcards.items())
    threads = int(snakemake.threads)
    seed = job_seed(int(snakemake.params.get("seed", 0)), rule, wildcards)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ.setdefault(name, str(threads))
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 (libraries still draw from the global generator)
    terminal = sys.stderr
    started = time.monotonic()
    with open(str(snakemake.log[0]), "w", encoding="utf-8") as log:
        sys.stderr, sys.stdout = _Tee(log, terminal), _Tee(log)  # type: ignore[assignment]
        run = Run(
            rule=rule,
            input=snakemake.input,
            output=snakemake.output,
            wildcards=wildcards,
            settings=snakemake.params.get("settings", {}),
            params=snakemake.params,
            threads=threads,
            seed=seed,
        )
        try:
            asked = asked_line(getattr(snakemake, "resources", {}), threads, os.environ.get("SLURM_JOB_ID"))
            print(f"[{rule}] {asked}", file=log, flush=True)
            image = image_around()
            print(f"[{rule}] {where_line(image)}", file=log, flush=True)
            if image is not None:
                check_image(image)
            check_code(rule, snakemake.params.code)
            yield run
            run.say(f"done in {time.monotonic() - started:.1f} s")
        except UserError as error:
            print(f"marrowclone, rule {rule}: {error} (log: {snakemake.log[0]})", file=sys.stderr)
            sys.exit(1)
        except Exception as error:
            trouble = machine_trouble(error)
            if trouble:
                print(f"marrowclone, rule {rule}: {trouble} (log: {snakemake.log[0]})", file=sys.stderr)
                sys.exit(1)
            traceback.print_exc(file=log)
            print(
                f"marrowclone, rule {rule}: unexpected {type(error).__name__}: {error}. "
                f"This is a defect of marrowclone; the traceback is in {snakemake.log[0]}",
                file=terminal,
            )
            sys.exit(1)
        finally:
            sys.stderr, sys.stdout = terminal, sys.__stdout__
