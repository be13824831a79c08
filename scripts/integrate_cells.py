"""One latent space over the cohort's kept cells."""

import os

from marrowclone import tables
from marrowclone.embedding.device import choose_device
from marrowclone.embedding.features import kept_cells, read_kept
from marrowclone.embedding.integrate import TRAINING_COLUMNS, integrate_cells, write_latent
from marrowclone.run import job


def device() -> str:
    """What to train on; torch is loaded only when a network is trained."""
    import torch

    return choose_device(run.params.device, available=torch.cuda.is_available(), environ=os.environ)


with job(snakemake) as run:
    counts = read_kept(run.input.counts, kept_cells(run.input.qc).index, dict(run.params.batches))
    latent, training, facts = integrate_cells(counts, settings=run.settings, seed=run.seed, device=device, say=run.say)
    write_latent(run.output.latent, latent)
    tables.write_table(run.output.training, training, columns=TRAINING_COLUMNS)
    tables.write_json(run.output.facts, facts)
