"""How far score and tier hang on judgement: one constant at a time, and all weights together (science 8.8).

Everything varied here is [J], our judgement without direct evidence; the table shows what another
judgement would have said of the same patients.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import kendalltau

from ..keys import RESEARCH_USE_ONLY, TABLES
from .combine import COMPONENTS, combine, draw_structure, power_mean, weights
from .landmarks import score_landmark
from .reading import Patient, landmark_days, read_landmark
from .said import DEFAULT, DIRICHLET, SICKEST
from .stream import stream

WEIGHTS: tuple[str, ...] = ("weight_d", "weight_c", "weight_f", "weight_q")
HALF_LIVES: tuple[str, ...] = ("half_life_negative", "half_life_stable", "half_life_free", "half_life_progression")
GATES: tuple[str, ...] = (
    "candidate_sustained_months", "candidate_free_months", "stable_months", "cure_free_months", "stale_months",
)  # fmt: skip
LOGS: tuple[str, ...] = ("depth_start", "control_floor_log10")
#: Q of which a landmark without a form is given in :data:`SICKEST`: this quantile of the Q of all that have one. [J]
LOW_QUANTILE = 0.25


def variations(settings: Mapping[str, Any], how: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Every (constant, other value) that is tried, one at a time."""
    for names, factors in (
        (WEIGHTS, how["weight_factors"]), (HALF_LIVES, how["half_life_factors"]), (GATES, how["gate_factors"]),
    ):  # fmt: skip
        yield from ((name, settings[name] * factor) for name in names for factor in factors)
    yield from ((name, settings[name] + shift) for name in LOGS for shift in how["log10_shifts"])
    yield from (("exponent", float(value)) for value in how["exponents"] if value != settings["exponent"])


def _dirichlet(patient: Patient, day: int, *, settings: Mapping[str, Any], seed: int) -> tuple[float, float, float]:
    """Median and ends of the score when weights alone are redrawn around the observed components' medians."""
    name = patient.patient
    reading = read_landmark(patient, day, settings=settings, rng=lambda what, _: stream(seed, name, day, what))
    structure = draw_structure(stream(seed, name, day, "structure"), settings=settings)
    point = reading.components(structure, settings=settings).point
    seen = [i for i, c in enumerate(COMPONENTS) if c in point and weights(settings)[i] > 0]
    if not seen:
        return np.nan, np.nan, np.nan
    values = np.array([np.median(point[COMPONENTS[i]]) for i in seen])
    shape = (len(seen), settings["n_draws"])
    draws = power_mean(
        np.broadcast_to(values[:, None], shape),
        np.maximum(structure.weight[seen], 1e-12),
        exponent=settings["exponent"],
        floor=settings["floor"],
    )
    tail = (1.0 - settings["interval"]) / 2.0
    middle, lower, upper = np.quantile(draws, [0.5, tail, 1.0 - tail])
    return float(middle), float(lower), float(upper)


def vary_judgement(
    patients: Sequence[Patient], *, settings: Mapping[str, Any], how: Mapping[str, Any], seed: int
) -> pd.DataFrame:
    """Score and tier of every landmark under every variation (contract ``cure.sensitivity``).

    A row of the default comes first, then the variations; the rows without a patient are
    the cohort's: share of landmarks whose tier changes, and Kendall's tau of the scores with the default's.
    Landmarks without Q have a row more (:data:`SICKEST`): forms are missing most often in those who are worst, and
    the score that leaves Q out does not know that (science 8.4).
    """
    settings = dict(settings) | {"n_draws": how["n_draws"]}
    tried = [(DEFAULT, np.nan), *variations(settings, how)]
    rows = []
    for patient in sorted(patients, key=lambda p: p.patient):
        for day in landmark_days(patient, settings=settings):
            usual: dict[str, Any] = {}
            for name, value in tried:
                changed = settings if name == DEFAULT else settings | {name: value}
                row = score_landmark(patient, day, settings=changed, seed=seed)
                usual = usual or row
                rows.append(
                    _row(patient.patient, day, name, value, settings.get(name, np.nan), row, usual) | {"Q": row["Q"]}
                )
            if np.isfinite(usual["css"]):
                middle, lower, upper = _dirichlet(patient, day, settings=settings, seed=seed)
                rows.append(
                    _row(patient.patient, day, DIRICHLET, np.nan, np.nan, usual | {"css": middle}, usual)
                    | {"css_lower": lower, "css_upper": upper}
                )
    rows += _sickest(patients, rows, settings=settings, seed=seed)
    table = pd.DataFrame(rows, columns=list(TABLES["cure.sensitivity"]))
    return pd.concat([table, _cohort(table)], ignore_index=True) if len(table) else table


