"""Net growth per month between sampling days, against the growth that the true burden shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from ..keys import DAYS_PER_MONTH
from .cells import numbers, text
from .shares import coverage, flat, median, share

GROWTH_COLUMNS = ("clone", "estimated", "from_day", "to_day", "truth", "estimate", "lower", "upper", "bound")
#: What stands in ``bound``: known at both ends, below the limit at the start, at the end.
BOUNDS = ("", "lower", "upper")


def true_growth(truth: pd.DataFrame) -> pd.Series:
    """ln of the true burden by (clone, day); -inf where it is 0.

    ``truth``: ``truth/fractions.tsv`` with clone, day, burden (absolute, the same for all samples of a day).
    """
    burden = truth.groupby(["clone", "day"])["burden"].mean()
    with np.errstate(divide="ignore"):
        return np.log(burden)


def growth_table(dynamics: pd.DataFrame, truth: pd.DataFrame, *, matched: Mapping[str, str]) -> pd.DataFrame:
    """A row per interval of ``evolution.dynamics`` of a matched clone whose two days have a true burden.

    Returns
    -------
    DataFrame
        clone (true name), estimated, from_day, to_day, truth and estimate (net growth per month, ln(B2 / B1) /
        months of 30.4375 days; truth is -inf or inf where one burden is 0, NaN where both are), lower, upper (95%;
        missing on the side that is not known), bound.
    """
    back = {e: t for t, e in matched.items()}
    rows = dynamics.rename(columns={"clone": "estimated", "growth_per_month": "estimate"})
    rows = rows.assign(clone=text(rows["estimated"].map(back)))
    rows = rows.assign(bound=text(rows["bound"]) if "bound" in rows.columns else "")
    rows = numbers(rows, "from_day", "to_day", "estimate", "lower", "upper")
    log = true_growth(numbers(truth, "day", "burden"))
    known = [pd.MultiIndex.from_frame(rows[["clone", d]]).isin(log.index) for d in ("from_day", "to_day")]
    rows = rows[(rows["clone"] != "") & known[0] & known[1]].reset_index(drop=True)
    ends = [
        log.reindex(pd.MultiIndex.from_frame(rows[["clone", d]])).to_numpy(dtype=float) for d in ("from_day", "to_day")
    ]
    months = (rows["to_day"] - rows["from_day"]).to_numpy(dtype=float) / DAYS_PER_MONTH
    with np.errstate(invalid="ignore"):
        rows["truth"] = (ends[1] - ends[0]) / months
    return rows[list(GROWTH_COLUMNS)]


def growth_metrics(table: pd.DataFrame) -> dict[str, Any]:
    """Scores of a :func:`growth_table` (of one patient, or of many stacked).

    Returns
    -------
    dict
        error: median |estimate - truth| per month where growth is known at both ends (bound ``""``). coverage
        (_lower, _upper, _hits, _n): share of the 95% intervals with the truth, all rows; coverage_both,
        coverage_lower_bound, coverage_upper_bound: by bound (one-sided ones are wide: read them apart). Ideal .95.
        sign: share of known rows whose estimate has the sign of the truth (chance: s^2 + (1 - s)^2 at a share s of
        growing rows, .5 at s = .5); sign_decided: among rows whose interval lies on one side of 0.
    """
    rows = numbers(table, "truth", "estimate", "lower", "upper")
    known = rows[(rows["bound"] == "") & rows["estimate"].notna() & rows["truth"].notna()]
    signed = known[known["truth"] != 0]
    decided = rows[((rows["lower"] > 0) | (rows["upper"] < 0)) & rows["truth"].notna()]
    out: dict[str, Any] = {"error": median((known["estimate"] - known["truth"]).abs()), "n": len(rows)}
    out |= flat("coverage", coverage(rows["truth"], rows["lower"], rows["upper"]))
    for bound in BOUNDS:
        part = rows[rows["bound"] == bound]
        name = f"coverage_{bound}_bound" if bound else "coverage_both"
        out |= flat(name, coverage(part["truth"], part["lower"], part["upper"]))
    out |= flat("sign", share(int((np.sign(signed["estimate"]) == np.sign(signed["truth"])).sum()), len(signed)))
    right = np.where(decided["lower"] > 0, decided["truth"] > 0, decided["truth"] < 0)
    return out | flat("sign_decided", share(int(right.sum()), len(decided)))
