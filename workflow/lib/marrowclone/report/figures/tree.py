"""The clones' tree beside their copy-number profiles: each clone's branch and its heatmap in one row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from .. import words
from ..rows import rows_of
from . import style
from .copy_number import RATIO, RATIO_LIMIT, genome_starts, name_chromosomes, ratio_key

#: Width of the tree where profiles stand beside it, and the gap between them, in inches.
BESIDE, GAP = 4.5, 0.15
#: Height of a clone's profile in inches.
STRIP = 0.29
LINE = "#9aa1ac"
WARNING = "#b3261e"


@dataclass(frozen=True)
class Branch:
    """A row of the figure: ``told`` are its events in words, ``conflict`` the ancestors that time speaks against."""

    name: str
    depth: int
    told: str
    support: float | None
    parent: str
    conflict: str = ""


def branches(tree: pd.DataFrame) -> list[Branch]:
    """The tree's branches in drawing order.

    Branches whose parent is not in the table (empty, ``root``, ``normal``) start a tree.
    A branch that hangs in a loop is listed at the end, at depth 0, rather than lost.
    """
    names = list(tree["branch"])
    children: dict[str, list[str]] = {}
    for name, parent in zip(names, tree["parent"], strict=True):
        children.setdefault(parent if parent in names and parent != name else "", []).append(name)
    by_name = tree.drop_duplicates("branch").set_index("branch")
    rows: list[Branch] = []
    done: set[str] = set()

    def visit(name: str, depth: int, parent: str) -> None:
        if name in done:
            return
        done.add(name)
        row: dict[str, Any] = dict(by_name.loc[name])
        told = str(row["events"]) or str(row.get("note", "") or "") or "no event of its own"
        support = None if words.missing(row["support"]) else float(row["support"])
        conflict = row.get("conflict", "")
        rows.append(Branch(name, depth, told, support, parent, "" if words.missing(conflict) else str(conflict)))
        for child in style.clone_order(children.get(name, [])):
            visit(child, depth + 1, name)

    for name in [*style.clone_order(children.get("", [])), *names]:
        visit(name, 0, "")
    return rows


@style.figure
def tree(table: pd.DataFrame, profiles: pd.DataFrame | None = None) -> Figure:
    """Draw tree.tsv from the trunk downwards, each branch with its events and support.

    ``profiles`` (``clones.profiles``): the log2 ratio along the genome is drawn beside each clone; inferred ancestors
    have no cells and no profile.
    """
    rows = branches(table)
    beside = profiles is not None and len(profiles) > 0
    wide = BESIDE if beside else style.WIDTH
    step = min(0.3 if beside else 0.42, (1.2 if beside else 2.2) / max(1, max(r.depth for r in rows)))
    top = 0.32 if beside else 0.12
    placed: list[tuple[Branch, float, float, float, str, str]] = []
    y = top
    for row in rows:
        x = 0.25 + row.depth * step
        label = style.wrap(row.name, 1.6, style.TEXT)
        body_x = x + 0.14 + style.text_width(label, style.TEXT, "bold") + 0.12
        told = style.wrap(_told(row), max(1.2, wide - body_x - (0.1 if beside else 0.4)))
        tall = max(label.count("\n"), told.count("\n") + bool(row.conflict)) * 0.155 + 0.34
        placed.append((row, x, y, tall, label, told))
        y += tall
    fig = style.new_figure(y + (0.5 if beside else 0.05))
    axes = style.panel(fig, 0, 0, wide, y)
    style.bare(axes)
    axes.set_xlim(0, wide)
    axes.set_ylim(y, 0)
    at = {row.name: (x, y0 + 0.12) for row, x, y0, *_ in placed}
    for row, *_ in placed:
        if row.parent:
            (px, py), (x, cy) = at[row.parent], at[row.name]
            axes.plot([px, px, x], [py, cy, cy], color=LINE, linewidth=1.1, zorder=1, solid_joinstyle="miter")
    has_profile = set(profiles["clone"]) if beside and profiles is not None else set()
    for row, x, y0, _, label, told in placed:
        _branch(axes, row, x, y0 + 0.12, label, told, filled=not beside or row.name in has_profile)
    if beside and profiles is not None:
        _profiles(fig, profiles, {row.name: (y0, tall) for row, _, y0, tall, *_ in placed}, top, y)
    return fig


def _told(row: Branch) -> str:
    """Events and support of a branch, in words."""
    told = ", ".join(e.strip() for e in row.told.replace(";", ",").split(",") if e.strip())
    return told if row.support is None else f"{told}   (support {words.number(row.support, 2)})"


def _branch(axes: Axes, row: Branch, x: float, y: float, label: str, told: str, *, filled: bool) -> None:
    """A node, its name and what happened on the branch above it; open nodes are inferred ancestors."""
    colour = style.clone_colour(row.name)
    axes.plot([x], [y], "o", color=colour, markerfacecolor=colour if filled else style.PAPER, markersize=7, zorder=2)
    axes.text(
        x + 0.14, y - 0.075, label, va="top", fontsize=style.TEXT, fontweight="bold", color=colour, linespacing=1.1
    )
    left = x + 0.14 + style.text_width(label, style.TEXT, "bold") + 0.12
    axes.text(left, y - 0.07, told, va="top", fontsize=style.SMALL, linespacing=1.25)
    if row.conflict:
        below = y - 0.07 + (told.count("\n") + 1) * 0.155
        text = f"seen before {', '.join(row.conflict.split())}: conflict in time"
        axes.text(left, below, text, va="top", fontsize=style.SMALL, color=WARNING)


def _profiles(
    fig: Figure, profiles: pd.DataFrame, places: dict[str, tuple[float, float]], top: float, bottom: float
) -> None:
    """The heatmap at the right: log2 ratio of each clone along the genome, in the row of its branch."""
    left = BESIDE + GAP
    span = style.WIDTH - left - 0.1
    starts, ends, total = genome_starts(profiles)
    axes = style.panel(fig, left, top, span, bottom - top)
    axes.set_xlim(0, total)
    axes.set_ylim(bottom, top)
    norm = Normalize(-RATIO_LIMIT, RATIO_LIMIT, clip=True)
    for row in rows_of(profiles[profiles["clone"].isin(list(places))]):
        y, tall = places[str(row.clone)]
        colour = style.FAINT if pd.isna(row.log2_ratio) else RATIO(norm(row.log2_ratio))
        at = starts[str(row.chromosome)] + float(row.start)
        long, high = float(row.end) - float(row.start), min(tall - 0.05, STRIP)
        axes.add_patch(Rectangle((at, y), long, high, facecolor=colour, linewidth=0))
    name_chromosomes(axes, starts, ends, total, span)
    style.bare(axes)
    ratio_key(fig, left, bottom + 0.12)
