"""What the run was made with and what it made: run.json and the RO-Crate beside it."""

import json
from pathlib import Path

from marrowclone import tables
from marrowclone.environment import image_around
from marrowclone.report.crate import crate
from marrowclone.report.record import run_record
from marrowclone.run import job
from marrowclone.where import COLUMNS, read_where

with job(snakemake) as run:
    record = run_record(
        config=run.params.config,
        inputs=run.params.user_files,
        results=list(run.input.results),
        integration=json.loads(Path(run.input.integration).read_text(encoding="utf-8")),
        samples=run.params.samples,
        image=image_around(),
        where=str(run.output.where),
    )
    folder = Path(run.output.record).parent
    tables.write_table(run.output.where, read_where(Path(str(run.output.where)).parent), columns=COLUMNS)
    tables.write_json(run.output.record, record)
    tables.write_json(run.output.crate, crate(record, folder=folder, date_published=run.settings["date_published"]))
