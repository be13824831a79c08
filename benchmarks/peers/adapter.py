"""What every adapter shares: the case it reads, the tables it writes, the command line.

An adapter is a script ``PYTHON <peer>.py CASE.h5ad OUTDIR [--reference immune|plasma|none]``. It runs one peer on
the cells of one patient as the peer's own documentation says and writes the peer's answer in one form. It may run
in an environment without marrowclone, so nothing here imports it.

=================  ==================================================================================
cells.tsv.gz       cell, score (higher is more malignant), p_malignant (0-1, or empty), call
                   (malignant, normal, unassigned, or empty), clone (of query cells, or empty),
                   second_call (where a peer documents two rules, the other one; info.json names both)
arms.tsv           clone (or ``all``), chromosome, arm, value (the peer's own scale, neutral near 0),
                   call (gain, loss, neutral, or empty), state (copies, or empty)
info.json          tool, version, reference, settings, rule (how calls were made), seconds, note
=================  ==================================================================================

Which cells a peer sees depends on the reference, and is the same for all peers:

=================  ==================================================================================
immune             query + immune + plasma_reference; the immune types are the reference
plasma             query + plasma_reference; the healthy donors' plasma cells are the reference
none               query + immune + plasma_reference; the peer finds its own baseline
=================  ==================================================================================
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ.setdefault("TQDM_DISABLE", "1")  # progress bars would hide the last line of an error

import anndata as ad
import numpy as np
import pandas as pd

QUERY, DONORS, IMMUNE = "query", "plasma_reference", "immune"
REFERENCE = "reference"  # the group label of reference cells when they form one group
JOBS = max(1, int(os.environ.get("MARROWCLONE_PEER_THREADS", "1")))
SEED = 1


@dataclass
class Answer:
    """What a peer says. Series are indexed by cell; cells without an entry get an empty field."""

    score: pd.Series
    rule: str
    call: pd.Series | None = None
    second_call: pd.Series | None = None
    p_malignant: pd.Series | None = None
    clone: pd.Series | None = None
    arms: pd.DataFrame | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    note: str = ""


def read_case(path: Path, reference: str) -> ad.AnnData:
    """The cells that a peer sees under ``reference``, with obs columns ``is_reference`` and ``group``.

    ``group`` is what peers take as annotation: the cell type of reference cells, ``observed`` for all others.
    Raises ValueError when the case has no cells to judge or no reference cells.
    """
    case = ad.read_h5ad(path)
    role = case.obs["role"].astype(str)
    case = case[role.isin([QUERY, DONORS] if reference == "plasma" else [QUERY, DONORS, IMMUNE])].copy()
    role = case.obs["role"].astype(str)
    wanted = {"immune": IMMUNE, "plasma": DONORS, "none": ""}[reference]
    case.obs["is_reference"] = (role == wanted).to_numpy()
    if not (role == QUERY).any():
        raise ValueError(f"{path.name}: no cell has the role {QUERY}")
    if reference != "none" and not case.obs["is_reference"].any():
        raise ValueError(f"{path.name}: no cell has the role {wanted}, which --reference {reference} needs")
    types = case.obs["cell_type"].astype(str)
    case.obs["group"] = pd.Categorical(np.where(case.obs["is_reference"], types, "observed"))
    return case


def reference_types(case: ad.AnnData) -> list[str]:
    """The cell types of the reference cells."""
    return sorted(set(case.obs.loc[case.obs["is_reference"], "group"].astype(str)))


def role_of(case: ad.AnnData) -> pd.Series:
    """The role of each cell, as text."""
    return case.obs["role"].astype(str)


def arm_means(values: np.ndarray, chromosome: np.ndarray, arm: np.ndarray, clone: pd.Series) -> pd.DataFrame:
    """Mean of ``values`` (cells x columns) per clone and arm; ``clone`` names the rows, empty ones are left out."""
    place = pd.MultiIndex.from_arrays([chromosome, arm], names=["chromosome", "arm"])
    labels = clone.to_numpy()
    named = labels != ""
    groups = {"all": named, **{c: labels == c for c in sorted(set(labels[named]))}}
    means = {c: pd.Series(np.asarray(values[rows].mean(axis=0)).ravel(), index=place) for c, rows in groups.items()}
    table = pd.concat({c: m.groupby(level=[0, 1]).mean() for c, m in means.items() if len(m)}, names=["clone"])
    table = table.rename("value").reset_index()
    return table[table["arm"].isin(["p", "q"])]


def arm_calls(states: pd.DataFrame, chromosome: np.ndarray, arm: np.ndarray, neutral: int) -> pd.DataFrame:
    """Per clone and arm: gain or loss when at least half of the arm's genes have a state above or below neutral.

    ``states`` is clones x genes. Half is the rule by which arm events are usually read off segments [J].
    """
    place = pd.MultiIndex.from_arrays([chromosome, arm], names=["chromosome", "arm"])
    rows = []
    for clone, line in zip(states.index, states.to_numpy(), strict=True):
        state = pd.Series(line, index=place)
        up = (state > neutral).groupby(level=[0, 1]).mean()
        down = (state < neutral).groupby(level=[0, 1]).mean()
        call = np.select([up >= 0.5, down >= 0.5], ["gain", "loss"], default="neutral")
        part = pd.DataFrame({"call": call, "state": state.groupby(level=[0, 1]).median().round()}, index=up.index)
        rows.append(part.reset_index().assign(clone=clone))
    return pd.concat(rows, ignore_index=True)


def upper_group(value: pd.Series) -> tuple[pd.Series, float]:
    """Which entries lie in the upper of two groups, by Otsu's split over the distinct values, and the threshold.

    The split maximises the variance between the groups (Otsu 1979). With fewer than two distinct values
    nothing is in the upper group.
    """
    distinct = np.unique(value.to_numpy(dtype=float))
    if len(distinct) < 2:
        return pd.Series(False, index=value.index), float("inf")
    cuts = (distinct[1:] + distinct[:-1]) / 2
    data = value.to_numpy(dtype=float)
    above = np.array([(data > c).mean() for c in cuts])
    gap = np.array([data[data > c].mean() - data[data <= c].mean() for c in cuts])
    cut = float(cuts[np.argmax(above * (1 - above) * gap**2)])
    return value > cut, cut


def write_answer(answer: Answer, case: ad.AnnData, out: Path, info: dict[str, Any]) -> None:
    """Write the three files of one answer."""
    role = role_of(case)
    cells = case.obs_names[role.isin([QUERY, DONORS])]
    if answer.score.reindex(cells).notna().sum() == 0:
        raise ValueError("the peer gave no query or donor cell a score")
    table = pd.DataFrame({"cell": cells})
    for name in ("score", "p_malignant", "call", "clone", "second_call"):
        given = getattr(answer, name)
        table[name] = "" if given is None else given.reindex(cells).to_numpy()
    table.loc[(role[cells] != QUERY).to_numpy(), "clone"] = ""
    out.mkdir(parents=True, exist_ok=True)
    table.to_csv(out / "cells.tsv.gz", sep="\t", index=False)
    columns = ["clone", "chromosome", "arm", "value", "call", "state"]
    arms = answer.arms if answer.arms is not None else pd.DataFrame(columns=columns)
    arms.reindex(columns=columns).to_csv(out / "arms.tsv", sep="\t", index=False)
    (out / "info.json").write_text(json.dumps(info, indent=1) + "\n", encoding="utf-8")


def main(run: Callable[[ad.AnnData, str], Answer], tool: str, package: str, references: tuple[str, ...]) -> None:
    """The command line of an adapter; the first of ``references`` is the default. Exits 1 when the peer fails."""
    parser = argparse.ArgumentParser(description=f"Run {tool} on one case.")
    parser.add_argument("case", type=Path, help="the case, an h5ad with raw counts")
    parser.add_argument("out", type=Path, help="folder for cells.tsv.gz, arms.tsv and info.json")
    parser.add_argument("--reference", choices=references, default=references[0])
    options = parser.parse_args()
    try:
        case = read_case(options.case, options.reference)
        start = time.perf_counter()
        answer = run(case, options.reference)
        info = {
            "tool": tool,
            "version": version(package),
            "reference": options.reference,
            "settings": answer.settings,
            "rule": answer.rule,
            "seconds": round(time.perf_counter() - start, 2),
            "note": answer.note,
        }
        write_answer(answer, case, options.out, info)
    except Exception as error:  # whatever a peer raises is its result
        traceback.print_exc()
        print(f"{tool}: {type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(1)
