"""Clone fractions of every sample, as joint posterior draws.

Model, per sample (science 4.4): fractions p ~ Dirichlet(1/2, ...), every malignant cell belongs
to one clone with probabilities p, and the cell's evidence is what the clone step's posterior
says beyond the clone sizes of the sample, which that posterior already contains. The draws
come from data augmentation (cells given fractions, fractions given cells), so that doubtful
cells move together with the fractions. A cell that is malignant with probability below one
counts in that share of the draws only. With certain cells it is exactly Dirichlet(x + 1/2).
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from .statistics import Array, zero_of_n_upper

#: Posteriors this near to 1 are taken as 1; the rest is grouped in steps of 0.1 of log10(1 - posterior).
_CERTAIN = 1e-6
#: Step of ln(likelihood) within which cells count as of equal evidence.
_STEP = 0.25


@dataclass(frozen=True)
class SampleFractions:
    """Posterior of one sample.

    Attributes
    ----------
    draws
        float, draws x clones; rows sum to 1. No columns when the patient has no clone.
    expected
        float, clones: posterior mean of the number of malignant cells, misassignment corrected.
    counts
        int, clones: cells assigned to each clone.
    """

    sample: str
    draws: Array
    expected: Array
    counts: npt.NDArray[np.int64]

    @property
    def n_assigned(self) -> int:
        """Malignant cells with a clone."""
        return int(self.counts.sum())


def stream(seed: int, *names: object) -> np.random.Generator:
    """A generator of its own for each named thing, so that adding another changes nothing."""
    return np.random.default_rng([seed, zlib.crc32("\0".join(map(str, names)).encode())])


def natural(name: str) -> tuple[Any, ...]:
    """Sort key: ``c2`` before ``c10``."""
    return tuple(int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name))


def clone_order(cells: pd.DataFrame, samples: Sequence[str]) -> list[str]:
    """Clones by their cell counts (all, then sample by sample), largest first.

    By count and only then by name: draws then belong to clones, not to their names.
    """
    cells = cells[cells["clone"] != ""]
    if cells.empty:
        return []
    table = pd.crosstab(cells["clone"], cells["sample"]).reindex(columns=list(samples), fill_value=0)
    keys = {
        clone: (-row.sum(), *(-row), natural(clone)) for clone, row in zip(table.index, table.to_numpy(), strict=True)
    }
    return sorted(keys, key=keys.__getitem__)


def fraction_draws(
    cells: pd.DataFrame,
    *,
    sample: str,
    clones: Sequence[str],
    draws: int,
    burn_in: int,
    thin: int,
    rng: np.random.Generator,
    overall: Array | None = None,
    prior_cells: float = 0.0,
) -> SampleFractions:
    """Joint posterior draws of a sample's clone fractions.

    Parameters
    ----------
    cells
        the sample's malignant cells: ``clone`` (empty when unassigned), ``posterior`` of that clone under the
        sample's own clone sizes and, where known, ``p_malignant``. With the posterior of every clone (``p_c1`` ...)
        all cells speak; without, those that have no clone are left out, as missing at random.
    overall, prior_cells
        shares of the clones over all samples, and the weight in cells that the clone step gave them in each sample's
        clone sizes (``infer_clones.fraction_prior_cells``): with them its posteriors are undone.
    """
    n_clones = len(clones)
    assigned = cells[cells["clone"] != ""]
    counts = np.bincount(pd.Categorical(assigned["clone"], categories=list(clones)).codes, minlength=n_clones)
    counts = counts.astype(np.int64)
    if n_clones == 0:
        return SampleFractions(sample, np.empty((draws, 0)), np.empty(0), counts)
    full = _full_posterior(cells, clones) if len(assigned) else None
    if full is not None:
        known = full.any(axis=1)
        full = full[known]
        weight = full.sum(axis=0) + (prior_cells * overall if overall is not None else 0.5)
        number, likelihood, sure = _groups_of_all(full, full * weight.sum() / weight, _malignant(cells)[known])
    else:
        own = pd.Categorical(assigned["clone"], categories=list(clones)).codes
        posterior = assigned["posterior"].to_numpy(dtype=float)
        number, likelihood, sure = _groups(own, posterior, _malignant(assigned), n_clones)
    kept = np.empty((draws, n_clones))
    expected = np.zeros(n_clones)
    members = counts.astype(float)
    # cells of certain clones leave nothing to iterate over: every sweep is then an independent draw
    certain = bool((likelihood > 0).sum() == len(number)) if len(number) else True
    column = likelihood.argmax(axis=1)
    burn_in, thin = (0, 1) if certain else (burn_in, thin)
    for sweep in range(burn_in + draws * thin):
        there = rng.binomial(number, sure)
        if certain:
            members = np.bincount(column, weights=there, minlength=n_clones)
        weights = np.maximum(rng.gamma(members + 0.5), np.finfo(float).tiny)
        fractions = weights / weights.sum()
        if not certain:
            members = _deal(there, likelihood * fractions, rng=rng)
        if sweep >= burn_in and (sweep - burn_in) % thin == thin - 1:
            kept[(sweep - burn_in) // thin] = fractions
            expected += members
    return SampleFractions(sample, kept, expected / draws, counts)


def _deal(there: npt.NDArray[np.int64], chances: Array, *, rng: np.random.Generator) -> Array:
    """Cells per clone when those of each group are dealt by chance: groups of one cell all at once, others apart."""
    one, more = there == 1, there > 1
    total = np.cumsum(chances[one], axis=1)
    clone = (rng.uniform(size=(len(total), 1)) * total[:, -1:] > total).sum(axis=1)
    members: Array = np.bincount(clone, minlength=chances.shape[1]).astype(np.float64)
    if more.any():
        rest = chances[more]
        members += rng.multinomial(there[more], rest / rest.sum(axis=1, keepdims=True)).sum(axis=0)
    return members


def _malignant(cells: pd.DataFrame) -> Array:
    known = "p_malignant" in cells
    return cells["p_malignant"].to_numpy(dtype=float) if known else np.ones(len(cells))


def _full_posterior(cells: pd.DataFrame, clones: Sequence[str]) -> Array | None:
    """Posterior of every clone (cells x clones, rows sum to 1); None where the table does not have them.

    A row is all 0 where nothing is known, or only that the cell is of a clone that has no assigned cell anywhere.
    """
    columns = [f"p_{clone}" for clone in clones]
    if not set(columns) <= set(cells.columns):
        return None
    posterior = np.clip(np.nan_to_num(cells[columns].to_numpy(dtype=float)), 0.0, 1.0)
    total = posterior.sum(axis=1, keepdims=True)
    return np.asarray(np.where(total > _CERTAIN, posterior / np.maximum(total, _CERTAIN), 0.0))


def _groups_of_all(posterior: Array, likelihood: Array, malignant: Array) -> tuple[npt.NDArray[np.int64], Array, Array]:
    """Cells of equal evidence, as :func:`_groups`, where the posterior of every clone is known.

    Evidence is equal when no clone's likelihood differs by more than a step of its logarithm, to the best clone's.
    """
    relative = likelihood / likelihood.max(axis=1, keepdims=True)
    sure_of = posterior.max(axis=1) > 1 - _CERTAIN
    relative[sure_of] = (posterior[sure_of] == posterior[sure_of].max(axis=1, keepdims=True)).astype(float)
    relative[relative < _CERTAIN] = 0.0
    with np.errstate(divide="ignore"):
        steps = np.round(np.maximum(np.log(relative), -99) / _STEP).astype(np.int64)
    normal = np.clip(1.0 - np.nan_to_num(malignant, nan=1.0), 0.0, 1.0)
    keys = np.column_stack([steps, _steps(normal)])
    _, group, number = np.unique(keys, axis=0, return_inverse=True, return_counts=True)
    group = group.ravel()
    mean = np.zeros((len(number), relative.shape[1]))
    np.add.at(mean, group, relative)
    absent = np.bincount(group, weights=normal, minlength=len(number)) / number
    return number.astype(np.int64), mean / number[:, None], 1.0 - absent


def _steps(doubt: Array) -> npt.NDArray[np.int64]:
    """Doubt in steps of 0.1 of its log10; below :data:`_CERTAIN` it is none."""
    doubt[doubt < _CERTAIN] = 0.0
    steps = np.full(len(doubt), -999, dtype=np.int64)
    steps[doubt > 0] = np.round(10 * np.log10(doubt[doubt > 0])).astype(np.int64)
    return steps


def _groups(
    own: npt.NDArray[Any], posterior: Array, malignant: Array, n_clones: int
) -> tuple[npt.NDArray[np.int64], Array, Array]:
    """Cells of equal evidence: their number, the likelihood of each clone (groups x clones), P(malignant).

    The posterior of a cell's own clone is known; the rest is spread over the other clones in
    proportion to their size, which makes the likelihood of all others equal.
    """
    doubt = np.clip(1.0 - np.nan_to_num(posterior, nan=1.0), 0.0, 1.0)
    normal = np.clip(1.0 - np.nan_to_num(malignant, nan=1.0), 0.0, 1.0)
    steps, normal_steps = _steps(doubt), _steps(normal)
    frame = pd.DataFrame(
        {"own": own.astype(np.int64), "step": steps, "normal_step": normal_steps, "doubt": doubt, "normal": normal}
    )
    groups = frame.groupby(["own", "step", "normal_step"], sort=True).agg(
        size=("doubt", "size"), mean=("doubt", "mean"), normal=("normal", "mean")
    )
    groups = groups.reset_index()
    clone, mean = groups["own"].to_numpy(), groups["mean"].to_numpy(dtype=float)
    number = groups["size"].to_numpy(dtype=np.int64)
    sure = 1.0 - groups["normal"].to_numpy(dtype=float)
    share = _sizes(clone, number, mean, n_clones)[clone]
    others = np.where(share < 1, mean / np.maximum(1 - share, 1e-9), 0.0)
    likelihood = np.repeat(others[:, None], n_clones, axis=1)
    likelihood[np.arange(len(clone)), clone] = (1 - mean) / share
    # a cell with posterior 0 for the only clone there is says nothing
    likelihood[likelihood.sum(axis=1) <= 0] = 1.0
    return number, likelihood, sure


def _sizes(clone: npt.NDArray[Any], number: npt.NDArray[np.int64], doubt: Array, n_clones: int) -> Array:
    """Clone sizes that the sample's posteriors imply: doubtful cells count for the other clones too."""
    hard: Array = np.bincount(clone, weights=number, minlength=n_clones).astype(np.float64) + 0.5
    hard /= hard.sum()
    if n_clones == 1:
        return np.ones(1)
    spread = np.repeat(hard[None, :], len(clone), axis=0)
    spread[np.arange(len(clone)), clone] = 0.0
    spread /= spread.sum(axis=1, keepdims=True)
    soft = (number * doubt)[:, None] * spread
    soft[np.arange(len(clone)), clone] = number * (1 - doubt)
    sizes = soft.sum(axis=0) + 0.5
    return np.asarray(sizes / sizes.sum())


