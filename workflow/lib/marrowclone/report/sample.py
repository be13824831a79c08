"""One capture as its page shows it: the tables of QC and typing, and the facts beside them, read and joined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from ..cells import store
from . import gather, words
from .identity import NEUTRAL, identity_of
from .words import missing

#: Verdicts of a check, worst first, with the word that the page prints.
VERDICTS: dict[str, str] = {"fail": "problem", "warn": "warning", "ok": "ok", NEUTRAL: "not assessable"}
#: The coarse guess of qc_cells, in the page's order, with its name. It needs no typing: dropped barcodes have it.
COARSE_NAMES: dict[str, str] = {
    "plasma": "plasma-like", "lymphoid": "lymphoid", "myeloid": "myeloid", "erythroid": "erythroid",
    "progenitor": "progenitor", "stromal": "stromal",
}  # fmt: skip
NO_COARSE = "all barcodes"
KEPT = "kept"


@dataclass(frozen=True)
class Check:
    """What was looked at in the sample as a whole; ``verdict`` is a key of :data:`VERDICTS`.

    ``verbatim``: the text holds names of samples, whose digits are no numbers.
    """

    name: str
    verdict: str
    text: str
    value: Any = None
    limit: Any = None
    verbatim: bool = False

    @property
    def said(self) -> str:
        """The text as the page prints it."""
        return self.text if self.verbatim else words.told(self.text)


@dataclass(frozen=True)
class Sample:
    """One capture. Frames are there and empty where nothing is known; dicts hold what their files hold."""

    name: str
    sheet: Mapping[str, Any]
    qc: pd.DataFrame = field(default_factory=lambda: gather.empty("cells.qc"))
    cells: pd.DataFrame = field(default_factory=lambda: gather.empty("embedding.cells"))
    facts: Mapping[str, Any] = field(default_factory=dict)
    load: Mapping[str, Any] = field(default_factory=dict)
    identity: pd.DataFrame = field(default_factory=lambda: gather.empty("embedding.identity"))
    groups: pd.DataFrame = field(default_factory=lambda: gather.empty("embedding.groups"))

    @property
    def kept(self) -> pd.Series:
        """Per barcode of ``qc``: whether it was kept."""
        return self.qc["keep"].eq(True)


def load_facts(path: str | Path | None) -> dict[str, Any]:
    """What loading says of a capture; empty where there is no counts file."""
    return store.read_facts(path) if path and Path(path).is_file() else {}


def read_sample(
    name: str,
    *,
    sheet: Mapping[str, Any],
    qc: str | None,
    qc_facts: str | None = None,
    cells: str | None = None,
    counts: str | None = None,
    identity: str | None = None,
    groups: str | None = None,
) -> Sample:
    """Read one capture from the paths of its files; those that are not there give nothing.

    ``sheet``: the capture's row of the sample sheet; ``identity`` and ``groups`` are its patient's.
    """
    typed = gather.read_one("embedding.cells", cells)
    return Sample(
        name=name,
        sheet=dict(sheet),
        qc=gather.read_one("cells.qc", qc),
        cells=typed[typed["sample"] == name].reset_index(drop=True),
        facts=gather.read_facts(qc_facts),
        load=load_facts(counts),
        identity=gather.read_one("embedding.identity", identity),
        groups=gather.read_one("embedding.groups", groups),
    )


def checks(facts: Mapping[str, Any], identity: pd.DataFrame | None = None, sample: str = "") -> list[Check]:
    """What was found in the sample as a whole, worst first, otherwise in its own order.

    ``facts["checks"]`` and those of ``facts["warnings"]`` that no check says already; facts without
    checks give their warnings alone. A verdict that is not known counts as a warning. Before them, whether the
    sample is its patient's: the rows of ``identity`` that are ``sample``'s.
    """
    # first among their like: nothing else of the sample counts where it is another person's
    found = [
        Check(f"identity: {one.name}", one.verdict, one.text, one.value or None, verbatim=True)
        for one in (identity_of(identity, sample) if identity is not None else [])
    ]
    for row in facts.get("checks") or []:
        verdict = str(row.get("verdict", ""))
        found.append(
            Check(
                name=str(row.get("check", "")),
                verdict=verdict if verdict in VERDICTS else "warn",
                text=str(row.get("text") or row.get("check") or ""),
                value=row.get("value"),
                limit=row.get("limit"),
            )
        )
    said = {c.text for c in found}
    found += [Check("", "warn", str(text)) for text in facts.get("warnings") or [] if str(text) not in said]
    return sorted(found, key=lambda c: list(VERDICTS).index(c.verdict))


def worst(facts: Mapping[str, Any], identity: pd.DataFrame | None = None, sample: str = "") -> str:
    """The worst verdict of :func:`checks`; ``""`` when nothing was checked (no facts at all)."""
    found = checks(facts, identity, sample)
    if found and found[0].verdict != NEUTRAL:
        return found[0].verdict
    return "ok" if facts else ""


def coarse(qc: pd.DataFrame) -> pd.Series:
    """Name of each barcode's coarse guess; one name for all where the table has none."""
    if "coarse_type" not in qc.columns:
        return pd.Series(NO_COARSE, index=qc.index, dtype=object)
    guess = qc["coarse_type"].astype(object).where(qc["coarse_type"].notna(), "")
    return guess.map(lambda name: COARSE_NAMES.get(str(name), str(name) or "no guess"))


