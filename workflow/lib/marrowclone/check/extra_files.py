"""Allele counts and mitochondrial variants that the sheet names: readable, of these cells, of hg38, of this person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..clones.allele_files import read_alleles
from ..clones.extra import barcode_ids
from ..clones.mtdna import read_variants
from ..clones.snps import Alleles, place_snps
from ..errors import UserError, shown
from ..resources import arm_table, gene_table
from ..sheets import Sheet, clip
from .rows import Entry

#: SNPs that are needed to tell a genome build, and the share of them that lies in genes (in the genes that the file
#: names for them, where it names some). Of simulated SNPs of transcripts all do; moved by 20 kb to 2 Mb, as positions
#: of another build are, 55 to 67% still lie in some gene. [J]
ENOUGH_SNPS, IN_GENES = 300, 0.75
#: Bases by which a SNP may lie outside the gene that is named for it (ends of transcripts differ between annotations).
MARGIN = 5_000
#: Cells by which a SNP is called: with each allele (heterozygous), with reads at all (one allele alone).
HETEROZYGOUS_CELLS, COVERED_CELLS = 3, 10
#: SNPs of an arm, and arms, that are needed to compare two captures, and the share of SNPs that agrees on the median
#: arm from which both may be one person's. Of six simulated captures of two people (three of 150 to 300 barcodes each)
#: it was 1.00 within and .63 to .74 between people. The median, because a tumour may have lost one allele of many arms,
#: but hardly of half of them. [J]
ENOUGH_COMPARED, ENOUGH_ARMS, ALIKE = 8, 8, 0.88
BUILD_HINT = "are these positions of hg19? Count alleles again with a list of SNPs on hg38"
PERSON_HINT = (
    "were files or tubes exchanged? Where the marrow holds a donor's cells (after an allogeneic transplant) leave the "
    "column empty"
)


@dataclass(frozen=True)
class Genotypes:
    """What one capture's reads say of its SNPs.

    Attributes
    ----------
    table
        index: SNP; arm, gene, n_cells (with reads), minor_cells (with the allele that fewer cells show).
    """

    table: pd.DataFrame

    @property
    def heterozygous(self) -> pd.Index:
        """SNPs of which both alleles are seen in cells enough."""
        t = self.table
        return t.index[(t["minor_cells"] >= HETEROZYGOUS_CELLS) & (t["minor_cells"] >= 0.1 * t["n_cells"])]


def check_alleles(sheet: Sheet, entry: Entry, barcodes: Sequence[str], notes: list[str]) -> Genotypes | None:
    """Problems of one capture's allele counts are added to ``sheet``; None where there is nothing to compare."""
    path, sample = entry.values["alleles"], str(entry.get("sample", ""))
    try:
        alleles = read_alleles(path)
    except UserError as error:
        sheet.report(entry.line, "alleles", error.message, error.hint)
        return None
    written = alleles.counts["barcode"].unique()
    if not len(written):
        notes.append(f"{sample}: {shown(path)} has no SNP with reads.")
        return None
    ids = barcode_ids(written, sample, np.array([f"{sample}:{b}" for b in barcodes]))
    if len(barcodes) and not ids:
        _strangers(sheet, entry, "alleles", str(written[0]), barcodes)
        return None
    placed = place_snps(alleles.snps)
    wrong = build_problem(alleles.snps, placed)
    if wrong:
        sheet.report(entry.line, "alleles", f"{shown(path)}{wrong}", BUILD_HINT)
        return None
    return genotypes(alleles, placed, set(ids) or set(written))


def check_variants(sheet: Sheet, entry: Entry, barcodes: Sequence[str]) -> None:
    """Problems of one capture's mitochondrial variants."""
    path, sample = entry.values["mtdna"], str(entry.get("sample", ""))
    try:
        variants = read_variants(path)
    except UserError as error:
        sheet.report(entry.line, "mtdna", error.message, error.hint)
        return
    written = variants["barcode"].unique()
    known = np.array([f"{sample}:{b}" for b in barcodes])
    if len(written) and len(barcodes) and not barcode_ids(written, sample, known):
        _strangers(sheet, entry, "mtdna", str(written[0]), barcodes)


def _strangers(sheet: Sheet, entry: Entry, column: str, example: str, barcodes: Sequence[str]) -> None:
    sheet.report(
        entry.line,
        column,
        f"none of the barcodes in {shown(entry.values[column])} is a barcode of {entry.values.get('path', 'path')} "
        f"(found such as {clip(example)!r}, expected such as {clip(barcodes[0])!r})",
        "the file is another capture's, or its barcodes carry another prefix or suffix",
    )


