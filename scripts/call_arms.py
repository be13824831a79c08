"""Integer copy-number state of every chromosome arm, per clone and for all malignant cells."""

from marrowclone import tables
from marrowclone.cells.matrix import read_cells
from marrowclone.copy_number import store
from marrowclone.copy_number.arms import call_arms
from marrowclone.copy_number.baseline import read_baseline
from marrowclone.keys import TABLES
from marrowclone.run import job

with job(snakemake) as run:
    cells = tables.read_result(run.input.cells)
    counts = read_cells(run.input.counts, cells["cell"].tolist())
    reference = tables.read_result(run.input.reference)
    genes, expected = read_baseline(tables.read_result(run.input.baseline), counts.var_names)
    arms = call_arms(
        counts.X,
        cells["sample"],
        cells["clone"],
        expected,
        genes,
        rung=reference["rung"].iloc[0],
        settings=store.settings_against(reference, run.settings),
    )
    tables.write_table(run.output.arms, arms, columns=TABLES["copy_number.arms"])
