"""The section of a patient's page on the cells beside the tumour."""

from __future__ import annotations

from typing import Any

import pandas as pd

from ..keys import UNRESOLVED
from . import words
from .blocks import Section, Table
from .figures import surroundings
from .figures.surroundings import Column
from .gather import Patient
from .rows import rows_of

SHARE, RATIO = "share.", "clr."
#: Measures that are shares of a type, or numbers of another kind, with the name that the page prints.
NAMES: dict[str, str] = {
    "cd8_exhausted_share": "exhausted, of CD8 T", "treg_share": "regulatory, of CD4 T",
    "naive_t_share": "naive, of CD4 and CD8 T", "cd16_monocyte_share": "CD16, of monocytes",
    "macrophage_share": "macrophages, of monocytes and macrophages",
    "b_precursor_share": "precursors, of B and pre-B", "cd4_cd8_ratio": "CD4 to CD8 ratio",
    "gzmk_gzmb_ratio": "GZMK to GZMB ratio in CD8 T", "cd8_cytotoxic": "cytotoxic score of CD8 T",
    "nk_cytotoxic": "cytotoxic score of NK", "ifn_1_lymphocytes": "interferon score of lymphocytes",
    "ifn_1_monocytes": "interferon score of monocytes", "inflammatory_stroma": "inflammatory score of stroma",
}  # fmt: skip


def microenvironment_section(patient: Patient) -> Section:
    """Composition and programmes beside the tumour, per sample; sorted samples are missing, never zero."""
    section = Section(
        "microenvironment",
        "Microenvironment",
        "The cells that are neither plasma, nor of a tumour type, nor erythroid, with 95% intervals. Exploratory: no "
        "tier rests on it. Shares add up to one, so one type's rise is another's fall. The intervals are of the cells "
        "that were read, not of the marrow: pulls, blood in the aspirate and handling shift shares between visits. A "
        "sample sorted for or against CD138 says nothing here: it is missing, never zero.",
    )
    table = patient.microenvironment
    if not len(table):
        section.blank = "Not assessable: nothing was measured beside the tumour."
        return section
    names = [str(s) for s in patient.samples["sample"] if s in set(table["sample"])]
    section.tables.append(_samples(patient, names))
    if not table["value"].notna().any():
        section.blank = "Not assessable: every sample is missing here, for the reasons below."
        return section
    measured = table.loc[table["measure"].str.startswith(SHARE), "measure"].str.removeprefix(SHARE)
    order = [t for t in dict.fromkeys(measured) if t != UNRESOLVED]
    columns, drawn = columns_of(patient)
    if drawn:
        unseen = [words.cell_type(t) for t in order if t not in drawn]
        section.draw(
            surroundings.shares(columns, drawn),
            name="microenvironment",
            title="Share of each cell type beside the tumour, by sample, with 95% intervals",
            caption="Share of each type with its 95% interval, one column per sample; the axis is stretched near zero. "
            "Open triangle: no such cell was seen, the mark is the upper bound. Hatched: missing, not zero."
            + (f" Seen in no sample: {', '.join(unseen)}." if unseen else ""),
        )
    section.tables.append(_measures(patient, names, [(f"{SHARE}{t}", words.cell_type(t)) for t in [*order, UNRESOLVED]],
                          "Shares of the cells beside the tumour, with 95% intervals (unresolved: of all of them)",
                          as_share=True))  # fmt: skip
    others = [m for m in dict.fromkeys(table["measure"]) if not m.startswith((SHARE, RATIO))]
    section.tables.append(
        _measures(
            patient, names, [(m, NAMES.get(m, words.plain(m))) for m in others],
            "States, ratios and programmes, with 95% intervals. Scores are mean log2(1 + UMIs per 10,000) over genes; "
            "fewer cells than the least number [J] give no value",
        )
    )  # fmt: skip
    ratios = [m for m in dict.fromkeys(table["measure"]) if m.startswith(RATIO)]
    section.tables.append(
        _measures(
            patient, names, [(m, words.cell_type(m.removeprefix(RATIO))) for m in ratios],
            "Centred log-ratios (natural): the shares in a form that can be compared and tested; a prior of cells in "
            "each type [J] stands in for zeros",
        )
    )  # fmt: skip
    section.tables = [t for t in section.tables if t.rows]
    return section


