"""Which cells a capture holds: types, clones, and which of them are caught in one droplet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

#: Weights of the cell types beside plasma cells: fitted to the mean shares of 24 myeloma marrows (B .06,
#: monocytes .33, CD4 .32, CD8 .16, NK .11, DC .015), with the types added that those lack [J].
COMPOSITION: dict[str, float] = {
    "b_cell": 0.06, "monocyte": 0.30, "cd4_t": 0.29, "cd8_t": 0.15, "nk": 0.10, "dendritic": 0.015, "pdc": 0.012,
    "hspc": 0.02, "erythroid": 0.05, "neutrophil": 0.04, "macrophage": 0.01,
}  # fmt: skip
#: Types that are there only when a sample asks for them: 10x libraries of aspirates lose nearly all of them
#: (science 1.1: stroma under .5% of cells). Weights of .002 to .005 are realistic.
RARE: tuple[str, ...] = ("stromal", "megakaryocyte")
#: Concentration of the Dirichlet by which a sample departs from it (the real marrows differ about as much).
COMPOSITION_SPREAD = 15.0
#: Median non-Ig UMIs beside a plasma cell's 5,000, and ln SD (T and NK fitted to 3,300 and .27; rest [J]).
LIBRARY: dict[str, tuple[float, float]] = {
    "b_cell": (0.60, 0.35), "cd4_t": (0.66, 0.27), "cd8_t": (0.62, 0.27), "nk": (0.60, 0.27), "monocyte": (0.85, 0.40),
    "macrophage": (1.30, 0.50), "dendritic": (1.30, 0.45), "pdc": (1.0, 0.40), "neutrophil": (0.40, 0.45),
    "erythroid": (1.30, 0.60), "hspc": (1.60, 0.45), "stromal": (1.20, 0.50), "megakaryocyte": (1.50, 0.70),
}  # fmt: skip


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
    asked = sample["composition"]
    weights = {**COMPOSITION, **{k: v for k, v in asked.items() if k in COMPOSITION or v > 0}}
    shares = rng.dirichlet(COMPOSITION_SPREAD * np.array(list(weights.values())) / sum(weights.values()) + 1e-9)
    cell_type = np.concatenate([np.repeat("plasma", n_plasma), rng.choice(list(weights), size=n - n_plasma, p=shares)])
    clone = np.full(n, "", dtype=object)
    if n_malignant:
        clone[:n_malignant] = rng.choice(np.array(clones, dtype=object), size=n_malignant, p=burden / total)
    return pd.DataFrame({"cell_type": cell_type.astype(object), "clone": clone})


def draw_doublets(
    sample: Mapping[str, Any],
    cells: pd.DataFrame,
    *,
    burden: np.ndarray,
    clones: tuple[str, ...],
    n: int,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Second cells of at most ``n`` doublets, as :func:`draw_cells` gives them.

    They are of the sample's own mixture, or of the types that ``doublet_partners`` weighs. With
    ``doublet_of`` there are no more than ``cells`` has of that type.
    """
    settings = sample["capture"]
    if settings["doublet_of"]:
        n = min(n, int((cells["cell_type"] == settings["doublet_of"]).sum()))
    partners = draw_cells(sample, burden=burden, clones=clones, n=n, rng=rng)
    weights = settings["doublet_partners"]
    if not weights:
        return partners
    share = np.array(list(weights.values()), dtype=float)
    kind = rng.choice(np.array(list(weights), dtype=object), size=n, p=share / share.sum())
    plasma = draw_cells({**sample, "plasma_fraction": 1.0}, burden=burden, clones=clones, n=n, rng=rng)
    clone = rng.permutation(plasma["clone"].to_numpy())
    return pd.DataFrame({"cell_type": kind, "clone": np.where(kind == "plasma", clone, "").astype(object)})


def first_cells(settings: Mapping[str, Any], cells: pd.DataFrame, n: int, rng: np.random.Generator) -> np.ndarray:
    """(n,) rows of the cells that become doublets."""
    order = rng.permutation(len(cells))
    if settings["doublet_of"]:
        order = order[(cells["cell_type"] == settings["doublet_of"]).to_numpy()[order]]
    return order[:n]
