"""A sample's QC page: every barcode accounted for, limits where they belong, a page for every oddity."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import results_factory as factory
from marrowclone.keys import RESEARCH_USE_ONLY
from marrowclone.report import sample_barcodes, sample_sections
from marrowclone.report.figures import knee, qc_violin
from marrowclone.report.figures.qc_violin import Measure, Row
from marrowclone.report.sample import (
    Sample,
    checks,
    fate,
    load_facts,
    read_sample,
    reason_counts,
    values_by_type,
    worst,
)
from marrowclone.report.sample_page import finding, sample_page

SETTINGS = {"max_types": 16, "min_values_violin": 10}
SHEET = {"sample": "s", "patient": "p", "timepoint": "diagnosis", "day": 0, "compartment": "BM", "sort": "none"}


def page(sample: Sample, tumour_types: tuple[str, ...] = ("plasma",)) -> str:
    return sample_page(
        sample, tumour_types=tumour_types, settings=SETTINGS, facts={"versions": {"marrowclone": "0.1.0"}}
    )


def text_of(html: str) -> str:
    html = re.sub(r"<style>.*?</style>|<svg.*?</svg>", " ", html, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", html))


def qc_table(reasons: list[str], **columns: Any) -> pd.DataFrame:
    """A QC table with these reasons (empty: kept)."""
    n = len(reasons)
    usual = {
        "n_umi": np.arange(1, n + 1) * 100, "n_genes": 500, "n_umi_non_ig": np.arange(1, n + 1) * 50,
        "n_genes_non_ig": 450, "pct_mito": 4.0, "pct_ig": 30.0, "pct_hb": 0.0, "doublet_score": 0.1, "doublet": False,
        "coarse_type": "plasma",
    }  # fmt: skip
    table = pd.DataFrame({"cell": [f"s:{i}" for i in range(n)], "keep": [r == "" for r in reasons], "reason": reasons})
    return table.assign(**{**usual, **columns})


def typed(qc: pd.DataFrame, types: list[str], tumour: tuple[str, ...] = ("plasma",)) -> pd.DataFrame:
    """Typing of the kept barcodes."""
    cells = qc.loc[qc["keep"], "cell"].to_numpy()
    return pd.DataFrame(
        {
            "cell": cells,
            "sample": "s",
            "cell_type": types,
            "confidence": 0.9,
            "is_tumour_type": [t in tumour for t in types],
        }
    )


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """P1's diagnosis as the factory writes it, with everything that a page can show."""
    results = factory.make_results(tmp_path_factory.mktemp("results"))
    cells, embedding = results.root / "cells", results.root / "embedding"
    return read_sample(
        "P1_dx", sheet=results.samples.iloc[0].to_dict(), qc=str(cells / "P1_dx.qc.tsv.gz"),
        qc_facts=str(cells / "P1_dx.qc.json"), cells=str(embedding / "cells.tsv.gz"),
        identity=str(embedding / "P1.identity.tsv"), groups=str(embedding / "P1.groups.tsv"),
    )  # fmt: skip


def test_the_page_stands_alone_and_says_what_it_is(real: Sample) -> None:
    html = page(real)
    assert html.count(RESEARCH_USE_ONLY) >= 2, "law 9"
    links = re.findall(r'(?:href|src)="([^"]*)"', html)
    assert [u for u in links if not re.match(r"#|\.\./(index|P1)\.html", u)] == [], (
        "no network; back to patient, cohort"
    )
    assert "<script" not in html and "default-src 'none'" in html
    pictures = re.findall(r"<svg[^>]*>", html)
    assert len(pictures) == 5 and all('role="img" aria-label="' in p for p in pictures), "each figure can be read aloud"
    text = text_of(html)
    for said in ("400 of 440 barcodes kept (91%)", "242 of 400 (60%)", "1 problem.", "2 warnings.", "IGKC 14%"):
        assert said in text
    assert "nan" not in text.lower().split() and "None" not in text.split()


def test_the_same_tables_give_the_same_bytes_in_any_order(real: Sample) -> None:
    """Law 6: the order of barcodes in the file does not show."""
    mixed = dataclasses.replace(
        real,
        qc=real.qc.sample(frac=1, random_state=1).reset_index(drop=True),
        cells=real.cells.sample(frac=1, random_state=2).reset_index(drop=True),
    )
    assert page(mixed) == page(real)


