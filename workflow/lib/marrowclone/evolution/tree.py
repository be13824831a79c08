"""The clones' family tree: copy-number events on branches, from a normal cell downwards.

First form: maximum parsimony over the clones' arm states, with the calls' posteriors as
weights, and support by bootstrap over arms. A clone that shows all of an ancestor's events
and none of its own *is* that ancestor.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from ..keys import TABLES
from .parsimony import Costs, Topology, candidate_trees, leaf_costs, members, node_states, transition_cost

TREE_COLUMNS: tuple[str, ...] = (*TABLES["evolution.tree"], "n_events", "n_cells", "first_day", "note")
ROOT, TRUNK = "normal", "trunk"
#: The rows of arms.tsv that pool all malignant cells, and calls that say nothing.
POOLED, INDETERMINATE = "all", "indeterminate"


@dataclass
class Node:
    """A node of the finished tree: a clone or an inferred ancestor, with the events of its branch."""

    clades: frozenset[int]
    change: np.ndarray
    clone: int | None = None
    children: list[Node] = field(default_factory=list)
    name: str = ""
    support: float = float("nan")


def build_tree(
    arms: pd.DataFrame,
    cells: pd.DataFrame,
    days: Mapping[str, int],
    *,
    settings: Mapping[str, Any],
    seed: int,
) -> tuple[pd.DataFrame, str]:
    """The rooted tree of a patient's clones.

    Parameters
    ----------
    arms
        ``copy_number/{patient}.arms.tsv``: clone, chromosome, arm, state, posterior, call.
    cells
        ``clones/{patient}.cells.tsv.gz``: cell, sample, clone.
    days
        day of each sample.
    settings
        section ``evolution.build_tree``: event_cost, reversal_factor, n_bootstrap, exhaustive_up_to, beam.
    seed
        for the bootstrap.

    Returns
    -------
    table, newick
        a row per branch (:data:`TREE_COLUMNS`), parents first; ``support`` in [0, 1] is empty for a tree
        of one clone and for a branch without events. The Newick string has named inner nodes and branch
        lengths in events; it is ``normal;`` when there are no clones.
    """
    clones = clone_order(cells)
    if not clones:
        return pd.DataFrame(columns=list(TREE_COLUMNS)), f"{ROOT};\n"
    states, posteriors, names = state_matrix(arms, clones)
    if not names:
        return _unordered(clones, cells, days)
    costs = Costs(
        leaf_costs(states, posteriors),
        transition_cost(event_cost=float(settings["event_cost"]), reversal_factor=float(settings["reversal_factor"])),
    )
    trees = candidate_trees(
        costs, len(clones), exhaustive_up_to=int(settings["exhaustive_up_to"]), beam=int(settings["beam"])
    )
    top = collapse(costs, trees[0])
    name_nodes(top, clones)
    if len(clones) > 1:
        add_support(top, costs, trees, n_bootstrap=int(settings["n_bootstrap"]), seed=seed)
    table = tree_table(top, names, cells, days)
    if np.isnan(states).all(axis=1).any():
        blank = [c for c, row in zip(clones, states, strict=True) if np.isnan(row).all()]
        hit = table["branch"].isin(blank)
        table.loc[hit, "note"] = (table.loc[hit, "note"] + "; no arm states of its own").str.removeprefix("; ")
    return table, newick(top) + "\n"


def _unordered(clones: Sequence[str], cells: pd.DataFrame, days: Mapping[str, int]) -> tuple[pd.DataFrame, str]:
    """Every clone directly under the normal cell, because no arm was called."""
    nodes = [Node(frozenset([k]), np.zeros(0, dtype=int), k, name=name) for k, name in enumerate(clones)]
    table = pd.concat([tree_table(node, [], cells, days) for node in nodes], ignore_index=True)
    table["note"] = "no arm states: the clones' order is not known"
    return table, f"({','.join(f'{c}:0' for c in clones)}){ROOT};\n"


def clone_order(cells: pd.DataFrame) -> list[str]:
    """Clones in their own order (c1, c2 ... c10)."""
    names = set(cells["clone"]) - {"", POOLED}
    return sorted(names, key=lambda c: (int(c[1:]) if c[1:].isdigit() else 10**9, c))


def state_matrix(arms: pd.DataFrame, clones: Sequence[str]) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """States and posteriors (K x B, NaN where not called) and arm names in the table's order."""
    rows = arms.loc[arms["clone"].isin(clones) & (arms["call"] != INDETERMINATE)]
    rows = rows.assign(name=rows["chromosome"].str.removeprefix("chr") + rows["arm"])
    everywhere = arms["chromosome"].str.removeprefix("chr") + arms["arm"]
    names = [n for n in dict.fromkeys(everywhere) if n in set(rows["name"])]
    states = rows.pivot(index="clone", columns="name", values="state").reindex(index=list(clones), columns=names)
    posteriors = rows.pivot(index="clone", columns="name", values="posterior").reindex_like(states)
    return states.to_numpy(dtype=float), posteriors.to_numpy(dtype=float), names


