"""Which cells are the normal reference: the ladder R1..R5 of science 1.6, with the reason in words.

R1 needs normal plasma cells of the patient, which are only known after a first look: the signal is
inferred against R2 (or R5), clear normal cells are taken from it, and it is inferred again.
R3 (normal cells of another study) is not built yet and is skipped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp

from ..cells import light_chain
from ..keys import CELL_TYPES, IMMUNE_TYPES, PLASMA, UNRESOLVED
from ..resources import RESOURCES, read_resource
from .baseline import Baseline, build_baseline, capture_effects
from .clusters import CLONAL, NOTHING, TUMOUR
from .diploid import diploid_cells
from .malignant import Calls, call_cells
from .odds import Cells
from .signal import Signal, infer_signal


@dataclass(frozen=True)
class Reference:
    """A reference: which cells (bool, shape (n,)), their categories, the rung and why."""

    is_reference: np.ndarray
    categories: np.ndarray
    rung: str
    cell_types: str
    reason: str


@dataclass(frozen=True)
class PatientSignal:
    """Signal of the kept cells (rows of ``obs``: tumour-type and reference cells) against ``reference``."""

    obs: pd.DataFrame
    signal: Signal
    baseline: Baseline
    reference: Reference


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

    Returns
    -------
    None when the patient has no tumour-type cell.
    """
    order = np.argsort(cells["cell"].to_numpy(dtype=str), kind="stable")  # nothing depends on how cells were read
    cells = cells.iloc[order].reset_index(drop=True)
    matrix = sp.csr_matrix(counts.X)[order]
    mine = (cells["patient"] == patient).to_numpy()
    target = mine & cells["is_tumour_type"].to_numpy(dtype=bool)
    if not target.any():
        return None
    plasma = (cells["cell_type"] == PLASMA).to_numpy()
    donor = cells["patient"].isin(donors).to_numpy()
    immune = cells["cell_type"].isin(IMMUNE_TYPES).to_numpy()

    def infer(reference: Reference) -> PatientSignal:
        return _infer(matrix, cells, genes, target, immune, reference, settings)

    if not (target & plasma).any():
        reference = _reference_of_labels(cells, mine, target, immune, settings)
        if reference.rung == "R4":  # nothing is known of any cell: is one of the groups clearly of another lineage?
            reference = _diploid_reference(matrix, genes.index, target, reference, settings, seed)
        return infer(reference)
    first = infer(_first_reference(cells, mine, target, donor & plasma, immune, settings))
    if patient_is_healthy(cells, mine) and first.reference.rung == "R2":
        return first  # a donor judged against the other donors says what the false positives are
    called = _call(first, matrix, cells, genes, calls, seed)
    normal, note = normal_plasma_cells(called, first)
    n = len(normal)
    if n < settings["min_cells_r1"]:
        reason = f"{first.reference.reason}; R1 not used: {n} normal plasma cells of the patient, {note}"
        reference = Reference(
            first.reference.is_reference, first.reference.categories, first.reference.rung,
            first.reference.cell_types, reason,
        )  # fmt: skip
        return PatientSignal(first.obs, first.signal, first.baseline, reference)
    chosen = cells["cell"].isin(normal).to_numpy()
    reason = (
        f"{n} plasma cells of the same patient that look normal ({note}; first look against {first.reference.rung})"
    )
    return infer(Reference(chosen, np.full(len(cells), PLASMA, dtype=object), "R1", PLASMA, reason))


