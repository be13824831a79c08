"""Groups of plasma cells by their immunoglobulin, and the tumour's receptor: tables for both kinds of page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from ..cells.light_chain import KAPPA, LAMBDA
from ..embedding.groups import CLUSTER, SAMPLE, TIMEPOINT, V_GENE
from . import words
from .blocks import Section, Table
from .gather import Patient
from .rows import rows_of
from .sample import Sample

#: Verdicts of the groups table in words.
VERDICTS: dict[str, str] = {
    "restricted": "restricted",
    "polyclonal": "polyclonal",
    "unclear": "unclear",
    "untested": "too few cells",
    "expanded": "expanded V gene",
}
#: Chances below this are printed as a bound: a computer's smallest numbers are no evidence.
LEAST_P = 1e-12
HOW = (
    "Normal plasma cells make both light chains, about six kappa to four lambda; a clone makes one. p is the chance of "
    "so many cells of one chain, or of one V gene, among polyclonal cells. Restricted means a clone beyond chance, not "
    "how large it is; a small p beside another verdict may be a clone among normal cells. Limits are settings of "
    "call_clonality [J]."
)
COLUMNS = ("Group", "Plasma cells", "Kappa", "Lambda", "Share of the larger", "p", "Verdict", "Isotype", "Light V gene")
NUMBERS = frozenset({1, 2, 3, 4, 5})


def chance(row: Any) -> str:
    """The chance under polyclonal cells; with the uncertainty of the kappa share where it was tested."""
    p = row.p if words.missing(row.p_integrated) else row.p_integrated
    if words.missing(p) or row.verdict == "untested":
        return words.NOT_KNOWN
    return f"below {words.power(LEAST_P, 1)}" if float(p) < LEAST_P else words.number(p, 2)


def isotype(name: Any) -> str:
    """``IgG``; ``light chain only`` where there is no heavy chain."""
    return words.plain(name)


def with_share(name: Any, share: Any) -> str:
    """``IgG (98%)``; a dash where nothing is known."""
    if words.missing(name):
        return words.NOT_KNOWN
    return isotype(name) + ("" if words.missing(share) else f" ({words.share(share)})")


def group_row(row: Any, name: str) -> list[str]:
    """One group of the groups table as the page prints it (columns: :data:`COLUMNS`)."""
    of = "cells with it" if row.kind == V_GENE else row.chain
    larger = (
        words.NOT_KNOWN
        if not row.n_called
        else f"{words.share(row.share)} {of} ({words.between(row.lower, row.upper)})"
    )
    return [
        name, words.number(row.n_cells), words.number(row.kappa), words.number(row.lambda_), larger,
        chance(row), VERDICTS.get(str(row.verdict), words.plain(row.verdict)),
        with_share(row.isotype, row.isotype_share), with_share(row.v_light, row.v_light_share),
    ]  # fmt: skip


def group_rows(groups: pd.DataFrame) -> list[Any]:
    """Rows as named tuples: ``lambda`` is no name in Python."""
    return rows_of(groups.rename(columns={"lambda": "lambda_"}))


def group_name(row: Any) -> str:
    """``cluster 3`` or the V gene."""
    return f"cluster {row.group}" if row.kind == CLUSTER else f"V gene {row.group}"


def remarks(groups: pd.DataFrame) -> list[str]:
    """Every flag of the groups, once."""
    flags = [one for text in groups["flags"].astype(str) for one in text.split("; ") if one and one != "nan"]
    return list(dict.fromkeys(flag[:1].upper() + flag[1:].replace("_", "-") + "." for flag in flags))


def clonality_section(sample: Sample) -> Section:
    """The sample's plasma cells by light chain: is there a clone beyond chance?"""
    section = Section("clonality", "Clonality of plasma cells", HOW)
    groups = sample.groups
    mine = groups[(groups["kind"] == SAMPLE) & (groups["group"] == sample.name)]
    if not len(mine):
        section.blank = "Not assessable: no plasma cell of this sample was kept, or none was looked at."
        return section
    section.tables.append(
        Table(COLUMNS, [group_row(r, sample.name) for r in group_rows(mine)], caption=_caption(mine), numeric=NUMBERS)
    )
    timepoint = mine["timepoint"].iloc[0]
    inside = groups[(groups["timepoint"] == timepoint) & groups["kind"].isin([CLUSTER, V_GENE])]
    if len(inside):
        section.tables.append(
            Table(
                COLUMNS, [group_row(r, group_name(r)) for r in group_rows(inside)],
                caption=f"Clusters and expanded V genes at {words.timepoint(str(timepoint))} (all samples of it)",
                numeric=NUMBERS, folded=True,
            )
        )  # fmt: skip
    section.notes += remarks(groups[groups["timepoint"] == timepoint])
    return section


def _caption(groups: pd.DataFrame) -> str:
    """What was held against what."""
    normal = groups["normal_kappa_share"].iloc[0]
    said = "" if words.missing(normal) else f"; normal plasma cells: {words.share(normal)} kappa"
    return f"Plasma cells with a light chain of their own, after the soup was subtracted [J]{said}"


@dataclass(frozen=True)
class Receptor:
    """The receptor that most clonal plasma cells have; ``""`` where it is not known."""

    n_clonal: int
    n_cells: int
    chains: tuple[str, ...]
    isotype: str
    v_light: str
    n_contigs: int
    n_dominant: int
    cdr3: str

    @property
    def said(self) -> str:
        """``kappa, IgG, IGKV3-20``."""
        return ", ".join(x for x in (self.kind, self.v_light) if x)

    @property
    def kind(self) -> str:
        """``kappa, IgG``: light chain and isotype."""
        return ", ".join(x for x in (" then ".join(self.chains), isotype(self.isotype) if self.isotype else "") if x)


def receptor(patient: Patient) -> Receptor:
    """The tumour's receptor from the clonal cells, all timepoints together.

    Two chains are told where timepoints are restricted to different ones (a switch), in the order of days.
    """
    cells = patient.clonality
    clonal = cells[cells["clonal"].eq(True)]
    dominant = cells[cells["clonotype_dominant"].eq(True)]
    visits = patient.groups[(patient.groups["kind"] == TIMEPOINT) & (patient.groups["verdict"] == "restricted")]
    visits = visits.sort_values("day", kind="stable")
    chains = tuple(dict.fromkeys(c for c in visits["chain"].astype(str) if c in (KAPPA, LAMBDA)))
    first = _commonest(clonal.loc[clonal["light_chain"].isin([KAPPA, LAMBDA]), "light_chain"])
    return Receptor(
        n_clonal=len(clonal),
        n_cells=len(cells),
        chains=() if not len(clonal) else chains or ((first,) if first else ()),
        isotype=_commonest(clonal["isotype"]),
        v_light=_commonest(clonal["v_light"]),
        n_contigs=int((cells["clonotype"].astype(str) != "").sum()) if len(cells) else 0,
        n_dominant=len(dominant),
        cdr3=_commonest(dominant["clonotype_cdr3"]),
    )


def _commonest(values: pd.Series) -> str:
    """The most frequent text that is not empty; ties go to the first by name."""
    known = values[values.astype(str) != ""].dropna().astype(str)
    return str(known.value_counts().sort_index().idxmax()) if len(known) else ""
