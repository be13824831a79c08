"""Evidence of resistance per clone, day and drug class (science 4.6). Descriptive, no advice.

Kinds of evidence, never merged: *antigen* (mRNA of the drug's target, tested against dropout),
*expression* and *programme* (mRNA of other genes, and of sets of them, that changed in the clone),
*dosage* (copies of the arm that holds the gene) and *phenotype* (the clone grew while the drug
was given), which outranks markers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ..keys import MALIGNANT, NORMAL, TABLES
from .antigen import LOSS, NOT_ASSESSABLE, AntigenTest, loss_test, not_assessable, pick_reference
from .expression_evidence import expression_rows, find_changes
from .fractions import natural
from .panel_sums import Features
from .therapy import exposed_classes

GREW, SHRANK, NO_GROWTH = "grew on drug", "shrank on drug", "no growth shown"
GAIN, AMPLIFICATION, DELETION, BIALLELIC, NO_CHANGE = (
    "gain", "amplification", "deletion", "biallelic deletion", "no change seen",
)  # fmt: skip
ANY = "any"
#: Columns that follow the contract's in resistance.tsv.
RESISTANCE_EXTRA = (
    "exposed", "strength", "n_cells", "n_needed", "p_silent", "posterior", "reference", "note", "p_change",
)  # fmt: skip


def antigens(panel: pd.DataFrame) -> list[str]:
    """Genes whose mRNA is tested, in the panel's order."""
    return list(dict.fromkeys(panel.loc[panel["evidence_type"] == "antigen", "marker"]))


def tumour_cells(
    malignant: pd.DataFrame, clone_cells: pd.DataFrame, depth: pd.Series, days: Mapping[str, int]
) -> pd.DataFrame:
    """One row per tumour-type cell: cell, sample, day, call, clone (empty if none), depth.

    ``depth`` is the non-immunoglobulin UMI by cell (``n_umi_non_ig`` of the QC tables).
    """
    frame = malignant[["cell", "sample", "call"]].copy()
    frame["clone"] = frame["cell"].map(clone_cells.set_index("cell")["clone"]).fillna("")
    frame["day"] = frame["sample"].map(days).astype(int)
    frame["depth"] = frame["cell"].map(depth).fillna(0).astype(float)
    return frame.sort_values("cell", kind="stable").reset_index(drop=True)


def assess_resistance(
    cells: pd.DataFrame,
    counts: pd.DataFrame,
    *,
    arms: pd.DataFrame,
    dynamics: pd.DataFrame,
    therapy: pd.DataFrame,
    panel: pd.DataFrame,
    patient: str,
    settings: Mapping[str, Any],
    soup: pd.DataFrame | None = None,
    features: Callable[[int], Features] | None = None,
) -> pd.DataFrame:
    """All evidence of a patient.

    Parameters
    ----------
    cells
        of :func:`tumour_cells`.
    counts
        UMI of the panel's antigens, cells x genes, rows as in ``cells``; genes that were not
        measured in every sample are left out.
    arms
        ``copy_number/{patient}.arms.tsv``.
    dynamics
        ``evolution/{patient}.dynamics.tsv``.
    soup
        of :func:`marrowclone.evolution.antigen.soup_per_cell`.
    features
        gives what :func:`marrowclone.evolution.panel_sums.features_of` makes of the cells up to a day, so that later
        ones change nothing; None: no expression evidence.

    Returns
    -------
    DataFrame
        the contract's columns and :data:`RESISTANCE_EXTRA`. ``value`` is, by evidence_type:
        antigen, observed over expected UMI (95% interval); expression and programme, the same against the
        reference that is named, captures and copies taken out; dosage, integer copies (no
        interval, ``posterior`` beside it); phenotype, growth per month (95% interval).
    """
    rows: list[dict[str, Any]] = []
    clones = sorted(set(cells["clone"]) - {""}, key=natural)
    days = sorted({int(d) for d in cells.loc[cells["clone"] != "", "day"]})
    when = dict(zip(cells["sample"].astype(str), cells["day"].astype(int), strict=True))
    for day in days:
        exposed = exposed_classes(therapy, patient, day)
        by_then = features(day) if features is not None and exposed else None
        for clone in clones:
            here = ((cells["clone"] == clone) & (cells["day"] == day)).to_numpy()
            if here.any():
                rows += _antigen_rows(clone, day, here, cells, counts, panel, exposed, soup, settings=settings)
                rows += _dosage_rows(clone, day, int(here.sum()), arms, panel, exposed, len(clones))
                if by_then is not None:
                    found = find_changes(by_then, clone, day, when, settings=settings)
                    given = expression_rows(
                        found, by_then.names, clone, day, int(here.sum()), panel, exposed,
                        anything=ANY, settings=settings,
                    )  # fmt: skip
                    rows += [_row(**row) for row in given]
    rows += _phenotype_rows(dynamics, settings=settings)
    frame = pd.DataFrame(rows, columns=[*TABLES["evolution.resistance"], *RESISTANCE_EXTRA])
    return frame.sort_values(["day", "clone"], key=_order, kind="stable").reset_index(drop=True)


