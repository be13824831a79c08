"""The clones' family tree: copy-number events on branches, from a normal cell downwards.

The tree of highest likelihood of the measured ratios (:mod:`.likelihood`), where equally likely ones the one that
agrees with the order in time; support by bootstrap over segments and cells (:mod:`.support`). A clone that shows all
of an ancestor's events and none of its own *is* that ancestor.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ..keys import TABLES
from .characters import Characters, leaf_costs, read_characters
from .likelihood import Model, Rates, Steps, chromosomes_of
from .nodes import ROOT, Node, collapse, count_events, events_of, name_nodes, newick, walk
from .order import Sightings
from .support import add_support
from .topology import Topology, candidate_trees

TREE_COLUMNS: tuple[str, ...] = (
    *TABLES["evolution.tree"], "n_events", "n_cells", "first_day", "conflict", "note",
)  # fmt: skip
#: The rows of arms.tsv that pool all malignant cells.
POOLED = "all"
#: Trees whose ln likelihood is this close to the best are asked whether they agree with time, at most so many [J].
NEAR, MOST_NEAR = 4.0, 40


def build_tree(
    arms: pd.DataFrame,
    profiles: pd.DataFrame,
    cells: pd.DataFrame,
    days: Mapping[str, int],
    *,
    settings: Mapping[str, Any],
    seed: int,
) -> tuple[pd.DataFrame, str]:
    """The rooted tree of a patient's clones.

    Parameters
    ----------
    arms, profiles
        ``copy_number/{patient}.arms.tsv`` and ``clones/{patient}.profiles.tsv``
        (:func:`.characters.read_characters` says which columns).
    cells
        ``clones/{patient}.cells.tsv.gz``: cell, sample, clone.
    days
        day of each sample.
    settings
        section ``evolution.build_tree``: event_cost, recurrent_cost, recurrent_share, reversal_factor, time_cost,
        min_seen_cells, max_missed, n_bootstrap, exhaustive_up_to, beam.
    seed
        for the bootstrap.

    Returns
    -------
    table, newick
        a row per branch (:data:`TREE_COLUMNS`), parents first; ``support`` in [0, 1] is empty for a tree
        of one clone and for a branch without events. The Newick string has named inner nodes and branch
        lengths in events; it is ``normal;`` when there are no clones.
    """
    names = clone_order(cells)
    if not names:
        return pd.DataFrame(columns=list(TREE_COLUMNS)), f"{ROOT};\n"
    seen = Sightings(cells, days, min_cells=int(settings["min_seen_cells"]), max_missed=float(settings["max_missed"]))
    measured = set(read_characters(arms, profiles, names).measured(names))
    clones = [c for c in names if c in measured]
    if not clones:
        return _unordered(names, seen)
    characters = read_characters(arms, profiles, clones)
    rates = Rates(
        (float(settings["event_cost"]), float(settings["recurrent_cost"])),
        (1.0 - float(settings["recurrent_share"]), float(settings["recurrent_share"])),
        float(settings["reversal_factor"]),
    )
    costs = leaf_costs(characters)
    steps = Steps(chromosomes_of(characters.units, costs), rates)
    model = Model(steps, costs[None])
    trees, scores = candidate_trees(
        lambda some: np.array([model.score(t).sum() for t in some]), len(clones),
        exhaustive_up_to=int(settings["exhaustive_up_to"]), beam=int(settings["beam"]),
    )  # fmt: skip
    top = best_tree(model, trees, scores, clones, characters, seen, time_cost=float(settings["time_cost"]))
    if len(clones) > 1:
        near = trees[: int(settings["beam"])]
        add_support(top, characters, steps, near, n_bootstrap=int(settings["n_bootstrap"]), seed=seed)
    blank = [c for c in names if c not in measured]
    for k, name in enumerate(blank, start=len(clones)):  # somewhere in the tumour: under its top, and said so
        nothing = np.zeros(len(characters.units), dtype=int)
        top.children.append(Node(frozenset([k]), nothing, k, name=name))
    return tree_table(top, characters, seen, blank=blank), newick(top, characters.units) + "\n"


def best_tree(
    model: Model,
    trees: Sequence[Topology],
    scores: np.ndarray,
    clones: Sequence[str],
    characters: Characters,
    seen: Sightings,
    *,
    time_cost: float,
) -> Node:
    """The likeliest tree with its names, after each conflict in time has cost ``time_cost`` (nats)."""
    best: tuple[float, Node] | None = None
    for tree, score in list(zip(trees, scores, strict=True))[:MOST_NEAR]:
        if score < scores[0] - NEAR:
            break
        top = collapse(model, tree, len(characters.units))
        name_nodes(top, clones)
        value = float(score) - time_cost * len(seen.conflicts(parents_of(top)))
        if best is None or value > best[0] + 1e-9:
            best = value, top
    if best is None:
        raise ValueError("no tree to choose from")
    return best[1]


def parents_of(top: Node) -> dict[str, str]:
    """{node: parent}; the topmost node's parent is the normal cell."""
    return {node.name: ROOT if parent is None else parent.name for node, parent in walk(top)}


def _unordered(clones: Sequence[str], seen: Sightings) -> tuple[pd.DataFrame, str]:
    """Every clone directly under the normal cell, because no arm was measured."""
    nothing = Characters((), np.zeros((len(clones), 0)), np.zeros((len(clones), 0)), np.zeros(0), 1.0)
    nodes = [Node(frozenset([k]), np.zeros(0, dtype=int), k, name=name) for k, name in enumerate(clones)]
    table = pd.concat([tree_table(node, nothing, seen) for node in nodes], ignore_index=True)
    table["note"] = "no arm states: the clones' order is not known"
    return table, f"({','.join(f'{c}:0' for c in clones)}){ROOT};\n"


def clone_order(cells: pd.DataFrame) -> list[str]:
    """Clones in their own order (c1, c2 ... c10)."""
    names = set(cells["clone"]) - {"", POOLED}
    return sorted(names, key=lambda c: (int(c[1:]) if c[1:].isdigit() else 10**9, c))


def tree_table(top: Node, characters: Characters, seen: Sightings, *, blank: Sequence[str] = ()) -> pd.DataFrame:
    """A row per branch; ``conflict`` names the ancestors that time speaks against, the note says it in words.

    ``blank``: clones of which nothing was measured.
    """
    conflicts = seen.conflicts(parents_of(top))
    rows = []
    for node, parent in walk(top):
        own = [c for c in conflicts if c.descendant == node.name]
        notes = [str(c) for c in own]
        if node.name in blank:
            notes.append("no arm states of its own: where it descends from is not known")
        elif parent is not None and not node.change.any():
            notes.append(f"no arm event tells it from {parent.name}")
        if node.clone is None:
            notes.append("inferred ancestor, no cells of its own")
        rows.append(
            {
                "branch": node.name,
                "parent": ROOT if parent is None else parent.name,
                "events": " ".join(events_of(node.change, characters.units)),
                "support": node.support,
                "n_events": count_events(node.change, characters.units),
                "n_cells": int(seen.size.get(node.name, 0)),
                "first_day": seen.first.get(node.name, np.nan),
                "conflict": " ".join(c.ancestor for c in own),
                "note": "; ".join(notes),
            }
        )
    table = pd.DataFrame(rows, columns=list(TREE_COLUMNS))
    table["first_day"] = table["first_day"].astype("Int64")
    return table
