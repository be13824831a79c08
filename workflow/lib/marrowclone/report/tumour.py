"""The section of a patient's page on the tumour's receptor, its drivers, and whose the samples are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ..embedding.drivers import LOG_OFFSET, TUMOUR
from ..embedding.groups import CLUSTER, TIMEPOINT, V_GENE
from ..embedding.tc_class import NOT_ASSESSABLE
from . import words
from .blocks import Mark, Section, Table
from .clonality import COLUMNS, NUMBERS, Receptor, group_name, group_row, group_rows, receptor, remarks
from .gather import Patient
from .identity import CHECKS, NEUTRAL, identity_of, listed, mismatched
from .paths import sample_link
from .rows import rows_of

#: Drivers that normal cells have, too: they name their class only from a level of their own.
NEEDS_LEVEL = {"CCND1": "t(11;14)", "CCND3": "t(6;14)"}
#: The call of an identity check as a short word of its table.
CALL_WORDS = {"fail": "mismatch", "warn": "differs", "ok": "match", NEUTRAL: "not assessable"}


@dataclass(frozen=True)
class TumourClass:
    """The translocation / cyclin-D class of all clonal cells; ``name`` is empty where nothing was looked at."""

    name: str = ""
    confidence: str = ""
    reason: str = ""
    reference: str = ""

    @property
    def known(self) -> bool:
        """Whether there is a class."""
        return self.name not in ("", NOT_ASSESSABLE)

    @property
    def short(self) -> str:
        """``t(4;14)``; a dash where it is not assessable."""
        return ("none found" if self.name == "none" else self.name) if self.known else words.NOT_KNOWN


def tumour_class(patient: Patient) -> TumourClass:
    """The class of the group ``tumour``."""
    rows = patient.drivers[patient.drivers["group"] == TUMOUR]
    return _class(rows.iloc[0]) if len(rows) else TumourClass()


def _class(row: pd.Series) -> TumourClass:
    """The class that stands on a row of the drivers table."""
    return TumourClass(*(str(row[c]) for c in ("tc_class", "tc_confidence", "tc_reason", "reference")))


def tumour_section(patient: Patient) -> Section:
    """Receptor, drivers and identity; parts without data say so."""
    section = Section(
        "tumour",
        "Tumour's receptor and drivers",
        "A myeloma keeps its V gene, and mostly its light chain, for life, and its founding translocation raises one "
        "driver gene. Both are read from RNA: the class is an expectation, not FISH, and clonal is no call of "
        "malignancy (next section). p is the chance of so many cells of one chain among polyclonal ones; small without "
        "restriction, it may be a clone among normal cells. [J] marks judgement.",
    )
    found = receptor(patient)
    section.notes += [f"Identity: {text}" for text in swap_note(patient)]
    section.notes += [*_class_notes(patient), _receptor_note(found), *remarks(patient.groups)]
    section.tables += [*_driver_tables(patient), *_receptor_tables(patient), *_identity_tables(patient)]
    if not section.tables:
        section.notes, section.blank = [], "No plasma cell was looked at: receptor and drivers are not assessable."
    return section


def _class_notes(patient: Patient) -> list[str]:
    """The class with its evidence, and groups of cells that have another."""
    found = tumour_class(patient)
    if not found.name:
        return ["TC class (translocation, cyclin D): not assessable, no drivers were measured."]
    if not found.known:
        return [f"TC class (translocation, cyclin D): not assessable: {_reason(found.reason)}."]
    name = "none of the known ones" if found.name == "none" else found.name
    notes = [
        f"TC class (translocation, cyclin D): {name}, confidence {found.confidence} [J]. Why: "
        f"{_reason(found.reason)}. Held against: {words.told(found.reference)}."
    ]
    for gene, name in NEEDS_LEVEL.items():
        mine = patient.drivers[(patient.drivers["group"] == TUMOUR) & (patient.drivers["gene"] == gene)]
        if mine["spike"].eq(True).any() and found.name != name and not found.name.startswith("t("):
            notes.append(f"{gene} is a spike, but below the level from which it names {name} [J].")
    others = patient.drivers.drop_duplicates("group")
    others = others[(others["group"] != TUMOUR) & (others["tc_class"] != found.name)]
    if len(others):
        said = "; ".join(f"{_group(r.group)}: {r.tc_class} (confidence {r.tc_confidence})" for r in rows_of(others))
        notes.append(
            f"Another class by itself: {said}. The class is a trunk event: fewer cells, or another clone, may do this."
        )
    return notes


def _group(name: Any) -> str:
    """``timepoint post_induction`` as ``post-induction``; ``cluster 3`` as it stands."""
    kind, _, rest = str(name).partition(" ")
    return words.timepoint(rest) if kind == "timepoint" else str(name)


def _receptor_note(found: Receptor) -> str:
    """The receptor in a sentence, with what it rests on."""
    if not found.n_cells:
        return "Receptor: not assessable, no plasma cell was looked at."
    if not found.n_clonal:
        return (
            f"Receptor: no clone was seen beyond chance among {words.count(found.n_cells, 'plasma cell')}, by light "
            "chain, V gene or clonotype. That does not show its absence."
        )
    said = (
        f"Receptor: {found.said or 'not known'}, of {found.n_clonal:,} clonal among {found.n_cells:,} plasma cells of "
        "all timepoints together."
    )
    if not found.n_contigs:
        return said + " By expression alone: no V(D)J contigs were given, or none matched these cells."
    if not found.n_dominant:
        return said + f" Contigs: {found.n_contigs:,} cells have a clonotype, none is dominant."
    shared = words.of_n(found.n_dominant, found.n_contigs)
    return said + f" Dominant clonotype: {shared} of the cells with contigs, CDR3 {found.cdr3 or 'not known'}."


def swap_note(patient: Patient) -> list[str]:
    """A sentence that names the samples that may be another person's; nothing where there is none."""
    names = listed(mismatched(patient.identity))
    return [f"{names} may not be this patient's: look at the tubes before results are believed."] if names else []


