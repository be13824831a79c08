"""Composition and programmes of the cells beside the tumour, per sample."""

import pandas as pd

from marrowclone import tables
from marrowclone.cells.matrix import measured_by_file, read_cells
from marrowclone.embedding.features import kept_cells
from marrowclone.embedding.microenvironment import RATIO_GENES, measure_microenvironment
from marrowclone.keys import TABLES
from marrowclone.resources import gene_table, read_resource
from marrowclone.run import job

with job(snakemake) as run:
    programmes = read_resource(run.input.programmes)
    cells = tables.read_result(run.input.cells).set_index("cell")
    cells["n_umi_non_ig"] = kept_cells(run.input.qc)["n_umi_non_ig"].reindex(cells.index)
    samples = pd.DataFrame.from_dict(dict(run.params.samples), orient="index")
    genes = list(dict.fromkeys([*RATIO_GENES, *programmes["symbol"]]))
    table = measure_microenvironment(
        read_cells(run.input.counts, list(cells.index), genes=genes),
        cells,
        programmes,
        samples=samples,
        measured=pd.DataFrame(measured_by_file(run.input.counts), index=samples.index, columns=gene_table()["symbol"]),
        settings=run.settings,
        seed=run.seed,
    )
    run.say(f"{int(table['value'].notna().sum())} of {len(table)} values; exploratory, n is patients")
    tables.write_table(run.output.microenvironment, table, columns=TABLES["embedding.microenvironment"])
