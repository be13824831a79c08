"""What the chapter "evolution" says of a drawn patient, beside the truth and beside what could be known."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from .evolution_cases import ABSENT, ASPIRATE, ASSAY, MONTH, PROTEIN, YIELD, Patient, _site
from .evolution_run import Answer

YEARLY, TWO_YEARLY, QUICK = math.log(2) / 12, math.log(2) / 24, math.log(2) / 3
SORTED, UNSORTED, BLOOD = "CD138+", "none", "blood"
#: Draws of the oracle.
DRAWS = 4000
LEAST = 3


def fraction_rows(patient: Patient, answer: Answer) -> pd.DataFrame:
    """A row per sample and clone: true fraction and burden beside the intervals."""
    kind = {d.sample: d.kind for d in patient.draws}
    cells = {d.sample: int(d.malignant.sum()) for d in patient.draws}
    rows = answer.fractions.copy()
    index = rows["clone"].map({c: k for k, c in enumerate(patient.clones)}).to_numpy(dtype=int)
    at = patient.burden[rows["day"].to_numpy(dtype=int)]
    rows["true_burden"] = at[np.arange(len(rows)), index]
    rows["true_fraction"] = rows["true_burden"] / at.sum(axis=1)
    rows["kind"], rows["cells"] = rows["sample"].map(kind), rows["sample"].map(cells)
    return rows.assign(patient=patient.name)


def burden_rows(patient: Patient, answer: Answer) -> pd.DataFrame:
    """A row per sample with a burden in use: all clones together."""
    rows = answer.burden[answer.burden["used"].eq(True) & (answer.burden["sample"] != "")].copy()
    rows["truth"] = patient.burden[rows["day"].to_numpy(dtype=int)].sum(axis=1)
    rows["kind"] = rows["sample"].map({d.sample: d.kind for d in patient.draws})
    return rows.assign(patient=patient.name)


def growth_rows(patient: Patient, answer: Answer) -> pd.DataFrame:
    """A row per clone and interval: true growth beside its interval, and relative fitness."""
    rows = answer.dynamics.copy()
    index = rows["clone"].map({c: k for k, c in enumerate(patient.clones)}).to_numpy(dtype=int)
    ends = [patient.burden[rows[d].to_numpy(dtype=int)] for d in ("from_day", "to_day")]
    own = [e[np.arange(len(rows)), index] for e in ends]
    rest = [np.maximum(e.sum(axis=1) - o, 1e-300) for e, o in zip(ends, own, strict=True)]
    months = (rows["to_day"] - rows["from_day"]).to_numpy(dtype=float) / MONTH
    rows["truth"] = np.log(own[1] / own[0]) / months
    rows["true_fitness"] = (np.log(own[1] / rest[1]) - np.log(own[0] / rest[0])) / months
    rows["true_from"], rows["true_to"] = own
    return rows.assign(patient=patient.name, n_clones=len(patient.clones))


def true_state(patient: Patient, clone: int, i: int) -> str:
    """What a clone truly did between the sampling day before and sampling day ``i``."""
    days, level = patient.days, patient.burden[list(patient.days), clone]
    if level[i] < ABSENT:
        return "absent"
    rate = math.log(level[i] / level[i - 1]) / ((days[i] - days[i - 1]) / MONTH)
    if rate > QUICK:
        return "fast (doubling < 3 months)"
    if rate > YEARLY:
        return "expanding (3 to 12 months)"
    if rate < -YEARLY:
        return "contracting"
    if abs(rate) > TWO_YEARLY:
        return "drifting (12 to 24 months)"
    long = [j for j in range(i) if days[i] - days[j] >= 183 and ABSENT < level[j] <= 1e-2]
    return "at rest, low" if level[i] <= 1e-2 and long else "at rest, other"


def place_rows(patient: Patient, answer: Answer, *, seed: int) -> pd.DataFrame:
    """A row per clone and sampling day from the second on: true state, labels given, and what an oracle could say."""
    rng = np.random.default_rng([seed, 99])
    said = answer.labels.groupby(["clone", "day"])["label"].agg(lambda labels: "|".join(sorted(labels)))
    waking = (
        answer.labels[answer.labels["label"] == "reactivating"]
        .set_index(["clone", "day"])["evidence"].str.startswith("state-only").to_dict()
    )  # fmt: skip
    source = (
        answer.fractions[answer.fractions["burden_source"] != "none: blood"].groupby("day")["burden_source"].first()
    )
    captured = {d: _captured(patient, d) for d in patient.days}
    known = {day: _oracle_burden(patient, day, rng) for day in patient.days}
    proteins = patient.response.set_index("day")["m_protein"].to_dict()
    rows = []
    for i, (first, second) in enumerate(pairwise(patient.days), start=1):
        months = (second - first) / MONTH
        for k, clone in enumerate(patient.clones):
            if (clone, second) not in said.index:
                continue
            level = patient.burden[list(patient.days), k]
            row: dict[str, Any] = {
                "patient": patient.name, "theme": patient.theme, "clone": clone, "kind": patient.kinds[k],
                "day": second,
                "months": months, "truth": math.log(level[i] / level[i - 1]) / months,
                "state": true_state(patient, k, i), "labels": said[clone, second], "burden": level[i],
                "before": level[i - 1], "cells": int(captured[second][k]), "cells_before": int(captured[first][k]),
                "source": source.get(second, ""), "source_before": source.get(first, ""),
                "re_emergent": _re_emergent(patient, k, i, captured),
                "lowest_before": float(level[1:i].min()) if i > 1 else float("nan"),
                "rest_possible": _rest(patient, k, i, known, captured, rng),
                "by_state": bool(waking.get((clone, second), False)),
            }  # fmt: skip
            rows.append(row | _oracle(k, first, second, months, known, captured, proteins, patient, rng))
    out = pd.DataFrame(rows)
    if not out.empty:
        numbers = answer.labels.drop_duplicates(["clone", "day"])[
            ["clone", "day", "p_expanding", "p_contracting", "p_dormant_compatible", "p_reactivating"]
        ]
        out = out.merge(numbers, on=["clone", "day"], how="left")
    return out


def _captured(patient: Patient, day: int) -> np.ndarray:
    """(clones,) true malignant cells in the day's marrow captures."""
    parts = [d.malignant for d in patient.draws if d.day == day and d.kind != BLOOD]
    return np.sum(parts, axis=0) if parts else np.zeros(len(patient.clones))


