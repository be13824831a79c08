"""Run one of the R peers: ``r_peer.py CASE.h5ad OUTDIR --tool copykat|SCEVAN|numbat [--alleles TSV]``.

Exits 3, with the reason in one line, when R or the package is not on this machine, or when numbat has no allele
counts; 1 when the tool fails. The R scripts follow each package's own documentation.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
from adapter import Answer, read_case, write_answer

HERE = Path(__file__).resolve().parent
RULES = {
    "copykat": "copykat.pred; low-confidence labels count, filtered cells are unassigned",
    "SCEVAN": "pipelineCNA's class; filtered cells are unassigned",
    "numbat": "compartment_opt",
}
NOTES = {
    "copykat": "score: mean absolute signal per cell; clones: two groups of the aneuploid query cells",
    "SCEVAN": "no score of its own: 1 tumour, 0.5 filtered, 0 normal; states of the clonal profile",
    "numbat": "states are copies; copy-neutral loss of heterozygosity counts as neutral",
}


class NotHere(Exception):
    """Something that the peer needs is not on this machine."""


def find_r(tool: str) -> tuple[str, str]:
    """The Rscript on the path and the package's version; raises NotHere."""
    script = shutil.which("Rscript")
    if script is None:
        raise NotHere("not here: Rscript is not on the path")
    ask = f'if (requireNamespace("{tool}", quietly = TRUE)) cat(as.character(packageVersion("{tool}")))'
    answer = subprocess.run([script, "-e", ask], capture_output=True, text=True, check=False)
    version = answer.stdout.strip()
    if not version:
        raise NotHere(f"not here: R package {tool} is not installed")
    return script, version


def write_folder(case: ad.AnnData, folder: Path) -> None:
    """The case as case.R reads it: non-zero counts as one-based triplets, genes, cells."""
    counts = case.X.tocoo()
    table = np.column_stack([counts.col + 1, counts.row + 1, np.rint(counts.data)]).astype(np.int64)
    pd.DataFrame(table).to_csv(folder / "counts.tsv", sep="\t", header=False, index=False)
    (folder / "genes.txt").write_text("\n".join(case.var_names.astype(str)) + "\n", encoding="utf-8")
    cells = pd.DataFrame(
        {
            "cell": case.obs_names,
            "role": case.obs["role"].astype(str).to_numpy(),
            "is_reference": np.where(case.obs["is_reference"], "TRUE", "FALSE"),
            "group": case.obs["group"].astype(str).to_numpy(),
        }
    )
    cells.to_csv(folder / "cells.tsv", sep="\t", index=False)


def segment_arms(segments: pd.DataFrame, var: pd.DataFrame) -> pd.DataFrame:
    """Arms from segments: the mean value of an arm's genes; a call where states are given and half the genes agree."""
    rows = []
    for (clone, chromosome), part in segments.groupby(["clone", "chromosome"]):
        part = part.sort_values("start")
        genes = var[(var["chromosome"] == chromosome) & var["arm"].isin(["p", "q"])]
        if genes.empty:
            continue
        at = np.searchsorted(part["start"].to_numpy(), genes["start"].to_numpy(), side="right") - 1
        at = np.clip(at, 0, len(part) - 1)
        found = pd.DataFrame({"arm": genes["arm"].to_numpy(dtype=str)})
        found["value"], found["state"] = part["value"].to_numpy()[at], part["state"].to_numpy(dtype=float)[at]
        for arm, own in found.groupby("arm"):
            state, call, middle = own["state"].dropna(), "", np.nan
            if len(state):
                gain, loss = (state > 2).mean() >= 0.5, (state < 2).mean() >= 0.5
                call, middle = "gain" if gain else "loss" if loss else "neutral", state.median()
            rows.append((clone, chromosome, arm, own["value"].mean(), call, middle))
    return pd.DataFrame(rows, columns=["clone", "chromosome", "arm", "value", "call", "state"])


def run_r(case: ad.AnnData, tool: str, script: str, alleles: Path | None) -> Answer:
    """Start R on the case and read what it wrote; raises RuntimeError with R's last line."""
    with tempfile.TemporaryDirectory() as name:
        folder, out = Path(name) / "case", Path(name) / "out"
        folder.mkdir()
        out.mkdir()
        write_folder(case, folder)
        extra = [] if alleles is None else [str(alleles.resolve())]
        line = [script, "--vanilla", str(HERE / f"{tool.lower()}.R"), str(folder), str(out), *extra]
        done = subprocess.run(line, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode != 0 or not (out / "cells.tsv").exists():
            lines = [part for part in done.stderr.splitlines() if part.strip()]
            raise RuntimeError(lines[-1] if lines else f"R ended with status {done.returncode}")
        cells = pd.read_csv(out / "cells.tsv", sep="\t", dtype={"clone": str, "call": str}).set_index("cell")
        segments = out / "segments.tsv"
        arms = segment_arms(pd.read_csv(segments, sep="\t", dtype={"clone": str}), case.var)
    given = cells["p_malignant"].notna().any()
    return Answer(
        score=cells["score"].astype(float),
        p_malignant=cells["p_malignant"] if given else None,
        call=cells["call"].fillna(""),
        clone=cells["clone"].fillna(""),
        arms=arms,
        rule=RULES[tool],
        note=NOTES[tool],
    )


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="Run an R peer on one case.")
    parser.add_argument("case", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--tool", choices=tuple(RULES), required=True)
    parser.add_argument("--reference", choices=("immune", "plasma", "none"), default="immune")
    parser.add_argument("--alleles", type=Path, help="numbat's allele counts per cell, a tab-separated table")
    options = parser.parse_args()
    try:
        script, version = find_r(options.tool)
        if options.tool == "numbat" and options.alleles is None:
            raise NotHere("not here: numbat needs allele counts (--alleles)")
        case = read_case(options.case, options.reference)
        start = time.perf_counter()
        answer = run_r(case, options.tool, script, options.alleles)
    except NotHere as reason:
        print(reason, file=sys.stderr)
        sys.exit(3)
    except Exception as error:
        print(f"{options.tool}: {type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(1)
    info = {"tool": options.tool, "version": version, "reference": options.reference, "settings": "defaults",
            "rule": answer.rule, "seconds": round(time.perf_counter() - start, 2), "note": answer.note}  # fmt: skip
    write_answer(answer, case, options.out, info)


if __name__ == "__main__":
    main()
