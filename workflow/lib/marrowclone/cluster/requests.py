"""What jobs ask of a cluster, held against what it has: said before the first job is sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from ..errors import UserError, did_you_mean, found, one_of
from .origin import Origins
from .site import Node, Partition


@dataclass(frozen=True)
class Request:
    """What one SLURM job asks for; 0 or empty where it asks for nothing or it is not known yet.

    Attributes
    ----------
    rule
        the rule, or the name of a group of rules that are one job.
    by_gres
        whether the GPUs are asked for by ``gres``, not by ``gpu`` and ``gpu_model``.
    memory_mb, minutes
        in MB and minutes.
    steps
        of a group: its rules and the minutes of each, in the order in which they run; empty for a rule by itself.
    """

    rule: str
    partition: str = ""
    cpus: int = 1
    memory_mb: int = 0
    minutes: int = 0
    gpus: int = 0
    gpu_kind: str = ""
    constraint: str = ""
    by_gres: bool = False
    steps: tuple[tuple[str, int], ...] = ()

    @property
    def rules(self) -> tuple[str, ...]:
        """The rules that ask."""
        return tuple(rule for rule, _ in self.steps) or (self.rule,)


class Problem(NamedTuple):
    """What a cluster cannot give: the resource's name in a profile, and what is wrong with it."""

    key: str
    words: str


def check_requests(requests: Iterable[Request], site: Mapping[str, Partition], origins: Origins | None = None) -> None:
    """Refuse what the cluster cannot give.

    Raises
    ------
    UserError
        every problem in one message. Nothing is said when the cluster did not answer (empty ``site``).
    """
    lines = _said(requests, site, origins or Origins())
    if lines:
        raise UserError(
            f"{len(lines)} request{'s' if len(lines) > 1 else ''} that this cluster cannot meet; no job was sent.\n"
            + "\n".join(lines)
            + "\n",
            hint="sinfo -o '%P %l %c %m %G %f' shows partitions, time limits, CPUs, memory, GPUs and features.",
        )


def note_last_attempts(
    requests: Iterable[Request], site: Mapping[str, Partition], origins: Origins | None = None
) -> str:
    """A note where jobs that fail would ask for more than there is when they are sent for the last time; else empty."""
    lines = _said(requests, site, origins or Origins())
    if not lines:
        return ""
    return (
        "jobs that fail are sent again with more; the last attempt of these would ask for more than this cluster has, "
        "and SLURM would refuse it or let it wait for ever.\n"
        + "\n".join(lines)
        + '\n  Hint: an upper bound, such as "min(1440, attempt * 240)", where the line says.'
    )


def _said(requests: Iterable[Request], site: Mapping[str, Partition], origins: Origins) -> list[str]:
    """A line per problem, with the rules that have it; none when the cluster did not answer."""
    if not site:
        return []
    asked = _largest(requests)
    single = [(r, p) for r in asked if not r.steps for p in problems(r, site)]
    known = {(request.rule, problem.key) for request, problem in single}
    grouped = [
        (r, p)
        for r in asked
        if r.steps
        for p in problems(r, site)
        if not any((rule, p.key) in known for rule in r.rules)
    ]
    rules_of: dict[str, list[str]] = {}
    for request, problem in [*single, *grouped]:
        text = f"{origins.of(request.rules, problem.key)}: {problem.words}"
        if request.steps:
            text += _of_group(request, problem.key, origins)
        rules_of.setdefault(text, []).extend(rule for rule in request.rules if rule not in rules_of.get(text, []))
    return [f"  {text} (rule {', '.join(rules)})" for text, rules in rules_of.items()]


def problems(request: Request, site: Mapping[str, Partition]) -> list[Problem]:
    """What is wrong with one request; empty when some node can run it.

    Of several partitions (``cpu,long``) each has to be there, and one has to be able to run it.
    """
    names = [name for name in request.partition.split(",") if name]
    if not names:
        return []  # SLURM's own default partition takes it
    unknown = next((name for name in names if name not in site), None)
    if unknown is not None:
        near = did_you_mean(unknown, site)
        text = f"{found(unknown, one_of(sorted(site)))}{'; ' + near if near else ''}"
        without = "; without GPUs one of these and gpu: 0" if request.gpus and not _has_gpus(site) else ""
        return [Problem("slurm_partition", text + without)]
    said = [_of_partition(request, site[name]) for name in names]
    return said[0] if all(said) else []


