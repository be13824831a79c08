"""Identity, clonality, drivers and microenvironment on the pages: what the tables say, and what they do not."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import results_factory as factory
from marrowclone.keys import TABLES
from marrowclone.report import gather, paths
from marrowclone.report.blocks import Mark
from marrowclone.report.clonality import chance, clonality_section, group_rows, receptor, remarks
from marrowclone.report.cohort_page import flags, patient_row
from marrowclone.report.figures import surroundings
from marrowclone.report.identity import identity_of, listed, mismatched
from marrowclone.report.inputs import SUFFIXES, files_of
from marrowclone.report.patient_page import patient_page
from marrowclone.report.sample import Sample, checks, read_sample, worst
from marrowclone.report.sample_page import finding
from marrowclone.report.samples_table import samples_table
from marrowclone.report.sections import qc_counts
from marrowclone.report.surroundings import microenvironment_section
from marrowclone.report.tumour import tumour_class, tumour_section


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> factory.Results:
    return factory.make_results(tmp_path_factory.mktemp("results"))


def patient(results: factory.Results, name: str) -> gather.Patient:
    return gather.read_patient(
        name, samples=results.records(name), qc=results.qc(name), qc_facts=results.qc_facts(name),
        paths=results.paths(name), clinical={},
    )  # fmt: skip


def sample(results: factory.Results, name: str) -> Sample:
    row = results.samples[results.samples["sample"] == name].iloc[0]
    cells, embedding = results.root / "cells", results.root / "embedding"
    return read_sample(
        name, sheet=row.to_dict(), qc=str(cells / f"{name}.qc.tsv.gz"), qc_facts=str(cells / f"{name}.qc.json"),
        identity=str(embedding / f"{row['patient']}.identity.tsv"), groups=str(embedding / f"{row['patient']}.groups.tsv"),
    )  # fmt: skip


def identity(rows: list[tuple]) -> pd.DataFrame:
    """An identity table of sample ``s``: check, value, other_sample, call, evidence."""
    return factory.frame(TABLES["embedding.identity"], [("s", "diagnosis", 0, *row) for row in rows])


def test_every_table_that_the_pages_read_is_an_input_of_their_rules() -> None:
    """A field without a file would be empty on every page, without a word."""
    of_patient = {**paths.PER_PATIENT, **paths.OF_ALLELES}
    assert set(SUFFIXES) == set(of_patient)
    for field, pattern in of_patient.items():
        assert Path(pattern).name == f"{{patient}}.{SUFFIXES[field]}", field
    given = {n: [p.format(patient=who) for who in ("p", "q")] for n, p in paths.PER_PATIENT.items()} | paths.PER_COHORT
    assert files_of("q", given) == {
        n: p.format(patient="q") for n, p in {**paths.PER_PATIENT, **paths.PER_COHORT}.items()
    }
    assert not set(paths.UNREAD) & {*paths.PER_PATIENT.values(), *paths.PER_COHORT.values()}


def test_calls_of_identity_become_verdicts() -> None:
    """A mismatch is a problem, a difference a warning, and what could not be compared is neither good nor bad."""
    table = identity([
        ("receptor", "kappa IGKV1-5", "", "differs", "t: lambda IGLV2-14; another clone"),
        ("overall", "", "z", "mismatch", "sex: XIST 0"),
        ("sex", "male", "z", "mismatch", "XIST 0, chromosome Y 1200 UMIs; t: female"),
        ("germline_genes", "", "", "not assessable", "0 comparisons"),
        ("likeness", "-0.035", "", "match", "correlation -0.03 with 2024-1200"),
    ])  # fmt: skip
    found = identity_of(table, "s")
    assert [(i.check, i.verdict) for i in found] == [
        ("overall", "fail"), ("sex", "fail"), ("germline_genes", "none"), ("likeness", "ok"), ("receptor", "warn"),
    ], "overall first: it names the checks that made it"  # fmt: skip
    assert found[0].text == "hints at a sample swap, by sex: most like z"
    assert found[1].text.endswith("t: female; most like z"), "the evidence names the other sample where there is one"
    assert found[2].text == "no gene that some people lack could be compared" and found[3].value == "−0.035"
    assert found[3].text == "correlation −0.03 with 2024-1200", "a name's digits are no number"
    assert found[4].text.startswith("kappa IGKV1-5 here; t: lambda"), "both receptors stand beside each other"
    assert identity_of(table, "other") == [] and mismatched(table) == ["s"]
    assert [listed(n) for n in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == ["", "a", "a and b", "a, b and c"]


def test_a_cdr3_is_not_spelled_out() -> None:
    table = identity([("receptor", "H:TGTGCGAGAGATTAC", "z", "mismatch", "the CDR3 of z, samples of another patient")])
    assert "TGT" not in identity_of(table, "s")[0].text and "the CDR3 of z" in identity_of(table, "s")[0].text


def test_identity_joins_the_checks_worst_first() -> None:
    facts = {
        "checks": [
            {"check": "a", "verdict": "ok", "text": "1200 cells"},
            {"check": "b", "verdict": "warn", "text": "b"},
        ]
    }
    table = identity([("overall", "", "", "mismatch", ""), ("sex", "", "", "not assessable", "0 of 12345 in run-2024")])
    found = checks(facts, table, "s")
    assert [c.verdict for c in found] == ["fail", "warn", "ok", "none"]
    assert found[2].said == "1,200 cells" and found[3].said == "0 of 12345 in run-2024", "names stay as they are"
    assert worst(facts, table, "s") == "fail" and worst(facts, table, "t") == "warn"
    neutral = identity([("overall", "", "", "not assessable", "")])
    assert worst({}, neutral, "s") == "", "nothing that could be compared is not a pass"
    assert worst({"checks": []}, neutral, "s") == "ok", "nor a warning"


def test_a_swap_is_told_on_every_page(results: factory.Results) -> None:
    """A reader who opens one page only must see it there."""
    assert "hint at a sample swap" in finding(sample(results, "P1_pi"), noun="plasma cell")
    assert "swap" not in finding(sample(results, "P1_dx"), noun="plasma cell")
    who = patient(results, "P1")
    html = patient_page(who, tumour_types=["plasma"], facts={})
    assert re.search(r'<p class="finding">P1_pi may not be this patient', html)
    assert flags(who, noun="plasma cell")[0] == "sample swap? P1_pi", "worst first"
    counts = qc_counts(who.qc, who.samples)
    facts = {str(s): {"checks": []} for s in who.samples["sample"]}
    shown = samples_table(who.samples, counts, who.cells, facts=facts, noun="plasma cell", identity=who.identity).rows
    by_name = {str(row[0]): row for row in shown}
    assert by_name["P1_pi"][7] == "problem" and "hints at a sample swap, by sex: most like P2_dx" in by_name["P1_pi"][8]
    assert by_name["P1_dx"][7] == "ok"


def test_identity_over_timepoints_has_a_row_per_sample(results: factory.Results) -> None:
    who = patient(results, "P1")
    table = next(t for t in tumour_section(who).tables if t.caption.startswith("Identity"))
    assert len(table.rows) == len(who.samples)
    mixed = next(r for r in table.rows if r[0] == "P1_pi")
    assert [m.verdict for m in mixed[2:] if isinstance(m, Mark)] == ["fail", "fail", "warn", "ok", "none"]


def test_groups_of_a_sample_are_its_own(results: factory.Results) -> None:
    """Clusters and V genes of another timepoint are not this sample's."""
    section = clonality_section(sample(results, "P1_dx"))
    own, inside = section.tables
    assert own.rows[0][:4] == ["P1_dx", "242", "234", "8"] and own.rows[0][6].startswith("restricted")
    assert [r[0] for r in inside.rows] == ["cluster 1", "V gene IGKV3-20"] and inside.folded
    assert section.notes == [], "the switch was flagged at relapse"
    assert "no plasma cell of this sample" in clonality_section(sample(results, "P2_dx")).blank
    assert "no plasma cell of this sample" in clonality_section(Sample("s", {})).blank, "no table at all"


