"""Order in time: a clone cannot descend from one that arose only later.

A clone that was not seen on a day may have been there all the same. It is held against the tree only where that many
cells would have shown it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True)
class Conflict:
    """``descendant`` was seen on ``day``, when ``ancestor``, first seen on ``first_day``, would have been missed among
    ``n_cells`` cells with probability ``missed``, had it made up ``fraction`` of them as it did at first sight."""

    descendant: str
    ancestor: str
    day: int
    first_day: int
    n_cells: int
    fraction: float
    missed: float

    def __str__(self) -> str:
        return (
            f"seen on day {self.day}, before its ancestor {self.ancestor} (first seen on day {self.first_day} as "
            f"{self.fraction:.0%} of cells; 0 of {self.n_cells} before)"
        )


class Sightings:
    """When each clone was seen, and among how many cells it was not.

    Parameters
    ----------
    cells
        cell, sample, clone ("" unassigned: such cells say nothing).
    days
        day of each sample.
    min_cells
        cells from which a clone counts as seen on a day: fewer may be misassigned.
    max_missed
        an ancestor that was there would have been missed with less than this probability.
    """

    def __init__(self, cells: pd.DataFrame, days: Mapping[str, int], *, min_cells: int, max_missed: float) -> None:
        self.min_cells, self.max_missed = min_cells, max_missed
        known = cells.loc[cells["clone"] != ""]
        day = known["sample"].map(days)
        self.counts = pd.crosstab(day, known["clone"]).sort_index()
        self.total = self.counts.sum(axis=1)
        self.size = known["clone"].value_counts()
        self.first = {str(c): int(d) for c, d in day.groupby(known["clone"]).min().items()}

    def conflict(self, ancestor: str, descendant: str) -> Conflict | None:
        """The conflict of this order, if the cells suffice to see one.

        All cells count from the day on which the descendant was seen until the ancestor was.
        """
        if ancestor not in self.first or descendant not in self.first:
            return None
        first = self.first[ancestor]
        early = self.counts.index[(self.counts[descendant] >= self.min_cells) & (self.counts.index < first)]
        if not len(early):
            return None
        born = int(early[0])
        before = self.total[(self.total.index >= born) & (self.total.index < first)]
        n = int(before.sum())
        fraction = float(self.counts.loc[first, ancestor] / self.total[first])
        missed = (1 - fraction) ** n
        return Conflict(descendant, ancestor, born, first, n, fraction, missed) if missed < self.max_missed else None

    def conflicts(self, parents: Mapping[str, str]) -> list[Conflict]:
        """All conflicts of a tree {clone or ancestor: parent}, each clone against all that stand above it."""
        found = []
        for name in parents:
            for above in _above(parents, name):
                conflict = self.conflict(above, name)
                if conflict is not None:
                    found.append(conflict)
        return found


def _above(parents: Mapping[str, str], name: str) -> Sequence[str]:
    """Everything above a node, the nearest first."""
    path = []
    above = parents.get(name, "")
    while above in parents:
        path.append(above)
        above = parents[above]
    return path
