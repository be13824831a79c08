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
    settings: Mapping[str, Any],
) -> tuple[np.ndarray, list[Signal]]:
    """Signals of immune cells, each type against itself, on the windows and arms of the plasma cells' signal.

    Parameters
    ----------
    counts, samples, types
        raw counts (CSR), capture and type of the immune cells.
    baseline
        of the plasma cells: which genes count, and the captures' effects.

    Returns
    -------
    rows of ``counts`` that have a signal (types with at least ``min_cells_type`` cells), and signals in their order.
    """
    keep = baseline.used & (baseline.reference * 1e6 >= settings["min_cpm"])
    genes = baseline.genes.assign(used=keep)
    rows: list[np.ndarray] = []
    signals: list[Signal] = []
    for name in sorted(set(types)):
        here = np.flatnonzero(types == name)
        if len(here) < settings["min_cells_type"]:
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
                window=settings["window"],
                step=settings["step"],
                clip=settings["clip"],
                min_cpm=0.0,  # the same genes as the plasma cells', whatever this type expresses
                anchors=settings["anchor_arms"],
            )
        )
        rows.append(here)
    return (np.concatenate(rows) if rows else np.zeros(0, dtype=int)), signals


def stacked(signals: list[Signal], order: np.ndarray) -> Signal:
    """Signals on the same windows and arms as one, cells in ``order``."""
    first = signals[0]
    windows: Any = [s.windows for s in signals]
    joined = sp.vstack(windows, format="csr") if sp.issparse(first.windows) else np.vstack(windows)
    arms = np.vstack([s.arms for s in signals])
    depth = np.concatenate([s.depth for s in signals])
    return replace(first, windows=joined[order], arms=arms[order], depth=depth[order])


def joined_rows(kept: np.ndarray, more: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows of both in ascending order, and the order that brings the concatenation into it."""
    rows = np.concatenate([kept, more])
    order = np.argsort(rows, kind="stable")
    return rows[order], order
