"""``run.json``: with what the results were made, and what was made. No time and no host in it."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..keys import CHAPTERS, RESEARCH_USE_ONLY
from ..provenance import LIBRARY, code_hash, file_digest
from .facts import versions

ROOT = LIBRARY.parents[2]


def git_commit(root: Path = ROOT) -> str | None:
    """The checkout's commit, with ``+changes`` when files differ; None without git or checkout."""
    try:
        commit = subprocess.run(
            ["git", "-C", str(root), "rev-parse", "HEAD"], capture_output=True, text=True, timeout=20, check=True
        ).stdout.strip()
        changes = subprocess.run(
            ["git", "-C", str(root), "status", "--porcelain", "--untracked-files=no"],
            capture_output=True, text=True, timeout=20, check=True,
        ).stdout.strip()  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return f"{commit}+changes" if changes else commit


def lock_digests(root: Path = ROOT) -> dict[str, str]:
    """SHA-256 of each lock file of the environment."""
    return {p.name: file_digest(p) for p in sorted((root / "envs" / "locks").glob("*")) if p.is_file()}


def code_hashes() -> dict[str, str]:
    """Hash of all code that each rule runs; rules without a script are left out."""
    hashes = {}
    for rules in CHAPTERS.values():
        for rule in rules:
            try:
                hashes[rule] = code_hash(rule)
            except FileNotFoundError:
                continue
    return hashes


def digests(paths: Iterable[str | Path]) -> dict[str, str]:
    """SHA-256 by path as given; files that are not there are left out, folders count as a whole."""
    return {str(p): file_digest(Path(p)) for p in sorted(map(str, paths)) if Path(p).exists()}


def run_record(
    *,
    config: Mapping[str, Any],
    inputs: Sequence[str],
    results: Sequence[str],
    integration: Mapping[str, Any],
    samples: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """The record of a run.

    Parameters
    ----------
    config
        the whole configuration, defaults filled in.
    inputs, results
        paths of what the user gave and of what the workflow wrote.
    integration
        what the embedding says of its device (``integration.json``).
    samples
        rows of the sample sheet.
    """
    return {
        "use": RESEARCH_USE_ONLY,
        "versions": versions(),
        "git_commit": git_commit(),
        "platform": {"system": platform.system(), "machine": platform.machine()},
        "locks": lock_digests(),
        "code": code_hashes(),
        "config": dict(config),
        "seed": config.get("seed"),
        "device": {
            "asked": config.get("device"),
            "used": integration.get("device", "cpu"),
            "name": integration.get("device_name", ""),
        },
        "samples": [dict(s) for s in samples],
        "inputs": digests(inputs),
        "results": digests(results),
    }