def columns_of(patient: Patient) -> tuple[list[Column], list[str]]:
    """What the figure draws: a column per sample in day order, and the types that any sample has."""
    table = patient.microenvironment
    parts = table[table["measure"].str.startswith(SHARE)].assign(type=lambda t: t["measure"].str.removeprefix(SHARE))
    seen = set(parts.loc[parts["value"] > 0, "type"]) - {UNRESOLVED}
    names = [str(s) for s in patient.samples["sample"] if s in set(table["sample"])]
    return [_column(patient, parts, n) for n in names], [t for t in dict.fromkeys(parts["type"]) if t in seen]


def _rows_of_sample(table: pd.DataFrame, sample: str) -> pd.DataFrame:
    return table[table["sample"] == sample]


def _column(patient: Patient, parts: pd.DataFrame, sample: str) -> Column:
    """A sample's column of the figure."""
    mine = _rows_of_sample(parts, sample).set_index("type")
    row = patient.samples[patient.samples["sample"] == sample].iloc[0]
    n = mine["n"].drop(UNRESOLVED, errors="ignore").max()
    title = f"{words.timepoint(str(row['timepoint']))}\n{words.when(row['day'])}"
    known = mine["value"].notna().any()
    return Column(
        title=title + (f"\n{words.count(n, 'cell')}" if known and not words.missing(n) else ""),
        shares=mine[["value", "lower", "upper"]].astype(float),
        why="" if known else _why(mine),
    )


def _why(mine: pd.DataFrame) -> str:
    """The commonest note of a sample without values, in few words."""
    notes = mine.loc[mine["note"].astype(str) != "", "note"].astype(str)
    if not len(notes):
        return "not measured"
    said = str(notes.value_counts(sort=True).sort_index().sort_values(ascending=False, kind="stable").index[0])
    return words.told(said.removesuffix(": missing, not zero"))


def _samples(patient: Patient, names: list[str]) -> Table:
    """What each sample can say."""
    table = patient.microenvironment
    rows = []
    for row in rows_of(patient.samples):
        if str(row.sample) not in names:
            continue
        mine = _rows_of_sample(table, str(row.sample))
        shares = mine[mine["measure"].str.startswith(SHARE) & (mine["measure"] != f"{SHARE}{UNRESOLVED}")]
        known = shares["value"].notna().any()
        n = shares["n"].max()
        blood = "blood, not marrow" if mine["note"].astype(str).str.startswith("blood, not marrow").any() else ""
        rows.append(
            [words.timepoint(str(row.timepoint)), words.number(row.day), str(row.sample),
             " ".join(str(x) for x in (row.compartment, row.sort) if x and x != "none") or words.NOT_KNOWN,
             words.NOT_KNOWN if words.missing(n) else f"{int(n):,}",
             (blood or "measured") if known else f"missing, not zero: {_why(shares)}"]
        )  # fmt: skip
    return Table(
        ["Timepoint", "Day", "Sample", "Compartment, sort", "Cells beside the tumour", "What it says"], rows,
        caption="What each sample can say of the microenvironment", numeric=frozenset({1, 4}),
    )  # fmt: skip


def _measures(
    patient: Patient, names: list[str], measures: list[tuple[str, str]], caption: str, *, as_share: bool = False
) -> Table:
    """A row per measure, a column per sample."""
    table = patient.microenvironment
    found = {(str(r.sample), str(r.measure)): r for r in rows_of(table)}
    visits = patient.samples.set_index("sample")
    titles = [f"{words.timepoint(str(visits.at[n, 'timepoint']))}, {words.when(visits.at[n, 'day'])}" for n in names]
    # two samples of one visit need their names
    titles = [f"{t} ({n})" if titles.count(t) > 1 else t for t, n in zip(titles, names, strict=True)]
    rows = [
        [said, *(_told(found.get((n, m)), as_share=as_share or m.endswith("_share")) for n in names)]
        for m, said in measures
    ]
    return Table(["Measure", *titles], rows, caption=caption, numeric=frozenset(range(1, len(names) + 1)), folded=True)


def _told(row: Any, *, as_share: bool) -> str:
    """``12% (8.0% to 17%)``; zero cells are a bound; what was not measured is missing."""
    if row is None or words.missing(row.value):
        return "missing"
    if as_share and float(row.value) == 0:
        return f"at most {words.share(row.upper)}"
    value = words.share(row.value) if as_share else words.number(row.value, 2)
    interval = words.between(row.lower, row.upper, as_share=as_share)
    return f"{value} ({interval})"
