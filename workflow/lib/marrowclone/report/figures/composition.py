"""Cell types per sample, as stacked bars of the groups."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from .. import words
from . import style

#: Colours of the groups; tumour-bearing ones strongest. Each segment that has room is labelled.
GROUP_COLOURS: dict[str, str] = {
    "plasma cells": "#882255",
    words.OTHER_TUMOUR: "#D55E00",
    "B lineage": "#CC79A7",
    "T and NK cells": "#56B4E9",
    "myeloid": "#E69F00",
    "erythroid, megakaryocyte": "#B2473E",
    "stem and progenitor": "#009E73",
    "stromal": "#999933",
    words.OTHER: "#8a8f98",
    "unresolved": "#d3d7dd",
}
LINE, BAR = 0.15, 0.22


def _dark(colour: str) -> bool:
    r, g, b = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return 0.3 * r + 0.59 * g + 0.11 * b < 0.55


def legend_rows(entries: Sequence[str], width: float) -> list[list[str]]:
    """Break legend entries into rows of at most ``width`` inches."""
    rows: list[list[str]] = [[]]
    used = 0.0
    for entry in entries:
        need = style.text_width(entry) + 0.42
        if rows[-1] and used + need > width:
            rows.append([])
            used = 0.0
        rows[-1].append(entry)
        used += need
    return rows


def draw_legend(axes: Axes, rows: Sequence[Sequence[str]], colours: dict[str, str], width: float) -> None:
    """Write legend rows into a bare panel measured in inches."""
    style.bare(axes)
    axes.set_xlim(0, width)
    axes.set_ylim(len(rows) * 0.2, 0)
    for i, row in enumerate(rows):
        x = 0.0
        for entry in row:
            axes.add_patch(_swatch(x, i * 0.2 + 0.05, colours[entry]))
            axes.text(x + 0.17, i * 0.2 + 0.105, entry, va="center", fontsize=style.SMALL)
            x += style.text_width(entry) + 0.42


def _swatch(x: float, y: float, colour: str) -> Rectangle:
    return Rectangle((x, y), 0.12, 0.11, facecolor=colour, linewidth=0)


def draw_shares(axes: Axes, y: float, parts: Sequence[tuple[str, float]], span: float) -> None:
    """A bar of shares at ``y``, each labelled where it has room.

    ``parts``: colour and share of each; ``span``: width of the axis from 0 to 1 in inches.
    """
    start = 0.0
    for colour, part in parts:
        if part <= 0:
            continue
        axes.barh(y, part, BAR, left=start, color=colour, edgecolor=style.PAPER, linewidth=0.8)
        text = words.share(part)
        if part * span > style.text_width(text, style.TINY) + 0.08:
            axes.text(
                start + part / 2, y, text, ha="center", va="center", fontsize=style.TINY,
                color=style.PAPER if _dark(colour) else style.INK,
            )  # fmt: skip
        start += part


def share_axis(axes: Axes, label: str) -> None:
    """The axis below bars of shares."""
    style.bare(axes, keep=["bottom"])
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0%", "25%", "50%", "75%", "100%"])
    axes.set_xlabel(label)


@style.figure
def composition(shares: pd.DataFrame, names: Sequence[str], totals: Sequence[int]) -> Figure:
    """Draw one bar per sample.

    Parameters
    ----------
    shares
        samples x groups (columns from :data:`GROUP_COLOURS`), rows add up to 1 or are
        all 0 for a sample without cells.
    names, totals
        the label and the number of kept cells of each row.
    """
    left, right = 2.45, 0.95
    span = style.WIDTH - left - right
    wrapped = [style.wrap(n, left - 0.15) for n in names]
    heights = [max(BAR + 0.12, (w.count("\n") + 1) * LINE + 0.1) for w in wrapped]
    groups = [g for g in GROUP_COLOURS if g in shares.columns and shares[g].sum() > 0]
    rows = legend_rows(groups, style.WIDTH - left)
    head = 0.2 * len(rows) + 0.1
    body = sum(heights)
    fig = style.new_figure(head + body + 0.55)
    draw_legend(
        style.panel(fig, left, 0.02, style.WIDTH - left, 0.2 * len(rows)), rows, GROUP_COLOURS, style.WIDTH - left
    )
    axes = style.panel(fig, left, head, span, body)
    axes.set_ylim(body, 0)
    axes.set_xlim(0, 1)
    y = 0.0
    for i, tall in enumerate(heights):
        middle = y + tall / 2
        draw_shares(axes, middle, [(GROUP_COLOURS[g], float(shares[g].iloc[i])) for g in groups], span)
        axes.text(-0.015, middle, wrapped[i], ha="right", va="center", fontsize=style.SMALL, linespacing=1.1)
        note = f"{totals[i]:,} cells" if totals[i] else "no cells"
        axes.text(1.012, middle, note, ha="left", va="center", fontsize=style.SMALL, color=style.MUTED)
        y += tall
    share_axis(axes, "share of kept cells")
    return fig
