"""Clones through time: their fractions with intervals."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .. import words
from ..rows import rows_of
from . import style
from .days import Days, hairlines, timepoint_labels, timepoint_strip

ROW = 0.62


def draw_estimate(
    axes: Axes, x: float, value: float, lower: float, upper: float, *, clone: str, zero: bool, size: float = 4.5
) -> None:
    """A point with its 95% interval; for zero of n an open triangle at the upper bound.

    Nothing was seen there, so no point is drawn: the triangle says "at most".
    """
    colour = style.clone_colour(clone)
    axes.plot([x, x], [lower, upper], color=colour, linewidth=1.3, solid_capstyle="butt", alpha=0.8)
    if zero:
        axes.plot(
            [x], [upper], "v", color=colour, markerfacecolor=style.PAPER, markersize=size + 1, markeredgewidth=1.2
        )
    elif not words.missing(value):
        axes.plot([x], [value], "o", color=colour, markersize=size)


@style.figure
def fractions(table: pd.DataFrame, samples: pd.DataFrame) -> Figure:
    """Draw fractions.tsv: a small panel per clone over the patient's days.

    Samples in which no malignant cell was seen carry no fraction; they are marked by a
    cross on the zero line.
    """
    names = style.clone_order(list(table["clone"]))
    axis = Days.around(samples["day"], left=1.5, span=7.35)
    points = timepoint_labels(samples, axis)
    top, foot = points.height + 0.08, 0.55
    fig = style.new_figure(top + len(names) * ROW + foot)
    timepoint_strip(fig, 0.02, points, axis)
    for i, name in enumerate(names):
        axes = style.panel(fig, axis.left, top + i * ROW, axis.span, ROW - 0.14)
        axes.set_ylim(-0.04, 1.08)
        axes.set_yticks([0, 0.5, 1], ["0%", "", "100%"])
        axes.tick_params(axis="y", labelsize=style.TINY, pad=2)
        axes.grid(axis="y")
        hairlines(axes, sorted(set(samples["day"])))
        rows = table[table["clone"] == name].sort_values("day")
        seen = rows[rows["n_malignant"] > 0]
        line = seen[seen["n_clone"] > 0]
        axes.plot(line["day"], line["fraction"], color=style.clone_colour(name), linewidth=0.9, alpha=0.55)
        for row in rows_of(rows):
            if row.n_malignant == 0:
                axes.plot([row.day], [0], "x", color=style.MUTED, markersize=4.5, clip_on=False)
            else:
                draw_estimate(
                    axes, row.day, row.fraction, row.lower, row.upper, clone=name, zero=row.n_clone == 0,
                )  # fmt: skip
        axes.annotate(
            style.wrap(name, 0.9, style.TEXT), (0, 0.5), xycoords="axes fraction", xytext=(-38, 0),
            textcoords="offset points", ha="right", va="center", fontsize=style.TEXT, fontweight="bold",
            color=style.clone_colour(name), annotation_clip=False,
        )  # fmt: skip
        if len(seen):
            last = seen.iloc[-1]
            zero = last["n_clone"] == 0
            text = f"≤ {words.share(last['upper'])}" if zero else words.share(last["fraction"])
            if last["day"] < samples["day"].max():  # later samples hold no malignant cell
                text += f"\non {words.when(last['day'])}"
            axes.annotate(
                text, (1, 0.5), xycoords="axes fraction", xytext=(6, 0), textcoords="offset points", va="center",
                fontsize=style.SMALL, color=style.clone_colour(name), annotation_clip=False,
            )  # fmt: skip
        axis.dress(axes, labelled=i == len(names) - 1)
    fig.text(
        0.012, 1 - (top + len(names) * ROW / 2) / fig.get_size_inches()[1], "share of malignant cells",
        rotation=90, ha="left", va="center", fontsize=style.SMALL, color=style.MUTED,
    )  # fmt: skip
    return fig
