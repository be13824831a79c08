"""Let a run go on after the one before it was killed.

Snakemake locks the working directory and leaves the lock behind when it is killed outright.
Every process that may come to hold the lock writes down who it is before it asks for it; the
next run releases a lock when all who wrote themselves down are dead, on the same machine,
and says so. A lock of a live process, of another machine or container, or of nobody known
stays: ``snakemake --unlock`` is for those.

There is one note per process: a run that is refused the lock must not hide the one that has it.
"""

from __future__ import annotations

import atexit
import json
import os
import platform
import sys
from pathlib import Path

import psutil

FOLDER = Path(".snakemake")
HOLDERS = FOLDER / "marrowclone.holders"
#: What only looks, and never takes the lock (argparse takes unambiguous beginnings, too).
_ONLY_LOOKS = ("--dry-run", "--dryrun", "--lint", "--unlock", "--summary", "--detailed-summary", "--dag", "--rulegraph")
#: Snakemake's switches of one letter: they may stand together (``-np``).
_SHORT_SWITCHES = frozenset("nkfFlSDvpa")


def _only_looks(arguments: list[str]) -> bool:
    """Whether this call of snakemake runs nothing: ``-n``, also within ``-np``, and its like."""
    return any(
        a.split("=")[0] in _ONLY_LOOKS
        or (a.startswith("--dr") and "--dry-run".startswith(a))
        or (a[:1] == "-" and "n" in a[1:] and set(a[1:]) <= _SHORT_SWITCHES)
        for a in arguments
    )


def _started(pid: int) -> str:
    """When a process started, so that a process with the same number is not taken for it.

    In ticks since boot where the kernel tells them: a corrected clock does not move those.

    Raises
    ------
    ProcessLookupError
        when it is dead; a zombie is.
    """
    try:
        if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            raise ProcessLookupError(pid)
        stat = Path(f"/proc/{pid}/stat")
        if stat.exists():
            return stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[19]
        return f"{psutil.Process(pid).create_time():.0f}"
    except (psutil.NoSuchProcess, FileNotFoundError):
        raise ProcessLookupError(pid) from None


def _machine() -> str:
    """Machine, boot and process namespace: only within these does a process number mean anything."""
    parts = [platform.node()]
    for read in (
        lambda: Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip(),
        lambda: str(Path("/proc/self/ns/pid").readlink()),
    ):
        try:
            parts.append(read())
        except OSError:
            parts.append("")
    return " ".join(parts)


def _dead(note: Path) -> bool:
    """Whether the process that wrote ``note`` is known to be dead."""
    try:
        holder = json.loads(note.read_text(encoding="utf-8"))
        node, boot, namespace = str(holder["machine"]).split(" ")
        pid, started = int(holder["pid"]), str(holder["started"])
    except (OSError, ValueError, KeyError, TypeError):
        return False
    here_node, here_boot, here_namespace = _machine().split(" ")
    if node == here_node and boot != here_boot:
        return True  # the machine has been started anew since
    if (node, namespace) != (here_node, here_namespace):
        return False
    try:
        return _started(pid) != started
    except ProcessLookupError:
        return True
    except (psutil.Error, OSError):
        return False


def release_stale() -> None:
    """Remove locks that dead runs left behind, and note this process as one that may hold the lock."""
    if _only_looks(sys.argv[1:]):
        return
    HOLDERS.mkdir(parents=True, exist_ok=True)
    # absolute: the working directory may be another one when the process ends
    mine = HOLDERS.resolve() / f"{platform.node()}.{os.getpid()}.json"
    mine.write_text(
        json.dumps({"machine": _machine(), "pid": os.getpid(), "started": _started(os.getpid())}), encoding="utf-8"
    )
    atexit.register(mine.unlink, missing_ok=True)
    others = [note for note in sorted(HOLDERS.resolve().glob("*.json")) if note != mine]
    dead = [note for note in others if _dead(note)]
    left = sorted(FOLDER.glob("locks/*.lock"))
    if len(dead) < len(others) or (left and not dead):
        return
    for lock in left:
        lock.unlink(missing_ok=True)
    for note in dead:
        note.unlink(missing_ok=True)
    if left:
        print("marrowclone: the run before was killed; its lock is released.", file=sys.stderr)
