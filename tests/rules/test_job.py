"""How a job ends: what a user or the machine did is said in words, a defect keeps its traceback in the log."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from marrowclone import provenance
from marrowclone.errors import UserError
from marrowclone.run import job


@pytest.fixture(autouse=True)
def same_environment() -> Iterator[None]:
    """A job sets thread numbers in its environment; here that is the test runner's own."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


class Params(dict):
    """As Snakemake gives them: a mapping with attributes."""

    __getattr__ = dict.__getitem__


def ended(folder: Path, error: Exception, capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    """Terminal and log of a job whose body raises ``error``."""
    log = folder / "job.log"
    given = SimpleNamespace(
        rule="score_qol",
        wildcards={},
        threads=1,
        log=[str(log)],
        input=[],
        output=[],
        params=Params(seed=1, settings={}, code=provenance.code_hash("score_qol")),
    )
    with pytest.raises(SystemExit) as caught, job(given):
        raise error
    assert caught.value.code == 1
    return capsys.readouterr().err, log.read_text()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (UserError("x.h5: cut off.", hint="copy it again."), "x.h5: cut off. Hint: copy it again. (log: "),
        (
            OSError(errno.ENOSPC, "No space left on device", "results/x"),
            "results/x: No space left on device. Hint: free",
        ),
        (
            PermissionError(errno.EACCES, "Permission denied", "results/x"),
            "results/x: Permission denied. Hint: look at",
        ),
        (
            OSError(errno.EROFS, "Read-only file system", "results/x"),
            "results/x: Read-only file system. Hint: the work",
        ),
        (MemoryError(), "there is not enough memory. Hint: give the rule more"),
    ],
)
def test_no_traceback_for_what_is_no_defect(tmp_path, capsys, error, said):
    terminal, log = ended(tmp_path, error, capsys)
    for text in (terminal, log):  # show-failed-logs prints the log, too
        assert said in text
        assert "Traceback" not in text
        assert "defect" not in text
    assert str(tmp_path / "job.log") in terminal


def test_a_defect_keeps_its_traceback_in_the_log(tmp_path, capsys):
    terminal, log = ended(tmp_path, ZeroDivisionError("by zero"), capsys)
    assert "Traceback" not in terminal
    assert "This is a defect of marrowclone" in terminal
    assert "Traceback" in log