def normal_plasma_cells(called: Calls, first: PatientSignal) -> tuple[list[str], str]:
    """Ids of the patient's cells that may serve as reference, and how they were found.

    Beside a tumour of one light chain: the cells of the other chain, unless copy number calls them
    malignant. The chain, not the copy number, chooses: cells picked for their low signal would be a
    truncated, hence shifted reference. Otherwise all cells of groups without evidence, if they are
    polyclonal together; where too few chains can be called, R1 or R2 must have been the first look.
    """
    target = first.obs["is_tumour_type"].to_numpy(dtype=bool)
    chains = first.obs["light_chain"].to_numpy(dtype=object)
    p = called.cells["p_malignant"].to_numpy()
    tumour_chains = {
        g.chain.chain
        for g in called.groups.values()
        if g.verdict in (TUMOUR, CLONAL) and g.chain is not None and g.chain.verdict == "restricted"
    }
    if len(tumour_chains) == 1:
        other = light_chain.LAMBDA if light_chain.KAPPA in tumour_chains else light_chain.KAPPA
        ids = first.obs.loc[target & (chains == other) & (p < 0.9), "cell"].tolist()
        return ids, f"{called.summary}; cells of the other light chain ({other})"
    silent = {name for name, g in called.groups.items() if g.verdict == NOTHING}
    chosen = target & called.cells["group"].isin(silent).to_numpy() & (p < 0.5)
    ids = first.obs.loc[chosen, "cell"].tolist()
    test = light_chain.chain_test(chains[chosen], kappa_share=0.6, min_cells=20, min_llr=4.6)
    note = f"{called.summary}; {test.words()}"
    fit = test.verdict == "polyclonal" or (test.verdict == "untested" and first.reference.rung in ("R1", "R2"))
    return (ids, note) if fit else ([], f"{note}; {len(ids)} without copy-number events not used")


def patient_is_healthy(cells: pd.DataFrame, mine: np.ndarray) -> bool:
    """Are all samples of the patient those of a healthy donor?"""
    return bool((cells.loc[mine, "timepoint"] == "healthy").all()) if "timepoint" in cells else False


def _first_reference(
    cells: pd.DataFrame,
    mine: np.ndarray,
    target: np.ndarray,
    donor_plasma: np.ndarray,
    immune: np.ndarray,
    settings: Mapping[str, Any],
) -> Reference:
    """The best rung that can be had without knowing the patient's normal plasma cells."""
    n = len(cells)
    n_donors = cells.loc[donor_plasma, "patient"].nunique()
    if donor_plasma.sum() >= settings["min_cells_r2"]:
        few = "" if n_donors >= 3 else f" (fewer than the 3 donors that are wanted: {n_donors})"
        reason = f"{int(donor_plasma.sum())} plasma cells of {n_donors} healthy donors of the cohort{few}"
        return Reference(donor_plasma, np.full(n, PLASMA, dtype=object), "R2", PLASMA, reason)
    lacking = (
        f"{int(donor_plasma.sum())} plasma cells of healthy donors in the cohort "
        f"(R2 needs {settings['min_cells_r2']}); R3 is not built yet"
    )
    return _immune_reference(cells, mine, target, immune, settings, lacking)


def _reference_of_labels(
    cells: pd.DataFrame, mine: np.ndarray, target: np.ndarray, immune: np.ndarray, settings: Mapping[str, Any]
) -> Reference:
    """Reference of a tumour that is not made of plasma cells: the user's own other labels, else immune cells."""
    known = {*CELL_TYPES, UNRESOLVED, ""}
    labelled = mine & ~target & ~cells["cell_type"].isin(known).to_numpy()
    if labelled.sum() >= settings["min_cells_labelled"]:
        names = sorted(cells.loc[labelled, "cell_type"].unique())
        reason = (
            f"user-labelled reference: {int(labelled.sum())} cells of the same patient labelled {', '.join(names)}; "
            "that they are the tumour's normal counterpart is the user's statement"
        )
        return Reference(labelled, np.full(len(cells), "labelled", dtype=object), "R1", ", ".join(names), reason)
    lacking = f"{int(labelled.sum())} cells with a user's own label beside the tumour's"
    return _immune_reference(cells, mine, target, immune, settings, lacking)


def _diploid_reference(
    matrix: sp.csr_matrix,
    symbols: pd.Index,
    target: np.ndarray,
    otherwise: Reference,
    settings: Mapping[str, Any],
    seed: int,
) -> Reference:
    """Tumour-type cells that are clearly immune cells, as the others' reference; ``otherwise`` where these are few."""
    rows = np.flatnonzero(target)
    found = diploid_cells(matrix[rows], symbols, read_resource(RESOURCES / "markers.tsv"), seed=seed)
    chosen = np.zeros(len(target), dtype=bool)
    chosen[rows[found.is_diploid]] = True
    if chosen.sum() < settings["min_cells_labelled"]:
        return replace(otherwise, reason=f"{otherwise.reason}; {found.reason}")
    categories = np.full(len(target), "diploid", dtype=object)
    return Reference(chosen, categories, "R1", "immune cells by markers", found.reason)


