"""Copy-number events of clones: their grammar, and the arm states they add up to.

``+9`` adds a copy of both arms, ``+1q`` of one; ``-13q`` takes one away; ``amp1q`` adds two; ``cnloh7p`` keeps the
number of copies, but all are of one parent's chromosome from then on (copy-neutral loss of heterozygosity).
Events add along the lineage: ``+1q`` in a child of a clone with ``+1q`` makes four copies.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import pandas as pd

from ..resources import arm_table

#: Chromosomes whose copies a clone may change (sex chromosomes are not modelled).
AUTOSOMES: tuple[str, ...] = tuple(f"chr{i}" for i in range(1, 23))
#: Arms that carry almost no genes of their own; a whole-chromosome event still covers them.
ACROCENTRIC_P: frozenset[str] = frozenset({"13p", "14p", "15p", "21p", "22p"})
#: Copies of an arm in a normal cell.
DIPLOID = 2

#: Prefix of a copy-neutral loss of heterozygosity.
CNLOH = "cnloh"
_EVENT = re.compile(r"^(\+|-|amp|cnloh)(\d{1,2})([pq]?)$")
_STEP = {"+": 1, "-": -1, "amp": 2, CNLOH: 0}


def parse_event(event: str) -> tuple[tuple[str, ...], int]:
    """``"+9"`` -> ``(("9p", "9q"), 1)``: the arms that change, and by how many copies.

    Raises
    ------
    ValueError
        with what is wrong, when ``event`` is not of the grammar.
    """
    match = _EVENT.match(event)
    if match is None:
        raise ValueError("an event such as +9, +1q, amp1q, -17p or cnloh7p")
    sign, chromosome, arm = match.groups()
    if not 1 <= int(chromosome) <= 22:
        raise ValueError("a chromosome from 1 to 22")
    if chromosome + arm in ACROCENTRIC_P:
        raise ValueError(f"another arm: {chromosome}p carries no genes that count")
    arms = (chromosome + arm,) if arm else (f"{chromosome}p", f"{chromosome}q")
    return arms, _STEP[sign]


def arm_names() -> list[str]:
    """Autosomal arms in genome order: ``1p``, ``1q``, ``2p``, ... ``22q``."""
    table = arm_table()
    table = table[table["chromosome"].isin(AUTOSOMES)]
    return [c.removeprefix("chr") + a for c, a in zip(table["chromosome"], table["arm"], strict=True)]


def lineage(clone: str, parents: Mapping[str, str]) -> list[str]:
    """``clone`` and its ancestors, founder first."""
    path = [clone]
    while parents[path[-1]]:
        path.append(parents[path[-1]])
    return path[::-1]


def arm_states(events: Mapping[str, Sequence[str]], parents: Mapping[str, str]) -> pd.DataFrame:
    """Copies of every autosomal arm in every clone.

    Parameters
    ----------
    events, parents
        per clone its own events, and its parent (``""`` for the founder).

    Returns
    -------
    DataFrame, clones x arms, integer copies (may be negative where the events are
    impossible; the spec check says so to the user).
    """
    states = pd.DataFrame(DIPLOID, index=list(events), columns=arm_names(), dtype=int)
    for clone in events:
        for ancestor in lineage(clone, parents):
            for event in events[ancestor]:
                arms, step = parse_event(event)
                states.loc[clone, list(arms)] += step
    return states


def dosage(states: pd.DataFrame, *, exponent: float) -> pd.DataFrame:
    """Expression factor of every arm: ``1 + exponent (c / 2 - 1)``, never below 0.

    ``exponent`` below 1 is dosage compensation; default .8 [J, science Appendix A.5].
    """
    return (1.0 + exponent * (states / DIPLOID - 1.0)).clip(lower=0.0)
