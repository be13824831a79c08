"""Cycling cells and programmes of every clone at every sampling day, for one patient."""

import pandas as pd

from marrowclone import tables
from marrowclone.cells.matrix import read_cells
from marrowclone.copy_number.baseline import read_baseline
from marrowclone.evolution.gene_sets import all_sets
from marrowclone.evolution.resistance import tumour_cells
from marrowclone.evolution.state import assess_states
from marrowclone.keys import TABLES
from marrowclone.resources import gene_table, read_resource
from marrowclone.run import job

with job(snakemake) as run:
    table = gene_table().set_index("symbol")
    sets = all_sets(read_resource(run.input.programmes), run.input.get("gene_sets", []), table.index)
    genes = pd.Index(dict.fromkeys(g for of in sets.values() for g in of))
    depth = pd.concat([tables.read_result(path).set_index("cell")["n_umi_non_ig"] for path in run.input.qc])
    cells = tumour_cells(
        tables.read_result(run.input.malignant), tables.read_result(run.input.clones), depth, run.params.days
    )
    matrix = read_cells(run.input.counts, list(cells["cell"]), genes=list(genes))
    measured = matrix.var_names[matrix.var["measured"].to_numpy(dtype=bool)]
    _, expected = read_baseline(tables.read_result(run.input.baseline), measured)
    frame = assess_states(
        cells,
        pd.DataFrame(matrix[:, measured].X.toarray(), columns=measured),
        sets,
        arms=tables.read_result(run.input.arms),
        place=(table["chromosome"] + table["arm"]).to_dict(),
        expected=expected,
        settings=run.settings,
        seed=run.seed,
    )
    tables.write_table(run.output.state, frame, columns=TABLES["evolution.state"])