def _order(column: pd.Series) -> pd.Series:
    return column if column.name == "day" else column.map(natural)


def _row(clone: str, day: int, drug_class: str, marker: str, evidence_type: str, **more: Any) -> dict[str, Any]:
    numbers = ("value", "lower", "upper", "n_cells", "n_needed", "p_silent", "posterior", "p_change")
    base: dict[str, Any] = dict.fromkeys(numbers, math.nan) | {"reference": "", "note": "", "strength": 0.0}
    named = {"clone": clone, "day": day, "drug_class": drug_class, "marker": marker, "evidence_type": evidence_type}
    return {**base, **named, **more}


def _antigen_rows(
    clone: str,
    day: int,
    here: np.ndarray,
    cells: pd.DataFrame,
    counts: pd.DataFrame,
    panel: pd.DataFrame,
    exposed: Sequence[str],
    soup: pd.DataFrame | None,
    *,
    settings: Mapping[str, Any],
) -> list[dict[str, Any]]:
    """Every antigen of the panel, also of drugs that were not given (flagged so)."""
    rows = []
    tests: dict[str, tuple[AntigenTest, str]] = {}
    for item in panel[panel["evidence_type"] == "antigen"].to_dict("records"):
        gene, drug_class = str(item["marker"]), str(item["drug_class"])
        if gene not in tests:
            tests[gene] = _antigen(gene, clone, day, here, cells, counts, soup, settings=settings)
        test, reference = tests[gene]
        given = drug_class in exposed
        lost = given and test.call == LOSS
        rows.append(
            _row(
                clone, day, drug_class, gene, "antigen",
                value=test.ratio, lower=test.lower, upper=test.upper, call=test.call, exposed=given,
                strength=settings["strength_antigen_loss"] if lost else 0.0, n_cells=int(here.sum()),
                n_needed=test.n_needed, p_silent=test.p_silent, reference=reference,
                note="" if given else "not exposed",
            )
        )  # fmt: skip
    return rows


def _antigen(
    gene: str,
    clone: str,
    day: int,
    here: np.ndarray,
    cells: pd.DataFrame,
    counts: pd.DataFrame,
    soup: pd.DataFrame | None,
    *,
    settings: Mapping[str, Any],
) -> tuple[AntigenTest, str]:
    """One gene against the clone's earlier self, else the patient's other cells, up to this day."""
    if gene not in counts.columns:
        return not_assessable(), "not measured in every sample"
    umi, depth = counts[gene].to_numpy(dtype=float), cells["depth"].to_numpy()
    own, when = (cells["clone"] == clone).to_numpy(), cells["day"].to_numpy()
    called = cells["call"].to_numpy()
    groups = {
        "own earlier cells": own & (when < day),
        "other clones": ~own & (cells["clone"] != "").to_numpy() & (called == MALIGNANT) & (when <= day),
        "normal plasma cells": (called == NORMAL) & (when <= day),
    }
    name, mask = pick_reference(umi, groups, least=settings["min_reference_umi"])
    if not name:
        return not_assessable(), "none expresses it"
    within = (
        0.0 if soup is None or gene not in soup else float(cells.loc[here, "sample"].map(soup[gene]).fillna(0).sum())
    )
    test = loss_test(
        int(umi[here].sum()), depth[here],
        reference_umi=int(umi[mask].sum()), reference_depth=depth[mask], settings=settings, soup=within,
    )  # fmt: skip
    return test, name