def coarse_order(names: Sequence[str]) -> list[str]:
    """Coarse names that occur: plasma-like first, unknown ones last."""
    known = list(COARSE_NAMES.values())
    return sorted(set(names), key=lambda n: (known.index(n) if n in known else len(known), n))


def fate(qc: pd.DataFrame) -> pd.DataFrame:
    """What became of each barcode.

    Returns
    -------
    DataFrame, index of ``qc``: coarse (name of the guess), reasons (tuple of text, empty where kept),
    together (the reasons joined by `` + ``, or ``kept``).
    """
    text = qc["reason"].astype(object).where(qc["reason"].notna(), "").astype(str)
    text = text.where(~qc["keep"].eq(True), "")
    text = text.where(qc["keep"].eq(True) | (text.str.strip() != ""), "no reason given")
    # each distinct text is split once: there are few of them, and many barcodes
    parts = {t: tuple(p.strip() for p in t.split(";") if p.strip()) for t in text.unique()}
    joined = {t: " + ".join(p) or KEPT for t, p in parts.items()}
    return pd.DataFrame(
        {"coarse": coarse(qc), "reasons": text.map(parts), "together": text.map(joined)}, index=qc.index
    )


def reason_counts(fates: pd.DataFrame) -> pd.DataFrame:
    """Barcodes by reason and coarse guess.

    Returns
    -------
    DataFrame, a row per reason (``kept`` first, then by size); a column per coarse name, then ``all`` and
    ``alone`` (for this reason only). A barcode with two reasons counts in both rows.
    """
    columns = coarse_order(list(fates["coarse"]))
    kept = fates["together"] == KEPT
    single = fates.loc[~kept, ["coarse", "reasons"]].explode("reasons")
    order = list(
        single["reasons"].value_counts(sort=True).sort_index().sort_values(ascending=False, kind="stable").index
    )
    table = pd.crosstab(single["reasons"], single["coarse"]) if len(single) else pd.DataFrame()
    table = table.reindex(index=order, columns=columns, fill_value=0)
    table.loc[KEPT] = fates.loc[kept, "coarse"].value_counts().reindex(columns, fill_value=0)
    table = table.loc[[KEPT, *order]].astype(int)
    sums = table.sum(axis=1)
    return table.assign(all=sums, alone=fates["together"].value_counts().reindex(table.index, fill_value=0))


def values_by_type(sample: Sample, *, most_types: int) -> pd.DataFrame:
    """The QC table with the row of the figure that each barcode belongs to.

    Kept barcodes stand under their cell type, dropped ones under their coarse guess. Types beyond
    ``most_types`` (smallest first, never tumour types) are drawn as one row ``other types``.

    Returns
    -------
    ``qc`` with columns kept (bool), row (text), cell_type, is_tumour_type (bool), coarse.
    """
    types = sample.cells.drop_duplicates("cell").set_index("cell")
    table = sample.qc.assign(kept=sample.kept, coarse=coarse(sample.qc))
    cell_type = (
        table["cell"].map(types["cell_type"]) if len(types) else pd.Series(None, index=table.index, dtype=object)
    )
    tumour = table["cell"].map(types["is_tumour_type"].eq(True)) if len(types) else pd.Series(False, index=table.index)
    cell_type = cell_type.astype(object).where(cell_type.notna(), "not typed")
    table = table.assign(cell_type=cell_type, is_tumour_type=tumour.eq(True))
    mine = table[table["kept"]]
    sizes = mine.groupby("cell_type").size().sort_index().sort_values(ascending=False, kind="stable")
    special = set(mine.loc[mine["is_tumour_type"], "cell_type"])
    ordinary = [t for t in sizes.index if t not in special]
    room = max(1, most_types - len(special))
    small = set(ordinary[room - 1 :]) if len(ordinary) > room else set()
    row = table["cell_type"].where(~table["cell_type"].isin(small), "other types")
    return table.assign(row=row.where(table["kept"], table["coarse"]))


def text_or(value: Any, default: str) -> str:
    """A value of the sheet as text; ``default`` where it is empty."""
    return default if missing(value) or str(value) == "none" else str(value)
