"""Sections of a patient's page that tell of the course: timeline, burden, growth, quality of life."""

from __future__ import annotations

import pandas as pd

from ..evolution.burden import SERUM
from ..evolution.gene_sets import CYCLING
from ..evolution.latent import ALL, distinct_assays
from . import words
from .blocks import Section, Table
from .evidence import trajectory_class
from .figures import burden as burden_figure
from .figures import quality, score, timeline
from .gather import Patient
from .outlook import apart
from .rows import rows_of


def timeline_section(patient: Patient) -> Section:
    """Samples, therapy and assays on one axis."""
    section = Section(
        "timeline",
        "Timeline",
        "What was sampled, given and measured, on the patient's own days. An MRD result counts only to its own "
        "limit of detection (short bar); single-cell sequencing is not an MRD assay.",
    )
    clinical = {n: patient.clinical_rows(n) for n in ("therapy", "response", "imaging", "mrd")}
    section.draw(
        timeline.timeline(patient.samples, clinical),
        name="timeline",
        title="Samples, therapy, responses, imaging and MRD assays over days",
        caption="Circles: positive MRD at its value. Open triangles: negative, at the limit of detection. "
        "Diamonds: indeterminate."
        if len(clinical["mrd"])
        else "Samples and what the clinical tables hold.",
    )
    absent = ["MRD" if n == "mrd" else n for n, f in clinical.items() if not len(f)]
    if absent and not patient.healthy:
        section.notes.append(f"Nothing recorded for this patient in: {', '.join(absent)}.")
    if len(clinical["mrd"]):
        section.tables.append(_mrd_table(clinical["mrd"]))
    return section


def _mrd_table(mrd: pd.DataFrame) -> Table:
    rows = []
    for row in rows_of(mrd):
        said = f"MRD-{row.result}" if row.result in {"negative", "positive"} else str(row.result)
        if row.result != "positive":  # a negative result says nothing without its limit; a positive one has a value
            said += " (limit not given)" if words.missing(row.lod) else f" (at {words.share(row.lod)})"
        rows.append(
            [words.number(row.day), str(row.assay), said, words.share(row.value), words.share(row.lod),
             words.number(row.cells_analysed)]
        )  # fmt: skip
    return Table(
        ["Day", "Assay", "Result", "Value (share of cells)", "Limit of detection", "Cells analysed"],
        rows,
        caption="MRD assays as they were reported",
        numeric=frozenset({0, 3, 4, 5}),
    )


def trajectory_section(patient: Patient) -> Section:
    """The score through time, landmark by landmark."""
    section = Section(
        "spectrum",
        "Cure spectrum through time",
        "Tiers come from rules and the number never overrides them; two patients with one number can stand very "
        "differently. The score describes where the evidence stands; it is not a probability of cure.",
    )
    table = patient.landmarks
    if not len(table):
        section.blank = "No landmark could be scored." if not patient.healthy else "Healthy donors are not scored."
        return section
    if (table["tier"].astype(str) == "").all() and table["css"].isna().all():
        section.blank = "Not assessable at any landmark; “At a glance” says why."
        return section
    section.draw(
        score.trajectory(table),
        name="score",
        title="Tier and cure-spectrum score at each landmark",
        caption="Score with two 90% intervals. Blue bar: measurement alone. Thin line: weights and thresholds "
        "redrawn too. Cross: no score could be given.",
    )
    rows = []
    for row in rows_of(table):
        rows.append(
            [
                words.number(row.day), str(row.tier) or "–", str(row.tier_suffix) or "–",
                words.number(row.css, 2), words.between(row.css_lower, row.css_upper, as_share=False),
                words.between(row.css_total_lower, row.css_total_upper, as_share=False),
                *(words.number(getattr(row, c), 2) for c in "DCFQM"), words.share(row.coverage), words.told(row.reason),
            ]
        )  # fmt: skip
    section.tables.append(
        Table(
            ["Day", "Tier", "Suffix", "Score", "90% (measurement)", "90% (total)", *"DCFQM", "Coverage", "Reason"],
            rows,
            caption="All landmarks",
            numeric=frozenset({0, *range(3, 12)}),
            folded=True,
        )
    )
    section.tables += apart(patient)
    return section


