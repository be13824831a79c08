# Needs: the configuration, the sample sheet, the clinical tables.
# Gives: COHORT, config with every default filled in, and the helpers that rules use.
# Everything that a user can get wrong is answered here, before any job starts.
import os
import re
import sys
from pathlib import Path

LIBRARY = str(Path(workflow.basedir, "workflow", "lib"))
sys.path.insert(0, LIBRARY)
# scripts are processes of their own: they find the library, in a container too, by this
os.environ.update(
    PYTHONPATH=os.pathsep.join([LIBRARY, *filter(None, [os.environ.get("PYTHONPATH")])])
)

from snakemake.exceptions import WorkflowError

from marrowclone import check, cluster, containers, locks, provenance
from marrowclone.cohort import extra_files_of
from marrowclone.errors import UserError
from marrowclone.keys import CHAPTERS

# A job on a cluster node reads the workflow again: it need not read every matrix again.
MAIN_PROCESS = workflow.is_main_process
try:
    config, COHORT = check.everything(
        config, files=workflow.configfiles, read_matrices=MAIN_PROCESS
    )
except UserError as error:
    raise WorkflowError(str(error)) from None
if MAIN_PROCESS:
    locks.release_stale()
    cluster.prepare()
    for note in COHORT.notes:
        print(f"marrowclone: {note}", file=sys.stderr)

# For --sdm conda, made from the locks. Without it the rules run in the environment that runs snakemake.
ENVIRONMENT = str(
    Path(
        workflow.basedir,
        "envs",
        "conda",
        "cuda.yaml" if config["device"] == "cuda" else "cpu.yaml",
    )
)
# For --sdm apptainer: the image, built from the same locks; an image of other locks is refused.
try:
    IMAGE = containers.image_of_run(workflow, config, COHORT.samples)
except UserError as error:
    raise WorkflowError(str(error)) from None


container: IMAGE


wildcard_constraints:
    sample="|".join(map(re.escape, COHORT.samples.index)) or "(?!)",
    patient="|".join(map(re.escape, COHORT.patients)) or "(?!)",


def settings(rule):
    """The rule's own section of the configuration."""
    chapter = next(c for c, rules in CHAPTERS.items() if rule in rules)
    return config[chapter][rule]


def code(rule):
    """Hash of all code that the rule runs, so that it reruns when what it imports changes."""
    return provenance.code_hash(rule)


def resource(name):
    """A file of resources/, as a rule's input."""
    return str(Path(workflow.basedir, "resources", name))


def clinical(name):
    """The clinical table of that name, or nothing when the user has none."""
    return COHORT.clinical.get(name) or []


# Samples whose counts are freed of ambient RNA, for the chapters after QC.
DENOISED = COHORT.denoised(settings("denoise_counts"))


def counts_of(samples):
    """The counts that chapters after QC read of these samples: denoised ones where the option makes some."""
    return [
        f"results/cells/{sample}.{'denoised' if sample in DENOISED else 'counts'}.h5ad"
        for sample in samples
    ]


def counts_of_patient(wildcards):
    """Input function: :func:`counts_of` the wildcard's patient, in day order."""
    return counts_of(COHORT.samples_of(wildcards.patient))


def counts_of_donors(wildcards):
    """Input function: :func:`counts_of` the healthy donors for the wildcard's patient."""
    return counts_of(COHORT.donor_samples_for(wildcards.patient))


def extra_of(patient):
    """What the patient has beside counts: kind -> sample -> path; empty for a patient without."""
    return COHORT.extra_of(patient, settings("infer_clones")["evidence"])


def extra_files(kind):
    """Input function: the files of that kind of the wildcard's patient; nothing without any."""
    return lambda wildcards: extra_files_of(extra_of(wildcards.patient).get(kind, {}))


def with_extra(kind, pattern):
    """Input function: a file that is read where the wildcard's patient has that kind of evidence; nothing without."""
    return lambda wildcards: [
        pattern.format(patient=p) for p in [wildcards.patient] if kind in extra_of(p)
    ]


def of_patient(pattern):
    """Input function: the pattern for each sample of the wildcard's patient, in day order."""
    return lambda wildcards: expand(
        pattern, sample=COHORT.samples_of(wildcards.patient)
    )


def of_each_patient(pattern):
    """The pattern for the patient of each sample of the cohort, in the samples' order (a patient comes again)."""
    return [pattern.format(patient=patient) for patient in COHORT.samples["patient"]]


onstart:
    # what the cluster cannot give is said before the first job is sent
    if MAIN_PROCESS:
        try:
            cluster.before_jobs(workflow)
        except UserError as error:
            raise WorkflowError(str(error)) from None


onsuccess:
    if MAIN_PROCESS:
        cluster.after_jobs(workflow)


onerror:
    if MAIN_PROCESS:
        cluster.after_jobs(workflow)
