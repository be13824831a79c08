"""The scores lean on nothing that they judge."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

MODULES = ("arms", "calibration", "calls", "cells", "clones", "fractions", "growth", "labels", "permute", "shares", "tiers", "trees")  # fmt: skip
ALONE = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(f"marrowclone.score.{name}")
used = sorted(m for m in sys.modules if m.startswith("marrowclone."))
print(*(m for m in used if m.split(".")[1] not in {"score", "keys", "errors"}))
"""


def test_no_chapter_and_no_simulator_comes_along(root: Path) -> None:
    """What shares code with an answer, or with the truth, shares its mistakes."""
    library = root / "workflow/lib"
    assert {p.stem for p in (library / "marrowclone/score").glob("*.py")} == {*MODULES, "__init__"}
    out = subprocess.run(
        [sys.executable, "-c", ALONE, *MODULES], capture_output=True, text=True, check=True, cwd=library
    )
    assert out.stdout.strip() == ""
