"""The same Snakefile on real counts that are not myeloma, without clinical tables."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from marrowclone.tables import read_result
from workflow_runs import run

pytestmark = [pytest.mark.slow, pytest.mark.data]

spec = importlib.util.spec_from_file_location("real_data", Path(__file__).with_name("real_data.py"))
assert spec and spec.loader
real_data = importlib.util.module_from_spec(spec)
spec.loader.exec_module(real_data)


@pytest.fixture(scope="module")
def results(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("real")
    config = real_data.prepare(data, folder)
    done = run("--configfile", str(config), directory=folder)
    assert done.returncode == 0, done.stderr[-6000:]
    return folder / "results"


def test_tumour_and_normal_cells_separate(results: Path, data: Path) -> None:
    """tnbc1 is aneuploid: its cells must stand apart from the normal cells of the same sample.

    infercnvpy with half of the normal cells as reference reaches 0.999 on these data; 0.98 leaves
    room for cells whose label (made from expression, not DNA) is itself in doubt.
    """
    auc = real_data.separation(results, data)
    print(f"tnbc1 AUC {auc:.4f}")
    assert auc >= 0.98


def test_no_plasma_cells_is_an_answer(results: Path) -> None:
    """malt has hardly any plasma cells: said in words, no clones invented."""
    assert read_result(results / "clones/malt.cells.tsv.gz").empty
    assert read_result(results / "evolution/malt.fractions.tsv").query("n_clone > 0").empty
    page = (results / "report/malt.html").read_text()
    assert "not assessable" in page or "no plasma cells found" in page.lower()


def test_pages_carry_the_research_line(results: Path) -> None:
    for page in (results / "report").glob("*.html"):
        assert "Research use only" in page.read_text()


def test_without_clinical_tables_no_tier_is_claimed(results: Path) -> None:
    """Law: MRD-negative only from an assay; a missing table never raises a tier."""
    landmarks = read_result(results / "cure/landmarks.tsv")
    assert set(landmarks["tier"]) <= {""}
    assert landmarks["css"].isna().all()
    for page in (results / "report").glob("*.html"):
        assert "MRD-negative" not in page.read_text()
