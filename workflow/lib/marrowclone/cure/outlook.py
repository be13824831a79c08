"""The outlook of the user's own cohort: how well the score foretells progression there, apart from the state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from ..keys import RESEARCH_USE_ONLY, TABLES
from .evaluation import evaluate, with_response
from .prediction import result
from .said import NO_OUTCOME


def fit_outlook(
    landmarks: pd.DataFrame,
    outcome: pd.DataFrame | None,
    response: pd.DataFrame | None,
    *,
    how: Mapping[str, Any],
    seed: int,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Measures (contract ``cure.outlook``) and forecasts of patients left out (``cure.foretold``).

    Parameters
    ----------
    landmarks
        ``cure.landmarks``.
    outcome, response
        clinical tables; None where there is none. The outcome is read here and nowhere in the state.
    how
        settings of the rule.
    """
    if outcome is None or outcome.empty:
        table = pd.DataFrame([result("C of css", np.nan, np.nan, np.nan, np.nan, 0, NO_OUTCOME)])
        foretold = pd.DataFrame(columns=list(TABLES["cure.foretold"]))
    else:
        table, foretold = evaluate(with_response(landmarks, response), outcome, how=how, seed=seed)
    return table.assign(use=RESEARCH_USE_ONLY), foretold.assign(use=RESEARCH_USE_ONLY)[list(TABLES["cure.foretold"])]
