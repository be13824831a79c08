"""Growth and relative fitness of each clone between sampling days, and the burden's course, for one patient."""

import pandas as pd

from marrowclone import tables
from marrowclone.clinical import read_clinical
from marrowclone.evolution.dynamics import estimate_dynamics, visits
from marrowclone.evolution.latent import collect, course_table, fit_course, latent_growth
from marrowclone.keys import TABLES
from marrowclone.run import job

with job(snakemake) as run:
    patient = run.wildcards["patient"]
    draws = pd.read_parquet(run.input.draws)
    fractions = tables.read_result(run.input.fractions)
    therapy = read_clinical(run.input.get("therapy"), "therapy")
    blood = run.params.blood
    frame = estimate_dynamics(draws, fractions, therapy, patient=patient, blood=blood, settings=run.settings)
    tables.write_table(run.output.dynamics, frame, columns=TABLES["evolution.dynamics"])
    seen = visits(draws, fractions, blood=blood)
    response = read_clinical(run.input.get("response"), "response")
    readings = collect(tables.read_result(run.input.burden), response, patient, settings=run.params.readings)
    course = fit_course(
        readings, therapy, patient, days=[v.day for v in seen], settings=run.params.readings, seed=run.seed
    )
    latent = latent_growth(course, seen, frame, seed=run.seed, patient=patient)
    tables.write_table(run.output.latent, latent, columns=TABLES["evolution.latent"])
    tables.write_table(run.output.course, course_table(course), columns=TABLES["evolution.course"])
