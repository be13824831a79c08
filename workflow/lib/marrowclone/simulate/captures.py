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
from .immunoglobulin import Clonotype, ig_genes, ig_weights
from .transcriptome import Transcriptome, at

#: Weights of the cell types beside plasma cells: fitted to the mean shares of 24 myeloma marrows (B .06,
#: monocytes .33, CD4 .32, CD8 .16, NK .11, DC .015), with the types added that those lack [J].
COMPOSITION: dict[str, float] = {
    "b_cell": 0.06, "monocyte": 0.30, "cd4_t": 0.29, "cd8_t": 0.15, "nk": 0.10, "dendritic": 0.015, "pdc": 0.012,
    "hspc": 0.02, "erythroid": 0.05, "neutrophil": 0.04, "macrophage": 0.01,
}  # fmt: skip
#: Concentration of the Dirichlet by which a sample departs from it (the real marrows differ about as much).
COMPOSITION_SPREAD = 15.0
#: Median non-Ig UMIs beside a plasma cell's 5,000, and ln SD (T and NK fitted to 3,300 and .35; rest [J]).
LIBRARY: dict[str, tuple[float, float]] = {
    "b_cell": (0.60, 0.35), "cd4_t": (0.66, 0.35), "cd8_t": (0.62, 0.35), "nk": (0.60, 0.35), "monocyte": (0.85, 0.40),
    "macrophage": (1.30, 0.50), "dendritic": (1.30, 0.45), "pdc": (1.0, 0.40), "neutrophil": (0.40, 0.45),
    "erythroid": (1.30, 0.60), "hspc": (1.60, 0.45),
}  # fmt: skip
#: Mitochondrial share: mean and concentration of a Beta (lymphoma cells have a median of .08; plasma cells more).
MITO = {"plasma": (0.09, 40.0), "other": (0.07, 40.0), "dying": (0.50, 12.0)}
#: Relative output of the 13 mitochondrial genes in genome order [J].
MITO_WEIGHTS = np.array([5, 4, 9, 10, 1.5, 6, 10, 6, 1.5, 7, 3, 0.5, 8], dtype=float)
#: Ig share of B cells, and concentration of the Beta by which cells differ.
B_CELL_IG = 0.03
IG_CONCENTRATION = 6.0
#: Per-cell SD of the activity of programmes that differ between cells [J].
CELL_PROGRAMMES: dict[str, float] = {"stress": 0.7, "interferon": 0.4, "hypoxia": 0.4, "upr": 0.5}
#: Genes that lysed erythroid and myeloid cells add to the ambient RNA, in parts per hundred of it.
LYSED: dict[str, float] = {"HBB": 3.0, "HBA1": 1.2, "HBA2": 1.8, "S100A8": 0.6, "S100A9": 0.7, "LYZ": 0.3}
CHUNK = 128


