"""How well the score foretells the cohort's own outcomes, beside plain benchmarks."""

from marrowclone import tables
from marrowclone.clinical import read_clinical
from marrowclone.cure.outlook import fit_outlook
from marrowclone.cure.said import verdict
from marrowclone.keys import TABLES
from marrowclone.run import job

with job(snakemake) as run:
    clinical = {n: read_clinical(run.input.get(n), n) if run.input.get(n) else None for n in ("outcome", "response")}
    landmarks = tables.read_result(run.input.landmarks)
    outlook, foretold = fit_outlook(landmarks, **clinical, how=run.settings, seed=run.seed)
    for line in verdict(outlook):
        run.say(line)
    tables.write_table(run.output.outlook, outlook, columns=TABLES["cure.outlook"])
    tables.write_table(run.output.foretold, foretold, columns=TABLES["cure.foretold"])
