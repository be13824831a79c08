"""Results against a known truth: malignant calls, clones, their fractions, arm events, burden.

Every function takes one patient's result tables and that patient's truth and returns rows
of the truth table. Nothing is left out because it is bad; what cannot be compared gives no
row. Quantities are named in :data:`marrowclone.report.truth_table.HEADLINE`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import adjusted_rand_score

from ..keys import MALIGNANT, TABLES, UNASSIGNED
from ..score.arms import event_set
from ..score.clones import match_clones
from ..score.shares import covers, jeffreys
from .truth_table import COHORT

COLUMNS = (*TABLES["report.truth"], "n", "note")
Row = dict[str, Any]


@dataclass(frozen=True)
class Truth:
    """The truth of one patient: rows of the simulator's tables.

    ``cells``: cell, sample, cell_type, malignant, clone, doublet. ``arms``: clone,
    chromosome, arm, state. ``fractions``: clone, sample, timepoint, day, fraction, burden.
    """

    cells: pd.DataFrame
    arms: pd.DataFrame
    fractions: pd.DataFrame


@dataclass(frozen=True)
class Found:
    """What the run found in one patient: contract tables."""

    malignant: pd.DataFrame
    clone_cells: pd.DataFrame
    arms: pd.DataFrame
    fractions: pd.DataFrame
    burden: pd.DataFrame


def row(patient: str, quantity: str, **values: Any) -> Row:
    """A row of the truth table; what is not given is missing."""
    blank: Row = dict.fromkeys(COLUMNS, math.nan) | {"timepoint": "", "clone": "", "unit": "", "note": ""}
    return blank | {"patient": patient, "quantity": quantity} | values


def share_row(patient: str, quantity: str, hits: int, n: int, *, ideal: float, note: str = "") -> list[Row]:
    """A share with its Jeffreys 95% interval (cells taken as independent); no row when ``n`` is 0."""
    if n == 0:
        return []
    lower, upper = jeffreys(hits, n)
    return [
        row(
            patient, quantity, truth=ideal, estimate=hits / n, lower=lower, upper=upper, unit="share", n=n, note=note
        )
    ]  # fmt: skip


def call_counts(truth: Truth, found: Found) -> dict[str, int]:
    """Counts behind the shares of malignant calls.

    True doublets are left out: whether a doublet of a malignant and a normal cell is
    malignant has no right answer.
    """
    cells = truth.cells[~truth.cells["doublet"].astype(bool)]
    calls = found.malignant.set_index("cell")["call"].reindex(cells["cell"]).to_numpy(dtype=object)
    is_malignant = cells["malignant"].astype(bool).to_numpy()
    is_normal = ~is_malignant & (cells["cell_type"] == "plasma").to_numpy()
    examined = ~pd.isna(calls)
    called = calls == MALIGNANT
    return {
        "true": int(is_malignant.sum()),
        "examined_true": int((is_malignant & examined).sum()),
        "examined_normal": int((is_normal & examined).sum()),
        "examined": int(examined.sum()),
        "called": int(called.sum()),
        "hits": int((called & is_malignant).sum()),
        "false_normal": int((called & is_normal).sum()),
        "unassigned": int((calls == UNASSIGNED).sum()),
    }


def call_rows(patient: str, k: Mapping[str, int]) -> list[Row]:
    """Precision, recall, F1, false-positive rate, unassigned share."""
    rows = share_row(patient, "malignant precision", k["hits"], k["called"], ideal=1)
    rows += share_row(patient, "malignant recall", k["hits"], k["examined_true"], ideal=1, note="of cells examined")
    if k["called"] + k["examined_true"] > 0 and k["true"] > 0:
        f1 = 2 * k["hits"] / (k["called"] + k["examined_true"])
        rows.append(row(patient, "malignant F1", truth=1, estimate=f1, unit="share", n=k["examined"]))
    rows += share_row(
        patient, "malignant false-positive rate", k["false_normal"], k["examined_normal"], ideal=0,
        note="of normal plasma cells examined",
    )  # fmt: skip
    rows += share_row(patient, "malignant unassigned share", k["unassigned"], k["examined"], ideal=0)
    rows += share_row(
        patient, "tumour-type cells found", k["examined_true"], k["true"], ideal=1,
        note="true malignant cells that passed QC and were typed as tumour type",
    )  # fmt: skip
    return rows


def shared_cells(truth: Truth, found: Found) -> pd.DataFrame:
    """Cells with a true and an estimated clone: columns cell, true, estimated."""
    own = truth.cells[truth.cells["malignant"].astype(bool) & ~truth.cells["doublet"].astype(bool)]
    named = found.clone_cells[found.clone_cells["clone"] != ""]
    both = own[["cell", "clone"]].merge(named[["cell", "clone"]], on="cell", suffixes=("_true", "_estimated"))
    return both.rename(columns={"clone_true": "true", "clone_estimated": "estimated"})


def clone_rows(patient: str, truth: Truth, found: Found) -> tuple[list[Row], dict[str, str]]:
    """ARI and number of clones; with them the matching of clones."""
    both = shared_cells(truth, found)
    matched = match_clones(both)
    sampled = truth.cells.loc[truth.cells["malignant"].astype(bool), "clone"].nunique()
    rows: list[Row] = []
    if len(both):
        score = float(adjusted_rand_score(both["true"], both["estimated"]))
        rows.append(row(patient, "clone ARI", truth=1, estimate=score, unit="index", n=len(both)))
    if sampled:
        estimated = found.clone_cells.loc[found.clone_cells["clone"] != "", "clone"].nunique()
        note = "; ".join(f"{t} is {e}" for t, e in sorted(matched.items()))
        rows.append(row(patient, "number of clones", truth=sampled, estimate=estimated, unit="clones", note=note))
    return rows, matched


def fraction_rows(patient: str, truth: Truth, found: Found, matched: Mapping[str, str]) -> list[Row]:
    """Fraction of every true clone in every sample where both truth and estimate have one."""
    rows: list[Row] = []
    table = found.fractions[found.fractions["n_malignant"] > 0].set_index(["sample", "clone"])
    for true in truth.fractions[truth.fractions["fraction"].notna()].to_dict("records"):
        key = (true["sample"], matched.get(true["clone"], ""))
        values: Row = {"truth": true["fraction"], "timepoint": true["timepoint"], "clone": true["clone"]}
        if key in table.index:
            hit = table.loc[key]
            values |= {
                "estimate": hit["fraction"], "lower": hit["lower"], "upper": hit["upper"], "n": hit["n_malignant"],
                "note": f"matched to {key[1]}",
            }  # fmt: skip
        else:
            values["note"] = "no malignant cell in the sample" if key[1] else "clone not found"
        rows.append(row(patient, "clone fraction", unit="share", **values))
    return rows


def arm_counts(truth: Truth, found: Found) -> tuple[int, int, int]:
    """(events right, events called, true events) over arms that can be read, in any sampled clone of the patient.

    Short arms of acrocentric chromosomes carry hardly a gene: a trisomy 13 is one event of 13q.
    """
    sampled = set(truth.cells.loc[truth.cells["malignant"].astype(bool), "clone"])
    real, called = event_set(truth.arms, sampled), event_set(found.arms)
    return len(real & called), len(called), len(real)


def arm_rows(patient: str, counts: tuple[int, int, int]) -> list[Row]:
    """Precision and recall of arm events."""
    right, called, real = counts
    return [
        *share_row(patient, "arm event precision", right, called, ideal=1),
        *share_row(patient, "arm event recall", right, real, ideal=1),
    ]


def burden_rows(patient: str, truth: Truth, found: Found) -> list[Row]:
    """Whole burden of every sample with a source in use."""
    rows: list[Row] = []
    used = found.burden[found.burden["used"].eq(True)].drop_duplicates("sample").set_index("sample")
    totals = truth.fractions.groupby(["day", "timepoint", "sample"], sort=True)[["burden"]].sum().reset_index()
    for true in totals.to_dict("records"):
        sample = true["sample"]
        if sample not in used.index:
            continue
        hit = used.loc[sample]
        rows.append(
            row(
                patient, "burden", timepoint=true["timepoint"], truth=float(true["burden"]), estimate=hit["burden"],
                lower=hit["burden_lower"], upper=hit["burden_upper"], unit="share", note=str(hit["source"]),
            )
        )  # fmt: skip
    return rows


def interval_summary(patient: str, rows: Sequence[Row], quantity: str) -> list[Row]:
    """Error and interval coverage of fractions or burden, over rows that have an estimate or a bound."""
    mine = [r for r in rows if r["quantity"] == quantity]
    out: list[Row] = []
    if quantity == "burden":
        pairs = [(r["estimate"], r["truth"]) for r in mine if r["estimate"] > 0 and r["truth"] > 0]
        if pairs:
            error = float(np.median([abs(math.log10(e / t)) for e, t in pairs]))
            name = "burden, median absolute log10 error"
            out.append(row(patient, name, truth=0, estimate=error, unit="log10", n=len(pairs)))
    else:
        errors = [abs(r["estimate"] - r["truth"]) for r in mine if not math.isnan(r["estimate"])]
        if errors:
            name = "clone fraction, median absolute error"
            out.append(row(patient, name, truth=0, estimate=float(np.median(errors)), unit="share", n=len(errors)))
    bounded = [r for r in mine if not math.isnan(r["upper"])]
    truth, lower, upper = ([r[c] for r in bounded] for c in ("truth", "lower", "upper"))
    hits = int(covers(truth, lower, upper).sum())
    return out + share_row(patient, f"{quantity}, intervals with the truth", hits, len(bounded), ideal=0.95)


def compare(pairs: Iterable[tuple[str, Truth, Found]]) -> pd.DataFrame:
    """Compare every patient, then the cohort as a whole (patient ``all``).

    Parameters
    ----------
    pairs
        (patient, truth, result) in the order of the table.

    Returns
    -------
    DataFrame with the contract's columns of ``report.truth``, then n (what the estimate
    rests on) and note.
    """
    patients: list[Row] = []
    calls: dict[str, int] = {}
    arms = np.zeros(3, dtype=int)
    scores: list[tuple[float, int]] = []
    for patient, truth, found in pairs:
        counts = call_counts(truth, found)
        calls = {k: calls.get(k, 0) + v for k, v in counts.items()}
        clones, matched = clone_rows(patient, truth, found)
        scores += [(r["estimate"], int(r["n"])) for r in clones if r["quantity"] == "clone ARI"]
        events = arm_counts(truth, found)
        arms += events
        detail = [*fraction_rows(patient, truth, found, matched), *burden_rows(patient, truth, found)]
        patients += call_rows(patient, counts) + clones + arm_rows(patient, events)
        patients += interval_summary(patient, detail, "clone fraction") + interval_summary(patient, detail, "burden")
        patients += detail
    whole: list[Row] = []
    if calls:
        whole += call_rows(COHORT, calls)
        if scores:
            median = float(np.median([s for s, _ in scores]))
            n = sum(n for _, n in scores)
            whole.append(
                row(COHORT, "clone ARI", truth=1, estimate=median, unit="index", n=n, note="median of patients")
            )
        whole += arm_rows(COHORT, (int(arms[0]), int(arms[1]), int(arms[2])))
        whole += interval_summary(COHORT, patients, "clone fraction") + interval_summary(COHORT, patients, "burden")
    return pd.DataFrame([*whole, *patients], columns=list(COLUMNS))
