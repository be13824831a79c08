"""One capture's counts in the reference gene space.

Genes are found as :func:`marrowclone.cells.gene_names.map_genes` says. Several rows that are one gene
are summed. What is not found is kept behind the reference genes (a CAR transgene, say): nothing is dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

from ..errors import UserError, shown
from ..keys import cell_id
from ..resources import RESOURCES, read_resource
from ..tables import write_whole
from .gene_names import KEY_GENES, clean_names, columns_of, map_genes, old_gene_model
from .sources import CountStream, RawCounts, open_source
from .sources.base import remap
from .store import CountsWriter, stored_facts

VAR_COLUMNS = ("gene_id", "chromosome", "start", "end", "arm", "locus", "measured")
#: Reference genes below which a file has surely been cut to chosen genes [J]; the shortest list of 10x has 18,000.
MIN_GENES = 10_000
_TURNED = "genes stand where barcodes should be: transpose the matrix."
_OTHER_SPECIES = "features need human Ensembl ids or HGNC symbols; other species are not supported."


@dataclass
class _Placing:
    """Where a file's features go, and what of it was met so far."""

    source: CountStream | RawCounts
    sample: str
    found: pd.DataFrame
    column: np.ndarray
    var: pd.DataFrame
    n_reference: int
    min_umi: int
    model: str
    warnings: list[str]
    total: int = 0
    mapped: int = 0
    n_seen: int = 0

    def __post_init__(self) -> None:
        self.kept: list[np.ndarray] = []
        self._known = self.found["target"].to_numpy() >= 0

    def again(self) -> None:
        """Forget the blocks."""
        self.total = self.mapped = self.n_seen = 0
        self.kept = []

    def place(self, block: sparse.csr_matrix) -> sparse.csr_matrix:
        """A block in the result's columns, without empty barcodes."""
        umi = np.asarray(block.sum(axis=1, dtype=np.int64)).ravel()
        self.total += int(umi.sum())
        self.mapped += int(block.data[self._known[block.indices]].sum(dtype=np.int64))
        enough = umi >= self.min_umi
        self.kept.append(enough)
        self.n_seen += block.shape[0]
        placed = remap(block if enough.all() else block[enough], self.column, len(self.var))
        placed.sum_duplicates()
        return placed

    def finish(self, min_share: float) -> tuple[pd.DataFrame, dict[str, Any]]:
        """``obs`` and the facts, once all blocks were placed. Raises as :func:`to_reference`."""
        found, n = self.found, self.n_reference
        kept = np.concatenate(self.kept) if self.kept else np.zeros(0, dtype=bool)
        if not self.total:
            raise UserError(
                f"sample {self.sample}: the matrix is empty.", hint="give the matrix that holds this capture's cells."
            )
        if self.mapped < min_share * self.total:
            unknown = ", ".join(found.loc[found["target"] < 0, "symbol"].iloc[:3])
            raise UserError(
                f"sample {self.sample}: only {100 * self.mapped / self.total:.0f}% of UMIs fall on genes of the human "
                f"reference (unknown: {unknown}).",
                hint=self._hint(),
            )
        if not kept.any():
            raise UserError(
                f"sample {self.sample}: no barcode has {self.min_umi} UMIs or more.",
                hint="lower cells: load_counts: min_umi, or look at the file.",
            )
        barcodes = self.source.barcodes[kept].astype(str)
        obs = pd.DataFrame(
            {"sample": self.sample, "barcode": barcodes},
            index=pd.Index([cell_id(self.sample, b) for b in barcodes], name="cell"),
        )
        facts = self.source.facts | {
            "sample": self.sample,
            "n_barcodes": int(kept.sum()),
            "n_barcodes_empty": int((~kept).sum()),
            "n_genes_mapped": int((found["target"] >= 0).sum()),
            "n_aliased": int((found["how"] == "alias").sum()),
            "n_by_symbol": int((found["how"] == "symbol").sum()),
            "n_made_unique": int((found["how"] == "made unique").sum()),
            "n_merged": int(len(self.column) - np.unique(self.column).size),
            "n_genes_unmapped": int((found["target"] < 0).sum()),
            "n_reference_measured": int(self.var["measured"].to_numpy()[:n].sum()),
            "pct_umi_unmapped": round(100 * (1 - self.mapped / self.total), 4),
            "gene_model": self.model,
            "warnings": [*self.warnings, *self.source.warnings],
        }
        return obs, facts

    def _hint(self) -> str:
        """Why so little is known."""
        names = clean_names(self.source.barcodes[:2000])
        known = names.isin(set(self.var.index[: self.n_reference])) | names.isin(
            set(self.var["gene_id"][: self.n_reference])
        )
        return _TURNED if known.mean() > 0.3 else _OTHER_SPECIES


