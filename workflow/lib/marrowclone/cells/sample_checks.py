"""What a person should know about a capture as a whole: one line per question, with value, limit and verdict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

#: Chromosome Y genes that men's blood cells express; XIST marks two X chromosomes (GTEx; in common use). [J]
Y_GENES = ("RPS4Y1", "DDX3Y", "KDM5D", "EIF1AY", "UTY", "USP9Y", "ZFY")
#: Check -> (limit of a warning, limit of a failure, larger is worse, what it means). All [J].
LIMITS: dict[str, tuple[float, float, bool, str]] = {
    "cells kept": (100, 20, False, "few cells passed: rare clones cannot be seen"),
    "median UMIs of kept cells": (1000, 600, False, "little RNA per cell: shallow sequencing or a wetting failure"),
    "knee: UMIs of kept over dropped small barcodes": (
        3, 1.5, False, "no step between cells and empty droplets: a wetting failure or a broken emulsion",
    ),
    "% of barcodes that hold ambient RNA only": (50, 90, True, "most barcodes are empty droplets"),
    "% ambient RNA in kept cells": (20, 50, True, "much ambient RNA: silent genes look expressed"),
    "% Ig of ambient RNA": (30, 60, True, "the soup is full of immunoglobulin: light chains of other cells are unsafe"),
    "% haemoglobin in all UMIs": (10, 40, True, "lysed or captured red cells"),
    "median % mitochondrial": (12, 20, True, "damaged cells"),
    "% of barcodes dropped for mitochondria": (30, 60, True, "many dying cells"),
    "% doublets and conflicts": (15, 35, True, "many doublets: too many cells were loaded"),
    "% of plasma-like barcodes dropped": (40, 80, True, "many plasma-like barcodes were dropped: look at the reasons"),
    "% of UMIs on unknown genes": (5, 20, True, "the gene model differs from the reference"),
    "plasma-like cells kept": (1, 0, False, "no plasma-like cell: nothing can be said of the tumour"),
}  # fmt: skip


def check_sample(facts: Mapping[str, Any], load: Mapping[str, Any], gene_umi: pd.Series) -> list[dict[str, Any]]:
    """Every check of :data:`LIMITS` that the facts can answer, raw droplets that were of no use, what the loader said.

    Parameters
    ----------
    facts
        of :func:`marrowclone.cells.qc.qc_cells`.
    load
        of the loader, as plain Python.
    gene_umi
        UMIs over all barcodes (index: symbols).

    Returns
    -------
    list of {check, value, limit, verdict (ok, warn, fail), text}.
    """
    failed, median, n = facts["n_failed"], facts["median"], max(1, facts["n_barcodes"])
    ambient = facts["ambient"] or {}
    hb = gene_umi[gene_umi.index.isin(["HBA1", "HBA2", "HBB"])].sum()
    plasma = facts["n_plasma_like"]
    doublets = facts["n_doublet_or_conflict"]
    empty = facts.get("median_umi_non_ig_empty")
    mito = facts["n_mito_genes"] > 0
    values: dict[str, float | None] = {
        "cells kept": facts["n_kept"],
        "median UMIs of kept cells": median.get("n_umi"),
        "knee: UMIs of kept over dropped small barcodes": median["n_umi_non_ig"] / empty if median and empty else None,
        "% of barcodes that hold ambient RNA only": (
            100 * facts["n_ambient_like"] / n if ambient.get("source") in ("raw", "filtered") else None
        ),
        "% ambient RNA in kept cells": facts["median_pct_ambient"],
        "% Ig of ambient RNA": ambient.get("pct_ig") if ambient.get("source") not in (None, "t_nk", "none") else None,
        "% haemoglobin in all UMIs": 100 * hb / max(1.0, gene_umi.sum()),
        "median % mitochondrial": median.get("pct_mito") if mito else None,
        "% of barcodes dropped for mitochondria": 100 * failed["high mitochondrial share"] / n if mito else None,
        "% doublets and conflicts": 100 * doublets / max(1, facts["n_kept"] + doublets),
        "% of plasma-like barcodes dropped": 100 * (1 - facts["n_plasma_like_kept"] / plasma) if plasma >= 20 else None,
        "% of UMIs on unknown genes": load.get("pct_umi_unmapped"),
        "plasma-like cells kept": facts["n_plasma_like_kept"],
    }
    checks = [_judge(name, value) for name, value in values.items() if value is not None]
    if ambient.get("raw_unused"):
        why = f"raw_path was not used: {ambient['raw_unused']}; source of the ambient profile instead: "
        checks.append(_remark("raw droplets", why + ambient["source_text"]))
    return checks + [_remark("loading", str(text)) for text in load.get("warnings", [])]


def _remark(check: str, text: str) -> dict[str, Any]:
    """A warning that no number stands for."""
    return {"check": check, "value": None, "limit": None, "verdict": "warn", "text": text}


def _judge(name: str, value: float) -> dict[str, Any]:
    """One check."""
    warn, fail, larger_is_worse, text = LIMITS[name]
    sign = 1 if larger_is_worse else -1
    if name == "plasma-like cells kept":  # none is a fact about the sample, not a fault of it
        verdict = "ok" if value >= warn else "warn"
    else:
        verdict = "fail" if sign * value >= sign * fail else "warn" if sign * value >= sign * warn else "ok"
    limit = warn if verdict != "fail" else fail
    said = (
        f"{name}: {value:.3g} ({'from' if larger_is_worse else 'up to'} {limit:g}: {text})" if verdict != "ok" else ""
    )
    return {"check": name, "value": round(float(value), 4), "limit": limit, "verdict": verdict, "text": said}


def sex_genes(counts: ad.AnnData, kept: np.ndarray, n_umi: np.ndarray) -> dict[str, Any]:
    """UMIs per 10,000 of XIST and of :data:`Y_GENES` together in kept cells; None for genes that were not measured.

    ``counts`` may hold these genes alone: ``n_umi`` are all UMIs of each barcode.
    """
    size = int(n_umi[kept].sum())
    found: dict[str, Any] = {"n_umi": size}
    for name, genes in (("xist", ("XIST",)), ("chr_y", Y_GENES)):
        there = np.flatnonzero(counts.var_names.isin(genes) & counts.var["measured"].to_numpy(dtype=bool))
        umi = sparse.csr_matrix(counts.X)[:, there].sum(axis=1, dtype=np.int64)
        total = float(np.asarray(umi).ravel()[kept].sum())
        found[name] = round(1e4 * total / size, 4) if there.size and size else None
    return found
