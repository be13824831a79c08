"""Driver genes of the clonal plasma cells against normal ones, and the TC class."""

import pandas as pd

from marrowclone import tables
from marrowclone.cells.matrix import read_cells
from marrowclone.embedding.drivers import call_drivers, with_receptors
from marrowclone.embedding.features import kept_cells
from marrowclone.embedding.receptor import patient_cells
from marrowclone.keys import TABLES
from marrowclone.resources import read_resource
from marrowclone.run import job

with job(snakemake) as run:
    patient = run.wildcards["patient"]
    cells = patient_cells(tables.read_result(run.input.cells), patient=patient, donors=run.params.donors)
    depth = kept_cells([*run.input.qc, *run.input.donor_qc])["n_umi_non_ig"]
    panel = read_resource(run.input.drivers)
    genes = panel["symbol"].drop_duplicates().tolist()
    counts = read_cells([*run.input.counts, *run.input.donor_counts], cells["cell"].tolist(), genes=genes)
    drivers = call_drivers(
        pd.DataFrame(counts.X.toarray(), columns=genes),  # a dozen genes
        with_receptors(cells, tables.read_result(run.input.clonality)).assign(
            n_umi_non_ig=depth.reindex(cells["cell"]).to_numpy()
        ),
        tables.read_result(run.input.groups),
        panel,
        patient=patient,
        settings=run.settings,
        healthy=run.params.healthy,
    )
    first = drivers.iloc[0]
    run.say(f"TC class {first['tc_class']} {first['tc_confidence']}: {first['tc_reason']}")
    tables.write_table(run.output.drivers, drivers, columns=TABLES["embedding.drivers"])
