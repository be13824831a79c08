"""Fish plot: clones within clones over uneven days, as high as the burden (Miller 2016 BMC Genomics 17:880 named it).

The shares are those of cells that belong to one clone each, so that a clone's lineage is itself and all its
descendants, and lineages always lie within one another: measured shares need no mending to be drawn.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .. import words
from ..rows import rows_of
from . import style
from .days import Days, hairlines, timepoint_labels, timepoint_strip
from .timeline import draw_therapy, therapy_bars

HEIGHT = 2.5
#: Steps between two days; the shape between samples is a drawing, no measurement.
STEPS = 40
#: The axis reaches no deeper than this share of cells.
DEEPEST = 1e-7


@dataclass(frozen=True)
class Course:
    """Days, shares and burden that a fish is drawn from.

    Attributes
    ----------
    days
        sampling days with malignant cells that have a clone (D).
    share
        per clone: its share at each of them (D), sums to 1 over clones.
    burden
        malignant cells per cell at the days where one is known: {day: (value, is a bound)}.
    """

    days: np.ndarray
    share: Mapping[str, np.ndarray]
    burden: Mapping[int, tuple[float, bool]]


def course_of(fractions: pd.DataFrame, burden: pd.DataFrame) -> Course | None:
    """What there is to draw; None with fewer than two days on which clones were seen."""
    seen = fractions[fractions["n_malignant"] > 0].dropna(subset=["fraction"])
    days = np.array(sorted(set(seen["day"])), dtype=int)
    if len(days) < 2:
        return None
    # samples of one day are one, by their malignant cells
    part = seen.assign(mass=seen["fraction"] * seen["n_malignant"])
    mass = part.pivot_table(index="clone", columns="day", values="mass", aggfunc="sum", fill_value=0.0)
    mass = mass.reindex(columns=days, fill_value=0.0)
    total = mass.sum(axis=0)
    if (total <= 0).any():
        return None
    share = mass / total
    used = burden[burden["used"].eq(True)] if len(burden) else burden
    known: dict[int, tuple[float, bool]] = {}
    for row in rows_of(used):
        bound = words.missing(row.burden)
        value = row.burden_upper if bound else row.burden
        if not words.missing(value) and float(value) > 0:
            known[int(row.day)] = (float(value), bool(bound))
    return Course(days, {str(c): share.loc[c].to_numpy() for c in style.clone_order(list(share.index))}, known)


def bands(share: Mapping[str, np.ndarray], parents: Mapping[str, str]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Lower and upper edge of each lineage, between 0 and 1: children in the middle of their parent.

    Parameters
    ----------
    share
        per clone and day.
    parents
        of clones and inferred ancestors; a name without a known parent lies beside the others.
    """
    n = len(next(iter(share.values())))
    names = [*share, *(p for p in parents if p not in share)]
    children: dict[str, list[str]] = {}
    for name in names:
        above, seen = parents.get(name, ""), {name}
        loop = above
        while loop in names and loop not in seen:
            seen.add(loop)
            loop = parents.get(loop, "")
        children.setdefault(above if above in names and loop not in seen else "", []).append(name)

    def whole(name: str) -> np.ndarray:
        own = share.get(name, np.zeros(n))
        return own + sum((whole(c) for c in children.get(name, [])), np.zeros(n))

    found: dict[str, tuple[np.ndarray, np.ndarray]] = {}

    def place(name: str, low: np.ndarray) -> np.ndarray:
        own, size = share.get(name, np.zeros(n)), whole(name)
        found[name] = (low, low + size)
        at = low + own / 2
        for child in style.clone_order(children.get(name, [])):
            at = place(child, at)
        return low + size

    at = np.zeros(n)
    for name in style.clone_order(children.get("", [])):
        at = place(name, at)
    return found


def heights(course: Course, limits: Sequence[float] = ()) -> tuple[np.ndarray, float | None]:
    """Height of the fish at each of the course's days, 0 to 1, and the burden at height 0 (None: heights are all 1).

    With burden at two days or more: its logarithm. A day without one lies on the line between its neighbours.
    ``limits`` are limits of detection that must find their place on the axis as well.
    """
    values = {d: v for d, (v, _) in course.burden.items()}
    if len(values) < 2:
        return np.ones(len(course.days)), None
    lowest = max(min([*values.values(), *limits]), DEEPEST)
    floor = 10.0 ** (math.floor(math.log10(lowest)) - 1)
    known = np.array(sorted(values))
    level = np.array([math.log10(max(values[d], floor) / floor) / -math.log10(floor) for d in known])
    return np.interp(course.days, known, np.maximum(level, 0.02)), floor


