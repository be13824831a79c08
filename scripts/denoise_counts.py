"""Take the ambient RNA out of one capture's counts (scAR)."""

import os

import anndata

from marrowclone import tables
from marrowclone.cells.ambient import read_ambient
from marrowclone.cells.denoise import denoise_counts, why_unchanged
from marrowclone.cells.load import write_counts
from marrowclone.embedding.device import choose_device
from marrowclone.run import job


def device() -> str:
    """What to train on; torch is loaded only when a network is trained."""
    import torch

    return choose_device(run.params.device, available=torch.cuda.is_available(), environ=os.environ)


with job(snakemake) as run:
    counts = anndata.read_h5ad(run.input.counts)
    qc = tables.read_result(run.input.qc)
    ambient = read_ambient(run.input.ambient, run.input.ambient_facts, counts.var_names)
    reason = why_unchanged(counts, qc, ambient, run.settings)
    if reason:
        run.say(f"WARNING the counts stay as read: {reason}")
        facts = {"method": "none", "reason": reason, "source": ambient.facts["source"]}
    else:
        counts.X, facts = denoise_counts(counts, qc, ambient, settings=run.settings, seed=run.seed, device=device())
        whole = facts["removed"]["all"]
        run.say(f"{whole['pct']:.1f}% of UMIs taken out of {whole['n_cells']} cells ({facts['n_genes']} genes)")
    write_counts(run.output.counts, counts)
    tables.write_json(run.output.facts, facts)
