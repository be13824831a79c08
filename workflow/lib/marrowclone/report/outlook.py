"""What follows the state: how the score changed, how it hangs on judgement, and risk and outlook, labelled apart."""

from __future__ import annotations

import pandas as pd

from ..cure.said import DEFAULT, DIRICHLET, SICKEST, verdict
from ..keys import INDETERMINATE
from . import words
from .blocks import Section, Table
from .gather import Patient
from .rows import rows_of

#: Names of the stagings as they are printed.
SYSTEMS: dict[str, str] = {
    "IMS_IMWG_2025": "IMS/IMWG 2025",
    "ISS": "ISS",
    "R-ISS": "R-ISS",
    "R2-ISS": "R2-ISS",
    "HRCA": "High-risk events (count)",
    "double_hit": "Double hit",
}


def risk_table(risk: pd.DataFrame) -> Table | None:
    """The stagings of the newest landmark (``cure.risk`` of one patient); None without any."""
    if not len(risk):
        return None
    newest = risk[risk["day"] == risk["day"].max()]
    rows = []
    for row in rows_of(newest):
        lacking = "" if words.missing(row.missing) else f"missing: {row.missing}"
        note = "" if words.missing(row.note) else str(row.note)
        said = "not known" if str(row.result) == INDETERMINATE else str(row.result)
        rows.append([SYSTEMS.get(str(row.system), str(row.system)), said, "; ".join(filter(None, [lacking, note]))])
    return Table(
        ["Staging", "Result", "What lacks, and notes"],
        rows,
        caption=f"Risk, apart from the state: it changes no tier and no score ({words.when(newest['day'].max())})",
        folded=True,
    )


def change_table(changes: pd.DataFrame) -> Table | None:
    """Every landmark against the one before (``cure.changes`` of one patient); None without any."""
    if not len(changes):
        return None
    rows = [
        [words.number(r.from_day), words.number(r.to_day), f"{r.tier_from or '–'} to {r.tier_to or '–'}",
         words.number(r.delta, 2), words.between(r.lower, r.upper, as_share=False), words.probability(r.p_higher),
         str(r.call), str(r.components) or "–"]
        for r in rows_of(changes)
    ]  # fmt: skip
    return Table(
        [
            "From day",
            "To day",
            "Tier",
            "Change of score",
            "90% (measurement)",
            "Chance it rose",
            "Call",
            "Known at both",
        ],
        rows,
        caption="Change since the landmark before, over components known at both",
        numeric=frozenset({0, 1, 3, 4, 5}),
        folded=True,
    )


def sensitivity_table(sensitivity: pd.DataFrame) -> Table | None:
    """Score and tier of the newest landmark by other judgement (``cure.sensitivity`` of one patient), widest first."""
    if not len(sensitivity):
        return None
    newest = sensitivity[sensitivity["day"] == sensitivity["day"].max()]
    moved = newest[newest["constant"] != DEFAULT]
    moved = moved.assign(size=moved["change"].astype(float).abs()).sort_values("size", ascending=False, kind="stable")
    whole = {DIRICHLET, SICKEST}  # these have no default of their own
    rows = [
        [
            str(r.constant), words.number(r.default), words.number(r.value), words.number(r.css, 2),
            words.number(r.change, 2), str(r.tier) or "–",
            words.between(r.css_lower, r.css_upper, as_share=False) if str(r.constant) in whole else "–",
        ]
        for r in rows_of(moved)
        if not words.missing(r.css)
    ]  # fmt: skip
    if not rows:
        return None
    return Table(
        ["Constant", "Default", "Instead", "Score", "Change", "Tier", "90%"],
        rows,
        caption=f"Were our judgement another one ({words.when(newest['day'].max())})",
        numeric=frozenset({1, 2, 3, 4}),
        folded=True,
    )


def apart(patient: Patient) -> list[Table]:
    """Tables that follow the state: its change, what it hangs on, then the risk."""
    made = (change_table(patient.changes), sensitivity_table(patient.sensitivity), risk_table(patient.risk))
    return [t for t in made if t is not None]


def last_change(patient: Patient) -> str:
    """The newest change of the score in words; empty without a landmark before."""
    if not len(patient.changes):
        return ""
    row = patient.changes.sort_values("to_day").iloc[-1]
    since = f"since {words.when(row['from_day'])}"
    if words.missing(row["delta"]):
        return f"not comparable {since}"
    delta = f"{float(row['delta']):+.0f}".replace("-", "−")
    by = f"{delta} points {since}, 90% {words.between(row['lower'], row['upper'], as_share=False)}"
    return {"higher": f"▲ higher: {by}", "lower": f"▼ lower: {by}"}.get(str(row["call"]), f"no clear change: {by}")


def risk_words(risk: pd.DataFrame) -> list[str]:
    """The newest landmark's risk for a table of patients: the first staging that said something, and the count of
    high-risk events; ``not known`` where neither did. The patient's page has all of them."""
    if not len(risk):
        return []
    newest = risk[risk["day"] == risk["day"].max()].set_index("system")["result"].astype(str).to_dict()
    known = {key: value for key, value in newest.items() if value != INDETERMINATE}
    staged = next((key for key in SYSTEMS if key in known and key not in ("HRCA", "double_hit")), None)
    said = [f"{SYSTEMS[staged].replace(' 2025', '')}: {known[staged]}"] if staged else []
    said += [f"high-risk events: {known['HRCA']}"] if "HRCA" in known else []
    return said or ["not known"]


def outlook_section(outlook: pd.DataFrame) -> Section | None:
    """How well the score foretold the cohort's own outcomes; None where the rule wrote nothing."""
    if not len(outlook):
        return None
    section = Section(
        "outlook",
        "Outlook of this cohort, apart from the state",
        "Does the score foretell progression here, and better than what needs no score? Patients free of progression "
        "at each landmark; each is foretold from the others. C and AUC: 0.5 is chance, 1 is full. Brier: 0 is best, "
        "compare with the Kaplan-Meier curve for everybody. It changes no tier and no score.",
    )
    section.notes += verdict(outlook)
    rows = [
        [words.number(r.landmark_month), words.plain(str(r.measure)), words.number(r.value, 3),
         words.between(r.lower, r.upper, as_share=False), words.number(r.n), words.told(r.note) or "–"]
        for r in rows_of(outlook)
        if not words.missing(r.value)
    ]  # fmt: skip
    if rows:
        section.tables.append(
            Table(
                ["Landmark (month)", "Measure", "Value", "90%", "Patients", "Note"], rows, numeric=frozenset({0, 2, 4}),
                caption="Discrimination, calibration and prediction error, beside plain benchmarks", folded=True,
            )
        )  # fmt: skip
    return section
