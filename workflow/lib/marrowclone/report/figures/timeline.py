"""The patient's road: samples, therapy, responses, imaging and MRD assays on one days axis."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from .. import words
from ..rows import rows_of
from . import style
from .days import LINE, Days, Labels, draw_labels, hairlines, log_shares, timepoint_labels

#: Colours of an MRD result; shape says the same.
RESULTS = {"negative": ("#0072B2", "v"), "positive": ("#D55E00", "o"), "indeterminate": ("#5b6472", "D")}
BAR_COLOURS = ("#56B4E9", "#E69F00", "#009E73", "#CC79A7", "#999933", "#882255")


def _lane_name(axes: Axes, text: str) -> None:
    axes.text(
        -0.02, 0.5, text, transform=axes.transAxes, ha="right", va="center", fontsize=style.SMALL, color=style.MUTED
    )


def therapy_bars(therapy: pd.DataFrame, axis: Days) -> list[tuple[float, float, bool, str, float, str, int]]:
    """Each regimen as (start, stop, ongoing, text, text's left inch, alignment, row)."""
    bars = []
    for row in rows_of(therapy):
        ongoing = words.missing(getattr(row, "stop", None))
        stop = axis.last if ongoing else float(row.stop)
        text = str(row.regimen) + (" (ongoing)" if ongoing else "")
        left, right = axis.inches(row.start), axis.inches(stop)
        text = style.wrap(text, max(2.6, right - left - 0.1))
        width = style.text_width(text)
        at = min(max(left, 0.0), max(0.0, axis.span - width))
        bars.append((float(row.start), stop, ongoing, text, at, min(left, at), max(right, at + width)))
    rows = style.place_in_rows([(b[5] + b[6]) / 2 for b in bars], [b[6] - b[5] for b in bars], gap=0.1)
    return [(*b[:5], "left", r) for b, r in zip(bars, rows, strict=True)]


def draw_therapy(axes: Axes, bars: list, axis: Days, pitch: float) -> None:
    """Draw what :func:`therapy_bars` placed, ``pitch`` inches per row."""
    style.bare(axes)
    n = max(b[6] for b in bars) + 1
    axes.set_xlim(0, axis.span)
    axes.set_ylim(n * pitch, 0)
    regimens = list(dict.fromkeys(b[3] for b in bars))
    for start, stop, ongoing, text, at, align, row in bars:
        top = row * pitch
        colour = BAR_COLOURS[regimens.index(text) % len(BAR_COLOURS)]
        left, right = axis.inches(start), axis.inches(stop)
        axes.barh(top + pitch - 0.08, max(right - left, 0.03), 0.08, left=left, color=colour, linewidth=0)
        if ongoing:
            axes.plot([right], [top + pitch - 0.08], marker=">", markersize=5, color=colour, clip_on=False)
        axes.text(at, top + pitch - 0.14, text, ha=align, va="bottom", fontsize=style.SMALL, linespacing=1.1)


def _mrd_labels(mrd: pd.DataFrame, axis: Days) -> Labels:
    texts = [f"{r.assay} {r.result}" for r in rows_of(mrd)]
    return Labels.placed(axis, list(mrd["day"]), texts, width=1.1)


def _draw_mrd(axes: Axes, mrd: pd.DataFrame) -> None:
    levels = pd.concat([mrd["value"], mrd["lod"]]).dropna()
    levels = levels[levels > 0].astype(float)
    floor = log_shares(axes, float(levels.min()) if len(levels) else 1e-6)
    for row in rows_of(mrd):
        colour, marker = RESULTS.get(str(row.result), RESULTS["indeterminate"])
        lod = None if words.missing(row.lod) else float(row.lod)
        value = None if words.missing(row.value) or float(row.value) <= 0 else float(row.value)
        if lod:
            axes.plot([row.day], [lod], marker="_", markersize=12, color=style.INK, markeredgewidth=1.4)
        at = value if value else lod if lod else floor
        filled = row.result == "positive"
        axes.plot(
            [row.day], [at], marker=marker, markersize=6.5, color=colour,
            markerfacecolor=colour if filled else style.PAPER, markeredgewidth=1.3, zorder=3,
        )  # fmt: skip


@style.figure
def timeline(samples: pd.DataFrame, clinical: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw the timeline.

    Parameters
    ----------
    samples
        rows of the sample sheet with ``timepoint`` and ``day``.
    clinical
        the patient's rows of ``therapy``, ``response``, ``imaging`` and ``mrd`` as
        :func:`marrowclone.clinical.read_clinical` gives them; any may be empty.
    """
    therapy, response, imaging, mrd = (
        clinical.get(n, pd.DataFrame()) for n in ("therapy", "response", "imaging", "mrd")
    )
    axis = Days.around(
        [
            *samples["day"],
            *(d for f in (response, imaging, mrd) if len(f) for d in f["day"]),
            *((*therapy["start"], *therapy["stop"]) if len(therapy) else ()),
        ]
    )
    points = timepoint_labels(samples, axis)
    bars = therapy_bars(therapy, axis) if len(therapy) else []
    pitch = (max((b[3].count("\n") + 1 for b in bars), default=1)) * LINE + 0.18
    lanes: list[tuple[str, str, float]] = [("points", "samples", points.height), ("dots", "", 0.16)]
    if bars:
        lanes.append(("therapy", "therapy", (max(b[6] for b in bars) + 1) * pitch))
    texts: dict[str, Labels] = {}
    if len(response):
        texts["response"] = Labels.placed(axis, list(response["day"]), [str(r) for r in response["response"]])
        lanes.append(("response", "response", texts["response"].height))
    if len(imaging):
        said = [f"{r.modality} {r.result}" for r in rows_of(imaging)]
        texts["imaging"] = Labels.placed(axis, list(imaging["day"]), said)
        lanes.append(("imaging", "imaging", texts["imaging"].height))
    if len(mrd):
        texts["mrd_text"] = _mrd_labels(mrd, axis)
        lanes += [("mrd_text", "MRD assays", texts["mrd_text"].height), ("mrd", "", 1.35)]
    else:
        lanes.append(("axis", "", 0.05))

    gap = 0.12
    height = 0.05 + sum(h for _, _, h in lanes) + gap * (len(lanes) - 1) + 0.55
    fig = style.new_figure(height)
    top, edges = 0.05, []
    for name, label, tall in lanes:
        axes = style.panel(fig, axis.left, top, axis.span, tall)
        axes.patch.set_alpha(0)
        if name == "points":
            draw_labels(axes, points, axis=axis)
        elif name == "dots":
            style.bare(axes)
            axes.set_xlim(axis.first, axis.last)
            days = sorted(set(samples["day"]))
            axes.plot(days, [0] * len(days), "o", color=style.INK, markersize=6, clip_on=False)
        elif name == "therapy":
            draw_therapy(axes, bars, axis, pitch)
        elif name in texts:
            draw_labels(axes, texts[name], axis=axis)
        elif name == "mrd":
            _draw_mrd(axes, mrd)
            axes.set_ylabel("share of cells (log)")
            hairlines(axes, sorted(set(samples["day"])))
            axis.dress(axes, labelled=True)
        else:
            style.bare(axes, keep=["bottom"])
            axis.dress(axes, labelled=True)
        if label:
            _lane_name(axes, label)
        edges.append(top + tall)
        top += tall + gap
    for upper, _ in pairwise(edges[1:]):
        y = 1 - (upper + gap / 2) / height
        fig.add_artist(_rule(axis, y))
    return fig


def _rule(axis: Days, y: float) -> Line2D:
    """A faint horizontal line between lanes, in figure coordinates."""
    return Line2D([0.01, (axis.left + axis.span) / style.WIDTH], [y, y], color=style.FAINT, linewidth=0.6)
