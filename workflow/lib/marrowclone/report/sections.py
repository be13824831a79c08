"""Sections of a patient's page that tell of cells, copy number and clones."""

from __future__ import annotations

import pandas as pd

from ..keys import MALIGNANT, NORMAL, UNASSIGNED
from . import words
from .alleles import allele_note, allele_table, evidence_note
from .blocks import Mark, Section, Table
from .clone_expression import expression_note, expression_table
from .events import events_table
from .evidence import number_of_clones
from .figures import clones as clone_figures
from .figures import composition, copy_number
from .figures import tree as tree_figure
from .fish_section import draw_fish
from .gather import Patient
from .paths import sample_link
from .rows import rows_of
from .sentences import clone_names, false_positives, hidden, reference_words, rung


def sample_title(row: pd.Series) -> str:
    """``diagnosis, day 0`` with the sample's name below."""
    return f"{words.timepoint(str(row['timepoint']))}, {words.when(row['day'])}\n{row['sample']}"


def group_shares(cells: pd.DataFrame, samples: pd.DataFrame) -> pd.DataFrame:
    """Share of each group of cell types (columns) in the kept cells of each sample (rows, sheet order)."""
    groups = [
        words.type_group(str(t), is_tumour_type=flag is True or flag == 1)
        for t, flag in zip(cells["cell_type"], cells["is_tumour_type"], strict=True)
    ]
    counts = pd.crosstab(cells["sample"].to_numpy(), pd.Series(groups, dtype=object).to_numpy()) if len(cells) else None
    if counts is None:
        return pd.DataFrame(0.0, index=list(samples["sample"]), columns=["plasma cells"])
    counts = counts.reindex(list(samples["sample"]), fill_value=0)
    return counts.div(counts.sum(axis=1).clip(lower=1), axis=0)


def qc_counts(qc: pd.DataFrame, samples: pd.DataFrame) -> pd.DataFrame:
    """Barcodes per sample (rows) that were kept or dropped by first reason (columns, kept first, then by size)."""
    if not len(qc):
        return pd.DataFrame({"kept": 0}, index=list(samples["sample"]))
    kept = qc["keep"].eq(True)
    first = qc["reason"].astype(str).str.partition(";")[0].str.strip()  # a barcode counts once, for its first reason
    what = first.where(~kept, "kept").replace("", "no reason given")
    counts = pd.crosstab(qc["sample"].to_numpy(), what.to_numpy()).reindex(list(samples["sample"]), fill_value=0)
    if "kept" not in counts.columns:
        counts["kept"] = 0
    order = counts.drop(columns="kept").sum().sort_values(ascending=False, kind="stable").index
    return counts[["kept", *order]]


def cells_section(patient: Patient) -> Section:
    """What was read, kept and dropped, and which cells there are."""
    section = Section(
        "cells",
        "Cells",
        "Each barcode was kept or dropped for a stated reason; the bars show what the kept cells are. Shares "
        "depend on how the sample was prepared and sorted, so they are not the marrow's true composition. "
        "Each sample's name leads to its own page.",
    )
    counts = qc_counts(patient.qc, patient.samples)
    rows = []
    for _, row in patient.samples.iterrows():
        mine = counts.loc[row["sample"]]
        dropped = mine.drop("kept")
        reasons = ", ".join(f"{words.plain(r)} {int(n):,}" for r, n in dropped.items() if n > 0)
        read = int(mine.sum())
        rows.append(
            [
                Mark(str(row["sample"]), href=sample_link(str(row["sample"]))), words.timepoint(str(row["timepoint"])),
                words.number(row["day"]),
                " ".join(str(x) for x in (row["compartment"], row["sort"]) if x and x != "none") or words.NOT_KNOWN,
                f"{read:,}", f"{int(mine['kept']):,}", words.share(mine["kept"] / read) if read else words.NOT_KNOWN,
                reasons or "none dropped",
            ]
        )  # fmt: skip
    section.tables.append(
        Table(
            [
                "Sample",
                "Timepoint",
                "Day",
                "Compartment, sort",
                "Barcodes",
                "Kept",
                "Kept share",
                "Dropped, by first reason",
            ],
            rows,
            numeric=frozenset({2, 4, 5, 6}),
        )
    )
    section.notes += [f"Warning, {text}" for text in patient.warnings]
    if not len(patient.cells):
        section.blank = "No cell passed quality control."
        return section
    shares = group_shares(patient.cells, patient.samples)
    totals = patient.cells["sample"].value_counts().reindex(list(patient.samples["sample"]), fill_value=0)
    names = [sample_title(row) for _, row in patient.samples.iterrows()]
    section.draw(
        composition.composition(shares, names, [int(t) for t in totals]),
        name="composition",
        title="Share of each group of cell types in the kept cells of every sample",
        caption="Cell types of the kept cells, one bar per sample. “Unresolved” cells have no clear type.",
    )
    fine = pd.crosstab(patient.cells["cell_type"], patient.cells["sample"])
    fine = fine.reindex(columns=list(patient.samples["sample"]), fill_value=0)
    fine = fine.loc[fine.sum(axis=1).sort_values(ascending=False, kind="stable").index]
    section.tables.append(
        Table(
            ["Cell type", *fine.columns],
            [
                [words.cell_type(str(name)), *(f"{int(n):,}" for n in row)]
                for name, row in zip(fine.index, fine.to_numpy(), strict=True)
            ],
            caption="Kept cells by cell type and sample (counts)",
            numeric=frozenset(range(1, len(fine.columns) + 1)),
            folded=True,
        )
    )  # fmt: skip
    return section


