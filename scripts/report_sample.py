"""Each sample's QC page: what was read, kept and dropped, and why."""

from marrowclone import tables
from marrowclone.report.facts import versions
from marrowclone.report.sample import read_sample
from marrowclone.report.sample_page import sample_page
from marrowclone.run import job

with job(snakemake) as run:
    per_sample = ("qc", "qc_facts", "counts", "identity", "groups")
    files = zip(*(getattr(run.input, name) for name in per_sample), run.output.pages, strict=True)
    for row, (*paths, page) in zip(run.params.samples, files, strict=True):
        read = dict(zip(per_sample, paths, strict=True))
        sample = read_sample(row["sample"], sheet=row, cells=run.input.cells, **read)
        text = sample_page(
            sample, tumour_types=run.params.tumour_types, settings=run.settings, facts={"versions": versions()}
        )
        tables.write_text(page, text)