def _prepare(
    source: CountStream | RawCounts,
    sample: str,
    genes: pd.DataFrame,
    aliases: pd.DataFrame,
    settings: Mapping[str, Any],
    models: pd.DataFrame | None,
) -> _Placing:
    """Find the features; say what is odd about them. Raises for an old gene model that is to be refused."""
    marks = read_resource(RESOURCES / "gene_models.tsv") if models is None else models
    found = map_genes(source.gene_ids, source.symbols, genes, aliases)
    column, var = columns_of(found, genes)
    model, how = old_gene_model(
        found["gene_id"].to_numpy(), found["symbol"].to_numpy(), marks, str(source.facts.get("genome", ""))
    )
    warnings = []
    n_known, n = int((found["target"] >= 0).sum()), len(genes)
    if model:
        if settings["old_gene_model"] == "refuse":
            raise UserError(
                f"sample {sample}: mapped with an older gene model, {model} ({how}).",
                hint="map it anew, or set cells: load_counts: old_gene_model to warn (genes are lifted then).",
            )
        warnings.append(
            f"older gene model, {model} ({how}): genes were lifted by id and symbol, {n_known} of {len(found)} found"
        )
    measured = var["measured"].to_numpy()[:n]
    absent = [g for g in KEY_GENES if g in var.index[:n] and not measured[var.index.get_loc(g)]]
    if absent:
        warnings.append(
            f"genes that calls rest on are not in this file: {', '.join(absent)}; what needs them cannot be called, "
            "and their zeros say nothing"
        )
    if measured.sum() < MIN_GENES:
        warnings.append(
            f"only {int(measured.sum())} of {n} reference genes: a file cut to chosen genes has no library sizes"
        )
    return _Placing(source, sample, found, column, var, n, settings["min_umi"], model, warnings)


def to_reference(
    counts: RawCounts,
    *,
    sample: str,
    genes: pd.DataFrame,
    aliases: pd.DataFrame,
    settings: Mapping[str, Any],
    models: pd.DataFrame | None = None,
) -> ad.AnnData:
    """Bring one capture into the reference gene space, in memory (:func:`load_counts` does it block by block).

    Parameters
    ----------
    counts
        as read.
    sample
        name of the sample; cells are called ``{sample}:{barcode}``.
    settings
        ``min_umi`` (barcodes below it are empty and not loaded), ``min_share_mapped``, ``old_gene_model``.
    models
        ``resources/gene_models.tsv``; None: as it is shipped.

    Returns
    -------
    AnnData: X CSR int32, barcodes x (reference genes in genome order, then the file's other genes);
    obs sample, barcode; var :data:`VAR_COLUMNS`; uns["load"] facts, ``warnings`` (strings) among them.

    Raises
    ------
    UserError
        when too few UMIs fall on known human genes, no barcode holds a count, or the gene model is older and
        to be refused.
    """
    placing = _prepare(counts, sample, genes, aliases, settings, models)
    matrix = placing.place(counts.matrix)
    obs, facts = placing.finish(settings["min_share_mapped"])
    return ad.AnnData(X=matrix, obs=obs, var=placing.var, uns={"load": stored_facts(facts)})


