"""From the tables of the whole workflow to numbers, per patient and pooled."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import pandas as pd

from marrowclone.score import calls, clones, fractions, growth, labels, tiers, trees

from .judge import Row, Rows
from .road import Road

#: Of the patients whose marrow differs between punctures alone.
PATCHY = ", patchy marrow"


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
            swapped = (mine["cells"]["true_patient"] != mine["cells"]["patient"]).any()
            for name, table in tables.items() if not swapped else ():  # another patient's clones, by the same names
                stacks.setdefault(name, []).append(table.assign(patient=patient, scenario=scenario))
            out += rows.rows
    # an empty table among others says nothing about the columns' types
    return out, {k: pd.concat([t for t in v if len(t)] or v[:1], ignore_index=True) for k, v in stacks.items()}


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


def pooled(
    stacks: Mapping[str, pd.DataFrame], *, seed: int, tool: str, patchy: Iterable[str] = ()
) -> list[Row]:  # fmt: skip
    """Metrics over all patients of a run: coverage and calibration need more rows than one patient has.

    ``patchy``: patients whose marrow differs between punctures. Burden and growth are pooled over them apart: the
    model's intervals allow for that difference, and hold the truth too often where there is none.
    """
    rows = Rows(seed=seed, scenario="all", patient="all", tool=tool)
    if "fractions" in stacks:
        values = fractions.fraction_metrics(stacks["fractions"])
        rows.add("clone fraction error", values["error"], n=values["n"])
        rows.share("clone fraction coverage", values, "coverage")
        rows.share("clone fraction coverage of the captured cells", values, "coverage_sampled")
    for where, some in (("", None), (PATCHY, set(patchy))):
        part = {
            k: stacks[k] if some is None else stacks[k][stacks[k]["patient"].isin(some)]
            for k in ("burden", "growth") if k in stacks
        }  # fmt: skip
        if len(part.get("burden", ())):
            values = fractions.burden_metrics(part["burden"])
            rows.add(f"burden log10 error{where}", values["error"], n=values["n"])
            rows.share(f"burden coverage{where}", values, "coverage")
        if len(part.get("growth", ())):
            values = growth.growth_metrics(part["growth"])
            rows.add(f"growth error per month{where}", values["error"], n=values["n"])
            rows.share(f"growth coverage{where}", values, "coverage")
            rows.share(f"growth has the right sign{where}", values, "sign")
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
