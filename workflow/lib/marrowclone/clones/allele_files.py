"""Files of allele counts: the table that Numbat calls ``df_allele`` (its GT says which allele lies on which haplotype),
and a folder of cellsnp-lite (no phase).
"""

from __future__ import annotations

import gzip
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.io import mmread

from ..errors import UserError, found, shown
from ..formats import GZIP_SIGNATURE, plain_text
from .snps import SNP_COLUMNS, Alleles

#: Columns of a Numbat table that are needed; ``GT`` and ``gene`` are used where they are there.
TABLE: tuple[str, ...] = ("cell", "snp_id", "CHROM", "POS", "AD", "DP")
#: What a folder of cellsnp-lite holds, each perhaps gzipped.
FOLDER: tuple[str, ...] = ("cellSNP.base.vcf", "cellSNP.tag.AD.mtx", "cellSNP.tag.DP.mtx", "cellSNP.samples.tsv")
_HINT = "alleles names a df_allele table of Numbat, or a folder of cellsnp-lite."


def read_alleles(path: str | Path) -> Alleles:
    """Allele counts of one capture, from either form.

    Raises
    ------
    UserError
        when files or columns are missing, values are no counts, or AD exceeds DP.
    """
    path = Path(path)
    try:
        return _read_folder(path) if path.is_dir() else _read_table(path)
    except (OSError, ValueError, IndexError, KeyError) as error:  # parser errors are ValueErrors
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"{shown(path)}: the allele counts cannot be read ({reason}).", hint=_HINT) from None


def read_counts_table(path: Path, need: Sequence[str], hint: str) -> pd.DataFrame:
    """A table of text with AD and DP as whole numbers, as Numbat and mgatk users write it.

    Raises
    ------
    UserError
        when a column is missing, AD or DP is no count, or AD exceeds DP: with the line.
    """
    text = plain_text(path)
    separator = "\t" if "\t" in text.split("\n", 1)[0] else ","
    if not text.strip():
        raise UserError(f"{shown(path)}: the file is empty, expected columns {', '.join(need)}.", hint=hint)
    table = pd.read_csv(io.StringIO(text), sep=separator, dtype=str, keep_default_na=False)
    missing = [c for c in need if c not in table.columns]
    if missing:
        here = ", ".join(table.columns[:8])
        raise UserError(f"{shown(path)} line 1: no column {', '.join(missing)} (found {here}).", hint=hint)
    for name in ("AD", "DP"):
        values = pd.to_numeric(table[name], errors="coerce")
        wrong = values.isna() | (values < 0) | (values != np.floor(values))
        if wrong.any():
            _at(path, wrong, name, found(_first(table[name], wrong), "a number of reads"), "the columns are shifted?")
        table[name] = values.astype(np.int64)
    wrong = table["AD"] > table["DP"]
    if wrong.any():
        hint = "AD counts reads of the alternative allele, DP those of both; were the two columns swapped?"
        _at(path, wrong, "AD", f"found {_first(table['AD'], wrong)}, more than DP ({_first(table['DP'], wrong)})", hint)
    return table


def _first(column: pd.Series, which: pd.Series) -> str:
    return str(column[which].iloc[0])


def _at(path: Path, wrong: pd.Series, column: str, message: str, hint: str) -> None:
    raise UserError(f"{shown(path)} line {int(np.flatnonzero(wrong)[0]) + 2}, column {column}: {message}.", hint=hint)


def _read_table(path: Path) -> Alleles:
    table = read_counts_table(path, TABLE, _HINT)
    position = pd.to_numeric(table["POS"], errors="coerce")
    wrong = position.isna() | (position < 1)
    if wrong.any():
        _at(path, wrong, "POS", found(_first(table["POS"], wrong), "a position (hg38, 1-based)"), _HINT)
    table = table.assign(POS=position.astype(np.int64), chromosome="chr" + table["CHROM"].str.removeprefix("chr"))
    for name in ("gene", "GT"):
        if name not in table:
            table[name] = ""
    table["gene"] = table["gene"].replace({"NA": "", "nan": ""})
    snps = table.drop_duplicates("snp_id")
    code = pd.Index(snps["snp_id"]).get_indexer(pd.Index(table["snp_id"]))
    line = snps.index.to_numpy() + 2
    snps = snps.assign(snp_id=_same_name(snps))[["snp_id", "chromosome", "POS", "gene", "GT"]]
    snps = snps.set_axis(list(SNP_COLUMNS), axis=1).assign(line=line).reset_index(drop=True)
    twice = snps["snp"].duplicated()
    if twice.any():
        hint = "one name per SNP; were several files joined?"
        message = f"{_first(snps['snp'], twice)!r} has two names"
        raise UserError(
            f"{shown(path)} line {int(snps.loc[twice, 'line'].iloc[0])}, column snp_id: {message}.", hint=hint
        )
    counts = pd.DataFrame({"barcode": table["cell"], "snp": code, "ad": table["AD"], "dp": table["DP"]})
    return Alleles(snps, _once(counts[counts["dp"] > 0], path))


