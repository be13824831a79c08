"""The cure spectrum through time: tier, score and both intervals at each landmark."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from .. import words
from ..rows import rows_of
from . import style
from .days import Days, Labels, draw_labels


@style.figure
def trajectory(landmarks: pd.DataFrame) -> Figure:
    """Draw landmarks.tsv: tiers in words of one letter above, the score with its intervals below.

    The thick bar is the 90% interval of the measurements alone, the thin line the 90%
    interval that also redraws weights and thresholds.
    """
    axis = Days.around(landmarks["day"], left=1.5, span=8.15)
    tiers = [t if t else "not assessable" for t in landmarks["tier"].astype(str)]
    labels = Labels.placed(axis, list(landmarks["day"]), tiers)
    tall = 1.55
    fig = style.new_figure(labels.height + 0.1 + tall + 0.55)
    draw_labels(style.panel(fig, axis.left, 0.02, axis.span, labels.height), labels, axis=axis)
    fig.text(
        (axis.left - 0.12) / style.WIDTH, 1 - (0.02 + labels.height / 2) / fig.get_size_inches()[1], "tier",
        ha="right", va="center", fontsize=style.SMALL, color=style.MUTED,
    )  # fmt: skip
    axes = style.panel(fig, axis.left, labels.height + 0.1, axis.span, tall)
    axes.set_ylim(0, 100)
    axes.set_yticks([0, 25, 50, 75, 100])
    axes.grid(axis="y")
    known = landmarks[landmarks["css"].notna()]
    axes.plot(known["day"], known["css"], color=style.MUTED, linewidth=0.9)
    for row in rows_of(landmarks):
        if not words.missing(row.css_total_lower):
            axes.plot([row.day] * 2, [row.css_total_lower, row.css_total_upper], color=style.INK, linewidth=0.9)
        if not words.missing(row.css_lower):
            axes.plot(
                [row.day] * 2, [row.css_lower, row.css_upper], color="#0072B2", linewidth=4, solid_capstyle="butt"
            )
        if not words.missing(row.css):
            axes.plot([row.day], [row.css], "o", color=style.PAPER, markeredgecolor="#0072B2", markersize=6, zorder=3)
        else:
            axes.plot([row.day], [2], "x", color=style.MUTED, markersize=5)
    axes.set_ylabel("cure-spectrum score\n(0 to 100)")
    axis.dress(axes, labelled=True)
    return fig
