"""Mitochondrial variants of a capture's cells: inherited ones, and those that arose in the tumour's clones.

Heteroplasmy drifts as mitochondria are shared out when cells divide, so cells of a clone differ. Numbers are
judgement [J].
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from ..resources import gene_table
from .captures import Capture
from .streams import stream

COLUMNS: tuple[str, ...] = ("cell", "variant", "AD", "DP")
#: Inherited variants of a person; variants that arose before the tumour's founder and in each later clone (mean; one
#: at least).
INHERITED, IN_FOUNDER, IN_CLONE = 12, 3.0, 1.5
#: Heteroplasmy of a new variant in its clone, from and to; SD of the logit by which a later clone departs from it.
LEVEL, DRIFT = (0.2, 1.0), 0.5
#: Sites at which nothing but misread bases is seen, and how often.
QUIET, MISREAD = 20, (0.001, 0.01)
#: Share of a gene's molecules that cover a site: Beta with these parameters; copies of the genome that a cell holds.
COVERED, GENOMES = (2.0, 8.0), 60


def variant_levels(clones: Mapping[str, Any], *, patient: str, seed: int) -> pd.DataFrame:
    """Mean heteroplasmy of each variant in normal cells (column ``""``) and in each clone.

    Index: variant, such as ``3243A>G`` (positions lie in the genes; the bases are drawn, not those of the reference).
    """
    rng = stream(seed, "mitochondria", patient)
    genes = gene_table()
    genes = genes[genes["chromosome"] == "chrM"]
    places = np.concatenate([np.arange(s, e + 1) for s, e in zip(genes["start"], genes["end"], strict=True)])
    order = iter(rng.permutation(places))
    names = ["", *clones]
    rows: dict[str, dict[str, float]] = {}

    def add(levels: dict[str, float]) -> None:
        ref, alt = rng.choice(list("ACGT"), 2, replace=False)
        rows[f"{next(order)}{ref}>{alt}"] = levels

    for _ in range(INHERITED):
        add(dict.fromkeys(names, 0.995))
    for _ in range(QUIET):
        add(dict.fromkeys(names, float(rng.uniform(*MISREAD))))
    for name, clone in clones.items():
        for _ in range(1 + rng.poisson((IN_CLONE if clone["parent"] else IN_FOUNDER) - 1)):
            level = float(rng.uniform(*LEVEL))
            heirs = {name: level}
            for other in clones:  # a clone stands after its parent or before: follow the line upwards
                at, line = other, []
                while at and at != name:
                    line.append(at)
                    at = clones[at]["parent"]
                if at == name and line:
                    moved = np.log(level / (1.001 - level)) + rng.normal(0, DRIFT)
                    heirs[other] = float(1 / (1 + np.exp(-moved)))
            add({n: heirs.get(n, 0.002) for n in names})
    return pd.DataFrame.from_dict(rows, orient="index", columns=names)


def variant_counts(
    capture: Capture, clones: Mapping[str, Any], *, patient: str, sample: str, seed: int
) -> pd.DataFrame:
    """Reads over each variant in each barcode (:data:`COLUMNS`, rows with reads).

    Parameters
    ----------
    clones
        checked clones of the patient; empty for a healthy donor.
    patient, sample
        whose cells these are, and the stream of what is this capture's own.
    """
    levels = variant_levels(clones, patient=patient, seed=seed)
    rng = stream(seed, "mitochondrial reads", sample)
    genes = gene_table()
    row = np.flatnonzero((genes["chromosome"] == "chrM").to_numpy())
    position = levels.index.str.extract(r"^(\d+)", expand=False).astype(int).to_numpy()
    start, end = genes["start"].to_numpy()[row], genes["end"].to_numpy()[row]
    gene = np.array([np.flatnonzero((start <= p) & (p <= end))[0] for p in position])
    covered = stream(seed, "mitochondrial cover", patient).beta(*COVERED, len(levels))
    counts = capture.counts[:, row].toarray()
    depth = rng.binomial(counts[:, gene], covered)
    clone = pd.Index(levels.columns).get_indexer(pd.Index(capture.cells["clone"].fillna("")))
    mean = levels.to_numpy().T[clone]
    share = rng.binomial(GENOMES, mean) / GENOMES
    i, j = np.nonzero(depth)
    ad = rng.binomial(depth[i, j], np.clip(share[i, j], 0.001, 0.999))
    names, barcodes = levels.index.to_numpy(), capture.cells["barcode"].to_numpy()
    return pd.DataFrame({"cell": barcodes[i], "variant": names[j], "AD": ad, "DP": depth[i, j]})[list(COLUMNS)]
