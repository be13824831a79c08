"""The captures by hand of the cells tests serve here too, and helpers of one test file in another."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "cells"))
sys.path.append(str(Path(__file__).resolve().parent))
