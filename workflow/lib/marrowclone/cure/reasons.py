"""The reason of a landmark in words: what decided the tier, what is missing, what would change it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from . import tiers
from .clones import Clonal
from .function import CR, PR, RANK, VGPR, State, Therapy
from .imaging import Imaging
from .mrd import INSENSITIVE, NEGATIVE, POSITIVE, TRACE
from .quality import Quality
from .stream import gate_days, months
from .tiers import Facts

_RESPONSE = {rank: word for word, rank in RANK.items()}


@dataclass(frozen=True)
class Evidence:
    """All that was read for one landmark, for the words."""

    day: int
    tests: pd.DataFrame
    test: int | None
    resurgence: bool
    imaging: Imaging
    therapy: Therapy
    state: State
    clonal: Clonal
    quality: Quality
    absent: tuple[str, ...]


def power(value: float) -> str:
    """``1e-5``, ``2.4e-6``: a small fraction as people write it."""
    return f"{value:.1e}".replace(".0e", "e").replace("e-0", "e-")


def _apart(days: float) -> str:
    return f"{months(days):.0f} months"


def describe_marrow(evidence: Evidence, facts: Facts) -> str:
    """The marrow status; "MRD-negative" is said of an assay row only, with its achieved limit."""
    if evidence.test is None and len(evidence.tests):
        when = f"the progression of day {max(evidence.state.progressions)}" if evidence.state.progressions else "then"
        return f"no MRD assay since {when}, and what it was before says nothing of now: residual disease unknown"
    if evidence.test is None:
        return "no MRD assay up to this day: residual disease unknown"
    test: Any = evidence.tests.loc[evidence.test]
    limit = f"limit {power(test['limit'])}" if np.isfinite(test["limit"]) else "limit unknown"
    by = f"{test['assay']} of day {test['day']} ({limit})"
    if test["status"] == NEGATIVE:
        text = f"MRD-negative by {by}"
        if facts.negative_days > 0:
            text += f", unbroken for {_apart(float(facts.negative_days))}"
    elif test["status"] == TRACE:
        text = f"below 1e-5 by {by}, but a clone is seen at {power(test['level'])}"
        if facts.negative_days > 0:
            text += f"; below 1e-5 for {_apart(float(facts.negative_days))}"
    elif test["status"] == POSITIVE:
        text = f"MRD-positive by {by}"
        rows = evidence.tests[evidence.tests["visit"] == test["visit"]]
        if rows["status"].isin([NEGATIVE, TRACE]).any():
            text += ", against a negative assay of the same visit (the worse counts)"
        if evidence.resurgence:
            text += ", after it had been negative: resurgence"
    elif test["status"] == INSENSITIVE:
        text = f"indeterminate at 1e-5: negative by {by}, which is not sensitive enough"
    else:
        text = f"MRD indeterminate by {by}"
    if test["diluted"]:
        text += " (not a first pull: may read low)"
    if facts.stale:
        text += f"; that is {_apart(evidence.day - float(test['day']))} old: stale, MRD unknown now"
    return text


def describe_tier(tier: int, facts: Facts, evidence: Evidence, *, settings: Mapping[str, Any]) -> str:
    """What decided the tier."""
    if tier == tiers.NOT_ASSESSABLE:
        return "Tier not assessable: no response and no active disease on record up to this day"
    if tier == 0:
        why = evidence.state.why or f"response {_RESPONSE[facts.response]} is less than PR"
        return f"T0, {tiers.WORDS[0]}: {why}"
    parts = [f"response {_RESPONSE[facts.response]} of day {evidence.state.rank_day:.0f}"]
    parts.append(describe_marrow(evidence, facts))
    if facts.imaging == "unknown":
        parts.append("imaging unknown")
    else:
        age = "" if facts.imaging_recent else ", older than its shelf life"
        parts.append(f"imaging {facts.imaging} (day {evidence.imaging.day:.0f}{age})")
    if evidence.therapy.known:
        free = _apart(facts.free_days) if facts.free_days else "0 months"
        parts.append(f"treatment-free {free}, progression-free {_apart(facts.progression_free_days)}")
    if tier == 2 and facts.response < CR:
        parts.append("flagged: VGPR, not CR")
    if tier == 4 and tiers.variant(tier, facts, settings=settings) == "b":
        parts.append(f"residual disease low and flat for {_apart(facts.stable_days)} (MGUS-like)")
    best = tiers.last_known(facts, settings=settings)
    if best > tier and facts.stale:
        parts.append(f"last known tier T{best}")
    return f"T{tier}, {tiers.WORDS[tier]}: " + "; ".join(parts)


def describe_missing(evidence: Evidence, *, settings: Mapping[str, Any]) -> list[str]:
    """Inputs that are missing, each with what it costs."""
    said = [f"no {name} table" for name in evidence.absent]
    if "therapy" not in evidence.absent and not evidence.therapy.starts:
        said.append("no therapy recorded up to this day")
    if not evidence.quality.known and "pro" not in evidence.absent:
        said.append(f"Q: {evidence.quality.note}")
    if not evidence.clonal.known:
        said.append(f"C: {evidence.clonal.note}")
    elif evidence.clonal.bounded:
        said.append(f"C bounded, not observed: {evidence.clonal.source}")
    if evidence.state.known and evidence.state.rank >= 0 and not evidence.state.recent:
        said.append(f"newest response is {_apart(evidence.day - evidence.state.rank_day)} old: at most T2")
    if evidence.quality.proxy:
        said.append("quality of life by proxy")
    return said


def _marrow_steps(facts: Facts, settings: Mapping[str, Any]) -> list[str]:
    if facts.stale:
        return ["a new MRD assay"]
    if facts.positive or not facts.negative:
        return [f"a marrow assay that is negative at {power(settings['mrd_threshold'])} or better"]
    return []


def next_steps(tier: int, facts: Facts, *, settings: Mapping[str, Any]) -> str:
    """What would have to be on record for the next tier; not advice."""
    if tier == tiers.NOT_ASSESSABLE:
        return "a response on record"
    best = tiers.last_known(facts, settings=settings)
    if facts.stale and best > tier:
        return f"T{best} again needs a new MRD assay that bears it out"
    if tier == 0:
        return "T1 needs a response of PR or better without active organ damage or extramedullary disease"
    steps = _marrow_steps(facts, settings)
    if tier == 1:
        steps += ["VGPR or better"] if PR <= facts.response < VGPR else []
        steps += ["imaging that is no longer positive"] if facts.imaging == "positive" else []
        return "T2 needs " + " and ".join(steps or ["the same facts again"])
    steps += [] if facts.imaging == "negative" and facts.imaging_recent else ["negative imaging within 12 months"]
    steps += [] if facts.function_known else ["response and therapy on record"]
    steps += [] if facts.response_recent else ["a current response"]
    span = float(np.max(facts.negative_days))

    def lack(have: float, need: float, what: str) -> list[str]:
        return [f"{what} of {need:g} months (now {months(have):.0f})"] if have < gate_days(need) else []

    if tier == 2:
        steps += lack(span, settings["sustained_months"], "an unbroken run of negative assays")
        return "T3 needs " + " and ".join(steps or ["the same facts again"])
    if tier == 3:
        steps += lack(span, settings["candidate_sustained_months"], "an unbroken run of negative assays")
        steps += lack(facts.free_days, settings["candidate_free_months"], "a treatment-free time")
        return "T4 needs " + " and ".join(steps or ["the same facts again"])
    if tier == 4:
        steps += lack(facts.free_days, settings["cure_free_months"], "a treatment-free time")
        steps += lack(facts.progression_free_days, settings["cure_free_months"], "a progression-free time")
        return "T5 needs " + " and ".join(steps or ["the same facts again"])
    return "T5 is the last tier; it ages: a negative assay and imaging every 12 months hold it"


def explain(
    tier: int, facts: Facts, evidence: Evidence, *, withheld: str, drawn_lower: bool, settings: Mapping[str, Any]
) -> str:
    """The whole reason, sentences joined."""
    sentences = [describe_tier(tier, facts, evidence, settings=settings)]
    if drawn_lower:
        sentences.append("The facts as reported allow a higher tier, most draws of the assays do not")
    if evidence.clonal.known and evidence.clonal.note:
        doubt = "" if evidence.clonal.suffix == "C-" else "whether one expands is not assessable: "
        sentences.append(f"Clones: {doubt}{evidence.clonal.note}")
    missing = describe_missing(evidence, settings=settings)
    if missing:
        sentences.append("Missing: " + "; ".join(missing))
    if withheld:
        sentences.append(withheld)
    sentences.append("Next: " + next_steps(tier, facts, settings=settings))
    return ". ".join(sentences) + "."
