"""Copy number of clones: arm states as a grid, and the log2 ratio along the genome."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ..rows import rows_of
from . import style

#: Copies per cell to colour: blue for lost, red for gained (safe for red-green blindness).
STATE_COLOURS = {0: "#08519c", 1: "#9ecae1", 2: "#f4f5f7", 3: "#fcbba1", 4: "#ef6548", 5: "#a50f15"}
RATIO = LinearSegmentedColormap.from_list("ratio", ["#08519c", "#9ecae1", "#ffffff", "#fcae91", "#a50f15"])
#: log2 ratio at which the colour is full; one lost copy of two is -1 in a pure bulk.
RATIO_LIMIT = 1.0
#: Below this posterior an arm's state is hatched.
SURE = 0.8
NOT_CALLED = ("indeterminate", "not reportable", "not_reportable", "not assessable", "not_assessable", "ambiguous")


def chromosome_key(name: str) -> tuple[int, str]:
    """Sorts chr2 before chr10, letters after numbers."""
    bare = re.sub("^chr", "", str(name))
    return (int(bare), "") if bare.isdigit() else (99, bare)


def _names(axes: Axes, rows: list[str], left: float) -> None:
    for i, name in enumerate(rows):
        text = "all malignant" if name == "all" else name
        axes.annotate(
            style.wrap(text, left - 0.1), (0, i + 0.5), xycoords=("axes fraction", "data"), xytext=(-6, 0),
            textcoords="offset points", ha="right", va="center", fontsize=style.SMALL,
            color=style.INK if name == "all" else style.clone_colour(name), fontweight="bold", annotation_clip=False,
        )  # fmt: skip


def copies(state: float) -> str:
    """Copies of an arm as figures and tables print them; more than four are not told apart."""
    return "5+" if state >= 5 else str(int(state))


@style.figure
def arm_states(arms: pd.DataFrame) -> Figure:
    """Draw arms.tsv: a row per clone (``all`` on top), a column per arm, the number where it is not two."""
    rows = (["all"] if (arms["clone"] == "all").any() else []) + style.clone_order(
        [c for c in arms["clone"] if c != "all"]
    )
    columns = sorted(
        set(zip(arms["chromosome"], arms["arm"], strict=True)), key=lambda a: (*chromosome_key(a[0]), a[1])
    )
    left, right, pitch = 1.15, 0.1, 0.3
    span, body = style.WIDTH - left - right, pitch * len(rows)
    fig = style.new_figure(0.34 + body + 0.4)
    axes = style.panel(fig, left, 0.34, span, body)
    axes.set_xlim(0, len(columns))
    axes.set_ylim(len(rows), 0)
    place = {c: i for i, c in enumerate(columns)}
    for row in rows_of(arms):
        x, y = place[(row.chromosome, row.arm)], rows.index(str(row.clone))
        known = str(row.call) not in NOT_CALLED and not pd.isna(row.state)
        state = int(min(max(row.state, 0), 5)) if known else 2
        unsure = not known or (not pd.isna(row.posterior) and row.posterior < SURE and state != 2)
        axes.add_patch(
            Rectangle(
                (x + 0.04, y + 0.08),
                0.92,
                0.84,
                facecolor=STATE_COLOURS[state] if known else style.PAPER,
                edgecolor="#7b8492" if unsure else style.PAPER,
                hatch="//////" if unsure else None,
                linewidth=0.4,
            )
        )
        if known and state != 2:
            plate = {"boxstyle": "round,pad=0.12", "facecolor": STATE_COLOURS[state], "linewidth": 0}
            axes.text(
                x + 0.5, y + 0.5, copies(state), ha="center", va="center",
                fontsize=style.SMALL, color=style.PAPER if state in (0, 5) else style.INK,
                bbox=plate if unsure else None,
            )  # fmt: skip
    _genome_names(axes, columns)
    _names(axes, rows, left)
    style.bare(axes)
    _state_key(style.panel(fig, left, 0.34 + body + 0.12, span, 0.24), span)
    return fig


def _genome_names(axes: Axes, columns: list[tuple[str, str]]) -> None:
    """Arm letters below the grid, chromosome numbers above it."""
    for i, (_, arm) in enumerate(columns):
        axes.annotate(
            arm, (i + 0.5, 1), xycoords=("data", "axes fraction"), xytext=(0, -0), textcoords="offset points",
            ha="center", va="bottom", fontsize=6.5, color=style.MUTED, annotation_clip=False,
        )  # fmt: skip
    chromosomes = list(dict.fromkeys(c for c, _ in columns))
    for chromosome in chromosomes:
        at = [i for i, (c, _) in enumerate(columns) if c == chromosome]
        axes.annotate(
            chromosome.removeprefix("chr"), ((at[0] + at[-1] + 1) / 2, 1), xycoords=("data", "axes fraction"),
            xytext=(0, 10), textcoords="offset points", ha="center", va="bottom", fontsize=style.TINY,
            annotation_clip=False,
        )  # fmt: skip
        if at[0]:
            axes.axvline(at[0], color="#b9c0ca", linewidth=0.5)
    axes.annotate(
        "chromosome", (0, 1), xycoords="axes fraction", xytext=(-6, 10), textcoords="offset points", ha="right",
        va="bottom", fontsize=style.TINY, color=style.MUTED, annotation_clip=False,
    )  # fmt: skip
    axes.annotate(
        "arm", (0, 1), xycoords="axes fraction", xytext=(-6, 0), textcoords="offset points", ha="right",
        va="bottom", fontsize=6.5, color=style.MUTED, annotation_clip=False,
    )  # fmt: skip


def _state_key(axes: Axes, span: float) -> None:
    style.bare(axes)
    axes.set_xlim(0, span)
    axes.set_ylim(0.24, 0)
    x = style.text_width("copies per cell") + 0.12
    axes.text(0, 0.12, "copies per cell", va="center", fontsize=style.SMALL, color=style.MUTED)
    entries: list[tuple[str, str, str | None]] = [
        (f"{s}{'+' if s == 5 else ''}", c, None) for s, c in STATE_COLOURS.items()
    ]
    entries += [(f"hatched: posterior below {SURE:g}, or not called", style.PAPER, "//////")]
    for text, colour, hatch in entries:
        axes.add_patch(
            Rectangle((x, 0.04), 0.2, 0.16, facecolor=colour, edgecolor="#9aa1ac", linewidth=0.5, hatch=hatch)
        )
        axes.text(x + 0.26, 0.12, text, va="center", fontsize=style.SMALL)
        x += 0.26 + style.text_width(text) + 0.2


@style.figure
def ratio_profiles(profiles: pd.DataFrame) -> Figure:
    """Draw profiles.tsv: the log2 ratio of each segment along the genome, a row per clone."""
    rows = style.clone_order(list(profiles["clone"]))
    starts, ends, total = genome_starts(profiles)
    left, right, pitch = 1.15, 0.1, 0.26
    span, body = style.WIDTH - left - right, pitch * len(rows)
    fig = style.new_figure(0.25 + body + 0.72)
    axes = style.panel(fig, left, 0.25, span, body)
    axes.set_xlim(0, total)
    axes.set_ylim(len(rows), 0)
    norm = Normalize(-RATIO_LIMIT, RATIO_LIMIT, clip=True)
    for row in rows_of(profiles):
        y = rows.index(str(row.clone))
        x = starts[str(row.chromosome)] + float(row.start)
        wide = float(row.end) - float(row.start)
        colour = style.FAINT if pd.isna(row.log2_ratio) else RATIO(norm(row.log2_ratio))
        axes.add_patch(Rectangle((x, y + 0.1), wide, 0.8, facecolor=colour, linewidth=0))
    name_chromosomes(axes, starts, ends, total, span)
    _names(axes, rows, left)
    style.bare(axes)
    ends_at = str(list(starts)[-1]).removeprefix("chr")
    axes.set_xlabel(f"position in the genome (chromosomes 1 to {ends_at}, hg38)", labelpad=4)
    ratio_key(fig, left, 0.25 + body + 0.36)
    return fig


def genome_starts(profiles: pd.DataFrame) -> tuple[dict[str, float], dict[str, float], float]:
    """Where each chromosome begins when all stand in a row, its length as far as it was measured, and their sum."""
    longest = profiles.groupby("chromosome")["end"].max()
    ends = {str(c): float(longest[c]) for c in sorted(longest.index, key=chromosome_key)}
    starts = dict(zip(ends, np.concatenate([[0.0], np.cumsum(list(ends.values()))[:-1]]).tolist(), strict=True))
    return starts, ends, sum(ends.values())


def name_chromosomes(axes: Axes, starts: dict[str, float], ends: dict[str, float], total: float, span: float) -> None:
    """Names above a row of chromosomes that is ``span`` inches wide, and lines between them."""
    end_of_last = -1.0
    for chromosome in starts:
        if starts[chromosome]:
            axes.axvline(starts[chromosome], color="#b9c0ca", linewidth=0.5)
        name = chromosome.removeprefix("chr")
        centre = (starts[chromosome] + ends[chromosome] / 2) / total * span
        half = style.text_width(name, style.TINY) / 2
        if centre - half > end_of_last + 0.03:  # small chromosomes at the end stand too close to name all
            axes.annotate(
                name, (centre / span, 1), xycoords="axes fraction", xytext=(0, 3), textcoords="offset points",
                ha="center", va="bottom", fontsize=style.TINY, annotation_clip=False,
            )  # fmt: skip
            end_of_last = centre + half


def ratio_key(fig: Figure, left: float, top: float) -> None:
    """The colours of the log2 ratio, at this place in inches."""
    text = "log2 ratio against the reference"
    offset = style.text_width(text) + 0.12
    axes = style.panel(fig, left + offset, top, 1.8, 0.12)
    axes.imshow(np.linspace(-1, 1, 101)[None, :], aspect="auto", cmap=RATIO, extent=(-RATIO_LIMIT, RATIO_LIMIT, 0, 1))
    axes.set_yticks([])
    axes.set_xticks([-RATIO_LIMIT, 0, RATIO_LIMIT], [f"−{RATIO_LIMIT:g}", "0", f"+{RATIO_LIMIT:g}"])
    axes.annotate(
        text, (0, 0.5), xycoords="axes fraction", xytext=(-7, 0), textcoords="offset points", ha="right", va="center",
        fontsize=style.SMALL, color=style.MUTED, annotation_clip=False,
    )  # fmt: skip
