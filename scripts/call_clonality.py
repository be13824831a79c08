"""Light chain, isotype, V genes and clonotype per plasma cell, and whether groups of them are clonal."""

import pandas as pd

from marrowclone import tables
from marrowclone.cells.matrix import read_cells
from marrowclone.embedding.clonality import call_clonality
from marrowclone.embedding.rearrangements import COLUMNS, match_barcodes, read_contigs
from marrowclone.embedding.receptor import patient_cells
from marrowclone.keys import TABLES
from marrowclone.resources import gene_table
from marrowclone.run import job

with job(snakemake) as run:
    patient = run.wildcards["patient"]
    cells = patient_cells(tables.read_result(run.input.cells), patient=patient, donors=run.params.donors)
    genes = gene_table()
    counts = read_cells(
        [*run.input.counts, *run.input.donor_counts],
        cells["cell"].tolist(),
        genes=genes.loc[genes["locus"] == "ig", "symbol"].tolist(),
    )
    contigs = [pd.DataFrame(columns=[*COLUMNS, "cell"])]
    for sample, path in dict(run.params.vdj).items():
        mine = cells.loc[cells["sample"] == sample, "cell"].str.slice(len(sample) + 1)
        read = read_contigs(path)
        contigs.append(match_barcodes(read, sample, mine.tolist()))
        run.say(f"{sample}: {len(contigs[-1])} of {len(read)} contigs are of kept cells")
    table, groups = call_clonality(
        counts.X, counts.var_names, cells, pd.concat(contigs), patient=patient, settings=run.settings
    )
    for row in groups[groups["kind"] == "timepoint"].itertuples():
        run.say(f"{row.timepoint}: {row.verdict}, {row.chain} {row.share:.0%} of {row.n_called} {row.flags}")
    tables.write_table(run.output.clonality, table, columns=TABLES["embedding.clonality"])
    tables.write_table(run.output.groups, groups, columns=TABLES["embedding.groups"])
