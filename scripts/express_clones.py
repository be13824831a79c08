"""What sets a patient's clones apart in expression: genes and programmes, what copies explain marked."""

from marrowclone import tables
from marrowclone.cells.matrix import read_cells
from marrowclone.clones.expression import MARKER_COLUMNS, PROGRAMME, clone_markers, pseudobulk
from marrowclone.evolution.gene_sets import all_sets
from marrowclone.resources import gene_table, read_resource
from marrowclone.run import job

with job(snakemake) as run:
    cells = tables.read_result(run.input.cells)
    cells = cells[cells["clone"] != ""].reset_index(drop=True)
    counts = read_cells(run.input.counts, cells["cell"].tolist())
    sets = all_sets(
        read_resource(run.input.programmes), run.input.get("gene_sets", []), gene_table()["symbol"].tolist()
    )
    markers = clone_markers(
        counts.X, cells, counts.var, tables.read_result(run.input.profiles), sets, settings=run.settings
    )
    for clone, rows in markers.groupby("clone", sort=False):
        genes = rows[rows["kind"] != PROGRAMME]["call"].value_counts()
        run.say(f"{clone}: " + ", ".join(f"{n} genes {call}" for call, n in genes.items()))
    tables.write_table(run.output.markers, markers, columns=MARKER_COLUMNS)
    measured = counts.var["measured"].to_numpy(dtype=bool)
    bulk = pseudobulk(counts.X[:, measured.nonzero()[0]], cells, counts.var_names[measured])
    tables.write_table(run.output.pseudobulk, bulk, columns=["symbol"])
