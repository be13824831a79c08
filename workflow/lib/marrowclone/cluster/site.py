"""What a SLURM cluster has: partitions with their limits, and the nodes behind them."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

#: What is asked of SLURM: one line per partition; one line per node and partition.
PARTITIONS = ("scontrol", "show", "partition", "--oneliner")
NODES = ("sinfo", "--noheader", "--Node", "--format=%R|%G|%c|%m|%f")
#: Seconds that a controller may take to answer before the check is left out.
PATIENCE = 20


@dataclass(frozen=True)
class Node:
    """One node of a partition.

    Attributes
    ----------
    cpus, memory_mb
        what it has.
    gpus
        number of GPUs per kind; ``""`` is a GPU whose kind the site does not name.
    features
        what ``constraint`` may ask for.
    """

    cpus: int
    memory_mb: int
    gpus: Mapping[str, int] = field(default_factory=dict)
    features: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Partition:
    """A partition: whether it takes jobs, its time limit (minutes, None: none) and its nodes."""

    name: str
    is_up: bool
    max_minutes: int | None
    nodes: tuple[Node, ...]


def read_site(run: Callable[[Iterable[str]], str] | None = None) -> dict[str, Partition]:
    """Partitions of the cluster by name; empty when SLURM does not answer (then nothing can be said).

    Parameters
    ----------
    run
        gives what a command prints; for tests.
    """
    run = run or output_of
    try:
        partitions, nodes = run(PARTITIONS), run(NODES)
    except (OSError, subprocess.SubprocessError):
        return {}
    return parse_site(partitions, nodes)


def parse_site(partitions: str, nodes: str) -> dict[str, Partition]:
    """Partitions from what :data:`PARTITIONS` and :data:`NODES` print."""
    of_partition: dict[str, list[Node]] = {}
    for line in nodes.splitlines():
        cells = line.split("|")
        if len(cells) == 5:
            partition, gres, cpus, memory, features = cells
            node = Node(_number(cpus), _number(memory), parse_gpus(gres), _features(features))
            of_partition.setdefault(partition, []).append(node)
    found = {}
    for line in partitions.splitlines():
        fields = dict(word.split("=", 1) for word in line.split() if "=" in word)
        name = fields.get("PartitionName", "")
        if name:
            limit = parse_minutes(fields.get("MaxTime", "UNLIMITED"))
            found[name] = Partition(name, fields.get("State", "UP") == "UP", limit, tuple(of_partition.get(name, ())))
    return found


def parse_gpus(gres: str) -> dict[str, int]:
    """GPUs per kind from a node's generic resources (``gpu:a100:4(S:0-1),gpu:2,shard:8``)."""
    gpus: dict[str, int] = {}
    for item in re.sub(r"\([^)]*\)", "", gres).split(","):
        words = item.split(":")
        if words[0] != "gpu":
            continue
        kind = words[1] if len(words) > 1 and not words[1].isdigit() else ""
        number = int(words[-1]) if len(words) > 1 and words[-1].isdigit() else 1
        gpus[kind] = gpus.get(kind, 0) + number
    return gpus


def parse_minutes(text: str) -> int | None:
    """Minutes of a time limit (``1-12:00:00``, ``30:00``, ``90``); None for no limit."""
    if text in ("UNLIMITED", "INFINITE", "NONE", "n/a"):
        return None
    days, _, clock = text.rpartition("-")
    parts = [int(p) for p in clock.split(":")]
    if days:  # days-hours[:minutes[:seconds]]
        hours, minutes = parts[0], parts[1] if len(parts) > 1 else 0
    elif len(parts) == 3:
        hours, minutes = parts[:2]
    else:  # minutes[:seconds]
        hours, minutes = 0, parts[0]
    return (int(days) if days else 0) * 1440 + hours * 60 + minutes


def _features(text: str) -> frozenset[str]:
    return frozenset(f for f in text.split(",") if f and f != "(null)")


def _number(text: str) -> int:
    """The leading number (sinfo writes ``64000+`` where nodes differ)."""
    match = re.match(r"\d+", text)
    return int(match.group()) if match else 0


def output_of(command: Iterable[str]) -> str:
    """What a command prints.

    Raises
    ------
    OSError, subprocess.SubprocessError
        when it is not there, fails or takes longer than :data:`PATIENCE`.
    """
    done = subprocess.run(list(command), capture_output=True, text=True, timeout=PATIENCE, check=True)
    return done.stdout
