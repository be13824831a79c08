"""Risk stagings of every patient at every landmark."""

from marrowclone import tables
from marrowclone.clinical import read_clinical
from marrowclone.cure.risk import annotate_risk
from marrowclone.keys import TABLES
from marrowclone.run import job

with job(snakemake) as run:
    names = ("response", "therapy", "cytogenetics")
    clinical = {n: read_clinical(run.input.get(n), n) if run.input.get(n) else None for n in names}
    panels, fractions = (
        {p: tables.read_result(f) for p, f in zip(run.params.patients, run.input[name], strict=True)}
        for name in ("panels", "fractions")
    )
    landmarks = tables.read_result(run.input.landmarks)
    risk = annotate_risk(landmarks, clinical, panels, fractions, settings=run.settings)
    run.say(f"{len(risk)} stagings, {int((risk['result'] == 'indeterminate').sum())} indeterminate")
    tables.write_table(run.output.risk, risk, columns=TABLES["cure.risk"])
