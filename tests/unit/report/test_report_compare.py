"""The comparison with the truth: small tables whose figures one can count by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import results_factory as factory
from marrowclone import tables
from marrowclone.errors import UserError
from marrowclone.keys import TABLES
from marrowclone.report import gather, truth_table
from marrowclone.report.compare import Found, Truth, compare, match_clones
from marrowclone.report.truth_inputs import read_truth, truth_files, truth_pairs
from marrowclone.score.arms import events


def truth() -> Truth:
    """Ten malignant cells of two clones, four normal plasma cells, one T cell, one doublet."""
    cells = pd.DataFrame(
        {
            "cell": [f"s:{i}" for i in range(16)],
            "sample": "s",
            "cell_type": ["plasma"] * 14 + ["cd4_t", "plasma"],
            "malignant": [True] * 10 + [False] * 5 + [True],
            "clone": ["a"] * 6 + ["b"] * 4 + [""] * 5 + ["a"],
            "doublet": [False] * 15 + [True],
        }
    )
    arms = pd.DataFrame(
        [
            ("a", "chr1", "q", 3),
            ("a", "chr13", "q", 1),
            ("b", "chr17", "p", 1),
            ("never sampled", "chr8", "p", 1),
            ("a", "chr2", "p", 2),
        ],
        columns=["clone", "chromosome", "arm", "state"],
    )
    fractions = pd.DataFrame(
        [("a", "s", "diagnosis", 0, 0.6, 0.06), ("b", "s", "diagnosis", 0, 0.4, 0.04)],
        columns=["clone", "sample", "timepoint", "day", "fraction", "burden"],
    )
    return Truth(cells, arms, fractions)


def found() -> Found:
    """One malignant cell dropped (s:9), one missed (s:8), one normal called malignant (s:10), one unassigned (s:11)."""
    call = {
        **dict.fromkeys(range(8), "malignant"),
        8: "normal",
        10: "malignant",
        11: "unassigned",
        12: "normal",
        13: "normal",
        15: "malignant",
    }
    malignant = pd.DataFrame({"cell": [f"s:{i}" for i in call], "sample": "s", "call": list(call.values())})
    clone = ["c1"] * 6 + ["c2", "c2"]
    clone_cells = pd.DataFrame({"cell": [f"s:{i}" for i in range(8)], "sample": "s", "clone": clone})
    arms = pd.DataFrame(
        [("c1", "chr1", "q", 3, "gain"), ("c1", "chr13", "q", 1, "indeterminate"), ("c2", "chr5", "p", 3, "gain")],
        columns=["clone", "chromosome", "arm", "state", "call"],
    )
    fractions = pd.DataFrame(
        [("c1", "s", 8, 6, 0.75, 0.5, 0.9), ("c2", "s", 8, 2, 0.25, 0.1, 0.35)],
        columns=["clone", "sample", "n_malignant", "n_clone", "fraction", "lower", "upper"],
    )
    burden = pd.DataFrame(
        [("s", "scRNA", True, 1.0, 0.05, 1.0), ("s", "aspirate", False, 0.1, 0.05, 0.2)],
        columns=["sample", "source", "used", "burden", "burden_lower", "burden_upper"],
    )
    return Found(malignant, clone_cells, arms, fractions, burden)


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return compare([("p", truth(), found())])


def value(table: pd.DataFrame, quantity: str, patient: str = "p") -> float:
    rows = table[(table["patient"] == patient) & (table["quantity"] == quantity)]
    return float(rows["estimate"].iloc[0])


def test_calls_counted_by_hand(table: pd.DataFrame) -> None:
    """Doublets have no right answer and are left out."""
    assert value(table, "malignant precision") == pytest.approx(8 / 9), "8 right of 9 called"
    assert value(table, "malignant recall") == pytest.approx(8 / 9), "8 of the 9 malignant cells that were examined"
    assert value(table, "malignant F1") == pytest.approx(16 / 18)
    assert value(table, "malignant false-positive rate") == pytest.approx(1 / 4)
    assert value(table, "malignant unassigned share") == pytest.approx(1 / 13)
    assert value(table, "tumour-type cells found") == pytest.approx(9 / 10), "s:9 is in no result: dropped"


def test_clones_are_matched_by_overlap() -> None:
    """Names are arbitrary; the overlap decides, one to one."""
    cells = pd.DataFrame({"true": ["a"] * 5 + ["b"] * 5, "estimated": ["x"] * 4 + ["y"] + ["x"] * 2 + ["y"] * 3})
    assert match_clones(cells) == {"a": "x", "b": "y"}
    assert match_clones(cells.iloc[:0]) == {}


def test_merged_clones_leave_one_unmatched() -> None:
    cells = pd.DataFrame({"true": ["a"] * 5 + ["b"] * 2, "estimated": "c1"})
    assert match_clones(cells) == {"a": "c1"}


def test_ari_is_one_only_for_the_same_partition(table: pd.DataFrame) -> None:
    assert value(table, "clone ARI") == 1.0, "six and two cells, split as in truth"
    assert value(table, "number of clones") == 2


def test_fractions_errors_and_coverage(table: pd.DataFrame) -> None:
    assert value(table, "clone fraction, median absolute error") == pytest.approx(0.15), "0.75 for 0.6, 0.25 for 0.4"
    assert value(table, "clone fraction, intervals with the truth") == pytest.approx(0.5), "0.4 is above 0.35"


def test_a_clone_that_was_not_found_keeps_its_row() -> None:
    """A miss is shown, not dropped from the table."""
    result = found()
    lost = Found(result.malignant, result.clone_cells.assign(clone="c1"), result.arms, result.fractions, result.burden)
    rows = compare([("p", truth(), lost)])
    row = rows[(rows["quantity"] == "clone fraction") & (rows["clone"] == "b")].iloc[0]
    assert np.isnan(row["estimate"]) and row["note"] == "clone not found"


def test_arm_events_counted_by_hand(table: pd.DataFrame) -> None:
    """True: +1q, -13q, -17p (a clone that was never sampled does not count). Called: +1q, +5p."""
    assert value(table, "arm event precision") == pytest.approx(1 / 2)
    assert value(table, "arm event recall") == pytest.approx(1 / 3)


def test_indeterminate_is_no_event() -> None:
    arms = pd.DataFrame(
        [("chr1", "q", 3, "indeterminate"), ("chr2", "p", 1, "")], columns=["chromosome", "arm", "state", "call"]
    )
    assert events(arms) == {("chr2", "p", "loss")}, "without a call the state speaks"


def test_burden_error_in_log10(table: pd.DataFrame) -> None:
    """Truth 0.1, the used source says 1.0: one power of ten; the unused source is not looked at."""
    assert value(table, "burden, median absolute log10 error") == pytest.approx(1.0)
    assert value(table, "burden, intervals with the truth") == 1.0


def test_cohort_pools_counts(table: pd.DataFrame) -> None:
    both = compare([("p", truth(), found()), ("q", truth(), found())])
    assert value(both, "malignant recall", "all") == pytest.approx(value(table, "malignant recall"))
    row = both[(both["patient"] == "all") & (both["quantity"] == "malignant recall")].iloc[0]
    assert row["n"] == 18 and row["lower"] < row["estimate"] < row["upper"]


def test_healthy_donor_has_a_false_positive_rate_only() -> None:
    """No malignant cell in truth: precision of false calls and the rate are all there is."""
    empty = gather.empty
    cells = truth().cells.assign(malignant=False, clone="")
    result = Found(
        found().malignant,
        empty("clones.cells"),
        empty("copy_number.arms"),
        empty("evolution.fractions"),
        empty("evolution.burden"),
    )
    rows = compare([("h", Truth(cells, truth().arms.iloc[:0], truth().fractions.iloc[:0]), result)])
    assert set(rows.loc[rows["patient"] == "h", "quantity"]) == {
        "malignant precision", "malignant false-positive rate", "malignant unassigned share"
    }  # fmt: skip


def test_no_truth_gives_a_header_only(tmp_path: Path) -> None:
    table = compare([])
    tables.write_table(tmp_path / "truth.tsv", table, columns=TABLES["report.truth"])
    back = tables.read_result(tmp_path / "truth.tsv")
    assert len(back) == 0 and list(back.columns)[:9] == list(TABLES["report.truth"])
    assert truth_files(None) == [] and "nothing to compare" in truth_table.as_text(back)


def test_table_prints_compactly(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """What the demo's last lines show."""
    path = tmp_path / "truth.tsv"
    tables.write_table(path, compare([("p", truth(), found())]), columns=TABLES["report.truth"])
    assert truth_table.main([str(path)]) == 0
    out = capsys.readouterr().out
    assert "whole cohort" in out and "malignant recall" in out and "89%" in out
    assert max(map(len, out.splitlines())) < 130, "fits a terminal"
    assert truth_table.main([str(tmp_path / "absent.tsv")]) == 1


def test_reading_truth_by_files(tmp_path: Path) -> None:
    """Through the files that the simulator writes, for the samples that were run."""
    true, results = truth(), factory.make_results(tmp_path / "results")
    for file, frame in (("cells.tsv.gz", true.cells), ("arms.tsv", true.arms), ("fractions.tsv", true.fractions)):
        tables.write_table(tmp_path / "truth" / file, frame.assign(patient="P1"), columns=["patient"])
    inputs = {k: [v] for k, v in results.paths("P1").items()}
    pairs = list(truth_pairs(inputs, ["P1"], samples=results.records("P1"), folder=str(tmp_path / "truth")))
    assert [p[0] for p in pairs] == ["P1"]
    assert len(pairs[0][1].cells) == 0, "the sample 's' was not run here"
    assert len(pairs[0][2].malignant) > 0
    assert list(truth_pairs(inputs, ["P1"], samples=[], folder=None)) == []


def test_a_folder_that_is_no_truth_is_named(tmp_path: Path) -> None:
    tables.write_table(tmp_path / "cells.tsv.gz", pd.DataFrame({"cell": ["x"]}), columns=["cell"])
    with pytest.raises(UserError, match="lacks the columns sample, patient"):
        read_truth(tmp_path)
