"""Each sample's QC page: what was read, kept and dropped, and why."""

from marrowclone import tables
from marrowclone.report.facts import versions
from marrowclone.report.sample import read_sample
from marrowclone.report.sample_page import sample_page
from marrowclone.run import job

with job(snakemake) as run:
    files = zip(run.input.qc, run.input.qc_facts, run.input.counts, run.output.pages, strict=True)
    for row, (qc, qc_facts, counts, page) in zip(run.params.samples, files, strict=True):
        sample = read_sample(row["sample"], sheet=row, qc=qc, qc_facts=qc_facts, cells=run.input.cells, counts=counts)
        text = sample_page(
            sample, tumour_types=run.params.tumour_types, settings=run.settings, facts={"versions": versions()}
        )
        tables.write_text(page, text)
