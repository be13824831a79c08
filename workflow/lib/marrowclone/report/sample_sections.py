"""Sections of a sample's page about the capture as a whole: checks, knee, ambient RNA, cell types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from ..keys import MOST_AMBIENT_IG
from . import words
from .blocks import Mark, Section, Table
from .figures import composition, knee
from .rows import rows_of
from .sample import VERDICTS, Sample, checks
from .sections import group_shares


def checks_section(sample: Sample) -> Section:
    """The warning panel: what was looked at in the sample as a whole, worst first."""
    section = Section(
        "checks",
        "Checks of the sample",
        "What quality control found in the sample as a whole, and whether it is its patient's (identity). A warning "
        "asks for a look before results are believed; a problem says that parts of the sample answer nothing, or that "
        "tubes may have been exchanged. Passing all checks is no proof of a good sample.",
    )
    found = checks(sample.facts, sample.identity, sample.name)
    if not found:
        section.blank = "No warnings." if sample.facts else "Nothing was checked: the sample has no QC facts."
        return section
    section.tables.append(
        Table(
            ["Verdict", "Check", "What was found", "Value", "Limit"],
            [
                [
                    Mark(VERDICTS[c.verdict], verdict=c.verdict), words.plain(c.name), c.said,
                    _value(c.value), _value(c.limit),
                ]
                for c in found
            ],
            numeric=frozenset({3, 4}),
        )
        if any(c.name for c in found)
        else Table(
            ["Verdict", "What was found"],
            [[Mark(VERDICTS[c.verdict], verdict=c.verdict), c.said] for c in found],
        )
    )  # fmt: skip
    return section


def _value(value: Any) -> str:
    """A value of a fact: a number, text, or several."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and 1e-3 <= abs(value) < 1e4:
        return f"{value:.3g}" if abs(value) < 1e3 else words.number(round(value))  # a limit is 0.5, not 0.500
    if isinstance(value, int | float | str) or value is None:
        return words.number(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{words.plain(k)} {_value(v)}" for k, v in value.items())
    return " to ".join(_value(v) for v in value)


def _points(pairs: Any) -> np.ndarray | None:
    """``[[rank, n_umi], ...]`` as an array of shape (n, 2); None when it holds nothing of that form."""
    try:
        points = np.asarray(pairs, dtype=float)
    except (TypeError, ValueError):
        return None
    if points.ndim != 2 or points.shape[1] != 2 or not len(points):
        return None
    return points[np.isfinite(points).all(axis=1) & (points[:, 0] >= 1)]


def knee_section(sample: Sample) -> Section:
    """Barcode rank against UMIs."""
    section = Section(
        "knee",
        "Knee plot",
        "Barcodes in falling order of their UMIs; the strip below shows which share of them was kept. A capture that "
        "worked has a plateau of cells, a steep fall, and droplets of soup after it. A file that holds called cells "
        "only ends before the fall. No plateau, or a plateau below the floor, means few or broken cells.",
    )
    if not len(sample.qc):
        section.blank = "No barcode was read."
        return section
    n_umi = sample.qc["n_umi"].fillna(0).to_numpy()
    curve = _points(sample.facts.get("knee"))
    edges, share = knee.kept_by_rank(n_umi, sample.kept.to_numpy())
    floors = sample.facts.get("floors") or {}
    floor = floors.get("min_umi_non_ig")
    raw = _points(sample.facts.get("knee_raw"))
    section.draw(
        knee.knee(
            knee.ranked(n_umi) if curve is None else curve,
            raw=raw,
            edges=edges,
            share=share,
            floors={f"floor: {words.number(floor)} non-Ig UMIs": float(floor)} if floor else {},
        ),
        name="knee",
        title="UMIs per barcode by rank, and the share of barcodes kept",
        caption=f"{words.count(len(n_umi), 'barcode')} read, both axes logarithmic. "
        + (
            "The dashed floor is on UMIs that are not immunoglobulin: below it every barcode is dropped, just above it "
            "those rich in immunoglobulin. "
            if floor
            else ""
        )
        + ("Grey: all droplets of the unfiltered matrix." if raw is not None else "No unfiltered matrix was drawn."),
    )
    return section


def ambient_section(sample: Sample) -> Section:
    """What floats in the capture's soup."""
    section = Section(
        "ambient",
        "Ambient RNA",
        "Plasma cells and red cells spill RNA into every droplet. Immunoglobulin in a T cell is soup, not expression, "
        "and a droplet of soup alone is no cell.",
    )
    ig, facts = sample.facts.get("ambient_ig"), sample.facts.get("ambient") or {}
    if ig is None:
        section.notes.append(
            "Ambient immunoglobulin is not assessable: fewer than ten T- and NK-like barcodes were kept."
        )
    else:
        said = f"{'above' if ig > MOST_AMBIENT_IG else 'below'} the warning limit of {MOST_AMBIENT_IG}% [J]"
        section.notes.append(
            f"Ambient immunoglobulin: kept T- and NK-like barcodes, which make none, have a median of "
            f"{words.number(ig, 2)}% of their UMIs on it, {said}."
        )
    where = "in T and NK cells" if facts.get("source") == "t_nk" else "in the soup"
    named = {
        "n_droplets": "Droplets in it", "n_umi": "UMIs in it", "pct_ig": f"Immunoglobulin {where} (% of UMIs)",
        "pct_hb": f"Haemoglobin {where} (% of UMIs)",
    }  # fmt: skip
    source = facts.get("source_text") or facts.get("source")
    rows = [] if words.missing(source) else [["Profile from", words.plain(source)]]
    rows += [[said, _value(facts[key])] for key, said in named.items() if not words.missing(facts.get(key))]
    genes = top_genes(facts.get("top_genes"))
    if genes:
        rows.append(["Most frequent genes (% of its UMIs)", ", ".join(genes)])
    if rows:
        section.tables.append(Table(["Fact", "Value"], rows, caption="The soup"))
    else:
        section.notes.append("No ambient profile was made.")
    return section


def top_genes(found: Any, most: int = 12) -> list[str]:
    """``IGKC 14%``: the soup's most frequent genes, from ``{symbol: % of UMIs}``, pairs of both, or bare names.

    A mapping is sorted by its values (JSON keeps no order that means anything); lists keep theirs.
    """
    if not found:
        return []
    pairs = sorted(found.items(), key=lambda kv: (-float(kv[1]), kv[0])) if isinstance(found, Mapping) else list(found)
    said = []
    for pair in pairs[:most]:
        name, value = (pair, None) if isinstance(pair, str) else (pair[0], pair[1] if len(pair) > 1 else None)
        said.append(f"{name} {words.share(value / 100)}" if isinstance(value, int | float) else str(name))
    return said


def types_section(sample: Sample) -> Section:
    """What the kept cells are, and how sure that is."""
    section = Section(
        "types",
        "Cell types",
        "Types of the kept cells, from the whole cohort's typing. Shares depend on preparation and sorting: they are "
        "not the marrow's true composition.",
    )
    cells = sample.cells
    if not len(cells):
        section.blank = "No kept cell was typed."
        return section
    one = pd.DataFrame({"sample": [sample.name]})
    section.draw(
        composition.composition(group_shares(cells, one), [sample.name], [len(cells)]),
        name="composition",
        title="Share of each group of cell types in the kept cells",
        caption="Cell types of the kept cells. “Unresolved” cells have no clear type.",
    )
    grouped = cells.assign(confidence=pd.to_numeric(cells["confidence"], errors="coerce")).groupby("cell_type")
    table = pd.DataFrame(
        {
            "n": grouped.size(), "middle": grouped["confidence"].median(), "low": grouped["confidence"].quantile(0.1),
            "tumour": grouped["is_tumour_type"].agg(lambda v: bool(v.eq(True).any())),
        }
    ).sort_index()  # fmt: skip
    table = table.sort_values(["tumour", "n"], ascending=False, kind="stable").reset_index()
    section.tables.append(
        Table(
            ["Cell type", "Cells", "Share of kept", "Confidence, median", "lowest tenth below", "May hold the tumour"],
            [
                [words.cell_type(str(r.cell_type)), f"{r.n:,}", words.share(r.n / len(cells)),
                 words.number(r.middle, 2), words.number(r.low, 2), "yes" if r.tumour else ""]
                for r in rows_of(table)
            ],
            caption="Kept cells by type. Confidence, 0 to 1, is of the type, not of malignancy",
            numeric=frozenset({1, 2, 3, 4}),
        )
    )  # fmt: skip
    return section
