"""Tiers of the cure spectrum at each landmark, against true tiers and against who relapsed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from .cells import need, numbers, text
from .shares import flat, mean, share

TIERS = ("T0", "T1", "T2", "T3", "T4", "T5")
#: Said of a landmark that has no tier.
NONE = "not assessable"
#: The tiers that speak of cure, and the years after them without relapse that this needs [J].
CURE_LIKE, YEARS = ("T4", "T5"), 5.0
DAYS_PER_YEAR = 365.25


def tier_table(found: pd.DataFrame, truth: pd.DataFrame) -> pd.DataFrame:
    """Landmarks (patient, day) that both tables have.

    Parameters
    ----------
    found
        ``cure.landmarks``: patient, day, tier (``T3``; ``T4a`` counts as T4; empty = not assessable), p_t0 ... p_t5.
    truth
        ``truth/tiers.tsv``: patient, day, tier, relapse_day (first day of true progression after the landmark;
        empty when none within the time that was followed).

    Returns
    -------
    DataFrame
        patient, day, true, tier (``""`` = none), p_true (probability that the answer gives the true tier; NaN
        without), relapses (within five years after the landmark), cure_like (tier T4 or T5 in the answer).
    """
    need(found, ("patient", "day", "tier"), "landmarks")
    need(truth, ("patient", "day", "tier", "relapse_day"), "true tiers")
    real = truth[["patient", "day", "tier", "relapse_day"]].rename(columns={"tier": "true"})
    rows = numbers(real, "day", "relapse_day").merge(numbers(found, "day"), on=["patient", "day"])
    rows["true"], rows["tier"] = text(rows["true"]).str[:2], text(rows["tier"]).str[:2]
    names = [f"p_{t.lower()}" for t in TIERS]
    p = rows.reindex(columns=names).apply(pd.to_numeric, errors="coerce").to_numpy(dtype=float)
    which = rows["true"].map({t: i for i, t in enumerate(TIERS)}).to_numpy(dtype=float)
    known = ~np.isnan(which)
    rows["p_true"] = np.nan
    rows.loc[known, "p_true"] = p[known, which[known].astype(int)]
    wait = rows["relapse_day"] - rows["day"]
    rows["relapses"] = (wait > 0) & (wait <= YEARS * DAYS_PER_YEAR)
    rows["cure_like"] = rows["tier"].isin(CURE_LIKE)
    return rows[["patient", "day", "true", "tier", "p_true", "relapses", "cure_like"]]


def tier_metrics(table: pd.DataFrame) -> dict[str, Any]:
    """Scores of a :func:`tier_table`.

    Returns
    -------
    dict
        exact, within_one (_lower, _upper, _hits, _n): share of landmarks with the true tier, and at most one off; a
        landmark without a tier is a miss where truth has one. Chance of exact: the sum over tiers of (share in truth
        x share in the answer). p_true: mean probability given to the true tier, in [0, 1]. false_cure: of the
        landmarks of patients who truly relapse within five years after it, the share called T4 or T5; ideal 0,
        chance the share of T4 and T5 anywhere; patients_at_risk: how many patients these landmarks are of.
        Landmarks of one patient are not independent: the intervals are too narrow.
    """
    rows = table[table["true"].isin(TIERS)]
    order = {t: i for i, t in enumerate(TIERS)}
    off = (rows["tier"].map(order) - rows["true"].map(order)).abs()
    out: dict[str, Any] = {"p_true": mean(rows["p_true"]), "n": len(rows)}
    out |= flat("exact", share(int((off == 0).sum()), len(rows)))
    out |= flat("within_one", share(int((off <= 1).sum()), len(rows)))
    at_risk = table[table["relapses"]]
    out |= flat("false_cure", share(int(at_risk["cure_like"].sum()), len(at_risk)))
    return out | {"patients_at_risk": at_risk["patient"].nunique()}


def confusion(table: pd.DataFrame) -> pd.DataFrame:
    """Landmarks by true tier (rows) and the answer's (columns, the last ``not assessable``); counts."""
    found = table["tier"].where(table["tier"].isin(TIERS), NONE)
    counts = pd.crosstab(table["true"], found)
    return counts.reindex(index=list(TIERS), columns=[*TIERS, NONE], fill_value=0)
