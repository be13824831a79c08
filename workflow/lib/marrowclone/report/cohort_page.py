"""The cohort's page: every patient in a row, the cohort's figures, the comparison with the truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from ..keys import HEALTHY
from . import words
from .blocks import Section, Table
from .clonality import receptor
from .figures import cohort, composition
from .figures.composition import legend_rows
from .figures.style import clone_order
from .gather import Patient, empty, tumour_noun
from .identity import listed, mismatched
from .outlook import last_change, outlook_section, risk_words
from .paths import patient_link
from .render import render
from .rows import rows_of
from .samples_table import samples_table
from .sections import group_shares, qc_counts
from .sentences import calls, clone_names, false_positives, hidden, rung
from .truth_table import WHOLE, truth_rows
from .tumour import tumour_class

#: Labels that a reader of the cohort wants to see at once.
ALARMING = ("expanding", "reactivating", "re-emergent", "new")


def flags(patient: Patient, *, noun: str) -> list[str]:
    """Short remarks on a patient, worst first."""
    said = []
    swapped = mismatched(patient.identity)
    if swapped:
        said.append(f"sample swap? {listed(swapped)}")
    if not len(patient.cells):
        said.append("no cell kept")
    elif not patient.cells["is_tumour_type"].eq(True).any():
        said.append(f"no {noun}s found")
    if not patient.healthy and len(patient.malignant):
        level = rung(patient)
        if level in {"R4", "R5", "none"}:
            trust = words.RUNGS[level][1].partition(":")[0]
            said.append("no reference" if level == "none" else f"reference {level}, confidence {trust}")
        malignant, normal, _ = calls(patient)
        if malignant == 0:
            said.append("no tumour found" if normal else f"no {noun} could be called")
    if len(patient.labels):
        last = patient.labels[patient.labels["day"] == patient.labels.groupby("clone")["day"].transform("max")]
        for label in ALARMING:
            names = clone_order(list(last.loc[last["label"] == label, "clone"]))
            if names:
                said.append(f"{words.plain(label)}: {', '.join(names)}")
    return said


def patient_row(patient: Patient, *, noun: str) -> dict[str, Any]:
    """What the cohort's table says of one patient; every value is text."""
    malignant, normal, unassigned = calls(patient)
    last = patient.landmarks.iloc[-1] if len(patient.landmarks) else None
    names = clone_names(patient)
    visits = [words.timepoint(t) for t in dict.fromkeys(patient.samples["timepoint"].astype(str))]
    tier = "" if last is None else str(last["tier"])
    suffixes = [] if last is None else words.suffixes(str(last["tier_suffix"]))
    tumour, mine = tumour_class(patient), receptor(patient)
    scored = last is not None and not words.missing(last["css"])
    return {
        "name": patient.name,
        "link": patient_link(patient.name),
        "visits": ", ".join(visits),
        "cells": f"{len(patient.cells):,}",
        "plasma": f"{int(patient.cells['is_tumour_type'].eq(True).sum()):,}",
        "malignant": words.called(malignant, normal, unassigned, hidden=hidden(patient))
        if len(patient.malignant)
        else words.NOT_KNOWN,
        "clones": str(len(names)) if names else words.NOT_KNOWN,
        "tc_class": tumour.short,
        "tc_confidence": tumour.confidence if tumour.known else "",
        "receptor": mine.kind,
        "rung": rung(patient),
        "tier": tier or "–",
        "meaning": "healthy donor"
        if patient.healthy
        else words.tier(tier)
        if last is None
        else str(last.get("tier_words", "")) or words.tier(tier),
        "suffix": " ".join(code.replace("-", "−") for code, _ in suffixes),
        "stale": "" if last is None else words.stale_words(last),
        "change": last_change(patient),
        "risk": risk_words(patient.risk),
        "day": "" if last is None else words.when(last["day"]),
        "score": f"{last['css']:.0f}" if scored and last is not None else words.NOT_KNOWN,
        "interval": words.span(last["css_lower"], last["css_upper"]) if last is not None else words.NOT_KNOWN,
        "total": words.span(last["css_total_lower"], last["css_total_upper"]) if last is not None else words.NOT_KNOWN,
        "flags": flags(patient, noun=noun),
    }


def embedding_section(cells: pd.DataFrame, *, dpi: int) -> Section:
    """The cohort's embedding, by type and by patient."""
    section = Section(
        "embedding",
        "All cells together",
        "Each dot is a kept cell in the shared latent space, flattened to two dimensions. Near dots are alike; "
        "distances between "
        "groups and their sizes on the page mean nothing, and clones are never read from this picture.",
    )
    shown = cells[cells["umap_1"].notna() & cells["umap_2"].notna()] if len(cells) else cells
    if not len(shown):
        section.blank = "No kept cells to show."
        return section
    # sorted by cell id's tail, so that no patient is painted over all others
    shown = shown.assign(
        group=[
            words.type_group(str(t), is_tumour_type=f is True or f == 1)
            for t, f in zip(shown["cell_type"], shown["is_tumour_type"], strict=True)
        ],
        tail=shown["cell"].astype(str).str.rpartition(":")[2],
    ).sort_values(["tail", "cell"], kind="stable")
    views = (
        ("group", cohort.group_colours(list(shown["group"])), "by cell type"),
        ("patient", cohort.patient_colours(list(shown["patient"])), "by patient"),
    )
    lines = max(len(legend_rows(list(colours), cohort.UMAP_WIDTH)) for _, colours, _ in views)
    for by, colours, text in views:
        section.draw(
            cohort.umap(shown, by=by, colours=colours, legend_lines=lines, dpi=dpi),
            name=f"umap-{by}",
            title=f"Embedding of all kept cells, coloured {text}",
            caption=f"{words.count(len(shown), 'kept cell')}, coloured {text}.",
        )
    return section


