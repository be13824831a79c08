"""Which genes are immunoglobulin, mitochondrial, haemoglobin: one place for all chapters of cells."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

#: V, D, J and constant segments, as HGNC names them; ``IGHMBP2`` and ``IGLON5`` are other genes.
_IG_SEGMENT = re.compile(r"^(IG(H[ADEGMVJ]|[KL][VJC])(\d|P|$|-|[IVX]+-)|IGLL5$)")
_TR_SEGMENT = re.compile(r"^TR([ABDG][VDJC](\d|P|$|-)|[BG]V[ABC]$)")
#: Haemoglobin chains. ``HBEGF``, ``HBP1`` and ``HBS1L`` only look like them.
HAEMOGLOBIN: frozenset[str] = frozenset({"HBA1", "HBA2", "HBB", "HBD", "HBE1", "HBG1", "HBG2", "HBM", "HBQ1", "HBZ"})


def locus_of_symbols(symbols: pd.Index) -> pd.Series:
    """``ig``, ``tr`` or empty by name, for genes that the gene table does not have (index: symbols)."""
    names = pd.Series(symbols.astype(str), index=symbols)
    locus = pd.Series("", index=symbols)
    locus[names.str.match(_IG_SEGMENT).to_numpy()] = "ig"
    locus[names.str.match(_TR_SEGMENT).to_numpy()] = "tr"
    return locus


def ig_mask(var: pd.DataFrame) -> np.ndarray:
    """Genes to leave out of size factors and limits: immunoglobulin segments and JCHAIN.

    ``IGLL1`` is kept: the surrogate light chain lies outside the lambda locus, is no product
    of plasma cells, and marks pre-B cells (science 1.1).

    Parameters
    ----------
    var
        index symbol, column ``locus`` (a counts file's ``var``).
    """
    return (var["locus"].astype(str) == "ig").to_numpy() & (var.index != "IGLL1")


def mito_mask(var: pd.DataFrame) -> np.ndarray:
    """Genes of the mitochondrial genome, by place or by name."""
    return (var["chromosome"].astype(str) == "chrM").to_numpy() | var.index.str.startswith("MT-")


def hb_mask(var: pd.DataFrame) -> np.ndarray:
    """Haemoglobin genes."""
    return np.asarray(var.index.isin(HAEMOGLOBIN))


def unwanted_for_latent(var: pd.DataFrame) -> np.ndarray:
    """Genes that must not shape a latent space (science appendix D).

    Immunoglobulin and T-cell-receptor segments (clonal), mitochondrial and haemoglobin genes
    (ambient, damage), XIST and chromosome Y (the donor's sex).
    """
    tr = (var["locus"].astype(str) == "tr").to_numpy()
    sex = (var["chromosome"].astype(str) == "chrY").to_numpy() | (var.index == "XIST")
    return ig_mask(var) | (var.index == "IGLL1") | tr | mito_mask(var) | hb_mask(var) | sex