def _of_partition(request: Request, partition: Partition) -> list[Problem]:
    """What one partition cannot give."""
    name = partition.name
    if not partition.is_up:
        words = f"partition {name!r} takes no jobs at present (scontrol show partition {name})"
        return [Problem("slurm_partition", words)]
    said = []
    if partition.max_minutes is not None and request.minutes > partition.max_minutes:
        said.append(Problem("runtime", found(request.minutes, f"at most {partition.max_minutes} minutes in {name}")))
    if partition.nodes:
        said += _of_nodes(request, partition)
    return said


def _of_nodes(request: Request, partition: Partition) -> list[Problem]:
    """What no node of the partition has."""
    nodes, name = partition.nodes, partition.name
    said = []
    if request.gpus:
        most = max(_gpus(node, "") for node in nodes)
        kinds = sorted({kind for node in nodes for kind in node.gpus if kind})
        if not most:
            said.append(Problem("slurm_partition", f"no node of partition {name!r} has a GPU (to do without: gpu: 0)"))
        elif request.gpu_kind and not any(_gpus(node, request.gpu_kind) for node in nodes):
            expected = one_of(kinds) if kinds else "no kind: this cluster does not name the kinds of its GPUs"
            near = did_you_mean(request.gpu_kind, kinds)
            said.append(
                Problem(
                    "gres" if request.by_gres else "gpu_model",
                    f"{found(request.gpu_kind, expected)}{'; ' + near if near else ''}",
                )
            )
        elif not any(_gpus(node, request.gpu_kind) >= request.gpus for node in nodes):
            said.append(
                Problem(
                    "gres" if request.by_gres else "gpu", found(request.gpus, f"at most {most} on a node of {name}")
                )
            )
    words = [w for w in request.constraint.replace("&", ",").split(",") if w.isidentifier()]
    features = sorted({f for node in nodes for f in node.features})
    for word in words:
        if word not in features:
            expected = one_of(features) if features else "nothing: the nodes name no features"
            said.append(Problem("constraint", found(word, expected)))
    cpus, memory = max(node.cpus for node in nodes), max(node.memory_mb for node in nodes)
    if request.cpus > cpus:
        said.append(Problem("threads", found(request.cpus, f"at most {cpus} on a node of {name}")))
    if request.memory_mb > memory:
        said.append(Problem("mem_mb", found(request.memory_mb, f"at most {memory} on a node of {name}")))
    return said


def _of_group(request: Request, key: str, origins: Origins) -> str:
    """Why a group asks for more than each of its rules, and how it asks for less."""
    if key == "runtime":
        steps = ", ".join(f"{rule} {minutes}" for rule, minutes in request.steps)
        less = f"fewer in one job: {origins.place('groups')}, groups"
        return f"; the steps of group {request.rule} follow each other in one job ({steps}; {less})"
    if key in ("mem_mb", "threads"):
        less = f"fewer in one job: {origins.place('group-components')}, group-components"
        return f"; jobs of group {request.rule} run side by side in one job ({less})"
    return ""


def _largest(requests: Iterable[Request]) -> list[Request]:
    """One request per rule and place: of a thousand samples the most that any asks for."""
    most: dict[tuple[object, ...], Request] = {}
    for request in requests:
        key = (request.rule, bool(request.steps), request.partition, request.gpus, request.gpu_kind, request.constraint)
        other = most.get(key, request)
        longest = max(other, request, key=lambda r: r.minutes)
        cpus, memory = max(other.cpus, request.cpus), max(other.memory_mb, request.memory_mb)
        most[key] = replace(longest, cpus=cpus, memory_mb=memory)
    return list(most.values())


def _has_gpus(site: Mapping[str, Partition]) -> bool:
    return any(_gpus(node, "") for partition in site.values() for node in partition.nodes)


def _gpus(node: Node, kind: str) -> int:
    """GPUs of that kind on a node; of any kind for ``""``."""
    return node.gpus.get(kind, 0) if kind else sum(node.gpus.values())
