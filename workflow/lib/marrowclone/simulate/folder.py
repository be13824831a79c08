"""A cohort in a folder: what is there, and writing it whole."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd

from ..errors import UserError, shown
from ..provenance import LIBRARY
from ..resources import RESOURCES, gene_table
from ..tables import write_json, write_table, write_text
from .cohort import CLINICAL_COLUMNS, SHEET_COLUMNS, TRUTH_COLUMNS, Cohort, cell_truth, stack
from .writers import write_counts

#: The file that says which cohort a folder holds.
MARK = "cohort.json"
#: Its digest while the cohort is being written; a folder that was left so may be written again.
UNFINISHED = "unfinished"
#: What a cohort's folder holds beside it.
PARTS = ("data", "config", "truth")


def digest(spec: Mapping[str, Any]) -> str:
    """Hash of the checked specification, the profiles that it names, and the simulator's own code and resources."""
    sha = hashlib.sha256(json.dumps(spec, sort_keys=True).encode())
    if spec["expression"]["profiles"]:
        sha.update(Path(spec["expression"]["profiles"]).read_bytes())
    files = [*LIBRARY.joinpath("simulate").glob("*.py"), *RESOURCES.glob("simulate_*.tsv")]
    for file in [*sorted(files), RESOURCES / "genes.tsv.gz", RESOURCES / "arms.tsv"]:
        sha.update(file.name.encode())
        sha.update(file.read_bytes())
    return sha.hexdigest()


def written(folder: Path) -> str:
    """Digest of the cohort that a folder holds, :data:`UNFINISHED`, or an empty string when it is no cohort's."""
    try:
        return str(json.loads((folder / MARK).read_text(encoding="utf-8"))["digest"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def table_paths() -> dict[str, str]:
    """Names of the tables of a folder with their paths."""
    paths = {"samples": "config/samples.tsv"}
    paths |= {name: f"config/clinical/{name}.tsv" for name in CLINICAL_COLUMNS}
    return paths | {f"truth.{n}": f"truth/{n}.tsv{'.gz' if n == 'cells' else ''}" for n in TRUTH_COLUMNS}


def missing_files(cohort: Cohort, folder: Path) -> list[str]:
    """Files of the cohort that the folder lacks."""
    data = [p for c in ("path", "vdj", "alleles", "mtdna") for p in cohort.sheet[c] if p]
    return [p for p in (*data, *table_paths().values()) if not (folder / p).exists()]


def refuse_foreign(folder: Path, there: str, mine: str) -> None:
    """Refuse to write over what is not this cohort.

    Raises
    ------
    UserError
        when the folder holds another cohort, or somebody's own files.
    """
    if there not in ("", UNFINISHED, mine):
        raise UserError(
            f"{shown(folder)} holds another cohort, or this one from other code.",
            hint="--force writes over it; results computed from it must then be computed again.",
        )
    if not there and any((folder / p).exists() for p in PARTS):
        raise UserError(
            f"{shown(folder)} holds files that are not a simulated cohort's.", hint="choose another --out, or --force."
        )


def refuse_file(folder: Path) -> None:
    """Refuse a folder that is a file, or lies below one.

    Raises
    ------
    UserError
        with the file's name.
    """
    there = next((p for p in (folder, *folder.parents) if p.exists()), folder)
    if there.exists() and not there.is_dir():
        raise UserError(f"{shown(there)}: this is a file, not a folder.", hint="choose another --out.")


def _write_captures(cohort: Cohort, folder: Path, samples: Sequence[str]) -> list[pd.DataFrame]:
    """Draw and write captures; the truth of their cells, a table per capture."""
    genes = gene_table()[["gene_id", "symbol"]]
    sheet = cohort.sheet.set_index("sample")
    cells = []
    for sample, capture in cohort.captures(samples):
        path, form, patient = (str(sheet.loc[sample, c]) for c in ("path", "format", "patient"))
        write_counts(folder / path, capture.counts, barcodes=list(capture.cells["barcode"]), genes=genes, format=form)
        if vdj := str(sheet.loc[sample, "vdj"]):
            write_text(folder / vdj, cohort.contigs(sample, capture).to_csv(index=False, lineterminator="\n"))
        for column, make in (("alleles", cohort.alleles), ("mtdna", cohort.mtdna)):
            if name := str(sheet.loc[sample, column]):
                write_text(folder / name, make(sample, capture).to_csv(sep="\t", index=False, lineterminator="\n"))
        whose = str(sheet.loc[cohort.origin(sample), "patient"])
        cells.append(cell_truth(capture, sample=sample, patient=patient, true_patient=whose))
    return cells


def _write_all_captures(cohort: Cohort, folder: Path, cores: int) -> list[pd.DataFrame]:
    """:func:`_write_captures` of every sample, a patient at a time, by ``cores`` processes.

    Each capture draws from a stream of its own: who draws it changes nothing.
    """
    by_patient = [list(rows) for _, rows in cohort.sheet.groupby("patient", sort=False)["sample"]]
    if cores == 1 or len(by_patient) == 1:
        return [table for samples in by_patient for table in _write_captures(cohort, folder, samples)]
    _ = cohort.transcriptome, cohort.courses  # once, not by every process
    with ProcessPoolExecutor(min(cores, len(by_patient))) as pool:
        parts = [pool.submit(_write_captures, cohort, folder, samples) for samples in by_patient]
        return [table for part in parts for table in part.result()]


def write_cohort(cohort: Cohort, folder: Path, *, cores: int = 1) -> dict[str, Any]:
    """Write data, sheet, clinical and truth tables; ``cohort.json`` is finished last and marks the folder as whole.

    ``cores`` processes draw and write captures; their number changes no byte.

    Returns
    -------
    What ``cohort.json`` says: name, seed, digest, numbers of patients, samples, barcodes.
    """
    refuse_file(folder)
    facts = {"name": cohort.spec["name"], "seed": cohort.spec["seed"], "digest": UNFINISHED}
    write_json(folder / MARK, facts)
    cells = _write_all_captures(cohort, folder, cores)
    paths = table_paths()
    write_table(folder / paths["samples"], cohort.sheet, columns=SHEET_COLUMNS, sheet=True)
    for name, table in cohort.clinical().items():
        write_table(folder / paths[name], table, columns=CLINICAL_COLUMNS[name], sheet=True)
    truth = {**cohort.truth(), "cells": stack(cells, TRUTH_COLUMNS["cells"])}
    for name, table in truth.items():
        write_table(folder / paths[f"truth.{name}"], table, columns=TRUTH_COLUMNS[name])
    facts |= {"patients": len(cohort.spec["patients"]), "samples": len(cohort.sheet), "barcodes": len(truth["cells"])}
    facts["digest"] = digest(cohort.spec)
    write_json(folder / MARK, facts)
    return facts
