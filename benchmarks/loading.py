"""Memory and time of loading and checking a large capture, beside scanpy, each in a process of its own.

    PYTHONPATH=workflow/lib python benchmarks/loading.py --cells 200000
    PYTHONPATH=workflow/lib python benchmarks/loading.py --cells 10000 --empty 690000   # an unfiltered matrix

Writes a synthetic 10x h5 (the reference's 33,538 genes, about 1,500 nonzeros per cell, packed as Cell Ranger packs;
eight kinds of cells, and barcodes that hold ambient RNA) into a scratch folder, and measures on it

- ours: ``load_counts`` (into a counts file) and the QC metrics of that file; ``profile_ambient``; ``qc_cells`` with
  and without doublets: as the workflow runs them, block by block;
- scanpy: ``read_10x_h5`` and ``pp.calculate_qc_metrics`` with Ig, mitochondrial and haemoglobin genes; ``pp.scrublet``.

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
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # before numpy loads, and not where a test imports this: the setting outlives the import
    for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ.setdefault(_name, "1")

import h5py
import numpy as np

#: UMIs drawn per cell: with the levels below they fall on about 1,500 genes.
UMIS, LEVEL_SD = 2500, 2.0
#: Kinds of cells, how far their levels differ, and the spread of their sizes. Each kind has a share of UMIs on each
#: gene of its type's markers, the others have next to none.
KINDS = ("plasma", "cd8_t", "b_cell", "monocyte", "neutrophil", "erythroid", "nk", "hspc")
KIND_SD, SIZE_SD, MARKER, NO_MARKER = 0.7, 0.3, 1e-3, 1e-6
#: Of the barcodes of a filtered matrix, those that hold ambient RNA (the mixture of all kinds) only, and their UMIs;
#: UMIs of the droplets of an unfiltered one.
AMBIENT_SHARE, AMBIENT_UMIS, EMPTY_UMIS = 0.05, 400, 30
#: Cells up to which scanpy's scrublet is run: the scores of variable genes of all cells and twice as many doublets
#: stand densely in its memory.
MOST_SCANPY_SCRUBLET = 30_000
#: Cell Ranger's chunk and packing.
PACKED = {"chunks": (80_000,), "maxshape": (None,), "compression": "gzip", "compression_opts": 4, "shuffle": True}
#: Bytes of counts from which the ratio is judged: below, libraries and blocks are more than the counts.
LARGE = 2e9
HEAD = ("what", "seconds", "peak GB", "of counts", "above start GB", "of counts")


def write_synthetic(path: Path, cells: int, seed: int = 1, block: int = 1000, empty: int = 0) -> int:
    """Write the capture block by block, ``empty`` droplets behind the cells; the number of nonzeros."""
    from marrowclone.resources import RESOURCES, gene_table, read_resource

    table, panel = gene_table(), read_resource(RESOURCES / "markers.tsv")
    rng = np.random.default_rng(seed)
    levels = rng.lognormal(0, LEVEL_SD, len(table)) * rng.lognormal(0, KIND_SD, (len(KINDS), len(table)))
    levels[:, table["symbol"].str.startswith("MT-")] = levels.sum(axis=1, keepdims=True) / 300  # 13 genes, 4%
    levels[:, table["symbol"].isin(panel["symbol"])] = levels.sum(axis=1, keepdims=True) * NO_MARKER
    for level, name in zip(levels, KINDS, strict=True):
        markers = panel.loc[(panel["cell_type"] == name) & (panel["direction"] == "+"), "symbol"]
        level[table["symbol"].isin(markers)] = level.sum() * MARKER
    levels /= levels.sum(axis=1, keepdims=True)
    ladders = np.cumsum(np.vstack([levels, levels.mean(axis=0)]), axis=1)
    indptr = np.zeros(cells + empty + 1, dtype=np.int64)
    with h5py.File(path, "w") as file:
        group = file.create_group("matrix")
        data = group.create_dataset("data", (0,), dtype=np.int32, **PACKED)
        indices = group.create_dataset("indices", (0,), dtype=np.int64, **PACKED)
        done = 0
        for start in range(0, cells + empty, block):
            n = min(block, cells + empty - start)
            kind = rng.integers(0, len(KINDS), n)
            kind[rng.random(n) < AMBIENT_SHARE] = len(KINDS)
            mean = np.where(kind < len(KINDS), UMIS, AMBIENT_UMIS) * rng.lognormal(0, SIZE_SD, n)
            behind = np.arange(start, start + n) >= cells
            kind[behind], mean[behind] = len(KINDS), EMPTY_UMIS
            umis = rng.poisson(mean)
            of = np.repeat(kind, umis)
            draws, gene = rng.random(len(of)), np.empty(len(of), dtype=np.int64)
            for k, ladder in enumerate(ladders):
                gene[of == k] = np.searchsorted(ladder, draws[of == k]).clip(max=len(table) - 1)
            keys, counts = np.unique(np.repeat(np.arange(n), umis) * len(table) + gene, return_counts=True)
            indptr[start + 1 : start + n + 1] = done + np.cumsum(np.bincount(keys // len(table), minlength=n))
            for dataset, values in ((data, counts), (indices, keys % len(table))):
                dataset.resize((done + len(keys),))
                dataset[done:] = values
            done += len(keys)
        group["indptr"] = indptr
        group["shape"] = np.array([len(table), cells + empty], dtype=np.int32)
        group["barcodes"] = np.array([_barcode(i) for i in range(cells + empty)], dtype="S")
        features = group.create_group("features")
        features["id"], features["name"] = table["gene_id"].to_numpy("S"), table["symbol"].to_numpy("S")
        features["feature_type"] = np.full(len(table), b"Gene Expression")
        features["genome"] = np.full(len(table), b"GRCh38")
    return int(indptr[-1])


def _barcode(i: int) -> str:
    """Sixteen bases from a number, and the well."""
    return "".join("ACGT"[(i >> (2 * k)) & 3] for k in range(16)) + "-1"


def _settings() -> dict[str, Any]:
    """The chapter's defaults."""
    from marrowclone.check.schemas import chapter_schema, defaults

    return defaults(chapter_schema("cells") or {})


