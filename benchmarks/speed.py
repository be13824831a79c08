"""Time and peak memory of the copy-number signal beside infercnvpy and cnvturbo, each in a process of its own.

    PYTHONPATH=workflow/lib python benchmarks/speed.py --cells 2000 10000 50000 100000

Synthetic sparse counts (20,000 genes at real positions, some 2,000 non-zeros per cell, a fifth of the cells the
reference) are drawn once per size. Every tool reads them, is called once on a few cells (imports, compilers and caches
are no part of the time), and is then timed on all cells:

- ours, alike: ``infercnv``, configured as infercnvpy is; log counts in, sparse signal out;
- ours, pipeline: ``infer_signal`` with its baseline, from raw counts: windows, arms, expectation by depth and capture;
- infercnvpy: ``tl.infercnv`` with its default of all cores, and with ``n_jobs=1``;
- cnvturbo: ``tl.infercnv`` on the CPU (in ``.venv-peers``, where that was made).

Each tool runs twice per size: once for the time, with nothing looking on, and once for the memory, because reading the
memory of a process holds it up. Peak memory is that of the whole process tree: proportional set sizes (a page that n
processes share counts 1/n in each), summed, every 20 ms while the call runs; the matrix and the libraries are in it.
The slope is that of log(seconds) on log(cells). A tool that fails or is killed is told as such. With each figure stand
the processor time of the process tree and how busy the machine was (load): on a busy machine compare processor times.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
PEERS = ROOT / ".venv-peers" / "bin" / "python"
GENES, UMIS, LEVEL_SD, SIZE_SD = 20_000, 4200, 2.0, 0.35
#: Share of the cells that are the reference; cells of the warm-up.
REFERENCE, WARM = 0.2, 200
COLUMNS = (
    "cells",
    "tool",
    "seconds",
    "cpu_seconds",
    "peak_gb",
    "start_gb",
    "load",
    "slower",
    "cpu_ratio",
    "memory_ratio",
)


def write_counts(folder: Path, cells: int, seed: int, block: int = 1000) -> int:
    """Counts as three arrays of a CSR matrix; genes; labels. The number of non-zeros."""
    from marrowclone.resources import gene_table

    table = gene_table()
    table = table[table["chromosome"].str.fullmatch(r"chr\d+")]
    rng = np.random.default_rng(seed)
    genes = table.iloc[np.sort(rng.choice(len(table), GENES, replace=False))]
    ladder = np.cumsum(rng.lognormal(0, LEVEL_SD, GENES))
    ladder /= ladder[-1]
    data, indices, sizes = [], [], []
    for start in range(0, cells, block):
        n = min(block, cells - start)
        umis = rng.poisson(UMIS * rng.lognormal(0, SIZE_SD, n))
        gene = np.searchsorted(ladder, rng.random(umis.sum())).clip(max=GENES - 1)
        keys, counts = np.unique(np.repeat(np.arange(n), umis) * GENES + gene, return_counts=True)
        data.append(counts.astype(np.float32))
        indices.append((keys % GENES).astype(np.int32))
        sizes.append(np.bincount(keys // GENES, minlength=n))
    indptr = np.concatenate([[0], np.cumsum(np.concatenate(sizes))])
    np.save(folder / "data.npy", np.concatenate(data))
    np.save(folder / "indices.npy", np.concatenate(indices))
    np.save(folder / "indptr.npy", indptr.astype(np.int32 if indptr[-1] < 2**31 else np.int64))
    genes[["symbol", "chromosome", "start", "end", "arm"]].to_csv(folder / "genes.tsv", sep="\t", index=False)
    np.save(folder / "normal.npy", rng.random(cells) < REFERENCE)
    return int(indptr[-1])


def read_counts(folder: Path, *, logged: bool) -> tuple[Any, Any, np.ndarray]:
    """Matrix (counts, or log1p of counts per 10,000), genes, and which cells are normal."""
    import pandas as pd
    import scipy.sparse as sp

    indptr = np.load(folder / "indptr.npy")
    data = np.load(folder / "data.npy")
    if logged:
        scale = 1e4 / np.add.reduceat(data, indptr[:-1])
        for start in range(0, len(indptr) - 1, 5000):  # in place: what it takes to normalise is no part of the peak
            here = slice(indptr[start], indptr[min(start + 5000, len(indptr) - 1)])
            sizes = np.diff(indptr[start : start + 5001])
            data[here] = np.log1p(data[here] * np.repeat(scale[start : start + 5000], sizes))
    matrix = sp.csr_matrix((data, np.load(folder / "indices.npy"), indptr), shape=(len(indptr) - 1, GENES))
    genes = pd.read_csv(folder / "genes.tsv", sep="\t").set_index("symbol")
    return matrix, genes, np.load(folder / "normal.npy")


def _annotated(folder: Path) -> Any:
    import anndata as ad
    import pandas as pd

    matrix, genes, normal = read_counts(folder, logged=True)
    obs = pd.DataFrame({"kind": np.where(normal, "normal", "other")}, index=[str(i) for i in range(len(normal))])
    return ad.AnnData(X=matrix, obs=obs, var=genes)


def _call_of_peer(tl: Any, data: Any, **settings: Any) -> Callable[[], Any]:
    return lambda: tl.infercnv(data, reference_key="kind", reference_cat="normal", inplace=False, **settings)[1]


def ours_alike(folder: Path, threads: int) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Warm-up and call."""
    from marrowclone.copy_number.infercnv import category_means, infercnv

    matrix, genes, normal = read_counts(folder, logged=True)
    labels = np.where(normal, "normal", "other").astype(object)

    def call(n: int) -> Any:
        part = matrix if n >= matrix.shape[0] else matrix[:n]
        reference = category_means(part, labels[:n], ["normal"], threads=threads)
        return infercnv(part, genes, reference=reference, threads=threads)[1]

    return lambda: call(WARM), lambda: call(matrix.shape[0])


