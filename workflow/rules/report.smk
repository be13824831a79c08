# Needs: every chapter's tables, the clinical tables, the truth of a simulated cohort if there is one.
# Gives: results/report/{patient}.html, index.html and truth.tsv, results/run.json with the RO-Crate.
from marrowclone.report.render import template_files
from marrowclone.report.truth_inputs import truth_files

SHEET = [
    {name: row[name] if name == "day" else str(row[name]) for name in row}
    for row in COHORT.samples.reset_index().to_dict("records")
]
PER_SAMPLE = {
    "qc": "results/cells/{sample}.qc.tsv.gz",
    "qc_facts": "results/cells/{sample}.qc.json",
}
PER_PATIENT = {
    "reference": "results/copy_number/{patient}.reference.tsv",
    "malignant": "results/copy_number/{patient}.malignant.tsv.gz",
    "arms": "results/copy_number/{patient}.arms.tsv",
    "clone_cells": "results/clones/{patient}.cells.tsv.gz",
    "profiles": "results/clones/{patient}.profiles.tsv",
    "tree": "results/evolution/{patient}.tree.tsv",
    "fractions": "results/evolution/{patient}.fractions.tsv",
    "burden": "results/evolution/{patient}.burden.tsv",
    "dynamics": "results/evolution/{patient}.dynamics.tsv",
    "labels": "results/evolution/{patient}.labels.tsv",
    "resistance": "results/evolution/{patient}.resistance.tsv",
}
PER_COHORT = {
    "cells": "results/embedding/cells.tsv.gz",
    "landmarks": "results/cure/landmarks.tsv",
    "qol": "results/cure/qol.tsv",
}
# written by the chapters beside what the pages read
UNREAD = [
    "results/cells/{sample}.counts.h5ad",
    "results/embedding/latent.parquet",
    "results/embedding/training.tsv",
    "results/embedding/clusters.tsv",
    "results/embedding/integration.json",
    "results/copy_number/{patient}.signal.h5ad",
    "results/clones/{patient}.seg",
    "results/evolution/{patient}.nwk",
    "results/evolution/{patient}.draws.parquet",
]
CLINICAL_TABLES = {
    name: clinical(name)
    for name in "mrd imaging response therapy cytogenetics pro outcome".split()
}


def over_cohort(patterns):
    """Every pattern for every sample or patient of the cohort, each file once."""
    samples, patients = list(COHORT.samples.index), COHORT.patients
    found = []
    for pattern in patterns:
        found += [
            pattern.format(sample=sample, patient=patient)
            for sample in (samples if "{sample}" in pattern else [""])
            for patient in (patients if "{patient}" in pattern else [""])
        ]
    return found


def contract_outputs():
    """Every file that others may read, but for the pages and the record of the run."""
    read = [*PER_SAMPLE.values(), *PER_PATIENT.values(), *PER_COHORT.values()]
    return over_cohort([*read, *UNREAD])


def user_files():
    """What the user gave: matrices, sheets, clinical tables."""
    columns = ["path", "raw_path", "vdj", "alleles", "cell_types"]
    named = [sample[c] for sample in SHEET for c in columns if sample.get(c)]
    return sorted({config["samples"], *filter(None, CLINICAL_TABLES.values()), *named})


rule report_patient:
    """Tell one patient's whole story on one page that stands alone."""
    input:
        **{name: of_patient(pattern) for name, pattern in PER_SAMPLE.items()},
        **PER_PATIENT,
        **PER_COHORT,
        **CLINICAL_TABLES,
        templates=template_files(),
    output:
        page=report(
            "results/report/{patient}.html",
            caption="../report/patient.rst",
            category="Patients",
        ),
    log:
        "logs/report_patient/{patient}.log",
    benchmark:
        "benchmarks/report_patient/{patient}.tsv"
    threads: 1
    params:
        settings=settings("report_patient"),
        code=code("report_patient"),
        seed=config["seed"],
        config=config,
        samples=SHEET,
        tumour_types=config["tumour_cell_types"],
    script:
        "../../scripts/report_patient.py"


rule compare_truth:
    """Compare results with a simulated cohort's truth; without one, a header only."""
    input:
        **{
            name: over_cohort([PER_PATIENT[name]])
            for name in ("malignant", "clone_cells", "arms", "fractions", "burden")
        },
        truth=truth_files(config["truth"]),
    output:
        truth="results/report/truth.tsv",
    log:
        "logs/compare_truth.log",
    benchmark:
        "benchmarks/compare_truth/all.tsv"
    threads: 1
    params:
        settings=settings("compare_truth"),
        code=code("compare_truth"),
        seed=config["seed"],
        patients=COHORT.patients,
        samples=SHEET,
        truth=config["truth"],
    script:
        "../../scripts/compare_truth.py"


rule report_cohort:
    """Put every patient in a row of one page, with the cohort's figures."""
    input:
        **{
            name: over_cohort([pattern])
            for name, pattern in {**PER_SAMPLE, **PER_PATIENT}.items()
        },
        **PER_COHORT,
        **CLINICAL_TABLES,
        truth="results/report/truth.tsv",
        templates=template_files(),
    output:
        page=report(
            "results/report/index.html",
            caption="../report/index.rst",
            category="Cohort",
        ),
    log:
        "logs/report_cohort.log",
    benchmark:
        "benchmarks/report_cohort/all.tsv"
    threads: 1
    params:
        settings=settings("report_cohort"),
        code=code("report_cohort"),
        seed=config["seed"],
        config=config,
        patients=COHORT.patients,
        samples=SHEET,
        notes=COHORT.notes,
        tumour_types=config["tumour_cell_types"],
    script:
        "../../scripts/report_cohort.py"


rule record_run:
    """Record versions, settings, code and digests of the run."""
    input:
        results=[
            *contract_outputs(),
            "results/report/truth.tsv",
            "results/report/index.html",
            *over_cohort(["results/report/{patient}.html"]),
        ],
        integration="results/embedding/integration.json",
        user=user_files(),
    output:
        record="results/run.json",
        crate="results/ro-crate-metadata.json",
    log:
        "logs/record_run.log",
    benchmark:
        "benchmarks/record_run/all.tsv"
    threads: 1
    params:
        settings=settings("record_run"),
        code=code("record_run"),
        seed=config["seed"],
        config=config,
        samples=SHEET,
        user_files=user_files(),
    script:
        "../../scripts/record_run.py"