def copy_number_section(patient: Patient, *, noun: str) -> Section:
    """The reference, the malignant calls, and copy number by clone."""
    section = Section(
        "copy-number",
        "Copy number and malignant cells",
        "Copy number is inferred from raw counts against the reference named here: a lower rung means less can "
        "be believed. Whole-genome doubling and focal events are not seen by this method"
        + (
            ", copy-neutral losses in the allele counts alone."
            if len(patient.alleles)
            else ", nor copy-neutral losses."
        ),
    )
    level = rung(patient)
    text, trust = reference_words(patient)
    note = (
        f"Reference {level}: {text}. Confidence: {trust}."
        if level != "none"
        else f"No reference could be formed: {trust}."
    )
    if len(patient.reference):
        row = patient.reference.iloc[0]
        if level != "none" and not words.missing(row["n_cells"]):
            note += f" It holds {words.count(row['n_cells'], 'cell')} of {words.count(row['n_samples'], 'sample')}."
        if row["reason"]:
            note += f" Why: {words.told(row['reason'])}."
        if row.get("notes"):
            note += f" Diploid level: {words.told(row['notes'])}."
    section.notes.append(note.replace("..", "."))
    rate = false_positives([patient])
    if rate:
        section.notes.append(rate)
    if not len(patient.malignant):
        section.blank = f"No {noun}s were examined: malignant calls and copy number are not assessable."
        return section
    counts = pd.crosstab(patient.malignant["sample"], patient.malignant["call"])
    counts = counts.reindex(
        index=list(patient.samples["sample"]), columns=[MALIGNANT, NORMAL, UNASSIGNED], fill_value=0
    )
    rows, unseen = [], hidden(patient)
    for _, row in patient.samples.iterrows():
        m, n, u = (int(v) for v in counts.loc[row["sample"]])
        rows.append(
            [words.timepoint(str(row["timepoint"])), words.number(row["day"]), str(row["sample"]), f"{m + n + u:,}",
             f"{m:,}", f"{n:,}", f"{u:,}", words.called(m, n, 0, hidden=unseen) if n + m else words.called(0, 0, u)]
        )  # fmt: skip
    section.tables.append(
        Table(
            [
                "Timepoint", "Day", "Sample", f"{noun.capitalize()}s", "Malignant", "Normal", "Unassigned",
                "Malignant share",
            ],
            rows,
            caption="Calls per sample. The share is of cells that could be called; unassigned cells may be either. "
            "Zero of n is an upper bound (one-sided 95%), never absence.",
            numeric=frozenset({1, 3, 4, 5, 6}),
        )
    )  # fmt: skip
    if len(patient.arms):
        section.draw(
            copy_number.arm_states(patient.arms),
            name="arms",
            title="Copies of each chromosome arm in each clone",
            caption="Copies per chromosome arm (p, q) and clone; numbers where it is not two. Hatched: not sure, "
            "or not called.",
        )
        if patient.arms["call"].isin(copy_number.NOT_CALLED).all():
            section.notes.append("No arm could be called: states, gains and losses are not assessable here.")
        section.tables.append(events_table(patient))
    if len(patient.profiles):
        section.draw(
            copy_number.ratio_profiles(patient.profiles),
            name="profiles",
            title="Log2 ratio along the genome for each clone",
            caption="Log2 ratio of each clone's summed counts along the genome: whole arms, or parts of an arm where "
            "it is surely broken and each part holds enough genes. Focal events are not seen.",
        )
    if not len(patient.arms) and not len(patient.profiles):
        section.notes.append("No copy-number states: too few malignant cells, or none.")
    if len(patient.alleles):
        section.notes.append(allele_note(patient.alleles))
        section.tables.append(allele_table(patient.alleles))
    return section


