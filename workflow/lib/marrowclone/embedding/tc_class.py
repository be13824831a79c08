"""Translocation / cyclin-D class from a tumour's driver levels (science 1.5; Bergsagel 2005 Blood 106:296)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

NOT_ASSESSABLE = "not assessable"
HIGH, MODERATE, LOW = "high", "moderate", "low"
#: A level within this factor of the limit that parts two classes makes the call a weak one [J].
GREY_FACTOR = 1.5
#: A z this far above the limit is beyond doubt [J].
CLEAR_Z = 2.0

#: A cyclin whose z is this near the limit may be on or off [J].
CLOSE_Z = 1.0


def tc_class(
    levels: pd.DataFrame, panel: pd.DataFrame, *, settings: Mapping[str, Any], reference: str
) -> tuple[str, str, str]:
    """Class, confidence and reason.

    IgH translocations go before the cyclin-D classes: t(4;14) by NSD2 (FGFR3 may be lost), t(14;16) and t(14;20) by MAF
    or MAFB (the larger z), t(6;14) by CCND3 at ``min_ccnd3_cpm``, t(11;14) by CCND1 at ``min_ccnd1_cpm`` or more.
    Then CCND1 or CCND2 raised (in fewer cells than a spike): D1, D2, D1+D2, else none.

    Parameters
    ----------
    levels
        a group's rows: gene, level (CPM), z, spike, raised.
    """
    by_gene = levels.set_index("gene")
    spike = {g: bool(by_gene.at[g, "spike"]) for g in by_gene.index}
    raised = {g: bool(by_gene.at[g, "raised"]) for g in by_gene.index}
    level = {str(g): float(v) for g, v in by_gene["level"].items()}
    z = {str(g): float(v) for g, v in by_gene["z"].items()}
    ccnd1, ccnd3 = settings["min_ccnd1_cpm"], settings["min_ccnd3_cpm"]
    candidates = {
        "t(4;14)": ("NSD2", spike["NSD2"]),
        "t(14;16)": ("MAF", spike["MAF"]),
        "t(14;20)": ("MAFB", spike["MAFB"]),
        "t(6;14)": ("CCND3", spike["CCND3"] and level["CCND3"] >= ccnd3),
        "t(11;14)": ("CCND1", spike["CCND1"] and level["CCND1"] >= ccnd1),
    }
    found = sorted((name for name, (_, there) in candidates.items() if there), key=lambda n: -z[candidates[n][0]])
    words = lambda gene: f"{gene} {level[gene]:.0f} per million, z {z[gene]:.1f}"  # noqa: E731
    notes = []
    if found:
        best = found[0]
        gene = candidates[best][0]
        confidence = HIGH if z[gene] >= settings["min_z"] + CLEAR_Z else MODERATE
        notes.append(words(gene))
        if best == "t(4;14)":
            notes.append(words("FGFR3") if spike["FGFR3"] else "FGFR3 not raised (der(14) is lost in 25 to 30%)")
        if best in ("t(14;16)", "t(14;20)"):
            notes.append(f"ITGB7 {'raised' if raised['ITGB7'] else 'not raised'}")
        limit = {"t(11;14)": ccnd1, "t(6;14)": ccnd3}.get(best)
        if best == "t(11;14)":
            notes.append(f"CCND2 {'on' if raised['CCND2'] else 'off'}")
            confidence = MODERATE if raised["CCND2"] else confidence
        if limit and level[gene] < GREY_FACTOR * limit:
            confidence = LOW
            notes.append(f"near the limit of {limit:g} per million [J]")
        if len(found) > 1:
            confidence = LOW
            notes.append("also " + ", ".join(f"{n} ({words(candidates[n][0])})" for n in found[1:]))
        name = best
    else:
        on = [g for g in ("CCND1", "CCND2") if raised[g]]
        name = {(): "none", ("CCND1",): "D1", ("CCND2",): "D2", ("CCND1", "CCND2"): "D1+D2"}[tuple(on)]
        confidence = MODERATE
        notes += [words(g) for g in ("CCND1", "CCND2")]
        if "CCND1" in on:
            notes.append("by expression alone, without copy number of chromosomes 11 and 15")
            confidence = LOW if level["CCND1"] > ccnd1 / GREY_FACTOR else confidence
        close = [g for g in ("CCND1", "CCND2") if abs(z[g] - settings["min_z"]) < CLOSE_Z]
        if close:
            confidence = LOW
            notes.append(f"{' and '.join(close)} near the limit of z {settings['min_z']:g}")
        near = [g for g in ("NSD2", "MAF", "MAFB") if not spike[g] and z[g] > settings["min_z"]]
        if near:
            confidence = LOW
            notes.append(f"{' and '.join(near)} raised, but in too few cells")
        if spike["FGFR3"]:
            confidence = LOW
            notes.append("FGFR3 raised without NSD2")
    if reference.startswith("published"):
        confidence = LOW
        notes.append("against a published profile")
    return name, confidence, "; ".join(notes)
