"""Files appear whole or not at all, and a killed writer's leavings do not stay among the results."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from marrowclone import tables
from marrowclone.errors import UserError
from marrowclone.provenance import LIBRARY

KILLED = """
import os, sys
from pathlib import Path
from marrowclone import tables

def write(temporary):
    temporary.write_text("half")
    os.kill(os.getpid(), 9)

tables.write_whole(Path(sys.argv[1]), write)
"""


@pytest.mark.parametrize("name", ["P.1.cells.tsv.gz", "P_2", "index.html"])
def test_a_killed_writer_leaves_nothing_for_good(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(path)], check=False, env={**os.environ, "PYTHONPATH": str(LIBRARY.parent)}
    )
    assert done.returncode == -9
    assert not path.exists()
    assert len(list(tmp_path.iterdir())) == 1, "the temporary file; else this shows nothing"
    # writers of other files are at work beside it
    others = {tmp_path / f".{name}.gz.abcdefgh.gz", tmp_path / f".x{name}.abcdefgh", tmp_path / f".{name}.mine"}
    for other in others:
        other.touch()
    tables.write_text(path, "whole")
    assert set(tmp_path.iterdir()) == {path, *others}


def test_a_failed_writer_keeps_the_file_before(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    tables.write_text(path, "before")

    def write(temporary: Path) -> None:
        temporary.write_text("half")
        raise ValueError

    with pytest.raises(ValueError):
        tables.write_whole(path, write)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("kept", [0, 15, 60])
def test_a_table_that_was_cut_off_is_named(tmp_path: Path, kept: int) -> None:
    """By a full disk or a copy that was broken off: no defect, and there is something to do about it."""
    path = tmp_path / "P1.cells.tsv.gz"
    tables.write_table(path, pd.DataFrame({"cell": [f"s:{n * n}" for n in range(200)]}), columns=["cell"])
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(UserError, match=r"P1\.cells\.tsv\.gz: the table is damaged or cut off\. Hint: delete"):
        tables.read_result(path)


def test_numbers_under_a_name_that_is_text_everywhere_are_refused(tmp_path: Path) -> None:
    """They would come back as text, and only where somebody counts with them would it show."""
    numbers = pd.DataFrame({"cell": ["a"], "reason": [0.5]})
    with pytest.raises(TypeError, match=r"numbers in \['reason'\]"):
        tables.write_table(tmp_path / "x.tsv", numbers, columns=["cell"])
    assert not (tmp_path / "x.tsv").exists()
    # nothing known is no number, and a sheet for people has a schema of its own
    tables.write_table(tmp_path / "x.tsv", numbers.assign(reason=float("nan")), columns=["cell"])
    tables.write_table(tmp_path / "x.tsv", numbers, columns=["cell"], sheet=True)
