"""Growth and relative fitness of each clone between sampling days, for one patient."""

import pandas as pd

from marrowclone import tables
from marrowclone.clinical import read_clinical
from marrowclone.evolution.dynamics import estimate_dynamics
from marrowclone.keys import TABLES
from marrowclone.run import job

with job(snakemake) as run:
    frame = estimate_dynamics(
        pd.read_parquet(run.input.draws),
        tables.read_result(run.input.fractions),
        read_clinical(run.input.get("therapy"), "therapy"),
        patient=run.wildcards["patient"],
        blood=run.params.blood,
        settings=run.settings,
    )
    tables.write_table(run.output.dynamics, frame, columns=TABLES["evolution.dynamics"])
