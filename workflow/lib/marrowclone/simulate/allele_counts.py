"""Allele counts per cell and variant of a capture, in the form of Numbat's ``df_allele``.

Molecule by molecule: the gene's molecules of a cell come in bursts from single chromosomes, some float in from the
soup, and a read covers a variant or does not. This is not the model by which anything is inferred. Numbers are
judgement [J].
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from .captures import Capture
from .germline import genotype
from .haplotypes import haplotype_copies
from .streams import stream

COLUMNS: tuple[str, ...] = ("cell", "snp_id", "CHROM", "POS", "REF", "ALT", "AD", "DP", "GT", "gene")
#: Share of a cell's genes whose molecules are all of one burst, and mean molecules of a burst in the others.
ONE_BURST, BURST = 0.15, 2.5
#: Genes that one chromosome expresses more (share of genes, SD of the logit), and the SD of all others.
UNEVEN, UNEVEN_SD, EVEN_SD = 0.15, 0.7, 0.1
#: Genes of which one parent's chromosome is silent.
IMPRINTED = 0.005
#: Reads of the alternative allele that are lost in mapping (mean of an exponential), and misread bases.
LOST, MISREAD = 0.06, 0.003


def allele_counts(
    capture: Capture, clones: Mapping[str, Any], settings: Mapping[str, Any], *, patient: str, sample: str, seed: int
) -> pd.DataFrame:
    """Allele counts of one capture.

    Parameters
    ----------
    clones
        checked clones of the patient (``parent``, ``events``); empty for a healthy donor.
    settings
        checked ``capture`` settings of the sample: the soup's share.
    patient
        whose cells these are: genotype, phase and uneven genes are the same in all captures of a person.
    sample
        names the stream of all that is this capture's own.

    Returns
    -------
    DataFrame of :data:`COLUMNS`, by barcode and place; a row per barcode and variant with reads.
    """
    variants = genotype(patient, seed=seed)
    rng = stream(seed, "alleles", sample)
    genes = np.unique(variants["gene"].to_numpy())
    counts = capture.counts[:, genes].tocoo()
    cell, gene, n = counts.row, counts.col, counts.data.astype(int)
    share = _share_of_a(capture, clones, variants, genes, cell, gene, patient=patient, seed=seed)
    from_soup = rng.binomial(n, _soup_share(capture, settings, rng)[cell])
    weight = np.bincount(gene, n, minlength=len(genes))
    soup = np.bincount(gene, n * share, minlength=len(genes)) / np.maximum(weight, 1)
    # one of two cells of a doublet is of another kind, with both chromosomes
    other = np.where(capture.cells["doublet"].to_numpy()[cell], rng.binomial(n - from_soup, 0.5), 0)
    on_a = _bursts(n - from_soup - other, share, rng) + _bursts(other, np.full(len(n), 0.5), rng)
    on_a += rng.binomial(from_soup, soup[gene])
    return _reads(capture, variants, genes, cell, gene, n, on_a, rng)


def _share_of_a(
    capture: Capture, clones: Mapping[str, Any], variants: pd.DataFrame, genes: np.ndarray, cell: np.ndarray,
    gene: np.ndarray, *, patient: str, seed: int,
) -> np.ndarray:  # fmt: skip
    """Share of the molecules of each cell and gene that chromosome a makes."""
    copies = haplotype_copies(clones, patient=patient, seed=seed)
    names = ["", *copies]
    pairs = np.stack([np.ones((len(next(iter(copies.values()))), 2)), *(c.to_numpy(float) for c in copies.values())]) \
        if copies else np.ones((1, int(variants["arm"].max()) + 1, 2))  # fmt: skip
    clone = pd.Index(names).get_indexer(pd.Index(capture.cells["clone"].fillna("")))
    arm = variants.drop_duplicates("gene").set_index("gene")["arm"].reindex(genes).to_numpy(int)
    own = stream(seed, "uneven genes", patient)
    lean = own.normal(0, np.where(own.random(len(genes)) < UNEVEN, UNEVEN_SD, EVEN_SD))
    silent = own.random(len(genes)) < IMPRINTED
    lean = np.where(silent, np.where(own.random(len(genes)) < 0.5, 4.0, -4.0), lean)
    a, b = np.moveaxis(pairs[clone[cell], arm[gene]], -1, 0)
    a = a * np.exp(lean[gene])
    return np.where(a + b > 0, a / np.maximum(a + b, 1e-9), 0.5)


def _soup_share(capture: Capture, settings: Mapping[str, Any], rng: np.random.Generator) -> np.ndarray:
    """Share of each barcode's molecules that float in: all of an empty droplet, more in small cells."""
    size = np.asarray(capture.counts.sum(axis=1)).ravel().astype(float)
    empty = (capture.cells["quality"] == "empty").to_numpy()
    amount = float(rng.uniform(*settings["ambient"])) * (np.median(size[~empty]) if (~empty).any() else 0.0)
    return np.where(empty, 1.0, np.clip(amount / np.maximum(size, 1.0), 0.0, 0.9))


