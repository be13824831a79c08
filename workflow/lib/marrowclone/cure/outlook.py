"""The outlook of the user's own cohort: how well the score foretells progression there, apart from the state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from ..keys import RESEARCH_USE_ONLY, TABLES
from .evaluation import evaluate, with_response
from .prediction import result

NO_OUTCOME = "no outcome table: nothing can be said of what the score foretells"


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


def verdict(table: pd.DataFrame) -> list[str]:
    """What the outlook comes to, in sentences; the failure to beat sustained MRD is among them."""
    rows = table[table["measure"] == "lead of css over sustained MRD"]
    said = []
    for row in rows.itertuples():
        where = f"at {row.landmark_month:.0f} months ({row.n} patients)"
        if np.isnan(float(row.value)):  # type: ignore[arg-type]
            said.append(f"The score was not compared with sustained MRD {where}: it is the same for all patients there")
            continue
        better = "beats" if float(row.lower) > 0 else "DOES NOT BEAT"  # type: ignore[arg-type]
        said.append(
            f"The score {better} sustained MRD-negativity alone {where}: C {row.value:+.3f} "
            f"(90% {row.lower:+.3f} to {row.upper:+.3f})"
        )
    if not said:
        notes = list(dict.fromkeys(str(n) for n in table["note"] if n))
        said = [f"Nothing was fitted: {'; '.join(notes)}"]
    return said