def _driver_tables(patient: Patient) -> list[Table]:
    """The drivers' levels in all clonal cells, and the class of each group of them."""
    rows = patient.drivers[patient.drivers["group"] == TUMOUR]
    tables = []
    if len(rows) and int(rows["n_cells"].max()) > 0:
        rows = rows.assign(rank=-rows["z"].fillna(-99)).sort_values(["rank", "gene"], kind="stable")
        tables.append(
            Table(
                ["Gene", "UMIs per million", "Normal cells", "z", "Cells that show it", "Needed for a spike",
                 "Normal cells would", "Verdict"],
                [
                    [str(r.gene), words.number(r.level, 2), words.number(_normal_level(r.normal_mean), 2),
                     _z(r.z), _shown(r), words.share(r.detected_needed), words.probability(r.detected_normal),
                     "spike" if r.spike is True else "raised" if r.raised is True else words.NOT_KNOWN]
                    for r in rows_of(rows)
                ],
                caption=f"Driver genes of {words.count(rows['n_cells'].max(), 'clonal plasma cell')} (z: SDs of ln "
                "level above normal plasma cells; limits of spike and raised [J])",
                numeric=frozenset({1, 2, 3, 4, 5, 6}),
            )
        )  # fmt: skip
    by_group = patient.drivers.drop_duplicates("group")
    if len(by_group) > 1:
        tables.append(
            Table(
                ["Cells", "Number", "TC class", "Confidence", "Why"],
                [
                    ["all clonal cells" if r.group == TUMOUR else _group(r.group), words.number(r.n_cells),
                     words.plain(r.tc_class), words.plain(r.tc_confidence), _reason(r.tc_reason)]
                    for r in rows_of(by_group)
                ],
                caption="TC class of all clonal cells, of each timepoint and of each restricted cluster",
                numeric=frozenset({1}), folded=True,
            )
        )  # fmt: skip
    return tables


def _normal_level(mean: Any) -> float | None:
    """UMIs per million of normal cells from the mean of ln(CPM + 10)."""
    return None if words.missing(mean) else max(0.0, round(math.exp(float(mean)) - LOG_OFFSET, 1))


def _reason(text: Any) -> str:
    """Why this class, with the page's numbers."""
    return words.signed(words.told(text))


def _shown(row: Any) -> str:
    """Share of cells that show the gene; none of n is a bound."""
    n = int(row.n_cells)
    return words.of_n(0, n) if row.detected == 0 and n else words.share(row.detected)


def _z(value: Any) -> str:
    """``4.2``: a tenth of an SD is all that a z tells."""
    return words.NOT_KNOWN if words.missing(value) else f"{float(value):.1f}".replace("-", "−")


def _receptor_tables(patient: Patient) -> list[Table]:
    """Light chains by timepoint; clusters and V genes on a click."""
    groups = patient.groups.sort_values("day", kind="stable")
    visits = groups[groups["kind"] == TIMEPOINT]
    inside = groups[groups["kind"].isin([CLUSTER, V_GENE])]
    tables = []
    if len(visits):
        normal = visits["normal_kappa_share"].iloc[0]
        tables.append(
            Table(
                ["Timepoint", *COLUMNS[1:]],
                [group_row(r, f"{words.timepoint(str(r.timepoint))}, {words.when(r.day)}") for r in group_rows(visits)],
                caption="Light chain of all plasma cells by timepoint, normal and malignant together (normal ones: "
                f"{words.share(normal)} kappa; limits of the verdict [J])",
                numeric=NUMBERS,
            )
        )
    if len(inside):
        tables.append(
            Table(
                COLUMNS,
                [group_row(r, f"{words.timepoint(str(r.timepoint))}: {group_name(r)}") for r in group_rows(inside)],
                caption="Light chain by cluster of each timepoint, and V genes that are expanded",
                numeric=NUMBERS, folded=True,
            )
        )  # fmt: skip
    return tables


def _identity_tables(patient: Patient) -> list[Table]:
    """A row per sample: is it the patient's? The evidence is on a click."""
    rows, evidence = [], []
    for row in rows_of(patient.samples):
        name = str(row.sample)
        checks = {one.check: one for one in identity_of(patient.identity, name)}
        if not checks:
            continue
        marks = [
            Mark(CALL_WORDS[checks[c].verdict], verdict=checks[c].verdict) if c in checks else words.NOT_KNOWN
            for c in CHECKS
        ]
        visit = f"{words.timepoint(str(row.timepoint))}, {words.when(row.day)}"
        rows.append([Mark(name, href=sample_link(name)), visit, *marks])
        evidence += [[name, one.name, one.value or words.NOT_KNOWN, one.text] for one in checks.values()]
    if not rows:
        return []
    names = [CHECKS[c][:1].upper() + CHECKS[c][1:] for c in CHECKS]
    return [
        Table(["Sample", "Timepoint", *names], rows,
              caption="Identity over the timepoints: is each sample this patient's? A mismatch hints at exchanged "
              "tubes; a receptor that only differs may be a second clone's. Limits [J]"),
        Table(["Sample", "Check", "Value", "What was found"], evidence, caption="Evidence of each identity check",
              folded=True),
    ]  # fmt: skip
