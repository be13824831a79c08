"""Expected answers: what a scenario says must come out, held against what came out.

An expectation names either a ``metric`` of the scenario (``at_least``, ``at_most``, or ``at_least_of`` another
tool's) or a ``table`` of the workflow's results (rows ``where`` columns have values; ``column`` is ``always``
or ``never`` one of the values, is it in ``some`` row, or ``contains`` a text in every row).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from marrowclone.errors import UserError

MET, NOT_MET, NOT_MEASURED = "met", "not met", "not measured"
#: A table that the workflow did not make is not a failure of a number, but it is no success either.
NOT_BUILT = "not built"


@dataclass(frozen=True)
class Verdict:
    """One expectation with what was seen."""

    scenario: str
    says: str
    expected: str
    observed: str
    verdict: str


def judge(
    scenario: str,
    expectation: Mapping[str, Any],
    *,
    patients: Sequence[str],
    metric: Callable[[str, str], float | None],
    table: Callable[[str], pd.DataFrame | None] | None,
) -> Verdict:
    """Hold one expectation against the run.

    Parameters
    ----------
    metric
        (name of a metric, name of a tool) -> its value in this scenario, or None.
    table
        path under ``results/`` -> the table, or None where there is none; None when the workflow was not run.
    """
    if "metric" in expectation:
        return _metric(scenario, expectation, metric)
    if "table" not in expectation:
        raise UserError(f"{scenario}: an expectation has neither metric nor table: {dict(expectation)}")
    return _table(scenario, expectation, patients, table)


def _metric(scenario: str, e: Mapping[str, Any], metric: Callable[[str, str], float | None]) -> Verdict:
    value = metric(str(e["metric"]), OURS)
    if "at_least" in e:
        bound, words, low = float(e["at_least"]), f"{e['metric']} >= {e['at_least']:g}", True
    elif "at_most" in e:
        bound, words, low = float(e["at_most"]), f"{e['metric']} <= {e['at_most']:g}", False
    elif "at_least_of" in e:
        other = metric(str(e["metric"]), str(e["at_least_of"]["tool"]))
        share = float(e["at_least_of"]["share"])
        words, low = f"{e['metric']} >= {share:g} x {e['at_least_of']['tool']}'s", True
        if other is None or other != other:
            return Verdict(scenario, e["says"], words, "", NOT_MEASURED)
        bound = share * other
        words += f" ({other:.3f})"
    else:
        raise UserError(f"{scenario}: no bound in {dict(e)}", hint="at_least, at_most or at_least_of.")
    if value is None or value != value:
        return Verdict(scenario, e["says"], words, "", NOT_MEASURED)
    met = value >= bound if low else value <= bound
    return Verdict(scenario, e["says"], words, f"{value:.3f}", MET if met else NOT_MET)


def _table(
    scenario: str,
    e: Mapping[str, Any],
    patients: Sequence[str],
    table: Callable[[str], pd.DataFrame | None] | None,
) -> Verdict:
    rule, wanted = next(((k, e[k]) for k in ("always", "never", "some", "contains") if k in e), ("", None))
    if not rule:
        raise UserError(f"{scenario}: no rule in {dict(e)}", hint="always, never, some or contains.")
    wanted_values = [str(v) for v in (wanted if isinstance(wanted, list) else [wanted])]
    where = {k: str(v) for k, v in e.get("where", {}).items()}
    words = f"{e['table']}: {e['column']} {rule} {' or '.join(wanted_values) or '(empty)'}"
    words += f" where {', '.join(f'{k} = {v}' for k, v in where.items())}" if where else ""
    if table is None:
        return Verdict(scenario, e["says"], words, "", NOT_MEASURED)
    names = [e["table"].format(patient=p) for p in patients] if "{patient}" in e["table"] else [e["table"]]
    frames = [table(n) for n in names]
    if any(f is None or e["column"] not in f.columns for f in frames):
        return Verdict(scenario, e["says"], words, "no such table or column", NOT_BUILT)
    rows = pd.concat([f for f in frames if f is not None], ignore_index=True)
    for column, value in where.items():
        rows = rows[_text(rows[column]) == value]
    seen = _text(rows[e["column"]])
    shown = ", ".join(sorted(set(seen))) or ("(no row)" if not len(rows) else "(empty)")
    if rule == "never":
        met = not seen.isin(wanted_values).any()  # no row at all keeps the promise
    elif rule == "some":
        met = bool(seen.isin(wanted_values).any())
    elif rule == "contains":
        met = bool(len(seen)) and bool(seen.str.contains(wanted_values[0], regex=False).all())
    else:
        met = bool(len(seen)) and bool(seen.isin(wanted_values).all())
    return Verdict(scenario, e["says"], words, shown, MET if met else NOT_MET)


def _text(column: pd.Series) -> pd.Series:
    """Values as they are written in a YAML file: whole numbers without a point, missing as ''."""
    if pd.api.types.is_float_dtype(column):
        return column.map(lambda v: "" if v != v else f"{v:g}")
    return column.astype(object).where(column.notna(), "").astype(str)


#: Name of our present method among the tools.
OURS = "marrowclone"
