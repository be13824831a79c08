"""From answers to numbers: every metric of a case or of a run, as rows of one long table.

A row is: seed, scenario, patient, tool, metric, value, lower, upper, n. What cannot be computed has no row.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from marrowclone.resources import gene_table
from marrowclone.score import arms, calibration, calls, cells, clones

from .case import QUERY, Case
from .methods import Answer

COLUMNS = ("seed", "scenario", "patient", "tool", "metric", "value", "lower", "upper", "n")
#: Mean count per query cell from which a gene counts for the size of an arm event.
READABLE = 0.02
Row = dict[str, Any]


class Rows:
    """Rows of one case or run; keeps what they have in common."""

    def __init__(self, **common: Any) -> None:
        self.common = common
        self.rows: list[Row] = []

    def add(self, metric: str, value: Any, *, lower: Any = math.nan, upper: Any = math.nan, n: Any = math.nan) -> None:
        """One value; NaN is left out."""
        if value is None or value != value:
            return
        self.rows.append(
            {**self.common, "metric": metric, "value": float(value), "lower": lower, "upper": upper, "n": n}
        )

    def share(self, metric: str, values: Mapping[str, Any], key: str) -> None:
        """A share with its interval, as :func:`marrowclone.score.shares.flat` names them."""
        ends = {end: values.get(f"{key}_{end}", math.nan) for end in ("lower", "upper")}
        self.add(metric, values.get(key), **ends, n=values.get(f"{key}_n", values.get("n", math.nan)))


def judge_case(case: Case, answer: Answer, *, seed: int, tool: str) -> tuple[list[Row], pd.DataFrame, pd.DataFrame]:
    """Metrics of one answer, its arm events, and its calls with probability (for the pooled calibration).

    Returns
    -------
    rows; the event table of :func:`marrowclone.score.arms.event_table`; a table p, right, kind (``call``: of
    being malignant; ``clone``: of the clone).
    """
    rows = Rows(seed=seed, scenario=case.name, patient=case.patient, tool=tool)
    query = case.obs[case.obs["role"] == QUERY].reset_index(drop=True)
    healthy = not len(case.truth["clones"])
    answered = answer.cells[answer.cells["cell"].isin(query["cell"])]
    if "calls" in answer.answers:
        _calls(rows, calls.call_metrics(answered, query, healthy=[case.patient] if healthy else []))
        _by_timepoint(rows, answered, query)
        rows.add("malignant ECE", calls.call_calibration(answered, query).get("ece_count"))
    per = clones.per_clone(answered, query)
    if "clones" in answer.answers:
        _clones(rows, clones.clone_metrics(answered, query), per)
        rows.add("clones of doublets", doublet_clones(answered, query))
    events = _arms(rows, case, answer, query, per)
    return (
        rows.rows,
        events.assign(seed=seed, scenario=case.name, patient=case.patient, tool=tool),
        _certain(answered, query, per),
    )


def _calls(rows: Rows, m: Mapping[str, Any]) -> None:
    for name, key in (("F1", "f1"), ("precision", "precision"), ("recall", "recall")):
        if m["real"]:
            rows.add(f"malignant {name}", m[key], n=m["real"])
    if m["real"]:
        rows.add("malignant AUC", m["auc"], n=m["n"])
        rows.add("malignant F1 at the best threshold", m["best_f1"], n=m["n"])
    rows.share("malignant false-positive rate", m, "fpr")
    rows.share("malignant false-positive rate", m, "fpr_healthy")
    rows.add("malignant unassigned share", m["unassigned"], n=m["n"])


def _by_timepoint(rows: Rows, answered: pd.DataFrame, query: pd.DataFrame) -> None:
    """Recall and precision of each capture: a rich diagnosis must not cover what a poor timepoint misses."""
    if query["timepoint"].nunique() < 2:
        return
    for timepoint, part in query.groupby("timepoint", sort=False):
        m = calls.call_metrics(answered[answered["cell"].isin(part["cell"])], part)
        if m["real"]:
            rows.add(f"malignant recall at {timepoint}", m["recall"], n=m["real"])
            rows.add(f"malignant precision at {timepoint}", m["precision"], n=m["called"])


def doublet_clones(answered: pd.DataFrame, query: pd.DataFrame) -> int:
    """Estimated clones of 20 or more cells of which more than half are doublets; 0 is best."""
    named = answered[answered["clone"] != ""].merge(query[["cell", "doublet"]], on="cell")
    by = named.assign(doublet=named["doublet"].astype(bool)).groupby("clone")["doublet"].agg(["size", "mean"])
    return int(((by["size"] >= clones.INVENTED_CELLS) & (by["mean"] > 0.5)).sum())


def _clones(rows: Rows, m: Mapping[str, Any], per: pd.DataFrame) -> None:
    n = m["n"]
    if m["n_true"] > 1:
        # one who can name clones and names none has all cells in one group, which is worth an index of 0
        rows.add("clone ARI", 0.0 if math.isnan(m["ari"]) else m["ari"], n=n)
        rows.add("clone ARI among assigned cells", m["ari_assigned"], n=n)
        rows.add("share of cells assigned", m["assigned"], n=n)
        rows.add("clone ARI among sure cells", m["ari_confident"], n=n)
        rows.add("share of sure cells", m["confident"], n=n)
        rows.add("clone posterior ECE", m["ece_count"], n=m["n_posterior"])
        rows.add("smallest detected clone", clones.smallest_detectable(per), n=len(per))
    rows.add("clones found", m["n_found"], n=n)
    rows.add("clones invented", m["invented"], n=n)
    rows.add("clone-capture ARI beyond truth", m["leakage"], n=n)


def _arms(rows: Rows, case: Case, answer: Answer, query: pd.DataFrame, per: pd.DataFrame) -> pd.DataFrame:
    """Arm events; a tool that gives no call gets the threshold that suits it best, given the truth."""
    truth, called = case.truth["arms"], answer.arms
    sampled = {str(c): float(s) for c, s in zip(per["clone"], per["share"], strict=True)}
    empty = pd.DataFrame(columns=[*arms.EVENT_COLUMNS])
    if not len(called):
        if sampled and "arms" in answer.answers:  # it could have said something: every event was missed
            n = len(arms.event_set(truth, sampled))
            rows.add("arm event F1", 0.0, n=n)
            rows.add("arm event recall", 0.0, n=n)
        return empty
    if not sampled:
        rows.add("false arm events in a healthy person", arms.diploid_events([called])["value"])
        return empty
    if not called["call"].fillna("").ne("").any():
        called, _ = arms.threshold_events(called, truth, clones=sampled)
    patient = arms.patient_events(called, truth, clones=sampled)
    for name, key in (("F1", "f1"), ("precision", "precision"), ("recall", "recall")):
        rows.add(f"arm event {name}", patient[key], n=patient["real"])
    false = arms.event_set(called) - arms.event_set(truth, sampled)
    rows.add("false arm losses", sum(e[2] == "loss" for e in false))
    rows.add("false arm events", len(false))
    matched = dict(zip(per["clone"], per["estimated"], strict=True))
    table = arms.event_table(
        called, truth, matched={k: v for k, v in matched.items() if v}, shares=sampled, n_genes=_readable(case, query)
    )
    right = arms.state_accuracy(table)
    rows.add("integer state accuracy", right["value"], n=right["n"])
    # a clone that no one found is the fault of the clones, and counts there
    whole = arms.state_right(table[table["clone"].isin([k for k, v in matched.items() if v])])
    rows.add("integer state right", whole["value"], n=whole["n"])
    return table


def _readable(case: Case, query: pd.DataFrame) -> dict[tuple[str, str], int]:
    """Readable genes per arm in this patient's query cells."""
    at = np.flatnonzero(case.obs["cell"].isin(query["cell"]).to_numpy())
    mean = np.asarray(case.counts[at].mean(axis=0)).ravel()
    genes = gene_table()
    readable = genes[(mean >= READABLE) & (genes["locus"] == "").to_numpy()]
    return {k: int(v) for k, v in readable.groupby(["chromosome", "arm"]).size().items()}


def _certain(answered: pd.DataFrame, query: pd.DataFrame, per: pd.DataFrame) -> pd.DataFrame:
    """Probabilities with what was right: of the malignant call, and of the clone."""
    both = cells.beside(answered, query)
    own = both[both["malignant"] & (both["clone"] != "") & both["posterior"].notna()]
    matched = dict(zip(per["clone"], per["estimated"], strict=True))
    of_clone = pd.DataFrame({"p": own["posterior"], "right": own["clone"] == own["true"].map(matched), "kind": "clone"})
    known = both[both["p_malignant"].notna()]
    of_call = pd.DataFrame({"p": known["p_malignant"], "right": known["malignant"], "kind": "call"})
    return pd.concat([of_call, of_clone], ignore_index=True)


def reliability(certain: pd.DataFrame) -> pd.DataFrame:
    """Reliability tables of pooled probabilities, per tool and kind (``call``, ``clone``)."""
    parts = [
        calibration.reliability(g["p"], g["right"], by="width").assign(tool=tool, kind=kind)
        for (tool, kind), g in certain.groupby(["tool", "kind"], sort=True)
    ]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
