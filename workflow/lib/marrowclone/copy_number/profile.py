"""``python -m marrowclone.copy_number.profile --results results --samples H1 H2 --study NAME --out FILE``.

Builds a reference profile (rung R3, :mod:`.profile_file`) from healthy samples that the workflow has read and typed:
``results/cells/{sample}.counts.h5ad`` and ``results/embedding/cells.tsv.gz``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp

from ..cells import light_chain
from ..cells.matrix import read_cells
from ..errors import UserError, did_you_mean, shown
from ..keys import HEALTHY, PLASMA
from ..resources import RESOURCES, read_resource
from ..tables import read_result
from .baseline import capture_effects, reference_profile, usable_genes
from .exclusions import exclusion_reasons
from .profile_file import TYPES, Profile, read_profile, write_profile

#: Cells that a type needs to be written, and that it needs in a capture for the capture's effect [J].
MIN_CELLS_TYPE = 20
#: How much captures differ per gene, as ``infer_signal.capture_sd`` has it [J].
CAPTURE_SD = 0.15


def build_profile(counts: ad.AnnData, cells: pd.DataFrame, *, study: str, chemistry: str) -> Profile:
    """The profile of healthy cells.

    Parameters
    ----------
    counts
        raw counts (CSR) with the columns of :func:`marrowclone.cells.matrix.read_cells` in ``var``.
    cells
        sample, patient, cell_type of the same cells in the same order.

    Returns
    -------
    Profile: UMI per gene and type, with the captures' effects (estimated from the immune cells) taken out, so that
    plasma and immune cells of different captures can be compared. Genes that not every file measured are left out.
    """
    matrix = sp.csr_matrix(counts.X)
    genes = usable_genes(counts.var, exclusion_reasons(counts.var, read_resource(RESOURCES / "cnv_exclusions.tsv")))
    used = genes["used"].to_numpy(dtype=bool)
    sample, kind = (cells[c].to_numpy(dtype=object) for c in ("sample", "cell_type"))
    immune = np.flatnonzero(np.isin(kind, TYPES[1:]))
    effects = capture_effects(
        matrix[immune], sample[immune], kind[immune], used=used, all_samples=sorted(set(sample)),
        capture_sd=CAPTURE_SD, min_cells=MIN_CELLS_TYPE,
    )  # fmt: skip
    columns: dict[str, np.ndarray] = {}
    n_cells: dict[str, int] = {}
    for name in TYPES:
        rows = np.flatnonzero(kind == name)
        if name == PLASMA or len(rows) >= MIN_CELLS_TYPE:
            share = reference_profile(matrix[rows], sample[rows], effects, used=used)
            columns[name] = share * float(matrix[rows].sum(axis=0)[0, used].sum())
            n_cells[name] = len(rows)
    measured = counts.var["measured"].to_numpy(dtype=bool)
    frame = pd.DataFrame(columns, index=pd.Index(counts.var_names, name="symbol"))[measured]
    return Profile(frame, n_cells, study, chemistry, int(cells["patient"].nunique()))


def samples_of_results(results: Path, samples: Sequence[str], *, min_cells: int) -> tuple[ad.AnnData, pd.DataFrame]:
    """Counts and cell table of the plasma and immune cells of healthy samples.

    Raises
    ------
    UserError
        a sample that is not there, is not healthy, or has a restricted light chain; too few plasma cells.
    """
    table = results / "embedding" / "cells.tsv.gz"
    if not table.is_file():
        raise UserError(
            f"{shown(table)}: no such file; expected the cell types of a finished run.",
            hint="give --results the folder 'results' of a run that has typed its cells (rule type_cells).",
        )
    cells = read_result(table)
    known = sorted(set(cells["sample"]))
    for name in samples:
        if name not in known:
            near = did_you_mean(name, known)
            hint = near or f"samples there are: {', '.join(known[:10])}{' ...' if len(known) > 10 else ''}."
            raise UserError(f"--samples: found {name!r}, which {shown(table)} has no cell of.", hint=hint)
        points = set(cells.loc[cells["sample"] == name, "timepoint"])
        if not all(str(p).startswith(HEALTHY) for p in points):
            raise UserError(
                f"--samples: {name} has the timepoint {', '.join(sorted(points))}, expected {HEALTHY}.",
                hint="normal cells of patients are no reference for other patients; name samples of healthy donors.",
            )
    cells = cells[cells["sample"].isin(samples) & cells["cell_type"].isin(TYPES)]
    cells = cells.sort_values("cell", kind="stable").reset_index(drop=True)
    n_plasma = int((cells["cell_type"] == PLASMA).sum())
    if n_plasma < min_cells:
        raise UserError(
            f"--samples: found {n_plasma} plasma cells in {' '.join(samples)}, expected at least {min_cells}.",
            hint="name more samples, or set --min-cells (infer_signal.min_cells_r3 has to be lowered, too).",
        )
    paths = [results / "cells" / f"{name}.counts.h5ad" for name in sorted(samples)]
    for path in paths:
        if not path.is_file():
            raise UserError(f"{shown(path)}: no such file.", hint="run the workflow to its end first.")
    counts = read_cells(paths, cells["cell"].tolist())
    _refuse_clonal(counts, cells)
    return counts, cells


def _refuse_clonal(counts: ad.AnnData, cells: pd.DataFrame) -> None:
    """A donor whose plasma cells share one light chain has a clone (MGUS) and is no reference."""
    chains = light_chain.chain_counts(sp.csr_matrix(counts.X), counts.var_names)
    plasma = (cells["cell_type"] == PLASMA).to_numpy()
    makes_none = ~plasma & (cells["cell_type"] != "b_cell").to_numpy()
    ambient = light_chain.ambient_chains(chains, cells["sample"].to_numpy(dtype=object), makes_none)
    called = light_chain.call_chains(chains, ambient)
    for donor in sorted(set(cells["patient"])):
        here = plasma & (cells["patient"] == donor).to_numpy()
        test = light_chain.chain_test(called[here], kappa_share=0.6, min_cells=20, min_llr=4.6)
        if test.verdict == "restricted":
            raise UserError(
                f"--samples: the plasma cells of {donor} are clonal, {test.words()}; expected polyclonal ones.",
                hint=f"leave {donor} out.",
            )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m marrowclone.copy_number.profile",
        description="Write a reference profile for copy number from healthy samples of a finished run.",
    )
    parser.add_argument("--results", type=Path, default=Path("results"), help="the run's folder of results")
    parser.add_argument("--samples", nargs="+", required=True, help="healthy samples to take")
    parser.add_argument("--study", required=True, help="whose cells they are, in words")
    parser.add_argument("--chemistry", default="", help='such as "10x 3\' v3"')
    parser.add_argument("--min-cells", type=int, default=200, help="plasma cells that are needed")
    parser.add_argument("--out", type=Path, required=True, help="file to write, .tsv or .tsv.gz")
    options = parser.parse_args(arguments)
    samples = list(dict.fromkeys(options.samples))
    study, chemistry = (" ".join(text.split()) for text in (options.study, options.chemistry))
    try:
        if not study:
            raise UserError("--study: found nothing, expected whose cells they are.", hint="--study 'Smith 2023'.")
        if options.out.is_dir() or not options.out.name.endswith((".tsv", ".tsv.gz")):
            raise UserError(
                f"--out: found {str(options.out)!r}, expected a file .tsv or .tsv.gz.", hint="--out p.tsv.gz."
            )
        counts, cells = samples_of_results(options.results, samples, min_cells=max(options.min_cells, 1))
        profile = build_profile(counts, cells, study=study, chemistry=chemistry)
        write_profile(options.out, profile, samples=samples)
        read_profile(options.out)  # what the workflow will say of it is said now
    except UserError as error:
        print(f"marrowclone.copy_number.profile: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"marrowclone.copy_number.profile: {shown(str(error.filename))}: {error.strerror}.", file=sys.stderr)
        return 1
    immune = ", ".join(f"{profile.n_cells[t]} {t}" for t in profile.immune_types) or "no immune cells"
    print(f"{shown(options.out)}: {profile.words()}; {immune}; {len(profile.counts)} genes.")
    if not profile.immune_types:
        print("Without immune cells the study's effect on each gene cannot be taken out (lower confidence).")
    if profile.n_donors < 3:
        print("Three donors or more are wanted: what is peculiar to one person looks like an event in every other.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
