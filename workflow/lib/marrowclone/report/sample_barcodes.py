"""Sections of a sample's page about its barcodes: measures by type, what was dropped and why, doublets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from . import words
from .blocks import Section, Table
from .figures import composition, dropped, qc_violin
from .figures.qc_violin import Measure, Row
from .sample import COARSE_NAMES, KEPT, Sample, coarse, coarse_order, fate, reason_counts, values_by_type

#: The panels of the figure by cell type; a column that the table lacks is left out.
MEASURES: tuple[Measure, ...] = (
    Measure("n_umi_non_ig", "non-Ig UMIs", "UMIs (log)", log=True, least=1),
    Measure("n_genes_non_ig", "non-Ig genes", "genes (log)", log=True, least=1),
    Measure("pct_mito", "mitochondrial", "% of UMIs"),
    Measure("pct_ig", "immunoglobulin", "% of UMIs"),
    Measure("pct_hb", "haemoglobin", "% of UMIs"),
    Measure("doublet_score", "doublet score", "no unit"),
    Measure("pct_ambient", "ambient RNA", "% of UMIs"),
)
DROPPED_COLOUR = "#8a8f98"
JUDGED = "[J] marks a design judgement without direct evidence."


def measures_section(sample: Sample, *, most_types: int, fewest: int) -> Section:
    """QC measures by cell type, with limits."""
    section = Section(
        "measures",
        "Measures by cell type",
        "Plasma cells are large, full of immunoglobulin, and tolerate mitochondria, so each type is read against its "
        "own limits, and none stands on immunoglobulin. Dropped barcodes have no type: they stand under the light "
        "guess that chose their limits.",
    )
    if not len(sample.qc):
        section.blank = "No barcode was read."
        return section
    table = values_by_type(sample, most_types=most_types)
    measures = [m for m in MEASURES if m.column in table.columns and table[m.column].notna().any()]
    kept, rest = _rows(table[table["kept"]], sample.facts, measures), []
    if (~table["kept"]).any():
        rest = _rows(table[~table["kept"]], sample.facts, measures, plain=True)
    floors = {
        column: float(value)
        for column, key in (("n_umi_non_ig", "min_umi_non_ig"), ("n_genes_non_ig", "min_genes_non_ig"))
        if (value := (sample.facts.get("floors") or {}).get(key))
    }
    threshold = _threshold(sample.facts)
    if threshold is not None and any(m.column == "doublet_score" for m in measures):
        floors["doublet_score"] = threshold
    section.draw(
        qc_violin.violins(kept, rest, measures, floors=floors, fewest=fewest),
        name="violins",
        title="QC measures of kept barcodes by cell type, and of dropped ones by guess",
        caption="Violins are kernel densities, each as wide as its row; the dot is the median, the bar the middle "
        f"half. Rows with fewer than {fewest} values show each barcode. n: barcodes. Dashed: limit for all rows "
        "(floors, doublet threshold). Short strokes: limits of the row's type (upper limit of non-Ig UMIs; "
        f"mitochondrial limit). Bold: the types that hold the tumour. Floors and limits are [J]. {JUDGED}",
    )
    section.tables.append(_medians(table, measures))
    return section


def _rows(
    table: pd.DataFrame, facts: Mapping[str, Any], measures: Sequence[Measure], *, plain: bool = False
) -> list[Row]:
    """Rows of the figure: tumour types first, then by size (dropped ones in the guess's order)."""
    sizes = table.groupby("row").size().sort_index().sort_values(ascending=False, kind="stable")
    tumour = set(table.loc[table["is_tumour_type"], "row"])
    names = coarse_order(list(sizes.index)) if plain else list(sizes.index)
    names = names if plain else sorted(names, key=lambda n: (n not in tumour, n == "other types"))
    back = {said: name for name, said in COARSE_NAMES.items()}
    tops, mito = facts.get("limits_umi_non_ig") or {}, facts.get("max_pct_mito") or {}
    found = []
    for name in names:
        mine = table[table["row"] == name]
        guess = back.get(str(mine["coarse"].mode().iloc[0]), "")  # limits were chosen by the guess, not by the type
        limits = {"n_umi_non_ig": tops.get(guess), "pct_mito": mito.get("plasma" if guess == "plasma" else "other")}
        strong = name in tumour or (plain and name == COARSE_NAMES["plasma"])
        group = words.type_group(str(name), is_tumour_type=name in tumour)
        found.append(
            Row(
                label=str(name) if plain else words.cell_type(str(name)).replace("_", " "),
                n=len(mine),
                colour=DROPPED_COLOUR if plain or group == "unresolved" else composition.GROUP_COLOURS[group],
                values={m.column: mine[m.column].to_numpy(dtype=float) for m in measures},
                limits={k: float(v) for k, v in limits.items() if v is not None},
                strong=strong,
            )
        )
    return found


def _medians(table: pd.DataFrame, measures: Sequence[Measure]) -> Table:
    rows = []
    for is_kept, mine in ((True, table[table["kept"]]), (False, table[~table["kept"]])):
        names = mine.groupby("row").size().sort_index().sort_values(ascending=False, kind="stable").index
        for name in names:
            values = mine.loc[mine["row"] == name]
            said = words.cell_type(str(name)) if is_kept else f"dropped, {name}"
            rows.append(
                [said, f"{len(values):,}", *(words.number(values[m.column].dropna().median()) for m in measures)]
            )
    return Table(
        ["Type", "Barcodes", *(f"{m.title} ({m.unit.removesuffix(' (log)')})" for m in measures)],
        rows,
        caption="Medians by type",
        numeric=frozenset(range(1, len(measures) + 2)),
        folded=True,
    )


def dropped_section(sample: Sample) -> Section:
    """What was dropped and why, by coarse guess."""
    section = Section(
        "dropped",
        "What was dropped and why",
        "Every barcode was kept, or dropped for each reason that applies. The guess of its type comes from markers "
        "alone. Losing a far larger share of plasma-like barcodes than of others would bend every later result.",
    )
    if not len(sample.qc):
        section.blank = "No barcode was read."
        return section
    fates = fate(sample.qc)
    order = coarse_order(list(fates["coarse"]))
    section.draw(
        dropped.fates(_most_frequent(fates).reindex(order)),
        name="fates",
        title="What became of the barcodes of each guess: kept, or dropped by reason",
        caption="Share of barcodes kept, dropped for one reason only, or for several together (joined by +).",
    )
    section.tables.append(_reasons_table(reason_counts(fates), totals=fates["coarse"].value_counts().reindex(order)))
    together = fates.loc[fates["together"] != KEPT]
    if len(together):
        joint = pd.crosstab(together["together"], together["coarse"]).reindex(columns=order, fill_value=0)
        joint = joint.loc[joint.sum(axis=1).sort_index().sort_values(ascending=False, kind="stable").index]
        section.tables.append(
            Table(
                ["Reasons together", *order, "all"],
                [
                    [words.plain(name), *(f"{n:,}" for n in row), f"{row.sum():,}"]
                    for name, row in zip(joint.index, joint.to_numpy(), strict=True)
                ],
                caption="Barcodes by exactly these reasons",
                numeric=frozenset(range(1, len(order) + 2)),
                folded=True,
            )
        )
    return section


def _most_frequent(fates: pd.DataFrame, *, joint: int = 2) -> pd.DataFrame:
    """Coarse names x (kept, reasons that stood alone by size, the ``joint`` most frequent combinations, all others)."""
    counts = pd.crosstab(fates["coarse"], fates["together"])
    names = list(
        counts.sum().sort_index().sort_values(ascending=False, kind="stable").index.drop(KEPT, errors="ignore")
    )
    several = [n for n in names if " + " in n]
    counts[dropped.OTHERS] = counts[several[joint:]].sum(axis=1)
    return counts.reindex(columns=[KEPT, *(n for n in names if n not in several[joint:]), dropped.OTHERS], fill_value=0)


def _reasons_table(counts: pd.DataFrame, *, totals: pd.Series) -> Table:
    names = [c for c in counts.columns if c not in ("all", "alone")]

    def said(n: int, total: int) -> str:
        return f"{n:,} ({words.share(n / total)})" if n else "0"

    rows = [
        [words.plain(reason), *(said(int(row[n]), int(totals[n])) for n in names),
         said(int(row["all"]), int(totals.sum())), words.NOT_KNOWN if reason == KEPT else f"{int(row['alone']):,}"]
        for reason, row in counts.iterrows()
    ]  # fmt: skip
    rows.append(["all barcodes", *(f"{int(totals[n]):,}" for n in names), f"{int(totals.sum()):,}", words.NOT_KNOWN])
    return Table(
        ["Reason", *names, "all", "for this reason alone"],
        rows,
        caption="Barcodes by reason and guess (share of the guess's barcodes). A barcode with two reasons counts in "
        "both rows",
        numeric=frozenset(range(1, len(names) + 3)),
    )


def _threshold(facts: Mapping[str, Any]) -> float | None:
    """The doublet threshold; None where the method has none."""
    value = facts.get("doublet_threshold")
    return float(value) if isinstance(value, int | float) and np.isfinite(value) else None


def doublets_section(sample: Sample) -> Section:
    """How doublets were called, and their scores."""
    section = Section(
        "doublets",
        "Doublets",
        "Two cells in one droplet can look like a dormant or a B-cell-like plasma cell. Doublets are called within the "
        "capture. Two cells of one type leave no trace in the score, so some always stay.",
    )
    facts = sample.facts
    scores = sample.qc["doublet_score"].to_numpy(dtype=float) if len(sample.qc) else np.empty(0)
    scored = np.isfinite(scores)
    called = int(sample.qc["doublet"].eq(True).sum()) if len(sample.qc) else 0
    threshold = _threshold(facts)
    known = [
        ("Method", facts.get("doublet_method")),
        ("Threshold", None if threshold is None else f"{threshold:.3g}: {facts.get('doublet_rule', '')}"),
        ("Rule", facts.get("doublet_rule") if threshold is None else None),
        ("Barcodes scored", f"{int(scored.sum()):,}"),
        ("Called doublets", words.of_n(called, int(scored.sum())) if scored.any() and called else f"{called:,}"),
        (
            "Expected share of barcodes",
            None
            if facts.get("doublet_expected_rate") is None
            else f"{words.share(facts['doublet_expected_rate'])} (0.8% per 1,000 recovered cells)",
        ),
    ]
    section.tables.append(
        Table(
            ["Fact", "Value"],
            [[k, str(v)] for k, v in known if not words.missing(v)],
            caption="How doublets were called",
        )
    )
    if scored.any():
        plasma = (coarse(sample.qc) == COARSE_NAMES["plasma"]).to_numpy()
        section.draw(
            dropped.doublet_scores(scores[scored], plasma[scored], threshold=threshold),
            name="doublets",
            title="Histogram of doublet scores with the threshold",
            caption=f"Scores of {words.count(scored.sum(), 'barcode')}; counts on a log axis.",
        )  # fmt: skip
    else:
        section.notes.append("No barcode was scored: no doublet could be called by score.")
    if "conflict" in sample.qc.columns:
        found = sample.qc["conflict"].dropna().astype(str)
        lineages = found[found != ""].value_counts().sort_index()
        if len(lineages):
            section.tables.append(
                Table(
                    ["Conflict", "Barcodes"],
                    [[words.plain(k), f"{int(n):,}"] for k, n in lineages.items()],
                    caption="Barcodes with markers of two lineages, by what conflicts",
                    numeric=frozenset({1}),
                )
            )
    return section
