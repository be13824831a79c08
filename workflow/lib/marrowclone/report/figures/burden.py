"""Burden on a log axis: the whole tumour by source, and each clone, with intervals and limits."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...evolution.burden import SERUM
from .. import words
from . import style
from .days import LINE, Days, Labels, hairlines, log_shares, timepoint_labels, timepoint_strip

#: A marker per source; the one that the clones' burden rests on is filled.
SOURCE_MARKERS = ("o", "s", "D", "^", "P", "X", "p", "h")
TALL, ROW, GAP, FOOT = 1.9, 0.74, 0.34, 0.55


def _lowest(*columns: pd.Series) -> float:
    values = pd.concat([c.astype(float) for c in columns])
    values = values[values > 0]
    return max(float(values.min()), 1e-9) if len(values) else 1e-6


def _point(
    axes: Axes, x: float, row: tuple[float, float, float], *, floor: float, colour: str, marker: str, used: bool
) -> None:
    """One reading (value, lower, upper); without a value only the bound is drawn, as a triangle."""
    value, lower, upper = row
    if words.missing(upper):
        upper = value
    if words.missing(upper):
        return
    bottom = floor * 0.6 if words.missing(lower) or lower <= 0 else max(lower, floor * 0.6)
    axes.plot([x, x], [bottom, upper], color=colour, linewidth=1.2, alpha=0.8 if used else 0.4)
    if words.missing(value) or value <= 0:
        axes.plot([x], [upper], "v", color=colour, markerfacecolor=style.PAPER, markersize=6, markeredgewidth=1.2)
    else:
        fill = colour if used else style.PAPER
        axes.plot([x], [value], marker, color=colour, markerfacecolor=fill, markersize=5.5, markeredgewidth=1.1)


def _serum(axes: Axes, rows: pd.DataFrame) -> None:
    """Serum levels that nothing rests on: small, without bars, bounds as small triangles."""
    for row in rows.to_dict("records"):
        bound = words.missing(row["burden"]) or row["burden"] <= 0
        at = row["burden_upper"] if bound else row["burden"]
        axes.plot(
            [row["day"]], [at], "v" if bound else ".", color=style.MUTED, markersize=2.5 if bound else 4, zorder=2
        )


def _sources(axes: Axes, table: pd.DataFrame, axis: Days) -> None:
    """Every source's readings; those of one day stand side by side."""
    aside_serum = table["source"].isin(SERUM) & ~table["used"].eq(True)
    serum, table = table[aside_serum], table[~aside_serum]
    if table.empty:
        serum, table = serum.iloc[:0], serum
    floor = log_shares(axes, _lowest(table["burden"], table["burden_upper"], table["limit_of_detection"]))
    sources = list(dict.fromkeys(table["source"]))
    aside = 0.08 * (axis.last - axis.first) / axis.span  # inches to days
    for day, rows in table.groupby("day", sort=True):
        for i, row in enumerate(rows.to_dict("records")):
            x = float(day) + (i - (len(rows) - 1) / 2) * aside  # type: ignore[arg-type]
            marker = SOURCE_MARKERS[sources.index(row["source"]) % len(SOURCE_MARKERS)]
            values = (row["burden"], row["burden_lower"], row["burden_upper"])
            _point(axes, x, values, floor=floor, colour=style.INK, marker=marker, used=row["used"] is True)
            if not words.missing(row["limit_of_detection"]):
                limit = [row["limit_of_detection"]]
                axes.plot([x], limit, "_", color=style.MUTED, markersize=7, markeredgewidth=1.3)
    _serum(axes, serum)
    y = 0.09
    if len(serum):
        sources.append("serum, not used")
    for i, source in enumerate(sources):
        text = style.wrap(words.plain(source), 1.05)
        lines = text.count("\n") + 1
        at = 1 - y / TALL
        is_small = len(serum) > 0 and i == len(sources) - 1
        axes.plot(
            [1.02], [at], "." if is_small else SOURCE_MARKERS[i % len(SOURCE_MARKERS)], transform=axes.transAxes,
            color=style.MUTED if is_small else style.INK, markersize=5, markerfacecolor=style.MUTED, clip_on=False,
        )  # fmt: skip
        axes.text(
            1.035, at + 0.06 / TALL, text, transform=axes.transAxes, va="top", fontsize=style.SMALL, linespacing=1.1
        )
        y += lines * LINE + 0.05


def _course(axes: Axes, course: pd.DataFrame) -> None:
    """The line through all assays; the panel keeps the range that the assays gave it."""
    bottom, top = axes.get_ylim()
    lower, upper = (course[c].clip(min(bottom, top), max(bottom, top)) for c in ("lower", "upper"))
    axes.fill_between(course["day"], lower, upper, color=style.MUTED, alpha=0.15, linewidth=0, zorder=0)
    seen = course["burden"].where(course["burden"] >= min(bottom, top))
    axes.plot(course["day"], seen, color=style.MUTED, linewidth=1.0, zorder=1)
    axes.set_ylim(bottom, top)


