"""Light chains, clonotypes, TC class and identity on simulated patients with known truth.

    PYTHONPATH=workflow/lib python benchmarks/clonality.py --patients 24 --donors 3 --out benchmarks/results

Cell types are the true ones (a doublet has its first cell's), so that typing's errors are not counted here twice.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import vstack

from marrowclone import config as configuration
from marrowclone.cells.genes import ig_mask
from marrowclone.embedding.clonality import call_clonality
from marrowclone.embedding.drivers import call_drivers, with_receptors
from marrowclone.embedding.identity import check_identity
from marrowclone.embedding.profiles import sample_profile
from marrowclone.embedding.rearrangements import COLUMNS, match_barcodes
from marrowclone.resources import RESOURCES, gene_table, read_resource
from marrowclone.simulate import simulate

#: The class that a simulated subtype shows (hyperdiploid tumours have CCND1 at a low level, the others CCND2).
CLASS_OF = {"HRD": "D1", "other": "D2"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status."""
    parser = argparse.ArgumentParser(description="Judge clonality, TC class and identity on simulated patients.")
    parser.add_argument("--patients", type=int, default=24, help="random patients")
    parser.add_argument("--donors", type=int, default=3, help="healthy donors")
    parser.add_argument("--cells", type=float, default=0.12, help="size of a capture, as the simulator counts it")
    parser.add_argument("--seed", type=int, default=1, help="seed of the cohort")
    parser.add_argument("--depth", type=float, default=1.0, help="depth of the captures beside the usual")
    parser.add_argument("--contigs", action="store_true", help="give the V(D)J contigs, too")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"), help="folder to write")
    options = parser.parse_args(arguments)
    spec = {
        "name": "clonality", "seed": options.seed,
        "population": {"patients": options.patients, "donors": options.donors, "cells": options.cells, "sorted": 0.4},
    }  # fmt: skip
    result = judge(spec, depth=options.depth, use_contigs=options.contigs)
    options.out.mkdir(parents=True, exist_ok=True)
    for name in ("patients", "groups", "drivers", "identity"):
        result[name].to_csv(options.out / f"clonality.{name}.tsv", sep="\t", index=False)
    print(summary(result))
    return 0