def test_chances_are_told_as_far_as_they_mean_something(results: factory.Results) -> None:
    groups = patient(results, "P1").groups.iloc[:1]
    told = lambda **values: chance(group_rows(groups.assign(**values))[0])  # noqa: E731
    assert told(p_integrated=0.0) == "below 1 × 10⁻¹²", "an underflow is no chance of zero"
    assert told(p_integrated=0.2) == "0.20" and told(p_integrated=np.nan, p=0.01) == "0.010"
    assert told(verdict="untested") == "–" and told(p=np.nan, p_integrated=np.nan) == "–"
    assert remarks(patient(results, "P1").groups) == ["Light chain switch: kappa at diagnosis, lambda at relapse."], (
        "once"
    )


def test_receptor_and_class_are_told_with_their_evidence(results: factory.Results) -> None:
    who = patient(results, "P1")
    mine, found = receptor(who), tumour_class(who)
    assert mine.said == "kappa, IgG, IGKV3-20" and mine.n_clonal == mine.n_dominant == 432
    assert (found.short, found.confidence) == ("t(4;14)", "high")
    section = tumour_section(who)
    text = " ".join(section.notes)
    for said in (
        "NSD2 1,240 per million, z 9.1",
        "2 healthy donors",
        "CDR3 H:TGTGCGAGA",
        "relapse: D2 (confidence low)",
    ):
        assert said in text
    genes = next(t for t in section.tables if t.caption.startswith("Driver genes"))
    assert [(r[0], r[3], r[-1]) for r in genes.rows] == [
        ("NSD2", "9.1", "spike"),
        ("CCND2", "4.2", "raised"),
        ("CCND1", "0.1", "–"),
    ]
    row = patient_row(who, noun="plasma cell")
    assert (row["tc_class"], row["tc_confidence"], row["receptor"]) == ("t(4;14)", "high", "kappa, IgG")