def _clone(axes: Axes, rows: pd.DataFrame, name: str, lowest: float) -> None:
    """One clone's burden over days."""
    floor = log_shares(axes, lowest)
    ticks = list(axes.get_yticks())[::-1]
    axes.set_yticks(ticks[:: max(1, len(ticks) // 3)])  # a small panel has room for three or four
    axes.tick_params(axis="y", labelsize=style.TINY, pad=2)
    colour = style.clone_colour(name)
    # zero cells of n is a bound, whatever the posterior's middle is
    values = rows["burden"].where(rows["n_clone"] > 0).astype(float)
    seen = values > 0
    axes.plot(rows["day"][seen], values[seen], color=colour, linewidth=0.9, alpha=0.5)
    for row, value in zip(rows.to_dict("records"), values, strict=True):
        reading = (value, row["burden_lower"], row["burden_upper"])
        _point(axes, row["day"], reading, floor=floor, colour=colour, marker="o", used=True)
    axes.annotate(
        style.wrap(name, 0.8, style.TEXT), (0, 0.5), xycoords="axes fraction", xytext=(-36, 0), fontweight="bold",
        textcoords="offset points", ha="right", va="center", fontsize=style.TEXT, color=colour, annotation_clip=False,
    )  # fmt: skip
    last = rows.iloc[-1]
    bound = words.missing(values.iloc[-1]) or values.iloc[-1] <= 0
    if words.missing(last["burden_upper"]):
        return
    text = f"≤ {words.share(last['burden_upper'])}" if bound else words.share(values.iloc[-1])
    axes.annotate(
        text, (1, 0.5), xycoords="axes fraction", xytext=(6, 0), textcoords="offset points", va="center",
        fontsize=style.SMALL, color=colour, annotation_clip=False,
    )  # fmt: skip


@style.figure
def burden(
    table: pd.DataFrame, fractions: pd.DataFrame, samples: pd.DataFrame, course: pd.DataFrame | None = None
) -> Figure:
    """Draw burden.tsv (above) and the clones' burden of fractions.tsv (a small panel each).

    ``course`` (course.tsv) is the line through all assays with its 95% band, behind them.

    Filled markers are the source that the clones' burden rests on; open ones are kept as
    checks. A downward triangle is an upper bound; a short bar is a limit of detection.
    """
    axis = Days.around([*samples["day"], *table["day"]], left=1.5, span=7.2)
    points: Labels = timepoint_labels(samples, axis)
    table = table[table["burden_upper"].notna()]  # a source without a number stands in the page's table
    known = fractions[fractions["burden_upper"].notna()]
    clones = style.clone_order(list(known["clone"]))
    head = points.height + 0.08
    clone_top = head + (TALL + GAP if len(table) else 0)
    fig = style.new_figure(clone_top + len(clones) * ROW + FOOT - (0 if clones or not len(table) else GAP))
    height = fig.get_size_inches()[1]
    timepoint_strip(fig, 0.02, points, axis)
    days = sorted(set(samples["day"]))
    if len(table):
        axes = style.panel(fig, axis.left, head, axis.span, TALL)
        hairlines(axes, days)
        _sources(axes, table, axis)
        if course is not None and len(course):
            _course(axes, course[course["day"].between(axis.first, axis.last)])
        axis.dress(axes, labelled=not clones)
        _side(fig, "whole tumour: malignant cells\nper nucleated marrow cell", head + TALL / 2, height)
    lowest = _lowest(known["burden"], known["burden_upper"]) if clones else 1e-6
    for i, name in enumerate(clones):
        axes = style.panel(fig, axis.left, clone_top + i * ROW, axis.span, ROW - 0.16)
        hairlines(axes, days)
        _clone(axes, known[known["clone"] == name].sort_values("day"), name, lowest)
        axis.dress(axes, labelled=i == len(clones) - 1)
    if clones:
        wide = len(clones) * ROW > 1.9
        text = "each clone: malignant cells" + ("\nper nucleated marrow cell" if wide else "\nper marrow cell")
        if len(clones) == 1:
            text = "cells per\nmarrow cell"
        _side(fig, text, clone_top + (len(clones) * ROW - 0.16) / 2, height)
    return fig


def _side(fig: Figure, text: str, middle: float, height: float) -> None:
    """The y axis' label, at the far left and ``middle`` inches from the top."""
    fig.text(
        0.008, 1 - middle / height, text, rotation=90, ha="left", va="center", fontsize=style.SMALL, color=style.MUTED,
        linespacing=1.15, multialignment="center",
    )  # fmt: skip
