"""Small synthetic marrows: real gene positions, made-up expression, known copy numbers."""

from types import SimpleNamespace

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import yaml

from marrowclone.copy_number.baseline import usable_genes
from marrowclone.copy_number.exclusions import exclusion_reasons
from marrowclone.resources import RESOURCES, gene_table, read_resource

SCHEMA = RESOURCES.parent / "workflow" / "schemas" / "copy_number.schema.yaml"


@pytest.fixture(scope="session")
def defaults():
    """Default settings per rule, as the schema gives them."""
    rules = yaml.safe_load(SCHEMA.read_text())["properties"]
    return {rule: {k: v["default"] for k, v in spec["properties"].items()} for rule, spec in rules.items()}


@pytest.fixture(scope="session")
def genome():
    """Every third gene of the reference, expressed log-normally; Ig light-chain genes kept."""
    table = gene_table().set_index("symbol")
    light = ["IGKC", *[f"IGLC{i}" for i in range(1, 8)]]
    kept = table.iloc[::3]
    table = table.loc[table.index.isin(kept.index) | table.index.isin(light)]
    rng = np.random.default_rng(7)
    plasma = rng.lognormal(0, 1.2, len(table))
    immune = plasma * rng.lognormal(0, 0.7, len(table))  # another programme, spread over the genome
    silent = table.index.isin(light)
    plasma[silent], immune[silent] = 0, 0
    reasons = exclusion_reasons(table, read_resource(RESOURCES / "cnv_exclusions.tsv"))
    genes = usable_genes(table, reasons)
    return SimpleNamespace(
        table=table, genes=genes, plasma=plasma / plasma.sum(), immune=immune / immune.sum(), light=light
    )


@pytest.fixture(scope="session")
def make_cells(genome):
    """Function: n cells of one kind -> (counts CSR, cell table)."""

    def make(
        n, *, sample, patient, cell_type, events=(), kappa=0.6, depth=4000, effect=None, seed=0, timepoint="diagnosis"
    ):
        rng = np.random.default_rng([seed, n, *map(ord, sample + cell_type)])
        profile = (genome.plasma if cell_type in ("plasma", "tumour", "normal") else genome.immune).copy()
        arm = (genome.table["chromosome"].str.removeprefix("chr") + genome.table["arm"]).to_numpy()
        for event in events:
            factor = 1.4 if event[0] == "+" else 0.6  # one copy with dosage 0.8
            profile[np.char.startswith(arm.astype(str), event[1:]) & (arm == event[1:])] *= factor
        if effect is not None:
            profile = profile * effect
        profile = profile / profile.sum()
        cell_depth = depth * rng.lognormal(0, 0.3, n)
        mean = cell_depth[:, None] * profile[None, :]
        counts = rng.poisson(mean * rng.gamma(3, 1 / 3, mean.shape)).astype(np.int32)
        if cell_type == "plasma":
            is_kappa = rng.random(n) < kappa
            counts[is_kappa, genome.table.index.get_loc("IGKC")] = rng.poisson(300, is_kappa.sum())
            counts[~is_kappa, genome.table.index.get_loc("IGLC2")] = rng.poisson(300, (~is_kappa).sum())
        cells = pd.DataFrame(
            {
                "cell": [f"{sample}:{cell_type}{seed}-{i}" for i in range(n)],
                "sample": sample,
                "patient": patient,
                "timepoint": timepoint,
                "cell_type": cell_type,
                "is_tumour_type": cell_type in ("plasma", "tumour"),
            }
        )
        return sp.csr_matrix(counts), cells

    return make


@pytest.fixture(scope="session")
def join(genome):
    """Function: parts of make_cells -> (AnnData of counts, cell table)."""

    def joined(*parts):
        cells = pd.concat([c for _, c in parts], ignore_index=True)
        matrix = sp.vstack([m for m, _ in parts], format="csr")
        return ad.AnnData(X=matrix, obs=cells.set_index("cell", drop=False)[["sample"]], var=genome.table), cells

    return joined
