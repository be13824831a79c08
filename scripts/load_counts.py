"""Read one capture and bring it into the reference gene space."""

from marrowclone.cells.load import to_reference, write_counts
from marrowclone.cells.sources import read_source
from marrowclone.resources import gene_table, read_resource
from marrowclone.run import job

with job(snakemake) as run:
    raw = read_source(run.params.path, run.params.format)
    counts = to_reference(
        raw,
        sample=run.wildcards["sample"],
        genes=gene_table(run.input.genes),
        aliases=read_resource(run.input.aliases),
        settings=run.settings,
    )
    facts = counts.uns["load"]
    run.say(
        f"{facts['n_barcodes']} barcodes ({facts['format']}), {facts['n_genes_mapped']} of {facts['n_genes_file']} "
        f"features known, {facts['pct_umi_unmapped']:.2f}% of UMIs on unknown genes"
    )
    write_counts(run.output.counts, counts)
