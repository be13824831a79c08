"""Which allele lies on which copy of an arm, learned from the patient's own malignant cells.

Reads of a cell from one haplotype block are beta-binomial around the share of the block's first haplotype; the
overdispersion is what bursts of single alleles leave. A block's orientation against the other blocks of its arm is not
known, and each block may stand off for reasons of its own (reference bias, an allele that is expressed more). Both are
latent, and are integrated out: a block with few reads orients itself towards nothing. A cell is judged by the
orientation that the *other* cells give its blocks, so that noise does not confirm itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.sparse.linalg import svds
from scipy.special import betaln, expit, logit, logsumexp

from .snps import PHASED, Alleles

#: Share of the first haplotype that a clone may have on an arm: lost (what is left is soup), 1 of 4 or 5, 1 of 3,
#: even, and the mirror images. Steps finer than this are not told apart.
THETA = np.array([0.05, 0.2, 1 / 3, 0.5, 2 / 3, 0.8, 0.95])
EVEN = 3
#: Reads of one cell and block beyond which more of them say nothing new.
MOST_READS = 40
#: Offsets of a block, in SD, and how likely each is: more often far off than a Gaussian says, for few genes are very
#: uneven and most are not. [J]
NODES, NODE_WEIGHTS = np.array([-4.0, -np.sqrt(3), 0.0, np.sqrt(3), 4.0]), np.array([0.04, 0.16, 0.6, 0.16, 0.04])
ROUNDS = 15
TINY = 1e-200


@dataclass(frozen=True)
class Blocks:
    """Reads per cell, haplotype block and gene.

    Attributes
    ----------
    entries
        cell (index), block (index), a (reads of the block's first haplotype, or of the alternative allele), d (reads of
        both), phased, weight: several unphased SNPs of one gene in one cell share one vote, because they are often the
        same molecules and always the same burst.
    arm
        of each block (U).
    n_snps
        SNPs of each block (U).
    cells
        ids (n).
    """

    entries: pd.DataFrame
    arm: np.ndarray
    n_snps: np.ndarray
    cells: np.ndarray


def build_blocks(alleles: Alleles, snps: pd.DataFrame, use: np.ndarray, *, block_bases: float) -> Blocks:
    """Reads of the heterozygous autosomal SNPs, by block.

    Parameters
    ----------
    snps
        of ``alleles`` with arm and gene (:func:`marrowclone.clones.snps.place_snps`).
    use
        which SNPs are heterozygous.
    block_bases
        SNPs with a given phase are one block within so many bases; a SNP without is its own.
    """
    phased = snps["gt"].isin(PHASED).to_numpy()
    window = (snps["position"] // int(block_bases)).astype(str)
    name = np.where(phased, snps["arm"] + ":" + window, snps["snp"])
    keep = use & (snps["arm"] != "").to_numpy()
    blocks, block = np.unique(np.where(keep, name, ""), return_inverse=True)
    _, gene = np.unique(snps["gene"].to_numpy(str), return_inverse=True)
    cells, cell = np.unique(alleles.counts["barcode"].to_numpy(str), return_inverse=True)
    at = alleles.counts["snp"].to_numpy(int)
    ad, dp = (alleles.counts[c].to_numpy(int) for c in ("ad", "dp"))
    first = np.where(phased[at] & (snps["gt"] == "1|0").to_numpy()[at], dp - ad, ad)
    table = pd.DataFrame({"cell": cell, "block": block[at], "gene": gene[at], "a": first, "d": dp})
    table["phased"] = phased[at]
    table = table[keep[at]]
    table = table.groupby(["cell", "block", "gene", "phased"], as_index=False, sort=True)[["a", "d"]].sum()
    votes = table.groupby(["cell", "gene", "phased"])["block"].transform("size")
    table["weight"] = np.where(table["phased"], 1.0, 1.0 / votes)
    over = table["d"] > MOST_READS
    table["a"] = np.where(over, np.rint(table["a"] / table["d"].clip(lower=1) * MOST_READS), table["a"]).astype(int)
    table["d"] = np.minimum(table["d"], MOST_READS)
    where = pd.DataFrame({"block": block, "arm": snps["arm"].to_numpy()})[keep].drop_duplicates("block")
    arm = np.full(len(blocks), "", dtype=object)
    arm[where["block"]] = where["arm"]
    return Blocks(table, arm, np.bincount(block[keep], minlength=len(blocks)), cells)


@dataclass(frozen=True)
class Noise:
    """Share of alternative reads of an even SNP (logit), and overdispersion of a cell's reads of a block."""

    reference_bias: float
    overdispersion: float


