"""``python -m marrowclone.simulate.impose SPEC.yaml --counts FILE --out DIR``: known events on real cells."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml

from ..errors import UserError, shown
from ..resources import gene_table
from ..tables import write_table, write_text
from .cohort import SHEET_COLUMNS, TRUTH_COLUMNS, cell_truth, stack
from .folder import PARTS, table_paths
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
    options = parser.parse_args(arguments)
    try:
        cohort = read_imposed(options.spec, options.counts, options.labels)
        there = [p for p in PARTS if (options.out / p).exists()]
        if there:
            raise UserError(f"{shown(options.out / there[0])} is there already.", hint="choose another --out.")
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


def write_imposed(cohort: Imposed, folder: Path) -> int:
    """Write counts, sheet, truth and a configuration; the number of cells."""
    genes = gene_table()[["gene_id", "symbol"]]
    sheet = cohort.sheet.set_index("sample")
    cells = []
    for sample, capture in cohort.captures():
        patient = str(sheet.loc[sample, "patient"])
        barcodes = list(capture.cells["barcode"])
        write_counts(
            folder / str(sheet.loc[sample, "path"]), capture.counts, barcodes=barcodes, genes=genes, format="h5ad"
        )
        cells.append(cell_truth(capture, sample=sample, patient=patient, true_patient=patient))
    paths = table_paths()
    write_table(folder / paths["samples"], cohort.sheet, columns=SHEET_COLUMNS)
    truth = {**cohort.truth(), "cells": stack(cells, TRUTH_COLUMNS["cells"])}
    for name, table in truth.items():
        write_table(folder / paths[f"truth.{name}"], table, columns=TRUTH_COLUMNS[name])
    config = {
        "samples": paths["samples"],
        "truth": "truth",
        "seed": 1,
        "tumour_cell_types": list(cohort.spec["tumour_types"]),
    }
    write_text(folder / "config" / "config.yaml", yaml.safe_dump(config, sort_keys=False))
    return len(truth["cells"])


if __name__ == "__main__":
    sys.exit(main())
