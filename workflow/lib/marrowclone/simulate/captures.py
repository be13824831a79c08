"""One capture: which cells it holds, and their counts.

Counts are gamma-Poisson with multiplicative effects: library x profile of the cell's kind x
capture effect x programmes; then Ig and mitochondrial UMIs, doublets and ambient RNA are
added. This is not the model by which anything is inferred.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from ..resources import gene_table
from .composition import LIBRARY, draw_cells, draw_doublets, first_cells
from .droplets import add_ambient, draw_barcodes
from .immunoglobulin import NO_HEAVY, Clonotype, Receptors, ig_genes, ig_weights, of_clones, polyclonal, put
from .transcriptome import Transcriptome

#: Mitochondrial share: mean and concentration of a Beta (lymphoma cells have a median of .08; plasma cells more).
MITO = {"plasma": (0.09, 40.0), "other": (0.07, 40.0), "dying": (0.50, 12.0)}
#: Relative output of the 13 mitochondrial genes in genome order [J].
MITO_WEIGHTS = np.array([5, 4, 9, 10, 1.5, 6, 10, 6, 1.5, 7, 3, 0.5, 8], dtype=float)
#: Ig share of B cells, and concentration of the Beta by which cells differ.
B_CELL_IG = 0.03
IG_CONCENTRATION = 6.0
#: Per-cell SD of the activity of programmes that differ between cells [J].
CELL_PROGRAMMES: dict[str, float] = {"stress": 0.7, "interferon": 0.4, "hypoxia": 0.4, "upr": 0.5}
CHUNK = 128


@dataclass(frozen=True)
class Kinds:
    """What a capture can hold: profiles of normal types and clones (CPM), and the clones' Ig."""

    normal: Mapping[str, np.ndarray]
    clones: Mapping[str, np.ndarray]
    clonotypes: Mapping[str, Clonotype]
    cycling: Mapping[str, float]


@dataclass(frozen=True)
class Capture:
    """Counts and truth of one capture.

    Attributes
    ----------
    counts
        (barcodes x G) CSR int32.
    cells
        DataFrame, a row per barcode: barcode, cell_type (empty for an empty droplet),
        malignant, clone, doublet, partner, quality (good, dying, empty), light_chain, cycling.
    receptors
        DataFrame, a row per plasma or B cell (two of a barcode when two of them make a
        doublet): barcode, cell_type, clone, quality, and light, light_v, heavy, heavy_v, secretes_heavy
        as in :class:`~marrowclone.simulate.immunoglobulin.Receptors`.
    """

    counts: sp.csr_matrix
    cells: pd.DataFrame
    receptors: pd.DataFrame


def simulate_capture(
    sample: Mapping[str, Any],
    kinds: Kinds,
    transcriptome: Transcriptome,
    *,
    burden: np.ndarray,
    rng: np.random.Generator,
    batch_rng: np.random.Generator,
) -> Capture:
    """Draw one capture.

    Parameters
    ----------
    sample
        the checked sample of the specification.
    burden
        (clones,) that the sample's puncture holds, per nucleated cell.
    rng, batch_rng
        streams of the sample and of its batch.
    """
    settings = sample["capture"]
    n = sample["cells"]
    n_empty = int(rng.binomial(n, settings["empty"]))
    n_cells = n - n_empty
    clones = tuple(kinds.clones)
    n_double = int(rng.binomial(n_cells, settings["doublet_rate"]))
    cells = draw_cells(sample, burden=burden, clones=clones, n=n_cells, rng=rng)
    partners = draw_doublets(sample, cells, burden=burden, clones=clones, n=n_double, rng=rng)
    n_double = len(partners)
    batch = np.exp(transcriptome.effects.draw(batch_rng, settings["batch_sd"]))
    quality = np.where(rng.random(n_cells) < settings["dying"], "dying", "good")
    own, ig, cycling = _counts(cells, quality, kinds, transcriptome, batch, settings, rng)
    good = np.full(n_double, "good")
    pairs, pair_ig, _ = _counts(partners, good, kinds, transcriptome, batch, settings, rng)
    first = first_cells(settings, cells, n_double, rng)
    partner = np.full(n_cells, "", dtype=object)
    partner[first] = partners["cell_type"].to_numpy()
    join = sp.csr_matrix((np.ones(n_double), (first, np.arange(n_double))), shape=(n_cells, n_double), dtype=np.int32)
    own = (own + join @ pairs).tocsr()
    counts = add_ambient(own, n_empty, settings, rng)
    rearranged = _lineage_b(cells)
    light = np.where(rearranged, np.where(ig.kappa, "kappa", "lambda"), "")
    truth = pd.DataFrame(
        {
            "cell_type": np.concatenate([cells["cell_type"], np.full(n_empty, "")]),
            "malignant": np.concatenate([cells["clone"].to_numpy() != "", np.zeros(n_empty, bool)]).astype(bool),
            "clone": np.concatenate([cells["clone"], np.full(n_empty, "")]),
            "doublet": np.concatenate([partner != "", np.zeros(n_empty, bool)]).astype(bool),
            "partner": np.concatenate([partner, np.full(n_empty, "")]),
            "quality": np.concatenate([quality, np.full(n_empty, "empty")]),
            "light_chain": np.concatenate([light, np.full(n_empty, "")]),
            "cycling": np.concatenate([cycling, np.zeros(n_empty, bool)]).astype(bool),
        }
    )
    order = rng.permutation(n)
    truth = truth.iloc[order].reset_index(drop=True)
    truth.insert(0, "barcode", draw_barcodes(n, rng))
    place = np.empty(n, dtype=int)
    place[order] = np.arange(n)
    receptors = pd.concat(
        [
            _receptor_table(cells.assign(quality=quality, row=place[:n_cells]), ig),
            _receptor_table(partners.assign(quality=good, row=place[first]), pair_ig),
        ],
        ignore_index=True,
    )
    receptors.insert(0, "barcode", truth["barcode"].to_numpy()[receptors.pop("row").to_numpy(int)])
    return Capture(counts[order].tocsr(), truth, receptors)


