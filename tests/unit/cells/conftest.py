"""Tests of this folder and of embedding import ``captures_by_hand``."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent))