def test_checks_stand_worst_first_and_lose_no_warning() -> None:
    facts = {
        "checks": [
            {"check": "a", "verdict": "ok", "text": "fine"},
            {"check": "b", "verdict": "fail", "text": "broken", "value": 1, "limit": 2},
            {"check": "c", "verdict": "strange", "text": "unknown verdict"},
        ],
        "warnings": ["broken", "another"],
    }
    assert [(c.verdict, c.text) for c in checks(facts)] == [
        ("fail", "broken"), ("warn", "unknown verdict"), ("warn", "another"), ("ok", "fine"),
    ], "a warning that a check says already is not said twice"  # fmt: skip
    assert worst(facts) == "fail"
    assert worst({"warnings": ["x"]}) == "warn" and worst({"warnings": []}) == "ok" and worst({}) == ""
    assert "Nothing was checked" in sample_sections.checks_section(Sample("s", SHEET)).blank


REASONS = ("", "few non-Ig UMIs", "doublet", "few non-Ig UMIs; doublet", "few non-Ig genes; doublet; marker conflict")


@given(st.lists(st.tuples(st.sampled_from(REASONS), st.sampled_from(["plasma", "lymphoid", "new_kind"])), min_size=1))
@settings(max_examples=40, deadline=None)
def test_every_barcode_is_accounted_for(rows: list[tuple[str, str]]) -> None:
    """Kept plus dropped is all; a barcode with two reasons stands in both rows and is alone in none."""
    qc = qc_table([r for r, _ in rows], coarse_type=[c for _, c in rows])
    fates = fate(qc)
    counts = reason_counts(fates)
    assert counts.index[0] == "kept" and counts.loc["kept", "all"] == sum(r == "" for r, _ in rows)
    for reason in counts.index[1:]:
        assert counts.loc[reason, "all"] == sum(reason in r.split("; ") for r, _ in rows)
        assert counts.loc[reason, "alone"] == sum(r == reason for r, _ in rows)
    shown = sample_barcodes._most_frequent(fates)
    assert shown.to_numpy().sum() == len(rows), "the bars of the figure add up to all barcodes"
    assert list(counts.columns[:1]) != ["lymphoid"] or "plasma" not in {c for _, c in rows}, "plasma-like stands first"


def test_a_dropped_barcode_without_a_reason_is_said() -> None:
    """A table made elsewhere may have none; such a barcode is not kept for that."""
    qc = qc_table(["", ""]).assign(keep=[True, False])
    assert list(fate(qc)["together"]) == ["kept", "no reason given"]


@given(st.lists(st.tuples(st.integers(0, 30), st.booleans()), min_size=1, max_size=300))
@settings(max_examples=60, deadline=None)
def test_the_strip_holds_all_kept_barcodes_whatever_their_order(rows: list[tuple[int, bool]]) -> None:
    n_umi, kept = np.array([u for u, _ in rows]), np.array([k for _, k in rows])
    edges, share = knee.kept_by_rank(n_umi, kept)
    assert edges[0] == 1 and edges[-1] == len(rows) + 1
    assert np.isclose((share * np.diff(edges)).sum(), kept.sum()), "no barcode is lost between strips"
    again = knee.kept_by_rank(n_umi[::-1], kept[::-1])[1]
    assert np.array_equal(again, share), "barcodes of equal UMIs share their ranks"


def test_the_curve_keeps_its_ends() -> None:
    points = knee.ranked(np.arange(5000))
    assert len(points) <= knee.POINTS
    assert tuple(points[0]) == (1, 4999) and tuple(points[-1]) == (5000, 0)
    assert (np.diff(points[:, 1]) <= 0).all(), "falling"


def test_knee_points_of_the_facts_are_drawn_and_bad_ones_are_not() -> None:
    assert sample_sections._points([[1, 100], [2, None], [10, 4]]).tolist() == [[1, 100], [10, 4]]
    for bad in (None, [], [1, 2, 3], "text", [["a", "b"]], [[1, 2], [3]]):
        assert sample_sections._points(bad) is None


@given(st.lists(st.floats(0, 100), min_size=2, max_size=80))
@example([0.0, 5e-324])
@example([100.0, float(np.nextafter(100.0, 0))])
@settings(max_examples=60, deadline=None)
def test_a_density_stays_near_its_values(values: list[float]) -> None:
    grid, height = qc_violin.density(np.array(values), 0, 100)
    assert np.isfinite(height).all() and height.max() == pytest.approx(1)
    assert grid.min() >= min(values) - 1 and grid.max() <= max(values) + 1, "no tail where no barcode is"