def _dosage_rows(
    clone: str,
    day: int,
    n_cells: int,
    arms: pd.DataFrame,
    panel: pd.DataFrame,
    exposed: Sequence[str],
    n_clones: int,
) -> list[dict[str, Any]]:
    """Arm copies for the drug classes that the patient was given (and for any treatment)."""
    rows = []
    # the pooled rows speak for the only clone there is
    own = arms[arms["clone"] == clone]
    own = arms[arms["clone"] == "all"] if own.empty and n_clones == 1 else own
    for item in panel[panel["evidence_type"] == "dosage"].to_dict("records"):
        drug_class = str(item["drug_class"])
        if not (drug_class in exposed or (drug_class == ANY and exposed)):
            continue
        where = own[(own["chromosome"] == item["chromosome"]) & (own["arm"] == item["arm"])]
        more: dict[str, Any] = {"call": NOT_ASSESSABLE, "note": "arm not assessed"}
        if not where.empty:
            more = _dosage(where.iloc[0], item)
        more["note"] = "; ".join(filter(None, [f"{item['chromosome'][3:]}{item['arm']}", more["note"]]))
        rows.append(_row(clone, day, drug_class, item["marker"], "dosage", exposed=True, n_cells=n_cells, **more))
    return rows


def _dosage(arm: pd.Series, item: Mapping[Any, Any]) -> dict[str, Any]:
    """Call and weight of one arm; only the panel's direction counts."""
    copies, called = float(arm["state"]), str(arm["call"])
    if called not in ("gain", "loss", "neutral") or math.isnan(copies):
        return {"call": NOT_ASSESSABLE, "note": f"arm {called or 'not called'}"}
    high = copies >= 4 if item["direction"] == "gain" else copies <= 0
    result: dict[str, Any] = {"value": copies, "posterior": float(arm["posterior"]), "call": NO_CHANGE, "note": ""}
    if called != item["direction"]:
        return result | {"note": f"arm {called}"}
    names = (AMPLIFICATION, GAIN) if item["direction"] == "gain" else (BIALLELIC, DELETION)
    strength = item["strength_high" if high else "strength"]
    return result | {"call": names[0] if high else names[1], "strength": 0.0 if pd.isna(strength) else float(strength)}


def _phenotype_rows(dynamics: pd.DataFrame, *, settings: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Whether a clone grew over an interval throughout which a drug class was given."""
    rows = []
    for item in dynamics.to_dict("records"):
        start, end = int(item["from_day"]), int(item["to_day"])
        throughout = _split(item["therapy_throughout"])
        p = float(item["p_growing"])
        for drug_class in _split(item["therapy_classes"]):
            note = f"days {start} to {end}"
            call, strength = NOT_ASSESSABLE, 0.0
            if drug_class not in throughout:
                note += "; not given throughout"
            elif math.isnan(p) or max(item["n_from"], item["n_to"]) < settings["min_cells"]:
                note += "; growth not assessable"
            elif p >= settings["grew_probability"] and item["n_to"] >= settings["min_cells"]:
                call, strength = GREW, settings["strength_grew"]
            else:
                call = SHRANK if p <= 1 - settings["grew_probability"] else NO_GROWTH
            rows.append(
                _row(
                    str(item["clone"]), end, drug_class, "growth", "phenotype",
                    value=item["growth_per_month"], lower=item["lower"], upper=item["upper"], call=call,
                    exposed=True, strength=strength, n_cells=item["n_to"], posterior=p, note=note,
                )
            )  # fmt: skip
    return rows


def _split(text: Any) -> list[str]:
    """Names joined by semicolons; an empty field is no name."""
    return [] if pd.isna(text) else [name for name in str(text).split(";") if name]