def _bursts(n: np.ndarray, share: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Molecules of chromosome a among ``n``, which came in bursts of one chromosome each."""
    bursts = np.where(rng.random(len(n)) < ONE_BURST, 1, np.ceil(n / BURST)).astype(int)
    bursts = np.where(n > 0, np.maximum(bursts, 1), 0)
    of_a = rng.binomial(bursts, share) / np.maximum(bursts, 1)
    return rng.binomial(n, of_a)


def _reads(
    capture: Capture, variants: pd.DataFrame, genes: np.ndarray, cell: np.ndarray, gene: np.ndarray, n: np.ndarray,
    on_a: np.ndarray, rng: np.random.Generator,
) -> pd.DataFrame:  # fmt: skip
    """Reads over each variant of the cells' genes: covered or not, seen or misread."""
    by_gene = variants.reset_index(drop=True).groupby("gene", sort=True).indices
    n_sites = np.array([len(by_gene[g]) for g in genes])
    first = np.cumsum(n_sites) - n_sites
    sites = np.concatenate([by_gene[g] for g in genes]) if len(genes) else np.array([], int)
    entry = np.repeat(np.arange(len(n)), n_sites[gene])
    inner = np.arange(len(entry)) - np.repeat(np.cumsum(n_sites[gene]) - n_sites[gene], n_sites[gene])
    site = sites[first[gene[entry]] + inner]
    depth = rng.binomial(n[entry], variants["covered"].to_numpy()[site])
    seen = depth > 0
    entry, site, depth = entry[seen], site[seen], depth[seen]
    a = rng.hypergeometric(on_a[entry], (n - on_a)[entry], depth)
    alt_on_a, alt_on_b = (variants[c].to_numpy()[site] for c in ("alt_on_a", "alt_on_b"))
    alt = np.where(alt_on_a, a, 0) + np.where(alt_on_b, depth - a, 0)
    lost = np.minimum(rng.exponential(LOST, len(variants)), 0.5)
    kept = rng.binomial(alt, 1 - lost[site])
    depth = depth - alt + kept
    kept = kept - rng.binomial(kept, MISREAD) + rng.binomial(depth - kept, MISREAD)
    table = pd.DataFrame({"row": cell[entry], "site": site, "AD": kept, "DP": depth})
    table = table[table["DP"] > 0].sort_values(["row", "site"], kind="stable")
    where = variants.iloc[table["site"].to_numpy()].reset_index(drop=True)
    return pd.DataFrame(
        {
            "cell": capture.cells["barcode"].to_numpy()[table["row"].to_numpy()], "snp_id": where["snp"],
            "CHROM": where["chromosome"].str.removeprefix("chr"), "POS": where["position"], "REF": where["ref"],
            "ALT": where["alt"], "AD": table["AD"].to_numpy(), "DP": table["DP"].to_numpy(), "GT": where["gt"],
            "gene": where["symbol"],
        }
    )[list(COLUMNS)]  # fmt: skip