def judge(spec: Mapping[str, Any], *, depth: float = 1.0, use_contigs: bool = False) -> dict[str, pd.DataFrame]:
    """Run everything on a simulated cohort; tables ``patients`` (truth beside calls), groups, drivers, identity."""
    settings = configuration.load({"samples": "samples.tsv"})["embedding"]
    cohort = simulate(spec)
    rng = np.random.default_rng(1)
    sheet = cohort.sheet.set_index("sample")
    truth = cohort.truth()["patients"].set_index("patient")
    genes = gene_table().set_index("symbol")
    symbols = genes.index
    is_ig, panel = ig_mask(genes), read_resource(RESOURCES / "drivers.tsv")
    ig_columns = np.flatnonzero((genes["locus"] == "ig").to_numpy())
    driver_genes = panel["symbol"].drop_duplicates().tolist()
    parts, ig, driver, contigs, profiles = [], [], [], [], []
    for name, capture in cohort.captures():
        counts = capture.counts.astype(np.int32)
        if depth < 1:
            counts.data = rng.binomial(counts.data, depth)
        table = capture.cells.assign(sample=name, patient=sheet.loc[name, "patient"])
        table["timepoint"], table["day"] = sheet.loc[name, "timepoint"], int(sheet.loc[name, "day"])
        table["cell"] = name + ":" + table["barcode"]
        table["n_umi_non_ig"] = np.asarray(counts[:, ~is_ig].sum(axis=1)).ravel()
        kept = ((table["cell_type"] != "") & (table["quality"] == "good") & (table["n_umi_non_ig"] >= 500)).to_numpy()
        table, counts = table[kept].reset_index(drop=True), counts[np.flatnonzero(kept)]
        table["is_plasma"] = table["is_tumour_type"] = (table["cell_type"] == "plasma").to_numpy()
        table["cluster"] = "0"
        parts.append(table)
        ig.append(counts[:, ig_columns])
        driver.append(counts[:, symbols.get_indexer(driver_genes)].toarray())
        profiles.append(sample_profile(counts, genes, table, sample=name))
        if use_contigs:
            found = cohort.contigs(name, capture)
            found = found[found["productive"] == "true"].rename(columns={"cdr3_nt": "junction"})
            contigs.append(match_barcodes(found[list(COLUMNS)], name, table["barcode"].tolist()).assign(sample=name))
    cells = pd.concat(parts, ignore_index=True)
    donors = [p for p in truth.index if truth.at[p, "subtype"] == ""]
    rows, all_groups, all_drivers, receptors = [], [], [], []
    empty = pd.DataFrame(columns=[*COLUMNS, "cell", "sample"])
    all_contigs = pd.concat(contigs) if contigs else empty
    starts = np.cumsum([0, *(len(p) for p in parts)])
    for patient in truth.index:
        used = [i for i, p in enumerate(parts) if p["patient"].iloc[0] in (patient, *donors)] if parts else []
        index = np.concatenate([np.arange(starts[i], starts[i + 1]) for i in used])
        mine = cells.iloc[index].reset_index(drop=True)
        own = all_contigs[all_contigs["sample"].isin(mine.loc[mine["patient"] == patient, "sample"])]
        clonality, groups = call_clonality(
            vstack([ig[i] for i in used], format="csr"), symbols[ig_columns], mine, own, patient=patient,
            settings=settings["call_clonality"],
        )  # fmt: skip
        clones = clonality.set_index("cell")
        joined = with_receptors(mine.drop(columns="light_chain"), clonality)
        drivers = call_drivers(
            pd.DataFrame(np.vstack([driver[i] for i in used]), columns=driver_genes), joined, groups, panel,
            patient=patient, settings=settings["call_drivers"], healthy=patient in donors,
        )  # fmt: skip
        tumour = drivers[drivers["group"] == "tumour"].iloc[0]
        subtype = truth.at[patient, "subtype"]
        malignant = mine.set_index("cell")["malignant"].reindex(clones.index)
        clonal = clones["clonal"].astype(bool)
        rows.append(
            {
                "patient": patient, "subtype": subtype, "expected": CLASS_OF.get(subtype, subtype),
                "tc_class": tumour["tc_class"], "tc_confidence": tumour["tc_confidence"], "n_cells": tumour["n_cells"],
                "malignant": int(malignant.sum()), "plasma": len(malignant),
                "clonal_precision": malignant[clonal].mean() if clonal.any() else np.nan,
                "clonal_recall": clonal[malignant].mean() if malignant.any() else np.nan,
                "dominant_precision": malignant[clones["clonotype_dominant"]].mean(),
                "light_chain": truth.at[patient, "light_chain"],
                "chain_called": "/".join(sorted(set(groups.loc[groups["verdict"] == "restricted", "chain"]))),
                "reason": tumour["tc_reason"],
            }
        )  # fmt: skip
        all_groups.append(groups.assign(truth=truth.at[patient, "light_chain"]))
        all_drivers.append(drivers)
        receptors.append(clonality)
    visits = sheet[["patient", "timepoint", "day", "batch"]]
    identity = check_identity(
        profiles, visits, pd.concat(receptors, ignore_index=True), read_resource(RESOURCES / "identity_genes.tsv"),
        settings=settings["check_identity"],
    )  # fmt: skip
    return {
        "patients": pd.DataFrame(rows), "groups": pd.concat(all_groups, ignore_index=True),
        "drivers": pd.concat(all_drivers, ignore_index=True), "identity": identity,
    }  # fmt: skip


def summary(result: Mapping[str, pd.DataFrame]) -> str:
    """The figures in words."""
    table, identity = result["patients"], result["identity"]
    sick, donors = table[table["subtype"] != ""], table[table["subtype"] == ""]
    called = sick[sick["tc_class"] != "not assessable"]
    right = (called["tc_class"] == called["expected"]).sum()
    chain = sick[sick["chain_called"] != ""]
    calls = identity.loc[identity["check"] == "overall", "call"].value_counts().to_dict()
    return "\n".join(
        [
            f"TC class right: {right} of {len(called)} called, of {len(sick)} patients "
            f"({len(sick) - len(called)} not assessable)",
            f"classes invented in healthy donors: {(donors['tc_class'] != 'not assessable').sum()} of {len(donors)}",
            f"restricted light chain right: {(chain['chain_called'] == chain['light_chain']).sum()} of {len(chain)}",
            f"clonal cells: precision {sick['clonal_precision'].mean():.3f}, recall {sick['clonal_recall'].mean():.3f}",
            f"identity of samples: {calls}",
        ]
    )


if __name__ == "__main__":
    raise SystemExit(main())
