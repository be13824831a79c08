"""Running the workflow in tests, as a user would: a checkout, a working folder, one command."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
#: What a checkout needs to run; environments and results stay behind.
PARTS = ("Snakefile", "workflow", "scripts", "config", "resources", "profiles", "envs")


def copy_checkout(target: Path) -> Path:
    """A private copy of the checkout, whose files a test may edit."""
    target.mkdir(parents=True, exist_ok=True)
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, target / part, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
        else:
            shutil.copy2(source, target / part)
    return target


def simulated(cohort: str, folder: Path) -> Path:
    """A simulated cohort of ``tests/cohorts`` as a user has it: ``config/``, ``data/``, ``truth/``."""
    subprocess.run(
        [
            sys.executable,
            "-m",
            "marrowclone.simulate",
            str(ROOT / f"tests/cohorts/{cohort}.yaml"),
            "--out",
            str(folder),
        ],
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "workflow/lib")},
    )
    return folder


def command(*arguments: str, directory: Path, checkout: Path = ROOT, cores: int = 2) -> list[str]:
    """The snakemake command line."""
    return [sys.executable, "-m", "snakemake", "--snakefile", str(checkout / "Snakefile"), "--directory",
            str(directory), "--cores", str(cores), *arguments]  # fmt: skip


def run(*arguments: str, directory: Path, checkout: Path = ROOT, cores: int = 2) -> subprocess.CompletedProcess[str]:
    """Run snakemake; output is captured, the exit code is the caller's to look at."""
    return subprocess.run(
        command(*arguments, directory=directory, checkout=checkout, cores=cores),
        capture_output=True,
        text=True,
        check=False,
    )


def jobs(dry_run: str) -> dict[str, int]:
    """Rule -> number of jobs, from the statistics of ``snakemake -n``."""
    found: dict[str, int] = {}
    for table in re.findall(r"^job +count\n-+ +-+\n(.*?)^total", dry_run, flags=re.MULTILINE | re.DOTALL):
        found |= {rule: int(n) for rule, n in re.findall(r"^(\w+) +(\d+)", table, flags=re.MULTILINE)}
    return found


def digests(results: Path) -> dict[str, str]:
    """Path -> SHA-256 of every result file."""
    return {
        str(path.relative_to(results)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(results.rglob("*"))
        if path.is_file()
    }
