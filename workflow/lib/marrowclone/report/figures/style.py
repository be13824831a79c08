"""One look for all figures: colours, type, and the step from a figure to inline SVG.

Figures are laid out in inches from the top left corner, so that the height follows from
what there is to draw. Text stays text in the SVG (it can be searched and read aloud); the
page sets it in its own typeface, which is never wider than the one measured with here.
"""

from __future__ import annotations

import html
import io
import re
from collections.abc import Callable, Sequence
from functools import cache, wraps
from typing import Any, ParamSpec

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath

P = ParamSpec("P")

#: Width of a figure in inches; 10 in are 960 px on the page.
WIDTH = 10.0
#: Type sizes in points; one point is 1.33 px on the page.
TEXT, SMALL, TINY = 9.0, 8.0, 7.0

INK, MUTED, FAINT, PAPER = "#1f2430", "#5b6472", "#d9dde3", "#ffffff"

#: Colours of clones, fixed by name. The first eight tell apart with any common colour
#: vision (Okabe and Ito 2008; Tol 2021 for the rest); labels stand beside all of them.
CLONE_COLOURS = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#882255", "#999933", "#332288", "#661100",
)  # fmt: skip
UNNAMED_COLOUR = "#8a8f98"

RC: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": TEXT,
    "axes.labelsize": SMALL,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": "#9aa1ac",
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "text.color": INK,
    "grid.color": "#e6e9ee",
    "grid.linewidth": 0.7,
    "hatch.linewidth": 0.6,
    "svg.fonttype": "none",
    "svg.hashsalt": "marrowclone",
    "savefig.facecolor": PAPER,
}


def figure(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Decorator: run ``draw`` in the report's style."""

    @wraps(draw)
    def styled(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with matplotlib.rc_context(RC):
            return draw(*args, **kwargs)

    return styled


def new_figure(height: float, *, width: float = WIDTH) -> Figure:
    """An empty figure of the given size in inches."""
    return Figure(figsize=(width, height))


def panel(fig: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Axes placed in inches, measured from the top left corner of the figure."""
    total_width, total_height = fig.get_size_inches()
    return fig.add_axes(
        (left / total_width, 1 - (top + height) / total_height, width / total_width, height / total_height)
    )


def bare(axes: Axes, *, keep: Sequence[str] = ()) -> None:
    """Take away spines and ticks, but for the spines in ``keep``."""
    for side, spine in axes.spines.items():
        spine.set_visible(side in keep)
    if "left" not in keep:
        axes.set_yticks([])
    if "bottom" not in keep:
        axes.set_xticks([])


@cache
def text_width(text: str, size: float = SMALL, weight: str = "normal") -> float:
    """Width of the widest line of ``text`` in inches, at ``size`` points."""
    prop = FontProperties(family="DejaVu Sans", size=size, weight=weight)
    lines = [line for line in text.splitlines() if line.strip()]
    return max((float(TextPath((0, 0), line, prop=prop).get_extents().x1) / 72 for line in lines), default=0.0)


def wrap(text: str, width: float, size: float = SMALL) -> str:
    """Break ``text`` into lines of at most ``width`` inches; long names break anywhere."""
    lines: list[str] = []
    for paragraph in str(text).splitlines() or [""]:
        line = ""
        # a break is welcome after a space, and allowed after - _ . /
        for piece in re.findall(r"[^\s_\-./]+[\s_\-./]*|[\s_\-./]+", paragraph):
            if line and text_width((line + piece).rstrip(), size) > width:
                lines.append(line.rstrip(" "))
                line = ""
            line += piece
            while text_width(line.rstrip(), size) > width and len(line) > 1:
                cut = next(n for n in range(len(line) - 1, 0, -1) if n == 1 or text_width(line[:n], size) <= width)
                lines.append(line[:cut])
                line = line[cut:]
        lines.append(line.rstrip(" "))
    return "\n".join(lines)


def place_in_rows(centres: Sequence[float], widths: Sequence[float], *, gap: float = 0.08) -> list[int]:
    """A row for each label so that labels in one row keep ``gap`` inches apart.

    ``centres`` and ``widths`` in inches; labels are placed from left to right, each in the
    first row with room.
    """
    rows = [0] * len(centres)
    ends: list[float] = []
    for i in sorted(range(len(centres)), key=lambda i: (centres[i] - widths[i] / 2, i)):
        left, right = centres[i] - widths[i] / 2, centres[i] + widths[i] / 2
        row = next((r for r, end in enumerate(ends) if left >= end + gap), len(ends))
        if row == len(ends):
            ends.append(right)
        else:
            ends[row] = right
        rows[i] = row
    return rows


def clone_number(name: str) -> int | None:
    """3 for ``c3``; None for other names."""
    match = re.fullmatch(r"c(\d+)", str(name))
    return int(match[1]) if match else None


def clone_colour(name: str) -> str:
    """The colour of a clone: by its name alone, so that it is the same in every figure."""
    number = clone_number(name)
    return UNNAMED_COLOUR if number is None else CLONE_COLOURS[(number - 1) % len(CLONE_COLOURS)]


def clone_order(names: Sequence[str]) -> list[str]:
    """Clones by number (c2 before c10), other names after them."""
    return sorted(set(names), key=lambda n: (clone_number(n) is None, clone_number(n) or 0, n))


def superscript(power: int) -> str:
    """``10⁻⁵`` for -5."""
    return "10" + str(power).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def to_svg(fig: Figure, *, name: str, title: str) -> str:
    """The figure as an ``<svg>`` element to stand inside a page.

    ``name`` prefixes the ids, which must be unique in a page; ``title`` is what a screen
    reader says. No time stamp and no random id: the same figure is the same text.
    """
    stream = io.StringIO()
    with matplotlib.rc_context(RC):
        fig.savefig(stream, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = stream.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<!--.*?-->\s*", "", text, flags=re.DOTALL)
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    text = re.sub(
        r"<defs>\s*<style.*?</style>\s*</defs>\s*", "", text, count=1, flags=re.DOTALL
    )  # the page's CSS has it
    text = re.sub(r'(\bid=")', rf"\g<1>{name}-", text)
    text = re.sub(r'(xlink:href="#|url\(#)', rf"\g<1>{name}-", text)
    text = re.sub(r"font: (?:(\w+) )?([\d.]+)px [^;\"]*", r"font-size: \2px; font-weight: \1", text)
    text = re.sub(r"font-weight: (?=[;\"])", "font-weight: normal", text)
    label = html.escape(title, quote=True)
    return text.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)
