"""The cohort's samples in a table: kept of read, and the worst check, with links to their pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from . import words
from .blocks import Mark, Table
from .paths import patient_link, sample_link
from .rows import rows_of
from .sample import VERDICTS, checks, worst


def samples_table(
    samples: pd.DataFrame,
    counts: pd.DataFrame,
    cells: pd.DataFrame,
    *,
    facts: Mapping[str, Mapping[str, Any]],
    noun: str,
    identity: pd.DataFrame | None = None,
) -> Table:
    """A row per sample, in the sheet's order.

    Parameters
    ----------
    counts
        see :func:`marrowclone.report.sections.qc_counts`.
    cells
        the cohort's typed cells.
    facts
        sample -> its ``qc.json``; a sample without one was not checked.
    identity
        ``keys.TABLES["embedding.identity"]`` of all patients.
    """
    tumour = cells.loc[cells["is_tumour_type"].eq(True), "sample"].value_counts()
    rows = []
    for row in rows_of(samples):
        name, mine = str(row.sample), facts.get(str(row.sample), {})
        read, kept = int(counts.loc[row.sample].sum()), int(counts.loc[row.sample, "kept"])
        verdict = worst(mine, identity, name)
        bad = [c for c in checks(mine, identity, name) if c.verdict in ("fail", "warn")]
        said = bad[0].said + (f"; and {len(bad) - 1} more" if len(bad) > 1 else "") if bad else ""
        rows.append(
            [
                Mark(name, href=sample_link(name)),
                Mark(str(row.patient), href=patient_link(str(row.patient))),
                f"{words.timepoint(str(row.timepoint))}, {words.when(row.day)}",
                " ".join(str(x) for x in (row.compartment, row.sort) if x and x != "none") or words.NOT_KNOWN,
                f"{read:,}",
                f"{kept:,} ({words.share(kept / read)})" if read else "0",
                f"{int(tumour.get(row.sample, 0)):,}",
                Mark(VERDICTS[verdict], verdict=verdict) if verdict else "not checked",
                said or words.NOT_KNOWN,
            ]
        )
    return Table(
        ["Sample", "Patient", "Timepoint", "Compartment, sort", "Barcodes", "Kept", f"{noun.capitalize()}s kept",
         "Check", "What"],
        rows,
        caption="Samples, barcodes read and kept, and the worst check of each",
        numeric=frozenset({4, 5, 6}),
    )  # fmt: skip
