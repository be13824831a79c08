"""Noise of single cells where the reference is a file (rung R3): the patient's immune cells, each against its own type.

A profile says what a normal cell shows on average, not how single cells scatter. Immune cells measured against the
mean of their own type are diploid cells whose deviations are noise alone, of this patient and these captures.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import scipy.sparse as sp

from .baseline import Baseline, build_baseline
from .signal import Signal, infer_signal


def bystander_signal(
    counts: sp.csr_matrix,
    samples: np.ndarray,
    types: np.ndarray,
    baseline: Baseline,
    *,
    min_cpm: float,
    min_cells: int,
    windows: Mapping[str, Any],
) -> tuple[np.ndarray, list[Signal]]:
    """Signals of immune cells, each type against itself, on the windows and arms of the plasma cells' signal.

    Parameters
    ----------
    counts, samples, types
        raw counts (CSR), capture and type of the immune cells.
    baseline
        of the plasma cells: which genes count, and the captures' effects.
    min_cpm, min_cells
        level from which a gene of that baseline counts; cells that a type needs to take part.
    windows
        the other keywords of :func:`~marrowclone.copy_number.signal.infer_signal`.

    Returns
    -------
    rows of ``counts`` that have a signal, and signals in their order.
    """
    keep = baseline.used & (baseline.reference * 1e6 >= min_cpm)
    genes = baseline.genes.assign(used=keep)
    rows: list[np.ndarray] = []
    signals: list[Signal] = []
    for name in sorted(set(types)):
        here = np.flatnonzero(types == name)
        if len(here) < min_cells:
            continue
        category = np.full(len(here), name, dtype=object)
        own = build_baseline(counts[here], samples[here], category, genes, baseline.effects)
        signals.append(
            infer_signal(
                counts[here],
                samples[here],
                np.ones(len(here), dtype=bool),
                category,
                own,
                min_cpm=0.0,  # the same genes as the plasma cells', whatever this type expresses
                **windows,
            )
        )
        rows.append(here)
    return (np.concatenate(rows) if rows else np.zeros(0, dtype=int)), signals


def noise_limit(signals: list[Signal]) -> float | None:
    """Threshold of windows over all these cells: root mean square of the types' own; None without a signal."""
    if not signals:
        return None
    return float(np.sqrt(np.average([s.limit**2 for s in signals], weights=[len(s.depth) for s in signals])))


def stacked(signals: list[Signal], order: np.ndarray) -> Signal:
    """Signals on the same windows and arms as one, cells in ``order``."""
    first = signals[0]
    joined = sp.csr_matrix(sp.vstack([s.windows for s in signals], format="csr"))
    arms = np.vstack([s.arms for s in signals])
    depth = np.concatenate([s.depth for s in signals])
    return replace(first, windows=joined[order], arms=arms[order], depth=depth[order])


def joined_rows(kept: np.ndarray, more: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows of both in ascending order, and the order that brings the concatenation into it."""
    rows = np.concatenate([kept, more])
    order = np.argsort(rows, kind="stable")
    return rows[order], order
