"""Mean expression of a patient's cells: normal types with the person's own effect, and clones."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np

from ..resources import gene_table
from .events import arm_names, arm_states, dosage, lineage
from .streams import stream
from .transcriptome import TYPES, Transcriptome, at, drivers

#: Genes that a tumour may switch on beside its driver: (symbol, CPM, share of patients) (science 1.2; CPM [J]).
ABERRANT: tuple[tuple[str, float, float], ...] = (
    ("NCAM1", 150.0, 0.65), ("KIT", 120.0, 0.30), ("CD28", 60.0, 0.20), ("CD200", 120.0, 0.70),
    ("LAMP5", 300.0, 0.5), ("FRZB", 200.0, 0.3), ("DKK1", 200.0, 0.3), ("HGF", 200.0, 0.4), ("ITGB7", 150.0, 0.2),
)  # fmt: skip
#: Genes that tumours lower: factor and share of patients (science 1.2: CD27, CD81, CD19 usually dim) [J].
DIMMED: tuple[tuple[str, float, float], ...] = (("CD27", 0.15, 0.6), ("CD81", 0.4, 0.6), ("PTPRC", 0.5, 0.6))
ANTIGEN = "TNFRSF17"
#: Programme activity by phenotype of a clone.
PROGRAMME_OF: dict[str, str] = {"resistant": "resistance", "dormant": "persistence"}


@cache
def gene_arms() -> np.ndarray:
    """(G,) position in :func:`~marrowclone.simulate.events.arm_names`, -1 outside the autosomes."""
    genes = gene_table()
    index = {a: i for i, a in enumerate(arm_names())}
    names = genes["chromosome"].str.removeprefix("chr") + genes["arm"]
    return np.array([index.get(n, -1) for n in names], dtype=int)


def normal_profiles(
    transcriptome: Transcriptome, *, patient: str, sex: str, seed: int, germline_sd: float
) -> dict[str, np.ndarray]:
    """Cell type -> (G,) CPM of this person's normal cells."""
    genes = gene_table()
    own = np.exp(transcriptome.effects.draw(stream(seed, "germline", patient), germline_sd))
    if sex == "female":
        own[(genes["chromosome"] == "chrY").to_numpy()] = 0.0
    profiles = {name: transcriptome.levels[name] * own for name in TYPES}
    for name in profiles:
        profiles[name][at(["XIST"])] = 120.0 if sex == "female" else 0.0
    return {k: 1e6 * v / v.sum() for k, v in profiles.items()}


def clone_profiles(
    normal: np.ndarray,
    transcriptome: Transcriptome,
    spec: Mapping[str, Any],
    *,
    patient: str,
    seed: int,
    expression: Mapping[str, float],
) -> dict[str, np.ndarray]:
    """Clone -> (G,) CPM of its cells.

    The tumour's own level of each gene (patient and driver effects) x clone effect x
    copy-number dosage x programme of the phenotype, then scaled to a million: a gain
    takes its share from all other genes, as it does in a real library.

    Parameters
    ----------
    normal
        (G,) CPM of this person's normal plasma cells.
    spec
        the checked patient.
    expression
        ``dosage``, ``patient_sd``, ``clone_sd``.
    """
    clones = spec["clones"]
    if not clones:
        return {}
    rng = stream(seed, "tumour", patient)
    tumour = normal * np.exp(transcriptome.effects.draw(rng, expression["patient_sd"]))
    for symbol, level, share in ABERRANT:
        if rng.random() < share:
            tumour[at([symbol])] = level
    for symbol, factor, share in DIMMED:
        if rng.random() < share:
            tumour[at([symbol])] *= factor
    levels = {**drivers().get(spec["subtype"], {}), **spec["drivers"]}
    if levels:
        tumour[at(list(levels))] = [float(v) for v in levels.values()]
    parents = {n: c["parent"] for n, c in clones.items()}
    states = arm_states({n: c["events"] for n, c in clones.items()}, parents)
    factors = dosage(states, exponent=expression["dosage"])
    arms = gene_arms()
    out = {}
    for name, clone in clones.items():
        # a clone inherits the drift of its ancestors: kin are alike beyond their copy number
        drift = np.zeros(normal.size)
        for ancestor in lineage(name, parents)[1:]:
            drift += transcriptome.effects.draw(stream(seed, "clone", patient, ancestor), expression["clone_sd"])
        profile = tumour * np.exp(drift)
        profile *= np.where(arms >= 0, factors.loc[name].to_numpy()[arms], 1.0)
        if clone["phenotype"] in PROGRAMME_OF:
            rows, weights = transcriptome.programmes[PROGRAMME_OF[clone["phenotype"]]]
            profile[rows] *= np.exp(weights)
        if any(clones[a]["phenotype"] == "antigen_loss" for a in lineage(name, parents)):
            profile[at([ANTIGEN])] = 0.0
        out[name] = 1e6 * profile / profile.sum()
    return out
