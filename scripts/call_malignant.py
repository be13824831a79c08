"""Which of a patient's tumour-type cells are malignant, with posterior and evidence."""

from marrowclone import tables
from marrowclone.cells.matrix import read_cells
from marrowclone.copy_number import store
from marrowclone.copy_number.baseline import read_baseline
from marrowclone.copy_number.malignant import call_cells
from marrowclone.copy_number.reference import cells_of
from marrowclone.keys import TABLES
from marrowclone.run import job

with job(snakemake) as run:
    signal = store.read_arms(run.input.signal)
    reference = tables.read_result(run.input.reference)
    obs = store.obs_of(signal)
    counts = read_cells([*run.input.counts, *run.input.donor_counts], obs["cell"].tolist())
    genes, expected = read_baseline(tables.read_result(run.input.baseline), counts.var_names)
    rung = reference["rung"].iloc[0]
    calls = call_cells(
        cells_of(obs, signal.obsm["X_arms"], counts.X),
        expected,
        genes,
        rung=rung,
        settings=store.settings_against(reference, run.settings),
        seed=run.seed,
    )
    run.say(calls.summary)
    malignant, scores = store.call_tables(obs, calls, rung=rung)
    tables.write_table(run.output.malignant, malignant, columns=TABLES["copy_number.malignant"])
    tables.write_table(run.output.scores, scores, columns=store.SCORE_COLUMNS)
