"""Our present method on a case: the copy-number and clones chapters, called as their scripts call them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import anndata as ad
import pandas as pd
import yaml

from marrowclone.clones.infer import calibrated_captures, infer_clones, malignant_cells, usable
from marrowclone.copy_number import store
from marrowclone.copy_number.arms import call_arms
from marrowclone.copy_number.baseline import read_baseline, usable_genes
from marrowclone.copy_number.exclusions import exclusion_reasons
from marrowclone.copy_number.look import PatientSignal, cells_of
from marrowclone.copy_number.malignant import call_cells
from marrowclone.copy_number.reference import patient_signal
from marrowclone.resources import RESOURCES, gene_table, read_resource

from .case import Case

SCHEMAS = Path(__file__).resolve().parents[2] / "workflow" / "schemas"


EVERYTHING = frozenset(("calls", "clones", "arms"))


@dataclass(frozen=True)
class Answer:
    """What a method says about a case, in the form that is judged.

    Attributes
    ----------
    cells
        cell, score (higher: more malignant), p_malignant, call, clone ("" unassigned), and where a method
        has them best_clone and posterior; a row per tumour-type cell.
    arms
        clone (``all``: the patient's malignant cells), chromosome, arm, call, state, value.
    note
        what a reader must know, such as the reference that was used.
    answers
        what the method can say at all: ``calls``, ``clones``, ``arms``. Where it can and says nothing, it missed.
    """

    cells: pd.DataFrame
    arms: pd.DataFrame
    note: str = ""
    answers: frozenset[str] = EVERYTHING


@cache
def defaults(chapter: str) -> dict[str, dict[str, Any]]:
    """Default settings of a chapter, per rule."""
    rules = yaml.safe_load((SCHEMAS / f"{chapter}.schema.yaml").read_text(encoding="utf-8"))["properties"]
    return {rule: {k: v["default"] for k, v in spec["properties"].items()} for rule, spec in rules.items()}


@dataclass(frozen=True)
class Ground:
    """What a case's clones are learned on: its signal, and the baseline that the signal found.

    Attributes
    ----------
    found
        the patient's signal.
    used
        per gene whether the baseline uses it (column ``used``).
    expected
        share of each gene in a diploid plasma cell, per capture.
    captures
        ``expected`` of the captures whose own effect is known.
    genes
        the gene table with the baseline's ``used``.
    """

    found: PatientSignal
    used: pd.DataFrame
    expected: pd.DataFrame
    captures: pd.DataFrame
    genes: pd.DataFrame


def ground(case: Case, *, seed: int = 1) -> Ground:
    """Signal and baseline of a case with default settings."""
    var = gene_table().set_index("symbol").assign(measured=True)
    genes = usable_genes(var, exclusion_reasons(var, read_resource(RESOURCES / "cnv_exclusions.tsv")))
    settings = defaults("copy_number")
    found = patient_signal(
        ad.AnnData(X=case.counts, obs=case.obs.set_index("cell", drop=False)[["sample"]], var=var), case.obs, genes,
        patient=case.patient, donors=list(case.donors), settings=settings["infer_signal"],
        calls=settings["call_malignant"], seed=seed,
    )  # fmt: skip
    table = store.baseline_of(found)
    used, expected = read_baseline(table, var.index)
    reference = table.set_index("symbol")["reference"].reindex(var.index).fillna(0.0)
    return Ground(found, used, expected, calibrated_captures(expected, reference), usable(var, used["used"]))


def clones_of(case: Case, on: Ground, malignant: pd.DataFrame, *, seed: int = 1) -> pd.DataFrame:
    """The clones of these malignant cells (cell, sample), as ``infer_clones`` gives its cells."""
    rows = pd.Index(case.obs["cell"]).get_indexer(malignant["cell"])
    settings = defaults("clones")["infer_clones"]
    return infer_clones(case.counts[rows], malignant, on.genes, on.captures, settings=settings, seed=seed).cells


def marrowclone(case: Case, *, seed: int = 1) -> Answer:
    """Copy number and clones with default settings."""
    settings, counts, cells = defaults("copy_number"), case.counts, case.obs
    on = ground(case, seed=seed)
    found, rung = on.found, on.found.reference.rung
    where = pd.Index(cells["cell"])
    own = cells_of(found.obs, found.signal.arms, counts[where.get_indexer(found.obs["cell"])])
    calls = call_cells(own, on.expected, on.used, rung=rung, settings=settings["call_malignant"], seed=seed)
    malignant, _ = store.call_tables(found.obs, calls, rung=rung)
    clones = clones_of(case, on, malignant_cells(malignant), seed=seed)
    part = counts[where.get_indexer(clones["cell"])] if len(clones) else counts[:0]
    arms = call_arms(
        part, clones["sample"], clones["clone"], on.expected, on.used, rung=rung, settings=settings["call_arms"]
    )
    own_cells = malignant[malignant["cell"].isin(cells.loc[cells["patient"] == case.patient, "cell"])]
    answer = own_cells.rename(columns={"cnv_score": "score"})[["cell", "score", "p_malignant", "call"]].merge(
        clones[["cell", "clone", "best_clone", "posterior"]], on="cell", how="left"
    )
    answer[["clone", "best_clone"]] = answer[["clone", "best_clone"]].fillna("")
    columns = ["clone", "chromosome", "arm", "call", "state"]
    arms = arms[columns].assign(value=arms["log2_ratio"]) if len(arms) else pd.DataFrame(columns=[*columns, "value"])
    return Answer(answer, arms, note=rung)
