"""Expression of clones on the patient's page."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

import results_factory as factory
from marrowclone.keys import TABLES
from marrowclone.report.clone_expression import expression_note, expression_table
from marrowclone.report.gather import read_patient
from marrowclone.report.sections import clones_section


def row(
    clone: str, symbol: str, fold: float, call: str, *, kind: str = "gene", dosage: float = 0.0
) -> dict[str, object]:
    return {
        "clone": clone, "symbol": symbol, "kind": kind, "log2_fold": fold, "lower": fold - 0.3, "upper": fold + 0.3,
        "fdr": 0.01, "dosage_log2": dosage, "residual_log2": fold - dosage, "residual_fdr": 0.01, "call": call,
    }  # fmt: skip


MARKERS = pd.DataFrame(
    [
        *[row("c1", f"G{i}", 1.0, "own") for i in range(10)],
        row("c1", "LOW", -2.0, "own"), row("c1", "MCL1", 0.5, "dosage", dosage=0.49),
        row("c1", "PSMD4", 2.0, "beyond dosage", dosage=0.49), row("c1", "SAME", 0.1, "not called"),
        row("c1", "cycling", 1.0, "own", kind="programme"),
        row("c2", "NEW", 1.0, "copies not known", dosage=float("nan")),
    ],
    columns=list(TABLES["clones.markers"]),
)  # fmt: skip


def test_a_row_per_clone_names_its_genes_and_counts_those_of_its_copies() -> None:
    table = expression_table(MARKERS)
    first, second = table.rows
    assert first[:1] == ["c1"] and first[1].startswith("G0 ×2, G1 ×2") and first[1].endswith("and 2 more")
    assert first[2:] == ["LOW ×0.25", "1", "PSMD4 ×2.8", "cycling ×2"]
    assert second == ["c2", "NEW ×2", "–", "0", "–", "–"]
    assert {len(r) for r in table.rows} == {len(table.columns)}


def test_the_note_says_where_copies_are_not_known() -> None:
    assert "15 genes" in expression_note(MARKERS) and "Copies are not known everywhere" in expression_note(MARKERS)
    assert "Copies are not known" not in expression_note(MARKERS[MARKERS["clone"] == "c1"])


def test_clones_without_company_are_named() -> None:
    assert "In no sample with enough cells of itself and of others: c3." in expression_note(MARKERS, ["c1", "c2", "c3"])
    assert "In no sample" not in expression_note(MARKERS, ["c1", "c2"])


def test_the_page_shows_it_where_there_is_some(tmp_path: Path) -> None:
    results = factory.make_results(tmp_path)
    given = {"samples": results.records("P1"), "qc": results.qc("P1"), "clinical": results.clinical}
    bare = clones_section(read_patient("P1", paths=results.paths("P1"), **given))
    assert [n for n in bare.notes if n.startswith("Expression: ")] == [
        "Expression: no sample holds enough cells of two clones, so none could be compared."
    ]
    path = Path(results.paths("P1")["profiles"]).with_name("P1.markers.tsv.gz")
    MARKERS.to_csv(path, sep="\t", index=False)
    told = clones_section(read_patient("P1", paths={**results.paths("P1"), "markers": str(path)}, **given))
    assert any(n.startswith("Expression: ") for n in told.notes)
    assert any("Beyond its copies (by)" in t.columns for t in told.tables)
