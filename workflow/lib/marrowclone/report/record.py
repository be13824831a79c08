"""``run.json``: with what the results were made, and what was made. No time and no host in it."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..environment import Image
from ..keys import CHAPTERS, RESEARCH_USE_ONLY
from ..provenance import ROOT, code_hash, file_digest, git_commit
from .facts import versions


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
    image: Image | None,
    where: str,
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
    image
        the container image that the jobs run in.
    where
        path of the table that names each job's host; hosts are not in the record itself, so that it is the same
        wherever the run is repeated.
    """
    return {
        "use": RESEARCH_USE_ONLY,
        "versions": versions(),
        "git_commit": git_commit(),
        "platform": {"system": platform.system(), "machine": platform.machine()},
        "where": {"image": image._asdict() if image else None, "hosts": where},
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
