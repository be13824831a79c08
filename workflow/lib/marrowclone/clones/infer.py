"""Clones of a patient: every malignant cell of every timepoint, learned together.

Cells of poor timepoints bring little to the profiles and are assigned by the profiles that
the rich ones teach. A cell that fits no clone well enough stays unassigned.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from ..keys import MALIGNANT, TABLES
from .evidence import Evidence, segment_evidence
from .extra import Extra, build_terms, used_words
from .model import Fit, Frame, build_frame
from .resolution import misassignment, separation
from .select import select_clones
from .terms import in_words

SELECTION_COLUMNS: tuple[str, ...] = (
    "k", "log_likelihood", "n_parameters", "bic", "smallest", "resolvable", "chosen", "note",
)  # fmt: skip
SUMMARY_COLUMNS: tuple[str, ...] = (
    "clone", "n_cells", "n_assigned", "nearest", "events", "d_prime", "misassignment", "evidence", "note",
)  # fmt: skip
NOT_RESOLVED = "not resolved"
#: How the note begins that says what was used beside the counts.
USED = "evidence used: "


@dataclass(frozen=True)
class Clones:
    """What :func:`infer_clones` finds.

    Attributes
    ----------
    cells
        cell, sample, clone ("" when unassigned), posterior, best_clone, p_c1 ... p_cK; a row per malignant cell.
    selection
        :data:`SELECTION_COLUMNS`, a row per number of clones tried.
    summary
        :data:`SUMMARY_COLUMNS`, a row per clone: what sets it apart from its nearest, and how well.
    """

    cells: pd.DataFrame
    selection: pd.DataFrame
    summary: pd.DataFrame


def malignant_cells(malignant: pd.DataFrame) -> pd.DataFrame:
    """Rows of ``copy_number/{patient}.malignant.tsv.gz`` that are called malignant, sorted by cell."""
    rows = malignant.loc[malignant["call"] == MALIGNANT, ["cell", "sample"]]
    return rows.sort_values("cell", kind="stable").reset_index(drop=True)


def calibrated_captures(expected: pd.DataFrame, reference: pd.Series) -> pd.DataFrame:
    """``expected`` (genes x samples) without the captures whose own technical effect is not known.

    A capture with too few non-plasma cells gets the reference profile as it stands; its offset
    from the others is then free (``capture_sd_unreferenced``).
    """
    scale = float(reference.sum())
    if expected.empty or scale <= 0:
        return expected
    own = [
        name
        for name in expected.columns
        if np.abs(expected[name] / max(expected[name].sum(), 1e-12) - reference / scale).sum() > UNTOUCHED
    ]
    # when no capture has an effect of its own, all stand on the same ground
    return expected[own] if own else expected


#: Total difference of two shares that rounding in the table explains.
UNTOUCHED = 1e-4


def usable(genes: pd.DataFrame, flags: pd.Series) -> pd.DataFrame:
    """``genes`` with the column ``used`` of the baseline; without a baseline (no flag set) the loci alone decide."""
    used = flags.reindex(genes.index).fillna(False).astype(bool)
    return genes.assign(used=used.to_numpy()) if used.any() else genes


def infer_clones(
    counts: sparse.csr_matrix,
    cells: pd.DataFrame,
    genes: pd.DataFrame,
    baseline: pd.DataFrame,
    *,
    settings: Mapping[str, Any],
    seed: int,
    extra: Extra | None = None,
    device: str = "cpu",
) -> Clones:
    """Learn a patient's clones and assign its malignant cells.

    Parameters
    ----------
    counts
        raw counts, n x G, CSR; rows as ``cells``.
    cells
        cell, sample of the malignant cells (n rows).
    genes
        G rows: chromosome, start, end, arm, locus; an optional bool column ``used`` leaves genes out.
    baseline
        expected share per gene (index) and capture (columns) in a diploid plasma cell; may be empty:
        clones are contrasts within the patient.
    settings
        section ``clones.infer_clones`` of the configuration.
    seed
        for the clustering starts; everything else is deterministic.
    extra
        alleles, mitochondrial variants, clonotypes where the user has them; without them nothing changes.
    device
        of torch: ``cpu`` or ``cuda``.

    Returns
    -------
    Clones
        named c1, c2 ... by size over all timepoints. With fewer than ``min_malignant`` cells one
        clone whose note says "not resolved"; without malignant cells empty tables.
    """
    n = len(cells)
    if n == 0:
        return Clones(
            pd.DataFrame(columns=[*TABLES["clones.cells"], "best_clone"]),
            pd.DataFrame(columns=list(SELECTION_COLUMNS)),
            pd.DataFrame(columns=list(SUMMARY_COLUMNS)),
        )
    if n < int(settings["min_malignant"]):
        return _one_clone(cells, f"{NOT_RESOLVED}: {n} malignant cells, fewer than {settings['min_malignant']}")
    evidence = segment_evidence(
        counts,
        cells=cells["cell"].to_numpy(),
        samples=cells["sample"].to_numpy(),
        genes=genes,
        baseline=baseline,
        settings=settings,
    )
    readable = evidence.total > 0
    if len(evidence.segments) < 2 or readable.sum() < int(settings["min_malignant"]):
        return _one_clone(cells, f"{NOT_RESOLVED}: too few counts on {len(evidence.segments)} readable arms")
    frame, used = build_frame(evidence, settings=settings, device=device), []
    if extra is not None:
        frame = replace(frame, terms=build_terms(extra, evidence.cells, settings=settings))
        used = [USED + what for what in [used_words(extra, frame.terms)] if what]
    selection = select_clones(frame, settings=settings, seed=seed)
    fit = by_size(selection.fit)
    table = assign(evidence, fit, min_posterior=float(settings["min_posterior"]))
    return Clones(
        table, selection.table[list(SELECTION_COLUMNS)], summarise(frame, fit, table, [*selection.notes, *used])
    )


def by_size(fit: Fit) -> Fit:
    """The fit with its clones in order of size over all timepoints; ties by their profiles."""
    size = np.bincount(fit.posterior.argmax(axis=1), minlength=fit.k)
    order = sorted(range(fit.k), key=lambda k: (-size[k], -fit.posterior[:, k].sum(), tuple(fit.mu[k])))
    return replace(
        fit,
        mu=fit.mu[order],
        weight=fit.weight[:, order],
        posterior=fit.posterior[:, order],
        term_levels=tuple(levels[order] for levels in fit.term_levels),
    )


def assign(evidence: Evidence, fit: Fit, *, min_posterior: float) -> pd.DataFrame:
    """Clone and posterior per cell; clone is "" where the best posterior is below ``min_posterior``."""
    names = np.array([f"c{k + 1}" for k in range(fit.k)])
    best = fit.posterior.argmax(axis=1)
    top = fit.posterior.max(axis=1)
    frame = pd.DataFrame(
        {
            "cell": evidence.cells,
            "sample": np.array(evidence.samples)[evidence.sample],
            "clone": np.where((top >= min_posterior) & (evidence.total > 0), names[best], ""),
            "posterior": top,
            "best_clone": names[best],
        }
    )
    for k, name in enumerate(names):
        frame[f"p_{name}"] = fit.posterior[:, k]
    return frame


def summarise(frame: Frame, fit: Fit, cells: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    """What tells each clone from its nearest: arms with their log2 shift, d', misassignment, other evidence."""
    distance, _, _ = separation(frame, fit)
    np.fill_diagonal(distance, np.inf)
    size = np.bincount(fit.posterior.argmax(axis=1), minlength=fit.k)
    assigned = cells["clone"].value_counts()
    rows = []
    for k in range(fit.k):
        note = "; ".join(notes) if k == 0 else ""
        row: dict[str, Any] = {"clone": f"c{k + 1}", "n_cells": int(size[k]), "n_assigned": 0, "note": note}
        row["n_assigned"] = int(assigned.get(row["clone"], 0))
        row |= {"nearest": "", "events": "", "d_prime": np.nan, "misassignment": np.nan, "evidence": ""}
        if fit.k > 1:
            j = int(distance[k].argmin())
            shift = (fit.mu[k] - fit.mu[j]) / np.log(2)
            moved = np.flatnonzero(np.abs(shift) > 1e-6)
            row["nearest"] = f"c{j + 1}"
            row["events"] = " ".join(f"{frame.evidence.names[b]}:{shift[b]:+.2f}" for b in moved)
            words = ["copy number"] if len(moved) else []
            row["evidence"] = "; ".join([*words, *in_words(frame.terms, fit.term_levels, k, j)])
            row["d_prime"] = float(distance[k, j])
            row["misassignment"] = misassignment(distance[k, j], size[k], size[j])
            pure = [s for i, s in enumerate(frame.evidence.samples) if _fills(frame, fit, i, k)]
            if pure and size[k] and len(frame.evidence.samples) > 1 and _only_in(frame, fit, k, pure):
                row["note"] = "; ".join(
                    filter(None, [note, f"only in, and all of, {', '.join(pure)}: rests on the reference"])
                )
        rows.append(row)
    return pd.DataFrame(rows)[list(SUMMARY_COLUMNS)]


