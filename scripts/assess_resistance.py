"""Evidence of resistance per clone, day and drug class, for one patient."""

import pandas as pd

from marrowclone import tables
from marrowclone.cells.matrix import read_cells
from marrowclone.clinical import read_clinical
from marrowclone.evolution.antigen import BYSTANDERS, most_soup, soup_per_cell
from marrowclone.evolution.expression_evidence import full_panel, genes_to_test
from marrowclone.evolution.gene_sets import all_sets
from marrowclone.evolution.panel_sums import features_of
from marrowclone.evolution.resistance import antigens, assess_resistance, tumour_cells
from marrowclone.keys import TABLES
from marrowclone.resources import read_resource
from marrowclone.run import job

with job(snakemake) as run:
    panel = full_panel(read_resource(run.input.panel), run.settings)
    depth = pd.concat([tables.read_result(path).set_index("cell")["n_umi_non_ig"] for path in run.input.qc])
    cells = tumour_cells(
        tables.read_result(run.input.malignant), tables.read_result(run.input.clones), depth, run.params.days
    )
    matrix = read_cells(run.input.counts, list(cells["cell"]))
    measured = matrix.var_names[matrix.var["measured"].to_numpy(dtype=bool)]
    sets = all_sets(read_resource(run.input.programmes), run.input.get("gene_sets", []), matrix.var_names)
    tested = genes_to_test(panel, sets, measured)
    targets = [g for g in antigens(panel) if g in measured]
    asked = list(dict.fromkeys([*targets, *(g for of in tested.values() for g in of)]))
    types = tables.read_result(run.input.cells)
    others = types[types["sample"].isin(run.params.days) & types["cell_type"].isin(list(BYSTANDERS))]
    bystanders = read_cells(run.input.counts, list(others["cell"]), genes=asked)
    shown = pd.DataFrame(bystanders.X.toarray(), columns=asked)
    of = others["sample"].reset_index(drop=True), others["cell_type"].reset_index(drop=True)
    soup, most = soup_per_cell(shown, *of), most_soup(shown, *of)
    baseline, profiles = tables.read_result(run.input.baseline), tables.read_result(run.input.profiles)

    def features(day):
        """Cells up to a day: later ones change nothing of it."""
        then = (cells["day"] <= day).to_numpy()
        return features_of(
            matrix.X[then.nonzero()[0]],
            cells[then],
            matrix.var,
            tested,
            baseline=baseline,
            soup=soup,
            most_soup=most,
            profiles=profiles,
        )

    frame = assess_resistance(
        cells,
        pd.DataFrame(matrix[:, targets].X.toarray(), columns=targets),
        arms=tables.read_result(run.input.arms),
        dynamics=tables.read_result(run.input.dynamics),
        therapy=read_clinical(run.input.get("therapy"), "therapy"),
        panel=panel,
        patient=run.wildcards["patient"],
        settings=run.settings,
        soup=soup,
        features=features,
    )
    tables.write_table(run.output.resistance, frame, columns=TABLES["evolution.resistance"])
