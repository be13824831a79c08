"""A cell type for every kept cell of the cohort."""

import pandas as pd

from marrowclone import tables
from marrowclone.cells.markers import panel_genes
from marrowclone.cells.matrix import measured_by_file, read_cells
from marrowclone.embedding.features import kept_cells
from marrowclone.embedding.labels import read_all_labels
from marrowclone.embedding.type import CLUSTER_COLUMNS, type_cells
from marrowclone.keys import TABLES
from marrowclone.resources import gene_table, read_resource
from marrowclone.run import job

with job(snakemake) as run:
    kept = kept_cells(run.input.qc)
    panel = read_resource(run.input.markers)
    barcodes = pd.Index([cell for path in run.input.qc for cell in tables.read_result(path)["cell"]])
    samples = pd.DataFrame.from_dict(dict(run.params.samples), orient="index")
    cells, clusters = type_cells(
        read_cells(run.input.counts, list(kept.index), genes=panel_genes(panel, gene_table()["symbol"])),
        kept,
        pd.read_parquet(run.input.latent).set_index("cell"),
        panel=panel,
        samples=samples,
        measured=pd.DataFrame(measured_by_file(run.input.counts), index=samples.index, columns=gene_table()["symbol"]),
        labels=read_all_labels(dict(run.params.labels), barcodes),
        tumour_types=list(run.params.tumour_cell_types),
        settings=run.settings,
        seed=run.seed,
    )
    found = cells["cell_type"].value_counts()
    run.say(", ".join(f"{name} {n}" for name, n in found.items()) or "no cells")
    if not cells["is_tumour_type"].any():
        run.say("WARNING no cell of a tumour type was found in the whole cohort")
    tables.write_table(run.output.cells, cells, columns=TABLES["embedding.cells"])
    tables.write_table(run.output.clusters, clusters, columns=CLUSTER_COLUMNS)