def _oracle_burden(patient: Patient, day: int, rng: np.random.Generator) -> tuple[np.ndarray, bool] | None:
    """Draws of the total burden by one who knows every error's true law; whether it is only a bound.

    Of the assays that the ladder of science 4.4 would take, with the true cells of the captures.
    """
    site = _site(rng, DRAWS)
    mrd = (
        patient.mrd[(patient.mrd["day"] <= day) & (patient.mrd["day"] >= day - 30)] if len(patient.mrd) else patient.mrd
    )
    if len(mrd):
        row = mrd.sort_values("assay", ascending=False).iloc[0]
        level = rng.gamma(row["events"] + 0.5, size=DRAWS) / row["cells_analysed"]
        return level * 10.0 ** -(site + rng.normal(0, ASSAY, DRAWS)), row["result"] == "negative"
    captures = [d for d in patient.draws if d.day == day]
    plain = [d for d in captures if d.kind == UNSORTED]
    if plain:
        best = max(plain, key=lambda d: d.n_cells)
        x = best.malignant.sum()
        level = rng.beta(x + 0.5, best.n_cells - x + 0.5, size=DRAWS)
        return level * 10.0 ** -(site + rng.normal(0, YIELD, DRAWS)), bool(x == 0)
    rows = patient.response[(patient.response["day"] == day) & patient.response["bm_pc_percent"].notna()]
    sort = [d for d in captures if d.kind == SORTED]
    if len(rows) and sort:
        share = rng.beta(sort[0].malignant.sum() + 0.5, sort[0].plasma - sort[0].malignant.sum() + 0.5, size=DRAWS)
        level = rows["bm_pc_percent"].iloc[0] / 100 * share
        # at 1% and below an aspirate is an upper bound (science 4.4)
        return level * 10.0 ** -(site + rng.normal(0, ASPIRATE, DRAWS)), bool(rows["bm_pc_percent"].iloc[0] <= 1)
    return None


