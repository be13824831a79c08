"""Memory and time of loading a large capture, beside scanpy, each in a process of its own.

    PYTHONPATH=workflow/lib python benchmarks/loading.py --cells 200000

Writes a synthetic 10x h5 (the reference's 33,538 genes, about 1,500 nonzeros per cell, packed as Cell Ranger packs)
into a scratch folder, and measures on it

- ours: ``load_counts`` (into a counts file) and the QC metrics of that file, both block by block;
- scanpy: ``read_10x_h5`` and ``pp.calculate_qc_metrics`` with Ig, mitochondrial and haemoglobin genes.

Peak memory is the largest resident size of the process. Ratios are to the file's sparse counts in memory (int32
values and indices, int32 row pointers). Ours also writes the counts file; scanpy does not.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import h5py
import numpy as np

#: UMIs drawn per cell: with the levels below they fall on about 1,500 genes.
UMIS, LEVEL_SD = 2350, 2.0
#: Cell Ranger's chunk and packing.
PACKED = {"chunks": (80_000,), "maxshape": (None,), "compression": "gzip", "compression_opts": 4, "shuffle": True}
HEAD = ("what", "seconds", "peak GB", "of counts", "above start GB", "of counts")


def write_synthetic(path: Path, cells: int, seed: int = 1, block: int = 1000) -> int:
    """Write the capture block by block; the number of nonzeros."""
    from marrowclone.resources import gene_table

    table = gene_table()
    rng = np.random.default_rng(seed)
    level = rng.lognormal(0, LEVEL_SD, len(table))
    ladder = np.cumsum(level / level.sum())
    indptr = np.zeros(cells + 1, dtype=np.int64)
    with h5py.File(path, "w") as file:
        group = file.create_group("matrix")
        data = group.create_dataset("data", (0,), dtype=np.int32, **PACKED)
        indices = group.create_dataset("indices", (0,), dtype=np.int64, **PACKED)
        done = 0
        for start in range(0, cells, block):
            n = min(block, cells - start)
            umis = rng.poisson(UMIS, n)
            gene = np.searchsorted(ladder, rng.random(umis.sum())).clip(max=len(table) - 1)
            keys, counts = np.unique(np.repeat(np.arange(n), umis) * len(table) + gene, return_counts=True)
            indptr[start + 1 : start + n + 1] = done + np.cumsum(np.bincount(keys // len(table), minlength=n))
            for dataset, values in ((data, counts), (indices, keys % len(table))):
                dataset.resize((done + len(keys),))
                dataset[done:] = values
            done += len(keys)
        group["indptr"] = indptr
        group["shape"] = np.array([len(table), cells], dtype=np.int32)
        group["barcodes"] = np.array([_barcode(i) for i in range(cells)], dtype="S")
        features = group.create_group("features")
        features["id"], features["name"] = table["gene_id"].to_numpy("S"), table["symbol"].to_numpy("S")
        features["feature_type"] = np.full(len(table), b"Gene Expression")
        features["genome"] = np.full(len(table), b"GRCh38")
    return int(indptr[-1])


def _barcode(i: int) -> str:
    """Sixteen bases from a number, and the well."""
    return "".join("ACGT"[(i >> (2 * k)) & 3] for k in range(16)) + "-1"


def _ours(path: Path) -> int:
    from marrowclone.cells.load import load_counts
    from marrowclone.cells.metrics import metrics_of_file
    from marrowclone.check.schemas import chapter_schema, defaults
    from marrowclone.resources import RESOURCES, gene_table, read_resource

    out = path.with_name("counts.h5ad")
    load_counts(
        path,
        out,
        sample="S",
        genes=gene_table(),
        aliases=read_resource(RESOURCES / "aliases.tsv"),
        settings=defaults(chapter_schema("cells"))["load_counts"],
    )
    return int(metrics_of_file(out)["n_umi"].sum())


def _scanpy(path: Path) -> int:
    import scanpy as sc

    from marrowclone.cells.genes import hb_mask, ig_mask, mito_mask
    from marrowclone.resources import gene_table

    data = sc.read_10x_h5(path)
    var = gene_table().set_index("symbol")
    for name, mask in (("ig", ig_mask(var)), ("mt", mito_mask(var)), ("hb", hb_mask(var))):
        data.var[name] = mask
    sc.pp.calculate_qc_metrics(data, qc_vars=["ig", "mt", "hb"], percent_top=None, log1p=False, inplace=True)
    return int(data.obs["total_counts"].to_numpy(np.float64).sum())


def _peak() -> float:
    """Largest resident size so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def measure(what: str, path: Path) -> dict[str, float]:
    """Run one of the two in this process."""
    import anndata  # noqa: F401  (imports are no part of the time, and are told apart in memory)
    import scanpy  # noqa: F401

    from marrowclone.resources import gene_table

    gene_table()
    before, started = _peak(), time.monotonic()
    umis = {"ours": _ours, "scanpy": _scanpy}[what](path)
    return {"seconds": time.monotonic() - started, "peak": _peak(), "before": before, "umis": umis}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status (1 when ours takes more than 2.5 x the counts, or the two disagree)."""
    parser = argparse.ArgumentParser(description="Memory and time of loading a large capture.")
    parser.add_argument("--cells", type=int, default=200_000, help="cells of the synthetic capture")
    parser.add_argument("--scratch", type=Path, help="folder for the files (default: a temporary one)")
    parser.add_argument("--measure", nargs=2, metavar=("WHAT", "FILE"), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.measure:
        print(json.dumps(measure(options.measure[0], Path(options.measure[1]))))
        return 0
    with tempfile.TemporaryDirectory(dir=options.scratch, prefix="loading.") as folder:
        path = Path(folder) / "capture.h5"
        nonzeros = write_synthetic(path, options.cells)
        counts = 8 * nonzeros + 4 * (options.cells + 1)
        print(
            f"{options.cells} cells, {nonzeros / options.cells:.0f} nonzeros per cell, sparse counts "
            f"{counts / 1e9:.3f} GB, file {path.stat().st_size / 1e9:.3f} GB"
        )
        seen = {}
        print("\t".join(HEAD))
        for what in ("ours", "scanpy"):
            command = [sys.executable, "-W", "ignore", __file__, "--measure", what, str(path)]
            run = subprocess.run(command, capture_output=True, text=True, check=False)
            if run.returncode:
                print(f"{what}: {run.stderr.strip().splitlines()[-1] if run.stderr else 'was stopped'}")
                continue
            seen[what] = m = json.loads(run.stdout.splitlines()[-1])
            above = m["peak"] - m["before"]
            row = (m["peak"] / 1e9, m["peak"] / counts, above / 1e9, above / counts)
            print("\t".join([what, f"{m['seconds']:.1f}", *(f"{v:.2f}" for v in row)]), flush=True)
    if "ours" not in seen:
        return 1
    if "scanpy" in seen and seen["ours"]["umis"] != seen["scanpy"]["umis"]:
        print("the two count different UMIs")
        return 1
    return int(seen["ours"]["peak"] > 2.5 * counts and options.cells >= 200_000)


if __name__ == "__main__":
    sys.exit(main())
