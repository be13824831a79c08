"""Cell types from a CellTypist model that the user gives, in place of the marker panel's."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

from ..errors import UserError, shown
from ..keys import CELL_TYPES, UNRESOLVED
from .labels import standard_name

#: Cells annotated at a time: CellTypist makes a dense matrix of cells x the model's genes.
BLOCK = 4096
#: CellTypist's own normalisation: log1p of counts per 10,000 of all genes (its documentation requires it).
TARGET = 10_000.0


def load_model(path: str | Path) -> Any:
    """Read a model file. It is a pickle: reading one runs code, so only a trusted file may be given.

    Raises
    ------
    UserError
        when it is not there or is no CellTypist model.
    """
    if not Path(path).is_file():
        raise UserError(
            f"{shown(path)}: the CellTypist model is not there.",
            hint="celltypist_model names a .pkl file; marrowclone downloads none.",
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from celltypist.models import Model

            model = Model.load(str(Path(path).resolve()))
            _ = (model.cell_types, model.features, model.scaler.mean_)
    except Exception as error:  # a pickle raises anything; the library wraps it in a bare Exception
        reason = str(error).splitlines()[0][:160] if str(error) else type(error).__name__
        raise UserError(
            f"{shown(path)}: not a CellTypist model that can be read ({reason}).",
            hint="give a .pkl as celltypist.org offers them or as Model.write makes it.",
        ) from None
    return model


def annotate(counts: ad.AnnData, model: Any, *, path: str | Path = "the model") -> pd.DataFrame:
    """Best label and its probability per cell, by ``celltypist.annotate``.

    Counts are normalised as CellTypist's documentation asks, to 10,000 over all genes, Ig included: the
    model's coefficients were learnt so. (Everything else here leaves Ig out of the size factor.)

    Parameters
    ----------
    counts
        X CSR counts over all reference genes. A dense matrix is made for :data:`BLOCK` cells at a time.

    Returns
    -------
    DataFrame, index cell: label, probability.

    Raises
    ------
    UserError
        when the model and the counts share no gene.
    """
    if not np.isin(np.asarray(model.features, dtype=str), counts.var_names).any():
        example = str(model.features[0]) if len(model.features) else "none"
        raise UserError(
            f"{shown(path)}: none of the model's {len(model.features)} genes (such as {example}) is in the counts.",
            hint="the model must be of human gene symbols.",
        )
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        import celltypist

        logging.getLogger("celltypist.logger").setLevel(logging.ERROR)
        parts = []
        for start in range(0, counts.n_obs, BLOCK):
            x = sparse.csr_matrix(counts.X[start : start + BLOCK], dtype=np.float32)
            total = np.asarray(x.sum(axis=1)).ravel()
            factor = np.divide(TARGET, total, out=np.zeros_like(total), where=total > 0)
            x = sparse.csr_matrix(sparse.diags(factor) @ x, dtype=np.float32)
            x.data = np.log1p(x.data)
            block = ad.AnnData(
                X=x, obs=counts.obs.iloc[start : start + BLOCK, :0].copy(), var=counts.var.iloc[:, :0].copy()
            )
            found = celltypist.annotate(block, model=model, majority_voting=False)
            parts.append(
                pd.DataFrame(
                    {
                        "label": found.predicted_labels["predicted_labels"].astype(str).to_numpy(),
                        "probability": found.probability_matrix.max(axis=1).to_numpy(),
                    },
                    index=block.obs_names,
                )
            )
    return pd.concat(parts) if parts else pd.DataFrame({"label": [], "probability": []})


def majority(labels: pd.Series, part: pd.Series, *, min_share: float) -> pd.Series:
    """The commonest label of each cell's part of the latent space, if ``min_share`` have it; else the cell's own.

    CellTypist's majority voting over our clusters. Ties go to the first label in alphabetical order.
    """
    votes = pd.crosstab(part.to_numpy(), labels.to_numpy())
    best, share = votes.idxmax(axis=1), votes.max(axis=1) / votes.sum(axis=1)
    voted = part.map(best.where(share >= min_share))
    return voted.where(voted.notna(), labels).astype(object)


def our_types(labels: pd.Series, table: pd.DataFrame, tumour_types: Sequence[str]) -> pd.DataFrame:
    """Labels in our types.

    Parameters
    ----------
    table
        ``resources/celltypist_labels.tsv``: label, cell_type, state.
    tumour_types
        labels that are the tumour's: kept as they are.

    Returns
    -------
    DataFrame: cell_type (``unresolved`` for a label that nobody knows), state.
    """
    known = table.assign(label=table["label"].str.casefold()).drop_duplicates("label").set_index("label")
    ours = {}
    for label in labels.unique():
        name = standard_name(label)
        row = known.loc[label.strip().casefold()] if label.strip().casefold() in known.index else None
        if label in tumour_types or name in CELL_TYPES:
            ours[label] = (label if label in tumour_types else name, "")
        elif row is not None:
            ours[label] = (str(row["cell_type"]), str(row["state"]))
        else:
            ours[label] = (UNRESOLVED, "")
    parts = {name: labels.map({k: v[i] for k, v in ours.items()}) for i, name in enumerate(("cell_type", "state"))}
    return pd.DataFrame(parts, index=labels.index, dtype=object)
