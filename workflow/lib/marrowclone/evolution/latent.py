"""The course of the tumour's burden as one line through all assays: a model beside the two-point estimator.

log10 burden is piecewise linear in time. It may bend at changes of treatment, where it bends freely, and at sampling
days, where it bends as much as the patient's data ask for. Every marrow assay reads it with its own error and that of
the site, which assays of one day share; M-protein and light chains read it up to a factor of the patient's own;
readings below a limit say only that. Science 4.4 names such a model as an option. All conditionals are Gaussian,
truncated Gaussian or gamma, so that Gibbs sampling needs no other library.

It looks at the whole record, the later part too: it is for looking back, and feeds neither labels nor the score.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import linalg, sparse, special

from ..keys import DAYS_PER_MONTH, TABLES
from .burden import LADDER, SERUM
from .dynamics import BOUNDS, Visit
from .fractions import natural, stream
from .serum import KEYS, lags, serum_levels
from .statistics import Array, interval, number, on_day

ALL = "all"
#: Log10 per month: choices for how far the slope bends where treatment does not change [J].
BENDS = np.array([0.02, 0.05, 0.1, 0.2, 0.4])
#: First level and slope: mean and SD, log10 and log10 per month [J].
LEVEL, SLOPE_SD = (-1.5, 2.0), 0.5
#: Degrees of freedom of an assay's error: some readings are far off [J].
FREEDOM = 5.0
#: No marrow holds less than one cell in so many (log10): about one per patient [J].
FLOOR = -12.0
#: Log10 g/L or mg/L per marrow burden: SD of the patient's own factor, wide [J].
FACTOR_SD = 5.0
#: Knots closer than this are one, days [J].
APART = 14
#: Readings beyond which the design, of three or four entries a row, is held as a sparse matrix.
MANY = 1000
#: Draws before those that are kept [J].
WARM_UP = 500


@dataclass(frozen=True)
class Readings:
    """All assays on the log10 scale; a row each.

    ``y`` is the reading, or the limit where ``censored``; ``sd`` its own error; ``kind`` 0 for marrow, else 1 + the
    index in :data:`SERUM`; ``site`` numbers the days of marrow assays, -1 for serum.
    """

    day: Array
    y: Array
    sd: Array
    censored: np.ndarray
    kind: np.ndarray
    site: np.ndarray


@dataclass(frozen=True)
class Course:
    """Posterior draws of log10 burden at ``knots`` (days): draws x knots; linear in between."""

    knots: Array
    draws: Array
    readings: Readings

    def at(self, days: Sequence[float] | Array) -> Array:
        """Draws of the burden (a fraction of marrow cells) at days within the knots: draws x days."""
        return np.asarray(10.0 ** np.clip(self.draws @ _hat(self.knots, np.asarray(days, dtype=float)).T, FLOOR, 0.0))


def collect(burden: pd.DataFrame, response: pd.DataFrame, patient: str, *, settings: Mapping[str, Any]) -> Readings:
    """Marrow assays of ``evolution/{patient}.burden.tsv`` and serum levels of the response table.

    ``settings``: section ``evolution.estimate_fractions`` (sizes of errors, limits).
    """
    spatial, rows = settings["spatial_log10_sd"], []
    for r in distinct_assays(burden).to_dict("records"):
        source = str(r["source"]).split()[0]
        upper, lower, value = (number(r[c]) for c in ("burden_upper", "burden_lower", "burden"))
        if source in SERUM or source not in LADDER or math.isnan(upper):
            continue
        if value > 0 and lower > 0:
            whole = (math.log10(upper) - math.log10(lower)) / (2 * 1.96)
            if upper >= 1:  # no burden is above 1: the upper end is cut off
                whole = (math.log10(value) - math.log10(lower)) / 1.96
            own = math.sqrt(max(whole**2 - spatial**2, settings["assay_log10_sd"] ** 2))
            rows.append((int(r["day"]), math.log10(value), own, False, 0))
        else:
            limit = number(r["limit_of_detection"])
            limit = upper if math.isnan(limit) or limit <= 0 else limit
            rows.append((int(r["day"]), math.log10(limit), settings["assay_log10_sd"], True, 0))
    if rows:
        levels = serum_levels(response, patient)
        for kind, source in enumerate(SERUM, start=1):
            key = KEYS[source]
            limit, sd = settings[f"{key}_limit"], settings[f"{key}_log10_sd"]
            mine = [level for level in levels if level.source == source]
            mine = [level for level in mine if level.chain == mine[0].chain]
            if sum(level.value >= limit for level in mine) < 2:
                continue  # a factor of its own and one reading say nothing
            for level in mine:
                own = sd * (settings["serum_lag_factor"] if lags(level, mine, settings=settings) else 1.0)
                rows.append((level.day, math.log10(max(level.value, limit)), own, level.value < limit, kind))
    rows.sort()
    table = pd.DataFrame(rows, columns=["day", "y", "sd", "censored", "kind"])
    days = sorted(set(table.loc[table["kind"] == 0, "day"]))
    site = np.where(table["kind"] == 0, np.searchsorted(days, table["day"]), -1).astype(int)
    return Readings(
        table["day"].to_numpy(dtype=float), table["y"].to_numpy(dtype=float), table["sd"].to_numpy(dtype=float),
        table["censored"].to_numpy(dtype=bool), table["kind"].to_numpy(dtype=int), site,
    )  # fmt: skip


def distinct_assays(burden: pd.DataFrame) -> pd.DataFrame:
    """Rows of ``burden.tsv`` without the repeats of an assay that serves several samples of a day."""
    own = burden["source"].astype(str).str.startswith("scRNA")
    what = ["day", "source", "burden", "burden_lower", "burden_upper", "limit_of_detection", "note"]
    again = burden.duplicated([c for c in what if c in burden.columns])
    return burden[own | ~again]


def fit_course(
    readings: Readings,
    therapy: pd.DataFrame,
    patient: str,
    *,
    days: Sequence[int],
    settings: Mapping[str, Any],
    seed: int,
) -> Course | None:
    """Sample the course of one patient.

    Parameters
    ----------
    therapy
        ``clinical/therapy.tsv``: starts and stops are knots.
    days
        sampling days: knots too.
    settings
        section ``evolution.estimate_fractions``: draws, spatial_log10_sd, course_treatment_bend.

    Returns
    -------
    Course, or None without a marrow reading that is no mere bound, or with readings of one day only.
    """
    counted = (readings.kind == 0) & ~readings.censored
    if not counted.any() or len(set(readings.day.tolist())) < 2:
        return None
    first = min([*readings.day, *days])
    last = max([*readings.day, *days])
    changes = _changes(therapy, patient, first, last)
    knots, free = _knots(first, last, changes, days)
    n_sites, n_knots = int(readings.site.max()) + 1, len(knots)
    kinds = [k for k in (1, 2) if (readings.kind == k).any()]
    n = n_knots + n_sites + len(kinds)
    design = np.zeros((len(readings.day), n))
    design[:, :n_knots] = _hat(knots, readings.day)
    of_site = np.flatnonzero(readings.site >= 0)
    design[of_site, n_knots + readings.site[of_site]] = 1
    for column, kind in enumerate(kinds, start=n_knots + n_sites):
        design[readings.kind == kind, column] = 1
    bend = _bends(knots)  # (n_knots - 2) x n_knots: changes of slope
    prior = np.zeros((n, n))
    prior[0, 0] = 1 / LEVEL[1] ** 2
    slope = np.zeros(n_knots)
    slope[:2] = np.array([-1, 1]) / (np.diff(knots)[0] / DAYS_PER_MONTH)
    prior[:n_knots, :n_knots] += np.outer(slope, slope) / SLOPE_SD**2
    sites = np.arange(n_knots, n_knots + n_sites)
    prior[sites, sites] = 1 / max(settings["spatial_log10_sd"], 1e-3) ** 2
    offsets = np.arange(n_knots + n_sites, n)
    prior[offsets, offsets] = 1 / FACTOR_SD**2
    pull = np.zeros(n)
    pull[0] = LEVEL[0] / LEVEL[1] ** 2
    rng = stream(seed, "course", patient)
    draws = int(settings["draws"])
    kept = np.empty((draws, n_knots))
    y, weight, width = readings.y.copy(), np.ones(len(readings.y)), BENDS[2]
    stiff = {}  # precision of the bends by how far those elsewhere than at changes go
    for each in BENDS:
        sd2 = np.where(free, settings["course_treatment_bend"], each) ** 2
        stiff[each] = prior.copy()
        stiff[each][:n_knots, :n_knots] += bend.T @ (bend / sd2[:, None])
    design = sparse.csr_array(design) if len(y) > MANY else design
    for step in range(WARM_UP + draws):
        tau = weight / readings.sd**2
        precision = stiff[width] + _gram(design, tau)
        root = linalg.cholesky(precision, lower=True)
        mean = linalg.cho_solve((root, True), pull + design.T @ (tau * y))
        theta = mean + linalg.solve_triangular(root.T, rng.standard_normal(n), lower=False)
        fitted = design @ theta
        scale = readings.sd / np.sqrt(weight)
        # readings below a limit: anything below it, as likely as the line makes it
        top = special.ndtr((readings.y - fitted) / scale)
        drawn = fitted + scale * special.ndtri(np.clip(rng.random(len(y)) * top, 1e-300, 1 - 1e-16))
        y = np.where(readings.censored, np.minimum(drawn, readings.y), readings.y)
        off = (y - fitted) / readings.sd
        weight = rng.gamma((FREEDOM + 1) / 2, 2 / (FREEDOM + off**2))
        tied = (bend @ theta[:n_knots])[~free]
        if tied.size:
            fit = -0.5 * (tied[:, None] ** 2 / BENDS**2).sum(axis=0) - tied.size * np.log(BENDS)
            chance = np.exp(fit - fit.max())
            width = BENDS[min(int(np.searchsorted(np.cumsum(chance) / chance.sum(), rng.random())), len(BENDS) - 1)]
        if step >= WARM_UP:
            kept[step - WARM_UP] = theta[:n_knots]
    return Course(knots, kept, readings)


def latent_growth(
    course: Course | None, visits: Sequence[Visit], dynamics: pd.DataFrame, *, seed: int, patient: str
) -> pd.DataFrame:
    """Growth between sampling days by the course, beside the two-point estimate.

    Returns
    -------
    DataFrame
        contract columns of ``evolution.latent``; a row per clone (and all malignant cells,
        :data:`ALL`) and interval. Empty without a course.
    """
    columns = list(TABLES["evolution.latent"])
    if course is None:
        return pd.DataFrame(columns=columns)
    two = {(r["clone"], r["from_day"], r["to_day"]): r for r in dynamics.to_dict("records")}
    order = stream(seed, "pair", patient).permutation(len(course.draws))
    rows = []
    for first, second in itertools.pairwise(visits):
        months = (second.day - first.day) / DAYS_PER_MONTH
        total = course.at([first.day, second.day])[order]
        whole = np.log(total[:, 1] / total[:, 0]) / months
        inside = (course.readings.day >= first.day) & (course.readings.day <= second.day)
        shared = {"from_day": first.day, "to_day": second.day, "n_readings": int(inside.sum())}
        rows.append({"clone": ALL, **shared, **_summary(whole), "bound": ""})
        for clone in sorted(set(first.fraction) & set(second.fraction), key=natural):
            share = np.log(second.fraction[clone] / first.fraction[clone]) / months
            n = min(len(share), len(whole))
            mine = two[clone, first.day, second.day]
            absent = BOUNDS[first.counts.get(clone, 0) == 0, second.counts.get(clone, 0) == 0]
            grown = _summary(whole[:n] + share[:n])
            # as between two samples: not seen at the start it grew at least so fast, not seen at the end at most
            for bound, names in (("lower", ["upper"]), ("upper", ["lower"]), ("both", list(grown))):
                if absent == bound:
                    grown |= dict.fromkeys(names, math.nan)
            rows.append(
                {
                    "clone": clone, **shared, **grown, "bound": absent,
                    "two_point": mine["growth_per_month"], "two_point_lower": mine["lower"],
                    "two_point_upper": mine["upper"],
                }
            )  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def course_table(course: Course | None) -> pd.DataFrame:
    """Burden by the course at its knots and about every month: day, burden, lower, upper (95%)."""
    columns = list(TABLES["evolution.course"])
    if course is None:
        return pd.DataFrame(columns=columns)
    first, last = course.knots[0], course.knots[-1]
    grid = np.linspace(first, last, int(np.clip((last - first) / DAYS_PER_MONTH, 2, 240)) + 1)
    days = np.unique(np.round(np.concatenate([course.knots, grid]))).clip(first, last)
    lower, middle, upper = np.quantile(course.at(days), [0.025, 0.5, 0.975], axis=0)
    return pd.DataFrame({"day": days.astype(int), "burden": middle, "lower": lower, "upper": upper}, columns=columns)


def _summary(growth: Array) -> dict[str, float]:
    lower, median, upper = interval(growth)
    return {
        "growth_per_month": median, "lower": lower, "upper": upper, "p_growing": float((growth > 0).mean()),
    }  # fmt: skip


def _gram(design: Array | sparse.csr_array, tau: Array) -> Array:
    """design' diag(tau) design, dense."""
    if isinstance(design, np.ndarray):
        return np.asarray(design.T @ (design * tau[:, None]))
    return np.asarray((design.T @ design.multiply(tau[:, None]).tocsr()).toarray())


