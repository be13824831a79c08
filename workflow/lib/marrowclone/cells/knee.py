"""The knee: UMIs of a barcode against its rank."""

from __future__ import annotations

import numpy as np

#: Points of a curve at most.
POINTS = 200


def knee(n_umi: np.ndarray) -> list[list[int]]:
    """At most :data:`POINTS` points [rank, UMIs], spaced evenly in log rank; barcodes without UMIs are left out."""
    ordered = np.sort(n_umi[n_umi > 0])[::-1]
    if not ordered.size:
        return []
    ranks = np.unique(np.round(np.geomspace(1, ordered.size, POINTS)).astype(int))
    return [[int(r), int(ordered[r - 1])] for r in ranks]
