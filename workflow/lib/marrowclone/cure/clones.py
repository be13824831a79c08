"""The clones' part of a landmark: burden, growth and threat per clone, from the evolution chapter's draws.

Draws go in, not point estimates; only rows dated on or before the landmark. Clones that no
cell had shown by then do not exist here. (What a clone *is* was found from all of a patient's
samples together, later ones included; docs/cure.md says what follows from that.)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from ..clinical import as_of
from .components import clone_threat
from .resistance import resistance_probability
from .stream import months

#: Growth that counts as expanding: doubling faster than yearly, per month (science 4.5).
EXPANDING_GROWTH = np.log(2) / 12


@dataclass(frozen=True)
class Clonal:
    """Clones as of the landmark; arrays clones x draws.

    ``known``: a clone was ever resolved and a burden can be given. ``bounded``: no malignant
    cells now, so the shares of ``day`` are scaled by a bound or an assay. ``source`` says by
    which. ``suffix``: ``C+``, ``C-`` or ``C?``. ``note``: why not known, which clones
    threaten, or of which growth is not known.
    """

    known: bool
    bounded: bool = False
    suffix: str = "C?"
    note: str = ""
    source: str = ""
    day: float = np.nan
    names: tuple[str, ...] = ()
    burden: np.ndarray = field(default_factory=lambda: np.empty((0, 0)))
    growth: np.ndarray = field(default_factory=lambda: np.empty((0, 0)))
    threat: np.ndarray = field(default_factory=lambda: np.empty((0, 0)))


@dataclass(frozen=True)
class Assay:
    """The MRD assay that speaks at the landmark: day, name, draws of the residual fraction, negative or not."""

    day: int
    assay: str
    level: np.ndarray
    negative: bool


def read_clones(
    tables: Mapping[str, pd.DataFrame],
    *,
    assay: Assay | None,
    settings: Mapping[str, Any],
    rng: np.random.Generator,
) -> Clonal:
    """Clone burden, growth and threat.

    Parameters
    ----------
    tables
        ``fractions``, ``draws``, ``labels``, ``resistance`` of one patient, cut at the
        landmark (evolution contracts).
    assay
        the current MRD assay; its draws are shared with D, so that C and D correlate as
        they should.
    """
    fractions, draws = tables["fractions"], tables["draws"]
    if fractions.empty or draws.empty:
        return Clonal(False, note="no clone was resolved up to this day")
    seen = fractions.groupby("clone")["n_clone"].sum()
    names = tuple(sorted(str(c) for c, n in seen.items() if n > 0 and c))
    per_sample = fractions.groupby(["day", "sample"], sort=True)["n_clone"].sum()
    enough = per_sample[per_sample >= settings["min_clone_cells"]]
    if not names or enough.empty or seen.sum() < settings["min_resolved_cells"]:
        return Clonal(False, note="no clone was resolved up to this day")
    day = int(enough.index.get_level_values("day").max())
    newest = int(fractions["day"].max())
    sample = str(enough[day].idxmax())
    source = fractions.loc[fractions["sample"] == sample, "burden_source"].astype(str).iloc[0]
    n = settings["n_draws"]
    share = _matrix(draws, sample, names, "fraction", n)
    later = assay is not None and assay.day - day > settings["conflict_window_days"]
    current = day == newest and not later
    burden, said = _burden(draws, share, sample, names, source, assay=assay, day=day, current=current, n=n)
    if burden is None:
        return Clonal(False, note=said, day=float(day), names=names)
    growth, p_expanding = _growth(draws, names, sample, day, current=current, settings=settings, rng=rng)
    labels = _latest_labels(as_of(tables["labels"], day))
    assessed = _latest_expanding(as_of(tables["labels"], day))
    p_expanding = np.array([assessed.get(c, p) for c, p in zip(names, p_expanding, strict=True)])
    p_dormant = np.array([labels.get((c, "dormant_supported"), 0.0) for c in names])
    resistant = np.array([resistance_probability(tables["resistance"], c) for c in names])
    mean = np.clip(clone_threat(resistant, p_dormant, p_expanding, dormant_share=settings["dormant_share"]), 0.01, 0.99)
    spread = settings["threat_concentration"]
    threat = rng.beta(mean * spread, (1.0 - mean) * spread, size=(n, len(names))).T
    threatening = _threatening(labels, names, resistant, settings)
    bad = bool(threatening) and (current or (assay is not None and not assay.negative))
    open_ = _growth_unknown(as_of(tables["labels"], day), fractions, day, settings=settings)
    calm = current and not threatening and not open_
    return Clonal(
        known=True,
        bounded=not current,
        suffix="C-" if bad else "C+" if calm else "C?",
        note=", ".join(threatening) if bad else open_ if current else "",
        source=said,
        day=float(day),
        names=names,
        burden=burden,
        growth=growth,
        threat=threat,
    )


def _matrix(draws: pd.DataFrame, sample: str, names: tuple[str, ...], column: str, n: int) -> np.ndarray:
    """Draws of one sample, clones x n; NaN for a clone without rows. Joint draws stay joint."""
    table = draws[draws["sample"] == sample].pivot(index="draw", columns="clone", values=column).sort_index()
    values = table.reindex(columns=list(names)).to_numpy(float)
    if not len(values):
        return np.full((len(names), n), np.nan)
    return values[np.arange(n) % len(values)].T


def _burden(
    draws: pd.DataFrame,
    share: np.ndarray,
    sample: str,
    names: tuple[str, ...],
    source: str,
    *,
    assay: Assay | None,
    day: int,
    current: bool,
    n: int,
) -> tuple[np.ndarray | None, str]:
    """Burden clones x draws and in words where it comes from; None when nothing bounds it."""
    own = _matrix(draws, sample, names, "burden", n)
    usable = assay is not None and np.isfinite(assay.level).all()
    if current and np.isfinite(own).all() and not (usable and assay and source.split(" ")[0] == assay.assay):
        return own, f"burden of the sample of day {day} ({source})"
    if usable and assay is not None and (current or assay.day >= day):
        return share * assay.level, f"clone shares of day {day} times {assay.assay} of day {assay.day}"
    latest = draws.loc[draws["day"] == draws["day"].max(), "sample"].iloc[0]
    every = tuple(sorted(draws["clone"].unique()))
    total = _matrix(draws, str(latest), every, "burden", n).sum(axis=0)
    if not np.isfinite(total).all():
        return None, f"clones are known (day {day}) but nothing gives their burden"
    return share * total, f"clone shares of day {day} times the bound of the sample of day {draws['day'].max()}"


def _growth(
    draws: pd.DataFrame,
    names: tuple[str, ...],
    sample: str,
    day: int,
    *,
    current: bool,
    settings: Mapping[str, Any],
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Growth per month (clones x draws) and P(expanding) over the interval that ends on ``day``.

    Without two burdens, or when the clones are not seen now, growth is unknown: centred on
    none, with ``growth_prior_sd``; P(expanding) is then that of the last interval seen.
    """
    n = settings["n_draws"]
    prior = rng.normal(0.0, settings["growth_prior_sd"], size=(n, len(names))).T
    unknown = np.full(len(names), settings["expanding_unknown"])
    before = draws[(draws["day"] < day) & draws["burden"].notna()]
    if before.empty:
        return prior, unknown
    earlier = before.loc[before["day"] == before["day"].max()]
    past = _matrix(draws, str(earlier["sample"].iloc[0]), names, "burden", n)
    now = _matrix(draws, sample, names, "burden", n)
    tiny = np.finfo(float).tiny
    rate = (np.log(np.maximum(now, tiny)) - np.log(np.maximum(past, tiny))) / months(day - int(earlier["day"].iloc[0]))
    known = np.isfinite(rate).all(axis=1)
    p_expanding = np.where(known, (rate > EXPANDING_GROWTH).mean(axis=1), unknown)
    return np.where(known[:, None] & current, rate, prior), p_expanding