def _oracle(
    k: int, first: int, second: int, months: float, known: Mapping[int, tuple[np.ndarray, bool] | None],
    captured: Mapping[int, np.ndarray], proteins: Mapping[int, float], patient: Patient, rng: np.random.Generator,
) -> dict[str, Any]:  # fmt: skip
    """P(r > ln2/12) and P(r < -ln2/12) of oracles.

    ``oracle``: the same assays, errors known, no misassignment; ``protein``: and the M-protein's ratio beside them;
    ``exact``: the true burden of the day, so that only the count of the clone's cells is in doubt.
    """
    shares = {d: rng.dirichlet(captured[d] + 0.5, size=DRAWS)[:, k] for d in (first, second)}
    total = {d: patient.burden[d].sum() for d in (first, second)}
    exact = np.log(total[second] * shares[second] / (total[first] * shares[first])) / months
    out = {"exact_up": float((exact > YEARLY).mean()), "exact_down": float((exact < -YEARLY).mean())}
    out |= dict.fromkeys(("oracle_up", "oracle_down", "protein_up", "protein_down"), math.nan)
    a, b = known[first], known[second]
    bounds = [r is None or r[1] or captured[d][k] == 0 for r, d in ((a, first), (b, second))]
    out["knowable"] = a is not None and b is not None and not all(bounds)
    if not out["knowable"]:
        return out
    assert a is not None and b is not None
    ratio = np.log(b[0] / a[0])
    growth = (ratio + np.log(shares[second] / shares[first])) / months
    out["oracle_up"], out["oracle_down"] = float((growth > YEARLY).mean()), float((growth < -YEARLY).mean())
    m = [proteins.get(d, 0.0) or 0.0 for d in (first, second)]
    weight = np.ones(DRAWS)
    if min(m) >= 1:
        error = math.hypot(PROTEIN if first else 0.0, PROTEIN) * math.log(10)
        weight = np.exp(-0.5 * ((ratio - math.log(m[1] / m[0])) / error) ** 2) + 1e-12
    out["protein_up"] = float(np.average(growth > YEARLY, weights=weight))
    out["protein_down"] = float(np.average(growth < -YEARLY, weights=weight))
    return out


def _rest(
    patient: Patient, k: int, i: int, known: Mapping[int, tuple[np.ndarray, bool] | None],
    captured: Mapping[int, np.ndarray], rng: np.random.Generator,
) -> float:  # fmt: skip
    """P(|r| < ln2/24) by the oracle, over the longest stretch back after induction; NaN where it knows none."""
    days, stop = patient.days, int(patient.therapy["stop"].iloc[0])
    now = known[days[i]]
    for j in range(1, i):
        then = known[days[j]]
        if then is None or now is None or days[j] < stop - 45 or days[i] - days[j] < 183:
            continue
        if then[1] or now[1] or min(captured[days[j]][k], captured[days[i]][k]) < LEAST:
            continue
        shares = [rng.dirichlet(captured[d] + 0.5, size=DRAWS)[:, k] for d in (days[j], days[i])]
        rate = np.log(now[0] * shares[1] / (then[0] * shares[0])) / ((days[i] - days[j]) / MONTH)
        low = (now[0] * shares[1] <= 1e-2) & (then[0] * shares[0] <= 1e-2)
        return float((low & (np.abs(rate) < TWO_YEARLY)).mean())
    return math.nan


def _re_emergent(patient: Patient, k: int, i: int, captured: Mapping[int, np.ndarray]) -> bool:
    """Truly back after a sample that would have shown a tenth of it, and seen (three cells) before and now."""
    days, level = patient.days, patient.burden[list(patient.days), k]
    if i < 2 or captured[days[i]][k] < LEAST or level[i - 1] > 1e-2 * level[i] or captured[days[i - 1]][k]:
        return False
    before = [j for j in range(i - 1) if captured[days[j]][k] >= LEAST and level[i - 1] < 1e-2 * level[j]]
    if not before:
        return False
    middle, tenth = days[i - 1], min(level[i], level[before[-1]]) / 10
    others = patient.burden[middle].sum() - level[i - 1]
    share = tenth / (tenth + others)
    enough = captured[middle].sum() * share >= LEAST
    enough |= any(d.n_cells * tenth >= LEAST for d in patient.draws if d.day == middle and d.kind == UNSORTED)
    mrd = patient.mrd[(patient.mrd["day"] <= middle) & (patient.mrd["day"] > middle - 30)] if len(patient.mrd) else []
    enough |= any(
        r["result"] == "negative" and 3 / r["cells_analysed"] < tenth
        for r in (mrd.to_dict("records") if len(mrd) else [])
    )
    return bool(enough)


def cycling_rows(patient: Patient, answer: Answer) -> pd.DataFrame:
    """Cycling shares beside the true ones, a row per clone and day."""
    if answer.state is None or answer.cycling is None:
        return pd.DataFrame()
    rows = answer.state[(answer.state["measure"] == "cycling") & (answer.state["clone"] != "all")]
    rows = rows.merge(answer.cycling, on=["clone", "day"])
    return rows.assign(patient=patient.name, scenario=patient.scenario)
