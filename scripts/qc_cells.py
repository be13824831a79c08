"""Keep or drop every barcode of one capture, with a reason."""

from marrowclone import tables
from marrowclone.cells.ambient import read_ambient
from marrowclone.cells.blocks import CountsFile
from marrowclone.cells.qc import qc_cells
from marrowclone.keys import TABLES
from marrowclone.resources import read_resource
from marrowclone.run import job

with job(snakemake) as run:
    counts = CountsFile(run.input.counts)
    panel = read_resource(run.input.markers)
    ambient = read_ambient(run.input.ambient, run.input.ambient_facts, counts.var_names)
    table, facts = qc_cells(
        counts,
        panel=panel,
        settings=run.settings,
        seed=run.seed,
        ambient=ambient,
        lineages=read_resource(run.input.lineages),
    )
    run.say(f"kept {facts['n_kept']} of {facts['n_barcodes']} barcodes; {facts['doublet_rule']}")
    for warning in facts["warnings"]:
        run.say(f"WARNING {warning}")
    tables.write_table(run.output.qc, table, columns=TABLES["cells.qc"])
    tables.write_json(run.output.facts, facts)
