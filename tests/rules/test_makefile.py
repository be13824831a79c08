"""What `make` would do, asked with `make -n`: an environment keeps the device that it was made for."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest


def make(root: Path, venv: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """`make -n` with another environment; an environment variable TORCH of the caller's does not count."""
    names = {key: value for key, value in os.environ.items() if key not in ("TORCH", "MAKEFLAGS", "WHEELHOUSE")}
    command = ["make", "-n", f"VENV={venv}", *words]
    return subprocess.run(command, cwd=root, env=names, capture_output=True, text=True, check=False)


def installed(done: subprocess.CompletedProcess[str]) -> str:
    """The device of the environment that would be made; empty where the one that is there stays."""
    assert done.returncode == 0, done.stderr
    found = [torch for torch in ("cpu", "cuda") if f"installing the locked environment ({torch})" in done.stdout]
    assert len(found) <= 1 and bool(found) == ("-m venv --clear" in done.stdout)
    return "".join(found)


@pytest.fixture(params=["cpu", "cuda"])
def made(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, str]:
    """An environment as `make env` leaves it, and its device."""
    (tmp_path / f".installed-{request.param}").touch()
    return tmp_path, request.param


@pytest.mark.parametrize("target", ["env", "demo", "test-fast", "check", "validate"])
def test_an_environment_stays_what_it_was_made_for(root: Path, made: tuple[Path, str], target: str) -> None:
    venv, _ = made
    assert installed(make(root, venv, target)) == ""


def test_it_is_changed_by_naming_the_other_device(root: Path, made: tuple[Path, str]) -> None:
    venv, torch = made
    other = {"cpu": "cuda", "cuda": "cpu"}[torch]
    assert installed(make(root, venv, "env", f"TORCH={other}")) == other
    assert installed(make(root, venv, "env", f"TORCH={torch}")) == ""
    assert f"It stays so until make env TORCH={other}" in make(root, venv, "env").stdout


def test_other_locks_make_it_anew_for_the_same_device(root: Path, made: tuple[Path, str]) -> None:
    venv, torch = made
    os.utime(venv / f".installed-{torch}", (1, 1))
    assert installed(make(root, venv, "demo")) == torch


def test_a_device_that_is_none_is_refused(root: Path, tmp_path: Path) -> None:
    done = make(root, tmp_path, "env", "TORCH=gpu")
    assert done.returncode != 0 and "TORCH is 'gpu', expected cpu or cuda" in done.stderr
    assert installed(make(root, tmp_path, "env", "TORCH=cuda")) == "cuda"


@pytest.mark.parametrize(("words", "options"), [((), "--cores"), (("PROFILE=slurm",), "--profile slurm ")])
def test_the_demo_here_and_on_a_cluster(
    root: Path, made: tuple[Path, str], words: tuple[str, ...], options: str
) -> None:
    venv, _ = made
    (line,) = [line for line in make(root, venv, "demo", *words).stdout.splitlines() if "/bin/snakemake" in line]
    assert options in line and line.endswith(" --directory demo --configfile config/demo/config.yaml")
    assert ("--cores" in line) != ("--profile" in line)
