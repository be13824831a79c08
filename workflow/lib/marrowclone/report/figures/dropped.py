"""What became of the barcodes of one capture, and its doublet scores."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from .. import words
from . import style
from .cohort import DROP_COLOURS
from .composition import BAR, _dark, draw_legend, legend_rows

KEPT_COLOUR, OTHERS_COLOUR = "#56B4E9", "#5b6472"
OTHERS = "other combinations"


@style.figure
def fates(counts: pd.DataFrame) -> Figure:
    """Draw what became of the barcodes of each coarse guess, as shares.

    ``counts``: coarse names (in order) x (``kept``, reasons alone or joined by `` + ``, :data:`OTHERS`), numbers.
    """
    left, right = 1.5, 1.15
    span = style.WIDTH - left - right
    reasons = [c for c in counts.columns if c not in ("kept", OTHERS)]
    colours = {"kept": KEPT_COLOUR}
    colours |= {r: DROP_COLOURS[min(i, len(DROP_COLOURS) - 1)] for i, r in enumerate(reasons)}
    colours[OTHERS] = OTHERS_COLOUR
    colours = {k: c for k, c in colours.items() if k in counts.columns and counts[k].sum() > 0}
    single = [k for k in reasons if " + " not in k]
    shown = {f"only {words.plain(k)}" if k in single else words.plain(k): c for k, c in colours.items()}
    rows = legend_rows(list(shown), style.WIDTH - left)
    head, tall = 0.2 * len(rows) + 0.12, BAR + 0.14
    body = tall * len(counts)
    fig = style.new_figure(head + body + 0.5)
    draw_legend(style.panel(fig, left, 0.02, style.WIDTH - left, 0.2 * len(rows)), rows, shown, style.WIDTH - left)
    axes = style.panel(fig, left, head, span, body)
    axes.set_ylim(body, 0)
    axes.set_xlim(0, 1)
    for i, (name, row) in enumerate(counts.iterrows()):
        y, start, total = tall * (i + 0.5), 0.0, float(row.sum())
        for key, colour in colours.items():
            part = float(row[key]) / total if total else 0.0
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
        axes.text(
            -0.015, y, style.wrap(str(name), left - 0.15), ha="right", va="center", fontsize=style.SMALL,
            fontweight="bold" if name == "plasma-like" else "normal",
        )  # fmt: skip
        axes.text(1.012, y, words.count(total, "barcode"), va="center", fontsize=style.SMALL, color=style.MUTED)
    style.bare(axes, keep=["bottom"])
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0%", "25%", "50%", "75%", "100%"])
    axes.set_xlabel("share of the barcodes of each guess")
    return fig


@style.figure
def doublet_scores(scores: np.ndarray, plasma: np.ndarray, *, threshold: float | None) -> Figure:
    """Draw the histogram of doublet scores, all barcodes and plasma-like ones, counts on a log axis.

    ``scores`` (n, finite), ``plasma`` (n, bool); ``threshold`` is drawn where there is one.
    """
    fig = style.new_figure(2.75, width=7.4)
    axes = style.panel(fig, 0.75, 0.45, 4.9, 1.75)
    top = max([float(scores.max()) if len(scores) else 0.0, threshold or 0.0, 0.05]) * 1.04
    low = min(0.0, float(scores.min()) if len(scores) else 0.0)
    edges = np.linspace(low, top, 31)
    everyone, _ = np.histogram(scores, edges)
    mine, _ = np.histogram(scores[plasma], edges)
    axes.stairs(np.maximum(everyone, 0.5), edges, baseline=0.5, fill=True, color="#b9d9ee")
    axes.stairs(np.maximum(mine, 0.5), edges, baseline=0.5, color="#882255", linewidth=1.4)
    axes.set_yscale("log")
    axes.set_ylim(0.5, max(2.0, float(everyone.max()) * 1.5 if len(everyone) else 2.0))
    axes.yaxis.set_major_formatter(lambda v, _: f"{v:,.0f}" if v >= 1 else "")
    axes.yaxis.set_minor_formatter(lambda v, _: "")
    axes.set_xlim(low, top)
    axes.text(1.015, 0.8, "all scored barcodes", transform=axes.transAxes, fontsize=style.SMALL, color="#2f7fb0")
    axes.text(1.015, 0.68, "plasma-like", transform=axes.transAxes, fontsize=style.SMALL, color="#882255")
    if threshold is not None:
        axes.axvline(threshold, color=style.INK, linewidth=1, linestyle=(0, (4, 3)))
        right = threshold > (low + top) / 2
        axes.annotate(
            f"threshold {threshold:.2g}: doublet above it", (threshold, 1.0), xycoords=("data", "axes fraction"),
            xytext=(-2 if right else 2, 4), textcoords="offset points", ha="right" if right else "left",
            fontsize=style.SMALL,
        )  # fmt: skip
    axes.set_xlabel("doublet score (no unit)")
    axes.set_ylabel("barcodes")
    return fig
