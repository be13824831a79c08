# marrowclone: counts of bone marrow in, a cure spectrum out.
# The story, in the order in which data flows; each chapter opens with what it needs and gives.
from snakemake.utils import min_version

min_version("9.10")


configfile: "config/config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/cells.smk"
include: "workflow/rules/embedding.smk"
include: "workflow/rules/copy_number.smk"
include: "workflow/rules/clones.smk"
include: "workflow/rules/evolution.smk"
include: "workflow/rules/cure.smk"
include: "workflow/rules/report.smk"


rule all:
    """Every chapter's result, and the pages that tell them."""
    default_target: True
    input:
        "results/report/index.html",
        "results/run.json",
        "results/ro-crate-metadata.json",
        expand("results/report/{patient}.html", patient=COHORT.patients),
        expand("results/report/samples/{sample}.html", sample=COHORT.samples.index),
        contract_outputs(),