def test_a_cyclin_spike_below_its_level_is_explained(results: factory.Results) -> None:
    """CCND1 is a spike in D1, too: the table would seem to contradict the class."""
    who = patient(results, "P1")
    cyclin = who.drivers.assign(spike=who.drivers["gene"] == "CCND1")
    said = "CCND1 is a spike, but below the level from which it names t(11;14) [J]."
    assert said in tumour_section(dataclasses.replace(who, drivers=cyclin.assign(tc_class="D1"))).notes
    assert said not in tumour_section(dataclasses.replace(who, drivers=cyclin.assign(tc_class="t(11;14)"))).notes


def test_a_switch_names_both_chains(results: factory.Results) -> None:
    who = patient(results, "P1")
    switched = who.groups.assign(chain=who.groups["chain"].where(who.groups["day"] < 900, "lambda"))
    assert receptor(dataclasses.replace(who, groups=switched)).chains == ("kappa", "lambda"), "in the order of days"


def test_without_contigs_or_clone_the_sentence_says_so(results: factory.Results) -> None:
    who = patient(results, "P1")
    bare = who.clonality.assign(clonotype="", clonotype_dominant=False, clonotype_cdr3="")
    assert "By expression alone" in " ".join(tumour_section(dataclasses.replace(who, clonality=bare)).notes)
    donor = " ".join(tumour_section(patient(results, "H1")).notes)
    assert "no clone was seen beyond chance among 30 plasma cells" in donor and "does not show its absence" in donor
    assert "TC class (translocation, cyclin D): not assessable: 0 plasma cells" in donor
    assert not any(t.caption.startswith("Driver genes") for t in tumour_section(patient(results, "H1")).tables)
    assert patient_row(patient(results, "H1"), noun="plasma cell")["tc_class"] == "–"


def test_sorted_samples_are_missing_and_never_zero(results: factory.Results) -> None:
    """Science 9.3: what sorting left says nothing about the marrow."""
    section = microenvironment_section(patient(results, "P1"))
    assert section.tables[0].rows[-1][-2:] == ["–", "missing, not zero: CD138+ sorted"]
    shares = next(t for t in section.tables if t.caption.startswith("Shares"))
    assert {row[-1] for row in shares.rows} == {"missing"} and not any(
        "missing" in c for row in shares.rows for c in row[1:-1]
    )
    stroma = next(r for r in shares.rows if r[0] == "stromal")
    assert stroma[1].startswith("at most "), "zero of n is a bound"
    assert (
        "missing: CD138+ sorted" in section.pictures[0].svg
        and "Seen in no sample: stromal" in section.pictures[0].caption
    )
    labelled = next(t for t in section.tables if t.caption.startswith("Centred log-ratios"))
    assert "[J]" in labelled.caption, "judgement is labelled"


def test_a_patient_with_sorted_samples_only_has_no_figure(results: factory.Results) -> None:
    who = patient(results, "P1")
    mine = who.microenvironment
    only = dataclasses.replace(who, microenvironment=mine[mine["sort"] == "CD138+"])
    section = microenvironment_section(only)
    assert section.pictures == [] and "every sample is missing" in section.blank and len(section.tables) == 1


def test_zero_cells_are_drawn_at_their_bound() -> None:
    """A filled point at 0 would read as absence."""
    table = pd.DataFrame({"value": [0.0, 0.25], "lower": [0.0, 0.2], "upper": [0.04, 0.3]}, index=["nk", "cd4_t"])
    figure = surroundings.shares([surroundings.Column("a", table)], ["nk", "cd4_t"])
    points = {
        line.get_marker(): line.get_xdata()[0] for line in figure.axes[0].lines if line.get_marker() in ("<", "o")
    }
    assert points == {"<": pytest.approx(0.2), "o": pytest.approx(0.5)}, "square root of the bound, and of the share"


@pytest.mark.parametrize("written", [True, False])
def test_absent_and_empty_tables_give_sentences(tmp_path: Path, written: bool) -> None:
    names = ("clonality", "groups", "drivers", "identity", "microenvironment")
    files = {n: str(tmp_path / f"p.{n}.tsv") for n in names}
    for name in names if written else ():
        factory.write(Path(files[name]), f"embedding.{name}", pd.DataFrame(columns=TABLES[f"embedding.{name}"]))
    records = [{"sample": "s", "patient": "p", "timepoint": "diagnosis", "day": 0}]
    who = gather.read_patient("p", samples=records, qc=[], paths=files, clinical={})
    assert tumour_section(who).blank.startswith("No plasma cell was looked at")
    assert microenvironment_section(who).blank.startswith("Not assessable")
    assert patient_row(who, noun="plasma cell")["tc_class"] == "–" and flags(who, noun="plasma cell") == [
        "no cell kept"
    ]
    one = read_sample("s", sheet=records[0], qc=None, identity=files["identity"], groups=files["groups"])
    assert checks({}, one.identity, "s") == [] and clonality_section(one).blank
