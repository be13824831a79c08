"""Copy-number profile of each clone along the genome, as a table and for IGV."""

from marrowclone import tables
from marrowclone.cells.matrix import read_cells
from marrowclone.clones.profiles import PROFILE_COLUMNS, SEG_COLUMNS, profile_clones, seg_table
from marrowclone.copy_number import store
from marrowclone.copy_number.baseline import read_baseline
from marrowclone.run import job

with job(snakemake) as run:
    cells = tables.read_result(run.input.cells)
    counts = read_cells(run.input.counts, cells["cell"].tolist())
    genes, expected = read_baseline(tables.read_result(run.input.baseline), counts.var_names)
    reference = tables.read_result(run.input.reference)
    profiles = profile_clones(
        counts.X,
        cells,
        genes,
        expected,
        rung=reference["rung"].iloc[0],
        settings=run.settings,
        state_settings=store.settings_against(reference, run.params.states),
    )
    tables.write_table(run.output.profiles, profiles, columns=PROFILE_COLUMNS)
    tables.write_table(run.output.seg, seg_table(profiles, patient=run.wildcards["patient"]), columns=SEG_COLUMNS)
