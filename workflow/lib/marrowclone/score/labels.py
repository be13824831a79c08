"""What clones were doing at each sampling day: labels against true labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from .cells import numbers, text
from .shares import f_score, flat, ratio, share

EXPANDING = "expanding"
DORMANT = ("dormant-compatible", "dormant, supported")
#: Words that are no statement, in an answer or in truth (a first day has no growth).
NO_CALL = ("", "not assessable", "undecided", "first")
KEY = ["clone", "day"]
LABEL_COLUMNS = ("label", "precision", "recall", "f1", "hits", "called", "real", "n")


def label_table(found: pd.DataFrame, truth: pd.DataFrame, *, matched: Mapping[str, str]) -> pd.DataFrame:
    """Every label that a matched clone has on a day, in truth or in the answer.

    Parameters
    ----------
    found
        ``evolution.labels``: clone, day, label; several rows per clone and day are several labels.
    truth
        ``truth/labels.tsv``: clone (true name), day, label. Only its clones and days are judged: leave out rows that
        no one could know (too few cells) before.

    Returns
    -------
    DataFrame
        clone, day, label, real, called. A clone and day without any label on either side keeps one row with the
        label ``""``, so that chance levels and n can be counted.
    """
    back = {e: t for t, e in matched.items()}
    said = found.assign(clone=text(found["clone"].map(back)), label=text(found["label"]))
    said, truth = numbers(said[said["clone"] != ""], "day"), numbers(truth, "day")
    places = truth.loc[truth["clone"].isin(list(matched)), KEY].drop_duplicates()
    real = truth.assign(label=text(truth["label"]))
    sides = []
    for rows in (real, said):
        rows = rows[~rows["label"].isin(NO_CALL)]
        sides.append(rows[[*KEY, "label"]].drop_duplicates().merge(places, on=KEY))
    both = sides[0].merge(sides[1], on=[*KEY, "label"], how="outer", indicator="side")
    both["real"], both["called"] = both["side"] != "right_only", both["side"] != "left_only"
    both = places.merge(both.drop(columns="side"), on=KEY, how="left")
    both["label"] = both["label"].fillna("")
    for side in ("real", "called"):
        both[side] = both[side].eq(True)
    return both[[*KEY, "label", "real", "called"]]


def label_scores(table: pd.DataFrame) -> pd.DataFrame:
    """Precision, recall, F1 per label of a :func:`label_table` (of one patient, or stacked with a column patient).

    ``n``: clones and days that were judged. "not assessable" and "undecided" are no call: they cost recall only.
    Chance: precision = share of places with the label, recall = share of places called so.
    """
    n = places(table)
    rows = [
        {"label": label} | f_score((g["real"] & g["called"]).sum(), g["called"].sum(), g["real"].sum()) | {"n": n}
        for label, g in table[table["label"] != ""].groupby("label", sort=True)
    ]
    return pd.DataFrame(rows, columns=list(LABEL_COLUMNS))


def places(table: pd.DataFrame) -> int:
    """Number of (patient,) clone and day in a :func:`label_table`."""
    return len(table[[c for c in ("patient", *KEY) if c in table.columns]].drop_duplicates())


def label_metrics(table: pd.DataFrame) -> dict[str, Any]:
    """Numbers that are not per label.

    Returns
    -------
    dict
        false_dormant (_lower, _upper, _hits, _n): of the clones and days that are truly expanding (doubling within
        a year), the share called dormant; ideal 0, chance the share called dormant anywhere. no_call: share of
        places where truth has a label and the answer none. n: places.
    """
    key = [c for c in ("patient", *KEY) if c in table.columns]
    by = table.assign(
        fast=table["real"] & (table["label"] == EXPANDING),
        dormant=table["called"] & table["label"].isin(DORMANT),
    ).groupby(key)[["fast", "dormant", "real", "called"]].any()  # fmt: skip
    fast = by[by["fast"]]
    out: dict[str, Any] = flat("false_dormant", share(int(fast["dormant"].sum()), len(fast)))
    spoken = by[by["real"]]
    return out | {"no_call": ratio((~spoken["called"]).sum(), len(spoken)), "n": len(by)}
