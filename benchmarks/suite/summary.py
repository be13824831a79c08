"""From the long table to what a person reads: a table per metric, rows scenarios, columns tools."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from marrowclone.score import arms

from .expect import MET, OURS, Verdict

#: Metrics of the printed tables; the rest stands in the file.
PRINTED = ("malignant F1", "malignant false-positive rate", "arm event F1", "clone ARI")
#: Metrics that get a table in the file, in this order, with what is good.
TABLED: dict[str, str] = {
    "malignant F1": "1 is best",
    "malignant F1 at the best threshold": "1 is best; the threshold is chosen with the truth, which flatters",
    "malignant AUC": "1 is best, .5 is chance",
    "malignant false-positive rate": "of normal plasma cells; 0 is best",
    "malignant unassigned share": "cells that the tool leaves open",
    "malignant ECE": "calibration error of p_malignant; 0 is best",
    "arm event F1": "1 is best; tools without calls get the threshold that suits them best, given the truth",
    "false arm losses": "0 is best",
    "integer state accuracy": "of true events that were called; 1 is best",
    "integer state right": "of all true events of clones that were found; 1 is best",
    "clone ARI": "over all true malignant cells; 1 is best, 0 is chance",
    "clone ARI among assigned cells": "1 is best",
    "share of cells assigned": "",
    "clone ARI among sure cells": "posterior >= .95",
    "share of sure cells": "",
    "clone posterior ECE": "0 is best",
    "smallest detected clone": "share of the malignant cells; low is good",
    "clones found": "",
    "clones invented": "of 20 or more cells; 0 is best",
    "clone-capture ARI beyond truth": "0 is best",
}


CASE = ["seed", "scenario", "patient"]


def common(rows: pd.DataFrame, status: pd.DataFrame) -> pd.DataFrame:
    """Rows of the cases of a scenario that every tool was given, without tools that failed on one of these.

    ``status``: seed, scenario, patient, tool, status of every job. Tools that were not run on a scenario at all do not
    count; nor do tools that are not here.
    """
    jobs = status[status["status"] != "missing"]
    given = jobs.groupby(CASE)["tool"].nunique()
    most = given.groupby("scenario").transform("max")
    shared = given[given == most].reset_index()[CASE]
    rows = rows.merge(shared, on=CASE)
    failed = jobs[jobs["status"] != "ok"].merge(shared, on=CASE)[["scenario", "tool"]].drop_duplicates()
    kept = rows.merge(failed, on=["scenario", "tool"], how="left", indicator=True)
    return kept[kept["_merge"] == "left_only"].drop(columns="_merge")


def by_scenario(
    rows: pd.DataFrame, metric: str, *, tools: Sequence[str], scenarios: Sequence[str], status: pd.DataFrame
) -> pd.DataFrame:
    """Mean over patients and seeds: rows scenarios, columns tools; NaN where a tool says nothing or failed on some.

    Where a tool was run on some of the patients only, all tools are compared on those.
    """
    part = rows[(rows["metric"] == metric) & rows["tool"].isin(list(tools))]
    part = common(part, status)
    table = part.pivot_table(index="scenario", columns="tool", values="value", aggfunc="mean")
    table = table.reindex(index=[s for s in scenarios if s in table.index])
    return table.reindex(columns=[t for t in tools if t in table.columns])


#: Columns of the event table by which arm events are split.
BREAKDOWNS = {"genes": "readable genes of the arm", "clone_size": "size of the clone", "origin": "place in the tree"}


def arm_breakdown(events: pd.DataFrame, by: str, *, tools: Sequence[str], status: pd.DataFrame) -> pd.DataFrame:
    """F1 of arm events per clone, pooled over the cases that all of the tools were given: rows classes, columns tools.

    Tools that name no clones, or failed on one of these cases, have no column.
    """
    if not len(events):
        return pd.DataFrame()
    here = [t for t in tools if (events["tool"] == t).any()]
    jobs = status[(status["status"] == "ok") & status["tool"].isin(here)]
    n = jobs.groupby(CASE)["tool"].nunique()
    shared = n[n == len(here)].reset_index()[CASE]
    groups = dict(list(events.merge(shared, on=CASE).groupby("tool")))
    named = [t for t in here if t in groups and groups[t]["called"].any()]
    table = pd.DataFrame({t: arms.scores_by(groups[t], by).set_index(by)["f1"] for t in named})
    return table[table.index != ""]


def as_text(table: pd.DataFrame, title: str) -> str:
    """Aligned lines."""
    header = ["", *table.columns]
    body = [[str(i), *(number(v) for v in row)] for i, row in zip(table.index, table.to_numpy(), strict=True)]
    widths = [max(len(r[i]) for r in [header, *body]) for i in range(len(header))]
    lines = ["  ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(r, widths, strict=True)))
             for r in [header, *body]]  # fmt: skip
    return "\n".join([title, *(line.rstrip() for line in lines)])


def as_markdown(table: pd.DataFrame) -> str:
    """A Markdown table."""
    lines = ["| scenario | " + " | ".join(table.columns) + " |", "|---" * (1 + len(table.columns)) + "|"]
    for name, row in zip(table.index, table.to_numpy(), strict=True):
        lines.append(f"| {name} | " + " | ".join(number(v) for v in row) + " |")
    return "\n".join(lines)


def number(value: float) -> str:
    """Three decimals; a dash where there is nothing to say."""
    if math.isnan(value):
        return "–"
    return f"{value:.0f}" if value == int(value) and abs(value) > 1 else f"{value:.3f}"


def markdown(
    rows: pd.DataFrame,
    verdicts: Sequence[Verdict],
    status: pd.DataFrame,
    events: pd.DataFrame,
    *,
    tools: Sequence[str],
    scenarios: Sequence[str],
    titles: dict[str, str],
    facts: Sequence[str],
) -> str:
    """The whole report as Markdown."""
    out = ["# Accuracy", "", *(f"- {f}" for f in facts), "", "## Scenarios", ""]
    out += [f"- **{name}**: {title}" for name, title in titles.items()]
    out += [
        "",
        "## Expected answers",
        "",
        "| scenario | what must come out | expected | seen | |",
        "|---|---|---|---|---|",
    ]
    out += [f"| {v.scenario} | {v.says} | {v.expected} | {v.observed} | {v.verdict} |" for v in verdicts]
    for metric, good in TABLED.items():
        table = by_scenario(rows, metric, tools=tools, scenarios=scenarios, status=status)
        if len(table):
            out += ["", f"## {metric}", "", f"{good}." if good else "", "", as_markdown(table)]
    for by, title in BREAKDOWNS.items():
        table = arm_breakdown(events, by, tools=tools, status=status)
        if len(table):
            out += ["", f"## Arm events of clones, F1 by {title}", "", as_markdown(table)]
    road = rows[(rows["scenario"] == "all") & (rows["tool"] == OURS)]
    if len(road):
        out += [
            "",
            "## The whole workflow, all patients pooled",
            "",
            "| metric | value | 95% interval | n |",
            "|---|---|---|---|",
        ]
        out += [
            f"| {r.metric} | {number(r.value)} | {interval(r.lower, r.upper)} | {'' if r.n != r.n else int(r.n)} |"
            for r in road.itertuples()
        ]
    out += [
        "",
        "## How the tools fared",
        "",
        "| tool | runs | failed | median seconds | peak MB | first error |",
        "|---|---|---|---|---|---|",
    ]
    for tool, g in status.groupby("tool", sort=False):
        bad = g[g["status"] != "ok"]
        error = str(bad["error"].iloc[0]).replace("|", "/")[:160] if len(bad) else ""
        out.append(
            f"| {tool} | {len(g)} | {len(bad)} | {g['seconds'].median():.1f} | {g['peak_mb'].max():.0f} | {error} |"
        )
    return "\n".join(out) + "\n"


def interval(lower: float, upper: float) -> str:
    """``0.90 to 0.97``, or nothing."""
    return "" if lower != lower or upper != upper else f"{lower:.3f} to {upper:.3f}"


def verdict_lines(verdicts: Sequence[Verdict]) -> str:
    """How many expected answers were met, and those that were not."""
    met = sum(v.verdict == MET for v in verdicts)
    lines = [f"expected answers: {met} of {len(verdicts)} met"]
    lines += [
        f"  {v.verdict}: {v.scenario}: {v.says}; expected {v.expected}, seen {v.observed or 'nothing'}"
        for v in verdicts
        if v.verdict != MET
    ]
    return "\n".join(lines)