def _library(cells: pd.DataFrame, settings: Mapping[str, Any], rng: np.random.Generator) -> np.ndarray:
    """(n,) non-Ig UMIs that the cells would yield; lognormal, but for types other than plasma cells with a longer
    upper tail (fitted to T cells: an exponential gives half of the variance of ln UMIs; median 0, SD 1)."""
    sizes = {"plasma": (1.0, settings["plasma_umi_sd"]), **LIBRARY}
    scale = np.array([sizes[t][0] for t in cells["cell_type"]])
    spread = np.array([sizes[t][1] for t in cells["cell_type"]])
    noise = rng.standard_normal(len(cells))
    other = (cells["cell_type"] != "plasma").to_numpy()
    noise[other] = 0.75 * noise[other] + 0.66 * (rng.standard_exponential(int(other.sum())) - 1.0) + 0.09
    return settings["plasma_umi"] * settings["depth"] * scale * np.exp(spread * noise)


def _beta(mean: np.ndarray | float, concentration: np.ndarray | float, n: int, rng: np.random.Generator) -> np.ndarray:
    return rng.beta(np.asarray(mean) * concentration, (1.0 - np.asarray(mean)) * concentration, size=n)


def _counts(
    cells: pd.DataFrame,
    quality: np.ndarray,
    kinds: Kinds,
    transcriptome: Transcriptome,
    batch: np.ndarray,
    settings: Mapping[str, Any],
    rng: np.random.Generator,
) -> tuple[sp.csr_matrix, Receptors, np.ndarray]:
    """Counts without ambient RNA (n x G), rearrangements and cycling of each cell."""
    n = len(cells)
    plasma = (cells["cell_type"] == "plasma").to_numpy()
    dying = quality == "dying"
    library = _library(cells, settings, rng) * np.where(dying, rng.uniform(0.12, 0.40, n), 1.0)
    mean = np.where(dying, MITO["dying"][0], np.where(plasma, MITO["plasma"][0], MITO["other"][0]))
    mito = _beta(mean, np.where(dying, MITO["dying"][1], MITO["plasma"][1]), n, rng)
    rate = np.array([kinds.cycling.get(c, 0.0) for c in cells["clone"]])
    rate = np.where(cells["clone"] == "", np.where(cells["cell_type"].isin(["hspc", "erythroid"]), 0.2, 0.005), rate)
    cycling = rng.random(n) < rate
    counts = _nuclear(cells, library * (1.0 - mito), cycling, kinds, transcriptome, batch, rng)
    rows = _mito_rows()
    weights = MITO_WEIGHTS * batch[rows]
    mitochondrial = rng.poisson((library * mito)[:, None] * (weights / weights.sum())[None, :])
    ig, receptors = _ig_counts(cells, library, kinds, settings, rng)
    counts = counts + _scatter(mitochondrial, rows, counts.shape) + _scatter(ig, ig_genes()[0], counts.shape)
    return counts.tocsr(), receptors, cycling


