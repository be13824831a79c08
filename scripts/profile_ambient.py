"""Learn which RNA floats in the droplets of one capture."""

from marrowclone import tables
from marrowclone.cells.ambient import Droplets, ambient_table, profile_ambient
from marrowclone.cells.blocks import CountsFile
from marrowclone.cells.knee import knee
from marrowclone.cells.load import stream_droplets
from marrowclone.keys import TABLES
from marrowclone.resources import gene_table, read_resource
from marrowclone.run import job

with job(snakemake) as run:
    counts = CountsFile(run.input.counts)
    raw = None
    if run.params.raw_path:
        raw = stream_droplets(
            run.params.raw_path,
            lambda var: Droplets(var, run.settings, counts.obs["barcode"], place=f"raw_path {run.params.raw_path}"),
            Droplets.add,
            sample=run.wildcards["sample"],
            genes=gene_table(run.input.genes),
            aliases=read_resource(run.input.aliases),
            settings={"min_umi": run.settings["ambient_min_umi"], "genome": run.params.genome},
        )
    settings = {**run.params.limits, **run.settings}
    ambient = profile_ambient(counts, raw, panel=read_resource(run.input.markers), settings=settings, seed=run.seed)
    facts = ambient.facts | {"knee": None if raw is None else knee(raw.n_umi())}
    run.say(f"ambient RNA from {facts['source_text']}: {facts['n_droplets']} droplets, {facts['n_umi']} UMIs")
    if "raw_unused" in facts:
        run.say(f"WARNING raw_path {run.params.raw_path} is not used: {facts['raw_unused']}")
    tables.write_table(run.output.ambient, ambient_table(ambient, counts.var), columns=TABLES["cells.ambient"])
    tables.write_json(run.output.facts, facts)
