"""What the run was made with and what it made: run.json and the RO-Crate beside it."""

import json
from pathlib import Path

from marrowclone import tables
from marrowclone.report.crate import crate
from marrowclone.report.record import run_record
from marrowclone.run import job

with job(snakemake) as run:
    record = run_record(
        config=run.params.config,
        inputs=run.params.user_files,
        results=list(run.input.results),
        integration=json.loads(Path(run.input.integration).read_text(encoding="utf-8")),
        samples=run.params.samples,
    )
    folder = Path(run.output.record).parent
    tables.write_json(run.output.record, record)
    tables.write_json(run.output.crate, crate(record, folder=folder, date_published=run.settings["date_published"]))