def burden_section(patient: Patient) -> Section:
    """Burden by source and clone."""
    section = Section(
        "burden",
        "Burden",
        "How much tumour there is, per nucleated marrow cell, on a log scale: one step is ten-fold. A triangle "
        "is an upper bound, not a measurement; sources differ, and one marrow site is not the whole marrow.",
    )
    if not len(patient.burden) and not (len(patient.fractions) and patient.fractions["burden_upper"].notna().any()):
        section.blank = "Burden is not assessable: no source measured it."
        return section
    if pd.concat([patient.burden["burden_upper"], patient.fractions["burden_upper"]]).notna().any():
        section.draw(
            burden_figure.burden(patient.burden, patient.fractions, patient.samples, patient.course),
            name="burden",
            title="Tumour burden by source and by clone over days, log scale",
            caption="Every source (filled: the one used; open: kept as check; short bar: limit of detection). "
            + ("Below, each clone: burden of the source used times its share. " if len(patient.fractions) else "")
            + "Bars: 95% intervals."
            + (" Grey: one course through all assays and the serum, with its 95% band." if len(patient.course) else ""),
        )
    else:
        section.blank = "Burden is not assessable: the sources below give no figure."
    serum = patient.burden["source"].isin(SERUM) & ~patient.burden["used"].eq(True)
    if (~serum).any():
        section.tables.append(_readings(patient.burden[~serum], "Burden by source"))
    if serum.any():
        levels = distinct_assays(patient.burden[serum])
        caption = (
            f"M-protein and light chains against the patient's own baseline ({words.count(len(levels), 'level')}); a "
            "sample's burden rests on them only where the marrow has none"
        )
        section.tables.append(_readings(levels, caption, folded=True))
    return section


def _readings(burden: pd.DataFrame, caption: str, *, folded: bool = False) -> Table:
    """Rows of burden.tsv in day order."""
    rows = []
    for row in rows_of(burden.sort_values(["day", "sample"], kind="stable")):
        bound = (words.missing(row.burden) or row.burden == 0) and not words.missing(row.burden_upper)
        rows.append(
            [
                words.timepoint(str(row.timepoint)) or "–", words.number(row.day), words.plain(row.source),
                "yes" if row.used is True else "no",
                f"below {words.share(row.burden_upper)}" if bound else words.share(row.burden),
                words.between(row.burden_lower, row.burden_upper), words.share(row.limit_of_detection),
                words.told(row.note) or "–",
            ]
        )  # fmt: skip
    columns = ["Timepoint", "Day", "Source", "Used", "Burden", "95% interval", "Limit of detection", "Note"]
    return Table(columns, rows, caption=caption, numeric=frozenset({1, 4, 5, 6}), folded=folded)


def dynamics_section(patient: Patient) -> Section:
    """Growth between timepoints, and the labels that follow from it."""
    section = Section(
        "dynamics",
        "Growth and labels",
        "Growth is the average between two samples: across a change of treatment it mixes kill and regrowth and "
        "is no growth "
        "constant. “Not cycling” is not dormancy; labels are probabilities with the evidence they rest on.",
    )
    if not len(patient.dynamics) and not len(patient.labels):
        section.blank = "Growth is not assessable: it needs clones at two timepoints."
        return section
    section.tables += trajectory_class(patient)
    if len(patient.labels):
        labels = patient.labels.sort_values(["day", "clone"], kind="stable")
        latest = labels["day"] == labels.groupby("clone")["day"].transform("max")
        section.tables.append(_labels(labels[latest], "Latest labels of each clone"))
        if not latest.all():
            section.tables.append(_labels(labels, f"Labels at every sampling day ({len(labels):,} rows)", folded=True))
    if len(patient.state):
        section.tables.append(_state(patient.state))
    if len(patient.dynamics):
        rows = [
            [
                str(r.clone), f"{words.number(r.from_day)} to {words.number(r.to_day)}",
                words.number(r.growth_per_month, 2), words.between(r.lower, r.upper, as_share=False),
                words.probability(r.p_growing), words.number(r.relative_fitness, 2),
                words.therapy_context(r.therapy_context),
            ]
            for r in rows_of(patient.dynamics)
        ]  # fmt: skip
        section.tables.append(
            Table(
                ["Clone", "Days", "Growth (per month)", "95% interval", "P(growing)", "Fitness (per month)", "Therapy"],
                rows,
                caption="Net growth rate between samples; ln 2 = 0.69 per month is doubling every month. "
                "Fitness: growth against the patient's other clones.",
                numeric=frozenset({2, 3, 4, 5}),
            )
        )  # fmt: skip
    if len(patient.latent):
        section.tables.append(_latent(patient.latent))
    return section


