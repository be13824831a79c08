"""What the jobs of a run ask for, from Snakemake's graph of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from .requests import Request


def requests_of(dag: Any, *, last_attempt: bool = False) -> Iterator[Request]:
    """Requests of all jobs that are to be sent, and of the groups in which they are sent.

    Parameters
    ----------
    last_attempt
        as jobs ask that have failed as often as they may; the first attempt otherwise.
    """
    resources_of = _at_last if last_attempt else _at_first
    seen = set()
    for job in dag.needrun_jobs():
        if job.is_local:
            continue
        yield request_of(job.rule.name, resources_of(job), job.threads)
        group = dag.get_job_group(job)
        if group is not None and group not in seen:
            seen.add(group)
            yield request_of_group(group, resources_of)


def _at_first(job: Any) -> Mapping[str, Any]:
    return job.resources  # type: ignore[no-any-return]


def _at_last(job: Any) -> Mapping[str, Any]:
    attempt = 1 + (job.restart_times or 0)
    return job.rule.expand_resources(job.wildcards_dict, job.input, attempt, {"tmpdir"})  # type: ignore[no-any-return]


def request_of(rule: str, resources: Mapping[str, Any], threads: int) -> Request:
    """The request of a job from its Snakemake resources."""
    number, text = (lambda name: _number(resources, name)), (lambda name: _text(resources, name))
    gpus, kind = number("gpu"), text("gpu_model")
    gres = text("gres").split(":")
    by_gres = gres[0] == "gpu"
    if by_gres:
        gpus = int(gres[-1]) if gres[-1].isdigit() else 1
        kind = gres[1] if len(gres) > 1 and not gres[1].isdigit() else ""
    memory, minutes = number("mem_mb"), number("runtime")
    return Request(rule, text("slurm_partition"), threads, memory, minutes, gpus, kind, text("constraint"), by_gres)


def request_of_group(group: Any, resources_of: Callable[[Any], Mapping[str, Any]] = _at_first) -> Request:
    """The request of a group of jobs, as Snakemake adds theirs up: steps that follow each other add their times.

    Its own property ``resources`` is not read: it would keep what is not known before the first job has run.
    """
    from snakemake.resources import GroupResources

    levels = [
        [SimpleNamespace(name=j.rule.name, resources=resources_of(j), pipe_group=j.pipe_group) for j in level]
        for level in group.toposorted
    ]
    resources = GroupResources.basic_layered(levels, group.global_resources, run_local=False)
    steps: dict[str, int] = {}
    for job in (job for level in levels for job in level):
        steps[job.name] = max(steps.get(job.name, 0), _number(job.resources, "runtime"))
    name = str(group.groupid)
    return replace(request_of(name, resources, int(resources.get("_cores", 1))), steps=tuple(steps.items()))


def _number(resources: Mapping[str, Any], name: str) -> int:
    value = resources.get(name, 0)
    return int(value) if isinstance(value, int | float) else 0  # not known before its input is there


def _text(resources: Mapping[str, Any], name: str) -> str:
    value = resources.get(name)
    return str(value) if isinstance(value, str | int) else ""
