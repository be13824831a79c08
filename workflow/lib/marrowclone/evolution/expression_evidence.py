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
OWN, OTHERS, NORMALS = "own earlier cells", "other clones", "normal plasma cells"


@dataclass(frozen=True)
class Found:
    """What one comparison of a clone says of each tested name."""

    change: Change
    reference: str
    n_reference: int
    alike: np.ndarray


def full_panel(panel: pd.DataFrame, settings: Mapping[str, Any]) -> pd.DataFrame:
    """The panel with the user's sets: setting ``programmes``, by drug class, with ``strength_signature``."""
    rows = [
        {
            "drug_class": drug_class, "marker": name, "evidence_type": PROGRAMME, "direction": "gain",
            "strength": settings["strength_signature"], "source": "user", "reason": "set of the user",
        }
        for drug_class, names in settings["programmes"].items() for name in names
    ]  # fmt: skip
    return pd.concat([panel, pd.DataFrame(rows)], ignore_index=True) if rows else panel


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
    ``alike``: the patient's other clones changed to the same side as much between the same days, so that a drug or
    a capture, rather than this clone, may be behind it.
    """
    sums, least = features.sums, settings["change_cells"]
    when = np.array([days[str(s)] for s in sums.sample], dtype=int)
    own, normal = sums.clone == clone, sums.clone == NORMAL_GROUP
    others = ~own & ~normal
    here = own & (when == day)
    if sums.cells[here].sum() < least:
        return None
    no = np.zeros(len(features.names), dtype=bool)
    for name, among in ((OWN, own & (when < day)), (OTHERS, others & (when <= day)), (NORMALS, normal & (when <= day))):
        if sums.cells[among].sum() < least:
            continue
        change = compare(features, here, among, by_copies=name != OWN, settings=settings)
        alike = no
        after, before = others & (when == day), others & (when < day)
        if name == OWN and min(sums.cells[after].sum(), sums.cells[before].sum()) >= least:
            # their mixture of clones may have changed, and copies with it
            second = compare(features, after, before, by_copies=True, settings=settings)
            same = np.sign(np.log(np.maximum(second.ratio, 1e-9))) == np.sign(np.log(np.maximum(change.ratio, 1e-9)))
            alike = same & (second.p < settings["change_p"])
        return Found(change, name, int(sums.cells[among].sum()), alike)
    return None


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
            notes.append("the other clones changed alike")
        return result | {
            "call": call, "strength": strength if call == expected else 0.0, "note": "; ".join(notes),
        }  # fmt: skip
    could = change.can_rise[at] if item["direction"] == "gain" else change.can_fall[at]
    if not could:
        notes.append(f"a {settings['detectable_fold']:g}-fold change would not show")
    return result | {"call": UNCHANGED if could else NOT_ASSESSABLE, "note": "; ".join(notes)}
