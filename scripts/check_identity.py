"""Whether each sample is its patient's: sex, germline genes, likeness, the clone's receptor."""

import pandas as pd

from marrowclone import tables
from marrowclone.cells.matrix import read_cells
from marrowclone.embedding.identity import check_identity
from marrowclone.embedding.profiles import sample_profile
from marrowclone.keys import TABLES
from marrowclone.resources import read_resource
from marrowclone.run import job

with job(snakemake) as run:
    cells = tables.read_result(run.input.cells)
    visits = pd.DataFrame.from_dict(dict(run.params.visits), orient="index")
    profiles = []
    for sample, path in zip(visits.index, run.input.counts, strict=True):
        mine = cells[cells["sample"] == sample]
        counts = read_cells([path], mine["cell"].tolist())  # one capture at a time
        profiles.append(sample_profile(counts.X, counts.var, mine, sample=sample))
    receptors = pd.concat([tables.read_result(path) for path in run.input.clonality], ignore_index=True)
    found = check_identity(profiles, visits, receptors, read_resource(run.input.genes), settings=run.settings)
    overall = found[found["check"] == "overall"]
    for row in overall[overall["call"].isin(["mismatch", "differs"])].itertuples():
        run.say(f"WARNING {row.sample} {row.call} {row.other_sample}: {row.evidence}")
    for patient, path in zip(run.params.patients, run.output.identity, strict=True):
        mine = found[found["patient"] == patient].drop(columns="patient")
        tables.write_table(path, mine, columns=TABLES["embedding.identity"])
