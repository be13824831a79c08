"""Evidence of resistance per clone, day and drug class, for one patient."""

import pandas as pd

from marrowclone import tables
from marrowclone.cells.matrix import read_cells
from marrowclone.clinical import read_clinical
from marrowclone.evolution.antigen import BYSTANDERS, soup_per_cell
from marrowclone.evolution.resistance import antigens, assess_resistance, tumour_cells
from marrowclone.keys import TABLES
from marrowclone.resources import read_resource
from marrowclone.run import job

with job(snakemake) as run:
    panel = read_resource(run.input.panel)
    depth = pd.concat([tables.read_result(path).set_index("cell")["n_umi_non_ig"] for path in run.input.qc])
    cells = tumour_cells(
        tables.read_result(run.input.malignant), tables.read_result(run.input.clones), depth, run.params.days
    )
    matrix = read_cells(run.input.counts, list(cells["cell"]), genes=antigens(panel))
    measured = matrix.var_names[matrix.var["measured"].to_numpy(dtype=bool)]
    types = tables.read_result(run.input.cells)
    others = types[types["sample"].isin(run.params.days) & types["cell_type"].isin(list(BYSTANDERS))]
    bystanders = read_cells(run.input.counts, list(others["cell"]), genes=list(measured))
    soup = soup_per_cell(
        pd.DataFrame(bystanders.X.toarray(), columns=measured),
        others["sample"].reset_index(drop=True),
        others["cell_type"].reset_index(drop=True),
    )
    frame = assess_resistance(
        cells,
        pd.DataFrame(matrix[:, measured].X.toarray(), columns=measured),
        arms=tables.read_result(run.input.arms),
        dynamics=tables.read_result(run.input.dynamics),
        therapy=read_clinical(run.input.get("therapy"), "therapy"),
        panel=panel,
        patient=run.wildcards["patient"],
        settings=run.settings,
        soup=soup,
    )
    tables.write_table(run.output.resistance, frame, columns=TABLES["evolution.resistance"])
