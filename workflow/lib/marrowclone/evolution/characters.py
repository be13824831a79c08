"""What the tree is made of: the measured ratio of every clone on every arm, or part of an arm, and its likelihood.

The likelihood of c copies is that of the measured log2 ratio, not of a called state and not of a posterior, which has a
prior in it already. Clones share what is wrong with an arm (the tumour's own programme, the reference): one offset per
arm is summed out, given what the other clones say of it.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from ..copy_number.joint import CLONE_SD, DEPARTS, EVENT_SPREAD, given_trunk
from ..copy_number.states import DEFAULTS, T_DF, UNREPORTABLE_R5, expected_log2_ratio, state_prior, t_logpdf

N_STATES = 6
DIPLOID = 2
#: Grid of an arm's offset (log2).
OFFSETS = np.arange(-0.9, 0.9001, 0.03)
#: Arms with fewer expressed genes, and clones of fewer cells, say nothing (defaults of ``call_arms``).
FEWEST_GENES: int = DEFAULTS["min_genes"]
FEWEST_CELLS: int = DEFAULTS["min_cells"]
#: Breaks of one arm in several clones that lie closer than this share of the arm are one break [J].
SAME_BREAK = 0.2
#: No measurement speaks more strongly than this against a state (nats) [J].
MOST_AGAINST = 30.0


@dataclass(frozen=True)
class Unit:
    """An arm (``start`` and ``end`` None), or a part of one."""

    chromosome: str
    arm: str
    start: float | None = None
    end: float | None = None

    @property
    def name(self) -> str:
        """``1q``, or ``1q:144-249`` (Mb)."""
        span = "" if self.start is None or self.end is None else f":{self.start / 1e6:.0f}-{self.end / 1e6:.0f}"
        return f"{self.chromosome}{self.arm}{span}"


@dataclass(frozen=True)
class Characters:
    """Ratios of K clones on B units, in genome order.

    Attributes
    ----------
    units
        B arms or parts of arms.
    ratio, noise
        log2 ratio to diploid and its counting noise (SD), shape (K, B); NaN where nothing was measured.
    offset_sd
        SD of what the clones share on a unit, shape (B,).
    response
        dosage response of the patient.
    """

    units: tuple[Unit, ...]
    ratio: np.ndarray
    noise: np.ndarray
    offset_sd: np.ndarray
    response: float

    def measured(self, clones: Sequence[str]) -> list[str]:
        """Those of the K clones of which something was measured."""
        return [c for c, row in zip(clones, self.ratio, strict=True) if np.isfinite(row).any()]

    def redrawn(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """Ratios as other cells of the same clones would have given them, shape (n, K, B)."""
        return self.ratio + rng.standard_normal((n, *self.ratio.shape)) * self.noise


def read_characters(arms: pd.DataFrame, profiles: pd.DataFrame, clones: Sequence[str]) -> Characters:
    """Ratios of the clones from the tables of the steps before.

    Parameters
    ----------
    arms
        ``copy_number/{patient}.arms.tsv``: clone, chromosome, arm, log2_ratio, se, se_counts, tau, n_genes, n_cells,
        dosage_response, reference_rung. Without a normal reference (R4) no arm says anything; of R5 six do not.
    profiles
        ``clones/{patient}.profiles.tsv``: clone, chromosome, start, end, arm, log2_ratio, n_genes, whole_arm. An arm
        that is broken in a clone becomes its parts, in all clones; a clone in which it is whole has the arm's ratio.
    clones
        names, in the tree's order (K).
    """
    enough = (arms["n_genes"] >= FEWEST_GENES) & (arms["n_cells"] >= FEWEST_CELLS)
    rows = arms[arms["clone"].isin(list(clones)) & arms["log2_ratio"].notna() & enough]
    rows = rows.assign(chromosome=rows["chromosome"].str.removeprefix("chr"))
    name = rows["chromosome"] + rows["arm"]
    silent = (rows["reference_rung"] == "R4") | ((rows["reference_rung"] == "R5") & name.isin(UNREPORTABLE_R5))
    rows = rows[~silent]
    if rows.empty:  # no arm was measured, or the reference says nothing
        nothing = np.zeros((len(clones), 0))
        return Characters((), nothing, nothing, np.zeros(0), 1.0)
    shared = np.maximum(rows["se"] ** 2 - rows["tau"] ** 2 - rows["se_counts"] ** 2, 0.0) * rows["n_cells"]
    rows = rows.assign(shared=shared)
    parts = _parts(profiles, clones)
    units: list[Unit] = []
    columns: list[tuple[np.ndarray, np.ndarray, float]] = []
    places = sorted(set(zip(rows["chromosome"], rows["arm"], strict=True)), key=lambda p: (int(p[0]), p[1]))
    for place in places:
        here = rows[(rows["chromosome"] == place[0]) & (rows["arm"] == place[1])].set_index("clone")
        ratio = here["log2_ratio"].reindex(list(clones)).to_numpy(dtype=float)
        noise = here["se_counts"].reindex(list(clones)).to_numpy(dtype=float)
        own = float(here["shared"].sum() / here["n_cells"].sum())
        tau = float(here["tau"].iloc[0])
        genes = float(here["n_genes"].max())
        for unit, values, share in parts.get(place, [(Unit(*place), np.full(len(clones), np.nan), 1.0)]):
            less = max(share, FEWEST_GENES / max(genes, 1.0))
            units.append(unit)
            columns.append(
                (np.where(np.isnan(values), ratio, values), noise / np.sqrt(less), np.sqrt(own / less + tau**2))
            )
    ratio, noise = (np.stack([c[i] for c in columns], axis=1) for i in (0, 1))
    noise = np.where(np.isnan(ratio), np.nan, noise)
    return Characters(
        tuple(units), ratio, noise, np.array([c[2] for c in columns]), float(rows["dosage_response"].iloc[0])
    )


def _parts(
    profiles: pd.DataFrame, clones: Sequence[str]
) -> dict[tuple[str, str], list[tuple[Unit, np.ndarray, float]]]:
    """Parts of every arm that is broken in some clone: unit, ratio per clone (NaN: as the arm), share of the arm."""
    if profiles.empty:
        return {}
    own = profiles[profiles["clone"].isin(list(clones)) & profiles["log2_ratio"].notna()]
    own = own.assign(chromosome=own["chromosome"].str.removeprefix("chr"))
    found = {}
    for place, rows in own.groupby(["chromosome", "arm"], sort=False):
        pieces = rows[~rows["whole_arm"].astype(bool)]
        if pieces.empty:
            continue
        low, high = float(pieces["start"].min()), float(pieces["end"].max())
        starts = sorted(float(s) for s in pieces["start"] if s > low)
        breaks: list[list[float]] = []
        for at in starts:
            if breaks and at - breaks[-1][0] < SAME_BREAK * (high - low):
                breaks[-1].append(at)
            else:
                breaks.append([at])
        edges = [low, *(float(np.median(b)) for b in breaks), high]
        units = []
        for a, b in itertools.pairwise(edges):
            values = np.full(len(clones), np.nan)
            for k, clone in enumerate(clones):
                mine = pieces[pieces["clone"] == clone]
                if len(mine):
                    overlap = mine["end"].clip(upper=b) - mine["start"].clip(lower=a)
                    values[k] = mine["log2_ratio"].iloc[int(overlap.to_numpy(dtype=float).argmax())]
            units.append((Unit(str(place[0]), str(place[1]), a, b), values, (b - a) / (high - low)))
        found[(str(place[0]), str(place[1]))] = units
    return found


def leaf_costs(characters: Characters, ratio: np.ndarray | None = None) -> np.ndarray:
    """-ln likelihood of 0..5 copies of every clone on every unit, least 0, shape (..., K, B, 6).

    ``ratio`` stands for the measured one (:meth:`Characters.redrawn`), shape (..., K, B).
    """
    if ratio is not None:
        characters = replace(characters, ratio=ratio)
    y = characters.ratio
    mean = expected_log2_ratio(characters.response)
    sd = np.sqrt(characters.noise[..., None] ** 2 + CLONE_SD**2 + (EVENT_SPREAD * mean) ** 2)[..., None]
    density = np.exp(t_logpdf((y[..., None, None] - mean[:, None] - OFFSETS) / sd, T_DF)) / sd
    density = np.where(np.isfinite(y)[..., None, None], density, 1.0)  # (..., K, B, 6, offsets)
    offset = np.exp(t_logpdf(OFFSETS / characters.offset_sd[:, None], T_DF))
    offset /= offset.sum(axis=1, keepdims=True)  # (B, offsets)
    prior = state_prior(DEFAULTS["prior_neutral"])
    each = np.einsum("xc,...kbcu->...xkbu", given_trunk(prior, departs=DEPARTS), density)
    each /= np.maximum(each.max(axis=(-1, -4), keepdims=True), 1e-300)
    n = y.shape[-2]
    before, after = np.ones_like(each), np.ones_like(each)
    for k in range(1, n):  # products over the other clones, by running products from both sides
        before[..., k, :, :] = before[..., k - 1, :, :] * each[..., k - 1, :, :]
        after[..., n - 1 - k, :, :] = after[..., n - k, :, :] * each[..., n - k, :, :]
    others = np.einsum("x,...xkbu,bu->...kbu", prior, before * after, offset)
    others /= np.maximum(others.sum(axis=-1, keepdims=True), 1e-300)
    likelihood = np.einsum("...kbcu,...kbu->...kbc", density, others)
    cost = -np.log(np.maximum(likelihood, 1e-300))
    cost -= cost.min(axis=-1, keepdims=True)
    result: np.ndarray = np.minimum(cost, MOST_AGAINST)
    return result