@dataclass(frozen=True)
class Kinds:
    """What a capture can hold: profiles of normal types and clones (CPM), and the tumour's Ig."""

    normal: Mapping[str, np.ndarray]
    clones: Mapping[str, np.ndarray]
    clonotype: Clonotype | None
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
    """

    counts: sp.csr_matrix
    cells: pd.DataFrame


def draw_cells(
    sample: Mapping[str, Any], *, burden: np.ndarray, clones: tuple[str, ...], n: int, rng: np.random.Generator
) -> pd.DataFrame:
    """Types and clones of ``n`` cells.

    ``burden`` is per clone, per nucleated marrow cell. Of plasma cells, the malignant share is
    burden / (burden + normal plasma cells); sorting enriches both alike.
    """
    total = float(burden.sum())
    normal = sample["capture"]["normal_plasma"] * (1.0 - total)
    fraction = sample["plasma_fraction"]
    n_plasma = rng.binomial(n, min(1.0, total + normal) if fraction is None else fraction)
    n_malignant = rng.binomial(n_plasma, total / (total + normal)) if total > 0 else 0
    weights = {**COMPOSITION, **sample["composition"]}
    shares = rng.dirichlet(COMPOSITION_SPREAD * np.array(list(weights.values())) / sum(weights.values()) + 1e-9)
    cell_type = np.concatenate([np.repeat("plasma", n_plasma), rng.choice(list(weights), size=n - n_plasma, p=shares)])
    clone = np.full(n, "", dtype=object)
    if n_malignant:
        clone[:n_malignant] = rng.choice(np.array(clones, dtype=object), size=n_malignant, p=burden / total)
    return pd.DataFrame({"cell_type": cell_type.astype(object), "clone": clone})


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
        (clones,) at the sample's day.
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
    partners = draw_cells(sample, burden=burden, clones=clones, n=n_double, rng=rng)
    batch = np.exp(batch_rng.normal(0.0, settings["batch_sd"], len(gene_table())))
    quality = np.where(rng.random(n_cells) < settings["dying"], "dying", "good")
    own, light, cycling = _counts(cells, quality, kinds, transcriptome, batch, settings, rng)
    pairs, _, _ = _counts(partners, np.full(n_double, "good"), kinds, transcriptome, batch, settings, rng)
    first = rng.permutation(n_cells)[:n_double]
    partner = np.full(n_cells, "", dtype=object)
    partner[first] = partners["cell_type"].to_numpy()
    put = sp.csr_matrix((np.ones(n_double), (first, np.arange(n_double))), shape=(n_cells, n_double), dtype=np.int32)
    own = (own + put @ pairs).tocsr()
    counts = _add_ambient(own, n_empty, settings, rng)
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
    return Capture(counts[order].tocsr(), truth)


def draw_barcodes(n: int, rng: np.random.Generator) -> list[str]:
    """``n`` distinct 16-base barcodes with the suffix ``-1``."""
    out: dict[str, None] = {}
    while len(out) < n:
        letters = np.array(list("ACGT"))[rng.integers(0, 4, size=(n - len(out), 16))]
        out.update(dict.fromkeys("".join(row) + "-1" for row in letters))
    return list(out)


def _library(cells: pd.DataFrame, settings: Mapping[str, Any], rng: np.random.Generator) -> np.ndarray:
    """(n,) non-Ig UMIs that the cells would yield."""
    sizes = {"plasma": (1.0, settings["plasma_umi_sd"]), **LIBRARY}
    scale = np.array([sizes[t][0] for t in cells["cell_type"]])
    spread = np.array([sizes[t][1] for t in cells["cell_type"]])
    return settings["plasma_umi"] * settings["depth"] * scale * np.exp(spread * rng.standard_normal(len(cells)))


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
) -> tuple[sp.csr_matrix, np.ndarray, np.ndarray]:
    """Counts without ambient RNA (n x G), light chain and cycling of each cell."""
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
    ig, light = _ig_counts(cells, library, kinds, settings, rng)
    counts = counts + _scatter(mitochondrial, rows, counts.shape) + _scatter(ig, ig_genes()[0], counts.shape)
    return counts.tocsr(), light, cycling


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
    blocks = []
    for start in range(0, len(cells), CHUNK):
        part = slice(start, start + CHUNK)
        mean = profile[kind[part]] * library[part, None].astype(np.float32)
        for rows, weights, z in activity:
            here = place[rows]
            found = here >= 0
            mean[:, here[found]] *= np.exp(z[part, None] * weights[None, found]).astype(np.float32)
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
) -> tuple[np.ndarray, np.ndarray]:
    """Ig counts (n x Ig genes) and the light chain of each cell (empty where it has none)."""
    n = len(cells)
    plasma = (cells["cell_type"] == "plasma").to_numpy()
    b_cell = (cells["cell_type"] == "b_cell").to_numpy()
    malignant = (cells["clone"] != "").to_numpy()
    weights, kappa = ig_weights(n, None, rng)
    if kinds.clonotype is not None and malignant.any():
        weights[malignant], kappa[malignant] = ig_weights(int(malignant.sum()), kinds.clonotype, rng)
    mean = np.where(plasma, settings["ig_fraction"], np.where(b_cell, B_CELL_IG, 0.0))
    share = np.where(mean > 0, _beta(np.clip(mean, 1e-3, 0.95), IG_CONCENTRATION, n, rng), 0.0).clip(max=0.9)
    counts = rng.poisson((library * share / (1.0 - share))[:, None] * weights)
    light = np.where(plasma | b_cell, np.where(kappa, "kappa", "lambda"), "")
    return counts, light


def _add_ambient(
    own: sp.csr_matrix, n_empty: int, settings: Mapping[str, Any], rng: np.random.Generator
) -> sp.csr_matrix:
    """Add ambient RNA to all cells, and append ``n_empty`` droplets with nothing else."""
    size = np.asarray(own.sum(axis=1)).ravel()
    soup = np.asarray(own.sum(axis=0)).ravel().astype(float)
    if soup.sum() == 0:
        soup[:] = 1.0
    soup *= (1.0 - sum(LYSED.values()) / 100.0) / soup.sum()
    soup[at(list(LYSED))] += np.array(list(LYSED.values())) / 100.0
    low, high = settings["ambient"]
    share = rng.uniform(low, high)
    # a droplet's soup does not depend on its cell: a share of the typical cell, lognormal .3
    amount = (
        share / (1.0 - share) * (np.median(size) if size.size else 3000.0) * np.exp(rng.normal(0.0, 0.3, size.size))
    )
    empties = np.maximum(share, 0.02) * 5000.0 * np.exp(rng.normal(0.5, 0.6, n_empty))
    total = rng.poisson(np.concatenate([amount, empties]))
    genes = rng.choice(soup.size, size=int(total.sum()), p=soup)
    rows = np.repeat(np.arange(total.size), total)
    added = sp.csr_matrix((np.ones(genes.size, np.int32), (rows, genes)), shape=(total.size, soup.size))
    blank = sp.csr_matrix((n_empty, soup.size), dtype=np.int32)
    out = (sp.vstack([own, blank]) + added).tocsr().astype(np.int32)
    out.sum_duplicates()
    out.sort_indices()
    return out


@cache
def _mito_rows() -> np.ndarray:
    return np.flatnonzero((gene_table()["chromosome"] == "chrM").to_numpy())


def _scatter(dense: np.ndarray, columns: np.ndarray, shape: tuple[int, int]) -> sp.csr_matrix:
    """A dense block in its columns of a wide sparse matrix."""
    block = sp.csr_matrix(dense.astype(np.int32))
    return sp.csr_matrix((block.data, columns[block.indices], block.indptr), shape=shape)
