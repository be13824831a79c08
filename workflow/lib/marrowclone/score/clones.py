"""Clones: how alike the partitions are, which clones were found, and whether batches pass for clones."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import adjusted_rand_score

from .calibration import calibration
from .cells import beside, judged_cells
from .shares import f_score, ratio

#: A clone counts as found from this F1 of its cells on; the definition of "smallest detectable".
FOUND_F1 = 0.5
#: An estimated clone of fewer cells is not held against the answer as invented [J].
INVENTED_CELLS = 20
#: Posterior from which a cell counts as assigned with confidence.
CONFIDENT = 0.95
CLONE_COLUMNS = ("clone", "estimated", "n", "share", "precision", "recall", "f1", "hits", "called", "real")


def match_clones(cells: pd.DataFrame) -> dict[str, str]:
    """True clone -> estimated clone, one to one, with the largest overlap in cells.

    ``cells``: columns ``true`` and ``estimated`` of cells that have both. Pairs without a
    common cell are not matched.
    """
    if not len(cells):
        return {}
    overlap = pd.crosstab(cells["true"], cells["estimated"])
    shared = overlap.to_numpy()
    rows, columns = linear_sum_assignment(shared, maximize=True)
    return {
        str(overlap.index[i]): str(overlap.columns[j]) for i, j in zip(rows, columns, strict=True) if shared[i, j] > 0
    }


def matching(answer: pd.DataFrame, truth: pd.DataFrame) -> dict[str, str]:
    """:func:`match_clones` over one patient's judged cells: malignant in truth, with a clone in the answer."""
    cells = beside(answer, truth)
    cells = cells[cells["malignant"] & (cells["clone"] != "")]
    return match_clones(cells.rename(columns={"clone": "estimated"}))


def clone_shares(truth: pd.DataFrame) -> dict[str, float]:
    """Share of the judged malignant cells per true clone that was sampled (all samples pooled)."""
    cells = judged_cells(truth)
    return {str(c): float(s) for c, s in cells.loc[cells["malignant"], "clone"].value_counts(normalize=True).items()}


def rand(true: pd.Series, estimated: pd.Series) -> float:
    """Adjusted Rand index; 1 = the same partition, 0 expected by chance, negative below.

    NaN with fewer than two cells or true groups: against a single group the index is 1 or 0 by form alone.
    """
    if len(true) < 2 or true.nunique() < 2:
        return math.nan
    return float(adjusted_rand_score(true, estimated))


def clone_metrics(answer: pd.DataFrame, truth: pd.DataFrame) -> dict[str, Any]:
    """How well one patient's cells were put into clones.

    Parameters
    ----------
    answer
        cell, clone (``""`` = not assigned) and, where the tool has them, best_clone (its best guess for every
        cell) and posterior (of the clone).

    Returns
    -------
    dict
        ari: over all true malignant cells; a cell without a clone stands with its best_clone, else with all others
        without. ari_assigned: over cells with a clone, and assigned: their share. ari_confident, confident: the
        same for cells whose posterior is .95 or more (NaN without posteriors). Chance of each index: 0.
        n_true: sampled clones; n_found: estimated clones among judged cells; invented: those of 20 or more cells
        beyond the true number. ece_count, ece_width, brier, n_posterior: calibration of the posterior (right = the
        cell's true clone is the one matched to its estimated clone) over true malignant cells with a clone.
        leakage: see :func:`batch_leakage`. n: true malignant cells.
    """
    cells = beside(answer, truth)
    own = cells[cells["malignant"]]
    assigned = own[own["clone"] != ""]
    confident = assigned[assigned["posterior"] >= CONFIDENT]
    anything = own["clone"].where(own["clone"] != "", own["best_clone"])
    matched = match_clones(assigned.rename(columns={"clone": "estimated"}))
    sizes = cells.loc[cells["clone"] != "", "clone"].value_counts()
    n_true = own["true"].nunique()
    has_posterior = bool(assigned["posterior"].notna().any())
    out: dict[str, Any] = {
        "ari": rand(own["true"], anything) if len(assigned) or own["best_clone"].ne("").any() else math.nan,
        "ari_assigned": rand(assigned["true"], assigned["clone"]),
        "assigned": ratio(len(assigned), len(own)),
        "ari_confident": rand(confident["true"], confident["clone"]),
        "confident": ratio(len(confident), len(own)) if has_posterior else math.nan,
        "n_true": n_true,
        "n_found": len(sizes),
        "invented": max(0, int((sizes >= INVENTED_CELLS).sum()) - n_true),
        "leakage": batch_leakage(cells),
        "n": len(own),
    }
    posterior = calibration(assigned["posterior"], assigned["clone"] == assigned["true"].map(matched))
    posterior["n_posterior"] = posterior.pop("n")
    return out | posterior


def batch_leakage(cells: pd.DataFrame) -> float:
    """Whether samples pass for clones: ARI(estimated clone, sample) among cells of one true clone.

    Within a true clone, the estimated clone should know nothing of the sample. Mean over true clones seen in two or
    more samples, weighted by their cells with an estimated clone; 1 = the samples are the clones, 0 expected when
    they play no part. NaN when no clone was seen in two samples.

    ``cells``: true, clone, sample, malignant (:func:`.cells.beside`).
    """
    rows = cells[cells["malignant"] & (cells["clone"] != "")]
    parts = [(rand(g["sample"], g["clone"]), len(g)) for _, g in rows.groupby("true")]
    known = [(r, n) for r, n in parts if not math.isnan(r)]
    return float(np.average([r for r, _ in known], weights=[n for _, n in known])) if known else math.nan


def per_clone(answer: pd.DataFrame, truth: pd.DataFrame, *, matched: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Each sampled true clone against the estimated clone that was matched to it.

    Returns
    -------
    DataFrame
        clone, estimated (``""`` when none), n (judged cells), share (of the malignant cells), precision (of the
        estimated clone's judged cells, normal ones included), recall (of all n), f1, hits, called, real. An
        unmatched clone has recall and f1 0, precision NaN. Chance: precision = share of the clone among judged
        cells, recall = share of judged cells in the estimated clone.
    """
    cells = beside(answer, truth)
    own = cells[cells["malignant"]]
    if matched is None:
        matched = match_clones(own[own["clone"] != ""].rename(columns={"clone": "estimated"}))
    table = pd.crosstab(cells["true"], cells["clone"])
    rows = []
    for clone, n in own["true"].value_counts().items():
        name = matched.get(str(clone), "")
        found = bool(name) and name in table.columns
        column = table[name] if found else pd.Series(dtype=int)
        hits, called = int(column.get(clone, 0)), int(column.sum())
        rows.append({"clone": clone, "estimated": name, "n": n, "share": n / len(own)} | f_score(hits, called, int(n)))
    return pd.DataFrame(rows, columns=list(CLONE_COLUMNS))


def smallest_detectable(clones: pd.DataFrame, *, least: float = FOUND_F1) -> float:
    """Smallest share s such that every clone of share s or more was found (F1 >= ``least``); in (0, 1].

    Of the clones of one patient, or of many stacked (:func:`per_clone`). NaN when the largest was not found.
    Clones of equal share stand or fall together. By chance a clone is found only where it holds about half or more
    of all cells.
    """
    missed = clones.loc[clones["f1"] < least, "share"].max()
    found = clones["share"] if pd.isna(missed) else clones.loc[clones["share"] > missed, "share"]
    return float(found.min()) if len(found) else math.nan
