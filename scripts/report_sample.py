"""A sample's QC page: what was read, kept and dropped, and why."""

from marrowclone import tables
from marrowclone.report.facts import versions
from marrowclone.report.sample import read_sample
from marrowclone.report.sample_page import sample_page
from marrowclone.run import job

with job(snakemake) as run:
    sample = read_sample(
        run.wildcards["sample"],
        sheet=run.params.sheet,
        qc=run.input.qc,
        qc_facts=run.input.qc_facts,
        cells=run.input.cells,
        counts=run.input.counts,
        identity=run.input.identity,
        groups=run.input.groups,
    )
    page = sample_page(
        sample, tumour_types=run.params.tumour_types, settings=run.settings, facts={"versions": versions()}
    )
    tables.write_text(run.output.page, page)
