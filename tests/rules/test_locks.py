"""Environment files: the conda files follow from the locks, and no lock is too old."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml


def load_lock_module(folder: Path):
    spec = importlib.util.spec_from_file_location("lock", folder / "lock.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def envs(root: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(root / "envs", tmp_path / "envs"))


def check(envs: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(envs / "lock.py"), "--check"], capture_output=True, text=True, check=False
    )


def test_the_locks_agree(root: Path) -> None:
    """What is committed is what the locks say."""
    done = check(root / "envs")
    assert done.returncode == 0, done.stderr


def test_a_conda_file_that_drifts_is_found(envs: Path) -> None:
    """Editing a conda file by hand would give conda users another environment."""
    conda = envs / "conda/cpu.yaml"
    conda.write_text(conda.read_text().replace("numpy==2", "numpy==1"))
    done = check(envs)
    assert done.returncode == 1
    assert "conda/cpu.yaml differs from the locks" in done.stderr


def test_an_ancient_release_is_found(envs: Path) -> None:
    """A resolver that walked back ten years must not pass unseen."""
    dates = envs / "locks/dates.tsv"
    lines = [("\t".join([*line.split("\t")[:2], "2016-01-01"]) if line.startswith("scanpy\t") else line)
             for line in dates.read_text().splitlines()]  # fmt: skip
    dates.write_text("\n".join(lines) + "\n")
    done = check(envs)
    assert done.returncode == 1
    assert "scanpy" in done.stderr and "before" in done.stderr


def test_a_pin_without_a_date_is_found(envs: Path) -> None:
    """A pin that was edited by hand has no upload date."""
    base = envs / "locks/base.txt"
    base.write_text(base.read_text().replace("scanpy==", "scanpy==9"))
    assert "no upload date for scanpy" in check(envs).stderr


def test_torch_stands_under_one_pin_only(root: Path) -> None:
    """Both hashes under one pin make pip take the CUDA wheel and gigabytes with it."""
    lock = load_lock_module(root / "envs")
    assert "torch" not in lock.pins("base")
    assert lock.pins("torch-cpu") == {"torch": "2.13.0+cpu"}
    assert lock.pins("torch-cu")["torch"] == "2.13.0"


def test_every_pin_has_a_hash(root: Path) -> None:
    """pip --require-hashes needs one for each; a missing one means that a lock was edited by hand."""
    for path in (root / "envs/locks").glob("*.txt"):
        entries = [e for e in path.read_text().split("\n") if "==" in e and not e.startswith(("#", " "))]
        assert entries
        assert all(e.endswith("\\") for e in entries), path.name


def test_conda_files_parse(root: Path) -> None:
    """conda's channels cannot be reached everywhere: at least the files are what conda reads."""
    for path in (root / "envs/conda").glob("*.yaml"):
        content = yaml.safe_load(path.read_text())
        assert content["dependencies"][0] == "python=3.11"
        pip = content["dependencies"][-1]["pip"]
        assert any(line.startswith("scvi-tools==") for line in pip)
