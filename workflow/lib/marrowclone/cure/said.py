"""Names and sentences of the chapter's tables that the report prints; nothing here computes a score."""

from __future__ import annotations

import numpy as np
import pandas as pd

#: Rows of ``cure.sensitivity`` that are no constant.
DEFAULT, DIRICHLET, SICKEST = "default", "weights, all together", "Q missing in the sickest"
NO_OUTCOME = "no outcome table: nothing can be said of what the score foretells"


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
