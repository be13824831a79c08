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
from marrowclone.copy_number.look import cells_of
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


def marrowclone(case: Case, *, seed: int = 1) -> Answer:
    """Copy number and clones with default settings."""
    var = gene_table().set_index("symbol").assign(measured=True)
    genes = usable_genes(var, exclusion_reasons(var, read_resource(RESOURCES / "cnv_exclusions.tsv")))
    settings, clone_settings = defaults("copy_number"), defaults("clones")
    counts, cells = case.counts, case.obs
    found = patient_signal(
        ad.AnnData(X=counts, obs=cells.set_index("cell", drop=False)[["sample"]], var=var), cells, genes,
        patient=case.patient, donors=list(case.donors), settings=settings["infer_signal"],
        calls=settings["call_malignant"], seed=seed,
    )  # fmt: skip
    where = pd.Index(cells["cell"])
    table = store.baseline_of(found)
    used, expected = read_baseline(table, var.index)
    rung = found.reference.rung
    own = cells_of(found.obs, found.signal.arms, counts[where.get_indexer(found.obs["cell"])])
    calls = call_cells(own, expected, used, rung=rung, settings=settings["call_malignant"], seed=seed)
    malignant, _ = store.call_tables(found.obs, calls, rung=rung)
    called = malignant_cells(malignant)
    reference = table.set_index("symbol")["reference"].reindex(var.index).fillna(0.0)
    clones = infer_clones(
        counts[where.get_indexer(called["cell"])], called, usable(var, used["used"]),
        calibrated_captures(expected, reference), settings=clone_settings["infer_clones"], seed=seed,
    ).cells  # fmt: skip
    part = counts[where.get_indexer(clones["cell"])] if len(clones) else counts[:0]
    arms = call_arms(part, clones["sample"], clones["clone"], expected, used, rung=rung, settings=settings["call_arms"])
    own_cells = malignant[malignant["cell"].isin(cells.loc[cells["patient"] == case.patient, "cell"])]
    answer = own_cells.rename(columns={"cnv_score": "score"})[["cell", "score", "p_malignant", "call"]].merge(
        clones[["cell", "clone", "best_clone", "posterior"]], on="cell", how="left"
    )
    answer[["clone", "best_clone"]] = answer[["clone", "best_clone"]].fillna("")
    columns = ["clone", "chromosome", "arm", "call", "state"]
    arms = arms[columns].assign(value=arms["log2_ratio"]) if len(arms) else pd.DataFrame(columns=[*columns, "value"])
    return Answer(answer, arms, note=rung)