def ours_pipeline(folder: Path, threads: int) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Warm-up and call."""
    import pandas as pd

    from marrowclone.copy_number.baseline import build_baseline
    from marrowclone.copy_number.signal import infer_signal

    matrix, genes, normal = read_counts(folder, logged=False)
    matrix.data = matrix.data.astype(np.int32)
    genes = genes.assign(used=True, reason="")
    effects = pd.DataFrame(1.0, index=genes.index, columns=["A", "B"])
    samples = np.array(["A", "B"], dtype=object)[np.arange(len(normal)) % 2]
    kinds = np.full(len(normal), "plasma", dtype=object)

    def call(n: int) -> Any:
        part = matrix if n >= matrix.shape[0] else matrix[:n]
        of, who, kind = normal[:n], samples[:n], kinds[:n]
        baseline = build_baseline(part[np.flatnonzero(of)], who[of], kind[of], genes, effects)
        return infer_signal(
            part, who, of, kind, baseline, window=100, step=10, clip=3.0, min_cpm=2.0, threads=threads,
            anchors=["2p", "2q", "10p", "10q", "12q", "17q", "20q", "4q"],
        ).windows  # fmt: skip

    return lambda: call(WARM), lambda: call(matrix.shape[0])


def infercnvpy(folder: Path, threads: int, **settings: Any) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Warm-up and call."""
    import infercnvpy as cnv

    data = _annotated(folder)
    return _call_of_peer(cnv.tl, data[:WARM].copy(), **settings), _call_of_peer(cnv.tl, data, **settings)


def infercnvpy_one(folder: Path, threads: int) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """The same with ``n_jobs=1``, its fastest setting on two cores."""
    return infercnvpy(folder, threads, n_jobs=1)


