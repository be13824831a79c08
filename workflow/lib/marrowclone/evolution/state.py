"""State of every clone at every sampling day: cycling cells and programmes, the evidence beside growth."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ..keys import MALIGNANT, NORMAL, TABLES
from .cycling import call_cycling, mixed, share_beyond
from .fractions import natural
from .gene_sets import CYCLING, MACROPHAGE, without_clonal_arms
from .panel_sums import capture_factors
from .scores import Guard, myeloid_guard, percentile, programme_scores

#: All malignant cells of a day, whether or not they have a clone.
ALL = "all"
#: Columns that follow the contract's.
BACKGROUND = ("background", "background_lower", "background_upper")
STATE_EXTRA = ("n_positive", "n_genes", "left_out", "note", *BACKGROUND)
#: Note where too few cells tell.
UNTOLD = "too few cells tell how many look cycling by chance"
#: Gains of 1q make its cycling genes louder without any cycling (science 4.2).
ALWAYS_OUT = ("chr1q",)


def assess_states(
    cells: pd.DataFrame,
    counts: pd.DataFrame,
    sets: Mapping[str, Sequence[str]],
    *,
    arms: pd.DataFrame,
    place: Mapping[str, str],
    expected: pd.DataFrame,
    settings: Mapping[str, Any],
    seed: int,
) -> pd.DataFrame:
    """Cycling share and programme scores per clone and day.

    Parameters
    ----------
    cells
        of :func:`marrowclone.evolution.resistance.tumour_cells`: a row per tumour-type cell, sorted by cell.
    counts
        UMI, cells x genes of all sets; rows as ``cells``. Genes that were not measured in every sample are lacking.
    sets
        {programme: symbols}; ``cycling`` and ``macrophage`` among them.
    arms
        ``copy_number/{patient}.arms.tsv``.
    place
        arm of each gene (``chr1q``).
    expected
        share that each capture (columns) shows of each gene (index) in a normal cell; may be empty.
    settings
        section ``evolution.assess_states``.
    seed
        for thinning and random sets.

    Returns
    -------
    DataFrame
        contract columns and :data:`STATE_EXTRA`, a row per clone (and :data:`ALL`), day and measure. ``cycling``:
        value is the share beyond chance, lower and upper its one-sided 95% bounds, background the share that
        chance gives (80% interval; empty where not known). Programmes: value is the mean score in SDs of a cell's
        count, lower and upper its 95% interval, percentile that among random sets of as many malignant cells of the
        patient.
    """
    malignant = (cells["call"] == MALIGNANT).to_numpy()
    if not malignant.any():
        return pd.DataFrame(columns=[*TABLES["evolution.state"], *STATE_EXTRA])
    depth = cells["depth"].to_numpy(dtype=float)
    known = {name: [g for g in genes if g in counts.columns] for name, genes in sets.items()}
    macrophage = counts[known[MACROPHAGE]].to_numpy(dtype=float).sum(axis=1)
    guard = myeloid_guard(macrophage, depth, cells["sample"].to_numpy())
    rows = _cycling_rows(cells, counts, known[CYCLING], arms, place, settings=settings, seed=seed)
    for name in known:
        if name not in (CYCLING, MACROPHAGE):
            rows += _programme_rows(
                name, cells, counts, known[name], guard, arms, place, expected, settings=settings, seed=seed
            )
    frame = pd.DataFrame(rows, columns=[*TABLES["evolution.state"], *STATE_EXTRA])
    return frame.sort_values(["day", "clone"], key=_order, kind="stable").reset_index(drop=True)


def _order(column: pd.Series) -> pd.Series:
    return column if column.name == "day" else column.map(natural)


def _groups(cells: pd.DataFrame) -> list[tuple[str, int, np.ndarray]]:
    """(clone, day, cells) of every clone that is seen at a day, and of all malignant cells of a day."""
    malignant = (cells["call"] == MALIGNANT).to_numpy()
    clone, day = cells["clone"].to_numpy(), cells["day"].to_numpy()
    names = sorted(set(clone[malignant]) - {""}, key=natural)
    found = []
    for when in sorted(set(day[malignant].tolist())):
        here = malignant & (day == when)
        found.append((ALL, int(when), here))
        found += [(name, int(when), here & (clone == name)) for name in names if (here & (clone == name)).any()]
    return found


def _row(clone: str, day: int, measure: str, **more: Any) -> dict[str, Any]:
    numbers = dict.fromkeys(("value", "lower", "upper", "percentile", "n_positive", *BACKGROUND), math.nan)
    return {**numbers, "clone": clone, "day": day, "measure": measure, "left_out": "", "note": "", **more}


def _cycling_rows(
    cells: pd.DataFrame, counts: pd.DataFrame, genes: Sequence[str], arms: pd.DataFrame, place: Mapping[str, str],
    *, settings: Mapping[str, Any], seed: int,
) -> list[dict[str, Any]]:  # fmt: skip
    kept, left_out = without_clonal_arms(genes, arms, place, ALWAYS_OUT)
    groups = _groups(cells)
    shared = {"n_genes": len(kept), "left_out": " ".join(left_out)}
    if len(kept) < settings["min_genes"]:
        note = f"{len(kept)} genes of the list are measured and on arms that the clones share"
        return [
            _row(c, d, CYCLING, n_cells=int(of.sum()), n_used=0, **shared, note=note) for c, d, of in groups
        ]  # fmt: skip
    sample = cells["sample"].to_numpy(dtype=str)
    called = call_cycling(
        counts[kept].to_numpy(), cells["depth"].to_numpy(dtype=float),
        malignant=(cells["call"] == MALIGNANT).to_numpy(), normal=(cells["call"] == NORMAL).to_numpy(),
        sample=sample, settings=settings, rng=np.random.default_rng(seed),
    )  # fmt: skip
    notes = [f"cells thinned to {called.depth:.0f} UMI"]
    if not called.told.all():
        notes.append(f"{(~called.told).sum()} genes that resting cells show are not counted")
    if not called.n_reference:
        notes.append("too few normal plasma cells for a limit: the number of genes alone decides")
    rows = []
    for clone, day, of in groups:
        n, x = int((of & called.assessed).sum()), int((of & called.cycling).sum())
        chance = mixed(called.background, sample[of & called.assessed])
        value, lower, upper = share_beyond(x, n, chance)
        rows.append(
            _row(
                clone, day, CYCLING, value=value, lower=lower, upper=upper, n_cells=int(of.sum()), n_used=n,
                n_positive=x, background=chance.value, background_lower=chance.lower,
                background_upper=chance.upper, **shared,
                note="; ".join(notes if n == 0 or not math.isnan(chance.value) else [*notes, UNTOLD]),
            )
        )  # fmt: skip
    return rows


def _programme_rows(
    name: str, cells: pd.DataFrame, counts: pd.DataFrame, genes: Sequence[str], guard: Guard, arms: pd.DataFrame,
    place: Mapping[str, str], expected: pd.DataFrame, *, settings: Mapping[str, Any], seed: int,
) -> list[dict[str, Any]]:  # fmt: skip
    kept, left_out = without_clonal_arms(genes, arms, place)
    groups = _groups(cells)
    shared = {"n_genes": len(kept), "left_out": " ".join(left_out)}
    if not kept:
        note = "no gene is measured in every sample and on an arm that the clones share"
        return [_row(c, d, name, n_cells=int(of.sum()), n_used=0, **shared, note=note) for c, d, of in groups]
    malignant, sample = (cells["call"] == MALIGNANT).to_numpy(), cells["sample"].to_numpy()
    score = programme_scores(
        counts[kept].to_numpy(dtype=float), cells["depth"].to_numpy(dtype=float), sample,
        capture=capture_factors(expected, kept), normal=(cells["call"] == NORMAL).to_numpy(), guard=guard,
        dispersion=settings["dispersion"], min_normal=settings["min_normal"],
    )  # fmt: skip
    rows = []
    for index, (clone, day, of) in enumerate(groups):
        used = of & np.isfinite(score)
        n = int(used.sum())
        mean = float(score[used].mean()) if n else math.nan
        half = 1.96 * float(score[used].std(ddof=1)) / math.sqrt(n) if n > 1 else math.nan
        rng = np.random.default_rng([seed, index])
        rows.append(
            _row(
                clone, day, name, value=mean, lower=mean - half, upper=mean + half,
                percentile=percentile(score, of, malignant, rng=rng) if n >= settings["min_cells"] else math.nan,
                n_cells=int(of.sum()), n_used=n, **shared,
                note="" if n >= settings["min_cells"] else f"fewer than {settings['min_cells']} cells",
            )
        )  # fmt: skip
    return rows
