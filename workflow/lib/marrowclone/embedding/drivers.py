"""Driver genes of a tumour against normal plasma cells: level, z and detection per group (science 1.5)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from ..keys import TABLES
from .receptor import SOUP_TYPES
from .tc_class import NOT_ASSESSABLE, tc_class

#: CPM added before the log [J]: one molecule in a small group must not be a spike.
LOG_OFFSET = 10.0
#: Least SD of the log means of normal donors (science 1.5).
MIN_SD = 0.3
#: UMIs of a cell for which the share of detecting cells is meant (science 1.5: per 5,000-UMI cell).
STATED_DEPTH = 5000.0
TUMOUR = "tumour"
#: A soup level is taken from types with at least this many cells of the capture.
MIN_SOUP_CELLS = 20


def log_level(cpm: np.ndarray | float) -> np.ndarray:
    """ln(CPM + 10), the scale of means and SDs."""
    return np.log(np.asarray(cpm, dtype=float) + LOG_OFFSET)


def soup_counts(counts: pd.DataFrame, samples: np.ndarray, cell_types: np.ndarray) -> pd.DataFrame:
    """UMIs of each gene that a droplet of the cell's capture holds from the soup, at most.

    The lowest mean among the capture's cell types that are no plasma cells: soup is in every droplet, a gene of T
    cells (CCND2, MAF) only in theirs. 0 in a capture without 20 cells of any such type.
    """
    out = pd.DataFrame(0.0, index=counts.index, columns=counts.columns)
    for sample in np.unique(samples):
        here = samples == sample
        means = []
        for cell_type in SOUP_TYPES:
            chosen = counts[here & (cell_types == cell_type)].astype(float)
            if len(chosen) >= MIN_SOUP_CELLS:
                # doublets with tumour cells are no soup
                means.append(chosen.clip(upper=chosen.quantile(0.95).clip(lower=1), axis=1).mean())
        if means:
            out.loc[here] = np.min(means, axis=0)
    return out


def guarded(counts: pd.DataFrame, soup: pd.DataFrame, guards: list[str], *, min_umis: int) -> np.ndarray:
    """Cells with macrophage genes beyond their soup: a doublet's MAF and MAFB are the macrophage's (science 1.5)."""
    seen, expected = counts[guards].sum(axis=1), soup[guards].sum(axis=1)
    # three SDs of a Poisson count above the soup
    return (seen >= np.maximum(min_umis, expected + 3 * np.sqrt(expected))).to_numpy()


def pseudobulk(counts: pd.DataFrame, soup: pd.DataFrame, depth: np.ndarray) -> pd.Series:
    """Soup-free CPM of non-immunoglobulin UMIs per gene of a group of cells."""
    return (counts.sum() - soup.sum()).clip(lower=0) / max(float(depth.sum()), 1.0) * 1e6


def expected_detection(cpm: np.ndarray, depth: np.ndarray, soup: np.ndarray) -> np.ndarray:
    """Share of cells that would show at least one molecule, by Poisson: a value per gene.

    Parameters
    ----------
    cpm
        (genes,) level.
    depth
        (cells,) non-immunoglobulin UMIs.
    soup
        (cells x genes) UMIs expected from the soup.
    """
    if not len(depth):
        return np.zeros(len(cpm))
    return np.asarray(1 - np.exp(-(depth[:, None] * cpm[None, :] / 1e6 + soup)).mean(axis=0))


def with_receptors(cells: pd.DataFrame, clonality: pd.DataFrame) -> pd.DataFrame:
    """``cells`` with light_chain and clonal of :func:`~.clonality.call_clonality`; empty and false elsewhere."""
    found = clonality.set_index("cell")[["light_chain", "clonal"]].reindex(cells["cell"])
    return cells.assign(
        light_chain=found["light_chain"].fillna("").to_numpy(), clonal=found["clonal"].eq(True).to_numpy()
    )


def normal_reference(
    counts: pd.DataFrame, soup: pd.DataFrame, cells: pd.DataFrame, panel: pd.DataFrame, settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, str]:
    """Mean and SD of ln(CPM + 10) per gene in normal plasma cells, and which cells these are.

    Healthy donors (a pseudobulk each) where at least ``min_donors`` have ``min_reference_cells`` plasma cells; else the
    patient's plasma cells that are surely not the clone's, and the donors that there are, as one pseudobulk each;
    else the published profile of ``resources/drivers.tsv`` [C].
    """
    genes = panel["symbol"].drop_duplicates().tolist()
    depth = cells["n_umi_non_ig"].to_numpy(float)
    groups = {str(d): (cells["role"] == "donor") & (cells["patient"] == d)
              for d in sorted(cells.loc[cells["role"] == "donor", "patient"].unique())}  # fmt: skip
    donors = [m for m in groups.values() if m.sum() >= settings["min_reference_cells"]]
    own = cells["role"] == "own_normal"
    if len(donors) >= settings["min_donors"]:
        used, name = donors, f"{len(donors)} healthy donors"
    elif own.sum() >= settings["min_reference_cells"]:
        used = [own, *donors]
        name = f"the patient's own polyclonal plasma cells ({int(own.sum())})"
        name += f" and {len(donors)} healthy donor" if donors else ""
    elif donors:
        used, name = donors, f"{len(donors)} healthy donor"
    else:
        levels = panel.drop_duplicates("symbol").set_index("symbol")["normal_cpm"].reindex(genes).astype(float)
        table = pd.DataFrame({"mean": log_level(levels.fillna(0).to_numpy()), "sd": MIN_SD}, index=genes)
        return table, "published profile (Numbat ref_hca)"
    logs = np.array(
        [
            log_level(
                pseudobulk(
                    counts.loc[m.to_numpy(), genes], soup.loc[m.to_numpy(), genes], depth[m.to_numpy()]
                ).to_numpy()
            )
            for m in used
        ]
    )
    sd = logs.std(axis=0, ddof=1) if len(logs) > 1 else np.zeros(len(genes))
    return pd.DataFrame({"mean": logs.mean(axis=0), "sd": np.maximum(sd, MIN_SD)}, index=genes), name


def call_drivers(
    counts: pd.DataFrame,
    cells: pd.DataFrame,
    groups: pd.DataFrame,
    panel: pd.DataFrame,
    *,
    patient: str,
    settings: Mapping[str, Any],
    healthy: bool = False,
) -> pd.DataFrame:
    """Drivers and TC class of the clonal plasma cells: of all, of each timepoint, of each restricted cluster.

    Parameters
    ----------
    counts
        cells x genes of ``panel`` (dense: a score of genes), raw UMIs, of the patient's and donors' cells of all types.
    cells
        rows as ``counts``: cell, sample, patient, timepoint, day, cell_type, is_plasma, n_umi_non_ig, cluster,
        light_chain, clonal (bool; false for donors and other types).
    groups
        ``keys.TABLES["embedding.groups"]`` of the patient.
    panel
        ``resources/drivers.tsv``.
    healthy
        the patient is a healthy donor: no class is sought.

    Returns
    -------
    DataFrame of ``keys.TABLES["embedding.drivers"]``: a row per group and gene; the group ``tumour`` is there always,
    and the class of a group stands on each of its rows.
    """
    order = np.argsort(cells["cell"].to_numpy(dtype=str), kind="stable")
    counts, cells = counts.iloc[order].reset_index(drop=True), cells.iloc[order].reset_index(drop=True)
    guards = panel.loc[panel["role"] == "guard", "symbol"].tolist()
    genes = panel.loc[panel["role"] != "guard", "symbol"].drop_duplicates().tolist()
    soup = soup_counts(counts, cells["sample"].to_numpy(dtype=object), cells["cell_type"].to_numpy(dtype=object))
    macrophage = guarded(counts, soup, guards, min_umis=settings["min_guard_umis"])
    mine = (cells["patient"] == patient).to_numpy()
    plasma = cells["is_plasma"].to_numpy(dtype=bool)
    clonal = mine & cells["clonal"].to_numpy(dtype=bool)
    role = np.full(len(cells), "", dtype=object)
    role[~mine & plasma & ~macrophage] = "donor"
    # surely another clone: the other light chain of a patient whose clonal cells all have one
    chains = set(cells.loc[clonal, "light_chain"]) - {"", "ambiguous"}
    if len(chains) == 1:
        opposite = cells["light_chain"].isin({"kappa", "lambda"} - chains).to_numpy()
        role[mine & plasma & ~clonal & opposite & ~macrophage] = "own_normal"
    normal, reference = normal_reference(
        counts, soup, cells.assign(role=role), panel[panel["role"] != "guard"], settings
    )
    parts = {TUMOUR: clonal & ~macrophage}
    visits = cells.loc[mine, ["timepoint", "day"]].drop_duplicates("timepoint").sort_values("day", kind="stable")
    for timepoint in visits["timepoint"] if len(visits) > 1 else ():
        inside = parts[TUMOUR] & (cells["timepoint"] == timepoint).to_numpy()
        if inside.sum() >= settings["min_cells"]:  # a driver is a trunk event: another class at another time is odd
            parts[f"timepoint {timepoint}"] = inside
    restricted = groups[(groups["kind"] == "cluster") & (groups["verdict"] == "restricted")]
    for name in sorted(set(restricted["group"].astype(str))):
        inside = clonal & (cells["cluster"].astype(str) == name).to_numpy() & ~macrophage
        if inside.sum() >= settings["min_cells"]:
            parts[f"cluster {name}"] = inside
    if healthy:
        why = "a healthy donor"
    elif parts[TUMOUR].sum() < settings["min_cells"]:
        n = int(parts[TUMOUR].sum())
        least = settings["min_cells"]
        why = f"{n} plasma cells of one light chain, clonotype or V gene beyond chance, fewer than {least}"
    else:
        why = ""
    tables = []
    for name, chosen in parts.items():
        table = _levels(counts, soup, cells, chosen, genes, normal, settings)
        result = (NOT_ASSESSABLE, "", why) if why else tc_class(table, panel, settings=settings, reference=reference)
        if why:
            table["spike"] = table["raised"] = False
        known = {"patient": patient, "group": name, "reference": reference}
        known |= dict(zip(("tc_class", "tc_confidence", "tc_reason"), result, strict=True))
        tables.append(table.assign(**known))
    return pd.concat(tables, ignore_index=True)[list(TABLES["embedding.drivers"])]


def _levels(
    counts: pd.DataFrame,
    soup: pd.DataFrame,
    cells: pd.DataFrame,
    chosen: np.ndarray,
    genes: list[str],
    normal: pd.DataFrame,
    settings: Mapping[str, Any],
) -> pd.DataFrame:
    """One group: level (CPM), detection, z and spike of each gene."""
    own, ambient = counts.loc[chosen, genes], soup.loc[chosen, genes]
    depth = cells.loc[chosen, "n_umi_non_ig"].to_numpy(float)
    level = pseudobulk(own, ambient, depth).to_numpy()
    detected = (own > 0).mean().to_numpy() if len(own) else np.full(len(genes), np.nan)
    # 20% of 5,000-UMI cells is a rate per UMI; the same rate shows in fewer shallow and in more deep cells
    needed, needed_cyclin = (
        expected_detection(
            np.full(len(genes), -np.log1p(-settings[name]) / STATED_DEPTH * 1e6), depth, ambient.to_numpy()
        )
        for name in ("min_detected", "min_detected_cyclin")
    )
    usual = expected_detection(
        np.maximum(np.exp(normal.loc[genes, "mean"].to_numpy()) - LOG_OFFSET, 0.0), depth, ambient.to_numpy()
    )
    log_mean = log_level(level)
    z = (log_mean - normal.loc[genes, "mean"].to_numpy()) / normal.loc[genes, "sd"].to_numpy()
    n = int(chosen.sum())
    high = (z > settings["min_z"]) & (n >= settings["min_cells"])
    return pd.DataFrame(
        {
            "gene": genes, "n_cells": n, "level": level, "detected": detected, "detected_needed": needed,
            "detected_normal": usual, "log_mean": log_mean if n else np.nan,
            "normal_mean": normal.loc[genes, "mean"].to_numpy(), "normal_sd": normal.loc[genes, "sd"].to_numpy(),
            "z": z if n else np.nan,
            "spike": high & (detected >= needed),
            # the D classes have their cyclin at a low to moderate level: fewer cells show it
            "raised": high & (detected >= needed_cyclin),
        }
    )  # fmt: skip