def _own_stream(seed: int, name: str, day: int, what: str, _: float) -> np.random.Generator:
    return stream(seed, name, day, what)


def _sickest(
    patients: Sequence[Patient], rows: Sequence[Mapping[str, Any]], *, settings: Mapping[str, Any], seed: int
) -> list[dict[str, Any]]:
    """Scores of landmarks without Q, were it the lower quartile of the cohort's; none where nobody has Q."""
    usual = [r for r in rows if r["constant"] == DEFAULT]
    there = [r["Q"] for r in usual if np.isfinite(r["Q"])]
    if not there or settings["weight_q"] <= 0:
        return []
    low = float(np.quantile(there, LOW_QUANTILE))
    by_name, added = {p.patient: p for p in patients}, []
    for row in usual:
        if np.isfinite(row["Q"]) or not np.isfinite(row["css"]):
            continue
        name, day = row["patient"], row["day"]
        streams = partial(_own_stream, seed, name, day)
        reading = read_landmark(by_name[name], day, settings=settings, rng=streams)
        structure = draw_structure(stream(seed, name, day, "structure"), settings=settings)
        filled = np.full(settings["n_draws"], low)
        parts = reading.components(structure, settings=settings)
        score = combine(
            parts.point | {"Q": filled}, [w | {"Q": filled} for w in parts.wide],
            [s | {"Q": filled} for s in parts.structural], structure, stream(seed, name, day, "missing"),
            settings=settings,
        )  # fmt: skip
        found = dict(row) | {"css": score.point, "css_lower": score.lower, "css_upper": score.upper}
        added.append(_row(name, day, SICKEST, low, np.nan, found, row))
    return added


def _row(patient: str, day: int, name: str, value: float, default: Any, row: Any, usual: Any) -> dict[str, Any]:
    return {
        "patient": patient,
        "day": day,
        "constant": name,
        "mark": "[J]",
        "default": default,
        "value": value,
        "css": row["css"],
        "css_lower": row["css_lower"],
        "css_upper": row["css_upper"],
        "change": row["css"] - usual["css"],
        "tier": row["tier"],
        "tier_changes": "true" if row["tier"] != usual["tier"] else "false",
        "use": RESEARCH_USE_ONLY,
    }


def _cohort(table: pd.DataFrame) -> pd.DataFrame:
    """Rank stability and tier flips of each variation over all landmarks."""
    usual = table[table["constant"] == DEFAULT].set_index(["patient", "day"])["css"]
    rows = []
    for (name, value), group in table[table["constant"] != DEFAULT].groupby(["constant", "value"], dropna=False):
        pair = pd.concat([usual, group.set_index(["patient", "day"])["css"]], axis=1, keys=["a", "b"]).dropna()
        tau = kendalltau(pair["a"], pair["b"]).statistic if len(pair) > 2 else np.nan
        rows.append(
            {
                "patient": "", "constant": name, "mark": "[J]", "default": group["default"].iloc[0], "value": value,
                "change": float((pair["b"] - pair["a"]).abs().max()) if len(pair) else np.nan,
                "tau": float(tau), "flips": float((group["tier_changes"] == "true").mean()), "use": RESEARCH_USE_ONLY,
            }
        )  # fmt: skip
    return pd.DataFrame(rows, columns=list(TABLES["cure.sensitivity"]))
