"""A sample's QC page: what was read, kept and dropped, and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from . import words
from .blocks import Section
from .clonality import clonality_section
from .gather import tumour_noun
from .identity import mismatched
from .paths import patient_link
from .render import render
from .sample import VERDICTS, Sample, checks, text_or, worst
from .sample_barcodes import doublets_section, dropped_section, measures_section
from .sample_sections import ambient_section, checks_section, knee_section, types_section

#: Sections that need the sample only, in the page's order; the figure by type has settings of its own.
AFTER_MEASURES: tuple[Callable[[Sample], Section], ...] = (
    dropped_section,
    doublets_section,
    ambient_section,
    types_section,
    clonality_section,
)


def finding(sample: Sample, *, noun: str) -> str:
    """The page's first sentences: kept of read, plasma cells, warnings."""
    n, kept = len(sample.qc), int(sample.kept.sum())
    if not n:
        return "No barcode was read."
    said = [f"{kept:,} of {words.count(n, 'barcode')} kept ({words.share(kept / n)})."]
    if len(sample.cells):
        mine = int(sample.cells["is_tumour_type"].eq(True).sum())
        of_all = words.of_n(mine, len(sample.cells))
        said.append(f"{noun.capitalize()}s among the kept cells: {of_all}.")
    elif kept:
        said.append("The kept cells were not typed.")
    if sample.name in mismatched(sample.identity):
        said.append("The cells hint at a sample swap.")
    found = checks(sample.facts, sample.identity, sample.name)
    for verdict in ("fail", "warn"):
        count = sum(c.verdict == verdict for c in found)
        if count:
            said.append(f"{words.count(count, VERDICTS[verdict])}.")
    if worst(sample.facts, sample.identity, sample.name) == "ok":
        said.append("No warnings.")
    return " ".join(said)


def what_it_is(sample: Sample) -> list[tuple[str, str]]:
    """The head's facts: name and value."""
    row, load, facts = sample.sheet, sample.load, sample.facts
    empty = load.get("n_barcodes_empty")
    read = len(sample.qc) or facts.get("n_barcodes", 0)
    form = load.get("format") or load.get("source") or row.get("format")
    pairs = [
        ("timepoint", words.timepoint(text_or(row.get("timepoint"), words.NOT_KNOWN))),
        ("day", words.number(row.get("day"))),
        ("compartment", text_or(row.get("compartment"), "not given")),
        ("sort", text_or(row.get("sort"), "none")),
        ("chemistry", text_or(row.get("chemistry"), "not given")),
        ("file format", words.plain(text_or(form, "recognised by itself"))),
        ("unfiltered matrix", "given" if not words.missing(row.get("raw_path")) else "not given"),
        ("barcodes read", f"{int(read):,}" + (f" (and {int(empty):,} empty)" if empty else "")),
        ("barcodes kept", f"{int(sample.kept.sum()):,}"),
    ]
    median = facts.get("median") or {}
    if median.get("n_umi") is not None:
        pairs.append(("median UMIs of kept", words.number(round(median["n_umi"]))))
    if median.get("n_genes") is not None:
        pairs.append(("median genes of kept", words.number(round(median["n_genes"]))))
    if load.get("pct_umi_unmapped") is not None:
        pairs.append(("UMIs on unknown features", words.share(float(load["pct_umi_unmapped"]) / 100)))
    return pairs


def sample_sections(sample: Sample, *, settings: Mapping[str, Any]) -> list[Section]:
    """All sections in order; those without data say so."""
    return [
        checks_section(sample),
        knee_section(sample),
        measures_section(sample, most_types=settings["max_types"], fewest=settings["min_values_violin"]),
        *(make(sample) for make in AFTER_MEASURES),
    ]


def sample_page(
    sample: Sample, *, tumour_types: Sequence[str], settings: Mapping[str, Any], facts: Mapping[str, Any]
) -> str:
    """The sample's page as HTML.

    Parameters
    ----------
    tumour_types
        cell types that hold the tumour (``config["tumour_cell_types"]``).
    settings
        the rule's section of the configuration: ``max_types``, ``min_values_violin``.
    facts
        ``versions`` (name -> version).
    """
    patient = str(sample.sheet.get("patient", ""))
    return render(
        "sample.html.j2",
        title=f"{sample.name}: quality control",
        sample=sample.name,
        patient=patient,
        patient_link=f"../{patient_link(patient)}" if patient else "",
        finding=finding(sample, noun=tumour_noun(tumour_types)),
        about=what_it_is(sample),
        sections=sample_sections(sample, settings=settings),
        version=facts.get("versions", {}).get("marrowclone", ""),
    )
