"""Signal of a patient against the best reference of the ladder R1..R5 (science 1.6), found in two looks.

The first look is against donors, another study or immune cells. It shows the patient's own normal plasma cells (R1)
and the genes that the tumour expresses beyond all dosage; the second look uses both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp

from ..keys import PLASMA
from ..resources import RESOURCES, read_resource
from .anchors import notes_of
from .clusters import CLONAL, TUMOUR, GroupEvidence
from .diploid import diploid_cells
from .ladder import AUTO, MIN_FORCED, Candidates, Reference, cannot, first_reference, labelled_reference, wanted_rung
from .look import PatientSignal, Subject, call_look, calls_against, counts_of, look
from .malignant import Calls
from .own_cells import clonal_donors, normal_plasma_cells
from .pooling import person_factor
from .profile_file import Profile
from .spikes import spike_genes, without_spikes
from .study import without_unmeasured


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
    p = _without_clonal(Subject(matrix, who, settings, calls, seed, genes.index, threads, device))
    who = p.who
    forced = wanted_rung(settings, patient)
    if not who.of_plasma:
        known = labelled_reference(who, settings, forced=forced)
        if known.rung == "R4" and forced == AUTO:
            # nothing is known of any cell: is a group of them clearly of another lineage?
            panel = read_resource(RESOURCES / "markers.tsv") if markers is None else markers
            known = _diploid_reference(p, known, panel)
        return _noted(look(p, genes, known), {}, p)
    start = first_reference(who, settings, forced=AUTO if forced == "R1" else forced)
    if start.rung == "R3" and profile is not None:
        genes = without_unmeasured(genes, profile)
    first = look(p, genes, start)
    if (who.healthy and start.rung in ("R2", "R3") and forced != "R1") or forced in ("R4", "R5"):
        return _noted(first, {}, p)  # a donor judged against others says what the false positives are
    rows = pd.Index(who.cells["cell"]).get_indexer(first.obs["cell"])
    called = call_look(p, first, genes, rows)
    clean = _without_spikes(p, start, first, called, genes, rows)
    if forced in (AUTO, "R1"):
        ids, note = normal_plasma_cells(
            called, first.obs, p.matrix[rows], first.baseline.expected, genes,
            rung=start.rung, settings=calls_against(p, first.reference),
        )  # fmt: skip
        if len(ids) >= (settings["min_cells_r1"] if forced == AUTO else MIN_FORCED):
            return _noted(_own_reference(p, start, first, clean, ids, note, forced), called.groups, p)
        if forced == "R1":
            raise cannot(who, "R1", f"{len(ids)} normal plasma cells of the patient were found ({note})")
        reason = f"{first.reference.reason}; R1 not used: {len(ids)} normal plasma cells of the patient, {note}"
        first = replace(first, reference=replace(first.reference, reason=reason))
    if clean is not genes:
        reason = first.reference.reason
        again = look(p, clean, start)
        first = replace(again, reference=replace(again.reference, reason=reason))
    return _noted(first, called.groups, p)


def _own_reference(
    p: Subject, start: Reference, first: PatientSignal, genes: pd.DataFrame, ids: list[str], note: str, forced: str
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
        return look(p, genes, own)
    rows = np.flatnonzero(chosen)
    person = person_factor(
        p.matrix[rows],
        p.samples[rows],
        first.baseline.expected,
        used=genes["used"].to_numpy(dtype=bool),
        prior_counts=counts_of(p, start),
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
    return look(p, genes, pooled, profile_of=start, person=person.factor)


def _noted(found: PatientSignal, groups: Mapping[str, GroupEvidence], p: Subject) -> PatientSignal:
    """With what must be said of the diploid level."""
    notes = notes_of(groups, p.settings["anchor_arms"])
    both = "; ".join(filter(None, [found.reference.notes, notes]))
    reason = "; ".join(filter(None, [found.reference.reason, p.refused if p.who.of_plasma else ""]))
    return replace(found, reference=replace(found.reference, notes=both, reason=reason))


def _without_clonal(p: Subject) -> Subject:
    """Without the donors whose plasma cells are clonal (an unknown MGUS or myeloma), and who they are in words."""
    who = p.who
    if not who.donor_plasma.any():
        return p
    clonal = clonal_donors(p.chains, who.cells, who.donor_plasma, settings=p.calls)
    if not clonal:
        return p
    out = who.cells["patient"].isin(list(clonal)).to_numpy()
    words = ", ".join(f"{donor} ({test})" for donor, test in clonal.items())
    return replace(
        p,
        who=replace(who, donor_plasma=who.donor_plasma & ~out),
        refused=f"donors not used, for their plasma cells are clonal: {words}",
    )


def _diploid_reference(p: Subject, otherwise: Reference, markers: pd.DataFrame) -> Reference:
    """Tumour-type cells that are clearly immune cells, as the others' reference; ``otherwise`` where these are few."""
    target = np.flatnonzero(p.who.target)
    found = diploid_cells(p.matrix[target], p.symbols, markers, seed=p.seed)
    chosen = np.zeros(len(p.who.target), dtype=bool)
    chosen[target[found.is_diploid]] = True
    if chosen.sum() < p.settings["min_cells_labelled"]:
        return replace(otherwise, reason=f"{otherwise.reason}; {found.reason}")
    categories = np.full(len(chosen), "diploid", dtype=object)
    return Reference(chosen, categories, "R1", "immune cells by markers", found.reason)


def _without_spikes(
    p: Subject, start: Reference, first: PatientSignal, called: Calls, genes: pd.DataFrame, rows: np.ndarray
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
        reference_counts=counts_of(p, start),
        min_cpm=p.settings["min_cpm"],
    )
    return without_spikes(genes, spikes) if len(spikes) else genes
