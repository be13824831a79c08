"""The high-risk panel: what RNA can say of the events that staging asks for, per clone and for the patient.

Regions and definitions are those of science 2.2 to 2.4 (IMS/IMWG 2025: Avet-Loiseau, J Clin Oncol 43:2739). What
expression cannot see (mutations, focal and biallelic losses) stands in the table as indeterminate, so that nobody
reads its absence as an answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..keys import ABSENT, INDETERMINATE, PRESENT, TABLES
from .arms import ALL
from .joint import TRISOMIES
from .states import GAIN, LOSS, NEUTRAL

PANEL_COLUMNS: tuple[str, ...] = TABLES["copy_number.panel"]
HYPERDIPLOIDY, GAIN_1Q, AMP_1Q = "hyperdiploidy", "gain(1q)", "amp(1q)"
#: Chromosomes whose trisomies make a myeloma hyperdiploid, and how many do (operational; some say 2), science 2.2.
ODD_CHROMOSOMES = tuple(sorted((name.removeprefix("chr") for name in TRISOMIES), key=int))
HYPERDIPLOID, HYPERDIPLOID_ELSEWHERE = 3, 2


@dataclass(frozen=True)
class Region:
    """An event of an arm, with the minimal region (Mb, hg38) that a part of the arm must cover."""

    finding: str
    chromosome: str
    arm: str
    event: str
    start: float
    end: float


#: Science 2.2.
REGIONS: tuple[Region, ...] = (
    Region(GAIN_1Q, "chr1", "q", GAIN, 143.2, 155.1),
    Region("del(1p)", "chr1", "p", LOSS, 50.2, 120.4),
    Region("del(17p)", "chr17", "p", LOSS, 0.0, 10.8),
    Region("del(13q)", "chr13", "q", LOSS, 39.5, 54.7),
    Region("del(14q)", "chr14", "q", LOSS, 67.4, 107.0),
    Region("del(16q)", "chr16", "q", LOSS, 47.0, 90.3),
    Region("del(8p)", "chr8", "p", LOSS, 0.0, 29.0),
)
TRANSLOCATIONS = ("t(4;14)", "t(14;16)", "t(14;20)", "t(11;14)", "t(6;14)")
#: What expression never tells (science 2.3, 2.4).
UNSEEN: dict[str, str] = {
    "del(1p32)": "focal: too few expressed genes to be called by itself",
    "biallelic del(1p32)": "not seen by expression",
    "TP53 mutation": "not seen by expression of arms",
}


def high_risk_panel(
    arms: pd.DataFrame,
    segments: pd.DataFrame,
    cells: pd.DataFrame,
    drivers: pd.DataFrame,
    *,
    patient: str,
    settings: Mapping[str, Any],
) -> pd.DataFrame:
    """Verdict of every finding, for the patient (clone ``all``) and for every clone.

    Parameters
    ----------
    arms, segments
        of :func:`.arms.call_genome`.
    cells
        ``clones/{patient}.cells.tsv.gz``: clone ("" unassigned), for shares.
    drivers
        ``embedding/{patient}.drivers.tsv``: translocations by their driver genes.
    settings
        min_posterior, min_genes.

    Returns
    -------
    DataFrame
        patient, clone, finding, verdict (present, absent, indeterminate), posterior (probability that it is there;
        empty where none was computed), clones that have it, their share of the malignant cells that have a clone,
        reason.
    """
    names = sorted(set(arms["clone"]) - {ALL}, key=lambda c: (len(c), c))
    size = cells.loc[cells["clone"].fillna("") != "", "clone"].value_counts()
    share = size / max(size.sum(), 1)
    rows = []
    for finding in (HYPERDIPLOIDY, GAIN_1Q, AMP_1Q, *(r.finding for r in REGIONS[1:])):
        own = {name: _of_clone(finding, name, arms, segments, settings) for name in names}
        pooled = _of_clone(finding, ALL, arms, segments, settings)
        rows.append((ALL, finding, *_of_patient(own, pooled, share)))
        rows += [(n, finding, v, p, n if v == PRESENT else "", _share(share, [n], v), why)
                 for n, (v, p, why) in own.items()]  # fmt: skip
    lost_1p = next(r for r in rows if r[:2] == (ALL, "del(1p)"))
    for finding, why in UNSEEN.items():
        if finding == "del(1p32)" and lost_1p[2] == PRESENT:
            rows.append((ALL, finding, *lost_1p[2:6], f"lost with 1p: {lost_1p[6]}"))
        else:
            rows.append((ALL, finding, INDETERMINATE, np.nan, "", np.nan, why))
    rows += [(ALL, t, *_translocation(t, drivers)) for t in TRANSLOCATIONS]
    table = pd.DataFrame([(patient, *row) for row in rows], columns=list(PANEL_COLUMNS))
    return table.astype({"posterior": float, "share": float})


def _of_clone(
    finding: str, clone: str, arms: pd.DataFrame, segments: pd.DataFrame, settings: Mapping[str, Any]
) -> tuple[str, float, str]:
    """Verdict, posterior and reason of one clone (or of the pool of all cells)."""
    mine = arms[arms["clone"] == clone]
    if mine.empty:
        return INDETERMINATE, float("nan"), "no malignant cells with arm states"
    if finding == HYPERDIPLOIDY:
        return _hyperdiploidy(mine, settings)
    region = next(r for r in REGIONS if r.finding == (GAIN_1Q if finding == AMP_1Q else finding))
    part = _deciding(segments[segments["group"] == clone], region)
    if part is None:
        return INDETERMINATE, float("nan"), "no readable genes there"
    ratio = f"{part['log2_ratio']:+.2f}" if np.isfinite(part["log2_ratio"]) else "not known"
    where = f"{region.chromosome.removeprefix('chr')}{region.arm}"
    if not part["whole_arm"]:
        where += f" {part['start'] / 1e6:.1f}-{part['end'] / 1e6:.1f} Mb"
    why = f"{where}: log2 ratio {ratio}, {int(part['n_genes'])} genes"
    if part["call"] == "indeterminate":
        return INDETERMINATE, _event_posterior(part, finding, region), f"{why}; not called"
    if part["call"] != region.event:
        return ABSENT, _event_posterior(part, finding, region), why
    p = _event_posterior(part, finding, region)
    if finding != AMP_1Q:
        return PRESENT, p, f"{why}, {int(part['state'])} {'copy' if part['state'] == 1 else 'copies'}"
    if p >= settings["min_posterior"]:
        return PRESENT, p, f"{why}, {int(part['state'])} copies"
    sure = p <= 1 - settings["min_posterior"]
    return (ABSENT, p, f"{why}, 3 copies") if sure else (INDETERMINATE, p, f"{why}: 3 copies or more, not told apart")


def _event_posterior(part: pd.Series, finding: str, region: Region) -> float:
    return float(part["p_amp"] if finding == AMP_1Q else part["p_gain" if region.event == GAIN else "p_loss"])


def _deciding(segments: pd.DataFrame, region: Region) -> pd.Series | None:
    """The segment that holds most of the region; None where no segment touches it."""
    here = segments[(segments["chromosome"] == region.chromosome) & (segments["arm"] == region.arm)]
    overlap = (here["end"].clip(upper=region.end * 1e6) - here["start"].clip(lower=region.start * 1e6)).to_numpy()
    return here.iloc[int(overlap.argmax())] if len(here) and overlap.max() > 0 else None


def _hyperdiploidy(arms: pd.DataFrame, settings: Mapping[str, Any]) -> tuple[str, float, str]:
    """From the arms of the odd chromosomes that have enough genes."""
    gained: list[str] = []
    unclear: list[str] = []
    chance = np.array([1.0])
    for number in ODD_CHROMOSOMES:
        own = arms[(arms["chromosome"] == f"chr{number}") & (arms["n_genes"] >= settings["min_genes"])]
        if own.empty or not own["call"].isin([NEUTRAL, LOSS]).any():
            (gained if len(own) and (own["call"] == GAIN).all() else unclear).append(number)
        p = float(own["p_gain"].min()) if len(own) else 0.5
        chance = np.convolve(chance, [1 - p, p])
    posterior = float(chance[HYPERDIPLOID:].sum())
    text = f"{len(gained)} trisomies" + (f" ({', '.join(gained)})" if gained else "")
    text += f"; unclear: {', '.join(unclear)}" if unclear else ""
    text += f" ({HYPERDIPLOID} or more of {len(ODD_CHROMOSOMES)} count)"
    if len(gained) >= HYPERDIPLOID:
        return PRESENT, posterior, text
    if len(gained) + len(unclear) >= HYPERDIPLOID:
        return INDETERMINATE, posterior, text
    if len(gained) == HYPERDIPLOID_ELSEWHERE:
        text += f"; hyperdiploid where {HYPERDIPLOID_ELSEWHERE} suffice"
    return ABSENT, posterior, text


def _of_patient(
    own: Mapping[str, tuple[str, float, str]], pooled: tuple[str, float, str], share: pd.Series
) -> tuple[str, float, str, float, str]:
    """Verdict of the patient: present in any clone; absent only where every clone and the pool lack it."""
    carriers = [n for n, (v, _, _) in own.items() if v == PRESENT]
    if carriers:
        best = max(carriers, key=lambda n: own[n][1])
        return PRESENT, own[best][1], ", ".join(carriers), _share(share, carriers, PRESENT), f"{best}: {own[best][2]}"
    everyone = {**own, ALL: pooled}
    leading = max(everyone, key=lambda n: np.nan_to_num(everyone[n][1], nan=-1.0))
    _, p, why = everyone[leading]
    why = f"all cells together: {why}" if leading == ALL and own else f"{leading}: {why}" if own else why
    if pooled[0] == PRESENT:
        return PRESENT, pooled[1], "", float("nan"), f"all cells together: {pooled[2]}"
    verdict = ABSENT if all(v == ABSENT for v, _, _ in everyone.values()) else INDETERMINATE
    return verdict, p, "", 0.0 if verdict == ABSENT else float("nan"), why


def _share(share: pd.Series, clones: Sequence[str], verdict: str) -> float:
    """Share of the cells with a clone that these clones are."""
    if verdict != PRESENT:
        return 0.0 if verdict == ABSENT else float("nan")
    return float(share.reindex(list(clones)).fillna(0.0).sum())


def _translocation(name: str, drivers: pd.DataFrame) -> tuple[str, float, str, float, str]:
    """From the driver genes of all clonal cells: a proxy without a probability."""
    rows = drivers[drivers["group"] == "tumour"]
    found = str(rows["tc_class"].iloc[0]) if len(rows) else ""
    if found in ("", "not assessable"):
        return INDETERMINATE, float("nan"), "", float("nan"), "drivers were not assessable"
    confidence = str(rows["tc_confidence"].iloc[0])
    why = f"by driver genes: {found}, confidence {confidence} ({rows['tc_reason'].iloc[0]})"
    if confidence == "low":
        return INDETERMINATE, float("nan"), "", float("nan"), why
    if found == name:
        return PRESENT, float("nan"), "", float("nan"), why
    return ABSENT, float("nan"), "", float("nan"), why
