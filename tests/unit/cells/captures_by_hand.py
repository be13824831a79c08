"""Small captures with known content for the tests of cells and embedding."""

from __future__ import annotations

import gzip
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import yaml
from scipy import sparse

ROOT = Path(__file__).resolve().parents[3]
IDS = {
    "CD3E": "ENSG00000198851", "MS4A1": "ENSG00000156738", "XBP1": "ENSG00000100219", "JCHAIN": "ENSG00000132465",
    "NSD2": "ENSG00000109685", "TENT5C": "ENSG00000183508",
}  # fmt: skip


def defaults(chapter: str, rule: str) -> dict:
    """The rule's settings as the schema gives them."""
    schema = yaml.safe_load((ROOT / f"workflow/schemas/{chapter}.schema.yaml").read_text())
    return {name: key["default"] for name, key in schema["properties"][rule]["properties"].items()}


def write_mtx(
    folder: Path, matrix: np.ndarray, features: list[tuple[str, ...]], *, v2: bool = False, gz: bool = True
) -> Path:
    """A matrix folder; ``matrix`` is barcodes x genes."""
    folder.mkdir(parents=True, exist_ok=True)
    coo = sparse.coo_matrix(matrix.T)
    body = "\n".join(f"{i + 1} {j + 1} {v}" for i, j, v in zip(coo.row, coo.col, coo.data, strict=True))
    kind = "integer" if np.issubdtype(matrix.dtype, np.integer) else "real"
    head = f"%%MatrixMarket matrix coordinate {kind} general\n%\n{coo.shape[0]} {coo.shape[1]} {coo.nnz}\n"
    texts = {
        "matrix.mtx": head + body + "\n",
        "genes.tsv" if v2 else "features.tsv": "".join("\t".join(f) + "\n" for f in features),
        "barcodes.tsv": "".join(f"BC{i}-1\n" for i in range(matrix.shape[0])),
    }
    for name, text in texts.items():
        if gz:
            (folder / f"{name}.gz").write_bytes(gzip.compress(text.encode()))
        else:
            (folder / name).write_text(text)
    return folder


def write_h5(
    path: Path, matrix: np.ndarray, ids: list[str], names: list[str], *, v2: bool = False, types=None, genomes=None
) -> Path:
    """A 10x h5; ``matrix`` is barcodes x genes."""
    csr = sparse.csr_matrix(matrix)
    with h5py.File(path, "w") as file:
        group = file.create_group("GRCh38" if v2 else "matrix")
        group["data"], group["indices"], group["indptr"] = csr.data, csr.indices, csr.indptr
        group["shape"] = np.array(csr.shape[::-1])
        group["barcodes"] = np.array([f"BC{i}-1" for i in range(csr.shape[0])], dtype="S")
        if v2:
            group["genes"], group["gene_names"] = np.array(ids, dtype="S"), np.array(names, dtype="S")
        else:
            features = group.create_group("features")
            features["id"], features["name"] = np.array(ids, dtype="S"), np.array(names, dtype="S")
            features["feature_type"] = np.array(types or ["Gene Expression"] * len(ids), dtype="S")
            features["genome"] = np.array(genomes or ["GRCh38"] * len(ids), dtype="S")
    return path


#: Mean UMIs per cell of marker genes, by type; everything else is background.
PROFILES = {
    "plasma": {"SDC1": 2, "TNFRSF17": 3, "XBP1": 12, "MZB1": 10, "DERL3": 6, "PRDM1": 3, "FKBP11": 5, "SEC11C": 6,
               "SSR4": 15, "IGKC": 800, "IGHG1": 600, "JCHAIN": 100},
    "cd4_t": {"CD3D": 6, "CD3E": 5, "CD4": 2, "IL7R": 6, "LTB": 6},
    "cd8_t": {"CD3D": 6, "CD3E": 5, "CD8A": 5, "CD8B": 5, "GZMK": 5, "NKG7": 4},
    "monocyte": {"CD14": 6, "LYZ": 30, "S100A8": 30, "S100A9": 30, "VCAN": 6, "FCN1": 8},
    "b_cell": {"MS4A1": 6, "CD79A": 8, "CD79B": 6, "CD19": 2, "BANK1": 5, "PAX5": 2},
    "pdc": {"LILRA4": 6, "IL3RA": 4, "CLEC4C": 4, "MZB1": 6, "DERL3": 3, "IRF4": 3, "JCHAIN": 60, "TNFRSF17": 0.05},
}  # fmt: skip


def simulate(
    types: dict[str, int], *, sample: str = "S", depth: float = 2000, seed: int = 0
) -> tuple[ad.AnnData, pd.Series]:
    """A capture in the reference gene space, and its true types."""
    from marrowclone.resources import gene_table

    rng = np.random.default_rng(seed)
    var = (
        gene_table()
        .set_index("symbol")[["gene_id", "chromosome", "start", "end", "arm", "locus"]]
        .assign(measured=True)
    )
    truth = pd.Series([t for t, n in types.items() for _ in range(n)], dtype=object)
    background = rng.choice(
        np.flatnonzero((var["locus"] == "") & ~var["chromosome"].isin(["chrM"])), 1500, replace=False
    )
    weight = rng.lognormal(0, 1, 1500)
    blocks = []
    for cell_type in truth:
        mean = np.zeros(len(var))
        mean[background] = depth * weight / weight.sum()
        for gene, value in PROFILES[cell_type].items():
            mean[var.index.get_loc(gene)] = value
        mean[var.index.get_loc("MT-CO1")] = 0.04 * depth
        mean[var.index.get_loc("IGKC")] += 3  # soup: every droplet has some
        blocks.append(sparse.csr_matrix(rng.poisson(mean)))
    barcodes = [f"BC{i:04d}-1" for i in range(len(truth))]
    names = pd.Index([f"{sample}:{b}" for b in barcodes], name="cell")
    X = (
        sparse.vstack(blocks, format="csr").astype(np.int32)
        if blocks
        else sparse.csr_matrix((0, len(var)), dtype=np.int32)
    )
    obs = pd.DataFrame({"sample": sample, "barcode": barcodes}, index=names)
    truth.index = names
    return ad.AnnData(X=X, obs=obs, var=var, uns={"load": {"sample": sample}}), truth
