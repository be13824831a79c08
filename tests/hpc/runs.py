"""Running the literal command in tests: a checkout with a cohort in it, as a user has it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from workflow_runs import ROOT, copy_checkout


def as_a_user(checkout: Path, small: Path) -> Path:
    """A checkout with a cohort in its ``config/`` and a profile that asks often, so that tests need not wait."""
    copy_checkout(checkout)
    (checkout / "slurm").symlink_to("profiles/slurm")
    (checkout / "data").symlink_to(small / "data")
    for path in (small / "config").rglob("*.tsv"):
        target = checkout / "config" / path.relative_to(small / "config")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    # a pretend GPU is a device without a driver: the model is trained on the CPU, for a moment only
    demo = (ROOT / "config/demo/config.yaml").read_text().replace("truth: truth\n", "")
    demo = demo.replace("n_genes: 1000", "n_genes: 200").replace("optimiser_steps: 600", "optimiser_steps: 20")
    (checkout / "config/config.yaml").write_text(f"{demo}\ndevice: cpu\n")
    profile = checkout / "profiles/slurm/config.yaml"
    quick = {
        "jobs: 100 ": "jobs: 4 ",
        "latency-wait: 60 ": "latency-wait: 10 ",
        "status-checks: 10\n": "status-checks: 1\n",
        "status-checks: 30\n": "status-checks: 1\n",
    }
    text = profile.read_text()
    for old, new in quick.items():
        assert old in text
        text = text.replace(old, new)
    profile.write_text(text)
    return checkout


def snakemake(
    checkout: Path, *targets: str, timeout: float = 1800, path: str | None = None
) -> subprocess.CompletedProcess[str]:
    """The literal command, from the root of a checkout; with another ``PATH`` where one is given."""
    names = environment() | ({"PATH": path} if path else {})
    return subprocess.run(command(*targets), cwd=checkout, capture_output=True, text=True, timeout=timeout, env=names)


def on_this_machine(checkout: Path, cores: int = 2) -> subprocess.CompletedProcess[str]:
    """``snakemake --cores``, from the root of a checkout."""
    program = str(Path(sys.executable).parent / "snakemake")
    return subprocess.run(
        [program, "--cores", str(cores)], cwd=checkout, capture_output=True, text=True, env=environment()
    )


def command(*targets: str) -> list[str]:
    """``snakemake --profile slurm``."""
    return [str(Path(sys.executable).parent / "snakemake"), "--profile", "slurm", *targets]


def environment() -> dict[str, str]:
    """As at a user's prompt: nothing of pytest's."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "PYTHONPATH"))}
