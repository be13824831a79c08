"""Checking everything that a person gives, before any job starts.

The shapes (columns, types, bounds, vocabularies) stand in ``workflow/schemas``; what no
schema can say (rows that contradict each other, files that are not what they seem) stands
here. Every problem of every file is reported at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..cohort import Cohort


def everything(
    user_config: Mapping[str, Any], *, files: Sequence[str] = (), read_matrices: bool = True
) -> tuple[dict[str, Any], Cohort]:
    """Check the configuration, the sheets and the data behind them; see :mod:`marrowclone.check.together`."""
    from .together import check_everything

    return check_everything(user_config, files=files, read_matrices=read_matrices)