def _label(text: str) -> str:
    """One spelling of a label: ``dormant, supported`` and ``dormant-supported`` are the same."""
    return "_".join("".join(ch if ch.isalnum() else " " for ch in text.casefold()).split())


def _latest_labels(labels: pd.DataFrame) -> dict[tuple[str, str], float]:
    """Probability by (clone, label), from each clone's newest day (``labels``: cut at the day of its cells)."""
    if labels.empty:
        return {}
    newest = labels[labels["day"] == labels.groupby("clone")["day"].transform("max")]
    probability = newest["probability"].astype(float).fillna(0.0)
    return {(c, _label(x)): p for c, x, p in zip(newest["clone"], newest["label"], probability, strict=True)}


def _latest_expanding(labels: pd.DataFrame) -> dict[str, float]:
    """P(expanding) by clone, from its newest day; it stands beside every label, also where it is too low to be one."""
    if labels.empty:
        return {}
    newest = labels[labels["day"] == labels.groupby("clone")["day"].transform("max")]
    said = newest[newest["label"] == "expanding"]
    found = {str(c): float(p) for c, p in zip(said["clone"], said["probability"], strict=True)}
    if "p_expanding" in newest:
        every = newest.dropna(subset=["p_expanding"])
        found |= {str(c): float(p) for c, p in zip(every["clone"], every["p_expanding"], strict=True)}
    return found


