"""Evidence that only some users have, gathered for the clone model: alleles, mitochondrial variants, clonotypes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..keys import MALIGNANT, NORMAL
from .allele_files import read_alleles
from .alleles import allele_term
from .clonotypes import clonotype_term, receptor
from .mtdna import mtdna_term, read_variants
from .snps import Alleles, informative_snps, pool
from .terms import Term


@dataclass(frozen=True)
class Extra:
    """What there is beside the counts; None where the user has none.

    Attributes
    ----------
    alleles
        of all captures, with cell ids as barcodes (normal cells of the patient included).
    variants
        cell, variant, ad, dp of mitochondrial variants.
    receptors
        receptor per cell (index), "" where missing.
    """

    alleles: Alleles | None = None
    variants: pd.DataFrame | None = None
    receptors: pd.Series | None = None


def barcode_ids(written: np.ndarray, sample: str, cells: np.ndarray) -> dict[str, str]:
    """Barcode as a file writes it -> cell id, of those that are cells of the sample.

    ``{sample}:`` before a barcode, and a suffix ``-1`` that one side lacks, are made good.
    """
    known = {c.removeprefix(f"{sample}:"): c for c in cells if c.startswith(f"{sample}:")}
    bare = {b.removesuffix("-1"): c for b, c in known.items()}
    out = {}
    for name in written:
        barcode = str(name).removeprefix(f"{sample}:")
        found = known.get(barcode) or bare.get(barcode.removesuffix("-1"))
        if found:
            out[str(name)] = found
    return out


def read_patient_alleles(paths: Mapping[str, str | Path], cells: np.ndarray) -> Alleles | None:
    """Allele counts of a patient's captures (sample -> path), of these cells; None without any."""
    if not paths:
        return None
    read = {sample: read_alleles(path) for sample, path in paths.items()}
    ids = {s: barcode_ids(a.counts["barcode"].unique(), s, cells) for s, a in read.items()}
    return pool(read, ids)


def read_patient_variants(paths: Mapping[str, str | Path], cells: np.ndarray) -> pd.DataFrame | None:
    """Mitochondrial variants of a patient's captures (sample -> path), of these cells; None without any."""
    parts = []
    for sample, path in sorted(paths.items()):
        table = read_variants(path)
        ids = barcode_ids(table["barcode"].unique(), sample, cells)
        table = table.assign(cell=table["barcode"].map(ids))
        parts.append(table.loc[table["cell"].notna(), ["cell", "variant", "ad", "dp"]])
    return pd.concat(parts, ignore_index=True) if parts else None


def called_cells(malignant: pd.DataFrame) -> np.ndarray:
    """Ids of the plasma cells called malignant or normal (``copy_number/{patient}.malignant.tsv.gz``), sorted."""
    return np.sort(malignant.loc[malignant["call"].isin([MALIGNANT, NORMAL]), "cell"].to_numpy(str))


def other_cells(cells: pd.DataFrame, samples: Iterable[str]) -> np.ndarray:
    """Ids of the kept cells of these samples that are of no tumour type (``embedding/cells.tsv.gz``), sorted."""
    mine = cells["sample"].isin(set(samples)) & ~cells["is_tumour_type"].astype(bool)
    return np.sort(cells.loc[mine, "cell"].to_numpy(str))


def gather(
    cells: np.ndarray,
    *,
    alleles: Mapping[str, str | Path],
    mtdna: Mapping[str, str | Path],
    clonality: pd.DataFrame | None,
    malignant: np.ndarray | None = None,
    others: np.ndarray | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Extra:
    """Read what there is of a patient.

    Parameters
    ----------
    cells
        ids of all plasma cells that were called, normal ones included.
    alleles, mtdna
        sample -> path.
    clonality
        ``embedding/{patient}.clonality.tsv.gz`` of a patient with contigs.
    malignant
        ids of the malignant ones of ``cells``; needed with alleles.
    others
        ids of the patient's cells of other types. They tell which SNPs are heterozygous, and nothing else: what a
        gene's alleles do in a T cell need not hold in a plasma cell.
    settings
        section ``clones.infer_clones``; needed with alleles.
    """
    others = np.array([], dtype=str) if others is None else others
    pooled = read_patient_alleles(alleles, np.concatenate([cells, others]))
    if pooled is not None and malignant is not None and settings is not None:
        pooled = informative_snps(pooled, malignant=malignant, plasma=cells, settings=settings)
    return Extra(pooled, read_patient_variants(mtdna, cells), None if clonality is None else receptor(clonality))


def build_terms(extra: Extra, cells: np.ndarray, *, settings: Mapping[str, Any]) -> tuple[Term, ...]:
    """The terms of the clone model that have something to say of these cells (ids, in the model's order).

    ``settings``: section ``clones.infer_clones``.
    """
    terms = [
        None if extra.alleles is None else allele_term(extra.alleles, cells, settings=settings),
        None if extra.variants is None else mtdna_term(extra.variants, cells, settings=settings),
        None if extra.receptors is None else clonotype_term(extra.receptors, cells, settings=settings),
    ]
    return tuple(term for term in terms if term is not None)


def used_words(extra: Extra, terms: Sequence[Term]) -> str:
    """``alleles (7p, 7q), mtDNA (nothing that parts the cells)``: what was given and what of it speaks."""
    given = {"alleles": extra.alleles, "mtDNA": extra.variants, "clonotype": extra.receptors}
    speaks = {term.kind: term.features if term.kind != "clonotype" else term.levels for term in terms}
    return ", ".join(
        f"{kind} ({', '.join(speaks[kind]) if kind in speaks else 'nothing that parts the cells'})"
        for kind, value in given.items()
        if value is not None
    )
