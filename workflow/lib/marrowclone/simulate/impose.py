"""``python -m marrowclone.simulate.impose SPEC.yaml --counts PATH --out DIR``: known events on real cells."""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml

from ..errors import UserError, shown
from ..resources import gene_table
from ..tables import write_json, write_table, write_text
from .cohort import SHEET_COLUMNS, TRUTH_COLUMNS, cell_truth, stack
from .folder import MARK, UNFINISHED, refuse_file, refuse_foreign, table_paths, written
from .imposed import Imposed, check_imposed
from .real_cells import read_real
from .writers import write_counts


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m marrowclone.simulate.impose",
        description="Impose copy-number events on real diploid cells by thinning; writes a cohort with its truth.",
    )
    parser.add_argument("spec", type=Path, help="the specification (docs/simulate.md)")
    parser.add_argument("--counts", type=Path, required=True, help="10x folder, 10x h5 or h5ad of diploid cells")
    parser.add_argument("--labels", type=Path, help="table with the columns barcode and label; default: marker gates")
    parser.add_argument("--out", type=Path, required=True, help="folder to write; becomes the run's working directory")
    parser.add_argument("--force", action="store_true", help="write even when the folder holds another cohort")
    options = parser.parse_args(arguments)
    try:
        cohort = read_imposed(options.spec, options.counts, options.labels)
        if not options.force:
            refuse_foreign(options.out, written(options.out), imposed_digest(cohort))
        barcodes = write_imposed(cohort, options.out)
    except UserError as error:
        print(f"marrowclone.simulate.impose: {error}", file=sys.stderr)
        return 1
    print(f"{shown(options.out)}: {len(cohort.samples)} samples, {barcodes} real cells.")
    return 0


def read_imposed(spec: Path, counts: Path, labels: Path | None = None) -> Imposed:
    """Specification and cells from their files.

    Raises
    ------
    UserError
        when either is missing, unreadable or wrong.
    """
    if not spec.is_file():
        raise UserError(f"{shown(spec)}: there is no such file.", hint="tests/cohorts/imposed.yaml is an example.")
    try:
        content = yaml.safe_load(spec.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{shown(spec)}: not readable as YAML: {' '.join(str(error).split())}") from None
    return Imposed(check_imposed(content, file=shown(spec)), read_real(counts, labels))


def imposed_digest(cohort: Imposed) -> str:
    """Hash of the specification and of the real cells."""
    sha = hashlib.sha256(json.dumps(cohort.spec, sort_keys=True).encode())
    counts = cohort.cells.counts
    for part in (counts.data, counts.indices, counts.indptr):
        sha.update(part.astype("<i8").tobytes())
    sha.update("\n".join([*cohort.cells.barcodes, *cohort.types]).encode())
    return sha.hexdigest()


def write_imposed(cohort: Imposed, folder: Path) -> int:
    """Write counts, sheet, truth and a configuration; ``cohort.json`` is finished last.

    Returns
    -------
    The number of cells.
    """
    refuse_file(folder)
    _ = cohort.rows  # says whether there are enough cells, before anything is written
    genes = gene_table()[["gene_id", "symbol"]]
    sheet = cohort.sheet.set_index("sample")
    facts = {"name": cohort.spec["name"], "seed": cohort.spec["seed"], "digest": UNFINISHED}
    write_json(folder / MARK, facts)
    cells = []
    for sample, capture in cohort.captures():
        path, form, patient, labels = (str(sheet.loc[sample, c]) for c in ("path", "format", "patient", "cell_types"))
        write_counts(folder / path, capture.counts, barcodes=list(capture.cells["barcode"]), genes=genes, format=form)
        if labels:
            named = capture.cells[["barcode", "cell_type"]].rename(columns={"cell_type": "label"})
            write_table(folder / labels, named, columns=("barcode", "label"))
        cells.append(cell_truth(capture, sample=sample, patient=patient, true_patient=patient))
    paths = table_paths()
    write_table(folder / paths["samples"], cohort.sheet, columns=SHEET_COLUMNS, sheet=True)
    truth = {**cohort.truth(), "cells": stack(cells, TRUTH_COLUMNS["cells"])}
    for name, table in truth.items():
        write_table(folder / paths[f"truth.{name}"], table, columns=TRUTH_COLUMNS[name])
    config = {"samples": paths["samples"], "truth": "truth", "seed": 1, "tumour_cell_types": cohort.tumour_types}
    write_text(folder / "config" / "config.yaml", yaml.safe_dump(config, sort_keys=False))
    write_json(folder / MARK, facts | {"digest": imposed_digest(cohort), "barcodes": len(truth["cells"])})
    return len(truth["cells"])


if __name__ == "__main__":
    sys.exit(main())
