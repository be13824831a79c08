"""Copy-number signal of one patient over all timepoints, against a stated reference."""

import os

from marrowclone import tables
from marrowclone.cells.light_chain import KAPPA_GENES, LAMBDA_GENES
from marrowclone.cells.matrix import read_cells, with_genes_of
from marrowclone.copy_number import store
from marrowclone.copy_number.baseline import BASELINE_COLUMNS, usable_genes
from marrowclone.copy_number.exclusions import exclusion_reasons
from marrowclone.copy_number.profile_file import read_profile
from marrowclone.copy_number.reference import patient_signal
from marrowclone.embedding.device import cuda_is_there, device_if_given
from marrowclone.keys import TABLES
from marrowclone.resources import read_resource
from marrowclone.run import job

with job(snakemake) as run:
    patient = run.wildcards["patient"]
    cells = store.relevant_cells(
        tables.read_result(run.input.cells),
        patient=patient,
        donors=run.params.donors,
        tumour_types=run.params.tumour_cell_types,
    )
    counts = read_cells([*run.input.counts, *run.input.donor_counts], cells["cell"].tolist())
    if run.input.get("as_read"):
        counts = with_genes_of(counts, run.input.as_read, [*KAPPA_GENES, *LAMBDA_GENES])
    genes = usable_genes(counts.var, exclusion_reasons(counts.var, read_resource(run.input.exclusions)))
    path = run.input.get("profile")
    profile = read_profile(str(path), min_cells=run.settings["min_cells_r3"]) if path else None
    found = patient_signal(
        counts,
        cells,
        genes,
        patient=patient,
        donors=list(run.params.donors),
        settings=run.settings,
        calls=run.params.calls,
        seed=run.seed,
        profile=profile,
        markers=read_resource(run.input.markers),
        threads=run.threads,
        device=device_if_given(run.params.device, available=cuda_is_there, environ=os.environ),
    )
    reference = store.reference_table(found, patient=patient, tumour_types=run.params.tumour_cell_types)
    run.say(f"reference {reference['rung'][0]}: {reference['reason'][0]}")
    signal = store.signal_data(found)
    tables.write_whole(run.output.signal, lambda path: signal.write_h5ad(path, compression="gzip"))
    tables.write_table(run.output.reference, reference, columns=TABLES["copy_number.reference"])
    tables.write_table(run.output.baseline, store.baseline_of(found), columns=BASELINE_COLUMNS)
