"""What each clone was doing at each sampling day, and the patient's trajectory class."""

import pandas as pd

from marrowclone import tables
from marrowclone.clinical import read_clinical
from marrowclone.evolution.dynamics import visits
from marrowclone.evolution.labels import expected_cells, label_clones
from marrowclone.evolution.trajectory import TRAJECTORY, trajectory
from marrowclone.keys import TABLES
from marrowclone.run import job

with job(snakemake) as run:
    fractions = tables.read_result(run.input.fractions)
    series = visits(pd.read_parquet(run.input.draws), fractions, blood=run.params.blood)
    frame = label_clones(
        series,
        patient=run.wildcards["patient"],
        dynamics=tables.read_result(run.input.dynamics),
        response=read_clinical(run.input.get("response"), "response"),
        expected=expected_cells(fractions),
        settings=run.settings,
        state=tables.read_result(run.input.state),
    )
    tables.write_table(run.output.labels, frame, columns=TABLES["evolution.labels"])
    course = trajectory(
        series,
        tree=tables.read_result(run.input.tree),
        reference=tables.read_result(run.input.reference),
        burden=tables.read_result(run.input.burden),
        patient=run.wildcards["patient"],
        settings=run.settings,
    )
    tables.write_table(run.output.trajectory, course, columns=TRAJECTORY)
