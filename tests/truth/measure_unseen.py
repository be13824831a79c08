"""Measure the copy-number and clones chapters on designs that no default was chosen on.

    PYTHONPATH=workflow/lib python tests/truth/measure_unseen.py --seed 101 KAPPA MONO3

Cells get their true type and dying or empty droplets are left out, so that these two chapters alone are
judged; doublets stay in, but are not counted. Each patient is run with and without the healthy donors.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp
import yaml
from sklearn.metrics import adjusted_rand_score

from marrowclone.clones.infer import calibrated_captures, infer_clones, malignant_cells, usable
from marrowclone.copy_number import store
from marrowclone.copy_number.arms import call_arms
from marrowclone.copy_number.baseline import read_baseline, usable_genes
from marrowclone.copy_number.exclusions import exclusion_reasons
from marrowclone.copy_number.malignant import call_cells
from marrowclone.copy_number.reference import cells_of, patient_signal
from marrowclone.keys import PLASMA
from marrowclone.report.compare import events_of
from marrowclone.resources import RESOURCES, gene_table, read_resource
from marrowclone.simulate.cohort import Cohort, cell_truth, simulate

ROOT = Path(__file__).resolve().parents[2]


def defaults(chapter: str) -> dict[str, dict[str, Any]]:
    """Default settings per rule."""
    rules = yaml.safe_load((ROOT / f"workflow/schemas/{chapter}.schema.yaml").read_text())["properties"]
    return {rule: {k: v["default"] for k, v in spec["properties"].items()} for rule, spec in rules.items()}


def captures(cohort: Cohort) -> tuple[sp.csr_matrix, pd.DataFrame]:
    """Counts and truth of all cells that quality control would keep."""
    sheet = cohort.sheet.set_index("sample")
    kept = np.flatnonzero((gene_table()["locus"] == "").to_numpy())
    parts = []
    for sample, capture in cohort.captures():
        truth = cell_truth(capture, sample=sample, patient=str(sheet.at[sample, "patient"]))
        deep = np.asarray(capture.counts[:, kept].sum(axis=1)).ravel() >= 500  # the floor of qc_cells
        rows = np.flatnonzero((truth["quality"] == "good") & (truth["cell_type"] != "") & deep)
        parts.append((capture.counts[rows], truth.iloc[rows].assign(timepoint=sheet.at[sample, "timepoint"])))
    cells = pd.concat([c for _, c in parts], ignore_index=True)
    return sp.vstack([m for m, _ in parts], format="csr"), cells.assign(is_tumour_type=cells["cell_type"] == PLASMA)


def analyse(counts: sp.csr_matrix, cells: pd.DataFrame, patient: str, donors: list[str]) -> SimpleNamespace:
    """Both chapters on one patient, as their scripts do."""
    var = gene_table().set_index("symbol").assign(measured=True)
    genes = usable_genes(var, exclusion_reasons(var, read_resource(RESOURCES / "cnv_exclusions.tsv")))
    settings, clone_settings = defaults("copy_number"), defaults("clones")
    rows = np.flatnonzero((cells["patient"] == patient) | cells["patient"].isin(donors))
    counts, cells = counts[rows], cells.iloc[rows].reset_index(drop=True)
    found = patient_signal(
        ad.AnnData(X=counts, obs=cells.set_index("cell", drop=False)[["sample"]], var=var), cells, genes,
        patient=patient, donors=donors, settings=settings["infer_signal"], calls=settings["call_malignant"], seed=1,
    )  # fmt: skip
    where = pd.Index(cells["cell"])
    table = store.baseline_of(found)
    used, expected = read_baseline(table, var.index)
    rung = found.reference.rung
    own = cells_of(found.obs, found.signal.arms, counts[where.get_indexer(found.obs["cell"])])
    calls = call_cells(own, expected, used, rung=rung, settings=settings["call_malignant"], seed=1)
    malignant, _ = store.call_tables(found.obs, calls, rung=rung)
    called = malignant_cells(malignant)
    reference = table.set_index("symbol")["reference"].reindex(var.index).fillna(0.0)
    clones = infer_clones(
        counts[where.get_indexer(called["cell"])], called, usable(var, used["used"]),
        calibrated_captures(expected, reference), settings=clone_settings["infer_clones"], seed=1,
    ).cells  # fmt: skip
    part = counts[where.get_indexer(clones["cell"])]
    arms = call_arms(part, clones["sample"], clones["clone"], expected, used, rung=rung, settings=settings["call_arms"])
    return SimpleNamespace(rung=rung, malignant=malignant, clones=clones, arms=arms)


def figures(found: SimpleNamespace, cells: pd.DataFrame, arms: pd.DataFrame, patient: str) -> str:
    """One line of figures against the truth; doublets have no right answer and are left out."""
    truth = cells[(cells["patient"] == patient) & ~cells["doublet"].astype(bool)].set_index("cell")
    calls = found.malignant[found.malignant["cell"].isin(truth.index)]
    is_malignant = truth.loc[calls["cell"], "malignant"].to_numpy(dtype=bool)
    called = (calls["call"] == "malignant").to_numpy()
    hits = int((called & is_malignant).sum())
    f1 = 2 * hits / max(called.sum() + is_malignant.sum(), 1)
    text = f"{found.rung} F1 {f1:.3f}, {(called & ~is_malignant).sum()} false of {(~is_malignant).sum()} normal, "
    text += f"{hits} of {is_malignant.sum()} malignant found, {(calls['call'] == 'unassigned').sum()} unassigned"
    true_clones = set(truth.loc[truth["malignant"].astype(bool), "clone"])
    real, stated = (
        events_of(arms[(arms["patient"] == patient) & arms["clone"].isin(true_clones)]),
        events_of(found.arms),
    )
    text += f"; arms {len(real & stated)} right of {len(stated)} stated, {len(real)} true"
    own = found.clones[found.clones["cell"].isin(truth.index[truth["malignant"].astype(bool)])]
    if len(own):
        label, sure = truth.loc[own["cell"], "clone"].to_numpy(), (own["clone"] != "").to_numpy()
        every, some = (adjusted_rand_score(label[k], own["best_clone"].to_numpy()[k]) for k in (sure | ~sure, sure))
        named = found.clones.loc[found.clones["clone"] != "", "clone"].nunique()
        text += (
            f"; clones {named} of {len(set(label))}, ARI {every:.3f}, {some:.3f} over the {sure.mean():.0%} assigned"
        )
    return text


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("patients", nargs="*", help="patients of the cohort; all when none is named")
    parser.add_argument("--cohort", type=Path, default=ROOT / "tests/cohorts/unseen.yaml")
    parser.add_argument("--seed", type=int, default=101)
    options = parser.parse_args()
    spec = {**yaml.safe_load(options.cohort.read_text()), "seed": options.seed}
    if options.patients:  # a patient's cells do not depend on who else is simulated
        wanted = [p for p, v in spec["patients"].items() if v["group"] == "healthy" or p in options.patients]
        spec["patients"] = {p: spec["patients"][p] for p in wanted}
    cohort = simulate(spec)
    counts, cells = captures(cohort)
    arms = cohort.truth()["arms"]
    donors = sorted(set(cells.loc[cells["timepoint"] == "healthy", "patient"]))
    for patient in options.patients or sorted(set(cells["patient"])):
        others = [d for d in donors if d != patient]
        for some in (others, []):
            line = figures(analyse(counts, cells, patient, some), cells, arms, patient)
            print(f"{patient}, {len(some)} donors: {line}", flush=True)


if __name__ == "__main__":
    main()
