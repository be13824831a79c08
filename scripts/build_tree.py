"""Place copy-number events on a rooted tree of a patient's clones."""

from marrowclone import tables
from marrowclone.evolution.tree import TREE_COLUMNS, build_tree
from marrowclone.run import job

with job(snakemake) as run:
    table, newick = build_tree(
        tables.read_result(run.input.arms),
        tables.read_result(run.input.profiles),
        tables.read_result(run.input.cells),
        dict(run.params.days),
        settings=run.settings,
        seed=run.seed,
    )
    for row in table.itertuples():
        run.say(f"{row.parent} -> {row.branch}: {row.events} {row.note}".rstrip())
    tables.write_table(run.output.table, table, columns=TREE_COLUMNS)
    tables.write_text(run.output.newick, newick)
