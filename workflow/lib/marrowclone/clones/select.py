"""How many clones: a path of models from one clone upwards, and the rule of what may be reported.

From K to K + 1 a clone is split where one arm's counts look most like two levels, and a
seeded clustering offers other beginnings; the model refines each. The evidence for every K is
kept. A clone is reported only if it can be told apart (science 2.3); otherwise it is merged
with its nearest and the model is fitted again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from .model import FULL, Fit, Frame, run_em, start
from .propose import propose_by_terms, propose_captures, propose_clusters, propose_splits
from .resolution import resolve, smallest, unresolved

#: Splits that are refined per step, and EM rounds in a first look.
N_PROPOSALS = 4
FIRST_LOOK = 8


@dataclass
class Selection:
    """The chosen model and the evidence for each number of clones.

    Attributes
    ----------
    fit
        the chosen model, all of whose clones pass the resolution rule.
    table
        k, log_likelihood, n_parameters, bic, smallest, resolvable, chosen, note; a row per K.
    notes
        what was merged and why.
    fits
        the model of each K.
    allowed
        the notes of those that may be reported, by K.
    """

    fit: Fit
    table: pd.DataFrame
    notes: list[str]
    fits: Mapping[int, Fit]
    allowed: Mapping[int, list[str]]


def select_clones(frame: Frame, *, settings: Mapping[str, Any], seed: int) -> Selection:
    """Fit one clone, two, three ... and choose by the extended BIC among models that may be reported.

    Each clone more has to be worth ``min_bic_gain``: the best of many splits of many arms is tried, and a clone that
    is not there is worse than one that is found later.

    With more than ``search_cells`` cells the search is on a part of them (:func:`part_of`); what it chooses is fitted
    to all, and split further while that helps, so that a clone too small for the part is not lost.

    Raises nothing for a patient without structure: one clone is always a model that may be reported.
    """
    n = len(frame.evidence.cells)
    most = int(settings["search_cells"])
    rows = part_of(frame, most, seed=seed)
    if rows is None:
        return search(frame, settings=settings, seed=seed)
    found = search(frame.part(rows), settings=settings, seed=seed)
    fits = {k: on_all(frame, fit) for k, fit in found.fits.items()}
    fit, notes = resolve(
        frame, run_em(frame, fits[found.fit.k], settings=settings, n_iterations=FULL), settings=settings
    )
    while fit.k < int(settings["max_clones"]):
        guesses = propose_splits(frame, fit, n_proposals=2)
        guesses += propose_by_terms(frame, fit, n_proposals=1)
        more = best_of(frame, guesses, fit, settings=settings)
        if more is None:
            break
        more, also = resolve(frame, more, settings=settings)
        if more.k <= fit.k or weighed(more, frame, settings) >= weighed(fit, frame, settings):
            break
        fit, notes = more, [*notes, *also]
    allowed = {k: (f, found.allowed[k]) for k, f in fits.items() if k in found.allowed} | {fit.k: (fit, notes)}
    table = selection_table(frame, fits, allowed, fit.k, settings=settings)
    table.loc[table["k"] != fit.k, "note"] += f"; learned on {len(rows)} of {n} cells"
    table["note"] = table["note"].str.removeprefix("; ")
    return Selection(fit, table, [*found.notes, *notes], fits, {k: v for k, (_, v) in allowed.items()})


def weighed(fit: Fit, frame: Frame, settings: Mapping[str, Any]) -> float:
    """Extended BIC of a model, and ``min_bic_gain`` for each of its clones."""
    return fit.bic(len(frame.evidence.cells), frame.n_segments) + float(settings["min_bic_gain"]) * fit.k


def part_of(frame: Frame, most: int, *, seed: int) -> np.ndarray | None:
    """Rows of about ``most`` cells, captures by their size but no capture to fewer than ``LEAST`` cells; None: all."""
    sample = frame.evidence.sample
    if len(sample) <= most:
        return None
    share = most / len(sample)
    rng = np.random.default_rng([seed, len(sample)])
    rows = []
    for s in range(len(frame.evidence.samples)):
        own = np.flatnonzero(sample == s)
        size = min(len(own), max(LEAST, round(share * len(own))))
        rows.append(np.sort(rng.choice(own, size, replace=False)))
    return np.sort(np.concatenate(rows))


#: A capture of no more cells takes part in the search as a whole. [J]
LEAST = 500


def on_all(frame: Frame, fit: Fit) -> Fit:
    """A fit that was learned on a part, with the posteriors and the likelihood of all cells."""
    posterior, value, _ = frame.cells.sweep(frame, fit)
    return replace(fit, posterior=posterior, log_likelihood=value)


def best_of(frame: Frame, guesses: list[np.ndarray], current: Fit, *, settings: Mapping[str, Any]) -> Fit | None:
    """The best model that the guesses lead to; None without a guess.

    A few odd cells are no clone to build on: a better model without such a group comes first.
    """
    n, n_segments = len(frame.evidence.cells), frame.n_segments
    tried = [run_em(frame, start(frame, guess), settings=settings, n_iterations=FIRST_LOOK) for guess in guesses]
    if not tried:
        return None
    sound = [f for f in tried if smallest(f) >= int(settings["min_cells"])]
    sound = [f for f in sound if f.bic(n, n_segments) < current.bic(n, n_segments)]
    best = min(sound or tried, key=lambda f: f.bic(n, n_segments))
    return run_em(frame, best, settings=settings, n_iterations=FULL)


def search(frame: Frame, *, settings: Mapping[str, Any], seed: int) -> Selection:
    """The path from one clone upwards on all cells of the frame.

    It ends at ``max_clones`` or when two more clones in a row did not help.
    """
    n, n_segments = len(frame.evidence.cells), frame.n_segments
    base = run_em(frame, start(frame, np.ones((n, 1))), settings=settings, n_iterations=FULL)
    raw: dict[int, Fit] = {1: base}
    allowed: dict[int, tuple[Fit, list[str]]] = {1: (base, [])}
    score = {1: base.bic(n, n_segments)}
    current, worse = base, 0
    for k in range(2, int(settings["max_clones"]) + 1):
        guesses = propose_splits(frame, current, n_proposals=N_PROPOSALS)
        guesses += propose_by_terms(frame, current, n_proposals=N_PROPOSALS)
        guesses += propose_captures(frame, current)
        guesses += propose_clusters(frame, base, k, n_starts=int(settings["n_restarts"]), seed=seed)
        best = best_of(frame, guesses, current, settings=settings)
        if best is None:
            break
        raw[k], current = best, best
        score[k] = best.bic(n, n_segments) if smallest(best) >= int(settings["min_cells"]) else np.inf
        merged, notes = resolve(frame, best, settings=settings)
        known = allowed.get(merged.k)
        if known is None or merged.bic(n, n_segments) < known[0].bic(n, n_segments) - 1e-6:
            allowed[merged.k] = (merged, notes)
        worse = worse + 1 if score[k] > min(score[j] for j in score if j < k) else 0
        if worse == 2:
            break
    chosen = min(allowed, key=lambda j: (weighed(allowed[j][0], frame, settings), j))
    fit, notes = allowed[chosen]
    fits = raw | {k: f for k, (f, _) in allowed.items()}
    table = selection_table(frame, raw, allowed, chosen, settings=settings)
    return Selection(fit, table, notes, fits, {k: v for k, (_, v) in allowed.items()})


def selection_table(
    frame: Frame,
    raw: Mapping[int, Fit],
    allowed: Mapping[int, tuple[Fit, list[str]]],
    chosen: int,
    *,
    settings: Mapping[str, Any],
) -> pd.DataFrame:
    """The evidence for each K: the model that may be reported where there is one, else the one that may not."""
    n, n_segments = frame.evidence.counts.shape
    rows = []
    for k in sorted({*raw, *allowed}):
        fit = allowed[k][0] if k in allowed else raw[k]
        bad = unresolved(frame, fit, settings=settings)
        note = "; ".join(allowed[k][1]) if k in allowed else f"may not be reported: {bad[2] if bad else ''}"
        rows.append(
            {
                "k": k,
                "log_likelihood": fit.log_likelihood,
                "n_parameters": fit.n_parameters + fit.term_parameters,
                "bic": fit.bic(n, n_segments),
                "smallest": smallest(fit),
                "resolvable": k in allowed,
                "chosen": k == chosen,
                "note": note,
            }
        )
    return pd.DataFrame(rows)