def _ours(path: Path) -> int:
    from marrowclone.cells.load import load_counts
    from marrowclone.cells.metrics import metrics_of_file
    from marrowclone.resources import RESOURCES, gene_table, read_resource

    out = path.with_name("counts.h5ad")
    load_counts(
        path,
        out,
        sample="S",
        genes=gene_table(),
        aliases=read_resource(RESOURCES / "aliases.tsv"),
        settings=_settings()["load_counts"],
    )
    return int(metrics_of_file(out)["n_umi"].sum())


def _ambient(path: Path) -> int:
    from marrowclone.cells.ambient import ambient_table, profile_ambient
    from marrowclone.cells.blocks import CountsFile
    from marrowclone.resources import RESOURCES, read_resource
    from marrowclone.tables import write_json, write_table

    settings = _settings()
    counts = CountsFile(path.with_name("counts.h5ad"))
    found = profile_ambient(
        counts,
        None,
        panel=read_resource(RESOURCES / "markers.tsv"),
        settings={**settings["qc_cells"], **settings["profile_ambient"]},
        seed=1,
    )
    write_table(path.with_name("ambient.tsv"), ambient_table(found, counts.var), columns=["symbol", "share"])
    write_json(path.with_name("ambient.json"), found.facts)
    print(f"profile_ambient: {found.facts['source_text']}, {found.facts['n_droplets']} barcodes", file=sys.stderr)
    return found.facts["n_umi"]


def _qc(path: Path, **changed: str) -> int:
    from marrowclone.cells.ambient import from_table
    from marrowclone.cells.blocks import CountsFile
    from marrowclone.cells.qc import qc_cells
    from marrowclone.resources import RESOURCES, read_resource
    from marrowclone.tables import read_result

    counts = CountsFile(path.with_name("counts.h5ad"))
    facts_of_soup = json.loads(path.with_name("ambient.json").read_text())
    table, facts = qc_cells(
        counts,
        panel=read_resource(RESOURCES / "markers.tsv"),
        settings=_settings()["qc_cells"] | changed,
        seed=1,
        ambient=from_table(read_result(path.with_name("ambient.tsv")), facts_of_soup, counts.var_names),
        lineages=read_resource(RESOURCES / "lineages.tsv"),
    )
    print(f"qc_cells: {facts['n_kept']} kept; {facts['n_failed']}; {facts['doublet_rule']}", file=sys.stderr)
    return int(table["n_umi"].sum())


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