def _latent(table: pd.DataFrame) -> Table:
    """Growth by the course through all assays beside that between two samples."""
    rows = [
        [
            "all malignant" if r.clone == ALL else str(r.clone),
            f"{words.number(r.from_day)} to {words.number(r.to_day)}", words.number(r.growth_per_month, 2),
            words.between(r.lower, r.upper, as_share=False), words.number(r.two_point, 2),
            words.between(r.two_point_lower, r.two_point_upper, as_share=False), words.number(r.n_readings),
        ]
        for r in rows_of(table)
    ]  # fmt: skip
    columns = [
        "Clone", "Days", "Growth by all assays", "95% interval", "By the two samples", "95% interval", "Assays between",
    ]  # fmt: skip
    caption = (
        "Growth per month by one course through all assays and the serum, beside that of the two samples alone. The "
        "course looks at later days too: it is for looking back, labels and score do not use it. [J]"
    )
    return Table(columns, rows, caption=caption, numeric=frozenset({2, 3, 4, 5, 6}), folded=True)


def _state(table: pd.DataFrame) -> Table:
    """Cycling shares and programmes: what the labels' state evidence rests on."""
    rows = []
    for r in rows_of(table):
        cycling = r.measure == CYCLING
        rows.append(
            [
                str(r.clone), words.number(r.day), words.plain(r.measure),
                words.share(r.value) if cycling else words.number(r.value, 2),
                words.between(r.lower, r.upper, as_share=cycling), words.number(r.percentile), words.number(r.n_used),
            ]
        )  # fmt: skip
    columns = ["Clone", "Day", "Measure", "Value", "Interval", "Percentile", "Cells"]
    caption = (
        f"State of the clones' cells ({len(table):,} rows). Cycling: share of cells beyond chance with its "
        "one-sided 95% bounds; none of n is an upper bound, no proof of rest. Programmes: mean score in SDs of a "
        "cell's count with its 95% interval, and its percentile among random sets of malignant cells; not validated "
        "in myeloma."
    )
    return Table(columns, rows, caption=caption, numeric=frozenset({1, 3, 4, 5, 6}), folded=True)


def _labels(table: pd.DataFrame, caption: str, *, folded: bool = False) -> Table:
    rows = [
        [str(r.clone), words.number(r.day), words.plain(r.label), words.probability(r.probability),
         words.told(words.plain(r.evidence)).replace("; mixed", "; partly on therapy")]
        for r in rows_of(table)
    ]  # fmt: skip
    columns = ["Clone", "Day", "Label", "Probability", "Evidence"]
    return Table(columns, rows, caption=caption, numeric=frozenset({1, 3}), folded=folded)


def quality_section(patient: Patient) -> Section:
    """What the patient reported, through time."""
    section = Section(
        "quality",
        "Quality of life",
        "Scores of the patient's own questionnaires, 0 to 100. A filled mark passes a threshold of clinical "
        "importance; nothing is filled in from disease status when a form is missing.",
    )
    known = patient.qol[patient.qol["score"].notna()] if len(patient.qol) else patient.qol
    if not len(known):
        section.blank = (
            "No quality-of-life questionnaires for this patient: quality of life is missing, not good or bad."
        )
        return section
    section.draw(
        quality.scales(patient.qol),
        name="quality",
        title="Quality-of-life scales over days",
        caption="Blue: functions, where high is better. Orange: symptoms, where high is worse. Filled: "
        "clinically important problem.",
    )
    latest = known[known["day"] == known["day"].max()]
    rows = [
        [str(r.instrument), words.SCALES.get(str(r.scale).upper(), str(r.scale)), words.number(r.score),
         "yes" if str(r.problem).lower() in {"true", "1", "1.0", "yes"} else "no"]
        for r in rows_of(latest)
    ]  # fmt: skip
    section.tables.append(
        Table(
            ["Instrument", "Scale", "Score (0 to 100)", "Problem"],
            rows,
            caption=f"Latest forms ({words.when(known['day'].max())})",
            numeric=frozenset({2}),
            folded=True,
        )
    )
    return section
