"""Common variants of the transcribed genome, and what each person inherited: which of them are heterozygous, on which
chromosome each allele lies, and what a phasing program makes of that.

All numbers are judgement [J] where they name no source.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd

from ..resources import gene_table
from .events import AUTOSOMES
from .profiles import gene_arms
from .streams import stream

#: Mean number of common variants in the part of a gene's transcripts that is sequenced.
SITES_PER_GENE = 2.0
#: Frequency of the rarer allele: Beta with these parameters, scaled to .05 to .5.
FREQUENCY, RAREST = (0.8, 1.6), 0.05
#: Share of a gene's molecules whose read covers a site: Beta with these parameters (mean .12).
COVERED = (1.2, 9.0)
#: Mean bases between switch errors of statistical phasing, and share of variants that are flipped alone.
SWITCH, FLIPPED = 8_000_000, 0.01
#: Homozygous sites that are listed as heterozygous by mistake, for each heterozygous one.
WRONG = 0.01
BASES = np.array(list("ACGT"))


@cache
def panel(seed: int) -> pd.DataFrame:
    """Variants that people of a cohort may carry, by place.

    Returns
    -------
    DataFrame snp (``1_12345_A_G``), chromosome, position, ref, alt, gene (row of the gene table), symbol, arm (place in
    :func:`~marrowclone.simulate.events.arm_names`), frequency (of alt), covered (share of the gene's molecules).
    """
    rng, genes = stream(seed, "variants"), gene_table()
    arms = gene_arms()
    used = np.flatnonzero(
        genes["chromosome"].isin(AUTOSOMES).to_numpy() & (genes["locus"] == "").to_numpy() & (arms >= 0)
    )
    gene = np.repeat(used, rng.poisson(SITES_PER_GENE, len(used)))
    start, end = (genes[c].to_numpy(int)[gene] for c in ("start", "end"))
    table = pd.DataFrame(
        {
            "chromosome": genes["chromosome"].to_numpy()[gene], "position": rng.integers(start, end + 1), "gene": gene,
            "symbol": genes["symbol"].to_numpy()[gene], "arm": arms[gene],
            "frequency": RAREST + (0.5 - RAREST) * rng.beta(*FREQUENCY, len(gene)),
            "covered": rng.beta(*COVERED, len(gene)),
        }
    )  # fmt: skip
    ref = rng.integers(4, size=len(table))
    table["ref"], table["alt"] = BASES[ref], BASES[(ref + rng.integers(1, 4, size=len(table))) % 4]
    flip = rng.random(len(table)) < 0.5
    table["frequency"] = np.where(flip, 1 - table["frequency"], table["frequency"])
    table = table.drop_duplicates(["chromosome", "position"])
    order = {c: i for i, c in enumerate(AUTOSOMES)}
    table = table.sort_values(["chromosome", "position"], key=lambda c: c.map(order) if c.name == "chromosome" else c)
    number = table["chromosome"].str.removeprefix("chr")
    table["snp"] = number + "_" + table["position"].astype(str) + "_" + table["ref"] + "_" + table["alt"]
    return table.reset_index(drop=True)


def genotype(patient: str, *, seed: int) -> pd.DataFrame:
    """A person's variants as a phasing program lists them: heterozygous ones, and a few taken for such.

    Returns
    -------
    DataFrame of :func:`panel`'s rows (its index), with ``alt_on_a`` and ``alt_on_b`` (whether the chromosome of
    parent a or b carries the alternative allele) and ``gt`` (``0|1`` or ``1|0``: switches somewhere along each
    chromosome).
    """
    sites, rng = panel(seed), stream(seed, "genotype", patient)
    a, b = (rng.random(len(sites)) < sites["frequency"].to_numpy() for _ in range(2))
    het = a != b
    listed = het | (~het & (rng.random(len(sites)) < WRONG * het.mean() / max(1 - het.mean(), 1e-9)))
    mine = sites.assign(alt_on_a=a, alt_on_b=b)[listed]
    step = mine["position"].diff().fillna(0).clip(lower=0).to_numpy(float)
    # an even number of switches between two variants is none
    switched = rng.random(len(mine)) < 0.5 * (1 - np.exp(-2 * step / SWITCH))
    switched |= (mine["chromosome"] != mine["chromosome"].shift()).to_numpy() & (rng.random(len(mine)) < 0.5)
    turned = np.cumsum(switched) % 2 == 1
    turned ^= rng.random(len(mine)) < FLIPPED
    wrong = (mine["alt_on_a"] == mine["alt_on_b"]).to_numpy()
    first = np.where(wrong, rng.random(len(mine)) < 0.5, mine["alt_on_a"].to_numpy())
    return mine.assign(gt=np.where(first ^ turned, "1|0", "0|1"))
