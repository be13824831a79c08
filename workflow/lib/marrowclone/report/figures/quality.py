"""Quality-of-life scales through time, a small panel each."""

from __future__ import annotations

import math

import pandas as pd
from matplotlib.figure import Figure

from .. import words
from ..rows import rows_of
from . import style
from .days import Days

COLUMNS = 4


@style.figure
def scales(qol: pd.DataFrame) -> Figure:
    """Draw qol.tsv: score over days per scale; a filled mark is a clinically important problem."""
    qol = qol[qol["score"].notna()]
    keys = list(dict.fromkeys(zip(qol["instrument"], qol["scale"], strict=True)))
    axis = Days.around(qol["day"])
    wide, tall = 2.0, 0.85
    rows = math.ceil(len(keys) / COLUMNS)
    pitch = tall + 0.68
    fig = style.new_figure(rows * pitch + 0.3)
    for i, (instrument, scale) in enumerate(keys):
        column, line = i % COLUMNS, i // COLUMNS
        axes = style.panel(fig, 0.55 + column * (wide + 0.42), 0.4 + line * pitch, wide, tall)
        part = qol[(qol["instrument"] == instrument) & (qol["scale"] == scale)].sort_values("day")
        unit = (
            1.0
            if scale.upper() == "INDEX" or (part["score"].abs().max() <= 1 and "EQ" in instrument.upper())
            else 100.0
        )
        bad = scale.upper() in words.SYMPTOM_SCALES
        colour = "#D55E00" if bad else "#0072B2"
        axes.plot(part["day"], part["score"], color=colour, linewidth=0.9, alpha=0.7)
        for row in rows_of(part):
            problem = str(row.problem).lower() in {"true", "1", "1.0", "yes"}
            axes.plot(
                [row.day], [row.score], "o", color=colour, markerfacecolor=colour if problem else style.PAPER,
                markersize=5, markeredgewidth=1.2,
            )  # fmt: skip
        axes.set_ylim((-0.05 if part["score"].min() >= 0 else -1.0) * unit, 1.05 * unit)
        axes.set_yticks([0, unit / 2, unit])
        axes.grid(axis="y")
        axes.set_xlim(axis.first, axis.last)
        ends = sorted({int(part["day"].min()), int(part["day"].max())})
        axes.set_xticks(ends, [words.number(day) for day in ends])
        axes.tick_params(labelsize=style.TINY)
        name = words.SCALES.get(scale.upper(), scale)
        title = style.wrap(f"{name} ({'high is worse' if bad else 'high is better'})", wide + 0.3, style.SMALL)
        axes.set_title(title, fontsize=style.SMALL, loc="left", pad=5)
        if column == 0:
            axes.set_ylabel("score")
        if line == rows - 1 or i + COLUMNS >= len(keys):
            axes.set_xlabel("days")
    return fig
