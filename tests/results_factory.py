"""A plausible ``results/`` folder made by hand from the contract, for tests of what reads it.

Three patients: P1 has four clones and four timepoints (one of them with zero malignant
cells), P2 has no plasma cells at all, H1 is a healthy donor. Nothing here is inferred.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from marrowclone import tables
from marrowclone.keys import TABLES

CLINICAL_COLUMNS = {
    "mrd": "patient day assay result cells_analysed events lod loq value compartment first_pull",
    "imaging": "patient day modality result deauville",
    "response": "patient day response m_protein m_protein_unit kappa_flc lambda_flc",
    "therapy": "patient start regimen stop line classes",
    "cytogenetics": "patient day event method fraction",
    "pro": "patient day instrument version",
    "outcome": "patient pfs_day pfs_event death_day death_cause last_contact_day",
}


def frame(columns: str | tuple, rows: list[tuple]) -> pd.DataFrame:
    names = columns.split() if isinstance(columns, str) else list(columns)
    return pd.DataFrame(rows, columns=names)


SAMPLES = frame(
    "sample patient timepoint day compartment sort batch chemistry prep",
    [
        ("P1_dx", "P1", "diagnosis", 0, "BM", "none", "b1", "10x_3p_v3", ""),
        ("P1_pi", "P1", "post_induction", 182, "BM", "none", "b2", "10x_3p_v3", ""),
        ("P1_mrd", "P1", "mrd", 420, "BM", "none", "b2", "10x_3p_v3", ""),
        (
            "P1_relapse_bone_marrow_aspirate_second_pull_CD138_positive_fraction",
            "P1",
            "relapse",
            900,
            "BM",
            "CD138+",
            "b3",
            "10x_3p_v3",
            "",
        ),
        ("P2_dx", "P2", "diagnosis", 0, "BM", "none", "b1", "10x_3p_v3", ""),
        ("H1_bm", "H1", "healthy", 0, "BM", "none", "b1", "10x_3p_v3", ""),
    ],
)
N_CELLS = {"P1_dx": 400, "P1_pi": 300, "P1_mrd": 300, SAMPLES["sample"][3]: 250, "P2_dx": 200, "H1_bm": 250}
#: Malignant cells per clone c1..c4 and normal plasma cells, per sample.
PLASMA = {
    "P1_dx": ((120, 60, 30, 12), 20),
    "P1_pi": ((6, 14, 3, 2), 18),
    "P1_mrd": ((0, 0, 0, 0), 35),
    SAMPLES["sample"][3]: ((5, 140, 0, 40), 10),
    "P2_dx": ((0, 0, 0, 0), 0),
    "H1_bm": ((0, 0, 0, 0), 30),
}
REST = ("cd4_t", "cd8_t", "nk", "monocyte", "macrophage", "b_cell", "erythroid", "hspc", "neutrophil", "unresolved")
COARSE = {"monocyte": "myeloid", "macrophage": "myeloid", "neutrophil": "myeloid", "erythroid": "erythroid"}
CLONES = ("c1", "c2", "c3", "c4")
EVENTS = {
    "all": {("chr1", "q"): 3, ("chr13", "q"): 1},
    "c1": {("chr1", "q"): 3, ("chr13", "q"): 1, ("chr9", "p"): 3, ("chr9", "q"): 3},
    "c2": {("chr1", "q"): 4, ("chr13", "q"): 1, ("chr17", "p"): 1},
    "c3": {("chr1", "q"): 3, ("chr13", "q"): 1, ("chr9", "p"): 3, ("chr9", "q"): 3, ("chr15", "q"): 3},
    "c4": {("chr1", "q"): 4, ("chr13", "q"): 1, ("chr17", "p"): 1, ("chr8", "p"): 0, ("chr16", "p"): 1},
}


@dataclass(frozen=True)
class Results:
    root: Path
    samples: pd.DataFrame
    clinical: dict[str, pd.DataFrame]

    def records(self, patient: str) -> list[dict]:
        return self.samples[self.samples["patient"] == patient].to_dict("records")

    def paths(self, patient: str) -> dict[str, str]:
        files = {
            "clonality": f"embedding/{patient}.clonality.tsv.gz",
            **{k: f"embedding/{patient}.{k}.tsv" for k in ("groups", "drivers", "identity")},
            "microenvironment": "embedding/microenvironment.tsv",
            "reference": f"copy_number/{patient}.reference.tsv",
            "malignant": f"copy_number/{patient}.malignant.tsv.gz",
            "arms": f"copy_number/{patient}.arms.tsv",
            "panel": f"copy_number/{patient}.panel.tsv",
            "clone_cells": f"clones/{patient}.cells.tsv.gz",
            "profiles": f"clones/{patient}.profiles.tsv",
            **{
                k: f"evolution/{patient}.{k}.tsv"
                for k in ("tree", "fractions", "burden", "dynamics", "state", "labels", "resistance")
            },
            "cells": "embedding/cells.tsv.gz",
            "landmarks": "cure/landmarks.tsv",
            "qol": "cure/qol.tsv",
            **{k: f"cure/{k}.tsv" for k in ("risk", "changes", "sensitivity")},
        }
        return {k: str(self.root / v) for k, v in files.items()}

    def qc(self, patient: str) -> list[str]:
        return [str(self.root / "cells" / f"{r['sample']}.qc.tsv.gz") for r in self.records(patient)]

    def qc_facts(self, patient: str) -> list[str]:
        return [str(self.root / "cells" / f"{r['sample']}.qc.json") for r in self.records(patient)]


def make_results(root: Path) -> Results:
    """Write the three patients' tables under ``root``."""
    rng = np.random.default_rng(5)
    embedding, truth_cells = [], []
    for row in SAMPLES.itertuples():
        n, (clones, n_normal) = N_CELLS[row.sample], PLASMA[row.sample]
        n_plasma = sum(clones) + n_normal
        types = ["plasma"] * n_plasma + list(rng.choice(REST, size=n - n_plasma))
        cells = [f"{row.sample}:{i:04d}" for i in range(n)]
        dropped = [f"{row.sample}:x{i:03d}" for i in range(40)]
        qc = pd.DataFrame(
            {
                "cell": cells + dropped,
                "keep": [True] * n + [False] * 40,
                "reason": [""] * n + ["few non-Ig UMIs"] * 20 + ["doublet"] * 12 + ["few non-Ig genes; doublet"] * 8,
                "n_umi": rng.integers(800, 20000, n + 40),
                "n_genes": rng.integers(300, 5000, n + 40),
            }
        )
        qc = qc.assign(n_umi_non_ig=qc["n_umi"] // 2, n_genes_non_ig=qc["n_genes"] - 20, pct_mito=4.0, pct_ig=20.0)
        qc = qc.assign(pct_hb=1.0, doublet_score=0.1, doublet=qc["reason"] == "doublet")
        qc["coarse_type"] = ["plasma" if t == "plasma" else COARSE.get(t, "lymphoid") for t in types] + ["myeloid"] * 40
        write(root / "cells" / f"{row.sample}.qc.tsv.gz", "cells.qc", qc)
        tables.write_json(root / "cells" / f"{row.sample}.qc.json", qc_facts(qc))
        centre = {t: 8 * rng.random(2) for t in (*REST, "plasma")}
        xy = np.array([centre[t] for t in types]) + rng.normal(0, 0.5, (n, 2))
        embedding.append(
            pd.DataFrame(
                {
                    "cell": cells,
                    "sample": row.sample,
                    "patient": row.patient,
                    "timepoint": row.timepoint,
                    "day": row.day,
                    "cell_type": types,
                    "confidence": 0.9,
                    "is_plasma": [t == "plasma" for t in types],
                    "is_tumour_type": [t == "plasma" for t in types],
                    "cluster": "1",
                    "umap_1": xy[:, 0],
                    "umap_2": xy[:, 1],
                }
            )
        )
        clone = [c for c, k in zip(CLONES, clones, strict=True) for _ in range(k)] + [""] * (n - sum(clones))
        truth_cells.append(
            pd.DataFrame(
                {
                    "cell": cells,
                    "sample": row.sample,
                    "patient": row.patient,
                    "cell_type": types,
                    "malignant": [c != "" for c in clone],
                    "clone": clone,
                    "doublet": False,
                }
            )
        )
    cells = pd.concat(embedding, ignore_index=True)
    truth = pd.concat(truth_cells, ignore_index=True)
    write(root / "embedding" / "cells.tsv.gz", "embedding.cells", cells)
    for patient in ("P1", "P2", "H1"):
        _patient_tables(root, patient, truth[truth["patient"] == patient])
        _immunoglobulin(root, patient, truth[truth["patient"] == patient])
    _microenvironment(root, cells)
    _cure(root)
    write(
        root / "report" / "truth.tsv",
        "report.truth",
        pd.DataFrame(columns=[*TABLES["report.truth"], "n", "note"]),
    )
    return Results(root, SAMPLES.copy(), clinical_tables())


def qc_facts(qc: pd.DataFrame) -> dict:
    """A sample's qc.json: all that the page can show."""
    n, kept = len(qc), int(qc["keep"].sum())
    many = np.sort(qc["n_umi"].to_numpy())[::-1]
    return {
        "n_barcodes": n, "n_kept": kept, "median": {"n_umi": 9000.0, "n_genes": 2100.0},
        "limits_umi_non_ig": {"plasma": 60000.0, "lymphoid": 30000.0}, "max_pct_mito": {"plasma": 20, "other": 15},
        "floors": {"min_umi_non_ig": 500, "min_genes_non_ig": 300}, "ambient_ig": 1.25,
        "doublet_method": "scrublet", "doublet_threshold": 0.25, "doublet_rule": "dip between the two modes",
        "doublet_expected_rate": 0.0035,
        "warnings": ["ambient immunoglobulin is somewhat high"],
        "checks": [
            {"check": "few_cells", "value": kept, "limit": 100, "verdict": "ok", "text": "enough cells"},
            {"check": "mitochondria", "value": 14.2, "limit": 10, "verdict": "warn", "text": "half of the cells are dying"},
            {"check": "wetting", "value": None, "limit": 0.5, "verdict": "fail", "text": "no knee"},
        ],
        "knee": [[int(r), int(many[r - 1])] for r in (1, 2, 5, 10, 20, 50, 100, n)],
        "knee_raw": [[1, int(many[0])], [n, int(many[-1])], [5000, 12], [90000, 1]],
        "ambient": {
            "source": "unfiltered_droplets", "n_droplets": 84000, "n_umi": 1200000, "pct_ig": 31.0, "pct_hb": 9.5,
            "top_genes": {"HBB": 7.0, "IGKC": 14.0, "JCHAIN": 3.0},
        },
    }  # fmt: skip


def write(path: Path, name: str, table: pd.DataFrame) -> None:
    tables.write_table(path, table, columns=TABLES[name])


def _patient_tables(root: Path, patient: str, truth: pd.DataFrame) -> None:
    rich = patient == "P1"
    plasma = truth[truth["cell_type"] == "plasma"]
    rung = {"P1": "R2", "P2": "none", "H1": "R2"}[patient]
    write(
        root / "copy_number" / f"{patient}.reference.tsv",
        "copy_number.reference",
        frame(
            TABLES["copy_number.reference"],
            [(patient, rung, "plasma", 612, 3, "3 healthy donors with 612 plasma cells; R1 needs 50 polyclonal cells")],
        )
        if rung != "none"
        else frame(TABLES["copy_number.reference"], [(patient, "none", "", 0, 0, "no plasma cells found")]),
    )
    malignant = plasma["malignant"].to_numpy(dtype=bool)
    call = np.where(malignant, "malignant", "normal").astype(object)
    call[::17] = "unassigned"
    write(
        root / "copy_number" / f"{patient}.malignant.tsv.gz",
        "copy_number.malignant",
        pd.DataFrame(
            {
                "cell": plasma["cell"],
                "sample": plasma["sample"],
                "p_malignant": np.where(malignant, 0.98, 0.02),
                "call": call,
                "cnv_score": np.where(malignant, 0.1, 0.01),
                "light_chain": "kappa",
                "reference_rung": rung,
                "evidence": "copy_number",
            }
        ),
    )
    rates = (patient, rung, len(call), int((call == "malignant").sum()), int((call == "normal").sum()),
             int((call == "unassigned").sum()))  # fmt: skip
    held_out = (
        (0.4, 200, 1, 0.005, 0.0006, 0.023, "cells of the other chain", "n")
        if rich
        else (0.0, 0, 0, *[None] * 3, "no", "n")
    )
    write(
        root / "copy_number" / f"{patient}.calls.tsv",
        "copy_number.calls",
        frame(TABLES["copy_number.calls"], [(*rates, *held_out)]),
    )
    arm_rows, profile_rows = [], []
    for clone, events in EVENTS.items() if rich else ():
        for number in [*range(1, 23), "X"]:
            chromosome = f"chr{number}"
            for arm in ("q",) if number in (13, 14, 15, 21, 22) else ("p", "q"):
                state = events.get((chromosome, arm), 2)
                ratio = {0: -1.4, 1: -0.6, 2: 0.0, 3: 0.4, 4: 0.7}[state]
                posterior = 0.6 if (chromosome, arm) == ("chr16", "p") else 0.97
                call = "neutral" if state == 2 else "gain" if state > 2 else "loss"
                arm_rows.append((clone, chromosome, arm, state, posterior, ratio, call, 200, 180))
                start = 1 if arm == "p" else 60_000_001
                if clone != "all":
                    profile_rows.append((clone, chromosome, start, start + 59_999_999, state, posterior, ratio))
    write(root / "copy_number" / f"{patient}.arms.tsv", "copy_number.arms", frame(TABLES["copy_number.arms"], arm_rows))
    write(
        root / "copy_number" / f"{patient}.panel.tsv",
        "copy_number.panel",
        panel_rows(patient) if rich else frame(TABLES["copy_number.panel"], []),
    )
    write(
        root / "clones" / f"{patient}.profiles.tsv",
        "clones.profiles",
        frame(TABLES["clones.profiles"], profile_rows),
    )
    own = truth[truth["malignant"]]
    write(
        root / "clones" / f"{patient}.cells.tsv.gz",
        "clones.cells",
        pd.DataFrame({"cell": own["cell"], "sample": own["sample"], "clone": own["clone"], "posterior": 0.95}),
    )
    _evolution(root, patient, rich)


def panel_rows(patient: str) -> pd.DataFrame:
    """Findings of the high-risk panel: one present, one not told, one absent, and a translocation."""
    rows = [
        (patient, "all", "gain(1q)", "present", 0.99, "c1, c2", 1.0, "c1: 1q: log2 ratio +0.47, 520 genes, 3 copies"),
        (
            patient,
            "all",
            "amp(1q)",
            "indeterminate",
            0.4,
            "",
            np.nan,
            "c1: 1q: log2 ratio +0.60, 520 genes: 3 or 4 copies",
        ),
        (patient, "all", "del(17p)", "absent", 0.001, "", 0.0, "c1: 17p: log2 ratio -0.02, 190 genes"),
        (patient, "all", "t(4;14)", "present", np.nan, "", np.nan, "by driver genes: t(4;14), confidence high (NSD2)"),
        (patient, "c1", "gain(1q)", "present", 0.99, "c1", 0.6, "1q: log2 ratio +0.47, 520 genes, 3 copies"),
    ]
    return frame(TABLES["copy_number.panel"], rows)


#: Checks of identity: P1's second sample is another person's.
IDENTITY = (
    ("overall", "", "P2_dx", "mismatch", "sex: XIST 1200, chromosome Y 0 UMIs in 260 non-plasma cells; P1_dx: male"),
    ("sex", "female", "P2_dx", "mismatch", "XIST 1200, chromosome Y 0 UMIs in 260 non-plasma cells; P1_dx: male"),
    ("germline_genes", "GSTM1 absent, HLA-DRB5 present", "", "differs", "GSTM1 other than in P1_dx"),
    ("likeness", "0.312", "P1_dx", "match",
     "correlation 0.31 with P1_dx of the same patient, -0.12 with H1_bm (difference -0.43, error 0.05)"),
    ("receptor", "lambda IGLV2-14", "", "not assessable", "no other sample of the patient has clonal plasma cells"),
)  # fmt: skip


def _immunoglobulin(root: Path, patient: str, truth: pd.DataFrame) -> None:
    """Receptors, groups of plasma cells, drivers and identity; empty tables where there is no plasma cell."""
    plasma = truth[truth["cell_type"] == "plasma"].reset_index(drop=True)
    clonal, n = plasma["malignant"].to_numpy(dtype=bool), np.arange(len(plasma))
    kappa = clonal | (n % 5 < 3)
    cells = plasma[["cell", "sample", "cell_type"]].assign(
        kappa=np.where(kappa, 210, 1), light_chain_score=np.where(kappa, 6.7, -6.7),
        light_chain=np.where(kappa, "kappa", "lambda"), chain_source="contigs", isotype=np.where(clonal, "IgG", "IgA"),
        isotype_gene="IGHG1", v_light=np.where(clonal, "IGKV3-20", ""), v_heavy="", clonotype_log_odds=8.0,
        clonotype=np.where(clonal, "CL1", ""), clonotype_dominant=clonal, multiplet=False, clonal=clonal,
        clonal_reason=np.where(clonal, "dominant clonotype", ""), clonotype_cdr3=np.where(clonal, "H:TGTGCGAGA", ""),
    )  # fmt: skip
    write(
        root / "embedding" / f"{patient}.clonality.tsv.gz",
        "embedding.clonality",
        cells.assign(**{"lambda": np.where(kappa, 1, 190)}),
    )
    rows = []
    for place in SAMPLES[SAMPLES["patient"] == patient].itertuples():
        inside = cells[cells["sample"] == place.sample]
        k, size, mine = int((inside["light_chain"] == "kappa").sum()), len(inside), int(inside["clonal"].sum())
        for kind, name in (
            ("sample", place.sample),
            ("timepoint", place.timepoint),
            ("cluster", "1"),
            ("v_gene", "IGKV3-20"),
        ):
            if size and (kind != "v_gene" or mine > 50):
                verdict = "expanded" if kind == "v_gene" else "restricted" if mine > 50 else "polyclonal"
                rows.append((
                    patient, kind, name, place.timepoint, place.day, size, size, k, size - k, 0.0, "kappa", k / size, 0.5, 0.98,
                    0.6, 25.0, 1e-30, np.nan if kind == "v_gene" else 0.0 if mine > 50 else 0.2, verdict,
                    "IgG" if mine else "IgA", 0.9, mine > 50, "IGKV3-20" if mine else "", 0.8 if mine else np.nan, 0.2, mine > 50,
                    "CL1" if mine else "", 1.0 if mine else np.nan,
                    "light chain switch: kappa at diagnosis, lambda at relapse" if place.timepoint == "relapse" else "",
                ))  # fmt: skip
    write(root / "embedding" / f"{patient}.groups.tsv", "embedding.groups", frame(TABLES["embedding.groups"], rows))
    _drivers(root, patient, int(clonal.sum()))
    visits = SAMPLES[SAMPLES["patient"] == patient]
    identity = [
        (
            s.sample,
            s.timepoint,
            s.day,
            *(check if s.sample == "P1_pi" else (check[0], "", "", call, "nothing to compare")),
        )
        for s in visits.itertuples()
        for call in (("match" if patient == "P1" else "not assessable"),)
        for check in IDENTITY
    ]
    write(
        root / "embedding" / f"{patient}.identity.tsv",
        "embedding.identity",
        frame(TABLES["embedding.identity"], identity),
    )


def _drivers(root: Path, patient: str, n: int) -> None:
    rows = []
    for group, cells in (("tumour", n), ("timepoint relapse", n // 3)) if n else (("tumour", 0),):
        known = ("t(4;14)", "high", "NSD2 1240 per million, z 9.1; FGFR3 not raised (der(14) is lost in 25 to 30%)")
        known = known if group == "tumour" else ("D2", "low", "CCND2 80 per million, z 4.2")
        known = known if n else ("not assessable", "", "0 plasma cells of one light chain, fewer than 20")
        for gene, level, z in (("CCND1", 3.0, 0.1), ("NSD2", 1240.0, 9.1), ("CCND2", 80.0, 4.2)):
            rows.append((
                patient, group, gene, cells, level if n else 0.0, 0.6 if n else np.nan, 0.2, 0.05, np.log(level + 10), np.log(15), 0.3,
                z if n else np.nan, bool(n and z > 5), bool(n and z > 4), "2 healthy donors", *known,
            ))  # fmt: skip
    write(root / "embedding" / f"{patient}.drivers.tsv", "embedding.drivers", frame(TABLES["embedding.drivers"], rows))


def _microenvironment(root: Path, cells: pd.DataFrame) -> None:
    """Shares, one ratio, a score and log-ratios per sample; all missing in the sorted one."""
    rows = []
    for s in SAMPLES.itertuples():
        around = cells.loc[
            (cells["sample"] == s.sample) & ~cells["cell_type"].isin(["plasma", "erythroid"]), "cell_type"
        ]
        n = len(around)
        types = [t for t in REST if t != "erythroid"]
        measures = [
            (f"share.{t}", k / n, max(0.0, k / n - 0.04), k / n + 0.05)
            for t in (*types, "stromal")
            for k in [int((around == t).sum())]
        ]
        measures += [("treg_share", 0.08, 0.03, 0.15), ("cd4_cd8_ratio", 1.2, 0.8, 1.7), ("clr.nk", -0.4, -0.9, 0.1)]
        missing = s.sort != "none"
        for name, *values in measures:
            told = (
                (np.nan, np.nan, np.nan, np.nan, f"{s.sort} sorted: missing, not zero") if missing else (*values, n, "")
            )
            rows.append((s.sample, s.patient, s.timepoint, s.day, s.compartment, s.sort, name, *told))
    write(
        root / "embedding" / "microenvironment.tsv",
        "embedding.microenvironment",
        frame(TABLES["embedding.microenvironment"], rows),
    )


def _evolution(root: Path, patient: str, rich: bool) -> None:
    tree = [
        ("trunk", "", "1q gain;13q loss", 1.0),
        ("c1", "trunk", "9p gain;9q gain", 0.93),
        ("c3", "c1", "15q gain", 0.71),
        ("c2", "trunk", "1q amplification;17p loss", 0.98),
        ("c4", "c2", "8p homozygous loss;16p loss", 0.88),
    ]
    fractions, total = [], {"P1_dx": 0.4, "P1_pi": 1e-3, "P1_mrd": 3e-6, SAMPLES["sample"][3]: 0.12}
    for row in SAMPLES[SAMPLES["patient"] == "P1"].itertuples():
        counts = PLASMA[row.sample][0]
        n = sum(counts)
        for clone, k in zip(CLONES, counts, strict=True):
            p = (k + 0.5) / (n + 2)
            half = 1.96 * np.sqrt(p * (1 - p) / (n + 3))
            lower, upper = (max(0, p - half), min(1, p + half)) if n else (0.0, 1.0)
            if k == 0:
                lower = 0.0
            b = total[row.sample]
            fraction = k / n if n else np.nan
            burden = b * fraction if n else np.nan
            fractions.append(
                (
                    clone,
                    row.sample,
                    row.timepoint,
                    row.day,
                    n,
                    k,
                    fraction,
                    lower,
                    upper,
                    burden,
                    b * lower / 2,
                    b * upper * 2,
                    "NGS" if row.sample == "P1_mrd" else "scRNA",
                )
            )
    burden = [
        ("P1_dx", "diagnosis", 0, "scRNA", True, 0.4, 0.2, 0.7, np.nan, ""),
        ("P1_dx", "diagnosis", 0, "aspirate", False, 0.55, 0.3, 0.8, 0.01, ""),
        ("P1_pi", "post_induction", 182, "NGS", True, 1.2e-3, 5e-4, 3e-3, 1e-6, ""),
        ("P1_pi", "post_induction", 182, "scRNA", False, 8e-2, 5e-2, 1.2e-1, np.nan, ""),
        ("P1_mrd", "mrd", 420, "NGS", True, 0.0, 0.0, 3e-6, 1e-6, "below the limit of detection"),
        ("P1_mrd", "mrd", 420, "scRNA", False, 0.0, 0.0, 1e-2, np.nan, "0 of 300 cells"),
        (SAMPLES["sample"][3], "relapse", 900, "M-protein", True, 0.12, 0.05, 0.3, np.nan, "sorted sample"),
    ]
    dynamics = [
        ("c1", 0, 182, -0.9, -1.3, -0.6, -0.2, 0.0, "on therapy"),
        ("c2", 0, 182, -0.5, -0.8, -0.3, 0.21, 0.0, "on therapy"),
        ("c2", 182, 900, 0.22, 0.1, 0.35, 0.3, 0.99, "mixed"),
        ("c4", 182, 900, 0.31, 0.12, 0.5, 0.12, 0.98, "off therapy"),
    ]
    labels = [
        ("c1", 900, "lost (below limit)", 0.7, "growth-only; 5 cells"),
        ("c2", 900, "expanding", 0.97, "growth-only"),
        ("c3", 900, "not assessable", np.nan, "fewer than 3 cells"),
        ("c4", 900, "re-emergent", 0.9, "both"),
    ]
    resistance = [
        (
            "c2",
            900,
            "BCMA-CART",
            "TNFRSF17",
            "expression",
            0.05,
            0.0,
            0.18,
            "antigen_loss",
        ),
        ("c4", 900, "PI", "PSMB5", "expression", 1.3, 0.7, 2.1, "indeterminate"),
        ("c2", 900, "IMiD", "", "phenotypic", 0.22, 0.1, 0.35, "grew_on_drug"),
    ]
    state = [
        ("all", 0, "cycling", 0.021, 0.015, 0.028, np.nan, 1500, 1480),
        ("c2", 900, "cycling", 0.0, 0.0, 0.0049, np.nan, 640, 612),
        ("c2", 900, "persistence adhesion", 0.41, 0.28, 0.54, 97.5, 640, 600),
        ("c3", 900, "cycling", np.nan, 0.0, 1.0, np.nan, 2, 0),
    ]
    rows = {
        "state": state,
        "tree": tree,
        "fractions": fractions,
        "burden": burden,
        "dynamics": dynamics,
        "labels": labels,
        "resistance": resistance,
    }
    for name, values in rows.items():
        table = frame(TABLES[f"evolution.{name}"], values if rich else [])
        write(root / "evolution" / f"{patient}.{name}.tsv", f"evolution.{name}", table)
    tables.write_text(root / "evolution" / f"{patient}.nwk", "((c3)c1,(c4)c2)trunk;\n" if rich else ";\n")


def _cure(root: Path) -> None:
    def landmark(day: int, tier: str, suffix: str, p: tuple, css: tuple, parts: tuple, reason: str) -> tuple:
        return ("P1", day, tier, suffix, *p, *css, *parts, reason)

    rows = [
        landmark(
            0,
            "T0",
            "Q--C?",
            (1, 0, 0, 0, 0, 0),
            (6, 5, 8, 3, 12),
            (0.02, np.nan, 0.02, 0.45, np.nan, 0.8),
            "active disease at diagnosis",
        ),
        landmark(
            182,
            "T1",
            "Q0-C?",
            (0, 0.9, 0.1, 0, 0, 0),
            (24, 19, 30, 14, 36),
            (0.18, 0.6, 0.15, 0.6, np.nan, 1.0),
            "VGPR; NGS positive at 1.2e-3",
        ),
        landmark(
            420,
            "T2",
            "Q+-C?",
            (0, 0.1, 0.85, 0.05, 0, 0),
            (47, 42, 52, 36, 59),
            (0.45, 0.8, 0.3, 0.84, np.nan, 1.0),
            "CR; one NGS result negative at 1e-6; imaging negative",
        ),
        landmark(
            900,
            "T0",
            "Q0-C-",
            (0.97, 0.03, 0, 0, 0, 0),
            (9, 7, 14, 4, 21),
            (0.02, 0.1, 0.03, 0.7, np.nan, 1.0),
            "progressive disease (IMWG PD) at day 890; c2 and c4 expanding",
        ),
        (
            "P2", 0, "", "Q?-C?", *([np.nan] * 6), *([np.nan] * 5), *([np.nan] * 5), 0.0,
            "insufficient: no residual-disease evidence, no quality of life",
        ),
    ]  # fmt: skip
    write(root / "cure" / "landmarks.tsv", "cure.landmarks", frame(TABLES["cure.landmarks"], rows))
    qol = []
    for day, shift in ((0, -25), (182, -10), (420, 5), (900, -5)):
        for scale, base in (("QL2", 70), ("PF2", 80), ("EF", 78), ("SUM", 82), ("FA", 35), ("PA", 30), ("DS", 25)):
            symptom = scale in {"FA", "PA", "DS"}
            score = base - shift if symptom else base + shift
            qol.append(
                (
                    "P1",
                    day,
                    "QLQ-MY20" if scale == "DS" else "QLQ-C30",
                    scale,
                    score,
                    score > 39 if symptom else score < 60,
                )
            )
    write(root / "cure" / "qol.tsv", "cure.qol", frame(TABLES["cure.qol"], qol))
    use = "Research use only"
    risk = [
        ("P1", 900, system, result, missing, "", "", use)
        for system, result, missing in (
            ("IMS_IMWG_2025", "high", ""), ("ISS", "II", ""), ("R-ISS", "indeterminate", "ldh"),
            ("R2-ISS", "intermediate-high", ""), ("HRCA", "2", ""), ("double_hit", "no", ""),
        )
    ]  # fmt: skip
    changes = [
        ("P1", 182, 420, "T1", "T2", 23.0, 14.0, 31.0, 9.0, 38.0, 0.99, "higher", "DCFQ", "D 0.18 to 0.45", use),
        ("P1", 420, 900, "T2", "T0", -38.0, -46.0, -30.0, -52.0, -24.0, 0.0, "lower", "DCFQ", "D 0.45 to 0.02", use),
    ]
    nan = np.nan
    sensitivity = [
        ("P1", 900, "default", "[J]", nan, nan, 9.0, 7.0, 14.0, 0.0, "T0", False, nan, nan, use),
        ("P1", 900, "weight_q", "[J]", 0.2, 0.4, 15.0, 12.0, 20.0, 6.0, "T0", False, nan, nan, use),
        ("P1", 900, "weights, all together", "[J]", nan, nan, 9.5, 5.0, 17.0, 0.5, "T0", False, nan, nan, use),
        ("", nan, "weight_q", "[J]", 0.2, 0.4, nan, nan, nan, 6.0, "", "", 0.9, 0.0, use),
    ]
    outlook = [
        ("C of css", 24, 0.71, 0.62, 0.79, 86, "", use),
        ("lead of css over sustained MRD", 24, 0.02, -0.05, 0.09, 86, "THE SCORE DOES NOT BEAT SUSTAINED MRD", use),
        ("Brier of Cox on css", 24, 0.17, nan, nan, 86, "", use),
        ("Brier of Kaplan-Meier for everybody", 24, 0.19, nan, nan, 86, "", use),
        ("long-term fraction (mixture cure)", 24, 0.31, nan, nan, 86, "follow-up too short: 40 months", use),
        ("C of css", 36, nan, nan, nan, 22, "too few: 22 patients, 7 events; wanted 40 and 10", use),
    ]
    for name, written in (("risk", risk), ("changes", changes), ("sensitivity", sensitivity), ("outlook", outlook)):
        write(root / "cure" / f"{name}.tsv", f"cure.{name}", frame(TABLES[f"cure.{name}"], written))


def clinical_tables() -> dict[str, pd.DataFrame]:
    """P1's clinical tables as ``read_clinical`` gives them."""
    none = np.nan
    rows = {
        "mrd": [
            ("P1", 182, "NGS", "positive", 1e6, 1200, 1e-6, 5e-6, 1.2e-3, "BM", "yes"),
            ("P1", 420, "NGS", "negative", 3e6, 0, 1e-6, 5e-6, none, "BM", "yes"),
            ("P1", 600, "NGF", "indeterminate", 2e5, 0, 1e-4, 2e-4, none, "BM", ""),
            ("P1", 760, "NGF", "positive", 5e6, 900, 4e-6, 1e-5, 1.8e-4, "BM", "yes"),
        ],
        "imaging": [("P1", 0, "PET-CT", "positive", 5), ("P1", 425, "PET-CT", "negative", 1)],
        "response": [
            ("P1", 90, "PR", 9.0, "g/L", none, none),
            ("P1", 180, "VGPR", 1.0, "g/L", none, none),
            ("P1", 415, "CR", 0.0, "g/L", none, none),
            ("P1", 890, "PD", 14.0, "g/L", none, none),
        ],
        "therapy": [
            ("P1", 5, "VRd", 170, 1, "PI IMiD"),
            ("P1", 200, "melphalan 200 mg/m2 with autologous transplant", 215, 1, "alkylator ASCT"),
            ("P1", 260, "lenalidomide maintenance", 700, 1, "IMiD"),
            ("P1", 905, "anti-BCMA CAR-T", none, 2, "BCMA-CART"),
        ],
    }
    return {name: frame(columns, rows.get(name, [])) for name, columns in CLINICAL_COLUMNS.items()}


def stress_patient():
    """Ten clones at ten close timepoints with long names, as tables: what a page must survive."""
    from marrowclone.report.gather import Patient, sheet

    rng = np.random.default_rng(3)
    days = [0, 14, 21, 150, 180, 400, 415, 700, 1100, 1105]
    times = [
        "diagnosis",
        "post_induction",
        "post_induction_2",
        "pre_transplant",
        "post_transplant",
        "consolidation",
        "mrd",
        "maintenance",
        "relapse",
        "refractory",
    ]
    samples = sheet(
        [
            {
                "sample": f"Universitaetsklinikum-0042_{t}_bone_marrow.aspirate",
                "patient": "X" * 40,
                "timepoint": t,
                "day": d,
            }
            for t, d in zip(times, days, strict=True)
        ]
    )
    clones = [f"c{i}" for i in range(1, 11)]
    rows, arms, profiles = [], [], []
    for sample in samples.itertuples():
        counts = rng.multinomial(60, rng.dirichlet(np.full(10, 0.4)))
        for clone, k in zip(clones, counts, strict=True):
            f, high = k / 60, min(1.0, (k + 4) / 60)
            rows.append((clone, sample.sample, sample.timepoint, sample.day, 60, k, f, max(0, (k - 4) / 60), high))
    fractions = frame(TABLES["evolution.fractions"][:9], rows)
    total = fractions["day"].map(dict(zip(days, 10.0 ** rng.uniform(-5, -0.3, 10), strict=True)))
    fractions = fractions.assign(
        burden=total * fractions["fraction"], burden_lower=total * fractions["lower"] / 3,
        burden_upper=total * fractions["upper"] * 3, burden_source="scRNA",
    )  # fmt: skip
    for clone in ["all", *clones]:
        for n in range(1, 23):
            for arm in "pq":
                state = int(rng.choice([0, 1, 2, 2, 2, 2, 3, 4, 5]))
                arms.append((clone, f"chr{n}", arm, state, rng.random(), state / 2 - 1, "", 100, 50))
                start = 1 if arm == "p" else 250_000_000 // (n + 2)
                if clone != "all":
                    profiles.append(
                        (clone, f"chr{n}", start, start + 250_000_000 // (n + 2), state, 0.9, state / 2 - 1)
                    )
    events = ", ".join(f"{i}q gain of the long arm" for i in range(1, 12))
    tree = [("trunk", "", events, 1.0)] + [
        (c, "trunk" if i < 2 else clones[i - 2], events[: 30 * i], 0.5) for i, c in enumerate(clones)
    ]
    burden = [
        (s.sample, s.timepoint, s.day, source, i == 0, 10.0 ** rng.uniform(-5, 0), 1e-5, 0.9, 1e-6, "")
        for s in samples.itertuples()
        for i, source in enumerate(("NGS", "NGF", "scRNA", "aspirate", "none: CD138-sorted sample of unknown yield"))
    ]
    patient = samples["patient"].iloc[0]
    landmarks = [
        (
            patient,
            d,
            f"T{i % 6}",
            "Q?-C-",
            *[1 / 6] * 6,
            50 + i,
            45,
            60,
            20,
            80,
            0.1,
            0.5,
            0.9,
            np.nan,
            np.nan,
            0.8,
            "because " * 30,
        )
        for i, d in enumerate(days)
    ]
    clinical = {name: frame(columns, []) for name, columns in CLINICAL_COLUMNS.items()}
    clinical["mrd"] = frame(
        CLINICAL_COLUMNS["mrd"],
        [
            (patient, d + k, a, "negative", 1e6, 0, 1e-6, 1e-5, np.nan, "BM", True)
            for d in days
            for k, a in enumerate(("NGS", "NGF"))
        ],
    )
    clinical["response"] = frame(
        CLINICAL_COLUMNS["response"], [(patient, d + 1, "VGPR", 1.0, "g/L", 1, 1) for d in days]
    )
    clinical["therapy"] = frame(
        CLINICAL_COLUMNS["therapy"],
        [
            (patient, d, f"regimen {i} with a rather long name of many drugs and doses", d + 30, i, "PI")
            for i, d in enumerate(days)
        ],
    )
    qol = frame(
        TABLES["cure.qol"],
        [
            (patient, d, "QLQ-C30", s, float(rng.integers(0, 101)), bool(rng.integers(0, 2)))
            for d in days
            for s in [
                "QL2",
                "PF2",
                "RF2",
                "EF",
                "CF",
                "SF",
                "FA",
                "NV",
                "PA",
                "DY",
                "SL",
                "AP",
                "CO",
                "DI",
                "FI",
                "SUM",
            ]
        ],
    )
    cells = pd.DataFrame(
        {
            "cell": [f"{s}:{i}" for s in samples["sample"] for i in range(100)],
            "sample": np.repeat(samples["sample"], 100),
            "patient": patient,
        }
    ).assign(
        cell_type=lambda f: rng.choice([*REST, "plasma", "my own label"], len(f)),
        is_tumour_type=lambda f: f["cell_type"] == "plasma",
    )
    plasma = cells[cells["is_tumour_type"]]
    types = ("cd4_t", "cd8_t", "nk", "innate_t", "monocyte", "eo_baso_mast", "stromal", "osteoblast")
    around = [
        (s.sample, patient, s.timepoint, s.day, "BM", "", f"share.{t}", *(np.nan,) * 4, "12 cells (fewer than 20)")
        if i % 4 == 3
        else (
            s.sample,
            patient,
            s.timepoint,
            s.day,
            "BM",
            "",
            f"share.{t}",
            x * k / 12,
            max(0, x * k - 1) / 12,
            (x * k + 1) / 12,
            2345,
            "",
        )
        for i, s in enumerate(samples.itertuples())
        for k, t in enumerate(types)
        for x in [rng.random()]
    ]
    return Patient(
        name=patient, samples=samples, cells=cells,
        microenvironment=frame(TABLES["embedding.microenvironment"], around), arms=frame(TABLES["copy_number.arms"], arms),
        malignant=plasma[["cell", "sample"]].assign(call="malignant"), fractions=fractions,
        profiles=frame(TABLES["clones.profiles"], profiles), tree=frame(TABLES["evolution.tree"], tree),
        burden=frame(TABLES["evolution.burden"], burden), landmarks=frame(TABLES["cure.landmarks"], landmarks), qol=qol,
        reference=frame(TABLES["copy_number.reference"], [(patient, "R5", "cd4_t", 500, 10, "")]), clinical=clinical,
    )  # fmt: skip
