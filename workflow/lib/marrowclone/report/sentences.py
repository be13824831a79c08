"""Plain sentences about a patient: what was found, and where the patient stands now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from ..keys import HIDDEN_TUMOUR_CELLS, MALIGNANT, NORMAL, PLASMA, UNASSIGNED
from . import words
from .figures.style import clone_order
from .gather import Patient, empty
from .outlook import last_change


def clone_names(patient: Patient) -> list[str]:
    """Names of the patient's clones, c1 first."""
    names = [c for f in (patient.fractions, patient.clone_cells, patient.tree) for c in f.get("clone", [])]
    return clone_order([c for c in names if c and c != "all"])


def calls(patient: Patient, sample: str | None = None) -> tuple[int, int, int]:
    """(malignant, normal, unassigned) tumour-type cells, of one sample or of all."""
    rows = patient.malignant
    if sample is not None:
        rows = rows[rows["sample"] == sample]
    return tuple(int((rows["call"] == call).sum()) for call in (MALIGNANT, NORMAL, UNASSIGNED))  # type: ignore[return-value]


def rung(patient: Patient) -> str:
    """The reference rung that was used, ``none`` when there is none."""
    return str(patient.reference["rung"].iloc[0]) if len(patient.reference) else "none"


def reference_words(patient: Patient) -> tuple[str, str]:
    """(what the reference is, how far it can be believed) of the patient's rung.

    R1 is also the rung of cells that the user labelled: these are no plasma cells, and that
    they are the tumour's normal counterpart is not ours to say.
    """
    level = rung(patient)
    if level == "R1" and PLASMA not in str(patient.reference["cell_types"].iloc[0]).split(", "):
        return "cells of the same patient that the user labelled as normal", "as good as the user's labels"
    return words.RUNGS.get(level, (level, "not known"))


def finding(patient: Patient, *, noun: str) -> str:
    """What was found, in one plain sentence or two. ``noun``: what a tumour-type cell is called."""
    kept = len(patient.cells)
    found = int(patient.cells["is_tumour_type"].eq(True).sum()) if kept else 0
    malignant, normal, unassigned = calls(patient)
    where = words.count(patient.samples["timepoint"].nunique(), "timepoint")
    if kept == 0:
        return "No cell passed quality control: nothing is assessable."
    if found == 0:
        return (
            f"No {noun}s found among {words.count(kept, 'kept cell')} at {where}: "
            "copy number, clones, burden and growth are not assessable."
        )
    if patient.healthy:
        return (
            f"Healthy donor with {words.count(found, noun)}: "
            + (
                _none_of(normal, unassigned, noun, unseen=hidden(patient))
                if malignant == 0
                else f"{words.called(malignant, normal, unassigned)} called malignant"
            )
            + ". No tumour is expected here: whatever is called malignant is a false positive."
        )
    if rung(patient) == "none" or not len(patient.malignant):
        return (
            f"{words.count(found, noun).capitalize()} found at {where}, but no reference to measure "
            f"{'it' if found == 1 else 'them'} against: copy number and clones are not assessable."
        )
    if malignant + normal == 0:
        return f"Not assessable: {_none_of(normal, unassigned, noun)} at {where}. They may be malignant or normal."
    if malignant == 0:
        return (
            f"No tumour found: {_none_of(normal, unassigned, noun, unseen=hidden(patient))}. "
            f"This bounds the tumour {'among the cells that could be called' if unassigned else 'from above'}; "
            "it does not show its absence."
        )
    names = clone_names(patient)
    head = (
        f"{words.count(len(names), 'copy-number clone')} among {words.count(malignant, f'malignant {noun}')} at {where}"
        if names
        else f"{words.count(malignant, f'malignant {noun}')} at {where}; no clones could be told apart"
    )
    return f"{head}. {_latest(patient, noun)}".strip()


def hidden(patient: Patient) -> int:
    """Malignant cells that may go unseen in a patient in whom no tumour was found; 0 where one was.

    0 for a healthy donor, too: there zero of n bounds the false positives, not a tumour.
    """
    return 0 if patient.healthy or calls(patient)[0] else HIDDEN_TUMOUR_CELLS


