"""Which of a patient's plasma cells may serve as normal (rung R1): another clone is no reference and is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from ..cells import light_chain
from ..keys import PLASMA
from . import clusters
from .clusters import CLONAL, NOTHING, TUMOUR
from .malignant import Calls

#: Cells that a capture's share of the candidates needs to be judged by its copy number.
MIN_JUDGED = 20


def cell_frame(cells: pd.DataFrame, kept: np.ndarray, *, target: np.ndarray, chains: np.ndarray) -> pd.DataFrame:
    """The kept rows of ``cells``: cell, sample, patient, cell_type, is_tumour_type, light_chain (of plasma cells)."""
    obs = cells.iloc[kept][["cell", "sample", "patient", "cell_type"]].reset_index(drop=True)
    obs["is_tumour_type"] = target[kept]
    obs["light_chain"] = np.where((obs["cell_type"] == PLASMA).to_numpy(), chains[kept], "")
    return obs


def cell_chains(matrix: sp.csr_matrix, cells: pd.DataFrame, *, immune: np.ndarray, symbols: pd.Index) -> np.ndarray:
    """Light chain of every cell, the soup of its capture left out."""
    chains = light_chain.chain_counts(matrix, symbols)
    makes_none = immune & (cells["cell_type"] != "b_cell").to_numpy()
    ambient = light_chain.ambient_chains(chains, cells["sample"].to_numpy(dtype=object), makes_none)
    return light_chain.call_chains(chains, ambient)


def clonal_donors(
    chains: np.ndarray, cells: pd.DataFrame, plasma: np.ndarray, *, settings: Mapping[str, Any]
) -> dict[str, str]:
    """Donors whose plasma cells (bool per cell) share one light chain, and the test in words: they are no reference.

    ``chains`` of :func:`cell_chains`; ``settings`` of ``call_malignant``.
    """
    person = cells["patient"].to_numpy(dtype=object)
    found = {}
    for donor in sorted(set(person[plasma])):
        test = light_chain.chain_test(chains[plasma & (person == donor)], **clusters.chain_limits(settings))
        if test.verdict == "restricted":
            found[str(donor)] = test.words()
    return found


def normal_plasma_cells(
    called: Calls,
    obs: pd.DataFrame,
    counts: sp.csr_matrix,
    expected: pd.DataFrame,
    genes: pd.DataFrame,
    *,
    rung: str,
    settings: Mapping[str, Any],
) -> tuple[list[str], str]:
    """Ids of the patient's cells that may serve as reference, and how they were found.

    Beside a tumour of one light chain: the cells of the other chain, unless copy number calls them
    malignant. The chain, not the copy number, chooses: cells picked for their low signal would be a
    truncated, hence shifted reference. Otherwise all cells of groups without evidence, if they are
    polyclonal together; where too few chains can be called, R1 to R3 must have been the first look.

    Captures are refused whose plasma cells are restricted to the other chain, or whose candidates carry events
    together: that is another clone (a second tumour, a light-chain switch, an exchanged tube), not normal cells.

    Parameters
    ----------
    called, obs, counts
        calls of the first look, its cells, and their raw counts (row by row).
    expected, genes, rung
        of the first look's baseline.
    settings
        of ``call_malignant``.
    """
    target = obs["is_tumour_type"].to_numpy(dtype=bool)
    chains = obs["light_chain"].to_numpy(dtype=object)
    p = called.cells["p_malignant"].to_numpy()
    limits = clusters.chain_limits(settings)
    tumour_chains = {
        g.chain.chain
        for g in called.groups.values()
        if g.verdict in (TUMOUR, CLONAL) and g.chain is not None and g.chain.verdict == "restricted"
    }
    if len(tumour_chains) == 1:
        other = light_chain.LAMBDA if light_chain.KAPPA in tumour_chains else light_chain.KAPPA
        chosen = target & (chains == other) & (p < 0.9)
        note = f"{called.summary}; cells of the other light chain ({other})"
        refused = _restricted_captures(obs, chains, target, other, limits)
    else:
        silent = {name for name, g in called.groups.items() if g.verdict == NOTHING}
        chosen = target & called.cells["group"].isin(silent).to_numpy() & (p < 0.5)
        test = light_chain.chain_test(chains[chosen], **limits)
        note = f"{called.summary}; {test.words()}"
        fit = test.verdict == "polyclonal" or (test.verdict == "untested" and rung in ("R1", "R2", "R3"))
        if not fit:
            return [], f"{note}; {int(chosen.sum())} without copy-number events not used"
        refused = {}
    refused |= _captures_with_events(obs, counts, chosen, expected, genes, rung=rung, settings=settings)
    out = chosen & obs["sample"].isin(list(refused)).to_numpy()
    if out.any():
        why = "; ".join(f"{sample}: {reason}" for sample, reason in sorted(refused.items()))
        note = f"{note}; {int(out.sum())} of them refused as another clone ({why})"
    return obs.loc[chosen & ~out, "cell"].tolist(), note


def _restricted_captures(
    obs: pd.DataFrame, chains: np.ndarray, target: np.ndarray, other: str, limits: Mapping[str, Any]
) -> dict[str, str]:
    """Captures whose plasma cells are, together, restricted to the chain that the tumour does not have."""
    refused = {}
    samples = obs["sample"].to_numpy(dtype=object)
    for sample in sorted(set(samples[target])):
        test = light_chain.chain_test(chains[target & (samples == sample)], **limits)
        if test.verdict == "restricted" and test.chain == other:
            refused[str(sample)] = test.words()
    return refused


def _captures_with_events(
    obs: pd.DataFrame,
    counts: sp.csr_matrix,
    chosen: np.ndarray,
    expected: pd.DataFrame,
    genes: pd.DataFrame,
    *,
    rung: str,
    settings: Mapping[str, Any],
) -> dict[str, str]:
    """Captures whose candidates are aneuploid together."""
    samples = obs["sample"].to_numpy(dtype=object)
    names, sizes = np.unique(samples[chosen].astype(str), return_counts=True)
    large = names[sizes >= MIN_JUDGED]
    if not len(large):
        return {}
    rows = np.flatnonzero(chosen & np.isin(samples.astype(str), large))
    groups = clusters.judge_groups(
        counts[rows], samples[rows], samples[rows], None, expected, genes, rung=rung, settings=settings
    )
    return {name: f"events {' '.join(g.events)}" for name, g in groups.items() if g.verdict == TUMOUR}
