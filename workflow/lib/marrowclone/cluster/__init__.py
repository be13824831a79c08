"""The cluster that jobs are sent to: what it has, what jobs ask of it, what they used.

Snakemake's hooks call :func:`before_jobs` and :func:`after_jobs`; both do nothing where jobs run on this machine.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

#: Table of what jobs asked for and what they used, in the working directory.
USAGE = Path("logs/usage.tsv")


def before_jobs(workflow: Any) -> None:
    """Refuse requests that the cluster cannot meet, before the first job is sent.

    Parameters
    ----------
    workflow
        Snakemake's workflow, its graph of jobs made.

    Raises
    ------
    UserError
        naming every such request with the profile's line that makes it.
    """
    if not _to_slurm(workflow):
        return
    from .requests import check_requests, request_of
    from .site import read_site

    jobs = workflow.dag.needrun_jobs()
    check_requests(
        (request_of(job.rule.name, job.resources, job.threads) for job in jobs if not job.is_local), read_site()
    )


def after_jobs(workflow: Any) -> None:
    """Write :data:`USAGE` and say what asked for too little or far too much."""
    if not _to_slurm(workflow):
        return
    from .usage import advice, read_usage, write_usage

    usage = read_usage(Path("benchmarks"))
    if usage.empty:
        return
    write_usage(usage, USAGE)
    for line in advice(usage):
        print(f"marrowclone: {line}", file=sys.stderr)
    print(f"marrowclone: asked and used, job by job: {USAGE}", file=sys.stderr)


def _to_slurm(workflow: Any) -> bool:
    """Are jobs sent to SLURM?"""
    plugin = workflow.executor_plugin
    return plugin is not None and plugin.name == "slurm"