def false_positives(patients: Sequence[Patient]) -> str:
    """How many cells known to be normal are called malignant, over these patients; empty where none has such cells."""
    tables = [p.call_rates for p in patients if not p.healthy and len(p.call_rates)]
    rates = pd.concat(tables, ignore_index=True) if tables else empty("copy_number.calls")
    rates = rates[pd.to_numeric(rates["held_out"], errors="coerce").fillna(0) > 0]
    if not len(rates):
        return ""
    n, k = int(rates["held_out"].sum()), int(rates["held_out_called"].sum())
    where = f" in {words.count(len(rates), 'patient')} with a tumour" if len(patients) > 1 else ""
    source = f" ({words.told(rates['source'].iloc[0])})" if len(patients) == 1 else ""
    return (
        f"False positives: of the cells known to be normal{where}{source}, copy number and expression call "
        f"{words.of_n(k, n)} malignant."
    )


def _none_of(normal: int, unassigned: int, noun: str, *, unseen: int = 0) -> str:
    """No malignant cell: zero of the cells that could be called, always with its bound."""
    if normal == 0:
        return f"none of {words.count(unassigned, noun)} could be called" if unassigned else f"no {noun} was examined"
    bound = words.zero_bound(normal, hidden=unseen)
    text = f"0 of {words.count(normal, noun)} called malignant ("
    text += f"share below {words.share(bound)}, 95%" if bound < 1 else "too few to bound the share"
    text += f"; a tumour of fewer than about {unseen} cells would not be seen)" if unseen else ")"
    return f"{text}, {unassigned:,} unassigned" if unassigned else text


def _latest(patient: Patient, noun: str) -> str:
    """The largest clone of the last sample, or the bound when the last sample holds no malignant cell."""
    last = patient.samples.iloc[-1]
    place = f"{words.timepoint(str(last['timepoint']))}, {words.when(last['day'])}"
    malignant, normal, unassigned = calls(patient, str(last["sample"]))
    if malignant == 0:
        if normal + unassigned == 0:
            return f"The latest sample ({place}) holds no {noun}s."
        return f"In the latest sample ({place}), {_none_of(normal, unassigned, noun)}."
    rows = patient.fractions[(patient.fractions["sample"] == last["sample"]) & (patient.fractions["n_clone"] > 0)]
    if not len(rows):
        return ""
    top = rows.sort_values("fraction", ascending=False, kind="stable").iloc[0]
    return (
        f"In the latest sample ({place}), {top['clone']} is the largest: {words.share(top['fraction'])} "
        f"of malignant cells (95% interval {words.between(top['lower'], top['upper'])})."
    )


@dataclass(frozen=True)
class Component:
    """One component of the score, in [0, 1] or missing."""

    code: str
    name: str
    meaning: str
    value: float | None

    @property
    def said(self) -> str:
        """The value as the page prints it."""
        return "missing" if self.value is None else f"{self.value:.2f}"


@dataclass(frozen=True)
class Glance:
    """Where the patient stands at the latest landmark."""

    tier: str
    meaning: str
    direction: str  # better, worse, same, first, none: for the arrow
    trend: str
    day: str
    score: str
    scored: bool
    interval: str
    total: str
    chance: str
    reason: str
    coverage: str
    suffixes: list[tuple[str, str]]
    components: list[Component]
    missing: list[str]
    next: str
    joint: str = ""  # how C and D hang together
    change: str = ""  # of the score, since the landmark before


#: What a missing clinical table takes away.
LOST = {
    "mrd": "no MRD assays: no deep response can be shown, tiers end at T1",
    "imaging": "no imaging: imaging status is unknown",
    "response": "no IMWG responses: the tier's clinical facts are not known",
    "therapy": "no therapy table: treatment-free time and drug exposure are not known",
    "pro": "no patient-reported outcomes: quality of life is missing",
    "cytogenetics": "no cytogenetics: copy number is not checked against FISH",
    "outcome": "no outcome table: what the score foretells cannot be held against what came",
}


