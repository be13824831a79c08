"""Learn a patient's clones over all timepoints together and assign its malignant cells."""

from marrowclone import tables
from marrowclone.cells.matrix import read_cells
from marrowclone.clones.infer import (
    SELECTION_COLUMNS,
    SUMMARY_COLUMNS,
    calibrated_captures,
    infer_clones,
    malignant_cells,
    usable,
)
from marrowclone.copy_number.baseline import read_baseline
from marrowclone.keys import TABLES
from marrowclone.run import job

with job(snakemake) as run:
    cells = malignant_cells(tables.read_result(run.input.malignant))
    counts = read_cells(run.input.counts, cells["cell"].tolist())
    baseline = tables.read_result(run.input.baseline)
    flags, expected = read_baseline(baseline, counts.var_names)
    reference = baseline.set_index("symbol")["reference"].reindex(counts.var_names).fillna(0.0)
    clones = infer_clones(
        counts.X,
        cells,
        usable(counts.var, flags["used"]),
        calibrated_captures(expected, reference),
        settings=run.settings,
        seed=run.seed,
    )
    for row in clones.summary.itertuples():
        run.say(f"{row.clone}: {row.n_cells} cells {row.events} {row.note}".rstrip())
    tables.write_table(run.output.cells, clones.cells, columns=TABLES["clones.cells"])
    tables.write_table(run.output.selection, clones.selection, columns=SELECTION_COLUMNS)
    tables.write_table(run.output.summary, clones.summary, columns=SUMMARY_COLUMNS)
