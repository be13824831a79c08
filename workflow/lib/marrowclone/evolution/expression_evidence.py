"""Evidence of resistance from expression: genes and programmes of the panel that changed in a clone (science 4.6)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from .antigen import NOT_ASSESSABLE
from .changes import Change, compare
from .panel_sums import NORMAL_GROUP, Features

EXPRESSION, PROGRAMME = "expression", "programme"
HIGHER, LOWER, UNCHANGED = "higher", "lower", "no change seen"
#: What a clone is compared with, in this order.
OWN, OTHERS, NORMALS = "own cells", "other clones", "normal plasma cells"

#: Share of a clone's ln ratio from which another clone's says that it changed alike [J].
AS_FAR = 0.5


@dataclass(frozen=True)
class Found:
    """What one comparison of a clone says of each tested name."""

    change: Change
    reference: str
    alike: np.ndarray
    own: bool


def full_panel(panel: pd.DataFrame, settings: Mapping[str, Any]) -> pd.DataFrame:
    """The panel with the user's sets: setting ``programmes``, by drug class, with ``strength_signature``."""
    rows = [
        {
            "drug_class": drug_class, "marker": name, "evidence_type": PROGRAMME, "direction": "gain",
            "strength": settings["strength_signature"], "source": "user", "reason": "set of the user",
        }
        for drug_class, names in settings["programmes"].items() for name in names
    ]  # fmt: skip
    if not rows:
        return panel
    keys = ["drug_class", "marker", "evidence_type"]
    return pd.concat([panel, pd.DataFrame(rows)], ignore_index=True).drop_duplicates(keys, keep="last")


def genes_to_test(
    panel: pd.DataFrame, sets: Mapping[str, Sequence[str]], measured: Iterable[str]
) -> dict[str, list[str]]:
    """{marker: symbols} of the panel's expression and programme rows, of genes that were measured."""
    there, found = set(measured), {}
    for item in panel[panel["evidence_type"].isin([EXPRESSION, PROGRAMME])].to_dict("records"):
        marker = str(item["marker"])
        genes = [marker] if item["evidence_type"] == EXPRESSION else sets.get(marker, ())
        genes = [g for g in dict.fromkeys(genes) if g in there]
        if genes:
            found[marker] = genes
    return found


def find_changes(
    features: Features, clone: str, day: int, days: Mapping[str, int], *, settings: Mapping[str, Any]
) -> Found | None:
    """A clone's cells of a day against the first reference that has enough cells; None where none has.

    Parameters
    ----------
    days
        sampling day of each capture.
    settings
        ``change_cells`` (of either side) and those of :func:`marrowclone.evolution.changes.compare`.

    Notes
    -----
    ``alike``: another clone of the patient changed, too, to the same side and at least half as far, so that a drug or
    a capture, rather than this clone, may be behind it. ``own``: the reference is the clone itself.
    """
    sums, least = features.sums, settings["change_cells"]
    when = np.array([days[str(s)] for s in sums.sample], dtype=int)
    normal = sums.clone == NORMAL_GROUP
    if sums.cells[(sums.clone == clone) & (when == day)].sum() < least:
        return None
    own = _own_change(features, clone, day, when, settings=settings)
    if own is not None:
        change, first = own
        alike = np.zeros(len(features.names), dtype=bool)
        for other in sorted(set(sums.clone[~normal]) - {clone}):
            second = _own_change(features, str(other), day, when, settings=settings)
            if second is not None:
                alike |= _alike(change, second[0], settings["change_p"])
        return Found(change, f"{OWN}, day {first}", alike, own=True)
    here = (sums.clone == clone) & (when == day)
    for name, among in ((OTHERS, ~normal & (sums.clone != clone)), (NORMALS, normal)):
        reference = among & (when <= day)
        if sums.cells[reference].sum() >= least:
            change = compare(features, here, reference, by_copies=True, settings=settings)
            return Found(change, name, np.zeros(len(features.names), dtype=bool), own=False)
    return None


