"""``python -m marrowclone.simulate COHORT.yaml --out DIR [--force] [--cores N]``: write a cohort with known truth."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from ..errors import UserError, shown
from .cohort import Cohort
from .folder import digest, missing_files, refuse_foreign, write_cohort, written
from .spec import read_spec


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m marrowclone.simulate",
        description="Write a simulated cohort: counts as users have them, sheet, clinical tables, truth.",
    )
    parser.add_argument("cohort", type=Path, help="the cohort specification (docs/simulate.md)")
    parser.add_argument(
        "--out", type=Path, required=True, help="folder to write; becomes the working directory of a run"
    )
    parser.add_argument(
        "--force", action="store_true", help="write even when the folder holds this cohort, or another one"
    )
    parser.add_argument("--cores", type=int, default=1, help="processes that draw captures; changes no result")
    options = parser.parse_args(arguments)
    try:
        cohort = Cohort(read_spec(options.cohort))
        there = written(options.out)
        if not options.force:
            if there == digest(cohort.spec) and not missing_files(cohort, options.out):
                print(f"{shown(options.out)} holds this cohort already; nothing to do.")
                return 0
            refuse_foreign(options.out, there, digest(cohort.spec))
        start = time.monotonic()
        facts = write_cohort(cohort, options.out, cores=max(1, options.cores))
    except UserError as error:
        print(f"marrowclone.simulate: {error}", file=sys.stderr)
        return 1
    print(
        f"{shown(options.out)}: {facts['patients']} patients, {facts['samples']} samples, "
        f"{facts['barcodes']} barcodes, in {time.monotonic() - start:.1f} s."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