def test_rows_stand_by_size_with_tumour_types_first_and_small_ones_together() -> None:
    types = ["plasma"] * 2 + ["monocyte"] * 9 + ["nk"] * 5 + ["hspc"] * 3 + ["stromal"] * 1
    qc = qc_table([""] * 20 + ["doublet"] * 3, coarse_type=["plasma"] * 2 + ["myeloid"] * 18 + ["plasma"] * 3)
    table = values_by_type(Sample("s", SHEET, qc=qc, cells=typed(qc, types)), most_types=4)
    assert table.loc[table["kept"], "row"].value_counts().to_dict() == {
        "monocyte": 9, "nk": 5, "other types": 4, "plasma": 2,
    }, "the tumour's type has its own row however small it is"  # fmt: skip
    assert set(table.loc[~table["kept"], "row"]) == {"plasma-like"}, "a dropped barcode has a guess, no type"
    facts = {"limits_umi_non_ig": {"myeloid": 9000.0}, "max_pct_mito": {"plasma": 20, "other": 15}}
    rows = sample_barcodes._rows(table[table["kept"]], facts, [Measure("pct_mito", "m", "%")])
    assert [r.label for r in rows] == ["plasma cell", "monocyte", "NK", "other types"]
    assert [r.limits.get("pct_mito") for r in rows] == [20, 15, 15, 15], "plasma cells tolerate more"
    assert [r.limits.get("n_umi_non_ig") for r in rows] == [None, 9000, 9000, 9000], (
        "no limit is drawn where none was set"
    )
    assert rows[0].strong and not rows[1].strong


def odd_samples() -> dict[str, Sample]:
    one = qc_table([""])
    gone = qc_table(["few non-Ig UMIs; few non-Ig genes"] * 12, coarse_type="lymphoid", doublet_score=np.nan)
    flat = qc_table([""] * 30, n_umi=1000, n_umi_non_ig=1000, doublet_score=0.0)
    bare = qc_table(["", "doublet"])[["cell", "keep", "reason", "n_umi", "n_genes"]]
    many = qc_table([""] * 60, pct_ambient=np.linspace(0, 100, 60), conflict=[""] * 58 + ["t_cell"] * 2)
    kinds = [f"own <label> & number {i} of a very long list" for i in range(60)]
    zeros = qc_table(["few non-Ig UMIs"] * 3, n_umi=0, n_umi_non_ig=0, n_genes=0, n_genes_non_ig=0)
    return {
        "no file": Sample("s", SHEET),
        "one cell": Sample("s", SHEET, qc=one, cells=typed(one, ["plasma"])),
        "none kept": Sample("s", SHEET, qc=gone, facts={"warnings": ["no barcode passed"], "ambient_ig": None}),
        "constant": Sample("s", SHEET, qc=flat, cells=typed(flat, ["monocyte"] * 30), facts={"doublet_threshold": 0.0}),
        "few columns": Sample("s", {}, qc=bare.assign(doublet_score=np.nan, doublet=False)),
        "many own types": Sample("a <b>&'\"", {**SHEET, "patient": "x y#z"}, qc=many, cells=typed(many, kinds)),
        "empty barcodes": Sample("s", SHEET, qc=zeros, facts={"floors": {"min_umi_non_ig": 500}, "doublet_threshold": None}),
        "other facts": Sample(
            "s", SHEET, qc=one,
            facts={"knee": [], "knee_raw": "no", "ambient": {"source": "none", "top_genes": ["IGKC"]}, "ambient_ig": 7.0,
                   "checks": [{"check": "x", "value": [1, 2], "limit": {"low": 1.5}, "verdict": "warn", "text": "t"}]},
            load={"format": "10x_h5", "n_barcodes_empty": 7, "pct_umi_unmapped": 1.5},
        ),
    }  # fmt: skip


