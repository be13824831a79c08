"""A small sound cohort on disk, to be broken in one place per test."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from marrowclone.check import everything
from marrowclone.errors import InputProblems
from unit.check.cohort_on_disk import BARCODES, CONFIG, SHEETS, counts, write_h5, write_h5ad, write_mtx


@pytest.fixture(scope="session")
def matrices(tmp_path_factory) -> Path:
    """The count files of the cohort, written once."""
    folder = tmp_path_factory.mktemp("matrices")
    write_mtx(folder / "P1_dx", counts(1))
    write_h5(folder / "P1_mrd.h5", counts(2))
    write_h5ad(folder / "P1_rel.h5ad", np.log1p(counts(3).T), layers={"counts": counts(3).T})
    write_mtx(folder / "P2_dx", counts(4), packed=False)
    write_mtx(folder / "H1_bm", counts(5))
    (folder / "labels.tsv").write_text("barcode\tlabel\n" + "".join(f"{b}\ttumour\n" for b in BARCODES))
    return folder


@pytest.fixture
def cohort(tmp_path, monkeypatch, matrices) -> Path:
    """A folder with configuration, sheets and data, which is the working directory."""
    monkeypatch.chdir(tmp_path)
    for name, text in SHEETS.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "config.yaml").write_text(CONFIG)
    (tmp_path / "data").mkdir()
    for path in matrices.iterdir():
        (tmp_path / "data" / path.name).symlink_to(path)
    return tmp_path


@pytest.fixture
def check(cohort):
    """Check the cohort as it stands: (config, cohort)."""
    import yaml

    def run(*, read_matrices: bool = True):
        config = yaml.safe_load((cohort / "config.yaml").read_text())
        return everything(config, files=["config.yaml"], read_matrices=read_matrices)

    return run


@pytest.fixture
def problems(check):
    """Check the cohort as it stands: the list of problems in words, empty when there is none."""

    def run(*, read_matrices: bool = False) -> list[str]:
        try:
            check(read_matrices=read_matrices)
        except InputProblems as error:
            return [str(p) for p in error.problems]
        return []

    return run
