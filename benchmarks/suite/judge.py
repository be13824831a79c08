"""From answers to numbers: every metric of a case or of a run, as rows of one long table.

A row is: seed, scenario, patient, tool, metric, value, lower, upper, n. What cannot be computed has no row.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from marrowclone.resources import gene_table
from marrowclone.score import arms, calibration, calls, cells, clones, fractions, growth, labels, tiers, trees

from .case import QUERY, Case
from .methods import Answer
from .road import Road

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
    oracle = answer.note == "oracle"
    if not oracle:
        _calls(rows, calls.call_metrics(answered, query, healthy=[case.patient] if healthy else []))
        rows.add("malignant ECE", calls.call_calibration(answered, query).get("ece_count"))
    # "malignant" and "clone" of cells that are no tumour's do not matter to clones
    metrics = clones.clone_metrics(answered, query)
    per = clones.per_clone(answered, query)
    if answered["clone"].ne("").any() or healthy:
        _clones(rows, metrics, per)
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


def _clones(rows: Rows, m: Mapping[str, Any], per: pd.DataFrame) -> None:
    n = m["n"]
    if m["n_true"] > 1:
        rows.add("clone ARI", m["ari"], n=n)
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


def judge_road(
    road: Road, patients: Mapping[str, Iterable[str]], truth: Mapping[str, pd.DataFrame], *, seed: int, tool: str
) -> tuple[list[Row], dict[str, pd.DataFrame]]:
    """Metrics of the whole workflow, per patient.

    Parameters
    ----------
    patients
        scenario -> its patients.
    truth
        the cohort's truth tables, ``cells`` among them.

    Returns
    -------
    rows; and the stacked tables behind them (fractions, burden, growth, labels, tiers, support), with patient and
    scenario.
    """
    out: list[Row] = []
    stacks: dict[str, list[pd.DataFrame]] = {}
    landmarks = road.table("cure/landmarks.tsv")
    for scenario, names in patients.items():
        for patient in names:
            mine = {k: t[t["patient"] == patient].reset_index(drop=True) for k, t in truth.items()}
            rows = Rows(seed=seed, scenario=scenario, patient=patient, tool=tool)
            tables = _patient_tables(rows, road, patient, mine)
            if landmarks is not None and "tiers" in mine:
                tables["tiers"] = tiers.tier_table(landmarks[landmarks["patient"] == patient], mine["tiers"])
                rows.share("tier agreement", tiers.tier_metrics(tables["tiers"]), "exact")
            for name, table in tables.items():
                stacks.setdefault(name, []).append(table.assign(patient=patient, scenario=scenario))
            out += rows.rows
    return out, {k: pd.concat(v, ignore_index=True) for k, v in stacks.items()}


def _patient_tables(rows: Rows, road: Road, patient: str, truth: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    of_clones = road.table(f"clones/{patient}.cells.tsv.gz")
    malignant = road.table(f"copy_number/{patient}.malignant.tsv.gz")
    tables: dict[str, pd.DataFrame] = {}
    _quality(rows, road, truth["cells"])
    if malignant is None or of_clones is None:
        return tables
    answer = malignant[["cell", "call", "p_malignant"]].merge(of_clones, on="cell", how="left")
    answer["clone"] = answer["clone"].fillna("")
    healthy = not len(truth["clones"])
    m = calls.call_metrics(answer, truth["cells"], healthy=[patient] if healthy else [])
    rows.add("road: malignant F1", m["f1"] if m["real"] else math.nan, n=m["real"])
    rows.share("road: malignant false-positive rate", m, "fpr_healthy" if healthy else "fpr")
    metrics = clones.clone_metrics(answer, truth["cells"])
    rows.add("road: clones found", metrics["n_found"])
    rows.add("road: clone ARI", metrics["ari"], n=metrics["n"])
    matched = clones.matching(answer, truth["cells"])
    found = {
        k: road.table(f"evolution/{patient}.{k}.tsv") for k in ("fractions", "burden", "dynamics", "tree", "labels")
    }
    if found["fractions"] is not None and not healthy:
        tables["fractions"] = fractions.fraction_table(
            found["fractions"], truth["fractions"], truth["cells"], matched=matched
        )
        values = fractions.fraction_metrics(tables["fractions"])
        rows.add("clone fraction error", values["error"], n=values["n"])
        rows.share("clone fraction coverage", values, "coverage")
    if found["burden"] is not None and not healthy:
        tables["burden"] = fractions.burden_table(found["burden"], truth["fractions"])
        values = fractions.burden_metrics(tables["burden"])
        rows.add("burden log10 error", values["error"], n=values["n"])
        rows.share("burden coverage", values, "coverage")
    if found["dynamics"] is not None and len(found["dynamics"]) and not healthy:
        tables["growth"] = growth.growth_table(found["dynamics"], truth["fractions"], matched=matched)
        values = growth.growth_metrics(tables["growth"])
        rows.add("growth error per month", values["error"], n=values["n"])
        rows.share("growth coverage", values, "coverage")
    if found["tree"] is not None and len(truth["clones"]) > 1:
        real = trees.parents_of(truth["clones"], "clone")
        values = trees.tree_metrics(real, trees.parents_of(found["tree"], "branch"), matched=matched)
        rows.add("tree ancestor recall", values["recall"], n=values["real"])
        rows.add("tree ancestor precision", values["precision"], n=values["called"])
        rows.add("tree distance", values["distance"], n=values["n"])
        tables["support"] = trees.support_table(real, found["tree"], matched=matched)
    if found["labels"] is not None and len(found["labels"]) and len(truth["labels"]):
        # what no sample could show is not asked: three cells of the clone, now or on an earlier day (science 4.5)
        knowable = truth["labels"][["expected_cells", "most_cells_before"]].max(axis=1) >= 3
        tables["labels"] = labels.label_table(found["labels"], truth["labels"][knowable], matched=matched)
    return tables


def _quality(rows: Rows, road: Road, truth: pd.DataFrame) -> None:
    """What quality control kept: cells, empty droplets, doublets, cycling plasma cells."""
    parts = [road.table(f"cells/{s}.qc.tsv.gz") for s in truth["sample"].unique()]
    if any(p is None for p in parts) or not parts:
        return
    qc = pd.concat([p for p in parts if p is not None], ignore_index=True)
    kept = truth["cell"].map(qc.set_index("cell")["keep"]).eq(True)
    good = (truth["quality"] == "good") & ~truth["doublet"].astype(bool)
    plasma = good & (truth["cell_type"] == "plasma")
    for name, group in (
        ("good cells kept", good), ("empty droplets kept", truth["quality"] == "empty"),
        ("dying cells kept", truth["quality"] == "dying"),
        ("doublets kept", truth["doublet"].astype(bool) & (truth["quality"] == "good")),
        ("cycling plasma cells kept", plasma & truth["cycling"].astype(bool)),
        ("other plasma cells kept", plasma & ~truth["cycling"].astype(bool)),
    ):  # fmt: skip
        if group.any():
            rows.add(name, kept[group].mean(), n=int(group.sum()))


def pooled(stacks: Mapping[str, pd.DataFrame], *, seed: int, tool: str) -> list[Row]:
    """Metrics over all patients of a run: coverage and calibration need more rows than one patient has."""
    rows = Rows(seed=seed, scenario="all", patient="all", tool=tool)
    if "fractions" in stacks:
        values = fractions.fraction_metrics(stacks["fractions"])
        rows.add("clone fraction error", values["error"], n=values["n"])
        rows.share("clone fraction coverage", values, "coverage")
        rows.share("clone fraction coverage of the captured cells", values, "coverage_sampled")
    if "burden" in stacks:
        values = fractions.burden_metrics(stacks["burden"])
        rows.add("burden log10 error", values["error"], n=values["n"])
        rows.share("burden coverage", values, "coverage")
    if "growth" in stacks:
        values = growth.growth_metrics(stacks["growth"])
        rows.add("growth error per month", values["error"], n=values["n"])
        rows.share("growth coverage", values, "coverage")
        rows.share("growth has the right sign", values, "sign")
    if "labels" in stacks:
        for row in labels.label_scores(stacks["labels"]).to_dict("records"):
            rows.add(f"label {row['label']}: precision", row["precision"], n=row["called"])
            rows.add(f"label {row['label']}: recall", row["recall"], n=row["real"])
        rows.share("fast clones called dormant", labels.label_metrics(stacks["labels"]), "false_dormant")
    if "tiers" in stacks:
        values = tiers.tier_metrics(stacks["tiers"])
        rows.share("tier agreement", values, "exact")
        rows.share("tier within one", values, "within_one")
        rows.share("false T4 or T5 before relapse", values, "false_cure")
    if "support" in stacks and len(stacks["support"]):
        table = stacks["support"]
        sure = table[table["support"] >= 0.9]
        rows.add("tree branches with support >= 0.9 that are right", sure["right"].mean(), n=len(sure))
    return rows.rows


def reliability(certain: pd.DataFrame) -> pd.DataFrame:
    """Reliability tables of pooled probabilities, per tool and kind (``call``, ``clone``)."""
    parts = [
        calibration.reliability(g["p"], g["right"], by="width").assign(tool=tool, kind=kind)
        for (tool, kind), g in certain.groupby(["tool", "kind"], sort=True)
    ]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
