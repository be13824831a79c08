"""Figures of the whole cohort: the embedding, and what QC kept."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from . import style
from .composition import BAR, GROUP_COLOURS, LINE, draw_legend, legend_rows

#: Reasons for dropping share these shades; the table beside the figure has the counts.
DROP_COLOURS = ("#D55E00", "#E69F00", "#CC79A7", "#882255", "#999933", "#009E73", "#661100", "#332288", "#8a8f98")
KEPT = "kept"
UMAP_WIDTH = 4.7


@style.figure
def umap(cells: pd.DataFrame, *, by: str, colours: dict[str, str], legend_lines: int, dpi: int) -> Figure:
    """Draw the embedding coloured by ``cells[by]``; the points are a picture inside the SVG.

    Parameters
    ----------
    cells
        columns ``umap_1``, ``umap_2`` and ``by``.
    colours
        colour by value, in the legend's order.
    legend_lines
        height of the legend in lines, so that figures side by side have their axes level.
    dpi
        resolution of the picture.
    """
    rows = legend_rows(list(colours), UMAP_WIDTH)
    head = 0.2 * max(legend_lines, len(rows)) + 0.1
    fig = style.new_figure(head + 4.2 + 0.45, width=4.85)
    draw_legend(style.panel(fig, 0.1, 0.03, UMAP_WIDTH, 0.2 * len(rows)), rows, colours, UMAP_WIDTH)
    axes = style.panel(fig, 0.45, head, 4.3, 4.2)
    size = max(0.4, min(8.0, 12000 / max(len(cells), 1)))
    shade = cells[by].map(colours).fillna(style.UNNAMED_COLOUR)
    axes.scatter(cells["umap_1"], cells["umap_2"], s=size, c=list(shade), linewidths=0, rasterized=True)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_xlabel("UMAP 1 (no unit)")
    axes.set_ylabel("UMAP 2 (no unit)")
    fig.set_dpi(dpi)
    return fig


def patient_colours(names: Sequence[str]) -> dict[str, str]:
    """A colour per patient; the palette repeats beyond ten."""
    return {n: style.CLONE_COLOURS[i % len(style.CLONE_COLOURS)] for i, n in enumerate(sorted(set(names)))}


def group_colours(groups: Sequence[str]) -> dict[str, str]:
    """The groups that occur, in the legend's order."""
    return {g: c for g, c in GROUP_COLOURS.items() if g in set(groups)}


@style.figure
def kept_and_dropped(counts: pd.DataFrame, names: Sequence[str]) -> Figure:
    """Draw barcodes per sample, kept and dropped by reason.

    ``counts``: samples x (``kept`` and reasons), numbers of barcodes.
    """
    left, right = 2.45, 0.6
    span = style.WIDTH - left - right
    reasons = [c for c in counts.columns if c != KEPT]
    colours = {KEPT: "#56B4E9", **{r: DROP_COLOURS[min(i, len(DROP_COLOURS) - 1)] for i, r in enumerate(reasons)}}
    shown = {name: name.replace("_", " ") for name in colours}
    wrapped = [style.wrap(n, left - 0.15) for n in names]
    heights = [max(BAR + 0.12, (w.count("\n") + 1) * LINE + 0.1) for w in wrapped]
    rows = legend_rows(list(shown.values()), style.WIDTH - left)
    head, body = 0.2 * len(rows) + 0.1, sum(heights)
    fig = style.new_figure(head + body + 0.55)
    by_text = {shown[k]: c for k, c in colours.items()}
    draw_legend(style.panel(fig, left, 0.02, style.WIDTH - left, 0.2 * len(rows)), rows, by_text, style.WIDTH - left)
    axes = style.panel(fig, left, head, span, body)
    axes.set_ylim(body, 0)
    most = max(float(counts.sum(axis=1).max()), 1.0) if len(counts) else 1.0
    axes.set_xlim(0, most)
    y = 0.0
    for i, tall in enumerate(heights):
        start = 0.0
        for name, colour in colours.items():
            n = float(counts[name].iloc[i]) if name in counts.columns else 0.0
            if n > 0:
                axes.barh(y + tall / 2, n, BAR, left=start, color=colour, edgecolor=style.PAPER, linewidth=0.6)
            start += n
        axes.text(
            -0.015 * most, y + tall / 2, wrapped[i], ha="right", va="center", fontsize=style.SMALL, linespacing=1.1
        )
        y += tall
    style.bare(axes, keep=["bottom"])
    axes.xaxis.set_major_formatter(lambda v, _: f"{int(v):,}")
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, steps=[1, 2, 5, 10]))
    axes.set_xlabel("barcodes")
    return fig
