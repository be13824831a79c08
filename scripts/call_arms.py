"""Integer copy-number state of every chromosome arm, per clone and for all malignant cells, and the high-risk panel."""

from marrowclone import tables
from marrowclone.cells.matrix import read_cells
from marrowclone.copy_number import store
from marrowclone.copy_number.arms import call_genome
from marrowclone.copy_number.baseline import read_baseline
from marrowclone.copy_number.panel import high_risk_panel
from marrowclone.copy_number.states import with_defaults
from marrowclone.keys import TABLES
from marrowclone.run import job

with job(snakemake) as run:
    cells = tables.read_result(run.input.cells)
    counts = read_cells(run.input.counts, cells["cell"].tolist())
    reference = tables.read_result(run.input.reference)
    genes, expected = read_baseline(tables.read_result(run.input.baseline), counts.var_names)
    found = call_genome(
        counts.X,
        cells["sample"],
        cells["clone"],
        expected,
        genes,
        rung=reference["rung"].iloc[0],
        settings=store.settings_against(reference, run.settings),
        genes_per_bin=run.params.genes_per_bin,
    )
    if found.response is not None:
        run.say(
            "dosage response {:.2f} (95%: {:.2f} to {:.2f})".format(found.response.dosage, *found.response.interval)
        )
    panel = high_risk_panel(
        found.arms,
        found.segments,
        cells,
        tables.read_result(run.input.drivers),
        patient=run.wildcards["patient"],
        settings=with_defaults(store.settings_against(reference, run.settings)),
    )
    tables.write_table(run.output.arms, found.arms, columns=TABLES["copy_number.arms"])
    tables.write_table(run.output.panel, panel, columns=TABLES["copy_number.panel"])
