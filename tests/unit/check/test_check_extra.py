"""Allele counts and mitochondrial variants that the sheet names: each mistake with what a person is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from marrowclone.resources import gene_table
from unit.check.cohort_on_disk import BARCODES

GENES = gene_table()
GENES = GENES[
    GENES["chromosome"].str.fullmatch(r"chr\d+") & (GENES["locus"] == "") & (GENES["end"] > GENES["start"] + 500)
]


def table(person: int, *, moved: int = 0, genes: bool = True, barcodes: list[str] = BARCODES) -> pd.DataFrame:
    """A person's heterozygous SNPs, two of five common ones in each of some genes, seen in all cells with both alleles."""
    rng, own = GENES.iloc[:: len(GENES) // 500], np.random.default_rng(person)
    rows = []
    for g in rng.itertuples():
        for i in np.flatnonzero(own.random(5) < 0.4):
            rows.append((g.chromosome.removeprefix("chr"), g.start + 50 * (i + 1) + moved, g.symbol if genes else ""))
    snps = pd.DataFrame(rows, columns=["CHROM", "POS", "gene"])
    snps["snp_id"] = snps["CHROM"] + "_" + snps["POS"].astype(str) + "_A_G"
    out = snps.merge(pd.DataFrame({"cell": barcodes}), how="cross")
    out["AD"], out["DP"], out["GT"] = np.arange(len(out)) % 2, 1, "0|1"
    return out


def name_files(cohort: Path, column: str, files: dict[int, str]) -> None:
    """The sheet with one column more, which names a file on each of these lines."""
    rows = (cohort / "samples.tsv").read_text().splitlines()
    ends = [column, *(files.get(i, "") for i in range(2, len(rows) + 1))]
    (cohort / "samples.tsv").write_text("".join(f"{r}\t{e}\n" for r, e in zip(rows, ends, strict=True)))


def write(cohort: Path, files: dict[int, pd.DataFrame | str], column: str = "alleles") -> None:
    for line, content in files.items():
        text = content if isinstance(content, str) else content.to_csv(sep="\t", index=False)
        (cohort / f"{column}{line}.tsv").write_text(text)
    name_files(cohort, column, {line: f"{column}{line}.tsv" for line in files})


def test_one_persons_captures_are_sound(cohort, problems):
    write(cohort, {2: table(1), 4: table(1), 5: table(2)})  # lines 2 and 4 are of one patient
    assert problems(read_matrices=True) == []


def test_files_are_not_opened_on_a_cluster_node(cohort, problems):
    write(cohort, {2: "not a table"})
    assert problems(read_matrices=False) == []


@pytest.mark.parametrize("column", ["alleles", "mtdna"])
def test_a_file_that_is_not_there(cohort, problems, column):
    name_files(cohort, column, {3: "nowhere.tsv"})
    (found,) = problems()
    assert found.startswith(f"samples.tsv line 3, column {column}: found 'nowhere.tsv', no such file or folder")


def test_malformed_columns_name_file_line_and_column(cohort, problems):
    bad = table(1)
    bad.loc[3, "AD"] = 7
    write(cohort, {2: bad, 5: table(2).drop(columns="DP")})
    first, second = problems(read_matrices=True)
    assert first.startswith(
        "samples.tsv line 2, column alleles: alleles2.tsv line 5, column AD: found 7, more than DP (1)"
    )
    assert second.startswith("samples.tsv line 5, column alleles: alleles5.tsv line 1: no column DP (found CHROM, POS")
    assert "Hint: " in first and "Hint: " in second


def test_barcodes_of_another_capture(cohort, problems):
    write(cohort, {2: table(1, barcodes=["TTTTTTTTTTTTTTTT-9"])})
    (found,) = problems(read_matrices=True)
    assert found.startswith("samples.tsv line 2, column alleles: none of the barcodes in alleles2.tsv is a barcode of")
    assert "found such as 'TTTTTTTTTTTTTTTT-9', expected such as" in found and "Hint: " in found


@pytest.mark.parametrize("genes", [True, False])
def test_positions_of_another_build(cohort, problems, genes):
    """hg19 and hg38 differ by 10 kb to some Mb: the SNPs of RNA leave their genes."""
    write(cohort, {2: table(1, moved=300_000, genes=genes)})
    (found,) = problems(read_matrices=True)
    assert found.startswith("samples.tsv line 2, column alleles: alleles2.tsv") and "hg38" in found
    assert "Hint: are these positions of hg19?" in found


def test_a_position_beyond_the_chromosome(cohort, problems):
    longer = table(1)
    longer.loc[longer.index[-12:], "POS"] = 249_250_621
    longer.loc[longer.index[-12:], ["CHROM", "snp_id"]] = ["1", "1_249250621_A_G"]  # the end of chromosome 1 in hg19
    write(cohort, {2: longer})
    (found,) = problems(read_matrices=True)
    where = f"alleles2.tsv line {len(longer) - 10}, column POS"
    assert f"{where}: found position 249250621 on chr1, expected at most 248956422" in found


def test_another_persons_alleles(cohort, problems):
    write(cohort, {2: table(1), 3: table(9), 4: table(1)})
    (found,) = problems(read_matrices=True)
    assert found.startswith("samples.tsv line 3, column alleles: found ")
    assert "alleles2.tsv (line 2, also patient P1)" in found and "two people's alleles" in found
    assert "Hint: were files or tubes exchanged?" in found


def test_a_tumour_that_lost_alleles_is_still_the_same_person(cohort, problems):
    """Two of five chromosomes of one capture show one allele alone, as a hypodiploid tumour without normal cells."""
    lost = table(1)
    gone = lost["CHROM"].astype(int) % 5 < 2
    lost.loc[gone, "AD"] = 0
    write(cohort, {2: table(1), 4: lost})
    assert problems(read_matrices=True) == []


def test_variants_are_looked_into(cohort, problems):
    good = "cell\tvariant\tAD\tDP\n" + "".join(f"{b}\t3243A>G\t1\t4\n" for b in BARCODES)
    write(
        cohort, {2: good, 3: good.replace("\t1\t4", "\t9\t4"), 4: "cell\tvariant\tAD\tDP\nA-1\t73A>G\t1\t2\n"}, "mtdna"
    )
    swapped, strange = problems(read_matrices=True)
    assert swapped.startswith(
        "samples.tsv line 3, column mtdna: mtdna3.tsv line 2, column AD: found 9, more than DP (4)"
    )
    assert strange.startswith("samples.tsv line 4, column mtdna: none of the barcodes in mtdna4.tsv")