def _scanpy_scrublet(path: Path) -> int:
    import scanpy as sc

    data = sc.read_10x_h5(path)
    data.var_names_make_unique()
    sc.pp.scrublet(data, random_state=1, use_approx_neighbors=False)  # the default fails above 2,730 cells
    return int(data.X.sum(dtype=np.float64))


#: What is measured, in this order: the later ones of ours read what the earlier ones wrote.
STEPS: dict[str, Callable[[Path], int]] = {
    "load_counts, metrics": _ours,
    "profile_ambient": _ambient,
    "qc_cells": _qc,
    "qc_cells, no doublets": partial(_qc, doublet_method="none"),
    "scanpy read, metrics": _scanpy,
    "scanpy read, scrublet": _scanpy_scrublet,
}
OURS, SCANPY = "load_counts, metrics", "scanpy read, metrics"


def _peak() -> float:
    """Largest resident size so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def measure(what: str, path: Path) -> dict[str, float]:
    """Run one of :data:`STEPS` in this process."""
    import anndata  # noqa: F401  (imports are no part of the time, and are told apart in memory)
    import scanpy  # noqa: F401

    from marrowclone.resources import gene_table

    gene_table()
    before, started = _peak(), time.monotonic()
    umis = STEPS[what](path)
    return {"seconds": time.monotonic() - started, "peak": _peak(), "before": before, "umis": umis}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status (1 when a step of ours takes more than 2.5 x the counts, or the UMIs differ)."""
    parser = argparse.ArgumentParser(description="Memory and time of loading and checking a large capture.")
    parser.add_argument("--cells", type=int, default=200_000, help="cells of the synthetic capture")
    parser.add_argument(
        "--empty", type=int, default=0, help="droplets without a cell behind them: an unfiltered matrix"
    )
    parser.add_argument("--steps", nargs="+", choices=STEPS, default=list(STEPS), help="what to measure")
    parser.add_argument("--scratch", type=Path, help="folder for the files (default: a temporary one)")
    parser.add_argument("--measure", nargs=2, metavar=("WHAT", "FILE"), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.measure:
        print(json.dumps(measure(options.measure[0], Path(options.measure[1]))))
        return 0
    with tempfile.TemporaryDirectory(dir=options.scratch, prefix="loading.") as folder:
        path = Path(folder) / "capture.h5"
        barcodes = options.cells + options.empty
        nonzeros = write_synthetic(path, options.cells, empty=options.empty)
        return compare(path, nonzeros, barcodes, options.steps)


def compare(path: Path, nonzeros: int, barcodes: int, steps: Sequence[str]) -> int:
    """Measure the steps on one file, print a line each; the exit status."""
    counts = 8 * nonzeros + 4 * (barcodes + 1)
    print(
        f"{barcodes} barcodes, {nonzeros / barcodes:.0f} nonzeros per barcode, sparse counts "
        f"{counts / 1e9:.3f} GB, file {path.stat().st_size / 1e9:.3f} GB"
    )
    seen: dict[str, dict[str, float]] = {}
    failed = False
    print("\t".join(HEAD))
    for what in steps:
        if STEPS[what] is _scanpy_scrublet and barcodes > MOST_SCANPY_SCRUBLET:
            print(f"{what}: not run above {MOST_SCANPY_SCRUBLET} barcodes")
            continue
        command = [sys.executable, "-W", "ignore", __file__, "--measure", what, str(path)]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        if run.returncode:
            print(f"{what}: {run.stderr.strip().splitlines()[-1] if run.stderr else 'was stopped'}")
            failed |= not what.startswith("scanpy")
            continue
        seen[what] = m = json.loads(run.stdout.splitlines()[-1])
        above = m["peak"] - m["before"]
        row = (m["peak"] / 1e9, m["peak"] / counts, above / 1e9, above / counts)
        print("\t".join([what, f"{m['seconds']:.1f}", *(f"{v:.2f}" for v in row)]), flush=True)
        for line in run.stderr.splitlines():
            print(f"  {line}", flush=True)
    if OURS in seen and SCANPY in seen and seen[OURS]["umis"] != seen[SCANPY]["umis"]:
        print("the two count different UMIs")
        return 1
    most = max((m["peak"] for what, m in seen.items() if not what.startswith("scanpy")), default=0)
    return int(failed or (most > 2.5 * counts and counts > LARGE))


if __name__ == "__main__":
    sys.exit(main())
