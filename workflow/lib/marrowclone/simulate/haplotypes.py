"""Copies of both parents' chromosomes: which of the two every event of a clone falls on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from .events import CNLOH, arm_names, parse_event
from .streams import stream


def haplotype_copies(clones: Mapping[str, Any], *, patient: str, seed: int) -> dict[str, pd.DataFrame]:
    """Copies of each arm from either parent, per clone.

    A gain copies a chromosome that is there, a loss takes one that is there, and a copy-neutral loss of
    heterozygosity puts all copies on one of them; which, is drawn once per event and inherited.

    Parameters
    ----------
    clones
        checked clones of a patient: ``parent`` and ``events`` of each.

    Returns
    -------
    clone -> DataFrame, arms x (``a``, ``b``), integers; their sum is :func:`~marrowclone.simulate.events.arm_states`.
    """
    out: dict[str, pd.DataFrame] = {}
    while len(out) < len(clones):
        for name, clone in clones.items():
            if name in out or (clone["parent"] and clone["parent"] not in out):
                continue
            copies = (
                out[clone["parent"]].copy()
                if clone["parent"]
                else pd.DataFrame(1, index=arm_names(), columns=["a", "b"], dtype=int)
            )
            for i, event in enumerate(clone["events"]):
                rng = stream(seed, "haplotype", patient, name, str(i), event)
                _apply(copies, event, first=int(rng.integers(2)))
            out[name] = copies
    return out


def _apply(copies: pd.DataFrame, event: str, *, first: int) -> None:
    """One event, on the haplotype ``first`` (0 or 1) of each of its arms, or the other where that one is gone."""
    arms, step = parse_event(event)
    for arm in arms:
        pair = copies.loc[arm].to_numpy().copy()
        mine = first if pair[first] > 0 else 1 - first
        if event.startswith(CNLOH):
            pair = np.where(np.arange(2) == mine, pair.sum(), 0)
        else:
            for _ in range(abs(step)):
                mine = mine if pair[mine] > 0 or step > 0 else 1 - mine
                pair[mine] += int(np.sign(step))
        copies.loc[arm] = pair