def _growth_unknown(labels: pd.DataFrame, fractions: pd.DataFrame, day: int, *, settings: Mapping[str, Any]) -> str:
    """Why "no clone expands" cannot be said of the clones seen on ``day``, in words; empty if it can.

    It can when every clone with ``min_clone_cells`` cells is known not to expand, as surely as
    the label would have to be, over an interval of which it is known that treatment did not
    change (science 4.4: across a change, growth is an average of kill and regrowth). Not
    assessable is not "none".
    """
    least = settings["min_clone_cells"]
    cells = fractions[fractions["day"] == day].groupby("clone")["n_clone"].sum()
    present = [str(c) for c in cells.index[cells >= least]]
    if not present:
        return f"no clone has {least} cells on day {day}"
    here = labels[labels["day"] == day]
    if "p_expanding" not in here:
        return "growth was not assessed"
    unknown = sorted(set(present) - set(here.loc[here["p_expanding"].notna(), "clone"].astype(str)))
    if unknown:
        return f"growth of {', '.join(unknown)} not assessable up to day {day}"
    p_expanding = here.dropna(subset=["p_expanding"]).groupby("clone")["p_expanding"].max().reindex(present)
    unsure = p_expanding[p_expanding > 1.0 - settings["label_probability"] + 1e-9]
    if len(unsure):
        return ", ".join(f"{clone} expanding with probability {p:.2f}" for clone, p in unsure.items())
    change = here["treatment_change"] if "treatment_change" in here else pd.Series(pd.NA, index=here.index)
    if change.isna().any():
        return f"treatment over the interval up to day {day} not known"
    if change.astype(bool).any():
        return f"growth up to day {day} spans a change of treatment"
    return ""


def _threatening(
    labels: Mapping[tuple[str, str], float], names: tuple[str, ...], resistant: np.ndarray, settings: Mapping[str, Any]
) -> list[str]:
    """Clones that are expanding, reactivating, or dormant (supported) and resistant, in words."""
    words, gate = [], settings["label_probability"]
    for clone, resistance in zip(names, resistant, strict=True):
        if labels.get((clone, "expanding"), 0.0) >= gate:
            words.append(f"{clone} expanding")
        elif labels.get((clone, "reactivating"), 0.0) >= gate:
            words.append(f"{clone} reactivating")
        elif labels.get((clone, "dormant_supported"), 0.0) >= gate and resistance >= settings["resistant_probability"]:
            words.append(f"{clone} dormant and resistant")
    return words
