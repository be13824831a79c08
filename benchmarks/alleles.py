"""Clones with and without allele counts, on simulated captures with known truth.

    PYTHONPATH=workflow/lib python benchmarks/alleles.py --seeds 5 6 7 --out benchmarks/results

The clone step alone is judged: it is given the true malignant cells (doublets among them), the true types of the
others, and no reference. Each scenario is one capture of one patient.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import adjusted_rand_score

from marrowclone import config as configuration
from marrowclone.clones.allele_files import read_alleles
from marrowclone.clones.alleles import call_alleles, patient_blocks
from marrowclone.clones.extra import Extra
from marrowclone.clones.infer import Clones, infer_clones
from marrowclone.clones.phase import estimate_noise
from marrowclone.clones.phases import learn_phases
from marrowclone.clones.snps import Alleles, informative_snps
from marrowclone.resources import gene_table
from marrowclone.simulate import simulate

TRUNK = ["+9", "+11", "-13q"]
#: Scenario -> events of the second clone, and its share.
SCENARIOS: dict[str, tuple[list[str], float]] = {
    "one": ([], 0.0),
    "third": (["cnloh7"], 0.33),
    "third_one_arm": (["cnloh7q"], 0.33),
    "tenth": (["cnloh7"], 0.10),
}
#: Gains of an arm from which they are shown.
LOWEST_GAIN = 4.0


def specification(events: list[str], share: float, *, seed: int, cells: int, depth: float) -> dict[str, Any]:
    """A patient with a trunk, one clone or two, and one sorted capture with normal cells."""
    clones: dict[str, Any] = {"A": {"events": TRUNK, "fraction": 1 - share}}
    if share:
        clones["B"] = {"parent": "A", "events": events, "fraction": share}
    sample = {
        "timepoint": "diagnosis", "day": 0, "cells": cells, "plasma_fraction": 0.75, "sort": "CD138+", "alleles": True,
        "capture": {"depth": depth},
    }  # fmt: skip
    patient = {"group": "relapse_linear", "burden": 0.4, "clones": clones, "samples": [sample]}
    return {"name": "alleles", "seed": seed, "patients": {"P": patient}}


def as_alleles(table: pd.DataFrame, sample: str, *, phased: bool) -> Alleles:
    """A simulated table as :func:`marrowclone.clones.allele_files.read_alleles` reads it from a file, with cell ids."""
    with tempfile.TemporaryDirectory(prefix="alleles_") as folder:
        path = Path(folder) / "df_allele.tsv"
        table.to_csv(path, sep="\t", index=False)
        found = read_alleles(path)
    counts = found.counts.assign(barcode=sample + ":" + found.counts["barcode"])
    counts = counts.sort_values(["barcode", "snp"], kind="stable").reset_index(drop=True)
    return Alleles(found.snps if phased else found.snps.assign(gt=""), counts)


def judge(
    name: str, *, seed: int, cells: int, depth: float, phased: bool, settings: Mapping[str, Any], gains: bool
) -> dict[str, Any]:
    """One scenario and seed: clones found with and without alleles, and arms called."""
    events, share = SCENARIOS[name]
    cohort = simulate(specification(events, share, seed=seed, cells=cells, depth=depth))
    sample, capture = next(cohort.captures())
    truth = capture.cells.assign(cell=sample + ":" + capture.cells["barcode"], sample=sample)
    good = truth["quality"].eq("good").to_numpy()
    malignant = np.flatnonzero(good & truth["malignant"].to_numpy(bool))
    order = malignant[np.argsort(truth["cell"].to_numpy()[malignant], kind="stable")]
    ids = truth["cell"].to_numpy(str)[order]
    plasma = truth.loc[good & truth["cell_type"].eq("plasma"), "cell"].to_numpy(str)
    infer = settings["infer_clones"]
    pooled = as_alleles(cohort.alleles(sample, capture), sample, phased=phased)
    alleles = informative_snps(pooled, malignant=ids, plasma=plasma, settings=infer)

    def clones(extra: Extra | None) -> Clones:
        genes = gene_table().set_index("symbol")
        table = truth.iloc[order][["cell", "sample"]].reset_index(drop=True)
        return infer_clones(capture.counts[order], table, genes, pd.DataFrame(), settings=infer, seed=1, extra=extra)

    started = time.perf_counter()
    found = clones(Extra(alleles=alleles))
    seconds = time.perf_counter() - started
    bare = clones(None)
    true = truth.set_index("cell")["clone"]
    agreed = [adjusted_rand_score(true[c.cells["cell"]], c.cells["best_clone"]) for c in (found, bare)]
    row = {
        "scenario": name, "seed": seed, "cells": len(ids), "phased": phased, "depth": depth,
        "reads_per_cell": round(float(alleles.counts["dp"].sum() / max(len(plasma), 1)), 1),
        "true_clones": true[ids].nunique(), "clones": len(found.summary), "clones_without": len(bare.summary),
        "ari": round(agreed[0], 3), "ari_without": round(agreed[1], 3), "seconds": round(seconds, 1),
    }  # fmt: skip
    calls = call_alleles(alleles, found.cells, pd.DataFrame(), reading=infer, settings=settings["call_alleles"])
    row |= arms_right(calls, found, true)
    return row | (gain_of_arms(alleles, ids, events, infer) if gains else {})


def gain_of_arms(alleles: Alleles, ids: np.ndarray, events: list[str], infer: Mapping[str, Any]) -> dict[str, Any]:
    """Gain of the arms that part the clones, and the largest of all others (0 below :data:`LOWEST_GAIN`)."""
    blocks = patient_blocks(alleles, ids.tolist(), settings=infer)
    tumour = np.isin(blocks.cells, ids)
    gains = learn_phases(
        blocks, tumour, estimate_noise(blocks, tumour), settings={**infer, "min_phase_gain": LOWEST_GAIN}
    )
    named = [e.removeprefix("cnloh") for e in events]
    lost = {a for e in named for a in ([e] if e[-1] in "pq" else [e + "p", e + "q"])}
    own = [gains[a].gain if a in gains else 0.0 for a in sorted(lost)]
    others = [g.gain for a, g in gains.items() if a not in lost]
    return {"gain_lost": round(min(own), 1) if own else np.nan, "gain_others": round(max(others, default=0.0), 1)}


def arms_right(calls: pd.DataFrame, found: Clones, true: pd.Series) -> dict[str, Any]:
    """Calls of 13q, lost in all cells, of chromosome 7 in the clone that lost it, and of arms that are even in all."""
    arm = calls["chromosome"].str.removeprefix("chr") + calls["arm"]
    even = calls[~arm.str.match(r"^(7|9|11|13)[pq]$")]
    return {
        "lost_13q": f"{(calls.loc[arm == '13q', 'call'] == 'LOH').sum()}/{(arm == '13q').sum()}",
        "even_wrong": f"{(~even['call'].isin(['balanced', 'not called'])).sum()}/{len(even)}",
        "even_not_called": f"{(even['call'] == 'not called').sum()}/{len(even)}",
        "lost_7": f"{(calls.loc[arm.isin(['7p', '7q']), 'call'] == 'LOH').sum()}",
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status."""
    parser = argparse.ArgumentParser(description="Clones with and without allele counts, on simulated captures.")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(5, 15)), help="seeds of the cohorts")
    parser.add_argument("--scenarios", nargs="+", default=list(SCENARIOS), choices=list(SCENARIOS), help="which")
    parser.add_argument("--cells", type=int, default=450, help="barcodes of the capture")
    parser.add_argument("--depth", type=float, default=1.0, help="factor on all UMIs")
    parser.add_argument("--unphased", action="store_true", help="without genotypes and phase")
    parser.add_argument("--gains", action="store_true", help="show the gains of arms, too (slow)")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"), help="folder to write")
    options = parser.parse_args(arguments)
    settings = configuration.load({"samples": "samples.tsv"})["clones"]
    rows = []
    for name in options.scenarios:
        for seed in options.seeds:
            one = judge(
                name, seed=seed, cells=options.cells, depth=options.depth, phased=not options.unphased,
                settings=settings, gains=options.gains,
            )  # fmt: skip
            rows.append(one)
            print(" ".join(f"{k}={v}" for k, v in one.items()), flush=True)
    table = pd.DataFrame(rows)
    options.out.mkdir(parents=True, exist_ok=True)
    table.to_csv(options.out / "alleles.tsv", sep="\t", index=False)
    for name, mine in table.groupby("scenario", sort=False):
        right, bare = ((mine[c] == mine["true_clones"]).sum() for c in ("clones", "clones_without"))
        print(
            f"{name}: right number of clones in {right} of {len(mine)}, ARI {mine['ari'].min():.2f} to "
            f"{mine['ari'].max():.2f}; without alleles in {bare}"
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
