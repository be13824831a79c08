"""Let a run go on after the one before it was killed.

Snakemake locks the working directory and leaves the lock behind when it is killed outright.
The process that holds the lock writes down who it is; the next run releases a lock whose
holder is dead, on the same machine, and says so. A lock of a live process, of another
machine, or of nobody known stays: ``snakemake --unlock`` is for those.
"""

from __future__ import annotations

import json
import platform
import sys
from pathlib import Path

import psutil

FOLDER = Path(".snakemake")
HOLDER = FOLDER / "marrowclone.holder.json"


def _me() -> dict[str, object]:
    process = psutil.Process()
    return {"host": platform.node(), "pid": process.pid, "started": round(process.create_time(), 2)}


def _alive(holder: dict[str, object]) -> bool:
    try:
        process = psutil.Process(int(str(holder["pid"])))
        return abs(round(process.create_time(), 2) - float(str(holder["started"]))) < 0.05
    except psutil.NoSuchProcess:
        return False


def release_stale() -> None:
    """Remove locks that a dead run left behind, then note this process as the holder."""
    if {"--dry-run", "--dryrun", "-n", "--lint", "--unlock"} & set(sys.argv):
        return
    left = sorted(FOLDER.glob("locks/*.lock"))
    try:
        holder = json.loads(HOLDER.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        holder = None
    if left and holder and holder.get("host") == platform.node():
        if _alive(holder):
            return
        for lock in left:
            lock.unlink(missing_ok=True)
        print("marrowclone: the run before was killed; its lock is released.", file=sys.stderr)
        left = []
    if not left:
        FOLDER.mkdir(exist_ok=True)
        HOLDER.write_text(json.dumps(_me()), encoding="utf-8")
