"""Fixtures and rules that all tests share."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from workflow_runs import simulated

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("MARROWCLONE_DATA", ROOT.parent / "shared" / "data"))


THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


@pytest.fixture(autouse=True)
def same_thread_numbers() -> Iterator[None]:
    """No test leaves other thread numbers behind: numba refuses to compile once they change in a process."""
    before = {name: os.environ.get(name) for name in THREADS}
    yield
    assert {name: os.environ.get(name) for name in THREADS} == before, "the test changed the process's thread numbers"


# Drawn anew at every run, examples find new mistakes; on CI the same ones are drawn, so that a change is judged alone.
settings.register_profile("ci", derandomize=True)
if os.environ.get("MARROWCLONE_CI"):
    settings.load_profile("ci")


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def data() -> Path:
    """The public data sets; a test that asks for them skips where they are absent."""
    if not DATA.is_dir():
        pytest.skip(f"the public data sets are not at {DATA} (set MARROWCLONE_DATA)")
    return DATA


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small simulated cohort as a user has it: ``config/``, ``data/``, ``truth/``."""
    return simulated("tiny", tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def cohort(tiny: Path, tmp_path: Path) -> Path:
    """A private copy of the tiny cohort."""
    return Path(shutil.copytree(tiny, tmp_path / "cohort"))


# On CI a skipped test is a hole: what this machine can run, it runs. The reasons below are
# the only ones that a machine can truly have.
ALLOWED_SKIPS = ("no CUDA device",)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not os.environ.get("MARROWCLONE_CI"):
        return
    for report in terminalreporter.stats.get("skipped", []):
        terminalreporter.write_line(f"skipped: {report.nodeid}: {_reason(report)}")


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if not os.environ.get("MARROWCLONE_CI") or reporter is None or hasattr(session.config, "workerinput"):
        return
    holes = [r for r in reporter.stats.get("skipped", []) if not any(a in _reason(r) for a in ALLOWED_SKIPS)]
    if holes and exitstatus == 0:
        session.exitstatus = 1


def _reason(report: pytest.TestReport) -> str:
    return str(report.longrepr[2]) if isinstance(report.longrepr, tuple) else str(report.longrepr)
