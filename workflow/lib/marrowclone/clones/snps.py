"""Allele counts: from files to reads per cell, haplotype block and gene.

Two forms are read: the table that Numbat calls ``df_allele`` (its GT says which allele lies on which haplotype), and a
folder of cellsnp-lite (no phase). Only heterozygous SNPs on autosomes tell of a lost or gained allele.
"""

from __future__ import annotations

import gzip
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.io import mmread

from ..errors import UserError, found, shown
from ..formats import GZIP_SIGNATURE, plain_text
from ..resources import arm_table, gene_table

#: Columns of a Numbat table that are needed; ``GT`` and ``gene`` are used where they are there.
TABLE: tuple[str, ...] = ("cell", "snp_id", "CHROM", "POS", "AD", "DP")
#: What a folder of cellsnp-lite holds, each perhaps gzipped.
FOLDER: tuple[str, ...] = ("cellSNP.base.vcf", "cellSNP.tag.AD.mtx", "cellSNP.tag.DP.mtx", "cellSNP.samples.tsv")
SNP_COLUMNS: tuple[str, ...] = ("snp", "chromosome", "position", "gene", "gt")
COUNT_COLUMNS: tuple[str, ...] = ("barcode", "snp", "ad", "dp")
PHASED = ("0|1", "1|0")
_HINT = "alleles names a df_allele table of Numbat, or a folder of cellsnp-lite."


@dataclass(frozen=True)
class Alleles:
    """Allele counts of one capture.

    Attributes
    ----------
    snps
        :data:`SNP_COLUMNS`: id (``chr1:12345:A:G``), place (hg38, 1-based), gene ("" where none is given), genotype
        ("" where none is given); a row per SNP, each once. What was read from a file has the ``line``, too.
    counts
        :data:`COUNT_COLUMNS`: barcode, index of the SNP, reads of the alternative allele, all reads; a row per cell and
        SNP with reads.
    """

    snps: pd.DataFrame
    counts: pd.DataFrame


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


def place_snps(snps: pd.DataFrame) -> pd.DataFrame:
    """``snps`` with the arm of each ("" off the autosomes) and its gene by place where none is given.

    Genes are looked up in the project's annotation (hg38); a SNP outside of all genes stands for itself.
    """
    arms = arm_table()
    arms = arms[arms["chromosome"].str.fullmatch(r"chr\d+")]
    out = snps.assign(arm="")
    genes = gene_table()
    for chromosome, rows in out.groupby("chromosome", sort=False):
        here = arms[arms["chromosome"] == chromosome]
        for arm, start, end in zip(here["arm"], here["start"].astype(int), here["end"].astype(int), strict=True):
            inside = rows.index[rows["position"].between(start, end)]
            out.loc[inside, "arm"] = f"{str(chromosome).removeprefix('chr')}{arm}"
        own = genes[genes["chromosome"] == chromosome].sort_values(["start", "end"], kind="stable")
        if own.empty:
            continue
        last = np.searchsorted(own["start"].to_numpy(), rows["position"].to_numpy(), side="right") - 1
        reach = np.where(last >= 0, own["end"].to_numpy()[last], 0)
        named = np.where(reach >= rows["position"].to_numpy(), own["symbol"].to_numpy()[last], "")
        out.loc[rows.index, "gene"] = np.where(rows["gene"] == "", named, rows["gene"])
    out["gene"] = np.where(out["gene"] == "", out["snp"], out["gene"])
    return out


def pool(captures: Mapping[str, Alleles], barcodes: Mapping[str, Mapping[str, str]]) -> Alleles:
    """Allele counts of a patient: SNPs of all captures once, the counts of known cells with their id as ``barcode``.

    Parameters
    ----------
    barcodes
        per capture, barcode as written in its files -> cell id.

    A genotype is that of the first capture (by name) which has one.
    """
    names = sorted(captures)
    if not names:
        return Alleles(pd.DataFrame(columns=list(SNP_COLUMNS)), pd.DataFrame(columns=list(COUNT_COLUMNS)))
    all_snps = pd.concat([captures[n].snps for n in names], ignore_index=True)
    all_snps["gt"] = all_snps["gt"].replace("", None)
    snps = all_snps.groupby("snp", sort=True).first().reset_index().fillna({"gt": ""})[list(SNP_COLUMNS)]
    parts = []
    for name in names:
        here = captures[name]
        code = pd.Index(snps["snp"]).get_indexer(pd.Index(here.snps["snp"]))
        cell = here.counts["barcode"].map(dict(barcodes[name]))
        known = cell.notna().to_numpy()
        mine = here.counts[known]
        parts.append(mine.assign(barcode=cell[known], snp=code[mine["snp"].to_numpy(int)]))
    counts = pd.concat(parts, ignore_index=True).sort_values(["barcode", "snp"], kind="stable")
    return Alleles(snps, counts.reset_index(drop=True))


def heterozygous(alleles: Alleles, tumour: np.ndarray, *, settings: Mapping[str, Any]) -> np.ndarray:
    """Which SNPs are heterozygous in the patient.

    A genotype decides where there is one. Otherwise both alleles must be seen in the normal cells, or in the tumour's,
    with ``min_allele_reads`` reads and ``min_allele_share`` of the reads each (an arm that the whole tumour has lost
    shows its SNPs in normal cells only).

    Parameters
    ----------
    tumour
        whether each row of ``alleles.counts`` is of a malignant cell.
    """
    n = len(alleles.snps)
    seen = np.zeros(n, dtype=bool)
    code = alleles.counts["snp"].to_numpy(int)
    for rows in (tumour, ~tumour):
        ad = np.bincount(code[rows], alleles.counts["ad"].to_numpy(float)[rows], minlength=n)
        dp = np.bincount(code[rows], alleles.counts["dp"].to_numpy(float)[rows], minlength=n)
        minor = np.minimum(ad, dp - ad)
        seen |= (minor >= settings["min_allele_reads"]) & (minor >= settings["min_allele_share"] * dp)
    gt = alleles.snps["gt"].str.replace("/", "|")
    return np.asarray(np.where(gt == "", seen, gt.isin(PHASED)), dtype=bool)


def informative_snps(
    alleles: Alleles, *, malignant: np.ndarray, plasma: np.ndarray, settings: Mapping[str, Any]
) -> Alleles:
    """The heterozygous SNPs alone, judged in all cells, with the counts of plasma cells alone.

    Parameters
    ----------
    malignant, plasma
        ids of the malignant cells, and of all plasma cells that were called.

    Returns
    -------
    Alleles whose ``snps`` have the column ``heterozygous`` (True): :func:`marrowclone.clones.alleles.patient_blocks`
    does not judge them again.
    """
    use = heterozygous(alleles, alleles.counts["barcode"].isin(set(malignant)).to_numpy(), settings=settings)
    place = np.cumsum(use) - 1
    mine = alleles.counts["barcode"].isin(set(plasma)).to_numpy() & use[alleles.counts["snp"].to_numpy(int)]
    counts = alleles.counts[mine].reset_index(drop=True)
    snps = alleles.snps[use].assign(heterozygous=True).reset_index(drop=True)
    return Alleles(snps, counts.assign(snp=place[counts["snp"].to_numpy(int)]))
