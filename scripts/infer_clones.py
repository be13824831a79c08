"""Learn a patient's clones over all timepoints together and assign its malignant cells."""

import os

from marrowclone import tables
from marrowclone.cells.matrix import read_cells
from marrowclone.clones.extra import called_cells, gather, other_cells
from marrowclone.clones.infer import (
    SELECTION_COLUMNS,
    SUMMARY_COLUMNS,
    calibrated_captures,
    infer_clones,
    malignant_cells,
    usable,
)
from marrowclone.copy_number.baseline import read_baseline
from marrowclone.embedding.device import cuda_is_there, device_if_given
from marrowclone.keys import TABLES
from marrowclone.run import job

with job(snakemake) as run:
    malignant = tables.read_result(run.input.malignant)
    cells = malignant_cells(malignant)
    counts = read_cells(run.input.counts, cells["cell"].tolist())
    baseline = tables.read_result(run.input.baseline)
    flags, expected = read_baseline(baseline, counts.var_names)
    reference = baseline.set_index("symbol")["reference"].reindex(counts.var_names).fillna(0.0)
    paths = dict(run.params.extra)
    extra = None
    if paths:
        alleles = paths.get("alleles", {})
        extra = gather(
            called_cells(malignant),
            alleles=alleles,
            mtdna=paths.get("mtdna", {}),
            clonality=tables.read_result(run.input.clonality[0]) if "clonotypes" in paths else None,
            malignant=cells["cell"].to_numpy(str),
            others=other_cells(tables.read_result(run.input.cells[0]), alleles) if alleles else None,
            settings=run.settings,
        )
    clones = infer_clones(
        counts.X,
        cells,
        usable(counts.var, flags["used"]),
        calibrated_captures(expected, reference),
        settings=run.settings,
        seed=run.seed,
        extra=extra,
        device=device_if_given(run.params.device, available=cuda_is_there, environ=os.environ),
    )
    for row in clones.summary.itertuples():
        run.say(f"{row.clone}: {row.n_cells} cells {row.events} {row.evidence} {row.note}".rstrip())
    tables.write_table(run.output.cells, clones.cells, columns=TABLES["clones.cells"])
    tables.write_table(run.output.selection, clones.selection, columns=SELECTION_COLUMNS)
    tables.write_table(run.output.summary, clones.summary, columns=SUMMARY_COLUMNS)
