"""On which machine and in which image each job ran: one line of its log, and a table made of those lines.

Results hold neither time nor host, so that a repeated run gives the same bytes; this table lies among the logs.
"""

from __future__ import annotations

import platform
import re
from pathlib import Path

import pandas as pd

from .environment import Image
from .keys import CHAPTERS

#: Columns of the table; image, torch and locks are empty for a job outside of a container.
COLUMNS: tuple[str, ...] = ("rule", "job", "host", "image", "torch", "locks")
_LINE = re.compile(r"ran on (\S+)(?:, in image (.*) \(torch (\w*), locks (\w*)\))?$", flags=re.MULTILINE)


def where_line(image: Image | None) -> str:
    """The line, for the process that calls."""
    text = f"ran on {platform.node() or 'unknown'}"
    if image is not None:
        text += f", in image {image.name} (torch {image.torch}, locks {image.locks})"
    return text


def read_where(logs: Path) -> pd.DataFrame:
    """A row per job whose log has the line (the last one: the last attempt); :data:`COLUMNS`.

    ``logs`` holds ``{rule}/{job}.log``, or ``{rule}.log`` of a rule that is one job (its ``job`` is ``all``).
    """
    rows = []
    for rule in (rule for rules in CHAPTERS.values() for rule in rules):
        for log in [logs / f"{rule}.log", *sorted((logs / rule).glob("*.log"))]:
            try:
                found = _LINE.findall(log.read_text(encoding="utf-8", errors="replace"))
            except OSError:
                continue
            if found:
                rows.append((rule, "all" if log.parent == logs else log.stem, *found[-1]))
    return pd.DataFrame(rows, columns=list(COLUMNS))