def _same_name(table: pd.DataFrame) -> pd.Series:
    """``chr1:12345:A:G`` of each SNP, whatever its file calls it, so that captures can be joined; without known bases
    the place alone.
    """
    place = table["chromosome"] + ":" + table["POS"].astype(str)
    bases = table["snp_id"].str.extract(r"[_:]([ACGTN]+)[_:/>]([ACGTN]+)$")
    if {"REF", "ALT"} <= set(table.columns):
        bases = table[["REF", "ALT"]].set_axis([0, 1], axis=1)
    return place.where(bases[0].isna(), place + ":" + bases[0].fillna("") + ":" + bases[1].fillna(""))


def _once(counts: pd.DataFrame, path: Path) -> pd.DataFrame:
    twice = counts.duplicated(["barcode", "snp"])
    if twice.any():
        cell = _first(counts["barcode"], twice)
        raise UserError(
            f"{shown(path)}: cell {cell!r} has two rows of one SNP.", hint="one capture per file; were several joined?"
        )
    return counts.reset_index(drop=True)


def _read_folder(folder: Path) -> Alleles:
    files = {name: next((p for p in (folder / name, folder / f"{name}.gz") if p.exists()), None) for name in FOLDER}
    missing = [name for name, file in files.items() if file is None]
    if missing:
        raise UserError(f"{shown(folder)}: no {', '.join(missing)} in the folder.", hint=_HINT)
    base, ad_file, dp_file, cells_file = (Path(str(files[name])) for name in FOLDER)
    numbered = [(i, x) for i, x in enumerate(plain_text(base).splitlines(), start=1) if x and not x.startswith("#")]
    lines = [line.split("\t") for _, line in numbered]
    barcodes = np.array(plain_text(cells_file).split())
    ad, dp = (_read_mtx(file, (len(lines), len(barcodes))) for file in (ad_file, dp_file))
    over = (ad - ad.minimum(dp)).tocoo()
    if over.nnz:
        i, j = int(over.row[0]), int(over.col[0])
        message = f"SNP {i + 1}, cell {barcodes[j]!r}: AD {ad[i, j]} exceeds DP {dp[i, j]}"
        raise UserError(f"{shown(ad_file)}: {message}.", hint="were the two matrices swapped?")
    snps = pd.DataFrame(
        {
            "snp": [":".join((f"chr{v[0].removeprefix('chr')}", v[1], v[3], v[4])) for v in lines],
            "chromosome": [f"chr{v[0].removeprefix('chr')}" for v in lines],
            "position": [int(v[1]) for v in lines],
            "gene": "",
            "gt": "",
        },
        columns=list(SNP_COLUMNS),
    ).assign(line=[i for i, _ in numbered])
    at = dp.tocoo()
    order = np.lexsort((at.row, at.col))
    row, col = at.row[order], at.col[order]
    alternative = np.asarray(ad[row, col]).ravel() if len(row) else np.zeros(0, dtype=int)
    counts = pd.DataFrame({"barcode": barcodes[col], "snp": row, "ad": alternative, "dp": at.data[order]})
    return Alleles(snps, counts[counts["dp"] > 0].reset_index(drop=True))


def _read_mtx(path: Path, shape: tuple[int, int]) -> sparse.csr_matrix:
    raw = path.read_bytes()
    matrix = mmread(io.BytesIO(gzip.decompress(raw) if raw.startswith(GZIP_SIGNATURE) else raw))
    matrix = sparse.csr_matrix(matrix)
    if matrix.shape != shape:
        raise UserError(
            f"{shown(path)}: {matrix.shape[0]} x {matrix.shape[1]} entries, expected SNPs x cells as in the files "
            f"beside it ({shape[0]} x {shape[1]}).",
            hint="the files of the folder are of two runs.",
        )
    if matrix.nnz and (matrix.data.min() < 0 or (matrix.data != np.floor(matrix.data)).any()):
        raise UserError(f"{shown(path)}: holds values that are no counts.", hint=_HINT)
    return matrix.astype(np.int64)
