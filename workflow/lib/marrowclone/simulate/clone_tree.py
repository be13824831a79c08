"""Checks of a tree of clones, the same for simulated tumours and for events imposed on real cells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import did_you_mean, found, one_of
from .checker import Checker
from .events import arm_states, parse_event


def check_tree(clones: Mapping[str, Any], path: str, checker: Checker) -> bool:
    """Parents that exist, events that can be read, one founder, no circle, no negative copies.

    Parameters
    ----------
    clones
        name -> ``parent`` (empty for the founder) and ``events``, which become text in place: YAML reads an
        unquoted +9 or -13 as a number.

    Returns
    -------
    bool, whether the tree is sound.
    """
    before = len(checker.problems)
    parents = {n: c["parent"] for n, c in clones.items()}
    for name, clone in clones.items():
        if clone["parent"] and clone["parent"] not in parents:
            hint = did_you_mean(clone["parent"], parents)
            checker.say(f"{path}.{name}.parent", found(clone["parent"], one_of(parents)), hint)
        clone["events"] = [f"{e:+d}" if type(e) is int else str(e) for e in clone["events"]]
        for event in clone["events"]:
            try:
                parse_event(event)
            except ValueError as error:
                checker.say(f"{path}.{name}.events", found(event, str(error)))
    if not clones or len(checker.problems) > before:
        return len(checker.problems) == before
    for name in clones:
        seen, at = {name}, parents[name]
        while at and at not in seen:
            seen.add(at)
            at = parents[at]
        if at:
            checker.say(f"{path}.{name}.parent", "the clone is its own ancestor")
            return False
    founders = [n for n, p in parents.items() if not p]
    if len(founders) != 1:
        checker.say(path, f"{len(founders)} clones without a parent ({', '.join(founders)}), expected one founder")
        return False
    states = arm_states({n: c["events"] for n, c in clones.items()}, parents)
    for name in states.index[(states < 0).any(axis=1)]:
        arm = states.columns[states.loc[name] < 0][0]
        checker.say(f"{path}.{name}.events", f"arm {arm} would have fewer than 0 copies")
    return len(checker.problems) == before
