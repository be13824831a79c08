"""Clones through time: their fractions with intervals, and the tree that joins them."""

from __future__ import annotations

from typing import Any

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


def tree_rows(tree: pd.DataFrame) -> list[tuple[str, int, str, float | None, str]]:
    """The tree's branches in drawing order: name, depth, events, support, parent.

    Branches whose parent is not in the table (empty, ``root``, ``normal``) start a tree.
    A branch that hangs in a loop is listed at the end, at depth 0, rather than lost.
    """
    names = list(tree["branch"])
    children: dict[str, list[str]] = {}
    for name, parent in zip(names, tree["parent"], strict=True):
        children.setdefault(parent if parent in names and parent != name else "", []).append(name)
    if "note" in tree.columns:  # a branch without events says why
        tree = tree.assign(events=tree["events"].where(tree["events"] != "", tree["note"]))
    by_name = tree.drop_duplicates("branch").set_index("branch")
    rows: list[tuple[str, int, str, float | None, str]] = []
    done: set[str] = set()

    def visit(name: str, depth: int, parent: str) -> None:
        if name in done:
            return
        done.add(name)
        support: Any = by_name.at[name, "support"]
        rows.append(
            (name, depth, str(by_name.at[name, "events"]), None if words.missing(support) else float(support), parent)
        )
        for child in style.clone_order(children.get(name, [])):
            visit(child, depth + 1, name)

    for name in [*style.clone_order(children.get("", [])), *names]:
        visit(name, 0, "")
    return rows


@style.figure
def tree(table: pd.DataFrame) -> Figure:
    """Draw tree.tsv from the trunk downwards: each branch with its events and support."""
    rows = tree_rows(table)
    step = min(0.42, 2.2 / max(1, max(r[1] for r in rows)))
    left = 0.25
    drawn: list[tuple[str, float, float, str, str]] = []
    y, at = 0.12, {}
    for name, depth, events, support, _ in rows:
        x = left + depth * step
        label = style.wrap(name, 1.6, style.TEXT)
        told = ", ".join(e.strip() for e in events.replace(";", ",").split(",") if e.strip()) or "no event of its own"
        if support is not None:
            told += f"   (support {words.number(support, 2)})"
        body_x = x + 0.16 + style.text_width(label, style.TEXT, "bold") + 0.15
        told = style.wrap(told, max(2.0, style.WIDTH - body_x - 0.4))
        tall = max(label.count("\n"), told.count("\n")) * 0.155 + 0.34
        at[name] = (x, y + 0.1)
        drawn.append((name, x, y + 0.1, label, told))
        y += tall
    fig = style.new_figure(y + 0.05)
    axes = style.panel(fig, 0, 0, style.WIDTH, y + 0.05)
    style.bare(axes)
    axes.set_xlim(0, style.WIDTH)
    axes.set_ylim(y + 0.05, 0)
    for name, _, _, _, parent in rows:
        if parent:
            (px, py), (x, cy) = at[parent], at[name]
            axes.plot([px, px, x], [py, cy, cy], color="#9aa1ac", linewidth=1.1, zorder=1, solid_joinstyle="miter")
    for name, x, cy, label, told in drawn:
        colour = style.clone_colour(name)
        axes.plot([x], [cy], "o", color=colour, markersize=7, zorder=2)
        axes.text(
            x + 0.14, cy - 0.075, label, va="top", fontsize=style.TEXT, fontweight="bold", color=colour, linespacing=1.1
        )
        axes.text(
            x + 0.16 + style.text_width(label, style.TEXT, "bold") + 0.15, cy - 0.07, told, va="top",
            fontsize=style.SMALL, linespacing=1.25,
        )  # fmt: skip
    return fig