def cnvturbo(folder: Path, threads: int) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Warm-up and call."""
    from cnvturbo import tl

    data = _annotated(folder)
    return _call_of_peer(tl, data[:WARM].copy(), backend="cpu"), _call_of_peer(tl, data, backend="cpu")


TOOLS: dict[str, Callable[[Path, int], tuple[Callable[[], Any], Callable[[], Any]]]] = {
    "ours, alike": ours_alike,
    "ours, pipeline": ours_pipeline,
    "infercnvpy": infercnvpy,
    "infercnvpy, n_jobs=1": infercnvpy_one,
    "cnvturbo, CPU": cnvturbo,
}
OURS = "ours, alike"


def child(tool: str, folder: Path, threads: int) -> None:
    """Prepare, say ready, wait for a line, run, say how long it took."""
    import gc
    import warnings

    warnings.simplefilter("ignore")
    warm, call = TOOLS[tool](folder, threads)
    warm()
    gc.collect()
    print("ready", flush=True)
    sys.stdin.readline()
    started, cpu = time.monotonic(), _processor_time()
    result = call()
    seconds, used = time.monotonic() - started, _processor_time() - cpu
    print(json.dumps({"seconds": seconds, "cpu_seconds": used, "kept": int(result.nnz)}), flush=True)


def _processor_time() -> float:
    """Seconds that this process and its children that ended have used."""
    return time.process_time() + sum(os.times()[2:4])


def tree_memory(process: Any) -> int:
    """Bytes of a process and all its children: proportional set sizes."""
    import psutil

    total = 0
    for one in [process, *process.children(recursive=True)]:
        try:
            total += one.memory_full_info().pss
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return total


def measure(tool: str, folder: Path, threads: int, timeout: float, *, memory: bool) -> dict[str, Any]:
    """One tool on one size, its time or (``memory``) its peak; ``failed`` says why there is no figure."""
    import psutil

    python = sys.executable
    if tool.startswith("cnvturbo"):
        if not PEERS.exists():
            return {"failed": "not installed (make peers)"}
        python = str(PEERS)
    command = [python, "-W", "ignore", __file__, "--measure", tool, str(folder), "--threads", str(threads)]
    with tempfile.TemporaryFile("w+") as errors:
        run = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True)
        assert run.stdin and run.stdout
        process = psutil.Process(run.pid)
        found: dict[str, Any] = {"load": os.getloadavg()[0]}
        if run.stdout.readline().strip() == "ready":
            found["start"] = peak = tree_memory(process) if memory else 0
            run.stdin.write("\n")
            run.stdin.flush()
            os.set_blocking(run.stdout.fileno(), False)
            started, line = time.monotonic(), ""
            while run.poll() is None and not line:
                peak = max(peak, tree_memory(process)) if memory else 0
                if time.monotonic() - started > timeout:
                    for one in process.children(recursive=True):
                        one.kill()
                    run.kill()
                    return {**found, "failed": f"stopped after {timeout:.0f} s"}
                time.sleep(0.02)
                line = run.stdout.readline()
            line = line or run.stdout.read() or ""
            if line:
                run.wait()
                return {**found, "peak": peak, **json.loads(line)}
        status = run.wait()
        errors.seek(0)
        words = errors.read().strip().splitlines()
        return {**found, "failed": f"exit status {status}" + (f": {words[-1][:200]}" if words else "")}


def both(tool: str, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """The fastest of the runs for time, with the peak of the run for memory."""
    runs = [measure(tool, folder, options.threads, options.timeout, memory=False) for _ in range(options.repeats)]
    good = [r for r in runs if "seconds" in r]
    if not good:
        return runs[0]
    looked = measure(tool, folder, options.threads, options.timeout, memory=True)
    if "failed" in looked:
        return looked
    return min(good, key=lambda r: r["seconds"]) | {name: looked[name] for name in ("start", "peak")}


def rows_of(results: dict[int, dict[str, dict[str, Any]]]) -> list[dict[str, Any]]:
    """A row per size and tool, with time and memory relative to ours."""
    rows = []
    for cells, tools in results.items():
        mine = tools.get(OURS, {})
        for tool, r in tools.items():
            row: dict[str, Any] = dict.fromkeys(COLUMNS, "") | {"cells": cells, "tool": tool}
            if "failed" in r:
                row["seconds"] = r["failed"]
            else:
                row |= {
                    "seconds": round(r["seconds"], 3), "peak_gb": round(r["peak"] / 1e9, 3),
                    "start_gb": round(r["start"] / 1e9, 3), "cpu_seconds": round(r["cpu_seconds"], 3),
                    "load": round(r["load"], 1),
                }  # fmt: skip
                if "seconds" in mine:
                    row["slower"] = round(r["seconds"] / mine["seconds"], 2)
                    row["cpu_ratio"] = round(r["cpu_seconds"] / mine["cpu_seconds"], 2)
                    row["memory_ratio"] = round(r["peak"] / mine["peak"], 2)
            rows.append(row)
    return rows


def slopes(results: dict[int, dict[str, dict[str, Any]]], what: str = "seconds") -> dict[str, float]:
    """Slope of log seconds (or ``cpu_seconds``) on log cells per tool with at least two sizes."""
    found = {}
    for tool in TOOLS:
        points = [(n, t[tool][what]) for n, t in results.items() if "seconds" in t.get(tool, {})]
        if len(points) > 1:
            found[tool] = float(np.polyfit(*np.log(np.array(points)).T, 1)[0])
    return found


def report(results: dict[int, dict[str, dict[str, Any]]], out: Path) -> str:
    """Write ``speed.tsv`` and ``speed.md``; the latter's text."""
    out.mkdir(parents=True, exist_ok=True)
    rows = rows_of(results)
    lines = [COLUMNS, *([str(r[c]) for c in COLUMNS] for r in rows)]
    (out / "speed.tsv").write_text("".join("\t".join(line) + "\n" for line in lines))
    text = ["| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS)]
    text += ["| " + " | ".join(str(r[c]) for c in COLUMNS) + " |" for r in rows]
    busy = slopes(results, "cpu_seconds")
    text += [
        "",
        *(
            f"- {t}: slope of log time on log cells {s:.2f}, of processor time {busy[t]:.2f}"
            for t, s in slopes(results).items()
        ),
    ]
    (out / "speed.md").write_text("\n".join(text) + "\n")
    return "\n".join(text)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description="Speed and memory of the copy-number signal beside other tools.")
    parser.add_argument("--cells", type=int, nargs="+", default=[2_000, 10_000, 50_000, 100_000])
    parser.add_argument("--tools", nargs="+", choices=TOOLS, default=list(TOOLS))
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="of ours")
    parser.add_argument("--repeats", type=int, default=1, help="the fastest of so many is told")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--timeout", type=float, default=3600, help="seconds for one call")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results")
    parser.add_argument("--scratch", type=Path, help="folder for the data (default: a temporary one)")
    parser.add_argument("--measure", nargs=2, metavar=("TOOL", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.measure:
        child(options.measure[0], Path(options.measure[1]), options.threads)
        return 0
    results: dict[int, dict[str, dict[str, Any]]] = {}
    for cells in options.cells:
        with tempfile.TemporaryDirectory(dir=options.scratch, prefix="speed.") as folder:
            nonzeros = write_counts(Path(folder), cells, options.seed)
            print(f"{cells} cells x {GENES} genes, {nonzeros / cells:.0f} non-zeros per cell", flush=True)
            results[cells] = {}
            for tool in options.tools:
                results[cells][tool] = both(tool, Path(folder), options)
                print(f"  {tool}: {results[cells][tool]}", flush=True)
        text = report(results, options.out)
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
