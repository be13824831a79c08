"""Pages: self-contained, honest in words, and complete for empty patients and healthy donors."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pandas as pd
import pytest

import results_factory as factory
from marrowclone.keys import RESEARCH_USE_ONLY, TABLES
from marrowclone.report import gather
from marrowclone.report.cohort_page import cohort_page, flags, truth_section
from marrowclone.report.course import burden_section, dynamics_section
from marrowclone.report.facts import run_facts
from marrowclone.report.patient_page import patient_page
from marrowclone.report.render import breakable
from marrowclone.report.samples_table import samples_table
from marrowclone.report.sections import qc_counts
from marrowclone.report.sentences import finding, glance, reference_words, trend

FACTS = {"versions": {"marrowclone": "0.1.0"}, "seed": 7, "settings": {"a": {"b": 1}}, "code": {"qc_cells": "ab"}}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> factory.Results:
    return factory.make_results(tmp_path_factory.mktemp("results"))


def patient(results: factory.Results, name: str, *, clinical: bool = True) -> gather.Patient:
    tables = results.clinical if clinical else {}
    return gather.read_patient(
        name, samples=results.records(name), qc=results.qc(name), qc_facts=results.qc_facts(name),
        paths=results.paths(name), clinical=tables,
    )  # fmt: skip


_PAGES: dict[tuple, str] = {}


def page(who: gather.Patient) -> str:
    """The page of a patient of the fixture, drawn once."""
    key = (who.name, bool(who.clinical), len(who.cells))
    if key not in _PAGES:
        _PAGES[key] = patient_page(who, tumour_types=["plasma"], facts=FACTS)
    return _PAGES[key]


def cohort(results: factory.Results, truth: pd.DataFrame | None = None) -> str:
    people = [patient(results, n) for n in ("P1", "P2", "H1")]
    return cohort_page(
        people,
        cells=gather.read_one("embedding.cells", results.root / "embedding/cells.tsv.gz"),
        qc=pd.concat([p.qc for p in people]),
        samples=gather.sheet(results.samples.to_dict("records")),
        truth=gather.empty("report.truth") if truth is None else truth,
        outlook=gather.read_one("cure.outlook", results.root / "cure/outlook.tsv"),
        notes=["a note <of> the check"],
        tumour_types=["plasma"],
        facts=FACTS,
        dpi=72,
    )


def words_of(html: str) -> str:
    """The page's text without markup and figures."""
    html = re.sub(r"<style>.*?</style>|<svg.*?</svg>", " ", html, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", html))


def test_pages_load_nothing_from_elsewhere(results: factory.Results) -> None:
    """A hospital's computer may have no network, and a patient's page must not call out."""
    for html in (page(patient(results, "P1")), cohort(results)):
        links = re.findall(r'(?:href|src)="([^"]*)"', html) + re.findall(r"url\(([^)]*)\)", html)
        foreign = [u for u in links if not re.match(r"#|data:image/png;base64|(?:samples/)?[\w.-]+\.html$", u)]
        assert foreign == []
        assert "<script" not in html and "@import" not in html
        assert "default-src 'none'" in html


def test_every_page_says_research_use_only(results: factory.Results) -> None:
    """Law 9."""
    for html in (*(page(patient(results, n)) for n in ("P1", "P2", "H1")), cohort(results)):
        assert html.count(RESEARCH_USE_ONLY) >= 2


def test_the_same_tables_give_the_same_bytes(results: factory.Results) -> None:
    """Law 6: neither time nor chance is on the page."""
    first = page(patient(results, "P1"))
    _PAGES.clear()
    assert page(patient(results, "P1")) == first


def test_sections_come_in_story_order_each_with_its_reading(results: factory.Results) -> None:
    html = page(patient(results, "P1"))
    ids = re.findall(r'<section id="([\w-]+)"', html)
    assert ids == [
        "glance", "spectrum", "timeline", "cells", "microenvironment", "tumour", "copy-number", "panel", "clones", "burden",
        "dynamics", "resistance", "quality", "methods",
    ]  # fmt: skip
    assert html.count('<p class="how">') == len(ids), "each section says how to read it"


def test_tier_and_trend_stand_before_the_number(results: factory.Results) -> None:
    """Science 8.6: equal numbers can mean opposite things, so the tier is read first."""
    text = words_of(page(patient(results, "P1")))
    tier, direction, score = (
        text.index(s) for s in ("active or progressing disease", "further from cure", "Cure-spectrum score, 0")
    )
    assert tier < direction < score
    for said in ("7 to 14", "4 to 21", "progressive disease (IMWG PD) at day 890"):
        assert said in text, "both intervals and the reason are printed"


def test_mrd_negative_comes_from_an_assay_only(results: factory.Results) -> None:
    """Law 3: without MRD rows the words do not occur, though no malignant cell was seen."""
    with_assays = words_of(page(patient(results, "P1")))
    assert "MRD-negative (at 1.0 × 10⁻⁶)" in with_assays
    for name in ("P1", "P2", "H1"):
        text = words_of(page(patient(results, name, clinical=False)))
        assert "MRD-negative" not in text and "MRD negative" not in text


def test_zero_of_n_is_printed_as_a_bound(results: factory.Results) -> None:
    text = words_of(page(patient(results, "P1")))
    assert "0 of 33 (below 8.7%)" in text, "MRD visit, 35 cells of which 2 unassigned: 1 - 0.05^(1/33)"
    assert "at most 1.0%" in text, "c3 at relapse"


def test_a_patient_without_plasma_cells_is_told_gracefully(results: factory.Results) -> None:
    text = words_of(page(patient(results, "P2")))
    assert "No plasma cells found among 200 kept cells at 1 timepoint" in text
    assert "not assessable" in text
    assert "nan" not in text.lower().split() and "None" not in text.split()


def test_a_healthy_donor_is_called_one(results: factory.Results) -> None:
    html = page(patient(results, "H1"))
    text = words_of(html)
    assert "Healthy donor with 30 plasma cells: 0 of 28 plasma cells called malignant (share below 10%, 95%)" in text
    assert "Healthy donors are not scored." in text


def test_missing_files_give_a_page_that_says_so(tmp_path: Path) -> None:
    """No table at all is there: everything is not assessable, nothing crashes."""
    records = [{"sample": "s", "patient": "p", "timepoint": "diagnosis", "day": 0}]
    who = gather.read_patient(
        "p", samples=records, qc=[str(tmp_path / "s.qc.tsv.gz")], paths={}, clinical={}
    )  # fmt: skip
    text = words_of(page(who))
    assert "No cell passed quality control" in text


def test_header_only_tables_give_a_page(tmp_path: Path) -> None:
    """What other chapters write for an empty patient: headers and no rows."""
    paths = {}
    for field, name in {
        **gather.PATIENT_TABLES,
        "cells": "embedding.cells",
        "microenvironment": "embedding.microenvironment",
        "landmarks": "cure.landmarks",
        "qol": "cure.qol",
    }.items():
        paths[field] = str(tmp_path / f"{field}.tsv")
        factory.write(Path(paths[field]), name, pd.DataFrame(columns=TABLES[name]))
    records = [{"sample": "s", "patient": "p", "timepoint": "diagnosis", "day": 0}]
    who = gather.read_patient("p", samples=records, qc=[], paths=paths, clinical={})
    assert "nothing is assessable" in words_of(page(who))


def test_ten_clones_ten_timepoints_long_names() -> None:
    html = page(factory.stress_patient())
    assert html.count("<figure>") == 11
    assert "low: events on 3q" in html, "rung R5 carries its warning"


def test_names_from_the_sheet_are_escaped(results: factory.Results) -> None:
    """Names cannot hold markup today; the page must not rely on it."""
    assert breakable("<b>a_b</b>") == "&lt;b&gt;a_<wbr>b&lt;/b&gt;"
    assert "a note &lt;of&gt; the check" in cohort(results)


@pytest.mark.parametrize(
    ("tiers", "direction"),
    [
        (["T1", "T3"], "better"),
        (["T2", "T0"], "worse"),
        (["T1", "", "T1"], "same"),
        (["T2"], "first"),
        (["T2", ""], "none"),
    ],
)
def test_trend_compares_with_the_landmark_before(tiers: list[str], direction: str) -> None:
    """A landmark without a tier is skipped; a latest one without a tier has no trend."""
    table = pd.DataFrame({"tier": tiers, "day": range(len(tiers))})
    assert trend(table)[0] == direction


def test_finding_without_tumour_is_a_bound_not_absence(results: factory.Results) -> None:
    who = patient(results, "P1")
    calls = who.malignant.assign(call="normal")
    text = finding(
        gather.Patient(name="P1", samples=who.samples, cells=who.cells, malignant=calls, reference=who.reference),
        noun="plasma cell",
    )
    assert text.startswith("No tumour found: 0 of") and "does not show its absence" in text


def test_no_tumour_beside_unassigned_cells_bounds_only_what_was_called(results: factory.Results) -> None:
    who = patient(results, "P1")
    calls = who.malignant["call"].mask(who.malignant["call"] == "malignant", "unassigned")
    text = finding(dataclasses.replace(who, malignant=who.malignant.assign(call=calls)), noun="plasma cell")
    assert "among the cells that could be called" in text and "from above" not in text


def test_unassigned_cells_bound_nothing(results: factory.Results) -> None:
    """A cell that could not be called may be malignant: "0 of n" is of cells that were called."""
    who = patient(results, "P1")
    silent = dataclasses.replace(who, malignant=who.malignant.assign(call="unassigned"))
    text = finding(silent, noun="plasma cell")
    assert text.startswith("Not assessable: none of 515 plasma cells could be called")
    assert "No tumour found" not in text and "below" not in text
    assert "no plasma cell could be called" in flags(silent, noun="plasma cell")


def test_glance_lists_what_is_missing(results: factory.Results) -> None:
    assert any("MRD" in m for m in glance(patient(results, "P2")).missing)
    assert not any("MRD" in m for m in glance(patient(results, "P1")).missing)


def test_cohort_page_lists_everyone_with_flags(results: factory.Results) -> None:
    html = cohort(results)
    for name in ("P1", "P2", "H1"):
        assert f'<a href="{name}.html">{name}</a>' in html
    assert "no plasma cells found" in html and "expanding: c2" in html
    assert html.index("P1.html") < html.index("H1.html"), "patients before healthy donors"
    assert 'id="truth"' not in html, "no truth, no comparison"
    assert flags(patient(results, "H1"), noun="plasma cell") == []


def test_samples_stand_in_rows_with_their_worst_check(results: factory.Results) -> None:
    """A reader of the cohort sees which sample needs a look, and gets to its page."""
    html = cohort(results)
    table = html[html.index('<section id="samples">') : html.index('<section id="embedding">')]
    assert table.count('<a href="samples/') == len(results.samples)
    assert '<a href="samples/P1_dx.html">P1_<wbr>dx</a>' in table
    text = words_of(table)
    assert "440400 (91%)242problemno knee; and 2 more" in text, "barcodes, kept, plasma cells, the worst check first"
    assert '<a href="samples/P1_dx.html">' in page(patient(results, "P1")), "the patient's page leads there too"


def test_a_sample_without_facts_was_not_checked(results: factory.Results) -> None:
    """No facts is not the same as no warning."""
    samples = gather.sheet(results.records("P2"))
    counts = qc_counts(patient(results, "P2").qc, samples)
    for facts, said in (({}, "not checked"), ({"P2_dx": {"n_kept": 3}}, "ok")):
        rows = samples_table(samples, counts, gather.empty("embedding.cells"), facts=facts, noun="plasma cell").rows
        assert rows[0][7] == said


def test_other_tumour_types_are_named_so(results: factory.Results) -> None:
    """With other tumour types configured the page must not speak of plasma cells."""
    text = patient_page(patient(results, "P2"), tumour_types=["epithelial"], facts=FACTS)
    assert "No tumour-type cells found" in text


def test_evidence_is_shown_folded(results: factory.Results, tmp_path: Path) -> None:
    """Why this number of clones, and the class of the course: small tables on a click."""
    who = dataclasses.replace(
        patient(results, "P1"),
        selection=pd.DataFrame({
            "k": [1, 2], "bic": [120.0, 100.0], "smallest": [50, 20], "resolvable": [True, True],
            "chosen": [False, True], "note": [None, "a group was merged"],
        }),
        summary=pd.DataFrame({
            "clone": ["c1"], "n_cells": [30], "n_assigned": [29], "nearest": ["c2"], "events": ["1p:-0.65"],
            "d_prime": [7.2], "misassignment": [0.00025], "evidence": ["copy number"], "note": [None],
        }),
        trajectory=pd.DataFrame({
            "from_day": [0], "to_day": [180], "label": ["linear"], "probability": [1.0], "evidence": ["214 cells"],
        }),
    )  # fmt: skip
    html = patient_page(who, tumour_types=["plasma"], facts=FACTS)
    text = words_of(html)
    for said in ("20.0", "a group was merged", "1p:−0.65", "0 to 180", "linear", "above 99.9%"):
        assert said in text
    assert "Why this number of clones" in text and text.count("Class of the course") == 1
    assert "nan" not in text.split()


def test_evidence_columns_are_those_that_chapters_write() -> None:
    """The page reads by name: a renamed column would be an empty one."""
    from marrowclone.clones.infer import SELECTION_COLUMNS, SUMMARY_COLUMNS
    from marrowclone.evolution.trajectory import TRAJECTORY

    written = {"selection": SELECTION_COLUMNS, "summary": SUMMARY_COLUMNS, "trajectory": TRAJECTORY}
    for field, columns in gather.EVIDENCE.items():
        assert set(columns) <= set(written[field]), field


def test_a_reference_that_the_user_labelled_is_called_so(results: factory.Results) -> None:
    """Rung R1 may be epithelium with the user's label: the page must not call it plasma cells."""
    who = patient(results, "P1")
    own = dataclasses.replace(who, reference=who.reference.assign(rung="R1", cell_types="plasma"))
    assert reference_words(own)[0] == "normal plasma cells of the same patient"
    other = dataclasses.replace(who, reference=who.reference.assign(rung="R1", cell_types="normal"))
    assert reference_words(other) == (
        "cells of the same patient that the user labelled as normal", "as good as the user's labels",
    )  # fmt: skip


def test_burden_without_a_figure_is_not_drawn() -> None:
    """A sorted sample has a source row without a value: no empty axes, no caption of clones."""
    burden = pd.DataFrame({c: [None] for c in TABLES["evolution.burden"]}).assign(
        sample="s", timepoint="healthy", day=0, source="scRNA", used=False, note="sorted"
    )
    samples = gather.sheet([{"sample": "s", "patient": "p", "timepoint": "healthy", "day": 0}])
    section = burden_section(gather.Patient(name="p", samples=samples, burden=burden))
    assert section.pictures == [] and "not assessable" in section.blank
    assert len(section.tables) == 1, "the reason stands in the table"


def test_latest_labels_stand_open_and_the_rest_is_folded(results: factory.Results) -> None:
    who = patient(results, "P1")
    earlier = who.labels.assign(day=who.labels["day"] - 300)
    section = dynamics_section(dataclasses.replace(who, labels=pd.concat([who.labels, earlier])))
    shown = [t for t in section.tables if "abels" in t.caption]
    assert [t.folded for t in shown] == [False, True]
    assert 2 * len(shown[0].rows) == len(shown[1].rows)


def test_a_positive_assay_is_not_printed_at_its_limit(results: factory.Results) -> None:
    """ "MRD-positive (at 4.8e-6)" reads as a level of 4.8e-6; the limit has its own column."""
    assert "MRD-positive (" not in words_of(page(patient(results, "P1")))


def test_a_withheld_score_explains_its_intervals(results: factory.Results) -> None:
    """Intervals stay when the point is withheld; bare, they look like a score's."""
    who = patient(results, "P1")
    held = dataclasses.replace(who, landmarks=who.landmarks.assign(css=None))
    text = words_of(patient_page(held, tumour_types=["plasma"], facts=FACTS))
    assert "let the missing components take any value" in text
    assert "let the missing components take any value" not in words_of(page(who))


def test_patients_of_the_truth_are_folded(results: factory.Results) -> None:
    """A row per patient and quantity is too long to stand open."""
    truth = pd.DataFrame(
        [["all", "malignant F1", "", "", 1.0, 0.9, None, None, "share"],
         ["P1", "malignant F1", "", "", 1.0, 0.9, None, None, "share"]],
        columns=list(TABLES["report.truth"]),
    )  # fmt: skip
    section = truth_section(truth)
    assert section is not None
    assert [(t.folded, len(t.rows)) for t in section.tables] == [(False, 1), (True, 1)]


def test_run_facts_name_the_device() -> None:
    said = run_facts({"device_name": "cpu", "n_genes": 2000, "reason": "", "seed": 3})
    assert said == {"device": "cpu", "genes in the embedding": "2,000"}, "empty ones are left out"
