"""How many normal cells are called malignant: a guard per cell, and the rate realised on cells known to be normal.

A posterior says how likely a cell is malignant *in its sample*: beside a tumour that makes up nearly all of a sample
an ambiguous cell is probably malignant, and most of the few normal cells would be called so. So a call asks for
one thing more: that few normal cells speak for the tumour as much as this one does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from ..cells import light_chain
from .odds import Cells, Odds

#: Which cells are known to be normal without their copy number.
OTHER_CHAIN = "the patient's plasma cells of the other light chain"
DONORS = "reference cells of the tumour's type"
#: Said where the cells that are judged also made the reference: they lie nearer to it than others would.
IN_REFERENCE = ", which are part of the reference, so it may be somewhat higher"
#: Fewer such cells than this give no rate worth printing [J].
MIN_HELD_OUT = 10


@dataclass(frozen=True)
class FalsePositives:
    """Cells known to be normal and how many of them would be called malignant by copy number and expression.

    ``lower``, ``upper``: Jeffreys 95% interval of the rate; NaN (and ``source`` says why) where none can be had.
    """

    n: int
    called: int
    lower: float
    upper: float
    source: str

    @property
    def rate(self) -> float:
        """Share called; NaN without cells."""
        return self.called / self.n if self.n else float("nan")

    def words(self) -> str:
        """The rate in one line."""
        if not self.n:
            return f"false-positive rate not known: {self.source}"
        share = f"{self.called} of {self.n} ({self.rate:.1%}, 95% interval {self.lower:.1%} to {self.upper:.1%})"
        return f"false-positive rate {share} on {self.source}"


def none_known(why: str) -> FalsePositives:
    """No rate, with the reason."""
    return FalsePositives(0, 0, float("nan"), float("nan"), why)


def counted(called: np.ndarray, source: str) -> FalsePositives:
    """Rate over these cells (bool per cell)."""
    n, k = len(called), int(called.sum())
    if n < MIN_HELD_OUT:
        return none_known(f"only {n} cells known to be normal")
    lower = float(special.betaincinv(k + 0.5, n - k + 0.5, 0.025)) if k else 0.0
    upper = float(special.betaincinv(k + 0.5, n - k + 0.5, 0.975)) if k < n else 1.0
    return FalsePositives(n, k, lower, upper, source)


def estimate(
    odds: Odds, cells: Cells, tumour_chains: set[str], *, foreign: bool, malignant_at: float, max_tail: float
) -> FalsePositives:
    """The realised false-positive rate beside a tumour, on normal cells that are known without copy number.

    Parameters
    ----------
    odds
        of every cell; light chain and further evidence take no part, since they say which cells are normal.
    tumour_chains
        light chains of the tumour's groups. With just one, the patient's cells of the other chain are normal (or of a
        clone that switched its chain, which would then count as false positives); with at least 10 of them
        they are asked. Else reference cells of the tumour's type that are not the patient's tumour-type cells.
    foreign
        the reference cells are of other types: they say nothing of the tumour's type.
    malignant_at, max_tail
        the two bounds of a call.
    """
    own = np.zeros(len(odds.p), dtype=bool)
    if cells.chains is not None and len(tumour_chains) == 1:
        other = light_chain.LAMBDA if light_chain.KAPPA in tumour_chains else light_chain.KAPPA
        own = cells.is_tumour_type & (cells.chains == other)
    others = cells.is_reference & ~cells.is_tumour_type & (not foreign)
    held_out, source = (own, OTHER_CHAIN) if own.sum() >= MIN_HELD_OUT else (others, DONORS)
    if not held_out.any():
        return none_known("no normal cells that are known without copy number")
    if (cells.is_reference & held_out).any():
        source += IN_REFERENCE
    # reference cells lie in other samples, which hold no tumour: judged as if they lay in the patient's
    share = np.where(cells.is_tumour_type, odds.share, np.median(odds.share[cells.is_tumour_type]))
    p = special.expit(odds.copy_number + odds.expression + share)
    return counted(((p >= malignant_at) & (odds.tail <= max_tail))[held_out], source)


def guard(odds: Odds, *, max_tail: float) -> np.ndarray:
    """Cells that may be called malignant (bool): few normal cells speak for the tumour as much.

    Further evidence (a clonotype) counts by its odds: a normal cell is that rarely given it.
    """
    return odds.tail * np.exp(-np.maximum(odds.further, 0.0)) <= max_tail
