"""Clone fractions, burden and their joint posterior draws, for one patient."""

from marrowclone import tables
from marrowclone.clinical import read_clinical
from marrowclone.evolution.assemble import patient_fractions
from marrowclone.keys import TABLES
from marrowclone.run import job

with job(snakemake) as run:
    result = patient_fractions(
        patient=run.wildcards["patient"],
        samples=run.params.samples,
        clone_cells=tables.read_result(run.input.clones),
        malignant=tables.read_result(run.input.malignant),
        kept=tables.read_result(run.input.cells),
        healthy=[tables.read_result(path) for path in run.input.healthy],
        mrd=read_clinical(run.input.get("mrd"), "mrd"),
        response=read_clinical(run.input.get("response"), "response"),
        settings=run.settings,
        seed=run.seed,
        prior_cells=run.params.prior_cells,
    )
    tables.write_table(run.output.fractions, result.fractions, columns=TABLES["evolution.fractions"])
    tables.write_table(run.output.burden, result.burden, columns=TABLES["evolution.burden"])
    tables.write_whole(run.output.draws, lambda path: result.draws.to_parquet(path, index=False))
    run.say(f"{result.fractions['clone'].nunique()} clones in {len(run.params.samples)} samples")
