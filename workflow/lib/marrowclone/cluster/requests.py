"""What jobs ask of a cluster, held against what it has: said before the first job is sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import UserError, did_you_mean, found, one_of
from .site import Node, Partition

#: Where a person mends what is wrong, for jobs without and with a GPU.
ORDINARY, GPU = "profiles/slurm/config.yaml", "profiles/default/config.yaml"


@dataclass(frozen=True)
class Request:
    """What one rule's job asks for; 0 or empty where it asks for nothing or it is not known yet."""

    rule: str
    partition: str = ""
    cpus: int = 1
    memory_mb: int = 0
    minutes: int = 0
    gpus: int = 0
    gpu_kind: str = ""
    constraint: str = ""

    @property
    def file(self) -> str:
        """The profile that sets it."""
        return GPU if self.gpus else ORDINARY


def request_of(rule: str, resources: Mapping[str, Any], threads: int) -> Request:
    """The request of a job from its Snakemake resources."""

    def number(name: str) -> int:
        value = resources.get(name, 0)
        return int(value) if isinstance(value, int | float) else 0  # not known before its input is there

    def text(name: str) -> str:
        value = resources.get(name)
        return str(value) if isinstance(value, str | int) else ""

    gpus, kind = number("gpu"), text("gpu_model")
    gres = text("gres").split(":")
    if gres[0] == "gpu":
        gpus = int(gres[-1]) if gres[-1].isdigit() else 1
        kind = gres[1] if len(gres) > 1 and not gres[1].isdigit() else ""
    return Request(
        rule, text("slurm_partition"), threads, number("mem_mb"), number("runtime"), gpus, kind, text("constraint")
    )


def check_requests(requests: Iterable[Request], site: Mapping[str, Partition]) -> None:
    """Refuse what the cluster cannot give.

    Raises
    ------
    UserError
        every problem in one message. Nothing is said when the cluster did not answer (empty ``site``).
    """
    if not site:
        return
    found_problems: dict[str, list[str]] = {}
    for request in requests:
        for text in problems(request, site):
            rules = found_problems.setdefault(text, [])
            if request.rule not in rules:
                rules.append(request.rule)
    if found_problems:
        lines = [f"  {text} (rule {', '.join(rules)})" for text, rules in found_problems.items()]
        raise UserError(
            f"{len(lines)} request{'s' if len(lines) > 1 else ''} that this cluster cannot meet; no job was sent.\n"
            + "\n".join(lines)
            + "\n",
            hint="sinfo -o '%P %l %c %m %G %f' shows partitions, time limits, CPUs, memory, GPUs and features.",
        )


def problems(request: Request, site: Mapping[str, Partition]) -> list[str]:
    """What is wrong with one request, in words; empty when some node can run it."""
    if not request.partition:
        return []  # SLURM's own default partition takes it
    name = request.partition.split(",")[0]
    partition = site.get(name)
    where = f"{request.file}, slurm_partition"
    if partition is None:
        near = did_you_mean(name, site)
        text = f"{where}: {found(name, one_of(sorted(site)))}{'; ' + near if near else ''}"
        return [f"{text}; without GPUs one of these and gpu: 0" if request.gpus and not _has_gpus(site) else text]
    if not partition.is_up:
        return [f"{where}: partition {name!r} takes no jobs at present (scontrol show partition {name})"]
    said = []
    if partition.max_minutes is not None and request.minutes > partition.max_minutes:
        said.append(
            f"{request.file}, runtime: {found(request.minutes, f'at most {partition.max_minutes} minutes in {name}')}"
        )
    if partition.nodes:
        said += _by_nodes(request, partition)
    return said


def _by_nodes(request: Request, partition: Partition) -> list[str]:
    """What no node of the partition has."""
    nodes, name = partition.nodes, partition.name
    said = []
    if request.gpus:
        most = max(_gpus(node, "") for node in nodes)
        kinds = sorted({kind for node in nodes for kind in node.gpus if kind})
        if not most:
            said.append(
                f"{request.file}, slurm_partition: no node of partition {name!r} has a GPU (to do without: gpu: 0)"
            )
        elif request.gpu_kind and not any(_gpus(node, request.gpu_kind) for node in nodes):
            expected = one_of(kinds) if kinds else "no kind: this cluster does not name the kinds of its GPUs"
            near = did_you_mean(request.gpu_kind, kinds)
            said.append(f"{request.file}, gpu_model: {found(request.gpu_kind, expected)}{'; ' + near if near else ''}")
        elif not any(_gpus(node, request.gpu_kind) >= request.gpus for node in nodes):
            said.append(f"{request.file}, gpu: {found(request.gpus, f'at most {most} on a node of {name}')}")
    words = [w for w in request.constraint.replace("&", ",").split(",") if w.isidentifier()]
    features = sorted({f for node in nodes for f in node.features})
    for word in words:
        if word not in features:
            expected = one_of(features) if features else "nothing: the nodes name no features"
            said.append(f"{request.file}, constraint: {found(word, expected)}")
    cpus, memory = max(node.cpus for node in nodes), max(node.memory_mb for node in nodes)
    if request.cpus > cpus:
        said.append(f"{request.file}, threads: {found(request.cpus, f'at most {cpus} on a node of {name}')}")
    if request.memory_mb > memory:
        said.append(f"{request.file}, mem_mb: {found(request.memory_mb, f'at most {memory} on a node of {name}')}")
    return said


def _has_gpus(site: Mapping[str, Partition]) -> bool:
    return any(_gpus(node, "") for partition in site.values() for node in partition.nodes)


def _gpus(node: Node, kind: str) -> int:
    """GPUs of that kind on a node; of any kind for ``""``."""
    return node.gpus.get(kind, 0) if kind else sum(node.gpus.values())
