"""Effects of patients, clones and captures on all genes, and of single cells, that genes have in common.

Real effects are not independent between genes: neighbours on the genome share a part, and so do
genes of one pathway, wherever they lie.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .streams import stream

#: Expressed genes over which an effect is shared. Fitted to ln ratios of real profiles (NK, CD4 and CD8 T cells):
#: genes correlate .11 to .15 with the next one, .04 to .06 two apart, and not beyond five (docs/simulate.md).
NEIGHBOURS = 5
#: Latent factors that genes of all chromosomes load on [J].
FACTORS = 20
#: Fields of activity along the genome that a cell has, and the expressed genes over which each is smooth [J].
CELL_FIELDS, CELL_FIELD_GENES = 32, 40
#: Fitted (docs/simulate.md); the defaults. With this share next genes correlate .16, and the SD of 101-gene windows is
#: 1.2 times that of independent genes (real T and NK cells: .13 and 1.3); with this SD the arms of single T cells vary
#: as those of real ones.
FITTED: dict[str, float] = {"correlated": 0.5, "cell_regional_sd": 0.18}


@dataclass(frozen=True)
class Effects:
    """How effects on ``G`` genes are drawn.

    Attributes
    ----------
    share
        of an effect's variance that genes have in common: half by neighbourhood, half by factors.
    rows
        expressed genes in genome order.
    loadings
        (factors x G), unit variance of their sum in each gene; the same for all effects of a cohort.
    """

    share: float
    rows: np.ndarray
    loadings: np.ndarray

    def draw(self, rng: np.random.Generator, sd: float) -> np.ndarray:
        """(G,) natural-log effects, each of this SD."""
        own: np.ndarray = rng.normal(0.0, sd, size=(self.loadings.shape[1],))
        if self.share == 0:
            return own
        common = np.zeros(own.size)
        common[self.rows] = smooth(self.rows.size, NEIGHBOURS, rng)
        common += rng.standard_normal(len(self.loadings)) @ self.loadings
        return np.sqrt(1.0 - self.share) * own + sd * np.sqrt(self.share / 2.0) * common


def build_effects(expressed: np.ndarray, seed: int, share: float) -> Effects:
    """Effects of a cohort; ``expressed`` is (G,) bool."""
    rng = stream(seed, "effects", "loadings")
    factors = FACTORS if share > 0 else 0
    loadings = rng.standard_normal((factors, expressed.size)) / np.sqrt(max(factors, 1))
    return Effects(share, np.flatnonzero(expressed), loadings)


def smooth(n: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """(n,) unit-variance noise that is correlated over ``width`` places."""
    noise = rng.standard_normal(n + width - 1)
    return np.convolve(noise, np.full(width, width**-0.5), mode="valid")


def cell_fields(expressed: np.ndarray, seed: int, sd: float) -> np.ndarray:
    """(fields x G) ln weights: a cell's standard-normal scores times these are its own activity along the genome.

    Each gene's activity has the given SD between cells; no fields where it is 0.
    """
    rows = np.flatnonzero(expressed)
    out = np.zeros((CELL_FIELDS if sd > 0 else 0, expressed.size), dtype=np.float32)
    for i, field in enumerate(out):
        field[rows] = smooth(rows.size, CELL_FIELD_GENES, stream(seed, "cell field", str(i)))
    # the sum of squares over the fields differs between genes by chance: make it the same for all
    size = np.sqrt((out**2).sum(axis=0, keepdims=True))
    return np.divide(sd * out, size, out=np.zeros_like(out), where=size > 0)
