"""The cohort's page: every patient in a row, with links to their pages."""

import json
from pathlib import Path

from marrowclone import tables
from marrowclone.report import gather
from marrowclone.report.cohort_page import cohort_page
from marrowclone.report.facts import run_facts
from marrowclone.report.inputs import clinical_tables, facts, patient_of
from marrowclone.run import job

with job(snakemake) as run:
    clinical = clinical_tables(run.input)
    integration = json.loads(Path(run.input.integration).read_text(encoding="utf-8"))
    page = cohort_page(
        [patient_of(name, run.input, run.params, clinical) for name in run.params.patients],
        cells=gather.read_one("embedding.cells", run.input.cells),
        qc=gather.read_many("cells.qc", run.input.qc),
        samples=gather.sheet(run.params.samples),
        truth=gather.read_one("report.truth", run.input.truth),
        outlook=gather.read_one("cure.outlook", run.input.outlook),
        notes=run.params.notes,
        tumour_types=run.params.tumour_types,
        facts={**facts(run.params.config), "run": run_facts(integration)},
        dpi=run.settings["dpi"],
    )
    tables.write_text(run.output.page, page)
