"""A small sound cohort: its sheets as text, and writers for its count files."""

from __future__ import annotations

import gzip
from pathlib import Path

import h5py
import numpy as np

from marrowclone.resources import gene_table

GENES = gene_table()[["gene_id", "symbol"]].iloc[:300]
BARCODES = ["".join("ACGT"[(n >> shift) & 3] for shift in range(0, 16, 2)) + "ACGTACGT-1" for n in range(12)]

SHEETS = {
    "samples.tsv": (
        "sample\tpatient\ttimepoint\tday\tpath\tformat\tsort\tcompartment\tbatch\tcell_types\n"
        "P1_dx\tP1\tdiagnosis\t0\tdata/P1_dx\t10x_mtx\tnone\tBM\t\t\n"
        "P1_mrd\tP1\tmrd\t200\tdata/P1_mrd.h5\tauto\tCD138+\tBM\t\t\n"
        "P1_rel\tP1\trelapse\t400\tdata/P1_rel.h5ad\t\tnone\tBM\t\t\n"
        "P2_dx\tP2\tdiagnosis\t0\tdata/P2_dx\tauto\tnone\tBM\trun7\tdata/labels.tsv\n"
        "H1_bm\tH1\thealthy\t0\tdata/H1_bm\tauto\tnone\tBM\t\t\n"
    ),
    "mrd.tsv": (
        "patient\tday\tassay\tresult\tcells_analysed\tevents\tlod\tloq\tvalue\tcompartment\tfirst_pull\n"
        "P1\t200\tNGF\tnegative\t10000000\t3\t2e-6\t5e-6\t\tBM\tyes\n"
        "P1\t390\tNGS\tpositive\t3000000\t600\t1e-6\t2e-6\t\tBM\tunknown\n"
    ),
    "imaging.tsv": "patient\tday\tmodality\tresult\tdeauville\nP1\t200\tPET-CT\tnegative\t2\nP2\t3\tMRI\tpositive\t\n",
    "response.tsv": (
        "patient\tday\tresponse\tm_protein\tm_protein_unit\tbm_pc_percent\tbm_pc_method\talbumin\tcreatinine\tcrab\n"
        "P1\t0\t\t38.5\tg/L\t45\taspirate\t36\t0.9\ttrue\n"
        "P1\t200\tVGPR\t1.2\tg/L\t\t\t41\t\tfalse\n"
        "P2\t90\tPR\t\t\t\t\t\t\t\n"
    ),
    "therapy.tsv": (
        "patient\tstart\tregimen\tstop\tline\tclasses\n"
        "P1\t7\tD-VRd\t180\t1\tPI;IMiD;CD38;steroid\n"
        "P1\t405\tide-cel\t405\t2\tBCMA-CART\n"
    ),
    "cytogenetics.tsv": "patient\tday\tevent\tmethod\tfraction\nP1\t0\tgain(1q)\tFISH\t0.62\nP1\t0\tdel(17p)\tFISH\t0\n",
    "pro.tsv": (
        "patient\tday\tinstrument\tversion\tq1\tq2\tq29\tq31\teq_mobility\teq_vas\tproxy\n"
        "P1\t0\tQLQ-C30\t3.0\t2\t3\t5\t\t\t\tfalse\n"
        "P1\t0\tQLQ-MY20\t1.0\t\t\t\t2\t\t\tfalse\n"
        "P2\t0\tEQ-5D-5L\t5L\t\t\t\t\t2\t75\tno\n"
    ),
    "outcome.tsv": (
        "patient\tpfs_day\tpfs_event\tdeath_day\tdeath_cause\tlast_contact_day\n"
        "P1\t390\ttrue\t900\tmyeloma\t900\nP2\t500\tfalse\t\t\t500\n"
    ),
}
CLINICAL = [name for name in SHEETS if name != "samples.tsv"]
CONFIG = (
    "samples: samples.tsv\nseed: 7\nclinical:\n"
    + "".join(f"  {name.removesuffix('.tsv')}: {name}\n" for name in CLINICAL)
    + "tumour_cell_types: [plasma]\n"
)


def counts(seed: int = 1) -> np.ndarray:
    """(genes, cells) small counts, about a third of them zero."""
    return np.random.default_rng(seed).poisson(1.1, (len(GENES), len(BARCODES)))


def write_mtx(folder: Path, matrix: np.ndarray, *, genes=None, barcodes=BARCODES, packed: bool = True) -> None:
    """A 10x v3 folder, gzipped or not."""
    folder.mkdir(parents=True, exist_ok=True)
    kind = "integer" if np.issubdtype(matrix.dtype, np.integer) else "real"
    entries = [f"{i + 1} {j + 1} {matrix[i, j]}" for j in range(matrix.shape[1]) for i in np.flatnonzero(matrix[:, j])]
    head = [f"%%MatrixMarket matrix coordinate {kind} general", f"{matrix.shape[0]} {matrix.shape[1]} {len(entries)}"]
    rows = genes if genes is not None else [f"{g}\t{s}\tGene Expression" for g, s in GENES.itertuples(index=False)]
    for name, lines in (("matrix.mtx", head + entries), ("features.tsv", rows), ("barcodes.tsv", barcodes)):
        data = ("\n".join(lines) + "\n").encode()
        (folder / (name + ".gz" if packed else name)).write_bytes(gzip.compress(data) if packed else data)


def write_h5(path: Path, matrix: np.ndarray, *, barcodes=BARCODES) -> None:
    """A Cell Ranger 3 h5."""
    columns = [np.flatnonzero(matrix[:, j]) for j in range(matrix.shape[1])]
    with h5py.File(path, "w") as file:
        group = file.create_group("matrix")
        group["data"] = np.concatenate([matrix[rows, j] for j, rows in enumerate(columns)])
        group["indices"] = np.concatenate(columns)
        group["indptr"] = np.cumsum([0, *(len(rows) for rows in columns)])
        group["shape"] = np.array(matrix.shape)
        group["barcodes"] = np.array(barcodes, dtype="S")
        group["features/id"] = GENES["gene_id"].to_numpy().astype("S")
        group["features/name"] = GENES["symbol"].to_numpy().astype("S")


def write_h5ad(path: Path, x: np.ndarray, *, layers=None, raw=None, obs=BARCODES, var=None) -> None:
    """An h5ad with a dense X (cells, genes)."""
    import anndata
    import pandas as pd

    data = anndata.AnnData(
        x.astype("float32"),
        obs=pd.DataFrame(index=list(obs)),
        var=pd.DataFrame(index=list(var if var is not None else GENES["symbol"])),
    )
    if raw is not None:
        data.raw = anndata.AnnData(raw.astype("float32"), obs=data.obs, var=data.var)
    for name, layer in (layers or {}).items():
        data.layers[name] = layer.astype("float32")
    data.write_h5ad(path)


def set_cell(path: Path, line: int, column: str, value: str) -> None:
    """Put ``value`` into one cell (line as in messages, the header being line 1)."""
    lines = path.read_text().split("\n")
    cells = lines[line - 1].split("\t")
    cells[lines[0].split("\t").index(column)] = value
    lines[line - 1] = "\t".join(cells)
    path.write_text("\n".join(lines))