def load_counts(
    path: str | Path,
    out: str | Path,
    *,
    sample: str,
    genes: pd.DataFrame,
    aliases: pd.DataFrame,
    settings: Mapping[str, Any],
    format: str = "auto",
    models: pd.DataFrame | None = None,
) -> dict[str, Any]:
    """Read a sheet's ``path`` block by block into a counts file, whole or not at all.

    Memory follows a block of :data:`marrowclone.cells.sources.base.BLOCK_VALUES` values, not the file.

    Parameters
    ----------
    out
        the counts file; its content is that of :func:`to_reference`, and does not depend on the blocks.
    settings
        as :func:`to_reference`, and ``genome``: whose features are read where a file has several genomes.

    Returns
    -------
    The facts that stand in ``uns["load"]``, as plain Python.

    Raises
    ------
    UserError
        as :func:`marrowclone.cells.sources.open_source` and :func:`to_reference`.
    """
    facts: dict[str, Any] = {}
    with open_source(path, format, genome=settings["genome"]) as stream:
        placing = _prepare(stream, sample, genes, aliases, settings, models)

        def write(target: Path) -> None:
            with ExitStack() as opened:

                def begin() -> CountsWriter:
                    opened.close()  # of a file that proved unsorted, what was written so far
                    return opened.enter_context(CountsWriter(target, len(placing.var)))

                writer = _place_all(stream, placing, begin, lambda to, block, _: to.add(block))
                obs, more = placing.finish(settings["min_share_mapped"])
                facts.update(more)
                writer.close(obs, placing.var, facts)

        write_whole(out, write)
    return facts


def _place_all(
    stream: CountStream,
    placing: _Placing,
    begin: Callable[[], Any],
    take: Callable[[Any, sparse.csr_matrix, np.ndarray], None],
) -> Any:
    """``take`` each block, placed, with its barcodes, into what ``begin`` gave; that."""

    def anew() -> Any:
        placing.again()
        return begin()

    def one(state: Any, block: sparse.csr_matrix) -> None:
        start = placing.n_seen
        placed = placing.place(block)
        take(state, placed, stream.barcodes[start : placing.n_seen][placing.kept[-1]].astype(str))

    state = stream.consume(anew, one)
    if placing.n_seen != len(stream.barcodes):
        raise AssertionError(f"{shown(stream.path)}: {placing.n_seen} rows of {len(stream.barcodes)}")
    return state


def stream_droplets(
    path: str | Path,
    begin: Callable[[pd.DataFrame], Any],
    take: Callable[[Any, sparse.csr_matrix, np.ndarray], None],
    *,
    sample: str,
    genes: pd.DataFrame,
    aliases: pd.DataFrame,
    settings: Mapping[str, Any],
) -> Any:
    """Read a sheet's ``raw_path`` block by block, whatever its gene model; nothing is written.

    Parameters
    ----------
    begin
        makes the state of the result's ``var``; called again if the file proves unsorted.
    take
        adds a block (droplets x ``var``, CSR int32) and its barcodes to the state.
    settings
        ``min_umi``: droplets with fewer are passed over; ``genome``: as the sample's counts are read.

    Returns
    -------
    The state; nothing was taken into it where no droplet has so many UMIs.

    Raises
    ------
    UserError
        as :func:`marrowclone.cells.sources.open_source`, and for a matrix without UMIs. It names ``raw_path``: the
        sample's other matrix is sound by now.
    """
    settings = {**settings, "old_gene_model": "warn"}
    try:
        with open_source(path, unfiltered=True, genome=settings.get("genome", "")) as stream:
            placing = _prepare(stream, sample, genes, aliases, settings, None)
            state = _place_all(stream, placing, lambda: begin(placing.var), take)
        if not placing.total:
            raise UserError("the matrix is empty.", hint="give the unfiltered matrix of the sample's run.")
    except UserError as error:
        reason = error.message.removeprefix(f"{shown(path)}: ")
        raise UserError(f"sample {sample}, raw_path {shown(path)}: {reason}", hint=error.hint) from None
    return state


def write_counts(path: str | Path, counts: ad.AnnData) -> None:
    """Write counts in memory as a counts file, whole or not at all."""

    def write(target: Path) -> None:
        with CountsWriter(target, counts.n_vars) as writer:
            writer.add(sparse.csr_matrix(counts.X))
            writer.close(counts.obs, counts.var, dict(counts.uns.get("load", {})))

    write_whole(path, write)