def samples_section(
    samples: pd.DataFrame,
    qc: pd.DataFrame,
    cells: pd.DataFrame,
    *,
    facts: Mapping[str, Any],
    noun: str,
    identity: pd.DataFrame,
) -> Section:
    """Every sample in a row, with its worst check and a link to its page."""
    section = Section(
        "samples",
        "Samples",
        "What was read and kept of each sample, and the worst of the checks made of it, identity among them. A name "
        "leads to the sample's own page: the knee, measures by cell type, and what was dropped and why.",
    )
    section.tables.append(
        samples_table(samples, qc_counts(qc, samples), cells, facts=facts, noun=noun, identity=identity)
    )
    return section


def cells_section(samples: pd.DataFrame, qc: pd.DataFrame, cells: pd.DataFrame) -> Section:
    """QC and composition of every sample of the cohort."""
    section = Section(
        "cells",
        "Kept cells by sample",
        "What QC kept of each sample, and what the kept cells are. Few kept cells, or a composition unlike its "
        "neighbours, is a reason to look at the sample before its result.",
    )
    names = [f"{r.sample}\n{words.timepoint(str(r.timepoint))}, {words.when(r.day)}" for r in rows_of(samples)]
    counts = qc_counts(qc, samples)
    if counts.to_numpy().sum() > 0:
        section.draw(
            cohort.kept_and_dropped(counts, names),
            name="qc",
            title="Barcodes per sample, kept and dropped by reason",
            caption="Barcodes read per sample: kept, and dropped by reason.",
        )
    shares = group_shares(cells, samples)
    totals = cells["sample"].value_counts().reindex(list(samples["sample"]), fill_value=0)
    section.draw(
        composition.composition(shares, names, [int(t) for t in totals]),
        name="composition",
        title="Share of each group of cell types in the kept cells of every sample",
        caption="Cell types of the kept cells.",
    )
    return section


def truth_section(truth: pd.DataFrame) -> Section | None:
    """The comparison with a known truth, when one was configured."""
    if not len(truth):
        return None
    section = Section(
        "truth",
        "Comparison with the known truth",
        "This cohort was simulated, so the truth is known. The figures say how this run did on these made-up "
        "patients, not how it would do on real ones. Precision: share of malignant calls that are right. Recall: share "
        "of malignant cells that were called so. F1: both in one. ARI: agreement on which cells share a clone (1 is "
        "full, 0 is chance). n: cells, clones, arms or samples that the figure rests on.",
    )
    headline, detail = truth_rows(truth)
    columns, numbers = ["Patient", "Quantity", "Truth", "Estimate", "95% interval", "n"], frozenset({2, 3, 4, 5})
    whole = [row for row in headline if row[0] == WHOLE]
    single = [row for row in headline if row[0] != WHOLE]
    if whole:
        section.tables.append(Table(columns, whole, caption="The whole cohort", numeric=numbers))
    if single:
        section.tables.append(
            Table(columns, single, caption=f"Each patient ({len(single):,} rows)", numeric=numbers, folded=True)
        )
    if detail:
        section.tables.append(
            Table(
                ["Patient", "Quantity", "Timepoint", "Clone", "Truth", "Estimate", "95% interval", "Unit"],
                detail,
                caption=f"Every comparison ({len(detail):,} rows)",
                numeric=frozenset({4, 5, 6}),
                folded=True,
            )
        )
    return section


def cohort_page(
    patients: Sequence[Patient],
    *,
    cells: pd.DataFrame,
    qc: pd.DataFrame,
    samples: pd.DataFrame,
    truth: pd.DataFrame,
    outlook: pd.DataFrame,
    notes: Sequence[str],
    tumour_types: Sequence[str],
    facts: Mapping[str, Any],
    dpi: int,
) -> str:
    """The cohort's page as HTML; see :func:`marrowclone.report.patient_page.patient_page`."""
    noun = tumour_noun(tumour_types)
    samples = samples.sort_values("timepoint", key=lambda t: t.str.startswith(HEALTHY), kind="stable")  # donors last
    ordered = sorted(patients, key=lambda p: (p.healthy, p.name))
    rows = [patient_row(p, noun=noun) for p in ordered]
    looked_at = {name: mine for p in ordered for name, mine in p.qc_facts.items()}
    known = [p.identity for p in ordered if len(p.identity)]
    identity = pd.concat(known, ignore_index=True) if known else empty("embedding.identity")
    sections = [
        samples_section(samples, qc, cells, facts=looked_at, noun=noun, identity=identity),
        embedding_section(cells, dpi=dpi),
        cells_section(samples, qc, cells),
        outlook_section(outlook),
        truth_section(truth),
    ]
    run = [
        ("patients", f"{sum(not p.healthy for p in patients):,}"),
        ("healthy donors", f"{sum(p.healthy for p in patients):,}"),
        ("samples", f"{len(samples):,}"),
        ("kept cells", f"{len(cells):,}"),
        ("tumour cell types", ", ".join(tumour_types)),
        ("seed", str(facts.get("seed", "–"))),
        *((name, str(value)) for name, value in facts.get("run", {}).items()),
        *((name, str(version)) for name, version in facts.get("versions", {}).items()),
    ]
    return render(
        "index.html.j2",
        title="Cohort: myeloma clones",
        rows=rows,
        noun=noun,
        sections=[s for s in sections if s is not None],
        notes=[*notes, *filter(None, [false_positives(ordered)]), *(text for p in ordered for text in p.warnings)],
        run=run,
        version=facts.get("versions", {}).get("marrowclone", ""),
    )
