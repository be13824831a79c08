"""The finished tree: its nodes, their names and events, and Newick."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from .characters import Unit
from .likelihood import Model, n_events
from .topology import Topology, members

ROOT, TRUNK = "normal", "trunk"


@dataclass
class Node:
    """A node of the finished tree: a clone or an inferred ancestor, with the events of its branch."""

    clades: frozenset[int]
    change: np.ndarray
    clone: int | None = None
    children: list[Node] = field(default_factory=list)
    name: str = ""
    support: float = float("nan")


def collapse(model: Model, tree: Topology, n_units: int, which: int = 0) -> Node:
    """The topology with its events: branches without events vanish, clones become ancestors where they are."""
    nodes: dict[Topology, Node] = {}
    above_of: dict[Topology, Topology] = {}
    top: Node | None = None
    for subtree, state, parent_state in model.states(tree, which):
        if not isinstance(subtree, int):
            above_of |= {subtree[0]: subtree, subtree[1]: subtree}
        above = nodes[above_of[subtree]] if subtree in above_of else None
        leaf = subtree if isinstance(subtree, int) else None
        if above is not None and (state == parent_state).all() and (leaf is None or above.clone is None):
            above.clone = leaf if leaf is not None else above.clone
            nodes[subtree] = above
            continue
        change = model.copies(state, n_units) - model.copies(parent_state, n_units)
        node = nodes[subtree] = Node(members(subtree), change, leaf)
        if above is None:
            top = node
        else:
            above.children.append(node)
    if top is None:
        raise ValueError("a tree has at least one clone")
    for node, _ in walk(top):
        _first_stands_above(node)
    return top


def _first_stands_above(node: Node) -> None:
    """Of clones that nothing tells apart the first is the ancestor, whatever topology was looked at."""
    alike = [c for c in node.children if not c.change.any() and not c.children]
    if node.clone is None or not alike:
        return
    clones = sorted([node.clone, *(c.clone for c in alike if c.clone is not None)])
    node.clone = clones[0]
    for child, clone in zip(alike, clones[1:], strict=True):
        child.clone, child.clades = clone, frozenset([clone])


def walk(node: Node, parent: Node | None = None) -> list[tuple[Node, Node | None]]:
    """(node, parent) of the whole tree, parents first."""
    pairs = [(node, parent)]
    for child in sorted(node.children, key=lambda n: min(n.clades)):
        pairs += walk(child, node)
    return pairs


def name_nodes(top: Node, clones: Sequence[str]) -> None:
    """Clones keep their names; the first inferred ancestor is the trunk, others are a1, a2 ..."""
    number = 0
    for node, parent in walk(top):
        if node.clone is not None:
            node.name = clones[node.clone]
        elif parent is None:
            node.name = TRUNK
        else:
            number += 1
            node.name = f"a{number}"


def events_of(change: np.ndarray, units: Sequence[Unit]) -> list[str]:
    """Events as people write them, a sign per copy: ``+1q``, ``-13``, ``++9p``, ``-1p:1-36`` (Mb).

    What all units of a chromosome, or of an arm, do alike is one event of the whole: ``+9`` for both arms.
    """
    events = []
    for chromosome in dict.fromkeys(u.chromosome for u in units):
        at = [i for i, u in enumerate(units) if u.chromosome == chromosome]
        arms = {units[i].arm for i in at}
        left = {i: int(change[i]) for i in at}
        if len(arms) > 1:
            events += _taken(left, at, chromosome)
        for arm in sorted(arms):
            events += _taken(left, [i for i in at if units[i].arm == arm], chromosome + arm)
        for i in at:
            events += _taken(left, [i], units[i].name)
    return events


def _taken(left: dict[int, int], at: Sequence[int], name: str) -> list[str]:
    """The event that all of these units have in common, which is taken off them."""
    changes = [left[i] for i in at]
    step = min(changes, key=abs) if all(c > 0 for c in changes) or all(c < 0 for c in changes) else 0
    for i in at:
        left[i] -= step
    return [("+" if step > 0 else "-") * abs(step) + name] if step else []


def count_events(change: np.ndarray, units: Sequence[Unit]) -> int:
    """Number of events of a branch: one per copy of a run of neighbouring units."""
    total = 0
    for chromosome in dict.fromkeys(u.chromosome for u in units):
        total += int(n_events(change[[i for i, u in enumerate(units) if u.chromosome == chromosome]]))
    return total


def newick(top: Node, units: Sequence[Unit]) -> str:
    """Newick with named nodes; a branch's length is its number of events."""

    def text(node: Node) -> str:
        below = ",".join(text(c) for c in sorted(node.children, key=lambda n: min(n.clades)))
        return f"{f'({below})' if below else ''}{node.name}:{count_events(node.change, units)}"

    return f"({text(top)}){ROOT};"
