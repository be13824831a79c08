"""Clone fractions and burden: error, and whether the intervals hold the truth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from .cells import judged_cells, numbers, text
from .shares import coverage, flat, median, ratio

FRACTION_COLUMNS = ("sample", "clone", "estimated", "truth", "sampled", "n_cells", "estimate", "lower", "upper")
BURDEN_COLUMNS = ("sample", "truth", "estimate", "lower", "upper", "source")


def sampled_fractions(truth_cells: pd.DataFrame) -> pd.DataFrame:
    """Composition of what was captured: sample, clone, sampled (share of judged malignant cells), n_cells."""
    cells = judged_cells(truth_cells)
    own = cells[cells["malignant"]]
    count = pd.crosstab(own["sample"], own["clone"])
    long = count.reset_index().melt(id_vars="sample", var_name="clone", value_name="n")
    long["n_cells"] = long["sample"].map(count.sum(axis=1))
    return long.assign(sampled=long["n"] / long["n_cells"])[["sample", "clone", "sampled", "n_cells"]]


def fraction_table(
    found: pd.DataFrame, truth: pd.DataFrame, truth_cells: pd.DataFrame, *, matched: Mapping[str, str]
) -> pd.DataFrame:
    """A row per sample and true clone that has a fraction in truth.

    Parameters
    ----------
    found
        ``evolution.fractions``: clone, sample, n_malignant, fraction, lower, upper (95%). Samples without a
        malignant cell say nothing.
    truth
        ``truth/fractions.tsv``: clone, sample, fraction (**of the marrow** on that day).
    truth_cells
        ``truth/cells.tsv.gz``, for the composition of the captured cells.

    Returns
    -------
    DataFrame
        sample, clone, estimated (``""`` where no clone was matched), truth, sampled (composition of the captured
        cells, 0 for a clone without a cell, NaN in a sample without malignant cells), n_cells (malignant cells
        captured), estimate, lower, upper.
    """
    rows = truth.loc[truth["fraction"].notna(), ["sample", "clone", "fraction"]].rename(columns={"fraction": "truth"})
    rows = rows.assign(clone=text(rows["clone"]), estimated=text(rows["clone"].map(matched)))
    drawn = sampled_fractions(truth_cells)
    rows = rows.merge(drawn[["sample", "clone", "sampled"]], on=["sample", "clone"], how="left")
    rows["n_cells"] = rows["sample"].map(drawn.drop_duplicates("sample").set_index("sample")["n_cells"]).fillna(0.0)
    rows["sampled"] = rows["sampled"].where(rows["sampled"].notna() | (rows["n_cells"] == 0), 0.0)
    said = found[found["n_malignant"] > 0] if "n_malignant" in found.columns else found
    said = said.rename(columns={"clone": "estimated", "fraction": "estimate"})
    said = numbers(said[["sample", "estimated", "estimate", "lower", "upper"]], "estimate", "lower", "upper")
    rows = rows.merge(said, on=["sample", "estimated"], how="left")
    return rows[list(FRACTION_COLUMNS)].reset_index(drop=True)


def fraction_metrics(table: pd.DataFrame) -> dict[str, Any]:
    """Scores of a :func:`fraction_table` (of one patient, or of many stacked).

    Returns
    -------
    dict
        error: median |estimate - truth| in [0, 1], error_sampled against the captured composition, where the clone
        was found. coverage (_lower, _upper Jeffreys 95%, _hits, _n): share of intervals that hold the marrow's
        fraction; coverage_sampled: the captured composition. Ideal .95; an interval that is meant for the marrow
        holds the captured composition more often. width: median width of the interval. found: share of rows with
        an estimate. Rows of one sample are not independent (fractions add up to 1). Chance: dealt at random.
    """
    out: dict[str, Any] = {
        "error": median((table["estimate"] - table["truth"]).abs()),
        "error_sampled": median((table["estimate"] - table["sampled"]).abs()),
        "width": median(table["upper"] - table["lower"]),
        "found": ratio(table["estimate"].notna().sum(), len(table)),
        "n": len(table),
    }
    out |= flat("coverage", coverage(table["truth"], table["lower"], table["upper"]))
    return out | flat("coverage_sampled", coverage(table["sampled"], table["lower"], table["upper"]))


def burden_table(found: pd.DataFrame, truth: pd.DataFrame) -> pd.DataFrame:
    """A row per sample whose burden was estimated from a source in use.

    Parameters
    ----------
    found
        ``evolution.burden``: sample, source, used, burden, burden_lower, burden_upper.
    truth
        ``truth/fractions.tsv``: sample, clone, burden (absolute; summed over clones here).

    Returns
    -------
    DataFrame
        sample, truth, estimate, lower, upper, source.
    """
    total = truth.groupby("sample", sort=False)["burden"].sum().rename("truth").reset_index()
    used = found[found["used"].eq(True)].drop_duplicates("sample")
    used = used.rename(columns={"burden": "estimate", "burden_lower": "lower", "burden_upper": "upper"})
    return numbers(total.merge(used, on="sample")[list(BURDEN_COLUMNS)], "truth", "estimate", "lower", "upper")


def burden_metrics(table: pd.DataFrame) -> dict[str, Any]:
    """``error``: median |log10(estimate / truth)| where both are above 0 (0 ideal, 1 = tenfold); ``coverage`` as above.

    ``n``: rows. A missing estimate with an upper end is a bound, and counts for the coverage.
    """
    estimate, truth = (table[c].to_numpy(dtype=float) for c in ("estimate", "truth"))
    positive = (estimate > 0) & (truth > 0)
    out: dict[str, Any] = {"error": median(np.abs(np.log10(estimate[positive] / truth[positive]))), "n": len(table)}
    return out | flat("coverage", coverage(truth, table["lower"], table["upper"]))