def collapse(costs: Costs, tree: Topology) -> Node:
    """The topology with its events: branches without events vanish, clones become ancestors where they are."""
    nodes: dict[Topology, Node] = {}
    top: Node | None = None
    for subtree, state, parent_state in node_states(costs, tree):
        above = next((nodes[t] for t in nodes if not isinstance(t, int) and subtree in t), None)
        change = state - parent_state
        leaf = subtree if isinstance(subtree, int) else None
        if above is not None and not change.any() and (leaf is None or above.clone is None):
            above.clone = leaf if leaf is not None else above.clone
            nodes[subtree] = above
            continue
        node = Node(members(subtree), change, leaf)
        nodes[subtree] = node
        if above is None:
            top = node
        else:
            above.children.append(node)
    if top is None:
        raise ValueError("a tree has at least one clone")
    return top


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


def add_support(top: Node, costs: Costs, trees: Sequence[Topology], *, n_bootstrap: int, seed: int) -> None:
    """Share of bootstrap samples of arms in which a branch's clones stand together on at least one event.

    Equally good trees of one sample share its vote (at most :data:`MAX_TIES` of them are looked at).
    """
    per_arm = np.stack([costs.total(t) for t in trees])
    n_arms = per_arm.shape[1]
    draws = np.random.default_rng(seed).multinomial(n_arms, np.full(n_arms, 1 / n_arms), size=n_bootstrap)
    seen: dict[int, dict[frozenset[int], np.ndarray]] = {}
    votes: dict[frozenset[int], float] = {}
    for weight in draws:
        total = per_arm @ weight
        ties = np.flatnonzero(total <= total.min() + 1e-9)[:MAX_TIES]
        for t in ties:
            if t not in seen:
                seen[t] = {n.clades: n.change != 0 for n, _ in walk(collapse(costs, trees[t]))}
            for clade, changed in seen[t].items():
                if (changed & (weight > 0)).any():
                    votes[clade] = votes.get(clade, 0.0) + 1 / len(ties)
    for node, _ in walk(top):
        if node.change.any():
            node.support = votes.get(node.clades, 0.0) / n_bootstrap


#: Equally parsimonious trees that are looked at per bootstrap sample.
MAX_TIES = 50


def event_text(change: np.ndarray, names: Sequence[str]) -> str:
    """Events as people write them: ``+1q -13q``; a sign per copy."""
    return " ".join(("+" if c > 0 else "-") * abs(int(c)) + n for c, n in zip(change, names, strict=True) if c != 0)


def tree_table(top: Node, names: Sequence[str], cells: pd.DataFrame, days: Mapping[str, int]) -> pd.DataFrame:
    """A row per branch; the note says where the order in time contradicts the tree."""
    known = cells.loc[cells["clone"] != ""]
    size = known["clone"].value_counts()
    first = known["sample"].map(days).groupby(known["clone"]).min()
    rows = []
    for node, parent in walk(top):
        notes = []
        if parent is not None and node.name in first and parent.name in first and first[node.name] < first[parent.name]:
            notes.append(
                f"seen on day {int(first[node.name])}, before its parent {parent.name} "
                f"(first seen on day {int(first[parent.name])})"
            )
        if parent is not None and not node.change.any():
            notes.append(f"no arm event tells it from {parent.name}")
        if node.clone is None:
            notes.append("inferred ancestor, no cells of its own")
        rows.append(
            {
                "branch": node.name,
                "parent": ROOT if parent is None else parent.name,
                "events": event_text(node.change, names),
                "support": node.support,
                "n_events": int(np.abs(node.change).sum()),
                "n_cells": int(size.get(node.name, 0)),
                "first_day": first.get(node.name, np.nan),
                "note": "; ".join(notes),
            }
        )
    table = pd.DataFrame(rows, columns=list(TREE_COLUMNS))
    table["first_day"] = table["first_day"].astype("Int64")
    return table


def newick(top: Node) -> str:
    """Newick with named nodes; a branch's length is its number of events."""

    def text(node: Node) -> str:
        below = ",".join(text(c) for c in sorted(node.children, key=lambda n: min(n.clades)))
        return f"{f'({below})' if below else ''}{node.name}:{int(np.abs(node.change).sum())}"

    return f"({text(top)}){ROOT};"
