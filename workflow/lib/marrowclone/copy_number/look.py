"""One look at a patient: baseline and signal of its tumour-type and reference cells against a stated reference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from ..keys import PLASMA
from .baseline import Baseline, build_baseline, capture_effects
from .bystanders import bystander_signal, joined_rows, noise_limit, stacked
from .ladder import Candidates, Reference
from .malignant import Calls, call_cells
from .odds import Cells
from .own_cells import cell_chains, cell_frame
from .signal import Signal, infer_signal
from .study import aligned, study_effect, study_profile


@dataclass(frozen=True)
class PatientSignal:
    """Signal of the kept cells (rows of ``obs``: tumour-type and reference cells) against ``reference``."""

    obs: pd.DataFrame
    signal: Signal
    baseline: Baseline
    reference: Reference


@dataclass(frozen=True)
class Subject:
    """The patient as every look needs it: raw counts (CSR, cells x genes) of the candidates' cells, and settings."""

    matrix: sp.csr_matrix
    who: Candidates
    settings: Mapping[str, Any]
    calls: Mapping[str, Any]
    seed: int
    symbols: pd.Index
    threads: int = 1
    device: str = "cpu"
    refused: str = ""

    @property
    def windows(self) -> dict[str, Any]:
        """How a signal is made, whatever its cells and its reference."""
        s = self.settings
        return {
            "window": s["window"], "step": s["step"], "clip": s["clip"], "anchors": s["anchor_arms"],
            "dynamic_threshold": s["dynamic_threshold"], "threads": self.threads, "device": self.device,
        }  # fmt: skip

    @cached_property
    def chains(self) -> np.ndarray:
        """Light chain of every cell; each look asks for it."""
        return cell_chains(self.matrix, self.who.cells, immune=self.who.immune, symbols=self.symbols)

    @property
    def samples(self) -> np.ndarray:
        """Capture of every cell."""
        return self.who.cells["sample"].to_numpy(dtype=object)


def counts_of(p: Subject, reference: Reference) -> np.ndarray:
    """UMI per gene on which the profile of a reference stands."""
    if reference.rung == "R3" and p.who.profile is not None:
        return aligned(p.who.profile, p.symbols)[PLASMA].to_numpy(dtype=float)
    return np.asarray(p.matrix[np.flatnonzero(reference.is_reference)].sum(axis=0), dtype=float).ravel()


def look(
    p: Subject,
    genes: pd.DataFrame,
    reference: Reference,
    *,
    profile_of: Reference | None = None,
    person: np.ndarray | None = None,
) -> PatientSignal:
    """Baseline and signal of the tumour-type and reference cells against ``reference``.

    ``profile_of``: the reference whose profile is taken, where that is another; ``person``: factor per gene of the
    patient's captures on that profile (:mod:`.pooling`).
    """
    cells, target, samples = p.who.cells, p.who.target, p.samples
    source = profile_of or reference
    kept = np.flatnonzero(target | reference.is_reference)
    all_samples = sorted(set(samples[kept]))
    helpers = np.flatnonzero(p.who.immune & ~target & np.isin(samples, all_samples))
    types = cells["cell_type"].to_numpy(dtype=object)
    used = genes["used"].to_numpy(dtype=bool)
    shrink = {"capture_sd": p.settings["capture_sd"], "min_cells": p.settings["min_cells_type"]}
    effects = capture_effects(
        p.matrix[helpers], samples[helpers], types[helpers], used=used, all_samples=all_samples, **shrink
    )
    if source.rung == "R3" and p.who.profile is not None:
        study = study_effect(
            p.who.profile, p.matrix[helpers], samples[helpers], types[helpers], effects,
            symbols=genes.index, used=used, **shrink,
        )  # fmt: skip
        shares = study_profile(p.who.profile, study, symbols=genes.index, used=used)
        baseline = Baseline(genes, shares, effects.set_axis(genes.index, axis=0))
        if reference is source:
            reason = f"{reference.reason}; {study.words()}"
            reference = replace(reference, reason=reason, systematic_sd=study.systematic_sd)
    else:
        rows = np.flatnonzero(source.is_reference)
        baseline = build_baseline(p.matrix[rows], samples[rows], source.categories[rows], genes, effects)
    if person is not None:
        own = sorted(set(samples[p.who.mine]) & set(all_samples))
        factors = baseline.effects.copy()
        factors[own] = factors[own].mul(person, axis=0)
        baseline = replace(baseline, effects=factors)
    is_reference, limit = reference.is_reference, None
    more = np.zeros(0, dtype=int)
    signals: list[Signal] = []
    if not is_reference.any():  # the profile of a file has no cells that scatter
        more, signals = bystander_signal(
            p.matrix[helpers], samples[helpers], types[helpers], baseline,
            min_cpm=p.settings["min_cpm"], min_cells=p.settings["min_cells_type"], windows=p.windows,
        )  # fmt: skip
        limit = noise_limit(signals)
    signal = infer_signal(
        p.matrix,
        samples[kept],
        is_reference[kept],
        reference.categories[kept],
        baseline,
        min_cpm=p.settings["min_cpm"],
        rows=kept,
        limit=limit,
        **p.windows,
    )
    if signals:
        kept, order = joined_rows(kept, helpers[more])
        signal = stacked([signal, *signals], order)
        is_reference = is_reference.copy()
        is_reference[helpers[more]] = True
    narrowed = replace(reference, is_reference=is_reference[kept], categories=reference.categories[kept])
    obs = cell_frame(cells, kept, target=target, chains=p.chains)
    obs["is_reference"], obs["depth"] = narrowed.is_reference, signal.depth
    return PatientSignal(obs, signal, baseline, narrowed)


def cells_of(obs: pd.DataFrame, arms: np.ndarray, counts: sp.csr_matrix) -> Cells:
    """What :func:`~marrowclone.copy_number.malignant.call_cells` takes, from a signal's ``obs`` and arms."""
    plasma = (obs["cell_type"] == PLASMA) & obs["is_tumour_type"].astype(bool)
    return Cells(
        counts=counts,
        samples=obs["sample"].to_numpy(dtype=object),
        is_tumour_type=obs["is_tumour_type"].to_numpy(dtype=bool),
        is_reference=obs["is_reference"].to_numpy(dtype=bool),
        arms=arms,
        depth=obs["depth"].to_numpy(dtype=float),
        chains=obs["light_chain"].to_numpy(dtype=object) if plasma.any() else None,
    )


def call_look(p: Subject, first: PatientSignal, genes: pd.DataFrame, rows: np.ndarray) -> Calls:
    """Malignant calls against the first reference."""
    return call_cells(
        cells_of(first.obs, first.signal.arms, p.matrix[rows]),
        first.baseline.expected,
        genes,
        rung=first.reference.rung,
        settings=calls_against(p, first.reference),
        seed=p.seed,
    )


def calls_against(p: Subject, reference: Reference) -> dict[str, Any]:
    """Settings of the calls, with at least the uncertainty of the reference."""
    return {**p.calls, "systematic_sd": max(p.calls["systematic_sd"], reference.systematic_sd)}
