"""Score and tier of every landmark under other judgement."""

from marrowclone import tables
from marrowclone.cure.inputs import read_patients
from marrowclone.cure.sensitivity import vary_judgement
from marrowclone.keys import TABLES
from marrowclone.run import job

with job(snakemake) as run:
    patients = read_patients(run.input, run.params.samples)
    table = vary_judgement(patients, settings=run.params.scoring, how=run.settings, seed=run.seed)
    run.say(f"{len(table)} rows of {len(patients)} patients")
    tables.write_table(run.output.sensitivity, table, columns=TABLES["cure.sensitivity"])
