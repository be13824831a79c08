"""Important changes of quality of life, and which forms are there."""

from marrowclone import tables
from marrowclone.cure.qol_change import completion, qol_changes, rates
from marrowclone.keys import TABLES
from marrowclone.run import job

with job(snakemake) as run:
    qol = tables.read_result(run.input.qol, text=("version", "state", "use"))
    forms = completion(tables.read_result(run.input.landmarks), qol, window=run.params.window)
    for line in rates(forms):
        run.say(line)
    changes = qol_changes(qol, settings=run.settings)
    tables.write_table(run.output.changes, changes, columns=TABLES["cure.qol_change"])
    tables.write_table(run.output.completion, forms, columns=TABLES["cure.completion"])