def estimate_noise(blocks: Blocks, tumour: np.ndarray) -> Noise:
    """From normal cells where they have reads enough (:data:`ENOUGH`), else from the median arm of the tumour's.

    ``tumour``: whether each cell is malignant (n).
    """
    entries = blocks.entries
    normal = entries[~tumour[entries["cell"]]]
    source = normal if (normal["d"] >= 2).sum() >= ENOUGH else entries
    alone = source[~source["phased"]].groupby("block")[["a", "d"]].sum()
    alone = alone[alone["d"] >= 5]
    share = float((alone["a"] / alone["d"]).mean()) if len(alone) else 0.5
    several = source[source["d"] >= 2]
    p = np.where(several["phased"], 0.5, share)
    excess = (several["a"] - several["d"] * p) ** 2 - several["d"] * p * (1 - p)
    room = several["d"] * (several["d"] - 1) * p * (1 - p)
    by_arm = pd.DataFrame({"arm": blocks.arm[several["block"]], "excess": excess, "room": room}).groupby("arm").sum()
    rho = float((by_arm["excess"] / by_arm["room"]).median()) if len(by_arm) else 0.1
    return Noise(float(logit(np.clip(share, 0.3, 0.7))), float(np.clip(rho, 0.02, 0.5)))


#: Entries with two reads or more that are enough to learn the noise from.
ENOUGH = 200


def state_table(
    a: np.ndarray, d: np.ndarray, phased: np.ndarray, noise: Noise, *, theta: np.ndarray, bias_sd: float
) -> np.ndarray:
    """Beta-binomial log likelihood (C x S x G) of reads, by orientation and offset of the block and the clone's share.

    The binomial coefficient is left out: it is the same everywhere.
    """
    shift = np.tile(NODES * bias_sd, 2)
    sign = np.repeat([1.0, -1.0], len(NODES))
    bias = np.where(phased, 0.0, noise.reference_bias)
    p = expit(sign[None, :, None] * logit(theta) + shift[None, :, None] + bias[:, None, None])
    total = 1 / noise.overdispersion - 1
    x, n = a[:, None, None], d[:, None, None]
    return np.asarray(betaln(x + p * total, n - x + (1 - p) * total) - betaln(p * total, (1 - p) * total))


@dataclass(frozen=True)
class ArmReads:
    """What malignant cells show on one arm.

    Attributes
    ----------
    value
        log likelihoods per pair of cell and block (P x S x G), S orientations and offsets.
    cell, block
        of each pair: index among the malignant cells, and among the arm's blocks (P each).
    log_prior
        of orientation and offset, per block (U x S).
    lean
        reads of the first haplotype above half, in SD of even reads (P).
    """

    value: np.ndarray
    cell: np.ndarray
    block: np.ndarray
    log_prior: np.ndarray
    lean: np.ndarray

    @cached_property
    def scale(self) -> np.ndarray:
        """Largest log likelihood of each pair (P x 1)."""
        return self.value.reshape(len(self.value), -1).max(axis=1, initial=-np.inf)[:, None]

    @cached_property
    def likelihood(self) -> np.ndarray:
        """Likelihoods (P x S x G), each pair's largest being 1."""
        return np.exp(self.value - self.scale[:, :, None])