def build_problem(snps: pd.DataFrame, placed: pd.DataFrame) -> str:
    """Why the positions cannot be those of hg38; empty where they can.

    Parameters
    ----------
    snps
        SNPs as read, with the line of each where it is known; ``gene`` is what the file says.
    placed
        the same with the arm, and the gene by place where the file names none
        (:func:`marrowclone.clones.snps.place_snps`).
    """
    ends = arm_table().groupby("chromosome")["end"].max()
    end = snps["chromosome"].map(ends)
    beyond = snps.index[snps["position"] > end]
    if len(beyond):
        row = snps.loc[beyond[0]]
        line = f" line {int(row['line'])}, column POS" if "line" in snps else ""
        return (
            f"{line}: found position {row['position']} on {row['chromosome']}, expected at most {int(end[beyond[0]])}, "
            "where it ends in hg38"
        )
    autosomal = (placed["arm"] != "").to_numpy()
    genes = gene_table().drop_duplicates("symbol").set_index("symbol")
    named = (snps["gene"].isin(genes.index)).to_numpy() & autosomal
    if named.sum() >= ENOUGH_SNPS:
        own = genes.loc[snps.loc[named, "gene"]]
        position = snps.loc[named, "position"].to_numpy()
        inside = (own["chromosome"].to_numpy() == snps.loc[named, "chromosome"].to_numpy()) & (
            (own["start"].to_numpy() - MARGIN <= position) & (position <= own["end"].to_numpy() + MARGIN)
        )
        what, share, n = "the genes that column gene names for them", float(inside.mean()), int(named.sum())
    else:
        alone = autosomal & (snps["gene"] == "").to_numpy()
        n = int(alone.sum())
        if n < ENOUGH_SNPS:
            return ""
        what, share = "any gene", float((placed.loc[alone, "gene"] != placed.loc[alone, "snp"]).mean())
    if share >= IN_GENES:
        return ""
    return (
        f", column POS: {share:.0%} of {n} SNPs lie in {what} at their place in hg38, expected nearly all, "
        "for they are read in RNA"
    )


def genotypes(alleles: Alleles, placed: pd.DataFrame, barcodes: set[str]) -> Genotypes:
    """Cells per SNP and allele, of these barcodes and autosomal SNPs."""
    counts = alleles.counts[alleles.counts["barcode"].isin(barcodes)]
    n = len(placed)
    code = counts["snp"].to_numpy(int)
    alt = np.bincount(code, (counts["ad"] > 0).to_numpy(float), minlength=n)
    ref = np.bincount(code, (counts["dp"] > counts["ad"]).to_numpy(float), minlength=n)
    table = pd.DataFrame(
        {
            "arm": placed["arm"].to_numpy(),
            "gene": placed["gene"].to_numpy(),
            "n_cells": np.bincount(code, minlength=n),
            "minor_cells": np.minimum(alt, ref),
        },
        index=placed["snp"].to_numpy(),
    )
    return Genotypes(table[(placed["arm"] != "").to_numpy() & (table["n_cells"] > 0).to_numpy()])


def agreement(one: Genotypes, other: Genotypes) -> pd.DataFrame:
    """How many SNPs that are heterozygous in one capture are so in the other, of those that it could show.

    Files hold heterozygous SNPs alone, as a rule: one that is not there counts against the two only where the other
    capture reads the same gene as well (cells of other types read other genes).

    Returns
    -------
    DataFrame by arm: agree, compared; both directions together, arms of :data:`ENOUGH_COMPARED` alone.
    """
    parts = []
    for a, b in ((one.table.loc[one.heterozygous], other.table), (other.table.loc[other.heterozygous], one.table)):
        seen = a[a["n_cells"] >= COVERED_CELLS]
        depth = b.groupby("gene")["n_cells"].max().reindex(seen["gene"]).fillna(0).to_numpy()
        mine = b.reindex(seen.index)
        both = (mine["minor_cells"] > 0).to_numpy()
        # enough cells for a second allele to be seen, there or elsewhere in the gene
        there = mine["n_cells"].fillna(0).to_numpy()
        able = np.where(there > 0, there >= COVERED_CELLS, 2 * depth >= seen["n_cells"].to_numpy())
        parts.append(pd.DataFrame({"arm": seen["arm"].to_numpy(), "agree": both, "compared": both | able}))
    by_arm = pd.concat(parts).groupby("arm")[["agree", "compared"]].sum()
    return by_arm[by_arm["compared"] >= ENOUGH_COMPARED]


def check_persons(sheet: Sheet, entries: Sequence[Entry], seen: Mapping[int, Genotypes]) -> None:
    """Captures of one patient that are not one person's: of two the later, of more those unlike most of the others.

    Parameters
    ----------
    seen
        line of the sheet -> what the capture's reads say.
    """
    by_patient: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.line in seen and entry.get("patient") is not None:
            by_patient.setdefault(str(entry.get("patient")), []).append(entry)
    for patient, mine in by_patient.items():
        unlike: dict[tuple[int, int], pd.DataFrame] = {}
        for i in range(len(mine)):
            for j in range(i):
                by_arm = agreement(seen[mine[i].line], seen[mine[j].line])
                if len(by_arm) >= ENOUGH_ARMS and (by_arm["agree"] / by_arm["compared"]).median() < ALIKE:
                    unlike[i, j] = by_arm
        while unlike:
            worst = max(range(len(mine)), key=lambda i: (sum(i in pair for pair in unlike), i))
            pair = next(pair for pair in sorted(unlike) if worst in pair)
            other, counted = mine[pair[0] + pair[1] - worst], unlike[pair].sum()
            sheet.report(
                mine[worst].line,
                "alleles",
                f"found {counted['agree']} of {counted['compared']} heterozygous SNPs of "
                f"{shown(mine[worst].values['alleles'])} and {shown(other.values['alleles'])} (line {other.line}, also "
                f"patient {patient}) in both, expected nearly all: these are two people's alleles",
                PERSON_HINT,
            )
            unlike = {pair: found for pair, found in unlike.items() if worst not in pair}