def _level(tier: str) -> int | None:
    return int(tier[1]) if len(tier) > 1 and tier[0] == "T" and tier[1].isdigit() else None


def trend(landmarks: pd.DataFrame) -> tuple[str, str]:
    """(direction, words) of the latest tier against the landmark before it."""
    if not len(landmarks):
        return "none", "no landmark could be scored"
    tiers = [str(t) for t in landmarks["tier"]]
    now = _level(tiers[-1])
    if now is None:
        return "none", "no tier at the latest landmark"
    earlier = [(t, d) for t, d in zip(tiers[:-1], landmarks["day"][:-1], strict=True) if _level(t) is not None]
    if not earlier:
        return "first", "first landmark: no trend yet"
    before, day = earlier[-1]
    level = _level(before) or 0
    since = f"{before} at {words.when(day)}"
    said = words.stale_words(landmarks.iloc[-1])
    if said:  # nothing was measured that has fallen
        return "none", f"{said}; before it {since}"
    if now > level:
        return "better", f"nearer to cure than before ({since})"
    if now < level:
        return "worse", f"further from cure than before ({since})"
    return "same", f"same tier as before ({since})"


def joint(row: pd.Series) -> str:
    """That D and C share a burden, and how much; empty where one of them is missing."""
    if words.missing(row.get("cor_dc", None)):
        return ""
    said = f"D and C draw on the same burden: correlation of their draws {words.decimal(row['cor_dc'])}"
    bounded = str(row.get("c_bounded", "")).lower() == "true"
    return said + ("; C is bounded by an assay, not observed" if bounded else "")


def glance(patient: Patient) -> Glance:
    """The latest landmark in words; every part copes with its absence."""
    direction, said = trend(patient.landmarks)
    gone = [
        text
        for name, text in LOST.items()
        if not len(patient.clinical_rows(name)) and not (name == "pro" and len(patient.qol))
    ]
    if not len(patient.landmarks):
        reason = "healthy donors are not scored" if patient.healthy else "no landmark could be scored"
        parts = [Component(c, n, m, None) for c, (n, m) in words.COMPONENTS.items() if c != "M"]
        return Glance(
            "–", "not assessable", direction, said, "", "not assessable", True, "–", "–", "", reason, "–", [], parts,
            [] if patient.healthy else gone, "",
        )  # fmt: skip
    row = patient.landmarks.iloc[-1]
    parts = [
        Component(c, n, m, None if words.missing(row[c]) else float(row[c]))
        for c, (n, m) in words.COMPONENTS.items()
        if c != "M" or not words.missing(row[c])
    ]
    tier = str(row["tier"]) or "–"
    level = _level(tier)
    chance = ""
    if level is not None and not words.missing(row[f"p_t{level}"]):
        chance = f"probability of this tier: {words.probability(row[f'p_t{level}'])}"
        beyond = sum(float(row[f"p_t{k}"]) for k in range(level, 6) if not words.missing(row[f"p_t{k}"]))
        if level > 0:
            chance += f"; of T{level} or nearer to cure: {words.probability(beyond)}"
    scored = not words.missing(row["css"])
    return Glance(
        tier=tier,
        meaning=str(row.get("tier_words", "")) or words.tier(tier),
        direction=direction,
        trend=said,
        day=words.when(row["day"]),
        score=f"{float(row['css']):.0f}" if scored else "not given",
        scored=scored,
        interval=words.span(row["css_lower"], row["css_upper"]),
        total=words.span(row["css_total_lower"], row["css_total_upper"]),
        chance=chance,
        reason=words.told(str(row["reason"]).partition(" Next: ")[0]),
        coverage=words.share(row["coverage"]),
        suffixes=words.suffixes(str(row["tier_suffix"])),
        components=parts,
        missing=gone,
        next="" if words.missing(row.get("next", "")) else words.told(row["next"]),
        joint=joint(row),
        change=last_change(patient),
    )
