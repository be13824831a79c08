"""Which of a patient's tumour-type cells are malignant, with posterior and evidence."""

from marrowclone import tables
from marrowclone.cells.matrix import read_cells
from marrowclone.copy_number import store
from marrowclone.copy_number.baseline import read_baseline
from marrowclone.copy_number.calls_table import calls_table
from marrowclone.copy_number.further import further_evidence
from marrowclone.copy_number.look import cells_of
from marrowclone.copy_number.malignant import call_cells
from marrowclone.keys import TABLES
from marrowclone.run import job

with job(snakemake) as run:
    signal = store.read_arms(run.input.signal)
    reference = tables.read_result(run.input.reference)
    obs = store.obs_of(signal)
    counts = read_cells([*run.input.counts, *run.input.donor_counts], obs["cell"].tolist())
    genes, expected = read_baseline(tables.read_result(run.input.baseline), counts.var_names)
    rung = reference["rung"].iloc[0]
    cells = cells_of(obs, signal.obsm["X_arms"], counts.X)
    further = further_evidence(
        obs["cell"],
        counts.X,
        counts.var_names,
        normal=cells.is_reference & ~cells.is_tumour_type & (rung in ("R1", "R2")),
        clonality=tables.read_result(run.input.clonality),
        drivers=tables.read_result(run.input.drivers),
    )
    calls = call_cells(
        cells,
        expected,
        genes,
        rung=rung,
        settings=store.settings_against(reference, run.settings),
        seed=run.seed,
        further=further,
    )
    run.say(calls.summary)
    malignant, scores = store.call_tables(obs, calls, rung=rung)
    tables.write_table(run.output.malignant, malignant, columns=TABLES["copy_number.malignant"])
    rate = calls_table(calls, patient=run.wildcards["patient"], rung=rung)
    run.say(rate["note"].iloc[0])
    tables.write_table(run.output.calls, rate, columns=TABLES["copy_number.calls"])
    tables.write_table(run.output.scores, scores, columns=store.SCORE_COLUMNS)
