"""Read one capture and bring it into the reference gene space."""

from marrowclone.cells.load import load_counts
from marrowclone.resources import gene_table, read_resource
from marrowclone.run import job

with job(snakemake) as run:
    facts = load_counts(
        run.params.path,
        run.output.counts,
        sample=run.wildcards["sample"],
        format=run.params.format,
        genes=gene_table(run.input.genes),
        aliases=read_resource(run.input.aliases),
        models=read_resource(run.input.models),
        settings=run.settings,
    )
    run.say(
        f"{facts['n_barcodes']} barcodes ({facts['format']}), {facts['n_genes_mapped']} of {facts['n_genes_file']} "
        f"features known, {facts['pct_umi_unmapped']:.2f}% of UMIs on unknown genes"
    )
    for warning in facts["warnings"]:
        run.say(f"WARNING {warning}")
