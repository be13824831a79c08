# Needs: counts of a patient's samples, its malignant cells, its copy-number baseline.
# Gives: its clones (a clone and a posterior per malignant cell, the evidence for their number)
# and the copy-number profile of each.


rule infer_clones:
    """Learn a patient's clones over all timepoints together."""
    input:
        counts=counts_of_patient,
        malignant="results/copy_number/{patient}.malignant.tsv.gz",
        baseline="results/copy_number/{patient}.baseline.tsv.gz",
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
        code=code("infer_clones"),
        seed=config["seed"],
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
