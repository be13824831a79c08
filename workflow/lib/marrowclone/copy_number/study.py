"""Normal plasma cells of another study as the baseline (rung R3): the double difference between studies.

A study's genes are read with factors of their own (chemistry, gene model). They are seen in the immune cells that both
studies have, type by type, and taken out of the study's plasma profile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy.sparse as sp

from ..keys import PLASMA
from .pooling import trimmed_mean
from .profile_file import Profile

#: A gene that two studies read this differently is no more corrected: chance or another gene model [J].
MAX_STUDY_EFFECT = 4.0
#: Counts of a gene in both studies, and such genes, from which it is learned how much the studies differ; the most that
#: is believed [J].
MIN_COUNTS = 20.0
MIN_GENES = 100
MAX_STUDY_SD = 0.6
#: Uncertainty of an arm's log2 ratio against another study's cells, corrected and not; as large as against immune
#: cells (0.18, science 1.6) where nothing is corrected [J].
SYSTEMATIC_SD = 0.10
SYSTEMATIC_SD_UNCORRECTED = 0.18


@dataclass(frozen=True)
class StudyEffect:
    """Factor per gene (cohort over study, shape (genes,)), and the immune types that it was seen in (may be none)."""

    factor: np.ndarray
    types: list[str]
    n_cells: int

    @property
    def systematic_sd(self) -> float:
        """What an arm's ratio is uncertain by, in log2 units, however many cells there are."""
        return SYSTEMATIC_SD if self.types else SYSTEMATIC_SD_UNCORRECTED

    def words(self) -> str:
        """What was corrected, in words."""
        if self.types:
            types = ", ".join(self.types)
            return f"corrected per gene by {self.n_cells} {types} cells of this cohort and those of the study"
        return "not corrected (no immune type with enough cells in both), hence lower confidence"


def aligned(profile: Profile, symbols: pd.Index) -> pd.DataFrame:
    """The profile's counts for these genes; 0 for genes that it lacks."""
    return profile.counts.reindex(symbols).fillna(0.0)


def without_unmeasured(genes: pd.DataFrame, profile: Profile) -> pd.DataFrame:
    """``genes`` (with used and reason), the genes that the profile lacks left out."""
    lacking = ~genes.index.isin(profile.counts.index) & genes["used"].to_numpy(dtype=bool)
    frame = genes.copy()
    frame.loc[lacking, "reason"] = "not in the reference profile"
    frame.loc[lacking, "used"] = False
    return frame


def study_effect(
    profile: Profile,
    counts: sp.csr_matrix,
    samples: Sequence[str] | np.ndarray,
    types: Sequence[str] | np.ndarray,
    effects: pd.DataFrame,
    *,
    symbols: pd.Index,
    used: np.ndarray,
    capture_sd: float,
    min_cells: int,
) -> StudyEffect:
    """How this cohort reads each gene against the profile's study.

    Parameters
    ----------
    counts, samples, types
        raw counts (CSR), capture and type of the immune cells of the patient's captures.
    effects
        genes x captures: what is known of single captures already (:func:`~.baseline.capture_effects`).
    symbols, used
        of the columns of ``counts``.
    capture_sd, min_cells
        as for the captures; studies differ by at least as much, and by how much is learned from the genes' scatter.
        With observed O, expected E and P counts in the study the factor is ``(wO + a) / (wE + a)``,
        ``a = 1 / sd**2`` and ``w = P / (P + O)``: the study's counts have their own noise.
    """
    reference = aligned(profile, symbols)
    sample_of, type_of = np.asarray(samples, dtype=object), np.asarray(types, dtype=object)
    observed, expected, counted = (np.zeros(len(symbols)) for _ in range(3))
    shared: list[str] = []
    n_cells = 0
    for name in profile.immune_types:
        rows = np.flatnonzero(type_of == name)
        if len(rows) < min_cells or profile.n_cells[name] < min_cells:
            continue
        own = reference[name].to_numpy() * used
        if own.sum() <= 0:
            continue
        shared.append(name)
        n_cells += len(rows)
        share = own / own.sum()
        part_expected = np.zeros(len(symbols))
        for s in sorted(set(sample_of[rows])):
            total = np.asarray(counts[rows[sample_of[rows] == s]].sum(axis=0), dtype=float).ravel() * used
            level = share * effects[s].to_numpy()
            observed += total
            part_expected += level / max(level.sum(), 1e-12) * total.sum()
        expected += part_expected
        counted += own
    a = 1 / study_sd(observed, expected, counted, least=capture_sd) ** 2
    weight = counted / np.maximum(counted + observed, 1.0)
    factor = (weight * observed + a) / (weight * expected + a)
    factor = np.clip(factor, 1 / MAX_STUDY_EFFECT, MAX_STUDY_EFFECT)
    return StudyEffect(np.where(used, factor, 1.0), shared, n_cells)


def study_sd(observed: np.ndarray, expected: np.ndarray, counted: np.ndarray, *, least: float) -> float:
    """SD of the factors between the studies beyond counting, from well-counted genes; between ``least`` and 0.6."""
    well = (expected >= MIN_COUNTS) & (counted >= MIN_COUNTS)
    if well.sum() < MIN_GENES:
        return least
    ratio = observed[well] / expected[well]
    beyond = trimmed_mean((ratio - 1) ** 2 - 1 / expected[well] - 1 / counted[well])
    return float(np.sqrt(np.clip(beyond, least**2, MAX_STUDY_SD**2)))


def study_profile(profile: Profile, effect: StudyEffect, *, symbols: pd.Index, used: np.ndarray) -> pd.DataFrame:
    """Expected shares of a normal plasma cell in this cohort, genes x one category, summing to 1 over ``used``."""
    share = aligned(profile, symbols)[PLASMA].to_numpy() * effect.factor
    return pd.DataFrame({PLASMA: share / max(float(share[used].sum()), 1e-12)}, index=symbols)
