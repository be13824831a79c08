# Needs: every chapter's tables, the clinical tables, the truth of a simulated cohort if there is one.
# Gives: results/report/samples/{sample}.html, {patient}.html, index.html and truth.tsv, results/run.json with the
#        RO-Crate.
from functools import partial

from marrowclone.report import paths
from marrowclone.report.render import template_files
from marrowclone.report.truth_inputs import truth_files

SHEET = paths.sheet_rows(COHORT.samples)
OVER_COHORT = partial(
    paths.fill, samples=list(COHORT.samples.index), patients=COHORT.patients
)
CLINICAL_TABLES = {
    name: clinical(name)
    for name in "mrd imaging response therapy cytogenetics pro outcome".split()
}
USER_FILES = paths.user_files(
    config["samples"], SHEET, COHORT.clinical, truth_files(config["truth"])
)
# every contract file but the pages and the record: rule all asks for them too
contract_outputs = partial(
    paths.contract_outputs,
    list(COHORT.samples.index),
    COHORT.patients,
    DENOISED,
    [p for p in COHORT.patients if "alleles" in extra_of(p)],
)


rule report_sample:
    """Show what QC kept and dropped of each sample, and why, on pages that stand alone.

    All pages in one job: every page reads the cohort's cell types, so that none is made anew without the others,
    and to start a job takes longer than to draw a page.
    """
    input:
        **{name: OVER_COHORT([pattern]) for name, pattern in paths.PER_SAMPLE.items()},
        counts=OVER_COHORT(["results/cells/{sample}.counts.h5ad"]),
        cells=paths.PER_COHORT["cells"],
        identity=of_each_patient(paths.PER_PATIENT["identity"]),
        groups=of_each_patient(paths.PER_PATIENT["groups"]),
        templates=template_files(),
    output:
        pages=report(
            OVER_COHORT([paths.SAMPLE_PAGE]),
            caption="../report/sample.rst",
            category="Samples",
        ),
    log:
        "logs/report_sample.log",
    benchmark:
        "benchmarks/report_sample/all.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    params:
        settings=settings("report_sample"),
        code=code("report_sample"),
        seed=config["seed"],
        samples=SHEET,
        tumour_types=config["tumour_cell_types"],
    script:
        "../../scripts/report_sample.py"


rule report_patient:
    """Tell one patient's whole story on one page that stands alone."""
    input:
        **{name: of_patient(pattern) for name, pattern in paths.PER_SAMPLE.items()},
        **paths.PER_PATIENT,
        **paths.PER_COHORT,
        **CLINICAL_TABLES,
        **{name: with_extra("alleles", p) for name, p in paths.OF_ALLELES.items()},
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
    conda:
        ENVIRONMENT
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
        **{name: OVER_COHORT([paths.PER_PATIENT[name]]) for name in paths.COMPARED},
        truth=truth_files(config["truth"]),
    output:
        truth="results/report/truth.tsv",
    log:
        "logs/compare_truth.log",
    benchmark:
        "benchmarks/compare_truth/all.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    params:
        settings=settings("compare_truth"),
        code=code("compare_truth"),
        seed=config["seed"],
        patients=COHORT.patients,
        samples=SHEET,
        truth=lambda wildcards: config["truth"],
    script:
        "../../scripts/compare_truth.py"


rule report_cohort:
    """Put every patient in a row of one page, with the cohort's figures."""
    input:
        **{
            name: OVER_COHORT([pattern])
            for name, pattern in {**paths.PER_SAMPLE, **paths.PER_PATIENT}.items()
        },
        **paths.PER_COHORT,
        **CLINICAL_TABLES,
        outlook="results/cure/outlook.tsv",
        truth="results/report/truth.tsv",
        integration="results/embedding/integration.json",
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
    conda:
        ENVIRONMENT
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
            *OVER_COHORT(["results/report/{patient}.html", paths.SAMPLE_PAGE]),
        ],
        integration="results/embedding/integration.json",
        user=USER_FILES,
    output:
        record="results/run.json",
        crate="results/ro-crate-metadata.json",
        where="logs/where.tsv",
    log:
        "logs/record_run.log",
    benchmark:
        "benchmarks/record_run/all.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    params:
        settings=settings("record_run"),
        code=code("record_run"),
        seed=config["seed"],
        config=config,
        samples=SHEET,
        user_files=USER_FILES,
    script:
        "../../scripts/record_run.py"
