"""Shares of the cells beside the tumour: a column per sample, a row per cell type, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from .. import words
from . import style
from .composition import GROUP_COLOURS

LEFT, RIGHT, GAP, WIDEST = 1.75, 0.15, 0.16, 3.2
ROW, LINE = 0.21, 0.145
#: Ticks of the axis of shares; those beyond its end are left out.
TICKS = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class Column:
    """One sample: its heading, and shares by type (columns value, lower, upper; NaN is missing).

    ``why``: why everything is missing; empty where something is known.
    """

    title: str
    shares: pd.DataFrame
    why: str = ""


def root(share: float) -> float:
    """Place of a share on the axis: square root, so that rare types are seen beside common ones."""
    return float(np.sqrt(max(share, 0.0)))


@style.figure
def shares(columns: Sequence[Column], types: Sequence[str]) -> Figure:
    """Draw one column per sample.

    ``types``: rows from top to bottom, all of them in the index of each column's ``shares``. Zero cells are an open
    triangle at the upper bound; a sample whose shares are missing is hatched and says why.
    """
    n = max(len(columns), 1)
    span = min(WIDEST, (style.WIDTH - LEFT - RIGHT - GAP * (n - 1)) / n)
    titles = [style.wrap(c.title, span + GAP - 0.06, style.TINY) for c in columns]
    head = LINE * max((t.count("\n") + 1 for t in titles), default=1) + 0.1
    body = ROW * len(types) + 0.1
    most = max([0.1, *(float(np.nanmax(c.shares["upper"])) for c in columns if c.shares["upper"].notna().any())])
    width = LEFT + RIGHT + n * span + GAP * (n - 1)
    fig = style.new_figure(head + body + 0.5, width=max(width, 4.0))
    for i, (column, title) in enumerate(zip(columns, titles, strict=True)):
        left = LEFT + i * (span + GAP)
        axes = style.panel(fig, left, head, span, body)
        axes.set_ylim(len(types) - 0.5 + 0.1, -0.5 - 0.1)
        axes.set_xlim(-0.02, root(most) * 1.04)
        _axis(axes, most, span)
        if i == 0:
            for y, name in enumerate(types):
                axes.annotate(
                    words.cell_type(name), (0, y), xycoords=("axes fraction", "data"), xytext=(-8, 0),
                    textcoords="offset points", ha="right", va="center", fontsize=style.SMALL,
                )  # fmt: skip
        axes.annotate(
            title, (0, 1), xycoords="axes fraction", xytext=(0, 5), textcoords="offset points", ha="left", va="bottom",
            fontsize=style.TINY, linespacing=1.15,
        )  # fmt: skip
        if column.why:
            _missing(axes, column.why, body, span)
        else:
            _marks(axes, column.shares, types)
    middle = (LEFT + (n * span + GAP * (n - 1)) / 2) / fig.get_size_inches()[0]
    fig.text(
        middle, 0.06 / fig.get_size_inches()[1], "share of the cells beside the tumour (square-root axis)", ha="center",
        va="bottom", fontsize=style.SMALL, color=style.MUTED,
    )  # fmt: skip
    return fig


def _axis(axes: Axes, most: float, span: float) -> None:
    """Ticks that have room, and a line per row."""
    style.bare(axes, keep=["bottom"])
    end = root(most) * 1.06
    kept: list[float] = []
    # the ends first, then a place between them where there is room
    for tick in (0.0, *reversed([t for t in TICKS if t <= most])):
        if all(abs(root(tick) - root(k)) / end * span > _room(tick, k) for k in kept):
            kept.append(tick)
        if len(kept) == 2 and kept[1] > 0.1 and abs(root(0.1) - root(kept[1])) / end * span > _room(0.1, kept[1]):
            kept.append(0.1)
    axes.set_xticks([root(t) for t in sorted(kept)], [_label(t) for t in sorted(kept)])
    axes.tick_params(axis="x", labelsize=style.TINY)
    axes.grid(axis="x")
    axes.axvline(0, color="#9aa1ac", linewidth=0.7)


def _label(share: float) -> str:
    return words.share(share).replace(".0%", "%")


def _room(one: float, other: float) -> float:
    """Inches that two labels beside each other need between their middles."""
    return (style.text_width(_label(one), style.TINY) + style.text_width(_label(other), style.TINY)) / 2 + 0.06


def _missing(axes: Axes, why: str, body: float, span: float) -> None:
    """Nothing is drawn where nothing is known: not zero."""
    axes.add_patch(
        Rectangle(
            (0, 0), 1, 1, transform=axes.transAxes, facecolor="#f5f6f8", edgecolor="#c9ced6", hatch="//", linewidth=0
        )
    )
    upright = span < 1.3
    text = style.wrap(f"missing: {why}", (body if upright else span) - 0.3, style.SMALL)
    axes.text(
        0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", fontsize=style.SMALL,
        rotation=90 if upright else 0, bbox={"facecolor": style.PAPER, "edgecolor": "none", "pad": 3},
    )  # fmt: skip


def _marks(axes: Axes, table: pd.DataFrame, types: Sequence[str]) -> None:
    """A point with its interval per type."""
    for y, name in enumerate(types):
        value, lower, upper = table.loc[[name], ["value", "lower", "upper"]].to_numpy(dtype=float)[0]
        colour = GROUP_COLOURS[words.type_group(name)]
        if np.isnan(value):
            axes.plot([root(0.0)], [y], "x", color=style.MUTED, markersize=4, clip_on=False)
        elif value == 0:
            axes.plot([root(upper)], [y], "<", color=style.PAPER, markeredgecolor=colour, markersize=5, zorder=3)
        else:
            axes.plot([root(lower), root(upper)], [y, y], color=colour, linewidth=1.6, solid_capstyle="butt")
            axes.plot([root(value)], [y], "o", color=colour, markeredgecolor=style.PAPER, markeredgewidth=0.6,
                      markersize=5.5, zorder=3)  # fmt: skip
