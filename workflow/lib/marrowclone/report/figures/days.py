"""The days axis that the figures through time share."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from .. import words
from . import style

#: Left margin for names and width of the drawing area, in inches.
LEFT, SPAN = 1.5, 8.15
DAY_LABEL = "days (day 0 is the patient's own day 0)"
LINE = 0.15  # inches per line of small text


@dataclass(frozen=True)
class Days:
    """The range of days of a figure, in days and inches."""

    first: float
    last: float
    left: float = LEFT
    span: float = SPAN

    @classmethod
    def around(cls, days: Iterable[float], *, left: float = LEFT, span: float = SPAN) -> Days:
        """The range that holds all ``days`` with some air; a single day gets 30 either side."""
        known = [float(d) for d in days if not words.missing(d)]
        first, last = (min(known), max(known)) if known else (0.0, 0.0)
        pad = 30.0 if first == last else 0.04 * (last - first)
        return cls(first - pad, last + pad, left, span)

    def inches(self, day: float) -> float:
        """Distance of ``day`` from the left edge of the drawing area."""
        return (float(day) - self.first) / (self.last - self.first) * self.span

    def dress(self, axes: Axes, *, labelled: bool) -> None:
        """Limits and ticks; the lowest panel of a figure carries the label."""
        axes.set_xlim(self.first, self.last)
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, steps=[1, 2, 5, 10]))
        if labelled:
            axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{int(v):,}".replace("-", "−")))
            axes.set_xlabel(DAY_LABEL)
        else:
            axes.tick_params(axis="x", length=0, labelbottom=False)


@dataclass(frozen=True)
class Labels:
    """Labels at days, set in as many rows as they need."""

    days: tuple[float, ...]
    texts: tuple[str, ...]
    centres: tuple[float, ...]  # inches from the left of the drawing area
    rows: tuple[int, ...]
    lines: int  # lines of text in the tallest label

    @classmethod
    def placed(cls, axis: Days, days: Sequence[float], texts: Sequence[str], *, width: float = 1.0) -> Labels:
        """Wrap each text to ``width`` inches and find it a row where it overlaps no other."""
        wrapped = [style.wrap(t, width) for t in texts]
        widths = [style.text_width(t) for t in wrapped]
        centres = [
            min(max(axis.inches(d), w / 2), axis.span - w / 2) if w < axis.span else axis.span / 2
            for d, w in zip(days, widths, strict=True)
        ]
        rows = style.place_in_rows(centres, widths)
        lines = max((t.count("\n") + 1 for t in wrapped), default=1)
        return cls(tuple(map(float, days)), tuple(wrapped), tuple(centres), tuple(rows), lines)

    @property
    def row_height(self) -> float:
        """Inches that a row takes."""
        return self.lines * LINE + 0.06

    @property
    def height(self) -> float:
        """Inches that all rows take."""
        return (max(self.rows, default=0) + 1) * self.row_height


def draw_labels(axes: Axes, labels: Labels, *, axis: Days, colours: Sequence[str] | None = None) -> None:
    """Write ``labels`` into a bare panel whose height is ``labels.height``; row 0 is lowest."""
    style.bare(axes)
    axes.set_xlim(0, axis.span)
    axes.set_ylim(0, labels.height)
    for i, (text, centre, row) in enumerate(zip(labels.texts, labels.centres, labels.rows, strict=True)):
        colour = colours[i] if colours else style.INK
        y = row * labels.row_height + 0.03
        axes.text(centre, y, text, ha="center", va="bottom", fontsize=style.SMALL, color=colour, linespacing=1.15)


def timepoint_labels(samples: pd.DataFrame, axis: Days) -> Labels:
    """One label per day on which something was sampled: its timepoints."""
    days, texts = [], []
    for day, rows in samples.groupby("day", sort=True):
        names = list(dict.fromkeys(words.timepoint(t) for t in rows["timepoint"]))
        days.append(float(day))  # type: ignore[arg-type]
        texts.append(", ".join(names))
    return Labels.placed(axis, days, texts)


def timepoint_strip(fig: Figure, top: float, labels: Labels, axis: Days) -> None:
    """The timepoints' names above a panel."""
    draw_labels(style.panel(fig, axis.left, top, axis.span, labels.height), labels, axis=axis)


def hairlines(axes: Axes, days: Iterable[float]) -> None:
    """Thin lines at the days of the samples."""
    for day in days:
        axes.axvline(day, color=style.FAINT, linewidth=0.7, zorder=0)


def log_shares(axes: Axes, lowest: float, *, highest: float = 1.0) -> float:
    """Make the y axis logarithmic over shares of cells; returns its floor (a power of ten)."""
    power = max(-9, min(-2, math.floor(math.log10(lowest)) if lowest > 0 else -6))
    floor = 10.0**power
    axes.set_yscale("log")
    axes.set_ylim(floor * 0.6, highest * 1.8)
    every = 1 if power >= -7 else 2
    powers = range(power, 1, every)
    axes.yaxis.set_major_locator(FixedLocator([10.0**p for p in powers]))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(
        FuncFormatter(lambda v, _: "1" if v > 0.5 else style.superscript(round(math.log10(v))))
    )
    axes.grid(axis="y")
    return floor
