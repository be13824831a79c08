"""Figures of the accuracy run, drawn from its tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from .expect import OURS
from .summary import by_scenario

#: What is drawn, and whether high is good.
PANELS: tuple[tuple[str, bool], ...] = (
    ("malignant F1", True), ("malignant false-positive rate", False), ("arm event F1", True), ("clone ARI", True),
)  # fmt: skip
#: Colours that people with colour-blindness can tell apart (Okabe and Ito 2008).
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#999999", "#F0E442", "#000000")


def save(figure: plt.Figure, path: Path) -> None:
    """PNG and SVG beside each other, without a date inside."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path.with_suffix(".png"), dpi=130, bbox_inches="tight", facecolor="white")
    figure.savefig(path.with_suffix(".svg"), bbox_inches="tight", metadata={"Date": None}, facecolor="white")
    plt.close(figure)


def draw_accuracy(
    rows: pd.DataFrame, path: Path, *, tools: Sequence[str], scenarios: Sequence[str], status: pd.DataFrame
) -> None:
    """A map per metric: scenarios down, tools across, the value written in each cell."""
    tables = [by_scenario(rows, m, tools=tools, scenarios=scenarios, status=status) for m, _ in PANELS]
    width = sum(max(2, t.shape[1]) for t in tables) * 0.62 + 5.5
    height = max(max((len(t) for t in tables), default=1) * 0.34 + 2.4, 3.0)
    figure, axes = plt.subplots(
        1, len(PANELS), figsize=(width, height), gridspec_kw={"width_ratios": [max(2, t.shape[1]) for t in tables]}
    )
    names = [s for s in scenarios if any(s in t.index for t in tables)]
    for axis, table, (metric, high) in zip(axes, tables, PANELS, strict=True):
        values = table.reindex(index=names).to_numpy(dtype=float)
        if values.size == 0:
            axis.axis("off")
            continue
        good = np.clip(values if high else 1.0 - values, 0, 1)
        axis.imshow(np.ma.masked_invalid(good), cmap="viridis", vmin=0, vmax=1, aspect="auto")
        for i, j in np.ndindex(values.shape):
            text = "–" if np.isnan(values[i, j]) else f"{values[i, j]:.2f}"
            dark = np.isnan(values[i, j]) or good[i, j] > 0.6
            axis.text(j, i, text, ha="center", va="center", fontsize=7, color="black" if dark else "white")
        axis.set_xticks(range(table.shape[1]), table.columns, rotation=60, ha="right", fontsize=8)
        axis.set_yticks(range(len(names)), names if axis is axes[0] else [""] * len(names), fontsize=8)
        axis.set_title(metric + ("" if high else "\n(low is good)"), fontsize=9)
        axis.tick_params(length=0)
    figure.suptitle("Yellow is good; a dash: the tool gives no such answer", fontsize=9, y=1.0)
    figure.tight_layout()
    save(figure, path)


def draw_reliability(table: pd.DataFrame, path: Path) -> None:
    """Predicted against true share, for each tool that gives probabilities."""
    kinds = [("call", "cell is malignant"), ("clone", "cell is of its clone")]
    figure, axes = plt.subplots(1, 2, figsize=(9.2, 4.4))
    for axis, (kind, title) in zip(axes, kinds, strict=True):
        axis.plot([0, 1], [0, 1], color="#bbbbbb", lw=1, zorder=0)
        part = table[table["kind"] == kind] if len(table) else table
        for colour, (tool, g) in zip(PALETTE, part.groupby("tool") if len(part) else [], strict=False):
            # a bin of two cells says nothing of its share; it is drawn, but faintly
            low, high = g["share"] - g["lower"].fillna(g["share"]), g["upper"].fillna(g["share"]) - g["share"]
            axis.errorbar(
                g["mean_p"], g["share"], yerr=np.clip([low, high], 0, None), fmt="o-", ms=4, lw=1.2, color=colour,
                label=tool, capsize=2, alpha=0.9,
            )  # fmt: skip
        axis.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xlabel="stated probability", ylabel="share that is true")
        axis.set_title(title, fontsize=10)
        if len(part):
            axis.legend(fontsize=8, frameon=False, loc="upper left")
    figure.tight_layout()
    save(figure, path)


def draw_intervals(stacks: dict[str, pd.DataFrame], path: Path) -> None:
    """Fractions, burden and growth of the whole workflow against their truth, with 95% intervals."""
    figure, axes = plt.subplots(1, 3, figsize=(13.5, 4.4))
    panels = (("fractions", "clone fraction", False), ("burden", "burden", True), ("growth", "growth per month", False))
    for axis, (name, title, log) in zip(axes, panels, strict=True):
        table = stacks.get(name, pd.DataFrame())
        columns = ["truth", "estimate", "lower", "upper"]
        if not len(table):
            axis.axis("off")
            continue
        table = table[columns].astype(float).replace([np.inf, -np.inf], np.nan).dropna(subset=["truth"])
        shown = table[table["estimate"].notna() & ((table["truth"] > 0) | (not log))]
        if log:
            shown = shown[(shown["estimate"] > 0)]
        lower = (shown["estimate"] - shown["lower"]).clip(lower=0).fillna(0)
        upper = (shown["upper"] - shown["estimate"]).clip(lower=0).fillna(0)
        hit = ((shown["lower"].isna()) | (shown["lower"] <= shown["truth"])) & (
            (shown["upper"].isna()) | (shown["truth"] <= shown["upper"])
        )
        for inside, colour, label in ((True, PALETTE[0], "holds the truth"), (False, PALETTE[5], "misses it")):
            rows = hit == inside
            axis.errorbar(
                shown.loc[rows, "truth"], shown.loc[rows, "estimate"], yerr=[lower[rows], upper[rows]], fmt="o", ms=3.5,
                lw=0.8, color=colour, alpha=0.75, label=f"{label} ({int(rows.sum())})",
            )  # fmt: skip
        ends = [shown[["truth", "estimate"]].min().min(), shown[["truth", "estimate"]].max().max()]
        axis.plot(ends, ends, color="#999999", lw=1, zorder=0)
        if log:
            axis.set(xscale="log", yscale="log")
        axis.set(xlabel="truth", ylabel="estimate, 95% interval")
        axis.set_title(title, fontsize=10)
        axis.legend(fontsize=8, frameon=False, loc="upper left")
    figure.suptitle(f"{OURS}, whole workflow", fontsize=10)
    figure.tight_layout()
    save(figure, path)
