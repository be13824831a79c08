"""Change of the score between the successive landmarks of every patient."""

from marrowclone import tables
from marrowclone.cure.changes import compare_landmarks
from marrowclone.cure.inputs import read_patients
from marrowclone.keys import TABLES
from marrowclone.run import job

with job(snakemake) as run:
    patients = read_patients(run.input, run.params.samples)
    landmarks = tables.read_result(run.input.landmarks)
    changes = compare_landmarks(patients, landmarks, settings=run.params.scoring, limits=run.settings, seed=run.seed)
    run.say(f"{len(changes)} changes of {len(patients)} patients")
    tables.write_table(run.output.changes, changes, columns=TABLES["cure.changes"])
