# Needs: counts of a patient's samples, its malignant cells, its copy-number baseline; where the sheet names some, allele
# counts, mitochondrial variants and contigs.
# Gives: its clones (a clone and a posterior per malignant cell, the evidence for their number)
# and the copy-number profile of each; with allele counts the alleles of each clone's arms.


rule infer_clones:
    """Learn a patient's clones over all timepoints together."""
    input:
        counts=counts_of_patient,
        malignant="results/copy_number/{patient}.malignant.tsv.gz",
        baseline="results/copy_number/{patient}.baseline.tsv.gz",
        # evidence that only some users have
        alleles=extra_files("alleles"),
        mtdna=extra_files("mtdna"),
        cells=with_extra("alleles", "results/embedding/cells.tsv.gz"),
        clonality=with_extra(
            "clonotypes", "results/embedding/{patient}.clonality.tsv.gz"
        ),
    output:
        cells="results/clones/{patient}.cells.tsv.gz",
        selection="results/clones/{patient}.selection.tsv",
        summary="results/clones/{patient}.summary.tsv",
    log:
        "logs/infer_clones/{patient}.log",
    benchmark:
        "benchmarks/infer_clones/{patient}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    params:
        settings=settings("infer_clones"),
        extra=lambda wildcards: extra_of(wildcards.patient),
        code=code("infer_clones"),
        seed=config["seed"],
        device=config["device"],
    script:
        "../../scripts/infer_clones.py"


rule profile_clones:
    """Copy-number profile of each clone along the genome."""
    input:
        counts=counts_of_patient,
        cells="results/clones/{patient}.cells.tsv.gz",
        reference="results/copy_number/{patient}.reference.tsv",
        baseline="results/copy_number/{patient}.baseline.tsv.gz",
    output:
        profiles="results/clones/{patient}.profiles.tsv",
        seg="results/clones/{patient}.seg",
    log:
        "logs/profile_clones/{patient}.log",
    benchmark:
        "benchmarks/profile_clones/{patient}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    params:
        settings=settings("profile_clones"),
        states=settings("call_arms"),
        code=code("profile_clones"),
        seed=config["seed"],
    script:
        "../../scripts/profile_clones.py"


rule call_alleles:
    """Alleles of each clone's arms (balanced, imbalance, LOH, copy-neutral LOH), where the patient has allele counts."""
    input:
        alleles=extra_files("alleles"),
        malignant="results/copy_number/{patient}.malignant.tsv.gz",
        types="results/embedding/cells.tsv.gz",
        cells="results/clones/{patient}.cells.tsv.gz",
        profiles="results/clones/{patient}.profiles.tsv",
    output:
        alleles="results/clones/{patient}.alleles.tsv",
    log:
        "logs/call_alleles/{patient}.log",
    benchmark:
        "benchmarks/call_alleles/{patient}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    params:
        settings=settings("call_alleles"),
        reading=settings("infer_clones"),
        extra=lambda wildcards: extra_of(wildcards.patient),
        code=code("call_alleles"),
        seed=config["seed"],
    script:
        "../../scripts/call_alleles.py"


rule express_clones:
    """Genes and programmes in which each clone differs from the patient's others, and what its copies explain of it."""
    input:
        counts=counts_of_patient,
        cells="results/clones/{patient}.cells.tsv.gz",
        profiles="results/clones/{patient}.profiles.tsv",
        programmes=resource("programmes.tsv"),
        gene_sets=list(settings("assess_states")["gene_sets"].values()),
    output:
        markers="results/clones/{patient}.markers.tsv.gz",
        pseudobulk="results/clones/{patient}.pseudobulk.tsv.gz",
    log:
        "logs/express_clones/{patient}.log",
    benchmark:
        "benchmarks/express_clones/{patient}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    params:
        settings=settings("express_clones"),
        code=code("express_clones"),
        seed=config["seed"],
    script:
        "../../scripts/express_clones.py"