def _smooth(days: np.ndarray, values: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Values between days along half a cosine."""
    index = np.clip(np.searchsorted(days, at, side="right") - 1, 0, len(days) - 2)
    t = (at - days[index]) / (days[index + 1] - days[index])
    ease = (1 - np.cos(np.pi * np.clip(t, 0, 1))) / 2
    return values[index] * (1 - ease) + values[index + 1] * ease


@style.figure
def fish(course: Course, tree: pd.DataFrame, samples: pd.DataFrame, clinical: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw the clones' course.

    Parameters
    ----------
    course
        of :func:`course_of`.
    tree
        ``tree.tsv``: branch, parent.
    samples
        rows of the sample sheet with ``timepoint`` and ``day``.
    clinical
        the patient's ``therapy`` and ``mrd`` rows; either may be lacking.
    """
    therapy, mrd = (clinical.get(n, pd.DataFrame()) for n in ("therapy", "mrd"))
    shown = mrd[mrd["lod"].notna() & (mrd["lod"] > 0)] if len(mrd) else mrd
    height, floor = heights(course, list(shown["lod"]) if len(shown) else ())
    shown = shown if floor else shown.head(0)
    axis = Days.around([*samples["day"], *(shown["day"] if len(shown) else ())])
    points = timepoint_labels(samples, axis)
    bars = therapy_bars(therapy, axis) if len(therapy) else []
    pitch = max((b[3].count("\n") + 1 for b in bars), default=1) * 0.15 + 0.18
    lane = (max(b[6] for b in bars) + 1) * pitch if bars else 0.0
    names = list(course.share)
    legend = _legend_rows(names, axis.span)
    top = points.height + 0.08
    fig = style.new_figure(top + lane + 0.12 + HEIGHT + 0.6 + 0.22 * len(legend))
    timepoint_strip(fig, 0.02, points, axis)
    if bars:
        draw_therapy(style.panel(fig, axis.left, top, axis.span, lane), bars, axis, pitch)
    axes = style.panel(fig, axis.left, top + lane + 0.12, axis.span, HEIGHT)
    _draw_lineages(axes, course, tree, height)
    hairlines(axes, sorted(set(samples["day"])))
    if floor:
        _draw_limits(axes, shown, floor)
        bounds = [d for d, (_, bound) in course.burden.items() if bound]
        for day in bounds:
            half = _half(course.burden[day][0], floor)
            axes.plot([day, day], [half, -half], linestyle="none", marker="v", markersize=5, color=style.INK,
                      markerfacecolor=style.PAPER)  # fmt: skip
    _dress(axes, floor)
    axis.dress(axes, labelled=True)
    _draw_legend(fig, legend, axis, top + lane + 0.12 + HEIGHT + 0.55)
    return fig


def _half(burden: float, floor: float) -> float:
    """Half the height of the fish at a burden."""
    return 0.5 * max(math.log10(max(burden, floor) / floor) / -math.log10(floor), 0.0)


def _draw_lineages(axes: Axes, course: Course, tree: pd.DataFrame, height: np.ndarray) -> None:
    parents = dict(zip(tree["branch"], tree["parent"], strict=True)) if len(tree) else {}
    at = np.unique(np.concatenate([np.linspace(a, b, STEPS) for a, b in pairwise(course.days)]))
    tall = _smooth(course.days, height, at)
    for name, (low, high) in bands(course.share, parents).items():
        if name not in course.share:
            continue  # an inferred ancestor has no cells of its own; its descendants fill it
        lower, upper = (tall * (_smooth(course.days, edge, at) - 0.5) for edge in (low, high))
        axes.fill_between(at, lower, upper, color=style.clone_colour(name), linewidth=0.4, edgecolor=style.PAPER)


def _draw_limits(axes: Axes, mrd: pd.DataFrame, floor: float) -> None:
    """A tick at an assay's limit of detection, above and below; filled marks are positive results."""
    for row in rows_of(mrd):
        half = _half(float(row.lod), floor)
        axes.plot([row.day, row.day], [half, -half], linestyle="none", marker="_", markersize=11, color=style.INK,
                  markeredgewidth=1.4)  # fmt: skip
        if row.result == "positive":
            axes.plot([row.day, row.day], [half, -half], linestyle="none", marker="o", markersize=3.5, color=style.INK)


def _dress(axes: Axes, floor: float | None) -> None:
    axes.set_ylim(-0.56, 0.56)
    if floor is None:
        axes.set_yticks([-0.5, 0.5], ["0%", "100%"])
        axes.set_ylabel("share of malignant cells")
        return
    powers = [p for p in range(round(math.log10(floor)), 1) if (p % 2 == 0 or floor > 1e-4) and p > math.log10(floor)]
    axes.set_yticks([_half(10.0**p, floor) for p in powers], ["1" if p == 0 else style.superscript(p) for p in powers])
    axes.set_ylabel("malignant share of cells (log)")


def _legend_rows(names: Sequence[str], width: float) -> list[list[tuple[float, str]]]:
    """Names with their left edge in inches, in rows."""
    rows: list[list[tuple[float, str]]] = [[]]
    x = 0.0
    for name in names:
        label = style.wrap(name, 2.0).replace("\n", "")
        need = style.text_width(label) + 0.4
        if rows[-1] and x + need > width:
            rows.append([])
            x = 0.0
        rows[-1].append((x, name))
        x += need
    return rows


def _draw_legend(fig: Figure, rows: Sequence[Sequence[tuple[float, str]]], axis: Days, top: float) -> None:
    axes = style.panel(fig, axis.left, top, axis.span, 0.22 * len(rows))
    style.bare(axes)
    axes.set_xlim(0, axis.span)
    axes.set_ylim(0.22 * len(rows), 0)
    for i, row in enumerate(rows):
        for x, name in row:
            y = 0.22 * i + 0.11
            axes.plot([x + 0.07], [y], "s", color=style.clone_colour(name), markersize=7)
            axes.text(x + 0.17, y, name, va="center", fontsize=style.SMALL)
