"""A cell type for every kept cell of the cohort."""

import pandas as pd

from marrowclone import tables
from marrowclone.cells.matrix import measured_by_file, read_cells
from marrowclone.embedding.features import kept_cells
from marrowclone.embedding.labels import read_all_labels
from marrowclone.embedding.model_labels import annotate, load_model
from marrowclone.embedding.type import CLUSTER_COLUMNS, genes_to_read, type_cells
from marrowclone.keys import TABLES
from marrowclone.resources import gene_table, read_resource
from marrowclone.run import job

with job(snakemake) as run:
    kept = kept_cells(run.input.qc)
    panel, states, cycling = (read_resource(path) for path in (run.input.markers, run.input.states, run.input.cycling))
    barcodes = pd.Index([cell for path in run.input.qc for cell in tables.read_result(path)["cell"]])
    samples = pd.DataFrame.from_dict(dict(run.params.samples), orient="index")
    model = None
    if run.settings["celltypist_model"]:
        loaded = load_model(run.settings["celltypist_model"])
        model = annotate(read_cells(run.input.counts, list(kept.index)), loaded, path=run.settings["celltypist_model"])
    cells, clusters = type_cells(
        read_cells(
            run.input.counts,
            list(kept.index),
            genes=genes_to_read([panel, states, cycling], gene_table()["symbol"]),
        ),
        kept,
        pd.read_parquet(run.input.latent).set_index("cell"),
        panel=panel,
        samples=samples,
        measured=pd.DataFrame(measured_by_file(run.input.counts), index=samples.index, columns=gene_table()["symbol"]),
        labels=read_all_labels(dict(run.params.labels), barcodes),
        tumour_types=list(run.params.tumour_cell_types),
        settings=run.settings,
        seed=run.seed,
        states=states,
        cycling=list(cycling["symbol"]),
        model=model,
        model_names=read_resource(run.input.model_names),
    )
    found = cells["cell_type"].value_counts()
    run.say(", ".join(f"{name} {n}" for name, n in found.items()) or "no cells")
    rules = cells["type_rule"].value_counts()
    run.say("by rule: " + ", ".join(f"{name} {n}" for name, n in rules.items()))
    unknown = cells.loc[(cells["type_rule"] == "model") & (cells["cell_type"] == "unresolved"), "model_label"]
    if len(unknown):
        names = ", ".join(f"{name} {n}" for name, n in unknown.value_counts().items())
        run.say(f"WARNING labels of the model that are none of our types, left unresolved: {names}")
    if not cells["is_tumour_type"].any():
        run.say("WARNING no cell of a tumour type was found in the whole cohort")
    tables.write_table(run.output.cells, cells, columns=TABLES["embedding.cells"])
    tables.write_table(run.output.clusters, clusters, columns=CLUSTER_COLUMNS)
