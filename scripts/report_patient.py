"""A patient's page: everything that the tables say, in story order."""

from marrowclone import tables
from marrowclone.report.inputs import clinical_tables, facts, patient_of
from marrowclone.report.patient_page import patient_page
from marrowclone.run import job

with job(snakemake) as run:
    patient = patient_of(run.wildcards["patient"], run.input, run.params, clinical_tables(run.input))
    page = patient_page(patient, tumour_types=run.params.tumour_types, facts=facts(run.params.config))
    tables.write_text(run.output.page, page)
