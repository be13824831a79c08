"""Allele counts of a patient: which SNPs there are, where they lie, and which of them are heterozygous.

Only heterozygous SNPs on autosomes tell of a lost or gained allele.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..resources import arm_table, gene_table

SNP_COLUMNS: tuple[str, ...] = ("snp", "chromosome", "position", "gene", "gt")
COUNT_COLUMNS: tuple[str, ...] = ("barcode", "snp", "ad", "dp")
PHASED = ("0|1", "1|0")


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
