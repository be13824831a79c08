"""Alleles of each clone's arms: balanced, imbalance, LOH or copy-neutral LOH, from allele counts per cell."""

from marrowclone import tables
from marrowclone.clones.alleles import call_alleles
from marrowclone.clones.extra import called_cells, gather, other_cells
from marrowclone.clones.infer import malignant_cells
from marrowclone.keys import TABLES
from marrowclone.run import job

with job(snakemake) as run:
    malignant = tables.read_result(run.input.malignant)
    paths = dict(run.params.extra)["alleles"]
    extra = gather(
        called_cells(malignant),
        alleles=paths,
        mtdna={},
        clonality=None,
        malignant=malignant_cells(malignant)["cell"].to_numpy(str),
        others=other_cells(tables.read_result(run.input.types), paths),
        settings=run.params.reading,
    )
    found = call_alleles(
        extra.alleles,
        tables.read_result(run.input.cells),
        tables.read_result(run.input.profiles),
        reading=run.params.reading,
        settings=run.settings,
    )
    for clone, calls in found.groupby("clone", sort=False)["call"]:
        run.say(f"{clone}: " + ", ".join(f"{n} arms {call}" for call, n in calls.value_counts().items()))
    tables.write_table(run.output.alleles, found, columns=TABLES["clones.alleles"])