def _nuclear(
    cells: pd.DataFrame,
    library: np.ndarray,
    cycling: np.ndarray,
    kinds: Kinds,
    transcriptome: Transcriptome,
    batch: np.ndarray,
    rng: np.random.Generator,
) -> sp.csr_matrix:
    """Gamma-Poisson counts of all genes but Ig and mitochondrial ones (n x G)."""
    names = np.where(cells["clone"] != "", "clone " + cells["clone"].astype(str), cells["cell_type"]).astype(str)
    kind_names, kind = np.unique(names, return_inverse=True)
    profile = np.empty((len(kind_names), batch.size))
    for i, name in enumerate(kind_names):
        level = kinds.clones[name[6:]] if name.startswith("clone ") else kinds.normal[name]
        profile[i] = level * batch
    profile /= np.maximum(profile.sum(axis=1, keepdims=True), 1e-300)
    used = np.flatnonzero(profile.sum(axis=0) > 0) if len(kind_names) else np.zeros(0, int)
    place = np.full(batch.size, -1)
    place[used] = np.arange(used.size)
    profile, phi = profile[:, used].astype(np.float32), transcriptome.dispersion[used].astype(np.float32)
    activity = [(*transcriptome.programmes[p], rng.normal(0.0, sd, len(cells))) for p, sd in CELL_PROGRAMMES.items()]
    activity += [(*module, rng.standard_normal(len(cells))) for module in transcriptome.modules]
    activity.append((*transcriptome.programmes["cycling"], cycling.astype(float)))
    fields = transcriptome.cell_fields[:, used]
    scores = rng.standard_normal((len(cells), len(fields)), dtype=np.float32)
    blocks = []
    for start in range(0, len(cells), CHUNK):
        part = slice(start, start + CHUNK)
        mean = profile[kind[part]] * library[part, None].astype(np.float32)
        for rows, weights, z in activity:
            here = place[rows]
            found = here >= 0
            mean[:, here[found]] *= np.exp(z[part, None] * weights[None, found]).astype(np.float32)
        if len(fields):
            mean *= np.exp(scores[part] @ fields)
        gamma = rng.standard_gamma(np.broadcast_to(1.0 / phi, mean.shape), dtype=np.float32)
        block = sp.csr_matrix(rng.poisson(mean * gamma * phi).astype(np.int32))
        blocks.append(
            sp.csr_matrix((block.data, used[block.indices], block.indptr), shape=(block.shape[0], batch.size))
        )
    if not blocks:
        return sp.csr_matrix((0, batch.size), dtype=np.int32)
    return sp.vstack(blocks, format="csr")


def _ig_counts(
    cells: pd.DataFrame, library: np.ndarray, kinds: Kinds, settings: Mapping[str, Any], rng: np.random.Generator
) -> tuple[np.ndarray, Receptors]:
    """Ig counts (n x Ig genes), and the rearrangements that they come from."""
    n = len(cells)
    plasma = (cells["cell_type"] == "plasma").to_numpy()
    malignant = (cells["clone"] != "").to_numpy()
    receptors = polyclonal(n, rng)
    weights = ig_weights(receptors, rng)
    if malignant.any():
        tumour = of_clones(kinds.clonotypes, list(cells["clone"][malignant]))
        weights[malignant] = ig_weights(tumour, rng)
        receptors = put(receptors, malignant, tumour)
    mean = np.where(plasma, settings["ig_fraction"], np.where(_lineage_b(cells), B_CELL_IG, 0.0))
    share = np.where(mean > 0, _beta(np.clip(mean, 1e-3, 0.95), IG_CONCENTRATION, n, rng), 0.0).clip(max=0.9)
    return rng.poisson((library * share / (1.0 - share))[:, None] * weights), receptors


def _lineage_b(cells: pd.DataFrame) -> np.ndarray:
    """(n,) whether a cell has rearranged immunoglobulin genes."""
    return cells["cell_type"].isin(["plasma", "b_cell"]).to_numpy()


def _receptor_table(cells: pd.DataFrame, receptors: Receptors) -> pd.DataFrame:
    """Rows of :attr:`Capture.receptors`, with the row of the capture in place of the barcode."""
    table = cells.assign(
        light=receptors.light, light_v=receptors.light_v, heavy=receptors.heavy, heavy_v=receptors.heavy_v,
        secretes_heavy=receptors.heavy_output > NO_HEAVY,
    )  # fmt: skip
    return table[_lineage_b(cells)]


@cache
def _mito_rows() -> np.ndarray:
    return np.flatnonzero((gene_table()["chromosome"] == "chrM").to_numpy())


def _scatter(dense: np.ndarray, columns: np.ndarray, shape: tuple[int, int]) -> sp.csr_matrix:
    """A dense block in its columns of a wide sparse matrix."""
    block = sp.csr_matrix(dense.astype(np.int32))
    return sp.csr_matrix((block.data, columns[block.indices], block.indptr), shape=shape)
