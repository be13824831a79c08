"""One capture's counts in the reference gene space.

Genes are found by Ensembl id (version and genome prefix stripped), then by symbol, then by
an older symbol of ``resources/aliases.tsv``. Several rows that are one gene are summed. What
is not found is kept behind the reference genes (a CAR transgene, say): nothing is dropped.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

from ..errors import UserError
from ..keys import cell_id
from ..tables import write_whole
from .genes import locus_of_symbols
from .sources import RawCounts

#: Prefix that Cell Ranger puts before ids and symbols of a reference built from several genomes.
_PREFIX = re.compile(r"^(GRCh38|hg38)_+")
_VERSION = re.compile(r"^(ENSG\d+)\.\d+.*$")
VAR_COLUMNS = ("gene_id", "chromosome", "start", "end", "arm", "locus", "measured")


def clean_names(names: np.ndarray) -> pd.Series:
    """Names without genome prefix, Ensembl ids without version (``ENSG00000100219.16``)."""
    cleaned = pd.Series(names, dtype=object).astype(str).str.strip()
    return cleaned.str.replace(_PREFIX, "", regex=True).str.replace(_VERSION, r"\1", regex=True)


def map_genes(gene_ids: np.ndarray, symbols: np.ndarray, genes: pd.DataFrame, aliases: pd.DataFrame) -> pd.DataFrame:
    """Find each feature in the reference.

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
    unknown), how (``id``, ``symbol``, ``alias`` or empty).
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
    return found


def _columns(found: pd.DataFrame, genes: pd.DataFrame) -> tuple[np.ndarray, pd.DataFrame]:
    """Column of each feature in the result, and the result's ``var``."""
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


def to_reference(
    counts: RawCounts, *, sample: str, genes: pd.DataFrame, aliases: pd.DataFrame, settings: Mapping[str, Any]
) -> ad.AnnData:
    """Bring one capture into the reference gene space.

    Parameters
    ----------
    counts
        as read.
    sample
        name of the sample; cells are called ``{sample}:{barcode}``.
    settings
        ``min_umi`` (barcodes below it are empty and not loaded), ``min_share_mapped``.

    Returns
    -------
    AnnData: X CSR int32, barcodes x (reference genes in genome order, then the file's other genes);
    obs sample, barcode; var :data:`VAR_COLUMNS`; uns["load"] facts.

    Raises
    ------
    UserError
        when too few UMIs fall on known human genes, or no barcode holds a count.
    """
    found = map_genes(counts.gene_ids, counts.symbols, genes, aliases)
    column, var = _columns(found, genes)
    per_feature = np.asarray(counts.matrix.sum(axis=0, dtype=np.int64)).ravel()
    total = int(per_feature.sum())
    mapped = int(per_feature[found["target"].to_numpy() >= 0].sum())
    if mapped < settings["min_share_mapped"] * total:
        unknown = found.loc[found["target"] < 0, "symbol"].iloc[:3].tolist()
        raise UserError(
            f"sample {sample}: only {100 * mapped / total:.0f}% of UMIs fall on genes of the human reference "
            f"(unknown: {', '.join(unknown)}).",
            hint="features need human Ensembl ids or HGNC symbols; other species are not supported.",
        )
    kept = np.asarray(counts.matrix.sum(axis=1, dtype=np.int64)).ravel() >= settings["min_umi"]
    if not kept.any():
        raise UserError(
            f"sample {sample}: no barcode has {settings['min_umi']} UMIs or more.",
            hint="lower cells: load_counts: min_umi, or look at the file.",
        )
    place = sparse.csr_matrix(
        (np.ones(len(column), dtype=np.int32), (np.arange(len(column)), column)), shape=(len(column), len(var))
    )
    matrix = sparse.csr_matrix(counts.matrix[kept] @ place, dtype=np.int32)
    matrix.sort_indices()
    barcodes = counts.barcodes[kept].astype(str)
    obs = pd.DataFrame(
        {"sample": sample, "barcode": barcodes}, index=pd.Index([cell_id(sample, b) for b in barcodes], name="cell")
    )
    facts = counts.facts | {
        "sample": sample,
        "n_barcodes": int(kept.sum()),
        "n_barcodes_empty": int((~kept).sum()),
        "n_genes_mapped": int((found["target"] >= 0).sum()),
        "n_aliased": int((found["how"] == "alias").sum()),
        "n_by_symbol": int((found["how"] == "symbol").sum()),
        "n_merged": int(len(column) - np.unique(column).size),
        "n_genes_unmapped": int((found["target"] < 0).sum()),
        "n_reference_measured": int(var["measured"].to_numpy()[: len(genes)].sum()),
        "pct_umi_unmapped": round(100 * (1 - mapped / total), 4),
    }
    return ad.AnnData(X=matrix, obs=obs, var=var, uns={"load": facts})


def write_counts(path: str | Path, counts: ad.AnnData) -> None:
    """Write a counts file, whole or not at all. Light compression: every chapter reads it."""
    write_whole(path, lambda target: counts.write_h5ad(target, compression="gzip", compression_opts=1))
