from __future__ import annotations

from typing import Any

import pytest
import yaml

from unit.simulate.simulate_cases import TINY


@pytest.fixture
def spec() -> dict[str, Any]:
    """The tiny cohort's specification, as a user wrote it; a fresh one for each test."""
    return yaml.safe_load(TINY.read_text())
