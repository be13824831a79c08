"""QC measures by cell type: a small violin for each type and measure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator

from . import style

GRID = 40
ROW = 0.3
#: Steps between the ticks of a linear axis; the last one ends any search.
STEPS = (
    0.001,
    0.002,
    0.005,
    0.01,
    0.02,
    0.05,
    0.1,
    0.2,
    0.25,
    0.5,
    1,
    2,
    5,
    10,
    20,
    25,
    50,
    100,
    1e3,
    1e4,
    1e5,
    1e6,
    np.inf,
)


@dataclass(frozen=True)
class Measure:
    """A column of the QC table as a panel. ``log``: log axis, zeros stand at ``least``."""

    column: str
    title: str
    unit: str
    log: bool = False
    least: float = 0.0


@dataclass(frozen=True)
class Row:
    """A row of the figure: its values by column, its limits by column."""

    label: str
    n: int
    colour: str
    values: Mapping[str, np.ndarray]
    limits: Mapping[str, float]
    strong: bool = False


def density(values: np.ndarray, low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
    """Kernel density over the range of ``values``; at most :data:`GRID` points, highest 1.

    The bandwidth is Silverman's (1986, eq. 3.31), which takes the smaller of SD and IQR / 1.34, and at
    least 1/150 of the axis, so that ties keep a width.
    """
    values = np.sort(values)  # sums of floats depend on their order: the order of the file must not show
    start, end = float(values[0]), float(values[-1])
    quartiles = np.subtract(*np.quantile(values, [0.75, 0.25])) / 1.34
    spread = min(s for s in (float(values.std()), float(quartiles), np.inf) if s > 0) if start < end else 0.0
    width = max(0.9 * (spread if np.isfinite(spread) else 0.0) * len(values) ** -0.2, (high - low) / 150)
    grid = np.linspace(start, end, GRID) if end - start > width else np.array([start - width, start, end, end + width])
    # binned first: a sample of 200,000 cells costs as much as one of 2,000
    counts, edges = np.histogram(
        values, bins=min(512, max(8, len(values))), range=(start, end if end > start else start + 1e-9)
    )
    centres = (edges[:-1] + edges[1:]) / 2
    height = np.exp(-0.5 * ((grid[:, None] - centres[None, :]) / width) ** 2) @ counts
    return grid, height / height.max() if height.max() > 0 else height


def span_of(rows: Sequence[Row], measure: Measure) -> tuple[float, float]:
    """The axis of a measure: what is finite in all rows and limits, with a margin; log10 where it is a log axis."""
    parts = [transformed(r.values[measure.column], measure) for r in rows if measure.column in r.values]
    parts += [transformed(np.array([r.limits[measure.column]]), measure) for r in rows if measure.column in r.limits]
    everything = np.concatenate(parts) if parts else np.empty(0)
    if not len(everything):
        return 0.0, 1.0
    low, high = float(everything.min()), float(everything.max())
    if not measure.log:
        low = min(0.0, low)
    if high - low < 1e-9:
        high = low + 1
    return (low - 0.04 * (high - low) if measure.log else low), high + 0.05 * (high - low)


def transformed(values: np.ndarray, measure: Measure) -> np.ndarray:
    """Values as drawn: finite ones, log10 on a log axis."""
    values = np.asarray(values, dtype=float)
    values = values[np.isfinite(values)]
    return np.log10(np.maximum(values, measure.least)) if measure.log else values


@style.figure
def violins(
    kept: Sequence[Row],
    dropped: Sequence[Row],
    measures: Sequence[Measure],
    *,
    floors: Mapping[str, float],
    fewest: int,
) -> Figure:
    """Draw a grid: a row per cell type, a column per measure.

    Parameters
    ----------
    kept, dropped
        rows of kept barcodes by cell type and of dropped ones by coarse guess.
    floors
        limits of all rows by column, drawn through the column; ``limits`` of a row are drawn in it.
    fewest
        with fewer values a row shows its points.
    """
    rows = [*kept, *dropped]
    names = [style.wrap(r.label, 1.25) for r in rows]
    tall = [max(ROW, 0.15 * (n.count("\n") + 1) + 0.1) for n in names]
    left, gap, head = 1.95, 0.16, 0.5
    if dropped and kept:
        tall[len(kept)] += 0.22  # room for the line between kept and dropped
    span = (style.WIDTH - left - 0.1 - gap * (len(measures) - 1)) / max(len(measures), 1)
    body = sum(tall) + 0.24
    fig = style.new_figure(head + body + 0.6)
    ends = np.cumsum(tall) + 0.24
    heights = [ROW] * len(rows)
    middles = [
        end - (t - (0.22 if i == len(kept) and dropped and kept else 0)) / 2
        for i, (end, t) in enumerate(zip(ends, tall, strict=True))
    ]
    side = style.panel(fig, 0, head, left, body)
    style.bare(side)
    side.set_xlim(0, left)
    side.set_ylim(body, 0)
    for text, at in (
        ("kept, by cell type", 0.1),
        ("dropped, by guess", float(ends[len(kept) - 1]) + 0.11 if kept else 0.1),
    ):
        if (kept and text.startswith("kept")) or (dropped and text.startswith("dropped")):
            side.text(0.0, at, text, fontsize=style.TINY, color=style.MUTED, va="center")
    side.text(left - 0.08, -0.1, "n", ha="right", va="center", fontsize=style.SMALL, color=style.MUTED)
    for row, name, y in zip(rows, names, middles, strict=True):
        side.text(
            0.0, y, name, ha="left", va="center", fontsize=style.SMALL, linespacing=1.1,
            color=row.colour if row.strong else style.INK, fontweight="bold" if row.strong else "normal",
        )  # fmt: skip
        side.text(left - 0.08, y, f"{row.n:,}", ha="right", va="center", fontsize=style.SMALL, color=style.MUTED)
    for i, measure in enumerate(measures):
        axes = style.panel(fig, left + i * (span + gap), head, span, body)
        low, high = span_of(
            [*rows, Row("", 0, "", {}, {k: v for k, v in floors.items() if k == measure.column})], measure
        )
        axes.set_xlim(low, high)
        axes.set_ylim(body, 0)
        if dropped and kept:
            axes.axhspan(float(ends[len(kept) - 1]), body, color="#f5f6f8", linewidth=0)
        for row, y, height in zip(rows, middles, heights, strict=True):
            if measure.column in row.values:
                _violin(axes, transformed(row.values[measure.column], measure), y, height, row.colour, fewest)
            if measure.column in row.limits:
                at = float(transformed(np.array([row.limits[measure.column]]), measure)[0])
                axes.plot([at, at], [y - 0.4 * height, y + 0.4 * height], color=style.INK, linewidth=1.1)
        if measure.column in floors:
            at = float(transformed(np.array([floors[measure.column]]), measure)[0])
            axes.axvline(at, color=style.INK, linewidth=0.9, linestyle=(0, (4, 3)))
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.set_title(style.wrap(measure.title, span + gap - 0.05, style.SMALL), fontsize=style.SMALL, pad=4)
        axes.set_xlabel(measure.unit, fontsize=style.TINY)
        axes.tick_params(labelsize=style.TINY)
        _ticks(axes, low, high, measure)
    return fig


def _violin(axes: Axes, values: np.ndarray, y: float, height: float, colour: str, fewest: int) -> None:
    if not len(values):
        return
    if len(values) < fewest:
        axes.plot(np.sort(values), [y] * len(values), "o", color=colour, markersize=3, alpha=0.7, markeredgewidth=0)
        return
    low, high = axes.get_xlim()
    grid, shape = density(values, low, high)
    half = 0.44 * height * shape
    axes.fill_between(grid, y - half, y + half, color=colour, alpha=0.55, linewidth=0)
    first, middle, third = np.quantile(values, [0.25, 0.5, 0.75])
    axes.plot([first, third], [y, y], color=style.INK, linewidth=1.2, alpha=0.8)
    axes.plot([middle], [y], "o", color=style.PAPER, markeredgecolor=style.INK, markeredgewidth=0.8, markersize=3.2)


def _ticks(axes: Axes, low: float, high: float, measure: Measure) -> None:
    """Few ticks with short text: 1k for 1,000."""
    if measure.log:
        places = [float(p) for p in range(int(np.ceil(low)), int(np.floor(high)) + 1)]
        if len(places) < 2:  # within a decade: 2 and 5 too
            marks = [m * 10.0**p for p in range(int(np.floor(low)), int(np.ceil(high)) + 1) for m in (1, 2, 5)]
            places = [float(np.log10(m)) for m in marks if low <= np.log10(m) <= high]
            places = places if len(places) <= 3 else [places[0], places[-1]]
        axes.xaxis.set_major_locator(FixedLocator(places))
        axes.set_xticklabels([_short(10.0**p) for p in places])
    else:
        step = next(s for s in STEPS if high / s < 3.5)
        steps = [float(m) for m in np.arange(0, high, step)]
        axes.xaxis.set_major_locator(FixedLocator(steps))
        axes.set_xticklabels([f"{m:g}" for m in steps])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())


def _short(value: float) -> str:
    return f"{value / 1e6:.3g}M" if value >= 1e6 else f"{value / 1e3:.3g}k" if value >= 1e3 else f"{value:.3g}"
