"""Ambient RNA taken out of the counts of one capture, with scAR (Sheng 2022, doi 10.1101/2022.01.14.476312).

scAR learns, per cell, its own profile and how much of the droplets' known profile lies on top. Two things of it are
not used as they come:

- Its output (library size x decoded profile) is a smoothed cell that resembles its neighbours; no copy number may be
  read from it. Only its rates are used, to say of each counted UMI how likely it came from the soup, and that many are
  drawn and taken out. What is left is a part of what was counted: never more, never where none was.
- How much is soup is hardly told by the counts: a plasma cell resembles a soup that plasma cells made, and scAR alone
  gives much of it away (measured, ``docs/cells.md``). So each droplet's soup is held, while scAR learns, to what the
  capture's cells hold of genes that they cannot make (``pct_ambient`` of the QC table): droplets differ little.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from importlib import metadata
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse, stats

from .ambient import Ambient
from .genes import hb_mask, ig_mask

#: Sources of an ambient profile that are droplets without a cell.
DROPLETS = ("raw", "unfiltered")
#: A gene seen in fewer cells has no profile to learn. [J]
LEAST_CELLS = 3
#: A soup of fewer genes is a cut file's, or that of few lysed cells: of so few the network learns no cells. [J]
LEAST_GENES = 50
#: No more UMIs of a gene are taken out of a cell than this quantile of the soup's Poisson: a network that has not
#: learnt a rare gene takes all of it for soup. [J]
MOST_QUANTILE = 0.999
#: Largest share of a cell that may be soup: QC drops droplets that hold nothing else. [J]
MOST_SHARE = 0.95
#: With fewer cells that tell their ambient share, the soup's amount is unknown. [J]
LEAST_TOLD = 20
#: Cells whose rates are looked at together.
CHUNK = 512


def why_unchanged(counts: ad.AnnData, qc: pd.DataFrame, ambient: Ambient, settings: Mapping[str, Any]) -> str:
    """Why the counts of a capture stay as they are; empty when they need not. Arguments as :func:`denoise_counts`."""
    kept = qc[qc["keep"]]
    told = int(kept["pct_ambient"].notna().sum())
    if ambient.facts["source"] not in DROPLETS:
        unused = ambient.facts.get("raw_unused")
        why = f"{ambient.facts['source_text']}; raw_path: {unused}" if unused else ambient.facts["source_text"]
        return f"the ambient profile is not from droplets without a cell ({why})"
    if len(kept) < settings["min_cells"]:
        return f"{len(kept)} kept cells are fewer than min_cells ({settings['min_cells']})"
    if told < LEAST_TOLD:
        return f"{told} kept cells tell how much of them is ambient, expected {LEAST_TOLD} (a sorted sample?)"
    rows = counts.obs_names.isin(kept["cell"])
    n_genes = len(modelled_genes(sparse.csr_matrix(counts.X)[rows], ambient, settings["n_genes"]))
    if n_genes < LEAST_GENES:
        return (
            f"{n_genes} genes are in the soup and in {LEAST_CELLS} kept cells or more, expected {LEAST_GENES} (few raw "
            "droplets, or a file cut to chosen genes?)"
        )
    return ""


def typical_soup(qc: pd.DataFrame) -> float:
    """Median ambient UMIs of a kept cell, of those that tell it by genes that they cannot make."""
    kept = qc[qc["keep"] & qc["pct_ambient"].notna()]
    return float((kept["n_umi"] * kept["pct_ambient"] / 100).median())


def soup_share(size: Any, typical: float) -> Any:
    """Share of a cell's UMIs that is soup, at most :data:`MOST_SHARE`; an array or tensor as ``size``.

    Parameters
    ----------
    size
        UMIs of each cell.
    typical
        UMIs of the soup in a typical droplet. What a droplet holds of it does not depend on its cell; left to choose
        within a factor of two, scAR took the upper bound in every type of a simulated capture.
    """
    return (typical / size).clip(max=MOST_SHARE)


def modelled_genes(matrix: sparse.csr_matrix, ambient: Ambient, n_genes: int) -> np.ndarray:
    """Sorted columns of the ``n_genes`` most ambient genes among those seen in :data:`LEAST_CELLS` cells or more."""
    cells = matrix.getnnz(axis=0)
    share = np.where(cells >= LEAST_CELLS, ambient.share, 0.0)
    order = np.argsort(-share, kind="stable")[:n_genes]
    return np.sort(order[share[order] > 0])


def take_out(
    counts: sparse.csr_matrix, native: np.ndarray, soup: np.ndarray, rng: np.random.Generator
) -> sparse.csr_matrix:
    """UMIs to take out, drawn from those that were counted.

    A UMI is the soup's with probability soup / (native + soup): given a sum of two Poisson counts, one of them is
    binomial. The draw, unlike rounding of the expectation, keeps the mean of genes with single UMIs and the
    variance that count models expect.

    Parameters
    ----------
    counts
        cells x genes, CSR without stored zeros.
    native, soup
        the same shape, dense: expected UMIs of the cell's own and of the soup.
    rng
        drawn from entry by entry, in the order of ``counts``: blocks of rows in turn give what all rows give.

    Returns
    -------
    CSR int32, entries between 0 and those of ``counts``.
    """
    rows = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
    own, floating = (rate[rows, counts.indices].astype(np.float64) for rate in (native, soup))
    total = own + floating
    chance = np.divide(floating, total, out=np.zeros_like(total), where=total > 0)
    drawn = rng.binomial(counts.data, np.clip(chance, 0.0, 1.0))
    most = stats.poisson.ppf(MOST_QUANTILE, floating)
    taken = np.minimum(drawn, np.nan_to_num(most)).astype(np.int32)
    return sparse.csr_matrix((taken, counts.indices, counts.indptr), shape=counts.shape)


def denoise_counts(
    counts: ad.AnnData, qc: pd.DataFrame, ambient: Ambient, *, settings: Mapping[str, Any], seed: int, device: str
) -> tuple[sparse.csr_matrix, dict[str, Any]]:
    """Counts of one capture without their ambient RNA.

    Parameters
    ----------
    counts
        a counts file (see :mod:`marrowclone.cells.load`).
    qc
        ``cells.qc``: cell, keep, n_umi, coarse_type, pct_ambient. Only kept cells are learnt from and changed.
    ambient
        profile of all genes, of droplets (:func:`why_unchanged` is empty).
    settings
        the rule's section: n_genes, max_epochs, batch_size, learning_rate, sparsity, torch_threads.
    seed
        of training and draw. Cells are sorted first: their order in the file changes nothing.
    device
        ``cpu`` or ``cuda``.

    Returns
    -------
    matrix
        CSR int32, rows and columns as ``counts``, entries between 0 and those of ``counts``.
    facts
        what was taken out, of all UMIs, of Ig and of haemoglobin, in all kept cells and per coarse type (%).
    """
    matrix = sparse.csr_matrix(counts.X).astype(np.int32)
    table = qc.set_index("cell").reindex(counts.obs_names)
    kept = np.flatnonzero(table["keep"].fillna(False).to_numpy(dtype=bool))
    kept = kept[np.argsort(counts.obs_names.to_numpy(dtype=str)[kept], kind="stable")]
    genes = modelled_genes(matrix[kept], ambient, settings["n_genes"])
    part = matrix[kept][:, genes].tocsr()
    part.sort_indices()
    share = ambient.share[genes] / ambient.share[genes].sum()
    typical = typical_soup(qc) * float(ambient.share[genes].sum())
    model, n_epochs = _train(part, share, typical, settings, seed, device)
    rng = np.random.default_rng(seed)
    taken, noise, start = [], [], 0
    for native, soup in _rates(model):
        block = part[start : start + len(native)]
        taken.append(take_out(block, native, soup, rng))
        noise.append(soup.sum(axis=1) / np.maximum(np.asarray(block.sum(axis=1)).ravel(), 1))
        start += len(native)
    removed = _placed(sparse.vstack(taken, format="csr"), kept, genes, matrix.shape)
    left = (matrix - removed).tocsr().astype(np.int32)
    left.eliminate_zeros()
    left.sort_indices()
    facts = {
        "method": "scar", "reason": "", "source": ambient.facts["source"], "device": device, "seed": seed,
        "n_cells": len(kept), "n_genes": len(genes), "n_epochs": n_epochs,
        "pct_profile_modelled": round(100 * float(ambient.share[genes].sum()), 4),
        "median_pct_ambient": round(100 * float(np.median(np.concatenate(noise))), 4),
        "typical_soup_umi": round(typical_soup(qc), 4),
        "removed": _removed(matrix, removed, counts.var, table["coarse_type"].astype(str).to_numpy(), kept),
        "versions": {name: metadata.version(name) for name in ("scvi-tools", "torch", "lightning")},
    }  # fmt: skip
    return left, facts


def _removed(
    before: sparse.csr_matrix, removed: sparse.csr_matrix, var: pd.DataFrame, types: np.ndarray, kept: np.ndarray
) -> dict[str, dict[str, Any]]:
    """``all`` and each coarse type -> n_cells, and % of UMIs taken out: pct, pct_ig, pct_hb (None of no UMI)."""
    masks = {"pct": np.ones(len(var), bool), "pct_ig": ig_mask(var), "pct_hb": hb_mask(var)}
    had = {name: np.asarray(before @ mask.astype(np.int64)).ravel() for name, mask in masks.items()}
    took = {name: np.asarray(removed @ mask.astype(np.int64)).ravel() for name, mask in masks.items()}
    groups = {"all": kept} | {str(t): kept[types[kept] == t] for t in sorted(set(types[kept]))}
    return {
        group: {"n_cells": len(rows)}
        | {
            name: round(100 * float(took[name][rows].sum() / total), 4) if (total := had[name][rows].sum()) else None
            for name in masks
        }
        for group, rows in groups.items()
    }


def _placed(
    part: sparse.csr_matrix, rows: np.ndarray, columns: np.ndarray, shape: tuple[int, int]
) -> sparse.csr_matrix:
    """A matrix of that shape with ``part`` at these rows and columns."""
    coo = part.tocoo()
    return sparse.csr_matrix((coo.data, (rows[coo.row], columns[coo.col])), shape=shape, dtype=np.int32)


def _train(
    part: sparse.csr_matrix, share: np.ndarray, typical: float, settings: Mapping[str, Any], seed: int, device: str
) -> tuple[Any, int]:
    """A trained SCAR of scvi-tools whose droplets hold about the ``typical`` UMIs of soup, and its epochs."""
    import scvi

    from ..embedding.vae import automatic_epochs, make_deterministic

    make_deterministic(seed, settings["torch_threads"])
    for name in ("lightning.pytorch", "lightning.fabric", "lightning"):
        logging.getLogger(name).setLevel(logging.ERROR)
    n_epochs = settings["max_epochs"] or automatic_epochs(
        part.shape[0], batch_size=settings["batch_size"], optimiser_steps=settings["optimiser_steps"]
    )
    data = ad.AnnData(X=part.astype(np.float32))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scvi.external.SCAR.setup_anndata(data)
        model = scvi.external.SCAR(data, ambient_profile=share.astype(np.float32), sparsity=settings["sparsity"])

        def hold(decoder: Any, given: tuple[Any, Any], out: tuple[Any, ...]) -> tuple[Any, ...]:
            """The decoder gives (profile, soup's share, rate, dropout) for (latent, log size)."""
            return out[0], soup_share(given[1].exp(), typical), *out[2:]

        model.module.decoder.register_forward_hook(hold)
        # scvi-tools' own split: it sets the cells of a last batch of one or two aside, which batch norm cannot take
        model.train(
            max_epochs=n_epochs,
            accelerator="gpu" if device == "cuda" else "cpu",
            devices=1,
            batch_size=settings["batch_size"],
            plan_kwargs={"lr": settings["learning_rate"]},
            enable_progress_bar=False,
            enable_model_summary=False,
            logger=False,
        )
    return model, n_epochs


def _rates(model: Any) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Blocks of rows of the model's data: expected UMIs of the cells' own, and of the soup."""
    import torch

    module = model.module.eval()
    for tensors in model._make_data_loader(adata=model.adata, batch_size=CHUNK):
        with torch.inference_mode():
            inferred = module.inference(**module._get_inference_input(tensors))
            inferred["z"] = inferred["qz"].loc  # the mean, not a draw: the same cell gets the same rates
            rates = module.generative(**module._get_generative_input(tensors, inferred))
            size = tensors["X"].sum(dim=1, keepdim=True)
            # the binomial's probability is the cell's own part alone (scvi-tools, external/scar/_module.py)
            native, soup = (share.cpu() * size for share in (rates["px"].probs, rates["pamb_scale"]))
        yield native.numpy(), soup.numpy()
