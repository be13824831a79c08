"""Serum and IMWG response of a simulated patient without any error of measurement, day by day.

The clinic's tables (``clinical.py``) read the same serum with noise, on the days of visits only.
The rules are written again here, from science 4.4 (Kumar 2016; Rajkumar 2011).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .clinical import ELECTROPHORESIS, HALF_LIFE, IMMUNOFIXATION, NORMAL_FLC, NORMAL_RATIO
from .dynamics import Course
from .immunoglobulin import clone_chains

#: Responses from the least to the deepest.
DEPTH: tuple[str, ...] = ("PD", "SD", "MR", "PR", "VGPR", "CR", "sCR")
#: Least fall of the disease's value against the line's baseline.
FALLS: tuple[tuple[str, float], ...] = (("MR", 0.25), ("PR", 0.50), ("VGPR", 0.90))
#: Normal plasma cells of an aspirate, share of nucleated cells, as the clinic's tables have them.
NORMAL_PLASMA = 0.01
#: Measurable disease: M-protein g/L, involved free light chain mg/L (Kumar 2016).
MEASURABLE_M, MEASURABLE_FLC = 10.0, 100.0
#: Least rises to a progression: M-protein g/L (from a nadir under 50, and from 50), dFLC mg/L, plasma cells %.
RISE_M, RISE_HIGH_M, HIGH_M, RISE_FLC, RISE_PLASMA = 5.0, 10.0, 50.0, 100.0, 10.0
RELATIVE_RISE = 0.25
#: Plasma cells in the marrow, %, under which a complete response is possible.
CR_PLASMA = 5.0


@dataclass(frozen=True)
class Serum:
    """True values, (days,) each, day 0 first.

    Attributes
    ----------
    m_protein
        g/L.
    involved, other
        free light chains of the patient's light chain and of the other one, mg/L.
    plasma
        plasma cells in the marrow, %.
    """

    m_protein: np.ndarray
    involved: np.ndarray
    other: np.ndarray
    plasma: np.ndarray


def serum(patient: Mapping[str, Any], course: Course) -> Serum:
    """What a laboratory without error would read, every day.

    The M-protein follows the burden of the clones that secrete a whole immunoglobulin and is cleared with its
    isotype's half-life; free light chains follow without lag (hours, science 4.4).
    """
    chains = clone_chains(patient)
    total = course.total()
    light_only = patient["isotype"] == "light_chain_only"
    heavy = np.array([whole or light_only for _, whole in chains.values()])
    apart = course.burden[:, [light != patient["light_chain"] for light, _ in chains.values()]].sum(axis=1)
    whole = course.burden[:, heavy].sum(axis=1)
    steady = patient["clinical"]["m_protein"] * whole / whole[0] if whole[0] > 0 else np.zeros_like(total)
    keep = 2.0 ** (-1.0 / HALF_LIFE[patient["isotype"]])
    level = _lagging(steady, keep)
    involved = patient["light_chain"]
    other = "lambda" if involved == "kappa" else "kappa"
    per_burden = patient["clinical"]["flc"] / total[0]
    suppressed = 1.0 - np.minimum(0.7, 2.0 * total)
    return Serum(
        m_protein=level,
        involved=NORMAL_FLC[involved] + per_burden * (total - apart),
        other=NORMAL_FLC[other] * suppressed + per_burden * apart,
        plasma=100.0 * np.minimum(0.98, total + NORMAL_PLASMA),
    )


def _lagging(steady: np.ndarray, keep: float) -> np.ndarray:
    """(days,) level that follows ``steady`` and keeps the share ``keep`` of itself each day; in balance on day 0.

    A few thousand days: scipy.signal, which has this as ``lfilter``, takes longer to load than the loop.
    """
    level = np.empty(len(steady))
    before = float(steady[0])
    for day, value in enumerate(steady):
        before = level[day] = keep * before + (1.0 - keep) * float(value)
    return level


def _value(patient: Mapping[str, Any], blood: Serum) -> tuple[str, np.ndarray]:
    """What the disease is followed by, and its (days,) values.

    ``m`` (g/L; 0 where electrophoresis reads none), ``flc`` (involved - other, mg/L) or ``plasma`` (%).
    """
    if patient["isotype"] != "light_chain_only" and blood.m_protein[0] >= MEASURABLE_M:
        return "m", np.where(blood.m_protein >= ELECTROPHORESIS, blood.m_protein, 0.0)
    if blood.involved[0] >= MEASURABLE_FLC:
        return "flc", _difference(patient, blood)
    return "plasma", blood.plasma


def _escapes(patient: Mapping[str, Any]) -> bool:
    """Whether a clone has another light chain, or lost its heavy chain: then free light chains are followed too."""
    return len(set(clone_chains(patient).values())) > 1


def _difference(patient: Mapping[str, Any], blood: Serum) -> np.ndarray:
    """(days,) difference of free light chains, mg/L, never below 0."""
    difference = blood.involved - blood.other
    return np.abs(difference) if _escapes(patient) else np.maximum(difference, 0.0)


def _rises(kind: str, value: np.ndarray) -> np.ndarray:
    """(days,) whether the value is a progression against the lowest one before, the first day included."""
    nadir = np.minimum.accumulate(value)
    least = {"flc": RISE_FLC, "plasma": RISE_PLASMA}.get(kind)
    absolute = np.where(nadir >= HIGH_M, RISE_HIGH_M, RISE_M) if least is None else np.full(len(value), least)
    return np.asarray(value - nadir >= np.maximum(RELATIVE_RISE * nadir, absolute))


def responses(patient: Mapping[str, Any], course: Course) -> np.ndarray:
    """(days,) true IMWG response of each day, one of :data:`DEPTH`; empty before the first therapy.

    The baseline is the value at the start of the line. A progression lasts until the next therapy begins, which
    has a baseline of its own even when it counts as the same line. Disease is followed by the M-protein where it is
    measurable at day 0, else by the difference of free light chains, else by the marrow's plasma cells; where a clone
    escapes from its heavy or light chain, free light chains can show a progression too (science 4.4). A complete
    response needs immunofixation to be negative, under 5% plasma cells, and a normal ratio where the disease is
    not followed by its M-protein. Uptake of a lesion is not a progression: science 8.2 gives it a rule of its own.
    """
    blood = serum(patient, course)
    kind, value = _value(patient, blood)
    difference = _difference(patient, blood)
    escapes = _escapes(patient) and kind != "flc"
    ratio = blood.involved / np.maximum(blood.other, 0.1)
    if patient["light_chain"] == "lambda":
        ratio = 1.0 / ratio
    normal = (ratio >= NORMAL_RATIO[0]) & (ratio <= NORMAL_RATIO[1])
    complete = (blood.m_protein < IMMUNOFIXATION) & (blood.plasma < CR_PLASMA) & (normal | (kind == "m"))
    unseen = (kind == "m") & (value == 0.0)  # by electrophoresis: a very good partial response (Kumar 2016)
    out = np.full(len(value), "", dtype=object)
    start, line = 0, 0
    for therapy in [*patient["therapies"], None]:
        end = len(value) - 1 if therapy is None else min(therapy["start"], len(value) - 1)
        now = slice(start, end + 1)  # the value at the start is the next line's baseline and still this line's answer
        progressed = _rises(kind, value[now])
        if escapes:
            progressed = progressed | _rises("flc", difference[now])
        progressed = np.maximum.accumulate(progressed)
        new_line = therapy is not None and (therapy["line"] > line or progressed[-1])
        if not new_line and therapy is not None:
            continue
        found = _depth(value[now], complete[now], normal[now], unseen[now])
        found = np.where(progressed, "PD", found if line else "")
        skip = 1 if line else 0  # the first day belongs to the line before
        out[start + skip : end + 1] = found[skip:]
        if therapy is None or therapy["start"] >= len(value):
            break
        start, line = end, therapy["line"]
    return out


def _depth(value: np.ndarray, complete: np.ndarray, normal: np.ndarray, unseen: np.ndarray) -> np.ndarray:
    """(days,) response against the first value, without progressions."""
    fall = 1.0 - value / value[0] if value[0] > 0 else np.zeros(len(value))
    out = np.full(len(value), "SD", dtype=object)
    for name, least in FALLS:
        out[fall >= least] = name
    out[unseen] = "VGPR"
    out[complete] = "CR"
    out[complete & normal] = "sCR"
    return out


def at_least(response: np.ndarray, least: str) -> np.ndarray:
    """(n,) whether responses are ``least`` or deeper; one that is not known is not."""
    return np.isin(response, DEPTH[DEPTH.index(least) :])