def clones_section(patient: Patient) -> Section:
    """The clones' shares through time and the tree that joins them."""
    section = Section(
        "clones",
        "Clones through time",
        "A clone is a group of malignant cells that share copy-number events, found jointly over all timepoints. "
        "Shares are "
        "of malignant cells only: a share can rise while the clone shrinks, so read the burden below with it.",
    )
    names = clone_names(patient)
    if not names:
        section.blank = "No clones: too few malignant cells were found to tell any apart, or none."
        return section
    table = patient.fractions
    if len(table):
        section.draw(
            clone_figures.fractions(table, patient.samples),
            name="fractions",
            title="Share of malignant cells by clone and timepoint, with 95% intervals",
            caption="Share of malignant cells with its 95% interval. Open triangle: zero cells seen, the mark is "
            "the upper bound. "
            "Cross: no malignant cell in that sample, shares are not assessable. Latest value at the right.",
        )  # fmt: skip
        draw_fish(section, patient)
        rows = []
        for row in rows_of(table.sort_values(["day", "sample", "clone"], kind="stable")):
            none = row.n_malignant == 0
            # the bound of "0 of n" rests on the malignant cells that have a clone, not on all
            n = int(getattr(row, "n_assigned", row.n_malignant))
            said = f"at most {words.share(row.upper)}" if row.n_clone == 0 else words.share(row.fraction)
            rows.append(
                [
                    words.timepoint(str(row.timepoint)), words.number(row.day), str(row.sample), str(row.clone),
                    "0 malignant cells" if none else f"{int(row.n_clone):,} of {n:,}",
                    "not assessable" if none else said,
                    words.NOT_KNOWN if none else words.between(row.lower, row.upper),
                ]
            )  # fmt: skip
        section.tables.append(
            Table(
                ["Timepoint", "Day", "Sample", "Clone", "Cells", "Share", "95% interval"],
                rows,
                caption="Shares of malignant cells by sample and clone. Cells: of the malignant cells that have a "
                "clone. Zero cells: the interval ends at the one-sided 95% bound or above.",
                numeric=frozenset({1, 4, 5, 6}),
                folded=True,
            )
        )
    if len(patient.tree):
        section.draw(
            tree_figure.tree(patient.tree, patient.profiles),
            name="tree",
            title="Tree of the clones with the events of each branch, beside their copy-number profiles",
            caption="The tree of clones, trunk first, with the events that each branch adds and the support of "
            "the branch (0 to 1). + one copy more, ++ two more, − one less; +9 is the whole chromosome. Open: an "
            "inferred ancestor without cells of its own. Right: log2 ratio of each clone along the genome. The tree "
            "orders events, it dates none; a clone that was seen before its ancestor is marked.",
        )  # fmt: skip
    section.notes += [text for text in [evidence_note(patient)] if text]
    section.tables += number_of_clones(patient)
    if not len(patient.markers) and len(names) > 1:
        section.notes.append("Expression: no sample holds enough cells of two clones, so none could be compared.")
    if len(patient.markers):
        section.notes.append(expression_note(patient.markers, names))
        section.tables.append(expression_table(patient.markers))
    return section
