"""Which genome each feature of a file belongs to, and which of them is read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ...errors import UserError, shown

#: Cell Ranger writes ``GRCh38_CD3E`` and ``mm10___ENSMUSG00000032093`` when a reference has several genomes.
_BEFORE_ID = re.compile(r"^([A-Za-z][A-Za-z0-9.\-]*)_+ENS[A-Z]*G\d+")
_BEFORE_SYMBOL = re.compile(r"^(GRCh3[78]|hg19|hg38|b37|GRCm3[89]|mm9|mm10|mm39|mRatBN7\.2|Rnor_6\.0|rn6|rn7)_+")


def genomes_by_name(gene_ids: np.ndarray, symbols: np.ndarray) -> np.ndarray:
    """The genome prefix of each feature, empty where it has none."""
    found = pd.Series("", index=range(len(gene_ids)), dtype=object)
    for names, pattern in ((gene_ids, _BEFORE_ID), (gene_ids, _BEFORE_SYMBOL), (symbols, _BEFORE_SYMBOL)):
        prefix = pd.Series(names, dtype=object).astype(str).str.extract(pattern, expand=False).fillna("")
        found = found.where(found != "", prefix)
    return found.to_numpy(dtype=object)


def several_genomes(names: list[str], path: Path, wanted: str = "") -> UserError:
    """What to say of a file with several genomes of which none was chosen."""
    asked = f"; cells: load_counts: genome says {wanted!r}" if wanted else ""
    return UserError(
        f"{shown(path)}: {len(names)} genomes in one matrix ({', '.join(names[:4])}){asked}.",
        hint="name the human one in cells: load_counts: genome (its features alone are read), "
        "or map to the human reference alone.",
    )


def features_of_genome(genomes: np.ndarray, path: Path, wanted: str = "") -> np.ndarray:
    """Which features are read: all of a file with one genome, else those of ``wanted`` and those without a genome.

    Raises
    ------
    UserError
        for several genomes of which ``wanted`` is none.
    """
    names = sorted(set(genomes) - {""})
    if len(names) < 2:
        return np.ones(len(genomes), dtype=bool)
    if wanted not in names:
        raise several_genomes(names, path, wanted)
    kept: np.ndarray = (genomes == wanted) | (genomes == "")
    return kept


def group_of_10x_h5(file: Any, path: Path, wanted: str = "") -> Any:
    """The group of a 10x h5 that is read: ``matrix`` (version 3+), or that of a genome (version 2).

    Raises
    ------
    UserError
        for several genomes of which ``wanted`` is none.
    """
    if "matrix" in file:
        return file["matrix"]
    names = sorted(k for k in file if hasattr(file[k], "keys") and "barcodes" in file[k])
    if len(names) > 1 and wanted not in names:
        raise several_genomes(names, path, wanted)
    return file[wanted if wanted in names else names[0]]
