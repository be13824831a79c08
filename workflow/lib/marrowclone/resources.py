"""Reading ``resources/``: gene table, arms, marker panels, drivers, programmes.

Each is a table whose rows carry their source; lines that start with ``#`` are comments.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pandas as pd

from .keys import TEXT_COLUMNS
from .provenance import LIBRARY

RESOURCES = LIBRARY.parents[2] / "resources"


def read_resource(path: str | Path) -> pd.DataFrame:
    """Read one table of ``resources/`` (comment lines skipped, names as text)."""
    frame = pd.read_csv(path, sep="\t", comment="#", keep_default_na=False, na_values=[""])
    for name in frame.columns:
        if name in TEXT_COLUMNS or frame[name].dtype == object:
            frame[name] = frame[name].fillna("").astype(str)
    return frame


@cache
def gene_table(path: str = str(RESOURCES / "genes.tsv.gz")) -> pd.DataFrame:
    """The gene space of every ``counts.h5ad``, in genome order.

    Columns: symbol (unique), gene_id (Ensembl, no version), chromosome (``chr1`` ...
    ``chrX``, ``chrY``, ``chrM``), start, end (hg38, 1-based closed), arm (``p``/``q``, empty
    for chrM), locus (``ig``, ``tr``, ``mhc`` or empty). Do not modify the returned frame.
    """
    return read_resource(path)


@cache
def arm_table(path: str = str(RESOURCES / "arms.tsv")) -> pd.DataFrame:
    """Chromosome arms. Columns: chromosome, arm, start, end (hg38, 1-based closed), source."""
    return read_resource(path)