@pytest.mark.parametrize("kind", list(odd_samples()))
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_every_oddity_has_a_page(kind: str) -> None:
    """A person needs the page most where the sample is bad."""
    sample = odd_samples()[kind]
    html = page(sample)
    text = text_of(html)
    assert html.count("<section ") == 8 and "nan" not in text.lower().split()
    assert "<label>" not in html and "<b>&" not in html, "names are escaped"
    said = {
        "no file": "No barcode was read.",
        "one cell": "1 of 1 barcode kept (100%). Plasma cells among the kept cells: 1 of 1 (100%).",
        "none kept": "0 of 12 barcodes kept (0%). 1 warning.",
        "constant": "Plasma cells among the kept cells: 0 of 30 (below 9.5%)",
        "few columns": "1 of 2 barcodes kept",
        "many own types": "Barcodes with markers of two lineages",
        "empty barcodes": "0 of 3 barcodes kept",
        "other facts": "above the warning limit of 5%",
    }
    assert said[kind] in text
    if kind == "other facts":
        assert "1 (and 7 empty)" in text and "10x h5" in text and "1 to 2" in text
    if kind == "many own types":
        assert 'href="../x%20y%23z.html"' in html, "a link to a patient with an odd name works"


def test_genes_of_the_soup_are_told_most_frequent_first() -> None:
    """JSON sorts a mapping's keys; bare names and pairs are told as they come."""
    assert sample_sections.top_genes({"HBB": 7.0, "IGKC": 14.0}) == ["IGKC 14%", "HBB 7.0%"]
    assert sample_sections.top_genes([["HBB", 7], ["IGKC", 14]]) == ["HBB 7.0%", "IGKC 14%"]
    assert sample_sections.top_genes(["HBB"]) == ["HBB"] and sample_sections.top_genes(None) == []
    facts = {"ambient": {"source": "t_nk", "source_text": "Ig in T and NK cells; other genes unknown", "pct_ig": 0.5}}
    section = sample_sections.ambient_section(Sample("s", SHEET, facts=facts))
    assert [r[0] for r in section.tables[0].rows] == ["Profile from", "Immunoglobulin in T and NK cells (% of UMIs)"], (
        "that source says nothing of the soup's own make-up"
    )


def test_other_tumour_types_are_named_so() -> None:
    qc = qc_table([""] * 3)
    sample = Sample("s", SHEET, qc=qc, cells=typed(qc, ["epithelial"] * 3, ("epithelial",)))
    assert "Tumour-type cells among the kept cells: 3 of 3" in text_of(page(sample, ("epithelial",)))
    assert "Tumour-type" in finding(sample, noun="tumour-type cell")


def test_a_large_capture_stays_small() -> None:
    """Nothing on the page grows with the number of cells: a browser opens 20,000 cells as it opens 200."""
    rng = np.random.default_rng(0)
    n = 20_000
    qc = qc_table(
        [""] * n, n_umi=rng.lognormal(8, 1, n).astype(int) + 1, n_umi_non_ig=rng.lognormal(8, 1, n).astype(int) + 1,
        n_genes_non_ig=rng.lognormal(7, 0.5, n).astype(int) + 1, pct_mito=rng.gamma(2, 3, n), pct_ig=rng.beta(1, 3, n) * 100,
        pct_hb=rng.beta(1, 9, n) * 100, doublet_score=rng.beta(1, 12, n), pct_ambient=rng.beta(1, 12, n) * 100,
        coarse_type=rng.choice(["plasma", "lymphoid", "myeloid"], n),
    )  # fmt: skip
    cells = typed(qc, list(rng.choice([f"type_{i}" for i in range(20)], n)))
    assert len(page(Sample("s", SHEET, qc=qc, cells=cells)).encode()) < 1_000_000


def test_an_axis_within_a_decade_has_ticks_that_can_be_read() -> None:
    row = Row("x", 20, "#000000", {"n": np.linspace(300, 900, 20)}, {})
    figure = qc_violin.violins([row], [], [Measure("n", "n", "genes", log=True, least=1)], floors={}, fewest=10)
    assert [t.get_text() for t in figure.axes[1].get_xticklabels()] == ["500"]


def test_facts_of_loading_are_read_without_the_matrix(tmp_path: Path) -> None:
    import anndata as ad

    counts = ad.AnnData(np.ones((2, 3), dtype=np.float32))
    counts.uns["load"] = {"format": "h5ad", "n_barcodes_empty": 4}
    counts.write_h5ad(tmp_path / "s.counts.h5ad")
    assert load_facts(tmp_path / "s.counts.h5ad") == {"format": "h5ad", "n_barcodes_empty": 4}
    assert load_facts(tmp_path / "absent.h5ad") == {}
