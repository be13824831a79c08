"""Tier, score, intervals and reason of every patient at every landmark."""

from marrowclone import tables
from marrowclone.cure.inputs import read_patients
from marrowclone.cure.landmarks import score_landmarks
from marrowclone.keys import TABLES
from marrowclone.run import job

with job(snakemake) as run:
    patients = read_patients(run.input, run.params.samples)
    landmarks = score_landmarks(patients, settings=run.settings, seed=run.seed)
    run.say(f"{len(landmarks)} landmarks of {len(patients)} patients")
    tables.write_table(run.output.landmarks, landmarks, columns=TABLES["cure.landmarks"])