def _immune_reference(
    cells: pd.DataFrame,
    mine: np.ndarray,
    target: np.ndarray,
    immune: np.ndarray,
    settings: Mapping[str, Any],
    lacking: str,
) -> Reference:
    """R5 (bounded by immune types), or R4 (the tumour-type cells themselves) where these are too few."""
    types = cells["cell_type"].to_numpy(dtype=object)
    chosen = mine & immune & ~target
    names, sizes = np.unique(types[chosen], return_counts=True) if chosen.any() else (np.array([]), np.array([]))
    large = [str(t) for t, k in zip(names, sizes, strict=True) if k >= settings["min_cells_type"]]
    chosen &= np.isin(types, large)
    if large and chosen.sum() >= settings["min_cells_r5"]:
        reason = (
            f"low confidence: {int(chosen.sum())} immune cells of the patient, bounded by {len(large)} types; events "
            f"on 3q, 8q, 6p, 12p, 18p, 11p not reportable; {lacking}"
        )
        return Reference(chosen, types, "R5", ", ".join(large), reason)
    reason = f"relative mode, no absolute gains or losses: only {int(chosen.sum())} immune cells; {lacking}"
    return Reference(target, np.full(len(cells), "tumour type", dtype=object), "R4", "tumour-type cells", reason)


def _infer(
    matrix: sp.csr_matrix,
    cells: pd.DataFrame,
    genes: pd.DataFrame,
    target: np.ndarray,
    immune: np.ndarray,
    reference: Reference,
    settings: Mapping[str, Any],
) -> PatientSignal:
    """Baseline and signal of the tumour-type and reference cells against ``reference``."""
    kept = np.flatnonzero(target | reference.is_reference)
    samples = cells["sample"].to_numpy(dtype=object)
    all_samples = sorted(set(samples[kept]))
    helpers = np.flatnonzero(immune & ~target & np.isin(samples, all_samples))
    effects = capture_effects(
        matrix[helpers],
        samples[helpers],
        cells["cell_type"].to_numpy(dtype=object)[helpers],
        used=genes["used"].to_numpy(dtype=bool),
        all_samples=all_samples,
        capture_sd=settings["capture_sd"],
        min_cells=settings["min_cells_type"],
    )
    rows = np.flatnonzero(reference.is_reference)
    baseline = build_baseline(matrix[rows], samples[rows], reference.categories[rows], genes, effects)
    part = matrix[kept]
    signal = infer_signal(
        part,
        samples[kept],
        reference.is_reference[kept],
        reference.categories[kept],
        baseline,
        window=settings["window"],
        step=settings["step"],
        clip=settings["clip"],
        min_cpm=settings["min_cpm"],
        anchors=settings["anchor_arms"],
    )
    chains = light_chain.chain_counts(matrix, genes.index)
    ambient = light_chain.ambient_chains(chains, samples, immune & (cells["cell_type"] != "b_cell").to_numpy())
    obs = cells.iloc[kept][["cell", "sample", "patient", "cell_type"]].reset_index(drop=True)
    obs["is_tumour_type"] = target[kept]
    obs["is_reference"] = reference.is_reference[kept]
    is_plasma = (obs["cell_type"] == PLASMA).to_numpy()
    called = light_chain.call_chains(chains.iloc[kept], ambient.iloc[kept])
    obs["light_chain"] = np.where(is_plasma, called, "")
    obs["depth"] = signal.depth
    narrowed = Reference(
        reference.is_reference[kept], reference.categories[kept], reference.rung, reference.cell_types, reference.reason
    )
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


def _call(
    first: PatientSignal,
    matrix: sp.csr_matrix,
    cells: pd.DataFrame,
    genes: pd.DataFrame,
    calls: Mapping[str, Any],
    seed: int,
) -> Calls:
    """Malignant calls against the first reference."""
    rows = pd.Index(cells["cell"]).get_indexer(first.obs["cell"])
    expected = first.baseline.expected
    return call_cells(
        cells_of(first.obs, first.signal.arms, matrix[rows]),
        expected,
        genes,
        rung=first.reference.rung,
        settings=calls,
        seed=seed,
    )
