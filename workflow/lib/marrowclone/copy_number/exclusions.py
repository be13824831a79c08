"""Which genes may speak about copy number, and why the others may not."""

from __future__ import annotations

import numpy as np
import pandas as pd

NO_POSITION = "no position on an autosome's arm"


def exclusion_reasons(genes: pd.DataFrame, exclusions: pd.DataFrame) -> pd.Series:
    """Why each gene is left out of copy-number inference; ``""`` when it is used.

    Parameters
    ----------
    genes
        indexed by symbol: chromosome, start, end, arm, locus.
    exclusions
        ``resources/cnv_exclusions.tsv``: kind, value, chromosome, start, end, reason.

    Returns
    -------
    Series
        text per gene, in the order of ``genes``; the first row of ``exclusions`` that fits wins.
    """
    reason = np.full(len(genes), "", dtype=object)
    symbols = genes.index.astype(str)
    chromosome = genes["chromosome"].to_numpy(dtype=object)
    for row in exclusions.itertuples(index=False):
        if row.kind == "locus":
            hit = (genes["locus"] == row.value).to_numpy()
        elif row.kind == "region":
            hit = (
                (chromosome == row.chromosome)
                & (genes["end"] >= float(str(row.start))).to_numpy()
                & (genes["start"] <= float(str(row.end))).to_numpy()
            )
        elif row.kind == "gene":
            hit = symbols.isin(str(row.value).split())
        elif row.kind == "prefix":
            hit = symbols.str.startswith(str(row.value))
        elif row.kind == "chromosome":
            hit = chromosome == row.value
        else:
            raise ValueError(f"cnv_exclusions.tsv: kind {row.kind!r} is not known")
        reason[np.asarray(hit) & (reason == "")] = row.reason
    placed = genes["arm"].isin(["p", "q"]).to_numpy() & genes["chromosome"].str.startswith("chr").to_numpy()
    reason[~placed & (reason == "")] = NO_POSITION
    return pd.Series(reason, index=genes.index, name="reason")
