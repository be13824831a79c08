"""What allele counts and other evidence beside the counts say on a patient's page."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

from ..clones.alleles import BALANCED, IMBALANCE, LOH, NEUTRAL, NOT_CALLED
from ..clones.infer import USED
from . import words
from .blocks import Table
from .figures import copy_number
from .gather import Patient
from .rows import rows_of

#: Calls that are worth naming, in this order.
NAMED = (NEUTRAL, LOH, IMBALANCE)


def allele_words(alleles: pd.DataFrame, clone: str) -> str:
    """``copy-neutral LOH 7p, 7q; LOH 13q``: arms of a clone whose two alleles are not equally frequent."""
    mine = alleles[alleles["clone"] == clone]
    if not len(mine):
        return words.NOT_KNOWN
    said = [
        f"{call} {', '.join(_arm(r) for r in in_place(mine[mine['call'] == call]))}"
        for call in NAMED
        if (mine["call"] == call).any()
    ]
    return "; ".join(said) or "all balanced that were called"


def in_place(table: pd.DataFrame) -> Iterable[Any]:
    """Rows by clone and place in the genome."""
    key = table.assign(place=table["chromosome"].map(copy_number.chromosome_key))
    return rows_of(key.sort_values(["clone", "place", "arm"], kind="stable"))


def _arm(row: Any) -> str:
    return f"{str(row.chromosome).removeprefix('chr')}{row.arm}"


def allele_note(alleles: pd.DataFrame) -> str:
    """What was looked at, and what a call means."""
    counts = alleles["call"].value_counts()
    arms = len(alleles.drop_duplicates(["chromosome", "arm"]))
    return (
        f"Allele counts: {words.count(arms, 'arm')} had enough heterozygous SNPs, over all clones "
        f"{words.number(alleles['n_reads'].sum())} reads; {words.count(counts.get(BALANCED, 0), 'call')} balanced, "
        f"{words.number(sum(counts.get(c, 0) for c in NAMED))} not, "
        f"{words.number(counts.get(NOT_CALLED, 0))} not sure. Loss of heterozygosity (LOH) is one allele alone, "
        "copy-neutral where two copies are left: RNA counts show that nowhere. "
        "Limits [J]; tried on simulated alleles only."
    )


def allele_table(alleles: pd.DataFrame) -> Table:
    """Every arm that is not balanced, with what the call rests on."""
    rows = [
        [
            str(r.clone), _arm(r), str(r.call), words.probability(r.posterior), words.share(r.b_allele),
            words.between(r.lower, r.upper), words.number(r.state), words.number(r.n_snps), words.number(r.n_reads),
            words.number(r.n_cells),
        ]
        for r in in_place(alleles[alleles["call"] != BALANCED])
    ]  # fmt: skip
    columns = [
        "Clone", "Arm", "Alleles", "Probability", "Share of the more frequent allele", "95% interval", "Copies", "SNPs",
        "Reads", "Cells",
    ]  # fmt: skip
    caption = "Alleles by clone and arm where they are not balanced (one copy of two: 50%, two of three: 67%)"
    return Table(columns, rows, caption=caption, numeric=frozenset(range(3, 10)), folded=True)


def evidence_note(patient: Patient) -> str:
    """Which evidence the clones rest on; empty without clones."""
    if not len(patient.summary):
        return ""
    notes = [str(n) for n in patient.summary["note"].dropna()]
    used = [part.removeprefix(USED) for note in notes for part in note.split("; ") if part.startswith(USED)]
    if not used:
        return "Evidence for the clones: copy number alone (no alleles, mitochondrial variants or contigs were used)."
    return f"Evidence for the clones: copy number, and beside it {used[0]}."
