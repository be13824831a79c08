"""The comparison with the truth, compact: ``python -m marrowclone.report.truth_table results/report/truth.tsv``."""

from __future__ import annotations

import sys

import pandas as pd

from .. import tables
from ..errors import UserError
from . import words
from .rows import rows_of

#: Quantities of the headline, in this order; the rest is detail.
HEADLINE = (
    "malignant precision", "malignant recall", "malignant F1", "malignant false-positive rate", "malignant "
    "unassigned share",
    "tumour-type cells found", "clone ARI", "number of clones", "clone fraction, median absolute error",
    "clone fraction, intervals with the truth", "arm event precision", "arm event recall",
    "burden, median absolute log10 error", "burden, intervals with the truth",
)  # fmt: skip
COHORT = "all"
WHOLE = "whole cohort"


def truth_rows(truth: pd.DataFrame) -> tuple[list[list[str]], list[list[str]]]:
    """(headline rows, detail rows) as text.

    Headline: patient, quantity, truth, estimate, interval, n. Detail: patient, quantity,
    timepoint, clone, truth, estimate, interval, unit.
    """
    place = {q: i for i, q in enumerate(HEADLINE)}
    is_head = truth["quantity"].isin(list(HEADLINE)) & (truth["clone"] == "") & (truth["timepoint"] == "")
    head = truth[is_head].copy()
    head["order"] = head["quantity"].map(place)
    head["first"] = (head["patient"] != COHORT).astype(int)
    head = head.sort_values(["first", "patient", "order"], kind="stable")
    headline = [
        [WHOLE if r.patient == COHORT else str(r.patient), str(r.quantity), _value(r.truth, r.unit),
         _value(r.estimate, r.unit), _between(r), words.number(getattr(r, "n", None))]
        for r in rows_of(head)
    ]  # fmt: skip
    detail = [
        [str(r.patient), str(r.quantity), words.timepoint(str(r.timepoint)) or "–", str(r.clone) or "–",
         _value(r.truth, r.unit), _value(r.estimate, r.unit), _between(r), str(r.unit) or "–"]
        for r in rows_of(truth[~is_head])
    ]  # fmt: skip
    return headline, detail


def _value(value: object, unit: object) -> str:
    return words.share(value) if unit == "share" else words.number(value)


def _between(row: object) -> str:
    lower, upper = getattr(row, "lower", None), getattr(row, "upper", None)
    return words.between(lower, upper, as_share=getattr(row, "unit", "") == "share")


def as_text(truth: pd.DataFrame) -> str:
    """The headline as aligned lines; says so when there is no truth."""
    if not len(truth):
        return "No truth is configured: nothing to compare with."
    headline, detail = truth_rows(truth)
    rows = [["patient", "quantity", "truth", "estimate", "95% interval", "n"], *headline]
    widths = [max(len(r[i]) for r in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(c.ljust(w) for c, w in zip(r, widths, strict=True)).rstrip() for r in rows]
    lines.insert(1, "  ".join("-" * w for w in widths))
    if detail:
        lines.append(f"({len(detail):,} more rows in the table)")
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    """Print the table at the path given; returns the exit code."""
    if len(arguments) != 1:
        print("usage: python -m marrowclone.report.truth_table results/report/truth.tsv", file=sys.stderr)
        return 2
    try:
        print(as_text(tables.read_result(arguments[0])))
    except UserError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
