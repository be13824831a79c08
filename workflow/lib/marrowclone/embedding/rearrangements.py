"""V(D)J contigs: 10x contig annotations and AIRR rearrangement tables, and the clonotypes that they give."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..errors import UserError, shown
from ..formats import plain_text
from ..keys import cell_id

#: Columns of a table of contigs, whatever file it came from.
COLUMNS: tuple[str, ...] = ("barcode", "chain", "v_gene", "c_gene", "junction", "umis")
HEAVY, LIGHT = "IGH", ("IGK", "IGL")
TENX: tuple[str, ...] = ("barcode", "chain", "v_gene", "c_gene", "productive", "cdr3_nt", "umis")
#: AIRR: the barcode's column, and those that count molecules (the first that has values is used).
AIRR: tuple[str, ...] = ("cell_id", "v_call", "productive", "junction")
AIRR_COUNTS: tuple[str, ...] = ("umi_count", "duplicate_count", "consensus_count")
_TRUE = frozenset(("true", "t", "1", "yes"))


def read_contigs(path: str | Path) -> pd.DataFrame:
    """Productive immunoglobulin contigs of one capture.

    Parameters
    ----------
    path
        10x ``filtered_contig_annotations.csv`` or ``all_contig_annotations.csv`` (Cell Ranger 3 and later), or an AIRR
        rearrangement table (``airr_rearrangement.tsv``); gzipped or not. ``is_cell`` and ``high_confidence`` are obeyed
        where they are there. Contigs of T-cell receptors, and of no cell, are passed over.

    Returns
    -------
    DataFrame of :data:`COLUMNS`; ``junction`` is the CDR3 as nucleotides with both conserved codons, as in either form.

    Raises
    ------
    UserError
        when the file cannot be read, or lacks a column.
    """
    path = Path(path)
    try:
        text = plain_text(path)
        head = text.split("\n", 1)[0]
        form = "\t" if "\t" in head else ","
        table = pd.read_csv(io.StringIO(text), sep=form, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:  # pandas' parser errors and UnicodeDecodeError are ValueErrors
        raise UserError(
            f"{shown(path)}: the contigs cannot be read ({str(error).splitlines()[0]}).",
            hint="vdj names a 10x contig_annotations.csv or an AIRR rearrangement table.",
        ) from None
    is_airr = "v_call" in table.columns or "junction" in table.columns or "sequence_id" in table.columns
    need = AIRR if is_airr else TENX
    missing = [c for c in need if c not in table.columns]
    if is_airr and not any(c in table.columns for c in AIRR_COUNTS):
        missing.append(" or ".join(AIRR_COUNTS))
    if missing:
        raise UserError(
            f"{shown(path)}: no column {', '.join(missing)} (found {', '.join(table.columns[:8])} ...), expected "
            f"{'an AIRR rearrangement table with cell_id' if is_airr else '10x contig annotations'}.",
            hint="take filtered_contig_annotations.csv of Cell Ranger, or an AIRR table of single cells.",
        )
    return _from_airr(table, path) if is_airr else _from_tenx(table, path)


def _from_tenx(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    keep = _true(table["productive"])
    for column in ("is_cell", "high_confidence"):
        if column in table.columns:
            keep &= _true(table[column])
    out = table.assign(junction=table["cdr3_nt"], umis=_umis(table["umis"], path, "umis"))
    return _clean(out[keep])


def _from_airr(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    import airr  # here: its schema is slow to load, and 10x tables do not need it

    schema = airr.schema.RearrangementSchema
    try:
        keep = np.array([bool(schema.to_bool(v, validate=True)) for v in table["productive"]], dtype=bool)
        if "is_cell" in table.columns:  # Cell Ranger's own column
            keep &= _true(table["is_cell"])
    except airr.schema.ValidationError:
        wrong = next(
            v for v in table["productive"].unique() if v not in (*schema.true_values, *schema.false_values, "")
        )
        raise UserError(
            f"{shown(path)}: column productive, found {wrong!r}, expected T or F.", hint="AIRR writes T and F."
        ) from None
    counted = [c for c in AIRR_COUNTS if c in table.columns and (table[c] != "").any()]
    umis = _umis(table[counted[0]], path, counted[0]) if counted else pd.Series(0, index=table.index)
    v = table["v_call"].str.split(",").str[0].str.split("*").str[0]
    locus = table["locus"] if "locus" in table.columns else pd.Series("", index=table.index)
    out = pd.DataFrame(
        {
            "barcode": table["cell_id"],
            "chain": locus.where(locus != "", v.str.slice(0, 3)),
            "v_gene": v,
            "c_gene": table["c_call"].str.split(",").str[0].str.split("*").str[0] if "c_call" in table.columns else "",
            "junction": table["junction"],
            "umis": umis,
        }
    )
    return _clean(out[keep])


def _true(column: pd.Series) -> np.ndarray:
    return np.asarray(column.str.strip().str.casefold().isin(_TRUE))


def _umis(column: pd.Series, path: Path, name: str) -> pd.Series:
    values = pd.to_numeric(column.replace("", "0"), errors="coerce")
    if values.isna().any() or (values < 0).any():
        wrong = column[values.isna() | (values < 0)].iloc[0]
        line = int(np.flatnonzero((values.isna() | (values < 0)).to_numpy())[0]) + 2
        raise UserError(
            f"{shown(path)} line {line}, column {name}: found {wrong!r}, expected a number of molecules.",
            hint="the table is damaged, or its columns are shifted.",
        )
    return values.astype(int)


def _clean(table: pd.DataFrame) -> pd.DataFrame:
    out = table[table["chain"].isin([HEAVY, *LIGHT]) & (table["junction"] != "") & (table["barcode"] != "")]
    out = out.assign(junction=out["junction"].str.upper(), c_gene=out["c_gene"].replace("None", ""))
    return out[list(COLUMNS)].reset_index(drop=True)


def match_barcodes(contigs: pd.DataFrame, sample: str, barcodes: Sequence[str]) -> pd.DataFrame:
    """The contigs of these barcodes, with a column ``cell``; a lost or added suffix ``-1`` is made good."""
    known = {b.removesuffix("-1"): b for b in barcodes} | {f"{b}-1": b for b in barcodes if not b.endswith("-1")}
    known |= {b: b for b in barcodes}  # a barcode that is there goes before one that is made good
    found = contigs["barcode"].str.removeprefix(f"{sample}:").map(known)
    kept = contigs[found.notna().to_numpy()]
    return kept.assign(cell=[cell_id(sample, b) for b in found.dropna()])


def call_clonotypes(contigs: pd.DataFrame, settings: Mapping[str, Any]) -> pd.DataFrame:
    """Clonotypes of one patient over all timepoints.

    A clonotype is an identical CDR3 (nucleotides) of the heavy chain; cells of it may differ in their light chain (a
    second one was rearranged). A cell with a light chain alone joins the clonotype whose cells have that light chain
    where it is one clonotype only; light chains that no cell shows beside a heavy chain make clonotypes of their own
    (disease of light chains alone).

    Parameters
    ----------
    contigs
        columns of :data:`COLUMNS` and ``cell``.
    settings
        min_contig_umis: molecules below which a contig is taken for soup; min_contig_share: the same as a share of
        the cell's largest contig.

    Returns
    -------
    DataFrame, index cell (those with a contig that counts): clonotype (``clonotype1`` is the largest; empty where
    ambiguous), clonotype_cdr3 (``H:`` and the heavy CDR3, ``L:`` and chain and CDR3), chain (kappa or lambda, empty
    without a light contig), contig_v_light, contig_v_heavy, contig_isotype_gene, multiplet.
    """
    empty = pd.DataFrame(
        columns=[
            "clonotype",
            "clonotype_cdr3",
            "chain",
            "contig_v_light",
            "contig_v_heavy",
            "contig_isotype_gene",
            "multiplet",
        ]
    )
    largest = contigs.groupby("cell")["umis"].transform("max") if len(contigs) else 0
    enough = (contigs["umis"] >= settings["min_contig_umis"]) & (
        contigs["umis"] >= settings["min_contig_share"] * largest
    )
    sure = contigs[enough].sort_values(["cell", "umis", "junction"], ascending=[True, False, True], kind="stable")
    if sure.empty:
        return empty.rename_axis("cell")
    is_heavy = (sure["chain"] == HEAVY).to_numpy()
    heavy = sure[is_heavy].drop_duplicates("cell").set_index("cell")
    light = sure[~is_heavy].drop_duplicates("cell").set_index("cell")
    out = pd.DataFrame(index=pd.Index(sorted(sure["cell"].unique()), name="cell"))
    h = heavy["junction"].reindex(out.index).fillna("")
    li = (light["chain"] + ":" + light["junction"]).reindex(out.index).fillna("")
    pairs = pd.DataFrame({"h": h, "l": li})[(h != "") & (li != "")]
    partners = pairs.groupby("l")["h"].agg(_one_partner)
    joined = li.map(partners.to_dict()).astype(object)
    paired = joined.notna()  # some cell shows it beside a heavy chain; "" where beside several
    joined = joined.fillna("").astype(str)
    key = ("L:" + li).where(~paired, ("H:" + joined).where(joined != "", ""))
    key = ("H:" + h).where(h != "", key)
    sizes = key[key != ""].value_counts()
    ranked = sorted(sizes.index, key=lambda k: (-sizes[k], k))
    out["clonotype"] = key.map({k: f"clonotype{i + 1}" for i, k in enumerate(ranked)}).fillna("")
    out["clonotype_cdr3"] = key
    out["chain"] = light["chain"].map({"IGK": "kappa", "IGL": "lambda"}).reindex(out.index).fillna("")
    out["contig_v_light"] = light["v_gene"].reindex(out.index).fillna("")
    out["contig_v_heavy"] = heavy["v_gene"].reindex(out.index).fillna("")
    out["contig_isotype_gene"] = heavy["c_gene"].reindex(out.index).fillna("")
    # two productive heavy chains in one droplet: two cells, or (rarely) both alleles
    several = sure[is_heavy].groupby("cell")["junction"].nunique()
    out["multiplet"] = several.reindex(out.index).fillna(0).to_numpy() > 1
    return out


def _one_partner(heavies: pd.Series) -> str:
    """The heavy chain that a light chain stands beside: the only one, or one that nine of ten of its cells have.

    A doublet pairs the tumour's light chain with a stranger's heavy chain: one such cell must not part the clone.
    """
    counts = heavies.value_counts()
    return str(counts.index[0]) if counts.iloc[0] >= 0.9 * counts.sum() else ""


def dominant_clonotype(clonotypes: pd.Series, *, min_cells: int, min_share: float) -> str:
    """The patient's dominant clonotype, or ``""``: enough cells, enough of those with a clonotype, no tie.

    Parameters
    ----------
    clonotypes
        of plasma cells, without multiplets.
    """
    counts = clonotypes[clonotypes != ""].value_counts()
    if counts.empty or counts.iloc[0] < min_cells or counts.iloc[0] < min_share * counts.sum():
        return ""
    if len(counts) > 1 and counts.iloc[0] == counts.iloc[1]:
        return ""
    return str(counts.index[0])
