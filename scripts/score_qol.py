"""Score every quality-of-life form of the cohort."""

from marrowclone import tables
from marrowclone.clinical import read_clinical
from marrowclone.cure.eq5d import read_value_set
from marrowclone.cure.qol import score_qol
from marrowclone.keys import TABLES
from marrowclone.run import job

with job(snakemake) as run:
    value_sets = {name: read_value_set(path) for name, path in run.settings["value_sets"].items()}
    qol = score_qol(read_clinical(run.input.get("pro"), "pro"), settings=run.settings, value_sets=value_sets)
    run.say(f"{qol[['patient', 'day', 'instrument']].drop_duplicates().shape[0]} forms, {len(qol)} scales")
    tables.write_table(run.output.qol, qol, columns=TABLES["cure.qol"])
