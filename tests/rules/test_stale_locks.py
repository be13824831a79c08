"""A lock of a live run is never released; one of a killed run is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from marrowclone import locks

WAITS = "import sys; print('there', flush=True); sys.stdin.read()"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a lock in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["snakemake", "--cores", "1"])
    lock = tmp_path / ".snakemake/locks/0.input.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    return tmp_path


@pytest.fixture
def other() -> Iterator[subprocess.Popen[str]]:
    """Another live process."""
    process = subprocess.Popen([sys.executable, "-c", WAITS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    yield process
    process.kill()
    process.communicate()


def note(folder: Path, pid: int, **changes: object) -> Path:
    """What a process wrote down."""
    path = folder / locks.HOLDERS / f"host.{pid}.json"
    path.parent.mkdir(exist_ok=True)
    known = {"machine": locks._machine(), "pid": pid, "started": locks._started(pid)}
    path.write_text(json.dumps(known | changes))
    return path


def locked(folder: Path) -> bool:
    return bool(list((folder / ".snakemake/locks").iterdir()))


def test_a_killed_holder_loses_its_lock(folder: Path, other: subprocess.Popen[str]) -> None:
    """Unreaped, as in a container without an init: the dead process is still in the table."""
    held = note(folder, other.pid)
    os.kill(other.pid, 9)
    os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)
    locks.release_stale()
    assert not locked(folder)
    assert not held.exists()


def test_a_live_holder_keeps_its_lock(folder: Path, other: subprocess.Popen[str]) -> None:
    note(folder, other.pid)
    locks.release_stale()
    assert locked(folder)


def test_a_refused_run_does_not_hide_the_holder(folder: Path, other: subprocess.Popen[str]) -> None:
    """Two runs start together: both write themselves down, one is refused and ends. A third must not take the lock."""
    note(folder, other.pid)
    note(folder, os.getpid(), started="1")
    locks.release_stale()
    assert locked(folder)


def test_a_number_used_again_is_another_process(folder: Path, other: subprocess.Popen[str]) -> None:
    note(folder, other.pid, started="1")
    locks.release_stale()
    assert not locked(folder)


def test_processes_elsewhere_are_not_judged(folder: Path, other: subprocess.Popen[str]) -> None:
    """On another machine, or in another container of this one, the same number is another process."""
    name, boot, _ = locks._machine().split(" ")
    for machine in (f"elsewhere {boot} pid:[1]", f"{name} {boot} pid:[1]"):
        note(folder, other.pid, machine=machine, started="1")
        locks.release_stale()
        assert locked(folder)


def test_after_a_restart_of_the_machine_all_are_dead(folder: Path, other: subprocess.Popen[str]) -> None:
    name, _, namespace = locks._machine().split(" ")
    note(folder, other.pid, machine=f"{name} before {namespace}")
    locks.release_stale()
    assert not locked(folder)


def test_a_lock_of_nobody_known_stays(folder: Path) -> None:
    locks.release_stale()
    assert locked(folder)
    (folder / locks.HOLDERS / "x.json").write_text("{")
    locks.release_stale()
    assert locked(folder)


@pytest.mark.parametrize("switch", ["-n", "-np", "--dry-run", "--dryrun", "--dry", "--unlock", "--lint", "--summary"])
def test_who_only_looks_touches_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch, switch: str) -> None:
    monkeypatch.setattr(sys, "argv", ["snakemake", switch])
    locks.release_stale()
    assert not (folder / locks.HOLDERS).exists()


@pytest.mark.parametrize("switches", [["--notemp"], ["-c", "1"], ["--nolock"], ["-p"]])
def test_who_runs_writes_itself_down(folder: Path, monkeypatch: pytest.MonkeyPatch, switches: list[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["snakemake", *switches])
    locks.release_stale()
    assert len(list((folder / locks.HOLDERS).iterdir())) == 1