def _own_change(
    features: Features, clone: str, day: int, when: np.ndarray, *, settings: Mapping[str, Any]
) -> tuple[Change, int] | None:
    """A clone against its cells of the first day that has enough of them; and that day.

    Of the first day and not of all before: what changed for good would otherwise be its own reference soon.
    """
    sums = features.sums
    own = sums.clone == clone
    here = own & (when == day)
    if sums.cells[here].sum() < settings["change_cells"]:
        return None
    for first in sorted({int(d) for d in when[own & (when < day)]}):
        reference = own & (when == first)
        if sums.cells[reference].sum() >= settings["change_cells"]:
            return compare(features, here, reference, by_copies=False, settings=settings), first
    return None


def _alike(one: Change, two: Change, p: float) -> np.ndarray:
    """Where the second changed to the same side, surely, and at least half as far."""
    with np.errstate(divide="ignore", invalid="ignore"):
        far, other = np.log(np.maximum(one.ratio, 1e-9)), np.log(np.maximum(two.ratio, 1e-9))
        return np.asarray((two.p < p) & (other / far >= AS_FAR))


def expression_rows(
    found: Found | None, names: Sequence[str], clone: str, day: int, n_cells: int, panel: pd.DataFrame,
    exposed: Sequence[str], *, anything: str, settings: Mapping[str, Any],
) -> list[dict[str, Any]]:  # fmt: skip
    """Rows of a clone and day, for classes that were given (and for ``anything`` where one was)."""
    rows = []
    place = {name: i for i, name in enumerate(names)}
    for item in panel[panel["evidence_type"].isin([EXPRESSION, PROGRAMME])].to_dict("records"):
        drug_class, marker = str(item["drug_class"]), str(item["marker"])
        if drug_class not in exposed and not (drug_class == anything and exposed):
            continue
        more: dict[str, Any] = {"call": NOT_ASSESSABLE, "reference": ""}
        if marker not in place:
            more["note"] = "not measured in every sample"
        elif found is None:
            more["note"] = f"fewer than {settings['change_cells']} cells, or none to compare with"
        else:
            more = _judged(found, place[marker], item, settings=settings)
        rows.append({
            "clone": clone, "day": day, "drug_class": drug_class, "marker": marker,
            "evidence_type": str(item["evidence_type"]), "exposed": True, "n_cells": n_cells, **more,
        })  # fmt: skip
    return rows


def _judged(found: Found, at: int, item: Mapping[Any, Any], *, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Call and weight of one name; only the panel's direction counts."""
    change = found.change
    ratio, p = float(change.ratio[at]), float(change.p[at])
    result: dict[str, Any] = {
        "value": ratio, "lower": float(change.lower[at]), "upper": float(change.upper[at]), "p_change": p,
        "reference": found.reference, "strength": 0.0,
    }  # fmt: skip
    if math.isnan(change.scatter):
        return result | {"call": NOT_ASSESSABLE, "note": "too few well-counted genes tell how captures differ"}
    notes = [] if change.copies_known[at] else ["copies not known"]
    if p < settings["change_p"] and max(ratio, 1 / max(ratio, 1e-9)) >= settings["change_fold"]:
        call = HIGHER if ratio > 1 else LOWER
        expected = HIGHER if item["direction"] == "gain" else LOWER
        strength = 0.0 if pd.isna(item["strength"]) else float(item["strength"])
        if call != expected:
            notes.append("not the direction that counts")
        if found.alike[at]:
            notes.append("another clone changed alike")
        if not found.own:
            strength = 0.0
            notes.append("a difference between cells, not a change: not weighed")
        elif not change.soup_known[at]:
            strength = 0.0
            notes.append("soup not known in every capture: not weighed")
        return result | {
            "call": call, "strength": strength if call == expected else 0.0, "note": "; ".join(notes),
        }  # fmt: skip
    could = change.can_rise[at] if item["direction"] == "gain" else change.can_fall[at]
    if p < settings["change_p"]:
        notes.append(f"differs, but by less than {settings['change_fold']:g}-fold")
    if not could:
        notes.append(f"a {settings['detectable_fold']:g}-fold change would not show")
    return result | {"call": UNCHANGED if could else NOT_ASSESSABLE, "note": "; ".join(notes)}
