"""Signal of a patient against the best reference of the ladder R1..R5 (science 1.6), found in two looks.

The first look is against donors, another study or immune cells. It shows the patient's own normal plasma cells (R1)
and the genes that the tumour expresses beyond all dosage; the second look uses both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp

from ..keys import PLASMA
from ..resources import RESOURCES, read_resource
from .anchors import notes_of
from .baseline import Baseline, build_baseline, capture_effects
from .bystanders import bystander_signal, joined_rows, noise_limit, stacked
from .clusters import CLONAL, TUMOUR, GroupEvidence
from .diploid import diploid_cells
from .ladder import AUTO, MIN_FORCED, Candidates, Reference, cannot, first_reference, labelled_reference, wanted_rung
from .malignant import Calls, call_cells
from .odds import Cells
from .own_cells import cell_frame, clonal_donors, normal_plasma_cells
from .pooling import person_factor
from .profile_file import Profile
from .signal import Signal, infer_signal
from .spikes import spike_genes, without_spikes
from .study import aligned, study_effect, study_profile, without_unmeasured


@dataclass(frozen=True)
class PatientSignal:
    """Signal of the kept cells (rows of ``obs``: tumour-type and reference cells) against ``reference``."""

    obs: pd.DataFrame
    signal: Signal
    baseline: Baseline
    reference: Reference


@dataclass(frozen=True)
class _Patient:
    """What both looks need: raw counts (CSR, cells x genes) of the candidates' cells, and the settings."""

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

    @property
    def samples(self) -> np.ndarray:
        return self.who.cells["sample"].to_numpy(dtype=object)


def patient_signal(
    counts: ad.AnnData,
    cells: pd.DataFrame,
    genes: pd.DataFrame,
    *,
    patient: str,
    donors: list[str],
    settings: Mapping[str, Any],
    calls: Mapping[str, Any],
    seed: int,
    profile: Profile | None = None,
    markers: pd.DataFrame | None = None,
    threads: int = 1,
    device: str = "cpu",
) -> PatientSignal | None:
    """Copy-number signal of one patient over all timepoints, against the best reference there is.

    Parameters
    ----------
    counts
        raw counts (CSR) of the patient's cells and of the donors' cells, over the reference genes.
    cells
        ``embedding/cells.tsv.gz`` of the same cells in the same order: cell, sample, patient,
        cell_type, is_tumour_type.
    genes
        chromosome, start, end, arm, used, reason per gene of ``counts``.
    patient, donors
        the patient, and the healthy donors (other than the patient) whose cells are among ``cells``.
    settings, calls
        of ``infer_signal`` and of ``call_malignant`` (the first look calls cells as that rule does).
    profile
        normal plasma cells of another study (rung R3), where the user gives some.
    markers
        panel of marker genes, ``resources/markers.tsv``; for tumours of which no cell is labelled.
    threads, device
        of :func:`~marrowclone.copy_number.signal.infer_signal`; no result depends on them.

    Returns
    -------
    None when the patient has no tumour-type cell.

    Raises
    ------
    UserError
        where a rung is forced that cannot be had.
    """
    order = np.argsort(cells["cell"].to_numpy(dtype=str), kind="stable")  # nothing depends on how cells were read
    who = Candidates.of(cells.iloc[order].reset_index(drop=True), patient=patient, donors=donors, profile=profile)
    if not who.target.any():
        return None
    matrix = sp.csr_matrix(counts.X)
    if not np.array_equal(order, np.arange(len(order))):  # else they lie in order already: no copy of the counts
        matrix = matrix[order]
    who, refused = _without_clonal(who, matrix, genes.index, calls)
    p = _Patient(matrix, who, settings, calls, seed, genes.index, threads, device, refused)
    forced = wanted_rung(settings, patient)
    if not who.of_plasma:
        known = labelled_reference(who, settings, forced=forced)
        if (
            known.rung == "R4" and forced == AUTO
        ):  # nothing is known of any cell: is a group clearly of another lineage?
            known = _diploid_reference(
                p, known, read_resource(RESOURCES / "markers.tsv") if markers is None else markers
            )
        return _noted(_infer(p, genes, known), {}, p)
    start = first_reference(who, settings, forced=AUTO if forced == "R1" else forced)
    if start.rung == "R3" and profile is not None:
        genes = without_unmeasured(genes, profile)
    first = _infer(p, genes, start)
    if (who.healthy and start.rung in ("R2", "R3") and forced != "R1") or forced in ("R4", "R5"):
        return _noted(first, {}, p)  # a donor judged against others says what the false positives are
    rows = pd.Index(who.cells["cell"]).get_indexer(first.obs["cell"])
    called = _call(p, first, genes, rows)
    clean = _without_spikes(p, start, first, called, genes, rows)
    if forced in (AUTO, "R1"):
        ids, note = normal_plasma_cells(
            called, first.obs, p.matrix[rows], first.baseline.expected, genes,
            rung=start.rung, settings=_calls_against(p, first.reference),
        )  # fmt: skip
        if len(ids) >= (settings["min_cells_r1"] if forced == AUTO else MIN_FORCED):
            return _noted(_own_reference(p, start, first, clean, ids, note, forced), called.groups, p)
        if forced == "R1":
            raise cannot(who, "R1", f"{len(ids)} normal plasma cells of the patient were found ({note})")
        reason = f"{first.reference.reason}; R1 not used: {len(ids)} normal plasma cells of the patient, {note}"
        first = replace(first, reference=replace(first.reference, reason=reason))
    if clean is not genes:
        reason = first.reference.reason
        again = _infer(p, clean, start)
        first = replace(again, reference=replace(again.reference, reason=reason))
    return _noted(first, called.groups, p)


