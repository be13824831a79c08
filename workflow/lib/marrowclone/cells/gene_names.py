"""Finding a file's features in the reference gene table, and recognising older gene models."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from .genes import locus_of_symbols

#: Prefix that Cell Ranger puts before ids and symbols of a reference built from several genomes.
_PREFIX = re.compile(r"^(GRCh3[78]|hg19|hg38|b37)_+")
_VERSION = re.compile(r"^(ENSG\d+)\.\d+.*$")
#: What R's make.unique (``TBCE.1``) and scanpy's var_names_make_unique (``TBCE-1``) put behind a repeated name.
_MADE_UNIQUE = re.compile(r"^(.+)[.-]\d{1,2}$")
#: Clone names, which Ensembl gave to genes without a symbol until release 91 (``RP11-34P13.7``, ``CTD-2194D22.4``).
_CLONE = re.compile(r"^(RP\d{1,2}|CT[ABCD]|KB|LL\d{2}N[CS]\d{2}|GS1|XXbac|LA16c)-[A-Za-z0-9]+\.\d+$")
#: Clone names from which a gene model counts as older [J]: today's lists have 4, those of Ensembl 84 have 9,184.
MIN_CLONES = 100
#: Marks of a gene model that must be met to call it so: one may be a coincidence [J].
MIN_MARKS = 2
#: What genome attributes and folders call GRCh37.
GRCH37 = re.compile(r"(GRCh37|hg19|b37|hs37)", re.IGNORECASE)

#: Genes that calls of later chapters rest on (science 1.1, 1.3, 1.4, 1.5): a file without one is told so loudly.
KEY_GENES: tuple[str, ...] = (
    "CCND1", "CCND2", "CCND3", "NSD2", "FGFR3", "MAF", "MAFB", "IGKC", "IGLC2", "JCHAIN",
    "SDC1", "TNFRSF17", "XBP1", "MZB1", "DERL3", "PRDM1", "IRF4", "CD38", "SLAMF7",
)  # fmt: skip


def clean_names(names: np.ndarray) -> pd.Series:
    """Names without genome prefix, Ensembl ids without version (``ENSG00000100219.16``)."""
    cleaned = pd.Series(names, dtype=object).astype(str).str.strip()
    return cleaned.str.replace(_PREFIX, "", regex=True).str.replace(_VERSION, r"\1", regex=True)


def map_genes(gene_ids: np.ndarray, symbols: np.ndarray, genes: pd.DataFrame, aliases: pd.DataFrame) -> pd.DataFrame:
    """Find each feature in the reference.

    By Ensembl id, then by symbol, then by an older symbol. A name that is none of these but a gene's name with a
    number behind it (``TBCE.1``, ``TBCE-1``) is that gene when the file has the bare name too: a tool made
    repeated names unique.

    Parameters
    ----------
    gene_ids, symbols
        a file's two names per feature (they may be equal, or swapped).
    genes
        :func:`marrowclone.resources.gene_table`.
    aliases
        columns alias, symbol.

    Returns
    -------
    DataFrame, a row per feature: symbol (cleaned), gene_id (cleaned), target (row of ``genes``, -1 when
    unknown), how (``id``, ``symbol``, ``alias``, ``made unique`` or empty).
    """
    ids, names = clean_names(gene_ids), clean_names(symbols)
    by_id, by_symbol = pd.Index(genes["gene_id"]), pd.Index(genes["symbol"])
    older = aliases.set_index("alias")["symbol"]
    found = pd.DataFrame({"symbol": names, "gene_id": ids, "target": -1, "how": ""})
    for how, target in (
        ("id", by_id.get_indexer(ids)),
        ("id", by_id.get_indexer(names)),
        ("symbol", by_symbol.get_indexer(names)),
        ("symbol", by_symbol.get_indexer(ids)),
        ("alias", by_symbol.get_indexer(names.map(older).fillna(""))),
        ("alias", by_symbol.get_indexer(ids.map(older).fillna(""))),
    ):
        new = (found["target"].to_numpy() < 0) & (target >= 0)
        found.loc[new, "target"] = target[new]
        found.loc[new, "how"] = how
    # a feature with an Ensembl id of its own is a gene of its own, whatever its symbol looks like
    open_ = (found["target"] < 0) & ~ids.str.match(r"ENS[A-Z]*G\d").to_numpy()
    base = names[open_].str.extract(_MADE_UNIQUE, expand=False).dropna()
    base = base[base.isin(set(names))]
    target = by_symbol.get_indexer(base.where(base.isin(by_symbol), base.map(older).fillna("")))
    hit = base.index[target >= 0]
    found.loc[hit, "target"] = target[target >= 0]
    found.loc[hit, "how"] = "made unique"
    return found


def columns_of(found: pd.DataFrame, genes: pd.DataFrame) -> tuple[np.ndarray, pd.DataFrame]:
    """Column of each feature in the result, and the result's ``var`` (reference genes, then the file's others)."""
    unknown = found[found["target"] < 0]
    extra = pd.Index(unknown["symbol"].unique())
    column = found["target"].to_numpy().copy()
    column[column < 0] = len(genes) + extra.get_indexer(unknown["symbol"])
    var = genes.set_index("symbol")[["gene_id", "chromosome", "start", "end", "arm", "locus"]]
    first = unknown.drop_duplicates("symbol").set_index("symbol")
    rest = pd.DataFrame(
        {"gene_id": first["gene_id"].to_numpy(), "chromosome": "", "start": 0, "end": 0, "arm": "", "locus": ""},
        index=extra,
    )
    rest["locus"] = locus_of_symbols(extra)
    var = pd.concat([var, rest]) if len(rest) else var.copy()
    var["measured"] = np.isin(np.arange(len(var)), column)
    var.index.name = "symbol"
    return column, var


def old_gene_model(gene_ids: np.ndarray, symbols: np.ndarray, marks: pd.DataFrame, genome: str = "") -> tuple[str, str]:
    """Whether a file's gene model is older than the reference's, and what tells so.

    Parameters
    ----------
    gene_ids, symbols
        names as :func:`clean_names` gives them.
    marks
        ``resources/gene_models.tsv``: names that only the old model has (columns name, model).
    genome
        what the file itself calls its genome, or empty.

    Returns
    -------
    model
        ``GRCh37``, ``Ensembl before 92`` (GRCh38 with clone names), or empty.
    how
        what tells so, in words.
    """
    if GRCH37.search(genome):
        return "GRCh37", f"the file calls its genome {genome!r}"
    names = set(gene_ids) | set(symbols)
    clones = sum(bool(_CLONE.match(n)) for n in names)
    is_id = marks["name"].str.startswith("ENSG")
    ids = [n for n in marks.loc[is_id, "name"] if n in names]
    others = [n for n in marks.loc[~is_id, "name"] if n in names]
    # a symbol of old may live on in a full annotation of today, but not beside clone names
    met = ids + (others if clones else [])
    if len(met) >= MIN_MARKS:
        return "GRCh37", f"names that only its gene models have: {', '.join(met[:3])}"
    if clones >= MIN_CLONES:
        return "Ensembl before 92", f"{clones} clone names, such as {min(n for n in names if _CLONE.match(n))}"
    return "", ""
