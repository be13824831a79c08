"""Barcode rank against UMIs, and which part of the ranks was kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from . import style

#: Points of a curve that is made here, and strips of the kept share.
POINTS, STRIPS = 200, 60
CURVE, RAW, KEPT_COLOUR = "#0072B2", "#8a8f98", "#56B4E9"


def ranked(n_umi: np.ndarray, *, points: int = POINTS) -> np.ndarray:
    """At most ``points`` log-spaced points (rank from 1, UMIs) of the barcodes in falling order; shape (n, 2)."""
    falling = np.sort(np.asarray(n_umi))[::-1]
    if not len(falling):
        return np.empty((0, 2))
    ranks = np.unique(np.round(np.geomspace(1, len(falling), points)).astype(int))
    return np.column_stack([ranks, falling[ranks - 1]])


def kept_by_rank(n_umi: np.ndarray, kept: np.ndarray, *, strips: int = STRIPS) -> tuple[np.ndarray, np.ndarray]:
    """Share kept in log-spaced strips of rank.

    Barcodes of equal UMIs share the ranks that they take up evenly, so that the order of the file
    does not show.

    Returns
    -------
    edges (k + 1 ranks, from 1 to n + 1) and share (k, in [0, 1]).
    """
    n_umi, kept = np.asarray(n_umi), np.asarray(kept, dtype=float)
    if not len(n_umi):
        return np.array([1.0]), np.empty(0)
    values, inverse, sizes = np.unique(-n_umi, return_inverse=True, return_counts=True)
    mean = np.bincount(inverse, weights=kept, minlength=len(values)) / sizes
    total = np.concatenate([[0.0], np.cumsum(np.repeat(mean, sizes))])
    edges = np.unique(np.round(np.geomspace(1, len(n_umi) + 1, strips + 1)).astype(int))
    return edges.astype(float), np.diff(total[edges - 1]) / np.diff(edges)


@style.figure
def knee(
    curve: np.ndarray,
    *,
    raw: np.ndarray | None,
    edges: np.ndarray,
    share: np.ndarray,
    floors: Mapping[str, float],
) -> Figure:
    """Draw the knee.

    Parameters
    ----------
    curve, raw
        rank and UMIs of the file's barcodes, and of all droplets where there is an unfiltered matrix.
    edges, share
        see :func:`kept_by_rank`.
    floors
        text -> UMIs, drawn as lines.
    """
    width, left, span = 7.4, 0.75, 4.9
    fig = style.new_figure(4.35, width=width)
    axes = style.panel(fig, left, 0.15, span, 2.85)
    below = style.panel(fig, left, 3.15, span, 0.6)
    points = [p for p in (curve, raw) if p is not None and len(p)]
    last = max([float(p[:, 0].max()) for p in points] + [float(edges[-1]), 10.0])
    highest = max([float(p[:, 1].max()) for p in points] + [10.0, *floors.values()])
    lowest = min([max(1.0, float(p[:, 1].min())) for p in points] + [max(1.0, v) for v in floors.values()])
    for panel in (axes, below):
        panel.set_xscale("log")
        panel.set_xlim(0.9, last * 1.12)
    axes.set_yscale("log")
    axes.set_ylim(max(0.7, lowest / 1.6), highest * 1.5)
    axes.grid()
    if raw is not None and len(raw):
        _line(axes, raw, RAW, 1.2)
    _line(axes, curve, CURVE, 1.8)
    ends = [(curve, "barcodes of the file", CURVE)]
    if raw is not None and len(raw):
        ends.append((raw, "all droplets", RAW))
    labels = [(float(p[-1, 1]), text, colour) for p, text, colour in ends if len(p)]
    labels += [(value, text, style.MUTED) for text, value in floors.items()]
    for value in floors.values():
        axes.axhline(value, color=style.MUTED, linewidth=0.9, linestyle=(0, (4, 3)))
    _at_the_right(axes, labels)
    axes.tick_params(labelbottom=False)
    axes.set_ylabel("UMIs per barcode")
    if len(share):
        below.bar(edges[:-1], share, width=np.diff(edges), align="edge", color=KEPT_COLOUR, linewidth=0)
    below.set_ylim(0, 1)
    below.set_yticks([0, 1], ["0%", "100%"])
    below.set_ylabel("kept")
    below.set_xlabel("barcodes by rank of UMIs (1: most)")
    plain = FuncFormatter(lambda v, _: f"{v:,.0f}")
    for axis in (axes.yaxis, below.xaxis):
        axis.set_major_formatter(plain)
        axis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_minor_formatter(NullFormatter())
    return fig


def _line(axes: Axes, points: np.ndarray, colour: str, width: float) -> None:
    """A curve; a single barcode is a dot."""
    if len(points):
        axes.plot(
            points[:, 0], np.maximum(points[:, 1], 0.7), color=colour, linewidth=width,
            marker="o" if len(points) < 3 else "", markersize=4,
        )  # fmt: skip


def _at_the_right(axes: Axes, labels: Sequence[tuple[float, str, str]]) -> None:
    """Write labels beside the panel at their heights, moved apart where they would touch."""
    low, high = np.log10(axes.get_ylim())
    gap = 0.062  # of the panel's height: a line of small text
    placed = sorted(((np.log10(max(v, 0.7)) - low) / (high - low), text, colour) for v, text, colour in labels)
    at = -1.0
    for height, text, colour in placed:
        at = max(height, at + gap * (text.count("\n") + 1))
        axes.text(
            1.015, at, text, transform=axes.transAxes, color=colour, fontsize=style.SMALL, va="center", linespacing=1.1
        )