def _own_reference(
    p: _Patient, start: Reference, first: PatientSignal, genes: pd.DataFrame, ids: list[str], note: str, forced: str
) -> PatientSignal:
    """R1: the signal against the patient's own normal cells, held to the first look's where that is of plasma cells."""
    chosen = p.who.cells["cell"].isin(ids).to_numpy()
    said = "" if forced == AUTO else "; forced by configuration"
    looked = f"{note}; first look against {start.rung}{said}"
    reason = f"{len(ids)} plasma cells of the same patient that look normal ({looked})"
    samples = p.who.cells.loc[chosen, "sample"].nunique()
    categories = np.full(len(p.who.cells), PLASMA, dtype=object)
    own = Reference(chosen, categories, "R1", PLASMA, reason, size=(len(ids), samples))
    if start.rung not in ("R2", "R3"):
        return _infer(p, genes, own)
    rows = np.flatnonzero(chosen)
    person = person_factor(
        p.matrix[rows],
        p.samples[rows],
        first.baseline.expected,
        used=genes["used"].to_numpy(dtype=bool),
        prior_counts=_counts_of(p, start),
    )
    others = "donors of the cohort" if start.rung == "R2" else "another study"
    pooled = replace(
        own,
        is_reference=chosen | start.is_reference,
        reason=(
            f"{reason}; pooled with the plasma cells of {others}: "
            f"own cells weigh {person.weight:.0%} in the median gene"
        ),
    )
    return _infer(p, genes, pooled, profile_of=start, person=person.factor)


def _noted(found: PatientSignal, groups: Mapping[str, GroupEvidence], p: _Patient) -> PatientSignal:
    """With what must be said of the diploid level."""
    notes = notes_of(groups, p.settings["anchor_arms"])
    both = "; ".join(filter(None, [found.reference.notes, notes]))
    reason = "; ".join(filter(None, [found.reference.reason, p.refused if p.who.of_plasma else ""]))
    return replace(found, reference=replace(found.reference, notes=both, reason=reason))


def _without_clonal(
    who: Candidates, matrix: sp.csr_matrix, symbols: pd.Index, calls: Mapping[str, Any]
) -> tuple[Candidates, str]:
    """Without the donors whose plasma cells are clonal (an unknown MGUS or myeloma), and who they are in words."""
    clonal = clonal_donors(matrix, who.cells, who.donor_plasma, immune=who.immune, symbols=symbols, settings=calls)
    if not clonal:
        return who, ""
    out = who.cells["patient"].isin(list(clonal)).to_numpy()
    words = ", ".join(f"{donor} ({test})" for donor, test in clonal.items())
    return replace(
        who, donor_plasma=who.donor_plasma & ~out
    ), f"donors not used, for their plasma cells are clonal: {words}"


def _diploid_reference(p: _Patient, otherwise: Reference, markers: pd.DataFrame) -> Reference:
    """Tumour-type cells that are clearly immune cells, as the others' reference; ``otherwise`` where these are few."""
    target = np.flatnonzero(p.who.target)
    found = diploid_cells(p.matrix[target], p.symbols, markers, seed=p.seed)
    chosen = np.zeros(len(p.who.target), dtype=bool)
    chosen[target[found.is_diploid]] = True
    if chosen.sum() < p.settings["min_cells_labelled"]:
        return replace(otherwise, reason=f"{otherwise.reason}; {found.reason}")
    categories = np.full(len(chosen), "diploid", dtype=object)
    return Reference(chosen, categories, "R1", "immune cells by markers", found.reason)


def _counts_of(p: _Patient, reference: Reference) -> np.ndarray:
    """UMI per gene on which the profile of a reference stands."""
    if reference.rung == "R3" and p.who.profile is not None:
        return aligned(p.who.profile, p.symbols)[PLASMA].to_numpy(dtype=float)
    return np.asarray(p.matrix[np.flatnonzero(reference.is_reference)].sum(axis=0), dtype=float).ravel()


def _infer(
    p: _Patient,
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
    obs = cell_frame(p.matrix, cells, kept, target=target, immune=p.who.immune, symbols=genes.index)
    obs["is_reference"], obs["depth"] = narrowed.is_reference, signal.depth
    return PatientSignal(obs, signal, baseline, narrowed)


def _without_spikes(
    p: _Patient, start: Reference, first: PatientSignal, called: Calls, genes: pd.DataFrame, rows: np.ndarray
) -> pd.DataFrame:
    """``genes`` without those that a tumour's groups express beyond all dosage; the same object when there are none."""
    wanted = [name for name, g in called.groups.items() if g.verdict in (TUMOUR, CLONAL)]
    if start.rung not in ("R2", "R3") or not wanted:
        return genes  # against immune cells half the plasma programme would be a spike
    spikes = spike_genes(
        p.matrix[rows],
        first.obs["sample"].to_numpy(dtype=object),
        called.cells["group"].to_numpy(dtype=object),
        first.baseline.expected,
        genes,
        wanted=wanted,
        reference_counts=_counts_of(p, start),
        min_cpm=p.settings["min_cpm"],
    )
    return without_spikes(genes, spikes) if len(spikes) else genes


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


def _call(p: _Patient, first: PatientSignal, genes: pd.DataFrame, rows: np.ndarray) -> Calls:
    """Malignant calls against the first reference."""
    return call_cells(
        cells_of(first.obs, first.signal.arms, p.matrix[rows]),
        first.baseline.expected,
        genes,
        rung=first.reference.rung,
        settings=_calls_against(p, first.reference),
        seed=p.seed,
    )


def _calls_against(p: _Patient, reference: Reference) -> dict[str, Any]:
    """Settings of the calls, with at least the uncertainty of the reference."""
    return {**p.calls, "systematic_sd": max(p.calls["systematic_sd"], reference.systematic_sd)}
