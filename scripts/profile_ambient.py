"""Learn which RNA floats in the droplets of one capture."""

import anndata

from marrowclone import tables
from marrowclone.cells.ambient import ambient_table, profile_ambient
from marrowclone.cells.knee import knee_of
from marrowclone.cells.load import to_reference
from marrowclone.cells.sources import read_source
from marrowclone.keys import TABLES
from marrowclone.resources import gene_table, read_resource
from marrowclone.run import job

with job(snakemake) as run:
    counts = anndata.read_h5ad(run.input.counts)
    raw = None
    if run.params.raw_path:
        raw = to_reference(
            read_source(run.params.raw_path, unfiltered=True),
            sample=run.wildcards["sample"],
            genes=gene_table(run.input.genes),
            aliases=read_resource(run.input.aliases),
            settings={"min_umi": run.settings["ambient_min_umi"], "min_share_mapped": 0.0, "old_gene_model": "warn"},
        )
    settings = {**run.params.limits, **run.settings}
    ambient = profile_ambient(counts, raw, panel=read_resource(run.input.markers), settings=settings, seed=run.seed)
    facts = ambient.facts | {"knee": knee_of(raw)}
    run.say(f"ambient RNA from {facts['source_text']}: {facts['n_droplets']} droplets, {facts['n_umi']} UMIs")
    tables.write_table(run.output.ambient, ambient_table(ambient, counts.var), columns=TABLES["cells.ambient"])
    tables.write_json(run.output.facts, facts)
