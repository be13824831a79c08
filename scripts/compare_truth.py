"""Results against the truth of a simulated cohort; a header without rows when there is none."""

from marrowclone import tables
from marrowclone.keys import TABLES
from marrowclone.report.compare import compare
from marrowclone.report.truth_inputs import truth_pairs
from marrowclone.report.truth_table import as_text
from marrowclone.run import job

with job(snakemake) as run:
    table = compare(truth_pairs(run.input, run.params.patients, samples=run.params.samples, folder=run.params.truth))
    run.say("\n" + as_text(table))
    tables.write_table(run.output.truth, table, columns=TABLES["report.truth"])