def _hat(knots: Array, days: Array) -> Array:
    """Weights of linear interpolation: days x knots."""
    right = np.clip(np.searchsorted(knots, days, side="right"), 1, len(knots) - 1)
    part = np.clip((days - knots[right - 1]) / (knots[right] - knots[right - 1]), 0, 1)
    weights = np.zeros((len(days), len(knots)))
    rows = np.arange(len(days))
    weights[rows, right - 1] = 1 - part
    weights[rows, right] += part
    return weights


def _bends(knots: Array) -> Array:
    """Changes of slope (log10 per month) at the inner knots: (knots - 2) x knots."""
    months = np.diff(knots) / DAYS_PER_MONTH
    slopes = np.zeros((len(months), len(knots)))
    at = np.arange(len(months))
    slopes[at, at], slopes[at, at + 1] = -1 / months, 1 / months
    return np.diff(slopes, axis=0)


def _changes(therapy: pd.DataFrame, patient: str, first: float, last: float) -> list[float]:
    """Days inside the record on which a regimen began or ended."""
    rows = on_day(therapy, patient, day="start").to_dict("records")
    found = {float(r["start"]) for r in rows} | {float(r["stop"]) for r in rows if not pd.isna(r["stop"])}
    return sorted(d for d in found if first < d < last)


def _knots(first: float, last: float, changes: Sequence[float], days: Sequence[int]) -> tuple[Array, np.ndarray]:
    """Knots in order, and which of the inner ones bend freely; changes of treatment go before sampling days."""
    chosen: dict[float, bool] = {}
    for day, is_change in [*((d, True) for d in changes), *((float(d), False) for d in days)]:
        if all(abs(day - other) >= APART for other in (first, last, *chosen)):
            chosen[day] = is_change
    inner = sorted(chosen)
    return np.array([first, *inner, last], dtype=float), np.array([chosen[d] for d in inner], dtype=bool)
