"""What a page is made of: sections that hold figures, tables and plain sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from matplotlib.figure import Figure

from .figures.style import to_svg


class Mark(str):
    """A table cell's text that links to ``href`` or carries a verdict (``ok``, ``warn`` or ``fail``)."""

    href: str
    verdict: str

    def __new__(cls, text: str, *, href: str = "", verdict: str = "") -> Mark:
        """The text with what belongs to it."""
        mark = super().__new__(cls, text)
        mark.href, mark.verdict = href, verdict
        return mark


@dataclass(frozen=True)
class Table:
    """A table as the page shows it: all cells are text already.

    ``numeric`` are the indices of columns that are set flush right. A ``folded`` table is
    shown on a click only.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""
    numeric: frozenset[int] = frozenset()
    folded: bool = False


@dataclass(frozen=True)
class Picture:
    """A drawn figure with its caption."""

    svg: str
    caption: str


@dataclass
class Section:
    """A part of a page.

    ``how`` says in one or two sentences how to read it and what it does not mean;
    ``blank`` stands in its place when there is nothing to show.
    """

    id: str
    title: str
    how: str
    blank: str = ""
    notes: list[str] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)

    def draw(self, figure: Figure, *, name: str, title: str, caption: str) -> None:
        """Add a figure; ``title`` is read aloud, ``caption`` is printed."""
        self.pictures.append(Picture(to_svg(figure, name=name, title=title), caption))
