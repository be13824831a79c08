"""The cluster that jobs are sent to: what it has, what jobs ask of it, what they used.

Snakemake's hooks call :func:`before_jobs` and :func:`after_jobs`; both do nothing where jobs run on this machine.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

#: Table of what jobs asked for and what they used, in the working directory.
USAGE = Path("logs/usage.tsv")


def prepare() -> None:
    """Add :class:`~marrowclone.cluster.executor.Patience` to the executor for SLURM, before Snakemake makes one."""
    from snakemake_interface_executor_plugins.registry import ExecutorPluginRegistry

    from .executor import Patience

    plugin = ExecutorPluginRegistry().plugins.get("slurm")
    if plugin is not None and not issubclass(plugin.executor, Patience):
        plugin.executor = type("Executor", (Patience, plugin.executor), {})


def before_jobs(workflow: Any) -> None:
    """Refuse requests that the cluster cannot meet, before the first job is sent; note a limit that makes jobs wait.

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
    from .collect import requests_of
    from .limits import check_accounts, check_limits, read_limits
    from .origin import read_origins
    from .requests import check_requests, note_last_attempts
    from .site import read_site

    jobs = [job for job in workflow.dag.needrun_jobs() if not job.is_local]
    origins = read_origins(workflow.resource_settings, root=Path(workflow.basedir))
    site = read_site()
    check_requests(requests_of(workflow.dag), site, origins)
    notes = [note_last_attempts(requests_of(workflow.dag, last_attempt=True), site, origins)]
    rules: dict[str, set[str]] = {}
    for job in jobs:
        rules.setdefault(str(job.resources.get("slurm_account") or ""), set()).add(job.rule.name)
    check_accounts({account: origins.of(names, "slurm_account") for account, names in rules.items()})
    quality = getattr(workflow.executor_settings, "qos", None)
    asked = {(str(j.resources.get("slurm_account") or ""), str(j.resources.get("qos") or quality or "")) for j in jobs}
    at_once = workflow.resource_settings.nodes or len(jobs)
    notes.append(check_limits(read_limits(asked), at_once=at_once, needed=len(jobs), place=origins.place("jobs")))
    for note in filter(None, notes):
        print(f"marrowclone: {note}", file=sys.stderr)


def after_jobs(workflow: Any) -> None:
    """Write :data:`USAGE` and say what asked for too little or far too much."""
    if not _to_slurm(workflow):
        return
    from .accounting import read_accounting
    from .usage import advice, read_usage, slurm_jobs, write_usage

    usage = read_usage(Path("benchmarks"), accounting=read_accounting(slurm_jobs()))
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