def estimate_fractions(
    cells: pd.DataFrame,
    *,
    samples: Sequence[str],
    settings: Mapping[str, Any],
    seed: int,
    prior_cells: float = 0.0,
) -> tuple[list[str], dict[str, SampleFractions]]:
    """Clone fractions of all samples of a patient.

    Parameters
    ----------
    cells
        ``clones/{patient}.cells.tsv.gz``: cell, sample, clone, posterior; p_malignant of the
        malignant call where known.
    prior_cells
        see :func:`fraction_draws`.
    samples
        the patient's samples in day order; a sample without malignant cells gets the prior.

    Returns
    -------
    clones, {sample: SampleFractions}
        clones in the order of the draws' columns.
    """
    clones = clone_order(cells, samples)
    full = _full_posterior(cells, clones) if clones else None
    overall = None if full is None else (full.sum(axis=0) + 1) / (full.sum() + len(clones))
    return clones, {
        sample: fraction_draws(
            cells[cells["sample"] == sample],
            sample=sample,
            clones=clones,
            draws=settings["draws"],
            burn_in=settings["burn_in"],
            thin=settings["thin"],
            rng=stream(seed, "fractions", sample),
            overall=overall,
            prior_cells=prior_cells,
        )
        for sample in samples
    }


def fraction_bounds(fractions: SampleFractions, clone: int) -> tuple[float, float, float, float]:
    """Fraction, lower, upper (95%) and the exact "0 of n" bound of one clone in one sample.

    The fraction is missing and the interval (0, 1) when no malignant cell of the sample has
    a clone. Else it is the expected share, corrected for misassignment. A clone with no cell
    gets 0 (never a point estimate made of other clones' doubt), up to the larger of the exact bound and the draws'
    upper end. A clone that has all cells has an upper end of 1 and, since a clone not seen
    may hide, a lower end no higher than one minus the "0 of n" bound.
    """
    n, x = fractions.n_assigned, int(fractions.counts[clone])
    none = zero_of_n_upper(n)
    if n == 0:
        return float("nan"), 0.0, 1.0, 1.0
    total = float(fractions.expected.sum())
    share = float(fractions.expected[clone] / total) if total > 0 else float("nan")
    lower, upper = np.quantile(fractions.draws[:, clone], [0.025, 0.975])
    if x == 0:
        return 0.0, 0.0, max(float(upper), none), none
    lower, upper = min(float(lower), share), max(float(upper), share)
    if x == n:
        lower, upper = min(lower, 1 - none), 1.0
    return share, lower, upper, float("nan")