def arm_reads(
    blocks: Blocks, arm: str, tumour: np.ndarray, noise: Noise, *, theta: np.ndarray, settings: Mapping[str, Any]
) -> ArmReads:
    """The reads of one arm; the prior of a block's offset is what normal cells leave of it."""
    here = blocks.entries[blocks.arm[blocks.entries["block"]] == arm]
    unit, block = np.unique(here["block"].to_numpy(), return_inverse=True)
    code, inverse = np.unique(here[["a", "d", "phased"]].to_numpy(int), axis=0, return_inverse=True)
    bias_sd = float(settings["allele_bias_sd"])
    # even levels last, so that the same table serves normal cells
    levels = np.append(theta, 0.5)
    table = state_table(code[:, 0], code[:, 1], code[:, 2] > 0, noise, theta=levels, bias_sd=bias_sd)
    value = table[inverse.ravel()] * here["weight"].to_numpy()[:, None, None]
    mine = tumour[here["cell"].to_numpy()]
    prior = np.tile(np.log(np.tile(NODE_WEIGHTS, 2) / 2), (len(unit), 1))
    prior += _sum_by(block[~mine], len(unit)) @ value[~mine, :, -1]
    prior -= logsumexp(prior, axis=1, keepdims=True)
    cell = (np.cumsum(tumour) - 1)[here["cell"].to_numpy()[mine]]
    key, pair = np.unique(cell * len(unit) + block[mine], return_inverse=True)
    flat = value[mine][:, :, : len(theta)]
    joined = (_sum_by(pair, len(key)) @ flat.reshape(len(flat), -1)).reshape(len(key), *flat.shape[1:])
    reads = here[["a", "d"]].to_numpy(float)[mine]
    lean = _sum_by(pair, len(key)) @ ((reads[:, 0] - reads[:, 1] / 2) / np.sqrt(np.maximum(reads[:, 1], 1)))
    divide = max(len(unit), 1)
    return ArmReads(joined, key // divide, key % divide, prior, lean)


def _sum_by(group: np.ndarray, n: int) -> sparse.csr_matrix:
    """Matrix (n x rows) that sums rows by group."""
    return sparse.csr_matrix((np.ones(len(group)), (group, np.arange(len(group)))), (n, len(group)))


@dataclass(frozen=True)
class Phase:
    """How well two groups of cells explain an arm.

    Attributes
    ----------
    gain
        log likelihood over balance.
    carriers
        probability of the group further from even, per cell (n).
    log_p
        log likelihood of each cell at each share (n x G), by the orientation that the other cells give.
    """

    gain: float
    carriers: np.ndarray
    log_p: np.ndarray


def learn_phase(reads: ArmReads, n_cells: int, *, hints: Sequence[np.ndarray]) -> Phase:
    """Two groups of cells with a share each, by EM over cells and blocks; the best of several beginnings.

    Parameters
    ----------
    hints
        carriers (n) to begin with, besides all cells and the leading axis of the reads.
    """
    to_cell, to_block = _sum_by(reads.cell, n_cells), _sum_by(reads.block, len(reads.log_prior))
    none = np.zeros(n_cells)
    even = _predict(reads, to_cell, to_block, none, EVEN, EVEN)[:, EVEN]
    best = Phase(0.0, none, np.zeros((n_cells, len(THETA))))
    for carriers in (np.full(n_cells, 0.999), *_leading_axis(reads, n_cells), *hints):
        here, low, high, value = carriers, EVEN, len(THETA) - 1, -np.inf
        for _ in range(ROUNDS):
            log_p = _predict(reads, to_cell, to_block, here, low, high)
            low, high = int(((1 - here) @ log_p).argmax()), int((here @ log_p).argmax())
            share = np.clip((here.sum() + 0.5) / (n_cells + 1), 1e-6, 1 - 1e-6)
            both = np.stack([np.log1p(-share) + log_p[:, low], np.log(share) + log_p[:, high]])
            total = logsumexp(both, axis=0)
            here, before, value = np.exp(both[1] - total), value, float((total - even).sum())
            if abs(value - before) < 0.05:
                break
        if value > best.gain + 1e-6:
            further = here if abs(THETA[high] - 0.5) >= abs(THETA[low] - 0.5) else 1 - here
            best = Phase(value, further, log_p)
    return best


def _predict(
    reads: ArmReads, to_cell: sparse.csr_matrix, to_block: sparse.csr_matrix, carriers: np.ndarray, low: int, high: int
) -> np.ndarray:
    """Log likelihood of each cell at each share (n x G), its blocks oriented by the other cells."""
    r = carriers[reads.cell][:, None]
    own = (1 - r) * reads.value[:, :, low] + r * reads.value[:, :, high]
    others = (reads.log_prior + to_block @ own)[reads.block] - own
    weight = np.exp(others - others.max(axis=1, keepdims=True))
    weight /= weight.sum(axis=1, keepdims=True)
    # the same as a logsumexp over S, without an exponential per round
    return np.asarray(to_cell @ (np.log(np.einsum("ps,psg->pg", weight, reads.likelihood) + TINY) + reads.scale))


def _leading_axis(reads: ArmReads, n_cells: int) -> list[np.ndarray]:
    """Carriers by the leading singular vector of what cells' blocks lean to (a group that lost a copy is an axis)."""
    shape = (n_cells, len(reads.log_prior))
    matrix = sparse.csr_matrix((reads.lean, (reads.cell, reads.block)), shape)
    if min(shape) < 3 or not matrix.nnz:
        return []
    axis = svds(matrix, k=1, v0=np.ones(min(shape)), return_singular_vectors="u")[0][:, 0]
    axis = axis * (1 if (axis**3).sum() >= 0 else -1)
    top = float(np.quantile(axis, 0.95))
    return [np.where(axis > top / 2, 0.95, 0.05)] if top > 0 else []