#: A capture is "all of" a clone, and a clone "only in" captures, from this share on.
PURE = 0.95


def _fills(frame: Frame, fit: Fit, sample: int, k: int) -> bool:
    """Whether nearly all cells of the capture are of clone k."""
    inside = frame.evidence.sample == sample
    return bool(fit.posterior[inside, k].mean() >= PURE)


def _only_in(frame: Frame, fit: Fit, k: int, samples: list[str]) -> bool:
    """Whether nearly all of clone k's cells are in these captures."""
    inside = np.isin(np.array(frame.evidence.samples)[frame.evidence.sample], samples)
    return bool(fit.posterior[inside, k].sum() >= PURE * fit.posterior[:, k].sum())


def _one_clone(cells: pd.DataFrame, note: str) -> Clones:
    """Everything is c1, because clones cannot be told apart here."""
    table = cells[["cell", "sample"]].sort_values("cell", kind="stable").reset_index(drop=True)
    table = table.assign(clone="c1", posterior=1.0, best_clone="c1", p_c1=1.0)
    n = len(table)
    selection = {"k": 1, "n_parameters": 0, "smallest": n, "resolvable": False, "chosen": True, "note": note}
    summary = {"clone": "c1", "n_cells": n, "n_assigned": n, "nearest": "", "events": "", "evidence": "", "note": note}
    return Clones(
        table,
        pd.DataFrame([selection]).reindex(columns=list(SELECTION_COLUMNS)),
        pd.DataFrame([summary]).reindex(columns=list(SUMMARY_COLUMNS)),
    )
